//! What is stored to be validated, and what may be used while stale (RFC 9111 §4.2.4, §4.3).

use super::*;
use crate::cache::Stale;
use crate::cache::testing::{rule, secs, settings};

/// RFC 9111 §3, §4.3: what cannot be used as it is but can be validated.
#[test]
fn stored_to_be_validated() {
    let default = Settings {
        default_ttl: secs(10),
        ..settings()
    };
    let cc = |value| ("cache-control", value);
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Result<bool, Reason>);
    // Stored; and with `no_cache` set.
    let cases: &[Case<'_>] = &[
        ("no-cache", vec![cc("no-cache"), ETAG], Ok(true)),
        (
            "no-cache, by date",
            vec![cc("no-cache"), MODIFIED],
            Ok(true),
        ),
        (
            "no-cache while fresh",
            vec![cc("no-cache, max-age=60"), ETAG],
            Ok(true),
        ),
        (
            "no-cache for a field",
            vec![cc("no-cache=\"x-a\", max-age=60"), ETAG],
            Ok(true),
        ),
        (
            "no-cache without validator",
            vec![cc("no-cache")],
            Err(Reason::NoCache),
        ),
        (
            "no-cache with an unreadable date",
            vec![cc("no-cache"), ("last-modified", "0")],
            Err(Reason::NoCache),
        ),
        ("Pragma", vec![("pragma", "no-cache"), ETAG], Ok(true)),
        ("max-age=0", vec![cc("max-age=0"), ETAG], Ok(false)),
        (
            "Expires in the past",
            vec![("expires", "0"), ETAG],
            Ok(false),
        ),
        (
            "used up",
            vec![cc("max-age=60"), ("age", "60"), ETAG],
            Ok(false),
        ),
        ("public", vec![cc("public"), ("age", "60"), ETAG], Ok(false)),
        (
            "silent",
            vec![("age", "60"), ETAG],
            Err(Reason::AlreadyStale),
        ),
        (
            "contradiction",
            vec![cc("max-age=x"), ETAG],
            Err(Reason::InvalidFreshness),
        ),
        (
            "no-store",
            vec![cc("no-cache, no-store"), ETAG],
            Err(Reason::NoStore),
        ),
        (
            "private",
            vec![cc("no-cache, private"), ETAG],
            Err(Reason::Private),
        ),
    ];
    for (case, fields, expected) in cases {
        let verdict = judge(&default, &rule(), &[], 200, fields);
        assert_eq!(verdict.map(|fresh| fresh.no_cache), *expected, "{case}");
        if let Ok(fresh) = verdict
            && !fresh.no_cache
        {
            assert!(fresh.remaining(Duration::ZERO).is_zero(), "{case}");
        }
    }
    let silent = judge(&settings(), &rule(), &[], 200, &[ETAG]);
    assert_eq!(silent, Err(Reason::NoFreshness));
}

/// RFC 5861; RFC 9111 §4.2.4.
#[test]
fn stale_windows() {
    let defaults = Settings {
        stale: Stale::default(),
        max_ttl: secs(1000),
        ..settings()
    };
    let said = "stale-while-revalidate=5, stale-if-error=7";
    let none = (0, 0, 0);
    let cases: &[(&str, String, (u64, u64, u64))] = &[
        ("defaults", "max-age=60".into(), (10, 600, 3600)),
        ("its own words", format!("max-age=60, {said}"), (5, 7, 3600)),
        (
            "zero is a word",
            "max-age=60, stale-if-error=0".into(),
            (10, 0, 3600),
        ),
        (
            "unreadable",
            "max-age=60, stale-if-error=x".into(),
            (10, 0, 3600),
        ),
        (
            "bounded by max_ttl",
            "max-age=60, stale-if-error=99999".into(),
            (10, 1000, 3600),
        ),
        (
            "never fresh, its own words",
            format!("max-age=0, {said}"),
            (5, 7, 0),
        ),
        (
            "must-revalidate",
            format!("max-age=60, must-revalidate, {said}"),
            none,
        ),
        (
            "proxy-revalidate",
            format!("max-age=60, proxy-revalidate, {said}"),
            none,
        ),
        ("s-maxage", format!("s-maxage=60, {said}"), none),
        (
            "immutable changes nothing",
            format!("max-age=60, immutable, {said}"),
            (5, 7, 3600),
        ),
    ];
    for (case, cache_control, expected) in cases {
        let fields = [("cache-control", cache_control.as_str())];
        let fresh = judge(&defaults, &rule(), &[], 200, &fields).expect(case);
        let found = (
            fresh.stale_while_revalidate.as_secs(),
            fresh.stale_if_error.as_secs(),
            fresh.stale_after_soft_purge.as_secs(),
        );
        assert_eq!(found, *expected, "{case}");
        assert_eq!(fresh.must_revalidate, *expected == none, "{case}");
    }
    // Never fresh and without a word of its own: the defaults are not for it.
    let zero = [("cache-control", "max-age=0"), ETAG];
    let fresh = judge(&defaults, &rule(), &[], 200, &zero).expect("has a validator");
    assert!(fresh.stale_while_revalidate.is_zero() && fresh.stale_if_error.is_zero());
    // An error says itself for how long it may be given.
    for (says, expected) in [
        ("max-age=60", (0, 0)),
        ("max-age=60, stale-if-error=7", (0, 7)),
    ] {
        for (status, is_error) in [(503, true), (404, false)] {
            let fresh = judge(&defaults, &rule(), &[], status, &[("cache-control", says)]);
            let fresh = fresh.expect("has a lifetime");
            let found = (
                fresh.stale_while_revalidate.as_secs(),
                fresh.stale_if_error.as_secs(),
            );
            assert_eq!(found == expected, is_error, "{status}: {says}: {found:?}");
        }
    }
    // Without any lifetime there is no end of it to count from.
    let alone = [("cache-control", said)];
    let verdict = judge(&defaults, &rule(), &[], 200, &alone);
    assert_eq!(verdict, Err(Reason::NoFreshness));
}
