//! Conditional requests against a fresh stored response (RFC 9110 §13, RFC 9111 §4.3.2).

use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::entry::Entry;
use super::freshness::http_date;
use super::policy::Request;

/// Whether the client already has what is stored, so that a 304 answers it.
#[must_use]
pub fn not_modified(entry: &Entry, request: &Request<'_>) -> bool {
    // RFC 9110 §13.2.1: preconditions count only where the answer would be a success.
    if entry.status != StatusCode::OK {
        return false;
    }
    // §13.2.2: If-None-Match, where present, decides alone.
    if request.headers.contains_key(IF_NONE_MATCH) {
        return none_match_fails(entry, request);
    }
    let get = request.method == Method::GET || request.method == Method::HEAD;
    get && not_modified_since(entry, request)
}

/// Whether a 304 carries this field of the stored head (RFC 9110 §15.4.5): those that a cache in the
/// client needs to freshen its copy.
#[must_use]
pub fn in_not_modified(name: &HeaderName) -> bool {
    [
        CACHE_CONTROL,
        CONTENT_LOCATION,
        DATE,
        ETAG,
        EXPIRES,
        LAST_MODIFIED,
        VARY,
    ]
    .contains(name)
}

/// RFC 9110 §13.1.2: `*` matches whatever is there; else any listed tag, by weak comparison.
fn none_match_fails(entry: &Entry, request: &Request<'_>) -> bool {
    let own = entry.headers.get(ETAG).and_then(|etag| {
        let (tag, rest) = entity_tag(etag.as_bytes().trim_ascii())?;
        rest.is_empty().then_some(tag)
    });
    let lines = || {
        request
            .headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .map(HeaderValue::as_bytes)
    };
    let any = lines().count() == 1 && lines().all(|line| line.trim_ascii() == b"*");
    any || own.is_some_and(|own| lines().any(|line| lists(line, own)))
}

/// Whether a list of entity tags holds `own`. What follows an unreadable member is not looked at.
fn lists(line: &[u8], own: &[u8]) -> bool {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        let Some((tag, after)) = entity_tag(rest) else {
            return false;
        };
        let after = after.trim_ascii_start();
        if !after.is_empty() && !after.starts_with(b",") {
            return false;
        }
        if tag == own {
            return true;
        }
        rest = after;
    }
}

/// Splits an entity tag off (RFC 9110 §8.8.3) and gives its opaque part with the quotes. Weak and
/// strong tags of the same opaque part are equal here (§8.8.3.2).
fn entity_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    let inside = opaque.strip_prefix(b"\"")?;
    let end = inside.iter().position(|b| *b == b'"')?;
    let valid = |b: &u8| *b == 0x21 || (*b >= 0x23 && *b != 0x7f);
    inside[..end]
        .iter()
        .all(valid)
        .then(|| opaque.split_at(end + 2))
}

/// RFC 9110 §13.1.3; without `Last-Modified` the response's `Date` stands for it (RFC 9111 §4.3.2).
fn not_modified_since(entry: &Entry, request: &Request<'_>) -> bool {
    let mut lines = request.headers.get_all(IF_MODIFIED_SINCE).iter();
    let (Some(since), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let modified = match entry.headers.get(LAST_MODIFIED) {
        Some(value) => http_date(value),
        None => entry.headers.get(DATE).and_then(http_date),
    };
    matches!((modified, http_date(since)), (Some(modified), Some(since)) if modified <= since)
}

#[cfg(test)]
mod tests;
