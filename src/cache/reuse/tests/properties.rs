//! What holds for any stored response and any request.

use proptest::prelude::*;

use super::*;
use crate::cache::reuse::reuse_with;

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..200u64, Just(1 << 31), Just(u64::MAX)]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![seconds().prop_map(Duration::from_secs), Just(Duration::MAX)]
}

fn any_freshness() -> impl Strategy<Value = Freshness> {
    let windows = (duration(), duration(), duration());
    let flags = any::<(bool, bool, bool)>();
    let audience = any::<(bool, bool, bool, bool)>();
    (duration(), duration(), windows, flags, audience).prop_map(
        |(lifetime, initial_age, windows, flags, audience)| Freshness {
            lifetime,
            initial_age,
            stale_while_revalidate: windows.0,
            stale_if_error: windows.1,
            stale_after_soft_purge: windows.2,
            by_rule: flags.0,
            must_revalidate: flags.1,
            no_cache: flags.2,
            arrival: Default::default(),
            audience: Audience {
                everybody: audience.0,
                authorized: audience.1,
                despite_cookies: audience.2,
                despite_set_cookie: audience.3,
            },
        },
    )
}

fn any_wish() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let field = prop::sample::select(vec![
        ("cache-control", "max-age=0"),
        ("cache-control", "max-age=50"),
        ("cache-control", "max-stale"),
        ("cache-control", "max-stale=20"),
        ("cache-control", "min-fresh=10"),
        ("cache-control", "no-cache"),
        ("cache-control", "stale-if-error=100"),
        ("pragma", "no-cache"),
        ("cookie", "a=b"),
        ("authorization", "Basic x"),
    ]);
    prop::collection::vec(field, 0..4)
}

fn any_terms() -> impl Strategy<Value = Terms<'static>> {
    let purge = prop::sample::select(vec![Purge::No, Purge::Soft, Purge::Invalid]);
    let cookies: &'static [RequestCookies] = &[RequestCookies::Bypass, RequestCookies::Ignore];
    let set_cookie = prop::sample::select(vec![SetCookie::Bypass, SetCookie::Strip]);
    let cookies = prop::sample::select(cookies);
    (purge, duration(), cookies, set_cookie).prop_map(
        |(purge, fallback, request_cookies, set_cookie)| Terms {
            purge,
            fallback,
            request_cookies: match request_cookies {
                RequestCookies::Ignore => &RequestCookies::Ignore,
                _ => &RequestCookies::Bypass,
            },
            set_cookie,
            vary: &[],
        },
    )
}

proptest! {
    #[test]
    fn what_is_served_is_fresh_or_says_that_it_is_stale(
        freshness in any_freshness(),
        wish in any_wish(),
        terms in any_terms(),
        age in 0..400u64,
    ) {
        let mut stored = plain();
        stored.freshness = freshness;
        let headers = headers(&wish);
        let verdict = reuse(&stored, &get(&headers), &terms, now() + secs(age));
        match verdict {
            Reuse::Serve { age: own, ttl } => {
                prop_assert!(!ttl.is_zero());
                prop_assert_eq!(own, stored.age(now() + secs(age)));
                prop_assert!(ttl <= stored.remaining(now() + secs(age)));
                prop_assert_eq!(terms.purge, Purge::No);
                prop_assert!(!freshness.no_cache);
            }
            Reuse::Stale { why, refresh, .. } => {
                prop_assert!(!freshness.no_cache);
                prop_assert!(terms.purge != Purge::Invalid);
                // Once over its lifetime, nothing softens must-revalidate.
                let over = stored.remaining(now() + secs(age)).is_zero();
                prop_assert!(!(over && freshness.must_revalidate));
                prop_assert_eq!(refresh, why != Reason::RequestMaxStale);
            }
            Reuse::Validate(_) | Reuse::Miss(_) => {}
        }
        let served = matches!(verdict, Reuse::Serve { .. } | Reuse::Stale { .. });
        let rescued = on_error(&stored, &get(&headers), &terms, now() + secs(age)).is_some();
        if served || rescued {
            let audience = freshness.audience;
            prop_assert!(audience.authorized || !headers.contains_key("authorization"));
            let ignored = *terms.request_cookies == RequestCookies::Ignore;
            prop_assert!(audience.everybody || ignored || !headers.contains_key("cookie"));
        }
    }

    #[test]
    fn the_first_of_all_reasons_is_the_decision(
        freshness in any_freshness(),
        wish in any_wish(),
        terms in any_terms(),
        age in 0..400u64,
    ) {
        let mut stored = plain();
        stored.freshness = freshness;
        let headers = headers(&wish);
        let (request, now) = (get(&headers), now() + secs(age));
        let decided = reuse(&stored, &request, &terms, now);
        let mut told = Vec::new();
        let last = reuse_with(&stored, &request, &terms, now, &mut |denial| {
            told.push(denial);
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(last) = last;
        prop_assert_eq!(told.first().copied().unwrap_or(last), decided);
        let denies = |verdict: &Reuse| matches!(verdict, Reuse::Validate(_) | Reuse::Miss(_));
        prop_assert!(told.iter().all(denies));
        prop_assert_eq!(told.is_empty(), !denies(&decided));
    }

    #[test]
    fn what_is_not_fresh_now_is_not_fresh_later(
        freshness in any_freshness(),
        ages in (0..400u64, 0..400u64),
    ) {
        let mut stored = plain();
        stored.freshness = freshness;
        let (early, late) = (ages.0.min(ages.1), ages.0.max(ages.1));
        let at = |age| judge(&stored, &[], &TERMS, age);
        if let Reuse::Serve { ttl: later, age: older } = at(late) {
            let earlier = at(early);
            let Reuse::Serve { ttl, age } = earlier else {
                return Err(TestCaseError::fail(format!("{earlier:?} and then fresh")));
            };
            prop_assert!(ttl >= later && age <= older);
        }
    }
}
