use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use super::{PARTS_MAX, RangeAnswer, content_range, multipart, satisfy, unsatisfied};
use crate::cache::policy::Request;
use crate::cache::testing::{Fields, entry, get, headers, key};
use RangeAnswer::{Part, Parts, Unsatisfiable, Whole};

/// The answer for a body of 1000 bytes.
fn of_1000(fields: &[(&str, &str)]) -> RangeAnswer {
    let stored = entry(&key("/"), &[("etag", "\"a\"")], vec![b'x'; 1000]);
    satisfy(&stored, &get(&headers(fields)))
}

/// RFC 9110 §14.1.1, §14.1.2, §14.2.
#[test]
fn single_ranges() {
    let cases = [
        ("the first 500", "bytes=0-499", Part(0..500)),
        ("the second 500", "bytes=500-999", Part(500..1000)),
        ("one byte", "bytes=0-0", Part(0..1)),
        ("the last byte", "bytes=999-999", Part(999..1000)),
        ("open", "bytes=990-", Part(990..1000)),
        ("suffix", "bytes=-10", Part(990..1000)),
        ("longer suffix than there is", "bytes=-5000", Part(0..1000)),
        ("longer than there is", "bytes=990-5000", Part(990..1000)),
        ("all of it", "bytes=0-", Part(0..1000)),
        ("case of the unit", "BYTES=0-0", Part(0..1)),
        ("spaces", " bytes= 0-0 ", Part(0..1)),
        ("empty members", "bytes=,0-0,,", Part(0..1)),
        (
            "a number beyond numbers",
            "bytes=0-99999999999999999999999",
            Part(0..1000),
        ),
        ("begins at the end", "bytes=1000-", Unsatisfiable),
        ("begins behind it", "bytes=2000-3000", Unsatisfiable),
        (
            "begins far behind it",
            "bytes=99999999999999999999999-",
            Unsatisfiable,
        ),
        ("the last nothing", "bytes=-0", Unsatisfiable),
        ("backwards", "bytes=10-5", Whole),
        ("another unit", "seconds=0-1", Whole),
        ("no unit", "0-1", Whole),
        ("no range", "bytes=", Whole),
        ("no range but commas", "bytes=,,", Whole),
        ("a dash", "bytes=-", Whole),
        ("no dash", "bytes=5", Whole),
        ("a sign", "bytes=+1-2", Whole),
        ("words", "bytes=a-b", Whole),
        ("space inside", "bytes=0 - 1", Whole),
        ("three numbers", "bytes=0-1-2", Whole),
        ("space before =", "bytes =0-1", Whole),
    ];
    for (case, range, expected) in cases {
        assert_eq!(of_1000(&[("range", range)]), expected, "{case}");
    }
    assert_eq!(of_1000(&[]), Whole);
    assert_eq!(
        of_1000(&[("range", "bytes=0-0"), ("range", "bytes=1-1")]),
        Whole,
        "two lines"
    );
}

/// RFC 9110 §14.2 and §15.3.7.2.
#[test]
fn several_ranges() {
    let many = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|i| format!("{i}-{i}")).collect();
        format!("bytes={}", ranges.join(","))
    };
    let (most, too_many) = (many(PARTS_MAX), many(PARTS_MAX + 1));
    let cases = [
        ("apart", "bytes=0-9,500-509", Parts(vec![0..10, 500..510])),
        (
            "in the order asked for",
            "bytes=500-509,0-9",
            Parts(vec![500..510, 0..10]),
        ),
        (
            "first and last",
            "bytes=0-0,-1",
            Parts(vec![0..1, 999..1000]),
        ),
        ("overlapping", "bytes=0-99,50-199", Part(0..200)),
        ("adjacent", "bytes=0-99,100-199", Part(0..200)),
        ("nearly touching", "bytes=0-99,180-199", Part(0..200)),
        (
            "not quite",
            "bytes=0-99,181-199",
            Parts(vec![0..100, 181..200]),
        ),
        ("one inside another", "bytes=0-499,100-109", Part(0..500)),
        (
            "some of them",
            "bytes=800-,0-9,5-19",
            Parts(vec![0..20, 800..1000]),
        ),
        (
            "everything over and over",
            "bytes=0-,0-,0-,0-",
            Part(0..1000),
        ),
        ("one that cannot be", "bytes=2000-,0-9", Part(0..10)),
        ("none that can be", "bytes=2000-,3000-", Unsatisfiable),
        ("one that is invalid spoils all", "bytes=0-9,x", Whole),
        ("as many as allowed", &most, Part(0..16)),
        ("too many", &too_many, Whole),
    ];
    for (case, range, expected) in cases {
        assert_eq!(of_1000(&[("range", range)]), expected, "{case}");
    }
}

#[test]
fn where_ranges_count() {
    let wish = headers(&[("range", "bytes=0-0")]);
    let stored = entry(&key("/"), &[], "body");
    assert_eq!(satisfy(&stored, &get(&wish)), Part(0..1));
    let head = Request {
        method: &Method::HEAD,
        ..get(&wish)
    };
    assert_eq!(satisfy(&stored, &head), Whole, "HEAD");
    let mut missing = entry(&key("/"), &[], "body");
    missing.status = StatusCode::NOT_FOUND;
    assert_eq!(satisfy(&missing, &get(&wish)), Whole, "404");

    let empty = entry(&key("/"), &[], "");
    let cases = [
        ("bytes=0-0", Unsatisfiable),
        ("bytes=0-", Unsatisfiable),
        ("bytes=-0", Unsatisfiable),
        ("bytes=-5", Whole),
    ];
    for (range, expected) in cases {
        let wish = headers(&[("range", range)]);
        assert_eq!(satisfy(&empty, &get(&wish)), expected, "{range} of nothing");
    }
}

/// RFC 9110 §13.1.5, §8.8.2.2.
#[test]
fn if_range() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:00:01 GMT";
    let dated: Fields = &[("date", DATE), ("last-modified", MODIFIED)];
    let just_now: Fields = &[("date", DATE), ("last-modified", DATE)];
    let tagged: Fields = &[
        ("etag", "\"a\""),
        ("last-modified", MODIFIED),
        ("date", DATE),
    ];
    let cases: &[(&str, Fields, &str, bool)] = &[
        ("same tag", tagged, "\"a\"", true),
        ("other tag", tagged, "\"b\"", false),
        ("weak in the request", tagged, "W/\"a\"", false),
        ("weak in the store", &[("etag", "W/\"a\"")], "\"a\"", false),
        (
            "weak on both sides",
            &[("etag", "W/\"a\"")],
            "W/\"a\"",
            false,
        ),
        ("no stored tag", dated, "\"a\"", false),
        ("a list of tags", tagged, "\"a\", \"b\"", false),
        ("same date", dated, MODIFIED, true),
        ("same date beside a tag", tagged, MODIFIED, true),
        (
            "same date in another format",
            dated,
            "Sunday, 06-Nov-94 08:00:00 GMT",
            true,
        ),
        ("later date", dated, LATER, false),
        ("no stored date", &[("date", DATE)], MODIFIED, false),
        ("a weak date", just_now, DATE, false),
        ("nonsense", dated, "x", false),
        ("nothing", dated, "", false),
        ("star", tagged, "*", false),
    ];
    for (case, fields, value, expected) in cases {
        let stored = entry(&key("/"), fields, "body");
        let wish = headers(&[("range", "bytes=0-0"), ("if-range", value)]);
        let expected = if *expected { Part(0..1) } else { Whole };
        assert_eq!(satisfy(&stored, &get(&wish)), expected, "{case}");
        let alone = headers(&[("if-range", value)]);
        assert_eq!(
            satisfy(&stored, &get(&alone)),
            Whole,
            "without Range: {case}"
        );
    }
    let twice = [
        ("range", "bytes=0-0"),
        ("if-range", "\"a\""),
        ("if-range", "\"a\""),
    ];
    assert_eq!(of_1000(&twice), Whole);
}

#[test]
fn fields() {
    assert_eq!(content_range(&(0..500), 1234), "bytes 0-499/1234");
    assert_eq!(unsatisfied(47022), "bytes */47022");
}

/// RFC 9110 §14.6, the form of its example.
#[test]
fn parts_together() {
    let body = Bytes::from_static(b"0123456789");
    let kind = HeaderValue::from_static("text/plain");
    let parts = multipart(&body, &[0..2, 7..10], Some(&kind), "SEP");
    let text = String::from_utf8(parts.pieces.concat()).expect("text");
    assert_eq!(
        text,
        "--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n789\
         \r\n--SEP--\r\n"
    );
    assert_eq!(parts.content_type, "multipart/byteranges; boundary=SEP");
    assert_eq!(parts.length(), text.len());
    let shared = parts.pieces[3].as_ptr();
    assert_eq!(shared, body[7..].as_ptr(), "no byte of the body is copied");
    let untyped = multipart(&body, &[0..1, 9..10], None, "SEP");
    assert!(!String::from_utf8_lossy(&untyped.pieces.concat()).contains("Content-Type"));
}

/// Reads a multipart body back: (first, last, length, bytes) of each part.
fn parts_of(text: &[u8], boundary: &str) -> Vec<(usize, usize, usize, Vec<u8>)> {
    let mut parts = Vec::new();
    let mut rest = text;
    let line = format!("--{boundary}\r\nContent-Range: bytes ");
    while let Some(after) = rest.strip_prefix(line.as_bytes()) {
        let end = after
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a blank line");
        let range = std::str::from_utf8(&after[..end]).expect("text");
        let (range, length) = range.split_once('/').expect("a length");
        let (first, last) = range.split_once('-').expect("a range");
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let (first, last, length) = (number(first), number(last), number(length));
        let bytes = last - first + 1;
        parts.push((
            first,
            last,
            length,
            after[end + 4..end + 4 + bytes].to_vec(),
        ));
        rest = &after[end + 4 + bytes + 2..];
    }
    assert_eq!(rest, format!("--{boundary}--\r\n").as_bytes());
    parts
}

fn spec() -> impl Strategy<Value = String> {
    let number = || prop_oneof![0usize..400, 0usize..20, Just(usize::MAX)];
    prop_oneof![
        (number(), number()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        number().prop_map(|first| format!("{first}-")),
        number().prop_map(|bytes| format!("-{bytes}")),
    ]
}

proptest! {
    /// Whatever is asked for: each part lies within the body, parts do not overlap, and together
    /// they hold every byte that was asked for and exists.
    #[test]
    fn answers_stay_within_the_body(
        length in 0usize..400,
        specs in prop::collection::vec(spec(), 1..20),
    ) {
        let body: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let stored = entry(&key("/"), &[], body.clone());
        let wish = format!("bytes={}", specs.join(","));
        let parts = match satisfy(&stored, &get(&headers(&[("range", &wish)]))) {
            Whole => {
                prop_assert!(specs.len() > PARTS_MAX || length == 0);
                return Ok(());
            }
            Unsatisfiable => Vec::new(),
            Part(part) => vec![part],
            Parts(parts) => parts,
        };
        prop_assert!(parts.len() <= PARTS_MAX);
        let mut given = vec![0; length];
        for part in &parts {
            prop_assert!(part.start < part.end && part.end <= length);
            given[part.clone()].iter_mut().for_each(|count| *count += 1);
        }
        prop_assert!(given.iter().all(|count| *count <= 1), "{parts:?}");
        for spec in &specs {
            let (first, last) = spec.split_once('-').expect("a dash");
            let wanted = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => first..last.saturating_add(1).min(length),
                (Ok(first), Err(_)) => first..length,
                (_, suffix) => length.saturating_sub(suffix.expect("a suffix"))..length,
            };
            prop_assert!(wanted.into_iter().all(|at| given[at] == 1), "{spec} in {parts:?}");
        }
        let whole = multipart(&stored.body, &parts, None, "b0undary");
        prop_assert_eq!(whole.length(), whole.pieces.concat().len());
        if !parts.is_empty() {
            let read = parts_of(&whole.pieces.concat(), "b0undary");
            prop_assert_eq!(read.len(), parts.len());
            for ((first, last, total, bytes), part) in read.into_iter().zip(parts) {
                prop_assert_eq!((first, last + 1, total), (part.start, part.end, length));
                prop_assert_eq!(&bytes[..], &body[part]);
            }
        }
    }

    #[test]
    fn nonsense_is_ignored_without_a_panic(wish in "(bytes)?[= 0-9,a-]{0,40}", length in 0usize..50) {
        let stored = entry(&key("/"), &[], vec![b'x'; length]);
        if let Ok(value) = HeaderValue::from_str(&wish) {
            let mut headers = http::HeaderMap::new();
            headers.insert("range", value);
            if let Parts(parts) = satisfy(&stored, &get(&headers)) {
                prop_assert!(parts.iter().all(|part| part.end <= length));
            }
        }
    }
}
