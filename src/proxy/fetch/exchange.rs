//! One exchange with the app on behalf of a flight: the decision at the answer's head, the body into
//! the flight, the whole into the store.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::{Error, ErrorType, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ask::{Asked, ask, bound};
use super::flight::{Answer, Failure, Head};
use super::order::Order;
use super::{Landing, validate};
use crate::cache::entry::{Entry, Fetched};
use crate::cache::key::Key;
use crate::cache::reuse::{Terms, is_error, on_error};
use crate::cache::search::Variance;
use crate::cache::tags::Purge;
use crate::cache::{policy, tags, vary};
use crate::proxy::admit::content_length;
use crate::proxy::{error, respond, upstream};
use crate::reason::Reason;

/// An answer that is not shared; its body is still to be read.
pub(super) struct Exchange {
    pub(super) asked: Asked,
    /// Why it is not shared.
    pub(super) why: Reason,
}

/// What is only for the client who came first.
pub(super) enum Handed {
    /// An answer of the app's.
    Exchange(Box<Exchange>),
    /// A stored body under a head that may not be stored.
    Merged(Box<ResponseHeader>, Arc<Entry>, Reason),
}

/// Fetches. Every way out of here tells the readers how it ended.
pub(super) async fn run(landing: &Landing, order: Order, hand_over: oneshot::Sender<Handed>) {
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

async fn fetch(landing: &Landing, mut order: Order, hand_over: oneshot::Sender<Handed>) {
    let connector = &landing.shared.fetches.connector;
    let mut asked = match ask(connector, &order, &landing.flight).await {
        Ok(asked) => asked,
        Err(e) => return failed(landing, &e),
    };
    if asked.response.status == StatusCode::NOT_MODIFIED
        && let Some(stored) = order.validates.clone()
    {
        let idle = upstream::idle(&order.snapshot.upstream);
        let settled = validate::settle(landing, &order, &stored, &asked);
        if let Some(settled) = settled {
            asked.drain(connector, idle).await;
            return settled.tell(landing, hand_over);
        }
        // It speaks of something that is not stored: only the whole answer helps.
        asked.drain(connector, idle).await;
        order.unconditional();
        asked = match ask(connector, &order, &landing.flight).await {
            Ok(asked) => asked,
            Err(e) => return failed(landing, &e),
        };
    }
    if let Err(e) = respond::vary_by_rule(&mut asked.response, &order.rule) {
        return failed(landing, &e);
    }
    let judged = match is_to_be_hidden(landing, &order, asked.response.status) {
        true => Err(Reason::StaleIfError),
        false => judge(landing, &order, &asked),
    };
    match judged {
        Ok((key, entry)) => share(landing, &order, asked, key, entry).await,
        Err(why) => give_away(landing, asked, why, hand_over).await,
    }
}

/// There is no answer.
fn failed(landing: &Landing, e: &Error) {
    let (status, reason) = error::of_the_app(e);
    landing.off_the_table();
    let failure = Failure {
        status: status.as_u16(),
        reason,
    };
    landing.flight.set_head(Head::Failed(failure));
}

/// Reads the body for everybody, and stores it.
async fn share(landing: &Landing, order: &Order, asked: Asked, key: Key, entry: Entry) {
    let Asked {
        mut session,
        peer,
        response,
        ..
    } = asked;
    let answer = Arc::new(Answer {
        response: forwardable(response),
        entry,
        key,
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
    let whole = body(landing, &mut session, order, expected).await;
    // First, so that the next request of a client that has read the end finds it idle.
    if whole.is_ok() {
        let idle = upstream::idle(&order.snapshot.upstream);
        let connector = &landing.shared.fetches.connector;
        connector.release_http_session(session, &peer, idle).await;
    } else {
        session.shutdown().await;
    }
    finish(landing, order, &answer, whole);
}

/// Leaves an answer that is not shared to the client who came first.
async fn give_away(
    landing: &Landing,
    asked: Asked,
    why: Reason,
    hand_over: oneshot::Sender<Handed>,
) {
    let status = asked.response.status;
    landing.shared.metrics.decide(why);
    // An error that stays hidden is no word about the answers to come.
    if why != Reason::StaleIfError {
        let fetches = &landing.shared.fetches;
        fetches.pass(&landing.queue, why, Instant::now());
    }
    landing.off_the_table();
    let handed = Handed::Exchange(Box::new(Exchange { asked, why }));
    if let Err(Handed::Exchange(mut exchange)) = hand_over.send(handed) {
        exchange.asked.session.shutdown().await;
    }
    landing.flight.set_head(Head::Unshared(Some(status)));
}

/// Whether the answer is stored, hence shared; the entry to be if so.
fn judge(landing: &Landing, order: &Order, asked: &Asked) -> Result<(Key, Entry), Reason> {
    let response = &asked.response;
    let request = order.policy_request();
    let answer = asked.policy(order);
    let (settings, rule, now) = (&order.snapshot.cache, &order.rule, asked.received_at);
    let freshness = policy::storable(&request, &answer, settings, rule, now, asked.delay)?
        .jittered(settings.ttl_jitter, order.exact.hash());
    let siblings = landing.siblings();
    let (headers, vary) = (&response.headers, &settings.vary);
    let (tags, selecting) = (
        tags::collect(&settings.tags, headers, &rule.tags)?,
        vary::select(headers, request.headers, &siblings, vary)?,
    );
    let key = match settings.no_vary_search {
        true => {
            let said = Variance::of(headers);
            landing.shared.variances.learn(&order.exact, said)
        }
        false => landing.queue.key.clone(),
    };
    let entry = Entry::new(
        &key,
        Fetched {
            status: response.status,
            headers,
            body: Bytes::new(),
            freshness,
            received_at: now,
            sequence: order.sequence,
            tags,
            selecting,
        },
    );
    Ok((key, entry))
}

/// Whether an error of the app's must not take the place of what is stored, because that may be given
/// instead of it (RFC 5861 §4): to a client without wishes of its own, whoever asks now.
fn is_to_be_hidden(landing: &Landing, order: &Order, status: StatusCode) -> bool {
    let rescues = || {
        let (shared, key) = (&landing.shared, &landing.queue.key);
        let object = shared.memory.get(key)?;
        let entry = object.select(&order.policy_request())?;
        let purge = shared.generations.judge(key, entry);
        let terms = Terms::of(&order.snapshot.cache, &order.rule, entry, purge);
        let anybody = policy::Request {
            headers: &HeaderMap::new(),
            ..order.policy_request()
        };
        on_error(entry, &anybody, &terms, SystemTime::now())
    };
    is_error(status) && rescues().is_some()
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
fn finish(landing: &Landing, order: &Order, answer: &Arc<Answer>, body: Result<Whole>) {
    let Ok(Whole { stored, last }) = body else {
        landing.shared.metrics.decide(Reason::Truncated);
        landing.off_the_table();
        landing.flight.set_head(Head::Shared(answer.clone()));
        return landing.flight.break_off();
    };
    let whole = stored.map(|body| store(landing, order, answer, body));
    landing.off_the_table();
    landing.flight.set_head(Head::Shared(answer.clone()));
    landing.flight.complete(last, whole);
}

/// Stores the answer, unless a purge has come in between. Those who wait for it get it all the same.
fn store(landing: &Landing, order: &Order, answer: &Answer, body: Bytes) -> Arc<Entry> {
    let (head, key) = (&answer.entry, &answer.key);
    let entry = Arc::new(Entry::new(
        key,
        Fetched {
            status: head.status,
            headers: &head.headers,
            body,
            freshness: head.freshness,
            received_at: head.stored_at,
            sequence: order.sequence,
            tags: head.tags.to_vec(),
            selecting: head.selecting.clone(),
        },
    ));
    let shared = &landing.shared;
    if shared.generations.judge(key, &entry) == Purge::Invalid {
        shared.metrics.decide(Reason::PurgedMeanwhile);
    } else if !shared.memory.insert(key.clone(), entry.clone()) {
        shared.metrics.decide(Reason::NotAdmitted);
    }
    entry
}
