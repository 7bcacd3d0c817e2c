use std::net::TcpListener;
use std::thread;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

fn question(wanted: Wanted) -> Question<'static> {
    Question {
        method: Method::GET,
        path: "/v1/stats",
        json: None,
        token: None,
        wanted,
        timeout: TIMEOUT,
    }
}

/// Answers one connection with these bytes after reading a request, and gives what was asked.
fn server(answer: Vec<u8>) -> (Server, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4096];
        let n = stream.read(&mut request).expect("a request");
        // Who has read enough may be gone.
        let _ = stream.write_all(&answer);
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    (Server::at(address), thread)
}

fn told(answer: impl Into<Vec<u8>>, wanted: Wanted) -> Result<(u16, String), String> {
    let (server, thread) = server(answer.into());
    let answer = server.ask(&question(wanted));
    thread.join().expect("the server thread ends");
    let answer = answer.map_err(|e| e.to_string())?;
    let body = String::from_utf8(answer.body).expect("text");
    Ok((answer.status.as_u16(), body))
}

#[test]
fn answers_whole_or_not_at_all() {
    let cases = [
        (
            "a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Ok((200, "ok")),
        ),
        (
            "to the end",
            "HTTP/1.0 404 Not Found\r\n\r\nno such",
            Ok((404, "no such")),
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            Ok((200, "abc")),
        ),
        ("no body", "HTTP/1.1 204 No Content\r\n\r\n", Ok((204, ""))),
        (
            "a body cut off",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            Err("the answer breaks off"),
        ),
        (
            "chunks cut off",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            Err("the answer breaks off"),
        ),
        (
            "a head cut off",
            "HTTP/1.1 200 OK\r\n",
            Err("the answer breaks off"),
        ),
        (
            "a large length",
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
            Err("the answer is larger than 10 bytes"),
        ),
        (
            "a large body",
            "HTTP/1.1 200 OK\r\n\r\n12345678901",
            Err("the answer is larger than 10 bytes"),
        ),
        (
            "a length that is none",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            Err("the answer is not HTTP"),
        ),
        (
            "another protocol",
            "SSH-2.0\r\n",
            Err("the answer is not HTTP"),
        ),
        (
            "no status",
            "HTTP/1.1 \r\n\r\n",
            Err("the answer is not HTTP"),
        ),
        ("nothing", "", Err("the answer is not HTTP")),
    ];
    for (case, answer, expected) in cases {
        let expected = expected
            .map(|(status, body)| (status, body.to_owned()))
            .map_err(str::to_owned);
        // Chunks take more bytes on the wire than in the body.
        let max = if case == "chunks" { 40 } else { 10 };
        assert_eq!(told(answer, Wanted::Whole(max)), expected, "{case}");
    }
}

#[test]
fn a_verdict_needs_no_body() {
    let cases = [
        (
            "good",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nok",
            Ok((200, "")),
        ),
        (
            "bad",
            "HTTP/1.1 503 Unavailable\r\n\r\ndraining, and more",
            Ok((503, "draining, ")),
        ),
        (
            "bad and cut off",
            "HTTP/1.1 503 Unavailable\r\nContent-Length: 9\r\n\r\ndrain",
            Ok((503, "drain")),
        ),
        (
            "bad and short",
            "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
            Ok((500, "oops")),
        ),
    ];
    for (case, answer, expected) in cases {
        let expected = expected.map(|(status, body)| (status, body.to_owned()));
        assert_eq!(told(answer, Wanted::Verdict(10)), expected, "{case}");
    }
}

#[test]
fn an_endless_head_is_not_read() {
    let head = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
    assert_eq!(
        told(head, Wanted::Whole(10)),
        Err("the answer is larger than 16384 bytes".to_owned())
    );
}

#[test]
fn what_is_sent() {
    let (server, thread) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let question = Question {
        method: Method::POST,
        path: "/v1/purge?a=b",
        json: Some("{\"all\":true}"),
        token: Some("s3cret"),
        ..question(Wanted::Whole(10))
    };
    server.ask(&question).expect("an answer");
    let request = thread.join().expect("the server thread ends");
    let (head, body) = request.split_once("\r\n\r\n").expect("a whole head");
    assert_eq!(body, "{\"all\":true}");
    for line in [
        "POST /v1/purge?a=b HTTP/1.1",
        "Authorization: Bearer s3cret",
        "Content-Type: application/json",
        "Content-Length: 12",
        "Connection: close",
    ] {
        assert!(head.lines().any(|l| l == line), "{line} in\n{head}");
    }
}

#[test]
fn nothing_is_sent_that_could_be_read_in_another_way() {
    let server = Server::at("127.0.0.1:9".parse().expect("an address"));
    for (path, token) in [
        ("/a b", None),
        ("/a\r\nX: y", None),
        ("/", Some("a\r\nX: y")),
        ("/", Some("")),
    ] {
        let question = Question {
            path,
            token,
            ..question(Wanted::Whole(10))
        };
        let error = server.ask(&question).expect_err("refused");
        assert!(matches!(error, Error::Unsendable(_)), "{path} {token:?}");
    }
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let question = Question {
        timeout: Duration::from_millis(50),
        ..question(Wanted::Whole(10))
    };
    let server = Server::at(listener.local_addr().expect("bound"));
    let error = server.ask(&question).expect_err("no answer");
    assert_eq!(error.to_string(), "no answer within 0.05 s");
}

#[test]
fn urls() {
    let cases = [
        ("http://127.0.0.1:9090", Some("http://127.0.0.1:9090")),
        ("http://0.0.0.0:9090/", Some("http://127.0.0.1:9090")),
        (
            "http://[::]:9090/livez",
            Some("http://[::1]:9090 and /livez"),
        ),
        (
            "http://sidecar/readyz?verbose",
            Some("http://sidecar:80 and /readyz?verbose"),
        ),
        ("http://user:secret@sidecar/", None),
        ("https://127.0.0.1/", None),
        ("127.0.0.1:9090", None),
        ("/readyz", None),
        ("", None),
    ];
    for (url, expected) in cases {
        let got = Server::parse(url).ok().map(|(server, path)| match path {
            Some(path) => format!("{server} and {path}"),
            None => server.to_string(),
        });
        assert_eq!(got.as_deref(), expected, "{url}");
    }
}
