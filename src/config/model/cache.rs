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
    /// What keeps answers of one user from another. `vestibule check` names the consequence of each concession.
    pub(in crate::config) safety: Safety,
    /// What tells two requests apart.
    pub(in crate::config) key: Key,
    /// One fetch for all who ask for the same.
    pub(in crate::config) collapse: Collapse,
    /// The tier in memory.
    pub(in crate::config) memory: Memory,
    /// What writes end.
    pub(in crate::config) invalidation: Invalidation,
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

/// What keeps answers of one user from another.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Safety {
    /// Requests with Authorization. rfc9111: shared where the answer says public, s-maxage or must-revalidate. never: past the cache.
    pub(in crate::config) authorization: Authorization,
    /// Requests with cookies. bypass: shared where the answer says public or s-maxage. ignore: as if they had none. A list under `allow` joins the key; other cookies count as with bypass.
    pub(in crate::config) request_cookies: Short<RequestCookies>,
    /// Answers with Set-Cookie. bypass: not stored. strip: stored without the cookie, which only the one who asked first gets.
    pub(in crate::config) set_cookie: SetCookie,
    /// Answers that depend on request headers.
    pub(in crate::config) vary: Vary,
    /// Request headers that may change the answer and are not in the key, such as X-Forwarded-Host and X-Original-URL. drop: the app does not see them. key: they join the key. pass: the app sees them, and its answer is shared.
    pub(in crate::config) unkeyed_headers: UnkeyedHeaders,
}

/// Requests with `Authorization`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Authorization {
    #[default]
    Rfc9111,
    Never,
}

/// Requests with cookies: a word, or the cookies that join the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RequestCookies {
    #[serde(skip)]
    pub(in crate::config) ignore: bool,
    /// Cookies that join the key, instead of a word for all.
    pub(in crate::config) allow: Vec<String>,
}

/// Answers with `Set-Cookie`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum SetCookie {
    #[default]
    Bypass,
    Strip,
}

/// Answers that depend on request headers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Vary {
    /// An answer whose Vary names one of these is not stored.
    pub(in crate::config) deny: Vec<String>,
    /// Most answers that are kept for one URL; the oldest goes.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(deserialize_with = "whole_number")]
    pub(in crate::config) max_variants: u64,
    /// Which of Accept-Encoding and Accept-Language are compared by their meaning; any other header is compared as it is sent.
    pub(in crate::config) normalize: Vec<String>,
}

/// Request headers that may change the answer and are not in the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum UnkeyedHeaders {
    #[default]
    Drop,
    Key,
    Pass,
}

/// The cache key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Key {
    /// The query string's part in the key. The app always sees the query as it was sent.
    pub(in crate::config) query: Query,
    /// Answers may say with No-Vary-Search which query parameters make no difference (a draft of the IETF).
    pub(in crate::config) no_vary_search: Switch,
    /// Whether hosts are kept apart. off: one answer serves every host.
    pub(in crate::config) host: Switch,
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

/// One fetch for all who ask for the same.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Collapse {
    /// How long a request waits for the answer to somebody else's before it goes to the app on its own; 0s: as long as that takes.
    pub(in crate::config) wait: Period,
}

/// The memory tier.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Memory {
    /// How much memory stored answers may take.
    pub(in crate::config) size: Size,
}

/// What writes end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Invalidation {
    /// What a successful POST, PUT, PATCH or DELETE ends, on its own host: the URL it went to, and those in the answer's Location and Content-Location (RFC 9111 §4.4).
    pub(in crate::config) on_unsafe: Vec<OnUnsafe>,
    /// Whether Cache-Group-Invalidation in the answer to a write ends what has those Cache-Groups (RFC 9875).
    pub(in crate::config) cache_groups: Switch,
}

/// A URL that a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OnUnsafe {
    Target,
    Location,
    ContentLocation,
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
    /// Requests with cookies: bypass, ignore or {allow: [..]}, instead of `cache.safety.request_cookies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) request_cookies: Option<Short<RequestCookies>>,
    /// Request headers on which these answers depend, besides those that their Vary names.
    pub(in crate::config) vary: Vec<String>,
    /// Tags for purging, next to those the app sends; {name} is filled from the path.
    pub(in crate::config) tags: Vec<String>,
}
