//! Cache tags of a response, and the slots by which purges find it without an index of objects.
//!
//! A slot is one of [`SLOTS`] numbers. An entry carries the slots of everything by which it can be
//! purged; a purge marks one slot. Two names that fall into the same slot are purged together:
//! that costs a fetch and never leaves a purged answer in use.

use std::hash::Hasher;

use http::{HeaderMap, HeaderName};
use twox_hash::XxHash3_64;

use super::key::Key;
use crate::headers::structured::strings;
use crate::reason::Reason;

/// Number of slots; a power of two.
pub const SLOTS: usize = 1 << 20;

/// A place in the table of purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// Its number, below [`SLOTS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a purge treats what it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// May be served stale while it is fetched anew.
    Soft,
    /// Is never again served without asking the app, not even when the app fails; kept, because the
    /// app may say that it is unchanged.
    #[default]
    Invalidate,
    /// As `Invalidate`, and its bytes go.
    Hard,
}

impl Mode {
    /// What it makes of an entry that it hits.
    #[must_use]
    pub const fn purge(self) -> Purge {
        match self {
            Self::Soft => Purge::Soft,
            Self::Invalidate | Self::Hard => Purge::Invalid,
        }
    }
}

/// What purges have made of an entry; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Purge {
    /// None has hit it since its fetch began.
    #[default]
    No,
    /// A soft one has: it is stale.
    Soft,
    /// It may not be used without asking the app.
    Invalid,
}

/// What a purge aims at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everything with the tag, on one host or on all.
    Tag {
        /// Only what was stored for this host; `None`: every host.
        host: Option<String>,
        /// The tag; case matters.
        tag: String,
    },
    /// One URL, whatever its scheme.
    Url(Key),
    /// Everything of a host.
    Host(String),
    /// Everything.
    All,
}

impl Target {
    /// The same where hosts make no difference ([`QueryRule::any_host`]): what it names of one host
    /// is there for all of them.
    ///
    /// [`QueryRule::any_host`]: super::key::QueryRule::any_host
    #[must_use]
    pub fn of_any_host(self) -> Self {
        match self {
            Self::Tag { tag, .. } => Self::Tag { host: None, tag },
            Self::Host(_) => Self::All,
            same @ (Self::Url(_) | Self::All) => same,
        }
    }

    /// The slots to mark. With a URL goes whatever its path answers to more than one query: any of
    /// them may be meant.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        let searched = match self {
            Self::Url(key) => Some(searched_slot(key)),
            _ => None,
        };
        std::iter::once(self.slot()).chain(searched)
    }

    /// The slot of what it names.
    #[must_use]
    pub fn slot(&self) -> Slot {
        match self {
            Self::Tag { host, tag } => tag_slot(host.as_deref().unwrap_or_default(), tag),
            Self::Url(key) => url_slot(key),
            Self::Host(host) => host_slot(host),
            Self::All => everything_slot(),
        }
    }
}

/// The slots of a stored response: of each tag for its host and for all hosts, of its URL, of its
/// host and of everything. Sorted, each once.
#[must_use]
pub fn slots_for(key: &Key, tags: &[Box<str>]) -> Box<[Slot]> {
    let url = match key.is_searched() {
        true => searched_slot(key),
        false => url_slot(key),
    };
    let mut slots = vec![url, host_slot(key.host()), everything_slot()];
    for tag in tags {
        slots.extend([tag_slot(key.host(), tag), tag_slot("", tag)]);
    }
    slots.sort_unstable();
    slots.dedup();
    slots.into()
}

/// How a field writes its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Separated by commas: `Cache-Tag`, `X-Cache-Tags`, and all that are not named here.
    Commas,
    /// Separated by spaces: `Surrogate-Key`, `xkey`, Drupal's `Cache-Tags`.
    Spaces,
    /// A Structured Field list of strings: `Cache-Groups` (RFC 9875).
    Strings,
}

/// `cache.tag_headers` and `cache.tags`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The fields that are read.
    pub fields: Vec<HeaderName>,
    /// Clients do not get those fields.
    pub strip: bool,
    /// Most tags that one response may carry.
    pub count_max: usize,
    /// Most bytes that the tags of one response may take together.
    pub bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let fields = [
            "cache-tag",
            "surrogate-key",
            "xkey",
            "x-cache-tags",
            CACHE_GROUPS,
        ];
        Self {
            fields: fields.map(HeaderName::from_static).to_vec(),
            strip: true,
            count_max: 1000,
            bytes_max: 64 * 1024,
        }
    }
}

/// RFC 9875 §2.
const CACHE_GROUPS: &str = "cache-groups";

impl Dialect {
    fn of(field: &HeaderName) -> Self {
        match field.as_str() {
            "surrogate-key" | "xkey" | "cache-tags" | "x-drupal-cache-tags" => Self::Spaces,
            CACHE_GROUPS => Self::Strings,
            _ => Self::Commas,
        }
    }
}

/// The tags that a response carries, each once, in the order of their first appearance.
///
/// # Errors
/// As [`collect`], with the default bounds.
pub fn from_headers(headers: &HeaderMap) -> Result<Vec<Box<str>>, Reason> {
    collect(&Settings::default(), headers, &[])
}

/// As [`from_headers`], together with the tags of the route's rule.
///
/// # Errors
/// [`Reason::TooManyTags`] above the bounds: storing it with some of its tags would make it
/// unpurgeable by the others. [`Reason::InvalidTag`] when a tag is not UTF-8.
pub fn collect(
    settings: &Settings,
    headers: &HeaderMap,
    rule: &[String],
) -> Result<Vec<Box<str>>, Reason> {
    let mut tags = Collected::within(settings);
    for field in &settings.fields {
        let lines = || headers.get_all(field).iter().map(|line| line.as_bytes());
        match Dialect::of(field) {
            Dialect::Commas => lines()
                .flat_map(|line| line.split(|b| *b == b','))
                .try_for_each(|tag| tags.take(tag))?,
            Dialect::Spaces => lines()
                .flat_map(|line| line.split(u8::is_ascii_whitespace))
                .try_for_each(|tag| tags.take(tag))?,
            // RFC 9875 §2 with RFC 9651 §4.2: a field that does not parse is ignored.
            Dialect::Strings => strings(headers, field)
                .unwrap_or_default()
                .iter()
                .try_for_each(|tag| tags.take_whole(tag.as_bytes()))?,
        }
    }
    rule.iter().try_for_each(|tag| tags.take(tag.as_bytes()))?;
    Ok(tags.each_once())
}

/// Tags within their bounds.
struct Collected {
    tags: Vec<Box<str>>,
    /// How many more there may be.
    count_left: usize,
    bytes_left: usize,
}

impl Collected {
    fn within(settings: &Settings) -> Self {
        Self {
            tags: Vec::new(),
            count_left: settings.count_max,
            bytes_left: settings.bytes_max,
        }
    }

    /// Takes a tag without the spaces around it.
    fn take(&mut self, tag: &[u8]) -> Result<(), Reason> {
        self.take_whole(tag.trim_ascii())
    }

    fn take_whole(&mut self, tag: &[u8]) -> Result<(), Reason> {
        if tag.is_empty() {
            return Ok(());
        }
        let left = (self.count_left.checked_sub(1)).zip(self.bytes_left.checked_sub(tag.len()));
        let Some((count_left, bytes_left)) = left else {
            return Err(Reason::TooManyTags);
        };
        let tag = std::str::from_utf8(tag).map_err(|_| Reason::InvalidTag)?;
        self.tags.push(tag.into());
        (self.count_left, self.bytes_left) = (count_left, bytes_left);
        Ok(())
    }

    fn each_once(mut self) -> Vec<Box<str>> {
        let mut seen = std::collections::HashSet::with_capacity(self.tags.len());
        self.tags.retain(|tag| seen.insert(tag.clone()));
        self.tags
    }
}

fn tag_slot(host: &str, tag: &str) -> Slot {
    slot(b't', &[&scope(host), tag])
}

/// The scheme is left out: whoever purges a page means it on http and on https.
fn url_slot(key: &Key) -> Slot {
    let (mark, query) = key.query().map_or(("", ""), |query| ("?", query));
    slot(b'u', &[&scope(key.host()), key.path(), mark, query])
}

/// Of what one path answers to more than one query.
fn searched_slot(key: &Key) -> Slot {
    slot(b's', &[&scope(key.host()), key.path()])
}

fn host_slot(host: &str) -> Slot {
    slot(b'h', &[&scope(host)])
}

fn everything_slot() -> Slot {
    slot(b'*', &[])
}

/// Whether two ways to write a host mean the same one to purges.
#[must_use]
pub fn is_same_host(one: &str, other: &str) -> bool {
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// The host as slots know it: in lower case and [`bare`].
pub(super) fn scope(host: &str) -> String {
    bare(host).to_ascii_lowercase()
}

/// The host without the ports that are the default of one scheme or the other and without the dot of
/// a fully qualified name, so that one spelling purges all.
pub(super) fn bare(host: &str) -> &str {
    let host = host
        .strip_suffix(":80")
        .or_else(|| host.strip_suffix(":443"))
        .unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

fn slot(kind: u8, parts: &[&str]) -> Slot {
    let mut hash = XxHash3_64::new();
    hash.write(&[kind]);
    for part in parts {
        hash.write(&(part.len() as u64).to_le_bytes());
        hash.write(part.as_bytes());
    }
    let index = hash.finish() % SLOTS as u64;
    Slot(u32::try_from(index).expect("there are fewer slots than 2^32"))
}

#[cfg(test)]
mod tests;
