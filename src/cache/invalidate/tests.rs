use http::{Method, StatusCode};

use super::{Settings, TargetUri, is_safe, targets};
use crate::cache::key::{Key, QueryRule};
use crate::cache::tags::Target;
use crate::cache::testing::{Fields, headers};

const BASE: TargetUri<'_> = TargetUri {
    scheme: "http",
    host: "example.com",
    path: "/a/b/c",
    query: Some("q=1"),
};

fn url(path_and_query: &str) -> Target {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    Target::Url(Key::new(
        "http",
        "example.com",
        path,
        query,
        &QueryRule::default(),
    ))
}

fn of(method: &str, status: u16, fields: &[(&str, &str)], settings: &Settings) -> Vec<Target> {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let status = StatusCode::from_u16(status).expect("a status");
    targets(
        &method,
        &BASE,
        status,
        &headers(fields),
        &QueryRule::default(),
        settings,
    )
}

/// RFC 9111 §4.4; RFC 9110 §9.2.1.
#[test]
fn methods_and_statuses() {
    let cases = [
        ("POST", 200, true),
        ("PUT", 201, true),
        ("DELETE", 204, true),
        ("PATCH", 200, true),
        ("MADE-UP", 200, true),
        ("get", 200, true),
        ("POST", 303, true),
        ("POST", 304, true),
        ("POST", 400, false),
        ("POST", 404, false),
        ("POST", 500, false),
        ("POST", 100, false),
        ("GET", 200, false),
        ("HEAD", 200, false),
        ("OPTIONS", 200, false),
        ("TRACE", 200, false),
        ("PROPFIND", 207, false),
        ("QUERY", 200, false),
    ];
    for (method, status, expected) in cases {
        let found = of(method, status, &[], &Settings::default());
        let wanted = if expected {
            vec![url("/a/b/c?q=1")]
        } else {
            vec![]
        };
        assert_eq!(found, wanted, "{method} {status}");
        let location = [("location", "/x")];
        let both = of(method, status, &location, &Settings::default());
        assert_eq!(both.len(), wanted.len() * 2, "{method} {status} Location");
    }
    assert!(is_safe(&Method::GET) && !is_safe(&Method::CONNECT));
}

/// RFC 3986 §5.4 against this base, and what has another origin.
#[test]
fn references() {
    let cases = [
        ("/x", Some("/x")),
        ("/x?y=2", Some("/x?y=2")),
        ("/x#part", Some("/x")),
        ("/x?y#part?z", Some("/x?y")),
        ("g", Some("/a/b/g")),
        ("./g", Some("/a/b/g")),
        ("g/", Some("/a/b/g/")),
        ("g?y", Some("/a/b/g?y")),
        ("?y", Some("/a/b/c?y")),
        ("", Some("/a/b/c?q=1")),
        ("#s", Some("/a/b/c?q=1")),
        (".", Some("/a/b/")),
        ("./", Some("/a/b/")),
        ("..", Some("/a/")),
        ("../g", Some("/a/g")),
        ("../..", Some("/")),
        ("../../g", Some("/g")),
        ("../../../g", Some("/g")),
        ("/./g", Some("/g")),
        ("/../g", Some("/g")),
        ("g.", Some("/a/b/g.")),
        ("..g", Some("/a/b/..g")),
        ("./../g", Some("/a/g")),
        ("g/./h", Some("/a/b/g/h")),
        ("g/../h", Some("/a/b/h")),
        ("g?y/../x", Some("/a/b/g?y/../x")),
        ("g:h/../x", None),
        ("/x:y", Some("/x:y")),
        ("./g:h", Some("/a/b/g:h")),
        ("http://example.com/x", Some("/x")),
        ("HTTP://EXAMPLE.com:80/x", Some("/x")),
        ("http://example.com", Some("/")),
        ("http://example.com?y", Some("/?y")),
        ("http://example.com/p/../x", Some("/x")),
        ("//example.com/x", Some("/x")),
        ("https://example.com/x", None),
        ("http://example.com:8080/x", None),
        ("http://example.org/x", None),
        ("http://www.example.com/x", None),
        ("//example.org/x", None),
        ("http://user@example.com/x", None),
        ("http:/x", None),
        ("http:g", None),
        ("http://", None),
        ("mailto:a@example.com", None),
        ("http://exa mple.com/x", None),
    ];
    for (reference, expected) in cases {
        for field in ["location", "content-location"] {
            let found = of("POST", 201, &[(field, reference)], &Settings::default());
            let mut wanted = vec![url("/a/b/c?q=1")];
            wanted.extend(expected.map(url).filter(|target| *target != wanted[0]));
            assert_eq!(found, wanted, "{field}: {reference}");
        }
    }
    let both = [("location", "/x"), ("content-location", "/y")];
    assert_eq!(of("POST", 201, &both, &Settings::default()).len(), 3);
    let same = [("location", "/x"), ("content-location", "/x")];
    assert_eq!(of("POST", 201, &same, &Settings::default()).len(), 2);
    let twice = [("location", "/x"), ("location", "/y")];
    assert_eq!(
        of("POST", 201, &twice, &Settings::default()).len(),
        1,
        "which one?"
    );
}

/// RFC 9875 §3.
#[test]
fn groups() {
    let group = |name: &str| Target::Tag {
        host: Some("example.com".into()),
        tag: name.into(),
    };
    let cases: &[(&str, &str, Fields, Vec<Target>)] = &[
        (
            "two",
            "POST",
            &[("cache-group-invalidation", "\"a\", \"b c\"")],
            vec![group("a"), group("b c")],
        ),
        (
            "two lines, parameters",
            "POST",
            &[
                ("cache-group-invalidation", "\"a\";x=1"),
                ("cache-group-invalidation", "\"b\""),
            ],
            vec![group("a"), group("b")],
        ),
        (
            "not a list of strings",
            "POST",
            &[("cache-group-invalidation", "a, \"b\"")],
            vec![],
        ),
        (
            "a safe method",
            "GET",
            &[("cache-group-invalidation", "\"a\"")],
            vec![],
        ),
    ];
    let only = Settings {
        target: false,
        ..Settings::default()
    };
    for (case, method, fields, expected) in cases {
        assert_eq!(of(method, 200, fields, &only), *expected, "{case}");
        assert_eq!(
            of(method, 409, fields, &only),
            *expected,
            "an order with any status: {case}"
        );
    }
    let many = vec!["\"a\""; 1_001].join(",");
    let fields = [("cache-group-invalidation", &*many)];
    assert_eq!(
        of("POST", 200, &fields, &only),
        [Target::Host("example.com".into())]
    );
}

#[test]
fn what_is_switched_off() {
    let all = [
        ("location", "/x"),
        ("content-location", "/y"),
        ("cache-group-invalidation", "\"g\""),
    ];
    let none = Settings {
        target: false,
        location: false,
        content_location: false,
        cache_groups: false,
    };
    let cases = [
        ("nothing", none, 0),
        (
            "target",
            Settings {
                target: true,
                ..none
            },
            1,
        ),
        (
            "location",
            Settings {
                location: true,
                ..none
            },
            1,
        ),
        (
            "content_location",
            Settings {
                content_location: true,
                ..none
            },
            1,
        ),
        (
            "cache_groups",
            Settings {
                cache_groups: true,
                ..none
            },
            1,
        ),
        ("everything", Settings::default(), 4),
    ];
    for (case, settings, expected) in cases {
        assert_eq!(of("POST", 200, &all, &settings).len(), expected, "{case}");
    }
}

/// What is purged is found under the key that lookups use.
#[test]
fn keys_are_normalised_like_those_of_lookups() {
    let rule = QueryRule {
        sort: true,
        ..QueryRule::default()
    };
    let found = targets(
        &Method::POST,
        &BASE,
        StatusCode::OK,
        &headers(&[("location", "/x?b=1&a=2")]),
        &rule,
        &Settings::default(),
    );
    let key = Key::new("http", "example.com", "/x", Some("a=2&b=1"), &rule);
    assert_eq!(found[1].slot(), Target::Url(key).slot());
}

/// An answer that serves every host ends for all of them; what is of another origin still ends
/// nothing (RFC 9111 §4.4).
#[test]
fn where_hosts_make_no_difference() {
    let rule = QueryRule {
        any_host: true,
        ..QueryRule::default()
    };
    let found = |location| {
        let fields = [
            ("location", location),
            ("cache-group-invalidation", "\"g\""),
        ];
        let targets = targets(
            &Method::POST,
            &BASE,
            StatusCode::OK,
            &headers(&fields),
            &rule,
            &Settings::default(),
        );
        targets.iter().map(Target::slot).collect::<Vec<_>>()
    };
    let url = |path| Target::Url(Key::new("http", "elsewhere", path, None, &rule)).slot();
    let group = Target::Tag {
        host: None,
        tag: "g".into(),
    };
    let own = Target::Url(Key::new("http", "elsewhere", BASE.path, BASE.query, &rule));
    let expected = [own.slot(), url("/x"), group.slot()];
    assert_eq!(found("http://example.com/x"), expected);
    assert_eq!(found("http://elsewhere/x"), [expected[0], expected[2]]);
}
