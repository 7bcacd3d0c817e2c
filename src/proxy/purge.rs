//! Purges: carried out at once, counted, and cleared up after by [`housekeeping`](super::housekeeping).

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Shared;
use super::housekeeping::Housekeeping;
use crate::cache::purge::{Kind, Order};
use crate::cache::tags::{Mode, Target};

impl Shared {
    /// Purges what the order names. When this returns, nothing older is served from the cache
    /// otherwise than its mode allows.
    pub fn purge(&self, order: &Order) -> Purged<'_> {
        let sequence = self.generations.carry_out(order);
        for kind in order.kinds() {
            self.purges.count(kind.into(), order.mode());
        }
        // Without one of these nobody waits for what a sweep does.
        let leaves_work = order.mode() == Mode::Hard || !order.bans().is_empty();
        Purged {
            sequence,
            housekeeping: leaves_work.then_some(&self.housekeeping),
        }
    }

    /// Purges what a client's write has changed.
    pub(super) fn purge_written(&self, targets: &[Target]) {
        self.generations.order(targets, Mode::Invalidate);
        self.purges.count(Label::write, Mode::Invalidate);
    }
}

/// A purge that is in force. What it leaves to do begins when this is dropped, so that whoever
/// ordered it can count first what it hits.
#[derive(Debug)]
pub struct Purged<'s> {
    /// Its number in the sequence of purges.
    pub sequence: u64,
    housekeeping: Option<&'s Housekeeping>,
}

impl Drop for Purged<'_> {
    fn drop(&mut self) {
        if let Some(housekeeping) = self.housekeeping {
            housekeeping.wake();
        }
    }
}

/// What an order may name.
const LABELS: [Kind; 6] = [
    Kind::Tag,
    Kind::Url,
    Kind::Host,
    Kind::Prefix,
    Kind::Glob,
    Kind::All,
];

/// Counters of purges.
#[derive(Debug)]
pub struct Purges {
    ordered: Family<Labels, Counter>,
    last: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: Label,
    mode: ModeLabel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
enum Label {
    tag,
    url,
    host,
    prefix,
    glob,
    all,
    write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
enum ModeLabel {
    soft,
    invalidate,
    hard,
}

impl Purges {
    /// Registers `purges_total` and `last_purge_timestamp_seconds`.
    pub fn register(registry: &mut Registry) -> Self {
        let purges = Self {
            ordered: Family::default(),
            last: Gauge::default(),
        };
        // Those that are to come are shown as zero, so that the first of them is an increase.
        for mode in [ModeLabel::soft, ModeLabel::invalidate, ModeLabel::hard] {
            for kind in LABELS.map(Into::into) {
                _ = purges.ordered.get_or_create(&Labels { kind, mode });
            }
        }
        registry.register(
            "purges",
            "Tags, URLs and so on that were purged; those that a client's POST, PUT or DELETE has changed, as `write`",
            purges.ordered.clone(),
        );
        registry.register(
            "last_purge_timestamp_seconds",
            "When something was last purged, in seconds since 1970; 0: never",
            purges.last.clone(),
        );
        purges
    }

    fn count(&self, kind: Label, mode: Mode) {
        let mode = match mode {
            Mode::Soft => ModeLabel::soft,
            Mode::Invalidate => ModeLabel::invalidate,
            Mode::Hard => ModeLabel::hard,
        };
        self.ordered.get_or_create(&Labels { kind, mode }).inc();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.last.set(now.unwrap_or_default().as_secs_f64());
    }
}

impl From<Kind> for Label {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Tag => Self::tag,
            Kind::Url => Self::url,
            Kind::Host => Self::host,
            Kind::Prefix => Self::prefix,
            Kind::Glob => Self::glob,
            Kind::All => Self::all,
        }
    }
}
