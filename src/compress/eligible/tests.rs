//! Tables for eligibility and header changes.

use super::*;
use crate::compress::Levels;

fn settings() -> Settings {
    let types = [
        "text/*",
        "application/json",
        "application/*+json",
        "image/svg+xml",
    ];
    Settings {
        enabled: true,
        algorithms: Coding::ALL.to_vec(),
        min_bytes: 1000,
        types: MediaTypes::parse(&types.map(String::from)).unwrap(),
        levels: Levels { br: 4, gzip: 5 },
    }
}

type Line<'a> = (&'static str, &'a str);

fn headers(lines: &[Line<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn media_types() {
    let types = settings().types;
    let cases: &[(&str, bool)] = &[
        ("text/html", true),
        ("TEXT/HTML; charset=utf-8", true),
        ("text/html;charset=utf-8", true),
        (" text/plain ", true),
        ("text/", false),
        ("text", false),
        ("textile/html", false),
        ("application/json", true),
        ("application/jsonp", false),
        ("application/problem+json", true),
        ("Application/Problem+JSON;v=1", true),
        ("application/+json", false),
        ("application/problem+json+xml", false),
        ("image/svg+xml", true),
        ("image/png", false),
        ("image/png; a=text/html", false),
        ("", false),
        (";", false),
        ("tëxt/html", false),
    ];
    for (media_type, expected) in cases {
        assert_eq!(types.matches(media_type), *expected, "{media_type:?}");
    }
    assert!(!MediaTypes::default().matches("text/html"));
}

#[test]
fn patterns_refused() {
    let cases: &[(&str, &str)] = &[
        ("", "no `/`"),
        ("html", "no `/`"),
        ("*/*", "only the part after"),
        ("*/json", "only the part after"),
        ("text/html; charset=utf-8", "parameters"),
        ("text/", "letters"),
        ("/html", "letters"),
        ("text/a/b", "letters"),
        ("text/a b", "letters"),
        ("text/h*", "whole subtype"),
        ("text/*ml", "whole subtype"),
        ("application/*+", "whole subtype"),
        ("application/*+j*", "whole subtype"),
    ];
    for (pattern, expected) in cases {
        let list = ["text/html".to_string(), (*pattern).to_string()];
        let (index, why) = MediaTypes::parse(&list).unwrap_err();
        assert_eq!(index, 1, "{pattern}");
        assert!(
            why.contains(expected) && why.contains(pattern),
            "{pattern}: {why}"
        );
    }
}

#[test]
fn eligibility() {
    const HTML: (&str, &str) = ("content-type", "text/html");
    const OK: Result<(), Reason> = Ok(());
    type Case<'a> = (
        &'a str,
        u16,
        &'a [Line<'a>],
        Option<u64>,
        Result<(), Reason>,
    );
    let cases: &[Case<'_>] = &[
        ("plain", 200, &[HTML], Some(1000), OK),
        ("unknown length", 200, &[HTML], None, OK),
        ("an error page", 500, &[HTML], Some(5000), OK),
        ("small", 200, &[HTML], Some(999), Err(Reason::TooSmall)),
        ("empty", 200, &[HTML], Some(0), Err(Reason::NoWholeBody)),
        ("early hints", 103, &[HTML], None, Err(Reason::NoWholeBody)),
        ("switching", 101, &[HTML], None, Err(Reason::NoWholeBody)),
        ("no content", 204, &[HTML], None, Err(Reason::NoWholeBody)),
        (
            "reset content",
            205,
            &[HTML],
            None,
            Err(Reason::NoWholeBody),
        ),
        (
            "partial",
            206,
            &[HTML],
            Some(5000),
            Err(Reason::NoWholeBody),
        ),
        ("not modified", 304, &[HTML], None, Err(Reason::NoWholeBody)),
        (
            "range by header",
            200,
            &[HTML, ("content-range", "bytes 0-9/99")],
            Some(5000),
            Err(Reason::NoWholeBody),
        ),
        (
            "coded",
            200,
            &[HTML, ("content-encoding", "gzip")],
            None,
            Err(Reason::AlreadyCoded),
        ),
        (
            "coding we do not know",
            200,
            &[HTML, ("content-encoding", "x")],
            None,
            Err(Reason::AlreadyCoded),
        ),
        (
            "identity",
            200,
            &[HTML, ("content-encoding", "Identity")],
            None,
            OK,
        ),
        (
            "empty coding",
            200,
            &[HTML, ("content-encoding", "")],
            None,
            OK,
        ),
        (
            "identity, then not",
            200,
            &[
                HTML,
                ("content-encoding", "identity"),
                ("content-encoding", "br"),
            ],
            None,
            Err(Reason::AlreadyCoded),
        ),
        (
            "no-transform",
            200,
            &[HTML, ("cache-control", "max-age=60, No-Transform")],
            None,
            Err(Reason::NoTransform),
        ),
        (
            "no-transform on the second line",
            200,
            &[
                HTML,
                ("cache-control", "public"),
                ("cache-control", "no-transform"),
            ],
            None,
            Err(Reason::NoTransform),
        ),
        (
            "another directive",
            200,
            &[HTML, ("cache-control", "x-no-transform, no-transformer")],
            None,
            OK,
        ),
        ("no type", 200, &[], None, Err(Reason::MediaType)),
        (
            "type not listed",
            200,
            &[("content-type", "image/png")],
            None,
            Err(Reason::MediaType),
        ),
        (
            "two types",
            200,
            &[HTML, HTML],
            None,
            Err(Reason::MediaType),
        ),
        (
            "type not ascii",
            200,
            &[("content-type", "text/é")],
            None,
            Err(Reason::MediaType),
        ),
        (
            "grpc",
            200,
            &[("content-type", "Application/gRPC+json")],
            None,
            Err(Reason::MediaType),
        ),
    ];
    for (case, status, lines, len, expected) in cases {
        let status = StatusCode::from_u16(*status).unwrap();
        assert_eq!(
            eligible(&settings(), status, &headers(lines), *len),
            *expected,
            "{case}"
        );
    }
    let off = Settings {
        enabled: false,
        ..settings()
    };
    let refused = eligible(&off, StatusCode::OK, &headers(&[HTML]), None);
    assert_eq!(refused, Err(Reason::CompressionOff));
}

#[test]
fn flushing() {
    const LENGTH: (&str, &str) = ("content-length", "5000");
    let cases: &[(&str, &[Line<'_>], bool)] = &[
        ("a page", &[LENGTH, ("content-type", "text/html")], false),
        ("unknown length", &[("content-type", "text/html")], true),
        (
            "events",
            &[LENGTH, ("content-type", "text/event-stream; charset=utf-8")],
            true,
        ),
        (
            "ndjson",
            &[LENGTH, ("content-type", "application/X-NDJSON")],
            true,
        ),
        ("unbuffered", &[LENGTH, ("x-accel-buffering", "No")], true),
        ("buffered", &[LENGTH, ("x-accel-buffering", "yes")], false),
    ];
    for (case, lines, expected) in cases {
        assert_eq!(wants_flush(&headers(lines)), *expected, "{case}");
    }
}

#[test]
fn vary() {
    let cases: &[(&str, &[&str], Option<&str>)] = &[
        ("none", &[], Some("Accept-Encoding")),
        ("empty", &[""], Some("Accept-Encoding")),
        ("another", &["Cookie"], Some("Cookie, Accept-Encoding")),
        (
            "lines are merged",
            &["Cookie , Origin", "X"],
            Some("Cookie, Origin, X, Accept-Encoding"),
        ),
        ("there already", &["Cookie, accept-ENCODING"], None),
        ("on the second line", &["Cookie", "Accept-Encoding"], None),
        ("star", &["*"], None),
        ("star among others", &["Cookie, *"], None),
        (
            "longer name",
            &["X-Accept-Encoding"],
            Some("X-Accept-Encoding, Accept-Encoding"),
        ),
    ];
    for (case, lines, expected) in cases {
        let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
        let value = vary_with_accept_encoding(&headers(&lines));
        assert_eq!(
            value.as_ref().map(|v| v.to_str().unwrap()),
            *expected,
            "{case}"
        );
    }
}

#[test]
fn etags() {
    let cases: &[(&str, Option<&str>, bool)] = &[
        ("\"abc\"", Some("W/\"abc\""), true),
        ("\"\"", Some("W/\"\""), true),
        ("W/\"abc\"", None, true),
        ("abc", None, false),
        ("\"abc", None, false),
        ("\"a\"b\"", None, false),
        ("\"a b\"", None, false),
        ("w/\"abc\"", None, false),
        ("\"", None, false),
        ("", None, false),
    ];
    for (etag, weak, kept) in cases {
        let value = HeaderValue::from_str(etag).unwrap();
        assert_eq!(
            weaken(&value).as_ref().map(|v| v.to_str().unwrap()),
            *weak,
            "{etag}"
        );
        let mut response = headers(&[("etag", etag)]);
        marks(&response.clone(), Coding::Gzip).apply(&mut response);
        assert_eq!(response.contains_key(ETAG), *kept, "{etag}");
    }
}

#[test]
fn all_marks() {
    let mut response = headers(&[
        ("content-type", "text/html"),
        ("content-length", "5000"),
        ("accept-ranges", "bytes"),
        ("content-md5", "x"),
        ("digest", "sha-256=x"),
        ("content-digest", "sha-256=:x:"),
        ("repr-digest", "sha-256=:x:"),
        ("content-encoding", "identity"),
        ("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
        ("etag", "\"a\""),
        ("vary", "Origin"),
        ("vary", "Cookie"),
    ]);
    marks(&response.clone(), Coding::Brotli).apply(&mut response);
    let expected = headers(&[
        ("content-type", "text/html"),
        ("content-encoding", "br"),
        ("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
        ("etag", "W/\"a\""),
        ("vary", "Origin, Cookie, Accept-Encoding"),
    ]);
    assert_eq!(response, expected);
}
