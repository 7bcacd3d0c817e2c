//! Which requests the cache may be asked about (RFC 9111 §4, §5.2.1).

use http::header::{HeaderName, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderValue, Method};

use super::Request;
use crate::cache::{Authorization, Rule, Safety, Settings, UnkeyedHeaders};
use crate::headers::cache_control::CacheControl;
use crate::reason::Reason;

/// Whether the cache may be looked into, and filled, for this request.
///
/// # Errors
/// Why the request goes past the cache.
pub fn lookup(request: &Request<'_>, settings: &Settings, rule: &Rule) -> Result<(), Reason> {
    lookup_with(request, settings, rule, &mut Err)
}

/// As [`lookup`], with every reason in the order in which they count: `deny` hears of each until it
/// gives one back.
///
/// # Errors
/// What `deny` gives back.
pub fn lookup_with<E>(
    request: &Request<'_>,
    settings: &Settings,
    rule: &Rule,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    if !settings.enabled {
        deny(Reason::CacheOff)?;
    }
    if !rule.enabled {
        deny(Reason::RouteCacheOff)?;
    }
    // RFC 9111 §2: the key holds no method; HEAD may be answered from a GET (RFC 9110 §9.3.2).
    if request.method != Method::GET && request.method != Method::HEAD {
        deny(Reason::Method)?;
    }
    if request.has_body {
        deny(Reason::RequestBody)?;
    }
    for (name, value) in request.headers {
        if let Some(reason) = barrier(name, value, &settings.safety) {
            deny(reason)?;
        }
    }
    let cache_control = CacheControl::from_headers(request.headers);
    if cache_control.malformed {
        deny(Reason::RequestMalformed)?;
    }
    if cache_control.no_store {
        deny(Reason::RequestNoStore)?; // RFC 9111 §5.2.1.5
    }
    Ok(())
}

/// Whether the app's answer to the request as the client sent it may fill the cache.
///
/// # Errors
/// Why not: the answer may be a refusal ([`Reason::RequestConditional`]) or a part
/// ([`Reason::RequestRange`]). `If-Range` alone means nothing (RFC 9110 §13.1.5).
pub fn fills(request: &Request<'_>) -> Result<(), Reason> {
    fills_with(request, &mut Err)
}

/// As [`fills`], with every reason, as [`lookup_with`] tells them.
///
/// # Errors
/// What `deny` gives back.
pub fn fills_with<E>(
    request: &Request<'_>,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    let has = |name: HeaderName| request.headers.contains_key(name);
    if has(IF_MATCH) || has(IF_UNMODIFIED_SINCE) {
        deny(Reason::RequestConditional)?;
    }
    match has(RANGE) {
        true => deny(Reason::RequestRange),
        false => Ok(()),
    }
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

/// Why a single request field keeps the request from the cache.
pub(crate) fn barrier(name: &HeaderName, value: &HeaderValue, safety: &Safety) -> Option<Reason> {
    match name.as_str() {
        // RFC 9111 §3.5 says which answers may be shared; `storable` and `reuse` hold it.
        "authorization" => {
            let never = safety.authorization == Authorization::Never;
            never.then_some(Reason::AuthorizationNever)
        }
        // Where the app sees it, GET may be a write, which has to happen each time.
        "x-http-method-override" | "x-http-method" | "x-method-override" => {
            let seen = safety.unkeyed_headers != UnkeyedHeaders::Drop;
            seen.then_some(Reason::UnkeyedHeader)
        }
        "proxy-authorization" => Some(Reason::AuthorizationNever),
        // The same in other words: API keys, and identities added by gateways in front. No section
        // says when these may be shared.
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
        "content-length" => (value.as_bytes().trim_ascii() != b"0").then_some(Reason::RequestBody),
        _ => None,
    }
}
