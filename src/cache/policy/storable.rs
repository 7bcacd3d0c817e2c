//! Which responses may be stored (RFC 9111 §3), and how they may be used then.

use std::time::{Duration, SystemTime};

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, ETAG, LAST_MODIFIED, SET_COOKIE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::statuses::{is_error, is_known, is_understood};
use super::ttl::fallback;
use super::{Request, Response, fills, has_unkeyed_cookies, lookup};
use crate::cache::freshness::{self, Audience, Freshness, Lifetime};
use crate::cache::{RequestCookies, Rule, SetCookie, Settings, vary};
use crate::headers::cache_control::{CacheControl, Delta, pragma_no_cache};
use crate::headers::date::http_date;
use crate::reason::Reason;

/// Whether the app's answer may be stored, and how it may be used if so. `now` is when its head
/// arrived, `delay` how long after sending the request that was (RFC 9111 §4.2.3).
///
/// An answer that is stale on arrival, or of which the app is to be asked before each use, is
/// stored when it can be validated (§4.3) and says in so many words that it may be stored.
///
/// # Errors
/// Why it is not stored.
pub fn storable(
    request: &Request<'_>,
    response: &Response<'_>,
    settings: &Settings,
    rule: &Rule,
    now: SystemTime,
    delay: Duration,
) -> Result<Freshness, Reason> {
    lookup(request, settings, rule)?;
    fills(request)?;
    let judged = judge(request, response, settings, rule, now, delay, &mut Err)?;
    Ok(judged.freshness)
}

/// What was found out about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// How it may be used, should it be stored.
    pub freshness: Freshness,
    /// The lifetime before `max_ttl` cut it; `None`: it has none.
    pub lifetime: Option<Lifetime>,
}

/// What the answer's own head has to say in [`storable`], with every reason against storing it in
/// the order in which they count: `deny` hears of each until it gives one back.
///
/// # Errors
/// What `deny` gives back.
pub fn judge<E>(
    request: &Request<'_>,
    response: &Response<'_>,
    settings: &Settings,
    rule: &Rule,
    now: SystemTime,
    delay: Duration,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<Judged, E> {
    let headers = response.headers;
    let directives = CacheControl::governing(headers, &settings.control_headers);
    whole(request, response, settings, deny)?;
    permitted(response, &directives, deny)?;
    let audience = audience(request, response, &directives, settings, rule, deny)?;
    vary::judge_with(headers, &settings.vary, deny)?;

    // §5.4 gives `Pragma` no meaning in responses, yet whoever sends it means just this.
    let pragma = directives.target.is_none() && pragma_no_cache(headers);
    let no_cache = directives.no_cache.is_some() || pragma;
    let explicit = freshness::lifetime(&directives, headers, now);
    let lifetime = match explicit {
        Ok(None) if !no_cache => by_rule(response, &directives, settings, rule, now, deny)?,
        Ok(explicit) => explicit,
        Err(reason) => deny(reason).map(|()| None)?,
    };
    let initial_age = freshness::initial_age(headers, now, delay);
    let fresh = Freshness {
        lifetime: lifetime.map_or(Duration::ZERO, |lifetime| lifetime.length),
        initial_age: initial_age.or_else(|reason| deny(reason).map(|()| Duration::ZERO))?,
        arrival: freshness::arrival(headers, delay),
        by_rule: lifetime.is_some_and(|lifetime| lifetime.source.is_rule()),
        must_revalidate: directives.forbids_stale(),
        no_cache,
        audience,
        ..Freshness::default()
    };
    let mut fresh = fresh.capped(settings.max_ttl);
    if lifetime.is_some() {
        fresh = with_stale_windows(fresh, response.status, &directives, settings);
    }
    // Of what is invalid nobody can say whether it would be of use.
    if explicit.is_ok() && initial_age.is_ok() {
        useful(&fresh, lifetime, &directives, headers, deny)?;
    }
    Ok(Judged {
        freshness: fresh,
        lifetime,
    })
}

/// The response is a whole representation in the form that the key stands for.
fn whole<E>(
    request: &Request<'_>,
    response: &Response<'_>,
    settings: &Settings,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    let Response {
        status,
        headers,
        framed,
        any_coding,
    } = *response;
    if request.method != Method::GET {
        deny(Reason::HeadRequest)?;
    }
    // RFC 9111 §3.3: ranges are not put together in this cache. Elsewhere than in a 206 or a 416,
    // `Content-Range` means nothing (RFC 9110 §14.4).
    let part = matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
    );
    if part {
        deny(Reason::PartialContent)?;
    }
    if !is_understood(status) && !part {
        deny(Reason::Status)?;
    }
    // RFC 9112 §6.3: the end of a 204 is that of its head.
    if !framed && status != StatusCode::NO_CONTENT {
        deny(Reason::Unframed)?;
    }
    // RFC 9110 §8.4: a coding that was chosen for one client is not for all. A transfer coding that
    // is not undone here (RFC 9112 §6.1) is for none.
    let plain = |field: HeaderName, allowed: &[u8]| {
        let mut codings = headers.get_all(field).into_iter().flat_map(members);
        codings.all(|coding| coding.eq_ignore_ascii_case(allowed))
    };
    if !(any_coding || plain(CONTENT_ENCODING, b"identity"))
        || !plain(TRANSFER_ENCODING, b"chunked")
    {
        deny(Reason::ContentEncoding)?;
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.trim().parse().ok());
    if length.is_some_and(|length: u64| length > settings.object_bytes_max) {
        deny(Reason::TooLarge)?;
    }
    Ok(())
}

/// The response does not say that it must not be stored by a shared cache.
fn permitted<E>(
    response: &Response<'_>,
    directives: &CacheControl,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    if directives.malformed {
        deny(Reason::MalformedCacheControl)?;
    }
    // RFC 9111 §5.2.2.3: whoever does not know the status must not store it, whatever else is said;
    // whoever does ignores the `no-store` beside it.
    if directives.must_understand && !is_known(response.status) {
        deny(Reason::Status)?;
    }
    if directives.no_store && !directives.must_understand {
        deny(Reason::NoStore)?;
    }
    // §5.2.2.7. With field names only those are private; a response with some of its fields taken
    // out is nothing that its origin ever sent, so it is not stored either.
    if directives.private.is_some() {
        deny(Reason::Private)?;
    }
    Ok(())
}

/// To whom the response may be given besides a request like this one without credentials and cookies.
fn audience<E>(
    request: &Request<'_>,
    response: &Response<'_>,
    directives: &CacheControl,
    settings: &Settings,
    rule: &Rule,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<Audience, E> {
    let headers = response.headers;
    let everybody = directives.is_for_everybody();
    // RFC 9111 §7.3 leaves this to the cache. Handing a session to a stranger is the worst answer.
    // Nobody acts on `Set-Cookie2` any more (RFC 6265 §9.4).
    let sets_cookie = headers.contains_key(SET_COOKIE);
    if sets_cookie && settings.safety.set_cookie == SetCookie::Bypass {
        deny(Reason::SetCookie)?;
    }
    let cookies = settings.request_cookies(rule);
    if has_unkeyed_cookies(request.headers, cookies) && !everybody {
        deny(Reason::RequestCookie)?;
    }
    // §3.5.
    let authorized = directives.is_for_authorized();
    if request.headers.contains_key(AUTHORIZATION) && !authorized {
        deny(Reason::Authorization)?;
    }
    let ignored = *cookies == RequestCookies::Ignore && request.headers.contains_key(COOKIE);
    Ok(Audience {
        everybody,
        authorized,
        despite_cookies: ignored && !everybody,
        despite_set_cookie: sets_cookie,
    })
}

/// The lifetime by rule for a response that gives itself none.
fn by_rule<E>(
    response: &Response<'_>,
    directives: &CacheControl,
    settings: &Settings,
    rule: &Rule,
    now: SystemTime,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<Option<Lifetime>, E> {
    // A rule never overrides `no-store`, not even one that `must-understand` suspends.
    if directives.no_store {
        deny(Reason::NoStore)?;
    }
    // Nor what `Cache-Control` forbids beside a targeted field that says nothing of a lifetime:
    // `Surrogate-Control: content="ESI/1.0"` is no word about caching.
    if directives.target.is_some() {
        let general = CacheControl::from_headers(response.headers);
        permitted(response, &general, deny)?;
        if general.no_cache.is_some() {
            deny(Reason::NoCache)?;
        }
    }
    let (status, headers) = (response.status, response.headers);
    let public = directives.public;
    Ok(fallback(settings, rule, status, headers, public, now))
}

/// How long it may serve while stale: what it says itself, else what the configuration says, and
/// then only if it was fresh once (RFC 5861; RFC 9111 §4.2.4). An error comes to nobody's rescue, and
/// should not be seen for longer than it says.
fn with_stale_windows(
    fresh: Freshness,
    status: StatusCode,
    said: &CacheControl,
    settings: &Settings,
) -> Freshness {
    if fresh.must_revalidate || fresh.no_cache {
        return fresh;
    }
    let by_default = !fresh.remaining(Duration::ZERO).is_zero() && !is_error(status);
    let window = |said: Delta, default: Duration| match said {
        Delta::Seconds(_) => said.duration().unwrap_or_default().min(settings.max_ttl),
        Delta::Absent if by_default => default,
        Delta::Absent | Delta::Invalid => Duration::ZERO,
    };
    Freshness {
        stale_while_revalidate: window(
            said.stale_while_revalidate,
            settings.stale.while_revalidate,
        ),
        stale_if_error: window(said.stale_if_error, settings.stale.if_error),
        stale_after_soft_purge: match by_default {
            true => settings.stale.after_soft_purge,
            false => Duration::ZERO,
        },
        ..fresh
    }
}

/// It can be used: as it is, or after asking the app whether it still holds.
fn useful<E>(
    fresh: &Freshness,
    lifetime: Option<Lifetime>,
    directives: &CacheControl,
    headers: &HeaderMap,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    let left = !fresh.remaining(Duration::ZERO).is_zero();
    let serves_stale = !fresh.stale_while_revalidate.is_zero() || !fresh.stale_if_error.is_zero();
    if !fresh.no_cache && (left || serves_stale) {
        return Ok(());
    }
    // §3: only what says in so many words that it may be stored is kept for validation alone.
    let said = lifetime.is_some_and(|lifetime| !lifetime.source.is_rule())
        || fresh.no_cache
        || directives.public;
    match lifetime {
        _ if said && has_validator(headers) => Ok(()),
        _ if fresh.no_cache => deny(Reason::NoCache),
        None => deny(Reason::NoFreshness),
        Some(_) => deny(Reason::AlreadyStale), // RFC 9111 §4.2
    }
}

/// Something by which the app can tell whether the stored response still holds (RFC 9110 §8.8).
fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || headers.get(LAST_MODIFIED).and_then(http_date).is_some()
}

/// The members of a comma-separated list, without empty ones (RFC 9110 §5.6.1).
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes()
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|m| !m.is_empty())
}
