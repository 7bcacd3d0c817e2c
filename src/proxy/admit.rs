//! The first phase: read the head, find the route, decide whether it may go on.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{HeaderMap, Version, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::ctx::{Admitted, Ctx};
use super::{Shared, lookup, upstream, websocket};
use crate::cache::policy;
use crate::cache::status::Outcome;
use crate::config::Snapshot;
use crate::headers::request_id;
use crate::reason::Reason;

/// Admits one request. `true` means that it was answered here.
pub(super) async fn admit(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<bool> {
    let described = describe(
        shared,
        &ctx.snapshot,
        session.req_header(),
        peer_ip(session),
    );
    ctx.admitted = Some(described);
    if websocket::is_handshake(session.req_header()) {
        ctx.outcome = Outcome::Bypass(Reason::Upgrade);
        websocket::relay(shared, session, ctx).await?;
        return Ok(true);
    }
    refuse_large_body(session, ctx)?;
    lookup::look_up(shared, session, ctx).await
}

/// Finds out everything about the request that later phases need.
pub(super) fn describe(
    shared: &Shared,
    snapshot: &Snapshot,
    request: &RequestHeader,
    peer: IpAddr,
) -> Admitted {
    let host = host(request);
    let trusted = snapshot.client_ip.is_trusted(peer);
    let (route, captures) = snapshot.route(&request.method, host, request.uri.path());
    Admitted {
        route: route.name.clone(),
        rule: route.rule(&captures),
        ambiguous: captures.is_ambiguous(),
        compression: route.compression,
        scheme: scheme(&request.headers, trusted),
        client: snapshot.client_ip.client(peer, &request.headers),
        request_id: request_id::accept_or_make(
            &snapshot.observability.request_id,
            &request.headers,
            shared.metrics.fresh_id(),
        ),
        sequence: 0,
    }
}

/// The scheme that the client used: ours, unless a trusted proxy in front says that it ended TLS.
fn scheme(headers: &HeaderMap, trusted: bool) -> &'static str {
    let said = headers.get("x-forwarded-proto").filter(|_| trusted);
    match said {
        Some(proto) if proto.as_bytes().eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}

/// The address at the other end of the connection.
pub(super) fn peer_ip(session: &Session) -> IpAddr {
    session
        .client_addr()
        .and_then(|addr| addr.as_inet())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |addr| {
            addr.ip().to_canonical()
        })
}

/// The host that the request is for (RFC 9110 §7.2): the target's authority, else `Host`.
pub(super) fn host(request: &RequestHeader) -> &str {
    request
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| request.headers.get(header::HOST)?.to_str().ok())
        .unwrap_or_default()
}

/// Refuses a body that is announced too large, before a byte of it was read (RFC 9110 §15.5.14).
fn refuse_large_body(session: &Session, ctx: &mut Ctx) -> Result<()> {
    let announced = content_length(&session.req_header().headers);
    bound_body(announced.unwrap_or(0), ctx)
}

/// Counts body bytes on their way to the app, and refuses the one that is too many.
pub(super) fn count_body(chunk: Option<&bytes::Bytes>, ctx: &mut Ctx) -> Result<()> {
    if let Some(chunk) = chunk {
        ctx.request_bytes += chunk.len() as u64;
        if ctx.upstream.first_byte.is_none() {
            upstream::await_first_byte(ctx);
        }
    }
    bound_body(ctx.request_bytes, ctx)
}

fn bound_body(bytes: u64, ctx: &mut Ctx) -> Result<()> {
    let max = ctx.snapshot.body_bytes_max;
    if max == 0 || bytes <= max {
        return Ok(());
    }
    ctx.failure = Some(Reason::BodyTooLarge);
    Error::e_explain(ErrorType::HTTPStatus(413), "request body over limits.body")
}

/// The value of `Content-Length`, when it is a number.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The request as the pure layer sees it.
pub(super) fn policy_request<'a>(session: &'a Session, ctx: &Ctx) -> policy::Request<'a> {
    let request = session.req_header();
    policy::Request {
        method: &request.method,
        headers: &request.headers,
        has_body: false,
        scheme: ctx.scheme(),
        host: host(request),
    }
}

/// Whether the client understands chunked bodies and keep-alive by default.
pub(super) fn is_http11_or_later(request: &RequestHeader) -> bool {
    !matches!(request.version, Version::HTTP_09 | Version::HTTP_10)
}
