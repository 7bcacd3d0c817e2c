//! What a fetch must know; it outlives the request that gave it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{
    ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use http::{HeaderMap, HeaderName, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{ErrorType, OkOrErr, Result};

use super::Shared;
use crate::cache::conditional::validators;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::merge::Update;
use crate::cache::{Rule, policy};
use crate::config::Snapshot;
use crate::proxy::admit::host;
use crate::proxy::ctx::Ctx;
use crate::proxy::incoming::Incoming;
use crate::proxy::upstream;
use crate::reason::Reason;

/// What the client has, or wants of it, is not what the cache has: the app is asked for the whole.
const OF_THE_CLIENT: [HeaderName; 6] = [
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];

/// Everything that a fetch must know.
pub(super) struct Order {
    pub(super) snapshot: Arc<Snapshot>,
    /// Where to ask, in this order.
    pub(super) peers: Vec<HttpPeer>,
    /// The head for the app.
    pub(super) request: Box<RequestHeader>,
    /// The stored answer whose validators that head carries.
    pub(super) validates: Option<Arc<Entry>>,
    /// The client's head, by which the answer is judged.
    headers: HeaderMap,
    scheme: &'static str,
    host: String,
    /// The key of the URL that is asked for.
    pub(super) exact: Key,
    pub(super) rule: Rule,
    /// The purge sequence that holds before the app is asked.
    pub(super) sequence: u64,
}

impl Order {
    /// Describes the fetch that this request would begin. The app is asked whether `stored` still
    /// holds, where that has something to ask by.
    pub(super) async fn new(
        shared: &Arc<Shared>,
        session: &Session,
        ctx: &mut Ctx,
        stored: Option<&Arc<Entry>>,
    ) -> Result<Self> {
        let peers = upstream::peers(shared, &ctx.snapshot.upstream).await;
        let peers = peers.inspect_err(|_| ctx.failure = Some(Reason::UpstreamResolve))?;
        ctx.upstream.sent = Some(Instant::now());
        // The fetch has bounds of its own.
        ctx.wait_until(None);
        let incoming = Incoming::of(session, ctx);
        let incoming = incoming.or_err(ErrorType::InternalError, "not admitted")?;
        Self::of(&incoming, peers, stored)
    }

    /// The same of a request that need not come from a connection.
    pub(super) fn of(
        incoming: &Incoming<'_>,
        peers: Vec<HttpPeer>,
        stored: Option<&Arc<Entry>>,
    ) -> Result<Self> {
        let Incoming {
            head: client,
            snapshot,
            admitted,
            ..
        } = *incoming;
        let mut request = client.clone();
        request.set_method(Method::GET);
        upstream::strip_request(&mut request);
        let mut headers = client.headers.clone();
        for name in &OF_THE_CLIENT {
            request.remove_header(name);
            headers.remove(name);
        }
        upstream::drop_unkeyed(incoming, &mut request);
        upstream::sign(incoming, &mut request)?;
        request.set_version(http::Version::HTTP_11);
        if admitted.compression && snapshot.compression.enabled {
            // One uncoded body is stored for everybody, and coded here.
            request.remove_header(&ACCEPT_ENCODING);
        }
        let validators = stored.map(|entry| validators(entry)).unwrap_or_default();
        let validates = stored.filter(|_| !validators.is_empty()).cloned();
        for (name, value) in validators {
            request.insert_header(name, value)?;
        }
        Ok(Self {
            snapshot: snapshot.clone(),
            peers,
            request: Box::new(request),
            validates,
            headers,
            scheme: admitted.scheme,
            host: host(client).to_owned(),
            exact: incoming.exact_key(),
            rule: admitted.rule.clone(),
            sequence: admitted.sequence,
        })
    }

    /// The same for the whole answer, whatever is stored.
    pub(super) fn unconditional(&mut self) {
        self.validates = None;
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            self.request.remove_header(&name);
        }
    }

    /// The client's request as the pure layer sees it.
    pub(super) fn policy_request(&self) -> policy::Request<'_> {
        policy::Request {
            method: &Method::GET,
            headers: &self.headers,
            has_body: false,
            scheme: self.scheme,
            host: &self.host,
        }
    }

    /// What a 304 says about a stored answer.
    pub(super) fn update<'a>(
        &self,
        response: &'a ResponseHeader,
        received_at: SystemTime,
        delay: Duration,
    ) -> Update<'a> {
        Update {
            headers: &response.headers,
            received_at,
            delay,
            sequence: self.sequence,
        }
    }
}
