use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Freshness, initial_age, lifetime};
use crate::cache::testing::{Fields, Lcg, headers, now, secs};
use crate::headers::cache_control::CacheControl;
use crate::reason::Reason;

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

#[test]
fn no_input_overflows() {
    const DATES: &[&str] = &[
        NOW,
        LATER,
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "0",
        "",
    ];
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "60",
        "2147483647",
        "2147483648",
        "18446744073709551616",
        "-1",
        "x",
        "\"",
    ];
    let mut random = Lcg(1);
    for _ in 0..20_000 {
        let max_age = format!("max-age={}", random.pick(NUMBERS));
        let mut fields = vec![("age", random.pick(NUMBERS)), ("date", random.pick(DATES))];
        fields.push(("expires", random.pick(DATES)));
        if random.below(2) == 0 {
            fields.push(("cache-control", &max_age));
        }
        let arrived = match random.below(4) {
            0 => UNIX_EPOCH,
            1 => UNIX_EPOCH - secs(5),
            2 => UNIX_EPOCH + secs(1 << 40),
            _ => now(),
        };
        let delay = [Duration::ZERO, secs(3), Duration::MAX][random.below(3)];
        let lifetime = lifetime_of(&fields, arrived);
        let initial_age = initial_age(&headers(&fields), arrived, delay);
        if let (Ok(Some(lifetime)), Ok(initial_age)) = (lifetime, initial_age) {
            let fresh = Freshness {
                lifetime,
                initial_age,
                ..Freshness::default()
            }
            .capped(secs(random.next()));
            let resident = [Duration::ZERO, secs(1), Duration::MAX][random.below(3)];
            assert!(fresh.remaining(resident) <= fresh.remaining(Duration::ZERO));
            assert!(fresh.age(resident) >= initial_age);
        }
    }
}
