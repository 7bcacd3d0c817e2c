//! Which responses may and should be coded, and what else changes in their headers when they are
//! (RFC 9110 §8.4, §12.5.5; RFC 9111 §5.2.2.6; RFC 9530).

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::negotiate::is_tchar;
use super::{Coding, Settings};
use crate::reason::Reason;

/// A list of media type patterns: `text/html`, `text/*`, `application/*+json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaTypes(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `text/html`
    Exact(String),
    /// `text/*`, kept as `text/`
    Subtypes(String),
    /// `application/*+json`, kept as `application/` and `+json`
    Suffix(String, String),
}

impl MediaTypes {
    /// Reads the patterns of the configuration.
    ///
    /// # Errors
    /// The place of the first pattern that is none, and what is wrong with it.
    pub fn parse(patterns: &[String]) -> Result<Self, (usize, String)> {
        let parsed = patterns.iter().enumerate();
        let parsed = parsed.map(|(i, text)| Pattern::parse(text).map_err(|why| (i, why)));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Is this `Content-Type` in the list? Parameters and case are no part of the question
    /// (RFC 9110 §8.3.1).
    #[must_use]
    pub fn matches(&self, content_type: &str) -> bool {
        let media_type = essence(content_type);
        self.0.iter().any(|pattern| pattern.matches(media_type))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let fail = |why: &str| Err(format!("`{text}` is not a media type pattern: {why}"));
        let text = text.trim();
        let Some((kind, subtype)) = text.split_once('/') else {
            return fail("it has no `/`; write `text/html`, `text/*` or `application/*+json`");
        };
        let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_tchar);
        if text.contains(';') {
            return fail("parameters are ignored, leave them out");
        }
        if kind.contains('*') {
            return fail("only the part after `/` may be `*`, or images and archives would match");
        }
        if !is_token(kind) || !is_token(subtype) {
            return fail("a type has letters, digits and `-+._` on both sides of one `/`");
        }
        let prefix = format!("{kind}/").to_ascii_lowercase();
        match subtype.strip_prefix('*') {
            Some("") => Ok(Self::Subtypes(prefix)),
            Some(suffix)
                if suffix.starts_with('+') && suffix.len() > 1 && !suffix.contains('*') =>
            {
                Ok(Self::Suffix(prefix, suffix.to_ascii_lowercase()))
            }
            None if !subtype.contains('*') => Ok(Self::Exact(text.to_ascii_lowercase())),
            _ => fail("`*` stands for a whole subtype or for what precedes `+`"),
        }
    }

    fn matches(&self, media_type: &str) -> bool {
        match self {
            Self::Exact(exact) => media_type.eq_ignore_ascii_case(exact),
            Self::Subtypes(prefix) => {
                media_type.len() > prefix.len() && starts_with(media_type, prefix)
            }
            Self::Suffix(prefix, suffix) => {
                media_type.len() > prefix.len() + suffix.len()
                    && starts_with(media_type, prefix)
                    && ends_with(media_type, suffix)
            }
        }
    }
}

/// May and should this response be coded, as far as the response itself can tell? What the client
/// takes is another matter ([`negotiate`](super::negotiate::negotiate)), and so is a HEAD request,
/// whose answer must look like that to GET. `body_len` is the length of the body where it is known;
/// a body of unknown length counts as long enough.
///
/// # Errors
/// The first reason against it.
pub fn eligible(
    settings: &Settings,
    status: StatusCode,
    headers: &HeaderMap,
    body_len: Option<u64>,
) -> Result<(), Reason> {
    if !settings.enabled {
        return Err(Reason::CompressionOff);
    }
    if !has_whole_body(status, headers) || body_len == Some(0) {
        return Err(Reason::NoWholeBody);
    }
    if is_coded(headers) {
        return Err(Reason::AlreadyCoded);
    }
    if forbids_transform(headers) {
        return Err(Reason::NoTransform);
    }
    let media_type = media_type(headers).ok_or(Reason::MediaType)?;
    // gRPC compresses its messages itself and counts on their framing arriving as it was sent, in
    // every variety (`application/grpc+proto`, `application/grpc-web`).
    if starts_with(media_type, "application/grpc") || !settings.types.matches(media_type) {
        return Err(Reason::MediaType);
    }
    if body_len.is_some_and(|len| len < settings.min_bytes) {
        return Err(Reason::TooSmall);
    }
    Ok(())
}

/// RFC 9110 §6.4.1: 1xx, 204 and 304 have no content, nor does 205 (§15.3.6). A part of a
/// representation must stay a part of the one it was cut from (§14.4).
fn has_whole_body(status: StatusCode, headers: &HeaderMap) -> bool {
    !status.is_informational()
        && !matches!(status.as_u16(), 204 | 205 | 206 | 304)
        && !headers.contains_key(CONTENT_RANGE)
}

/// Has the app coded the body itself? `identity` means no coding and does not belong in this field
/// (RFC 9110 §8.4.1), but some apps send it.
fn is_coded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|&b| b == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Does `Cache-Control` say `no-transform`, in a response (RFC 9111 §5.2.2.6) or in a request
/// (§5.2.1.6)? A quoted argument that contains the word between commas counts as well: not
/// compressing is the side to err on.
#[must_use]
pub fn forbids_transform(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = lines.flat_map(|line| line.as_bytes().split(|&b| b == b','));
    directives.any(|directive| {
        let name = directive.split(|&b| b == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"no-transform")
    })
}

/// The media type without parameters. Two `Content-Type` lines are as good as none: which of them
/// the client believes is anybody's guess.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    line.to_str().ok().map(essence)
}

fn essence(content_type: &str) -> &str {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_matches([' ', '\t'])
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.as_bytes()
        .get(..prefix.len())
        .is_some_and(|t| t.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start.is_some_and(|at| text.as_bytes()[at..].eq_ignore_ascii_case(suffix.as_bytes()))
}

/// Must every chunk of this body reach the client at once? True for bodies made to be read as they
/// come (server-sent events, newline-delimited JSON, `X-Accel-Buffering: no`) and for all of unknown
/// length, because nothing else tells a stream from a slow page.
#[must_use]
pub fn wants_flush(headers: &HeaderMap) -> bool {
    let unbuffered = headers
        .get("x-accel-buffering")
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"no"));
    let is_stream = |media_type: &str| {
        ["text/event-stream", "application/x-ndjson"]
            .iter()
            .any(|stream| media_type.eq_ignore_ascii_case(stream))
    };
    unbuffered
        || !headers.contains_key(CONTENT_LENGTH)
        || media_type(headers).is_some_and(is_stream)
}

/// The new value of `Vary` that names `Accept-Encoding`, to replace all of its lines; `None` when
/// they name it already or say `*`, which covers every field (RFC 9110 §12.5.5).
///
/// Belongs on every response that *could* have been coded: a cache between us and the client would
/// otherwise hand the uncoded one to everybody (RFC 9111 §4.1).
#[must_use]
pub fn vary_with_accept_encoding(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut merged = Vec::new();
    for line in headers.get_all(VARY) {
        for name in line
            .as_bytes()
            .split(|&b| b == b',')
            .map(<[u8]>::trim_ascii)
        {
            if name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding") {
                return None;
            }
            if !name.is_empty() {
                merged.extend_from_slice(name);
                merged.extend_from_slice(b", ");
            }
        }
    }
    if merged.is_empty() {
        return Some(HeaderValue::from_static("Accept-Encoding"));
    }
    merged.extend_from_slice(b"Accept-Encoding");
    // Parts of valid values joined by ", " are a valid value.
    HeaderValue::from_bytes(&merged).ok()
}

/// The weak form of a strong entity tag; `None` when it is weak already, or no entity tag at all.
///
/// Two codings of one representation must not share a strong validator (RFC 9110 §8.8.3.3). They may
/// share a weak one, which is what lets `If-None-Match` go on working with the app's own tag.
#[must_use]
pub fn weaken(etag: &HeaderValue) -> Option<HeaderValue> {
    let tag = etag.as_bytes();
    if !is_opaque_tag(tag) {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", tag].concat()).ok()
}

/// `opaque-tag = DQUOTE *etagc DQUOTE` (RFC 9110 §8.8.3).
fn is_opaque_tag(tag: &[u8]) -> bool {
    let inside = tag
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inside.is_some_and(|inside| {
        inside
            .iter()
            .all(|&b| b == 0x21 || (b >= 0x23 && b != 0x7f))
    })
}

/// The header changes of a response that is being coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Fields to set, in place of all lines of that name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields to remove; only those that are there.
    pub remove: Vec<HeaderName>,
}

/// What a body's coding makes untrue, besides its length:
/// - `Accept-Ranges`: ranges would be of the coded bytes (RFC 9110 §14.1), which are not the same
///   from one run of the encoder to the next.
/// - `Content-Digest` is of the content as sent (RFC 9530 §2), `Repr-Digest` and its predecessor
///   `Digest` of the representation *with* its coding (RFC 9530 §3, RFC 3230 §2), `Content-MD5`
///   likewise (RFC 2616 §14.15). All four now describe other bytes. We could compute them anew only
///   when the whole body is at hand, and would then vouch for bytes that we have not checked.
///
/// An app that wants its digests or signatures to arrive says `no-transform`.
const UNTRUE_ONCE_CODED: [HeaderName; 6] = [
    CONTENT_LENGTH,
    ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// What to change in the headers of a response whose body is sent in this coding. `Content-Length`
/// is removed; whoever has the whole coded body sets it anew. `Last-Modified` stays: it is of the
/// representation whatever its coding, and weak as long as nobody proves otherwise.
#[must_use]
pub fn marks(headers: &HeaderMap, coding: Coding) -> Marks {
    let mut set = vec![(CONTENT_ENCODING, HeaderValue::from_static(coding.token()))];
    let present = UNTRUE_ONCE_CODED
        .into_iter()
        .filter(|name| headers.contains_key(name));
    let mut remove: Vec<HeaderName> = present.collect();
    set.extend(vary_with_accept_encoding(headers).map(|vary| (VARY, vary)));
    match headers.get(ETAG) {
        None => {}
        Some(etag) => match weaken(etag) {
            Some(weak) => set.push((ETAG, weak)),
            None if etag
                .as_bytes()
                .strip_prefix(b"W/")
                .is_some_and(is_opaque_tag) => {}
            // Clients compare malformed tags byte by byte, so this one would pass for strong.
            None => remove.push(ETAG),
        },
    }
    Marks { set, remove }
}

impl Marks {
    /// Makes the changes.
    pub fn apply(self, headers: &mut HeaderMap) {
        for name in self.remove {
            headers.remove(name);
        }
        for (name, value) in self.set {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests;
