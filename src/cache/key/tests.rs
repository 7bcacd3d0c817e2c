use super::{Key, Part, Pattern, QueryRule};
use crate::cache::search::Variance;
use crate::cache::tags::slots_for;
use crate::cache::testing::{Lcg, headers};
use proptest::prelude::*;

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names
        .iter()
        .map(|name| Pattern::parse(name).expect("a pattern"))
        .collect()
}

fn rule(sort: bool, only: Option<&[&str]>, ignore: &[&str]) -> QueryRule {
    QueryRule {
        sort,
        only: only.map(patterns),
        ignore: patterns(ignore),
        any_host: false,
    }
}

#[test]
fn normalisation() {
    let plain = || rule(false, None, &[]);
    let sort = || rule(true, None, &[]);
    let ignore = || rule(false, None, &["utm_*", "fbclid"]);
    let only = || rule(false, Some(&["page", "q", "f_*"]), &[]);
    let cases = [
        (
            "no rule: as it is",
            plain(),
            Some("b=2&a=1&&"),
            Some("b=2&a=1&&"),
        ),
        ("no query", sort(), None, None),
        ("empty query", sort(), Some(""), Some("")),
        ("sorted", sort(), Some("b=2&a=1"), Some("a=1&b=2")),
        (
            "equal names keep their order",
            sort(),
            Some("b=2&a=2&a=1"),
            Some("a=2&a=1&b=2"),
        ),
        (
            "by name, not by name and value",
            sort(),
            Some("a-b=1&a=2"),
            Some("a=2&a-b=1"),
        ),
        ("without value", sort(), Some("b&a"), Some("a&b")),
        (
            "empty and missing value differ",
            sort(),
            Some("b=&a"),
            Some("a&b="),
        ),
        ("empty members stay", sort(), Some("b&&a"), Some("&a&b")),
        (
            "never decoded",
            sort(),
            Some("%62=1&a=1"),
            Some("%62=1&a=1"),
        ),
        (
            "ignored",
            ignore(),
            Some("utm_source=x&id=1&fbclid=2"),
            Some("id=1"),
        ),
        (
            "ignored without value",
            ignore(),
            Some("fbclid&id=1"),
            Some("id=1"),
        ),
        ("nothing left", ignore(), Some("utm_source=x"), None),
        (
            "an empty query is no ignored one",
            ignore(),
            Some(""),
            Some(""),
        ),
        ("case matters", ignore(), Some("FBCLID=1"), Some("FBCLID=1")),
        (
            "exact means exact",
            ignore(),
            Some("fbclid2=1"),
            Some("fbclid2=1"),
        ),
        (
            "an encoded name is another name",
            ignore(),
            Some("%66bclid=1"),
            Some("%66bclid=1"),
        ),
        (
            "semicolon may hide a parameter",
            ignore(),
            Some("utm_x=1;id=2"),
            Some("utm_x=1;id=2"),
        ),
        (
            "order without sort",
            ignore(),
            Some("b=1&utm_x=1&a=1"),
            Some("b=1&a=1"),
        ),
        (
            "only",
            only(),
            Some("x=1&page=2&q=3&f_a=4"),
            Some("page=2&q=3&f_a=4"),
        ),
        ("only: nothing left", only(), Some("x=1"), None),
        (
            "only: semicolon",
            only(),
            Some("x=1;page=2"),
            Some("x=1;page=2"),
        ),
        (
            "only: encoded name",
            only(),
            Some("%70age=2&x=1"),
            Some("%70age=2"),
        ),
        (
            "only: plus in a name",
            only(),
            Some("+page=2&x=1"),
            Some("+page=2"),
        ),
        (
            "only: other case",
            only(),
            Some("Page=2&x=1"),
            Some("Page=2"),
        ),
        (
            "only: an array to PHP",
            only(),
            Some("page[]=2&x=1"),
            Some("page[]=2"),
        ),
        (
            "only: dots to PHP",
            only(),
            Some("pa.ge=2&x=1"),
            Some("pa.ge=2"),
        ),
        (
            "only and ignore",
            rule(true, Some(&["*"]), &["x"]),
            Some("x=1&b=1&a=1"),
            Some("a=1&b=1"),
        ),
        (
            "ignore all",
            rule(false, None, &["*"]),
            Some("x=1&b=1"),
            None,
        ),
    ];
    for (case, rule, query, expected) in cases {
        assert_eq!(rule.normalise(query).as_deref(), expected, "{case}");
    }
}

#[test]
fn normalisation_is_idempotent() {
    const PARTS: &[&str] = &[
        "a", "b", "=", "&", ";", "%26", "%", "utm_", "page", "1", "[]", "+", "é", "&&", "=&",
    ];
    let mut random = Lcg(7);
    for round in 0..50_000 {
        let rule = rule(
            round % 2 == 0,
            (round % 3 == 0).then_some(&["page", "a*"]),
            [&[][..], &["utm_*"], &["utm_*", "b"]][round % 5 % 3],
        );
        let length = random.below(12);
        let query: String = (0..length).map(|_| random.pick(PARTS)).collect();
        let query = (random.below(20) != 0).then_some(query);
        let once = rule.normalise(query.as_deref());
        assert_eq!(rule.normalise(once.as_deref()), once, "{rule:?} {query:?}");
        if rule.only.is_none() && rule.ignore.is_empty() && !rule.sort {
            assert_eq!(
                once.as_deref(),
                query.as_deref(),
                "nothing is dropped without a rule"
            );
        }
    }
}

proptest! {
    /// Whatever the rule and the query, and the key of a key's parts is the key.
    #[test]
    fn normalising_twice_changes_nothing(
        query in prop::option::of("[a-c_=&;%*+0-9]{0,30}|\\PC{0,12}"),
        sort: bool,
        only in prop::option::of(prop::collection::vec("[a-c_]{1,3}\\*?", 0..3)),
        ignore in prop::collection::vec("[a-c_]{1,3}\\*?", 0..3),
        host in "[A-Za-z.]{1,12}(:(80|443|8080))?",
    ) {
        let patterns = |texts: Vec<String>| -> Vec<Pattern> {
            texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect()
        };
        let rule = QueryRule { sort, only: only.map(patterns), ignore: patterns(ignore), any_host: false };
        let once = rule.normalise(query.as_deref());
        prop_assert_eq!(rule.normalise(once.as_deref()), once.clone());
        let key = Key::new("HTTP", &host, "/p", query.as_deref(), &rule);
        let again = Key::new(key.scheme(), key.host(), key.path(), key.query(), &rule);
        prop_assert_eq!(key, again);
    }
}

#[test]
fn what_the_app_can_tell_apart_has_its_own_key() {
    let key = |scheme, host, path, query| {
        Key::new(
            scheme,
            host,
            path,
            query,
            &QueryRule {
                sort: true,
                ..QueryRule::default()
            },
        )
    };
    let base = key("http", "example.com", "/a", Some("b=c"));
    let others = [
        ("scheme", key("https", "example.com", "/a", Some("b=c"))),
        ("host", key("http", "example.org", "/a", Some("b=c"))),
        ("port", key("http", "example.com:8080", "/a", Some("b=c"))),
        (
            "the other scheme's port",
            key("http", "example.com:443", "/a", Some("b=c")),
        ),
        (
            "boundary host/path",
            key("http", "example.com/", "a", Some("b=c")),
        ),
        (
            "boundary path/query",
            key("http", "example.com", "/a?b=c", None),
        ),
        (
            "boundary path/empty query",
            key("http", "example.com", "/ab=c", Some("")),
        ),
        ("no query", key("http", "example.com", "/a", None)),
        ("empty query", key("http", "example.com", "/a", Some(""))),
        (
            "case of the path",
            key("http", "example.com", "/A", Some("b=c")),
        ),
        (
            "encoding of the path",
            key("http", "example.com", "/%61", Some("b=c")),
        ),
        ("slash", key("http", "example.com", "/a/", Some("b=c"))),
        (
            "case of the query",
            key("http", "example.com", "/a", Some("B=c")),
        ),
        (
            "encoding of the query",
            key("http", "example.com", "/a", Some("b=%63")),
        ),
        (
            "order of equal names",
            key("http", "example.com", "/a", Some("b=d&b=c")),
        ),
        (
            "dot behind the host",
            key("http", "example.com.", "/a", Some("b=c")),
        ),
    ];
    for (case, other) in &others {
        assert_ne!(base, *other, "{case}");
        assert_ne!(base.hash(), other.hash(), "{case}");
    }
    for (i, (case, one)) in others.iter().enumerate() {
        for (other_case, other) in &others[i + 1..] {
            assert_ne!(one, other, "{case} and {other_case}");
        }
    }
}

#[test]
fn one_host_however_it_is_spelt() {
    let cases = [
        ("upper case", "http", "EXAMPLE.com", "example.com"),
        ("default port", "http", "example.com:80", "example.com"),
        (
            "default port of https",
            "https",
            "example.com:443",
            "example.com",
        ),
        (
            "scheme in upper case",
            "HTTP",
            "example.com:80",
            "example.com",
        ),
        ("other port", "http", "example.com:8080", "example.com:8080"),
        ("IPv6 with port", "http", "[::1]:80", "[::1]"),
        ("IPv6 that ends alike", "http", "[fe80::80]", "[fe80::80]"),
        ("IPv6 without brackets", "http", "fe80::80", "fe80::80"),
        ("port alone", "http", ":80", ":80"),
        ("empty", "http", "", ""),
    ];
    for (case, scheme, host, expected) in cases {
        let key = Key::new(scheme, host, "/", None, &QueryRule::default());
        assert_eq!(key.host(), expected, "{case}");
    }
}

#[test]
fn parts_come_back() {
    let key = Key::new(
        "https",
        "Example.com",
        "/p/ä",
        Some("x=1&utm_a=2"),
        &rule(false, None, &["utm_*"]),
    );
    assert_eq!(
        (key.scheme(), key.host(), key.path()),
        ("https", "example.com", "/p/ä")
    );
    assert_eq!(key.query(), Some("x=1"));
    assert_eq!(key.display(), "https://example.com/p/ä?x=1");
    assert_eq!(key.clone(), key);
    let bare = Key::new("http", "h", "/", None, &QueryRule::default());
    assert_eq!(
        (bare.query(), bare.display()),
        (None, "http://h/".to_owned())
    );
}

#[test]
fn patterns_that_cannot_be() {
    for text in ["", "a*b", "**", "a=b", "a&b", "a;b"] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    assert!(Pattern::parse("*").is_ok() && Pattern::parse("utm_*").is_ok());
}

#[test]
fn hosts_can_be_left_out() {
    let rule = QueryRule {
        any_host: true,
        ..QueryRule::default()
    };
    let key = |scheme, host| Key::new(scheme, host, "/", None, &rule);
    assert_eq!(key("http", "a.example"), key("http", "b.example:8080"));
    assert_ne!(key("http", "a.example"), key("https", "a.example"));
    assert_eq!(key("http", "a.example").host(), "");
}

fn url() -> Key {
    Key::new(
        "http",
        "a.example",
        "/p",
        Some("q=1"),
        &QueryRule::default(),
    )
}

#[test]
fn what_joins_the_key_leaves_the_url_what_it_is() {
    let bare = Key::new("http", "a.example", "/p", None, &QueryRule::default());
    for key in [url(), bare] {
        let with = key
            .clone()
            .with(&[Part::Cookie("lang", b"\xff"), Part::Field("x-host", b"")]);
        assert_ne!(with, key);
        assert_eq!(with.to_string(), key.to_string());
        assert_eq!(
            (with.host(), with.path(), with.query()),
            (key.host(), key.path(), key.query())
        );
        assert_eq!(
            slots_for(&with, &[]),
            slots_for(&key, &[]),
            "purges of the URL hit it"
        );
        assert_eq!(with.of_path(), key.of_path());
        assert_eq!(key.clone().with(&[]), key);
    }
}

#[test]
fn what_joins_the_key_stays_where_queries_share_an_answer() {
    let said = headers(&[("no-vary-search", "params")]);
    let said = Variance::of(&said).expect("understood");
    let with = |value| url().with(&[Part::Cookie("lang", value)]).searched(&said);
    assert_ne!(with(b"de"), with(b"en"));
    assert_ne!(with(b"de"), url().searched(&said));
    assert_eq!(with(b"de"), with(b"de"));
    assert!(with(b"de").is_searched());
}

/// Of two lists, no piece of the one can be taken for another piece of the other.
#[test]
fn different_parts_make_different_keys() {
    use Part::{Cookie, Field};
    let lists: &[&[Part<'_>]] = &[
        &[],
        &[Cookie("a", b"")],
        &[Cookie("a", b"b")],
        &[Cookie("ab", b"")],
        &[Cookie("", b"ab")],
        &[Field("a", b"b")],
        &[Cookie("a", b"b"), Cookie("a", b"b")],
        &[Cookie("a", b"bc"), Cookie("a", b"")],
        &[Cookie("a", b"b"), Field("a", b"b")],
        &[Field("a", b"b"), Cookie("a", b"b")],
        &[Cookie("a", b"bc\x01\0\0\0a\0\0\0\0")],
        &[Cookie("a", b"c"), Cookie("a", b"b")],
    ];
    for (i, one) in lists.iter().enumerate() {
        for (k, other) in lists.iter().enumerate() {
            assert_eq!(
                url().with(one) == url().with(other),
                i == k,
                "{one:?} {other:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn keys_are_equal_where_their_parts_are(
        one in prop::collection::vec((any::<bool>(), "[a-c]{0,2}", prop::collection::vec(0u8..4, 0..6)), 0..3),
        other in prop::collection::vec((any::<bool>(), "[a-c]{0,2}", prop::collection::vec(0u8..4, 0..6)), 0..3),
    ) {
        let key = |list: &[(bool, String, Vec<u8>)]| {
            let parts: Vec<_> = list
                .iter()
                .map(|(cookie, name, value)| match cookie {
                    true => Part::Cookie(name, value),
                    false => Part::Field(name, value),
                })
                .collect();
            url().with(&parts)
        };
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }
}
