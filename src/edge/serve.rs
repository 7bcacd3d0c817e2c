//! One accepted connection, from its first byte to its end.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;

use super::Edge;
use super::connection::Connection;

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Seconds that a kept-alive connection may stay silent between two requests.
const IDLE_SECONDS: u64 = 60;

/// Serves `connection` until either side is done with it.
pub(super) async fn connection(edge: Arc<Edge>, mut connection: Connection, http2: bool) {
    let h2 = match http2 {
        true => sniff(&edge, &mut connection).await,
        false => Some(false),
    };
    match h2 {
        Some(true) => {
            edge.proxy
                .process_new(Box::new(connection), &edge.shutdown)
                .await;
        }
        Some(false) => http1(&edge, connection).await,
        None => {}
    }
}

/// Whether the client speaks HTTP/2 by prior knowledge; `None` when it left or stayed silent.
async fn sniff(edge: &Edge, connection: &mut Connection) -> Option<bool> {
    let wait = Duration::from_secs(IDLE_SECONDS);
    tokio::select! {
        biased;
        opens = tokio::time::timeout(wait, connection.opens_with(H2_PREFACE)) => opens.ok()?.ok(),
        // Who has said nothing by the end of the drain's linger is not waited for.
        () = edge.lifecycle.closing() => None,
    }
}

/// The keep-alive loop: one session per request on the same stream.
async fn http1(edge: &Edge, connection: Connection) {
    let offers = (connection.deadline().clone(), connection.date().clone());
    let mut session = ServerSession::new_http1(Box::new(connection));
    loop {
        // pingora turns the idle timer off once it has seen `keep-alive`; it is set anew here.
        session.set_keepalive(Some(IDLE_SECONDS));
        session.set_connection_user_context(Some(Box::new(offers.clone())));
        let done = edge.proxy.process_new_http(session, &edge.shutdown).await;
        let Some((stream, settings)) = done.map(|done| done.consume()) else {
            return;
        };
        session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
    }
}
