//! Several variants under one key, and going through all that is stored.

use std::sync::Arc;
use std::thread;

use super::{MIB, of_size};
use crate::cache::entry::Entry;
use crate::cache::object::is_dead;
use crate::cache::tags::Purge;
use crate::cache::testing::{Lcg, entry, get, headers, key, now, secs};
use crate::cache::vary;
use crate::store::memory::{MemoryTier, OVERHEAD};

/// A variant for this language that arrived `at` seconds after [`now`].
fn variant(language: &str, at: u64, bytes: usize) -> Arc<Entry> {
    let mut entry = entry(&key("/"), &[("vary", "accept-language")], vec![b'x'; bytes]);
    let request = headers(&[("accept-language", language)]);
    entry.selecting =
        vary::select(&entry.headers, &request, &[], &Default::default()).expect("allowed");
    entry.stored_at += secs(at);
    Arc::new(entry)
}

/// Whether this entry is what the language gets.
fn gives(tier: &MemoryTier, language: &str, entry: &Arc<Entry>) -> bool {
    let request = headers(&[("accept-language", language)]);
    tier.get(&key("/"))
        .and_then(|object| object.select(&get(&request)).cloned())
        .is_some_and(|found| Arc::ptr_eq(&found, entry))
}

#[test]
fn variants_live_side_by_side() {
    let tier = MemoryTier::new(MIB);
    let (en, de) = (variant("en", 0, 10), variant("de", 1, 10));
    assert!(tier.insert(key("/"), en.clone()) && tier.insert(key("/"), de.clone()));
    assert!(gives(&tier, "en", &en) && gives(&tier, "de", &de));
    assert_eq!((tier.objects(), tier.evictions()), (1, 0));
    assert!(tier.bytes() > OVERHEAD + en.weight() + de.weight());

    let newer = variant("en", 5, 10);
    assert!(tier.insert(key("/"), newer.clone()));
    assert!(gives(&tier, "en", &newer) && gives(&tier, "de", &de));
    assert!(!tier.insert(key("/"), variant("en", 3, 10)), "overtaken");
    assert!(
        !tier.replace_if_same(&key("/"), &en, variant("en", 9, 10)),
        "it is gone"
    );
    let refreshed = variant("de", 6, 10);
    assert!(tier.replace_if_same(&key("/"), &de, refreshed.clone()));
    assert!(gives(&tier, "de", &refreshed) && gives(&tier, "en", &newer));
    assert!(tier.remove_entry(&key("/"), &newer) && !tier.remove_entry(&key("/"), &newer));
    assert!(gives(&tier, "de", &refreshed) && !gives(&tier, "en", &newer));
    assert!(tier.remove_entry(&key("/"), &refreshed));
    assert_eq!((tier.objects(), tier.bytes(), tier.evictions()), (0, 0, 0));
}

#[test]
fn the_number_of_variants_is_bounded() {
    let tier = MemoryTier::new(16 * MIB);
    let language = |i: u64| format!("x-{i}");
    for i in 0..40 {
        assert!(tier.insert(key("/"), variant(&language(i), i, 10)));
    }
    let stored = tier
        .get(&key("/"))
        .map_or(0, |object| object.variants().len());
    assert_eq!((stored, tier.evictions()), (32, 8));
    tier.limit_variants(2);
    let last = variant(&language(40), 40, 10);
    assert!(tier.insert(key("/"), last.clone()) && gives(&tier, "x-40", &last));
    let stored = tier
        .get(&key("/"))
        .map_or(0, |object| object.variants().len());
    assert_eq!((stored, tier.evictions()), (2, 39));
}

#[test]
fn an_object_too_large_gives_up_its_oldest_variants() {
    let tier = MemoryTier::new(MIB);
    let third = 330_000;
    let old = [variant("a", 0, third), variant("b", 1, third)];
    assert!(old.iter().all(|entry| tier.insert(key("/"), entry.clone())));
    let half = variant("c", 2, 500_000);
    assert!(tier.insert(key("/"), half.clone()));
    assert!(gives(&tier, "c", &half) && gives(&tier, "b", &old[1]) && !gives(&tier, "a", &old[0]));
    assert_eq!(tier.evictions(), 1);
    assert!(tier.bytes() <= MIB);
    assert!(
        !tier.insert(key("/"), variant("c", 3, 2 << 20)),
        "too large by itself"
    );
    assert!(!gives(&tier, "c", &half), "what it replaces is outdated");
    assert!(gives(&tier, "b", &old[1]), "the others are not");
    assert!(!tier.insert(key("/"), variant("b", 4, 2 << 20)));
    assert_eq!((tier.objects(), tier.evictions()), (0, 1));
}

#[test]
fn resizing_keeps_variants_together() {
    let tier = MemoryTier::new(16 * MIB);
    let both = [variant("en", 0, 10), variant("de", 1, 10)];
    assert!(
        both.iter()
            .all(|entry| tier.insert(key("/"), entry.clone()))
    );
    tier.resize(256 * MIB);
    assert!(gives(&tier, "en", &both[0]) && gives(&tier, "de", &both[1]));
    tier.resize(0);
    assert_eq!((tier.objects(), tier.evictions()), (0, 2));
}

#[test]
fn sweeps_piece_by_piece() {
    let tier = MemoryTier::new(16 * MIB);
    for i in 0..100 {
        let k = key(&format!("/{i}"));
        let mut stored = entry(&k, &[], "");
        stored.stored_at -= secs(if i % 2 == 0 { 100 } else { 0 });
        tier.insert(k.clone(), Arc::new(stored));
    }
    let contents = tier.contents();
    let mut walk = contents.walk();
    let mut removed = 0;
    let mut rounds = 0;
    loop {
        let swept = tier.sweep(&mut walk, 7, |_, entry| {
            is_dead(entry, Purge::No, now(), secs(10))
        });
        assert!(swept.objects <= 7);
        removed += swept.removed;
        rounds += 1;
        if swept.done {
            break;
        }
    }
    assert_eq!((removed, tier.objects(), tier.evictions()), (50, 50, 0));
    assert!(rounds >= 100 / 7);
    assert!(tier.get(&key("/1")).is_some() && tier.get(&key("/2")).is_none());

    let variants = [variant("en", 0, 0), variant("de", 1, 0)];
    variants
        .iter()
        .for_each(|entry| _ = tier.insert(key("/"), entry.clone()));
    let contents = tier.contents();
    let mut seen = 0;
    tier.sweep(&mut contents.walk(), 1_000, |k, entry| {
        seen += usize::from(*k == key("/"));
        Arc::as_ptr(&variants[0]) == std::ptr::from_ref(entry)
    });
    assert!(!gives(&tier, "en", &variants[0]) && gives(&tier, "de", &variants[1]));
    assert!(seen >= 2, "each variant is judged");
}

#[test]
fn lists_with_bounds() {
    let tier = MemoryTier::new(16 * MIB);
    for i in 0..100 {
        let k = key(&format!("/{}/{i}", i % 2));
        tier.insert(k.clone(), of_size(&k, 10));
    }
    let wanted = |k: &crate::cache::key::Key, _: &Entry| k.path().starts_with("/1/");
    assert_eq!(tier.list(1_000, 1_000, wanted).len(), 50);
    assert_eq!(tier.list(7, 1_000, wanted).len(), 7);
    assert!(
        tier.list(1_000, 10, wanted).len() <= 10,
        "no more objects are looked at"
    );
    assert!(tier.list(1_000, 1_000, |_, _| false).is_empty());
}

#[test]
fn survives_writers_sweeps_and_resizes_at_once() {
    let tier = MemoryTier::new(8 * MIB);
    thread::scope(|scope| {
        for worker in 0..2u64 {
            let tier = &tier;
            scope.spawn(move || {
                let mut random = Lcg(worker);
                for at in 0..3_000 {
                    let entry = variant(["en", "de", "fr"][random.below(3)], at, random.below(500));
                    let k = key(&format!("/{}", random.below(50)));
                    match random.below(4) {
                        0 => drop(tier.get(&k)),
                        1 => drop(tier.remove_entry(&k, &entry)),
                        _ => drop(tier.insert(k, entry)),
                    }
                }
            });
        }
        for round in 0..60 {
            let contents = tier.contents();
            let mut walk = contents.walk();
            while !tier
                .sweep(&mut walk, 10, |k, _| k.path().len() % 2 == round % 2)
                .done
            {}
            tier.resize(if round % 3 == 0 { 64 * MIB } else { 8 * MIB });
        }
    });
    assert!(tier.bytes() <= tier.bytes_max());
    _ = tier.list(usize::MAX, usize::MAX, |k, _| {
        tier.remove(k);
        true
    });
    assert_eq!(
        (tier.objects(), tier.bytes()),
        (0, 0),
        "every byte is accounted for"
    );
}
