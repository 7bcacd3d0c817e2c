//! Reading what somebody wants purged, with errors that name the place.

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use serde::Deserialize;

use crate::cache::ban::Ban;
use crate::cache::key::{Key, QueryRule};
use crate::cache::purge::Order;
use crate::cache::tags::{Mode, Target, is_same_host};

/// More things than this are refused in one order.
const THINGS_MAX: usize = 10_000;
/// More prefixes and globs than this are, because each is compared with all that is stored.
const PATTERNS_MAX: usize = 100;
/// No longer prefix or glob is taken.
const PATTERN_BYTES_MAX: usize = 1_024;

/// What to purge; the members add up. `host` limits the others, and alone stands for all of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Body {
    tags: Vec<String>,
    urls: Vec<String>,
    host: Option<String>,
    prefixes: Vec<String>,
    globs: Vec<String>,
    all: bool,
    mode: Word,
}

/// A [`Mode`] as it is written.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    #[default]
    Invalidate,
    Soft,
    Hard,
}

impl Word {
    fn mode(self) -> Mode {
        match self {
            Self::Invalidate => Mode::Invalidate,
            Self::Soft => Mode::Soft,
            Self::Hard => Mode::Hard,
        }
    }
}

/// The word for a mode.
pub(super) fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Invalidate => "invalidate",
        Mode::Soft => "soft",
        Mode::Hard => "hard",
    }
}

/// Reads an order; `query` is how queries are written into keys.
///
/// # Errors
/// A sentence for whoever wrote it, which names the member that is wrong.
pub(super) fn read(json: &[u8], query: &QueryRule) -> Result<Order, String> {
    // serde would take a list for the members in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err("the order must be an object such as {\"tags\": [\"news\"]}".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let body: Body = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let (path, why) = (e.path().to_string(), e.inner());
        match why.is_data() && path != "." {
            true => format!("`{path}`: {why}"),
            false => format!("the order cannot be read: {why}"),
        }
    })?;
    reader
        .end()
        .map_err(|e| format!("the order cannot be read: {e}"))?;
    body.order(query)
}

impl Body {
    fn order(self, query: &QueryRule) -> Result<Order, String> {
        let host = self.host.as_deref().map(host).transpose()?;
        let host = host.as_deref();
        let mut targets = each("tags", &self.tags, |text| tag(text, host))?;
        targets.extend(each("urls", &self.urls, |text| url(text, host, query))?);
        let mut bans = each("prefixes", &self.prefixes, |text| prefix(text, host))?;
        bans.extend(each("globs", &self.globs, |text| glob(text, host))?);
        if bans.len() > PATTERNS_MAX {
            let n = bans.len();
            return Err(format!(
                "`prefixes`, `globs`: {n} of them; at the most {PATTERNS_MAX} in one order"
            ));
        }
        match (self.all, host) {
            (true, None) => targets.push(Target::All),
            (true, Some(host)) => {
                let why = format!("`{{\"host\": \"{host}\"}}` alone is all of that host");
                return Err(format!("`all`: cannot stand beside `host`; {why}"));
            }
            (false, Some(host)) if targets.is_empty() && bans.is_empty() => {
                targets.push(Target::Host(host.to_owned()));
            }
            (false, _) => {}
        }
        match targets.len() + bans.len() {
            0 => Err(
                "nothing to purge: give `tags`, `urls`, `host`, `prefixes`, `globs` or `all`"
                    .to_owned(),
            ),
            1..=THINGS_MAX => {
                let order = Order::new(targets, bans, self.mode.mode());
                Ok(match query.any_host {
                    true => order.of_any_host(),
                    false => order,
                })
            }
            n => Err(format!("{n} things; at the most {THINGS_MAX} in one order")),
        }
    }
}

/// Reads each element, and names the one that is wrong.
fn each<T>(
    list: &str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(nth, text)| read(text.trim()).map_err(|why| format!("`{list}[{nth}]`: {why}")))
        .collect()
}

/// The host in lower case.
///
/// # Errors
/// A sentence for whoever wrote it.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.trim();
    let authority: Result<Authority, _> = host.parse();
    match authority {
        Ok(authority) if !authority.as_str().contains('@') => Ok(host.to_ascii_lowercase()),
        _ => Err("`host`: write the name alone, as in \"example.org\"".to_owned()),
    }
}

fn tag(tag: &str, host: Option<&str>) -> Result<Target, String> {
    match tag {
        "" => Err("is empty".to_owned()),
        tag => Ok(Target::Tag {
            host: host.map(str::to_owned),
            tag: tag.to_owned(),
        }),
    }
}

fn url(text: &str, host: Option<&str>, query: &QueryRule) -> Result<Target, String> {
    key(text, host, query).map(Target::Url)
}

/// The key of a URL, or of a path of `host`.
///
/// # Errors
/// What is wrong with it, to be told behind it.
pub(super) fn key(text: &str, host: Option<&str>, query: &QueryRule) -> Result<Key, String> {
    if let Some((scheme, authority, _)) = absolute(text)? {
        let uri: Uri = text.parse().map_err(|e| format!("is not a URL: {e}"))?;
        let authority = for_host(&authority, host)?;
        let (path, rest) = (uri.path(), uri.query());
        return Ok(Key::new(scheme, authority, path, rest, query));
    }
    let Some(host) = host.filter(|_| text.starts_with('/')) else {
        return Err(
            "is not absolute; write \"http://example.org/path\", or give `host` too".to_owned(),
        );
    };
    let uri: PathAndQuery = text.parse().map_err(|e| format!("is not a path: {e}"))?;
    Ok(Key::new("http", host, uri.path(), uri.query(), query))
}

/// Everything that begins with a path, or with a URL.
///
/// # Errors
/// What is wrong with it, to be told behind it.
pub(super) fn prefix(text: &str, host: Option<&str>) -> Result<Ban, String> {
    let (host, path) = pattern(text, host)?;
    if !path.starts_with('/') {
        return Err("must begin with \"/\", or be a URL".to_owned());
    }
    if path.contains('*') {
        return Err("holds a star; patterns go into `globs`".to_owned());
    }
    Ok(Ban::prefix(host.as_deref(), &path))
}

fn glob(text: &str, host: Option<&str>) -> Result<Ban, String> {
    let (host, path) = pattern(text, host)?;
    if !path.starts_with(['/', '*']) {
        return Err("must begin with \"/\" or \"*\", or be a URL".to_owned());
    }
    Ok(Ban::glob(host.as_deref(), &path))
}

/// The host that a prefix or glob is limited to, and its path.
fn pattern(text: &str, host: Option<&str>) -> Result<(Option<String>, String), String> {
    match text.len() {
        0 => return Err("is empty".to_owned()),
        1..=PATTERN_BYTES_MAX => {}
        n => {
            return Err(format!(
                "is {n} bytes long; at the most {PATTERN_BYTES_MAX}"
            ));
        }
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(
            "is compared with URLs as they are sent: write %20 for a space, %23 for #".to_owned(),
        );
    }
    Ok(match absolute(text)? {
        Some((_, authority, path)) => {
            let path = if path.is_empty() { "/" } else { path };
            let host = for_host(&authority, host)?;
            (Some(host.to_owned()), path.to_owned())
        }
        None => (host.map(str::to_owned), text.to_owned()),
    })
}

/// Scheme, authority and the rest of what begins with `http://` or `https://`; `None`: it does not.
fn absolute(text: &str) -> Result<Option<(&'static str, String, &str)>, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(None);
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        _ if scheme.contains(['/', '*']) => return Ok(None),
        _ => return Err("must begin with http:// or https://".to_owned()),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_host = host(authority).is_ok() && !authority.contains('*');
    match is_host {
        true => Ok(Some((scheme, authority.to_ascii_lowercase(), path))),
        false => Err("has no host that it could be for".to_owned()),
    }
}

/// The authority, unless the order is limited to another host.
fn for_host<'a>(authority: &'a str, host: Option<&str>) -> Result<&'a str, String> {
    match host {
        Some(host) if !is_same_host(host, authority) => Err(format!(
            "is of another host than `host`, which limits this order to {host}"
        )),
        _ => Ok(authority),
    }
}

#[cfg(test)]
mod tests;
