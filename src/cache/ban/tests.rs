use super::{Ban, Mark, Pattern, Place};
use crate::cache::key::{Key, QueryRule};
use crate::cache::tags::{Purge, Target};
use proptest::prelude::*;

fn hits(ban: &Ban, key: &Key) -> bool {
    ban.hits(&Place::of(key))
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    Pattern::new(pattern).fits(text)
}

fn key(host: &str, path: &str, query: Option<&str>) -> Key {
    Key::new("http", host, path, query, &QueryRule::default())
}

#[test]
fn prefixes() {
    let cases = [
        ("path", "/a/", "/a/b", None, true),
        ("itself", "/a", "/a", None, true),
        ("no border needed", "/a", "/ab", None, true),
        ("with any query", "/a", "/a", Some("x"), true),
        ("other", "/a/", "/b", None, false),
        ("shorter path", "/a/b", "/a", None, false),
        ("into the query", "/a?x=", "/a", Some("x=1"), true),
        ("into another query", "/a?x=", "/a", Some("y=1"), false),
        ("into no query", "/a?", "/a", None, false),
        (
            "the query of a longer path",
            "/a?x",
            "/ab",
            Some("x"),
            false,
        ),
        ("everything", "", "/", None, true),
        ("case counts", "/A", "/a", None, false),
    ];
    for (case, prefix, path, query, expected) in cases {
        let ban = Ban::prefix(None, prefix);
        assert_eq!(hits(&ban, &key("a.org", path, query)), expected, "{case}");
    }
}

#[test]
fn globs() {
    let cases = [
        ("equal", "/a", "/a", None, true),
        ("whole", "/a", "/ab", None, false),
        ("star", "/a/*", "/a/b", None, true),
        ("star for nothing", "/a/*", "/a/", None, true),
        ("star stays in its segment", "/a/*", "/a/b/c", None, false),
        ("two stars do not", "/a/**", "/a/b/c", None, true),
        ("three stars either", "/a/***c", "/a/b/c", None, true),
        ("in the middle", "/*/c", "/b/c", None, true),
        ("in the middle, deep", "/**/c", "/a/b/c", None, true),
        ("ending", "**.jpg", "/a/b.jpg", None, true),
        ("second star retried", "/*a*b", "/xaxaxb", None, true),
        ("first of two kinds", "/**a*c", "/a/ab/abc", None, true),
        ("star then slash", "/**a*c", "/a/a/c", None, false),
        ("any query", "/a", "/a", Some("x"), true),
        ("a query", "/a?x=*", "/a", Some("x=1"), true),
        ("another query", "/a?x=*", "/a", Some("y=1"), false),
        ("a query where there is none", "/a?*", "/a", None, false),
        ("no wildcard but the star", "/a.b", "/axb", None, false),
        ("empty", "", "/", None, false),
    ];
    for (case, pattern, path, query, expected) in cases {
        let ban = Ban::glob(None, pattern);
        assert_eq!(hits(&ban, &key("a.org", path, query)), expected, "{case}");
    }
}

#[test]
fn hosts() {
    let cases = [
        ("all", None, "a.org", true),
        ("the one", Some("a.org"), "a.org", true),
        ("in another spelling", Some("A.org.:80"), "a.org", true),
        ("another", Some("b.org"), "a.org", false),
    ];
    for (case, host, stored, expected) in cases {
        let ban = Ban::prefix(host, "/");
        assert_eq!(hits(&ban, &key(stored, "/", None)), expected, "{case}");
    }
    assert_eq!(
        Ban::prefix(Some("A.org:443"), "/").widened(),
        Target::Host("a.org".into()).slot()
    );
    assert_eq!(Ban::glob(None, "/").widened(), Target::All.slot());
}

#[test]
fn marks_only_learn() {
    let mark = Mark::new();
    assert_eq!(mark.read(), (0, Purge::No));
    mark.note(5, Purge::Soft);
    mark.note(3, Purge::No);
    assert_eq!(
        mark.read(),
        (5, Purge::Soft),
        "somebody slower changes nothing"
    );
    mark.note(5, Purge::Invalid);
    assert_eq!(mark.clone().read(), (5, Purge::Invalid));
}

/// The plain definition, for comparison.
fn slow_glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            (0..=text.len()).any(|at| slow_glob(rest, &text[at..]))
        }
        [b'*', rest @ ..] => (0..=text.len())
            .take_while(|at| !text[..*at].contains(&b'/'))
            .any(|at| slow_glob(rest, &text[at..])),
        [byte, rest @ ..] => text.first() == Some(byte) && slow_glob(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn globs_mean_what_they_say(pattern in "[ab/*]{0,8}", text in "[ab/]{0,10}") {
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(glob(pattern, text), slow_glob(pattern, text));
    }

    #[test]
    fn a_glob_of_a_path_is_the_path(path in "/[a-z/]{0,20}") {
        prop_assert!(glob(path.as_bytes(), path.as_bytes()));
        prop_assert!(glob(b"**", path.as_bytes()));
    }
}
