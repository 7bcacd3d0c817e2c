use http::HeaderMap;

use crate::cache::key::Part;
use crate::cache::policy::{Request, has_unkeyed_cookies, key_parts, unkeyed};
use crate::cache::testing::{Fields, get, headers, rule, settings};
use crate::cache::{RequestCookies, Rule, Settings, UnkeyedHeaders};

fn with(unkeyed_headers: UnkeyedHeaders) -> Settings {
    let mut settings = settings();
    settings.safety.unkeyed_headers = unkeyed_headers;
    settings
}

#[test]
fn fields_that_change_answers() {
    let cases: &[(&str, Fields, bool)] = &[
        (
            "of a browser",
            &[("accept", "*/*"), ("user-agent", "x")],
            false,
        ),
        (
            "other method",
            &[("x-http-method-override", "DELETE")],
            true,
        ),
        ("other URL", &[("x-original-url", "/admin")], true),
        ("other URL, IIS", &[("x-rewrite-url", "/admin")], true),
        ("prefix for links", &[("x-forwarded-prefix", "/x")], true),
        ("other host", &[("x-forwarded-host", "evil.example")], true),
        ("same host", &[("x-forwarded-host", "Example.com")], false),
        (
            "hosts",
            &[("x-forwarded-host", "example.com, evil.example")],
            true,
        ),
        (
            "same host, then another",
            &[
                ("x-forwarded-host", "example.com"),
                ("x-forwarded-host", "evil.example"),
            ],
            true,
        ),
        ("same scheme", &[("x-forwarded-proto", "http")], false),
        ("other scheme", &[("x-forwarded-proto", "https")], true),
        (
            "other scheme, told by a switch",
            &[("x-forwarded-ssl", "on")],
            true,
        ),
        (
            "same scheme, told by a switch",
            &[("front-end-https", "off")],
            false,
        ),
        ("same port", &[("x-forwarded-port", "80")], false),
        ("other port", &[("x-forwarded-port", "1337")], true),
        (
            "addresses",
            &[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")],
            false,
        ),
        (
            "Forwarded host",
            &[("forwarded", "for=1.2.3.4;Host=evil")],
            true,
        ),
        (
            "Forwarded proto",
            &[("forwarded", "for=x, proto=https")],
            true,
        ),
    ];
    let key = with(UnkeyedHeaders::Key);
    let pass = with(UnkeyedHeaders::Pass);
    for (case, fields, expected) in cases {
        let headers = headers(fields);
        let request = get(&headers);
        assert_eq!(
            !unkeyed(&request, &settings()).is_empty(),
            *expected,
            "{case}"
        );
        assert!(
            key_parts(&request, &settings(), &rule()).is_empty(),
            "{case}"
        );
        // What joins the key is not dropped, and the other way round.
        assert!(unkeyed(&request, &key).is_empty(), "{case}");
        assert_eq!(
            !key_parts(&request, &key, &rule()).is_empty(),
            *expected,
            "{case}"
        );
        assert!(unkeyed(&request, &pass).is_empty(), "{case}");
        assert!(key_parts(&request, &pass, &rule()).is_empty(), "{case}");
    }
}

#[test]
fn the_forwarded_port_of_a_key() {
    let cases = [
        ("http", "example.com", "80", false),
        ("https", "example.com", "443", false),
        ("https", "example.com", "80", true),
        ("http", "example.com:8080", "8080", false),
        ("http", "example.com:8080", "80", true),
        ("https", "[::1]", "443", false),
        ("https", "[::1]:8443", "8443", false),
    ];
    for (scheme, host, port, expected) in cases {
        let headers = headers(&[("x-forwarded-port", port)]);
        let request = Request {
            scheme,
            host,
            ..get(&headers)
        };
        assert_eq!(
            !unkeyed(&request, &settings()).is_empty(),
            expected,
            "{scheme} {host} {port}"
        );
    }
}

#[test]
fn parts_do_not_depend_on_the_order_of_fields() {
    let parts = |fields: Fields| -> Vec<String> {
        let headers: HeaderMap = headers(fields);
        let key = with(UnkeyedHeaders::Key);
        let rule = Rule {
            request_cookies: Some(RequestCookies::Allow(vec!["b".into(), "a".into()])),
            ..rule()
        };
        let parts = key_parts(&get(&headers), &key, &rule);
        parts.iter().map(|part| format!("{part:?}")).collect()
    };
    let expected = [
        format!("{:?}", Part::Field("x-host", b"h")),
        format!("{:?}", Part::Field("x-original-url", b"/1")),
        format!("{:?}", Part::Field("x-original-url", b"/2")),
        format!("{:?}", Part::Cookie("b", b"2")),
        format!("{:?}", Part::Cookie("a", b"1")),
        format!("{:?}", Part::Cookie("a", b"3")),
    ];
    let one = parts(&[
        ("cookie", "a=1; other=x; b=2"),
        ("x-original-url", "/1"),
        ("x-host", "h"),
        ("x-original-url", "/2"),
        ("cookie", "a=3"),
    ]);
    let other = parts(&[
        ("x-host", "h"),
        ("x-original-url", "/1"),
        ("cookie", "b=2; a=1;;  a=3"),
        ("x-original-url", "/2"),
    ]);
    assert_eq!(one, expected);
    assert_eq!(other, expected);
}

/// Otherwise a client could have the app's default answer stored as that of any value.
#[test]
fn what_does_not_reach_the_app_is_no_part() {
    let rule = Rule {
        request_cookies: Some(RequestCookies::Allow(vec!["lang".into()])),
        ..rule()
    };
    let cases: &[(Fields, usize)] = &[
        (&[("cookie", "lang=de"), ("x-host", "a")], 2),
        (
            &[
                ("cookie", "lang=de"),
                ("x-host", "a"),
                ("connection", "close, Cookie"),
            ],
            1,
        ),
        (
            &[
                ("cookie", "lang=de"),
                ("x-host", "a"),
                ("connection", "x-host"),
                ("connection", "cookie"),
            ],
            0,
        ),
    ];
    for (fields, expected) in cases {
        let headers = headers(fields);
        let parts = key_parts(&get(&headers), &with(UnkeyedHeaders::Key), &rule).len();
        assert_eq!(parts, *expected, "{fields:?}");
    }
}

/// Each of these may be `lang=de` to one app, and no such cookie to another.
#[test]
fn cookies_that_only_resemble_a_listed_one() {
    let rule = Rule {
        request_cookies: Some(RequestCookies::Allow(vec!["lang".into()])),
        ..rule()
    };
    let parts = |value: &'static str| {
        let headers = headers(&[("cookie", value)]);
        let parts = key_parts(&get(&headers), &settings(), &rule)
            .iter()
            .map(|part| format!("{part:?}"))
            .collect::<Vec<_>>();
        let unkeyed = has_unkeyed_cookies(&headers, settings().request_cookies(&rule));
        (parts, unkeyed)
    };
    let (plain, unkeyed) = parts("lang=de");
    assert!(plain.len() == 1 && !unkeyed);
    for same in [" lang=de", "lang=de;", ";;lang=de; "] {
        assert_eq!(parts(same), (plain.clone(), false), "{same:?}");
    }
    for other in [
        "lang =de",
        "\tlang=de",
        "LANG=de",
        "lang",
        "=de",
        "$lang=de",
        "a=\";lang=de",
    ] {
        assert!(parts(other).1, "{other:?} is a cookie that no rule lists");
    }
    for value in [
        "lang= de",
        "lang=de ",
        "lang=\"de\"",
        "lang=de,x=y",
        "lang==de",
    ] {
        let (parts, unkeyed) = parts(value);
        assert!(parts.len() == 1 && parts != plain && !unkeyed, "{value:?}");
    }
}
