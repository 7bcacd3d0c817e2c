//! Answers: the fields that every one carries, and whole answers from the cache.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::{is_http11_or_later, policy_request};
use super::coded;
use super::compression::{self, Verdict};
use super::ctx::Ctx;
use super::upstream::via;
use crate::cache::conditional::{in_not_modified, not_modified};
use crate::cache::entry::Entry;
use crate::cache::key::Key;

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
    sign(shared, session, response, ctx)
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

/// `Via`, the correlation id and `Cache-Status`.
pub(super) fn label(response: &mut ResponseHeader, ctx: &Ctx) -> Result<()> {
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

/// Answers from a fresh entry: whole, or 304 when the client has it already (RFC 9110 §13).
pub(super) async fn from_cache(
    shared: &Shared,
    session: &mut Session,
    ctx: &Ctx,
    key: &Key,
    entry: Arc<Entry>,
    age: Duration,
) -> Result<()> {
    let mut response = head(&entry, age)?;
    if not_modified(&entry, &policy_request(session, ctx)) {
        if let Verdict::Code(_) | Verdict::Identity = verdict(session, &response, &entry, ctx) {
            compression::vary(&mut response)?;
        }
        for name in entry.headers.keys().filter(|name| !in_not_modified(name)) {
            response.remove_header(name);
        }
        response.set_status(StatusCode::NOT_MODIFIED)?;
        sign(shared, session, &mut response, ctx)?;
        return session
            .write_response_header(Box::new(response), true)
            .await;
    }
    whole(shared, session, ctx, key, &entry, response).await
}

/// Writes a stored body behind its head, in the coding for this client.
pub(super) async fn whole(
    shared: &Shared,
    session: &mut Session,
    ctx: &Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    mut response: ResponseHeader,
) -> Result<()> {
    let body = body(shared, session, &mut response, ctx, key, entry).await?;
    response.remove_header(&header::TRANSFER_ENCODING);
    // RFC 9110 §8.6: not in a 204.
    if entry.status != StatusCode::NO_CONTENT {
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    sign(shared, session, &mut response, ctx)?;
    let head_only = session.req_header().method == Method::HEAD || body.is_empty();
    session
        .write_response_header(Box::new(response), head_only)
        .await?;
    if !head_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
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
