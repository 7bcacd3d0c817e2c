//! A stored response (RFC 9111 §3.1). It never changes: whatever is learnt about it makes a new entry
//! that shares the bodies.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, DATE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::ban::Mark;
use super::freshness::Freshness;
use super::key::Key;
use super::tags::{Slot, slots_for};
use super::vary::Selected;
use crate::headers::date::http_date;
use crate::headers::hop_by_hop;

/// `Cache-Status` (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A clock that moved back by more than this makes the age of an entry unknown. Small steps are
/// requests that took their time stamp just before the entry did.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// The body coded for clients that accept it; `None`: not coded yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coded {
    /// Brotli.
    pub br: Option<Bytes>,
    /// Gzip.
    pub gzip: Option<Bytes>,
}

/// How often an entry was given, and whether it is being fetched ahead of its end. The one thing about
/// an entry that changes; nothing that is given depends on it.
#[derive(Debug, Default)]
pub struct Uses {
    count: AtomicU32,
    fetched_ahead: AtomicBool,
}

impl Uses {
    /// Counts one more; gives the number with it.
    pub fn count(&self) -> u32 {
        // Wraps after four billion, and then the entry is not fetched ahead for a few hits.
        self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// How often it was given.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// `true` for one caller: that one has it fetched ahead.
    #[must_use]
    pub fn claim(&self) -> bool {
        !self.fetched_ahead.swap(true, Ordering::Relaxed)
    }
}

impl Clone for Uses {
    fn clone(&self) -> Self {
        Self {
            count: AtomicU32::new(self.counted()),
            fetched_ahead: AtomicBool::new(self.fetched_ahead.load(Ordering::Relaxed)),
        }
    }
}

/// What is known of a response when its last byte has arrived.
#[derive(Debug)]
pub struct Fetched<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its head as the app sent it.
    pub headers: &'a HeaderMap,
    /// Its whole body, without a content coding unless its head names one, in an allocation of its own: a slice of a larger
    /// buffer would keep that buffer alive.
    pub body: Bytes,
    /// The answer of [`storable`](super::policy::storable).
    pub freshness: Freshness,
    /// When its head arrived (`response_time`, RFC 9111 §4.2.3), not its end.
    pub received_at: SystemTime,
    /// The purge sequence read before the request was sent.
    pub sequence: u64,
    /// The answer of [`tags::collect`](super::tags::collect).
    pub tags: Vec<Box<str>>,
    /// The answer of [`vary::select`](super::vary::select).
    pub selecting: Box<[Selected]>,
}

/// A stored response, complete and immutable.
#[derive(Debug)]
pub struct Entry {
    /// The status.
    pub status: StatusCode,
    /// The fields that are forwarded, a valid `Date` among them; without `Age`, `Content-Length`,
    /// `Cache-Status`, cookies and those of the connection.
    pub headers: HeaderMap,
    /// The whole body, without a content coding unless the head names one.
    pub body: Bytes,
    /// The body in other codings.
    pub coded: Coded,
    /// Lifetime, age on arrival, and what it may be used for.
    pub freshness: Freshness,
    /// When the head arrived.
    pub stored_at: SystemTime,
    /// Everything by which it can be purged.
    pub slots: Box<[Slot]>,
    /// The purge sequence when its fetch began; any slot with a later purge makes it invalid.
    pub sequence: u64,
    /// Its tags, for people; purges go by `slots`.
    pub tags: Box<[Box<str>]>,
    /// The request fields that it depends on, as the request had them that fetched it.
    pub selecting: Box<[Selected]>,
    /// Up to which ban it was compared.
    pub mark: Mark,
    /// How often it was given.
    pub uses: Uses,
    weight: u64,
}

impl Entry {
    /// Makes the entry that is stored under `key`.
    #[must_use]
    pub fn new(key: &Key, fetched: Fetched<'_>) -> Self {
        let entry = Self {
            status: fetched.status,
            headers: stored_headers(fetched.headers, fetched.received_at),
            body: fetched.body,
            coded: Coded::default(),
            freshness: fetched.freshness,
            stored_at: fetched.received_at,
            slots: slots_for(key, &fetched.tags),
            sequence: fetched.sequence,
            tags: fetched.tags.into(),
            selecting: fetched.selecting,
            mark: Mark::new(),
            uses: Uses::default(),
            weight: 0,
        };
        entry.weighed()
    }

    /// The same response with further codings; those that `coded` lacks are kept.
    #[must_use]
    pub fn with_coded(&self, coded: Coded) -> Self {
        let entry = Self {
            status: self.status,
            headers: self.headers.clone(),
            body: self.body.clone(),
            coded: Coded {
                br: coded.br.or_else(|| self.coded.br.clone()),
                gzip: coded.gzip.or_else(|| self.coded.gzip.clone()),
            },
            freshness: self.freshness,
            stored_at: self.stored_at,
            slots: self.slots.clone(),
            sequence: self.sequence,
            tags: self.tags.clone(),
            selecting: self.selecting.clone(),
            mark: self.mark.clone(),
            uses: self.uses.clone(),
            weight: 0,
        };
        entry.weighed()
    }

    /// The same body under the head and the freshness that a 304 or an answer to HEAD has brought:
    /// `fetched` is that answer merged with this one ([`merge`](super::merge)). Its body is not
    /// looked at.
    #[must_use]
    pub fn refreshed(&self, key: &Key, fetched: Fetched<'_>) -> Self {
        let mut entry = Self::new(
            key,
            Fetched {
                body: self.body.clone(),
                ..fetched
            },
        );
        entry.coded = self.coded.clone();
        entry.weighed()
    }

    /// The memory it takes, in bytes: bodies, head, slots, tags, and what the allocator and the
    /// structures add. Fixed at construction, since a store may ask at any time.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// `current_age` (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        self.freshness.age(self.resident(now).unwrap_or_default())
    }

    /// How long it stays fresh; zero: it is stale. Also zero when the clock went back behind the
    /// arrival, because then its age cannot be known.
    #[must_use]
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.resident(now).map_or(Duration::ZERO, |resident| {
            self.freshness.remaining(resident)
        })
    }

    /// `resident_time` (RFC 9111 §4.2.3); `None` when the clock moved back behind the arrival.
    #[must_use]
    pub fn resident(&self, now: SystemTime) -> Option<Duration> {
        match now.duration_since(self.stored_at) {
            Ok(resident) => Some(resident),
            Err(back) => (back.duration() <= CLOCK_SLACK).then_some(Duration::ZERO),
        }
    }

    fn weighed(mut self) -> Self {
        /// What an allocator adds to an allocation, on average.
        const ALLOCATION: usize = 16;
        /// One slot of `HeaderMap`'s tables: a bucket and its index.
        const FIELD: usize = size_of::<(HeaderName, HeaderValue, [usize; 3])>() + 8;
        let own = [
            Some(&self.body),
            self.coded.br.as_ref(),
            self.coded.gzip.as_ref(),
        ];
        let bodies: usize = own
            .into_iter()
            .flatten()
            .map(|b| b.len() + 2 * ALLOCATION)
            .sum();
        let head: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 3 * ALLOCATION)
            .sum();
        let tags: usize = self
            .tags
            .iter()
            .map(|t| t.len() + size_of::<Box<str>>() + ALLOCATION)
            .sum();
        let selecting: usize = self
            .selecting
            .iter()
            .map(|field| size_of_val(field) + field.bytes() + ALLOCATION)
            .sum();
        let bytes = size_of::<Self>()
            + 5 * ALLOCATION
            + selecting
            + bodies
            + head
            + self.headers.capacity() * FIELD
            + tags
            + size_of_val(&*self.slots);
        self.weight = bytes as u64;
        self
    }
}

/// The head to keep: without the fields of this hop and those that are made anew for each answer,
/// and with a `Date` (RFC 9110 §6.6.1). Never with a cookie: where `set_cookie: strip` lets such a
/// response in, the cookie was for the one who asked. Values are copied, because the originals are slices of the
/// connection's read buffer.
fn stored_headers(headers: &HeaderMap, received_at: SystemTime) -> HeaderMap {
    let mut lean = headers.clone();
    hop_by_hop::strip(&mut lean);
    for name in [&AGE, &CONTENT_LENGTH, &CACHE_STATUS, &SET_COOKIE] {
        lean.remove(name);
    }
    let mut out = HeaderMap::with_capacity(lean.len() + 1);
    for (name, value) in &lean {
        // Bytes that were a header value are one again; should that ever fail, share the original.
        let copy = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
        out.append(name, copy);
    }
    if out.get(DATE).and_then(http_date).is_none()
        && let Some(date) = date_value(received_at)
    {
        out.insert(DATE, date);
    }
    out
}

/// The moment as an HTTP date; `None` for years that the format cannot express.
fn date_value(at: SystemTime) -> Option<HeaderValue> {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    at.duration_since(UNIX_EPOCH)
        .ok()
        .filter(|since| *since < YEAR_10000)?;
    HeaderValue::try_from(httpdate::fmt_http_date(at)).ok()
}

#[cfg(test)]
mod tests;
