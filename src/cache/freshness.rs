//! How long a response is fresh and how old it already is (RFC 9111 §4.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AGE, DATE, EXPIRES, HeaderName, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use crate::headers::cache_control::{CacheControl, Delta, delta_seconds};
use crate::headers::date::http_date;
use crate::reason::Reason;

/// A heuristic never makes an answer fresh for longer: §4.2.2 asks to be careful from a day on.
pub const HEURISTIC_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What was decided when a response arrived; its age, and how it may be used, follow from it at any
/// later moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// `freshness_lifetime` (RFC 9111 §4.2.1), cut so that at most `max_ttl` of it is left on arrival.
    pub lifetime: Duration,
    /// `corrected_initial_age` (RFC 9111 §4.2.3) at the moment when the head arrived.
    pub initial_age: Duration,
    /// The terms of which that was made, for whoever asks how.
    pub arrival: Arrival,
    /// The response itself said nothing: the lifetime is a rule's, and holds as long as the rule does.
    pub by_rule: bool,
    /// For how long after its lifetime it may serve while a fetch refreshes it (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// For how long after its lifetime it may serve when the app fails (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// For how long after its lifetime it may serve while a fetch refreshes it after a soft purge.
    pub stale_after_soft_purge: Duration,
    /// Once stale it must not be used without asking the app: `must-revalidate`, `proxy-revalidate` or
    /// `s-maxage` (RFC 9111 §4.2.4).
    pub must_revalidate: bool,
    /// The app is to be asked before each use (RFC 9111 §5.2.2.4).
    pub no_cache: bool,
    /// To whom it may be given.
    pub audience: Audience,
}

/// What cannot be read from the stored head any more: the terms of `corrected_initial_age` besides
/// `Date` (RFC 9111 §4.2.3). Small, because every entry carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// `age_value`, in seconds.
    pub age_value: u32,
    /// `response_delay`, in milliseconds.
    pub delay_ms: u32,
}

/// To whom a stored response may be given, and which concessions let it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audience {
    /// It says `public` or `s-maxage`: requests with cookies may have it too.
    pub everybody: bool,
    /// It also answers requests with `Authorization` (RFC 9111 §3.5).
    pub authorized: bool,
    /// Its request carried cookies, and only `request_cookies: ignore` let it in.
    pub despite_cookies: bool,
    /// It set a cookie, and only `set_cookie: strip` let it in.
    pub despite_set_cookie: bool,
}

/// Where a lifetime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `s-maxage` (RFC 9111 §5.2.2.10).
    SMaxage,
    /// `max-age` (§5.2.2.1).
    MaxAge,
    /// `Expires` (§5.3).
    Expires,
    /// `cache.status_ttl`.
    StatusTtl,
    /// `routes[].cache.ttl`.
    RouteTtl,
    /// `cache.heuristic` (§4.2.2).
    Heuristic,
    /// `cache.default_ttl`.
    DefaultTtl,
}

/// A `freshness_lifetime` and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long.
    pub length: Duration,
    /// Says who.
    pub source: Source,
}

impl Source {
    /// The response says nothing; the configuration does.
    #[must_use]
    pub const fn is_rule(self) -> bool {
        !matches!(self, Self::SMaxage | Self::MaxAge | Self::Expires)
    }
}

impl Freshness {
    /// `current_age` after `resident` in the cache (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, resident: Duration) -> Duration {
        self.initial_age.saturating_add(resident)
    }

    /// How much freshness is left after `resident` in the cache; zero: stale (RFC 9111 §4.2).
    #[must_use]
    pub fn remaining(&self, resident: Duration) -> Duration {
        self.lifetime.saturating_sub(self.age(resident))
    }

    /// Cuts the lifetime so that no more than `max` is left on arrival. Counted from the arrival and
    /// not from the origin's `Date`, so that a cap never makes a fresh response stale.
    #[must_use]
    pub fn capped(self, max: Duration) -> Self {
        let lifetime = self.lifetime.min(self.initial_age.saturating_add(max));
        Self { lifetime, ..self }
    }

    /// Cuts up to `ratio` off what is left on arrival, more or less by the hash of the key. The same
    /// key always loses the same part, and nothing becomes fresh for longer than it may.
    #[must_use]
    pub fn jittered(self, ratio: f64, hash: u128) -> Self {
        // 32 bits of a good hash are as even as any others.
        let even = f64::from((hash >> 32) as u32) / f64::from(u32::MAX);
        let cut = part(self.remaining(Duration::ZERO), ratio * even);
        let lifetime = self.lifetime.saturating_sub(cut);
        Self { lifetime, ..self }
    }
}

/// The explicit `freshness_lifetime` for a shared cache (RFC 9111 §4.2.1): `s-maxage`, else
/// `max-age`, else `Expires` minus `Date`. `None`: the response says nothing about it.
///
/// # Errors
/// [`Reason::InvalidFreshness`] when the governing value is invalid or given twice with different
/// values; §4.2.1 encourages taking that as stale.
pub fn lifetime(
    cache_control: &CacheControl,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<Option<Lifetime>, Reason> {
    let directives = [
        (cache_control.s_maxage, Source::SMaxage),
        (cache_control.max_age, Source::MaxAge),
    ];
    for (directive, source) in directives {
        match (directive, directive.duration()) {
            (Delta::Absent, _) => {}
            (_, Some(length)) => return Ok(Some(Lifetime { length, source })),
            (_, None) => return Err(Reason::InvalidFreshness),
        }
    }
    // A targeted field takes the place of `Expires` too (RFC 9213 §2.2).
    if cache_control.target.is_some() {
        return Ok(None);
    }
    let Some(expires) = single(headers, &EXPIRES)? else {
        return Ok(None);
    };
    // §5.3: an invalid date, "0" above all, stands for a time in the past.
    let length = match http_date(expires) {
        Some(expires) => {
            let date = date(headers)?.unwrap_or(now);
            expires.duration_since(date).unwrap_or(Duration::ZERO)
        }
        None => Duration::ZERO,
    };
    Ok(Some(Lifetime {
        length,
        source: Source::Expires,
    }))
}

/// The heuristic lifetime (RFC 9111 §4.2.2): a part of the time between `Last-Modified` and `Date`.
/// Only for responses without an explicit one. Zero when nothing follows from the fields.
#[must_use]
pub fn heuristic(headers: &HeaderMap, ratio: f64, now: SystemTime) -> Duration {
    let modified = single(headers, &LAST_MODIFIED).ok().flatten();
    let (Some(modified), Ok(date)) = (modified.and_then(http_date), date(headers)) else {
        return Duration::ZERO;
    };
    let unchanged = date.unwrap_or(now).duration_since(modified);
    part(unchanged.unwrap_or(Duration::ZERO), ratio).min(HEURISTIC_MAX)
}

/// `corrected_initial_age` (RFC 9111 §4.2.3). `now` is `response_time`, the arrival of the head;
/// `delay` is `response_delay`, the time since the request was sent.
///
/// # Errors
/// [`Reason::InvalidFreshness`] when two `Date` fields disagree.
pub fn initial_age(
    headers: &HeaderMap,
    now: SystemTime,
    delay: Duration,
) -> Result<Duration, Reason> {
    let apparent = date(headers)?.map_or(Duration::ZERO, |date| apparent_age(date, now));
    let corrected = Duration::from_secs(age_value(headers).into()).saturating_add(delay);
    Ok(corrected.max(apparent))
}

/// `apparent_age` of a response with this `Date` that arrived at `now` (RFC 9111 §4.2.3).
#[must_use]
pub fn apparent_age(date: SystemTime, now: SystemTime) -> Duration {
    // Dates have whole seconds. Cutting `now` as well keeps a response that crossed the turn of a
    // second from counting as up to one second older than it is.
    Duration::from_secs(seconds(now).saturating_sub(seconds(date)))
}

/// The other terms of [`initial_age`].
#[must_use]
pub fn arrival(headers: &HeaderMap, delay: Duration) -> Arrival {
    let to_the_nearest = delay.saturating_add(Duration::from_micros(500));
    Arrival {
        age_value: age_value(headers),
        delay_ms: u32::try_from(to_the_nearest.as_millis()).unwrap_or(u32::MAX),
    }
}

/// `age_value`: the first member of `Age`, taken as absent when it is no number (RFC 9111 §5.1).
fn age_value(headers: &HeaderMap) -> u32 {
    let Some(value) = headers.get(AGE) else {
        return 0;
    };
    let first = value
        .as_bytes()
        .split(|b| *b == b',')
        .next()
        .unwrap_or_default();
    delta_seconds(first.trim_ascii()).unwrap_or(0)
}

/// The valid `Date`; a missing or unreadable one gives `None`, for which the time of arrival stands
/// (RFC 9110 §6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Result<Option<SystemTime>, Reason> {
    Ok(single(headers, &DATE)?.and_then(http_date))
}

/// The value of a field that may occur once. Repeated with the same value is harmless.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Reason> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.any(|other| Some(other) != first) {
        return Err(Reason::InvalidFreshness);
    }
    Ok(first)
}

/// A part of a duration, never more than the whole; none of it for a ratio that is not a number.
fn part(whole: Duration, ratio: f64) -> Duration {
    let ratio = if ratio.is_nan() {
        0.0
    } else {
        ratio.clamp(0.0, 1.0)
    };
    let part = Duration::try_from_secs_f64(whole.as_secs_f64() * ratio);
    part.map_or(Duration::ZERO, |part| part.min(whole))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests;
