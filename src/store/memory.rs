//! The memory tier: a bounded map of stored responses, by bytes.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;

mod metrics;
mod sweep;

pub use metrics::Metrics;
pub use sweep::{Contents, Swept, Walk};

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
/// Most variants of one object, until [`MemoryTier::limit_variants`] says otherwise.
const VARIANTS_MAX: usize = 32;

type Store = Cache<Key, Arc<Object>, Bytes, DefaultHashBuilder, Evictions>;

/// Stored responses in memory, those of one URL together as an [`Object`]. Never holds more bytes
/// than its bound; gives up the least useful objects first. Responses that are too large for it are
/// not admitted.
pub struct MemoryTier {
    /// Replaced as a whole when a new size asks for another number of shards.
    store: ArcSwap<Store>,
    /// Held by every writer of a key: what a writer sees stays true until it has written.
    stripes: [Mutex<()>; STRIPES],
    bytes_max: AtomicU64,
    variants_max: AtomicUsize,
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
            variants_max: AtomicUsize::new(VARIANTS_MAX),
            evictions,
        }
    }

    /// What is stored under the key, fresh or not.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.store.load().get(key)
    }

    /// Stores a response in place of the same variant under the key; past the bound on variants the
    /// oldest goes. Gives whether it was admitted: not when it is too large for a shard (the old one
    /// is dropped all the same, since it is outdated), nor when the stored one is of a fetch that was
    /// answered later (that one stays).
    pub fn insert(&self, key: Key, entry: Arc<Entry>) -> bool {
        let _writer = self.writer(&key);
        let store = self.store.load();
        let stored = store.peek(&key);
        let max = self.variants_max.load(Ordering::Relaxed);
        let Some(object) = (match &stored {
            None => Some(Object::of(Arc::clone(&entry))),
            Some(stored) => stored.with(Arc::clone(&entry), max),
        }) else {
            return false;
        };
        self.put_variant(&store, key, stored.as_deref(), object, &entry)
    }

    /// Puts `new` in the place of `old` if that is still one of the variants: for an entry that
    /// gained a coded body, or that the app has called unchanged, while somebody else may have
    /// replaced it. Gives whether it did.
    pub fn replace_if_same(&self, key: &Key, old: &Arc<Entry>, new: Arc<Entry>) -> bool {
        let _writer = self.writer(key);
        let store = self.store.load();
        let object = store
            .peek(key)
            .and_then(|stored| stored.replacing(old, new));
        // A richer entry that does not fit must not push out the one that does.
        object.is_some_and(|object| {
            fits(&store, key, &object) && put(&store, key.clone(), Arc::new(object))
        })
    }

    /// Removes what is stored under the key.
    pub fn remove(&self, key: &Key) -> Option<Arc<Object>> {
        let _writer = self.writer(key);
        self.store.load().remove(key).map(|(_, object)| object)
    }

    /// Removes one variant, if it is still stored. Gives whether it was.
    pub fn remove_entry(&self, key: &Key, entry: &Arc<Entry>) -> bool {
        self.retain(key, |stored| !Arc::ptr_eq(stored, entry)) > 0
    }

    /// Removes the variants that `keep` refuses; gives their number. `keep` runs while writers of
    /// the key wait.
    pub fn retain(&self, key: &Key, keep: impl FnMut(&Arc<Entry>) -> bool) -> usize {
        let _writer = self.writer(key);
        let store = self.store.load();
        let Some(stored) = store.peek(key) else {
            return 0;
        };
        let Some(rest) = stored.retaining(keep) else {
            store.remove(key);
            return stored.variants().len();
        };
        let removed = stored.variants().len() - rest.variants().len();
        if removed > 0 {
            put(&store, key.clone(), Arc::new(rest));
        }
        removed
    }

    /// Sets the bound on variants of one object. Objects that have more lose them with their next
    /// variant.
    pub fn limit_variants(&self, max: usize) {
        self.variants_max.store(max, Ordering::Relaxed);
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
        for (key, object) in old.iter() {
            let variants = object.variants().len() as u64;
            if !put(&new, key, object) {
                self.evictions.fetch_add(variants, Ordering::Relaxed);
            }
        }
        self.store.store(Arc::new(new));
    }

    /// Number of URLs with stored responses.
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

    /// Stores an object that has gained `entry`. When it has grown too large, its oldest variants go,
    /// rather than all of them.
    fn put_variant(
        &self,
        store: &Store,
        key: Key,
        stored: Option<&Object>,
        mut object: Object,
        entry: &Arc<Entry>,
    ) -> bool {
        let same = |other: &Arc<Entry>| other.selecting == entry.selecting;
        if !fits(store, &key, &Object::of(Arc::clone(entry))) {
            // What it would have replaced is outdated; the other variants are not.
            match stored.and_then(|stored| stored.retaining(|e| !same(e))) {
                Some(rest) => put(store, key, Arc::new(rest)),
                None => store.remove(&key).is_some(),
            };
            return false;
        }
        while !fits(store, &key, &object)
            && let Some(smaller) = object.without_oldest(entry)
        {
            object = smaller;
        }
        let kept = |other| object.variants().iter().any(|e| Arc::ptr_eq(e, other));
        let stored = stored.map_or(&[][..], Object::variants);
        let given_up = stored.iter().filter(|e| !same(e) && !kept(e)).count();
        let admitted = put(store, key, Arc::new(object));
        self.evictions.fetch_add(given_up as u64, Ordering::Relaxed);
        admitted
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

/// Inserts; gives whether the object is stored now. Callers hold the key's stripe or the store alone.
fn put(store: &Store, key: Key, object: Arc<Object>) -> bool {
    let mut dropped = Dropped {
        own: Some(key.clone()),
        objects: Vec::new(),
    };
    store.insert_with_lifecycle(key.clone(), Arc::clone(&object), &mut dropped);
    // The object itself comes back when it was not admitted.
    let returned = dropped
        .objects
        .iter()
        .any(|dropped| Arc::ptr_eq(dropped, &object));
    !returned
        || store
            .peek(&key)
            .is_some_and(|stored| Arc::ptr_eq(&stored, &object))
}

fn fits(store: &Store, key: &Key, object: &Object) -> bool {
    OVERHEAD + key.bytes() as u64 + object.weight() <= admissible(store)
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

impl Weighter<Key, Arc<Object>> for Bytes {
    fn weight(&self, key: &Key, object: &Arc<Object>) -> u64 {
        OVERHEAD + key.bytes() as u64 + object.weight()
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
    objects: Vec<Arc<Object>>,
}

impl Lifecycle<Key, Arc<Object>> for Evictions {
    type RequestState = Dropped;

    fn on_evict(&self, dropped: &mut Dropped, key: Key, object: Arc<Object>) {
        if dropped.own.as_ref() != Some(&key) {
            let variants = object.variants().len() as u64;
            self.0.fetch_add(variants, Ordering::Relaxed);
        }
        dropped.objects.push(object);
    }
}

#[cfg(test)]
mod tests;
