//! Answers that depend on request fields, parts of answers, and answers that end others.

use crate::support::{Origin, Reply, Request, Response, Sidecar};

const TEXT: &str = "abcdefghijklmnopqrstuvwxyz";

/// Greets in the language that is asked for.
async fn greeter() -> Origin {
    Origin::start(|asked| {
        let language = asked.header("Accept-Language").unwrap_or("nothing");
        Reply::cacheable(format!("{language}, answer {}", asked.number))
            .header("Vary", "Accept-Language")
    })
    .await
}

fn in_language(language: &str) -> Request {
    Request::get("/").header("Accept-Language", language)
}

#[tokio::test]
async fn each_language_has_its_own_answer() {
    let origin = greeter().await;
    let sidecar = Sidecar::before(&origin).await;
    let english = sidecar.ask(&in_language("en-US, en;q=0.5")).await;
    let german = sidecar.ask(&in_language("de")).await;
    let none = sidecar.get("/").await;
    for answer in [&english, &german, &none] {
        assert!(answer.was_stored(), "{answer:?}");
    }
    let again = [
        ("en-us,en;q=0.50", &english),
        ("en-US, en;q=0.5", &english),
        ("en;q=0.5, EN-us", &english),
        ("DE", &german),
    ];
    for (language, expected) in again {
        let answer = sidecar.ask(&in_language(language)).await;
        assert!(answer.is_hit(), "{language}: {answer:?}");
        assert_eq!(answer.text(), expected.text(), "{language}");
    }
    let nothing = sidecar.get("/").await;
    assert_eq!((nothing.is_hit(), nothing.text()), (true, none.text()));
    assert_eq!(origin.requests(), 3);

    let other = sidecar.ask(&in_language("en, en-US;q=0.5")).await;
    assert!(!other.is_hit(), "preferred the other way round: {other:?}");
}

/// The field ends at the sidecar (RFC 9110 §7.6.1), so the app has not answered in German.
#[tokio::test]
async fn a_language_that_does_not_reach_the_app_names_no_variant() {
    let origin = greeter().await;
    let sidecar = Sidecar::before(&origin).await;
    let kept_back = in_language("de").header("Connection", "accept-language");
    assert_eq!(sidecar.ask(&kept_back).await.text(), "nothing, answer 1");
    assert_eq!(sidecar.ask(&in_language("de")).await.text(), "de, answer 2");
    assert_eq!(sidecar.get("/").await.text(), "nothing, answer 1");
}

#[tokio::test]
async fn a_purge_takes_every_variant() {
    let origin = greeter().await;
    let sidecar = Sidecar::before(&origin).await;
    let languages = ["en", "de", "fr"];
    for language in languages {
        sidecar.ask(&in_language(language)).await;
    }
    let url = Sidecar::url_of("/");
    sidecar.purge(serde_json::json!({ "urls": [url] })).await;
    for language in languages {
        let answer = sidecar.ask(&in_language(language)).await;
        assert!(!answer.is_hit() && answer.was_stored(), "{answer:?}");
    }
    assert_eq!(origin.requests(), 6);
}

#[tokio::test]
async fn the_oldest_of_too_many_variants_goes() {
    let origin = greeter().await;
    let sidecar = Sidecar::before(&origin).await;
    for i in 0..33 {
        sidecar.ask(&in_language(&format!("x-{i}"))).await;
    }
    for (language, is_hit) in [("x-32", true), ("x-1", true), ("x-0", false)] {
        let answer = sidecar.ask(&in_language(language)).await;
        assert_eq!(answer.is_hit(), is_hit, "{language}");
    }
}

/// RFC 9111 §4.1: a default answer without `Vary` must not reach those who get another one.
#[tokio::test]
async fn an_app_that_forgets_vary_in_its_default_answer() {
    let origin = Origin::start(|asked| match asked.header("Accept-Language") {
        Some(language) => Reply::cacheable(language.to_owned()).header("Vary", "Accept-Language"),
        None => Reply::cacheable("default"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    assert_eq!(sidecar.ask(&in_language("fr")).await.text(), "fr");
    assert_eq!(sidecar.get("/").await.text(), "default");
    for (request, expected) in [
        (in_language("fr"), "fr"),
        (in_language("de"), "de"),
        (Request::get("/"), "default"),
    ] {
        assert_eq!(sidecar.ask(&request).await.text(), expected);
    }
}

async fn alphabet() -> (Origin, Sidecar) {
    let origin = Origin::always(
        Reply::cacheable(TEXT)
            .header("ETag", "\"v1\"")
            .header("Content-Type", "application/x-letters")
            .header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    )
    .await;
    let sidecar = Sidecar::before(&origin).await;
    assert!(sidecar.get("/").await.was_stored());
    (origin, sidecar)
}

#[tokio::test]
async fn parts_come_from_the_stored_body() {
    let (origin, sidecar) = alphabet().await;
    let mut connection = sidecar.connect().await;
    let cases = [
        ("bytes=0-2", "abc", "bytes 0-2/26"),
        ("bytes=-3", "xyz", "bytes 23-25/26"),
        ("bytes=24-100", "yz", "bytes 24-25/26"),
        ("bytes=0-", TEXT, "bytes 0-25/26"),
    ];
    for (range, text, content_range) in cases {
        let request = Request::get("/").header("Range", range);
        let part = connection.ask(&request).await;
        assert!(part.is_hit(), "{range}: {part:?}");
        assert_eq!(
            (part.status, part.text()),
            (206, text.to_owned()),
            "{range}"
        );
        assert_eq!(part.header("content-range"), Some(content_range));
        assert_eq!(part.header("etag"), Some("\"v1\""));
        assert_eq!(
            part.header("content-length"),
            Some(&*text.len().to_string())
        );
        assert!(part.header("age").is_some());
    }
    let behind = Request::get("/").header("Range", "bytes=26-");
    let behind = connection.ask(&behind).await;
    assert_eq!(
        (behind.status, behind.header("content-range")),
        (416, Some("bytes */26"))
    );
    for ignored in ["lines=1-2", "bytes=3-1", "bytes=x"] {
        let request = Request::get("/").header("Range", ignored);
        let whole = connection.ask(&request).await;
        assert_eq!(
            (whole.status, whole.text()),
            (200, TEXT.to_owned()),
            "{ignored}"
        );
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn several_parts_come_in_one_answer() {
    let body = TEXT.repeat(100);
    let reply = Reply::cacheable(body.clone()).header("Content-Type", "text/x-letters");
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    let request = Request::get("/")
        .header("Range", "bytes=0-2,1000-1002,-2")
        .header("Accept-Encoding", "gzip");
    assert_eq!(sidecar.get("/").await.status, 200);
    let parts = sidecar.ask(&request).await;
    assert_eq!(parts.status, 206, "{parts:?}");
    assert_eq!(parts.header("content-encoding"), None);
    let kind = parts.header("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/x-letters\r\nContent-Range: bytes {range}/2600\r\n\r\n{text}\r\n"
        )
    };
    let expected = [
        part("0-2", "abc"),
        part("1000-1002", &body[1000..1003]),
        part("2598-2599", "yz"),
        format!("--{boundary}--\r\n"),
    ];
    assert_eq!(parts.text(), expected.concat());
    let other = sidecar.ask(&request).await;
    assert_ne!(
        other.header("content-type"),
        Some(kind),
        "the boundary cannot be guessed"
    );
    assert_eq!(origin.requests(), 1);

    let h2 = sidecar.h2c().await;
    let parts = h2.ask(&request).await.unwrap();
    assert!(parts.reset.is_none() && parts.text().matches("Content-Range: bytes").count() == 3);
}

#[tokio::test]
async fn if_range_decides_whether_a_part_is_wanted() {
    let (_origin, sidecar) = alphabet().await;
    let cases = [
        ("\"v1\"", 206),
        ("\"v0\"", 200),
        ("W/\"v1\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
    ];
    for (value, status) in cases {
        let request = Request::get("/")
            .header("Range", "bytes=0-2")
            .header("If-Range", value);
        let answer = sidecar.ask(&request).await;
        assert_eq!((answer.status, answer.is_hit()), (status, true), "{value}");
    }
}

#[tokio::test]
async fn parts_of_what_is_not_stored_come_from_the_app() {
    let origin = Origin::always(Reply::cacheable(TEXT)).await;
    let sidecar = Sidecar::before(&origin).await;
    for _ in 0..2 {
        let request = Request::get("/").header("Range", "bytes=0-2");
        let answer = sidecar.ask(&request).await;
        assert_eq!(
            answer.cache_status(),
            "vestibule; fwd=uri-miss; detail=REQUEST_RANGE"
        );
    }
    assert_eq!(origin.last().header("Range"), Some("bytes=0-2"));
    let request = Request::get("/")
        .header("Range", "bytes=0-2")
        .header("Cache-Control", "only-if-cached");
    assert_eq!(sidecar.ask(&request).await.status, 504);
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_hit_answers_preconditions() {
    let (origin, sidecar) = alphabet().await;
    let mut connection = sidecar.connect().await;
    let cases = [
        ("If-Match", "\"v1\"", 200),
        ("If-Match", "\"v0\", \"v1\"", 200),
        ("If-Match", "*", 200),
        ("If-Match", "\"v2\"", 412),
        ("If-Match", "W/\"v1\"", 412),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT", 412),
    ];
    for (field, value, status) in cases {
        let answer = connection
            .ask(&Request::get("/").header(field, value))
            .await;
        assert_eq!(
            (answer.status, answer.is_hit()),
            (status, true),
            "{field}: {value}"
        );
        assert_eq!(answer.body.is_empty(), status == 412);
    }
    assert_eq!(origin.requests(), 1);
    let elsewhere = Request::get("/not-stored").header("If-Match", "\"v2\"");
    let answer = connection.ask(&elsewhere).await;
    assert_eq!(answer.detail(), "REQUEST_CONDITIONAL");
    assert_eq!(origin.last().header("If-Match"), Some("\"v2\""));
}

/// Stores some pages, sends a request, and gives which of the pages are still hits.
async fn surviving(request: Request, reply: Reply) -> Vec<&'static str> {
    const PAGES: [&str; 4] = ["/posts/1?by=me", "/posts/", "/list", "/grouped"];
    let origin = Origin::start(move |asked| match (&*asked.method, asked.path()) {
        ("GET", "/grouped") => Reply::cacheable("x").header("Cache-Groups", "\"news, local\""),
        ("GET", _) => Reply::cacheable("x"),
        _ => reply.clone(),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for page in PAGES {
        assert!(sidecar.get(page).await.was_stored(), "{page}");
    }
    sidecar.ask(&request).await;
    let mut left = Vec::new();
    for page in PAGES {
        if sidecar.get(page).await.is_hit() {
            left.push(page);
        }
    }
    left
}

/// RFC 9111 §4.4, RFC 9875 §3.
#[tokio::test]
async fn answers_to_unsafe_methods_end_what_is_stored() {
    let one = "/posts/1?by=me";
    let post = || Request::post(one, "x");
    let cases: [(&str, Request, Reply, &[&str]); 9] = [
        (
            "target",
            post(),
            Reply::ok("x"),
            &["/posts/", "/list", "/grouped"],
        ),
        (
            "DELETE",
            Request::new("DELETE", one),
            Reply::status(204),
            &["/posts/", "/list", "/grouped"],
        ),
        (
            "Location",
            post(),
            Reply::status(201).header("Location", "/list"),
            &["/posts/", "/grouped"],
        ),
        (
            "relative Content-Location",
            post(),
            Reply::status(303).header("Content-Location", "."),
            &["/list", "/grouped"],
        ),
        (
            "another origin",
            post(),
            Reply::status(201).header("Location", "http://example.org/list"),
            &["/posts/", "/list", "/grouped"],
        ),
        (
            "groups",
            Request::new("PUT", "/elsewhere"),
            Reply::ok("x").header("Cache-Group-Invalidation", "\"news, local\", \"x\""),
            &[one, "/posts/", "/list"],
        ),
        (
            "an error",
            post(),
            Reply::status(400),
            &[one, "/posts/", "/list", "/grouped"],
        ),
        (
            "a server's error",
            post(),
            Reply::status(500),
            &[one, "/posts/", "/list", "/grouped"],
        ),
        (
            "a safe method",
            Request::new("OPTIONS", one),
            Reply::ok("x").header("Location", "/list"),
            &[one, "/posts/", "/list", "/grouped"],
        ),
    ];
    for (case, request, reply, expected) in cases {
        assert_eq!(surviving(request, reply).await, expected, "{case}");
    }
}

/// Routes that are not cached change what others have cached.
#[tokio::test]
async fn writes_through_an_uncached_route_count() {
    let origin = Origin::always(Reply::cacheable("x")).await;
    let yaml = "routes:\n  - {name: write, match: {method: [POST]}, cache: off}\n";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    sidecar.get("/page").await;
    assert!(sidecar.get("/page").await.is_hit());
    let written: Response = sidecar.ask(&Request::post("/page", "x")).await;
    assert_eq!(written.status, 200);
    assert!(!sidecar.get("/page").await.is_hit());
}
