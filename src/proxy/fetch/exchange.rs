//! One exchange with the app on behalf of a flight: the request, the decision at the answer's head,
//! the body into the flight, the whole into the store.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OkOrErr, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::flight::{Answer, Failure, Head};
use super::{Landing, Shared};
use crate::cache::entry::{Entry, Fetched};
use crate::cache::key::Key;
use crate::cache::reuse::is_error;
use crate::cache::{Rule, policy, tags};
use crate::config::Snapshot;
use crate::proxy::admit::{content_length, host};
use crate::proxy::ctx::Ctx;
use crate::proxy::{error, upstream};
use crate::reason::Reason;

/// Everything that a fetch must know; it outlives the request that gave it.
pub(super) struct Order {
    snapshot: Arc<Snapshot>,
    /// Where to ask, in this order.
    peers: Vec<HttpPeer>,
    /// The head for the app.
    request: Box<RequestHeader>,
    /// The client's head, by which the answer is judged.
    headers: HeaderMap,
    scheme: &'static str,
    host: String,
    rule: Rule,
    /// The purge sequence that holds before the app is asked.
    pub(super) sequence: u64,
}

/// An answer whose body is still to be read.
pub(super) struct Exchange {
    pub(super) session: HttpSession<()>,
    pub(super) response: ResponseHeader,
    pub(super) peer: HttpPeer,
    /// Why it is not shared.
    pub(super) why: Reason,
    /// How long the head took.
    pub(super) first_byte: Duration,
}

/// Describes the fetch that this request would begin.
pub(super) async fn order(shared: &Arc<Shared>, session: &Session, ctx: &mut Ctx) -> Result<Order> {
    let peers = upstream::peers(shared, ctx).await?;
    let client = session.req_header();
    let mut request = client.clone();
    request.set_method(Method::GET);
    upstream::strip_request(&mut request);
    // What the client has is not what the cache has: the app is asked for the whole answer.
    for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
        request.remove_header(&name);
    }
    upstream::drop_unkeyed(session, &mut request, ctx);
    upstream::request_head(session, &mut request, ctx)?;
    // The fetch has bounds of its own.
    ctx.wait_until(None);
    request.set_version(http::Version::HTTP_11);
    let admitted = ctx
        .admitted
        .as_ref()
        .or_err(ErrorType::InternalError, "not admitted")?;
    if admitted.compression && ctx.snapshot.compression.enabled {
        // One uncoded body is stored for everybody, and coded here.
        request.remove_header(&header::ACCEPT_ENCODING);
    }
    Ok(Order {
        snapshot: ctx.snapshot.clone(),
        peers,
        request: Box::new(request),
        headers: client.headers.clone(),
        scheme: ctx.scheme(),
        host: host(client).to_owned(),
        rule: admitted.rule.clone(),
        sequence: admitted.sequence,
    })
}

/// Fetches. Every way out of here tells the readers how it ended.
pub(super) async fn run(landing: &Landing, order: Order, hand_over: oneshot::Sender<Exchange>) {
    let total = order.snapshot.upstream.timeouts.total;
    let fetch = fetch(landing, order, hand_over);
    if total.is_zero() {
        fetch.await;
    } else if timeout(total, fetch).await.is_err() {
        let reason = Reason::UpstreamTimeout;
        landing.off_the_table();
        landing.flight.set_head(Head::Failed(Failure {
            status: 504,
            reason,
        }));
        landing.flight.break_off();
    }
}

async fn fetch(landing: &Landing, order: Order, hand_over: oneshot::Sender<Exchange>) {
    let began = Instant::now();
    let fetches = &landing.shared.fetches;
    let (mut session, peer, response) = match ask(&fetches.connector, &order).await {
        Ok(answer) => answer,
        Err(e) => {
            let (status, reason) = error::of_the_app(&e);
            landing.off_the_table();
            let failure = Failure {
                status: status.as_u16(),
                reason,
            };
            return landing.flight.set_head(Head::Failed(failure));
        }
    };
    let (now, first_byte) = (SystemTime::now(), began.elapsed());
    let judged = match is_to_be_hidden(landing, response.status) {
        true => Err(Reason::StaleIfError),
        false => judge(&order, &landing.queue.key, &response, now, first_byte),
    };
    match judged {
        Ok(entry) => {
            let answer = Arc::new(Answer {
                response: forwardable(response),
                entry,
                key: landing.queue.key.clone(),
            });
            let expected = match answer.response.status {
                StatusCode::NO_CONTENT => Some(0),
                _ => content_length(&answer.response.headers),
            };
            // A head without a body to follow is all there is: readers get it once it is stored.
            if expected != Some(0) {
                landing.flight.set_head(Head::Shared(answer.clone()));
            }
            let timeouts = &order.snapshot.upstream.timeouts;
            session.set_read_timeout(bound(timeouts.between_bytes));
            let whole = body(landing, &mut session, &order, expected).await;
            // First, so that the next request of a client that has read the end finds it idle.
            if whole.is_ok() {
                let idle = upstream::idle(&order.snapshot.upstream);
                fetches
                    .connector
                    .release_http_session(session, &peer, idle)
                    .await;
            } else {
                session.shutdown().await;
            }
            finish(landing, &order, &answer, whole, now);
        }
        Err(why) => {
            let status = response.status;
            landing.shared.metrics.decide(why);
            fetches.pass(&landing.queue, why, Instant::now());
            landing.off_the_table();
            let exchange = Exchange {
                session,
                response,
                peer,
                why,
                first_byte,
            };
            if let Err(mut exchange) = hand_over.send(exchange) {
                exchange.session.shutdown().await;
            }
            landing.flight.set_head(Head::Unshared(Some(status)));
        }
    }
}

/// An open exchange: its connection, where that leads, the final head.
type Asked = (HttpSession<()>, HttpPeer, ResponseHeader);

/// Sends the request and waits for the final head. A pooled connection may have been closed by the
/// app in the meantime: then a fresh one is tried, once.
async fn ask(connector: &Connector, order: &Order) -> Result<Asked> {
    let (mut session, peer, reused) = connect(connector, &order.peers).await?;
    match head(&mut session, order).await {
        Ok(response) => Ok((session, peer, response)),
        Err(e) if reused && !matches!(e.etype(), ErrorType::ReadTimedout) => {
            session.shutdown().await;
            drop(session);
            // A group of its own, so that no other pooled connection is taken.
            let fresh = HttpPeer {
                group_key: u64::MAX,
                ..peer.clone()
            };
            let (mut session, _, _) = connect(connector, &[fresh]).await?;
            let response = head(&mut session, order).await.map_err(Error::into_up)?;
            Ok((session, peer, response))
        }
        Err(e) => Err(e.into_up()),
    }
}

/// Connects to one of the addresses; a single one is tried again when it timed out, because a lost
/// SYN takes as long as most bounds.
async fn connect(
    connector: &Connector,
    peers: &[HttpPeer],
) -> Result<(HttpSession<()>, HttpPeer, bool)> {
    let mut last = Error::new(ErrorType::ConnectError);
    for peer in peers.iter().cycle().take(upstream::ATTEMPTS_MAX) {
        match connector.get_http_session(peer).await {
            Ok((session, reused)) => return Ok((session, peer.clone(), reused)),
            Err(e) if peers.len() == 1 && !matches!(e.etype(), ErrorType::ConnectTimedout) => {
                return Err(e.into_up());
            }
            Err(e) => last = e,
        }
    }
    Err(last.into_up())
}

async fn head(session: &mut HttpSession<()>, order: &Order) -> Result<ResponseHeader> {
    let timeouts = &order.snapshot.upstream.timeouts;
    session.set_read_timeout(bound(timeouts.first_byte));
    session.set_write_timeout(bound(timeouts.between_bytes));
    session.write_request_header(order.request.clone()).await?;
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        let response = session
            .response_header()
            .or_err(ErrorType::InvalidHTTPHeader, "no head")?;
        match response.status.as_u16() {
            101 => return Error::e_explain(ErrorType::InvalidHTTPHeader, "an unasked 101"),
            100..=199 => {}
            _ => return Ok(response.clone()),
        }
    }
}

/// Whether the answer is stored, hence shared; the entry to be if so.
fn judge(
    order: &Order,
    key: &Key,
    response: &ResponseHeader,
    now: SystemTime,
    delay: Duration,
) -> Result<Entry, Reason> {
    let request = policy::Request {
        method: &Method::GET,
        headers: &order.headers,
        has_body: false,
        scheme: order.scheme,
        host: &order.host,
    };
    let framed = response.status == StatusCode::NO_CONTENT
        || response.headers.contains_key(header::TRANSFER_ENCODING)
        || content_length(&response.headers).is_some();
    let answer = policy::Response {
        status: response.status,
        headers: &response.headers,
        framed,
    };
    let settings = &order.snapshot.cache;
    let freshness = policy::storable(&request, &answer, settings, &order.rule, now, delay)?
        .jittered(settings.ttl_jitter, key.hash());
    Ok(Entry::new(
        key,
        Fetched {
            status: response.status,
            headers: &response.headers,
            body: Bytes::new(),
            freshness,
            received_at: now,
            sequence: order.sequence,
            tags: tags::collect(&response.headers, &order.rule.tags)?,
        },
    ))
}

/// Whether an error of the app's must not take the place of what is stored, because that may be given
/// instead of it (RFC 5861 §4).
fn is_to_be_hidden(landing: &Landing, status: StatusCode) -> bool {
    let stored = || landing.shared.memory.get(&landing.queue.key);
    is_error(status) && stored().is_some_and(|entry| !entry.freshness.stale_if_error.is_zero())
}

/// The head as clients may see it.
fn forwardable(mut response: ResponseHeader) -> ResponseHeader {
    upstream::strip_response(&mut response);
    response
}

/// A body read to its end.
struct Whole {
    /// To be stored; `None` when it is too large for that.
    stored: Option<Bytes>,
    /// The piece that completes an announced length. Readers get it once the answer is stored: who
    /// has seen the end and asks again finds it there.
    last: Option<Bytes>,
}

/// Reads the body into the flight.
async fn body(
    landing: &Landing,
    session: &mut HttpSession<()>,
    order: &Order,
    expected: Option<u64>,
) -> Result<Whole> {
    let max = order.snapshot.cache.object_bytes_max;
    let (mut stored, mut last, mut length) = (Some(BytesMut::new()), None, 0);
    while let Some(piece) = session.read_response_body().await? {
        length += piece.len() as u64;
        if length > max && stored.take().is_some() {
            too_large(landing);
        }
        match &mut stored {
            Some(body) => body.extend_from_slice(&piece),
            None if landing.flight.room().await => {}
            None => return Error::e_explain(ErrorType::ConnectionClosed, "nobody reads on"),
        }
        if expected == Some(length) {
            last = Some(piece);
        } else {
            landing.flight.push(piece);
        }
    }
    // The buffer may be larger than what is in it; the store counts what it keeps.
    let stored = stored.map(|body| Bytes::copy_from_slice(&body));
    Ok(Whole { stored, last })
}

/// The body turned out too large to be stored: it is passed on to those who read it already.
fn too_large(landing: &Landing) {
    let (shared, why) = (&landing.shared, Reason::TooLarge);
    shared.metrics.decide(why);
    shared.fetches.pass(&landing.queue, why, Instant::now());
    landing.off_the_table();
    landing.flight.window();
}

/// Stores a whole body, then tells the readers that it is whole.
fn finish(
    landing: &Landing,
    order: &Order,
    answer: &Arc<Answer>,
    body: Result<Whole>,
    now: SystemTime,
) {
    let last = match body {
        Ok(Whole { stored, last }) => {
            if let Some(body) = stored {
                store(landing, order, answer, body, now);
            }
            last
        }
        Err(_) => {
            landing.shared.metrics.decide(Reason::Truncated);
            landing.off_the_table();
            landing.flight.set_head(Head::Shared(answer.clone()));
            return landing.flight.break_off();
        }
    };
    landing.off_the_table();
    landing.flight.set_head(Head::Shared(answer.clone()));
    landing.flight.complete(last);
}

fn store(landing: &Landing, order: &Order, answer: &Answer, body: Bytes, now: SystemTime) {
    let shared = &landing.shared;
    let entry = Entry::new(
        &landing.queue.key,
        Fetched {
            status: answer.response.status,
            headers: &answer.entry.headers,
            body,
            freshness: answer.entry.freshness,
            received_at: now,
            sequence: order.sequence,
            tags: answer.entry.tags.to_vec(),
        },
    );
    if shared.generations.is_purged(&entry.slots, entry.sequence) {
        return shared.metrics.decide(Reason::PurgedMeanwhile);
    }
    if !shared
        .memory
        .insert(landing.queue.key.clone(), entry.into())
    {
        shared.metrics.decide(Reason::NotAdmitted);
    }
}

/// In the configuration a bound of zero means none.
fn bound(bound: Duration) -> Option<Duration> {
    (!bound.is_zero()).then_some(bound)
}
