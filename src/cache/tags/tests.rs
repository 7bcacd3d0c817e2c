use super::{Mode, Purge, SLOTS, Settings, Target, collect, from_headers, slots_for};
use crate::cache::key::{Key, QueryRule};
use crate::cache::testing::{Fields, headers};
use crate::reason::Reason;
use http::{HeaderName, HeaderValue};

fn key(scheme: &str, host: &str, path: &str, query: Option<&str>) -> Key {
    Key::new(scheme, host, path, query, &QueryRule::default())
}

#[test]
fn reads_both_fields() {
    let cases: &[(&str, Fields, &[&str])] = &[
        ("none", &[], &[]),
        ("commas", &[("cache-tag", "a, b ,c")], &["a", "b", "c"]),
        (
            "a tag may hold spaces",
            &[("cache-tag", "two words,x")],
            &["two words", "x"],
        ),
        (
            "spaces",
            &[("surrogate-key", " a  b\tc ")],
            &["a", "b", "c"],
        ),
        (
            "a key may hold commas",
            &[("surrogate-key", "a,b c")],
            &["a,b", "c"],
        ),
        (
            "both, several lines",
            &[
                ("cache-tag", "a"),
                ("surrogate-key", "b"),
                ("cache-tag", "c"),
            ],
            &["a", "c", "b"],
        ),
        (
            "each once",
            &[("cache-tag", "a,b,a"), ("surrogate-key", "b a")],
            &["a", "b"],
        ),
        ("case matters", &[("cache-tag", "a,A")], &["a", "A"]),
        (
            "empty ones",
            &[("cache-tag", ",, ,"), ("surrogate-key", "")],
            &[],
        ),
        ("UTF-8", &[("cache-tag", "straße")], &["straße"]),
        ("xkey", &[("xkey", "a b"), ("xkey", "c")], &["a", "b", "c"]),
        ("FOSHttpCache", &[("x-cache-tags", "a,b c")], &["a", "b c"]),
        (
            "RFC 9875",
            &[("cache-groups", "\"a, b\";x, \" c\"")],
            &["a, b", " c"],
        ),
        ("RFC 9875, unreadable", &[("cache-groups", "a")], &[]),
        (
            "of all dialects each once",
            &[("xkey", "a"), ("cache-groups", "\"a\""), ("cache-tag", "a")],
            &["a"],
        ),
    ];
    for (case, fields, expected) in cases {
        let tags = from_headers(&headers(fields)).expect("valid tags");
        let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
        assert_eq!(tags, *expected, "{case}");
    }
    let all = collect(
        &Settings::default(),
        &headers(&[("cache-tag", "a")]),
        &["b".to_owned(), "a".to_owned()],
    );
    assert_eq!(all, Ok(vec!["a".into(), "b".into()]));
}

#[test]
fn bounds() {
    let settings = Settings::default();
    let (count_max, bytes_max) = (settings.count_max, settings.bytes_max);
    let many = |count: usize| vec!["x"; count].join(",");
    let wide = |bytes: usize| "x".repeat(bytes);
    let cases = [
        ("as many as allowed", many(count_max), Ok(1)),
        ("one more", many(count_max + 1), Err(Reason::TooManyTags)),
        ("as wide as allowed", wide(bytes_max), Ok(1)),
        (
            "one byte more",
            wide(bytes_max + 1),
            Err(Reason::TooManyTags),
        ),
        (
            "together one byte more",
            wide(bytes_max) + ",y",
            Err(Reason::TooManyTags),
        ),
    ];
    for (case, value, expected) in cases {
        let tags = from_headers(&headers(&[("cache-tag", &value)]));
        assert_eq!(tags.map(|tags| tags.len()), expected, "{case}");
    }
    let mut odd = http::HeaderMap::new();
    odd.insert(
        "cache-tag",
        HeaderValue::from_bytes(b"caf\xe9").expect("obs-text is allowed"),
    );
    assert_eq!(from_headers(&odd), Err(Reason::InvalidTag));
    let rule = vec!["y".to_owned()];
    assert_eq!(
        collect(
            &settings,
            &headers(&[("cache-tag", &many(count_max))]),
            &rule
        ),
        Err(Reason::TooManyTags)
    );
}

#[test]
fn which_purge_hits_what() {
    let stored = key("https", "Example.com:443", "/p", Some("a=1"));
    let slots = slots_for(&stored, &["news".into(), "x".into()]);
    assert!(slots.is_sorted() && slots.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(slots.iter().all(|slot| slot.index() < SLOTS));
    let tag = |host: Option<&str>, tag: &str| Target::Tag {
        host: host.map(Into::into),
        tag: tag.into(),
    };
    let cases = [
        ("everything", Target::All, true),
        ("its host", Target::Host("example.com".into()), true),
        (
            "its host, spelt otherwise",
            Target::Host("EXAMPLE.COM.".into()),
            true,
        ),
        (
            "its host with the port",
            Target::Host("example.com:443".into()),
            true,
        ),
        ("another host", Target::Host("example.org".into()), false),
        ("a tag on all hosts", tag(None, "news"), true),
        ("the other tag", tag(None, "x"), true),
        ("a tag on its host", tag(Some("Example.com"), "news"), true),
        (
            "a tag on another host",
            tag(Some("example.org"), "news"),
            false,
        ),
        ("a tag in other case", tag(None, "News"), false),
        ("another tag", tag(None, "new"), false),
        ("a host is no tag", tag(None, "example.com"), false),
        (
            "its URL",
            Target::Url(key("https", "example.com", "/p", Some("a=1"))),
            true,
        ),
        (
            "its URL on the other scheme",
            Target::Url(key("http", "example.com", "/p", Some("a=1"))),
            true,
        ),
        (
            "another query",
            Target::Url(key("https", "example.com", "/p", Some("a=2"))),
            false,
        ),
        (
            "no query",
            Target::Url(key("https", "example.com", "/p", None)),
            false,
        ),
        (
            "another path",
            Target::Url(key("https", "example.com", "/q", Some("a=1"))),
            false,
        ),
        (
            "another host's URL",
            Target::Url(key("https", "example.org", "/p", Some("a=1"))),
            false,
        ),
    ];
    for (case, target, expected) in cases {
        assert_eq!(slots.contains(&target.slot()), expected, "{case}");
    }
}

#[test]
fn purges_of_one_host_hit_what_is_stored_for_any() {
    let rule = QueryRule {
        any_host: true,
        ..QueryRule::default()
    };
    let stored = Key::new("http", "a.example", "/p", None, &rule);
    let slots = slots_for(&stored, &["news".into()]);
    let targets = [
        Target::Host("b.example".into()),
        Target::Tag {
            host: Some("b.example".into()),
            tag: "news".into(),
        },
        Target::Url(Key::new("http", "b.example", "/p", None, &rule)),
        Target::All,
    ];
    for target in targets {
        assert!(slots.contains(&target.of_any_host().slot()));
    }
}

#[test]
fn tags_spread_over_the_slots() {
    let mut seen: Vec<usize> = (0..10_000)
        .map(|i| {
            Target::Tag {
                host: None,
                tag: format!("post-{i}"),
            }
            .slot()
            .index()
        })
        .collect();
    seen.sort_unstable();
    seen.dedup();
    // 10,000 draws from 2^20 collide about 48 times.
    assert!(seen.len() > 9_900, "{}", seen.len());
}

#[test]
fn reads_the_configured_fields_only() {
    let settings = Settings {
        fields: ["x-own", "xkey", "x-drupal-cache-tags"]
            .map(HeaderName::from_static)
            .to_vec(),
        count_max: 7,
        bytes_max: 10,
        ..Settings::default()
    };
    let tags = |own, rule: &[String]| {
        let drupal = ("x-drupal-cache-tags", "node:1 h");
        let head = headers(&[("cache-tag", "a"), ("x-own", own), ("xkey", "e f"), drupal]);
        let tags = collect(&settings, &head, rule)?;
        Ok(tags.join("|"))
    };
    assert_eq!(tags("", &["g".to_owned()]), Ok("e|f|node:1|h|g".into()));
    let many = Err(Reason::TooManyTags);
    assert_eq!(tags("bc d", &[]), many, "too many bytes");
    assert_eq!(
        tags("", &["g".to_owned(), "h".to_owned()]),
        many,
        "one byte too many"
    );
}

#[test]
fn the_worse_purge_is_the_greater() {
    assert!(Purge::No < Purge::Soft && Purge::Soft < Purge::Invalid);
    let cases = [
        (Mode::Soft, Purge::Soft),
        (Mode::Invalidate, Purge::Invalid),
        (Mode::Hard, Purge::Invalid),
    ];
    for (mode, purge) in cases {
        assert_eq!(mode.purge(), purge);
    }
    assert_eq!(Mode::default(), Mode::Invalidate);
}
