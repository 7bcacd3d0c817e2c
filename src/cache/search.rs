//! `No-Vary-Search`: which parts of the query an answer does not depend on, in the app's own words
//! (draft-ietf-httpbis-no-vary-search).
//!
//! The draft compares decoded parameters; here their text as it was sent is compared, which takes
//! fewer queries for equal and none wrongly. A field with anything in it that is not understood says
//! nothing.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;

use crate::headers::structured::{Bare, Item, Member, dictionary};

/// The field.
pub const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// What an answer says of queries that would have had the same answer. The default makes every
/// difference count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Variance {
    /// The order of parameters of different names means nothing.
    any_order: bool,
    ignored: Ignored,
}

/// Parameters by their decoded names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Ignored {
    Listed(Vec<Vec<u8>>),
    AllBut(Vec<Vec<u8>>),
}

impl Default for Ignored {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Variance {
    /// What the head says; `None`: that each query has an answer of its own, or nothing that could
    /// be understood.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let field = dictionary(headers, &NO_VARY_SEARCH).ok()?;
        let known = ["key-order", "params", "except"];
        if field.iter().any(|(name, _)| !known.contains(&name)) {
            return None;
        }
        let boolean = |name| match field.get(name).map(Member::value) {
            None => Some(false),
            Some(Some(Bare::Boolean(value))) => Some(*value),
            _ => None,
        };
        let ignored = match (field.get("params"), field.get("except")) {
            (Some(Member::Inner(names, _)), None) => Ignored::Listed(strings(names)?),
            (_, None) if !boolean("params")? => Ignored::default(),
            (_, None) => Ignored::AllBut(Vec::new()),
            (Some(Member::Item(_)), Some(Member::Inner(names, _))) if boolean("params")? => {
                Ignored::AllBut(strings(names)?)
            }
            _ => return None,
        };
        let variance = Self {
            any_order: boolean("key-order")?,
            ignored,
        };
        (variance != Self::default()).then_some(variance)
    }

    /// The query without what does not count: equal for all queries that have the same answer. The
    /// empty query is that of none.
    #[must_use]
    pub fn normalise(&self, query: Option<&str>) -> String {
        let parts = query.into_iter().flat_map(|query| query.split('&'));
        let mut kept: Vec<_> = parts
            .filter(|part| !part.is_empty())
            .map(|part| (name(part), part))
            .filter(|(name, part)| self.counts(name, part))
            .collect();
        if self.any_order {
            // Stable: those of one name keep their order, which may mean something.
            kept.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let kept: Vec<_> = kept.into_iter().map(|(_, part)| part).collect();
        kept.join("&")
    }

    fn counts(&self, name: &Vec<u8>, part: &str) -> bool {
        // Some parsers see a second parameter behind a semicolon.
        if part.contains(';') {
            return true;
        }
        match &self.ignored {
            Ignored::Listed(names) => !names.contains(name),
            Ignored::AllBut(names) => names.contains(name),
        }
    }
}

fn strings(items: &[Item]) -> Option<Vec<Vec<u8>>> {
    let string = |item: &Item| match &item.value {
        Bare::String(text) => Some(decoded(text)),
        _ => None,
    };
    items.iter().map(string).collect()
}

/// The decoded name of a parameter.
fn name(part: &str) -> Vec<u8> {
    decoded(part.split('=').next().unwrap_or_default())
}

/// As application/x-www-form-urlencoded has it.
fn decoded(text: &str) -> Vec<u8> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).collect()
}

#[cfg(test)]
mod tests;
