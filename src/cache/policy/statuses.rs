//! Which statuses may be stored, and on which grounds.

use http::StatusCode;

/// The statuses that `default_ttl` and a route's `ttl` are for: those of
/// [`is_heuristically_cacheable`] that stand for a page somebody may want to see again, or for its
/// lasting absence.
pub const DEFAULT_TTL_STATUSES: [StatusCode; 6] = [
    StatusCode::OK,
    StatusCode::NON_AUTHORITATIVE_INFORMATION,
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::NOT_FOUND,
    StatusCode::PERMANENT_REDIRECT,
    StatusCode::GONE,
];

/// Whether a response with this status may be stored when it says for how long (RFC 9111 §3). An
/// unknown final status is treated as the first of its class (RFC 9110 §15).
#[must_use]
pub fn is_understood(status: StatusCode) -> bool {
    match status {
        // §3.3 and §4.3.4: these speak about another response.
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => false,
        // RFC 6585 §3 to §6: these must not be stored by a cache.
        StatusCode::PRECONDITION_REQUIRED
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => false,
        _ => !status.is_informational() && status.as_u16() < 600,
    }
}

/// Whether this status may be stored without an explicit lifetime (RFC 9110 §15.1; 451 by RFC 7725
/// §3).
#[must_use]
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 451 | 501
    )
}

/// Whether everything that is specified about caching this status is known here, as
/// `must-understand` demands (RFC 9111 §5.2.2.3): the final statuses of RFC 9110 §15, and 451.
#[must_use]
pub fn is_known(status: StatusCode) -> bool {
    let listed = matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 451 | 500..=505
    );
    listed && is_understood(status)
}

/// Whether a status of the app is an error for the purposes of `stale-if-error` (RFC 5861 §4).
#[must_use]
pub fn is_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
