//! Cookies of requests, as far as they keep an answer from being shared (RFC 9111 §7.3 leaves that
//! to the cache).

use http::HeaderMap;
use http::header::COOKIE;

use crate::cache::RequestCookies;

/// Whether the request carries a cookie on which its answer may depend and which is no part of the
/// key.
pub(crate) fn has_unkeyed_cookies(headers: &HeaderMap, rule: &RequestCookies) -> bool {
    match rule {
        RequestCookies::Bypass => headers.contains_key(COOKIE),
        RequestCookies::Ignore => false,
        RequestCookies::Allow(names) => pairs(headers).any(|(name, _)| !is_listed(name, names)),
    }
}

/// The cookies that are part of the key: in the order of the rule, and of the request for cookies
/// of the same name.
pub(super) fn keyed<'a>(
    headers: &'a HeaderMap,
    rule: &'a RequestCookies,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let names: &[String] = match rule {
        RequestCookies::Allow(names) => names,
        RequestCookies::Bypass | RequestCookies::Ignore => &[],
    };
    names.iter().flat_map(|name| {
        let own = pairs(headers).filter(|(other, _)| *other == name.as_bytes());
        own.map(|(_, value)| (name.as_str(), value))
    })
}

fn is_listed(name: &[u8], names: &[String]) -> bool {
    names.iter().any(|listed| listed.as_bytes() == name)
}

/// Names and values byte by byte as they are sent, but for the spaces between the pairs
/// (RFC 6265 §4.2.1): what an app may read in another way must not look like what it reads in this.
/// A piece without `=` has no name that a rule could list; apps take it for a name or for a value.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).into_iter().flat_map(|line| {
        let pieces = line.as_bytes().split(|b| *b == b';').map(without_spaces);
        pieces.filter(|piece| !piece.is_empty()).map(|piece| {
            match piece.iter().position(|b| *b == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (&[][..], piece),
            }
        })
    })
}

fn without_spaces(piece: &[u8]) -> &[u8] {
    let start = piece.iter().position(|b| *b != b' ');
    &piece[start.unwrap_or(piece.len())..]
}
