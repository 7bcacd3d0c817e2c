//! Fields that take the place of `Cache-Control` (RFC 9213).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::cache_control::{CacheControl, Delta, FieldNames, SECONDS_MAX};

const FIRST: HeaderName = HeaderName::from_static("first-cache-control");
const SECOND: HeaderName = HeaderName::from_static("second-cache-control");

fn governing(fields: &[(&'static str, &str)]) -> CacheControl {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        headers.append(*name, value);
    }
    CacheControl::governing(&headers, &[FIRST, SECOND])
}

/// §2.2: the first in the order of the target list that is valid and not empty.
#[test]
fn selection() {
    const GENERAL: (&str, &str) = ("cache-control", "max-age=1");
    const ONE: (&str, &str) = ("first-cache-control", "max-age=10");
    const TWO: (&str, &str) = ("second-cache-control", "max-age=20");
    let first = |value| ("first-cache-control", value);
    type Case<'a> = (
        &'a str,
        Vec<(&'static str, &'a str)>,
        u32,
        Option<HeaderName>,
    );
    let cases: &[Case<'_>] = &[
        ("general alone", vec![GENERAL], 1, None),
        ("targeted alone", vec![TWO], 20, Some(SECOND)),
        (
            "targeted over general",
            vec![GENERAL, TWO],
            20,
            Some(SECOND),
        ),
        (
            "by the list, not by place",
            vec![TWO, ONE, GENERAL],
            10,
            Some(FIRST),
        ),
        ("empty", vec![first(""), TWO], 20, Some(SECOND)),
        ("spaces", vec![first("  "), GENERAL], 1, None),
        (
            "unreadable",
            vec![first("max-age=10,"), TWO],
            20,
            Some(SECOND),
        ),
        (
            "all unreadable",
            vec![first("max-age =10"), GENERAL],
            1,
            None,
        ),
        (
            "space behind =",
            vec![first("max-age= 10"), GENERAL],
            1,
            None,
        ),
        ("upper case", vec![first("Max-Age=10"), GENERAL], 1, None),
        (
            "for another cache",
            vec![("cdn-cache-control", "max-age=30"), GENERAL],
            1,
            None,
        ),
        (
            "two lines are one field",
            vec![ONE, first("x")],
            10,
            Some(FIRST),
        ),
        (
            "one bad line spoils both",
            vec![ONE, first("x y"), GENERAL],
            1,
            None,
        ),
        (
            "parameters do not count",
            vec![first("max-age=10;abc;q=1.5")],
            10,
            Some(FIRST),
        ),
        (
            "the last of the same name",
            vec![first("max-age=1, max-age=10")],
            10,
            Some(FIRST),
        ),
    ];
    for (case, fields, seconds, target) in cases {
        let read = governing(fields);
        assert_eq!(read.max_age, Delta::Seconds(*seconds), "{case}");
        assert_eq!(read.target, *target, "{case}");
        assert!(read.present && !read.malformed, "{case}");
    }
}

/// §2.1: values have types, and those of the wrong type are not to be read.
#[test]
fn types() {
    use Delta::{Absent, Invalid, Seconds};
    let deltas = [
        ("max-age=0", Seconds(0)),
        ("max-age=2147483649", Seconds(SECONDS_MAX)),
        ("max-age=99999999999", Seconds(SECONDS_MAX)),
        ("max-age=-1", Invalid),
        ("max-age=1.5", Invalid),
        ("max-age=1.0", Invalid),
        ("max-age=\"10\"", Invalid),
        ("max-age", Invalid),
        ("max-age=?0", Invalid),
        ("max-age=ten", Invalid),
        ("max-age=(10)", Invalid),
        ("s-max-age=10", Absent),
    ];
    for (value, expected) in deltas {
        let read = governing(&[("first-cache-control", value)]);
        assert_eq!(read.max_age, expected, "{value}");
    }
    let a = || Some(FieldNames::Listed(vec![HeaderName::from_static("x-a")]));
    let names = [
        ("", Some(FieldNames::All)),
        ("=?1", Some(FieldNames::All)),
        ("=?0", None),
        ("=\"X-A\"", a()),
        ("=x-a", a()),
        ("=\"x a\"", Some(FieldNames::All)),
        ("=\"\"", Some(FieldNames::All)),
        ("=5", Some(FieldNames::All)),
        ("=(x-a)", Some(FieldNames::All)),
    ];
    for (value, expected) in names {
        let both = format!("no-cache{value}, private{value}");
        let read = governing(&[("first-cache-control", &both)]);
        assert_eq!(
            (read.no_cache, read.private),
            (expected.clone(), expected),
            "{value}"
        );
    }
    // What forbids is heeded in doubt, what allows is not.
    for (value, forbids, allows) in [
        ("", true, true),
        ("=?0", false, false),
        ("=1", true, false),
        ("=\"\"", true, false),
        ("=(a b)", true, false),
    ] {
        let forbidding = [
            "no-store",
            "must-revalidate",
            "proxy-revalidate",
            "no-transform",
        ];
        let allowing = ["public", "must-understand", "immutable"];
        let all = [&forbidding[..], &allowing].concat();
        let text: Vec<_> = all.iter().map(|name| format!("{name}{value}")).collect();
        let read = governing(&[("first-cache-control", &text.join(", "))]);
        assert_eq!(
            [
                read.no_store,
                read.must_revalidate,
                read.proxy_revalidate,
                read.no_transform
            ],
            [forbids; 4],
            "{value}"
        );
        assert_eq!(
            [read.public, read.must_understand, read.immutable],
            [allows; 3],
            "{value}"
        );
    }
    let read = governing(&[(
        "first-cache-control",
        "s-maxage=3, stale-while-revalidate=4, stale-if-error=5, whatever=(1 2)",
    )]);
    assert_eq!(read.s_maxage, Seconds(3));
    assert_eq!(read.stale_while_revalidate, Seconds(4));
    assert_eq!(read.stale_if_error, Seconds(5));
}
