//! Whether a stored response may answer a request (RFC 9111 §4).

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_RANGE, HeaderName, RANGE};

use super::entry::Entry;
pub use super::policy::is_error;
use super::policy::{self, Request, has_unkeyed_cookies};
use super::tags::Purge;
use super::{RequestCookies, Rule, SetCookie, Settings, vary};
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
    /// Give it to the client although it is stale (RFC 9111 §4.2.4).
    Stale {
        /// The value for `Age`.
        age: Duration,
        /// For how long it has been stale; zero when only a purge made it so.
        over: Duration,
        /// One fetch is to refresh it meanwhile.
        refresh: bool,
        /// What allows it.
        why: Reason,
    },
    /// Ask the app whether it still holds (§4.3). Should the app fail, [`on_error`] says whether it
    /// may be given all the same.
    Validate(Reason),
    /// It is not for this request at all. The answer of the app replaces it if that can be stored.
    Miss(Reason),
}

/// What holds for a stored response at this moment, so that a rule that was changed or taken back
/// since also ends what it let in.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The answer of the purge generations for the entry's slots and sequence.
    pub purge: Purge,
    /// The lifetime that a response without one of its own has by rule; zero: none.
    pub fallback: Duration,
    /// Whose requests with cookies may have it.
    pub request_cookies: &'a RequestCookies,
    /// Whether responses that set cookies are kept without them.
    pub set_cookie: SetCookie,
    /// Request fields on which responses depend, whatever their `Vary` says.
    pub vary: &'a [HeaderName],
}

impl<'a> Terms<'a> {
    /// What the configuration and the route of the request say about the entry.
    #[must_use]
    pub fn of(settings: &'a Settings, rule: &'a Rule, entry: &Entry, purge: Purge) -> Self {
        let (status, headers) = (entry.status, &entry.headers);
        let public = entry.freshness.audience.everybody;
        let fallback = match entry.freshness.by_rule {
            true => policy::fallback(settings, rule, status, headers, public, entry.stored_at),
            false => None,
        };
        Self {
            purge,
            fallback: fallback.map_or(Duration::ZERO, |lifetime| lifetime.length),
            request_cookies: settings.request_cookies(rule),
            set_cookie: settings.safety.set_cookie,
            vary: &rule.vary,
        }
    }
}

/// Judges a stored response for a request that [`lookup`](super::policy::lookup) let through.
#[must_use]
pub fn reuse(entry: &Entry, request: &Request<'_>, terms: &Terms<'_>, now: SystemTime) -> Reuse {
    match reuse_with(entry, request, terms, now, &mut Err) {
        Ok(verdict) | Err(verdict) => verdict,
    }
}

/// As [`reuse`], with every reason against giving the response as it is, in the order in which they
/// count: `deny` hears of each, as the verdict that it stands for, until it gives one back.
///
/// # Errors
/// What `deny` gives back.
pub fn reuse_with<E>(
    entry: &Entry,
    request: &Request<'_>,
    terms: &Terms<'_>,
    now: SystemTime,
    deny: &mut impl FnMut(Reuse) -> Result<(), E>,
) -> Result<Reuse, E> {
    not_for(entry, request, terms, &mut |why| deny(Reuse::Miss(why)))?;
    let standing = Standing::of(entry, terms, now);
    let wish = CacheControl::from_headers(request.headers);
    let validate = &mut |why| deny(Reuse::Validate(why));
    unconditional(entry, terms, validate)?;
    insists(request, &wish, &standing, validate)?;
    let Standing { age, ttl, .. } = standing;
    let verdict = match terms.purge {
        Purge::No if !ttl.is_zero() => Reuse::Serve { age, ttl },
        Purge::Invalid if !ttl.is_zero() => Reuse::Validate(Reason::Purged),
        _ => stale(entry, &wish, terms, &standing),
    };
    if let Reuse::Validate(_) = verdict {
        deny(verdict)?;
    }
    Ok(verdict)
}

/// A stale response that may be given because the app failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescue {
    /// The value for `Age` (RFC 9111 §5.1).
    pub age: Duration,
    /// For how long it has been stale; zero: it is fresh, and only the client or a soft purge wanted
    /// the app asked.
    pub over: Duration,
}

/// Whether a stored response may be given although the app was to be asked and failed
/// (RFC 5861 §4, RFC 9111 §4.2.4, §4.3.3): it did not answer, or answered with an
/// [error](is_error).
#[must_use]
pub fn on_error(
    entry: &Entry,
    request: &Request<'_>,
    terms: &Terms<'_>,
    now: SystemTime,
) -> Option<Rescue> {
    not_for(entry, request, terms, &mut Err).ok()?;
    unconditional(entry, terms, &mut Err).ok()?;
    let wish = CacheControl::from_headers(request.headers);
    // RFC 9111 §5.2.1.4: not without the app's word.
    if wants_validation(request, &wish) {
        return None;
    }
    let Standing { age, ttl, over, .. } = Standing::of(entry, terms, now);
    if !ttl.is_zero() {
        return Some(Rescue {
            age,
            over: Duration::ZERO,
        });
    }
    let freshness = &entry.freshness;
    // RFC 5861 §4: on a request it is for this request only, wider or narrower.
    let window = match (wish.stale_if_error, terms.purge) {
        (Delta::Absent, Purge::Soft) => freshness
            .stale_if_error
            .max(freshness.stale_after_soft_purge),
        (Delta::Absent, _) => freshness.stale_if_error,
        (said, _) => said.duration().unwrap_or_default(),
    };
    let over = over.filter(|over| !freshness.must_revalidate && *over < window)?;
    Some(Rescue { age, over })
}

/// Age and freshness at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `current_age` (RFC 9111 §4.2.3).
    pub age: Duration,
    /// The lifetime that counts, after rules that were changed since.
    pub lifetime: Duration,
    /// Freshness left; zero: stale.
    pub ttl: Duration,
    /// For how long it has been stale. `None`: nobody can say, because the clock went back behind its
    /// arrival, or because the rule that gave it a lifetime is gone; it must not be given stale.
    pub over: Option<Duration>,
}

impl Standing {
    /// That of an entry.
    #[must_use]
    pub fn of(entry: &Entry, terms: &Terms<'_>, now: SystemTime) -> Self {
        let freshness = &entry.freshness;
        let (lifetime, withdrawn) = match freshness.by_rule {
            true => (
                freshness.lifetime.min(terms.fallback),
                terms.fallback.is_zero(),
            ),
            false => (freshness.lifetime, false),
        };
        let resident = entry.resident(now);
        let age = freshness.age(resident.unwrap_or_default());
        Self {
            age,
            lifetime,
            ttl: match resident {
                Some(_) => lifetime.saturating_sub(age),
                None => Duration::ZERO,
            },
            over: resident
                .filter(|_| !withdrawn)
                .map(|_| age.saturating_sub(lifetime)),
        }
    }
}

/// Why the response is not for this request, fresh or not.
fn not_for<E>(
    entry: &Entry,
    request: &Request<'_>,
    terms: &Terms<'_>,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    // Some apps page by ranges in units of their own, and answer 200 with `Content-Range`.
    if entry.headers.contains_key(CONTENT_RANGE) && request.headers.contains_key(RANGE) {
        deny(Reason::RequestRange)?;
    }
    let audience = &entry.freshness.audience;
    // What was stored for a visitor without cookies may not be what one with a session would see.
    if !audience.everybody && has_unkeyed_cookies(request.headers, terms.request_cookies) {
        deny(Reason::RequestCookie)?;
    }
    if audience.despite_cookies && *terms.request_cookies != RequestCookies::Ignore {
        deny(Reason::RequestCookie)?;
    }
    if audience.despite_set_cookie && terms.set_cookie == SetCookie::Bypass {
        deny(Reason::SetCookie)?;
    }
    // It was stored before the rule named them, hence for whatever values.
    if !vary::covers(&entry.selecting, terms.vary) {
        deny(Reason::VaryMiss)?;
    }
    // The same as for cookies. RFC 9111 §3.5 asks for it only where the stored response answered a
    // request with credentials.
    if !audience.authorized && request.headers.contains_key(AUTHORIZATION) {
        deny(Reason::Authorization)?;
    }
    Ok(())
}

/// Why the app must be asked, whatever the request says.
fn unconditional<E>(
    entry: &Entry,
    terms: &Terms<'_>,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    if terms.purge == Purge::Invalid {
        deny(Reason::Purged)?;
    }
    // RFC 9111 §5.2.2.4.
    if entry.freshness.no_cache {
        deny(Reason::NoCache)?;
    }
    Ok(())
}

/// RFC 9111 §5.2.1.4 and §5.4.
fn wants_validation(request: &Request<'_>, wish: &CacheControl) -> bool {
    wish.no_cache.is_some() || pragma_no_cache(request.headers)
}

/// Why the client wants the app asked.
fn insists<E>(
    request: &Request<'_>,
    wish: &CacheControl,
    standing: &Standing,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    if wants_validation(request, wish) {
        deny(Reason::RequestNoCache)?;
    }
    // §5.2.1.1. Zero is what browsers send to have the app asked, so that even an entry of this
    // very moment is too old. An unreadable wish is taken for the strictest.
    match (wish.max_age, wish.max_age.duration()) {
        (Delta::Absent, _) => {}
        (_, Some(max)) if standing.age <= max && !max.is_zero() => {}
        _ => deny(Reason::RequestMaxAge)?,
    }
    // §5.2.1.3.
    match (wish.min_fresh, wish.min_fresh.duration()) {
        (Delta::Absent, _) => {}
        (_, Some(least)) if standing.ttl >= least => {}
        _ => deny(Reason::RequestMinFresh)?,
    }
    Ok(())
}

/// Whether a response that is stale, by time or by a soft purge, may be given (RFC 9111 §4.2.4).
fn stale(entry: &Entry, wish: &CacheControl, terms: &Terms<'_>, standing: &Standing) -> Reuse {
    let freshness = &entry.freshness;
    let by_time = standing.ttl.is_zero();
    let reason = if by_time {
        Reason::Expired
    } else {
        Reason::Purged
    };
    let (age, Some(over)) = (standing.age, standing.over) else {
        return Reuse::Validate(reason);
    };
    let serve = |refresh, why| Reuse::Stale {
        age,
        over,
        refresh,
        why,
    };
    if !by_time {
        // It keeps its own promise of freshness, so that nothing it says stands against it.
        return serve(true, Reason::StaleAfterPurge);
    }
    if freshness.must_revalidate {
        return Reuse::Validate(reason);
    }
    // RFC 9111 §5.2.1.1: who sends `max-age` alone does not want stale answers.
    let unwanted = wish.max_age.is_present() && !wish.max_stale.is_present();
    // Strictly below: a response that is stale for as long as its window is too old.
    if !unwanted && over < freshness.stale_while_revalidate {
        return serve(true, Reason::StaleWhileRevalidate);
    }
    if !unwanted && terms.purge == Purge::Soft && over < freshness.stale_after_soft_purge {
        return serve(true, Reason::StaleAfterPurge);
    }
    // §5.2.1.2: "no more than the specified number of seconds".
    match wish.max_stale.duration() {
        Some(most) if over <= most => serve(false, Reason::RequestMaxStale),
        _ => Reuse::Validate(reason),
    }
}

#[cfg(test)]
mod tests;
