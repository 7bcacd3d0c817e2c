//! Binding addresses and accepting connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::connection::Connection;
use super::{Edge, serve};
use crate::config::Listener;

/// How many connections the kernel queues for us while we are busy.
const BACKLOG: u32 = 4096;

/// Pause after an accept that failed for want of descriptors or memory: retrying at once would
/// only burn the processor that is needed to close something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound address that is not yet accepting.
pub struct Bound {
    listener: TcpListener,
    http2: bool,
}

impl Bound {
    /// The address really bound, with the port the system chose where the file said 0.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

/// Binds one listener.
///
/// # Errors
/// When the address is taken, not ours, or not permitted; the text names the address.
pub fn bind(listener: &Listener) -> io::Result<Bound> {
    let bind = || {
        let address = listener.address;
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // Lets a restarted process bind while connections of the old one are in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind()
        .map(|bound| Bound {
            listener: bound,
            http2: listener.http2,
        })
        .map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("cannot listen on {}: {e}", listener.address),
            )
        })
}

/// Accepts until the drain begins, then takes in what the kernel had already queued and closes.
pub async fn accept(edge: Arc<Edge>, bound: Bound) {
    let mut shutdown = edge.shutdown.clone();
    loop {
        tokio::select! {
            accepted = bound.listener.accept() => match accepted {
                Ok((stream, peer)) => admit(&edge, stream, peer, bound.http2),
                Err(e) => {
                    warn!("accept failed: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // An error means that the sender is gone, which also ends the process.
            () = draining(&mut shutdown) => break,
        }
    }
    // A connection in the kernel's queue may carry a request already; closing the listener now
    // would reset it. It is served, and told to close.
    let queued = async {
        while let Ok((stream, peer)) = bound.listener.accept().await {
            admit(&edge, stream, peer, bound.http2);
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(1), queued).await;
    if let Some(address) = bound.address() {
        info!("closed the listener on {address}");
    }
}

async fn draining(shutdown: &mut ShutdownWatch) {
    // The lock that `wait_for` returns must not be held across an await.
    let _ = shutdown.wait_for(|stop| *stop).await.map(drop);
}

/// Gives the connection a permit and a task, or closes it before a byte was read.
fn admit(edge: &Arc<Edge>, stream: TcpStream, peer: SocketAddr, http2: bool) {
    let snapshot = edge.live.load();
    let ip = peer.ip().to_canonical();
    let permit = match edge
        .connections
        .acquire(&snapshot.connections, bucket(&snapshot, ip))
    {
        Ok(permit) => permit,
        Err(reason) => {
            edge.metrics.refused(reason);
            return;
        }
    };
    edge.metrics.accepted.inc();
    drop(snapshot);
    let connection = Connection::new(prepare(stream, peer), permit);
    tokio::spawn(serve::connection(edge.clone(), connection, http2));
}

/// Whose allowance a connection uses; `None` for a trusted proxy, behind which many clients stand.
fn bucket(snapshot: &crate::config::Snapshot, ip: IpAddr) -> Option<IpAddr> {
    let settings = &snapshot.client_ip;
    (!settings.is_trusted(ip)).then(|| settings.bucket(ip))
}

fn prepare(stream: TcpStream, peer: SocketAddr) -> L4Stream {
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let known = digest.peer_addr.set(Some(peer.into()));
    debug_assert!(known.is_ok(), "a new digest has no address yet");
    let mut io = L4Stream::from(stream);
    // Small answers must not wait for an acknowledgement; a failure costs only latency.
    let _ = io.set_nodelay();
    io.set_socket_digest(digest);
    io
}
