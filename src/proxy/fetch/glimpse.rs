//! What the app would answer to a fetch: the head alone. Nothing is stored, nobody reads along.

use std::time::{Duration, SystemTime};

use http::Method;
use pingora::Result;
use pingora::http::ResponseHeader;
use tokio::time::timeout;

use super::ask::ask;
use super::flight::Flight;
use super::order::Order;
use crate::cache::policy;
use crate::proxy::incoming::Incoming;
use crate::proxy::{Shared, error, respond, upstream};
use crate::reason::Reason;

/// The head of an answer of the app's.
pub(in crate::proxy) struct Glimpse {
    pub(in crate::proxy) response: ResponseHeader,
    /// When it arrived.
    pub(in crate::proxy) received_at: SystemTime,
    /// How long after the request was sent.
    pub(in crate::proxy) delay: Duration,
    framed: bool,
    any_coding: bool,
}

impl Glimpse {
    /// The answer as the pure layer sees it.
    pub(in crate::proxy) fn policy(&self) -> policy::Response<'_> {
        policy::Response {
            status: self.response.status,
            headers: &self.response.headers,
            framed: self.framed,
            any_coding: self.any_coding,
        }
    }
}

/// Asks the app as a fetch for this request would, reads the head of the answer and drops the
/// connection. A request by HEAD stays one.
///
/// # Errors
/// Why there is no answer, [`Reason::UpstreamTimeout`] when there is none `within` this time.
pub(in crate::proxy) async fn glimpse(
    shared: &Shared,
    incoming: &Incoming<'_>,
    within: Duration,
) -> Result<Glimpse, Reason> {
    match timeout(within, look(shared, incoming)).await {
        Ok(Ok(glimpse)) => Ok(glimpse),
        Ok(Err(e)) => Err(error::of_the_app(&e).1),
        Err(_) => Err(Reason::UpstreamTimeout),
    }
}

async fn look(shared: &Shared, incoming: &Incoming<'_>) -> Result<Glimpse> {
    let fetches = &shared.fetches;
    // Never closed; and should it be, the app is asked all the same.
    let _slot = fetches.slots.acquire().await.ok();
    let peers = upstream::peers(shared, &incoming.snapshot.upstream).await?;
    let mut order = Order::of(incoming, peers, None)?;
    let head_only = incoming.head.method == Method::HEAD;
    if head_only {
        order.request.set_method(Method::HEAD);
    }
    let mut asked = ask(&fetches.connector, &order, &Flight::new(order.sequence)).await?;
    asked.session.shutdown().await;
    respond::vary_by_rule(&mut asked.response, &incoming.admitted.rule)?;
    let answer = asked.policy(&order);
    Ok(Glimpse {
        // An answer to HEAD has no body whose end could be in doubt.
        framed: answer.framed || head_only,
        any_coding: answer.any_coding,
        received_at: asked.received_at,
        delay: asked.delay,
        response: asked.response,
    })
}
