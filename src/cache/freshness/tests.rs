use std::time::{Duration, SystemTime};

use super::{Freshness, HEURISTIC_MAX, Source, heuristic, initial_age, lifetime};
use crate::cache::testing::{Fields, headers, now, secs};
use crate::headers::cache_control::CacheControl;
use crate::reason::Reason;

mod properties;

const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:48:37 GMT";

fn lifetime_of(fields: &[(&str, &str)], now: SystemTime) -> Result<Option<Duration>, Reason> {
    let headers = headers(fields);
    let explicit = lifetime(&CacheControl::from_headers(&headers), &headers, now)?;
    Ok(explicit.map(|lifetime| lifetime.length))
}

#[test]
fn lifetimes() {
    let invalid = Err(Reason::InvalidFreshness);
    type Case = (&'static str, Fields, Result<Option<u64>, Reason>);
    let cases: &[Case] = &[
        ("silent", &[("date", NOW)], Ok(None)),
        ("max-age", &[("cache-control", "max-age=60")], Ok(Some(60))),
        ("zero", &[("cache-control", "max-age=0")], Ok(Some(0))),
        (
            "s-maxage wins",
            &[("cache-control", "max-age=60, s-maxage=5")],
            Ok(Some(5)),
        ),
        (
            "s-maxage alone",
            &[("cache-control", "s-maxage=5")],
            Ok(Some(5)),
        ),
        (
            "broken s-maxage does not fall back",
            &[("cache-control", "s-maxage=x, max-age=60")],
            invalid,
        ),
        (
            "broken max-age behind a good s-maxage",
            &[("cache-control", "s-maxage=5, max-age=x")],
            Ok(Some(5)),
        ),
        (
            "max-age over Expires",
            &[("cache-control", "max-age=60"), ("expires", EARLIER)],
            Ok(Some(60)),
        ),
        (
            "broken max-age over Expires",
            &[("cache-control", "max-age=-1"), ("expires", LATER)],
            invalid,
        ),
        (
            "two max-age",
            &[("cache-control", "max-age=1, max-age=60")],
            invalid,
        ),
        (
            "overflow",
            &[("cache-control", "max-age=99999999999999999999")],
            Ok(Some(1 << 31)),
        ),
        (
            "Expires",
            &[("expires", LATER), ("date", NOW)],
            Ok(Some(60)),
        ),
        (
            "Expires counts from Date",
            &[("expires", LATER), ("date", EARLIER)],
            Ok(Some(120)),
        ),
        (
            "Expires without Date counts from arrival",
            &[("expires", LATER)],
            Ok(Some(60)),
        ),
        (
            "Expires with an unreadable Date",
            &[("expires", LATER), ("date", "today")],
            Ok(Some(60)),
        ),
        (
            "Expires in the past",
            &[("expires", EARLIER), ("date", NOW)],
            Ok(Some(0)),
        ),
        (
            "Expires: 0",
            &[("expires", "0"), ("date", NOW)],
            Ok(Some(0)),
        ),
        ("Expires: -1", &[("expires", "-1")], Ok(Some(0))),
        ("Expires empty", &[("expires", "")], Ok(Some(0))),
        (
            "Expires in local time",
            &[("expires", "Sun, 06 Nov 1994 08:50:37 PST")],
            Ok(Some(0)),
        ),
        (
            "RFC 850",
            &[("expires", "Sunday, 06-Nov-94 08:50:37 GMT"), ("date", NOW)],
            Ok(Some(60)),
        ),
        (
            "asctime",
            &[("expires", "Sun Nov  6 08:50:37 1994"), ("date", NOW)],
            Ok(Some(60)),
        ),
        (
            "same Expires twice",
            &[("expires", LATER), ("expires", LATER), ("date", NOW)],
            Ok(Some(60)),
        ),
        (
            "two Expires",
            &[("expires", LATER), ("expires", NOW), ("date", NOW)],
            invalid,
        ),
        (
            "two Dates",
            &[("expires", LATER), ("date", NOW), ("date", EARLIER)],
            invalid,
        ),
    ];
    for (case, fields, expected) in cases {
        let expected = expected.map(|seconds| seconds.map(secs));
        assert_eq!(lifetime_of(fields, now()), expected, "{case}");
    }
}

#[test]
fn initial_ages() {
    let cases: &[(&str, Fields, u64, Result<u64, Reason>)] = &[
        ("just made", &[("date", NOW)], 0, Ok(0)),
        ("no Date", &[], 0, Ok(0)),
        ("the delay counts", &[("date", NOW)], 7, Ok(7)),
        ("Age", &[("date", NOW), ("age", "30")], 0, Ok(30)),
        ("Age plus delay", &[("date", NOW), ("age", "30")], 7, Ok(37)),
        ("Date without Age", &[("date", EARLIER)], 7, Ok(60)),
        (
            "the larger of both",
            &[("date", EARLIER), ("age", "100")],
            0,
            Ok(100),
        ),
        ("Date ahead of us", &[("date", LATER)], 0, Ok(0)),
        ("unreadable Date", &[("date", "0")], 0, Ok(0)),
        (
            "two Dates",
            &[("date", NOW), ("date", LATER)],
            0,
            Err(Reason::InvalidFreshness),
        ),
        ("first of a list", &[("age", "30, 0")], 0, Ok(30)),
        (
            "first of two lines",
            &[("age", "30"), ("age", "0")],
            0,
            Ok(30),
        ),
        ("negative", &[("age", "-30")], 0, Ok(0)),
        ("fraction", &[("age", "30.5")], 0, Ok(0)),
        ("words", &[("age", "abc")], 0, Ok(0)),
        (
            "overflow",
            &[("age", "99999999999999999999")],
            0,
            Ok(1 << 31),
        ),
    ];
    for (case, fields, delay, expected) in cases {
        let age = initial_age(&headers(fields), now(), secs(*delay));
        assert_eq!(age, expected.map(secs), "{case}");
    }
}

#[test]
fn the_turn_of_a_second_makes_nothing_older() {
    let headers = headers(&[("date", NOW)]);
    let arrived = now() + Duration::from_millis(999);
    assert_eq!(
        initial_age(&headers, arrived, Duration::ZERO),
        Ok(Duration::ZERO)
    );
}

#[test]
fn ageing_and_the_cap() {
    let fresh = Freshness {
        lifetime: secs(100),
        initial_age: secs(40),
        ..Freshness::default()
    };
    let cases = [(0, 60), (59, 1), (60, 0), (61, 0), (u64::MAX, 0)];
    for (resident, left) in cases {
        assert_eq!(
            fresh.remaining(secs(resident)),
            secs(left),
            "after {resident} s"
        );
    }
    assert_eq!(fresh.capped(secs(10)).remaining(Duration::ZERO), secs(10));
    assert_eq!(fresh.capped(secs(1000)), fresh);
    assert_eq!(fresh.capped(Duration::MAX), fresh);
    assert_eq!(fresh.age(Duration::MAX), Duration::MAX);
}

/// RFC 9213 §2.2: a targeted field governs alone, whatever else is there.
#[test]
fn sources() {
    const TARGET: &str = "vestibule-cache-control";
    type Case = (&'static str, Fields, Option<(u64, Source)>);
    let cases: &[Case] = &[
        (
            "s-maxage",
            &[("cache-control", "max-age=60, s-maxage=5")],
            Some((5, Source::SMaxage)),
        ),
        (
            "max-age",
            &[("cache-control", "max-age=60"), ("expires", LATER)],
            Some((60, Source::MaxAge)),
        ),
        (
            "Expires",
            &[("cache-control", "public"), ("expires", LATER)],
            Some((60, Source::Expires)),
        ),
        (
            "targeted",
            &[(TARGET, "max-age=7"), ("cache-control", "max-age=60")],
            Some((7, Source::MaxAge)),
        ),
        (
            "targeted without a lifetime, Expires",
            &[(TARGET, "must-revalidate"), ("expires", LATER)],
            None,
        ),
        (
            "unreadable targeted",
            &[(TARGET, "max-age=7,"), ("expires", LATER)],
            Some((60, Source::Expires)),
        ),
    ];
    for (case, fields, expected) in cases {
        let headers = headers(fields);
        let targets = [http::HeaderName::from_static(TARGET)];
        let governing = CacheControl::governing(&headers, &targets);
        let found = lifetime(&governing, &headers, now()).expect("valid");
        let found = found.map(|found| (found.length.as_secs(), found.source));
        assert_eq!(found, *expected, "{case}");
        assert!(found.is_none_or(|(_, source)| !source.is_rule()));
    }
}

/// RFC 9111 §4.2.2.
#[test]
fn heuristics() {
    const DAY_BEFORE: &str = "Sat, 05 Nov 1994 08:49:37 GMT";
    const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
    let cases: &[(&str, Fields, f64, u64)] = &[
        ("none", &[("date", NOW)], 0.1, 0),
        (
            "a tenth of a day",
            &[("date", NOW), ("last-modified", DAY_BEFORE)],
            0.1,
            8640,
        ),
        (
            "counted from Date",
            &[("date", EARLIER), ("last-modified", DAY_BEFORE)],
            0.1,
            8634,
        ),
        (
            "without Date from arrival",
            &[("last-modified", DAY_BEFORE)],
            0.1,
            8640,
        ),
        (
            "at most a day",
            &[("date", NOW), ("last-modified", LONG_AGO)],
            0.1,
            HEURISTIC_MAX.as_secs(),
        ),
        (
            "modified in the future",
            &[("date", NOW), ("last-modified", LATER)],
            0.1,
            0,
        ),
        (
            "modified just now",
            &[("date", NOW), ("last-modified", NOW)],
            0.1,
            0,
        ),
        (
            "unreadable",
            &[("date", NOW), ("last-modified", "yesterday")],
            0.1,
            0,
        ),
        (
            "two that disagree",
            &[("last-modified", DAY_BEFORE), ("last-modified", LONG_AGO)],
            0.1,
            0,
        ),
        ("no part", &[("last-modified", DAY_BEFORE)], 0.0, 0),
        ("a negative part", &[("last-modified", DAY_BEFORE)], -1.0, 0),
        (
            "more than all",
            &[("last-modified", DAY_BEFORE)],
            9.0,
            86_400,
        ),
        ("no number", &[("last-modified", DAY_BEFORE)], f64::NAN, 0),
    ];
    for (case, fields, ratio, expected) in cases {
        let found = heuristic(&headers(fields), *ratio, now());
        assert_eq!(found.as_secs(), *expected, "{case}");
    }
}

#[test]
fn jitter_cuts_and_never_adds() {
    let fresh = Freshness {
        lifetime: secs(140),
        initial_age: secs(40),
        ..Freshness::default()
    };
    let left = |ratio, hash| fresh.jittered(ratio, hash).remaining(Duration::ZERO);
    assert_eq!(left(0.0, u128::MAX), secs(100));
    assert_eq!(left(0.1, 0), secs(100));
    assert_eq!(left(0.1, u128::MAX), secs(90));
    assert_eq!(left(f64::NAN, u128::MAX), secs(100));
    let half = left(0.1, 1 << 63);
    assert!(half > secs(94) && half < secs(96), "{half:?}");
    assert_eq!(half, left(0.1, 1 << 63), "the same for the same key");
    let stale = Freshness {
        initial_age: secs(200),
        ..fresh
    };
    assert_eq!(stale.jittered(0.5, u128::MAX), stale);
}
