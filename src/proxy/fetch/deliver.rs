//! An answer on its way to one client: from a flight, shared or not.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::oneshot;

use super::Shared;
use super::exchange::Exchange;
use super::flight::{Answer, Ended, Failure, Head, Piece, Reader};
use crate::cache::conditional::{in_not_modified, not_modified};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::reuse::{Rescue, Reuse, is_error, on_error};
use crate::cache::status::Outcome;
use crate::proxy::admit::{content_length, is_http11_or_later, judge, policy_request, terms};
use crate::proxy::compression::Verdict;
use crate::proxy::ctx::Ctx;
use crate::proxy::{compression, respond, upstream};
use crate::reason::Reason;

/// A body up to this length is waited for and coded whole, once for all who want it coded.
const WAIT_TO_CODE_BYTES_MAX: u64 = 256 * 1024;

/// Answers the client whose request began the fetch.
pub(super) async fn lead(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    reader: Reader,
    mut exchange: oneshot::Receiver<Exchange>,
) -> Result<bool> {
    match head(session, ctx, &reader).await? {
        Head::Shared(answer) => {
            share(shared, session, ctx, &reader, &answer, true).await?;
            Ok(true)
        }
        Head::Unshared(_) => match exchange.try_recv() {
            Ok(exchange) => {
                drop(reader);
                let status = exchange.response.status;
                if is_error(status) && rescue(shared, session, ctx, key, Some(status)).await? {
                    return Ok(true);
                }
                pass_on(shared, session, ctx, exchange).await?;
                Ok(true)
            }
            Err(_) => Ok(false),
        },
        Head::Failed(failure) => fail(shared, session, ctx, key, failure).await,
    }
}

/// Answers a client that found the fetch under way.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    reader: Reader,
) -> Result<bool> {
    match head(session, ctx, &reader).await? {
        Head::Shared(answer) if suits(shared, session, ctx, &answer) => {
            share(shared, session, ctx, &reader, &answer, false).await?;
            Ok(true)
        }
        Head::Unshared(Some(status)) if is_error(status) => {
            rescue(shared, session, ctx, key, Some(status)).await
        }
        Head::Shared(_) | Head::Unshared(_) => Ok(false),
        Head::Failed(failure) => fail(shared, session, ctx, key, failure).await,
    }
}

/// The app failed: a stored answer is given although it is stale, where that is allowed (RFC 5861
/// §4). `false`: there is none.
async fn rescue(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    status: Option<StatusCode>,
) -> Result<bool> {
    let Some(entry) = shared.memory.get(key) else {
        return Ok(false);
    };
    let rescue = terms(shared, ctx, &entry).and_then(|terms| {
        let request = policy_request(session, ctx);
        on_error(&entry, &request, &terms, SystemTime::now())
    });
    let Some(Rescue { age, over }) = rescue else {
        return Ok(false);
    };
    ctx.outcome = Outcome::Rescued {
        ttl: i64::try_from(over.as_secs()).map_or(i64::MIN, |over| -over),
        found: ctx.outcome.reason().unwrap_or(Reason::Expired),
        fwd_status: status.map(|status| status.as_u16()),
        collapsed: false,
    };
    respond::from_cache(shared, session, ctx, key, entry, age).await?;
    Ok(true)
}

/// Waits for the head of the answer, as long as the client does.
async fn head(session: &mut Session, ctx: &mut Ctx, reader: &Reader) -> Result<Head> {
    tokio::select! {
        biased;
        head = reader.head() => Ok(head),
        error = gone(session, ctx) => Err(error),
    }
}

/// Resolves when the client has left, or sends what it may not.
async fn gone(session: &mut Session, ctx: &mut Ctx) -> Box<Error> {
    match session.downstream_session.read_body_or_idle(true).await {
        Err(e) => e.into_down(),
        Ok(_) => {
            ctx.failure = Some(Reason::BadRequest);
            Error::explain(ErrorType::HTTPStatus(400), "more than the request")
        }
    }
}

/// Whether this client may have what another one asked for.
fn suits(shared: &Shared, session: &Session, ctx: &Ctx, answer: &Answer) -> bool {
    let verdict = judge(shared, session, ctx, &answer.entry, SystemTime::now());
    matches!(verdict, Reuse::Serve { .. })
}

/// Gives this client a shared answer.
async fn share(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    reader: &Reader,
    answer: &Answer,
    leads: bool,
) -> Result<()> {
    if let Outcome::Miss { stored, .. } = &mut ctx.outcome {
        *stored = true;
    }
    let response = answer.response.clone();
    if not_modified(&answer.entry, &policy_request(session, ctx)) {
        return unmodified(shared, session, ctx, response).await;
    }
    let length = content_length(&response.headers);
    if length.is_none() && !is_http11_or_later(session.req_header()) {
        // Such a client knows the end of a body only by its length: it waits for it.
        match reader.end().await {
            Ended::Complete => {
                if let Some(entry) = find(shared, answer) {
                    return respond::whole(shared, session, ctx, &answer.key, &entry, response)
                        .await;
                }
            }
            Ended::Broken => {
                ctx.failure = Some(Reason::UpstreamClosed);
                return Err(Error::new(ErrorType::HTTPStatus(502)).into_up());
            }
            Ended::Windowed => {}
        }
    }
    if let Verdict::Code(_) = compression::decide(session, &response, length, ctx) {
        // A coder each would cost megabytes for every client that waits.
        let small = length.is_some_and(|length| length <= WAIT_TO_CODE_BYTES_MAX);
        if small && let Some(entry) = stored(shared, reader, answer).await {
            return respond::whole(shared, session, ctx, &answer.key, &entry, response).await;
        }
        ctx.identity_only = !leads;
    }
    stream(shared, session, ctx, reader, response).await
}

/// Waits for the end of the body and finds the answer in the store, where its coded bodies are made
/// once for all.
async fn stored(shared: &Shared, reader: &Reader, answer: &Answer) -> Option<Arc<Entry>> {
    reader.end().await;
    find(shared, answer)
}

/// The answer as it was stored.
fn find(shared: &Shared, answer: &Answer) -> Option<Arc<Entry>> {
    let stored = shared.memory.get(&answer.key)?;
    (stored.stored_at == answer.entry.stored_at).then_some(stored)
}

/// Streams a shared body to this client as it grows.
async fn stream(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    reader: &Reader,
    mut response: ResponseHeader,
) -> Result<()> {
    let head_only = begin(shared, session, ctx, &mut response).await?;
    if head_only {
        return Ok(());
    }
    loop {
        let piece = tokio::select! {
            biased;
            piece = reader.next() => piece,
            // Nothing is kept for a client that will not read it.
            error = gone(session, ctx) => return Err(error),
        };
        match piece {
            Piece::Bytes(piece) => write(shared, session, ctx, Some(piece), false).await?,
            Piece::End => return write(shared, session, ctx, None, true).await,
            Piece::Broken => {
                // What was sent must not look whole (RFC 9112 §8).
                session.downstream_session.shutdown().await;
                ctx.failure = Some(Reason::UpstreamClosed);
                return Err(Error::new(ErrorType::ConnectionClosed).into_up());
            }
        }
    }
}

/// The client has what the app has just sent.
async fn unmodified(
    shared: &Shared,
    session: &mut Session,
    ctx: &Ctx,
    mut response: ResponseHeader,
) -> Result<()> {
    compression::vary_if_coded(session, &mut response, ctx)?;
    let names: Vec<_> = response.headers.keys().cloned().collect();
    for name in names.iter().filter(|name| !in_not_modified(name)) {
        response.remove_header(name);
    }
    response.set_status(StatusCode::NOT_MODIFIED)?;
    respond::dress(shared, session, &mut response, ctx)?;
    session
        .write_response_header(Box::new(response), true)
        .await
}

/// Gives the one client an answer that is not shared, as it comes.
async fn pass_on(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    exchange: Exchange,
) -> Result<()> {
    let Exchange {
        session: mut app,
        mut response,
        peer,
        why,
        first_byte,
    } = exchange;
    if let Outcome::Miss { why: reason, .. } = &mut ctx.outcome {
        *reason = Some(why);
    }
    ctx.upstream.first_byte = Some(first_byte);
    upstream::strip_response(&mut response);
    let expected = content_length(&response.headers);
    let head_only = begin(shared, session, ctx, &mut response).await?;
    let timeouts = ctx.snapshot.upstream.timeouts;
    app.set_read_timeout(Some(timeouts.between_bytes).filter(|bound| !bound.is_zero()));
    let (mut length, mut last) = (0, None);
    while let Some(piece) = app.read_response_body().await.map_err(Error::into_up)? {
        length += piece.len() as u64;
        if expected == Some(length) {
            last = Some(piece);
        } else {
            write(shared, session, ctx, Some(piece), false).await?;
        }
    }
    // Before the client sees the end, so that its next request finds the connection idle.
    let idle = upstream::idle(&ctx.snapshot.upstream);
    shared
        .fetches
        .connector
        .release_http_session(app, &peer, idle)
        .await;
    if !head_only {
        write(shared, session, ctx, last, true).await?;
    }
    Ok(())
}

/// Writes the head for this client. `true`: there is no body to follow.
async fn begin(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    response: &mut ResponseHeader,
) -> Result<bool> {
    compression::begin(shared, session, response, ctx)?;
    respond::dress(shared, session, response, ctx)?;
    let empty = response
        .headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| length == "0");
    let bodyless = matches!(
        response.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    let head_only = empty || bodyless || session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(response.clone()), head_only)
        .await?;
    Ok(head_only)
}

async fn write(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    mut piece: Option<Bytes>,
    end: bool,
) -> Result<()> {
    compression::code(shared, &mut piece, end, ctx)?;
    session.write_response_body(piece, end).await
}

/// The fetch failed, hence this request, unless something stored comes to its rescue.
async fn fail(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    failure: Failure,
) -> Result<bool> {
    if rescue(shared, session, ctx, key, None).await? {
        return Ok(true);
    }
    ctx.failure = Some(failure.reason);
    let status = ErrorType::HTTPStatus(failure.status);
    Err(Error::explain(status, failure.reason.text()).into_up())
}
