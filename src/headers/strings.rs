//! A list of strings as a Structured Field (RFC 9651 §3.1, §3.3.3), the form of `Cache-Groups` and
//! `Cache-Group-Invalidation` (RFC 9875).

use http::{HeaderMap, HeaderName};

/// The strings of a list field; empty when it is absent. `None`: some part of it is no list of
/// strings, so that all of it is to be ignored (RFC 9651 §4.2).
///
/// Parameters are read and dropped: RFC 9875 §2 and §3 define none.
#[must_use]
pub fn list(headers: &HeaderMap, field: &HeaderName) -> Option<Vec<String>> {
    // RFC 9651 §4.2: several lines are one list.
    let lines: Vec<_> = headers
        .get_all(field)
        .iter()
        .map(|v| v.as_bytes())
        .collect();
    let joined = lines.join(&b","[..]);
    let mut rest = trim_spaces(&joined);
    let mut strings = Vec::new();
    while !rest.is_empty() {
        let (string, after) = string(rest)?;
        strings.push(string);
        rest = trim_ows(parameters(after)?);
        match rest.split_first() {
            None => break,
            // A comma with nothing behind it is an error (§4.2.1).
            Some((b',', after)) => rest = Some(trim_ows(after)).filter(|r| !r.is_empty())?,
            Some(_) => return None,
        }
    }
    Some(strings)
}

/// §4.2.5: printable ASCII in quotes; only quote and backslash may be escaped.
fn string(text: &[u8]) -> Option<(String, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut out = String::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((out, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                matches!(escaped, b'"' | b'\\').then(|| out.push(char::from(*escaped)))?;
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => return None,
        }
    }
}

/// §4.2.3.2: gives what stands behind the parameters.
fn parameters(mut rest: &[u8]) -> Option<&[u8]> {
    while let Some(after) = rest.strip_prefix(b";") {
        let name = trim_spaces_start(after);
        name.first()
            .filter(|b| b.is_ascii_lowercase() || **b == b'*')?;
        rest = skip(name, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b)
        });
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = bare_item(value)?;
        }
    }
    Some(rest)
}

/// Skips a bare item (§4.2.3.1). Its kind is told by its first byte; numbers and the like need no
/// closer look, since the value is of no use here.
fn bare_item(value: &[u8]) -> Option<&[u8]> {
    let rest = match value.first()? {
        b'"' => string(value)?.1,
        b'%' => string(value.get(1..)?)?.1,
        b':' => {
            let end = value[1..].iter().position(|b| *b == b':')?;
            &value[end + 2..]
        }
        b'?' | b'@' | b'-' | b'0'..=b'9' => {
            let after = skip(&value[1..], |b| {
                b.is_ascii_digit() || b == b'.' || b == b'-'
            });
            (after.len() < value.len() - 1 || value[0].is_ascii_digit()).then_some(after)?
        }
        b'*' | b'a'..=b'z' | b'A'..=b'Z' => skip(value, |b| {
            b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b)
        }),
        _ => return None,
    };
    Some(rest)
}

fn skip(text: &[u8], taken: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|b| !taken(*b)).unwrap_or(text.len());
    &text[end..]
}

fn trim_spaces_start(text: &[u8]) -> &[u8] {
    skip(text, |b| b == b' ')
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let mut text = trim_spaces_start(text);
    while let [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn trim_ows(text: &[u8]) -> &[u8] {
    skip(text, |b| b == b' ' || b == b'\t')
}

#[cfg(test)]
mod tests {
    use super::list;
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn lists() {
        type Case = (
            &'static str,
            &'static [&'static str],
            Option<&'static [&'static str]>,
        );
        let cases: &[Case] = &[
            ("absent", &[], Some(&[])),
            ("empty", &[""], Some(&[])),
            ("one", &["\"a\""], Some(&["a"])),
            ("two", &["\"a\", \"b\""], Some(&["a", "b"])),
            ("two lines", &["\"a\"", "\"b\""], Some(&["a", "b"])),
            ("tabs", &["\"a\"\t,\t\"b\""], Some(&["a", "b"])),
            ("spaces around", &["  \"a\"  "], Some(&["a"])),
            ("commas and spaces inside", &["\"a, b\""], Some(&["a, b"])),
            ("escapes", &["\"a\\\"b\\\\c\""], Some(&["a\"b\\c"])),
            ("empty string", &["\"\""], Some(&[""])),
            (
                "parameters",
                &["\"a\";x;y=1;z=\"q,;\"; w=?1;v=:aGk=:;u=tok/en;t=-1.5;s=@9, \"b\""],
                Some(&["a", "b"]),
            ),
            ("token", &["a"], None),
            ("a token behind a string", &["\"a\", b"], None),
            ("number", &["1"], None),
            ("inner list", &["(\"a\")"], None),
            ("unterminated", &["\"a"], None),
            ("bad escape", &["\"\\a\""], None),
            ("comma at the end", &["\"a\","], None),
            ("comma at the front", &[",\"a\""], None),
            ("no comma", &["\"a\" \"b\""], None),
            ("upper case parameter", &["\"a\";X"], None),
            ("parameter without a value", &["\"a\";x="], None),
            ("sign alone", &["\"a\";x=-"], None),
            ("not ASCII", &["\"\u{e4}\""], None),
            ("one bad line spoils all", &["\"a\"", "b"], None),
        ];
        for (case, lines, expected) in cases {
            let field = HeaderName::from_static("cache-groups");
            let mut headers = HeaderMap::new();
            for line in *lines {
                let value = HeaderValue::from_bytes(line.as_bytes()).expect("a value");
                headers.append(&field, value);
            }
            let found = list(&headers, &field);
            let found: Option<Vec<&str>> = found.as_ref().map(|f| f.iter().map(|s| &**s).collect());
            assert_eq!(found.as_deref(), *expected, "{case}");
        }
    }
}
