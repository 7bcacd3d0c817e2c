//! The request to the app, up to the head of its answer.

use std::time::{Duration, Instant, SystemTime};

use http::{StatusCode, header};
use pingora::connectors::http::Connector;
use pingora::http::ResponseHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OkOrErr, Result};

use super::flight::Flight;
use super::order::Order;
use crate::cache::policy;
use crate::proxy::admit::content_length;
use crate::proxy::upstream;

/// An open exchange: the final head is there, the body is still to be read.
pub(super) struct Asked {
    pub(super) session: HttpSession<()>,
    /// Where the connection leads.
    pub(super) peer: HttpPeer,
    pub(super) response: ResponseHeader,
    /// When the head arrived.
    pub(super) received_at: SystemTime,
    /// How long after the request was sent.
    pub(super) delay: Duration,
}

impl Asked {
    /// The answer as the pure layer sees it.
    pub(super) fn policy(&self, order: &Order) -> policy::Response<'_> {
        let (status, headers) = (self.response.status, &self.response.headers);
        policy::Response {
            status,
            headers,
            framed: status == StatusCode::NO_CONTENT
                || headers.contains_key(header::TRANSFER_ENCODING)
                || content_length(headers).is_some(),
            any_coding: !order.request.headers.contains_key(header::ACCEPT_ENCODING),
        }
    }

    /// Reads an answer without a body to its end, so that the connection can be used again.
    pub(super) async fn drain(mut self, connector: &Connector, idle: Option<Duration>) {
        match self.session.read_response_body().await {
            Ok(None) => {
                let (session, peer) = (self.session, self.peer);
                connector.release_http_session(session, &peer, idle).await;
            }
            _ => self.session.shutdown().await,
        }
    }
}

/// Sends the request and waits for the final head. A pooled connection may have been closed by the
/// app in the meantime: then a fresh one is tried, once.
pub(super) async fn ask(connector: &Connector, order: &Order, flight: &Flight) -> Result<Asked> {
    let began = Instant::now();
    let (session, peer, response) = exchange(connector, order, flight).await?;
    Ok(Asked {
        session,
        peer,
        response,
        received_at: SystemTime::now(),
        delay: began.elapsed(),
    })
}

async fn exchange(
    connector: &Connector,
    order: &Order,
    flight: &Flight,
) -> Result<(HttpSession<()>, HttpPeer, ResponseHeader)> {
    let (mut session, peer, reused) = connect(connector, &order.peers).await?;
    match head(&mut session, order, flight).await {
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
            let response = head(&mut session, order, flight)
                .await
                .map_err(Error::into_up)?;
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

/// Sends the request and reads up to the final head; interim ones are passed on.
async fn head(
    session: &mut HttpSession<()>,
    order: &Order,
    flight: &Flight,
) -> Result<ResponseHeader> {
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
            // An answer to an `Expect` that we did not send.
            100 => {}
            102..=199 => {
                let mut interim = response.clone();
                upstream::strip_response(&mut interim);
                flight.push_interim(interim);
            }
            _ => return Ok(response.clone()),
        }
    }
}

/// In the configuration a bound of zero means none.
pub(super) fn bound(bound: Duration) -> Option<Duration> {
    (!bound.is_zero()).then_some(bound)
}
