//! The memory tier and the purges together, under threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use http::{HeaderMap, StatusCode};

use super::generations::Generations;
use super::memory::MemoryTier;
use crate::cache::ban::Ban;
use crate::cache::entry::{Coded, Entry, Fetched};
use crate::cache::key::Key;
use crate::cache::tags::{Mode, Purge, Target};
use crate::cache::testing::{entry, get, headers, key, now, secs};
use crate::cache::vary;

const FETCHES: u64 = 2_000;
const LANGUAGES: [&str; 2] = ["en", "de"];

/// An app whose data is a counter, with a cache in front of it.
struct World {
    memory: MemoryTier,
    generations: Generations,
    data: AtomicU64,
    /// What the data was when the last purge had been answered.
    acknowledged: AtomicU64,
    fetches: AtomicU64,
    key: Key,
}

impl World {
    fn new() -> Self {
        Self {
            memory: MemoryTier::new(1 << 20),
            generations: Generations::new(),
            data: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
            key: key("/articles/1"),
        }
    }

    fn is_running(&self) -> bool {
        self.fetches.load(Ordering::Relaxed) < FETCHES
    }

    /// Asks the app, which dawdles, and stores what it says under the rules of a fill.
    fn fetch(&self, language: &str) {
        let sequence = self.generations.sequence();
        thread::yield_now();
        let value = self.data.load(Ordering::Relaxed);
        thread::yield_now();
        let entry = Arc::new(self.entry(language, value, sequence));
        if self.generations.judge(&self.key, &entry) != Purge::Invalid {
            thread::yield_now();
            self.memory.insert(self.key.clone(), Arc::clone(&entry));
        }
        let coded = Coded {
            br: Some("br".into()),
            gzip: None,
        };
        let richer = Arc::new(entry.with_coded(coded));
        self.memory.replace_if_same(&self.key, &entry, richer);
        self.fetches.fetch_add(1, Ordering::Relaxed);
    }

    fn entry(&self, language: &str, value: u64, sequence: u64) -> Entry {
        let head = headers(&[("vary", "accept-language")]);
        let request = headers(&[("accept-language", language)]);
        let settings = vary::Settings::default();
        let fetched = Fetched {
            status: StatusCode::OK,
            headers: &head,
            body: value.to_string().into(),
            freshness: entry(&self.key, &[], "").freshness,
            received_at: now() + secs(value),
            sequence,
            tags: vec!["a".into()],
            selecting: vary::select(&head, &request, &[], &settings).expect("allowed"),
        };
        Entry::new(&self.key, fetched)
    }

    fn look_up(&self, language: &str) {
        // Any purge answered before the lookup counts.
        let least = self.acknowledged.load(Ordering::Acquire);
        let request = headers(&[("accept-language", language)]);
        let Some(object) = self.memory.get(&self.key) else {
            return;
        };
        let Some(entry) = object.select(&get(&request)) else {
            return;
        };
        if self.generations.judge(&self.key, entry) == Purge::No {
            let text = std::str::from_utf8(&entry.body).expect("digits");
            let value: u64 = text.parse().expect("a number");
            assert!(value >= least, "served {value} after {least} was purged in");
        }
    }

    fn purge(&self, round: u64) {
        let generations = &self.generations;
        let tag = Target::Tag {
            host: None,
            tag: "a".into(),
        };
        let host = Some("example.com");
        match round % 7 {
            0 => generations.order(&[tag], Mode::Invalidate),
            1 => generations.order(&[tag], Mode::Hard),
            2 => generations.order(&[Target::Url(self.key.clone())], Mode::Soft),
            3 => generations.ban(Ban::prefix(host, "/articles/"), Mode::Invalidate),
            4 => generations.ban(Ban::glob(None, "/*/1"), Mode::Hard),
            5 => generations.ban(Ban::prefix(None, "/art"), Mode::Soft),
            // Fills the list, so that bans are folded and retired all the time.
            _ => (0..150)
                .map(|i| generations.ban(Ban::prefix(host, &format!("/{round}/{i}")), Mode::Soft))
                .max()
                .unwrap_or_default(),
        };
    }

    fn sweep(&self) {
        let newest = self.generations.bans().newest();
        let contents = self.memory.contents();
        let mut walk = contents.walk();
        while !self
            .memory
            .sweep(&mut walk, 1, |key, entry| {
                _ = self.generations.judge(key, entry);
                self.generations.is_hard(key, entry)
            })
            .done
        {
            thread::yield_now();
        }
        self.generations.bans().retire(newest);
    }
}

/// Each mode and way of purging races fetches, lookups and sweeps: once a purge has been answered,
/// nobody gets anything older without being told.
#[test]
fn what_was_purged_is_never_served_as_fresh() {
    let world = World::new();
    thread::scope(|scope| {
        for language in LANGUAGES {
            let world = &world;
            scope.spawn(move || {
                while world.is_running() {
                    world.fetch(language);
                }
            });
        }
        scope.spawn(|| {
            while world.is_running() {
                LANGUAGES
                    .iter()
                    .for_each(|language| world.look_up(language));
            }
        });
        scope.spawn(|| {
            while world.is_running() {
                world.sweep();
            }
        });
        for round in 1.. {
            world.data.store(round, Ordering::Relaxed);
            world.purge(round);
            // The filling round purges nothing that is looked up.
            if round % 7 != 6 {
                world.acknowledged.store(round, Ordering::Release);
            }
            for language in LANGUAGES {
                world.look_up(language);
                thread::yield_now();
                world.look_up(language);
            }
            if !world.is_running() {
                break;
            }
        }
    });
    world.purge(1);
    world.sweep();
    assert!(
        world.memory.get(&world.key).is_none(),
        "hard purges free the bytes"
    );
    assert_eq!(
        world.generations.bans().len(),
        0,
        "the sweep has retired them"
    );
}

#[test]
fn a_purge_of_one_page_leaves_the_others() {
    let world = World::new();
    let other = key("/other");
    let stored = Arc::new(entry(&other, &[], ""));
    world.memory.insert(other.clone(), stored.clone());
    for round in 0..6 {
        world.purge(round);
        let judged = world.generations.judge(&other, &stored);
        assert_eq!(judged, Purge::No, "{round}");
    }
    let request = HeaderMap::new();
    let object = world.memory.get(&other).expect("it is stored");
    assert!(object.select(&get(&request)).is_some());
}
