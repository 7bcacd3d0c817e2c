//! Fetching what may be stored: one request to the app per key, however many clients wait for it.
//!
//! The first miss starts a [`Flight`], a task of its own; it and everybody who asks for the same key
//! meanwhile are [readers](flight::Reader) of the same growing body. The fetch belongs to none of
//! them: who leaves or reads slowly disturbs nobody. Clients wait for each other only until the
//! answer's head. If that may not be shared, the client who came first gets the exchange itself, the
//! others go to the app on their own, and the key is remembered for a while so that traffic that
//! cannot be cached never stands in line.
//!
//! - [`flight`]: what readers see;
//! - [`order`], [`ask`]: the request to the app;
//! - [`exchange`]: the decision at the answer's head, and the body;
//! - [`validate`]: a 304 to a request that carries the validators of a stored answer;
//! - [`mod@glimpse`]: what the app would answer, for who only asks;
//! - [`deliver`]: an answer on its way to one client.

mod ask;
mod deliver;
mod exchange;
pub(super) mod flight;
mod glimpse;
mod order;
mod validate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use pingora::Result;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::proxy::Session;
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, oneshot};

use super::Shared;
use super::ctx::Ctx;
use super::incoming::Incoming;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::policy::has_unkeyed_cookies;
use crate::cache::vary::{self, Selected};
use crate::cache::{Rule, Settings};
use crate::reason::Reason;
use exchange::Handed;
use flight::{Flight, Reader};
use order::Order;

pub(super) use glimpse::glimpse;

/// Fetches under way at the same time; beyond, requests go to the app without being stored.
const FETCHES_MAX: usize = 1_024;

/// Keys that are remembered for answering nothing that can be shared.
const PASSING_MAX: usize = 16_384;

/// For how long they are.
const PASSING_FOR: Duration = Duration::from_secs(10);

/// The fetches under way.
pub struct Fetches {
    connector: Connector,
    flights: Mutex<HashMap<Queue, Arc<Flight>>>,
    /// Until when, and why.
    passing: Cache<Queue, (Instant, Reason)>,
    slots: Arc<Semaphore>,
}

/// Who waits for whom: the same key, asked for by somebody in particular or by anybody. Were these
/// one, a visitor whose answers are his alone would keep those of all others from being shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Queue {
    key: Key,
    /// With credentials, or cookies that are no part of the key.
    personal: bool,
    /// As far as it is known which request fields the answer depends on (RFC 9111 §4.1).
    variant: Box<[Selected]>,
}

impl Queue {
    /// That of a request with this head: as far as its answer is known to vary, by what is stored, by
    /// the rule and by `more`.
    fn of(
        headers: &HeaderMap,
        key: &Key,
        object: Option<&Object>,
        more: &[HeaderName],
        settings: &Settings,
        rule: Option<&Rule>,
    ) -> Self {
        let mut fields = object.map(Object::vary_fields).unwrap_or_default();
        fields.extend_from_slice(more);
        let mut personal = headers.contains_key(AUTHORIZATION);
        if let Some(rule) = rule {
            fields.extend_from_slice(&rule.vary);
            personal |= has_unkeyed_cookies(headers, settings.request_cookies(rule));
        }
        fields.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        fields.dedup();
        Self {
            key: key.clone(),
            personal,
            variant: vary::of_request(&fields, headers, &settings.vary),
        }
    }
}

/// How a request takes part in a fetch.
enum Part {
    /// It began the fetch: an answer that cannot be shared comes to it.
    Leads(Reader, oneshot::Receiver<Handed>),
    /// It reads along.
    Follows(Reader),
    /// What it wants has been stored since it looked.
    Late,
    /// It has to ask the app on its own.
    Passes,
}

impl Fetches {
    /// Nothing under way. `keepalive` is the number of idle connections kept.
    #[must_use]
    pub fn new(keepalive: usize) -> Self {
        Self {
            connector: Connector::new(Some(ConnectorOptions::new(keepalive))),
            flights: Mutex::default(),
            passing: Cache::new(PASSING_MAX),
            slots: Arc::new(Semaphore::new(FETCHES_MAX)),
        }
    }

    /// How many fetches are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.flights().len()
    }

    /// Joins the fetch, or begins it with the request that `order` describes. `seen` is what was stored
    /// when the request was looked up; `None`: it must not be content with what was asked for before
    /// it came, and where such a fetch is under way, it gets one of its own, which nobody else joins.
    fn join(
        &self,
        shared: &Arc<Shared>,
        queue: Queue,
        seen: Option<Option<&Arc<Object>>>,
        order: Order,
    ) -> Part {
        let sequence = order.sequence;
        let mut flights = self.flights();
        let under_way = flights.get(&queue);
        // An answer that was asked for before a purge is nothing for who came after it.
        if let Some(flight) = under_way.filter(|f| seen.is_some() && f.sequence == sequence) {
            return flight.reader().map_or(Part::Passes, Part::Follows);
        }
        let is_first = under_way.is_none();
        // A fetch stores before it leaves the table, so that here its answer is found.
        if let Some(seen) = seen.filter(|_| is_first) {
            let now = shared.memory.get(&queue.key);
            if now.as_ref().map(Arc::as_ptr) != seen.map(Arc::as_ptr) {
                return Part::Late;
            }
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return Part::Passes;
        };
        let flight = Flight::new(sequence);
        let Some(reader) = flight.reader() else {
            return Part::Passes;
        };
        if is_first {
            flights.insert(queue.clone(), flight.clone());
        }
        drop(flights);
        let (hand_over, handed_over) = oneshot::channel();
        let landing = Landing {
            shared: shared.clone(),
            queue,
            flight,
        };
        tokio::spawn(Box::pin(async move {
            exchange::run(&landing, order, hand_over).await;
            drop(slot);
        }));
        Part::Leads(reader, handed_over)
    }

    /// Forgets which keys gave nothing that could be shared: under a new configuration they may.
    pub fn forget_passing(&self) {
        self.passing.clear();
    }

    /// Why the key lately gave nothing that could be shared, if so.
    fn passes(&self, queue: &Queue, now: Instant) -> Option<Reason> {
        self.passing(queue, now).map(|(_, why)| why)
    }

    /// The same, and for how long that is remembered.
    fn passing(&self, queue: &Queue, now: Instant) -> Option<(Duration, Reason)> {
        let (until, why) = self.passing.get(queue)?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some((left, why))
    }

    /// Remembers that the key gives nothing that can be shared.
    fn pass(&self, queue: &Queue, why: Reason, now: Instant) {
        self.passing.insert(queue.clone(), (now + PASSING_FOR, why));
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Queue, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight on its way to its end. Whatever happens to its task, dropping this takes it off the
/// table and lets its readers go.
struct Landing {
    shared: Arc<Shared>,
    queue: Queue,
    flight: Arc<Flight>,
}

impl Landing {
    /// From now on nobody joins. To be called before the readers learn of an end, so that who comes
    /// later finds what was stored, or begins anew.
    fn off_the_table(&self) {
        let mut flights = self.shared.fetches.flights();
        if flights
            .get(&self.queue)
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight))
        {
            flights.remove(&self.queue);
        }
    }

    /// The request fields by which stored answers to the same URL vary.
    fn siblings(&self) -> Vec<HeaderName> {
        let object = self.shared.memory.get(&self.queue.key);
        object.map_or_else(Vec::new, |object| object.nominated())
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.off_the_table();
        self.flight.set_head(flight::Head::Unshared(None));
        self.flight.break_off();
    }
}

/// What a request that is not answered from the store wants.
pub(super) struct Wanted<'k> {
    pub(super) key: &'k Key,
    /// All that was stored under the key when it was looked up.
    pub(super) object: Option<Arc<Object>>,
    /// Of that, what the app can be asked about.
    pub(super) stored: Option<Arc<Entry>>,
    /// Request fields on which the answer is known to depend, besides those of what is stored.
    pub(super) varies_by: Vec<HeaderName>,
    /// The client must not be content with what was asked for before it came.
    pub(super) alone: bool,
}

/// What has come of it.
pub(super) enum Fetched {
    /// The client has its answer.
    Answered,
    /// The request goes to the app by the ordinary way.
    Unsuited,
    /// Something has been stored meanwhile, or the answer depends on these fields: look again.
    Again(Vec<HeaderName>),
}

/// Answers a miss from a fetch.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    wanted: Wanted<'_>,
) -> Result<Fetched> {
    let key = wanted.key;
    let object = wanted.object.as_deref();
    let queue = queue(session, ctx, key, object, &wanted.varies_by);
    if let Some(why) = shared.fetches.passes(&queue, Instant::now()) {
        shared.metrics.decide(why);
        ctx.outcome.goes_past(why);
        return Ok(Fetched::Unsuited);
    }
    let order = match Order::new(shared, session, ctx, wanted.stored.as_ref()).await {
        Ok(order) => order,
        // The app has no address: one more way in which it fails.
        Err(e) if deliver::rescue(shared, session, ctx, key, None).await? => {
            log::debug!("answered from the cache: {e}");
            return Ok(Fetched::Answered);
        }
        Err(e) => return Err(e),
    };
    let seen = (!wanted.alone).then_some(wanted.object.as_ref());
    match shared.fetches.join(shared, queue, seen, order) {
        Part::Leads(reader, handed) => {
            deliver::lead(shared, session, ctx, key, reader, handed).await
        }
        Part::Follows(reader) => deliver::follow(shared, session, ctx, key, reader).await,
        Part::Late => Ok(Fetched::Again(wanted.varies_by)),
        Part::Passes => Ok(Fetched::Unsuited),
    }
}

/// Has what is stored under `key` fetched anew while this request is answered with the stale one.
/// `false`: nobody fetches it.
pub(super) async fn refresh(
    shared: &Arc<Shared>,
    session: &Session,
    ctx: &mut Ctx,
    key: &Key,
    stored: &Arc<Entry>,
) -> bool {
    let object = shared.memory.get(key);
    let queue = queue(session, ctx, key, object.as_deref(), &[]);
    if shared.fetches.flights().contains_key(&queue) {
        return true;
    }
    if shared.fetches.passes(&queue, Instant::now()).is_some() {
        return false;
    }
    let Ok(order) = Order::new(shared, session, ctx, Some(stored)).await else {
        return false;
    };
    let seen = Some(object.as_ref());
    let part = shared.fetches.join(shared, queue, seen, order);
    !matches!(part, Part::Passes)
}

/// Whether somebody is fetching what the request asks for.
pub(super) fn is_under_way(shared: &Shared, session: &Session, ctx: &Ctx, key: &Key) -> bool {
    let object = shared.memory.get(key);
    let queue = queue(session, ctx, key, object.as_deref(), &[]);
    shared.fetches.flights().contains_key(&queue)
}

/// What is going on about a key for requests like this one.
pub(super) struct Traffic {
    /// Somebody is fetching it.
    pub(super) under_way: bool,
    /// For how long its requests go straight to the app, and why.
    pub(super) passing: Option<(Duration, Reason)>,
}

/// What is going on about the key.
pub(super) fn traffic(shared: &Shared, incoming: &Incoming<'_>, key: &Key) -> Traffic {
    let object = shared.memory.get(key);
    let (headers, settings) = (&incoming.head.headers, &incoming.snapshot.cache);
    let rule = Some(&incoming.admitted.rule);
    let queue = Queue::of(headers, key, object.as_deref(), &[], settings, rule);
    Traffic {
        under_way: shared.fetches.flights().contains_key(&queue),
        passing: shared.fetches.passing(&queue, Instant::now()),
    }
}

fn queue(
    session: &Session,
    ctx: &Ctx,
    key: &Key,
    object: Option<&Object>,
    more: &[HeaderName],
) -> Queue {
    let (headers, settings) = (&session.req_header().headers, &ctx.snapshot.cache);
    let rule = ctx.admitted.as_ref().map(|admitted| &admitted.rule);
    Queue::of(headers, key, object, more, settings, rule)
}
