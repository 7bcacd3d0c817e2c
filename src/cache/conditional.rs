//! Conditional requests against a stored response that may be used (RFC 9110 §13, RFC 9111 §4.3.2),
//! and the conditions by which the app is asked about one that may not (§4.3.1).

use std::time::SystemTime;

use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::entry::Entry;
use super::policy::Request;
use crate::headers::date::http_date;
use crate::headers::entity_tag::{EntityTag, any_listed};

/// What the preconditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The request is answered as if it had none.
    Holds,
    /// The client has what is stored: 304.
    NotModified,
    /// The client wants something else than what is stored: 412.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2; `If-Range` is left to
/// [`range`](super::range).
///
/// `If-Match` and `If-Unmodified-Since` are for the origin server, which is what a gateway is to its
/// clients (§3.7); a cache in front of clients would ignore them (RFC 9111 §4.3.2).
#[must_use]
pub fn evaluate(entry: &Entry, request: &Request<'_>) -> Precondition {
    let headers = request.headers;
    // §13.2.1: preconditions count only where the answer would be a success.
    if !entry.status.is_success() {
        return Precondition::Holds;
    }
    // Steps 1 and 2.
    let wanted = match headers.contains_key(IF_MATCH) {
        true => names(headers, IF_MATCH, entry, |a, b| a.strongly_equals(b)),
        false => !modified_after(entry, headers),
    };
    if !wanted {
        return Precondition::Failed;
    }
    // Steps 3 and 4.
    let has = match headers.contains_key(IF_NONE_MATCH) {
        true => names(headers, IF_NONE_MATCH, entry, |a, b| a.weakly_equals(b)),
        false => not_modified_since(entry, request),
    };
    let get = request.method == Method::GET || request.method == Method::HEAD;
    match has {
        true if get => Precondition::NotModified,
        true => Precondition::Failed,
        false => Precondition::Holds,
    }
}

/// Whether the client already has what is stored, so that a 304 answers it.
#[must_use]
pub fn not_modified(entry: &Entry, request: &Request<'_>) -> bool {
    evaluate(entry, request) == Precondition::NotModified
}

/// The fields by which the app is asked whether a stored response is still the one
/// (RFC 9111 §4.3.1): its entity tag, and its date of modification for apps that know no tags. Empty
/// when it has neither.
#[must_use]
pub fn validators(entry: &Entry) -> Vec<(HeaderName, HeaderValue)> {
    let etag = entry.headers.get(ETAG).filter(|_| own_tag(entry).is_some());
    let modified = entry.headers.get(LAST_MODIFIED);
    let modified = modified.filter(|date| http_date(date).is_some());
    [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, modified)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.clone())))
        .collect()
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

/// The stored entity tag.
pub(super) fn own_tag(entry: &Entry) -> Option<EntityTag<'_>> {
    EntityTag::parse(entry.headers.get(ETAG)?.as_bytes())
}

/// Whether the field names the stored representation (RFC 9110 §13.1.1, §13.1.2): `*` names whatever
/// is there.
fn names(
    headers: &HeaderMap,
    field: HeaderName,
    entry: &Entry,
    equal: impl Fn(EntityTag<'_>, EntityTag<'_>) -> bool,
) -> bool {
    let own = own_tag(entry);
    let lines = || headers.get_all(&field).iter().map(HeaderValue::as_bytes);
    let any = lines().count() == 1 && lines().all(|line| line.trim_ascii() == b"*");
    any || own.is_some_and(|own| lines().any(|line| any_listed(line, |tag| equal(tag, own))))
}

/// RFC 9110 §13.1.4. Ignored when it is no date, or when the response has no date of modification.
fn modified_after(entry: &Entry, headers: &HeaderMap) -> bool {
    let asked = single_date(headers, &IF_UNMODIFIED_SINCE);
    let modified = single_date(&entry.headers, &LAST_MODIFIED);
    matches!((modified, asked), (Some(modified), Some(asked)) if modified > asked)
}

/// RFC 9110 §13.1.3; without `Last-Modified` the response's `Date` stands for it (RFC 9111 §4.3.2).
fn not_modified_since(entry: &Entry, request: &Request<'_>) -> bool {
    if request.method != Method::GET && request.method != Method::HEAD {
        return false;
    }
    let asked = single_date(request.headers, &IF_MODIFIED_SINCE);
    let modified = match entry.headers.get(LAST_MODIFIED) {
        Some(value) => http_date(value),
        None => entry.headers.get(DATE).and_then(http_date),
    };
    matches!((modified, asked), (Some(modified), Some(asked)) if modified <= asked)
}

/// The date in a field that occurs once.
pub(super) fn single_date(headers: &HeaderMap, field: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(field).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => http_date(line),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
