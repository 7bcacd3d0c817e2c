use bytes::Bytes;

use super::{Coded, Entry};
use crate::cache::testing::{Fields, entry, key, now, secs};

#[test]
fn keeps_what_is_forwarded() {
    let key = key("/");
    let entry = entry(
        &key,
        &[
            ("content-type", "text/plain"),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("age", "5"),
            ("content-length", "4"),
            ("cache-status", "other; hit"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
        ],
        "body",
    );
    let mut names: Vec<_> = entry.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "date", "x-twice"]);
    assert_eq!(entry.headers.get_all("x-twice").iter().count(), 2);
}

#[test]
fn has_a_date() {
    let cases: &[(&str, Fields, &str)] = &[
        (
            "its own",
            &[("date", "Sun, 06 Nov 1994 08:00:00 GMT")],
            "Sun, 06 Nov 1994 08:00:00 GMT",
        ),
        ("of its arrival", &[], "Sun, 06 Nov 1994 08:49:37 GMT"),
        (
            "instead of an unreadable one",
            &[("date", "0")],
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
    ];
    for (case, fields, expected) in cases {
        let entry = entry(&key("/"), fields, "");
        assert_eq!(entry.headers["date"], expected, "{case}");
        assert_eq!(entry.headers.get_all("date").iter().count(), 1, "{case}");
    }
}

#[test]
fn ages_with_the_clock() {
    let entry = entry(&key("/"), &[], "");
    let cases = [
        ("on arrival", now(), 0, 60),
        ("later", now() + secs(10), 10, 50),
        ("at the end", now() + secs(60), 60, 0),
        ("long after", now() + secs(1 << 40), 1 << 40, 0),
        ("a request from just before", now() - secs(1), 0, 60),
        ("the clock was set back", now() - secs(3600), 0, 0),
    ];
    for (case, at, age, left) in cases {
        assert_eq!(entry.age(at), secs(age), "age {case}");
        assert_eq!(entry.remaining(at), secs(left), "left {case}");
    }
}

#[test]
fn gains_codings_and_keeps_the_rest() {
    let plain = entry(&key("/"), &[("etag", "\"1\"")], "body");
    let br = plain.with_coded(Coded {
        br: Some(Bytes::from_static(b"br")),
        gzip: None,
    });
    let both = br.with_coded(Coded {
        br: None,
        gzip: Some(Bytes::from_static(b"gzip")),
    });
    assert_eq!(both.coded.br.as_deref(), Some(&b"br"[..]));
    assert_eq!(both.coded.gzip.as_deref(), Some(&b"gzip"[..]));
    assert_eq!(both.headers, plain.headers);
    assert_eq!(
        (both.stored_at, both.freshness),
        (plain.stored_at, plain.freshness)
    );
    assert_eq!((&both.slots, both.sequence), (&plain.slots, plain.sequence));
    assert_eq!(
        both.body.as_ptr(),
        plain.body.as_ptr(),
        "the body is shared"
    );
    assert!(both.weight() > br.weight() && br.weight() > plain.weight());
}

#[test]
fn weighs_more_than_its_bytes() {
    let key = key("/");
    let small = entry(&key, &[], "");
    let with_body = entry(&key, &[], vec![0; 10_000]);
    assert!(small.weight() >= size_of::<Entry>() as u64);
    assert_eq!(with_body.weight(), small.weight() + 10_000);
    let many: Vec<(String, String)> = (0..50)
        .map(|i| (format!("x-{i}"), "v".repeat(100)))
        .collect();
    let fields: Vec<(&str, &str)> = many.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert!(entry(&key, &fields, "").weight() > small.weight() + 50 * (100 + 100));
}
