//! `cache` and `routes[].cache`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::shape::Short;
use crate::config::units::{Period, Ratio, Size, Switch, whole_number};

/// What is stored and reused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Cache {
    /// Whether anything is looked up or stored.
    pub(in crate::config) enabled: Switch,
    /// Freshness of answers that say nothing themselves (200, 203, 301, 308, 404, 410); 0s stores only what the app's headers allow.
    pub(in crate::config) default_ttl: Period,
    /// No answer is reused for longer than this, whatever it says.
    pub(in crate::config) max_ttl: Period,
    /// Freshness of answers with Last-Modified that say nothing else: this part of their age, up to a day (RFC 9111 §4.2.2); or off.
    pub(in crate::config) heuristic: Heuristic,
    /// Freshness by status of answers that say nothing themselves: {404: 10s, 5xx: 1s}; 0s stores none. Counts before any other ttl.
    #[schemars(extend("propertyNames" = { "pattern": "^[2-5]([0-9][0-9]|xx)$" }))]
    pub(in crate::config) status_ttl: BTreeMap<String, Period>,
    /// For how long after its end an answer that says nothing of that may still be given.
    pub(in crate::config) stale: Stale,
    /// Answers that are asked for often are fetched anew before they expire, so that nobody waits for them. Off unless written.
    pub(in crate::config) refresh_ahead: Short<RefreshAhead>,
    /// Up to this part of a lifetime is cut off, more or less by key, so that what was fetched together does not expire together.
    pub(in crate::config) ttl_jitter: Ratio,
    /// Larger bodies are passed through and not stored.
    pub(in crate::config) max_object_size: Size,
    /// Response headers that stand for Cache-Control here, the first one that is there (RFC 9213).
    pub(in crate::config) control_headers: Vec<String>,
    /// Response headers that hold tags: parted by spaces in Surrogate-Key, xkey and Cache-Tags, strings in Cache-Groups, else parted by commas.
    pub(in crate::config) tag_headers: Vec<String>,
    /// Clients do not get those headers, wherever the cache is on.
    pub(in crate::config) strip_tag_headers: Switch,
    /// How many tags an answer may have; with more it is not stored, because purges could not find it.
    pub(in crate::config) tags: Tags,
    /// The tier in memory.
    pub(in crate::config) memory: Memory,
    /// What tells two requests apart.
    pub(in crate::config) key: Key,
}

/// `off` or a ratio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::config) struct Heuristic(pub(in crate::config) Option<Ratio>);

/// How long a stale answer may serve.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Stale {
    /// While one fetch renews it (stale-while-revalidate); 0s never. Never for must-revalidate, proxy-revalidate, s-maxage or no-cache.
    pub(in crate::config) while_revalidate: Period,
    /// When the app fails (stale-if-error); 0s never. The same exceptions.
    pub(in crate::config) if_error: Period,
    /// While one fetch renews it after a soft purge; 0s never. The same exceptions.
    pub(in crate::config) after_soft_purge: Period,
}

/// Fetching answers anew before they expire.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RefreshAhead {
    #[serde(skip)]
    pub(in crate::config) on: bool,
    /// From this part of the lifetime on.
    pub(in crate::config) at: Ratio,
    /// Only answers that were given from the cache at least so often.
    #[serde(deserialize_with = "whole_number")]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) min_hits: u64,
}

/// Bounds on the tags of an answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Tags {
    /// Their number.
    #[schemars(range(min = 1, max = 10_000))]
    #[serde(deserialize_with = "whole_number")]
    pub(in crate::config) max: u64,
    /// Their length, all together.
    pub(in crate::config) max_bytes: Size,
}

/// The memory tier.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Memory {
    /// How much memory stored answers may take.
    pub(in crate::config) size: Size,
}

/// The cache key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Key {
    /// The query string's part in the key. The app always sees the query as it was sent.
    pub(in crate::config) query: Query,
    /// Answers may say with No-Vary-Search which query parameters make no difference (a draft of the IETF).
    pub(in crate::config) no_vary_search: Switch,
}

/// The query string's part in the key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Query {
    /// Treat ?a=1&b=2 and ?b=2&a=1 as the same.
    pub(in crate::config) sort: Switch,
    /// Parameters that make no difference: names, or prefixes that end in *.
    pub(in crate::config) ignore: Vec<String>,
    /// The only parameters that make a difference; instead of `ignore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) only: Option<Vec<String>>,
}

/// Rules for storing the answers of a route.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RouteCache {
    #[serde(skip)]
    pub(in crate::config) enabled: bool,
    /// Freshness of answers that say nothing themselves, instead of `cache.default_ttl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) ttl: Option<Period>,
    /// Tags for purging, next to those the app sends; {name} is filled from the path.
    pub(in crate::config) tags: Vec<String>,
}
