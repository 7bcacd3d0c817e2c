//! The memory tier: a bounded map of stored responses, by bytes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::cache::entry::Entry;
use crate::cache::key::Key;

/// A shard is never made smaller than this, so that a body of 8 MiB with its coded copies fits: an
/// object can be at most as large as 97 % of a shard.
const SHARD_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// More shards than this gain nothing on the machines a sidecar runs on.
const SHARDS_MAX: u64 = 64;
/// Expected size of an object; only sizes the memory of recently evicted keys.
const OBJECT_BYTES_EXPECTED: u64 = 8 * 1024;
/// Locks that order writers of the same key.
const STRIPES: usize = 64;
/// What an object costs besides its own bytes: its slot in the table (key, pointer and 21 bytes of
/// bookkeeping, times 1.5 for remembered keys, times up to 2 while the table grows) and the
/// reference counts and allocator headers of key and entry.
const OVERHEAD: u64 = 3 * (size_of::<Key>() as u64 + 8 + 21) + 64;
/// An entry whose head arrived up to this much later than that of a new one is taken for the newer
/// of two overlapping fetches; anything beyond is a clock that was set back.
const OVERLAP_SECONDS_MAX: u64 = 120;

type Store = Cache<Key, Arc<Entry>, Bytes, DefaultHashBuilder, Evictions>;

/// Stored responses in memory. Never holds more bytes than its bound; gives up the least useful
/// ones first. Objects that are too large for it are not admitted.
pub struct MemoryTier {
    /// Replaced as a whole when a new size asks for another number of shards.
    store: ArcSwap<Store>,
    /// Held by every writer of a key: what a writer sees stays true until it has written.
    stripes: [Mutex<()>; STRIPES],
    bytes_max: AtomicU64,
    evictions: Arc<AtomicU64>,
}

impl MemoryTier {
    /// A tier of so many bytes; zero stores nothing.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        Self {
            store: ArcSwap::from_pointee(store(bytes, &evictions)),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            bytes_max: AtomicU64::new(bytes),
            evictions,
        }
    }

    /// The response stored under the key, fresh or not.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.store.load().get(key)
    }

    /// Stores a response in place of the one under the same key. Gives whether it was admitted: not
    /// when it is too large for a shard (the old one is dropped all the same, since it is
    /// outdated), nor when the stored one is of a fetch that was answered later (that one stays).
    pub fn insert(&self, key: Key, entry: Arc<Entry>) -> bool {
        let _writer = self.writer(&key);
        let store = self.store.load();
        if store
            .peek(&key)
            .is_some_and(|stored| is_newer(&stored, &entry))
        {
            return false;
        }
        put(&store, key, entry)
    }

    /// Puts `new` in the place of `old` if that is what is stored: for an entry that gained a coded
    /// body while somebody else may have replaced it. Gives whether it did.
    pub fn replace_if_same(&self, key: &Key, old: &Arc<Entry>, new: Arc<Entry>) -> bool {
        let _writer = self.writer(key);
        let store = self.store.load();
        // A richer entry that does not fit must not push out the one that does.
        let fits = OVERHEAD + key.bytes() as u64 + new.weight() <= admissible(&store);
        let same = store
            .peek(key)
            .is_some_and(|stored| Arc::ptr_eq(&stored, old));
        fits && same && put(&store, key.clone(), new)
    }

    /// Removes what is stored under the key.
    pub fn remove(&self, key: &Key) -> Option<Arc<Entry>> {
        let _writer = self.writer(key);
        self.store.load().remove(key).map(|(_, entry)| entry)
    }

    /// Sets the bound, in bytes. What no longer fits is evicted. Lookups go on meanwhile; writers
    /// wait.
    pub fn resize(&self, bytes: u64) {
        let _all: Vec<_> = self.stripes.iter().map(lock).collect();
        let old = self.store.load();
        if self.bytes_max.swap(bytes, Ordering::Relaxed) == bytes {
            return;
        }
        if old.num_shards() as u64 == shards(bytes) && old.capacity() > 0 {
            return old.set_capacity(whole_shards(bytes));
        }
        let new = store(bytes, &self.evictions);
        for (key, entry) in old.iter() {
            if !put(&new, key, entry) {
                self.evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.store.store(Arc::new(new));
    }

    /// Number of stored responses.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.store.load().len() as u64
    }

    /// Bytes in use: keys, entries and what holds them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.store.load().weight()
    }

    /// The bound on [`bytes`](Self::bytes).
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// Responses given up to make room, since the start; replaced ones do not count.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn writer(&self, key: &Key) -> MutexGuard<'_, ()> {
        lock(&self.stripes[(key.hash() % STRIPES as u128) as usize])
    }
}

impl fmt::Debug for MemoryTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier")
            .field("objects", &self.objects())
            .field("bytes", &self.bytes())
            .field("bytes_max", &self.bytes_max())
            .finish_non_exhaustive()
    }
}

/// The locks protect no data that a panic could leave half-written.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `stored` must stay because `new` is the older answer: its fetch was overtaken by one that
/// began after a purge, or by one whose head arrived later.
fn is_newer(stored: &Entry, new: &Entry) -> bool {
    if stored.sequence != new.sequence {
        return stored.sequence > new.sequence;
    }
    let ahead = stored
        .stored_at
        .duration_since(new.stored_at)
        .unwrap_or_default();
    !ahead.is_zero() && ahead.as_secs() < OVERLAP_SECONDS_MAX
}

/// Inserts; gives whether the entry is stored now. Callers hold the key's stripe or the store alone.
fn put(store: &Store, key: Key, entry: Arc<Entry>) -> bool {
    let mut dropped = Dropped {
        own: Some(key.clone()),
        entries: Vec::new(),
    };
    store.insert_with_lifecycle(key.clone(), Arc::clone(&entry), &mut dropped);
    // The entry itself comes back when it was not admitted, or when it replaced itself.
    let returned = dropped
        .entries
        .iter()
        .any(|dropped| Arc::ptr_eq(dropped, &entry));
    !returned
        || store
            .peek(&key)
            .is_some_and(|stored| Arc::ptr_eq(&stored, &entry))
}

fn store(bytes: u64, evictions: &Arc<AtomicU64>) -> Store {
    let shards = shards(bytes);
    // quick_cache halves the number of shards until each expects at least 32 objects.
    let objects = (bytes / OBJECT_BYTES_EXPECTED).max(32 * shards);
    let options = OptionsBuilder::new()
        .shards(usize::try_from(shards).unwrap_or(1))
        .estimated_items_capacity(usize::try_from(objects).unwrap_or(usize::MAX))
        .weight_capacity(whole_shards(bytes))
        .build()
        .expect("capacity and expected number of items are set");
    let evictions = Evictions(Arc::clone(evictions));
    Cache::with_options(options, Bytes, DefaultHashBuilder::default(), evictions)
}

/// A power of two, since quick_cache makes it one anyway.
fn shards(bytes: u64) -> u64 {
    let most = (bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
    1 << most.ilog2()
}

/// quick_cache rounds a shard's share up; cut the remainder off so that the sum stays in the bound.
fn whole_shards(bytes: u64) -> u64 {
    bytes - bytes % shards(bytes)
}

/// The largest object that a shard admits: quick_cache asks that it fits into the part for hot ones,
/// 97 %; one byte less than that for its rounding.
fn admissible(store: &Store) -> u64 {
    (store.shard_capacity() / 100 * 97).saturating_sub(1)
}

/// Weighs by bytes.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Arc<Entry>> for Bytes {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        OVERHEAD + key.bytes() as u64 + entry.weight()
    }
}

/// Counts evictions.
#[derive(Debug, Clone)]
struct Evictions(Arc<AtomicU64>);

/// What one operation pushed out. Freed when the operation is over, outside the shard's lock.
#[derive(Default)]
struct Dropped {
    /// The key being written. quick_cache reports a replaced or refused value like an evicted one.
    own: Option<Key>,
    entries: Vec<Arc<Entry>>,
}

impl Lifecycle<Key, Arc<Entry>> for Evictions {
    type RequestState = Dropped;

    fn on_evict(&self, dropped: &mut Dropped, key: Key, entry: Arc<Entry>) {
        if dropped.own.as_ref() != Some(&key) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        dropped.entries.push(entry);
    }
}

/// Exposes a tier's figures.
#[derive(Debug)]
pub struct Metrics(Arc<MemoryTier>);

impl Metrics {
    /// Registers `memory_bytes`, `memory_bytes_max`, `objects` and `evictions_total`, read on each
    /// scrape.
    pub fn register(tier: Arc<MemoryTier>, registry: &mut Registry) {
        registry.register_collector(Box::new(Self(tier)));
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let tier = &self.0;
        let gauges = [
            (
                "memory_bytes",
                "Bytes in use by stored responses.",
                tier.bytes(),
            ),
            (
                "memory_bytes_max",
                "Most bytes that stored responses may use.",
                tier.bytes_max(),
            ),
            ("objects", "Stored responses.", tier.objects()),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counter = ConstCounter::new(tier.evictions());
        let help = "Stored responses given up to make room.";
        counter.encode(encoder.encode_descriptor("evictions", help, None, counter.metric_type())?)
    }
}

#[cfg(test)]
mod tests;
