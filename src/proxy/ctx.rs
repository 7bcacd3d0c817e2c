//! What is known about one request, from its head to its last byte.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::Shared;
use super::compression::Coder;
use super::date::NextDate;
use super::deadline::Deadline;
use super::lifecycle::InFlight;
use crate::cache::Rule;
use crate::cache::status::Outcome;
use crate::config::{Mode, Snapshot};
use crate::reason::Reason;

/// One request's context. Made when its head has been read; dropped when its last byte is out.
pub struct Ctx {
    /// The configuration that holds for the whole request.
    pub(super) snapshot: Arc<Snapshot>,
    /// When the head had been read.
    pub(super) started: Instant,
    /// Ends the connection's reads when the app takes too long; `None` on h2.
    pub(super) deadline: Option<Arc<Deadline>>,
    /// The `Date` of the next head on the connection; `None` on h2.
    pub(super) date: Option<Arc<NextDate>>,
    /// What `admit` found out.
    pub(super) admitted: Option<Admitted>,
    /// What became of the cache, for header, log and metrics.
    pub(super) outcome: Outcome,
    /// The coder of this answer's body.
    pub(super) coder: Option<Coder>,
    /// The exchange with the app.
    pub(super) upstream: UpstreamTimes,
    /// Bytes of request body seen.
    pub(super) request_bytes: u64,
    /// The body must not be coded while it streams: too many do so at the same time.
    pub(super) identity_only: bool,
    /// Whether the connection was taken over after a 101.
    pub(super) tunnelled: bool,
    /// Why the request failed, once it has.
    pub(super) failure: Option<Reason>,
    /// Ends the count of requests in flight when the context is dropped.
    _in_flight: InFlight,
}

/// What the head of a request says about it.
pub(super) struct Admitted {
    /// The name of the matched route.
    pub(super) route: Arc<str>,
    /// What the route says about caching.
    pub(super) rule: Rule,
    /// Whether the path could be taken for another route's.
    pub(super) ambiguous: bool,
    /// Whether the route allows compression.
    pub(super) compression: bool,
    /// The scheme the client used, as far as trusted proxies tell.
    pub(super) scheme: &'static str,
    /// Who asks, as far as trusted proxies tell.
    pub(super) client: IpAddr,
    /// The correlation id, kept or made.
    pub(super) request_id: HeaderValue,
    /// The purge sequence that held before the app was asked.
    pub(super) sequence: u64,
}

/// The exchange with the app, timed.
#[derive(Debug, Default)]
pub(super) struct UpstreamTimes {
    /// When the request was handed to a connection.
    pub(super) sent: Option<Instant>,
    /// How long the answer's head took.
    pub(super) first_byte: Option<Duration>,
    /// Addresses tried, for names that resolve to several.
    pub(super) attempts: usize,
    /// Addresses that are left to try.
    pub(super) untried: usize,
}

impl Ctx {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            snapshot: shared.live.full(),
            started: Instant::now(),
            deadline: None,
            date: None,
            admitted: None,
            outcome: Outcome::Bypass(Reason::CacheOff),
            coder: None,
            upstream: UpstreamTimes::default(),
            request_bytes: 0,
            identity_only: false,
            tunnelled: false,
            failure: None,
            _in_flight: shared.lifecycle.begin(),
        }
    }

    /// The scheme the client used.
    pub(super) fn scheme(&self) -> &'static str {
        self.admitted
            .as_ref()
            .map_or("http", |admitted| admitted.scheme)
    }

    /// Whether answers to some requests of this route may be stored.
    pub(super) fn may_cache(&self) -> bool {
        let on = self.snapshot.mode == Mode::On && self.snapshot.cache.enabled;
        let route = |admitted: &Admitted| admitted.rule.enabled || admitted.ambiguous;
        on && self.admitted.as_ref().is_some_and(route)
    }

    /// Sets or lifts the bound on waiting, where the connection offers one.
    pub(super) fn wait_until(&self, at: Option<Instant>) {
        if let Some(deadline) = &self.deadline {
            deadline.set(at);
        }
    }
}
