//! What the tests of the cache and of its stores share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::entry::{Entry, Fetched};
use super::freshness::Freshness;
use super::key::{Key, QueryRule};
use super::policy::Request;
use super::{Rule, Safety, Settings, Stale, tags};

/// Field names and values as tests write them.
pub(crate) type Fields = &'static [(&'static str, &'static str)];

/// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 §5.6.7.
pub(crate) const NOW_SECONDS: u64 = 784_111_777;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_SECONDS)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
        out.append(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a field value"),
        );
    }
    out
}

pub(crate) fn get(headers: &HeaderMap) -> Request<'_> {
    Request {
        method: &Method::GET,
        headers,
        has_body: false,
        scheme: "http",
        host: "example.com",
    }
}

/// Nothing beyond what the response says itself.
pub(crate) fn settings() -> Settings {
    Settings {
        enabled: true,
        default_ttl: Duration::ZERO,
        max_ttl: secs(86_400),
        status_ttl: Vec::new(),
        stale: Stale {
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            after_soft_purge: Duration::ZERO,
        },
        heuristic: None,
        ttl_jitter: 0.0,
        collapse_wait: Duration::ZERO,
        refresh_ahead: None,
        object_bytes_max: 1024,
        memory_bytes: 64 << 20,
        query: QueryRule::default(),
        no_vary_search: false,
        control_headers: vec![
            HeaderName::from_static("vestibule-cache-control"),
            HeaderName::from_static("surrogate-control"),
        ],
        tags: tags::Settings::default(),
        safety: Safety::default(),
        vary: Default::default(),
        invalidation: Default::default(),
    }
}

pub(crate) fn rule() -> Rule {
    Rule {
        enabled: true,
        ..Rule::default()
    }
}

pub(crate) fn key(path: &str) -> Key {
    Key::new("http", "example.com", path, None, &QueryRule::default())
}

/// A 200 that arrived at [`now`] with a lifetime of a minute.
pub(crate) fn entry(key: &Key, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Entry {
    let fetched = Fetched {
        status: StatusCode::OK,
        headers: &headers(fields),
        body: body.into(),
        freshness: Freshness {
            lifetime: secs(60),
            ..Freshness::default()
        },
        received_at: now(),
        sequence: 0,
        tags: Vec::new(),
        selecting: Box::default(),
    };
    Entry::new(key, fetched)
}

/// Repeatable pseudo-random numbers (Knuth's MMIX constants).
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}
