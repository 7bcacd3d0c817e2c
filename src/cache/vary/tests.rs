use http::header::{ACCEPT_LANGUAGE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{FIELDS_MAX, Settings, covers, judge, lacking, matches, select};
use crate::reason::Reason;

fn lines(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        headers.append(name, value);
    }
    headers
}

/// Whether a response that varies by `name`, fetched with the first lines, answers a request with
/// the second.
fn agree(name: &'static str, stored: &[&str], asked: &[&str]) -> bool {
    let settings = Settings {
        deny: Vec::new(),
        ..Settings::default()
    };
    let selecting = select(
        &lines("vary", &[name]),
        &lines(name, stored),
        &[],
        &settings,
    )
    .expect("nothing is denied");
    assert!(
        matches(&selecting, &lines(name, stored)),
        "{name} {stored:?}"
    );
    matches(&selecting, &lines(name, asked))
}

/// RFC 9111 §4.1.
#[test]
fn members() {
    let many: Vec<String> = (0..=FIELDS_MAX).map(|i| format!("x-{i}")).collect();
    let (many, few) = (many.join(","), many[1..].join(","));
    let cases: &[(&str, &[&str], Result<(), Reason>)] = &[
        ("absent", &[], Ok(())),
        ("empty", &["", " ,, "], Ok(())),
        ("the coding", &["Accept-Encoding"], Ok(())),
        ("language", &["Accept-Language"], Ok(())),
        ("two lines", &["accept-encoding", "accept"], Ok(())),
        ("unknown", &["x-anything"], Ok(())),
        ("as many as allowed", &[&few], Ok(())),
        ("too many", &[&many], Err(Reason::Vary)),
        ("too many of one", &["a,A,a"; 9], Ok(())),
        ("not a name", &["accept-encoding; q=1"], Err(Reason::Vary)),
        ("written here", &["X-Forwarded-For"], Err(Reason::Vary)),
        ("the correlation id", &["X-Request-Id"], Err(Reason::Vary)),
        ("cookie", &["Cookie"], Err(Reason::VaryDenied)),
        ("agent", &["accept, USER-AGENT"], Err(Reason::VaryDenied)),
        ("denied wins", &["x y, cookie"], Err(Reason::VaryDenied)),
        ("star", &["*"], Err(Reason::VaryStar)),
        (
            "star in a list",
            &["accept-encoding, *"],
            Err(Reason::VaryStar),
        ),
        (
            "star behind another",
            &["cookie", " * "],
            Err(Reason::VaryStar),
        ),
    ];
    for (case, values, expected) in cases {
        let head = lines("vary", values);
        assert_eq!(judge(&head, &Settings::default()), *expected, "{case}");
        let selected = select(&head, &HeaderMap::new(), &[], &Settings::default());
        assert_eq!(selected.map(|_| ()), *expected, "{case}");
    }
}

/// RFC 9111 §4.1: "adding or removing whitespace, where allowed", "combining multiple header field
/// lines", and nothing else.
#[test]
fn comparison_of_lists() {
    let cases: &[(&str, &[&str], &[&str], bool)] = &[
        ("both absent", &[], &[], true),
        ("absent there", &[], &["a"], false),
        ("absent here", &["a"], &[], false),
        ("absent is not empty", &[], &[""], false),
        ("empty", &[""], &[""], true),
        ("equal", &["a"], &["a"], true),
        ("other", &["a"], &["b"], false),
        ("case", &["a"], &["A"], false),
        ("space around", &["a"], &["  a\t"], true),
        ("space around commas", &["a,b"], &["a ,\t b"], true),
        ("two lines are one", &["a, b"], &["a", "b"], true),
        ("order", &["a,b"], &["b,a"], false),
        ("order of lines", &["a", "b"], &["b", "a"], false),
        ("space inside", &["a b"], &["ab"], false),
        ("one member more", &["a"], &["a,a"], false),
        ("empty member", &["a,b"], &["a,,b"], false),
        ("space in quotes", &["x=\"a, b\""], &["x=\"a,b\""], false),
        ("space in open quotes", &["\"a, b"], &["\"a,b"], false),
        ("escaped quote", &["\"\\\", b\""], &["\"\\\",b\""], false),
        ("space behind quotes", &["\"a\" , b"], &["\"a\",b"], true),
    ];
    for (case, stored, asked, expected) in cases {
        assert_eq!(agree("x-list", stored, asked), *expected, "{case}");
        assert_eq!(agree("x-list", asked, stored), *expected, "{case}, turned");
    }
}

#[test]
fn comparison_of_languages() {
    let cases: &[(&str, &[&str], &[&str], bool)] = &[
        (
            "case and spaces",
            &["en-US, de;q=0.50"],
            &["EN-us,de; q=0.5"],
            true,
        ),
        ("two lines", &["en,de"], &["en", "de"], true),
        ("order by weight", &["de;q=0.5,en"], &["en,de;q=0.5"], true),
        ("order of equals", &["de,en"], &["en,de"], false),
        ("weight", &["en;q=0.5"], &["en;q=0.4"], false),
        ("absent", &[], &["en"], false),
        ("absent is not empty", &[], &[""], false),
        ("unreadable, as a list", &["en us,de"], &["en us, de"], true),
        ("unreadable, case counts", &["en us"], &["EN us"], false),
    ];
    for (case, stored, asked, expected) in cases {
        assert_eq!(agree("accept-language", stored, asked), *expected, "{case}");
        assert_eq!(
            agree("accept-language", asked, stored),
            *expected,
            "{case}, turned"
        );
    }
    let plain = Settings {
        languages: false,
        ..Settings::default()
    };
    let (vary, stored) = (
        lines("vary", &["accept-language"]),
        lines("accept-language", &["en"]),
    );
    let selecting = select(&vary, &stored, &[], &plain).expect("allowed");
    assert!(
        !matches(&selecting, &lines("accept-language", &["EN"])),
        "not normalised"
    );
}

/// Bodies are stored without a coding, so that by its meaning the field makes no difference.
#[test]
fn comparison_of_codings() {
    let (vary, gzip) = (
        lines("vary", &["Accept-Encoding"]),
        lines("accept-encoding", &["gzip"]),
    );
    for codings in [true, false] {
        let settings = Settings {
            codings,
            ..Settings::default()
        };
        let selecting = select(&vary, &gzip, &[], &settings).expect("allowed");
        assert!(matches(&selecting, &gzip));
        let other = lines("accept-encoding", &["br"]);
        assert_eq!(matches(&selecting, &other), codings);
    }
}

/// In these a comma and the space behind it are part of one value.
#[test]
fn comparison_of_single_values() {
    for name in ["cookie", "user-agent", "authorization", "referer", "from"] {
        assert!(agree(name, &["a; b, c"], &[" a; b, c "]), "{name}");
        assert!(!agree(name, &["a, b"], &["a,b"]), "{name}");
        assert!(!agree(name, &["a, b"], &["a", "b"]), "{name}");
        assert!(!agree(name, &["a"], &["A"]), "{name}");
        assert!(!agree(name, &[], &["a"]), "{name}");
    }
}

#[test]
fn an_answer_without_vary_is_taken_to_vary_like_its_siblings() {
    let siblings = [ACCEPT_LANGUAGE];
    let settings = Settings::default();
    let german = lines("accept-language", &["de"]);
    let names = |vary: &[&str]| -> Vec<HeaderName> {
        let head = lines("vary", vary);
        let selected = select(&head, &german, &siblings, &settings).expect("allowed");
        selected.iter().map(|field| field.name.clone()).collect()
    };
    assert_eq!(names(&[]), siblings);
    assert!(
        names(&["accept-encoding"]).is_empty(),
        "it has a Vary of its own"
    );
    assert_eq!(names(&["origin"]), ["origin"]);
}

/// RFC 9110 §7.6.1: what `Connection` names does not reach the app, so it chose nothing.
#[test]
fn a_field_of_this_hop_counts_as_absent() {
    let vary = lines("vary", &["accept-language"]);
    let settings = Settings::default();
    let mut hop = lines("accept-language", &["de"]);
    hop.insert(
        "connection",
        HeaderValue::from_static("close, Accept-LANGUAGE"),
    );
    let selecting = select(&vary, &hop, &[], &settings).expect("allowed");
    assert!(matches(&selecting, &hop));
    assert!(
        matches(&selecting, &HeaderMap::new()),
        "it is the default answer"
    );
    assert!(!matches(&selecting, &lines("accept-language", &["de"])));
}

#[test]
fn secrets_do_not_show() {
    let settings = Settings {
        deny: vec![USER_AGENT],
        ..Settings::default()
    };
    let head = lines("vary", &[COOKIE.as_str()]);
    let selected = select(&head, &lines("cookie", &["id=secret"]), &[], &settings);
    let text = format!("{selected:?}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_a_rule_adds_to_vary() {
    let names = [ACCEPT_LANGUAGE, HeaderName::from_static("x-kind")];
    let cases: &[(&[&str], Option<&str>)] = &[
        (&[], Some("accept-language, x-kind")),
        (&["Cookie"], Some("accept-language, x-kind")),
        (&["X-KIND, Accept"], Some("accept-language")),
        (&["X-Kind", "accept-language"], None),
        (&["*"], None),
    ];
    for (said, expected) in cases {
        let found = lacking(&lines("vary", said), &names);
        assert_eq!(
            found.as_ref().map(|v| v.as_bytes()),
            expected.map(str::as_bytes),
            "{said:?}"
        );
    }
    assert_eq!(lacking(&lines("vary", &[]), &[]), None);
}

#[test]
fn what_was_chosen_by_a_field() {
    let chosen = select(
        &lines("vary", &["a, b"]),
        &lines("a", &["1"]),
        &[],
        &Settings::default(),
    );
    let chosen = chosen.expect("allowed");
    let name = HeaderName::from_static;
    assert!(covers(&chosen, &[]) && covers(&chosen, &[name("b"), name("a")]));
    assert!(!covers(&chosen, &[name("a"), name("c")]) && !covers(&[], &[name("a")]));
}
