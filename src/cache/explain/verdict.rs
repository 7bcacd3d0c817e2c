//! What becomes of the request, in a sentence, and as the `Cache-Status` that it would get.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::shown::span;
use super::stored::Found;
use crate::cache::freshness::Freshness;
use crate::cache::reuse::{Rescue, Reuse, is_error};
use crate::cache::status;
use crate::reason::Reason;

/// What becomes of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub outcome: Outcome,
    /// In a sentence.
    pub text: String,
    /// The `Cache-Status` (RFC 9211) that its answer would carry; `None`: that depends on more than
    /// can be known.
    pub cache_status: Option<String>,
}

/// What becomes of a request, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered from the store, fresh.
    Hit,
    /// Answered from the store although it is stale.
    Stale,
    /// The app is asked whether what is stored still holds.
    Validate,
    /// The app answers, and that is stored.
    Store,
    /// The app answers, and that is not stored.
    Pass,
    /// The app answers past the cache.
    Bypass,
    /// Answered with an error of ours.
    Refuse,
    /// The app fails.
    Fail,
    /// The app answers, and nobody asked it what.
    Unknown,
}

/// What the verdict is made of, each part as the decisions gave it.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The first reason for which the request goes past the cache.
    pub bypass: Option<Reason>,
    /// What is stored for it.
    pub found: Found,
    /// Whether that may be given.
    pub reuse: Option<Reuse>,
    /// It may not even be asked about: its bytes are to go.
    pub is_hard: bool,
    /// It has something by which the app can be asked whether it still holds.
    pub has_validator: bool,
    /// What could be given should the app fail.
    pub rescue: Option<Rescue>,
    /// Why a miss may not go to the app.
    pub refused: Option<Reason>,
    /// Why what the app answers to it fills nothing.
    pub unfilling: Option<Reason>,
    /// Somebody is fetching it.
    pub under_way: bool,
    /// Its requests go straight to the app, for this reason and so long.
    pub passing: Option<(Duration, Reason)>,
    /// What the app answers.
    pub answer: Answer,
    /// How many rules are against storing that.
    pub against: usize,
}

/// What the app answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nobody asked.
    Unasked,
    /// Nothing.
    Failed(Reason),
    /// This status, which is stored or not.
    Given(StatusCode, Result<Freshness, Reason>),
}

/// The verdict: the same steps in the same order as a request takes them.
#[must_use]
pub fn verdict(facts: &Facts<'_>) -> Verdict {
    if let Some(reason) = facts.bypass {
        let text = format!(
            "would go past the cache to the app, because {}",
            clause(reason)
        );
        return told(Outcome::Bypass, text, Some(status::Outcome::Bypass(reason)));
    }
    if let Some(verdict) = from_store(facts) {
        return verdict;
    }
    let found = found(facts);
    if let Some(reason) = facts.refused {
        let text = format!("would be refused with 504, because {}", clause(reason));
        return told(
            Outcome::Refuse,
            text,
            Some(status::Outcome::Refused(reason)),
        );
    }
    let mut miss = status::Outcome::miss(found);
    // A part is cut from the whole where that is on its way anyway, or has been stored before.
    let whole =
        facts.unfilling == Some(Reason::RequestRange) && (facts.under_way || is_kept(facts));
    if let Some(reason) = facts.unfilling.filter(|_| !whole) {
        miss.goes_past(reason);
        let text = format!(
            "would go to the app, and nothing be stored, because {}",
            clause(reason)
        );
        return told(Outcome::Pass, text, Some(miss));
    }
    if *facts.method != Method::GET {
        let text = "would go to the app, and not be stored: only answers to GET are".to_owned();
        return told(Outcome::Pass, text, Some(miss));
    }
    if let Some((left, reason)) = facts.passing {
        miss.goes_past(reason);
        let text = format!(
            "would go straight to the app for {} more, because the last answer was not stored: {}",
            span(left.max(Duration::from_secs(1))),
            clause(reason)
        );
        return told(Outcome::Pass, text, Some(miss));
    }
    from_app(facts, found, miss)
}

/// The verdict where what is stored is given as it is.
fn from_store(facts: &Facts<'_>) -> Option<Verdict> {
    match facts.reuse? {
        Reuse::Serve { ttl, .. } => {
            let text = format!("hit, fresh for {} more", span(ttl));
            let status = status::Outcome::hit(ttl);
            Some(told(Outcome::Hit, text, Some(status)))
        }
        // Nobody renews it while its requests go straight to the app.
        Reuse::Stale { refresh: true, .. } if facts.passing.is_some() => None,
        Reuse::Stale {
            over, refresh, why, ..
        } => {
            let since = match over.is_zero() {
                true => "although it was purged softly".to_owned(),
                false => format!("although it has been stale for {}", span(over)),
            };
            let text = match refresh {
                true => format!("hit {since}, while one fetch renews it"),
                false => format!("hit {since}, because the request accepts that"),
            };
            let status = status::Outcome::stale(over, why);
            Some(told(Outcome::Stale, text, Some(status)))
        }
        Reuse::Validate(_) | Reuse::Miss(_) => None,
    }
}

/// Why what is stored is not given, as `Cache-Status` has it.
fn found(facts: &Facts<'_>) -> Option<Reason> {
    match (facts.found, facts.reuse) {
        (Found::Nothing, _) => None,
        (Found::Variants, _) => Some(Reason::VaryMiss),
        (Found::Entry, Some(Reuse::Validate(reason) | Reuse::Miss(reason))) => Some(reason),
        (Found::Entry, _) => Some(Reason::Expired),
    }
}

/// Whether what was found stays for the app to be asked about.
fn is_kept(facts: &Facts<'_>) -> bool {
    match facts.reuse {
        Some(Reuse::Validate(Reason::Purged)) => !facts.is_hard,
        Some(Reuse::Validate(_) | Reuse::Serve { .. } | Reuse::Stale { .. }) => true,
        Some(Reuse::Miss(_)) | None => false,
    }
}

/// The verdict where the app answers.
fn from_app(facts: &Facts<'_>, found: Option<Reason>, miss: status::Outcome) -> Verdict {
    let way = match found {
        None => "would go to the app".to_owned(),
        Some(Reason::VaryMiss) => "would go to the app as a new variant".to_owned(),
        Some(reason) => format!("no hit, because {}; would go to the app", clause(reason)),
    };
    match facts.answer {
        Answer::Failed(_) if facts.rescue.is_some() => rescued(facts, found, None),
        Answer::Given(status, _) if is_error(status) && facts.rescue.is_some() => {
            rescued(facts, found, Some(status))
        }
        Answer::Failed(reason) => {
            let text = format!("{way}, which fails: {}", clause(reason));
            told(Outcome::Fail, text, None)
        }
        _ if is_kept(facts) && facts.has_validator => validated(facts, found),
        Answer::Unasked => {
            let text = format!("{way}; whether its answer would be stored was not asked");
            told(Outcome::Unknown, text, None)
        }
        Answer::Given(_, Ok(freshness)) => {
            let text = format!("{way}, and be stored {}", kept(&freshness));
            told(Outcome::Store, text, Some(stored(miss)))
        }
        Answer::Given(_, Err(reason)) => {
            let mut miss = miss;
            miss.goes_past(reason);
            let text = format!(
                "{way}, never stored because {}{}",
                clause(reason),
                more(facts)
            );
            told(Outcome::Pass, text, Some(miss))
        }
    }
}

/// What is stored is given because the app failed.
fn rescued(facts: &Facts<'_>, found: Option<Reason>, status: Option<StatusCode>) -> Verdict {
    let over = facts.rescue.map(|rescue| rescue.over).unwrap_or_default();
    let fails = match status {
        Some(status) => format!("answers {}", status.as_u16()),
        None => "fails".to_owned(),
    };
    let text = match over.is_zero() {
        true => format!("the app {fails}, and what is stored would be given"),
        false => format!(
            "the app {fails}, and what is stored would be given, stale for {}",
            span(over)
        ),
    };
    let outcome = status::Outcome::Rescued {
        ttl: i64::try_from(over.as_secs()).map_or(i64::MIN, |over| -over),
        found: found.unwrap_or(Reason::Expired),
        fwd_status: status.map(|status| status.as_u16()),
        collapsed: false,
    };
    told(Outcome::Stale, text, Some(outcome))
}

/// The app is asked whether what is stored still holds.
fn validated(facts: &Facts<'_>, found: Option<Reason>) -> Verdict {
    let why = clause(found.unwrap_or(Reason::Expired));
    let then = match facts.answer {
        Answer::Given(_, Ok(freshness)) => {
            format!(", and a new answer be stored {}", kept(&freshness))
        }
        Answer::Given(_, Err(reason)) => {
            let (why, more) = (clause(reason), more(facts));
            format!(", and a new answer never be stored because {why}{more}")
        }
        Answer::Unasked | Answer::Failed(_) => String::new(),
    };
    let text =
        format!("no hit, because {why}; the app would be asked whether it still holds{then}");
    told(Outcome::Validate, text, None)
}

/// For how long, in words.
fn kept(freshness: &Freshness) -> String {
    let left = freshness.remaining(Duration::ZERO);
    match freshness.no_cache || left.is_zero() {
        true => "to be validated before each use".to_owned(),
        // What is told is the lifetime: the delay of the answer need not make 59 s of a minute.
        false => format!(
            "for {}",
            span(left.saturating_add(Duration::from_millis(500)))
        ),
    }
}

fn stored(miss: status::Outcome) -> status::Outcome {
    match miss {
        status::Outcome::Miss { found, .. } => status::Outcome::Miss {
            found,
            stored: true,
            why: None,
            collapsed: false,
            fwd_status: None,
        },
        outcome => outcome,
    }
}

/// Says that the first reason is not the only one.
fn more(facts: &Facts<'_>) -> String {
    match facts.against.saturating_sub(1) {
        0 => String::new(),
        1 => ", and for one more reason".to_owned(),
        more => format!(", and for {more} more reasons"),
    }
}

/// The sentence of a reason as a part of another one.
fn clause(reason: Reason) -> String {
    let text = reason.text().trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn told(outcome: Outcome, text: String, status: Option<status::Outcome>) -> Verdict {
    let value = status.map(|status| status.header_value());
    Verdict {
        outcome,
        text,
        cache_status: value.and_then(|value| value.to_str().map(str::to_owned).ok()),
    }
}
