//! The tier's figures, for Prometheus.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::MemoryTier;

/// Exposes a tier's figures.
#[derive(Debug)]
pub struct Metrics(Arc<MemoryTier>);

impl Metrics {
    /// Registers `memory_bytes`, `memory_bytes_max`, `objects` and `evictions_total`, read on each
    /// scrape.
    pub fn register(tier: Arc<MemoryTier>, registry: &mut Registry) {
        registry.register_collector(Box::new(Self(tier)));
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let tier = &self.0;
        let gauges = [
            (
                "memory_bytes",
                "Bytes in use by stored responses.",
                tier.bytes(),
            ),
            (
                "memory_bytes_max",
                "Most bytes that stored responses may use.",
                tier.bytes_max(),
            ),
            ("objects", "URLs with stored responses.", tier.objects()),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counter = ConstCounter::new(tier.evictions());
        let help = "Stored responses given up to make room.";
        counter.encode(encoder.encode_descriptor("evictions", help, None, counter.metric_type())?)
    }
}
