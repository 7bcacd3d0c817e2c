//! `/metrics` in the OpenMetrics text format.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Admin;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes every metric out.
pub(super) async fn scrape(State(admin): State<Admin>) -> Response {
    let mut text = String::with_capacity(16 * 1024);
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        // Only a collector of ours can fail, never the string.
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}
