//! Purges by generation: a purge writes one number per slot and touches no object, so that its cost
//! does not depend on how many objects it hits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bans::Bans;
use crate::cache::ban::Ban;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::purge::Order;
use crate::cache::tags::{Mode, Purge, SLOTS, Slot, Target};

/// Slots per page.
const PAGE: usize = 256;

type Page = Box<[AtomicU64; PAGE]>;

/// The sequence of purges, and for each slot the number of its last one.
///
/// # What is promised
/// When [`purge`](Self::purge) has returned, nothing whose fetch began before the call and that has
/// one of the slots is [`Purge::No`] in the eyes of [`state`](Self::state) any more, on any thread
/// that runs after the return; likewise for [`ban`](Self::ban) and [`judge`](Self::judge).
///
/// # Why it holds
/// Let a purge take the number `n` (step P1: the sequence goes from `n - 1` to `n`; step P2: its slots
/// become at least `n`; then it returns), and let a fetch read the sequence `s` (F1), then send its
/// request (F2).
///
/// * The fetch began before the call, so F1 came before P1 and `s < n`. Its entry may be stored
///   before or after P2: it carries `s`, and each later check finds a slot of at least `n > s`. An
///   insertion needs no lock against purges.
/// * The fetch began between P1 and P2 and read `s >= n`. Then its request was sent after `purge` was
///   called. Whoever purges changes the data first and calls then, so the answer shows the change,
///   and it is right that the entry stays valid.
/// * A fetch that reads a sequence older than the current one loses against more purges than it
///   must. That costs a fetch.
///
/// All accesses are `SeqCst`: F1 is in one order with P1, a slot goes only upwards (`fetch_max`, so
/// two purges that finish out of order do not lower it), and a load that runs after the purge
/// returned sees P2, because whatever tells a reader of the return (a lock, a channel, a socket)
/// orders it behind. The load of the sequence at the head of `state` relies on the same: if it
/// still equals `s`, no purge newer than `s` has returned. On x86-64 a `SeqCst` load is a plain load;
/// purges are rare.
///
/// Each table has 2^20 slots of 8 bytes in pages that exist from their first purge on: 64 KiB at
/// rest, 8 MiB and no more when every page was hit. There are three, of which one is for sweeps.
#[derive(Debug)]
pub struct Generations {
    sequence: AtomicU64,
    soft: Table,
    invalid: Table,
    /// The purges among those in `invalid` that want the bytes gone.
    hard: Table,
    bans: Bans,
}

impl Generations {
    /// A table in which nothing was purged.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            soft: Table::new(),
            invalid: Table::new(),
            hard: Table::new(),
            bans: Bans::new(),
        }
    }

    /// The number of the last purge that began. To be read before the request of a fetch is sent.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    /// Purges what `targets` name. Gives the number of the purge.
    pub fn order(&self, targets: &[Target], mode: Mode) -> u64 {
        let slots: Vec<_> = targets.iter().flat_map(Target::slots).collect();
        self.purge(&slots, mode)
    }

    /// Carries out an order. When this returns, it is in force as a whole. Gives the number of its
    /// last purge.
    pub fn carry_out(&self, order: &Order) -> u64 {
        let mut number = self.sequence();
        if !order.slots().is_empty() {
            number = self.purge(order.slots(), order.mode());
        }
        for ban in order.bans() {
            number = self.ban(ban.clone(), order.mode());
        }
        number
    }

    /// Purges everything with one of the slots whose fetch began before this call. Gives the number
    /// of the purge.
    pub fn purge(&self, slots: &[Slot], mode: Mode) -> u64 {
        let number = self.next();
        for slot in slots {
            self.mark(*slot, number, mode);
        }
        number
    }

    /// Purges everything that the ban hits whose fetch began before this call. Gives the number of
    /// the purge.
    pub fn ban(&self, ban: Ban, mode: Mode) -> u64 {
        // The number is drawn while other bans wait, so that their list is in order.
        self.bans.add(
            ban,
            mode,
            || self.next(),
            |old| {
                // Past the bound the oldest ban becomes a purge of its whole host: too much, but never
                // too little.
                self.mark(old.ban.widened(), old.number, old.mode);
            },
        )
    }

    /// What purges of the slots after `since`, the sequence that was read when a fetch began, have
    /// made of its answer.
    #[must_use]
    pub fn state(&self, slots: &[Slot], since: u64) -> Purge {
        if self.sequence() <= since {
            return Purge::No;
        }
        if self.invalid.any_after(slots, since) {
            return Purge::Invalid;
        }
        match self.soft.any_after(slots, since) {
            true => Purge::Soft,
            false => Purge::No,
        }
    }

    /// What purges and bans have made of an entry.
    #[must_use]
    pub fn judge(&self, key: &Key, entry: &Entry) -> Purge {
        // Bans first: one that is folded into a slot meanwhile is marked there before it leaves the
        // list.
        let banned = self.bans.state(key, entry);
        banned.max(self.state(&entry.slots, entry.sequence))
    }

    /// Whether a purge or ban asks for the entry's bytes to go.
    #[must_use]
    pub fn is_hard(&self, key: &Key, entry: &Entry) -> bool {
        let since = entry.sequence;
        self.sequence() > since
            && (self.bans.is_hard(key, entry) || self.hard.any_after(&entry.slots, since))
    }

    /// The list of bans, for sweeps that retire them.
    #[must_use]
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Notes a purge of the slot; one with a lower number than the noted one changes nothing.
    fn mark(&self, slot: Slot, number: u64, mode: Mode) {
        match mode {
            Mode::Soft => self.soft.mark(slot, number),
            Mode::Invalidate => self.invalid.mark(slot, number),
            Mode::Hard => {
                self.invalid.mark(slot, number);
                self.hard.mark(slot, number);
            }
        }
    }
}

impl Default for Generations {
    fn default() -> Self {
        Self::new()
    }
}

/// For each slot the number of the last purge of one kind.
#[derive(Debug)]
struct Table(Box<[OnceLock<Page>]>);

impl Table {
    fn new() -> Self {
        Self((0..SLOTS / PAGE).map(|_| OnceLock::new()).collect())
    }

    fn mark(&self, slot: Slot, number: u64) {
        let page = self.0[slot.index() / PAGE].get_or_init(empty_page);
        page[slot.index() % PAGE].fetch_max(number, Ordering::SeqCst);
    }

    fn any_after(&self, slots: &[Slot], since: u64) -> bool {
        slots.iter().any(|slot| self.last(*slot) > since)
    }

    /// The number of the slot's last purge; zero: never.
    fn last(&self, slot: Slot) -> u64 {
        let page = self.0[slot.index() / PAGE].get();
        page.map_or(0, |page| page[slot.index() % PAGE].load(Ordering::SeqCst))
    }
}

fn empty_page() -> Page {
    Box::new(std::array::from_fn(|_| AtomicU64::new(0)))
}

#[cfg(test)]
mod tests;
