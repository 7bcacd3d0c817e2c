//! Looking into the cache: the key, what is stored under it, and whether it may be the answer.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderName, Method};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::admit::policy_request;
use super::ctx::Ctx;
use super::fetch::{self, Fetched, Wanted};
use super::incoming::Incoming;
use super::{Shared, respond};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::policy;
use crate::cache::reuse::{Reuse, Terms, reuse};
use crate::cache::status::Outcome;
use crate::reason::Reason;

/// How often the cache is looked into for one request: what a fetch has just stored, or what is learnt
/// from it, may ask for another look.
const LOOKS_MAX: usize = 3;

/// Looks into the cache; answers from it, or from a fetch, when it may.
pub(super) async fn look_up(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<bool> {
    let key = match key(shared, session, ctx) {
        Ok(key) => key,
        Err(reason) => {
            ctx.outcome = Outcome::Bypass(reason);
            return Ok(false);
        }
    };
    let mut varies_by = Vec::new();
    for _ in 0..LOOKS_MAX {
        match look(shared, session, ctx, &key, varies_by).await? {
            Fetched::Answered => return Ok(true),
            Fetched::Unsuited => return Ok(false),
            Fetched::Again(fields) => varies_by = fields,
        }
    }
    Ok(false)
}

async fn look(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    varies_by: Vec<HeaderName>,
) -> Result<Fetched> {
    if let Some(admitted) = &mut ctx.admitted {
        // Read before the app is asked: a purge from now on must win over what it answers.
        admitted.sequence = shared.generations.sequence();
    }
    let object = shared.memory.get(key);
    let (stored, found) = match find(object.as_deref(), session, ctx) {
        Found::Nothing => (None, None),
        Found::Otherwise => (None, Some(Reason::VaryMiss)),
        Found::Entry(entry) => {
            let decision = judge(shared, session, ctx, key, &entry, SystemTime::now());
            if serve(shared, session, ctx, key, &entry, decision).await? {
                return Ok(Fetched::Answered);
            }
            let (stored, found) = unusable(shared, key, entry, decision);
            (stored, Some(found))
        }
    };
    ctx.outcome = Outcome::miss(found);
    if let Err(reason) = policy::forward(&policy_request(session, ctx)) {
        ctx.failure = Some(reason);
        ctx.outcome = Outcome::Refused(reason);
        return Error::e_explain(ErrorType::HTTPStatus(504), reason.text());
    }
    if let Err(reason) = policy::fills(&policy_request(session, ctx)) {
        // A part is cut from the whole where that is on its way anyway, or has been stored before.
        let whole = reason == Reason::RequestRange
            && (stored.is_some() || fetch::is_under_way(shared, session, ctx, key));
        if !whole {
            ctx.outcome.goes_past(reason);
            return Ok(Fetched::Unsuited);
        }
    }
    if session.req_header().method != Method::GET {
        return Ok(Fetched::Unsuited);
    }
    // Who asks for what is newer than the stored answer must not get what was asked for earlier.
    let alone = found.is_some_and(|reason| {
        !matches!(reason, Reason::Expired | Reason::Purged | Reason::VaryMiss)
    });
    let wanted = Wanted {
        key,
        object,
        stored,
        varies_by,
        alone,
    };
    fetch::answer(shared, session, ctx, wanted).await
}

/// What is stored under a key, as far as `Vary` is concerned (RFC 9111 §4.1).
enum Found {
    Nothing,
    /// Variants for other requests.
    Otherwise,
    Entry(Arc<Entry>),
}

fn find(object: Option<&Object>, session: &Session, ctx: &Ctx) -> Found {
    let Some(object) = object else {
        return Found::Nothing;
    };
    match object.select(&policy_request(session, ctx)) {
        Some(entry) => Found::Entry(entry.clone()),
        None => Found::Otherwise,
    }
}

/// The stored answer for this request, fresh or not.
pub(super) fn stored(
    shared: &Shared,
    session: &Session,
    ctx: &Ctx,
    key: &Key,
) -> Option<Arc<Entry>> {
    match find(shared.memory.get(key).as_deref(), session, ctx) {
        Found::Entry(entry) => Some(entry),
        Found::Nothing | Found::Otherwise => None,
    }
}

/// Answers with what is stored, when it may be given as it is.
async fn serve(
    shared: &Arc<Shared>,
    session: &mut Session,
    ctx: &mut Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    decision: Reuse,
) -> Result<bool> {
    let age = match decision {
        Reuse::Serve { age, ttl } => {
            let hits = entry.uses.count();
            let ahead = ctx.snapshot.cache.refresh_ahead;
            // Once for each entry: should the app fail, its end is early enough to ask again.
            if ahead.is_some_and(|ahead| ahead.is_due(age, age.saturating_add(ttl), hits))
                && entry.uses.claim()
            {
                fetch::refresh(shared, session, ctx, key, entry).await;
            }
            ctx.outcome = Outcome::hit(ttl);
            age
        }
        Reuse::Stale {
            age,
            over,
            refresh,
            why,
        } => {
            // Stale while it is revalidated, not stale for ever.
            if refresh && !fetch::refresh(shared, session, ctx, key, entry).await {
                return Ok(false);
            }
            ctx.outcome = Outcome::stale(over, why);
            age
        }
        Reuse::Validate(_) | Reuse::Miss(_) => return Ok(false),
    };
    respond::from_cache(shared, session, ctx, key, entry, age).await?;
    Ok(true)
}

/// Why a stored answer was not given, and whether the app can be asked if it still holds.
fn unusable(
    shared: &Shared,
    key: &Key,
    entry: Arc<Entry>,
    decision: Reuse,
) -> (Option<Arc<Entry>>, Reason) {
    match decision {
        Reuse::Validate(Reason::Purged) if shared.generations.is_hard(key, &entry) => {
            shared.memory.remove_entry(key, &entry);
            (None, Reason::Purged)
        }
        Reuse::Validate(reason) => (Some(entry), reason),
        Reuse::Miss(reason) => (None, reason),
        Reuse::Serve { .. } | Reuse::Stale { .. } => (Some(entry), Reason::Expired),
    }
}

/// Whether what is stored, or about to be, may be the answer.
pub(super) fn judge(
    shared: &Shared,
    session: &Session,
    ctx: &Ctx,
    key: &Key,
    entry: &Entry,
    now: SystemTime,
) -> Reuse {
    match terms(shared, ctx, key, entry) {
        Some(terms) => reuse(entry, &policy_request(session, ctx), &terms, now),
        None => Reuse::Miss(Reason::Internal),
    }
}

/// What holds for a stored answer at this moment.
pub(super) fn terms<'a>(
    shared: &Shared,
    ctx: &'a Ctx,
    key: &Key,
    entry: &Entry,
) -> Option<Terms<'a>> {
    let rule = &ctx.admitted.as_ref()?.rule;
    let purge = shared.generations.judge(key, entry);
    Some(Terms::of(&ctx.snapshot.cache, rule, entry, purge))
}

/// The key under which the answer to the request is looked up.
///
/// # Errors
/// Why the request goes past the cache.
fn key(shared: &Shared, session: &mut Session, ctx: &Ctx) -> Result<Key, Reason> {
    let has_body = !session.is_body_empty();
    let incoming = Incoming::of(session, ctx).ok_or(Reason::Internal)?;
    incoming.bypass(has_body, &mut Err)?;
    Ok(incoming.key(shared))
}
