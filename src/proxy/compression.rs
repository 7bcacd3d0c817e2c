//! The coding of an answer's body for this client: the decision at the head, the coder on the body.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pingora::ErrorType::InternalError;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{OrErr, Result};

use super::Shared;
use super::admit::{content_length, is_http11_or_later};
use super::ctx::Ctx;
use crate::compress::eligible::{self, eligible};
use crate::compress::encoder::Encoder;
use crate::compress::negotiate::{Coding, negotiate};
use crate::config::Mode;
use crate::reason::Reason;

/// Codes one answer's body.
pub(super) struct Coder {
    /// Gone once the end of the body has been coded.
    encoder: Option<Encoder>,
    coding: Coding,
    /// Whether each piece must be readable as soon as it arrives.
    flush: bool,
}

/// What is to be done with an answer's body.
pub(super) enum Verdict {
    /// It stays as it is, and would for any client.
    Leave(Reason),
    /// It could be coded, but this client wants none of our codings.
    Identity,
    /// It is to be coded.
    Code(Coding),
}

/// Decides whether and how a body is coded for this client.
pub(super) fn decide(
    session: &Session,
    response: &ResponseHeader,
    body_bytes: Option<u64>,
    ctx: &Ctx,
) -> Verdict {
    let settings = &ctx.snapshot.compression;
    let route = ctx
        .admitted
        .as_ref()
        .is_some_and(|admitted| admitted.compression);
    if ctx.snapshot.mode == Mode::Off || !settings.enabled || !route {
        return Verdict::Leave(Reason::CompressionOff);
    }
    if let Err(reason) = eligible(settings, response.status, &response.headers, body_bytes) {
        return Verdict::Leave(reason);
    }
    match negotiate(&session.req_header().headers, &settings.algorithms) {
        Some(coding) if !ctx.identity_only => Verdict::Code(coding),
        _ => Verdict::Identity,
    }
}

/// Begins to code an answer that comes from the app.
pub(super) fn begin(
    shared: &Shared,
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &mut Ctx,
) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    let flush = eligible::wants_flush(&response.headers);
    match decide(session, response, content_length(&response.headers), ctx) {
        Verdict::Leave(reason) => shared.compression.skipped(reason),
        Verdict::Identity => {
            shared.compression.skipped(Reason::NotAccepted);
            vary(response)?;
        }
        Verdict::Code(coding) => {
            mark(response, coding)?;
            let request = session.req_header();
            if is_http11_or_later(request) && !session.is_http2() {
                response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            // The answer to HEAD has the fields of the answer to GET (RFC 9110 §9.3.2), no body.
            if request.method != Method::HEAD {
                let encoder = Some(Encoder::new(coding, &ctx.snapshot.compression.levels));
                ctx.coder = Some(Coder {
                    encoder,
                    coding,
                    flush,
                });
            }
        }
    }
    Ok(())
}

/// Says in the head that the body is coded, and takes back what no longer holds for it.
pub(super) fn mark(response: &mut ResponseHeader, coding: Coding) -> Result<()> {
    let marks = eligible::marks(&response.headers, coding);
    for name in &marks.remove {
        response.remove_header(name);
    }
    for (name, value) in marks.set {
        response.insert_header(name, value)?;
    }
    Ok(())
}

/// Says that the answer depends on `Accept-Encoding`, also when it was left uncoded.
pub(super) fn vary(response: &mut ResponseHeader) -> Result<()> {
    let vary: Option<HeaderValue> = eligible::vary_with_accept_encoding(&response.headers);
    match vary {
        Some(vary) => response.insert_header(header::VARY, vary),
        None => Ok(()),
    }
}

/// Says in a head without a body that the body would depend on `Accept-Encoding`.
pub(super) fn vary_if_coded(
    session: &Session,
    response: &mut ResponseHeader,
    ctx: &Ctx,
) -> Result<()> {
    match decide(session, response, content_length(&response.headers), ctx) {
        Verdict::Leave(_) => Ok(()),
        Verdict::Identity | Verdict::Code(_) => vary(response),
    }
}

/// Codes one piece of the body in place.
pub(super) fn code(
    shared: &Shared,
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut Ctx,
) -> Result<()> {
    let Some(coder) = &mut ctx.coder else {
        return Ok(());
    };
    let Some(mut encoder) = coder.encoder.take() else {
        return Ok(());
    };
    let piece = body.take().unwrap_or_default();
    let mut coded = match piece.is_empty() {
        true => Bytes::new(),
        false => encoder
            .push(&piece, coder.flush && !end)
            .or_err(InternalError, CODER)?,
    };
    if end {
        coded = join(coded, encoder.finish().or_err(InternalError, CODER)?);
    } else {
        coder.encoder = Some(encoder);
    }
    shared
        .compression
        .coded(coder.coding, piece.len() as u64, coded.len() as u64);
    *body = (!coded.is_empty()).then_some(coded);
    Ok(())
}

const CODER: &str = "coding the response body";

fn join(head: Bytes, tail: Bytes) -> Bytes {
    match (head.is_empty(), tail.is_empty()) {
        (true, _) => tail,
        (_, true) => head,
        _ => [head, tail].concat().into(),
    }
}
