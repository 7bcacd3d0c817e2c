//! The correlation id of a request: the client's when it is harmless, else a new one.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest id that is taken over from a client.
const LENGTH_MAX: usize = 128;

/// Where the id travels and whether callers may choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Usually `X-Request-Id`.
    pub header: HeaderName,
    /// Keep an id that the caller sent.
    pub trust: bool,
}

/// The id for this request. The caller's is kept when [`Settings::trust`] is on, there is exactly
/// one, and it is 1 to 128 characters of `A-Z a-z 0-9 . _ : / + = @ -`: it ends up in logs and
/// shells, so nothing is let in that could break out of either. Otherwise 32 hex digits of `fresh`.
pub fn accept_or_make(
    settings: &Settings,
    headers: &HeaderMap,
    fresh: impl FnOnce() -> u128,
) -> HeaderValue {
    if settings.trust {
        let mut values = headers.get_all(&settings.header).iter();
        // Two ids would be one here and the other in the app's log.
        if let (Some(id), None) = (values.next(), values.next())
            && is_safe(id.as_bytes())
        {
            return id.clone();
        }
    }
    hex(fresh())
}

fn is_safe(id: &[u8]) -> bool {
    (1..=LENGTH_MAX).contains(&id.len())
        && id.iter().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'.' | b'_' | b':' | b'/' | b'+' | b'=' | b'@' | b'-')
        })
}

fn hex(number: u128) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (byte, pair) in number.to_be_bytes().iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).expect("hex digits are valid in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_or_made() {
        const MADE: &str = "000000000000000000000000deadbeef";
        let longest = "a".repeat(128);
        let too_long = "a".repeat(129);
        let cases: &[(&str, bool, &[&str], &str)] = &[
            ("none", true, &[], MADE),
            ("uuid", true, &["3f2b-44"], "3f2b-44"),
            (
                "all kinds of characters",
                true,
                &["aZ09._:/+=@-"],
                "aZ09._:/+=@-",
            ),
            ("not trusted", false, &["abc"], MADE),
            ("empty", true, &[""], MADE),
            ("space", true, &["a b"], MADE),
            ("quote", true, &["a\"b"], MADE),
            ("shell", true, &["$(id)"], MADE),
            ("not ascii", true, &["é"], MADE),
            ("longest", true, &[&longest], &longest),
            ("too long", true, &[&too_long], MADE),
            ("two of them", true, &["a", "b"], MADE),
        ];
        for (case, trust, values, expected) in cases {
            let header = HeaderName::from_static("x-request-id");
            let mut headers = HeaderMap::new();
            for value in *values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(header.clone(), value);
            }
            let settings = Settings {
                header,
                trust: *trust,
            };
            let id = accept_or_make(&settings, &headers, || 0xdead_beef);
            assert_eq!(id, *expected, "{case}");
        }
    }

    #[test]
    fn hex_of_all_bytes() {
        assert_eq!(hex(u128::MAX), "f".repeat(32).as_str());
        assert_eq!(
            hex(0x0123_4567_89ab_cdef),
            "00000000000000000123456789abcdef"
        );
    }
}
