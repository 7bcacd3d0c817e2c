//! What answers that are only passed through say about stored ones: those to unsafe methods end them
//! (RFC 9111 §4.4), those to HEAD freshen or end them (§4.3.5).

use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::host;
use super::ctx::Ctx;
use super::incoming::Incoming;
use crate::cache::entry::Entry;
use crate::cache::invalidate::{TargetUri, is_safe, targets};
use crate::cache::key::Key;
use crate::cache::merge::{HeadVerdict, Update, by_head, freshen};
use crate::cache::policy;
use crate::cache::status::Outcome;
use crate::cache::tags::Purge;

/// Learns from the app's answer before it is passed on: whoever has seen it sees the change.
pub(super) fn from_answer(shared: &Shared, session: &Session, answer: &ResponseHeader, ctx: &Ctx) {
    let method = &session.req_header().method;
    let looked_up = matches!(ctx.outcome, Outcome::Miss { .. });
    if !is_safe(method) {
        from_unsafe(shared, session, answer, ctx);
    } else if *method == Method::HEAD && looked_up && answer.status == StatusCode::OK {
        from_head(shared, session, answer, ctx);
    }
}

/// Purges what the request has changed. Whether the route caches does not matter, because writes
/// often go through routes that do not.
fn from_unsafe(shared: &Shared, session: &Session, answer: &ResponseHeader, ctx: &Ctx) {
    let request = session.req_header();
    let uri = TargetUri {
        scheme: ctx.scheme(),
        host: host(request),
        path: request.uri.path(),
        query: request.uri.query(),
    };
    let (status, headers) = (answer.status, &answer.headers);
    let cache = &ctx.snapshot.cache;
    let (query, settings) = (&cache.query, &cache.invalidation);
    let targets = targets(&request.method, &uri, status, headers, query, settings);
    if !targets.is_empty() {
        shared.purge_written(&targets);
    }
}

/// Freshens the answers to GET that are the same, and ends those that are not.
fn from_head(shared: &Shared, session: &Session, answer: &ResponseHeader, ctx: &Ctx) {
    let Some(incoming) = Incoming::of(session, ctx) else {
        return;
    };
    let (key, admitted) = (incoming.key(shared), incoming.admitted);
    let Some(object) = shared.memory.get(&key) else {
        return;
    };
    let update = Update {
        headers: &answer.headers,
        received_at: SystemTime::now(),
        delay: ctx.upstream.first_byte.unwrap_or_default(),
        sequence: admitted.sequence,
    };
    let request = policy::Request {
        method: &Method::GET,
        ..incoming.policy()
    };
    let (settings, siblings) = (&ctx.snapshot.cache, object.nominated());
    for entry in object.matching(&request) {
        match by_head(entry, &answer.headers) {
            HeadVerdict::Same => {
                // One that may not be stored, because this client has cookies, says nothing about the
                // one that others get.
                let rule = &admitted.rule;
                if let Ok(new) = freshen(entry, &key, &update, &request, &siblings, settings, rule)
                {
                    replace(shared, &key, entry, new);
                }
            }
            HeadVerdict::Changed => _ = shared.memory.remove_entry(&key, entry),
            HeadVerdict::Unknown => {}
        }
    }
}

/// Puts what is known now in the place of what was known, unless a purge has come in between.
fn replace(shared: &Shared, key: &Key, old: &Arc<Entry>, new: Entry) {
    if shared.generations.judge(key, &new) != Purge::Invalid {
        shared.memory.replace_if_same(key, old, new.into());
    }
}
