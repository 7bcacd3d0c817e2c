use std::time::Duration;

use super::{Purge, Rescue, Reuse, Terms, on_error, reuse};
use crate::cache::entry::Entry;
use crate::cache::freshness::{Audience, Freshness};
use crate::cache::testing::{Fields, entry, get, headers, key, now, rule, secs, settings};
use crate::cache::{RequestCookies, SetCookie};
use crate::reason::Reason;

mod audience;
mod properties;
mod stale;

/// Nothing is purged, nothing has a lifetime by rule, the gate is shut.
const TERMS: Terms<'static> = Terms {
    purge: Purge::No,
    fallback: Duration::ZERO,
    request_cookies: &RequestCookies::Bypass,
    set_cookie: SetCookie::Bypass,
    vary: &[],
};

/// Stored for a minute, and otherwise as `freshness` says.
fn stored(freshness: Freshness) -> Entry {
    let mut stored = entry(&key("/"), &[], "");
    stored.freshness = Freshness {
        lifetime: secs(60),
        ..freshness
    };
    stored
}

fn plain() -> Entry {
    stored(Freshness::default())
}

/// Judges an entry of this age for a request with these fields.
fn judge(stored: &Entry, fields: Fields, terms: &Terms<'_>, age: u64) -> Reuse {
    reuse(stored, &get(&headers(fields)), terms, now() + secs(age))
}

fn rescue(stored: &Entry, fields: Fields, terms: &Terms<'_>, age: u64) -> Option<Rescue> {
    on_error(stored, &get(&headers(fields)), terms, now() + secs(age))
}

#[test]
fn what_a_rule_let_in_lives_as_long_as_the_rule_says_now() {
    let own = plain();
    let by_rule = stored(Freshness {
        by_rule: true,
        ..Freshness::default()
    });
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
        let terms = Terms {
            fallback: secs(fallback),
            ..TERMS
        };
        let expected = match expected {
            Some(ttl) => Reuse::Serve {
                age: secs(10),
                ttl: secs(ttl),
            },
            None => Reuse::Validate(Reason::Expired),
        };
        assert_eq!(judge(stored, &[], &terms, 10), expected, "{case}");
    }
}

/// RFC 9111 §5.2.1 and §5.4.
#[test]
fn requests_against_a_stored_response() {
    use Reason as R;
    // The stored response lives 60 s; the second column is its age.
    let cases: &[(&str, u64, Fields, Result<(), Reason>)] = &[
        ("fresh", 10, &[], Ok(())),
        ("the last moment", 59, &[], Ok(())),
        ("as old as its lifetime", 60, &[], Err(R::Expired)),
        ("stale", 61, &[], Err(R::Expired)),
        (
            "no-cache",
            10,
            &[("cache-control", "no-cache")],
            Err(R::RequestNoCache),
        ),
        (
            "no-cache before being stale",
            61,
            &[("cache-control", "no-cache")],
            Err(R::RequestNoCache),
        ),
        (
            "Pragma",
            10,
            &[("pragma", "no-cache")],
            Err(R::RequestNoCache),
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
            Err(R::RequestMaxAge),
        ),
        (
            "max-age=0 at once",
            0,
            &[("cache-control", "max-age=0")],
            Err(R::RequestMaxAge),
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
            Err(R::RequestMaxAge),
        ),
        (
            "max-age unreadable",
            10,
            &[("cache-control", "max-age=x")],
            Err(R::RequestMaxAge),
        ),
        (
            "max-age does not extend",
            61,
            &[("cache-control", "max-age=100")],
            Err(R::Expired),
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
            Err(R::RequestMinFresh),
        ),
        (
            "min-fresh unreadable",
            10,
            &[("cache-control", "min-fresh")],
            Err(R::RequestMinFresh),
        ),
        (
            "only-if-cached",
            10,
            &[("cache-control", "only-if-cached")],
            Ok(()),
        ),
        (
            "immutable on a request says nothing",
            61,
            &[("cache-control", "immutable")],
            Err(R::Expired),
        ),
    ];
    for (case, age, fields, expected) in cases {
        let expected = match expected {
            Ok(()) => Reuse::Serve {
                age: secs(*age),
                ttl: secs(60 - age),
            },
            Err(reason) => Reuse::Validate(*reason),
        };
        assert_eq!(judge(&plain(), fields, &TERMS, *age), expected, "{case}");
    }
}

#[test]
fn purged_before_anything_else() {
    let terms = Terms {
        purge: Purge::Invalid,
        ..TERMS
    };
    for age in [0, 100] {
        let verdict = judge(&plain(), &[("cache-control", "no-cache")], &terms, age);
        assert_eq!(verdict, Reuse::Validate(Reason::Purged));
    }
}

/// RFC 9111 §5.2.2.4.
#[test]
fn no_cache_is_asked_about_before_each_use() {
    let stored = stored(Freshness {
        no_cache: true,
        stale_while_revalidate: secs(100),
        stale_if_error: secs(100),
        ..Freshness::default()
    });
    for (age, wish) in [(0, "x"), (61, "x"), (61, "max-stale"), (0, "no-cache")] {
        let fields = [("cache-control", wish)];
        let headers = headers(&fields);
        let at = now() + secs(age);
        let verdict = reuse(&stored, &get(&headers), &TERMS, at);
        assert_eq!(verdict, Reuse::Validate(Reason::NoCache), "{age} {wish}");
        assert_eq!(on_error(&stored, &get(&headers), &TERMS, at), None);
    }
}

#[test]
fn a_clock_set_back_makes_it_stale_for_an_unknown_time() {
    let stored = stored(Freshness {
        stale_while_revalidate: secs(100),
        stale_if_error: secs(100),
        stale_after_soft_purge: secs(100),
        ..Freshness::default()
    });
    let at = now() - secs(3600);
    for wish in ["x", "max-stale"] {
        let fields = [("cache-control", wish)];
        let headers = headers(&fields);
        for purge in [Purge::No, Purge::Soft] {
            let terms = Terms { purge, ..TERMS };
            let verdict = reuse(&stored, &get(&headers), &terms, at);
            assert_eq!(verdict, Reuse::Validate(Reason::Expired));
            assert_eq!(on_error(&stored, &get(&headers), &terms, at), None);
        }
    }
}

#[test]
fn terms_follow_the_configuration() {
    let by_rule = stored(Freshness {
        by_rule: true,
        ..Freshness::default()
    });
    let mut settings = settings();
    settings.default_ttl = secs(7);
    let rule = rule();
    let terms = Terms::of(&settings, &rule, &by_rule, Purge::No);
    assert_eq!(terms.fallback, secs(7));
    assert_eq!(
        Terms::of(&settings, &rule, &plain(), Purge::No).fallback,
        secs(0)
    );
    let ignoring = crate::cache::Rule {
        request_cookies: Some(RequestCookies::Ignore),
        ..rule
    };
    let terms = Terms::of(&settings, &ignoring, &by_rule, Purge::Soft);
    assert_eq!(
        (terms.request_cookies, terms.purge),
        (&RequestCookies::Ignore, Purge::Soft)
    );
}

/// RFC 9110 §14.4: outside of a 206 the field means nothing to us; to apps that page by it, it does.
#[test]
fn an_answer_with_a_range_of_its_own_is_not_for_who_asks_for_a_range() {
    let mut paged = entry(&key("/"), &[("content-range", "items 0-24/100")], "");
    paged.freshness.lifetime = secs(60);
    let verdict = judge(&paged, &[], &TERMS, 10);
    assert!(matches!(verdict, Reuse::Serve { .. }), "{verdict:?}");
    assert_eq!(
        judge(&paged, &[("range", "items=25-49")], &TERMS, 10),
        Reuse::Miss(Reason::RequestRange)
    );
}
