//! `POST /v1/purge`: by tag, by URL, by host, or everything.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Admin, seconds};
use crate::cache::key::{Key, QueryRule};
use crate::cache::tags::Target;

/// More targets than this are refused in one request.
const TARGETS_MAX: usize = 10_000;

/// What to purge; the members add up.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Order {
    /// Cache tags.
    tags: Vec<String>,
    /// Absolute URLs, as the clients ask for them.
    urls: Vec<String>,
    /// Limits `tags` to this host; alone, purges the whole host.
    host: Option<String>,
    /// Everything.
    all: bool,
}

/// Purges; when the answer is out, nothing older is served.
pub(super) async fn purge(
    State(admin): State<Admin>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let began = Instant::now();
    let order = match order {
        Ok(Json(order)) => order,
        Err(e) => return refuse(&e.body_text()),
    };
    let query = &admin.shared.live.full().cache.query;
    let targets = match targets(order, query) {
        Ok(targets) => targets,
        Err(why) => return refuse(&why),
    };
    let sequence = admin.shared.purge(&targets);
    Json(json!({
        "sequence": sequence,
        "targets": targets.len(),
        "took_seconds": seconds(began.elapsed()),
    }))
    .into_response()
}

fn targets(order: Order, query: &QueryRule) -> Result<Vec<Target>, String> {
    let host = order.host.map(|host| host.trim().to_ascii_lowercase());
    let mut targets = Vec::new();
    for url in &order.urls {
        targets.push(Target::Url(key(url, query)?));
    }
    if let (Some(host), true) = (&host, order.tags.is_empty()) {
        targets.push(Target::Host(host.clone()));
    }
    for tag in order.tags {
        if tag.trim().is_empty() {
            return Err("an empty tag".to_owned());
        }
        targets.push(Target::Tag {
            host: host.clone(),
            tag: tag.trim().to_owned(),
        });
    }
    if order.all {
        targets.push(Target::All);
    }
    match targets.len() {
        0 => Err("nothing to purge: give `tags`, `urls`, `host` or `all`".to_owned()),
        1..=TARGETS_MAX => Ok(targets),
        n => Err(format!(
            "{n} targets; at the most {TARGETS_MAX} in one request"
        )),
    }
}

fn key(url: &str, query: &QueryRule) -> Result<Key, String> {
    let uri: http::Uri = url
        .parse()
        .map_err(|e| format!("`{url}` is not a URL: {e}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(host)) => Ok(Key::new(
            scheme,
            host.as_str(),
            uri.path(),
            uri.query(),
            query,
        )),
        _ => Err(format!("`{url}` is not absolute: write http://host/path")),
    }
}

fn refuse(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let cases = [
            ("tags", r#"{"tags":["a","b"]}"#, Some(2)),
            (
                "tags of a host",
                r#"{"tags":["a"],"host":"Example.org"}"#,
                Some(1),
            ),
            ("a host", r#"{"host":"example.org"}"#, Some(1)),
            ("urls", r#"{"urls":["http://example.org/x?y=1"]}"#, Some(1)),
            ("all", r#"{"all":true}"#, Some(1)),
            ("nothing", "{}", None),
            ("an empty tag", r#"{"tags":[" "]}"#, None),
            ("a relative url", r#"{"urls":["/x"]}"#, None),
        ];
        for (case, body, expected) in cases {
            let order: Order = serde_json::from_str(body).expect(case);
            let found = targets(order, &QueryRule::default())
                .ok()
                .map(|targets| targets.len());
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(serde_json::from_str::<Order>(r#"{"tag":["a"]}"#).is_err());
    }
}
