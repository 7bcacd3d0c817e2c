//! What the configuration says to the cache, as a whole and for the matched route.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::key::QueryRule;
use super::{invalidate, tags, vary};

/// What the `cache` section of the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `cache.enabled`.
    pub enabled: bool,
    /// Lifetime of an answer that says nothing about its freshness; zero: not stored. Counts for
    /// the statuses in [`DEFAULT_TTL_STATUSES`](super::policy::DEFAULT_TTL_STATUSES).
    pub default_ttl: Duration,
    /// No answer is fresh for longer than this after its arrival, nor usable while stale for longer
    /// than this by its own words.
    pub max_ttl: Duration,
    /// Lifetime by status, instead of [`Settings::default_ttl`] and [`Rule::ttl`]; zero: not stored.
    pub status_ttl: Vec<(StatusRule, Duration)>,
    /// How long a stale answer serves when it says nothing about that itself.
    pub stale: Stale,
    /// The part of its age at arrival for which an answer without an expiry stays fresh
    /// (RFC 9111 §4.2.2); `None`: off. 0.1 is the usual tenth.
    pub heuristic: Option<f64>,
    /// The largest part of a lifetime that is cut off, more or less by key, so that what was fetched
    /// together does not expire together. From 0 to 1.
    pub ttl_jitter: f64,
    /// Which answers are fetched anew before they expire; `None`: none.
    pub refresh_ahead: Option<RefreshAhead>,
    /// How long a request waits for the head of another one's fetch; zero: as long as that takes.
    pub collapse_wait: Duration,
    /// Largest body that is stored, in bytes.
    pub object_bytes_max: u64,
    /// Size of the memory tier, in bytes.
    pub memory_bytes: u64,
    /// How URLs become keys.
    pub query: QueryRule,
    /// Whether `No-Vary-Search` counts ([`search`](super::search)).
    pub no_vary_search: bool,
    /// The target list of RFC 9213 §2.2, the most specific field first.
    pub control_headers: Vec<HeaderName>,
    /// Which fields hold tags, and how many tags there may be.
    pub tags: tags::Settings,
    /// What keeps answers of one user from another.
    pub safety: Safety,
    /// Which answers may vary by what.
    pub vary: vary::Settings,
    /// What the answers to unsafe methods end.
    pub invalidation: invalidate::Settings,
}

/// What the matched route says about caching.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// `routes[].cache`.
    pub enabled: bool,
    /// Lifetime of an answer that says nothing about its freshness; instead of
    /// [`Settings::default_ttl`].
    pub ttl: Option<Duration>,
    /// Instead of [`Safety::request_cookies`].
    pub request_cookies: Option<RequestCookies>,
    /// Request fields on which the answers depend, besides those that their `Vary` names.
    pub vary: Arc<[HeaderName]>,
    /// Tags for what is stored, already expanded for this request.
    pub tags: Vec<String>,
}

impl Settings {
    /// What holds for requests with cookies on the matched route.
    #[must_use]
    pub fn request_cookies<'a>(&'a self, rule: &'a Rule) -> &'a RequestCookies {
        rule.request_cookies
            .as_ref()
            .unwrap_or(&self.safety.request_cookies)
    }

    /// The lifetime that `status_ttl` gives to a status. A single status counts before its class,
    /// wherever they stand.
    #[must_use]
    pub fn status_ttl(&self, status: StatusCode) -> Option<Duration> {
        let rules = || self.status_ttl.iter();
        let code = rules().find(|(rule, _)| *rule == StatusRule::Code(status));
        let class = || rules().find(|(rule, _)| rule.matches(status));
        code.or_else(class).map(|(_, ttl)| *ttl)
    }
}

/// The statuses that an entry of `status_ttl` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRule {
    /// One status, such as `404`.
    Code(StatusCode),
    /// All that begin with this digit, such as `5xx`.
    Class(u8),
}

impl StatusRule {
    /// Whether it is for this status.
    #[must_use]
    pub fn matches(self, status: StatusCode) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(digit) => status.as_u16() / 100 == u16::from(digit),
        }
    }
}

/// How long a stale answer may still serve when it says nothing about that itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// While a fetch refreshes it (RFC 5861 §3).
    pub while_revalidate: Duration,
    /// When the app fails (RFC 5861 §4).
    pub if_error: Duration,
    /// While a fetch refreshes it after a soft purge, counted from the end of its freshness.
    pub after_soft_purge: Duration,
}

/// `cache.refresh_ahead`: answers that are asked for often are fetched anew in the background before
/// they expire, so that nobody waits for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefreshAhead {
    /// From this part of the lifetime on. Between 0 and 1.
    pub at: f64,
    /// Only answers that were given at least so often since they were stored.
    pub hits_min: u32,
}

impl RefreshAhead {
    /// Whether it is time, at this age of a lifetime, for an answer that was given so often.
    #[must_use]
    pub fn is_due(&self, age: Duration, lifetime: Duration, hits: u32) -> bool {
        hits >= self.hits_min && age >= lifetime.mul_f64(self.at.clamp(0.0, 1.0))
    }
}

impl Default for Stale {
    fn default() -> Self {
        Self {
            while_revalidate: Duration::from_secs(10),
            if_error: Duration::from_secs(10 * 60),
            after_soft_purge: Duration::from_secs(60 * 60),
        }
    }
}

/// `cache.safety`: what keeps answers of one user from another. The defaults are the safe ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Safety {
    /// Requests with `Authorization`.
    pub authorization: Authorization,
    /// Requests with `Cookie`.
    pub request_cookies: RequestCookies,
    /// Answers with `Set-Cookie`.
    pub set_cookie: SetCookie,
    /// Requests with fields that may change the answer and are no part of the key.
    pub unkeyed_headers: UnkeyedHeaders,
}

/// What becomes of requests with `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorization {
    /// They are stored and answered only where the answer allows it (RFC 9111 §3.5).
    #[default]
    Rfc9111,
    /// They go past the cache.
    Never,
}

/// What becomes of requests with cookies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequestCookies {
    /// They are stored and answered only where the answer says that it is for everybody.
    #[default]
    Bypass,
    /// As if they had none.
    Ignore,
    /// These are part of the key, and any other counts as with [`RequestCookies::Bypass`].
    Allow(Vec<String>),
}

/// What becomes of answers with `Set-Cookie`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetCookie {
    /// They are not stored.
    #[default]
    Bypass,
    /// They are stored without the cookie, which only the one gets who asked first.
    Strip,
}

/// What becomes of fields that may change the answer and are no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnkeyedHeaders {
    /// The app does not see them, so that they cannot change the answer.
    #[default]
    Drop,
    /// They join the key. Where one names another method, the request goes past the cache.
    Key,
    /// The app sees them, and its answer is shared all the same, unless one names another method.
    Pass,
}

#[cfg(test)]
mod tests {
    use super::StatusRule;
    use crate::cache::Settings;
    use crate::cache::testing::{secs, settings};
    use http::StatusCode;

    #[test]
    fn a_single_status_counts_before_its_class() {
        let settings = Settings {
            status_ttl: vec![
                (StatusRule::Class(5), secs(1)),
                (StatusRule::Code(StatusCode::SERVICE_UNAVAILABLE), secs(2)),
                (StatusRule::Code(StatusCode::NOT_FOUND), secs(3)),
            ],
            ..settings()
        };
        let cases = [
            (500, Some(1)),
            (503, Some(2)),
            (599, Some(1)),
            (404, Some(3)),
            (410, None),
            (200, None),
        ];
        for (status, expected) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(settings.status_ttl(status), expected.map(secs), "{status}");
        }
    }
}
