use http::Method;

use crate::cache::policy::{Request, fills, forward, lookup};
use crate::cache::testing::{Fields, get, headers, rule, settings};
use crate::cache::{Authorization, Rule, Settings, UnkeyedHeaders};
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
            "Basic: reuse and storable judge it",
            &[("authorization", "Basic x")],
            Ok(()),
        ),
        (
            "to the proxy",
            &[("proxy-authorization", "x")],
            Err(R::AuthorizationNever),
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
fn authorization_never() {
    let mut never = settings();
    never.safety.authorization = Authorization::Never;
    for value in ["Basic x", ""] {
        let headers = headers(&[("authorization", value)]);
        let verdict = lookup(&get(&headers), &never, &rule());
        assert_eq!(verdict, Err(Reason::AuthorizationNever));
    }
}

/// What the app may take for a write is no GET.
#[test]
fn a_method_that_the_app_replaces() {
    let cases = [
        (UnkeyedHeaders::Drop, Ok(())),
        (UnkeyedHeaders::Key, Err(Reason::UnkeyedHeader)),
        (UnkeyedHeaders::Pass, Err(Reason::UnkeyedHeader)),
    ];
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        let headers = headers(&[(name, "DELETE")]);
        for (mode, expected) in cases {
            let mut settings = settings();
            settings.safety.unkeyed_headers = mode;
            assert_eq!(
                lookup(&get(&headers), &settings, &rule()),
                expected,
                "{name} {mode:?}"
            );
        }
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
        ("condition of no range", &[("if-range", "\"a\"")], Ok(())),
        (
            "conditional range",
            &[("if-range", "\"a\""), ("range", "bytes=0-1")],
            Err(R::RequestRange),
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
