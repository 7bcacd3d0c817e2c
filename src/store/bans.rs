//! Purges by the form of a path, which no slot can express: a short list of bans, each compared once
//! with each entry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::cache::ban::{Ban, Place};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::tags::{Mode, Purge};

/// Most bans in the list. Past it the oldest becomes a purge of its host.
pub const BANS_MAX: usize = 1_000;

/// A ban with its place in the sequence of purges.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// The number of the purge.
    pub number: u64,
    /// What it hits.
    pub ban: Ban,
    /// How it treats what it hits.
    pub mode: Mode,
}

/// The bans that may still concern an entry.
///
/// A ban hits entries whose fetch began before it, so an entry is compared with those whose number
/// is above its own sequence. It remembers the last number that it was compared with
/// ([`Mark`](crate::cache::ban::Mark)), so that a lookup costs one comparison for each ban since the
/// last lookup.
///
/// A ban leaves the list in two ways. Past [`BANS_MAX`] it is folded into a purge of its host: that
/// is marked *before* the list without it is published, and readers look at the list *before* they
/// look at the slots, so that they find it in one of them. Or a sweep has compared every entry with
/// it ([`retire`](Self::retire)); since an entry may be stored behind the sweep's back, the list
/// remembers the highest number retired, and an entry that was not compared that far is taken for
/// purged.
#[derive(Debug)]
pub struct Bans {
    list: ArcSwap<List>,
    /// The number of the last ban. Published after the list that holds it.
    newest: AtomicU64,
    /// Held by whoever changes the list.
    writer: Mutex<()>,
}

/// In the order of their numbers.
#[derive(Debug, Default)]
struct List {
    bans: Vec<Arc<Numbered>>,
    /// The highest number among the retired ones.
    floor: u64,
}

impl List {
    /// Those after the number.
    fn after(&self, number: u64) -> &[Arc<Numbered>] {
        &self.bans[self.bans.partition_point(|ban| ban.number <= number)..]
    }
}

impl Bans {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self {
            list: ArcSwap::default(),
            newest: AtomicU64::new(0),
            writer: Mutex::new(()),
        }
    }

    /// Adds a ban under the next `number`, which it gives back. When this returns, every check sees
    /// it. `fold` gets those that have to leave the list for it.
    pub fn add(
        &self,
        ban: Ban,
        mode: Mode,
        number: impl FnOnce() -> u64,
        mut fold: impl FnMut(&Numbered),
    ) -> u64 {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let number = number();
        let old = self.list.load();
        let mut bans = old.bans.clone();
        // One that says the same is made superfluous by the new one, which hits all that it hits.
        bans.retain(|old| old.ban != ban || old.mode != mode);
        let excess = (bans.len() + 1).saturating_sub(BANS_MAX);
        bans.drain(..excess).for_each(|old| fold(&old));
        bans.push(Arc::new(Numbered { number, ban, mode }));
        let floor = old.floor;
        self.list.store(Arc::new(List { bans, floor }));
        self.newest.store(number, Ordering::SeqCst);
        number
    }

    /// What the bans have made of an entry.
    #[must_use]
    pub fn state(&self, key: &Key, entry: &Entry) -> Purge {
        let newest = self.newest();
        let (compared, found) = entry.mark.read();
        let compared = compared.max(entry.sequence);
        if compared >= newest {
            return found;
        }
        let list = self.list.load();
        if compared < list.floor {
            return Purge::Invalid;
        }
        let place = Place::of(key);
        let bans = list.after(compared).iter();
        let hits = bans.filter(|b| b.ban.hits(&place));
        let worst = hits.map(|b| b.mode.purge()).max().unwrap_or_default();
        let found = found.max(worst);
        entry.mark.note(newest, found);
        found
    }

    /// Whether a ban in the list asks for the entry's bytes to go.
    #[must_use]
    pub fn is_hard(&self, key: &Key, entry: &Entry) -> bool {
        let list = self.list.load();
        let place = Place::of(key);
        let mut after = list.after(entry.sequence).iter();
        after.any(|b| b.mode == Mode::Hard && b.ban.hits(&place))
    }

    /// The number of the last ban; zero: there was none.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::SeqCst)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.load().bans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the bans up to this number off the list: since it was the [`newest`](Self::newest), a
    /// sweep has compared everything stored with them.
    pub fn retire(&self, number: u64) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.list.load();
        let gone = old.bans.partition_point(|ban| ban.number <= number);
        let Some(last) = gone.checked_sub(1).and_then(|at| old.bans.get(at)) else {
            return;
        };
        let list = List {
            bans: old.bans[gone..].to_vec(),
            floor: last.number,
        };
        self.list.store(Arc::new(list));
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
