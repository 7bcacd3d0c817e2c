//! Structured Fields (RFC 9651, before that RFC 8941): a strict parser. A field that does not follow
//! the grammar to the last byte gives nothing at all (§4.2).

use http::HeaderMap;
use http::header::AsHeaderName;

mod parser;

use parser::Parser;

/// Most members of a dictionary or list; §3.1 and §3.2 ask for at least this many.
pub const MEMBERS_MAX: usize = 1024;
/// Most items of an inner list, and most parameters of an item (§3.1.1, §3.1.2).
pub const ITEMS_MAX: usize = 256;

/// The field does not follow the grammar, or is larger than the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A value without its parameters (§3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// §3.3.1, at most 15 digits.
    Integer(i64),
    /// §3.3.2, in thousandths.
    Decimal(i64),
    /// §3.3.3, without quotes and escapes.
    String(String),
    /// §3.3.4.
    Token(String),
    /// §3.3.5, decoded.
    Bytes(Vec<u8>),
    /// §3.3.6.
    Boolean(bool),
    /// §3.3.7, in seconds since 1970.
    Date(i64),
    /// §3.3.8, decoded.
    Display(String),
}

/// Names with values, each name once, in the order of first appearance; the last value counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(Vec<(String, T)>);

/// What is attached to an item or an inner list (§3.1.2).
pub type Parameters = Named<Bare>;

/// A value and its parameters (§3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub value: Bare,
    /// What is attached to it.
    pub parameters: Parameters,
}

/// A member of a list or dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A single item.
    Item(Item),
    /// A list within the list (§3.1.1).
    Inner(Vec<Item>, Parameters),
}

/// §3.2.
pub type Dictionary = Named<Member>;

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter()
            .find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds or replaces (§4.2.2, §4.2.3.2).
    fn insert(&mut self, name: String, value: T, max: usize) -> Result<(), Malformed> {
        if let Some((_, old)) = self.0.iter_mut().find(|(own, _)| *own == name) {
            *old = value;
            return Ok(());
        }
        if self.0.len() == max {
            return Err(Malformed);
        }
        self.0.push((name, value));
        Ok(())
    }
}

impl Member {
    /// The value of a single item, whatever its parameters.
    #[must_use]
    pub fn value(&self) -> Option<&Bare> {
        match self {
            Self::Item(item) => Some(&item.value),
            Self::Inner(..) => None,
        }
    }
}

/// Reads a dictionary (§4.2.2); empty when there is none.
///
/// # Errors
/// [`Malformed`], also when only a part of it is.
pub fn dictionary(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Dictionary, Malformed> {
    parse(headers, name, |parser| parser.dictionary())
}

/// Reads a list (§4.2.1); empty when there is none.
///
/// # Errors
/// [`Malformed`], also when only a part of it is.
pub fn list(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Vec<Member>, Malformed> {
    parse(headers, name, |parser| parser.list())
}

/// Reads a list of strings, their parameters aside: the form of `Cache-Groups` and
/// `Cache-Group-Invalidation` (RFC 9875 §2, §3).
///
/// # Errors
/// [`Malformed`], also when a member is anything but a string.
pub fn strings(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Vec<String>, Malformed> {
    let string = |member| match member {
        Member::Item(Item {
            value: Bare::String(string),
            ..
        }) => Ok(string),
        _ => Err(Malformed),
    };
    list(headers, name)?.into_iter().map(string).collect()
}

/// Reads a single item (§4.2.3).
///
/// # Errors
/// [`Malformed`], also when it is absent or there is more than one.
pub fn item(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Item, Malformed> {
    parse(headers, name, |parser| parser.item())
}

/// §4.2: lines are joined before anything is read, so that a string may even span two of them.
fn parse<T>(
    headers: &HeaderMap,
    name: impl AsHeaderName,
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let lines = headers.get_all(name);
    let lines: Vec<&[u8]> = lines.iter().map(http::HeaderValue::as_bytes).collect();
    let text = lines.join(&b", "[..]);
    let mut parser = Parser::new(&text);
    let value = read(&mut parser)?;
    parser.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
