use http::Method;

use crate::cache::policy::{Request, fills, forward, lookup};
use crate::cache::testing::{Fields, get, headers, rule, settings};
use crate::cache::{Rule, Settings};
use crate::reason::Reason;

#[test]
fn lookups() {
    use Reason as R;
    let cases: &[(&str, Fields, Result<(), Reason>)] = &[
        ("plain", &[], Ok(())),
        (
            "of a browser",
            &[("accept", "*/*"), ("user-agent", "x"), ("cookie", "a=b")],
            Ok(()),
        ),
        (
            "Basic",
            &[("authorization", "Basic x")],
            Err(R::Authorization),
        ),
        (
            "empty credentials",
            &[("authorization", "")],
            Err(R::Authorization),
        ),
        (
            "to the proxy",
            &[("proxy-authorization", "x")],
            Err(R::Authorization),
        ),
        ("API key", &[("X-Api-Key", "x")], Err(R::CredentialHeader)),
        (
            "identity from a gateway",
            &[("x-forwarded-user", "x")],
            Err(R::CredentialHeader),
        ),
        ("range", &[("range", "bytes=0-1")], Ok(())),
        ("If-Match", &[("if-match", "\"a\"")], Ok(())),
        ("If-None-Match", &[("if-none-match", "\"a\"")], Ok(())),
        ("If-Modified-Since", &[("if-modified-since", "x")], Ok(())),
        (
            "upgrade",
            &[("connection", "upgrade"), ("upgrade", "websocket")],
            Err(R::Upgrade),
        ),
        ("no upgrade", &[("upgrade-insecure-requests", "1")], Ok(())),
        (
            "chunked body",
            &[("transfer-encoding", "chunked")],
            Err(R::RequestBody),
        ),
        ("body", &[("content-length", "5")], Err(R::RequestBody)),
        ("body of no bytes", &[("content-length", "0")], Ok(())),
        (
            "no-store",
            &[("cache-control", "no-store")],
            Err(R::RequestNoStore),
        ),
        (
            "no-store among others",
            &[("cache-control", "max-age=0, No-Store")],
            Err(R::RequestNoStore),
        ),
        (
            "no-cache is for reuse",
            &[("cache-control", "no-cache")],
            Ok(()),
        ),
        (
            "unreadable",
            &[("cache-control", "x=\"y, no-store")],
            Err(R::RequestMalformed),
        ),
        (
            "other method",
            &[("x-http-method-override", "DELETE")],
            Err(R::UnkeyedHeader),
        ),
        (
            "other URL",
            &[("x-original-url", "/admin")],
            Err(R::UnkeyedHeader),
        ),
        (
            "other URL, IIS",
            &[("x-rewrite-url", "/admin")],
            Err(R::UnkeyedHeader),
        ),
        (
            "prefix for links",
            &[("x-forwarded-prefix", "/x")],
            Err(R::UnkeyedHeader),
        ),
        (
            "other host",
            &[("x-forwarded-host", "evil.example")],
            Err(R::UnkeyedHeader),
        ),
        ("same host", &[("x-forwarded-host", "Example.com")], Ok(())),
        (
            "hosts",
            &[("x-forwarded-host", "example.com, evil.example")],
            Err(R::UnkeyedHeader),
        ),
        (
            "same host, then another",
            &[
                ("x-forwarded-host", "example.com"),
                ("x-forwarded-host", "evil.example"),
            ],
            Err(R::UnkeyedHeader),
        ),
        ("same scheme", &[("x-forwarded-proto", "http")], Ok(())),
        (
            "other scheme",
            &[("x-forwarded-proto", "https")],
            Err(R::UnkeyedHeader),
        ),
        (
            "other scheme, told by a switch",
            &[("x-forwarded-ssl", "on")],
            Err(R::UnkeyedHeader),
        ),
        (
            "same scheme, told by a switch",
            &[("front-end-https", "off")],
            Ok(()),
        ),
        ("same port", &[("x-forwarded-port", "80")], Ok(())),
        (
            "other port",
            &[("x-forwarded-port", "1337")],
            Err(R::UnkeyedHeader),
        ),
        (
            "addresses",
            &[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")],
            Ok(()),
        ),
        (
            "Forwarded host",
            &[("forwarded", "for=1.2.3.4;Host=evil")],
            Err(R::UnkeyedHeader),
        ),
        (
            "Forwarded proto",
            &[("forwarded", "for=x, proto=https")],
            Err(R::UnkeyedHeader),
        ),
    ];
    for (case, fields, expected) in cases {
        let headers = headers(fields);
        assert_eq!(
            lookup(&get(&headers), &settings(), &rule()),
            *expected,
            "{case}"
        );
    }
}

#[test]
fn lookups_beyond_the_head() {
    let headers = headers(&[]);
    let on = (settings(), rule());
    let post = Request {
        method: &Method::POST,
        ..get(&headers)
    };
    let head = Request {
        method: &Method::HEAD,
        ..get(&headers)
    };
    let body = Request {
        has_body: true,
        ..get(&headers)
    };
    let off = Settings {
        enabled: false,
        ..settings()
    };
    let route_off = Rule {
        enabled: false,
        ..rule()
    };
    let cases = [
        ("HEAD", head, &on.0, &on.1, Ok(())),
        ("POST", post, &on.0, &on.1, Err(Reason::Method)),
        (
            "GET with a body",
            body,
            &on.0,
            &on.1,
            Err(Reason::RequestBody),
        ),
        (
            "cache off",
            get(&headers),
            &off,
            &on.1,
            Err(Reason::CacheOff),
        ),
        (
            "route off",
            get(&headers),
            &on.0,
            &route_off,
            Err(Reason::RouteCacheOff),
        ),
    ];
    for (case, request, settings, rule, expected) in cases {
        assert_eq!(lookup(&request, settings, rule), expected, "{case}");
    }
}

#[test]
fn the_forwarded_port_of_a_key() {
    let cases = [
        ("http", "example.com", "80", Ok(())),
        ("https", "example.com", "443", Ok(())),
        ("https", "example.com", "80", Err(Reason::UnkeyedHeader)),
        ("http", "example.com:8080", "8080", Ok(())),
        ("http", "example.com:8080", "80", Err(Reason::UnkeyedHeader)),
        ("https", "[::1]", "443", Ok(())),
        ("https", "[::1]:8443", "8443", Ok(())),
    ];
    for (scheme, host, port, expected) in cases {
        let headers = headers(&[("x-forwarded-port", port)]);
        let request = Request {
            scheme,
            host,
            ..get(&headers)
        };
        assert_eq!(
            lookup(&request, &settings(), &rule()),
            expected,
            "{scheme} {host} {port}"
        );
    }
}

#[test]
fn only_if_cached() {
    let wish = headers(&[("cache-control", "only-if-cached")]);
    assert_eq!(forward(&get(&wish)), Err(Reason::OnlyIfCached));
    let none = headers(&[("cache-control", "max-age=0")]);
    assert_eq!(forward(&get(&none)), Ok(()));
}

/// What only the app can answer where nothing is stored.
#[test]
fn requests_that_fill() {
    use Reason as R;
    let cases: &[(&str, Fields, Result<(), Reason>)] = &[
        ("plain", &[], Ok(())),
        ("range", &[("range", "bytes=0-1")], Err(R::RequestRange)),
        (
            "conditional range",
            &[("if-range", "\"a\"")],
            Err(R::RequestConditional),
        ),
        (
            "If-Match",
            &[("if-match", "\"a\"")],
            Err(R::RequestConditional),
        ),
        (
            "If-Unmodified-Since",
            &[("if-unmodified-since", "x")],
            Err(R::RequestConditional),
        ),
        ("If-None-Match", &[("if-none-match", "\"a\"")], Ok(())),
        ("If-Modified-Since", &[("if-modified-since", "x")], Ok(())),
    ];
    for (case, fields, expected) in cases {
        let headers = headers(fields);
        assert_eq!(fills(&get(&headers)), *expected, "{case}");
    }
}
