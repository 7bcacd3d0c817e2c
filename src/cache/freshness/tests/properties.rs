//! What holds for any fields, at any time.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|n| n.to_string()),
        (0..100u32).prop_map(|n| n.to_string()),
        "[0-9]{1,30}",
        "[-+]?[0-9a-z\"., ]{0,6}",
    ]
}

fn any_date() -> impl Strategy<Value = String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let date = |seconds| httpdate::fmt_http_date(UNIX_EPOCH + secs(seconds));
    prop_oneof![
        (0..YEAR_10000).prop_map(date),
        (784_111_000..784_113_000u64).prop_map(date),
        Just("0".to_owned()),
        Just(String::new()),
        "[ -~]{0,30}",
    ]
}

fn any_fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let field = prop_oneof![
        any_number().prop_map(|n| ("cache-control", format!("max-age={n}"))),
        any_number().prop_map(|n| ("cache-control", format!("s-maxage={n}"))),
        any_number().prop_map(|n| ("age", n)),
        any_date().prop_map(|d| ("date", d)),
        any_date().prop_map(|d| ("expires", d)),
        any_date().prop_map(|d| ("last-modified", d)),
    ];
    prop::collection::vec(field, 0..6)
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    prop_oneof![
        Just(now()),
        Just(UNIX_EPOCH),
        Just(UNIX_EPOCH - secs(5)),
        (0..1u64 << 40).prop_map(|s| UNIX_EPOCH + secs(s)),
    ]
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100u64).prop_map(secs),
        any::<u64>().prop_map(secs),
        Just(Duration::MAX),
    ]
}

proptest! {
    #[test]
    fn nothing_overflows_and_freshness_only_falls(
        fields in any_fields(),
        arrived in any_time(),
        durations in (any_duration(), any_duration(), any_duration(), any_duration()),
        ratio in prop::num::f64::ANY,
        hash in any::<u128>(),
    ) {
        let (delay, cap, early, late) = durations;
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let headers = headers(&fields);
        prop_assert!(heuristic(&headers, ratio, arrived) <= HEURISTIC_MAX);
        let explicit = lifetime_of(&fields, arrived);
        let initial_age = initial_age(&headers, arrived, delay);
        let (Ok(Some(lifetime)), Ok(initial_age)) = (explicit, initial_age) else {
            return Ok(());
        };
        let fresh = Freshness { lifetime, initial_age, ..Freshness::default() };
        let cut = fresh.capped(cap).jittered(ratio, hash);
        let left = cut.remaining(Duration::ZERO);
        prop_assert!(left <= fresh.remaining(Duration::ZERO) && left <= cap);
        let (early, late) = (early.min(late), early.max(late));
        prop_assert!(cut.remaining(late) <= cut.remaining(early));
        prop_assert!(cut.age(late) >= cut.age(early) && cut.age(early) >= initial_age);
        // Fresh at all means that the age has not reached the lifetime.
        prop_assert_eq!(cut.remaining(late).is_zero(), cut.age(late) >= cut.lifetime);
    }
}
