//! The connection level: accepting, permits, deadlines on the stream, and the way of a connection
//! from `accept` to the HTTP session that `proxy` serves.
//!
//! - [`listen`]: binds addresses and runs the accept loops until the drain closes them.
//! - [`connection`]: the stream that pingora reads and writes; it carries what we must know about a
//!   connection (permit, peer, deadline) underneath the HTTP session.
//! - [`serve`]: one accepted connection, HTTP/1.1 or h2, to its end.

pub mod connection;
pub mod listen;
mod serve;

use std::sync::Arc;

use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use crate::config::Live;
use crate::limit::connections::{Connections, Metrics};
use crate::proxy::{Lifecycle, Proxy};

/// What every accept loop and connection shares.
pub struct Edge {
    /// The HTTP machinery that serves whole requests.
    pub proxy: Arc<HttpProxy<Proxy>>,
    /// The live configuration; limits are read from it at each accept.
    pub live: Arc<Live>,
    /// Who holds how many connections.
    pub connections: Arc<Connections>,
    /// Counters of accepted and refused connections.
    pub metrics: Metrics,
    /// The stage of the process and its requests in flight.
    pub lifecycle: Arc<Lifecycle>,
    /// Turns true when the process drains.
    pub shutdown: ShutdownWatch,
}
