//! What an answer to an unsafe method invalidates (RFC 9111 §4.4, RFC 9875 §3).

use std::borrow::Cow;

use http::header::{CONTENT_LOCATION, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::key::{Key, QueryRule};
use super::tags::Target;
use crate::headers::structured::strings;

/// RFC 9875 §3.
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// More groups than this in one answer are as good as the whole host.
const GROUPS_MAX: usize = 1_000;

/// `cache.invalidation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The target URI of the request.
    pub target: bool,
    /// The URI in `Location`.
    pub location: bool,
    /// The URI in `Content-Location`.
    pub content_location: bool,
    /// The groups in `Cache-Group-Invalidation`.
    pub cache_groups: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: true,
            location: true,
            content_location: true,
            cache_groups: true,
        }
    }
}

/// The target URI of a request, its parts as [`Key::new`] takes them.
#[derive(Debug, Clone, Copy)]
pub struct TargetUri<'a> {
    /// The effective scheme.
    pub scheme: &'a str,
    /// The effective host.
    pub host: &'a str,
    /// The path as forwarded.
    pub path: &'a str,
    /// The query as forwarded.
    pub query: Option<&'a str>,
}

impl TargetUri<'_> {
    fn key(&self, rule: &QueryRule) -> Key {
        Key::new(self.scheme, self.host, self.path, self.query, rule)
    }
}

/// What the app's answer invalidates: nothing where the method is safe.
///
/// URIs need an answer that is no error (RFC 9111 §4.4). `Cache-Group-Invalidation` is the app's own
/// order and counts with any status (RFC 9875 §3).
#[must_use]
pub fn targets(
    method: &Method,
    uri: &TargetUri<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    rule: &QueryRule,
    settings: &Settings,
) -> Vec<Target> {
    let mut targets = Vec::new();
    if is_safe(method) {
        return targets;
    }
    if status.is_success() || status.is_redirection() {
        if settings.target {
            targets.push(Target::Url(uri.key(rule)));
        }
        let fields = [
            (settings.location, LOCATION),
            (settings.content_location, CONTENT_LOCATION),
        ];
        for (_, field) in fields.into_iter().filter(|(on, _)| *on) {
            let resolved = single(headers, &field).and_then(|value| resolve(uri, value, rule));
            let target = resolved.map(Target::Url);
            targets.extend(target.filter(|target| !targets.contains(target)));
        }
    }
    if settings.cache_groups && !status.is_informational() {
        groups(uri, headers, &mut targets);
    }
    match rule.any_host {
        true => targets.into_iter().map(Target::of_any_host).collect(),
        false => targets,
    }
}

/// Whether the method changes nothing (RFC 9110 §9.2.1), by IANA's registry of methods. RFC 9111
/// §4.4 counts a method whose safety is unknown as unsafe.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    [
        "GET", "HEAD", "OPTIONS", "TRACE", "PRI", "PROPFIND", "QUERY", "REPORT", "SEARCH",
    ]
    .contains(&method.as_str())
}

/// RFC 9875 §3: a list of strings; groups belong to one origin (§2.1).
fn groups(uri: &TargetUri<'_>, headers: &HeaderMap, targets: &mut Vec<Target>) {
    let groups = strings(headers, &CACHE_GROUP_INVALIDATION).unwrap_or_default();
    let host = uri.key(&QueryRule::default()).host().to_owned();
    if groups.len() > GROUPS_MAX {
        return targets.push(Target::Host(host));
    }
    targets.extend(groups.into_iter().map(|tag| Target::Tag {
        host: Some(host.clone()),
        tag,
    }));
}

fn single<'h>(headers: &'h HeaderMap, field: &HeaderName) -> Option<&'h str> {
    let mut lines = headers.get_all(field).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => std::str::from_utf8(line.as_bytes()).ok().map(str::trim),
        _ => None,
    }
}

/// The key of a URI reference, resolved against the target URI (RFC 3986 §5.2). `None`: it has
/// another origin, for which RFC 9111 §4.4 forbids invalidation, or cannot be read.
fn resolve(base: &TargetUri<'_>, reference: &str, rule: &QueryRule) -> Option<Key> {
    // A fragment is no part of what is stored.
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, rest) = match scheme(reference) {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, reference),
    };
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case(base.scheme)) {
        return None;
    }
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    if let Some(after) = path.strip_prefix("//") {
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        return absolute(base, authority, path, query, rule);
    }
    // A scheme without an authority (`http:x`) names no resource of ours.
    if scheme.is_some() {
        return None;
    }
    let (path, query): (Cow<'_, str>, _) = match path {
        "" => (Cow::Borrowed(base.path), query.or(base.query)),
        path if path.starts_with('/') => (without_dots(path).into(), query),
        path => {
            let folder = base.path.rfind('/').map_or("/", |at| &base.path[..=at]);
            (without_dots(&format!("{folder}{path}")).into(), query)
        }
    };
    let uri = TargetUri {
        path: &path,
        query,
        ..*base
    };
    Some(uri.key(rule))
}

/// A reference with an authority: it must be that of the target.
fn absolute(
    base: &TargetUri<'_>,
    authority: &str,
    path: &str,
    query: Option<&str>,
    rule: &QueryRule,
) -> Option<Key> {
    let authority: Authority = authority.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let path = match path {
        "" => "/".to_owned(),
        path => without_dots(path),
    };
    let uri = TargetUri {
        host: authority.as_str(),
        path: &path,
        query,
        ..*base
    };
    // Compared as keys have them: in lower case, without the scheme's own port.
    let rule_of_origins = QueryRule::default();
    let same = uri.key(&rule_of_origins).host() == base.key(&rule_of_origins).host();
    same.then(|| uri.key(rule))
}

/// RFC 3986 §3.1. A colon behind a slash or a question mark belongs to a path or query.
fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    let valid = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    valid.then_some((scheme, rest))
}

/// `remove_dot_segments` (RFC 3986 §5.2.4) for a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let all = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut ends_in_folder = false;
    for segment in all {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    if ends_in_folder {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests;
