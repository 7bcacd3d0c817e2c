//! Stale answers (RFC 9111 §4.2.4, §5.2.1.2; RFC 5861).

use super::*;
use crate::cache::reuse::is_error;

/// With windows of 30 s, 300 s and 3000 s.
fn windows() -> Freshness {
    Freshness {
        stale_while_revalidate: secs(30),
        stale_if_error: secs(300),
        stale_after_soft_purge: secs(3000),
        ..Freshness::default()
    }
}

fn given(age: u64, refresh: bool, why: Reason) -> Reuse {
    Reuse::Stale {
        age: secs(age),
        over: secs(age.saturating_sub(60)),
        refresh,
        why,
    }
}

#[test]
fn stale_answers() {
    use Reason as R;
    let forbidden = Freshness {
        must_revalidate: true,
        ..windows()
    };
    let none = Freshness::default();
    let (no, soft) = (Purge::No, Purge::Soft);
    let fresh = Reuse::Serve {
        age: secs(59),
        ttl: secs(1),
    };
    let ask = Reuse::Validate;
    type Case = (&'static str, Freshness, Purge, u64, &'static str, Reuse);
    let cases: &[Case] = &[
        // RFC 5861 §3.
        ("fresh", windows(), no, 59, "x", fresh),
        (
            "the first stale moment",
            windows(),
            no,
            60,
            "x",
            given(60, true, R::StaleWhileRevalidate),
        ),
        (
            "the last one in the window",
            windows(),
            no,
            89,
            "x",
            given(89, true, R::StaleWhileRevalidate),
        ),
        ("behind the window", windows(), no, 90, "x", ask(R::Expired)),
        ("no window", none, no, 60, "x", ask(R::Expired)),
        // RFC 9111 §4.2.4.
        ("forbidden", forbidden, no, 60, "x", ask(R::Expired)),
        (
            "forbidden, whatever the client accepts",
            forbidden,
            no,
            60,
            "max-stale",
            ask(R::Expired),
        ),
        // §5.2.1.2.
        (
            "max-stale reached",
            none,
            no,
            70,
            "max-stale=10",
            given(70, false, R::RequestMaxStale),
        ),
        (
            "max-stale exceeded",
            none,
            no,
            71,
            "max-stale=10",
            ask(R::Expired),
        ),
        (
            "max-stale without a bound",
            none,
            no,
            100_000,
            "max-stale",
            given(100_000, false, R::RequestMaxStale),
        ),
        (
            "max-stale unreadable",
            none,
            no,
            61,
            "max-stale=x",
            ask(R::Expired),
        ),
        (
            "a refresh where both allow it",
            windows(),
            no,
            70,
            "max-stale=10",
            given(70, true, R::StaleWhileRevalidate),
        ),
        // §5.2.1.1: "Unless the max-stale request directive is also present".
        (
            "max-age wants nothing stale",
            windows(),
            no,
            70,
            "max-age=100",
            ask(R::Expired),
        ),
        (
            "max-age with max-stale",
            windows(),
            no,
            70,
            "max-age=100, max-stale=10",
            given(70, true, R::StaleWhileRevalidate),
        ),
        (
            "max-age bounds the age all the same",
            windows(),
            no,
            70,
            "max-age=69, max-stale=10",
            ask(R::RequestMaxAge),
        ),
        (
            "min-fresh wants nothing stale",
            windows(),
            no,
            70,
            "min-fresh=1",
            ask(R::RequestMinFresh),
        ),
        // Soft purges.
        (
            "softly purged while fresh",
            none,
            soft,
            59,
            "x",
            given(59, true, R::StaleAfterPurge),
        ),
        (
            "softly purged while fresh, whatever must not be stale",
            forbidden,
            soft,
            59,
            "x",
            given(59, true, R::StaleAfterPurge),
        ),
        (
            "softly purged and stale",
            windows(),
            soft,
            100,
            "x",
            given(100, true, R::StaleAfterPurge),
        ),
        (
            "softly purged and too old",
            windows(),
            soft,
            3060,
            "x",
            ask(R::Expired),
        ),
        (
            "softly purged, stale and forbidden",
            forbidden,
            soft,
            60,
            "x",
            ask(R::Expired),
        ),
        (
            "softly purged, and a client that reloads",
            windows(),
            soft,
            10,
            "no-cache",
            ask(R::RequestNoCache),
        ),
        ("purged", windows(), Purge::Invalid, 10, "x", ask(R::Purged)),
    ];
    for (case, freshness, purge, age, wish, expected) in cases {
        let terms = Terms {
            purge: *purge,
            ..TERMS
        };
        let fields = [("cache-control", *wish)];
        let headers = headers(&fields);
        let verdict = reuse(
            &stored(*freshness),
            &get(&headers),
            &terms,
            now() + secs(*age),
        );
        assert_eq!(verdict, *expected, "{case}");
    }
}

/// RFC 5861 §4; RFC 9111 §4.2.4.
#[test]
fn stale_answers_when_the_app_fails() {
    let forbidden = Freshness {
        must_revalidate: true,
        ..windows()
    };
    let none = Freshness::default();
    let (no, soft) = (Purge::No, Purge::Soft);
    type Case = (
        &'static str,
        Freshness,
        Purge,
        u64,
        &'static str,
        Option<u64>,
    );
    let cases: &[Case] = &[
        ("no window", none, no, 60, "x", None),
        ("in the window", windows(), no, 60, "x", Some(0)),
        ("at its end", windows(), no, 359, "x", Some(299)),
        ("behind it", windows(), no, 360, "x", None),
        ("forbidden", forbidden, no, 60, "x", None),
        (
            "still fresh, the client reloads",
            none,
            no,
            10,
            "max-age=0",
            Some(0),
        ),
        (
            "stale, the client reloads",
            windows(),
            no,
            70,
            "max-age=0",
            Some(10),
        ),
        ("no-cache", windows(), no, 10, "no-cache", None),
        (
            "the request's own window",
            none,
            no,
            70,
            "stale-if-error=20",
            Some(10),
        ),
        (
            "which may be narrower",
            windows(),
            no,
            90,
            "stale-if-error=20",
            None,
        ),
        (
            "and unreadable",
            windows(),
            no,
            70,
            "stale-if-error=x",
            None,
        ),
        (
            "and opens nothing",
            forbidden,
            no,
            70,
            "stale-if-error=20",
            None,
        ),
        ("softly purged while fresh", none, soft, 10, "x", Some(0)),
        ("softly purged later", windows(), soft, 1000, "x", Some(940)),
        ("purged", windows(), Purge::Invalid, 10, "x", None),
    ];
    for (case, freshness, purge, age, wish, expected) in cases {
        let terms = Terms {
            purge: *purge,
            ..TERMS
        };
        let fields = [("cache-control", *wish)];
        let headers = headers(&fields);
        let at = now() + secs(*age);
        let expected = expected.map(|over| Rescue {
            age: secs(*age),
            over: secs(over),
        });
        let rescued = on_error(&stored(*freshness), &get(&headers), &terms, at);
        assert_eq!(rescued, expected, "{case}");
    }
}

#[test]
fn a_rule_that_is_gone_leaves_nothing_stale_behind() {
    let by_rule = stored(Freshness {
        by_rule: true,
        ..windows()
    });
    // 20 s old, stored for 60 s; the windows count from the end of the lifetime by today's rule.
    for (fallback, stale, rescued) in [(60, false, true), (15, true, true), (0, false, false)] {
        let terms = Terms {
            fallback: secs(fallback),
            ..TERMS
        };
        let verdict = judge(&by_rule, &[], &terms, 20);
        assert_eq!(matches!(verdict, Reuse::Stale { .. }), stale, "{fallback}");
        let rescue = rescue(&by_rule, &[], &terms, 20);
        assert_eq!(rescue.is_some(), rescued, "{fallback}");
    }
}

#[test]
fn errors() {
    for (status, expected) in [
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let status = http::StatusCode::from_u16(status).expect("a status");
        assert_eq!(is_error(status), expected, "{status}");
    }
    assert!(!is_error(http::StatusCode::NOT_FOUND));
}
