//! Purges of many URLs by the form of their paths: what they hit, and what an entry remembers of
//! them. The list of them is [`store::bans`](crate::store::bans).

use std::sync::atomic::{AtomicU64, Ordering};

use super::key::Key;
use super::tags::{Purge, Slot, Target, bare, scope};

/// Everything of one host or of all whose path begins or looks like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    host: Option<Box<str>>,
    paths: Paths,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Paths {
    /// Path and query begin with this.
    Prefix(Box<str>),
    /// `*` stands for anything within a path segment, `**` for anything at all.
    Glob {
        whole: Pattern,
        /// Without what it says of the query, if it does.
        path: Option<Pattern>,
    },
}

/// A key taken apart, to be compared with many bans.
#[derive(Debug, Clone, Copy)]
pub struct Place<'k> {
    host: &'k str,
    path: &'k [u8],
    query: Option<&'k [u8]>,
    /// It stands for more than one query.
    is_searched: bool,
}

impl<'k> Place<'k> {
    /// Where the key is.
    #[must_use]
    pub fn of(key: &'k Key) -> Self {
        Self {
            host: bare(key.host()),
            path: key.path().as_bytes(),
            query: key.query().map(str::as_bytes),
            is_searched: key.is_searched(),
        }
    }
}

impl Ban {
    /// What begins with `prefix`, which may reach into the query.
    #[must_use]
    pub fn prefix(host: Option<&str>, prefix: &str) -> Self {
        Self {
            host: host.map(|host| scope(host).into()),
            paths: Paths::Prefix(prefix.into()),
        }
    }

    /// What looks like `pattern`: `*` stands for anything without a slash, `**` for anything. A
    /// pattern without a question mark hits its paths with any query.
    #[must_use]
    pub fn glob(host: Option<&str>, pattern: &str) -> Self {
        let query = pattern.contains('?');
        Self {
            host: host.map(|host| scope(host).into()),
            paths: Paths::Glob {
                whole: Pattern::new(pattern.as_bytes()),
                path: query.then(|| Pattern::new(before_query(pattern))),
            },
        }
    }

    /// Whether it goes by a pattern, and not by the beginning.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        matches!(self.paths, Paths::Glob { .. })
    }

    /// The same for whatever host.
    #[must_use]
    pub fn of_any_host(self) -> Self {
        Self { host: None, ..self }
    }

    /// Whether it hits what is stored there.
    #[must_use]
    pub fn hits(&self, place: &Place<'_>) -> bool {
        self.host
            .as_deref()
            .is_none_or(|host| place.host.eq_ignore_ascii_case(host))
            && self.paths.hit(place)
    }

    /// Something wider that one slot can hold: its host, or everything.
    #[must_use]
    pub fn widened(&self) -> Slot {
        match &self.host {
            Some(host) => Target::Host(host.to_string()).slot(),
            None => Target::All.slot(),
        }
    }
}

impl Paths {
    fn hit(&self, place: &Place<'_>) -> bool {
        let path = place.path;
        match (self, place.query) {
            // It may stand for whatever query this names.
            (Self::Prefix(prefix), _) if place.is_searched => {
                path.starts_with(before_query(prefix))
            }
            (Self::Prefix(prefix), None) => path.starts_with(prefix.as_bytes()),
            (Self::Prefix(prefix), Some(query)) => {
                // Compared in two pieces, because this runs on lookups.
                let prefix = prefix.as_bytes();
                path.starts_with(prefix)
                    || prefix
                        .strip_prefix(path)
                        .and_then(|rest| rest.strip_prefix(b"?"))
                        .is_some_and(|rest| query.starts_with(rest))
            }
            (Self::Glob { whole, path: None }, _) => whole.fits(path),
            (Self::Glob { path: Some(it), .. }, _) if place.is_searched => it.fits(path),
            (Self::Glob { whole, .. }, Some(query)) => whole.fits(&[path, b"?", query].concat()),
            (Self::Glob { whole, .. }, None) => whole.fits(path),
        }
    }
}

fn before_query(text: &str) -> &[u8] {
    text.split('?').next().unwrap_or_default().as_bytes()
}

/// A pattern ready to be compared: most texts differ from it before the first star or behind the last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    head: Box<[u8]>,
    /// From the first star to the last; nothing when there is none, and `head` is all of it.
    middle: Box<[Token]>,
    tail: Box<[u8]>,
}

impl Pattern {
    fn new(pattern: &[u8]) -> Self {
        let star = |byte: &u8| *byte == b'*';
        let first = pattern.iter().position(star).unwrap_or(pattern.len());
        let end = pattern.iter().rposition(star).map_or(first, |at| at + 1);
        Self {
            head: pattern[..first].into(),
            middle: tokens(&pattern[first..end]).into(),
            tail: pattern[end..].into(),
        }
    }

    /// Whether the whole text looks like it.
    fn fits(&self, text: &[u8]) -> bool {
        let rest = text.strip_prefix(&*self.head);
        let Some(rest) = rest.and_then(|rest| rest.strip_suffix(&*self.tail)) else {
            return false;
        };
        match &*self.middle {
            [] => rest.is_empty(),
            [Token::All] => true,
            middle => looks_like(middle, rest),
        }
    }
}

/// Follows all ways through the pattern at once, so that no path that somebody asks for makes it cost
/// more than pattern times text.
fn looks_like(tokens: &[Token], text: &[u8]) -> bool {
    // `reached[i]`: the text read so far fits the first `i` tokens.
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    pass_stars(tokens, &mut reached);
    for byte in text {
        // From behind, so that a place just reached does not count for this byte already.
        for at in (0..=tokens.len()).rev() {
            let stays = match tokens.get(at) {
                Some(Token::Segment) => *byte != b'/',
                Some(Token::All) => true,
                _ => false,
            };
            let comes = at > 0 && reached[at - 1] && tokens[at - 1] == Token::Byte(*byte);
            reached[at] = reached[at] && stays || comes;
        }
        pass_stars(tokens, &mut reached);
    }
    reached[tokens.len()]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`
    Segment,
    /// `**`
    All,
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    for byte in pattern {
        match (byte, tokens.last_mut()) {
            (b'*', Some(star @ Token::Segment)) => *star = Token::All,
            (b'*', Some(Token::All)) => {}
            (b'*', _) => tokens.push(Token::Segment),
            (byte, _) => tokens.push(Token::Byte(*byte)),
        }
    }
    tokens
}

/// A star may stand for nothing.
fn pass_stars(tokens: &[Token], reached: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        if reached[at] && matches!(token, Token::Segment | Token::All) {
            reached[at + 1] = true;
        }
    }
}

/// Up to which ban an entry was compared, and what was found: so that each ban costs an entry one
/// comparison and not one for each lookup.
#[derive(Debug)]
pub struct Mark(AtomicU64);

/// The lowest bits hold what was found. Whoever compared further found at least as much, so that
/// the larger number is always the one to keep.
const FOUND_BITS: u32 = 2;

impl Mark {
    /// Nothing is compared yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The number of the last ban that was compared, and the worst that was found.
    #[must_use]
    pub fn read(&self) -> (u64, Purge) {
        // The number carries all that is known, so that no other memory has to be in step with it.
        let mark = self.0.load(Ordering::Relaxed);
        let found = match mark & ((1 << FOUND_BITS) - 1) {
            0 => Purge::No,
            1 => Purge::Soft,
            _ => Purge::Invalid,
        };
        (mark >> FOUND_BITS, found)
    }

    /// Notes a comparison with every ban up to this number.
    pub fn note(&self, number: u64, found: Purge) {
        let found = match found {
            Purge::No => 0,
            Purge::Soft => 1,
            Purge::Invalid => 2,
        };
        self.0
            .fetch_max(number << FOUND_BITS | found, Ordering::Relaxed);
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests;
