//! Each term, and that they add up.

use super::*;
use crate::cache::explain::{Sum, Term, Window};

const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:27 GMT");

fn of(subject: &Subject<'_>, fields: &[(&str, &str)], delay_ms: u64) -> Sum {
    let response = Response {
        status: StatusCode::OK,
        headers: &headers(fields),
        framed: true,
        any_coding: false,
    };
    let delay = Duration::from_millis(delay_ms);
    let answered = answered(subject, &key("/a"), &response, now(), delay);
    answered.app.freshness.expect("it was asked")
}

fn terms(sum: &Sum) -> Vec<(&str, &str, f64)> {
    let term = |term: &Term| (term.sign.clone(), term.name.clone(), term.seconds);
    let leak = |text: String| &*text.leak();
    let terms = sum.terms.iter().map(term);
    terms.map(|(s, n, v)| (leak(s), leak(n), v)).collect()
}

fn how<'s>(sum: &'s Sum, name: &str) -> &'s str {
    let term = sum.terms.iter().find(|term| term.name == name);
    &term.expect("there is such a term").how
}

#[test]
fn an_answer_on_arrival() {
    let (settings, rule, none) = (settings(), rule(), HeaderMap::new());
    let subject = subject(get(&none), &settings, &rule);
    let sum = of(
        &subject,
        &[DATE, ("age", "4"), ("cache-control", "max-age=60")],
        1_500,
    );
    assert_eq!(
        terms(&sum),
        [
            ("", "apparent_age", 10.0),
            ("", "age_value", 4.0),
            ("+", "response_delay", 1.5),
            ("=", "corrected_initial_age", 10.0),
            ("", "lifetime", 60.0),
            ("-", "corrected_initial_age", 10.0),
            ("=", "ttl", 50.0),
        ]
    );
    assert_eq!(how(&sum, "apparent_age"), "from Date to its arrival");
    assert_eq!(how(&sum, "lifetime"), "max-age in Cache-Control");
    assert_eq!(sum.terms[4].rfc.as_deref(), Some("RFC 9111 §5.2.2.1"));

    let sum = of(
        &subject,
        &[("age", "4"), ("surrogate-control", "max-age=9")],
        1_500,
    );
    assert_eq!(sum.terms[3].seconds, 5.5, "{sum:?}");
    assert_eq!(how(&sum, "lifetime"), "max-age in Surrogate-Control");
    assert_eq!(sum.terms[4].rfc.as_deref(), Some("RFC 9213 §2.2"));
    assert_eq!(sum.ttl_seconds, 3.5);
}

#[test]
fn lifetimes_are_told_by_their_source() {
    let rule = Rule {
        ttl: Some(secs(20)),
        ..rule()
    };
    let (settings, none) = (settings(), HeaderMap::new());
    let subject = subject(get(&none), &settings, &rule);
    for (fields, expected) in [
        (
            &[("cache-control", "s-maxage=5, max-age=6")][..],
            (5.0, "s-maxage in Cache-Control"),
        ),
        (
            &[DATE, ("expires", "Sun, 06 Nov 1994 08:49:57 GMT")],
            (30.0, "Expires minus Date"),
        ),
        (
            &[("expires", "0")],
            (0.0, "Expires, which is no date: in the past"),
        ),
        (&[], (20.0, "cache.ttl of the route home")),
    ] {
        let sum = of(&subject, fields, 0);
        let term = sum.terms.iter().find(|term| term.name == "lifetime");
        let term = term.expect("there is one");
        assert_eq!((term.seconds, term.how.as_str()), expected);
    }
}

#[test]
fn what_is_cut_off_is_told() {
    let settings = Settings {
        max_ttl: secs(100),
        ttl_jitter: 0.5,
        ..settings()
    };
    let (rule, none) = (rule(), HeaderMap::new());
    let subject = subject(get(&none), &settings, &rule);
    let sum = of(
        &subject,
        &[("cache-control", "max-age=1000"), ("age", "50")],
        0,
    );
    let names: Vec<_> = sum.terms.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(
        names[4..],
        [
            "lifetime",
            "max_ttl",
            "ttl_jitter",
            "corrected_initial_age",
            "ttl"
        ]
    );
    let value = |name: &str| sum.terms.iter().find(|t| t.name == name).map(|t| t.seconds);
    assert_eq!(value("max_ttl"), Some(850.0));
    let total = 1_000.0 - 850.0 - value("ttl_jitter").unwrap_or_default() - 50.0;
    assert!((sum.ttl_seconds - total).abs() < 1e-6, "{sum:?}");
    assert!(sum.ttl_seconds >= 50.0 && sum.ttl_seconds < 100.0);
}

#[test]
fn what_is_stored_grows_older() {
    let (settings, rule, none) = (settings(), rule(), HeaderMap::new());
    let subject = subject(get(&none), &settings, &rule);
    let stored = |lifetime, by_rule| {
        let mut stored = entry(&key("/a"), &[DATE, ("cache-control", "max-age=60")], "x");
        stored.freshness = Freshness {
            lifetime: secs(lifetime),
            initial_age: secs(10),
            by_rule,
            stale_while_revalidate: secs(7),
            arrival: Arrival {
                age_value: 0,
                delay_ms: 250,
            },
            ..Freshness::default()
        };
        let looked = of_stored(&subject, stored, Purge::No);
        looked.lookup.entry.expect("there is one").freshness
    };
    assert_eq!(
        terms(&stored(60, false))[2..],
        [
            ("+", "response_delay", 0.25),
            ("=", "corrected_initial_age", 10.0),
            ("+", "resident_time", 30.0),
            ("=", "current_age", 40.0),
            ("", "lifetime", 60.0),
            ("-", "current_age", 40.0),
            ("=", "ttl", 20.0),
        ]
    );
    // It was stored under other rules.
    let sum = stored(35, false);
    assert_eq!(
        how(&sum, "lifetime_stored"),
        "as it was decided when it was stored"
    );
    assert_eq!(sum.ttl_seconds, -5.0);
    // The rule has been taken back.
    let sum = stored(60, true);
    assert_eq!(how(&sum, "lifetime"), "by a rule that is gone");
    assert_eq!(how(&sum, "lifetime_now"), "the rule that gave it is gone");
    assert_eq!(sum.ttl_seconds, -40.0);
}

#[test]
fn stale_windows_are_told_by_who_gives_them() {
    let mut settings = settings();
    settings.stale.while_revalidate = secs(3);
    settings.stale.if_error = secs(4);
    let (rule, none) = (rule(), HeaderMap::new());
    let subject = subject(get(&none), &settings, &rule);
    let windows = |value: &str| {
        let sum = of(&subject, &[("cache-control", value)], 0);
        let told = |window: &Window| (window.seconds, window.how.clone());
        sum.stale.iter().map(told).collect::<Vec<_>>()
    };
    let told = windows("max-age=60, stale-if-error=9");
    assert_eq!(told[0], (3.0, "cache.stale.while_revalidate".to_owned()));
    assert_eq!(told[1], (9.0, "stale-if-error=9".to_owned()));
    for window in windows("max-age=60, must-revalidate, stale-if-error=9") {
        assert_eq!(window.0, 0.0);
        assert!(window.1.starts_with("the answer forbids it"), "{window:?}");
    }
}
