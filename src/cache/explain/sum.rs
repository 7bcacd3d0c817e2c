//! Age and freshness, term by term (RFC 9111 §4.2).

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::shown::{self, seconds, span};
use crate::cache::entry::Entry;
use crate::cache::freshness::{self, Freshness, Lifetime, Source};
use crate::cache::key::Key;
use crate::cache::policy::{self, Judged, Response, is_error};
use crate::cache::reuse::{Standing, Terms};
use crate::headers::cache_control::{CacheControl, Delta};
use crate::headers::date::http_date;

/// How long an answer is fresh, and how that comes about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// The terms in the order of the calculation.
    pub terms: Vec<Term>,
    /// Freshness that is left, in seconds; negative: it has been stale for so long.
    pub ttl_seconds: f64,
    /// For how long after its end it may be given.
    pub stale: Vec<Window>,
}

/// One term.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// `+`, `-`, `=` or nothing.
    pub sign: String,
    /// What it is, in the words of the RFC where that has some.
    pub name: String,
    /// Its value, in seconds.
    pub seconds: f64,
    /// Where it comes from.
    pub how: String,
    /// The section that says so.
    pub rfc: Option<String>,
}

/// For how long an answer may be given after the end of its freshness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// On which occasion: `while_revalidate`, `if_error`, `after_soft_purge`.
    pub name: String,
    /// Its length, in seconds.
    pub seconds: f64,
    /// Who says so.
    pub how: String,
    /// The section on it.
    pub rfc: Option<String>,
}

/// An answer whose freshness is told.
struct Told<'a> {
    subject: &'a Subject<'a>,
    status: StatusCode,
    headers: &'a HeaderMap,
    received_at: SystemTime,
    directives: CacheControl,
    /// What was decided.
    freshness: Freshness,
    /// The lifetime before anything was cut off.
    lifetime: Option<Lifetime>,
    hash: u128,
}

/// That of what is stored.
#[must_use]
pub fn of_entry(subject: &Subject<'_>, key: &Key, entry: &Entry, terms: &Terms<'_>) -> Sum {
    let (settings, headers, freshness) = (subject.settings, &entry.headers, entry.freshness);
    let directives = CacheControl::governing(headers, &settings.control_headers);
    let lifetime = match freshness.by_rule {
        true => {
            let (public, at) = (freshness.audience.everybody, entry.stored_at);
            policy::fallback(settings, subject.rule, entry.status, headers, public, at)
        }
        false => freshness::lifetime(&directives, headers, entry.stored_at)
            .ok()
            .flatten(),
    };
    let told = Told {
        subject,
        status: entry.status,
        headers,
        received_at: entry.stored_at,
        directives,
        freshness,
        lifetime,
        hash: key.hash(),
    };
    let standing = Standing::of(entry, terms, subject.now);
    let mut sum = told.arrival();
    match entry.resident(subject.now) {
        Some(resident) => {
            let how = "since it arrived".to_owned();
            sum.push(term("+", "resident_time", resident, how).by("RFC 9111 §4.2.3"));
        }
        None => {
            let how = "unknown: the clock has gone back behind its arrival".to_owned();
            sum.push(term("+", "resident_time", Duration::ZERO, how));
        }
    }
    let how = "what `Age` says of it now".to_owned();
    sum.push(term("=", "current_age", standing.age, how).by("RFC 9111 §4.2.3"));
    told.lifetime(&mut sum);
    if standing.lifetime < freshness.lifetime {
        let how = match standing.lifetime.is_zero() {
            true => "the rule that gave it is gone".to_owned(),
            false => "the rule that gave it says less by now".to_owned(),
        };
        sum.push(term("=", "lifetime_now", standing.lifetime, how));
    }
    let left = match entry.resident(subject.now) {
        Some(_) => difference(standing.lifetime, standing.age),
        None => 0.0,
    };
    told.close(sum, ("current_age", standing.age), left)
}

/// That of an answer which has just arrived.
#[must_use]
pub fn of_answer(
    subject: &Subject<'_>,
    key: &Key,
    response: &Response<'_>,
    received_at: SystemTime,
    judged: &Judged,
) -> Sum {
    let settings = subject.settings;
    let freshness = judged.freshness.jittered(settings.ttl_jitter, key.hash());
    let told = Told {
        subject,
        status: response.status,
        headers: response.headers,
        received_at,
        directives: CacheControl::governing(response.headers, &settings.control_headers),
        freshness,
        lifetime: judged.lifetime,
        hash: key.hash(),
    };
    let mut sum = told.arrival();
    told.lifetime(&mut sum);
    let left = difference(freshness.lifetime, freshness.initial_age);
    told.close(sum, ("corrected_initial_age", freshness.initial_age), left)
}

impl Told<'_> {
    /// `corrected_initial_age`.
    fn arrival(&self) -> Vec<Term> {
        const SECTION: &str = "RFC 9111 §4.2.3";
        let (apparent, how) = match freshness::date(self.headers) {
            Ok(Some(date)) => {
                let apparent = freshness::apparent_age(date, self.received_at);
                (apparent, "from Date to its arrival".to_owned())
            }
            Ok(None) => (
                Duration::ZERO,
                "no valid Date: it counts from its arrival".to_owned(),
            ),
            Err(_) => (Duration::ZERO, "two Dates that disagree".to_owned()),
        };
        let arrival = self.freshness.arrival;
        let age = Duration::from_secs(arrival.age_value.into());
        let delay = Duration::from_millis(arrival.delay_ms.into());
        let age_told = match shown::line(self.headers, &AGE) {
            Some(line) => line,
            None if age.is_zero() => "no Age, or 0".to_owned(),
            None => "Age, when it arrived".to_owned(),
        };
        let asked = "request sent to head received".to_owned();
        let larger = "max(apparent age, age value + delay)".to_owned();
        let initial = self.freshness.initial_age;
        vec![
            term("", "apparent_age", apparent, how).by(SECTION),
            term("", "age_value", age, age_told).by("RFC 9111 §5.1"),
            term("+", "response_delay", delay, asked).by(SECTION),
            term("=", "corrected_initial_age", initial, larger).by(SECTION),
        ]
    }

    /// The lifetime and what was cut off it.
    fn lifetime(&self, sum: &mut Vec<Term>) {
        let kept = self.freshness.lifetime;
        let Some(said) = self.lifetime else {
            let said = freshness::lifetime(&self.directives, self.headers, self.received_at);
            let how = match (self.freshness.by_rule, said) {
                (true, _) => "by a rule that is gone",
                (false, Err(_)) => "what the answer says about it is invalid",
                (false, Ok(_)) => "neither the answer nor a rule gives it one",
            };
            let none = term("", "lifetime", kept, how.to_owned());
            return sum.push(none.by("RFC 9111 §4.2.1"));
        };
        let settings = self.subject.settings;
        let whole = Freshness {
            lifetime: said.length,
            ..self.freshness
        };
        let capped = whole.capped(settings.max_ttl);
        let jittered = capped.jittered(settings.ttl_jitter, self.hash);
        let (how, section) = self.source(said.source);
        let mut first = term("", "lifetime", said.length, how);
        first.rfc = section;
        sum.push(first);
        if jittered.lifetime != kept {
            let how = "as it was decided when it was stored".to_owned();
            return sum.push(term("=", "lifetime_stored", kept, how));
        }
        let cuts = [
            (
                "max_ttl",
                said.length.saturating_sub(capped.lifetime),
                format!(
                    "cache.max_ttl leaves {} from its arrival",
                    span(settings.max_ttl)
                ),
            ),
            (
                "ttl_jitter",
                capped.lifetime.saturating_sub(kept),
                "cache.ttl_jitter, by the hash of the key".to_owned(),
            ),
        ];
        for (name, cut, how) in cuts {
            if !cut.is_zero() {
                sum.push(term("-", name, cut, how));
            }
        }
    }

    /// Who gives the lifetime, in words, and the section on it.
    fn source(&self, source: Source) -> (String, Option<String>) {
        let target = self.directives.target.as_ref();
        let field = shown::name(target.unwrap_or(&CACHE_CONTROL));
        let section = match source {
            _ if target.is_some() && !source.is_rule() => Some("RFC 9213 §2.2"),
            Source::SMaxage => Some("RFC 9111 §5.2.2.10"),
            Source::MaxAge => Some("RFC 9111 §5.2.2.1"),
            Source::Expires => Some("RFC 9111 §5.3"),
            Source::Heuristic => Some("RFC 9111 §4.2.2"),
            Source::StatusTtl | Source::RouteTtl | Source::DefaultTtl => None,
        };
        let how = match source {
            Source::SMaxage => format!("s-maxage in {field}"),
            Source::MaxAge => format!("max-age in {field}"),
            Source::Expires if http_date_of(self.headers, &EXPIRES).is_none() => {
                "Expires, which is no date: in the past".to_owned()
            }
            Source::Expires if self.headers.contains_key(DATE) => "Expires minus Date".to_owned(),
            Source::Expires => "Expires minus its arrival".to_owned(),
            Source::StatusTtl => "cache.status_ttl".to_owned(),
            Source::RouteTtl => format!("cache.ttl of the route {}", self.subject.route),
            Source::Heuristic => "cache.heuristic, a part of Last-Modified to Date".to_owned(),
            Source::DefaultTtl => "cache.default_ttl".to_owned(),
        };
        (how, section.map(str::to_owned))
    }

    /// What is left, and for how long it serves then.
    fn close(&self, mut terms: Vec<Term>, (name, age): (&str, Duration), left: f64) -> Sum {
        // Nothing to count down.
        if self.lifetime.is_none() && self.freshness.lifetime.is_zero() {
            return Sum {
                terms,
                ttl_seconds: 0.0,
                stale: Vec::new(),
            };
        }
        terms.push(term("-", name, age, "as above".to_owned()));
        let how = match left > 0.0 {
            true => "fresh for so long",
            false => "stale for so long",
        };
        terms.push(Term {
            seconds: left,
            ..term("=", "ttl", Duration::ZERO, how.to_owned()).by("RFC 9111 §4.2")
        });
        Sum {
            terms,
            ttl_seconds: left,
            stale: self.windows(),
        }
    }

    fn windows(&self) -> Vec<Window> {
        let (kept, said) = (&self.freshness, &self.directives);
        let stale = &self.subject.settings.stale;
        let window = |name: &str, kept, said, key: &str, rule, rfc: Option<&str>| Window {
            name: name.to_owned(),
            seconds: seconds(kept),
            how: self.why_window(kept, said, key, rule),
            rfc: rfc.map(str::to_owned),
        };
        vec![
            window(
                "while_revalidate",
                kept.stale_while_revalidate,
                Some(("stale-while-revalidate", said.stale_while_revalidate)),
                "cache.stale.while_revalidate",
                stale.while_revalidate,
                Some("RFC 5861 §3"),
            ),
            window(
                "if_error",
                kept.stale_if_error,
                Some(("stale-if-error", said.stale_if_error)),
                "cache.stale.if_error",
                stale.if_error,
                Some("RFC 5861 §4"),
            ),
            window(
                "after_soft_purge",
                kept.stale_after_soft_purge,
                None,
                "cache.stale.after_soft_purge",
                stale.after_soft_purge,
                None,
            ),
        ]
    }

    fn why_window(
        &self,
        kept: Duration,
        said: Option<(&str, Delta)>,
        key: &str,
        rule: Duration,
    ) -> String {
        if self.freshness.must_revalidate {
            return "the answer forbids it: must-revalidate, proxy-revalidate or s-maxage"
                .to_owned();
        }
        if self.freshness.no_cache {
            return "the answer forbids it: no-cache".to_owned();
        }
        if self.freshness.remaining(Duration::ZERO).is_zero()
            && !said.is_some_and(|(_, d)| d.is_present())
        {
            return "it was never fresh".to_owned();
        }
        if is_error(self.status) && !said.is_some_and(|(_, delta)| delta.is_present()) {
            return "an error has none but what it says itself".to_owned();
        }
        match said {
            Some((name, Delta::Seconds(seconds))) => format!("{name}={seconds}"),
            Some((name, Delta::Invalid)) => format!("{name} cannot be read"),
            _ if kept == rule => key.to_owned(),
            _ => format!("{key}, as it was when this was stored"),
        }
    }
}

/// In seconds, and negative where the second one is longer.
fn difference(a: Duration, b: Duration) -> f64 {
    seconds(a.saturating_sub(b)) - seconds(b.saturating_sub(a))
}

fn http_date_of(headers: &HeaderMap, field: &HeaderName) -> Option<SystemTime> {
    headers.get(field).and_then(http_date)
}

fn term(sign: &str, name: &str, value: Duration, how: String) -> Term {
    Term {
        sign: sign.to_owned(),
        name: name.to_owned(),
        seconds: seconds(value),
        how,
        rfc: None,
    }
}

impl Term {
    fn by(self, section: &str) -> Self {
        let rfc = Some(section.to_owned());
        Self { rfc, ..self }
    }
}
