use http::{HeaderName, StatusCode};

use super::{in_not_modified, not_modified};
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
