//! HTTP/2 with prior knowledge on a plain connection.

use super::head::Headers;
use super::request::Request;
use super::wait::within;
use bytes::Bytes;
use h2::client::SendRequest;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// One connection for many requests at once.
pub struct H2c {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// An answer over HTTP/2, or as much of it as came.
#[derive(Debug)]
pub struct H2Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Why the stream was reset, if it was.
    pub reset: Option<h2::Error>,
}

impl H2Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

impl H2c {
    pub async fn open(address: SocketAddr) -> Result<Self, h2::Error> {
        let stream = within("connect", TcpStream::connect(address))
            .await
            .expect("the port is open");
        let (requests, connection) = within("h2 preface", h2::client::handshake(stream)).await?;
        // The preface is only written here; the connection's own end shows in each request.
        let driver = tokio::spawn(connection);
        Ok(Self { requests, driver })
    }

    /// Sends the request; the answer can be awaited apart from the connection.
    pub async fn start(
        &self,
        request: &Request,
    ) -> Result<impl Future<Output = Result<H2Response, h2::Error>> + use<>, h2::Error> {
        let mut requests = within("an h2 stream", self.requests.clone().ready()).await?;
        let (answer, mut sending) =
            requests.send_request(head(request), request.body.is_empty())?;
        if !request.body.is_empty() {
            sending.send_data(request.body.clone(), true)?;
        }
        Ok(async move {
            let _sending = sending;
            let (parts, body) = within("an h2 answer", answer).await?.into_parts();
            let headers = headers_of(&parts.headers);
            let (body, reset) = read(body).await;
            Ok(H2Response {
                status: parts.status.as_u16(),
                headers,
                body,
                reset,
            })
        })
    }

    pub async fn ask(&self, request: &Request) -> Result<H2Response, h2::Error> {
        self.start(request).await?.await
    }
}

impl Drop for H2c {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn read(mut body: h2::RecvStream) -> (Vec<u8>, Option<h2::Error>) {
    let mut bytes = Vec::new();
    while let Some(piece) = within("h2 data", body.data()).await {
        match piece {
            Ok(piece) => {
                bytes.extend_from_slice(&piece);
                if let Err(error) = body.flow_control().release_capacity(piece.len()) {
                    return (bytes, Some(error));
                }
            }
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

fn head(request: &Request) -> http::Request<()> {
    let uri = format!("http://{}{}", request.host(), request.target);
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(uri);
    for (name, value) in request
        .headers
        .iter()
        .filter(|(n, _)| !n.eq_ignore_ascii_case("host"))
    {
        head = head.header(name, value);
    }
    head.body(()).expect("a request that can be written")
}

fn headers_of(map: &http::HeaderMap) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in map {
        headers.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    headers
}
