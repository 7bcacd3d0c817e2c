use super::{BANS_MAX, Bans};
use crate::cache::ban::Ban;
use crate::cache::entry::Entry;
use crate::cache::tags::{Mode, Purge};
use crate::cache::testing::{entry, key};
use crate::store::generations::Generations;

fn stored(path: &str, sequence: u64) -> Entry {
    let mut entry = entry(&key(path), &[], "");
    entry.sequence = sequence;
    entry
}

fn add(bans: &Bans, number: u64, prefix: &str, mode: Mode) {
    let ban = Ban::prefix(None, prefix);
    assert_eq!(bans.add(ban, mode, || number, |_| ()), number);
}

#[test]
fn a_ban_hits_what_was_fetched_before_it() {
    let bans = Bans::new();
    assert_eq!(bans.state(&key("/a"), &stored("/a", 0)), Purge::No);
    add(&bans, 5, "/a", Mode::Invalidate);
    let cases = [
        ("before", "/a", 4, Purge::Invalid),
        ("after", "/a", 5, Purge::No),
        ("long after", "/a", 9, Purge::No),
        ("another path", "/b", 4, Purge::No),
    ];
    for (case, path, sequence, expected) in cases {
        let entry = stored(path, sequence);
        for _ in 0..2 {
            assert_eq!(bans.state(&key(path), &entry), expected, "{case}");
        }
    }
}

#[test]
fn the_worst_of_all_bans_counts_and_stays() {
    let bans = Bans::new();
    let (k, entry) = (key("/a"), stored("/a", 0));
    add(&bans, 1, "/", Mode::Soft);
    assert_eq!(bans.state(&k, &entry), Purge::Soft);
    add(&bans, 2, "/b", Mode::Invalidate);
    assert_eq!(
        bans.state(&k, &entry),
        Purge::Soft,
        "that one is for others"
    );
    add(&bans, 3, "/a", Mode::Hard);
    assert_eq!(bans.state(&k, &entry), Purge::Invalid);
    add(&bans, 4, "/a", Mode::Soft);
    assert_eq!(bans.state(&k, &entry), Purge::Invalid);
    assert!(bans.is_hard(&k, &entry) && !bans.is_hard(&key("/b"), &stored("/b", 0)));
    assert!(!bans.is_hard(&k, &stored("/a", 3)), "fetched after it");
}

#[test]
fn each_ban_is_compared_once() {
    let bans = Bans::new();
    let (k, entry) = (key("/a"), stored("/a", 0));
    add(&bans, 3, "/b", Mode::Invalidate);
    assert_eq!(entry.mark.read(), (0, Purge::No));
    _ = bans.state(&k, &entry);
    assert_eq!(entry.mark.read(), (3, Purge::No));
    let copy = entry.with_coded(Default::default());
    assert_eq!(
        copy.mark.read(),
        (3, Purge::No),
        "a copy need not begin anew"
    );
}

#[test]
fn the_same_ban_again_takes_no_room() {
    let bans = Bans::new();
    for number in 1..=10 {
        add(&bans, number, "/a", Mode::Invalidate);
    }
    assert_eq!((bans.len(), bans.newest()), (1, 10));
    add(&bans, 11, "/a", Mode::Soft);
    assert_eq!(bans.len(), 2, "in another mode it is another");
    assert_eq!(bans.state(&key("/a"), &stored("/a", 9)), Purge::Invalid);
}

#[test]
fn retired_bans_leave_nothing_behind() {
    let bans = Bans::new();
    let (k, swept, unseen) = (key("/a"), stored("/a", 0), stored("/a", 0));
    add(&bans, 1, "/b", Mode::Invalidate);
    add(&bans, 2, "/c", Mode::Invalidate);
    add(&bans, 3, "/d", Mode::Invalidate);
    _ = bans.state(&k, &swept);
    bans.retire(2);
    assert_eq!(bans.len(), 1);
    assert_eq!(bans.state(&k, &swept), Purge::No);
    assert_eq!(
        bans.state(&k, &unseen),
        Purge::Invalid,
        "stored behind the sweep's back, so nobody knows"
    );
    assert_eq!(
        bans.state(&k, &stored("/a", 2)),
        Purge::No,
        "fetched after them"
    );
    bans.retire(1);
    assert_eq!(bans.len(), 1, "older than what is left");
    bans.retire(9);
    assert!(bans.is_empty());
    assert_eq!(bans.state(&k, &swept), Purge::No);
}

#[test]
fn past_the_bound_the_oldest_becomes_a_purge_of_its_host() {
    let generations = Generations::new();
    let mine = key("/a");
    let stored_before = stored("/a", 0);
    let ban = |host: &str, i: usize| {
        generations.ban(Ban::prefix(Some(host), &format!("/{i}")), Mode::Invalidate)
    };
    ban("example.com", 0);
    for i in 1..BANS_MAX {
        ban("example.org", i);
    }
    assert_eq!(generations.bans().len(), BANS_MAX);
    assert_eq!(generations.judge(&mine, &stored_before), Purge::No);
    ban("example.org", BANS_MAX);
    assert_eq!(generations.bans().len(), BANS_MAX);
    assert_eq!(
        generations.judge(&mine, &stored_before),
        Purge::Invalid,
        "too much, not too little"
    );
    let after = stored("/a", generations.sequence());
    assert_eq!(generations.judge(&mine, &after), Purge::No);
    let other = crate::cache::key::Key::new("http", "example.net", "/1", None, &Default::default());
    let entry = crate::cache::testing::entry(&other, &[], "");
    assert_eq!(
        generations.judge(&other, &entry),
        Purge::No,
        "other hosts stay"
    );
}
