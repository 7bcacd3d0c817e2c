//! The two ports for operators, served by axum apart from the traffic.
//!
//! - the *metrics* port is read-only: [`metrics`] (`/metrics`) and [`health`] (`/livez`, `/readyz`,
//!   `/healthz`), for scrapers and orchestrators;
//! - the *admin* port acts and tells more: [`purge`] (`POST /v1/purge`, read by [`order`]),
//!   [`explain`] (`GET /v1/explain`), [`objects`] (`GET /v1/objects`), [`stats`] (`GET /v1/stats`),
//!   reload. It listens on loopback by default and asks for a token when one is configured.

mod auth;
mod explain;
mod health;
mod metrics;
mod objects;
mod order;
mod pace;
mod purge;
mod stats;

use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;

use pace::Pace;

use crate::config::reload::ReloadHandle;
use crate::proxy::{Shared, Stage};

/// A request to the admin port may not be larger: a purge names at the most a few thousand tags.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Counting what a purge hits takes no longer than half of this.
const COUNTING_MAX: Duration = Duration::from_millis(200);

/// What the handlers look at.
#[derive(Clone)]
pub struct Admin {
    /// The proxy's shared state.
    pub shared: Arc<Shared>,
    /// Every metric of the process.
    pub registry: Arc<Registry>,
    /// Reads the configuration anew on request.
    pub reload: ReloadHandle,
    /// Hashes what may be a secret before it is told.
    veil: RandomState,
    /// The time for counting what purges hit.
    counting: Arc<Pace>,
}

impl Admin {
    /// Handlers that look at the shared state of the proxy.
    #[must_use]
    pub fn new(shared: Arc<Shared>, registry: Registry, reload: ReloadHandle) -> Self {
        Self {
            shared,
            registry: Arc::new(registry),
            reload,
            veil: RandomState::new(),
            counting: Arc::new(Pace::new(COUNTING_MAX)),
        }
    }

    /// The routes of the read-only port; `path` is where the metrics are.
    pub fn metrics_routes(&self, path: &str) -> Router {
        Router::new()
            .route(path, get(metrics::scrape))
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/healthz", get(health::ready))
            .with_state(self.clone())
    }

    /// The routes of the port that acts.
    pub fn admin_routes(&self) -> Router {
        let auth = middleware::from_fn_with_state(self.clone(), auth::require_token);
        Router::new()
            .route("/v1/purge", post(purge::purge))
            .route("/v1/explain", get(explain::explain))
            .route("/v1/objects", get(objects::list))
            .route("/v1/objects/{key}", get(objects::one))
            .route("/v1/stats", get(stats::stats))
            .route("/v1/reload", post(health::reload))
            .layer(auth)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self.clone())
    }
}

/// Binds one of the two ports.
///
/// # Errors
/// When the address is taken or not permitted; the text names it and its key.
pub async fn bind(key: &str, address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("{key}: cannot listen on {address}: {e}")))
}

/// Serves until the runtime ends: operators may look while the process drains.
pub async fn serve(listener: TcpListener, routes: Router) {
    if let Err(e) = axum::serve(listener, routes).await {
        log::error!("an operators' port ended: {e}");
    }
}

/// An error that says what is wrong with a request.
fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"error": why}))).into_response()
}

/// Whether the process takes traffic, in words.
fn stage(shared: &Shared) -> &'static str {
    match shared.lifecycle.stage() {
        Stage::Serving if !shared.lifecycle.is_app_reached() => "waiting for the app",
        Stage::Serving => "serving",
        Stage::Draining | Stage::Closing => "draining",
    }
}

/// Seconds as a number, for JSON.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
