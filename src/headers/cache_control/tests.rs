use super::{CacheControl, Delta, FieldNames, SECONDS_MAX, pragma_no_cache};
use http::{HeaderMap, HeaderName, HeaderValue};

mod targeted;

fn read(lines: &[&str]) -> CacheControl {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header value");
        headers.append("cache-control", value);
    }
    CacheControl::from_headers(&headers)
}

#[test]
fn max_age() {
    use Delta::{Absent, Invalid, Seconds};
    let cases: &[(&str, &[&str], Delta)] = &[
        ("plain", &["max-age=60"], Seconds(60)),
        ("upper case", &["MAX-AGE=60"], Seconds(60)),
        (
            "among others",
            &["public , max-age=60,foo=bar"],
            Seconds(60),
        ),
        ("empty members", &[",, max-age=60 ,,"], Seconds(60)),
        ("leading zero", &["max-age=0060"], Seconds(60)),
        ("quoted", &["max-age=\"60\""], Seconds(60)),
        ("second line", &["public", "max-age=60"], Seconds(60)),
        ("same twice", &["max-age=60, max-age=60"], Seconds(60)),
        ("two that disagree", &["max-age=60, max-age=1"], Invalid),
        (
            "two lines that disagree",
            &["max-age=1", "max-age=60"],
            Invalid,
        ),
        ("valid after invalid", &["max-age=x, max-age=60"], Invalid),
        ("invalid after valid", &["max-age=60, max-age"], Invalid),
        ("2^31", &["max-age=2147483648"], Seconds(SECONDS_MAX)),
        ("above 2^31", &["max-age=2147483649"], Seconds(SECONDS_MAX)),
        (
            "above u64",
            &["max-age=99999999999999999999999"],
            Seconds(SECONDS_MAX),
        ),
        ("negative", &["max-age=-1"], Invalid),
        ("signed", &["max-age=+1"], Invalid),
        ("fraction", &["max-age=60.5"], Invalid),
        ("single quotes", &["max-age='60'"], Invalid),
        ("words", &["max-age=60 seconds"], Invalid),
        ("no argument", &["max-age"], Invalid),
        ("empty argument", &["max-age="], Invalid),
        ("empty quoted", &["max-age=\"\""], Invalid),
        ("space after =", &["max-age= 60"], Invalid),
        ("inside another's string", &["x=\"max-age=60\""], Absent),
        ("inside with comma", &["x=\"a, max-age=60, b\""], Absent),
        (
            "behind an escaped quote",
            &["x=\"a\\\", max-age=60\""],
            Absent,
        ),
        ("other name with it as ending", &["x-max-age=60"], Absent),
        ("s-max-age is not s-maxage", &["s-max-age=60"], Absent),
        ("none", &[], Absent),
    ];
    for (case, lines, expected) in cases {
        assert_eq!(read(lines).max_age, *expected, "{case}");
    }
}

#[test]
fn malformed() {
    let cases: &[(&str, &str, bool)] = &[
        ("fine", "max-age=60, public, x=\"y\"", false),
        ("escaped quote inside", "x=\"a\\\"b\"", false),
        ("unknown without value", "foo", false),
        ("empty", "", false),
        (
            "unterminated string may hide no-store",
            "x=\"y, no-store",
            true,
        ),
        ("escape at the end", "x=\"y\\\"", true),
        ("stray quote", "\"no-store\"", true),
        ("bytes after the string", "x=\"y\"z", true),
        ("quote inside a token", "x=y\"z\"", true),
        ("semicolon for comma", "private; max-age=60", true),
        ("semicolon after an argument", "max-age=60; private", true),
        ("colon for equals", "max-age: 60", true),
        ("space before =", "max-age =60", true),
        ("no name", "=60", true),
        ("latin-1", "no-st\u{f6}re", true),
    ];
    for (case, line, expected) in cases {
        assert_eq!(read(&[line]).malformed, *expected, "{case}");
    }
}

#[test]
fn flags_and_field_names() {
    let listed = |names: &[&'static str]| {
        Some(FieldNames::Listed(
            names.iter().map(|n| HeaderName::from_static(n)).collect(),
        ))
    };
    let cases = [
        ("bare", "no-cache", Some(FieldNames::All)),
        ("one", "no-cache=\"set-cookie\"", listed(&["set-cookie"])),
        (
            "two",
            "No-Cache=\"Set-Cookie, X-A\"",
            listed(&["set-cookie", "x-a"]),
        ),
        ("token form", "no-cache=x-a", listed(&["x-a"])),
        (
            "bare wins",
            "no-cache=\"x-a\", no-cache",
            Some(FieldNames::All),
        ),
        (
            "bare wins first",
            "no-cache, no-cache=\"x-a\"",
            Some(FieldNames::All),
        ),
        (
            "joined",
            "no-cache=\"x-a\", no-cache=\"x-b\"",
            listed(&["x-a", "x-b"]),
        ),
        ("empty list", "no-cache=\"\"", Some(FieldNames::All)),
        ("bad name", "no-cache=\"x y\"", Some(FieldNames::All)),
        ("absent", "max-age=1", None),
    ];
    for (case, line, expected) in cases {
        assert_eq!(read(&[line]).no_cache, expected, "{case}");
        let private = line.to_ascii_lowercase().replace("no-cache", "private");
        assert_eq!(read(&[&private]).private, expected, "private: {case}");
    }
    let all = read(&[
        "no-store=\"x\", public, must-revalidate, proxy-revalidate, must-understand",
        "no-transform, immutable, only-if-cached, stale-while-revalidate=7",
        "stale-if-error=8, min-fresh=9, s-maxage=10",
    ]);
    assert!(all.no_store && all.public && all.must_revalidate && all.proxy_revalidate);
    assert!(all.must_understand && all.no_transform && all.immutable && all.only_if_cached);
    assert_eq!(all.stale_while_revalidate, Delta::Seconds(7));
    assert_eq!(all.stale_if_error, Delta::Seconds(8));
    assert_eq!(all.min_fresh, Delta::Seconds(9));
    assert_eq!(all.s_maxage, Delta::Seconds(10));
    assert!(all.present && !all.malformed);
}

/// RFC 9111 §5.2.1.2.
#[test]
fn max_stale() {
    let cases = [
        ("max-stale", Delta::Seconds(SECONDS_MAX)),
        ("max-stale=5", Delta::Seconds(5)),
        ("max-stale=\"5\"", Delta::Seconds(5)),
        ("max-stale=", Delta::Invalid),
        ("max-stale=-1", Delta::Invalid),
        ("max-stale, max-stale=5", Delta::Invalid),
        ("max-age=5", Delta::Absent),
    ];
    for (line, expected) in cases {
        assert_eq!(read(&[line]).max_stale, expected, "{line}");
    }
}

/// RFC 9111 §3.5, §4.2.4.
#[test]
fn who_may_have_it_and_until_when() {
    // For everybody, for those with credentials, never stale.
    let cases = [
        ("max-age=60", [false, false, false]),
        ("public", [true, true, false]),
        ("s-maxage=60", [true, true, true]),
        ("s-maxage=x", [false, false, true]),
        ("must-revalidate", [false, true, true]),
        ("proxy-revalidate", [false, false, true]),
        ("immutable", [false, false, false]),
    ];
    for (line, expected) in cases {
        let read = read(&[line]);
        let found = [
            read.is_for_everybody(),
            read.is_for_authorized(),
            read.forbids_stale(),
        ];
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn pragma() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], bool);
    let cases: &[Case] = &[
        ("absent", &[], false),
        ("alone", &[("pragma", "no-cache")], true),
        ("in a list", &[("pragma", "foo, No-Cache")], true),
        ("other", &[("pragma", "no-cache-please")], false),
        (
            "beside it",
            &[("pragma", "no-cache"), ("cache-control", "max-age=1")],
            false,
        ),
    ];
    for (case, fields, expected) in cases {
        let mut headers = HeaderMap::new();
        for (name, value) in *fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(pragma_no_cache(&headers), *expected, "{case}");
    }
}
