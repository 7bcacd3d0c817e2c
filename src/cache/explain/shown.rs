//! Parts of messages as people may see them: bounded, printable, without secrets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

/// No value is told at greater length.
const CHARS_MAX: usize = 200;
/// More names than this are only counted.
const NAMES_MAX: usize = 12;

/// A line of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The name as people write it.
    pub name: String,
    /// The value, or what may be told of it.
    pub value: String,
}

/// `Cache-Control` for `cache-control`.
pub(super) fn name(name: &HeaderName) -> String {
    if *name == http::header::ETAG {
        return "ETag".to_owned();
    }
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let words: Vec<_> = name.as_str().split('-').map(capital).collect();
    words.join("-")
}

/// Bytes from the network as printable text.
pub(super) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len().min(CHARS_MAX));
    for (n, c) in text.chars().enumerate() {
        match c {
            _ if n == CHARS_MAX => return shown + "…",
            c if c.is_control() => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// All lines of a field as one: `Cache-Control: public, max-age=60`; `None`: it is not there. Only
/// for fields whose values are no secrets.
pub(super) fn line(headers: &HeaderMap, field: &HeaderName) -> Option<String> {
    value(headers, field).map(|value| format!("{}: {value}", name(field)))
}

/// The value of [`line()`].
pub(super) fn value(headers: &HeaderMap, field: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(field).iter();
    let mut joined = lines.next()?.as_bytes().to_vec();
    for line in lines {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line.as_bytes());
    }
    Some(text(&joined))
}

/// The lines of these fields that are there, one behind the other.
pub(super) fn lines(headers: &HeaderMap, fields: &[&HeaderName]) -> Option<String> {
    let lines: Vec<_> = fields.iter().filter_map(|f| line(headers, f)).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// `Cookie: lang=…, session=…`: the names alone.
pub(super) fn cookies(request: &HeaderMap) -> Option<String> {
    let pieces = request.get_all(COOKIE).into_iter().flat_map(|line| {
        let pieces = line.as_bytes().split(|b| *b == b';');
        pieces.map(<[u8]>::trim_ascii).filter(|p| !p.is_empty())
    });
    request
        .contains_key(COOKIE)
        .then(|| format!("Cookie: {}", names(pieces.map(cookie_name))))
}

/// `Set-Cookie: session=…`: the names alone.
pub(super) fn set_cookies(answer: &HeaderMap) -> Option<String> {
    let lines = answer.get_all(SET_COOKIE).into_iter();
    let names = names(lines.map(|line| cookie_name(line.as_bytes())));
    answer
        .contains_key(SET_COOKIE)
        .then(|| format!("Set-Cookie: {names}"))
}

/// The name in front of the `=`. What lacks that is all value (RFC 6265bis), hence not told.
fn cookie_name(pair: &[u8]) -> String {
    match pair.iter().position(|b| *b == b'=') {
        Some(at) => format!("{}=…", text(pair[..at].trim_ascii())),
        None => "…".to_owned(),
    }
}

/// A list with commas, of which only the beginning is told when it is long.
pub(super) fn names(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A span of time in the units in which people think: `37 s`, `12 min 5 s`, `1 d 4 h`. Parts of a
/// second are left out.
#[must_use]
pub fn span(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = duration.as_secs();
    let at = UNITS.iter().position(|(size, _)| seconds >= 2 * size);
    let at = at.unwrap_or(UNITS.len() - 1);
    let (size, unit) = UNITS[at];
    let whole = format!("{} {unit}", seconds / size);
    match UNITS
        .get(at + 1)
        .map(|(part, unit)| (seconds % size / part, unit))
    {
        None | Some((0, _)) => whole,
        Some((rest, unit)) => format!("{whole} {rest} {unit}"),
    }
}

/// A moment as an HTTP date (RFC 9110 §5.6.7), to the second.
pub(super) fn date(at: SystemTime) -> String {
    /// The format has four digits for the year, and begins with 1970 here.
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let fits = at
        .duration_since(UNIX_EPOCH)
        .is_ok_and(|since| since < YEAR_10000);
    match fits {
        true => httpdate::fmt_http_date(at),
        false => "at a time that has no date".to_owned(),
    }
}

/// Seconds as a number, to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::{headers, secs};

    #[test]
    fn names_without_values() {
        let request = headers(&[("cookie", "a=secret; b = secret;;secret"), ("cookie", "c=")]);
        assert_eq!(
            cookies(&request).as_deref(),
            Some("Cookie: a=…, b=…, …, c=…")
        );
        let answer = headers(&[
            ("set-cookie", "sid=secret; Path=/"),
            ("set-cookie", "secret"),
        ]);
        assert_eq!(
            set_cookies(&answer).as_deref(),
            Some("Set-Cookie: sid=…, …")
        );
        assert_eq!(cookies(&answer), None);
        let many = (0..14).map(|n| n.to_string());
        assert_eq!(
            names(many),
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"
        );
    }

    #[test]
    fn text_is_printable_and_bounded() {
        assert_eq!(text(b"a\tb\x1b[31m\xff"), "a\u{fffd}b\u{fffd}[31m\u{fffd}");
        assert_eq!(text(&[b'x'; 300]).chars().count(), CHARS_MAX + 1);
        let head = headers(&[("vary", "a"), ("vary", "b"), ("etag", "\"1\"")]);
        let shown = lines(&head, &[&http::header::VARY, &http::header::ETAG]);
        assert_eq!(shown.as_deref(), Some("Vary: a, b; ETag: \"1\""));
    }

    #[test]
    fn spans() {
        for (seconds, expected) in [
            (0, "0 s"),
            (37, "37 s"),
            (119, "119 s"),
            (120, "2 min"),
            (725, "12 min 5 s"),
            (7_200, "2 h"),
            (9_000, "2 h 30 min"),
            (100_800, "28 h"),
            (172_800, "2 d"),
            (2_592_000, "30 d"),
            (2_600_000, "30 d 2 h"),
        ] {
            assert_eq!(span(secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(1_900)), "1 s");
    }
}
