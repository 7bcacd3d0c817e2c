//! What patterns take and what they do not.

use super::*;

fn captured(pattern: &str, path: &str) -> Option<Vec<String>> {
    let pattern = PathPattern::parse(pattern).unwrap();
    let captures = pattern.captures(&Subject::raw(path))?;
    Some(captures.values.iter().map(ToString::to_string).collect())
}

#[test]
fn paths() {
    let cases: [(&str, &str, Option<&[&str]>); 30] = [
        ("/", "/", Some(&[])),
        ("/", "/a", None),
        ("/a", "/a", Some(&[])),
        ("/a", "/A", None),
        ("/a", "/a/", None),
        ("/a/", "/a/", Some(&[])),
        ("/a", "/ab", None),
        ("/a/*", "/a/b", Some(&[])),
        ("/a/*", "/a/", None),
        ("/a/*", "/a", None),
        ("/a/*", "/a/b/c", None),
        ("/a/**", "/a", Some(&[])),
        ("/a/**", "/a/", Some(&[])),
        ("/a/**", "/a/b/c/d", Some(&[])),
        ("/a/**", "/ab", None),
        ("/**", "/", Some(&[])),
        ("/**", "/x/y", Some(&[])),
        ("/**", "*", None),
        ("/**/c", "/a/b/c", Some(&[])),
        ("/**/c", "/c", Some(&[])),
        ("/**/c", "/a/c/b", None),
        ("/a/**/c", "/a/c/b/c", Some(&[])),
        ("/**/private/**", "/a/b/private/c", Some(&[])),
        ("/**/private/**", "/a/b/public/c", None),
        ("/articles/{id}", "/articles/7", Some(&["7"])),
        ("/articles/{id}", "/articles/", None),
        ("/articles/{id}", "/articles/7/x", None),
        ("/{a}/x/{b}", "/1/x/2", Some(&["1", "2"])),
        ("/**/{a}/x", "/1/2/x/3/x", Some(&["3"])),
        ("/a%20b", "/a%20b", Some(&[])),
    ];
    for (pattern, path, expected) in cases {
        let expected = expected.map(|e| e.iter().map(ToString::to_string).collect());
        assert_eq!(captured(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn bad_patterns() {
    for (pattern, expected) in [
        ("", "must begin with `/`"),
        ("a/b", "must begin with `/`"),
        ("/a?b=1", "only the path is matched"),
        ("/*.js", "whole segments"),
        ("/{id}.json", "whole segments"),
        ("/***", "whole segments"),
        ("/{}", "must name its capture"),
        ("/{a}/{a}", "twice"),
        ("/é", "percent-encode"),
        ("/a b", "percent-encode"),
    ] {
        let message = PathPattern::parse(pattern).unwrap_err();
        assert!(message.contains(expected), "{pattern}: {message}");
    }
}

#[test]
fn many_wildcards_take_no_more_than_path_times_pattern() {
    let pattern = "/**/a".repeat(40) + "/b";
    let path = "/a".repeat(20_000);
    let begun = std::time::Instant::now();
    assert_eq!(captured(&pattern, &path), None);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn hosts() {
    for (pattern, host, expected) in [
        ("example.org", "example.org", true),
        ("example.org", "EXAMPLE.org:8080", true),
        ("Example.org", "example.org.", true),
        ("example.org", "www.example.org", false),
        ("*.example.org", "www.example.org", true),
        ("*.example.org", "a.b.Example.ORG:443", true),
        ("*.example.org", "example.org", false),
        ("*.example.org", ".example.org", false),
        ("*.example.org", "wwwexample.org", false),
        ("*.example.org", "éxample.org", false),
        ("[::1]", "[::1]:8080", true),
        ("[::1]", "[::1]", true),
        ("127.0.0.1", "127.0.0.1:80", true),
    ] {
        let matches = HostPattern::parse(pattern).unwrap().matches(host);
        assert_eq!(matches, expected, "{pattern} on {host}");
    }
    for pattern in [
        "",
        "*",
        "*.",
        "a b",
        "example.org:80",
        "*.*.org",
        "http://a",
    ] {
        assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn get_includes_head() {
    let matcher = Matcher {
        methods: vec![Method::GET],
        ..Matcher::default()
    };
    for (method, expected) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::POST, false),
    ] {
        let captures = matcher.captures(&method, "h", &Subject::raw("/"));
        assert_eq!(captures.is_some(), expected, "{method}");
    }
}

#[test]
fn tags() {
    let pattern = PathPattern::parse("/{kind}/{id}").unwrap();
    let captures = pattern.captures(&Subject::raw("/articles/7")).unwrap();
    for (template, expected) in [
        ("static", Ok("static")),
        ("{kind}:{id}", Ok("articles:7")),
        ("x{id}y", Ok("x7y")),
        ("", Err("must not be empty")),
        ("a b", Err("without spaces")),
        ("{nope}", Err("captures only {kind}, {id}")),
        ("{id", Err("without its `}`")),
    ] {
        match (TagTemplate::parse(template, Some(&pattern)), expected) {
            (Ok(tag), Ok(want)) => assert_eq!(tag.expand(&captures), want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{template}: {got}"),
            (got, want) => panic!("{template}: {got:?}, not {want:?}"),
        }
    }
    assert!(
        TagTemplate::parse("{id}", None)
            .unwrap_err()
            .contains("captures nothing")
    );
}

#[test]
fn cleaning() {
    for (path, expected) in [
        ("/a/b", None),
        ("/%61/b", Some("/a/b")),
        ("//a", Some("/a")),
        ("/a/../b", Some("/b")),
        ("/../../b", Some("/b")),
        ("/a/.", Some("/a/")),
        ("/a%2fb", Some("/a/b")),
        ("/a;v=1/b", Some("/a/b")),
        ("/a\\b", Some("/a/b")),
        ("/a//", Some("/a/")),
        ("/%zz", Some("/%zz")),
        ("/..", Some("/")),
        ("/.well-known/x", Some("/.well-known/x")),
    ] {
        let cleaned = clean(path).map(|c| String::from_utf8(c).unwrap());
        assert_eq!(cleaned.as_deref(), expected, "{path}");
    }
}
