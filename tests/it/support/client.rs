//! A plain HTTP/1.1 client that hides nothing: heads as sent, bodies as they come, how they ended.

use super::body::{Body, Ending};
use super::head::{Head, Headers, bad};
use super::request::Request;
use super::wait::within;
use super::wire::Wire;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A whole answer, or as much of it as came.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub ending: Ending,
    /// The 1xx answers before it.
    pub interim: Vec<u16>,
}

impl Response {
    pub fn is_whole(&self) -> bool {
        self.ending == Ending::Whole
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {:?}", self.text()))
    }

    /// `Cache-Status`, or nothing.
    pub fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }

    pub fn is_hit(&self) -> bool {
        self.cache_status()
            .split(';')
            .any(|part| part.trim() == "hit")
    }

    pub fn was_stored(&self) -> bool {
        self.cache_status()
            .split(';')
            .any(|part| part.trim() == "stored")
    }

    /// The `detail=` of `Cache-Status`.
    pub fn detail(&self) -> &str {
        let parts = self.cache_status().split(';');
        parts
            .filter_map(|part| part.trim().strip_prefix("detail="))
            .next()
            .unwrap_or_default()
    }
}

/// One connection, used for one request after the other.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    body: Body,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = within("connect", TcpStream::connect(address)).await?;
        Ok(Self {
            wire: Wire::new(stream)?,
            body: Body::none(),
        })
    }

    /// Sends a request and reads the whole answer.
    pub async fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        // An answer may come before the request is fully sent, and the sending then fails.
        let sent = self.send(&request.bytes()).await;
        match self.response(&request.method).await {
            Ok(response) => Ok(response),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// [`Connection::exchange`] that must work.
    pub async fn ask(&mut self, request: &Request) -> Response {
        let told = format!("{} {}", request.method, request.target);
        self.exchange(request)
            .await
            .unwrap_or_else(|e| panic!("no answer to {told}: {e}"))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("write", self.wire.write(bytes)).await
    }

    /// Sends one chunk of a chunked body; an empty one ends it.
    pub async fn send_chunk(&mut self, data: &[u8]) -> io::Result<()> {
        let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        self.send(&chunk).await
    }

    /// The next head, 1xx included. An error of kind `UnexpectedEof` when none comes.
    pub async fn any_head(&mut self) -> io::Result<Head> {
        let head = within("the head of an answer", self.wire.head()).await?;
        head.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The head of the final answer; its body follows by [`Connection::piece`].
    pub async fn head(&mut self, method: &str) -> io::Result<(Head, Vec<u16>)> {
        let mut interim = Vec::new();
        loop {
            let head = self.any_head().await?;
            match head.status()? {
                status @ (100 | 102..=199) => interim.push(status),
                status => {
                    self.body = Body::of_response(method, status, &head.headers)?;
                    return Ok((head, interim));
                }
            }
        }
    }

    /// The next bytes of the body, `None` when it ended.
    pub async fn piece(&mut self) -> Option<Bytes> {
        within("a piece of the body", self.body.piece(&mut self.wire)).await
    }

    /// At least `count` bytes of the body, fewer only if it ended.
    pub async fn pieces(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let Some(piece) = self.piece().await else {
                break;
            };
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    /// How the body ended; asked after `piece` gave `None`.
    pub fn ending(&self) -> Ending {
        self.body.ending().expect("the body was read to its end")
    }

    pub async fn response(&mut self, method: &str) -> io::Result<Response> {
        let (head, interim) = self.head(method).await?;
        let body = self.pieces(usize::MAX).await;
        let status = head.status()?;
        Ok(Response {
            status,
            headers: head.headers,
            body,
            ending: self.ending(),
            interim,
        })
    }

    /// Reads and counts the body without keeping it.
    pub async fn drain(&mut self) -> (u64, Ending) {
        let mut count = 0;
        while let Some(piece) = self.piece().await {
            count += piece.len() as u64;
        }
        (count, self.ending())
    }

    /// Waits for the other side to close; `Ok` only if it sent nothing before.
    pub async fn closed(&mut self) -> io::Result<()> {
        match within("the connection to be closed", self.wire.fill()).await {
            Ok(true) => Err(bad("bytes came instead of the end")),
            Ok(false) | Err(_) => Ok(()),
        }
    }

    pub fn has_leftovers(&self) -> bool {
        self.wire.has_leftovers()
    }

    pub fn into_stream(self) -> TcpStream {
        self.wire.into_stream()
    }
}
