//! How long a response is fresh and how old it already is (RFC 9111 §4.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AGE, DATE, EXPIRES, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::headers::cache_control::{CacheControl, Delta, delta_seconds};
use crate::reason::Reason;

/// The two numbers fixed when a response arrives; its age at any later moment follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// `freshness_lifetime` (RFC 9111 §4.2.1), cut so that at most `max_ttl` of it is left on arrival.
    pub lifetime: Duration,
    /// `corrected_initial_age` (RFC 9111 §4.2.3) at the moment when the head arrived.
    pub initial_age: Duration,
    /// The response itself said nothing: the lifetime is a rule's, and holds as long as the rule does.
    pub by_rule: bool,
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
) -> Result<Option<Duration>, Reason> {
    for directive in [cache_control.s_maxage, cache_control.max_age] {
        match directive {
            Delta::Seconds(_) => return Ok(directive.duration()),
            Delta::Invalid => return Err(Reason::InvalidFreshness),
            Delta::Absent => {}
        }
    }
    let Some(expires) = single(headers, &EXPIRES)? else {
        return Ok(None);
    };
    // §5.3: an invalid date, "0" above all, stands for a time in the past.
    let Some(expires) = http_date(expires) else {
        return Ok(Some(Duration::ZERO));
    };
    let date = date(headers)?.unwrap_or(now);
    Ok(Some(expires.duration_since(date).unwrap_or(Duration::ZERO)))
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
    // Dates have whole seconds. Cutting `now` as well keeps a response that crossed the turn of a
    // second from counting as up to one second older than it is.
    let apparent = date(headers)?.map_or(0, |date| seconds(now).saturating_sub(seconds(date)));
    let corrected = Duration::from_secs(age_value(headers).into()).saturating_add(delay);
    Ok(corrected.max(Duration::from_secs(apparent)))
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
fn date(headers: &HeaderMap) -> Result<Option<SystemTime>, Reason> {
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

/// An HTTP date in any of the three formats (RFC 9110 §5.6.7).
pub(crate) fn http_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim_ascii()).ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests;
