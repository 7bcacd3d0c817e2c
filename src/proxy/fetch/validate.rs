//! A 304: the app says that what is stored still holds (RFC 9111 §4.3.3, §4.3.4).

use std::sync::Arc;

use pingora::http::ResponseHeader;
use tokio::sync::oneshot;

use super::Landing;
use super::ask::Asked;
use super::exchange::Handed;
use super::flight::Head;
use super::order::Order;
use crate::cache::entry::Entry;
use crate::cache::merge::{self, freshen};
use crate::cache::object::Object;
use crate::cache::tags::Purge;
use crate::headers::hop_by_hop;
use crate::reason::Reason;

/// What a 304 has come to.
pub(super) enum Settled {
    /// The stored answer holds, and is stored anew with what the 304 says.
    Fresh(Arc<Entry>),
    /// It holds for this client. With what the 304 says it must not be stored any more.
    Alone(Box<ResponseHeader>, Arc<Entry>, Reason),
}

/// Brings what is stored up to date. `None`: the 304 speaks of something that is not stored.
pub(super) fn settle(
    landing: &Landing,
    order: &Order,
    stored: &Arc<Entry>,
    asked: &Asked,
) -> Option<Settled> {
    let (shared, key) = (&landing.shared, &landing.queue.key);
    let object = shared.memory.get(key);
    // It may have been given up since; what was read of it still holds.
    let object = object.unwrap_or_else(|| Arc::new(Object::of(stored.clone())));
    let request = order.policy_request();
    let mut chosen = merge::selected(&object, &request, stored, &asked.response.headers);
    if chosen.is_empty() && !object.variants().iter().any(|e| Arc::ptr_eq(e, stored)) {
        let alone = Object::of(stored.clone());
        chosen = merge::selected(&alone, &request, stored, &asked.response.headers);
    }
    let update = order.update(&asked.response, asked.received_at, asked.delay);
    let (settings, siblings) = (&order.snapshot.cache, object.nominated());
    let mut settled = None;
    for old in chosen {
        let new = freshen(
            &old,
            key,
            &update,
            &request,
            &siblings,
            settings,
            &order.rule,
        );
        let outcome = match new {
            Ok(new) => {
                let new = Arc::new(new);
                put(landing, &old, &new);
                Settled::Fresh(new)
            }
            Err(why) => {
                shared.metrics.decide(why);
                shared.memory.remove_entry(key, &old);
                let head = merged(&old, &asked.response)?;
                Settled::Alone(Box::new(head), old, why)
            }
        };
        // The newest is the answer.
        settled.get_or_insert(outcome);
    }
    settled
}

impl Settled {
    /// Tells those who wait.
    pub(super) fn tell(self, landing: &Landing, hand_over: oneshot::Sender<Handed>) {
        landing.off_the_table();
        landing.flight.set_head(match self {
            Self::Fresh(entry) => Head::Validated(entry),
            Self::Alone(head, entry, why) => {
                // Nobody is there any more to take it: then nobody misses it.
                _ = hand_over.send(Handed::Merged(head, entry, why));
                Head::Unshared(None)
            }
        });
    }
}

/// Puts the new entry in the place of the old one, unless a purge has come in between.
fn put(landing: &Landing, old: &Arc<Entry>, new: &Arc<Entry>) {
    let (shared, key) = (&landing.shared, &landing.queue.key);
    if shared.generations.judge(key, new) == Purge::Invalid {
        shared.metrics.decide(Reason::PurgedMeanwhile);
    } else if !shared.memory.replace_if_same(key, old, new.clone())
        && !shared.memory.insert(key.clone(), new.clone())
    {
        shared.metrics.decide(Reason::NotAdmitted);
    }
}

/// The head for the one client, with the cookies that the 304 may set.
fn merged(old: &Entry, not_modified: &ResponseHeader) -> Option<ResponseHeader> {
    let mut headers = merge::head(old, &not_modified.headers);
    hop_by_hop::strip(&mut headers);
    let mut head = ResponseHeader::build(old.status, Some(headers.len() + 8)).ok()?;
    for (name, value) in &headers {
        head.append_header(name, value).ok()?;
    }
    Some(head)
}
