//! Fields that take the place of `Cache-Control` (RFC 9213).

use super::*;
use crate::cache::testing::{rule, secs, settings};

/// RFC 9213 §2.2.
#[test]
fn targeted_fields() {
    let default = Settings {
        default_ttl: secs(10),
        ..settings()
    };
    let cc = |value| ("cache-control", value);
    let ours = |value| ("vestibule-cache-control", value);
    let surrogate = |value| ("surrogate-control", value);
    let later = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Result<u64, Reason>);
    let cases: &[Case<'_>] = &[
        (
            "over no-store",
            vec![cc("no-store"), ours("max-age=7")],
            Ok(7),
        ),
        (
            "over private",
            vec![cc("private"), ours("max-age=7")],
            Ok(7),
        ),
        (
            "over broken ones",
            vec![cc("a=\"b"), ours("max-age=7")],
            Ok(7),
        ),
        ("over Expires", vec![later, surrogate("max-age=7")], Ok(7)),
        (
            "over Pragma",
            vec![("pragma", "no-cache"), ours("max-age=7")],
            Ok(7),
        ),
        (
            "forbids",
            vec![cc("max-age=60"), ours("no-store")],
            Err(Reason::NoStore),
        ),
        (
            "private",
            vec![cc("max-age=60"), ours("private")],
            Err(Reason::Private),
        ),
        ("broken", vec![cc("max-age=60"), ours("no-store,")], Ok(60)),
        (
            "broken, then the next",
            vec![ours("?"), surrogate("no-store"), MINUTE],
            Err(Reason::NoStore),
        ),
        (
            "not ours",
            vec![("cdn-cache-control", "no-store"), MINUTE],
            Ok(60),
        ),
        (
            "a lifetime of the wrong type",
            vec![cc("max-age=60"), ours("max-age=1.5")],
            Err(Reason::InvalidFreshness),
        ),
        (
            "no lifetime: the rule's",
            vec![cc("max-age=60"), ours("public")],
            Ok(10),
        ),
        // A rule does not reach over what Cache-Control forbids.
        (
            "no word about caching, private",
            vec![cc("private"), surrogate("content=\"ESI/1.0\"")],
            Err(Reason::Private),
        ),
        (
            "no word about caching, no-store",
            vec![cc("no-store"), surrogate("content=\"ESI/1.0\"")],
            Err(Reason::NoStore),
        ),
        (
            "no word about caching, no-cache",
            vec![cc("no-cache"), surrogate("content=\"ESI/1.0\"")],
            Err(Reason::NoCache),
        ),
        (
            "no word about caching",
            vec![cc("max-age=60"), surrogate("content=\"ESI/1.0\"")],
            Ok(10),
        ),
        (
            "the cookie gate stands",
            vec![ours("max-age=7"), ("set-cookie", "a=b")],
            Err(Reason::SetCookie),
        ),
    ];
    for (case, fields, expected) in cases {
        let verdict = judge(&default, &rule(), &[], 200, fields);
        let left = verdict.map(|fresh| fresh.remaining(Duration::ZERO).as_secs());
        assert_eq!(left, *expected, "{case}");
    }
}
