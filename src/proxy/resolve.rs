//! Where the app's host name points. pingora would resolve it synchronously on each request.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// How long an answer of the system's resolver is used.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// How long a request waits for the system's resolver.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More addresses than this are not kept.
const ADDRESSES_MAX: usize = 16;

/// The addresses of one host, remembered for a while.
#[derive(Debug, Default)]
pub struct Resolver {
    last: ArcSwapOption<Resolved>,
}

#[derive(Debug)]
struct Resolved {
    host: String,
    port: u16,
    addresses: Arc<[SocketAddr]>,
    at: Instant,
}

impl Resolver {
    /// Nothing resolved yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses of `host`, in the order to be tried.
    ///
    /// When the system's resolver fails, what it last said of the same host is used further.
    ///
    /// # Errors
    /// When the name cannot be resolved and never could.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Arc::new([SocketAddr::new(ip, port)]));
        }
        let last = self
            .last
            .load_full()
            .filter(|last| last.host == host && last.port == port);
        if let Some(last) = &last
            && last.at.elapsed() < FRESH_FOR
        {
            return Ok(last.addresses.clone());
        }
        match (Self::ask(host, port).await, last) {
            (Ok(addresses), _) => {
                self.remember(host, port, &addresses);
                Ok(addresses)
            }
            (Err(_), Some(last)) => {
                self.remember(host, port, &last.addresses);
                Ok(last.addresses.clone())
            }
            (Err(e), None) => Err(e),
        }
    }

    fn remember(&self, host: &str, port: u16, addresses: &Arc<[SocketAddr]>) {
        self.last.store(Some(Arc::new(Resolved {
            host: host.to_owned(),
            port,
            addresses: addresses.clone(),
            at: Instant::now(),
        })));
    }

    async fn ask(host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        let lookup = tokio::net::lookup_host((host, port));
        let found = tokio::time::timeout(TIMEOUT, lookup)
            .await
            .map_err(io::Error::from)??;
        let mut addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
        // Apps in containers listen on IPv4 far more often; a refused first try costs a round trip.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        Ok(addresses.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Resolver;

    #[tokio::test]
    async fn literals_and_names() {
        let resolver = Resolver::new();
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("[::1]", "[::1]:80")] {
            let addresses = resolver.resolve(host, 80).await.expect("a literal");
            assert_eq!(addresses[0].to_string(), expected);
        }
        let addresses = resolver.resolve("localhost", 80).await.expect("localhost");
        assert!(addresses[0].ip().is_loopback());
        assert!(resolver.resolve("no-such-host.invalid", 80).await.is_err());
    }
}
