//! Which requests a route takes, and the tags it fills from their paths.
//!
//! # Paths
//!
//! A pattern is a path whose segments are literal text, `*` or `{name}` for exactly one segment that
//! is not empty, or `**` for any number of segments, none included: `/assets/**` takes `/assets`,
//! `/assets/` and everything below. A wildcard is a whole segment, never a part of one. There are no
//! regular expressions, and the time is at most length of path × length of pattern.
//!
//! The path is matched as the client sent it: letter case and a trailing slash count, `%41` is not
//! `A`, and `..` is an ordinary segment. Apps are less strict: many decode, fold and clean before
//! they route, so `/%61ccount` would slip past a rule for `/account` and reach the same page. So a
//! path with `%`, `;`, `\`, empty or dot segments is matched a second time as such an app might
//! understand it. When that leads to another route, the request is *ambiguous*: it keeps the route
//! of the raw path but is never looked up in the cache nor stored. Otherwise captures are taken from
//! the cleaned path, so that `/articles/%31` carries the same tag as `/articles/1` and is purged
//! with it.

use http::Method;

mod clean;
mod describe;
#[cfg(test)]
mod tests;

pub(super) use clean::clean;
use clean::decode;

/// The compiled conditions of a route; each one that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    pub(super) path: Option<PathPattern>,
    pub(super) methods: Vec<Method>,
    pub(super) host: Option<HostPattern>,
}

/// What the `{name}` segments of a path stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    values: Vec<Box<str>>,
    ambiguous: bool,
}

impl Captures {
    /// The same for a path that an app may understand as another route's.
    pub(super) fn ambiguous(self) -> Self {
        Self {
            ambiguous: true,
            ..self
        }
    }

    /// Whether an app may understand the path as another route's; see the module's text.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }
}

/// A compiled path pattern.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
    names: Vec<Box<str>>,
}

#[derive(Debug, Clone)]
enum Segment {
    /// As written, and decoded for the comparison with a cleaned path.
    Literal(Box<[u8]>, Box<[u8]>),
    One,
    Capture(usize),
    Any,
}

/// A compiled host pattern, in lower case.
#[derive(Debug, Clone)]
pub(super) enum HostPattern {
    Exact(Box<str>),
    /// `.example.org` for `*.example.org`.
    Below(Box<str>),
}

/// A tag with holes that captures fill, such as `article:{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Capture(usize),
}

/// A path as the routes see it, split once for all of them.
pub(super) struct Subject<'a> {
    /// `None` when it is no path at all, as in `OPTIONS *`.
    parts: Option<Vec<&'a [u8]>>,
    cleaned: bool,
}

impl<'a> Subject<'a> {
    /// The path as it was sent.
    pub(super) fn raw(path: &'a str) -> Self {
        Self {
            parts: split(path.as_bytes()),
            cleaned: false,
        }
    }

    /// The path after [`clean()`].
    pub(super) fn cleaned(path: &'a [u8]) -> Self {
        Self {
            parts: split(path),
            cleaned: true,
        }
    }
}

fn split(path: &[u8]) -> Option<Vec<&[u8]>> {
    Some(path.strip_prefix(b"/")?.split(|b| *b == b'/').collect())
}

impl Matcher {
    /// Whether it takes every request.
    pub(super) fn is_catch_all(&self) -> bool {
        self.methods.is_empty()
            && self.host.is_none()
            && self
                .path
                .as_ref()
                .is_none_or(|p| matches!(p.segments[..], [Segment::Any]))
    }

    pub(super) fn captures(
        &self,
        method: &Method,
        host: &str,
        path: &Subject<'_>,
    ) -> Option<Captures> {
        let method_fits = self.methods.is_empty()
            || self.methods.contains(method)
            // An answer to HEAD is the head of the answer to GET: one rule must govern both.
            || (method == Method::HEAD && self.methods.contains(&Method::GET));
        if !method_fits || self.host.as_ref().is_some_and(|h| !h.matches(host)) {
            return None;
        }
        self.path
            .as_ref()
            .map_or_else(|| Some(Captures::default()), |p| p.captures(path))
    }
}

impl PathPattern {
    /// Compiles a pattern; the error says what is wrong, then "; " and a hint.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("must begin with `/`".to_owned());
        };
        let odd = |c: char| !c.is_ascii_graphic() || c == '\\';
        if text.contains(['?', '#']) {
            return Err(
                "must not hold `?` or `#`; only the path is matched, not the query".to_owned(),
            );
        }
        if text.contains(odd) {
            return Err(
                "must be printable ASCII; percent-encode other characters as clients do".to_owned(),
            );
        }
        let mut pattern = Self {
            segments: Vec::new(),
            names: Vec::new(),
        };
        for segment in rest.split('/') {
            let segment = pattern.segment(segment)?;
            pattern.segments.push(segment);
        }
        Ok(pattern)
    }

    fn segment(&mut self, text: &str) -> Result<Segment, String> {
        if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(word) {
                return Err(format!(
                    "`{text}` must name its capture with letters, digits, `_` or `-`"
                ));
            }
            if self.names.iter().any(|n| **n == *name) {
                return Err(format!("captures `{{{name}}}` twice"));
            }
            self.names.push(name.into());
            return Ok(Segment::Capture(self.names.len() - 1));
        }
        match text {
            "*" => Ok(Segment::One),
            "**" => Ok(Segment::Any),
            _ if text.contains(['*', '{', '}']) => Err(format!(
                "`{text}` mixes text and a wildcard; `*`, `**` and `{{name}}` must be whole segments"
            )),
            _ => Ok(Segment::Literal(
                text.as_bytes().into(),
                decode(text.as_bytes()).into(),
            )),
        }
    }

    /// Greedy matching with one way back, to the last `**`: what it has not taken yet. That is
    /// enough for a sequence of single segments and bounds the work.
    fn captures(&self, path: &Subject<'_>) -> Option<Captures> {
        let parts = path.parts.as_ref()?;
        let mut taken: Vec<&[u8]> = vec![b""; self.names.len()];
        let (mut part, mut segment) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while part < parts.len() {
            let fits = match self.segments.get(segment) {
                Some(Segment::Any) => {
                    segment += 1;
                    back = Some((part, segment));
                    continue;
                }
                Some(Segment::Literal(_, decoded)) if path.cleaned => **decoded == *parts[part],
                Some(Segment::Literal(raw, _)) => **raw == *parts[part],
                Some(Segment::One) => !parts[part].is_empty(),
                Some(Segment::Capture(i)) => {
                    taken[*i] = parts[part];
                    !parts[part].is_empty()
                }
                None => false,
            };
            if fits {
                (part, segment) = (part + 1, segment + 1);
                continue;
            }
            let (from, after) = back?;
            (part, segment) = (from + 1, after);
            back = Some((part, after));
        }
        let rest_is_empty = self.segments[segment..]
            .iter()
            .all(|s| matches!(s, Segment::Any));
        rest_is_empty.then(|| Captures {
            values: taken
                .into_iter()
                .map(|v| String::from_utf8_lossy(v).into())
                .collect(),
            ambiguous: false,
        })
    }
}

impl HostPattern {
    /// Compiles a pattern; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let bare = name
            .strip_prefix('[')
            .and_then(|n| n.strip_suffix(']'))
            .unwrap_or(name);
        if bare.len() == name.len() && name.contains(':') {
            return Err("must not name a port; ports are ignored when matching".to_owned());
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if bare.is_empty() || !bare.chars().all(fits) || bare.starts_with('.') {
            return Err("must be a host name, or `*.` and a host name".to_owned());
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Ok(match text.starts_with("*.") {
            true => Self::Below(format!(".{name}").into()),
            false => Self::Exact(name.into()),
        })
    }

    fn matches(&self, host: &str) -> bool {
        let host = without_port(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(tail) => host
                .len()
                .checked_sub(tail.len())
                .filter(|at| *at > 0)
                .and_then(|at| host.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(tail)),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => {
            name
        }
        Some((name, port)) if name.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}

impl TagTemplate {
    /// Compiles a template for the captures of `pattern`; the error says what is wrong.
    pub(super) fn parse(text: &str, pattern: Option<&PathPattern>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if text.contains(|c: char| !c.is_ascii_graphic() || c == ',') {
            return Err(
                "must be printable ASCII without spaces and commas, which part tags".to_owned(),
            );
        }
        let names = pattern.map_or(&[][..], |p| &p.names[..]);
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            let Some((name, tail)) = tail.split_once('}') else {
                return Err("has a `{` without its `}`".to_owned());
            };
            let Some(i) = names.iter().position(|n| **n == *name) else {
                return Err(unknown_capture(name, names));
            };
            push_literal(&mut parts, literal);
            parts.push(Part::Capture(i));
            rest = tail;
        }
        push_literal(&mut parts, rest);
        Ok(Self(parts))
    }

    /// The tag for one request.
    #[must_use]
    pub fn expand(&self, captures: &Captures) -> String {
        let text = |part: &'_ Part| match part {
            Part::Literal(text) => text.to_string(),
            Part::Capture(i) => captures
                .values
                .get(*i)
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        self.0.iter().map(text).collect()
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.into()));
    }
}

fn unknown_capture(name: &str, names: &[Box<str>]) -> String {
    let known: Vec<_> = names.iter().map(|n| format!("{{{n}}}")).collect();
    match known.is_empty() {
        true => format!("uses `{{{name}}}`, but the route's path captures nothing"),
        false => format!(
            "uses `{{{name}}}`, but the route's path captures only {}",
            known.join(", ")
        ),
    }
}
