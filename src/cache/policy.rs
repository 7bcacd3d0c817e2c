//! Whether the cache may be asked about a request and whether it may store the answer
//! (RFC 9111 §3), and the reason where not.
//!
//! Conditions and ranges keep no request from the cache: on a hit
//! [`conditional`](super::conditional) and [`range`](super::range) judge them. On a miss they go to
//! the app unchanged. A 304 that comes back is passed on and not stored, since its status is not;
//! what answers `Range`, `If-Match` and the like is not stored either ([`fills`]).

use std::time::{Duration, SystemTime};

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, COOKIE, IF_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE, SET_COOKIE, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::entry::explicitly_shared;
use super::freshness::{self, Freshness};
use super::{Rule, Settings, vary};
use crate::headers::cache_control::{CacheControl, pragma_no_cache};
use crate::reason::Reason;

/// What the cache needs to know of a request, as the client sent it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The head.
    pub headers: &'a HeaderMap,
    /// It has a body, or may have one.
    pub has_body: bool,
    /// The scheme that the key is made of.
    pub scheme: &'a str,
    /// The host that the key is made of.
    pub host: &'a str,
}

/// What the cache needs to know of the app's answer.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: StatusCode,
    /// The head, before anything is removed from it.
    pub headers: &'a HeaderMap,
    /// The end of the body can be told from a broken connection: it has a length, is chunked, or
    /// came over HTTP/2.
    pub framed: bool,
}

/// Whether the cache may be looked into, and filled, for this request.
///
/// # Errors
/// Why the request goes past the cache.
pub fn lookup(request: &Request<'_>, settings: &Settings, rule: &Rule) -> Result<(), Reason> {
    if !settings.enabled {
        return Err(Reason::CacheOff);
    }
    if !rule.enabled {
        return Err(Reason::RouteCacheOff);
    }
    // RFC 9111 §2: the key holds no method; HEAD may be answered from a GET (RFC 9110 §9.3.2).
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reason::Method);
    }
    if request.has_body {
        return Err(Reason::RequestBody);
    }
    for (name, value) in request.headers {
        if let Some(reason) = barrier(request, name, value) {
            return Err(reason);
        }
    }
    let cache_control = CacheControl::from_headers(request.headers);
    if cache_control.malformed {
        return Err(Reason::RequestMalformed);
    }
    if cache_control.no_store {
        return Err(Reason::RequestNoStore); // RFC 9111 §5.2.1.5
    }
    Ok(())
}

/// Whether the app's answer to the request may fill the cache, where the cache has none.
///
/// # Errors
/// Why the request goes past the cache.
pub fn fills(request: &Request<'_>) -> Result<(), Reason> {
    let has = |name: HeaderName| request.headers.contains_key(name);
    // RFC 9110 §14.2 and §13.1: the answer may be a part, or a refusal.
    if has(RANGE) {
        return Err(Reason::RequestRange);
    }
    if has(IF_MATCH) || has(IF_UNMODIFIED_SINCE) || has(IF_RANGE) {
        return Err(Reason::RequestConditional);
    }
    Ok(())
}

/// Whether a request that the cache cannot answer may go to the app.
///
/// # Errors
/// [`Reason::OnlyIfCached`]: the client is to get a 504 (RFC 9111 §5.2.1.7).
pub fn forward(request: &Request<'_>) -> Result<(), Reason> {
    if CacheControl::from_headers(request.headers).only_if_cached {
        return Err(Reason::OnlyIfCached);
    }
    Ok(())
}

/// The lifetime of an answer that says nothing about it; zero: none.
#[must_use]
pub fn fallback(settings: &Settings, rule: &Rule) -> Duration {
    rule.ttl.unwrap_or(settings.default_ttl)
}

/// Whether the app's answer may be stored, and its freshness if so. `now` is when its head arrived,
/// `delay` how long after sending the request that was (RFC 9111 §4.2.3).
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
    let headers = response.headers;
    let cache_control = CacheControl::from_headers(headers);
    whole(request, response, settings)?;
    permitted(request, headers, &cache_control)?;
    vary::judge(headers, &settings.vary)?;

    let explicit = freshness::lifetime(&cache_control, headers, now)?;
    let fallback = fallback(settings, rule);
    let lifetime = match explicit {
        Some(lifetime) => lifetime,
        // A rule never overrides `no-store`, not even one that `must-understand` suspends.
        None if cache_control.no_store => return Err(Reason::NoStore),
        None if fallback.is_zero() => return Err(Reason::NoFreshness),
        None => fallback,
    };
    let initial_age = freshness::initial_age(headers, now, delay)?;
    let fresh = Freshness {
        lifetime,
        initial_age,
        by_rule: explicit.is_none(),
    }
    .capped(settings.max_ttl);
    if fresh.remaining(Duration::ZERO).is_zero() {
        return Err(Reason::AlreadyStale); // RFC 9111 §4.2
    }
    Ok(fresh)
}

/// The response is a whole representation in the form that the key stands for.
fn whole(
    request: &Request<'_>,
    response: &Response<'_>,
    settings: &Settings,
) -> Result<(), Reason> {
    let Response {
        status,
        headers,
        framed,
    } = *response;
    if request.method != Method::GET {
        return Err(Reason::HeadRequest);
    }
    // RFC 9111 §3.3: ranges are not put together in this cache.
    if status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE) {
        return Err(Reason::PartialContent);
    }
    // RFC 9111 §3: only final responses whose status this cache understands.
    let understood = [
        StatusCode::OK,
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::NOT_FOUND,
    ];
    if !understood.contains(&status) {
        return Err(Reason::Status);
    }
    if !framed {
        return Err(Reason::Unframed);
    }
    // RFC 9110 §8.4. A transfer coding that is not undone here (RFC 9112 §6.1) counts alike.
    let plain = |field: HeaderName, allowed: &[u8]| {
        let mut codings = headers.get_all(field).into_iter().flat_map(members);
        codings.all(|coding| coding.eq_ignore_ascii_case(allowed))
    };
    if !plain(CONTENT_ENCODING, b"identity") || !plain(TRANSFER_ENCODING, b"chunked") {
        return Err(Reason::ContentEncoding);
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.trim().parse().ok());
    if length.is_some_and(|length: u64| length > settings.object_bytes_max) {
        return Err(Reason::TooLarge);
    }
    Ok(())
}

/// Nothing says that the response is meant for one user or for one use.
fn permitted(
    request: &Request<'_>,
    headers: &HeaderMap,
    cache_control: &CacheControl,
) -> Result<(), Reason> {
    if cache_control.malformed {
        return Err(Reason::MalformedCacheControl);
    }
    // RFC 9111 §5.2.2.3: a cache that knows what the status demands, and every status that comes
    // this far is known, ignores the `no-store` beside a `must-understand`.
    if cache_control.no_store && !cache_control.must_understand {
        return Err(Reason::NoStore);
    }
    // §5.2.2.7 and §5.2.2.4, with or without field names: a response with some of its fields taken
    // out, or asked about before each use, is not something this cache can make yet.
    if cache_control.private.is_some() {
        return Err(Reason::Private);
    }
    // §5.4 gives `Pragma` no meaning in responses, yet whoever sends it means just this.
    if cache_control.no_cache.is_some() || pragma_no_cache(headers) {
        return Err(Reason::NoCache);
    }
    // RFC 9111 §7.3 leaves this to the cache. Handing a session to a stranger is the worst answer.
    if headers.contains_key(SET_COOKIE) || headers.contains_key("set-cookie2") {
        return Err(Reason::SetCookie);
    }
    if request.headers.contains_key(COOKIE) && !explicitly_shared(cache_control) {
        return Err(Reason::RequestCookie);
    }
    Ok(())
}

/// Why a single request field keeps the request from the cache.
fn barrier(request: &Request<'_>, name: &HeaderName, value: &HeaderValue) -> Option<Reason> {
    let is = |expected: &str| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(expected.as_bytes())
    };
    let unkeyed = |harmless: bool| (!harmless).then_some(Reason::UnkeyedHeader);
    match name.as_str() {
        // RFC 9111 §3.5.
        "authorization" | "proxy-authorization" => Some(Reason::Authorization),
        // The same in other words: API keys, and identities added by gateways in front.
        "x-api-key"
        | "api-key"
        | "apikey"
        | "x-auth-token"
        | "x-access-token"
        | "x-session-token"
        | "x-session-id"
        | "x-amz-security-token"
        | "x-amzn-oidc-data"
        | "x-amzn-oidc-identity"
        | "x-goog-iap-jwt-assertion"
        | "cf-access-jwt-assertion"
        | "x-ms-client-principal"
        | "x-forwarded-user"
        | "x-forwarded-email"
        | "x-forwarded-access-token"
        | "x-auth-request-user"
        | "x-auth-request-email"
        | "x-auth-request-access-token"
        | "x-remote-user"
        | "remote-user"
        | "x-user-id"
        | "x-authenticated-user"
        | "x-client-cert"
        | "x-ssl-client-cert"
        | "x-forwarded-client-cert"
        | "client-cert" => Some(Reason::CredentialHeader),
        // RFC 9110 §7.8. `Connection: upgrade` alone asks for nothing.
        "upgrade" | "sec-websocket-key" => Some(Reason::Upgrade),
        // RFC 9112 §6.3: where the head announces a body, `has_body` may be wrong but not the head.
        "transfer-encoding" => Some(Reason::RequestBody),
        "content-length" => (!is("0")).then_some(Reason::RequestBody),
        // Fields by which frameworks replace the method, the URL or the host, all outside the key.
        "x-http-method-override"
        | "x-http-method"
        | "x-method-override"
        | "x-original-url"
        | "x-rewrite-url"
        | "x-http-destinationurl"
        | "x-original-host"
        | "x-real-host"
        | "x-host"
        | "x-forwarded-server"
        | "x-forwarded-prefix"
        | "x-forwarded-path"
        | "x-forwarded-uri"
        | "x-script-name" => unkeyed(false),
        // Balancers add these to every request; where they repeat the key they change nothing.
        "x-forwarded-host" => unkeyed(is(request.host)),
        "x-forwarded-proto" | "x-forwarded-scheme" | "x-forwarded-protocol" | "x-url-scheme" => {
            unkeyed(is(request.scheme))
        }
        "x-forwarded-ssl" | "front-end-https" | "x-arr-ssl" => {
            unkeyed(is("on") == (request.scheme == "https"))
        }
        "x-forwarded-port" => unkeyed(is(port(request))),
        // RFC 7239: only the addresses are harmless.
        "forwarded" => {
            let text = value.as_bytes().to_ascii_lowercase();
            let names = |word: &[u8]| text.windows(word.len()).any(|w| w == word);
            unkeyed(!names(b"host") && !names(b"proto"))
        }
        _ => None,
    }
}

/// The port of the URL that the key stands for.
fn port<'a>(request: &Request<'a>) -> &'a str {
    match request.host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => port,
        _ if request.scheme == "https" => "443",
        _ => "80",
    }
}

/// The members of a comma-separated list, without empty ones (RFC 9110 §5.6.1).
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes()
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|m| !m.is_empty())
}

#[cfg(test)]
mod tests;
