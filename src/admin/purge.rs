//! `POST /v1/purge`: by tag, by URL, by host, by the form of the path, or everything.

use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::pace::Pace;
use super::{Admin, order, refuse, seconds};
use crate::cache::purge::Order;
use crate::store::memory::MemoryTier;

/// Objects looked at without letting others go on.
const PIECE_OBJECTS: usize = 256;
/// With so many prefixes and globs it is half as many.
const PIECE_BANS: usize = 16;

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    mode: &'static str,
    /// The purge's number.
    sequence: u64,
    /// How many things were named.
    targets: usize,
    hit: Hit,
    took_seconds: f64,
}

/// What was stored of that.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Hit {
    /// URLs.
    objects: usize,
    /// Responses: the variants of those.
    responses: usize,
    /// Everything that is stored was looked at; otherwise there may be more.
    complete: bool,
}

/// Purges; when the answer is out, nothing older is served but what the mode allows.
pub(super) async fn purge(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let began = Instant::now();
    let body = match body {
        Ok(body) => body,
        Err(e) => return refuse(e.status(), &e.body_text()),
    };
    // A page in an operator's browser cannot send this to another origin without asking first.
    if !is_json(&headers) {
        let why = "send the order with `Content-Type: application/json`";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    }
    let query = &admin.shared.live.full().cache.query;
    let order = match order::read(&body, query) {
        Ok(order) => order,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let purged = admin.shared.purge(&order);
    let hit = count(
        &admin.shared.memory,
        &order,
        purged.sequence,
        &admin.counting,
    )
    .await;
    Json(Done {
        mode: order::word(order.mode()),
        sequence: purged.sequence,
        targets: order.len(),
        hit,
        took_seconds: seconds(began.elapsed()),
    })
    .into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// Looks for what the order has hit, as far as there is time: the purge itself is done by now, and an
/// app that purges with each write must not keep a core busy with counting.
async fn count(memory: &MemoryTier, order: &Order, sequence: u64, pace: &Pace) -> Hit {
    let mut share = pace.share(Instant::now());
    let contents = memory.contents();
    let mut walk = contents.walk();
    let mut hit = Hit::default();
    let piece = PIECE_OBJECTS * PIECE_BANS / (PIECE_BANS + order.bans().len());
    while !share.is_used_up() {
        let began = Instant::now();
        for _ in 0..piece.max(1) {
            let Some((key, object)) = walk.next() else {
                hit.complete = true;
                return hit;
            };
            let variants = object.variants().iter();
            let of_it = variants.filter(|e| e.sequence < sequence && order.hits(&key, e));
            let responses = of_it.count();
            hit.objects += usize::from(responses > 0);
            hit.responses += responses;
        }
        share.use_up(began.elapsed());
        tokio::task::yield_now().await;
    }
    hit
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::cache::ban::Ban;
    use crate::cache::tags::{Mode, Target};
    use crate::cache::testing::{entry, key};

    #[tokio::test]
    async fn counts_what_was_stored_before() {
        let memory = MemoryTier::new(16 << 20);
        for n in 0..1_000 {
            let key = key(&format!("/{n}"));
            let mut entry = entry(&key, &[], "");
            entry.sequence = if n < 100 { 7 } else { 0 };
            assert!(memory.insert(key, Arc::new(entry)));
        }
        let cases = [
            ("everything", vec![Target::All], vec![], 900),
            ("one", vec![Target::Url(key("/500"))], vec![], 1),
            ("one of after", vec![Target::Url(key("/50"))], vec![], 0),
            (
                "one and some",
                vec![Target::Url(key("/500"))],
                vec!["/9"],
                101,
            ),
        ];
        for (case, targets, prefixes, expected) in cases {
            let bans = prefixes.iter().map(|path| Ban::prefix(None, path));
            let order = Order::new(targets, bans.collect(), Mode::Soft);
            let expected = Hit {
                objects: expected,
                responses: expected,
                complete: true,
            };
            let pace = Pace::new(Duration::from_secs(60));
            let hit = count(&memory, &order, 7, &pace).await;
            assert_eq!(hit, expected, "{case}");
        }
    }

    #[tokio::test]
    async fn does_not_count_without_time() {
        let memory = MemoryTier::new(1 << 20);
        let order = Order::new(vec![Target::All], Vec::new(), Mode::Soft);
        let hit = count(&memory, &order, 7, &Pace::new(Duration::ZERO)).await;
        assert_eq!(hit, Hit::default());
        assert!(!hit.complete);
    }

    #[test]
    fn only_json_is_taken() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            assert_eq!(is_json(&headers), expected, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
