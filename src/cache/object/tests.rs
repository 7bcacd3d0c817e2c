use std::sync::Arc;

use http::StatusCode;
use proptest::prelude::*;

use super::{Object, is_dead};
use crate::cache::entry::{Entry, Fetched};
use crate::cache::freshness::Freshness;
use crate::cache::tags::Purge;
use crate::cache::testing::{entry, get, headers, key, now, secs};
use crate::cache::vary;

/// A response that says `Vary: vary`, fetched by a request with these fields, `at` seconds after
/// [`now`].
fn variant(vary: &str, request: &[(&str, &str)], at: u64) -> Arc<Entry> {
    let fields: &[_] = match vary {
        "" => &[],
        vary => &[("vary", vary)],
    };
    let (head, request) = (headers(fields), headers(request));
    let settings = vary::Settings {
        deny: Vec::new(),
        ..Default::default()
    };
    let fetched = Fetched {
        status: StatusCode::OK,
        headers: &head,
        body: "body".into(),
        freshness: entry(&key("/"), &[], "").freshness,
        received_at: now() + secs(at),
        sequence: 0,
        tags: Vec::new(),
        selecting: vary::select(&head, &request, &[], &settings).expect("nothing is denied"),
    };
    Arc::new(Entry::new(&key("/"), fetched))
}

fn object(variants: &[Arc<Entry>]) -> Object {
    let (first, rest) = variants.split_first().expect("at least one");
    rest.iter()
        .fold(Object::of(first.clone()), |object, entry| {
            object.with(entry.clone(), 32).expect("newer")
        })
}

fn is_selected(object: &Object, request: &[(&str, &str)], entry: Option<&Arc<Entry>>) -> bool {
    let headers = headers(request);
    match (object.select(&get(&headers)), entry) {
        (Some(found), Some(entry)) => Arc::ptr_eq(found, entry),
        (None, None) => true,
        _ => false,
    }
}

/// RFC 9111 §4.1.
#[test]
fn selects_by_what_was_nominated() {
    let (en, de) = ([("accept-language", "en")], [("accept-language", "de")]);
    let english = variant("accept-language", &en, 0);
    let german = variant("accept-language", &de, 1);
    let both = object(&[english.clone(), german.clone()]);
    assert!(is_selected(&both, &en, Some(&english)));
    assert!(is_selected(&both, &de, Some(&german)));
    assert!(is_selected(
        &both,
        &[("accept-language", "EN")],
        Some(&english)
    ));
    assert!(is_selected(&both, &[("accept-language", "fr")], None));
    assert!(is_selected(&both, &[], None), "absent matches absence only");
    assert!(
        is_selected(
            &both,
            &[("accept-language", "en"), ("accept", "x")],
            Some(&english)
        ),
        "other fields do not matter"
    );

    let two = object(&[variant("a, b", &[("a", "1"), ("b", "1")], 0)]);
    assert!(
        is_selected(&two, &[("a", "1"), ("b", "2")], None),
        "each field must match"
    );
    assert!(is_selected(&two, &[("a", "1")], None));
    assert!(!is_selected(&two, &[("b", "1"), ("a", "1")], None));

    let none = variant("", &[("a", "1")], 0);
    assert!(is_selected(
        &Object::of(none.clone()),
        &[("a", "2")],
        Some(&none)
    ));
    let coded = variant("accept-encoding", &[("accept-encoding", "br")], 0);
    let one = Object::of(coded.clone());
    assert!(
        is_selected(&one, &[], Some(&coded)),
        "one variant for every coding"
    );
}

#[test]
fn the_newest_of_those_that_match() {
    let old = variant("a", &[("a", "1")], 0);
    let new = variant("a, b", &[("a", "1")], 1);
    let both = object(&[old.clone(), new.clone()]);
    assert_eq!(both.variants().len(), 2);
    assert!(is_selected(&both, &[("a", "1")], Some(&new)));
    assert!(is_selected(&both, &[("a", "1"), ("b", "2")], Some(&old)));
    // The order is that of the answers, not of their storing.
    let late = object(&[new.clone(), old.clone()]);
    assert!(is_selected(&late, &[("a", "1")], Some(&new)));
    let request = headers(&[("a", "1")]);
    assert_eq!(late.matching(&get(&request)).count(), 2);
}

#[test]
fn a_new_answer_takes_the_place_of_its_variant() {
    let one = |at| variant("a", &[("a", "1")], at);
    let two = variant("a", &[("a", "2")], 0);
    let stored = object(&[one(0), two.clone()]);
    let fresh = one(5);
    let renewed = stored.with(fresh.clone(), 32).expect("newer");
    assert_eq!(renewed.variants().len(), 2);
    assert!(is_selected(&renewed, &[("a", "1")], Some(&fresh)));
    assert!(is_selected(&renewed, &[("a", "2")], Some(&two)));
    assert!(renewed.with(one(3), 32).is_none(), "overtaken");
    let other = variant("a", &[("a", "3")], 3);
    assert!(
        renewed.with(other, 32).is_some(),
        "but not by another variant"
    );
}

#[test]
fn the_oldest_goes_when_there_are_too_many() {
    let value = |i: u64| [("a", ["0", "1", "2", "3", "4"][i as usize])];
    let variants: Vec<_> = (0..4).map(|i| variant("a", &value(i), i)).collect();
    let full = object(&variants);
    let next = full
        .with(variant("a", &value(4), 4), 4)
        .expect("room is made");
    assert_eq!(next.variants().len(), 4);
    assert!(is_selected(&next, &value(0), None));
    assert!(is_selected(&next, &value(1), Some(&variants[1])));
    let mut late = variant("a", &[("a", "x")], 0);
    Arc::get_mut(&mut late).expect("not shared").stored_at = now() - secs(1);
    assert!(
        next.with(late, 4).is_none(),
        "older than all of a full object"
    );
    let fewer = next.with(variant("a", &value(0), 9), 2).expect("newest");
    assert_eq!(
        fewer.variants().len(),
        2,
        "a lower bound holds from the next answer on"
    );
    assert_eq!(
        next.with(variant("a", &value(0), 9), 0)
            .map(|o| o.variants().len()),
        Some(1)
    );
}

#[test]
fn replaces_one_by_another() {
    let (one, two) = (
        variant("a", &[("a", "1")], 0),
        variant("a", &[("a", "2")], 1),
    );
    let both = object(&[one.clone(), two.clone()]);
    let fresh = variant("a", &[("a", "1")], 2);
    let replaced = both.replacing(&one, fresh.clone()).expect("it is there");
    assert!(is_selected(&replaced, &[("a", "1")], Some(&fresh)));
    assert_eq!(replaced.variants().len(), 2);
    assert!(
        replaced.replacing(&one, fresh.clone()).is_none(),
        "it is gone"
    );
    let other = variant("a, b", &[("a", "1")], 3);
    let changed = both
        .replacing(&one, other.clone())
        .expect("the Vary may change");
    assert!(is_selected(&changed, &[("a", "1"), ("b", "1")], None));
    assert!(Object::of(one.clone()).replacing(&one, other).is_some());
    let mut older = variant("a", &[("a", "2")], 0);
    Arc::get_mut(&mut older).expect("not shared").stored_at = now() - secs(1);
    assert!(
        both.replacing(&one, older).is_none(),
        "the other variant is newer"
    );
    assert!(
        both.retaining(|e| Arc::ptr_eq(e, &two))
            .is_some_and(|o| o.variants().len() == 1)
    );
    assert!(both.retaining(|_| false).is_none());
    let rest = both.without_oldest(&two).expect("two of them");
    assert!(Arc::ptr_eq(&rest.variants()[0], &two) && rest.without_oldest(&two).is_none());
    let spared = both.without_oldest(&one).expect("two of them");
    assert!(Arc::ptr_eq(&spared.variants()[0], &one));
}

#[test]
fn names_the_fields() {
    let both = object(&[variant("b, a", &[], 0), variant("c, a", &[], 1)]);
    assert_eq!(both.vary_fields(), ["a", "b", "c"]);
    assert_eq!(both.nominated(), ["a", "b", "c"]);
    let mut silent = variant("a", &[], 0);
    Arc::get_mut(&mut silent)
        .expect("not shared")
        .headers
        .clear();
    let silent = Object::of(silent);
    assert_eq!(silent.vary_fields(), ["a"]);
    assert!(
        silent.nominated().is_empty(),
        "it took the field from its siblings"
    );
}

#[test]
fn weighs_its_variants() {
    let (one, two) = (
        variant("a", &[("a", "1")], 0),
        variant("a", &[("a", "2")], 0),
    );
    let single = Object::of(one.clone());
    assert!(single.weight() > one.weight());
    let both = object(&[one.clone(), two.clone()]);
    assert!(both.weight() > single.weight() + two.weight());
    let long = "x".repeat(1000);
    let heavy = variant("a", &[("a", &long)], 0);
    assert!(
        heavy.weight() >= one.weight() + 999,
        "selecting values count"
    );
}

#[test]
fn dead_ones() {
    let stored = |fields: &'static [(&str, &str)]| entry(&key("/"), fields, "");
    let (plain, tagged) = (stored(&[]), stored(&[("etag", "\"a\"")]));
    let dated = stored(&[("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")]);
    let windows = |stale_while_revalidate, stale_if_error, stale_after_soft_purge| {
        let mut entry = stored(&[]);
        entry.freshness = Freshness {
            stale_while_revalidate: secs(stale_while_revalidate),
            stale_if_error: secs(stale_if_error),
            stale_after_soft_purge: secs(stale_after_soft_purge),
            ..entry.freshness
        };
        entry
    };
    let (renewed, rescued, soft) = (windows(20, 0, 0), windows(0, 30, 0), windows(0, 0, 40));
    use Purge::{Invalid, No, Soft};
    let cases = [
        ("fresh", &plain, No, 59, false),
        ("just expired", &plain, No, 60, false),
        ("clients may still accept it", &plain, No, 70, false),
        ("no more", &plain, No, 71, true),
        ("but there is a tag", &tagged, No, 71, false),
        ("or a date", &dated, No, 71, false),
        ("still given while renewed", &renewed, No, 80, false),
        ("no more of that", &renewed, No, 81, true),
        ("still to the rescue", &rescued, No, 90, false),
        ("no more of that either", &rescued, No, 91, true),
        ("softly purged, still given", &soft, Soft, 100, false),
        ("softly purged, too long ago", &soft, Soft, 101, true),
        ("that window needs a purge", &soft, No, 71, true),
        ("purged and fresh", &plain, Invalid, 0, true),
        ("purged, but there is a tag", &tagged, Invalid, 999, false),
    ];
    for (case, entry, purge, after, expected) in cases {
        let now = now() + secs(after);
        assert_eq!(is_dead(entry, purge, now, secs(10)), expected, "{case}");
    }
    let mut never_fresh = stored(&[]);
    never_fresh.freshness.lifetime = secs(0);
    assert!(is_dead(&never_fresh, No, now() + secs(1), secs(0)));
}

const NAMES: [&str; 4] = ["a", "b", "accept-language", "cookie"];

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    const VALUES: [&str; 9] = [
        "",
        "x",
        "y",
        "x, y",
        " X ",
        "x,y",
        "x;q=0.5,y",
        "\"x, y\"",
        "y ;q=1,x",
    ];
    let name = prop::sample::select(&NAMES[..]).prop_map(String::from);
    let value = prop::sample::select(&VALUES[..]).prop_map(String::from);
    prop::collection::vec((name, value), 0..4)
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(n, v)| (&**n, &**v)).collect()
}

/// The lines of one field as the strictest reader sees them.
fn raw(fields: &[(String, String)], name: &str) -> Vec<String> {
    let lines = fields.iter().filter(|(n, _)| n == name);
    lines.map(|(_, value)| value.clone()).collect()
}

/// All that a comparison may forget of the lines of one field: spaces, and for languages case and
/// order. An independent and far too generous reading, which must still tell all misses apart.
fn essence(fields: &[(String, String)], name: &str) -> Option<Vec<u8>> {
    let lines = raw(fields, name);
    let joined = (!lines.is_empty()).then(|| lines.join(","))?;
    let mut bytes: Vec<u8> = joined.bytes().filter(|b| *b != b' ').collect();
    if name == "accept-language" {
        let text = String::from_utf8(bytes)
            .expect("as it was")
            .to_ascii_lowercase();
        let mut members: Vec<_> = text.split(',').map(|m| m.replace(";q=1", "")).collect();
        members.retain(|member| !member.is_empty());
        members.sort();
        bytes = members.join(",").into_bytes();
    }
    Some(bytes)
}

proptest! {
    /// Issue 3: what is selected always has a Vary that the request matches.
    #[test]
    fn never_selects_what_does_not_match(
        stored in prop::collection::vec((prop::sample::subsequence(&NAMES[..], 0..4), fields()), 1..6),
        asked in fields(),
    ) {
        let variants: Vec<_> = (0u64..).zip(&stored)
            .map(|(at, (vary, request))| variant(&vary.join(", "), &borrowed(request), at))
            .collect();
        let object = object(&variants);
        let request = headers(&borrowed(&asked));
        let matching: Vec<_> = object.matching(&get(&request)).cloned().collect();
        for ((vary, fetched_by), entry) in stored.iter().zip(&variants) {
            let same = vary.iter().all(|name| essence(fetched_by, name) == essence(&asked, name));
            let chosen = matching.iter().any(|found| Arc::ptr_eq(found, entry));
            prop_assert!(!chosen || same, "{vary:?} {fetched_by:?} for {asked:?}");
            let exact = vary.iter().all(|name| raw(fetched_by, name) == raw(&asked, name));
            let kept = object.variants().iter().any(|found| Arc::ptr_eq(found, entry));
            prop_assert!(chosen || !exact || !kept, "{vary:?} {fetched_by:?} for {asked:?}");
        }
        let newest = matching.iter().map(|entry| entry.stored_at).max();
        prop_assert_eq!(object.select(&get(&request)).map(|entry| entry.stored_at), newest);
    }
}
