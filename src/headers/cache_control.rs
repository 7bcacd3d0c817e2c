//! The `Cache-Control` field of requests and responses (RFC 9111 §5.2) and the fields that stand in
//! for it (RFC 9213), read so that every doubt ends in "do not store, do not reuse".

use std::time::Duration;

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderName};

mod targeted;

/// The largest number of seconds that is kept: larger ones count as this one (RFC 9111 §1.2.2).
pub const SECONDS_MAX: u32 = 1 << 31;

/// The argument of a directive that takes a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delta {
    /// The directive is not there.
    #[default]
    Absent,
    /// So many seconds, at most [`SECONDS_MAX`].
    Seconds(u32),
    /// It is there and cannot be trusted: no argument, not a number, or two that disagree.
    /// RFC 9111 §4.2.1 asks to take such a response as stale.
    Invalid,
}

impl Delta {
    /// Whether the directive was there at all, valid or not.
    #[must_use]
    pub const fn is_present(self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The duration, if it is there and valid.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds.into())),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Takes another occurrence. The same value twice is harmless; different ones are a
    /// contradiction (RFC 9111 §4.2.1).
    fn add(&mut self, seen: Self) {
        *self = if *self == Self::Absent || *self == seen {
            seen
        } else {
            Self::Invalid
        };
    }
}

/// The scope of `no-cache` and `private`, which may name single fields (RFC 9111 §5.2.2.4, §5.2.2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldNames {
    /// The directive stood alone, or its list could not be read: the whole response is meant.
    All,
    /// Only these fields are meant.
    Listed(Vec<HeaderName>),
}

/// Everything that a `Cache-Control` field says. Unknown directives are ignored (RFC 9111 §5.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheControl {
    /// The targeted field that all of this was read from (RFC 9213); `None`: `Cache-Control` itself.
    pub target: Option<HeaderName>,
    /// The message has the field, even if it is empty.
    pub present: bool,
    /// Part of the field does not follow the grammar in a way that may hide a directive: an
    /// unterminated or stray quote, a semicolon for a comma. Nothing else in here is to be trusted
    /// for storing.
    pub malformed: bool,
    /// `no-store`, with or without a (meaningless) argument.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: Option<FieldNames>,
    /// `private`.
    pub private: Option<FieldNames>,
    /// `public`.
    pub public: bool,
    /// `max-age`.
    pub max_age: Delta,
    /// `s-maxage`.
    pub s_maxage: Delta,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Delta,
    /// `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Delta,
    /// `only-if-cached` (requests).
    pub only_if_cached: bool,
    /// `min-fresh` (requests).
    pub min_fresh: Delta,
    /// `max-stale` (requests). Without an argument it means any staleness and counts as
    /// [`SECONDS_MAX`].
    pub max_stale: Delta,
}

impl CacheControl {
    /// What governs a response: the first field of the target list that can be read and is not
    /// empty, else `Cache-Control` (RFC 9213 §2.2).
    #[must_use]
    pub fn governing(headers: &HeaderMap, targets: &[HeaderName]) -> Self {
        targets
            .iter()
            .find_map(|target| targeted::read(headers, target))
            .unwrap_or_else(|| Self::from_headers(headers))
    }

    /// Whether the response says in so many words that it is meant for everybody
    /// (RFC 9111 §5.2.2.9, §5.2.2.10).
    #[must_use]
    pub const fn is_for_everybody(&self) -> bool {
        self.public || matches!(self.s_maxage, Delta::Seconds(_))
    }

    /// Whether the response may be shared although its request carried `Authorization`
    /// (RFC 9111 §3.5).
    #[must_use]
    pub const fn is_for_authorized(&self) -> bool {
        self.is_for_everybody() || self.must_revalidate
    }

    /// Whether it must never be given once it is stale without asking the app (RFC 9111 §5.2.2.2,
    /// §5.2.2.8, §5.2.2.10).
    #[must_use]
    pub const fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_present()
    }

    /// Reads all `Cache-Control` lines. Directives are case-insensitive; an argument is taken as a
    /// token or as a quoted string, whichever was prescribed (RFC 9111 §5.2).
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut out = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            out.present = true;
            let mut rest = line.as_bytes();
            while !rest.is_empty() {
                let (member, after) = split_member(rest);
                rest = after;
                out.member(member.trim_ascii());
            }
        }
        out
    }

    fn member(&mut self, member: &[u8]) {
        if member.is_empty() {
            return; // RFC 9110 §5.6.1.2: empty list members are ignored.
        }
        let (name, argument) = match member.iter().position(|b| *b == b'=') {
            Some(at) => (&member[..at], Some(Argument::read(&member[at + 1..]))),
            None => (member, None),
        };
        if !is_token(name) || argument.is_some_and(|a| a.torn) {
            self.malformed = true;
        }
        // The longest known name has 22 bytes; a longer one is unknown.
        let mut lower = [0u8; 24];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"no-store" => self.no_store = true,
            b"no-cache" => merge(&mut self.no_cache, argument),
            b"private" => merge(&mut self.private, argument),
            b"public" => self.public = true,
            b"max-age" => self.max_age.add(delta(argument)),
            b"s-maxage" => self.s_maxage.add(delta(argument)),
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"no-transform" => self.no_transform = true,
            b"immutable" => self.immutable = true,
            b"stale-while-revalidate" => self.stale_while_revalidate.add(delta(argument)),
            b"stale-if-error" => self.stale_if_error.add(delta(argument)),
            b"only-if-cached" => self.only_if_cached = true,
            b"min-fresh" => self.min_fresh.add(delta(argument)),
            b"max-stale" if argument.is_none() => self.max_stale.add(Delta::Seconds(SECONDS_MAX)),
            b"max-stale" => self.max_stale.add(delta(argument)),
            _ => {}
        }
    }
}

/// Whether `Pragma: no-cache` is to be heeded: only where `Cache-Control` is absent (RFC 9111 §5.4).
#[must_use]
pub fn pragma_no_cache(headers: &HeaderMap) -> bool {
    !headers.contains_key(CACHE_CONTROL)
        && headers.get_all(PRAGMA).iter().any(|line| {
            let mut members = line.as_bytes().split(|b| *b == b',');
            members.any(|m| m.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
        })
}

/// An argument after `=`, its quotes taken off.
#[derive(Clone, Copy)]
struct Argument<'a> {
    text: &'a [u8],
    /// Quotes that do not pair up, or bytes around them.
    torn: bool,
}

impl<'a> Argument<'a> {
    fn read(raw: &'a [u8]) -> Self {
        if let Some(inside) = raw.strip_prefix(b"\"") {
            return match inside.split_last() {
                Some((b'"', text)) if ends_outside_escape(text) => {
                    let torn = unescaped_quote(text).is_some();
                    Self { text, torn }
                }
                _ => Self {
                    text: inside,
                    torn: true,
                },
            };
        }
        Self {
            text: raw,
            torn: raw.contains(&b'"') || raw.contains(&b';'),
        }
    }
}

/// Splits the first list member off, minding quoted strings. A quote opens a quoted string only
/// directly after `=`, the one place where the grammar has one.
fn split_member(line: &[u8]) -> (&[u8], &[u8]) {
    let mut quoted = false;
    let mut i = 0;
    while let Some(byte) = line.get(i) {
        match byte {
            b'\\' if quoted => i += 1,
            b'"' if quoted => quoted = false,
            b'"' if i > 0 && line[i - 1] == b'=' => quoted = true,
            b',' if !quoted => return (&line[..i], &line[i + 1..]),
            _ => {}
        }
        i += 1;
    }
    (line, b"")
}

/// The first `"` that no backslash hides.
fn unescaped_quote(text: &[u8]) -> Option<usize> {
    let mut i = 0;
    while let Some(byte) = text.get(i) {
        match byte {
            b'\\' => i += 1,
            b'"' => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Whether a byte after `text` would stand outside a backslash escape.
fn ends_outside_escape(text: &[u8]) -> bool {
    text.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// `delta-seconds` (RFC 9111 §1.2.2): digits only; what does not fit counts as [`SECONDS_MAX`].
pub(crate) fn delta_seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text.iter().fold(0u32, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    Some(seconds.min(SECONDS_MAX))
}

fn delta(argument: Option<Argument<'_>>) -> Delta {
    argument
        .filter(|a| !a.torn)
        .and_then(|a| delta_seconds(a.text))
        .map_or(Delta::Invalid, Delta::Seconds)
}

/// Adds an occurrence of `no-cache` or `private`; the wider meaning wins.
fn merge(into: &mut Option<FieldNames>, argument: Option<Argument<'_>>) {
    let seen = argument.and_then(field_names);
    *into = Some(match (into.take(), seen) {
        (None, Some(names)) => FieldNames::Listed(names),
        (Some(FieldNames::Listed(mut before)), Some(names)) => {
            before.extend(names);
            FieldNames::Listed(before)
        }
        (_, None) | (Some(FieldNames::All), _) => FieldNames::All,
    });
}

/// The list of fields in an argument; `None` (the whole response) when it is empty or unreadable.
fn field_names(argument: Argument<'_>) -> Option<Vec<HeaderName>> {
    (!argument.torn).then(|| names(argument.text)).flatten()
}

fn names(text: &[u8]) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for name in text.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        if !name.is_empty() {
            names.push(HeaderName::from_bytes(name).ok()?);
        }
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests;
