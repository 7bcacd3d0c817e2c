//! An answer on its way to one client: from a flight, shared or not.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::exchange::{Exchange, Handed};
use super::flight::{Answer, Ended, Failure, Head, Heard, Piece, Reader};
use super::{Fetched, Shared};
use crate::cache::conditional::not_modified;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::reuse::{Rescue, Reuse, is_error, on_error};
use crate::cache::status::Outcome;
use crate::cache::vary;
use crate::proxy::admit::{content_length, is_http11_or_later, policy_request};
use crate::proxy::compression::Verdict;
use crate::proxy::ctx::Ctx;
use crate::proxy::lookup::{judge, stored, terms};
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
    mut handed: oneshot::Receiver<Handed>,
) -> Result<Fetched> {
    let Some(head) = head(session, ctx, &reader, None).await? else {
        return Ok(Fetched::Unsuited);
    };
    match head {
        Head::Shared(answer) => {
            share(shared, session, ctx, &reader, &answer, true).await?;
        }
        Head::Validated(entry) => validated(shared, session, ctx, key, &entry, false).await?,
        Head::Unshared(_) => match handed.try_recv() {
            Ok(Handed::Exchange(exchange)) => {
                drop(reader);
                let status = exchange.asked.response.status;
                if !is_error(status) || !rescue(shared, session, ctx, key, Some(status)).await? {
                    pass_on(shared, session, ctx, *exchange).await?;
                }
            }
            Ok(Handed::Merged(response, entry, why)) => {
                ctx.outcome.goes_past(why);
                respond::stored(shared, session, ctx, key, &entry, *response).await?;
            }
            Err(_) => return Ok(Fetched::Unsuited),
        },
        Head::Failed(failure) => fail(shared, session, ctx, key, failure).await?,
    }
    Ok(Fetched::Answered)
}

/// Answers a client that found the fetch under way.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    reader: Reader,
) -> Result<Fetched> {
    let Some(head) = head(session, ctx, &reader, patience(ctx)).await? else {
        shared.metrics.decide(Reason::CollapseWait);
        ctx.outcome.goes_past(Reason::CollapseWait);
        return Ok(Fetched::Unsuited);
    };
    let answered = match head {
        Head::Shared(answer) => match suits(shared, session, ctx, key, &answer.entry) {
            Fetched::Answered => {
                share(shared, session, ctx, &reader, &answer, false).await?;
                true
            }
            unsuited => return Ok(unsuited),
        },
        Head::Validated(entry) => match suits(shared, session, ctx, key, &entry) {
            Fetched::Answered => {
                validated(shared, session, ctx, key, &entry, true).await?;
                true
            }
            unsuited => return Ok(unsuited),
        },
        Head::Unshared(Some(status)) if is_error(status) => {
            rescue(shared, session, ctx, key, Some(status)).await?
        }
        Head::Unshared(_) => false,
        Head::Failed(failure) => {
            fail(shared, session, ctx, key, failure).await?;
            true
        }
    };
    Ok(match answered {
        true => Fetched::Answered,
        false => Fetched::Unsuited,
    })
}

/// Whether this client may have what another one asked for.
fn suits(shared: &Shared, session: &Session, ctx: &Ctx, key: &Key, entry: &Entry) -> Fetched {
    if !vary::matches(&entry.selecting, &session.req_header().headers) {
        let fields = entry.selecting.iter();
        return Fetched::Again(fields.map(|field| field.name.clone()).collect());
    }
    match judge(shared, session, ctx, key, entry, SystemTime::now()) {
        Reuse::Serve { .. } => Fetched::Answered,
        _ => Fetched::Unsuited,
    }
}

/// Gives this client the stored answer of which the app has said that it still holds.
async fn validated(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    collapsed: bool,
) -> Result<()> {
    ctx.outcome = Outcome::Validated {
        found: ctx.outcome.reason().unwrap_or(Reason::Expired),
        stored: true,
        collapsed,
    };
    let age = entry.age(SystemTime::now());
    respond::from_cache(shared, session, ctx, key, entry, age).await
}

/// The app failed: a stored answer is given although it is stale, where that is allowed (RFC 5861
/// §4). `false`: there is none.
pub(super) async fn rescue(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    status: Option<StatusCode>,
) -> Result<bool> {
    let Some(entry) = stored(shared, session, ctx, key) else {
        return Ok(false);
    };
    let rescue = terms(shared, ctx, key, &entry).and_then(|terms| {
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
    respond::from_cache(shared, session, ctx, key, &entry, age).await?;
    Ok(true)
}

/// Until when this request waits for another one's fetch: so long from its own beginning, however many
/// fetches it has waited for. `None`: as long as it takes.
fn patience(ctx: &Ctx) -> Option<Instant> {
    let wait = ctx.snapshot.cache.collapse_wait;
    (!wait.is_zero()).then(|| Instant::from_std(ctx.started + wait))
}

/// Waits for the head of the answer, as long as the client does, and passes on what comes before it
/// (RFC 9110 §15.2). `None`: it has not come in time.
async fn head(
    session: &mut Session,
    ctx: &mut Ctx,
    reader: &Reader,
    until: Option<Instant>,
) -> Result<Option<Head>> {
    let mut heard = 0;
    loop {
        let next = tokio::select! {
            biased;
            next = reader.hear(heard) => next,
            error = gone(session, ctx) => return Err(error),
            () = over(until) => return Ok(None),
        };
        match next {
            Heard::Head(head) => return Ok(Some(head)),
            Heard::Interim(interim) => {
                heard += 1;
                // Who speaks HTTP/1.0 would take it for the final answer.
                if is_http11_or_later(session.req_header()) {
                    session.write_response_header(interim, false).await?;
                }
            }
        }
    }
}

async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
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

/// Gives this client a shared answer.
async fn share(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    reader: &Reader,
    answer: &Answer,
    leads: bool,
) -> Result<()> {
    if let Outcome::Miss {
        stored, collapsed, ..
    } = &mut ctx.outcome
    {
        (*stored, *collapsed) = (true, !leads);
    }
    let mut response = answer.response.clone();
    if !leads {
        // With `set_cookie: strip` the answer is shared; its cookie is for the one who asked.
        response.remove_header(&header::SET_COOKIE);
    }
    if not_modified(&answer.entry, &policy_request(session, ctx)) {
        compression::vary_if_coded(session, &mut response, ctx)?;
        return respond::unmodified(shared, session, response, ctx).await;
    }
    let length = content_length(&response.headers);
    // A part is cut from the whole. And a client of HTTP/1.0 knows the end of a body only by its
    // length.
    let needs_whole = session.req_header().headers.contains_key(header::RANGE)
        || length.is_none() && !is_http11_or_later(session.req_header());
    // A coder each would cost megabytes for every client that waits.
    let coded = matches!(
        compression::decide(session, &response, length, ctx),
        Verdict::Code(_)
    );
    let waits = coded && length.is_some_and(|length| length <= WAIT_TO_CODE_BYTES_MAX);
    if needs_whole || waits {
        match reader.end().await {
            Ended::Complete(Some(entry)) => {
                return respond::stored(shared, session, ctx, &answer.key, &entry, response).await;
            }
            Ended::Broken if needs_whole => {
                ctx.failure = Some(Reason::UpstreamClosed);
                return Err(Error::new(ErrorType::HTTPStatus(502)).into_up());
            }
            _ => {}
        }
    }
    ctx.identity_only = coded && !leads;
    stream(shared, session, ctx, reader, response).await
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

/// Gives the one client an answer that is not shared, as it comes.
async fn pass_on(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    exchange: Exchange,
) -> Result<()> {
    let Exchange { asked, why } = exchange;
    let (mut app, peer, mut response) = (asked.session, asked.peer, asked.response);
    ctx.outcome.goes_past(why);
    ctx.upstream.first_byte = Some(asked.delay);
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
) -> Result<()> {
    if rescue(shared, session, ctx, key, None).await? {
        return Ok(());
    }
    ctx.failure = Some(failure.reason);
    let status = ErrorType::HTTPStatus(failure.status);
    Err(Error::explain(status, failure.reason.text()).into_up())
}
