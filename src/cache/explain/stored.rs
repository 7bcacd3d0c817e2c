//! What lies under the key, and whether it may be given.

use std::time::Duration;

use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, ETAG, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::answer::{governing, head};
use super::request::seen;
use super::shown::{self, Field, names, seconds, span};
use super::{Denial, Heard, Step, Subject, Sum, sum};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::reuse::{Rescue, Reuse, Standing, Terms, on_error, reuse_with};
use crate::cache::tags::Purge;
use crate::cache::vary::{self, Selected};
use crate::reason::Reason;

/// What is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lookup {
    /// What was found for this request.
    pub found: Found,
    /// The request fields by which what is stored varies.
    pub varies_by: Vec<String>,
    /// What is stored under the key, the newest first.
    pub variants: Vec<Variant>,
    /// The one for this request.
    pub entry: Option<Stored>,
    /// Somebody is fetching it at this moment.
    pub fetching: bool,
    /// Its requests go straight to the app for a while, because the last answer was not for all.
    pub passing: Option<Passing>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Nothing is stored under the key.
    #[default]
    Nothing,
    /// Only variants for other requests are.
    Variants,
    /// There is one for this request.
    Entry,
}

/// A stored answer as far as `Vary` is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// It is for this request.
    pub matches: bool,
    /// Its age, in seconds.
    pub age_seconds: f64,
    /// Which requests it is for, by field.
    pub selected_by: Vec<Selection>,
}

/// A request field by which a stored answer was selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The field.
    pub field: String,
    /// Its value in the request that fetched the answer; `…` where it may be a secret; `None`: that
    /// one did not have it.
    pub stored: Option<String>,
    /// The same of this request.
    pub given: Option<String>,
    /// Whether they agree.
    pub agree: bool,
}

/// A stored answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Its status.
    pub status: u16,
    /// The length of its body.
    pub body_bytes: u64,
    /// When its head arrived, as an HTTP date.
    pub stored_at: String,
    /// How often it was given.
    pub hits: u32,
    /// Its tags.
    pub tags: Vec<String>,
    /// What purges have made of it: `no`, `soft` or `invalid`.
    pub purged: String,
    /// By which of its fields the app can be asked whether it still holds.
    pub validators: Vec<String>,
    /// Those fields of its head that count.
    pub head: Vec<Field>,
    /// How long it is fresh.
    pub freshness: Sum,
}

/// The key gave nothing that could be shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passing {
    /// Why.
    pub reason: String,
    /// For how long that is remembered, in seconds.
    pub seconds: f64,
}

/// What is stored for a request, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// What is told of it.
    pub lookup: Lookup,
    /// The decision; `None`: there is nothing for this request.
    pub verdict: Option<Reuse>,
    /// Each rule against giving it.
    pub denials: Vec<Denial>,
    /// What could be given should the app fail.
    pub rescue: Option<Rescue>,
}

/// Judges what is stored under the key; `purge` knows what purges have made of an entry.
#[must_use]
pub fn look(
    subject: &Subject<'_>,
    key: &Key,
    object: Option<&Object>,
    purge: impl Fn(&Entry) -> Purge,
) -> Looked {
    let Some(object) = object else {
        return nothing();
    };
    let variants = object.variants().iter();
    let varies_by = object.vary_fields();
    let mut lookup = Lookup {
        found: Found::Variants,
        varies_by: varies_by.iter().map(shown::name).collect(),
        variants: variants.map(|entry| variant(subject, entry)).collect(),
        ..nothing().lookup
    };
    let Some(entry) = object.select(&subject.request) else {
        let differs = differing(subject, object);
        return Looked {
            lookup,
            verdict: None,
            denials: vec![Denial::new(Step::Reuse, Reason::VaryMiss, differs)],
            rescue: None,
        };
    };
    let purge = purge(entry);
    let terms = Terms::of(subject.settings, subject.rule, entry, purge);
    let mut heard = Heard(Vec::new());
    let Ok(given) = reuse_with(
        entry,
        &subject.request,
        &terms,
        subject.now,
        &mut |denial| heard.hear(denial),
    );
    lookup.found = Found::Entry;
    lookup.entry = Some(stored(subject, key, entry, &terms));
    let verdict = heard.0.first().copied().unwrap_or(given);
    let reasons = heard.0.iter().filter_map(|denial| match denial {
        Reuse::Miss(reason) | Reuse::Validate(reason) => Some(*reason),
        Reuse::Serve { .. } | Reuse::Stale { .. } => None,
    });
    let denial = |reason| {
        let seen = seen_in_stored(subject, entry, &terms, reason);
        Denial::new(Step::Reuse, reason, seen)
    };
    Looked {
        lookup,
        verdict: Some(verdict),
        denials: reasons.map(denial).collect(),
        rescue: on_error(entry, &subject.request, &terms, subject.now),
    }
}

fn nothing() -> Looked {
    Looked {
        lookup: Lookup {
            found: Found::Nothing,
            varies_by: Vec::new(),
            variants: Vec::new(),
            entry: None,
            fetching: false,
            passing: None,
        },
        verdict: None,
        denials: Vec::new(),
        rescue: None,
    }
}

fn stored(subject: &Subject<'_>, key: &Key, entry: &Entry, terms: &Terms<'_>) -> Stored {
    let validators = [&ETAG, &LAST_MODIFIED].into_iter();
    let purged = match terms.purge {
        Purge::No => "no",
        Purge::Soft => "soft",
        Purge::Invalid => "invalid",
    };
    Stored {
        status: entry.status.as_u16(),
        body_bytes: entry.body.len() as u64,
        stored_at: shown::date(entry.stored_at),
        hits: entry.uses.counted(),
        tags: entry.tags.iter().map(ToString::to_string).collect(),
        purged: purged.to_owned(),
        validators: validators
            .filter(|name| entry.headers.contains_key(*name))
            .map(shown::name)
            .collect(),
        head: head(&entry.headers, subject.settings),
        freshness: sum::of_entry(subject, key, entry, terms),
    }
}

fn variant(subject: &Subject<'_>, entry: &Entry) -> Variant {
    let headers = subject.request.headers;
    Variant {
        matches: vary::matches(&entry.selecting, headers),
        age_seconds: seconds(entry.age(subject.now)),
        selected_by: entry
            .selecting
            .iter()
            .map(|selected| selection(subject, selected))
            .collect(),
    }
}

fn selection(subject: &Subject<'_>, stored: &Selected) -> Selection {
    let field = std::slice::from_ref(&stored.name);
    let given = vary::of_request(field, subject.request.headers, &subject.settings.vary);
    let value = |selected: &Selected| {
        let value = selected.value.as_deref()?;
        Some(match is_harmless(&selected.name) {
            true => shown::text(value),
            false => "…".to_owned(),
        })
    };
    Selection {
        field: shown::name(&stored.name),
        stored: value(stored),
        given: given.first().and_then(value),
        agree: vary::matches(std::slice::from_ref(stored), subject.request.headers),
    }
}

/// Fields by which clients say what they understand. The values of all others may be secrets.
fn is_harmless(name: &HeaderName) -> bool {
    const HARMLESS: [HeaderName; 6] = [
        ACCEPT,
        ACCEPT_CHARSET,
        ACCEPT_ENCODING,
        ACCEPT_LANGUAGE,
        HeaderName::from_static("save-data"),
        HeaderName::from_static("x-requested-with"),
    ];
    HARMLESS.contains(name)
}

/// The fields in which the request differs from all that is stored.
fn differing(subject: &Subject<'_>, object: &Object) -> Option<String> {
    let differs = |name: &&HeaderName| {
        let entries = object.variants().iter();
        let mut selections = entries.flat_map(|entry| entry.selecting.iter());
        !selections.any(|selected| {
            let own = std::slice::from_ref(selected);
            selected.name == **name && vary::matches(own, subject.request.headers)
        })
    };
    let fields = object.vary_fields();
    let differing: Vec<_> = fields.iter().filter(differs).map(shown::name).collect();
    match differing.is_empty() {
        // Each value is stored, only not together with the others.
        true => Some(names(fields.iter().map(shown::name))),
        false => Some(names(differing.into_iter())),
    }
}

/// What of the entry, or of the request, a reason against giving it goes by.
fn seen_in_stored(
    subject: &Subject<'_>,
    entry: &Entry,
    terms: &Terms<'_>,
    reason: Reason,
) -> Option<String> {
    let Standing { age, lifetime, .. } = Standing::of(entry, terms, subject.now);
    let age = || format!("current_age is {}", span(age));
    match reason {
        Reason::Expired => Some(format!("lifetime {}, {}", span(lifetime), age())),
        Reason::Purged => Some(match terms.purge {
            Purge::Soft => "purged softly since it was fetched".to_owned(),
            _ => "purged since it was fetched".to_owned(),
        }),
        Reason::NoCache => governing(&entry.headers, subject.settings),
        Reason::VaryMiss => {
            let fields = subject.rule.vary.iter();
            let lacking = fields.filter(|name| !vary::covers(&entry.selecting, &[(*name).clone()]));
            let lacking = names(lacking.map(shown::name));
            Some(format!("it was stored before the route named {lacking}"))
        }
        Reason::SetCookie => Some("it set a cookie, and was kept without it".to_owned()),
        Reason::RequestMaxAge | Reason::RequestMinFresh => {
            let wish = seen(subject, reason)?;
            Some(format!("{wish}; {}", age()))
        }
        Reason::RequestCookie => seen(subject, reason).or_else(|| {
            Some("it was stored under `request_cookies: ignore`, which is gone".to_owned())
        }),
        reason => seen(subject, reason),
    }
}

impl Passing {
    /// The reason, and how long it is remembered.
    #[must_use]
    pub fn of(reason: Reason, left: Duration) -> Self {
        Self {
            reason: reason.code().to_owned(),
            seconds: seconds(left),
        }
    }
}
