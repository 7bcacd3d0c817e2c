use super::*;
use crate::cache::entry::Entry;
use crate::cache::purge::Kind;
use crate::cache::testing::entry;

fn order(json: &str) -> Result<Order, String> {
    read(json.as_bytes(), &QueryRule::default())
}

fn kinds(json: &str) -> Vec<Kind> {
    order(json)
        .unwrap_or_else(|why| panic!("{json}: {why}"))
        .kinds()
        .collect()
}

#[test]
fn what_may_be_ordered() {
    use Kind::{All, Glob, Host, Prefix, Tag, Url};
    let cases: [(&str, &[Kind]); 13] = [
        (r#"{"tags":["a","b"]}"#, &[Tag, Tag]),
        (r#"{"tags":["a"],"host":"Example.org"}"#, &[Tag]),
        (r#"{"host":"example.org"}"#, &[Host]),
        (r#"{"host":"example.org:8080","mode":"hard"}"#, &[Host]),
        (r#"{"urls":["http://example.org/x?y=1"]}"#, &[Url]),
        (r#"{"urls":["HTTPS://example.org"]}"#, &[Url]),
        (r#"{"urls":["/x?y=1"],"host":"example.org"}"#, &[Url]),
        (
            r#"{"urls":["http://Example.org:80/x"],"host":"example.org"}"#,
            &[Url],
        ),
        (r#"{"prefixes":["/blog/"]}"#, &[Prefix]),
        (
            r#"{"prefixes":["https://example.org"],"globs":["**.jpg"]}"#,
            &[Prefix, Glob],
        ),
        (r#"{"globs":["/*/a","http://a.org/**?x=*"]}"#, &[Glob, Glob]),
        (r#"{"all":true}"#, &[All]),
        (r#"{"tags":["a"],"all":true,"mode":"soft"}"#, &[Tag, All]),
    ];
    for (json, expected) in cases {
        assert_eq!(kinds(json), expected, "{json}");
    }
}

#[test]
fn modes() {
    let cases = [
        (r#"{"all":true}"#, Mode::Invalidate),
        (r#"{"all":true,"mode":"invalidate"}"#, Mode::Invalidate),
        (r#"{"all":true,"mode":"soft"}"#, Mode::Soft),
        (r#"{"all":true,"mode":"hard"}"#, Mode::Hard),
    ];
    for (json, expected) in cases {
        let mode = order(json).expect(json).mode();
        assert_eq!(mode, expected, "{json}");
        assert!(json.contains(word(mode)) || mode == Mode::Invalidate);
    }
}

#[test]
fn refusals_name_the_place() {
    let long = format!(r#"{{"prefixes":["/{}"]}}"#, "x".repeat(PATTERN_BYTES_MAX));
    let cases = [
        ("", "an object such as"),
        ("{", "the order cannot be read"),
        ("[]", "an object such as"),
        (r#"{"all":true} x"#, "the order cannot be read"),
        ("{}", "nothing to purge"),
        (r#"{"all":false}"#, "nothing to purge"),
        (r#"{"tag":["a"]}"#, "`tag`: unknown field"),
        (r#"{"tags":"a"}"#, "`tags`: invalid type"),
        (r#"{"tags":["a",7]}"#, "`tags[1]`: invalid type"),
        (r#"{"tags":["a"," "]}"#, "`tags[1]`: is empty"),
        (r#"{"mode":"gone","all":true}"#, "`mode`: unknown variant"),
        (r#"{"urls":["/x"]}"#, "`urls[0]`: is not absolute"),
        (r#"{"urls":["x"],"host":"a"}"#, "`urls[0]`: is not absolute"),
        (r#"{"urls":["ftp://a/"]}"#, "`urls[0]`: must begin with"),
        (r#"{"urls":["http:///x"]}"#, "`urls[0]`: has no host"),
        (r#"{"urls":["http://u:p@a/x"]}"#, "`urls[0]`: has no host"),
        (
            r#"{"urls":["http://a/","http://b/"],"host":"a"}"#,
            "`urls[1]`: is of another host",
        ),
        (r#"{"urls":["http://a/x y"]}"#, "`urls[0]`: is not a URL"),
        (r#"{"host":""}"#, "`host`: write the name"),
        (r#"{"host":"http://a"}"#, "`host`: write the name"),
        (r#"{"host":"a/b"}"#, "`host`: write the name"),
        (r#"{"host":"a","all":true}"#, "`all`: cannot stand beside"),
        (r#"{"prefixes":["blog/"]}"#, "`prefixes[0]`: must begin"),
        (r#"{"prefixes":[""]}"#, "`prefixes[0]`: is empty"),
        (r#"{"prefixes":["/a b"]}"#, "`prefixes[0]`: is compared"),
        (r#"{"prefixes":["/a/*"]}"#, "`prefixes[0]`: holds a star"),
        (&long, "`prefixes[0]`: is 1025 bytes long"),
        (r#"{"globs":["a/*"]}"#, "`globs[0]`: must begin"),
        (
            r#"{"globs":["/a","http://*.org/x"]}"#,
            "`globs[1]`: has no host",
        ),
        (
            r#"{"globs":["http://b/*"],"host":"a"}"#,
            "`globs[0]`: is of another host",
        ),
    ];
    for (json, expected) in cases {
        let why = order(json).expect_err(json);
        assert!(why.contains(expected), "{json}: {why}");
    }
}

#[test]
fn too_much_at_once() {
    let many = |list: &str, text: &str, n: usize| {
        let texts = vec![format!("\"{text}\""); n].join(",");
        order(&format!("{{\"{list}\":[{texts}]}}"))
    };
    assert!(many("tags", "a", THINGS_MAX).is_ok());
    let why = many("tags", "a", THINGS_MAX + 1).expect_err("too many");
    assert!(why.contains("at the most 10000"), "{why}");
    assert!(many("globs", "/a", PATTERNS_MAX).is_ok());
    let why = many("globs", "/a", PATTERNS_MAX + 1).expect_err("too many");
    assert!(why.contains("at the most 100"), "{why}");
}

/// What is stored for this URL.
fn stored(scheme: &str, host: &str, path: &str) -> (Key, Entry) {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let key = Key::new(scheme, host, path, query, &QueryRule::default());
    let entry = entry(&key, &[], "");
    (key, entry)
}

#[test]
fn what_is_ordered_is_what_is_hit() {
    let cases = [
        (
            r#"{"urls":["http://a.org/x"]}"#,
            "http",
            "a.org",
            "/x",
            true,
        ),
        (
            r#"{"urls":["http://a.org/x"]}"#,
            "https",
            "A.org",
            "/x",
            true,
        ),
        (
            r#"{"urls":["http://a.org/x"]}"#,
            "http",
            "b.org",
            "/x",
            false,
        ),
        (
            r#"{"urls":["http://a.org/x#y"]}"#,
            "http",
            "a.org",
            "/x",
            true,
        ),
        (
            r#"{"urls":["/x?y"],"host":"a.org"}"#,
            "http",
            "a.org",
            "/x?y",
            true,
        ),
        (r#"{"urls":["http://a.org"]}"#, "http", "a.org", "/", true),
        (
            r#"{"prefixes":["https://a.org/x"]}"#,
            "http",
            "a.org",
            "/xy",
            true,
        ),
        (
            r#"{"prefixes":["https://a.org/x"]}"#,
            "http",
            "b.org",
            "/xy",
            false,
        ),
        (
            r#"{"prefixes":["https://a.org"]}"#,
            "http",
            "a.org",
            "/xy",
            true,
        ),
        (
            r#"{"prefixes":["/x"],"host":"a.org"}"#,
            "http",
            "b.org",
            "/x",
            false,
        ),
        (
            r#"{"globs":["/u?to=http://*"]}"#,
            "http",
            "a",
            "/u?to=http://b",
            true,
        ),
        (r#"{"host":"a.org"}"#, "http", "a.org:80", "/", true),
    ];
    for (json, scheme, host, path, expected) in cases {
        let (key, entry) = stored(scheme, host, path);
        let hits = order(json).expect(json).hits(&key, &entry);
        assert_eq!(hits, expected, "{json} {key}");
    }
}
