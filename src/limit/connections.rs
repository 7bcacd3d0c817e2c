//! How many connections may be open: in all, and from one address.
//!
//! Pure bookkeeping: a [`Permit`] is held for the life of a connection and its drop gives back what
//! it took. The limits come with each call, so a changed configuration applies from the next
//! connection on and those that are open stay.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::reason::Reason;

/// Enough that two workers seldom want the same one.
const SHARDS: usize = 64;

/// A shard's table keeps room for this many addresses before it thinks of shrinking.
const ROOM_MIN: usize = 32;

/// The limits; 0 means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Connections in all.
    pub total: usize,
    /// Connections from one address (IPv6: from one network, see `client_ip::Settings::bucket`).
    pub per_ip: usize,
}

/// The connections that are open.
pub struct Connections {
    open: AtomicUsize,
    shards: Box<[Mutex<HashMap<IpAddr, usize>>]>,
    /// Keyed at random, so that nobody can aim addresses at one shard.
    hasher: RandomState,
}

/// The right to be connected. Dropping it is the end of the connection.
#[must_use = "a permit that is dropped is given back"]
pub struct Permit {
    connections: Arc<Connections>,
    bucket: Option<IpAddr>,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        })
    }

    /// A permit for one more connection. `bucket` is the address it counts for; `None` exempts it
    /// from the limit per address (a trusted proxy speaks for many clients) but not from the total.
    ///
    /// # Errors
    /// [`Reason::ConnectionsPerIp`] or [`Reason::ConnectionsTotal`]; nothing was taken then.
    pub fn acquire(
        self: &Arc<Self>,
        settings: &Settings,
        bucket: Option<IpAddr>,
    ) -> Result<Permit, Reason> {
        match bucket {
            None => self.take_one(settings.total)?,
            Some(ip) => {
                // Both limits are decided under the address's lock, so that a connection refused for
                // its address never takes a place in the total from another, not even for a moment.
                let mut counts = self.shard(ip);
                let count = counts.get(&ip).copied().unwrap_or(0);
                if settings.per_ip != 0 && count >= settings.per_ip {
                    return Err(Reason::ConnectionsPerIp);
                }
                self.take_one(settings.total)?;
                // Counted even without a limit: one may be set while this connection is open.
                counts.insert(ip, count + 1);
            }
        }
        Ok(Permit {
            connections: Arc::clone(self),
            bucket,
        })
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// From how many addresses. Walks all shards.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// One place of the total. Compare-and-swap rather than add-and-check: the number never exceeds
    /// the limit, so two that race for the last place cannot both be refused.
    fn take_one(&self, total: usize) -> Result<(), Reason> {
        let more = |open: usize| (total == 0 || open < total).then(|| open + 1);
        // Relaxed: the number guards nothing but itself.
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map(|_| ())
            .map_err(|_| Reason::ConnectionsTotal)
    }

    fn shard(&self, ip: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let hash = self.hasher.hash_one(ip) as usize;
        lock(&self.shards[hash % self.shards.len()])
    }
}

/// A thread that panicked elsewhere cannot have left a count half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ip) = self.bucket {
            let mut counts = self.connections.shard(ip);
            match counts.get_mut(&ip) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    counts.remove(&ip);
                    // A flood of addresses must not leave its table behind. Halving at a quarter
                    // keeps the cost of shrinking in proportion to what was removed.
                    if counts.capacity() > ROOM_MIN && counts.len() < counts.capacity() / 4 {
                        let room = (counts.capacity() / 2).max(ROOM_MIN);
                        counts.shrink_to(room);
                    }
                }
            }
        }
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// Reads the gauges at scrape time, so that no path can forget to keep them up to date.
impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, help, value) in [
            ("open", "Client connections that are open.", self.open()),
            (
                "addresses",
                "Client addresses that have a connection open.",
                self.addresses(),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

type Labels = [(&'static str, &'static str); 1];

/// What became of connections; the edge counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Connections let in.
    pub accepted: Counter,
    refused_total: Counter,
    refused_per_ip: Counter,
}

impl Metrics {
    /// Registers them and the gauges of `connections`; `registry` carries the prefix
    /// (`connections`).
    pub fn register(registry: &mut Registry, connections: &Arc<Connections>) -> Self {
        registry.register_collector(Box::new(Arc::clone(connections)));
        let accepted = Counter::default();
        registry.register("accepted", "Client connections let in", accepted.clone());
        let refused = Family::<Labels, Counter>::default();
        registry.register(
            "refused",
            "Client connections refused, and why",
            refused.clone(),
        );
        let handle = |reason: Reason| refused.get_or_create_owned(&[("reason", reason.code())]);
        Self {
            accepted,
            refused_total: handle(Reason::ConnectionsTotal),
            refused_per_ip: handle(Reason::ConnectionsPerIp),
        }
    }

    /// Counts a refusal by what [`Connections::acquire`] said.
    pub fn refused(&self, reason: Reason) {
        match reason {
            Reason::ConnectionsTotal => self.refused_total.inc(),
            Reason::ConnectionsPerIp => self.refused_per_ip.inc(),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests;
