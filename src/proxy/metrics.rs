//! Counters of requests and decisions, and the latency windows by route.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::reason::Reason;
use crate::stats::latency::Latency;

/// Seconds; from a memory hit to a patient client.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Route names seen since the start, over all reloads, beyond which latency is kept under "other".
const ROUTES_MAX: usize = 1_000;

/// Failures of one reason are logged no more often than this.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    route: String,
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counters of requests and of decisions by reason.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<LatencyLabels, Histogram, fn() -> Histogram>,
    decisions: Family<ReasonLabel, Counter>,
    failures: Family<ReasonLabel, Counter>,
    last_failures: Mutex<HashMap<Reason, Instant>>,
    ids: Ids,
}

impl Metrics {
    /// Registers under the registry's prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            decisions: Family::default(),
            failures: Family::default(),
            last_failures: Mutex::default(),
            ids: Ids::new(),
        };
        registry.register(
            "requests",
            "Requests answered, or given up",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From the end of the request's head to the end of the answer",
            metrics.duration.clone(),
        );
        registry.register(
            "cache_decisions",
            "Why answers were not served from or stored in the cache",
            metrics.decisions.clone(),
        );
        registry.register(
            "request_failures",
            "Why requests failed",
            metrics.failures.clone(),
        );
        metrics
    }

    /// Counts why something was not cached.
    pub fn decide(&self, reason: Reason) {
        self.decisions
            .get_or_create(&ReasonLabel {
                reason: reason.code(),
            })
            .inc();
    }

    /// Counts why a request failed. `true` when it is the first of its reason within a second: an
    /// app that is down must not fill the log.
    pub fn fail(&self, reason: Reason, now: Instant) -> bool {
        self.failures
            .get_or_create(&ReasonLabel {
                reason: reason.code(),
            })
            .inc();
        let mut last = self
            .last_failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let recent = last
            .get(&reason)
            .is_some_and(|at| now.duration_since(*at) < LOG_INTERVAL);
        if !recent {
            last.insert(reason, now);
        }
        !recent
    }

    /// Counts one finished request; `status` 0 stands for no answer.
    pub fn finish(&self, done: &Done<'_>) {
        let route = done.route.to_owned();
        let labels = RequestLabels {
            route: route.clone(),
            method: fold_method(done.method),
            status: if (100..600).contains(&done.status) {
                done.status
            } else {
                0
            },
            cache: done.cache,
        };
        self.requests.get_or_create(&labels).inc();
        if let Some(took) = done.took {
            let labels = LatencyLabels {
                route,
                cache: done.cache,
            };
            self.duration
                .get_or_create(&labels)
                .observe(took.as_secs_f64());
        }
    }

    /// A correlation id that nobody can guess from another.
    pub(super) fn fresh_id(&self) -> impl FnOnce() -> u128 {
        self.ids.next()
    }
}

/// One finished request, for [`Metrics::finish`].
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// The matched route's name.
    pub route: &'a str,
    /// The request's method.
    pub method: &'a Method,
    /// The status sent; 0 when none was.
    pub status: u16,
    /// What the cache did.
    pub cache: &'static str,
    /// From head to last byte; `None` for a tunnel, whose length says nothing about latency.
    pub took: Option<Duration>,
}

/// Methods that clients make up must not make new series.
fn fold_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// Correlation ids: a counter through two keyed hashes, seeded by the system's randomness.
#[derive(Debug)]
struct Ids {
    keys: [RandomState; 2],
    count: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            count: AtomicU64::new(0),
        }
    }

    fn next(&self) -> impl FnOnce() -> u128 {
        let half = |key: &RandomState, count: u64| {
            let mut hasher = key.build_hasher();
            hasher.write_u64(count);
            u128::from(hasher.finish())
        };
        move || {
            let count = self.count.fetch_add(1, Ordering::Relaxed);
            half(&self.keys[0], count) << 64 | half(&self.keys[1], count)
        }
    }
}

/// Latency windows by route name.
#[derive(Debug)]
pub struct Routes {
    shards: usize,
    by_name: RwLock<HashMap<Arc<str>, Arc<Latency>>>,
}

impl Routes {
    /// `shards` is the number of threads that record at the same time.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            by_name: RwLock::default(),
        }
    }

    /// Records one request.
    pub fn record(&self, route: &Arc<str>, took: Duration, now: Instant) {
        let known = self
            .by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(route)
            .cloned();
        known.unwrap_or_else(|| self.add(route)).record(took, now);
    }

    fn add(&self, route: &Arc<str>) -> Arc<Latency> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let name = if by_name.len() < ROUTES_MAX {
            route.clone()
        } else {
            "other".into()
        };
        by_name
            .entry(name)
            .or_insert_with(|| Arc::new(Latency::new(self.shards)))
            .clone()
    }

    /// Every route's windows, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Arc<Latency>)> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = by_name
            .iter()
            .map(|(n, l)| (n.clone(), l.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_share_a_series() {
        for (method, expected) in [("GET", "GET"), ("PURGE", "OTHER"), ("X-1", "OTHER")] {
            let method = Method::from_bytes(method.as_bytes()).expect("a token");
            assert_eq!(fold_method(&method), expected);
        }
    }

    #[test]
    fn ids_differ() {
        let ids = Ids::new();
        let made: std::collections::HashSet<_> = (0..1000).map(|_| ids.next()()).collect();
        assert_eq!(made.len(), 1000);
    }

    #[test]
    fn routes_are_bounded() {
        let routes = Routes::new(1);
        let now = Instant::now();
        for i in 0..ROUTES_MAX + 50 {
            routes.record(&format!("route-{i}").into(), Duration::from_millis(1), now);
        }
        assert!(routes.all().len() <= ROUTES_MAX + 1);
    }
}
