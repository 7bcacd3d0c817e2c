//! `Accept-Language` (RFC 9110 §12.5.4) in one spelling, so that requests which ask for the same
//! languages share a stored answer.

use std::fmt::Write;

/// The value with ranges in lower case, in the order of their weights, without spaces and with
/// weights written in the shortest way. Ranges of equal weight keep their order, because apps take
/// the first. `None`: it does not follow the grammar, so that nothing is known about its meaning.
///
/// RFC 9111 §4.1 allows what leaves the semantics alone, "reordering field values when order is not
/// significant" and "case-normalization" among it.
#[must_use]
pub fn normalise(value: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(value).ok()?;
    let mut ranges = Vec::new();
    for member in value.split(',').map(trim) {
        // RFC 9110 §5.6.1.2: empty list members are ignored.
        if !member.is_empty() {
            ranges.push(range(member)?);
        }
    }
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let mut out = String::with_capacity(value.len());
    for (name, weight) in ranges {
        if !out.is_empty() {
            out.push(',');
        }
        out.extend(name.chars().map(|c| c.to_ascii_lowercase()));
        write_weight(&mut out, weight);
    }
    Some(out)
}

/// `language-range [ OWS ";" OWS "q=" qvalue ]`, the weight in thousandths.
fn range(member: &str) -> Option<(&str, u16)> {
    let (name, weight) = match member.split_once(';') {
        Some((name, parameter)) => (trim(name), weight(trim(parameter))?),
        None => (member, 1000),
    };
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'*';
    (!name.is_empty() && name.bytes().all(valid)).then_some((name, weight))
}

/// `"q=" qvalue` (RFC 9110 §12.4.2), in thousandths.
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter
        .strip_prefix("q=")
        .or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

fn write_weight(out: &mut String, weight: u16) {
    if weight == 1000 {
        return;
    }
    out.push_str(";q=0");
    if weight > 0 {
        let digits = format!("{weight:03}");
        write!(out, ".{}", digits.trim_end_matches('0')).expect("writing to a String cannot fail");
    }
}

/// Without spaces and tabs around (OWS, RFC 9110 §5.6.3).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn one_spelling() {
        let cases = [
            ("empty", "", Some("")),
            ("one", "en", Some("en")),
            ("case", "EN-us", Some("en-us")),
            ("spaces", " en-US ,\tde ", Some("en-us,de")),
            ("empty members", ",en,,de,", Some("en,de")),
            (
                "weights",
                "en ; q=0.50 , de;Q=0.8",
                Some("de;q=0.8,en;q=0.5"),
            ),
            ("weight of one", "en;q=1.000,de;q=1", Some("en,de")),
            ("weight of zero", "en;q=0.000", Some("en;q=0")),
            ("no digits", "en;q=0.", Some("en;q=0")),
            ("thousandths", "en;q=0.001", Some("en;q=0.001")),
            (
                "equal weights keep their order",
                "fr,en;q=0.5,de;q=0.5",
                Some("fr,en;q=0.5,de;q=0.5"),
            ),
            (
                "the other order",
                "fr,de;q=0.5,en;q=0.5",
                Some("fr,de;q=0.5,en;q=0.5"),
            ),
            ("by weight", "en;q=0.5,fr", Some("fr,en;q=0.5")),
            ("anything", "*;q=0.1", Some("*;q=0.1")),
            ("twice", "en,en", Some("en,en")),
            ("weight above one", "en;q=1.1", None),
            ("four digits", "en;q=0.1234", None),
            ("no number", "en;q=x", None),
            ("another parameter", "en;level=1", None),
            ("space in the range", "en us", None),
            ("no range", ";q=0.5", None),
            ("latin-1", "fran\u{e7}ais", None),
        ];
        for (case, value, expected) in cases {
            let normal = normalise(value.as_bytes());
            assert_eq!(normal.as_deref(), expected, "{case}");
            if let Some(normal) = normal {
                assert_eq!(normalise(normal.as_bytes()), Some(normal), "again: {case}");
            }
        }
    }
}
