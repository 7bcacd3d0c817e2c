//! What a later message says about a stored response: a 304 (RFC 9111 §4.3.4) or an answer to HEAD
//! (§4.3.5), and how its fields update the stored ones (§3.2).
//!
//! The merged head is judged like a new one, and one that may not be stored ends the old entry as
//! well ([`freshen`]).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::conditional::own_tag;
use super::entry::{CACHE_STATUS, Entry, Fetched};
use super::key::Key;
use super::object::Object;
use super::policy::{Request, Response, storable};
use super::search::NO_VARY_SEARCH;
use super::{Rule, Settings, tags, vary};
use crate::headers::date::http_date;
use crate::headers::entity_tag::EntityTag;
use crate::headers::hop_by_hop;
use crate::reason::Reason;

/// Fields that never change without the body (§3.2): its length, its sum and its coding, and what only
/// a part of it has. `Cache-Status` tells of one answer alone, and what is said of the query
/// is part of the key.
const KEPT: [HeaderName; 6] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    CACHE_STATUS,
    NO_VARY_SEARCH,
];

/// The stored head updated by that of a 304 or of an answer to HEAD (RFC 9111 §3.2): each field of
/// the new head replaces the stored lines of its name, those of the connection (§3.1) and those that
/// describe the body aside. All other stored fields stay.
#[must_use]
pub fn head(entry: &Entry, update: &HeaderMap) -> HeaderMap {
    let mut update = update.clone();
    hop_by_hop::strip(&mut update);
    for name in &KEPT {
        update.remove(name);
    }
    let mut merged = entry.headers.clone();
    // The age of the new head counts from the new date. Without one, that is the time of arrival
    // (RFC 9110 §6.6.1), not the date of the old head.
    if update.get(DATE).and_then(http_date).is_none() {
        merged.remove(DATE);
        update.remove(DATE);
    }
    merged.remove(AGE);
    for name in update.keys() {
        merged.remove(name);
    }
    for (name, value) in &update {
        merged.append(name, value.clone());
    }
    merged
}

/// A message that speaks of a stored response: a 304 or an answer to HEAD.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Its head.
    pub headers: &'a HeaderMap,
    /// When it arrived.
    pub received_at: SystemTime,
    /// How long after the request was sent.
    pub delay: Duration,
    /// The purge sequence read before the request was sent.
    pub sequence: u64,
}

/// The stored response as the message leaves it: its body under the updated head (§3.2), with the
/// freshness, the tags and the selecting fields of a new answer to `request`.
///
/// `siblings` are those of [`vary::select`].
///
/// # Errors
/// Why the updated response may not be stored: then the old one must not stay either.
pub fn freshen(
    entry: &Entry,
    key: &Key,
    update: &Update<'_>,
    request: &Request<'_>,
    siblings: &[HeaderName],
    settings: &Settings,
    rule: &Rule,
) -> Result<Entry, Reason> {
    let mut headers = head(entry, update.headers);
    if let Some(lacking) = vary::lacking(&headers, &rule.vary) {
        headers.append(VARY, lacking);
    }
    let headers = &headers;
    let response = Response {
        status: entry.status,
        headers,
        framed: true,
        // What is stored is in the coding that it has.
        any_coding: true,
    };
    let now = update.received_at;
    let freshness = storable(request, &response, settings, rule, now, update.delay)?
        .jittered(settings.ttl_jitter, key.hash());
    let fetched = Fetched {
        status: entry.status,
        headers,
        body: entry.body.clone(),
        freshness,
        received_at: now,
        sequence: update.sequence,
        tags: tags::collect(&settings.tags, headers, &rule.tags)?,
        selecting: vary::select(headers, request.headers, siblings, &settings.vary)?,
    };
    Ok(entry.refreshed(key, fetched))
}

/// The stored variants that a 304 to this request updates (RFC 9111 §4.3.4), newest first. Empty: it
/// speaks of something that is not stored, so that the request has to be sent again without
/// conditions.
///
/// `asked` is the entry whose validators the request upstream carried. A 304 without any validator,
/// which RFC 9110 §15.4.5 forbids and apps send all the same, can only mean that one.
#[must_use]
pub fn selected(
    object: &Object,
    request: &Request<'_>,
    asked: &Arc<Entry>,
    not_modified: &HeaderMap,
) -> Vec<Arc<Entry>> {
    let candidates = || object.matching(request);
    let tag = not_modified
        .get(ETAG)
        .and_then(|value| EntityTag::parse(value.as_bytes()));
    if let Some(tag) = tag.filter(|tag| !tag.weak) {
        let same = |e: &&Arc<Entry>| own_tag(e).is_some_and(|own| own.strongly_equals(tag));
        return candidates().filter(same).cloned().collect();
    }
    let modified = not_modified.get(LAST_MODIFIED);
    if not_modified.get(ETAG).is_none() && modified.is_none() {
        let same = |e: &&Arc<Entry>| Arc::ptr_eq(e, asked);
        return candidates().filter(same).cloned().collect();
    }
    let same = |e: &&Arc<Entry>| corresponds(e, tag, modified);
    candidates().find(same).cloned().into_iter().collect()
}

/// Whether the weak validators of a 304 are those of the entry: none contradicts, and at least one
/// agrees.
fn corresponds(entry: &Entry, tag: Option<EntityTag<'_>>, modified: Option<&HeaderValue>) -> bool {
    let tags = match (own_tag(entry), tag) {
        (Some(own), Some(tag)) => Some(own.weakly_equals(tag)),
        _ => None,
    };
    let dates = match (entry.headers.get(LAST_MODIFIED), modified) {
        (Some(own), Some(modified)) => Some(same_date(own, modified)),
        _ => None,
    };
    match (tags, dates) {
        (None, None) => false,
        (tags, dates) => tags.unwrap_or(true) && dates.unwrap_or(true),
    }
}

/// What an answer to HEAD says about a stored answer to GET (RFC 9111 §4.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadVerdict {
    /// It is the same representation: update it with [`head`].
    Same,
    /// It has changed: remove it.
    Changed,
    /// Nothing in the answer tells.
    Unknown,
}

/// Compares a 200 to HEAD with a stored answer to GET that could have been chosen for the request.
///
/// An answer without any validator says nothing: §4.3.5 would let it refresh the stored one, which
/// would keep a changed page alive.
#[must_use]
pub fn by_head(entry: &Entry, head: &HeaderMap) -> HeadVerdict {
    let tag = head.get(ETAG);
    let same_tag = |value: &HeaderValue| {
        let new = EntityTag::parse(value.as_bytes());
        matches!((own_tag(entry), new), (Some(own), Some(new)) if own == new)
    };
    let modified = head.get(LAST_MODIFIED);
    let same_modified = |value| {
        let own = entry.headers.get(LAST_MODIFIED);
        own.is_some_and(|own| same_date(own, value))
    };
    // The length of a coded body says nothing about the one that is stored without a coding.
    let length = head.get(CONTENT_LENGTH);
    let length = length.filter(|_| !head.contains_key(CONTENT_ENCODING));
    let same_length = |value: &HeaderValue| {
        let length = value.to_str().ok().and_then(|v| v.trim().parse().ok());
        length == Some(entry.body.len())
    };
    let agrees = tag.is_none_or(same_tag)
        && modified.is_none_or(same_modified)
        && length.is_none_or(same_length);
    match (agrees, tag.is_some() || modified.is_some()) {
        (false, _) => HeadVerdict::Changed,
        (true, true) => HeadVerdict::Same,
        (true, false) => HeadVerdict::Unknown,
    }
}

/// Two dates of modification are equal; unreadable ones byte by byte.
fn same_date(a: &HeaderValue, b: &HeaderValue) -> bool {
    match (http_date(a), http_date(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
