//! The cache key: scheme, host, path and query (RFC 9111 §2), written so that two URLs which the app
//! could tell apart never share one, unless the user's rule for the query says so.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use twox_hash::XxHash3_128;

use super::search::Variance;

/// A parameter name, or the beginning of one followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    name: Box<str>,
    prefix: bool,
}

impl Pattern {
    /// Reads `name` or `prefix*`.
    ///
    /// # Errors
    /// A sentence for the user when it is empty or has a `*` elsewhere.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if text.is_empty() {
            return Err("a parameter name must not be empty");
        }
        if name.contains('*') {
            return Err("`*` may stand at the end only");
        }
        if name.contains(['&', '=', ';', '#']) {
            return Err("a parameter name cannot contain `&`, `=`, `;` or `#`");
        }
        Ok(Self {
            name: name.into(),
            prefix,
        })
    }

    fn matches(&self, name: &str) -> bool {
        if self.prefix {
            name.starts_with(&*self.name)
        } else {
            *name == *self.name
        }
    }

    /// As [`Pattern::matches`], for apps that read names without regard to case.
    fn matches_any_case(&self, name: &str) -> bool {
        let (own, name) = (self.name.as_bytes(), name.as_bytes());
        let head = if self.prefix {
            name.get(..own.len())
        } else {
            Some(name)
        };
        head.is_some_and(|head| head.eq_ignore_ascii_case(own))
    }
}

/// How a URL is written into the key. What the app receives is never changed.
///
/// Names of parameters are compared as they are sent: nothing is percent-decoded. A parameter is left out of the
/// key only where no common parser would read it as one that the rule keeps; when in doubt it stays,
/// which costs a hit and not an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryRule {
    /// Order parameters by name. Those of equal name keep their order.
    pub sort: bool,
    /// Keep only these parameters.
    pub only: Option<Vec<Pattern>>,
    /// Leave these parameters out.
    pub ignore: Vec<Pattern>,
    /// Leave the host out: it makes no difference.
    pub any_host: bool,
}

impl QueryRule {
    /// The query as the key holds it. `Some("")`, a question mark with nothing behind it, stays
    /// different from `None`; a query of which nothing remains becomes `None`. Idempotent.
    #[must_use]
    pub fn normalise<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, str>> {
        let query = query?;
        if !self.sort && self.only.is_none() && self.ignore.is_empty() {
            return Some(Cow::Borrowed(query));
        }
        let all = query.split('&').count();
        let mut kept: Vec<&str> = query.split('&').filter(|part| self.keeps(part)).collect();
        if kept.is_empty() {
            return None;
        }
        if self.sort {
            kept.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        } else if kept.len() == all {
            return Some(Cow::Borrowed(query));
        }
        Some(Cow::Owned(kept.join("&")))
    }

    fn keeps(&self, part: &str) -> bool {
        // Some parsers split at `;` too. `utm_x=1;id=2` must not lose its id (CVE-2021-23336).
        if part.is_empty() || part.contains(';') {
            return true;
        }
        let name = name_of(part);
        if self.ignore.iter().any(|pattern| pattern.matches(name)) {
            return false;
        }
        let Some(only) = &self.only else { return true };
        // `%70age`, `page[]` and `pa.ge` are `page` to one framework or another, `Page` to a third.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        !name.bytes().all(plain) || only.iter().any(|pattern| pattern.matches_any_case(name))
    }
}

fn name_of(part: &str) -> &str {
    part.split_once('=').map_or(part, |(name, _)| name)
}

/// Something of a request besides its URL on which the answer depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part<'a> {
    /// A field that is outside the URL and may change the answer.
    Field(&'a str, &'a [u8]),
    /// A cookie that the rule allows.
    Cookie(&'a str, &'a [u8]),
}

impl<'a> Part<'a> {
    /// The name of the field that holds it.
    #[must_use]
    pub const fn field(self) -> &'a str {
        match self {
            Self::Field(name, _) => name,
            Self::Cookie(..) => "cookie",
        }
    }

    /// As it stands in a key: a letter for its kind, its name and its value, each behind its length.
    fn push(self, full: &mut Vec<u8>) {
        let (kind, name, value) = match self {
            Self::Field(name, value) => (b'f', name, value),
            Self::Cookie(name, value) => (b'c', name, value),
        };
        full.push(kind);
        push(full, name.as_bytes());
        push(full, value);
    }
}

/// Identifies a stored response. Compared in full, so that a collision of hashes is a miss.
/// Cloning is cheap.
#[derive(Clone)]
pub struct Key {
    hash: u128,
    /// Scheme, host, path and query in this order, each behind its length (u32, little endian);
    /// a missing query has the length `u32::MAX`. Behind them, what joins the key besides the URL.
    full: Arc<[u8]>,
}

/// Between a query and the hash of what was said about it. No request's query holds one.
const SEARCHED: char = '\n';

/// Length that stands for "there is no query".
const ABSENT: u32 = u32::MAX;

impl Key {
    /// Makes the key of a URL. `scheme` and `host` are the effective ones, those by which the app
    /// will tell requests apart; `path` and `query` are taken as they are forwarded.
    #[must_use]
    pub fn new(
        scheme: &str,
        host: &str,
        path: &str,
        query: Option<&str>,
        rule: &QueryRule,
    ) -> Self {
        let host = match rule.any_host {
            true => "",
            false => without_default_port(scheme, host),
        };
        let query = rule.normalise(query);
        let length = scheme.len() + host.len() + path.len() + query.as_ref().map_or(0, |q| q.len());
        let mut full = Vec::with_capacity(length + 16);
        push(&mut full, scheme.as_bytes()).make_ascii_lowercase();
        push(&mut full, host.as_bytes()).make_ascii_lowercase();
        push(&mut full, path.as_bytes());
        match &query {
            Some(query) => _ = push(&mut full, query.as_bytes()),
            None => full.extend_from_slice(&ABSENT.to_le_bytes()),
        }
        Self::of(full)
    }

    fn of(full: Vec<u8>) -> Self {
        Self {
            hash: XxHash3_128::oneshot(&full),
            full: full.into(),
        }
    }

    /// The key of the same URL for requests with just these parts. Purges of the URL hit it.
    #[must_use]
    pub fn with(self, parts: &[Part<'_>]) -> Self {
        if parts.is_empty() {
            return self;
        }
        let mut full = self.full.to_vec();
        for part in parts {
            part.push(&mut full);
        }
        Self::of(full)
    }

    /// The key of every query that has the same answer as this one's, by the app's own words. It is
    /// none of any single query, nor of what other words make of one.
    #[must_use]
    pub fn searched(&self, variance: &Variance) -> Self {
        let Parts {
            scheme,
            host,
            path,
            query,
            besides,
        } = self.parts();
        let query = format!(
            "{}{SEARCHED}{:032x}",
            variance.normalise(query),
            variance.hash()
        );
        let url = Self::new(scheme, host, path, Some(&query), &QueryRule::default());
        match besides {
            [] => url,
            besides => Self::of([&*url.full, besides].concat()),
        }
    }

    /// Whether it was made by [`searched`](Self::searched).
    #[must_use]
    pub fn is_searched(&self) -> bool {
        let query = self.parts().query;
        query.is_some_and(|query| query.contains(SEARCHED))
    }

    /// The hash of its URL without the query.
    #[must_use]
    pub fn of_path(&self) -> u128 {
        let Parts {
            scheme, host, path, ..
        } = self.parts();
        Self::new(scheme, host, path, None, &QueryRule::default()).hash
    }

    /// The 128-bit hash, equal for equal keys.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.parts().scheme
    }

    /// The host in lower case, with its port unless that is the scheme's default; empty where hosts
    /// make no difference.
    #[must_use]
    pub fn host(&self) -> &str {
        self.parts().host
    }

    /// The path as forwarded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.parts().path
    }

    /// The normalised query.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        let query = self.parts().query?;
        Some(query.split(SEARCHED).next().unwrap_or(query))
    }

    /// `scheme://host/path?query`, for people.
    #[must_use]
    pub fn display(&self) -> String {
        self.to_string()
    }

    /// Bytes that the key holds outside of its own struct.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.full.len()
    }

    fn parts(&self) -> Parts<'_> {
        let mut rest = &*self.full;
        Parts {
            scheme: pop(&mut rest).unwrap_or_default(),
            host: pop(&mut rest).unwrap_or_default(),
            path: pop(&mut rest).unwrap_or_default(),
            query: pop(&mut rest).or_else(|| skip_absent(&mut rest)),
            besides: rest,
        }
    }
}

struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    /// What joins the key besides the URL.
    besides: &'a [u8],
}

/// Appends a part behind its length, and gives the part as it stands there.
fn push<'f>(full: &'f mut Vec<u8>, part: &[u8]) -> &'f mut [u8] {
    let length = u32::try_from(part.len())
        .ok()
        .filter(|length| *length != ABSENT);
    let length = length.expect("a request head is far smaller than 4 GiB");
    full.extend_from_slice(&length.to_le_bytes());
    let start = full.len();
    full.extend_from_slice(part);
    &mut full[start..]
}

fn pop<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(part).ok()
}

/// Steps over the length that stands for "there is no query".
fn skip_absent<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    *rest = rest.strip_prefix(&ABSENT.to_le_bytes()).unwrap_or(rest);
    None
}

/// Cuts `:80` off an http host and `:443` off an https one (RFC 9110 §4.2.3).
fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("http") {
        ":80"
    } else if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        return host;
    };
    match host.strip_suffix(port) {
        // In an IPv6 address that lacks its brackets, `:80` is part of the address.
        Some(name) if !name.is_empty() && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.full == other.full
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.hash);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            scheme, host, path, ..
        } = self.parts();
        write!(f, "{scheme}://{host}{path}")?;
        self.query().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests;
