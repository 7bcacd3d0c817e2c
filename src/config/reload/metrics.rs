//! How reloads went.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::config::live::Live;

/// Counters of reloads; register it under the prefix `config`.
#[derive(Debug, Clone)]
pub struct Metrics {
    last_reload_successful: Gauge,
    last_reload_success_timestamp_seconds: Gauge<f64, AtomicU64>,
    applied: Counter,
    unchanged: Counter,
    rejected: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    result: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
enum Label {
    applied,
    unchanged,
    rejected,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let reloads = Family::<Labels, Counter>::default();
        let counter = |result| reloads.get_or_create(&Labels { result }).clone();
        let metrics = Self {
            last_reload_successful: Gauge::default(),
            last_reload_success_timestamp_seconds: Gauge::default(),
            applied: counter(Label::applied),
            unchanged: counter(Label::unchanged),
            rejected: counter(Label::rejected),
        };
        registry.register(
            "last_reload_successful",
            "Whether the last attempt to load the configuration succeeded (1) or not (0)",
            metrics.last_reload_successful.clone(),
        );
        registry.register(
            "last_reload_success_timestamp_seconds",
            "When the configuration in force was loaded, in seconds since 1970",
            metrics.last_reload_success_timestamp_seconds.clone(),
        );
        registry.register(
            "reloads",
            "Attempts to reload the configuration, by result",
            reloads,
        );
        metrics
    }

    /// The first load is a success, or there would be no process.
    pub(super) fn start(&self, live: &Live) {
        self.succeeded(live);
    }

    pub(super) fn applied(&self, live: &Live) {
        self.applied.inc();
        self.succeeded(live);
    }

    pub(super) fn unchanged(&self) {
        self.unchanged.inc();
    }

    pub(super) fn rejected(&self) {
        self.rejected.inc();
        self.last_reload_successful.set(0);
    }

    fn succeeded(&self, live: &Live) {
        self.last_reload_successful.set(1);
        let since = live
            .status()
            .loaded_at
            .duration_since(SystemTime::UNIX_EPOCH);
        self.last_reload_success_timestamp_seconds
            .set(since.unwrap_or_default().as_secs_f64());
    }
}
