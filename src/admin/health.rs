//! Is it alive, is it ready, and reload.

use std::fmt::Write;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Admin, stage};
use crate::config::reload::Outcome;

/// `/livez`: the process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `/readyz`, `/healthz`: 200 while traffic is welcome, 503 until the app has accepted a connection
/// once and again while draining. `?verbose` tells more. An app that goes away later does not make
/// the sidecar unready: it answers from the cache and tells clients what is wrong.
///
/// A rejected edit of the configuration does not make the process unready: it serves with the last
/// good one, and says so here and in `vestibule_config_last_reload_successful`.
pub(super) async fn ready(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let ready = admin.shared.lifecycle.is_ready();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let text = match (verbose, ready) {
        (true, _) => describe(&admin),
        (false, true) => "ok\n".to_owned(),
        (false, false) => format!("{}\n", stage(&admin.shared)),
    };
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, plain, text).into_response()
}

fn describe(admin: &Admin) -> String {
    let config = admin.shared.live.status();
    let mut text = format!(
        "stage: {}\napp: {}\nrequests in flight: {}\nconfig generation: {}\nconfig: {}\n",
        stage(&admin.shared),
        match admin.shared.lifecycle.is_app_reached() {
            true => "has accepted a connection",
            false => "has not accepted a connection yet",
        },
        admin.shared.lifecycle.in_flight(),
        config.generation,
        if config.successful {
            "ok"
        } else {
            "the last edit was rejected; the one before is in force"
        },
    );
    for line in config.error.iter().flat_map(|error| error.lines()) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {line}");
    }
    if !config.pending_restart.is_empty() {
        let _ = writeln!(
            text,
            "needs a restart: {}",
            config.pending_restart.join(", ")
        );
    }
    text
}

/// `POST /v1/reload`: reads the file now and says what came of it.
pub(super) async fn reload(State(admin): State<Admin>) -> Response {
    match admin.reload.reload().await {
        Ok(outcome) => {
            let status = admin.shared.live.status();
            let result = match outcome {
                Outcome::Applied { .. } => "applied",
                Outcome::Unchanged => "unchanged",
            };
            Json(json!({
                "result": result,
                "generation": status.generation,
                "needs_restart": status.pending_restart,
            }))
            .into_response()
        }
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            let body = Json(json!({"result": "rejected", "problems": problems}));
            (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
        }
    }
}
