//! What keeps a request from the cache, by which rule, and under which key its answer is stored.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, IF_MATCH, IF_UNMODIFIED_SINCE, PRAGMA,
    PROXY_AUTHORIZATION, RANGE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::shown::{self, names, seconds};
use super::{Denial, Heard, Step, Subject};
use crate::cache::key::Part;
use crate::cache::policy::{self, fills_with};
use crate::cache::{RequestCookies, key};
use crate::reason::Reason;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Scheme, host, path and query, as they were given.
    pub url: String,
    /// The names of its headers; not their values, which may be secrets.
    pub headers: Vec<String>,
}

/// The rule for a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name; `default` where no route matches.
    pub name: String,
    /// Its place in the list, from 1; `None`: no route matches.
    pub position: Option<usize>,
    /// How many routes there are.
    pub routes: usize,
    /// What it matches, as it is written: `path /a/{id}`, `method GET`, `host *.example.org`.
    pub matches: Vec<String>,
    /// Whether its requests are looked up and stored.
    pub cache: bool,
    /// The lifetime of answers that say nothing themselves, in seconds.
    pub ttl_seconds: Option<f64>,
    /// What becomes of requests with cookies.
    pub request_cookies: String,
    /// The request headers on which it says that the answers depend.
    pub vary: Vec<String>,
    /// The tags that it adds.
    pub tags: Vec<String>,
}

/// Under which key the answer is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The scheme, which a trusted proxy may have told.
    pub scheme: String,
    /// The host, in lower case and without a port that is the scheme's own.
    pub host: String,
    /// The host as it was sent.
    pub host_sent: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query that counts.
    pub query: Option<String>,
    /// The query as it was sent, and as the app sees it.
    pub query_sent: Option<String>,
    /// The query is that of several URLs, because the app says that they have one answer
    /// (`No-Vary-Search`).
    pub shared_query: bool,
    /// What of the request belongs to the key besides: names of headers and cookies.
    pub parts: Vec<String>,
    /// 128 bits in hexadecimal digits.
    pub hash: String,
}

impl Route {
    /// The part that the rule tells; `matches` comes from who knows the patterns.
    #[must_use]
    pub fn of(subject: &Subject<'_>, enabled: bool) -> Self {
        let cookies = match subject.settings.request_cookies(subject.rule) {
            RequestCookies::Bypass => "bypass".to_owned(),
            RequestCookies::Ignore => "ignore".to_owned(),
            RequestCookies::Allow(allowed) => format!("allow {}", allowed.join(", ")),
        };
        Self {
            name: subject.route.to_owned(),
            position: None,
            routes: 0,
            matches: Vec::new(),
            cache: enabled,
            ttl_seconds: subject.rule.ttl.map(|ttl: Duration| seconds(ttl)),
            request_cookies: cookies,
            vary: subject.rule.vary.iter().map(shown::name).collect(),
            tags: subject.rule.tags.clone(),
        }
    }
}

impl Key {
    /// A key, and how it came about from what was sent.
    #[must_use]
    pub fn of(key: &key::Key, subject: &Subject<'_>, query: Option<&str>) -> Self {
        let parts = policy::key_parts(&subject.request, subject.settings, subject.rule);
        let part = |part: &Part<'_>| match part {
            Part::Field(name, _) => format!("header {name}"),
            Part::Cookie(name, _) => format!("cookie {name}"),
        };
        Self {
            scheme: key.scheme().to_owned(),
            host: key.host().to_owned(),
            host_sent: subject.request.host.to_owned(),
            path: key.path().to_owned(),
            query: key.query().map(str::to_owned),
            query_sent: query.map(str::to_owned),
            shared_query: key.is_searched(),
            parts: parts.iter().map(part).collect(),
            hash: format!("{:032x}", key.hash()),
        }
    }
}

/// Each rule that keeps the request from the cache. `bypass` are the reasons for which it is not
/// looked up, in the order in which they count.
#[must_use]
pub fn denials(subject: &Subject<'_>, bypass: &[Reason]) -> Vec<Denial> {
    let mut heard = Heard(bypass.to_vec());
    let Ok(()) = fills_with(&subject.request, &mut |reason| heard.hear(reason));
    let denial = |reason: Reason| Denial::new(Step::Lookup, reason, seen(subject, reason));
    heard.0.into_iter().map(denial).collect()
}

/// What of the request, or of the configuration, a reason goes by.
pub(super) fn seen(subject: &Subject<'_>, reason: Reason) -> Option<String> {
    let headers = subject.request.headers;
    match reason {
        Reason::CacheOff if subject.settings.enabled => Some("mode: off".to_owned()),
        Reason::CacheOff => Some("cache.enabled: off".to_owned()),
        Reason::RouteCacheOff => Some(format!("route {}: cache: off", subject.route)),
        Reason::RouteAmbiguous => Some(shown::text(subject.path.as_bytes())),
        Reason::Method => Some(subject.request.method.to_string()),
        Reason::Upgrade => {
            shown::line(headers, &UPGRADE).or_else(|| named(subject, Reason::Upgrade))
        }
        Reason::RequestRange => shown::line(headers, &RANGE),
        Reason::RequestBody => shown::lines(headers, &[&CONTENT_LENGTH, &TRANSFER_ENCODING]),
        Reason::RequestConditional => {
            let named = [IF_MATCH, IF_UNMODIFIED_SINCE].into_iter();
            present(headers, named.filter(|name| headers.contains_key(name)))
        }
        Reason::RequestNoStore
        | Reason::RequestMalformed
        | Reason::RequestMaxAge
        | Reason::RequestMinFresh
        | Reason::OnlyIfCached => shown::line(headers, &CACHE_CONTROL),
        Reason::RequestNoCache => {
            shown::line(headers, &CACHE_CONTROL).or_else(|| shown::line(headers, &PRAGMA))
        }
        Reason::AuthorizationNever | Reason::CredentialHeader => named(subject, reason),
        Reason::UnkeyedHeader => {
            let dropped = policy::unkeyed(&subject.request, subject.settings);
            let dropped = dropped.iter().map(shown::name);
            Some(names(dropped.chain(named(subject, reason))))
        }
        Reason::Authorization => present(headers, [AUTHORIZATION, PROXY_AUTHORIZATION].into_iter()),
        Reason::RequestCookie => shown::cookies(headers),
        _ => None,
    }
}

/// The names of the fields that stand for this reason.
fn named(subject: &Subject<'_>, reason: Reason) -> Option<String> {
    let safety = &subject.settings.safety;
    let fields = subject.request.headers.iter();
    let denied = fields.filter(|(n, v)| policy::barrier(n, v, safety) == Some(reason));
    present(
        subject.request.headers,
        denied.map(|(name, _)| name.clone()),
    )
}

/// Those of the fields that are there, by name.
fn present(headers: &HeaderMap, fields: impl Iterator<Item = HeaderName>) -> Option<String> {
    let mut there: Vec<_> = fields
        .filter(|name| headers.contains_key(name))
        .map(|name| shown::name(&name))
        .collect();
    there.dedup();
    (!there.is_empty()).then(|| names(there.into_iter()))
}
