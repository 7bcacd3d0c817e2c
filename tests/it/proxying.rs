//! Messages go through unchanged: methods, targets, heads, framing, connections.

use crate::support::{Ending, Gate, Origin, PATIENCE, Reply, Request, Sidecar, eventually};

/// Tells what reached the origin; the body is sent back.
async fn echo() -> Origin {
    Origin::start(|asked| {
        Reply::ok(asked.body.clone())
            .header("X-Method", &asked.method)
            .header("X-Target", &asked.target)
    })
    .await
}

#[tokio::test]
async fn methods_and_bodies_go_through() {
    let origin = echo().await;
    let sidecar = Sidecar::before(&origin).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        let body = if method == "GET" { "" } else { "some body" };
        let answer = sidecar.ask(&Request::new(method, "/echo").body(body)).await;
        assert_eq!(
            (answer.status, answer.header("x-method")),
            (200, Some(method))
        );
        assert_eq!(answer.text(), body, "{method}");
        assert!(answer.is_whole(), "{method}: {answer:?}");
    }
}

#[tokio::test]
async fn statuses_go_through() {
    let origin = Origin::start(|asked| {
        let status = asked.path()[1..].parse().unwrap();
        Reply::status(status).body("text").header("X-Kept", "yes")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for status in [
        200, 201, 202, 203, 206, 301, 302, 400, 401, 404, 410, 418, 429, 500, 503, 599,
    ] {
        let answer = sidecar.get(&format!("/{status}")).await;
        assert_eq!(
            (answer.status, answer.header("x-kept")),
            (status, Some("yes"))
        );
        assert_eq!(answer.text(), "text", "{status}");
    }
}

#[tokio::test]
async fn targets_are_forwarded_byte_for_byte() {
    let origin = echo().await;
    let sidecar = Sidecar::before(&origin).await;
    let targets = [
        "/",
        "/?",
        "/a%2Fb/%7Euser/./c/../d//e",
        "/q?b=2&a=1&&a=%41+%20&utm_source=x&empty=&flag",
        "/semi;v=1/colon:x/at@y/!$'()*,",
        "/q?url=http://other.test/?x=y",
    ];
    for target in targets {
        let answer = sidecar.get(target).await;
        assert_eq!(answer.header("x-target"), Some(target));
    }
}

#[tokio::test]
async fn header_values_keep_their_bytes() {
    let origin = Origin::start(|asked| {
        Reply::ok("x").header("X-Back", asked.header("X-There").unwrap_or("nothing"))
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let value = "caf\u{e9} \u{ff}, \"quoted, list\"; a=b";
    let answer = sidecar
        .ask(&Request::get("/").header("X-There", value))
        .await;
    assert_eq!(answer.header("x-back"), Some(value));
}

#[tokio::test]
async fn repeated_headers_stay_apart() {
    let reply = Reply::ok("x")
        .header("Set-Cookie", "a=1, x")
        .header("Set-Cookie", "b=2");
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    let answer = sidecar.get("/").await;
    assert_eq!(
        answer.headers.all("set-cookie").collect::<Vec<_>>(),
        ["a=1, x", "b=2"]
    );
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    let origin = Origin::start(|asked| match asked.path() {
        "/204" => Reply::status(204),
        "/304" => Reply::status(304).header("ETag", "\"v1\""),
        _ => Reply::ok("hello"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    let head = connection.ask(&Request::head("/")).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
    let empty = connection.ask(&Request::get("/204")).await;
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    let conditional = Request::get("/304").header("If-None-Match", "\"v1\"");
    let unchanged = connection.ask(&conditional).await;
    assert_eq!(
        (unchanged.status, unchanged.header("etag")),
        (304, Some("\"v1\""))
    );
    let last = connection.ask(&Request::get("/")).await;
    assert_eq!(
        (last.text().as_str(), last.ending),
        ("hello", Ending::Whole)
    );
    assert!(!connection.has_leftovers());
}

/// RFC 9110 §15.2.
#[tokio::test]
async fn interim_answers_are_passed_on_and_not_stored() {
    let origin = Origin::always(Reply::raw(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 102 Processing\r\nX-Step: 2\r\n\r\n\
         HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nfinal",
    ))
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for (target, stored) in [("/", true), ("/by-post", false)] {
        let method = if stored { "GET" } else { "POST" };
        let mut connection = sidecar.connect().await;
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n");
        connection.send(head.as_bytes()).await.unwrap();
        let hints = connection.any_head().await.unwrap();
        assert_eq!(hints.status().unwrap(), 103, "{method}");
        assert_eq!(hints.headers.get("link"), Some("</a.css>; rel=preload"));
        assert_eq!(hints.headers.get("cache-status"), None);
        let step = connection.any_head().await.unwrap();
        assert_eq!(step.status().unwrap(), 102, "{method}");
        let answer = connection.response(method).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
        assert_eq!(
            (answer.header("link"), answer.header("x-step")),
            (None, None)
        );
    }
    let hit = sidecar.get("/").await;
    assert!(hit.is_hit() && hit.interim.is_empty(), "{hit:?}");
    // Who speaks HTTP/1.0 would take it for the answer.
    let mut old = sidecar.connect().await;
    old.send(b"GET /old HTTP/1.0\r\nHost: app.test\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(old.any_head().await.unwrap().status().unwrap(), 200);
}

/// RFC 9110 §6.6.1: `Date` is when the app made the answer.
#[tokio::test]
async fn the_date_is_that_of_the_app() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let origin = Origin::start(|asked| match asked.path() {
        "/undated" => Reply::ok("x"),
        "/old-format" => Reply::ok("x").header("Date", "Sunday, 06-Nov-94 08:49:37 GMT"),
        "/large" => Reply::ok("x")
            .header("Date", DATE)
            .header("X-Large", &"x".repeat(8000)),
        _ => Reply::ok("x")
            .header("Date", DATE)
            .header("Vestibule-Cache-Control", "max-age=999999999")
            .header("ETag", "\"1\""),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    let mut date = async |request: Request| {
        let answer = connection.ask(&request).await;
        answer.header("date").unwrap_or_default().to_owned()
    };
    let now = date(Request::get("/undated")).await;
    assert!(now.ends_with(" GMT") && now != DATE, "{now}");
    assert_eq!(date(Request::post("/", "x")).await, DATE);
    assert_eq!(date(Request::get("/large")).await, DATE);
    assert_eq!(date(Request::get("/")).await, DATE, "miss");
    assert_eq!(date(Request::get("/")).await, DATE, "hit");
    let same = Request::get("/").header("If-None-Match", "\"1\"");
    assert_eq!(date(same).await, DATE, "304");
    let converted = date(Request::get("/old-format")).await;
    assert_eq!(converted.len(), DATE.len(), "pingora's own: {converted}");
    let later = date(Request::get("/undated")).await;
    assert!(later != DATE, "one answer's date is not the next one's");
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body() {
    let origin = echo().await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    let request = Request::new("PUT", "/").header("Expect", "100-continue");
    connection
        .send(&request.header("Content-Length", "4").bytes())
        .await
        .unwrap();
    let interim = connection.any_head().await.unwrap();
    assert_eq!(interim.status().unwrap(), 100);
    connection.send(b"body").await.unwrap();
    let answer = connection.response("PUT").await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
}

#[tokio::test]
async fn expect_continue_may_be_refused() {
    let origin = Origin::eager(|_| Reply::status(417).body("no").then_close()).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    let request = Request::new("PUT", "/").header("Expect", "100-continue");
    connection
        .send(&request.header("Content-Length", "4").bytes())
        .await
        .unwrap();
    let answer = connection.response("PUT").await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (417, "no"));
}

#[tokio::test]
async fn http_1_0_clients_get_no_chunks() {
    let origin = Origin::always(Reply::chunked().body("hello ").body("world")).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    connection
        .send(b"GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
        .await
        .unwrap();
    let answer = connection.response("GET").await.unwrap();
    assert!(!answer.headers.has("transfer-encoding"), "{answer:?}");
    assert_eq!(answer.text(), "hello world");
    connection.closed().await.unwrap();
}

#[tokio::test]
async fn a_request_with_two_framings_is_never_two_requests() {
    let origin = echo().await;
    let sidecar = Sidecar::before(&origin).await;
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let both = format!(
        "POST /outer HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let twice = format!(
        "POST /outer HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\
         Content-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    for bytes in [both, twice] {
        let mut connection = sidecar.connect().await;
        connection.send(bytes.as_bytes()).await.unwrap();
        // Refused, or answered once; what follows is never taken for a request.
        if connection.response("POST").await.is_ok() {
            connection.closed().await.expect("no second answer");
        }
        assert!(
            origin
                .asked()
                .iter()
                .all(|asked| asked.path() != "/smuggled")
        );
    }
    assert_eq!(sidecar.get("/after").await.status, 200);
}

#[tokio::test]
async fn connections_on_both_sides_are_reused() {
    let origin = echo().await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    for n in 0..20 {
        let target = format!("/{n}");
        let answer = connection.ask(&Request::get(&target)).await;
        assert_eq!(answer.header("x-target"), Some(target.as_str()));
    }
    assert_eq!(origin.requests(), 20);
    assert!(
        // One of them is the sidecar's look whether the app is there.
        origin.connections() <= 3,
        "{} connections for 20 requests",
        origin.connections()
    );
}

#[tokio::test]
async fn an_upstream_that_drops_idle_connections_costs_no_request() {
    // It says nothing of closing, and closes after each answer.
    let origin = Origin::always(Reply::ok("hello").then_close()).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    for n in 0..40 {
        let answer = connection.ask(&Request::get("/")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "hello"),
            "request {n}"
        );
    }
}

#[tokio::test]
async fn h2c_requests_share_a_connection_at_the_same_time() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        Reply::ok(format!(
            "{} {}",
            asked.target,
            String::from_utf8_lossy(&asked.body)
        ))
        .held(&held)
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let h2 = sidecar.h2c().await;
    let mut answers = Vec::new();
    for n in 0..20 {
        let request = Request::new("POST", &format!("/{n}")).body(format!("body {n}"));
        answers.push(h2.start(&request).await.unwrap());
    }
    eventually("all of them to be at the origin", PATIENCE, async || {
        origin.requests() == 20
    })
    .await;
    gate.open();
    for (n, answer) in answers.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.status, answer.text()),
            (200, format!("/{n} body {n}"))
        );
        assert!(answer.reset.is_none() && answer.header("x-request-id").is_some());
    }
}
