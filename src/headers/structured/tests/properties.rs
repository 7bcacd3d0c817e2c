//! What holds for any bytes, and for any value that was written by the rules of RFC 9651 §4.1.

use proptest::prelude::*;

use super::*;

fn write(value: &Bare) -> String {
    match value {
        Bare::Integer(n) => n.to_string(),
        Bare::Decimal(n) => {
            let sign = if *n < 0 { "-" } else { "" };
            let n = n.unsigned_abs();
            format!("{sign}{}.{:03}", n / 1000, n % 1000)
        }
        Bare::String(s) => format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"")),
        Bare::Token(s) => s.clone(),
        Bare::Boolean(b) => format!("?{}", u8::from(*b)),
        Bare::Date(n) => format!("@{n}"),
        Bare::Display(s) => {
            let coded: String = s
                .bytes()
                .map(|b| match b {
                    b'%' | b'"' | 0..=0x1f | 0x7f.. => format!("%{b:02x}"),
                    plain => char::from(plain).to_string(),
                })
                .collect();
            format!("%\"{coded}\"")
        }
        Bare::Bytes(bytes) => format!(":{}:", base64(bytes)),
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let mut padded = [0; 3];
        padded[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

fn any_bare() -> impl Strategy<Value = Bare> {
    const MOST: i64 = 999_999_999_999_999;
    prop_oneof![
        (-MOST..=MOST).prop_map(Bare::Integer),
        (-MOST..=MOST).prop_map(Bare::Decimal),
        "[ -~]{0,20}".prop_map(Bare::String),
        "[a-zA-Z*][a-zA-Z0-9:/!#$%&'*+.^_`|~-]{0,20}".prop_map(Bare::Token),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Bare::Bytes),
        any::<bool>().prop_map(Bare::Boolean),
        (-MOST..=MOST).prop_map(Bare::Date),
        any::<String>().prop_map(Bare::Display),
    ]
}

proptest! {
    #[test]
    fn values_survive_being_written_and_read(
        value in any_bare(),
        parameter in any_bare(),
    ) {
        let text = format!("{};p={}", write(&value), write(&parameter));
        let read = item(&headers(&[&text]), "x");
        prop_assert_eq!(read.as_ref().map(|item| &item.value), Ok(&value), "{}", text);
        let read = read.expect("just seen");
        prop_assert_eq!(read.parameters.get("p"), Some(&parameter));
        let text = format!("a={}, b, c=({} {})", write(&value), write(&value), write(&parameter));
        let read = dictionary(&headers(&[&text]), "x").expect("a dictionary");
        prop_assert_eq!(read.get("a").and_then(Member::value), Some(&value));
        let inner = Member::Inner(vec![plain(value), plain(parameter)], Parameters::default());
        prop_assert_eq!(read.get("c"), Some(&inner));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    // Letters of the grammar get further than any bytes.
    #[test]
    fn anything_like_a_field_is_read_or_refused(text in "[a-c0-9=,;:?@%*()\" \\\\.-]{0,60}") {
        read_all(text.as_bytes());
    }
}

fn read_all(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append("x", value);
    let _ = (
        dictionary(&headers, "x"),
        list(&headers, "x"),
        item(&headers, "x"),
    );
}
