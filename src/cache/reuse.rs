//! Whether a stored response may answer a request (RFC 9111 §4).

use std::time::{Duration, SystemTime};

use http::header::COOKIE;

use super::entry::Entry;
use super::policy::Request;
use crate::headers::cache_control::{CacheControl, Delta, pragma_no_cache};
use crate::reason::Reason;

/// What to do with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Give it to the client.
    Serve {
        /// The value for `Age` (RFC 9111 §5.1).
        age: Duration,
        /// How long it stays fresh.
        ttl: Duration,
    },
    /// Ask the app; its answer replaces the stored one if it can be stored.
    Miss(Reason),
}

/// Judges a stored response for a request that [`lookup`](super::policy::lookup) let through.
/// `purged` is the answer of the purge generations for the entry's slots and sequence; `fallback` is
/// what the rules of this moment give to answers without a lifetime of their own
/// ([`fallback`](super::policy::fallback)), so that a rule that was shortened or taken back also
/// ends what it let in.
#[must_use]
pub fn reuse(
    entry: &Entry,
    request: &Request<'_>,
    purged: bool,
    fallback: Duration,
    now: SystemTime,
) -> Reuse {
    let age = entry.age(now);
    let ttl = match entry.freshness.by_rule {
        true => entry.remaining(now).min(fallback.saturating_sub(age)),
        false => entry.remaining(now),
    };
    match refused(entry, request, purged, age, ttl) {
        Some(reason) => Reuse::Miss(reason),
        None => Reuse::Serve { age, ttl },
    }
}

fn refused(
    entry: &Entry,
    request: &Request<'_>,
    purged: bool,
    age: Duration,
    ttl: Duration,
) -> Option<Reason> {
    if purged {
        return Some(Reason::Purged);
    }
    if ttl.is_zero() {
        return Some(Reason::Expired); // RFC 9111 §4.2
    }
    // What was stored for a visitor without cookies may not be what one with a session would see.
    if !entry.for_cookies && request.headers.contains_key(COOKIE) {
        return Some(Reason::RequestCookie);
    }
    let wish = CacheControl::from_headers(request.headers);
    // RFC 9111 §5.2.1.4 and §5.4.
    if wish.no_cache.is_some() || pragma_no_cache(request.headers) {
        return Some(Reason::RequestNoCache);
    }
    // §5.2.1.1. Zero is what browsers send to have the app asked, so that even an entry of this
    // very moment is too old. An unreadable wish is taken for the strictest.
    match (wish.max_age, wish.max_age.duration()) {
        (Delta::Absent, _) => {}
        (_, Some(max)) if age <= max && !max.is_zero() => {}
        _ => return Some(Reason::RequestMaxAge),
    }
    // §5.2.1.3.
    match (wish.min_fresh, wish.min_fresh.duration()) {
        (Delta::Absent, _) => {}
        (_, Some(least)) if ttl >= least => {}
        _ => return Some(Reason::RequestMinFresh),
    }
    None
}

#[cfg(test)]
mod tests;
