//! An answer on its way into the cache: the decision at its head, the body collected as it passes.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::{content_length, policy_request};
use super::ctx::Ctx;
use crate::cache::entry::{Entry, Fetched};
use crate::cache::freshness::Freshness;
use crate::cache::key::Key;
use crate::cache::status::Outcome;
use crate::cache::tags::Purge;
use crate::cache::vary::{self, Selected};
use crate::cache::{policy, tags};
use crate::reason::Reason;

/// Room made at once for a body. An announced length is only a promise, so that it buys no more than
/// the upper bound before bytes arrive.
const ROOM_BYTES: std::ops::RangeInclusive<usize> = 4 * 1024..=256 * 1024;

/// An answer that will be stored if its body arrives whole.
pub(super) struct Fill {
    key: Key,
    head: Head,
    body: BytesMut,
    /// The announced length, which the body must match.
    expected: Option<u64>,
    bytes_max: u64,
}

/// What was decided and kept when the head arrived.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    freshness: Freshness,
    received_at: SystemTime,
    sequence: u64,
    tags: Vec<Box<str>>,
    selecting: Box<[Selected]>,
}

/// Decides at the head of the app's answer whether it is kept, and says so in the outcome.
pub(super) fn begin(shared: &Shared, session: &Session, response: &ResponseHeader, ctx: &mut Ctx) {
    if response.status.is_informational() {
        return;
    }
    let Some(admitted) = &mut ctx.admitted else {
        return;
    };
    let Some(key) = admitted.key.take() else {
        return;
    };
    let stored = match fill(shared, session, response, ctx, key) {
        Ok(fill) => {
            keep(shared, ctx, fill);
            Ok(())
        }
        Err(reason) => {
            shared.metrics.decide(reason);
            Err(reason)
        }
    };
    if let Outcome::Miss { found, .. } = ctx.outcome {
        ctx.outcome = Outcome::Miss {
            found,
            stored: stored.is_ok(),
            why: stored.err(),
        };
    }
}

/// An answer with an empty body has no body phase: it is stored at once.
fn keep(shared: &Shared, ctx: &mut Ctx, fill: Fill) {
    if fill.expected == Some(0) {
        commit(shared, fill);
    } else {
        ctx.fill = Some(fill);
    }
}

fn fill(
    shared: &Shared,
    session: &Session,
    response: &ResponseHeader,
    ctx: &Ctx,
    key: Key,
) -> Result<Fill, Reason> {
    let now = SystemTime::now();
    let admitted = ctx.admitted.as_ref().ok_or(Reason::Internal)?;
    let request = policy_request(session, ctx);
    let expected = content_length(&response.headers);
    let chunked = response.headers.contains_key(header::TRANSFER_ENCODING);
    let answer = policy::Response {
        status: response.status,
        headers: &response.headers,
        framed: expected.is_some() || chunked,
    };
    let settings = &ctx.snapshot.cache;
    let delay = ctx.upstream.first_byte.unwrap_or_default();
    let freshness = policy::storable(&request, &answer, settings, &admitted.rule, now, delay)?;
    let siblings = shared.memory.get(&key);
    let siblings = siblings.map_or_else(Vec::new, |object| object.nominated());
    let head = Head {
        status: response.status,
        headers: response.headers.clone(),
        freshness,
        received_at: now,
        sequence: admitted.sequence,
        tags: tags::collect(&response.headers, &admitted.rule.tags)?,
        selecting: vary::select(
            &response.headers,
            request.headers,
            &siblings,
            &settings.vary,
        )?,
    };
    Ok(Fill {
        key,
        head,
        body: BytesMut::with_capacity(room(expected)),
        expected,
        bytes_max: settings.object_bytes_max,
    })
}

fn room(expected: Option<u64>) -> usize {
    let expected = usize::try_from(expected.unwrap_or(0)).unwrap_or(usize::MAX);
    expected.clamp(*ROOM_BYTES.start(), *ROOM_BYTES.end())
}

/// Collects a piece of the body; stores the answer when its end has come.
pub(super) fn collect(shared: &Shared, chunk: Option<&Bytes>, end: bool, ctx: &mut Ctx) {
    let Some(fill) = &mut ctx.fill else { return };
    if let Some(chunk) = chunk {
        if (fill.body.len() + chunk.len()) as u64 > fill.bytes_max {
            shared.metrics.decide(Reason::TooLarge);
            ctx.fill = None;
            return;
        }
        fill.body.extend_from_slice(chunk);
    }
    if end && let Some(fill) = ctx.fill.take() {
        commit(shared, fill);
    }
}

/// Stores a whole answer, unless it was purged while it was under way.
fn commit(shared: &Shared, fill: Fill) {
    let Fill {
        key,
        head,
        body,
        expected,
        ..
    } = fill;
    if expected.is_some_and(|bytes| bytes != body.len() as u64) {
        return shared.metrics.decide(Reason::Truncated);
    }
    let fetched = Fetched {
        status: head.status,
        headers: &head.headers,
        // The buffer may be far larger than what is in it; the store counts what it keeps.
        body: Bytes::copy_from_slice(&body),
        freshness: head.freshness,
        received_at: head.received_at,
        sequence: head.sequence,
        tags: head.tags,
        selecting: head.selecting,
    };
    let entry = Entry::new(&key, fetched);
    if shared.generations.judge(&key, &entry) == Purge::Invalid {
        return shared.metrics.decide(Reason::PurgedMeanwhile);
    }
    if !shared.memory.insert(key, entry.into()) {
        shared.metrics.decide(Reason::NotAdmitted);
    }
}
