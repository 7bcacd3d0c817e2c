//! What is stored under one key: the variants of an answer that depends on request fields
//! (RFC 9111 §4.1).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;
use http::header::{ETAG, LAST_MODIFIED, VARY};

use super::entry::Entry;
use super::policy::Request;
use super::tags::Purge;
use super::vary;

/// An entry whose head arrived up to this much later than that of a new one is taken for the newer
/// of two overlapping fetches; anything beyond is a clock that was set back.
const OVERLAP_SECONDS_MAX: u64 = 120;

/// The variants stored under one key, newest first; at least one. It never changes: each change
/// makes a new one that shares the entries.
#[derive(Debug, Clone)]
pub struct Object {
    variants: Box<[Arc<Entry>]>,
    weight: u64,
}

impl Object {
    /// An object with one variant.
    #[must_use]
    pub fn of(entry: Arc<Entry>) -> Self {
        Self::new(vec![entry])
    }

    fn new(variants: Vec<Arc<Entry>>) -> Self {
        /// A variant's pointer, its reference counts and what the allocator adds.
        const VARIANT: usize = size_of::<Arc<Entry>>() + 2 * size_of::<usize>() + 16;
        let entries: u64 = variants.iter().map(|entry| entry.weight()).sum();
        let own = size_of::<Self>() + 2 * 16 + variants.len() * VARIANT;
        Self {
            variants: variants.into(),
            weight: entries + own as u64,
        }
    }

    /// Its variants, newest first.
    #[must_use]
    pub fn variants(&self) -> &[Arc<Entry>] {
        &self.variants
    }

    /// The variant that may answer the request as far as `Vary` is concerned: the newest that
    /// matches (RFC 9111 §4, §4.1).
    #[must_use]
    pub fn select(&self, request: &Request<'_>) -> Option<&Arc<Entry>> {
        self.matching(request).next()
    }

    /// Every variant that matches, newest first: those that could have been chosen for the request
    /// (§4.3.4).
    pub fn matching(&self, request: &Request<'_>) -> impl Iterator<Item = &Arc<Entry>> {
        let headers = request.headers;
        self.variants
            .iter()
            .filter(move |entry| vary::matches(&entry.selecting, headers))
    }

    /// With a new answer, which takes the place of the same variant. Past `max` variants the oldest
    /// goes. `None`: the stored variant is of a fetch that was answered later, and stays.
    #[must_use]
    pub fn with(&self, entry: Arc<Entry>, max: usize) -> Option<Self> {
        let same = |stored: &&Arc<Entry>| stored.selecting == entry.selecting;
        if self
            .variants
            .iter()
            .filter(same)
            .any(|stored| is_newer(stored, &entry))
        {
            return None;
        }
        let mut variants: Vec<_> = self.variants.iter().filter(|e| !same(e)).cloned().collect();
        let at = variants.iter().position(|stored| !is_newer(stored, &entry));
        variants.insert(at.unwrap_or(variants.len()), Arc::clone(&entry));
        variants.truncate(max.max(1));
        // An answer that is older than a full object's every variant has no place in it.
        let stored = variants.iter().any(|stored| Arc::ptr_eq(stored, &entry));
        stored.then(|| Self::new(variants))
    }

    /// With `new` in the place of `old`; `None` when `old` is not one of its variants any more, or
    /// when a newer answer for what `new` is selected by has come meanwhile.
    #[must_use]
    pub fn replacing(&self, old: &Arc<Entry>, new: Arc<Entry>) -> Option<Self> {
        let max = self.variants.len();
        if !self.variants.iter().any(|stored| Arc::ptr_eq(stored, old)) {
            return None;
        }
        match self.retaining(|entry| !Arc::ptr_eq(entry, old)) {
            Some(rest) => rest.with(new, max),
            None => Some(Self::of(new)),
        }
    }

    /// Without the variants that `keep` refuses; `None`: nothing is left.
    #[must_use]
    pub fn retaining(&self, mut keep: impl FnMut(&Arc<Entry>) -> bool) -> Option<Self> {
        let variants: Vec<_> = self.variants.iter().filter(|e| keep(e)).cloned().collect();
        (!variants.is_empty()).then(|| Self::new(variants))
    }

    /// Without its oldest variant, `spared` aside; `None`: there is no other.
    #[must_use]
    pub fn without_oldest(&self, spared: &Arc<Entry>) -> Option<Self> {
        let others = |entry: &&Arc<Entry>| !Arc::ptr_eq(entry, spared);
        let oldest = self.variants.iter().rev().find(others)?;
        self.retaining(|entry| !Arc::ptr_eq(entry, oldest))
    }

    /// The request fields by which its variants were selected: what a key for collapsing requests
    /// has to hold besides the URL. Sorted, each once.
    #[must_use]
    pub fn vary_fields(&self) -> Vec<HeaderName> {
        self.fields(|_| true)
    }

    /// As [`vary_fields`](Self::vary_fields), of the variants that say `Vary` themselves.
    #[must_use]
    pub fn nominated(&self) -> Vec<HeaderName> {
        self.fields(|entry| entry.headers.contains_key(VARY))
    }

    fn fields(&self, of: impl Fn(&Entry) -> bool) -> Vec<HeaderName> {
        let entries = self.variants.iter().filter(|entry| of(entry));
        let mut names: Vec<_> = entries
            .flat_map(|entry| entry.selecting.iter().map(|field| field.name.clone()))
            .collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        names
    }

    /// The memory it takes, in bytes. Fixed at construction, since a store may ask at any time.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }
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

/// Whether an entry is of no more use: it has nothing by which the app could say that it is
/// unchanged, and a purge forbids its use, or it expired too long ago to be given out stale. That is,
/// by its own word, or longer ago than `patience`, for clients that accept more (`max-stale`).
#[must_use]
pub fn is_dead(entry: &Entry, purge: Purge, now: SystemTime, patience: Duration) -> bool {
    let has_validator = [ETAG, LAST_MODIFIED]
        .iter()
        .any(|name| entry.headers.contains_key(name));
    if has_validator || purge == Purge::Invalid {
        return !has_validator;
    }
    let freshness = &entry.freshness;
    let after_purge = match purge {
        Purge::Soft => freshness.stale_after_soft_purge,
        _ => Duration::ZERO,
    };
    let windows = [
        freshness.stale_while_revalidate,
        freshness.stale_if_error,
        after_purge,
    ];
    let stale_max = windows.into_iter().fold(patience, Duration::max);
    let expired_since = entry.age(now).checked_sub(freshness.lifetime);
    expired_since.is_some_and(|since| since > stale_max)
}

#[cfg(test)]
mod tests;
