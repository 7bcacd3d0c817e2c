use std::time::Duration;

use super::Outcome;
use crate::reason::Reason;

fn miss(found: Option<Reason>, stored: bool, why: Option<Reason>) -> Outcome {
    Outcome::Miss {
        found,
        stored,
        why,
        collapsed: false,
        fwd_status: None,
    }
}

/// RFC 9211 §2.
#[test]
fn values_and_labels() {
    use Reason as R;
    let cases = [
        (Outcome::hit(Duration::from_secs(37)), "hit; ttl=37", "hit"),
        (
            Outcome::stale(Duration::from_secs(5), R::StaleWhileRevalidate),
            "hit; ttl=-5; detail=STALE_WHILE_REVALIDATE",
            "stale",
        ),
        (
            Outcome::stale(Duration::ZERO, R::StaleAfterPurge),
            "hit; ttl=0; detail=STALE_AFTER_PURGE",
            "stale",
        ),
        (miss(None, true, None), "fwd=uri-miss; stored", "miss"),
        (miss(None, false, None), "fwd=uri-miss", "miss"),
        (
            miss(None, false, Some(R::SetCookie)),
            "fwd=uri-miss; detail=SET_COOKIE",
            "miss",
        ),
        (
            miss(Some(R::Expired), true, None),
            "fwd=stale; stored",
            "miss",
        ),
        (
            miss(Some(R::Expired), false, Some(R::NoStore)),
            "fwd=stale; detail=NO_STORE",
            "miss",
        ),
        (
            miss(Some(R::Purged), true, None),
            "fwd=stale; stored; detail=PURGED",
            "miss",
        ),
        (
            miss(Some(R::VaryMiss), true, None),
            "fwd=vary-miss; stored",
            "miss",
        ),
        (
            miss(Some(R::RequestNoCache), true, None),
            "fwd=request; stored; detail=REQUEST_NO_CACHE",
            "miss",
        ),
        (
            Outcome::Miss {
                found: None,
                stored: true,
                why: None,
                collapsed: true,
                fwd_status: None,
            },
            "fwd=uri-miss; stored; collapsed",
            "miss",
        ),
        (
            Outcome::Miss {
                found: Some(R::Expired),
                stored: false,
                why: Some(R::UpstreamInvalid),
                collapsed: false,
                fwd_status: Some(200),
            },
            "fwd=stale; fwd-status=200; detail=UPSTREAM_INVALID",
            "miss",
        ),
        (
            Outcome::Validated {
                found: R::Expired,
                stored: true,
                collapsed: false,
            },
            "fwd=stale; fwd-status=304; stored",
            "revalidated",
        ),
        (
            Outcome::Validated {
                found: R::RequestMaxAge,
                stored: true,
                collapsed: true,
            },
            "fwd=request; fwd-status=304; stored; collapsed; detail=REQUEST_MAX_AGE",
            "revalidated",
        ),
        (
            Outcome::Rescued {
                ttl: -30,
                found: R::Expired,
                fwd_status: Some(503),
                collapsed: false,
            },
            "fwd=stale; fwd-status=503; ttl=-30; detail=STALE_IF_ERROR",
            "stale",
        ),
        (
            Outcome::Bypass(R::RequestNoStore),
            "fwd=bypass; detail=REQUEST_NO_STORE",
            "bypass",
        ),
        (
            Outcome::Bypass(R::Method),
            "fwd=method; detail=METHOD",
            "bypass",
        ),
        (
            Outcome::Refused(R::OnlyIfCached),
            "detail=ONLY_IF_CACHED",
            "miss",
        ),
    ];
    for (outcome, value, label) in cases {
        assert_eq!(outcome.header_value(), format!("vestibule; {value}"));
        assert_eq!(outcome.label(), label, "{value}");
    }
}

#[test]
fn every_reason_makes_a_valid_value() {
    for reason in Reason::ALL {
        let why = Some(*reason);
        assert!(!miss(why, false, why).header_value().is_empty());
        assert!(!Outcome::Bypass(*reason).header_value().is_empty());
    }
}
