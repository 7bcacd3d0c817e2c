//! Nobody receives what was meant for somebody else: each rule by which an answer is not kept or
//! not reused, and the word that says why.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};

/// Asks twice; the second answer must come from the app.
async fn second_of(request: Request, headers: &[(&str, &str)]) -> Response {
    let origin = Origin::counting(headers).await;
    let sidecar = Sidecar::before(&origin).await;
    let first = sidecar.ask(&request).await;
    let second = sidecar.ask(&request).await;
    assert_eq!((first.status, second.status), (200, 200), "{request:?}");
    assert!(!second.is_hit(), "{request:?} {headers:?}: {second:?}");
    assert_eq!(second.text(), "answer 2", "{request:?} {headers:?}");
    assert_eq!(origin.requests(), 2, "{request:?} {headers:?}");
    second
}

#[tokio::test]
async fn answers_meant_for_one_client_are_not_kept() {
    let fresh = ("Cache-Control", "max-age=60");
    let cases: [(&[(&str, &str)], &str); 11] = [
        (&[fresh, ("Set-Cookie", "id=1")], "SET_COOKIE"),
        (&[("Cache-Control", "max-age=60, private")], "PRIVATE"),
        (&[fresh, ("Cache-Control", "private=\"x-a\"")], ""),
        (&[("Cache-Control", "max-age=60, no-store")], "NO_STORE"),
        (&[("Cache-Control", "MAX-AGE=60, NO-STORE")], "NO_STORE"),
        (&[("Cache-Control", "max-age=60, no-cache")], "NO_CACHE"),
        (&[fresh, ("Vary", "*")], "VARY_STAR"),
        (&[fresh, ("Vary", "Accept-Encoding, Cookie")], "VARY_DENIED"),
        (
            &[fresh, ("Vary", "Accept-Encoding"), ("Vary", "User-Agent")],
            "VARY_DENIED",
        ),
        (&[fresh, ("Vary", "X-Forwarded-For")], "VARY"),
        (&[], "NO_FRESHNESS"),
    ];
    for (headers, detail) in cases {
        let answer = second_of(Request::get("/"), headers).await;
        assert!(!answer.was_stored(), "{headers:?}: {answer:?}");
        if !detail.is_empty() {
            let status = format!("vestibule; fwd=uri-miss; detail={detail}");
            assert_eq!(answer.cache_status(), status, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn answers_without_any_lifetime_left_are_not_kept() {
    let past = "Wed, 01 Jan 2020 00:00:00 GMT";
    let cases: [&[(&str, &str)]; 4] = [
        &[("Cache-Control", "max-age=0")],
        &[("Cache-Control", "max-age=60"), ("Age", "60")],
        &[("Expires", past)],
        &[("Expires", "0")],
    ];
    for headers in cases {
        second_of(Request::get("/"), headers).await;
    }
}

#[tokio::test]
async fn requests_that_go_past_the_cache() {
    let fresh = [("Cache-Control", "max-age=60")];
    let get = || Request::get("/");
    let cases = [
        (
            get().header("Proxy-Authorization", "Basic x"),
            "AUTHORIZATION_NEVER",
        ),
        (get().header("X-Api-Key", "x"), "CREDENTIAL_HEADER"),
        (
            get().header("Cache-Control", "no-store"),
            "REQUEST_NO_STORE",
        ),
        (get().body("a body"), "REQUEST_BODY"),
        (Request::post("/", "a=b"), "METHOD"),
        (Request::new("PUT", "/").body("x"), "METHOD"),
        (Request::new("OPTIONS", "/"), "METHOD"),
    ];
    for (request, detail) in cases {
        let answer = second_of(request.clone(), &fresh).await;
        // RFC 9211 has a word of its own for the method.
        let forward = if detail == "METHOD" {
            "method"
        } else {
            "bypass"
        };
        let status = format!("vestibule; fwd={forward}; detail={detail}");
        assert_eq!(answer.cache_status(), status, "{request:?}");
    }
}

#[tokio::test]
async fn credentials_neither_fill_nor_read_the_cache() {
    let origin = Origin::start(|asked| {
        let user = asked.header("Authorization").unwrap_or("nobody").to_owned();
        Reply::cacheable(user)
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let as_user = |user: &str| Request::get("/me").header("Authorization", user);
    assert_eq!(sidecar.ask(&as_user("anna")).await.text(), "anna");
    assert_eq!(sidecar.get("/me").await.text(), "nobody");
    assert_eq!(sidecar.ask(&as_user("ben")).await.text(), "ben");
    assert_eq!(sidecar.get("/me").await.text(), "nobody");
}

/// RFC 9111 §3.5.
#[tokio::test]
async fn requests_with_credentials_are_kept_only_if_the_app_says_so() {
    let asking = || Request::get("/").header("Authorization", "Bearer x");
    let answer = second_of(asking(), &[("Cache-Control", "max-age=60")]).await;
    assert_eq!(
        answer.cache_status(),
        "vestibule; fwd=uri-miss; detail=AUTHORIZATION"
    );
    for shared in [
        "public, max-age=60",
        "s-maxage=60",
        "max-age=60, must-revalidate",
    ] {
        let origin = Origin::counting(&[("Cache-Control", shared)]).await;
        let sidecar = Sidecar::before(&origin).await;
        assert!(sidecar.ask(&asking()).await.was_stored(), "{shared}");
        assert!(sidecar.ask(&asking()).await.is_hit(), "{shared}");
        assert!(sidecar.get("/").await.is_hit(), "{shared}");
    }
}

#[tokio::test]
async fn requests_with_cookies_are_kept_only_if_the_app_says_public() {
    let cookie = || Request::get("/").header("Cookie", "session=1");
    let answer = second_of(cookie(), &[("Cache-Control", "max-age=60")]).await;
    assert_eq!(answer.detail(), "REQUEST_COOKIE");
    for public in ["public, max-age=60", "s-maxage=60"] {
        let origin = Origin::counting(&[("Cache-Control", public)]).await;
        let sidecar = Sidecar::before(&origin).await;
        assert!(sidecar.ask(&cookie()).await.was_stored(), "{public}");
        assert!(sidecar.ask(&cookie()).await.is_hit(), "{public}");
    }
}

#[tokio::test]
async fn varying_by_accept_encoding_alone_is_no_obstacle() {
    let headers = [("Cache-Control", "max-age=60"), ("Vary", "Accept-Encoding")];
    let origin = Origin::counting(&headers).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    assert!(sidecar.get("/").await.is_hit());
}

#[tokio::test]
async fn headers_outside_the_key_poison_nothing() {
    let names = [
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
    ];
    let origin = Origin::start(move |asked| {
        let seen = names.iter().filter_map(|name| asked.header(name));
        Reply::cacheable(format!("seen: {}", seen.collect::<Vec<_>>().join(" ")))
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for name in names {
        let target = format!("/{name}");
        sidecar
            .ask(&Request::get(&target).header(name, "evil.test"))
            .await;
        let innocent = sidecar.get(&target).await;
        assert!(!innocent.text().contains("evil"), "{name}: {innocent:?}");
    }
}

#[tokio::test]
async fn objects_above_the_size_limit_are_passed_on_and_not_kept() {
    let sized = |bytes: usize| Reply::cacheable(vec![b'x'; bytes]);
    let origin = Origin::start(move |asked| match asked.path() {
        "/small" => sized(1024),
        "/large" => sized(1025),
        _ => Reply::chunked()
            .header("Cache-Control", "max-age=60")
            .filler(100_000),
    })
    .await;
    let yaml = "cache: {max_object_size: 1KiB}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let twice = async |target: &str| {
        sidecar.get(target).await;
        sidecar.get(target).await
    };
    assert!(twice("/small").await.is_hit());
    let large = twice("/large").await;
    assert_eq!(
        (large.body.len(), large.is_whole(), large.is_hit()),
        (1025, true, false)
    );
    assert_eq!(large.detail(), "TOO_LARGE");
    let chunked = twice("/chunked").await;
    assert_eq!((chunked.body.len(), chunked.is_whole()), (100_000, true));
    assert!(!chunked.is_hit());
}

#[tokio::test]
async fn a_truncated_answer_is_never_kept() {
    let broken: [fn() -> Reply; 3] = [
        || Reply::cacheable("half").claim_length(8).then_close(),
        || {
            Reply::chunked()
                .header("Cache-Control", "max-age=60")
                .body("half")
                .then_close()
        },
        || {
            Reply::chunked()
                .header("Cache-Control", "max-age=60")
                .then_close()
        },
    ];
    for make in broken {
        let origin = Origin::start(move |asked| match asked.path() {
            "/page" if asked.header("x-break").is_some() => make(),
            _ => Reply::cacheable("the whole"),
        })
        .await;
        let sidecar = Sidecar::before(&origin).await;
        let request = Request::get("/page").header("X-Break", "yes");
        // How it looks to this client is told in streaming.rs.
        let _ = sidecar.connect().await.exchange(&request).await;
        let next = sidecar.get("/page").await;
        assert_eq!((next.text().as_str(), next.is_whole()), ("the whole", true));
        assert!(!next.is_hit(), "{next:?}");
    }
}

#[tokio::test]
async fn a_body_without_framing_is_never_kept() {
    let origin = Origin::always(Reply::cacheable("whole?").until_close()).await;
    let sidecar = Sidecar::before(&origin).await;
    for _ in 0..2 {
        assert!(!sidecar.get("/").await.is_hit());
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn what_is_still_arriving_is_not_served_as_whole() {
    let gate = Gate::closed();
    let reply = Reply::chunked()
        .header("Cache-Control", "max-age=60")
        .body("first ");
    let origin = Origin::always(reply.wait(&gate).body("last")).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    connection.send(&Request::get("/").bytes()).await.unwrap();
    connection.head("GET").await.unwrap();
    assert_eq!(connection.pieces(6).await, b"first ");
    let (second, ()) = tokio::join!(sidecar.get("/"), async { gate.open() });
    assert_eq!(
        (second.text().as_str(), second.is_whole()),
        ("first last", true)
    );
}

#[tokio::test]
async fn partial_answers_are_not_kept() {
    let headers = [
        ("Cache-Control", "max-age=60"),
        ("Content-Range", "bytes 0-7/100"),
    ];
    let origin = Origin::start(move |_| {
        let reply = Reply::status(206).body("answer x");
        headers
            .iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value))
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for _ in 0..2 {
        let answer = sidecar.get("/").await;
        assert_eq!((answer.status, answer.is_hit()), (206, false));
    }
}

#[tokio::test]
async fn decisions_are_counted_by_their_reason() {
    let origin = Origin::start(|asked| match asked.path() {
        "/cookie" => Reply::cacheable("x").header("Set-Cookie", "a=b"),
        _ => Reply::ok("x").header("Cache-Control", "private, max-age=60"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for target in ["/cookie", "/cookie", "/private"] {
        sidecar.get(target).await;
    }
    eventually("the decisions to be counted", PATIENCE, async || {
        let scrape = sidecar.metrics().await;
        let count = |reason| scrape.sum("vestibule_cache_decisions_total", &[("reason", reason)]);
        (count("SET_COOKIE"), count("PRIVATE"), count("VARY")) == (2.0, 1.0, 0.0)
    })
    .await;
}
