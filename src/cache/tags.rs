//! Cache tags of a response, and the slots by which purges find it without an index of objects.
//!
//! A slot is one of [`SLOTS`] numbers. An entry carries the slots of everything by which it can be
//! purged; a purge marks one slot. Two names that fall into the same slot are purged together:
//! that costs a fetch and never leaves a purged answer in use.

use std::hash::Hasher;

use http::HeaderMap;
use twox_hash::XxHash3_64;

use super::key::Key;
use crate::reason::Reason;

/// Number of slots; a power of two.
pub const SLOTS: usize = 1 << 20;
/// Most tags that one response may carry.
pub const TAGS_MAX: usize = 1000;
/// Most bytes that the tags of one response may take together.
pub const TAG_BYTES_MAX: usize = 64 * 1024;

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
    /// The slot to mark.
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
    let mut slots = vec![url_slot(key), host_slot(key.host()), everything_slot()];
    for tag in tags {
        slots.extend([tag_slot(key.host(), tag), tag_slot("", tag)]);
    }
    slots.sort_unstable();
    slots.dedup();
    slots.into()
}

/// The tags that a response carries: `Cache-Tag` (separated by commas) and `Surrogate-Key`
/// (separated by spaces), each once, in the order of their first appearance.
///
/// # Errors
/// [`Reason::TooManyTags`] above [`TAGS_MAX`] or [`TAG_BYTES_MAX`]: storing it with some of its tags
/// would make it unpurgeable by the others. [`Reason::InvalidTag`] when a tag is not UTF-8.
pub fn from_headers(headers: &HeaderMap) -> Result<Vec<Box<str>>, Reason> {
    collect(headers, &[])
}

/// As [`from_headers`], together with the tags of the route's rule.
///
/// # Errors
/// As [`from_headers`].
pub fn collect(headers: &HeaderMap, rule: &[String]) -> Result<Vec<Box<str>>, Reason> {
    let mut tags: Vec<Box<str>> = Vec::new();
    let mut bytes = 0;
    let mut take = |tag: &[u8]| {
        let tag = tag.trim_ascii();
        if tag.is_empty() {
            return Ok(());
        }
        bytes += tag.len();
        if tags.len() == TAGS_MAX || bytes > TAG_BYTES_MAX {
            return Err(Reason::TooManyTags);
        }
        tags.push(Box::from(
            std::str::from_utf8(tag).map_err(|_| Reason::InvalidTag)?,
        ));
        Ok(())
    };
    for line in headers.get_all("cache-tag") {
        line.as_bytes()
            .split(|b| *b == b',')
            .try_for_each(&mut take)?;
    }
    for line in headers.get_all("surrogate-key") {
        line.as_bytes()
            .split(u8::is_ascii_whitespace)
            .try_for_each(&mut take)?;
    }
    rule.iter().map(String::as_bytes).try_for_each(&mut take)?;
    let mut seen = std::collections::HashSet::with_capacity(tags.len());
    tags.retain(|tag| seen.insert(tag.clone()));
    Ok(tags)
}

fn tag_slot(host: &str, tag: &str) -> Slot {
    slot(b't', &[&scope(host), tag])
}

/// The scheme is left out: whoever purges a page means it on http and on https.
fn url_slot(key: &Key) -> Slot {
    let (mark, query) = key.query().map_or(("", ""), |query| ("?", query));
    slot(b'u', &[&scope(key.host()), key.path(), mark, query])
}

fn host_slot(host: &str) -> Slot {
    slot(b'h', &[&scope(host)])
}

fn everything_slot() -> Slot {
    slot(b'*', &[])
}

/// The host as slots know it: in lower case, without the ports that are the default of one scheme
/// or the other and without the dot of a fully qualified name, so that one spelling purges all.
fn scope(host: &str) -> String {
    let host = host
        .strip_suffix(":80")
        .or_else(|| host.strip_suffix(":443"))
        .unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
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
