//! Answers: the fields that every one carries, and whole answers from the cache.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::{is_http11_or_later, policy_request};
use super::coded;
use super::compression::{self, Verdict};
use super::ctx::Ctx;
use super::upstream::via;
use crate::cache::conditional::{self, Precondition, in_not_modified};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::range::{self, RangeAnswer};
use crate::cache::{Rule, vary};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Dresses an answer that comes from the app.
pub(super) fn dress(
    shared: &Shared,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &Ctx,
) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    // The version on the wire is that of our own hop, whatever the app speaks (RFC 9112 §2.3).
    response.set_version(Version::HTTP_11);
    if !is_http11_or_later(session.req_header()) {
        // An HTTP/1.0 client knows no chunks: its body ends with the connection (RFC 9112 §6.1).
        response.remove_header(&header::TRANSFER_ENCODING);
    }
    if let Some(admitted) = &ctx.admitted {
        vary_by_rule(response, &admitted.rule)?;
    }
    sign(shared, session, response, ctx)
}

/// Says on which request fields the answer depends by the route's rule, to this cache and to those
/// behind it.
pub(super) fn vary_by_rule(response: &mut ResponseHeader, rule: &Rule) -> Result<()> {
    match vary::lacking(&response.headers, &rule.vary) {
        Some(lacking) => response.append_header(header::VARY, lacking).map(drop),
        None => Ok(()),
    }
}

/// The fields that every answer carries, wherever it comes from.
pub(super) fn sign(
    shared: &Shared,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &Ctx,
) -> Result<()> {
    if shared.lifecycle.is_draining() {
        session.set_keepalive(None);
    }
    label(response, ctx)
}

/// The app's `Date`, `Via`, the correlation id and `Cache-Status`; no tags.
pub(super) fn label(response: &mut ResponseHeader, ctx: &Ctx) -> Result<()> {
    if let Some(next) = &ctx.date {
        next.set(response.headers.get(header::DATE));
    }
    let tags = &ctx.snapshot.cache.tags;
    // They are for the cache that purges by them. Stored heads keep them for that.
    if tags.strip && ctx.may_cache() {
        for field in &tags.fields {
            response.remove_header(field);
        }
    }
    response.append_header(header::VIA, via(Version::HTTP_11))?;
    let observability = &ctx.snapshot.observability;
    if let Some(admitted) = &ctx.admitted {
        let id = observability.request_id.header.clone();
        response.insert_header(id, admitted.request_id.clone())?;
    }
    if observability.cache_status {
        response.append_header(CACHE_STATUS, ctx.outcome.header_value())?;
    }
    Ok(())
}

/// Answers with a stored answer of this age.
pub(super) async fn from_cache(
    shared: &Shared,
    session: &mut Session,
    ctx: &Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    age: Duration,
) -> Result<()> {
    let head = head(entry, age)?;
    stored(shared, session, ctx, key, entry, head).await
}

/// Answers with a stored body behind its head: whole or in part, or with 304 or 412 where the
/// request's conditions say so (RFC 9110 §13.2.2).
pub(super) async fn stored(
    shared: &Shared,
    session: &mut Session,
    ctx: &Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    mut response: ResponseHeader,
) -> Result<()> {
    let request = policy_request(session, ctx);
    let parts = match conditional::evaluate(entry, &request) {
        Precondition::Holds => range::satisfy(entry, &request),
        Precondition::NotModified => {
            vary_if_coded(session, &mut response, entry, ctx)?;
            return unmodified(shared, session, response, ctx).await;
        }
        Precondition::Failed => {
            let status = StatusCode::PRECONDITION_FAILED;
            return refuse(shared, session, status, None, ctx).await;
        }
    };
    let pieces = match parts {
        RangeAnswer::Whole => vec![body(shared, session, &mut response, ctx, key, entry).await?],
        RangeAnswer::Unsatisfiable => {
            let length = range::unsatisfied(entry.body.len());
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return refuse(shared, session, status, Some(length), ctx).await;
        }
        RangeAnswer::Part(part) => {
            vary_if_coded(session, &mut response, entry, ctx)?;
            let range = range::content_range(&part, entry.body.len());
            response.insert_header(header::CONTENT_RANGE, range)?;
            response.set_status(StatusCode::PARTIAL_CONTENT)?;
            vec![entry.body.slice(part)]
        }
        RangeAnswer::Parts(parts) => {
            vary_if_coded(session, &mut response, entry, ctx)?;
            let boundary = format!("{:032x}", shared.metrics.fresh_id()());
            let kind = entry.headers.get(header::CONTENT_TYPE);
            let parts = range::multipart(&entry.body, &parts, kind, &boundary);
            response.insert_header(header::CONTENT_TYPE, parts.content_type)?;
            response.set_status(StatusCode::PARTIAL_CONTENT)?;
            parts.pieces
        }
    };
    write(shared, session, response, pieces, ctx).await
}

/// Writes a head and the pieces of its body.
async fn write(
    shared: &Shared,
    session: &mut Session,
    mut response: ResponseHeader,
    pieces: Vec<Bytes>,
    ctx: &Ctx,
) -> Result<()> {
    let length: usize = pieces.iter().map(Bytes::len).sum();
    response.remove_header(&header::TRANSFER_ENCODING);
    // RFC 9110 §8.6: not in a 204.
    if response.status != StatusCode::NO_CONTENT {
        response.insert_header(header::CONTENT_LENGTH, length)?;
    }
    sign(shared, session, &mut response, ctx)?;
    let head_only = session.req_header().method == Method::HEAD || length == 0;
    session
        .write_response_header(Box::new(response), head_only)
        .await?;
    if head_only {
        return Ok(());
    }
    let last = pieces.len() - 1;
    for (at, piece) in pieces.into_iter().enumerate() {
        session.write_response_body(Some(piece), at == last).await?;
    }
    Ok(())
}

/// Turns an answer into a 304: the client has it already (RFC 9110 §15.4.5).
pub(super) async fn unmodified(
    shared: &Shared,
    session: &mut Session,
    mut response: ResponseHeader,
    ctx: &Ctx,
) -> Result<()> {
    let names: Vec<_> = response.headers.keys().cloned().collect();
    for name in names.iter().filter(|name| !in_not_modified(name)) {
        response.remove_header(name);
    }
    bodiless(shared, session, response, StatusCode::NOT_MODIFIED, ctx).await
}

/// Writes an answer that has no body by its nature.
async fn bodiless(
    shared: &Shared,
    session: &mut Session,
    mut response: ResponseHeader,
    status: StatusCode,
    ctx: &Ctx,
) -> Result<()> {
    response.set_status(status)?;
    sign(shared, session, &mut response, ctx)?;
    session
        .write_response_header(Box::new(response), true)
        .await
}

/// Tells the client that what is stored is not what it asks for.
async fn refuse(
    shared: &Shared,
    session: &mut Session,
    status: StatusCode,
    length: Option<HeaderValue>,
    ctx: &Ctx,
) -> Result<()> {
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_LENGTH, 0)?;
    if let Some(length) = length {
        response.insert_header(header::CONTENT_RANGE, length)?;
    }
    bodiless(shared, session, response, status, ctx).await
}

/// An answer whose body other clients would get coded says so, even when it has none or not all.
fn vary_if_coded(
    session: &Session,
    response: &mut ResponseHeader,
    entry: &Entry,
    ctx: &Ctx,
) -> Result<()> {
    match verdict(session, response, entry, ctx) {
        Verdict::Code(_) | Verdict::Identity => compression::vary(response),
        Verdict::Leave(_) => Ok(()),
    }
}

/// The stored head with its present age.
fn head(entry: &Entry, age: Duration) -> Result<ResponseHeader> {
    let mut response = ResponseHeader::build(entry.status, Some(entry.headers.len() + 8))?;
    for (name, value) in &entry.headers {
        response.append_header(name, value)?;
    }
    response.insert_header(header::AGE, age.as_secs())?;
    Ok(response)
}

fn verdict(session: &Session, response: &ResponseHeader, entry: &Entry, ctx: &Ctx) -> Verdict {
    compression::decide(session, response, Some(entry.body.len() as u64), ctx)
}

/// The entry's body in the coding for this client; the coding is made once and kept.
async fn body(
    shared: &Shared,
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &Ctx,
    key: &Key,
    entry: &Arc<Entry>,
) -> Result<Bytes> {
    match verdict(session, response, entry, ctx) {
        Verdict::Leave(_) => Ok(entry.body.clone()),
        Verdict::Identity => {
            compression::vary(response)?;
            Ok(entry.body.clone())
        }
        Verdict::Code(coding) => match coded::body(shared, ctx, key, entry, coding).await {
            Some(body) => {
                compression::mark(response, coding)?;
                Ok(body)
            }
            None => {
                compression::vary(response)?;
                Ok(entry.body.clone())
            }
        },
    }
}
