//! The sentence, and the `Cache-Status` that goes with it.

use super::*;
use crate::cache::explain::verdict::{Answer, Facts, Outcome, verdict};
use crate::cache::reuse::{Rescue, Reuse};

/// Nothing is stored, and nobody has asked the app.
fn nothing() -> Facts<'static> {
    Facts {
        method: &Method::GET,
        bypass: None,
        found: Found::Nothing,
        reuse: None,
        is_hard: false,
        has_validator: false,
        rescue: None,
        refused: None,
        unfilling: None,
        under_way: false,
        passing: None,
        answer: Answer::Unasked,
        against: 0,
    }
}

/// This is stored.
fn with(reuse: Reuse) -> Facts<'static> {
    Facts {
        found: Found::Entry,
        reuse: Some(reuse),
        ..nothing()
    }
}

fn fresh(seconds: u64) -> Answer {
    let freshness = Freshness {
        lifetime: secs(seconds),
        ..Freshness::default()
    };
    Answer::Given(StatusCode::OK, Ok(freshness))
}

#[test]
fn each_way_has_its_sentence() {
    let stale = |over, refresh, why| Reuse::Stale {
        age: secs(70),
        over: secs(over),
        refresh,
        why,
    };
    let rescue = Some(Rescue {
        age: secs(70),
        over: secs(10),
    });
    let expired = Reuse::Validate(Reason::Expired);
    let cases = [
        (
            with(Reuse::Serve {
                age: secs(23),
                ttl: secs(37),
            }),
            Outcome::Hit,
            "hit, fresh for 37 s more",
            Some("vestibule; hit; ttl=37"),
        ),
        (
            with(stale(4, true, Reason::StaleWhileRevalidate)),
            Outcome::Stale,
            "hit although it has been stale for 4 s, while one fetch renews it",
            Some("vestibule; hit; ttl=-4; detail=STALE_WHILE_REVALIDATE"),
        ),
        (
            with(stale(0, true, Reason::StaleAfterPurge)),
            Outcome::Stale,
            "hit although it was purged softly, while one fetch renews it",
            Some("vestibule; hit; ttl=0; detail=STALE_AFTER_PURGE"),
        ),
        (
            with(stale(4, false, Reason::RequestMaxStale)),
            Outcome::Stale,
            "hit although it has been stale for 4 s, because the request accepts that",
            Some("vestibule; hit; ttl=-4; detail=REQUEST_MAX_STALE"),
        ),
        (
            Facts {
                answer: fresh(60),
                ..nothing()
            },
            Outcome::Store,
            "would go to the app, and be stored for 60 s",
            Some("vestibule; fwd=uri-miss; stored"),
        ),
        (
            Facts {
                found: Found::Variants,
                answer: fresh(60),
                ..nothing()
            },
            Outcome::Store,
            "would go to the app as a new variant, and be stored for 60 s",
            Some("vestibule; fwd=vary-miss; stored"),
        ),
        (
            Facts {
                answer: Answer::Given(StatusCode::OK, Err(Reason::SetCookie)),
                against: 3,
                ..nothing()
            },
            Outcome::Pass,
            "would go to the app, never stored because the response sets a cookie, and for 2 more \
             reasons",
            Some("vestibule; fwd=uri-miss; detail=SET_COOKIE"),
        ),
        (
            nothing(),
            Outcome::Unknown,
            "would go to the app; whether its answer would be stored was not asked",
            None,
        ),
        (
            Facts {
                answer: Answer::Failed(Reason::UpstreamConnect),
                ..nothing()
            },
            Outcome::Fail,
            "would go to the app, which fails: the app does not accept connections",
            None,
        ),
        (
            Facts {
                answer: Answer::Failed(Reason::UpstreamConnect),
                rescue,
                ..with(expired)
            },
            Outcome::Stale,
            "the app fails, and what is stored would be given, stale for 10 s",
            Some("vestibule; fwd=stale; ttl=-10; detail=STALE_IF_ERROR"),
        ),
        (
            Facts {
                answer: Answer::Given(StatusCode::BAD_GATEWAY, Err(Reason::NoFreshness)),
                rescue,
                ..with(expired)
            },
            Outcome::Stale,
            "the app answers 502, and what is stored would be given, stale for 10 s",
            Some("vestibule; fwd=stale; fwd-status=502; ttl=-10; detail=STALE_IF_ERROR"),
        ),
        (
            Facts {
                has_validator: true,
                answer: fresh(60),
                ..with(expired)
            },
            Outcome::Validate,
            "no hit, because the stored response is no longer fresh; the app would be asked whether \
             it still holds, and a new answer be stored for 60 s",
            None,
        ),
        (
            Facts {
                answer: fresh(60),
                ..with(Reuse::Validate(Reason::Purged))
            },
            Outcome::Store,
            "no hit, because the stored response was purged; would go to the app, and be stored for \
             60 s",
            Some("vestibule; fwd=stale; stored; detail=PURGED"),
        ),
        (
            Facts {
                bypass: Some(Reason::RouteCacheOff),
                ..nothing()
            },
            Outcome::Bypass,
            "would go past the cache to the app, because the matching route has `cache: off`",
            Some("vestibule; fwd=bypass; detail=ROUTE_CACHE_OFF"),
        ),
        (
            Facts {
                bypass: Some(Reason::Method),
                ..nothing()
            },
            Outcome::Bypass,
            "would go past the cache to the app, because only GET and HEAD are cached",
            Some("vestibule; fwd=method; detail=METHOD"),
        ),
        (
            Facts {
                refused: Some(Reason::OnlyIfCached),
                ..nothing()
            },
            Outcome::Refuse,
            "would be refused with 504, because the request says `only-if-cached` and no usable \
             answer is stored",
            Some("vestibule; detail=ONLY_IF_CACHED"),
        ),
        (
            Facts {
                unfilling: Some(Reason::RequestRange),
                ..nothing()
            },
            Outcome::Pass,
            "would go to the app, and nothing be stored, because the request asks for a range of a \
             response that is not stored",
            Some("vestibule; fwd=uri-miss; detail=REQUEST_RANGE"),
        ),
        (
            Facts {
                method: &Method::HEAD,
                answer: fresh(60),
                ..nothing()
            },
            Outcome::Pass,
            "would go to the app, and not be stored: only answers to GET are",
            Some("vestibule; fwd=uri-miss"),
        ),
        (
            Facts {
                passing: Some((secs(7), Reason::NoStore)),
                answer: fresh(60),
                ..nothing()
            },
            Outcome::Pass,
            "would go straight to the app for 7 s more, because the last answer was not stored: \
             the response says `Cache-Control: no-store`",
            Some("vestibule; fwd=uri-miss; detail=NO_STORE"),
        ),
    ];
    for (facts, outcome, text, status) in cases {
        let verdict = verdict(&facts);
        assert_eq!(verdict.text, text);
        assert_eq!(verdict.outcome, outcome, "{text}");
        assert_eq!(verdict.cache_status.as_deref(), status, "{text}");
    }
}

#[test]
fn a_range_is_cut_from_a_whole_that_comes_anyway() {
    let ranged = |facts| Facts {
        unfilling: Some(Reason::RequestRange),
        answer: fresh(60),
        ..facts
    };
    let under_way = Facts {
        under_way: true,
        ..nothing()
    };
    assert_eq!(verdict(&ranged(under_way)).outcome, Outcome::Store);
    let expired = with(Reuse::Validate(Reason::Expired));
    assert_eq!(verdict(&ranged(expired)).outcome, Outcome::Store);
    let purged = Facts {
        is_hard: true,
        ..with(Reuse::Validate(Reason::Purged))
    };
    assert_eq!(verdict(&ranged(purged)).outcome, Outcome::Pass);
    let not_for_it = with(Reuse::Miss(Reason::RequestCookie));
    assert_eq!(verdict(&ranged(not_for_it)).outcome, Outcome::Pass);
}
