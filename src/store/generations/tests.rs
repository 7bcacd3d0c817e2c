use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use arc_swap::ArcSwap;

use super::Generations;
use crate::cache::ban::Ban;
use crate::cache::purge::Order;
use crate::cache::tags::{Mode, Purge, Slot, Target, slots_for};
use crate::cache::testing::{entry, key};

fn tag(name: &str) -> Slot {
    Target::Tag {
        host: None,
        tag: name.into(),
    }
    .slot()
}

fn is_purged(generations: &Generations, slots: &[Slot], since: u64) -> bool {
    generations.state(slots, since) == Purge::Invalid
}

#[test]
fn a_purge_hits_what_was_fetched_before_it() {
    let generations = Generations::new();
    let slots = slots_for(&key("/"), &["a".into()]);
    let before = generations.sequence();
    assert!(!is_purged(&generations, &slots, before));

    let number = generations.purge(&[tag("a")], Mode::Invalidate);
    assert_eq!(number, generations.sequence());
    assert!(is_purged(&generations, &slots, before), "fetched before");
    assert!(
        !is_purged(&generations, &slots, generations.sequence()),
        "fetched after"
    );

    generations.purge(&[tag("b")], Mode::Invalidate);
    assert!(!is_purged(&generations, &slots, number), "another tag");
    assert!(is_purged(&generations, &slots, before), "stays purged");
}

#[test]
fn an_entry_stored_after_the_purge_that_overtook_its_fetch_is_invalid() {
    let generations = Generations::new();
    let at_start = generations.sequence();
    generations.purge(&[tag("a")], Mode::Invalidate);
    // Only now the answer arrives and is found to carry the tag.
    let slots = slots_for(&key("/"), &["a".into()]);
    assert!(is_purged(&generations, &slots, at_start));
}

#[test]
fn each_kind_of_purge() {
    let slots = slots_for(&key("/p"), &["a".into()]);
    let host = |name: &str| Target::Host(name.into());
    let cases = [
        ("URL", Target::Url(key("/p")), true),
        ("other URL", Target::Url(key("/q")), false),
        ("host", host("example.com"), true),
        ("other host", host("example.org"), false),
        ("all", Target::All, true),
    ];
    for (case, target, expected) in cases {
        let generations = Generations::new();
        let since = generations.sequence();
        generations.purge(&[target.slot()], Mode::Invalidate);
        assert_eq!(is_purged(&generations, &slots, since), expected, "{case}");
    }
}

#[test]
fn an_order_is_carried_out_as_a_whole() {
    let generations = Generations::new();
    let stored = |path: &str| (key(path), entry(&key(path), &[], ""));
    let order = Order::new(
        vec![Target::Url(key("/a"))],
        vec![Ban::prefix(None, "/b/"), Ban::glob(None, "/*.c")],
        Mode::Soft,
    );
    let number = generations.carry_out(&order);
    assert_eq!(number, generations.sequence());
    for (path, expected) in [
        ("/a", Purge::Soft),
        ("/b/1", Purge::Soft),
        ("/x.c", Purge::Soft),
        ("/b", Purge::No),
    ] {
        let (key, entry) = stored(path);
        assert_eq!(generations.judge(&key, &entry), expected, "{path}");
    }
    let nothing = Order::new(Vec::new(), Vec::new(), Mode::Hard);
    assert_eq!(generations.carry_out(&nothing), number);
}

#[test]
fn several_slots_share_one_number() {
    let generations = Generations::new();
    let since = generations.sequence();
    generations.purge(&[tag("a"), tag("b")], Mode::Invalidate);
    assert_eq!(generations.sequence(), since + 1);
    assert!(
        is_purged(&generations, &[tag("a")], since) && is_purged(&generations, &[tag("b")], since)
    );
    assert!(!is_purged(&generations, &[], since));
}

/// A model of an app and its cache. The app's data is a counter; a "fetch" reads the purge sequence,
/// then the counter, dawdles, and stores the pair. The writer changes the counter, purges and, once
/// the purge has returned, demands that no lookup by anybody gives an older value.
#[test]
fn what_was_purged_is_never_served_again() {
    const FETCHES: u64 = 5_000;
    let generations = Generations::new();
    let data = AtomicU64::new(0);
    let acknowledged = AtomicU64::new(0);
    let fetches = AtomicU64::new(0);
    let stored: Vec<ArcSwap<(u64, u64)>> = (0..2).map(|_| ArcSwap::from_pointee((0, 0))).collect();
    let slots = slots_for(&key("/"), &["a".into()]);
    let look_up = || {
        // Any purge acknowledged before the lookup counts.
        let least = acknowledged.load(Ordering::Acquire);
        for store in &stored {
            let (value, sequence) = **store.load();
            let valid = !is_purged(&generations, &slots, sequence);
            assert!(
                !valid || value >= least,
                "served {value} after {least} was purged in"
            );
        }
    };
    let running = || fetches.load(Ordering::Relaxed) < FETCHES;

    thread::scope(|scope| {
        for store in &stored {
            scope.spawn(|| {
                while running() {
                    let sequence = generations.sequence();
                    thread::yield_now();
                    let value = data.load(Ordering::Relaxed);
                    thread::yield_now();
                    // Stored whether a purge overtook it or not.
                    store.store(Arc::new((value, sequence)));
                    fetches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while running() {
                look_up();
            }
        });
        for round in 1.. {
            data.store(round, Ordering::Relaxed);
            generations.purge(&[tag("unrelated"), tag("a")], Mode::Invalidate);
            acknowledged.store(round, Ordering::Release);
            look_up();
            thread::yield_now();
            look_up();
            if !running() {
                break;
            }
        }
    });
}

#[test]
fn concurrent_purges_keep_the_newest_number() {
    let generations = Generations::new();
    let numbers: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..500)
                        .map(|_| generations.purge(&[tag("a")], Mode::Invalidate))
                        .max()
                })
            })
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().expect("no panic"))
            .collect()
    });
    let newest = numbers.into_iter().max().expect("four workers");
    assert_eq!(newest, 2_000);
    assert!(is_purged(&generations, &[tag("a")], newest - 1));
    assert!(!is_purged(&generations, &[tag("a")], newest));
}

#[test]
fn a_purge_that_finishes_late_does_not_undo_a_newer_one() {
    let generations = Generations::new();
    generations.purge(&[tag("unrelated")], Mode::Invalidate);
    generations.purge(&[tag("unrelated")], Mode::Invalidate);
    generations.mark(tag("a"), 2, Mode::Invalidate);
    generations.mark(tag("a"), 1, Mode::Invalidate);
    assert_eq!(generations.invalid.last(tag("a")), 2);
    assert!(is_purged(&generations, &[tag("a")], 1));
}

#[test]
fn modes() {
    let slots = slots_for(&key("/"), &["a".into()]);
    let stored = entry(&key("/"), &[], "");
    let hard = |generations: &Generations| {
        let mut tagged = stored.with_coded(Default::default());
        tagged.slots.clone_from(&slots);
        generations.is_hard(&key("/"), &tagged)
    };
    let cases = [
        (Mode::Soft, Purge::Soft, false),
        (Mode::Invalidate, Purge::Invalid, false),
        (Mode::Hard, Purge::Invalid, true),
    ];
    for (mode, expected, is_hard) in cases {
        let generations = Generations::new();
        assert_eq!(generations.state(&slots, 0), Purge::No);
        generations.purge(&[tag("a")], mode);
        assert_eq!(generations.state(&slots, 0), expected, "{mode:?}");
        assert_eq!(hard(&generations), is_hard, "{mode:?}");
        assert_eq!(
            generations.state(&slots, 1),
            Purge::No,
            "{mode:?}: fetched after"
        );
        generations.purge(&[tag("a")], Mode::Soft);
        assert_eq!(
            generations.state(&slots, 0),
            expected,
            "{mode:?}: a soft one undoes nothing"
        );
        assert_eq!(generations.state(&slots, 1), Purge::Soft, "{mode:?}");
        generations.purge(&[tag("b")], Mode::Hard);
        assert_eq!(
            generations.state(&slots, 2),
            Purge::No,
            "{mode:?}: another tag"
        );
    }
}

#[test]
fn bans_and_purges_count_in_one_sequence() {
    let generations = Generations::new();
    let stored = entry(&key("/a"), &[], "");
    assert_eq!(generations.purge(&[tag("a")], Mode::Soft), 1);
    assert_eq!(generations.ban(Ban::prefix(None, "/a"), Mode::Soft), 2);
    assert_eq!(
        (generations.sequence(), generations.bans().newest()),
        (2, 2)
    );
    assert_eq!(generations.judge(&key("/a"), &stored), Purge::Soft);
    assert_eq!(
        generations.order(&[Target::Url(key("/a"))], Mode::Invalidate),
        3
    );
    assert_eq!(generations.judge(&key("/a"), &stored), Purge::Invalid);
}
