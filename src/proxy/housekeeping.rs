//! Clearing up in the background: what hard purges hit gives its memory back, bans are compared with
//! all that is stored and leave their list, and what has died of age goes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::Shared;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::is_dead;
use crate::cache::tags::Purge;
use crate::store::generations::Generations;
use crate::store::memory::MemoryTier;

/// Between two sweeps that nobody asked for.
const EVERY: Duration = Duration::from_secs(60);
/// Between the end of a sweep and the next, also when one is asked for.
const REST: Duration = Duration::from_millis(100);
/// Objects looked at without letting others go on: well below a millisecond.
const STEP_OBJECTS: usize = 256;
/// With so many bans it is half as many.
const STEP_BANS: usize = 16;
/// Steps are followed by pauses of so many times their length: a quarter of a core at the most.
const PAUSE_STEPS: u32 = 3;
/// Shorter ones are put together.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// For how long what has expired is kept for clients that accept it (`max-stale`).
const PATIENCE: Duration = Duration::from_secs(60);

/// What asks for a sweep, and what sweeps have done.
#[derive(Debug)]
pub struct Housekeeping {
    due: Notify,
    swept: Counter,
}

impl Housekeeping {
    /// Registers `cache_swept_total`.
    pub fn register(registry: &mut Registry) -> Self {
        let housekeeping = Self {
            due: Notify::new(),
            swept: Counter::default(),
        };
        registry.register(
            "cache_swept",
            "Stored responses removed because they were of no more use: purged, or expired and nothing to validate them by",
            housekeeping.swept.clone(),
        );
        housekeeping
    }

    /// Asks for a sweep. However many ask while one runs, one more follows it.
    pub(super) fn wake(&self) {
        self.due.notify_one();
    }
}

/// Sweeps from time to time, and when asked to. Never ends.
pub async fn keep_house(shared: Arc<Shared>) {
    loop {
        // Whether somebody has asked or it is time: both mean a sweep.
        _ = timeout(EVERY, shared.housekeeping.due.notified()).await;
        let removed = sweep(&shared.memory, &shared.generations).await;
        shared.housekeeping.swept.inc_by(removed as u64);
        sleep(REST).await;
    }
}

/// Goes through all that is stored; gives the number of responses that it removed.
async fn sweep(memory: &MemoryTier, generations: &Generations) -> usize {
    let newest = generations.bans().newest();
    let contents = memory.contents();
    let mut walk = contents.walk();
    let (mut removed, mut owed) = (0, Duration::ZERO);
    loop {
        let (began, now) = (Instant::now(), SystemTime::now());
        let step = STEP_OBJECTS * STEP_BANS / (STEP_BANS + generations.bans().len());
        let swept = memory.sweep(&mut walk, step.max(1), |key, entry| {
            is_useless(generations, key, entry, now)
        });
        removed += swept.removed;
        if swept.done {
            break;
        }
        owed += began.elapsed() * PAUSE_STEPS;
        if owed < PAUSE_MIN {
            yield_now().await;
        } else {
            sleep(owed).await;
            owed = Duration::ZERO;
        }
    }
    // Whatever was stored before those bans is compared with them now.
    generations.bans().retire(newest);
    removed
}

/// Also compares the entry with the bans, whatever comes of it.
fn is_useless(generations: &Generations, key: &Key, entry: &Entry, now: SystemTime) -> bool {
    let purge = generations.judge(key, entry);
    is_dead(entry, purge, now, PATIENCE)
        || purge == Purge::Invalid && generations.is_hard(key, entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::ban::Ban;
    use crate::cache::purge::Order;
    use crate::cache::tags::{Mode, Target};
    use crate::cache::testing::{entry, key};

    const OBJECTS: usize = 3 * STEP_OBJECTS + 7;

    fn path(n: usize) -> String {
        match n % 3 {
            0 => format!("/a/{n}"),
            _ => format!("/b/{n}"),
        }
    }

    /// A tier of many objects, a third of them below `/a/`.
    fn filled(fields: &[(&str, &str)]) -> MemoryTier {
        let memory = MemoryTier::new(64 << 20);
        for key in (0..OBJECTS).map(|n| key(&path(n))) {
            let mut entry = entry(&key, fields, "body");
            entry.stored_at = SystemTime::now();
            assert!(memory.insert(key, Arc::new(entry)));
        }
        memory
    }

    const VALIDATED: &[(&str, &str)] = &[("etag", "\"a\"")];

    #[tokio::test]
    async fn what_is_of_use_stays() {
        let (memory, generations) = (filled(&[]), Generations::new());
        assert_eq!(sweep(&memory, &generations).await, 0);
        assert_eq!(memory.objects(), OBJECTS as u64);
    }

    #[tokio::test]
    async fn hard_purged_bytes_go_and_bans_are_retired() {
        let cases = [
            (Mode::Hard, VALIDATED, true),
            (Mode::Hard, &[], true),
            (Mode::Invalidate, VALIDATED, false),
            (Mode::Invalidate, &[], true),
            (Mode::Soft, VALIDATED, false),
            (Mode::Soft, &[], false),
        ];
        for (mode, fields, goes) in cases {
            let (memory, generations) = (filled(fields), Generations::new());
            let bytes = memory.bytes();
            let order = Order::new(Vec::new(), vec![Ban::prefix(None, "/a/")], mode);
            generations.carry_out(&order);
            let removed = sweep(&memory, &generations).await;
            let expected = match goes {
                true => OBJECTS.div_ceil(3),
                false => 0,
            };
            assert_eq!(removed, expected, "{mode:?} {fields:?}");
            assert_eq!(memory.bytes() < bytes, goes, "{mode:?} {fields:?}");
            assert!(generations.bans().is_empty(), "{mode:?}");
            for key in (0..OBJECTS).map(|n| key(&path(n))) {
                let Some(object) = memory.get(&key) else {
                    continue;
                };
                let expected = match key.path().starts_with("/a/") {
                    true => mode.purge(),
                    false => Purge::No,
                };
                let judged = generations.judge(&key, &object.variants()[0]);
                assert_eq!(judged, expected, "{mode:?} {key}, without the ban");
            }
        }
    }

    #[tokio::test]
    async fn a_tag_that_was_hard_purged_takes_only_its_own() {
        let (memory, generations) = (filled(VALIDATED), Generations::new());
        let target = Target::Url(key(&path(0)));
        generations.carry_out(&Order::new(vec![target], Vec::new(), Mode::Hard));
        assert_eq!(sweep(&memory, &generations).await, 1);
        assert_eq!(memory.objects(), OBJECTS as u64 - 1);
    }
}
