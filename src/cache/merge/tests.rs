use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{HeadVerdict, Update, by_head, freshen, head, selected};
use crate::cache::Rule;
use crate::cache::entry::{Entry, Fetched};
use crate::cache::freshness::{Freshness, initial_age};
use crate::cache::object::Object;
use crate::cache::testing::{Fields, entry, get, headers, key, now, rule, secs, settings};
use crate::cache::vary;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:00:01 GMT";

fn stored(fields: &[(&str, &str)]) -> Entry {
    entry(&key("/"), fields, "body")
}

fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| line.to_str().expect("text")).collect()
}

/// RFC 9111 §3.2.
#[test]
fn updates_the_head() {
    type Case = (
        &'static str,
        Fields,
        Fields,
        &'static str,
        &'static [&'static str],
    );
    let cases: &[Case] = &[
        ("replaces", &[("x-a", "1")], &[("x-a", "2")], "x-a", &["2"]),
        (
            "keeps what is not named",
            &[("x-a", "1")],
            &[],
            "x-a",
            &["1"],
        ),
        ("adds", &[], &[("x-a", "1")], "x-a", &["1"]),
        (
            "all lines of a name",
            &[("x-a", "1"), ("x-a", "2")],
            &[("x-a", "3")],
            "x-a",
            &["3"],
        ),
        (
            "by all new lines",
            &[("x-a", "1")],
            &[("x-a", "2"), ("x-a", "3")],
            "x-a",
            &["2", "3"],
        ),
        (
            "Cache-Control",
            &[("cache-control", "max-age=1")],
            &[("cache-control", "max-age=9")],
            "cache-control",
            &["max-age=9"],
        ),
        (
            "Content-Type is metadata like others",
            &[("content-type", "text/plain")],
            &[("content-type", "text/html")],
            "content-type",
            &["text/html"],
        ),
        (
            "not Content-Length",
            &[],
            &[("content-length", "0")],
            "content-length",
            &[],
        ),
        (
            "not Content-Encoding",
            &[],
            &[("content-encoding", "gzip")],
            "content-encoding",
            &[],
        ),
        (
            "not Content-Range",
            &[],
            &[("content-range", "bytes */9")],
            "content-range",
            &[],
        ),
        (
            "not Cache-Status",
            &[],
            &[("cache-status", "x; hit")],
            "cache-status",
            &[],
        ),
        (
            "nothing of the connection",
            &[],
            &[("keep-alive", "5")],
            "keep-alive",
            &[],
        ),
        (
            "nor what it names, though the stored one stays",
            &[("x-a", "1")],
            &[("connection", "x-a"), ("x-a", "2")],
            "x-a",
            &["1"],
        ),
        ("a new age", &[], &[("age", "7")], "age", &["7"]),
        (
            "a new date",
            &[("date", MODIFIED)],
            &[("date", LATER)],
            "date",
            &[LATER],
        ),
        (
            "no date: not the old one",
            &[("date", MODIFIED)],
            &[],
            "date",
            &[],
        ),
        (
            "unreadable date",
            &[("date", MODIFIED)],
            &[("date", "0")],
            "date",
            &[],
        ),
    ];
    for (case, old, update, name, expected) in cases {
        let merged = head(&stored(old), &headers(update));
        assert_eq!(values(&merged, name), *expected, "{case}");
    }
}

/// An app that sends no `Date` with its 304 must not leave the entry as old as it was.
#[test]
fn a_304_without_a_date_is_of_now() {
    let old = stored(&[("date", "Sun, 06 Nov 1994 00:00:00 GMT"), ("etag", "\"a\"")]);
    let merged = head(&old, &HeaderMap::new());
    assert_eq!(initial_age(&merged, now(), secs(0)), Ok(secs(0)));
}

#[test]
fn a_refreshed_entry_shares_the_bodies() {
    let k = key("/");
    let mut old = stored(&[("etag", "\"a\""), ("x-a", "1")]);
    old.coded.br = Some("br".into());
    let merged = head(&old, &headers(&[("x-a", "2")]));
    let later = now() + secs(100);
    let freshness = Freshness {
        lifetime: secs(7),
        ..old.freshness
    };
    let fetched = Fetched {
        status: old.status,
        headers: &merged,
        body: "not looked at".into(),
        freshness,
        received_at: later,
        sequence: 5,
        tags: vec!["t".into()],
        selecting: old.selecting.clone(),
    };
    let new = old.refreshed(&k, fetched);
    assert_eq!(new.body.as_ptr(), old.body.as_ptr());
    assert_eq!(new.coded, old.coded);
    assert_eq!((new.sequence, new.stored_at), (5, later));
    assert_eq!(
        (&new.headers["x-a"], &new.headers["etag"]),
        (&"2".parse().expect("a value"), &old.headers["etag"])
    );
    assert_eq!(new.remaining(later), secs(7));
    assert_eq!(new.tags.len(), 1);
    assert!(
        new.slots.len() > old.slots.len(),
        "purgeable by its new tag"
    );
    assert!(new.weight() >= old.weight(), "coded bodies count");
}

/// A 304 brings the app's own `Vary`, or none; what the rule names besides is chosen by all the same.
#[test]
fn the_rule_is_heard_about_vary_again() {
    let rule = Rule {
        vary: [HeaderName::from_static("x-kind")].into(),
        ..rule()
    };
    let old = stored(&[("cache-control", "max-age=60"), ("vary", "x-kind")]);
    let asked = headers(&[("x-kind", "a")]);
    for (said, expected) in [
        (&[][..], 1),
        (&[("vary", "accept")], 2),
        (&[("vary", "x-kind")], 1),
    ] {
        let update = Update {
            headers: &headers(said),
            received_at: now(),
            delay: Duration::ZERO,
            sequence: 0,
        };
        let new = freshen(
            &old,
            &key("/"),
            &update,
            &get(&asked),
            &[],
            &settings(),
            &rule,
        );
        let new = new.expect("may be stored");
        assert_eq!(new.selecting.len(), expected, "{said:?}: {:?}", new.headers);
        assert!(vary::covers(&new.selecting, &rule.vary), "{said:?}");
    }
}

/// RFC 9111 §4.3.4. Each case: stored heads, oldest first; the one that was asked about; the 304;
/// which are updated.
#[test]
fn which_variants_a_304_means() {
    type Case = (
        &'static str,
        &'static [Fields],
        usize,
        Fields,
        &'static [usize],
    );
    const A: Fields = &[("etag", "\"a\"")];
    const B: Fields = &[("etag", "\"b\"")];
    const WEAK: Fields = &[("etag", "W/\"a\"")];
    const DATED: Fields = &[("last-modified", MODIFIED)];
    const BOTH: Fields = &[("etag", "W/\"a\""), ("last-modified", MODIFIED)];
    let cases: &[Case] = &[
        ("the same strong tag", &[A], 0, A, &[0]),
        ("another strong tag", &[A], 0, B, &[]),
        ("every one with the strong tag", &[A, B, A], 0, A, &[2, 0]),
        ("another than was asked about", &[A, B], 1, A, &[0]),
        ("strong against weak", &[WEAK], 0, A, &[]),
        ("strong against none", &[&[]], 0, A, &[]),
        (
            "strong tag, other date",
            &[A],
            0,
            &[("etag", "\"a\""), ("last-modified", LATER)],
            &[0],
        ),
        ("the same weak tag", &[WEAK], 0, WEAK, &[0]),
        ("weak against strong", &[A], 0, WEAK, &[0]),
        (
            "the newest with the weak tag",
            &[WEAK, B, WEAK],
            0,
            WEAK,
            &[2],
        ),
        ("another weak tag", &[B], 0, WEAK, &[]),
        ("the same date", &[DATED], 0, DATED, &[0]),
        (
            "another date",
            &[DATED],
            0,
            &[("last-modified", LATER)],
            &[],
        ),
        (
            "same tag, another date",
            &[BOTH],
            0,
            &[("etag", "W/\"a\""), ("last-modified", LATER)],
            &[],
        ),
        ("date against both", &[BOTH], 0, DATED, &[0]),
        ("nothing in common", &[A], 0, DATED, &[]),
        ("no validator", &[&[]], 0, &[], &[0]),
        (
            "no validator, of the one asked about",
            &[A, B],
            0,
            &[],
            &[0],
        ),
        ("unreadable tag", &[A], 0, &[("etag", "a")], &[]),
    ];
    for (case, heads, asked, update, expected) in cases {
        let variants: Vec<_> = (0..)
            .zip(*heads)
            .map(|(at, fields)| {
                // They match the same request although they are different variants.
                let mut entry = stored(fields);
                let vary = format!("x-{at}");
                let vary = headers(&[("vary", &vary)]);
                entry.selecting =
                    vary::select(&vary, &HeaderMap::new(), &[], &Default::default()).expect("ok");
                entry.stored_at += secs(at);
                Arc::new(entry)
            })
            .collect();
        let object = variants[1..]
            .iter()
            .fold(Object::of(variants[0].clone()), |o, e| {
                o.with(e.clone(), 32).expect("newer")
            });
        let request = HeaderMap::new();
        let found = selected(&object, &get(&request), &variants[*asked], &headers(update));
        let found: Vec<_> = found
            .iter()
            .map(|entry| {
                variants
                    .iter()
                    .position(|v| Arc::ptr_eq(v, entry))
                    .expect("one of them")
            })
            .collect();
        assert_eq!(found, *expected, "{case}");
        let other = headers(&[("x-0", "1"), ("x-1", "1"), ("x-2", "1")]);
        let none = selected(&object, &get(&other), &variants[*asked], &headers(update));
        assert!(
            none.is_empty(),
            "those that another request selects: {case}"
        );
    }
}

/// RFC 9111 §4.3.5.
#[test]
fn answers_to_head() {
    use HeadVerdict::{Changed, Same, Unknown};
    const BOTH: Fields = &[("etag", "\"a\""), ("last-modified", MODIFIED)];
    let cases: &[(&str, Fields, Fields, HeadVerdict)] = &[
        ("same tag", BOTH, &[("etag", "\"a\"")], Same),
        ("other tag", BOTH, &[("etag", "\"b\"")], Changed),
        ("weak tag", BOTH, &[("etag", "W/\"a\"")], Changed),
        ("same date", BOTH, &[("last-modified", MODIFIED)], Same),
        ("other date", BOTH, &[("last-modified", LATER)], Changed),
        (
            "one of two",
            BOTH,
            &[("etag", "\"a\""), ("last-modified", LATER)],
            Changed,
        ),
        ("a tag where none was", &[], &[("etag", "\"a\"")], Changed),
        (
            "same length",
            BOTH,
            &[("etag", "\"a\""), ("content-length", "4")],
            Same,
        ),
        (
            "other length",
            BOTH,
            &[("etag", "\"a\""), ("content-length", "5")],
            Changed,
        ),
        (
            "unreadable length",
            BOTH,
            &[("etag", "\"a\""), ("content-length", "x")],
            Changed,
        ),
        (
            "length of something coded",
            BOTH,
            &[
                ("etag", "\"a\""),
                ("content-length", "5"),
                ("content-encoding", "gzip"),
            ],
            Same,
        ),
        ("length alone", BOTH, &[("content-length", "4")], Unknown),
        (
            "other length alone",
            BOTH,
            &[("content-length", "5")],
            Changed,
        ),
        ("nothing", BOTH, &[], Unknown),
    ];
    for (case, fields, head, expected) in cases {
        assert_eq!(
            by_head(&stored(fields), &headers(head)),
            *expected,
            "{case}"
        );
    }
}
