//! Parts of a stored response (RFC 9110 §14, §15.3.7), always of its body without a coding.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderValue, Method, StatusCode};

use super::conditional::{own_tag, single_date};
use super::entry::Entry;
use super::policy::Request;
use crate::headers::entity_tag::EntityTag;

/// A client that asks for more ranges at once gets everything instead (RFC 9110 §14.2, §17.15).
pub const PARTS_MAX: usize = 16;

/// Ranges with no more than this between them are given as one: the head of a part of its own takes
/// about as much (RFC 9110 §15.3.7.2).
const GAP_BYTES: usize = 80;

/// How a request with `Range` is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeAnswer {
    /// As if it had no `Range`.
    Whole,
    /// 206 with one part.
    Part(Range<usize>),
    /// 206 with several parts, made by [`multipart`].
    Parts(Vec<Range<usize>>),
    /// 416 with [`unsatisfied`].
    Unsatisfiable,
}

/// Which parts of the stored body the request asks for. To be asked only when the preconditions
/// hold ([`conditional::evaluate`](super::conditional::evaluate)).
#[must_use]
pub fn satisfy(entry: &Entry, request: &Request<'_>) -> RangeAnswer {
    // §14.2: defined for GET alone, and applied where the answer would be a 200.
    if request.method != Method::GET || entry.status != StatusCode::OK {
        return RangeAnswer::Whole;
    }
    let mut lines = request.headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return RangeAnswer::Whole;
    };
    // §14.2: an invalid field, or one in another unit, is ignored.
    let Some(specs) = parse(line.as_bytes()).filter(|_| if_range(entry, request)) else {
        return RangeAnswer::Whole;
    };
    answer(&specs, entry.body.len())
}

/// `Content-Range` of a 206 with one part (RFC 9110 §14.4).
#[must_use]
pub fn content_range(part: &Range<usize>, length: usize) -> HeaderValue {
    value(&content_range_text(part, length))
}

/// `Content-Range` of a 416.
#[must_use]
pub fn unsatisfied(length: usize) -> HeaderValue {
    value(&format!("bytes */{length}"))
}

/// A body in several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The value for `Content-Type`.
    pub content_type: HeaderValue,
    /// The body; the parts share the stored one's memory.
    pub pieces: Vec<Bytes>,
}

impl Multipart {
    /// The length of the body.
    #[must_use]
    pub fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// Puts parts together as `multipart/byteranges` (RFC 9110 §14.6). `content_type` is that of the
/// whole; `boundary` is made of letters and digits and must not occur in the body, which a random
/// one of 20 does not.
#[must_use]
pub fn multipart(
    body: &Bytes,
    parts: &[Range<usize>],
    content_type: Option<&HeaderValue>,
    boundary: &str,
) -> Multipart {
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for (at, part) in parts.iter().enumerate() {
        let mut head = Vec::with_capacity(160);
        if at > 0 {
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(content_type) = content_type {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(content_type.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        let range = content_range_text(part, body.len());
        head.extend_from_slice(format!("Content-Range: {range}\r\n\r\n").as_bytes());
        pieces.push(head.into());
        pieces.push(body.slice(part.clone()));
    }
    pieces.push(format!("\r\n--{boundary}--\r\n").into_bytes().into());
    Multipart {
        content_type: value(&format!("multipart/byteranges; boundary={boundary}")),
        pieces,
    }
}

/// One member of a `bytes` range set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// `first-last`
    Closed(usize, usize),
    /// `first-`
    From(usize),
    /// `-length`
    Suffix(usize),
}

impl Spec {
    /// The part of a body of this length; `None`: it lies behind the end (§14.1.2).
    fn of(self, length: usize) -> Option<Range<usize>> {
        let (first, end) = match self {
            Self::Closed(first, last) => (first, last.saturating_add(1).min(length)),
            Self::From(first) => (first, length),
            Self::Suffix(bytes) => (length.saturating_sub(bytes), length),
        };
        (first < end).then_some(first..end)
    }
}

/// `bytes=` and a range set (§14.1.1, §14.2); `None`: another unit, a violation of the grammar, or
/// more ranges than [`PARTS_MAX`].
fn parse(line: &[u8]) -> Option<Vec<Spec>> {
    let line = line.trim_ascii();
    let (unit, set) = line.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut specs = Vec::new();
    for member in set.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        if member.is_empty() {
            continue;
        }
        if specs.len() == PARTS_MAX {
            return None;
        }
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(member: &[u8]) -> Option<Spec> {
    let dash = member.iter().position(|b| *b == b'-')?;
    let (first, last) = (&member[..dash], &member[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, _) => number(last).map(Spec::Suffix),
        (false, true) => number(first).map(Spec::From),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            // §14.1.1: a last position before the first makes it invalid.
            (first <= last).then_some(Spec::Closed(first, last))
        }
    }
}

/// Digits; what does not fit is behind the end of any body.
fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |sum: usize, digit| {
        sum.saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    }))
}

fn answer(specs: &[Spec], length: usize) -> RangeAnswer {
    // The end of nothing is nothing, which is no error and which a 206 cannot express.
    let suffix = |spec: &Spec| matches!(spec, Spec::Suffix(bytes) if *bytes > 0);
    if length == 0 && specs.iter().any(suffix) {
        return RangeAnswer::Whole;
    }
    let parts: Vec<_> = specs.iter().filter_map(|spec| spec.of(length)).collect();
    let mut parts = coalesced(parts);
    match parts.len() {
        0 => RangeAnswer::Unsatisfiable,
        1 => RangeAnswer::Part(parts.swap_remove(0)),
        _ => RangeAnswer::Parts(parts),
    }
}

/// Parts that overlap or nearly touch become one, so that no answer is longer than the body by more
/// than a few heads (§14.2). Where none do, they stay in the order of the request (§15.3.7.2).
fn coalesced(parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(sorted.len());
    for part in sorted {
        match merged.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(GAP_BYTES) => {
                last.end = last.end.max(part.end);
            }
            _ => merged.push(part),
        }
    }
    if merged.len() == parts.len() {
        return parts;
    }
    merged
}

/// Whether `If-Range` lets `Range` count (RFC 9110 §13.1.5): by a strong tag, or by a date that is
/// exactly the stored one and strong.
fn if_range(entry: &Entry, request: &Request<'_>) -> bool {
    let mut lines = request.headers.get_all(IF_RANGE).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return true,
        (Some(line), None) => line,
        _ => return false,
    };
    if let Some(tag) = EntityTag::parse(line.as_bytes()) {
        return own_tag(entry).is_some_and(|own| own.strongly_equals(tag));
    }
    let asked = single_date(request.headers, &IF_RANGE);
    asked.is_some() && asked == strong_date(entry)
}

/// The date of modification, where a second change within its second can be ruled out
/// (RFC 9110 §8.8.2.2).
fn strong_date(entry: &Entry) -> Option<std::time::SystemTime> {
    let modified = single_date(&entry.headers, &LAST_MODIFIED)?;
    let date = single_date(&entry.headers, &DATE)?;
    let distance = date.duration_since(modified).ok()?;
    (distance >= Duration::from_secs(1)).then_some(modified)
}

fn content_range_text(part: &Range<usize>, length: usize) -> String {
    // Parts are never empty.
    let last = part.end.saturating_sub(1);
    format!("bytes {}-{last}/{length}", part.start)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests;
