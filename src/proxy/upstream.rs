//! Towards the app: which address, which bounds, which head.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::{H1UpgradePolicy, HttpPeer};
use pingora::{Error, ErrorType, OkOrErr, OrErr, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::admit::host;
use super::ctx::Ctx;
use super::incoming::Incoming;
use crate::cache::policy;
use crate::config::Upstream;
use crate::headers::hop_by_hop;
use crate::reason::Reason;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What we call ourselves in `Via`, behind the protocol by which the message came to us (RFC 9110
/// §7.6.3).
pub(super) fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_2 => "2.0 vestibule",
        Version::HTTP_10 | Version::HTTP_09 => "1.0 vestibule",
        _ => "1.1 vestibule",
    })
}

/// Request fields that concern one connection only.
const OF_THE_HOP: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How many addresses of the app a request tries.
pub(super) const ATTEMPTS_MAX: usize = 2;

/// Chooses the address of this attempt and the bounds on it.
pub(super) async fn peer(shared: &Shared, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
    let addresses = addresses(shared, ctx).await?;
    let address = addresses[ctx.upstream.attempts % addresses.len()];
    ctx.upstream.attempts += 1;
    ctx.upstream.untried = addresses.len().saturating_sub(ctx.upstream.attempts);
    Ok(Box::new(bounded(address, &ctx.snapshot.upstream)))
}

/// What a fetch tries in turn, at most [`ATTEMPTS_MAX`]; at least one.
pub(super) async fn peers(shared: &Shared, upstream: &Upstream) -> Result<Vec<HttpPeer>> {
    let addresses = resolve(shared, upstream).await?;
    let tried = addresses.iter().take(ATTEMPTS_MAX);
    Ok(tried.map(|address| bounded(*address, upstream)).collect())
}

/// Tries to connect until the app has accepted once, then says so: who starts a container wants to
/// know when traffic may come.
pub async fn await_app(shared: Arc<Shared>) {
    const PAUSE: Duration = Duration::from_millis(250);
    const PATIENCE: Duration = Duration::from_secs(2);
    while !shared.lifecycle.is_app_reached() {
        let upstream = shared.live.full().upstream.clone();
        let resolved = shared.resolver.resolve(&upstream.host, upstream.port).await;
        for address in resolved.iter().flat_map(|addresses| addresses.iter()) {
            if let Ok(Ok(_)) = timeout(PATIENCE, TcpStream::connect(address)).await {
                return shared.lifecycle.app_reached();
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The addresses that the app's host name stands for; at least one.
pub(super) async fn addresses(shared: &Shared, ctx: &mut Ctx) -> Result<Arc<[SocketAddr]>> {
    let addresses = resolve(shared, &ctx.snapshot.upstream).await;
    addresses.inspect_err(|_| ctx.failure = Some(Reason::UpstreamResolve))
}

async fn resolve(shared: &Shared, upstream: &Upstream) -> Result<Arc<[SocketAddr]>> {
    let resolved = shared.resolver.resolve(&upstream.host, upstream.port).await;
    resolved.map_err(|e| Error::because(ErrorType::ConnectError, "resolving the app", e).into_up())
}

/// One address of the app, with every timeout set that pingora leaves open.
fn bounded(address: SocketAddr, upstream: &Upstream) -> HttpPeer {
    let timeouts = &upstream.timeouts;
    let mut peer = HttpPeer::new(address, false, String::new());
    let options = &mut peer.options;
    // WebSockets are taken over before this; nothing else may switch protocols.
    options.http_upstream_request_policy.h1_upgrade = H1UpgradePolicy::Deny;
    options.connection_timeout = some(timeouts.connect);
    options.total_connection_timeout = some(timeouts.connect);
    // pingora has one timer for each read, of head and body alike. It gets the longer of the two
    // bounds; the shorter is held by the deadline on the client's connection (not on h2).
    options.read_timeout = match (some(timeouts.first_byte), some(timeouts.between_bytes)) {
        (Some(first), Some(between)) => Some(first.max(between)),
        _ => None,
    };
    options.write_timeout = some(timeouts.between_bytes);
    options.idle_timeout = idle(upstream);
    peer
}

/// How long a connection without a request is kept; not at all where none is to be kept.
pub(super) fn idle(upstream: &Upstream) -> Option<Duration> {
    match upstream.keepalive {
        0 => Some(Duration::ZERO),
        _ => some(upstream.timeouts.idle),
    }
}

/// In the configuration a bound of zero means none.
fn some(bound: Duration) -> Option<Duration> {
    (!bound.is_zero()).then_some(bound)
}

/// A failed connect may be tried again, nothing was sent yet: on the name's next address, or when a
/// connect timed out, because a single lost SYN takes as long as most bounds.
pub(super) fn connect_failed(ctx: &Ctx, mut error: Box<Error>) -> Box<Error> {
    let refused = matches!(
        error.etype(),
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute
    );
    let lost = matches!(error.etype(), ErrorType::ConnectTimedout);
    let promising = lost || (refused && ctx.upstream.untried > 0);
    error.set_retry(promising && ctx.upstream.attempts < ATTEMPTS_MAX);
    error
}

/// Writes the head that the app gets.
pub(super) fn request_head(
    session: &Session,
    request: &mut RequestHeader,
    ctx: &mut Ctx,
) -> Result<()> {
    ctx.upstream.sent = Some(Instant::now());
    await_first_byte(ctx);
    let incoming = Incoming::of(session, ctx).or_err(ErrorType::InternalError, "not admitted")?;
    sign(&incoming, request)
}

/// What every request to the app carries: who asked, by which way, the correlation id, and all cookies
/// in one line.
pub(super) fn sign(incoming: &Incoming<'_>, request: &mut RequestHeader) -> Result<()> {
    forwarded(incoming, request)?;
    join_cookies(request)?;
    request.append_header(header::VIA, via(incoming.head.version))?;
    let id = &incoming.snapshot.observability.request_id.header;
    request.insert_header(id.clone(), incoming.admitted.request_id.clone())
}

/// HTTP/2 clients may send each cookie in a line of its own; beyond HTTP/2 they must be one (RFC 9113
/// §8.2.3). So all apps read the same cookies as the cache.
fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let lines: Vec<_> = request.headers.get_all(header::COOKIE).iter().collect();
    if lines.len() < 2 {
        return Ok(());
    }
    let joined = lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>();
    let joined = HeaderValue::from_bytes(&joined.join(&b"; "[..]));
    let joined = joined.or_err(ErrorType::InvalidHTTPHeader, "the lines of Cookie")?;
    request.insert_header(header::COOKIE, joined)
}

/// Takes out what may change the answer and is no part of the key under which it may be stored.
pub(super) fn drop_unkeyed(incoming: &Incoming<'_>, request: &mut RequestHeader) {
    for name in policy::unkeyed(&incoming.policy(), &incoming.snapshot.cache) {
        request.remove_header(&name);
    }
}

/// Ends the fields of one hop in a request (RFC 9110 §7.6.1). pingora does it for what it forwards
/// itself; this is for requests that we send.
pub(super) fn strip_request(request: &mut RequestHeader) {
    for name in hop_by_hop::names_in_connection(&request.headers) {
        request.remove_header(&name);
    }
    for name in OF_THE_HOP {
        request.remove_header(name);
    }
}

/// Starts the wait for the answer's head anew: with the request's head, and with each part of its
/// body, because an upload may rightly take longer than the app may think.
pub(super) fn await_first_byte(ctx: &Ctx) {
    let bound = some(ctx.snapshot.upstream.timeouts.first_byte);
    let first_byte = bound.map(|bound| Instant::now() + bound);
    ctx.wait_until(earlier(first_byte, total(ctx)));
}

/// From the answer's head on the app must keep sending.
fn await_body(ctx: &Ctx) {
    let timeouts = &ctx.snapshot.upstream.timeouts;
    match (&ctx.deadline, some(timeouts.between_bytes)) {
        // Where it is the longer of the two bounds, pingora's own timer is set to it.
        (Some(deadline), Some(between)) if between < timeouts.first_byte => {
            deadline.set_moving(between, total(ctx));
        }
        _ => ctx.wait_until(total(ctx)),
    }
}

/// Says who asked, by which name and scheme. What an untrusted client claims of itself is dropped.
fn forwarded(incoming: &Incoming<'_>, request: &mut RequestHeader) -> Result<()> {
    let trusted = incoming.is_trusted();
    let hops: Vec<&str> = match trusted {
        true => request
            .headers
            .get_all(&X_FORWARDED_FOR)
            .iter()
            .flat_map(|v| v.to_str())
            .collect(),
        false => Vec::new(),
    };
    let chain = hops
        .into_iter()
        .chain([incoming.peer.to_string().as_str()])
        .collect::<Vec<_>>()
        .join(", ");
    request.insert_header(X_FORWARDED_FOR, chain)?;
    if !trusted || !request.headers.contains_key(&X_FORWARDED_PROTO) {
        request.insert_header(X_FORWARDED_PROTO, incoming.admitted.scheme)?;
    }
    if !trusted || !request.headers.contains_key(&X_FORWARDED_HOST) {
        request.insert_header(X_FORWARDED_HOST, host(incoming.head))?;
    }
    if !trusted {
        request.remove_header(&header::FORWARDED);
    }
    Ok(())
}

/// The app has answered: from here on only the total bound holds, and hop-by-hop fields end here.
pub(super) fn answered(response: &mut ResponseHeader, ctx: &mut Ctx) {
    if response.status.is_informational() {
        return;
    }
    ctx.upstream.first_byte = ctx.upstream.sent.map(|sent| sent.elapsed());
    await_body(ctx);
    strip_response(response);
}

/// Ends the fields of one hop in an answer (RFC 9110 §7.6.1). `Transfer-Encoding` stays: it tells
/// pingora how to frame the body.
pub(super) fn strip_response(response: &mut ResponseHeader) {
    for name in hop_by_hop::names_in_connection(&response.headers) {
        if name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
            response.remove_header(&name);
        }
    }
    for name in ["keep-alive", "proxy-connection", "upgrade", "trailer"] {
        response.remove_header(name);
    }
}

/// When `upstream.timeouts.total` ends the exchange.
fn total(ctx: &Ctx) -> Option<Instant> {
    let bound = some(ctx.snapshot.upstream.timeouts.total)?;
    Some(ctx.started + bound)
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
