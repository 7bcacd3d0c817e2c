use std::time::Duration;

use super::{Reuse, reuse};
use crate::cache::testing::{Fields, entry, get, headers, key, now, secs};
use crate::reason::Reason;

/// Nothing is said about answers without a lifetime of their own.
const NO_RULE: Duration = Duration::ZERO;

#[test]
fn what_a_rule_let_in_lives_as_long_as_the_rule_says_now() {
    let headers = headers(&[]);
    let own = entry(&key("/"), &[], "");
    let mut by_rule = entry(&key("/"), &[], "");
    by_rule.freshness.by_rule = true;
    // Both were stored for 60 s and are 10 s old.
    let cases = [
        ("the rule as it was", &by_rule, 60, Some(50)),
        ("a longer one", &by_rule, 600, Some(50)),
        ("a shorter one", &by_rule, 15, Some(5)),
        ("one that is over", &by_rule, 10, None),
        ("none any more", &by_rule, 0, None),
        ("no rule, but a lifetime of its own", &own, 0, Some(50)),
    ];
    for (case, stored, fallback, expected) in cases {
        let verdict = reuse(
            stored,
            &get(&headers),
            false,
            secs(fallback),
            now() + secs(10),
        );
        let expected = match expected {
            Some(ttl) => Reuse::Serve {
                age: secs(10),
                ttl: secs(ttl),
            },
            None => Reuse::Miss(Reason::Expired),
        };
        assert_eq!(verdict, expected, "{case}");
    }
}

#[test]
fn requests_against_a_stored_response() {
    // The stored response lives 60 s; the second column is its age.
    let cases: &[(&str, u64, Fields, Result<(), Reason>)] = &[
        ("fresh", 10, &[], Ok(())),
        ("the last moment", 59, &[], Ok(())),
        ("as old as its lifetime", 60, &[], Err(Reason::Expired)),
        ("stale", 61, &[], Err(Reason::Expired)),
        (
            "no-cache",
            10,
            &[("cache-control", "no-cache")],
            Err(Reason::RequestNoCache),
        ),
        (
            "Pragma",
            10,
            &[("pragma", "no-cache")],
            Err(Reason::RequestNoCache),
        ),
        (
            "Pragma beside Cache-Control",
            10,
            &[("pragma", "no-cache"), ("cache-control", "x")],
            Ok(()),
        ),
        (
            "max-age=0",
            10,
            &[("cache-control", "max-age=0")],
            Err(Reason::RequestMaxAge),
        ),
        (
            "max-age=0 at once",
            0,
            &[("cache-control", "max-age=0")],
            Err(Reason::RequestMaxAge),
        ),
        (
            "max-age reached",
            10,
            &[("cache-control", "max-age=10")],
            Ok(()),
        ),
        (
            "max-age exceeded",
            11,
            &[("cache-control", "max-age=10")],
            Err(Reason::RequestMaxAge),
        ),
        (
            "max-age unreadable",
            10,
            &[("cache-control", "max-age=x")],
            Err(Reason::RequestMaxAge),
        ),
        (
            "max-age does not extend",
            61,
            &[("cache-control", "max-age=100")],
            Err(Reason::Expired),
        ),
        (
            "min-fresh met",
            10,
            &[("cache-control", "min-fresh=50")],
            Ok(()),
        ),
        (
            "min-fresh missed",
            11,
            &[("cache-control", "min-fresh=50")],
            Err(Reason::RequestMinFresh),
        ),
        (
            "min-fresh unreadable",
            10,
            &[("cache-control", "min-fresh")],
            Err(Reason::RequestMinFresh),
        ),
        (
            "max-stale is not granted",
            61,
            &[("cache-control", "max-stale=100")],
            Err(Reason::Expired),
        ),
        (
            "only-if-cached",
            10,
            &[("cache-control", "only-if-cached")],
            Ok(()),
        ),
        (
            "cookie",
            10,
            &[("cookie", "a=b")],
            Err(Reason::RequestCookie),
        ),
    ];
    let stored = entry(&key("/"), &[], "");
    for (case, age, fields, expected) in cases {
        let headers = headers(fields);
        let expected = match expected {
            Ok(()) => Reuse::Serve {
                age: secs(*age),
                ttl: secs(60 - age),
            },
            Err(reason) => Reuse::Miss(*reason),
        };
        assert_eq!(
            reuse(&stored, &get(&headers), false, NO_RULE, now() + secs(*age)),
            expected,
            "{case}"
        );
    }
}

#[test]
fn purged_before_anything_else() {
    let stored = entry(&key("/"), &[], "");
    let headers = headers(&[("cache-control", "no-cache")]);
    for age in [0, 100] {
        let verdict = reuse(&stored, &get(&headers), true, NO_RULE, now() + secs(age));
        assert_eq!(verdict, Reuse::Miss(Reason::Purged));
    }
}

#[test]
fn public_is_for_requests_with_cookies_too() {
    let headers = headers(&[("cookie", "a=b")]);
    for cache_control in ["public, max-age=60", "s-maxage=60"] {
        let stored = entry(&key("/"), &[("cache-control", cache_control)], "");
        let verdict = reuse(&stored, &get(&headers), false, NO_RULE, now());
        assert_eq!(
            verdict,
            Reuse::Serve {
                age: Duration::ZERO,
                ttl: secs(60)
            },
            "{cache_control}"
        );
    }
}

#[test]
fn a_clock_set_back_makes_it_stale() {
    let stored = entry(&key("/"), &[], "");
    let headers = headers(&[]);
    let verdict = reuse(&stored, &get(&headers), false, NO_RULE, now() - secs(3600));
    assert_eq!(verdict, Reuse::Miss(Reason::Expired));
}
