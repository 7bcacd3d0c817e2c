//! The app's routes over a real socket, with a client as plain as can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::*;

/// Sends one request and returns status, head and the beginning of the body.
fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the app listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(
            reader.read_line(&mut head).expect("a line"),
            0,
            "no whole head: {head}"
        );
    }
    let head = head.to_ascii_lowercase();
    let status = head[9..12].parse().expect("a status");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("the whole body");
    (status, head, body)
}

fn get_from(app: &App, path: &str) -> (u16, String, Vec<u8>) {
    ask(app.address(), "GET", path, "")
}

#[test]
fn routes_answer_as_the_demo_promises() {
    let app = App::start(None).expect("started");
    let cases = [
        ("/", 200, "cache-control: public, max-age=30"),
        ("/api/articles", 200, "cache-tag: articles\r\n"),
        ("/api/articles/7", 200, "cache-tag: articles, article:7"),
        ("/api/articles/7", 200, "cache-control: public, max-age=60"),
        ("/api/articles/0", 404, "no-store"),
        ("/api/articles/21", 404, "no-store"),
        ("/api/articles/x", 400, ""),
        ("/api/time", 200, "cache-control: no-store"),
        ("/api/me", 200, "set-cookie: demo=1; path=/api/me"),
        ("/api/me", 200, "cache-control: private"),
        ("/slow?ms=1", 200, "content-type: application/json"),
        ("/slow?ms=10001", 400, ""),
        ("/status/418", 418, "no-store"),
        ("/status/101", 400, ""),
        ("/status/99999", 400, ""),
        ("/big?kb=4097", 400, ""),
        ("/big?kb=-1", 400, ""),
        ("/nothing", 404, ""),
    ];
    for (path, status, field) in cases {
        let (got, head, _) = get_from(&app, path);
        assert_eq!(got, status, "{path}: {head}");
        assert!(head.contains(field), "{path}: {head}");
    }
    let (_, head, _) = get_from(&app, "/slow?ms=0");
    assert!(
        !head.contains("cache-control"),
        "the rule decides, not the app: {head}"
    );
}

#[test]
fn the_page_is_whole_and_worth_compressing() {
    let app = App::start(None).expect("started");
    let (_, head, body) = get_from(&app, "/");
    let html = String::from_utf8(body).expect("text");
    assert!(
        (8 * 1024..=12 * 1024).contains(&html.len()),
        "{} bytes",
        html.len()
    );
    assert!(html.trim_end().ends_with("</html>") && !html.contains("{{"));
    for foreign in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(
            !html.contains(foreign),
            "the page loads nothing from elsewhere: {foreign}"
        );
    }

    let etag = head
        .lines()
        .find_map(|l| l.strip_prefix("etag: "))
        .expect("an ETag")
        .to_owned();
    for seen in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"x\", W/{etag}"),
    ] {
        let (status, ..) = ask(
            app.address(),
            "GET",
            "/",
            &format!("If-None-Match: {seen}\r\n"),
        );
        assert_eq!(status, 304, "{seen}");
    }
    assert_eq!(
        ask(app.address(), "GET", "/", "If-None-Match: \"x\"\r\n").0,
        200
    );
}

#[test]
fn each_render_is_counted_and_takes_its_time() {
    let app = App::start(None).expect("started");
    let begun = std::time::Instant::now();
    let (.., first) = get_from(&app, "/api/articles/1");
    assert!(begun.elapsed() >= RENDER_TIME);
    let (.., second) = get_from(&app, "/api/articles/1");
    let render = |body: &[u8]| -> u64 {
        let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        body["render"].as_u64().expect("a number")
    };
    assert_eq!((render(&first), render(&second)), (1, 2));
}

#[test]
fn big_is_as_big_as_asked() {
    let app = App::start(None).expect("started");
    for kb in [0, 1, 100, BIG_KB_MAX] {
        assert_eq!(get_from(&app, &format!("/big?kb={kb}")).2.len(), kb * 1024);
    }
}

#[test]
fn an_edit_purges_its_tag_at_the_admin_port() {
    let admin = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = admin.local_addr().expect("bound");
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = admin.accept().expect("the app calls");
        let mut request = [0; 1024];
        let n = stream.read(&mut request).expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            .expect("written");
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    let app = App::start(Some(address)).expect("started");
    let (status, _, body) = ask(
        app.address(),
        "POST",
        "/api/articles/3",
        "Content-Length: 0\r\n",
    );
    let body = String::from_utf8(body).expect("text");
    assert!(
        status == 200 && body.contains("article:3: the proxy answered 200"),
        "{body}"
    );
    let request = proxy.join().expect("the thread ends");
    assert!(
        request.starts_with("POST /v1/purge HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.ends_with(r#"{"tags":["article:3"]}"#), "{request}");
}

#[test]
fn events_and_websockets_are_live_and_end_with_the_app() {
    let app = App::start(None).expect("started");
    let mut events = TcpStream::connect(app.address()).expect("connected");
    events
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    events
        .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    let mut events = BufReader::new(events);
    let mut line = String::new();
    while !line.starts_with("event: tick") {
        line.clear();
        assert_ne!(
            events.read_line(&mut line).expect("a line"),
            0,
            "an event comes"
        );
    }

    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut socket = TcpStream::connect(app.address()).expect("connected");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    write!(socket, "GET /ws HTTP/1.1\r\nHost: a\r\n{fields}\r\n").expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("the answer's head");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    // The accept value of RFC 6455 §1.3 for this key.
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    // A masked text frame with a mask of zeros, and its echo, which a server does not mask.
    socket.write_all(b"\x81\x82\0\0\0\0hi").expect("written");
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"\x81\x02hi");

    let begun = std::time::Instant::now();
    drop(app);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "open streams do not keep the app"
    );
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = events.read_to_end(&mut rest);
}
