//! Content codings: which one a client wants, which bodies deserve it, and the encoders.
//!
//! A response is coded when [`eligible`](fn@eligible::eligible) finds nothing against it and
//! [`negotiate`](fn@negotiate::negotiate) finds a coding the client takes. An eligible response says
//! `Vary: Accept-Encoding` whether it was coded or not ([`eligible::vary_with_accept_encoding`]);
//! a coded one gets the other header changes of [`eligible::marks`].

pub mod eligible;
pub mod encoder;
pub mod negotiate;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::reason::{Kind, Reason};

pub use eligible::MediaTypes;
pub use encoder::{Encoder, compress_whole};
pub use negotiate::Coding;

/// What to compress and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Compress at all.
    pub enabled: bool,
    /// The codings on offer; of those that a client likes equally the first is taken.
    pub algorithms: Vec<Coding>,
    /// Bodies known to be shorter stay as they are: a packet is a packet.
    pub min_bytes: u64,
    /// The media types worth it.
    pub types: MediaTypes,
    /// How hard to try.
    pub levels: Levels,
}

/// The effort of each algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Brotli's quality, 0..=11.
    pub br: u32,
    /// gzip's level, 1..=9.
    pub gzip: u32,
}

type Labels = [(&'static str, &'static str); 1];

/// What compression did.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// By [`Coding`]'s place in [`Coding::ALL`].
    bytes_in: [Counter; Coding::ALL.len()],
    bytes_out: [Counter; Coding::ALL.len()],
    /// By the reason's place in [`Reason::ALL`]; only those of [`Kind::NotCompressed`].
    skipped: Vec<Option<Counter>>,
}

impl Metrics {
    /// Registers them; `registry` carries the prefix (`compression`).
    pub fn register(registry: &mut Registry) -> Self {
        let by_coding = |family: &Family<Labels, Counter>| {
            Coding::ALL.map(|coding| family.get_or_create_owned(&[("algorithm", coding.token())]))
        };
        let bytes_in = Family::<Labels, Counter>::default();
        let bytes_out = Family::<Labels, Counter>::default();
        let skipped = Family::<Labels, Counter>::default();
        let metrics = Self {
            bytes_in: by_coding(&bytes_in),
            bytes_out: by_coding(&bytes_out),
            skipped: Reason::ALL
                .iter()
                .map(|reason| {
                    (reason.kind() == Kind::NotCompressed)
                        .then(|| skipped.get_or_create_owned(&[("reason", reason.code())]))
                })
                .collect(),
        };
        registry.register("bytes_in", "Bytes of bodies given to an encoder", bytes_in);
        registry.register(
            "bytes_out",
            "Bytes of bodies that encoders made of them",
            bytes_out,
        );
        registry.register(
            "skipped",
            "Responses that were not compressed, and why",
            skipped,
        );
        metrics
    }

    /// Counts what an encoder read and wrote.
    pub fn coded(&self, coding: Coding, bytes_in: u64, bytes_out: u64) {
        self.bytes_in[coding as usize].inc_by(bytes_in);
        self.bytes_out[coding as usize].inc_by(bytes_out);
    }

    /// Counts a response that was left as it is. Reasons of another kind are not ours to count.
    pub fn skipped(&self, reason: Reason) {
        if let Some(Some(counter)) = self.skipped.get(reason as usize) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn metrics_are_named_and_labelled() {
        let mut registry = Registry::with_prefix("compression");
        let metrics = Metrics::register(&mut registry);
        metrics.coded(Coding::Brotli, 100, 40);
        metrics.clone().coded(Coding::Gzip, 7, 6);
        metrics.skipped(Reason::TooSmall);
        metrics.skipped(Reason::SetCookie);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "compression_bytes_in_total{algorithm=\"br\"} 100",
            "compression_bytes_out_total{algorithm=\"br\"} 40",
            "compression_bytes_out_total{algorithm=\"gzip\"} 6",
            "compression_skipped_total{reason=\"TOO_SMALL\"} 1",
            "compression_skipped_total{reason=\"MEDIA_TYPE\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("SET_COOKIE"));
    }
}
