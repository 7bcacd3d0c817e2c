//! Whether the app's answer would be stored, and for how long.

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    EXPIRES, LAST_MODIFIED, PRAGMA, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::request::seen as seen_in_request;
use super::shown::{self, Field, seconds, span};
use super::{Denial, Heard, Step, Subject, Sum, sum};
use crate::cache::Settings;
use crate::cache::freshness::Freshness;
use crate::cache::key::Key;
use crate::cache::policy::{DEFAULT_TTL_STATUSES, Judged, Response, judge};
use crate::cache::tags;
use crate::headers::cache_control::CacheControl;
use crate::reason::Reason;

/// What the app answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct App {
    /// It was asked for this explanation.
    pub asked: bool,
    /// Why it was not.
    pub why_not: Option<String>,
    /// The status of its answer; `None`: there is none.
    pub status: Option<u16>,
    /// How long that took, in seconds.
    pub delay_seconds: Option<f64>,
    /// Why there is no answer: the code of the reason.
    pub failure: Option<String>,
    /// The same in a sentence.
    pub failure_text: Option<String>,
    /// Those fields of its head that count.
    pub head: Vec<Field>,
    /// The tags that it would be stored with.
    pub tags: Vec<String>,
    /// How long it is fresh.
    pub freshness: Option<Sum>,
}

/// The app's answer, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// What is told of it.
    pub app: App,
    /// How it would be stored, or why not.
    pub decision: Result<Freshness, Reason>,
    /// Each rule against storing it.
    pub denials: Vec<Denial>,
}

impl App {
    /// It was not asked.
    #[must_use]
    pub fn unasked(why: &str) -> Self {
        Self {
            why_not: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// It was asked and gave no answer.
    #[must_use]
    pub fn failed(reason: Reason) -> Self {
        Self {
            asked: true,
            failure: Some(reason.code().to_owned()),
            failure_text: Some(reason.text().to_owned()),
            ..Self::default()
        }
    }
}

/// Judges an answer that arrived at `received_at`, `delay` after its request was sent.
#[must_use]
pub fn answered(
    subject: &Subject<'_>,
    key: &Key,
    response: &Response<'_>,
    received_at: SystemTime,
    delay: Duration,
) -> Answered {
    let Subject {
        request,
        settings,
        rule,
        ..
    } = *subject;
    let mut heard = Heard(Vec::new());
    let deny = &mut |reason| heard.hear(reason);
    let Ok(judged) = judge(&request, response, settings, rule, received_at, delay, deny);
    let tags = tags::collect(&settings.tags, response.headers, &rule.tags);
    if let Err(reason) = tags {
        let Ok(()) = heard.hear(reason);
    }
    let freshness = judged.freshness.jittered(settings.ttl_jitter, key.hash());
    let sum = sum::of_answer(subject, key, response, received_at, &judged);
    let app = App {
        asked: true,
        status: Some(response.status.as_u16()),
        delay_seconds: Some(seconds(delay)),
        head: head(response.headers, settings),
        tags: tags.iter().flatten().map(ToString::to_string).collect(),
        freshness: Some(sum),
        ..App::default()
    };
    let reasons = heard.0;
    let denial = |reason: &Reason| {
        let seen = seen(subject, response, &judged, *reason);
        Denial::new(Step::Store, *reason, seen)
    };
    Answered {
        app,
        decision: reasons.first().copied().map_or(Ok(freshness), Err),
        denials: reasons.iter().map(denial).collect(),
    }
}

/// Those fields of a head by which storing and reuse are decided.
pub(super) fn head(headers: &HeaderMap, settings: &Settings) -> Vec<Field> {
    let general = [
        CACHE_CONTROL,
        PRAGMA,
        EXPIRES,
        DATE,
        AGE,
        VARY,
        ETAG,
        LAST_MODIFIED,
        CONTENT_TYPE,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONTENT_ENCODING,
        CONTENT_RANGE,
    ];
    let targets = settings.control_headers.iter();
    let fields = targets.chain(&general);
    let mut lines: Vec<_> = fields
        .filter_map(|name| {
            let value = shown::value(headers, name)?;
            let name = shown::name(name);
            Some(Field { name, value })
        })
        .collect();
    if let Some(cookies) = shown::set_cookies(headers)
        && let Some((name, value)) = cookies.split_once(": ")
    {
        let (name, value) = (name.to_owned(), value.to_owned());
        lines.push(Field { name, value });
    }
    lines
}

/// The field that governs caching (RFC 9213 §2.2), as a line.
pub(super) fn governing(headers: &HeaderMap, settings: &Settings) -> Option<String> {
    let said = CacheControl::governing(headers, &settings.control_headers);
    let field = said.target.unwrap_or(CACHE_CONTROL);
    shown::line(headers, &field).or_else(|| shown::line(headers, &PRAGMA))
}

/// What of the answer, the request or the configuration a reason goes by.
fn seen(
    subject: &Subject<'_>,
    response: &Response<'_>,
    judged: &Judged,
    reason: Reason,
) -> Option<String> {
    let Response {
        headers, status, ..
    } = *response;
    let settings = subject.settings;
    let line = |field: &HeaderName| shown::line(headers, field);
    match reason {
        Reason::SetCookie => shown::set_cookies(headers),
        Reason::NoStore | Reason::Private | Reason::NoCache | Reason::MalformedCacheControl => {
            governing(headers, settings)
        }
        Reason::InvalidFreshness => shown::lines(headers, &[&CACHE_CONTROL, &EXPIRES, &DATE]),
        Reason::VaryStar | Reason::VaryDenied | Reason::Vary => line(&VARY),
        Reason::Status => Some(format!("status {}", status.as_u16())),
        Reason::PartialContent => Some(match line(&CONTENT_RANGE) {
            Some(range) => format!("status {}; {range}", status.as_u16()),
            None => format!("status {}", status.as_u16()),
        }),
        Reason::HeadRequest => Some(subject.request.method.to_string()),
        Reason::ContentEncoding => shown::lines(headers, &[&CONTENT_ENCODING, &TRANSFER_ENCODING]),
        Reason::TooLarge => {
            let max = settings.object_bytes_max;
            let length = line(&CONTENT_LENGTH)?;
            Some(format!("{length}; cache.max_object_size is {max} bytes"))
        }
        Reason::Unframed => Some("neither Content-Length nor Transfer-Encoding".to_owned()),
        Reason::TooManyTags => Some(format!(
            "cache.tags.max is {}, cache.tags.max_bytes {} bytes",
            settings.tags.count_max, settings.tags.bytes_max
        )),
        Reason::NoFreshness => Some(no_freshness(subject, response)),
        Reason::AlreadyStale => Some(format!(
            "lifetime {}, age on arrival {}",
            span(judged.freshness.lifetime),
            span(judged.freshness.initial_age)
        )),
        Reason::RequestCookie | Reason::Authorization => {
            let sent = seen_in_request(subject, reason)?;
            let said = governing(headers, settings);
            let said = said.unwrap_or_else(|| "no Cache-Control".to_owned());
            Some(format!("{sent} in the request; {said}"))
        }
        _ => None,
    }
}

/// Where a lifetime was looked for in vain.
fn no_freshness(subject: &Subject<'_>, response: &Response<'_>) -> String {
    let said = match governing(response.headers, subject.settings) {
        Some(line) => format!("{line} names no lifetime"),
        None => "no Cache-Control and no Expires".to_owned(),
    };
    if subject.settings.status_ttl(response.status).is_some() {
        return format!(
            "{said}; cache.status_ttl gives status {} 0s",
            response.status.as_u16()
        );
    }
    if !DEFAULT_TTL_STATUSES.contains(&response.status) {
        let status = response.status.as_u16();
        return format!(
            "{said}; rules for ttl are not for status {status}, but cache.status_ttl is"
        );
    }
    match subject.rule.ttl {
        Some(_) => format!("{said}; the route's ttl is 0s"),
        None => format!(
            "{said}; no ttl on the route {}, cache.default_ttl is 0s",
            subject.route
        ),
    }
}
