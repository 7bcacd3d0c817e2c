//! Lifetimes that the configuration gives to responses without one of their own.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::statuses::{DEFAULT_TTL_STATUSES, is_heuristically_cacheable};
use crate::cache::freshness::{self, Lifetime, Source};
use crate::cache::{Rule, Settings};

/// The lifetime of a response that says nothing about it; `None`: it has none. The more a rule
/// knows of the response the earlier it counts: its status, its route, its age, nothing. A zero in
/// `status_ttl` or on the route is an answer too: not stored.
///
/// `public` is what the response says (RFC 9111 §5.2.2.9), `now` stands in for a missing `Date`.
#[must_use]
pub fn fallback(
    settings: &Settings,
    rule: &Rule,
    status: StatusCode,
    headers: &HeaderMap,
    public: bool,
    now: SystemTime,
) -> Option<Lifetime> {
    let page = DEFAULT_TTL_STATUSES.contains(&status);
    let by_status = settings
        .status_ttl(status)
        .map(|ttl| (ttl, Source::StatusTtl));
    let by_route = || rule.ttl.filter(|_| page).map(|ttl| (ttl, Source::RouteTtl));
    // RFC 9111 §4.2.2.
    let guess = || {
        let ratio = settings.heuristic?;
        let allowed = public || is_heuristically_cacheable(status);
        let ttl = freshness::heuristic(headers, ratio, now);
        (allowed && !ttl.is_zero()).then_some((ttl, Source::Heuristic))
    };
    let default = || page.then_some((settings.default_ttl, Source::DefaultTtl));
    let (length, source) = by_status
        .or_else(by_route)
        .or_else(guess)
        .or_else(default)?;
    (!length.is_zero()).then_some(Lifetime { length, source })
}
