//! Purges by generation: a purge writes one number per slot and touches no object, so that its cost
//! does not depend on how many objects it hits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::tags::{SLOTS, Slot};

/// Slots per page.
const PAGE: usize = 256;

type Page = Box<[AtomicU64; PAGE]>;

/// The sequence of purges, and for each slot the number of its last one.
///
/// # What is promised
/// When [`purge`](Self::purge) has returned, nothing whose fetch began before the call passes
/// [`is_purged`](Self::is_purged) any more, on any thread that runs after the return.
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
/// orders it behind. The load of the sequence at the head of `is_purged` relies on the same: if it
/// still equals `s`, no purge newer than `s` has returned. On x86-64 a `SeqCst` load is a plain load;
/// purges are rare.
///
/// The table has 2^20 slots of 8 bytes in pages that exist from their first purge on: 64 KiB
/// at rest, 8 MiB and no more when every page was hit.
#[derive(Debug)]
pub struct Generations {
    sequence: AtomicU64,
    pages: Box<[OnceLock<Page>]>,
}

impl Generations {
    /// A table in which nothing was purged.
    #[must_use]
    pub fn new() -> Self {
        let pages = (0..SLOTS / PAGE).map(|_| OnceLock::new()).collect();
        Self {
            sequence: AtomicU64::new(0),
            pages,
        }
    }

    /// The number of the last purge that began. To be read before the request of a fetch is sent.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    /// Makes everything with one of the slots invalid whose fetch began before this call. Gives the
    /// number of the purge.
    pub fn purge(&self, slots: &[Slot]) -> u64 {
        let number = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        for slot in slots {
            self.mark(*slot, number);
        }
        number
    }

    /// Whether one of the slots was purged after `since`, the sequence that was read when a fetch
    /// began.
    #[must_use]
    pub fn is_purged(&self, slots: &[Slot], since: u64) -> bool {
        self.sequence() > since && slots.iter().any(|slot| self.last(*slot) > since)
    }

    /// Notes a purge of the slot; one with a lower number than the noted one changes nothing.
    fn mark(&self, slot: Slot, number: u64) {
        let page = self.pages[slot.index() / PAGE].get_or_init(empty_page);
        page[slot.index() % PAGE].fetch_max(number, Ordering::SeqCst);
    }

    /// The number of the slot's last purge; zero: never.
    fn last(&self, slot: Slot) -> u64 {
        let page = self.pages[slot.index() / PAGE].get();
        page.map_or(0, |page| page[slot.index() % PAGE].load(Ordering::SeqCst))
    }
}

fn empty_page() -> Page {
    Box::new(std::array::from_fn(|_| AtomicU64::new(0)))
}

impl Default for Generations {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
