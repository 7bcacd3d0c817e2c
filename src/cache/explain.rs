//! Why a request is, or is not, answered from the cache: every step that decides it, each rule that
//! denies, and what would help. Nothing is decided here: what is told comes from [`policy`](super::policy),
//! [`reuse`](super::reuse) and [`freshness`](super::freshness), which are asked to go on where a
//! decision would stop at the first reason.
//!
//! - [`request`]: what keeps the request from the cache, and the key;
//! - [`stored`]: what lies under the key, and whether it may be given;
//! - [`answer`]: whether the app's answer would be stored;
//! - [`sum`]: age and freshness term by term;
//! - [`verdict`]: what becomes of the request, in a sentence;
//! - [`advice`]: what would help, for each reason.
//!
//! Values that may be secrets (cookies, credentials, headers that nobody knows) are never told; the
//! names of what holds them are.

use std::convert::Infallible;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::policy::Request;
use super::{Rule, Settings};
use crate::reason::{Kind, Reason};

pub mod advice;
pub mod answer;
pub mod request;
pub mod shown;
pub mod stored;
pub mod sum;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use answer::App;
pub use request::{Asked, Key, Route};
pub use stored::Lookup;
pub use sum::{Sum, Term, Window};
pub use verdict::Verdict;

/// Everything about one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked.
    pub request: Asked,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The rule for it.
    pub route: Route,
    /// Under which key its answer is stored.
    pub key: Key,
    /// What is stored.
    pub lookup: Lookup,
    /// What the app answers.
    pub app: App,
    /// Each rule that denies, in the order in which they count.
    pub denials: Vec<Denial>,
}

/// One rule that denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// What it denies.
    pub step: Step,
    /// The code of the [`Reason`].
    pub reason: String,
    /// What kind of decision that is: `bypass`, `not stored`, `not reused`, ...
    pub kind: String,
    /// The reason in a sentence.
    pub text: String,
    /// What it goes by: the part of the request, the answer or the configuration.
    pub seen: Option<String>,
    /// What would help.
    pub advice: Option<String>,
}

/// What a rule denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The request may be looked up, and its answer may fill the cache.
    Lookup,
    /// What is stored may be given as it is.
    Reuse,
    /// The app's answer may be stored.
    Store,
}

/// What is judged, and by which rules.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The request.
    pub request: Request<'a>,
    /// Its path, as sent.
    pub path: &'a str,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// What the matched route says.
    pub rule: &'a Rule,
    /// The name of that route.
    pub route: &'a str,
    /// The present.
    pub now: SystemTime,
}

impl Denial {
    /// A reason with what it goes by.
    #[must_use]
    pub fn new(step: Step, reason: Reason, seen: Option<String>) -> Self {
        Self {
            step,
            reason: reason.code().to_owned(),
            kind: kind(reason.kind()).to_owned(),
            text: reason.text().to_owned(),
            seen,
            advice: advice::of(reason).map(str::to_owned),
        }
    }
}

/// The kind of a decision in words.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bypass => "bypass",
        Kind::NotStored => "not stored",
        Kind::NotReused => "not reused",
        Kind::Stale => "given stale",
        Kind::NotCompressed => "not compressed",
        Kind::Refused => "refused",
        Kind::Error => "error",
    }
}

/// Hears every reason and lets the judging go on; keeps each once.
#[derive(Debug)]
struct Heard<T>(Vec<T>);

impl<T: PartialEq> Heard<T> {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "it is what the judging asks: whether to go on"
    )]
    fn hear(&mut self, said: T) -> Result<(), Infallible> {
        if !self.0.contains(&said) {
            self.0.push(said);
        }
        Ok(())
    }
}
