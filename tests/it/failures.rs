//! An app that fails: the right status, one word for the reason, and a way to find it in the log.

use crate::support::{Connection, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use tokio::net::{TcpListener, TcpSocket};

/// Checks the body, the headers and that they agree.
#[track_caller]
fn assert_error(answer: &Response, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json()["error"].clone();
    assert_eq!(error["status"], status, "{error}");
    assert_eq!(error["reason"], reason, "{error}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{error}"
    );
    let id = answer
        .header("x-request-id")
        .expect("each answer has an id");
    assert_eq!(error["request_id"], id, "{error}");
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.contains("json"))
    );
}

fn json(target: &str) -> Request {
    Request::get(target).header("Accept", "application/json")
}

/// An address where nobody listens, and nobody else can: the port is held for as long as this is.
/// A port that was free a moment ago may be the one that the sidecar itself is given next.
struct Nobody(TcpSocket);

impl Nobody {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// The app has come.
    fn listen(self) -> TcpListener {
        self.0.listen(16).unwrap()
    }
}

#[tokio::test]
async fn an_app_that_is_down_is_a_502() {
    let nobody = Nobody::new();
    let sidecar = Sidecar::with("").upstream(&nobody.url()).start().await;
    assert_error(&sidecar.ask(&json("/")).await, 502, "UPSTREAM_CONNECT");
    let post = Request::post("/", "body").header("Accept", "*/*");
    assert_error(&sidecar.ask(&post).await, 502, "UPSTREAM_CONNECT");
    assert_eq!(sidecar.ask(&Request::head("/")).await.status, 502);
}

#[tokio::test]
async fn people_get_a_page_and_programs_get_json() {
    let nobody = Nobody::new();
    let sidecar = Sidecar::with("").upstream(&nobody.url()).start().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let answer = sidecar
        .ask(&Request::get("/").header("Accept", browser))
        .await;
    assert_eq!(answer.status, 502);
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    let id = answer
        .header("x-request-id")
        .expect("each answer has an id")
        .to_owned();
    assert!(answer.text().contains(&id), "{}", answer.text());
    let unsafe_id = Request::get("/").header("Accept", browser);
    let answer = sidecar
        .ask(&unsafe_id.header("X-Request-Id", "<b>bold</b>"))
        .await;
    assert!(!answer.text().contains("<b>bold"), "{}", answer.text());
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_a_502() {
    let origin = Origin::always(Reply::raw("")).await;
    let sidecar = Sidecar::before(&origin).await;
    assert_error(&sidecar.ask(&json("/")).await, 502, "UPSTREAM_CLOSED");
}

#[tokio::test]
async fn garbage_is_a_502() {
    let not_http = "SSH-2.0-OpenSSH_9.9\r\n\r\n";
    let bad_status = "HTTP/1.1 abc Nonsense\r\nContent-Length: 0\r\n\r\n";
    for garbage in [not_http, bad_status] {
        let origin = Origin::always(Reply::raw(garbage)).await;
        let sidecar = Sidecar::before(&origin).await;
        assert_error(&sidecar.ask(&json("/")).await, 502, "UPSTREAM_INVALID");
    }
}

#[tokio::test]
async fn an_app_that_never_answers_is_a_504() {
    let origin = Origin::always(Reply::silence()).await;
    let yaml = "upstream: {timeouts: {first_byte: 300ms}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    assert_error(&sidecar.ask(&json("/")).await, 504, "UPSTREAM_TIMEOUT");
}

#[tokio::test]
async fn an_app_that_does_not_accept_in_time_is_a_504() {
    // A listener that is never accepted from, with its queue full: the kernel drops what follows.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let (mut waiting, mut is_full) = (Vec::new(), false);
    while !is_full {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(std::time::Duration::from_millis(300), connect).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => is_full = true,
        }
        assert!(waiting.len() < 16, "the queue never fills");
    }
    let yaml = "upstream: {timeouts: {connect: 300ms}}";
    let sidecar = Sidecar::with(yaml)
        .upstream(&format!("http://{address}"))
        .start()
        .await;
    assert_error(
        &sidecar.ask(&json("/")).await,
        504,
        "UPSTREAM_CONNECT_TIMEOUT",
    );
}

#[tokio::test]
async fn an_app_that_comes_back_is_used_again() {
    let nobody = Nobody::new();
    let sidecar = Sidecar::with("").upstream(&nobody.url()).start().await;
    assert_eq!(sidecar.get("/").await.status, 502);
    let listener = nobody.listen();
    let answer = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        // The sidecar's own look whether the app is there brings no request.
        let mut stream = loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::with_capacity(4096);
            if stream.read_buf(&mut head).await.unwrap_or(0) > 0 {
                break stream;
            }
        };
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback")
            .await
            .unwrap();
        stream
    };
    let (_stream, answer) = tokio::join!(answer, sidecar.get("/"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "back"));
}

#[tokio::test]
async fn it_is_ready_once_the_app_has_accepted_a_connection() {
    let nobody = Nobody::new();
    let sidecar = Sidecar::with("").upstream(&nobody.url()).start().await;
    assert!(!sidecar.is_ready().await);
    let told = sidecar.metrics_port("/readyz?verbose").await.unwrap();
    assert!(told.text().contains("waiting for the app"), "{told:?}");
    let app = nobody.listen();
    eventually("readiness", PATIENCE, async || sidecar.is_ready().await).await;
    drop(app);
    assert!(
        sidecar.is_ready().await,
        "an app that goes away is no reason"
    );
}

#[tokio::test]
async fn errors_are_counted_by_status() {
    let nobody = Nobody::new();
    let sidecar = Sidecar::with("").upstream(&nobody.url()).start().await;
    for _ in 0..3 {
        sidecar.get("/").await;
    }
    let labels = [("method", "GET"), ("status", "502")];
    // A request is counted when it is done, which may be just after its answer was read.
    eventually("the count", PATIENCE, async || {
        sidecar
            .metrics()
            .await
            .sum("vestibule_requests_total", &labels)
            == 3.0
    })
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_before_the_app_sees_it() {
    let origin = Origin::start(|asked| Reply::ok(asked.body_length.to_string())).await;
    let sidecar = Sidecar::with("limits: {body: 1KiB}")
        .origin(&origin)
        .start()
        .await;
    let request =
        |bytes: usize| Request::post("/", vec![b'.'; bytes]).header("Accept", "application/json");
    assert_eq!(sidecar.ask(&request(1024)).await.text(), "1024");
    assert_error(&sidecar.ask(&request(1025)).await, 413, "BODY_TOO_LARGE");
    assert_eq!(origin.requests(), 1, "only the first one was passed on");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_a_413() {
    let origin = Origin::start(|asked| Reply::ok(asked.body_length.to_string())).await;
    let sidecar = Sidecar::with("limits: {body: 1KiB}")
        .origin(&origin)
        .start()
        .await;
    let send = async |chunks: usize| {
        let mut connection = sidecar.connect().await;
        let head = Request::new("POST", "/").header("Transfer-Encoding", "chunked");
        connection
            .send(&head.header("Accept", "application/json").bytes())
            .await
            .unwrap();
        for _ in 0..chunks {
            connection.send_chunk(&[b'.'; 512]).await.unwrap();
        }
        // The sidecar may have refused before this.
        let _ = connection.send_chunk(b"").await;
        connection.response("POST").await.unwrap()
    };
    assert_eq!(send(2).await.text(), "1024");
    assert_error(&send(3).await, 413, "BODY_TOO_LARGE");
    assert!(origin.asked().iter().all(|asked| asked.body_length <= 1024));
}

#[tokio::test]
async fn a_request_that_is_not_http_gets_a_400_or_nothing() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    for bytes in [
        "\u{1}\u{2}\u{3}\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut connection = Connection::open(sidecar.address()).await.unwrap();
        connection.send(bytes.as_bytes()).await.unwrap();
        if let Ok(answer) = connection.response("GET").await {
            assert!(
                (400..=505).contains(&answer.status),
                "{bytes:?}: {answer:?}"
            );
        }
    }
    assert_eq!(origin.requests(), 0);
    assert_eq!(sidecar.get("/").await.status, 200);
}
