//! What may be stored and what may be reused: the pure half of the cache (RFC 9111).
//!
//! | question | answered by |
//! |---|---|
//! | may the cache be asked about this request at all? | [`policy::lookup`] |
//! | under which key? | [`key::Key`] |
//! | may the stored answer be given? | [`reuse::reuse`], [`conditional::not_modified`] |
//! | may a miss go to the app, or does the client refuse that? | [`policy::forward`] |
//! | may the app's answer be stored, and for how long? | [`policy::storable`], [`freshness`] |
//! | which purges hit it? | [`tags`] |
//! | how is the decision told? | [`status::Outcome`] |
//!
//! Nothing in here reads a clock: callers pass `now`.

pub mod ban;
pub mod conditional;
pub mod entry;
pub mod freshness;
pub mod invalidate;
pub mod key;
pub mod merge;
pub mod object;
pub mod policy;
pub mod range;
pub mod reuse;
pub mod status;
pub mod tags;
pub mod vary;

#[cfg(test)]
pub(crate) mod testing;

use std::time::Duration;

/// What the `cache` section of the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `cache.enabled`.
    pub enabled: bool,
    /// Lifetime of a 200, 301 or 404 that says nothing about its freshness; zero: not stored.
    pub default_ttl: Duration,
    /// No answer is kept longer than this after its arrival, whatever it says.
    pub max_ttl: Duration,
    /// Largest body that is stored, in bytes.
    pub object_bytes_max: u64,
    /// Size of the memory tier, in bytes.
    pub memory_bytes: u64,
    /// How the query is normalised for the key.
    pub query: key::QueryRule,
    /// Which answers may vary by what.
    pub vary: vary::Settings,
}

/// What the matched route says about caching.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// `routes[].cache`.
    pub enabled: bool,
    /// Lifetime of an answer that says nothing about its freshness; instead of
    /// [`Settings::default_ttl`].
    pub ttl: Option<Duration>,
    /// Tags for what is stored, already expanded for this request.
    pub tags: Vec<String>,
}
