//! `GET /v1/stats`: exact quantiles by route, and the figures of the cache.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{Admin, stage};
use crate::stats::process;

const WINDOWS: [(&str, Duration); 2] = [
    ("1m", Duration::from_secs(60)),
    ("5m", Duration::from_secs(300)),
];

/// Everything at a glance.
pub(super) async fn stats(State(admin): State<Admin>) -> Json<Value> {
    let now = Instant::now();
    let shared = &admin.shared;
    let mut routes = Map::new();
    for (name, latency) in shared.routes.all() {
        let windows: Map<_, _> = WINDOWS
            .iter()
            .map(|(label, window)| ((*label).to_owned(), json!(latency.quantiles(*window, now))))
            .collect();
        routes.insert(name.to_string(), Value::Object(windows));
    }
    let config = shared.live.status();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "stage": stage(shared),
        "requests_in_flight": shared.lifecycle.in_flight(),
        "routes": routes,
        "cache": {
            "objects": shared.memory.objects(),
            "bytes": shared.memory.bytes(),
            "evictions": shared.memory.evictions(),
            "purge_sequence": shared.generations.sequence(),
            // Prefixes and globs with which not everything is compared yet.
            "patterns_pending": shared.generations.bans().len(),
        },
        "config": {
            "generation": config.generation,
            "successful": config.successful,
            "error": config.error,
            "needs_restart": config.pending_restart,
        },
        "process": process::sample(),
    }))
}
