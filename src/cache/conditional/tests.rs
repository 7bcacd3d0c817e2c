use http::{HeaderName, Method, StatusCode};

use super::{Precondition, evaluate, in_not_modified, not_modified, validators};
use crate::cache::policy::Request;
use crate::cache::testing::{Fields, entry, get, headers, key};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 07:59:59 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:00:01 GMT";

#[test]
fn preconditions() {
    let cases: &[(&str, Fields, Fields, bool)] = &[
        ("none", &[("etag", "\"a\"")], &[], false),
        (
            "same tag",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"a\"")],
            true,
        ),
        (
            "other tag",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"b\"")],
            false,
        ),
        (
            "weak in the request",
            &[("etag", "\"a\"")],
            &[("if-none-match", "W/\"a\"")],
            true,
        ),
        (
            "weak in the store",
            &[("etag", "W/\"a\"")],
            &[("if-none-match", "\"a\"")],
            true,
        ),
        (
            "weak is written W",
            &[("etag", "\"a\"")],
            &[("if-none-match", "w/\"a\"")],
            false,
        ),
        (
            "in a list",
            &[("etag", "\"c\"")],
            &[("if-none-match", "\"a\", W/\"b\" ,,\"c\"")],
            true,
        ),
        (
            "not in a list",
            &[("etag", "\"d\"")],
            &[("if-none-match", "\"a\", \"b\"")],
            false,
        ),
        (
            "a comma inside",
            &[("etag", "\"b\"")],
            &[("if-none-match", "\"a,b\"")],
            false,
        ),
        (
            "a tag with a comma",
            &[("etag", "\"a,b\"")],
            &[("if-none-match", "\"x\", \"a,b\"")],
            true,
        ),
        (
            "on a second line",
            &[("etag", "\"b\"")],
            &[("if-none-match", "\"a\""), ("if-none-match", "\"b\"")],
            true,
        ),
        (
            "prefix",
            &[("etag", "\"ab\"")],
            &[("if-none-match", "\"a\"")],
            false,
        ),
        (
            "empty tag",
            &[("etag", "\"\"")],
            &[("if-none-match", "\"\"")],
            true,
        ),
        (
            "star",
            &[("etag", "\"a\"")],
            &[("if-none-match", " * ")],
            true,
        ),
        (
            "star without a stored tag",
            &[],
            &[("if-none-match", "*")],
            true,
        ),
        (
            "star in a list",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"b\", *")],
            false,
        ),
        (
            "star as a tag",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"*\"")],
            false,
        ),
        ("no stored tag", &[], &[("if-none-match", "\"a\"")], false),
        (
            "unquoted",
            &[("etag", "a")],
            &[("if-none-match", "a")],
            false,
        ),
        (
            "unterminated",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"a")],
            false,
        ),
        (
            "bytes behind the tag",
            &[("etag", "\"a\"")],
            &[("if-none-match", "\"a\"x")],
            false,
        ),
        (
            "bytes behind the stored tag",
            &[("etag", "\"a\"x")],
            &[("if-none-match", "\"a\"")],
            false,
        ),
        (
            "empty",
            &[("etag", "\"a\"")],
            &[("if-none-match", "")],
            false,
        ),
        (
            "the tag decides, not the date",
            &[("etag", "\"a\""), ("last-modified", MODIFIED)],
            &[("if-none-match", "\"b\""), ("if-modified-since", AFTER)],
            false,
        ),
        (
            "the tag decides against the date",
            &[("etag", "\"a\""), ("last-modified", MODIFIED)],
            &[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)],
            true,
        ),
        (
            "same date",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", MODIFIED)],
            true,
        ),
        (
            "later",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", AFTER)],
            true,
        ),
        (
            "earlier",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", BEFORE)],
            false,
        ),
        (
            "unreadable",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", "x")],
            false,
        ),
        (
            "stored unreadable",
            &[("last-modified", "x")],
            &[("if-modified-since", AFTER)],
            false,
        ),
        (
            "two dates",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", AFTER), ("if-modified-since", AFTER)],
            false,
        ),
        (
            "Date stands in",
            &[("date", MODIFIED)],
            &[("if-modified-since", AFTER)],
            true,
        ),
        (
            "Date stands in, earlier",
            &[("date", MODIFIED)],
            &[("if-modified-since", BEFORE)],
            false,
        ),
    ];
    for (case, stored, request, expected) in cases {
        let headers = headers(request);
        let entry = entry(&key("/"), stored, "");
        assert_eq!(not_modified(&entry, &get(&headers)), *expected, "{case}");
        let mut missing = entry;
        missing.status = StatusCode::NOT_FOUND;
        assert!(!not_modified(&missing, &get(&headers)), "404: {case}");
    }
}

/// RFC 9110 §13.1.1, §13.1.4, in the order of §13.2.2.
#[test]
fn what_the_client_wants_to_find() {
    use Precondition::{Failed, Holds, NotModified};
    const BOTH: Fields = &[("etag", "\"a\""), ("last-modified", MODIFIED)];
    let cases: &[(&str, Fields, Fields, Precondition)] = &[
        ("same tag", BOTH, &[("if-match", "\"a\"")], Holds),
        ("other tag", BOTH, &[("if-match", "\"b\"")], Failed),
        ("in a list", BOTH, &[("if-match", "\"b\", \"a\"")], Holds),
        (
            "second line",
            BOTH,
            &[("if-match", "\"b\""), ("if-match", "\"a\"")],
            Holds,
        ),
        (
            "weak in the request",
            BOTH,
            &[("if-match", "W/\"a\"")],
            Failed,
        ),
        (
            "weak in the store",
            &[("etag", "W/\"a\"")],
            &[("if-match", "\"a\"")],
            Failed,
        ),
        (
            "weak on both sides",
            &[("etag", "W/\"a\"")],
            &[("if-match", "W/\"a\"")],
            Failed,
        ),
        ("star", BOTH, &[("if-match", "*")], Holds),
        (
            "star without a stored tag",
            &[],
            &[("if-match", "*")],
            Holds,
        ),
        ("no stored tag", &[], &[("if-match", "\"a\"")], Failed),
        ("unreadable", BOTH, &[("if-match", "a")], Failed),
        (
            "same date",
            BOTH,
            &[("if-unmodified-since", MODIFIED)],
            Holds,
        ),
        ("later date", BOTH, &[("if-unmodified-since", AFTER)], Holds),
        (
            "earlier date",
            BOTH,
            &[("if-unmodified-since", BEFORE)],
            Failed,
        ),
        ("no date", BOTH, &[("if-unmodified-since", "x")], Holds),
        (
            "two dates",
            BOTH,
            &[
                ("if-unmodified-since", BEFORE),
                ("if-unmodified-since", BEFORE),
            ],
            Holds,
        ),
        (
            "no stored date",
            &[("date", MODIFIED)],
            &[("if-unmodified-since", BEFORE)],
            Holds,
        ),
        (
            "the tag decides, not the date",
            BOTH,
            &[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)],
            Holds,
        ),
        (
            "step 3 after step 1",
            BOTH,
            &[("if-match", "\"a\""), ("if-none-match", "\"a\"")],
            NotModified,
        ),
        (
            "step 1 before step 3",
            BOTH,
            &[("if-match", "\"b\""), ("if-none-match", "\"a\"")],
            Failed,
        ),
        (
            "step 2 before step 4",
            BOTH,
            &[
                ("if-unmodified-since", BEFORE),
                ("if-modified-since", AFTER),
            ],
            Failed,
        ),
        (
            "step 4 after step 2",
            BOTH,
            &[("if-unmodified-since", AFTER), ("if-modified-since", AFTER)],
            NotModified,
        ),
    ];
    for (case, stored, request, expected) in cases {
        let headers = headers(request);
        let entry = entry(&key("/"), stored, "");
        assert_eq!(evaluate(&entry, &get(&headers)), *expected, "{case}");
        let head = Request {
            method: &Method::HEAD,
            ..get(&headers)
        };
        assert_eq!(evaluate(&entry, &head), *expected, "HEAD: {case}");
        let mut missing = entry;
        missing.status = StatusCode::NOT_FOUND;
        assert_eq!(evaluate(&missing, &get(&headers)), Holds, "404: {case}");
    }
    let tag = headers(&[("if-none-match", "\"a\"")]);
    let post = Request {
        method: &Method::POST,
        ..get(&tag)
    };
    assert_eq!(
        evaluate(&entry(&key("/"), BOTH, ""), &post),
        Failed,
        "step 3, other methods"
    );
}

/// RFC 9111 §4.3.1.
#[test]
fn conditions_for_the_app() {
    type Case = (
        &'static str,
        Fields,
        &'static [(&'static str, &'static str)],
    );
    let cases: &[Case] = &[
        ("nothing", &[], &[]),
        (
            "tag",
            &[("etag", "W/\"a\"")],
            &[("if-none-match", "W/\"a\"")],
        ),
        (
            "date",
            &[("last-modified", MODIFIED)],
            &[("if-modified-since", MODIFIED)],
        ),
        (
            "both",
            &[("etag", "\"a\""), ("last-modified", MODIFIED)],
            &[("if-none-match", "\"a\""), ("if-modified-since", MODIFIED)],
        ),
        (
            "unreadable ones",
            &[("etag", "a"), ("last-modified", "x")],
            &[],
        ),
    ];
    for (case, stored, expected) in cases {
        let found = validators(&entry(&key("/"), stored, ""));
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .collect();
        assert_eq!(found, *expected, "{case}");
    }
}

#[test]
fn fields_of_a_304() {
    let kept = [
        "cache-control",
        "content-location",
        "date",
        "etag",
        "expires",
        "vary",
    ];
    for name in kept {
        assert!(in_not_modified(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["content-type", "content-encoding", "x-anything"] {
        assert!(!in_not_modified(&HeaderName::from_static(name)), "{name}");
    }
}
