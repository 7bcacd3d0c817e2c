use http::{HeaderMap, HeaderValue};

use super::{Bare, Item, Malformed, Member, Parameters, dictionary, item, list};

mod properties;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header value");
        headers.append("x", value);
    }
    headers
}

fn bare(text: &str) -> Result<Bare, Malformed> {
    item(&headers(&[text]), "x").map(|item| item.value)
}

fn plain(value: Bare) -> Item {
    Item {
        value,
        parameters: Parameters::default(),
    }
}

/// RFC 9651 §3.3.
#[test]
fn values() {
    let string = |s: &str| Bare::String(s.into());
    let token = |s: &str| Bare::Token(s.into());
    let display = |s: &str| Bare::Display(s.into());
    let cases: &[(&str, Bare)] = &[
        ("0", Bare::Integer(0)),
        ("-0", Bare::Integer(0)),
        ("  42  ", Bare::Integer(42)),
        ("-0042", Bare::Integer(-42)),
        ("999999999999999", Bare::Integer(999_999_999_999_999)),
        ("-999999999999999", Bare::Integer(-999_999_999_999_999)),
        ("1.5", Bare::Decimal(1500)),
        ("-1.05", Bare::Decimal(-1050)),
        ("0.001", Bare::Decimal(1)),
        ("999999999999.999", Bare::Decimal(999_999_999_999_999)),
        ("\"\"", string("")),
        (r#""a \"b\" \\ c""#, string(r#"a "b" \ c"#)),
        ("abc", token("abc")),
        ("*a/b:c", token("*a/b:c")),
        ("A!#$%&'*+-.^_`|~1", token("A!#$%&'*+-.^_`|~1")),
        ("::", Bare::Bytes(vec![])),
        (":aGVsbG8=:", Bare::Bytes(b"hello".to_vec())),
        (":aGVsbG8:", Bare::Bytes(b"hello".to_vec())),
        (":aGk=:", Bare::Bytes(b"hi".to_vec())),
        (":aA==:", Bare::Bytes(b"h".to_vec())),
        (":/+Ah:", Bare::Bytes(vec![0xff, 0xe0, 0x21])),
        ("?1", Bare::Boolean(true)),
        ("?0", Bare::Boolean(false)),
        ("@1659578233", Bare::Date(1_659_578_233)),
        ("@-1", Bare::Date(-1)),
        ("%\"a b\"", display("a b")),
        ("%\"f%c3%bc%22\"", display("fü\"")),
    ];
    for (text, expected) in cases {
        assert_eq!(bare(text).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn malformed_values() {
    let cases = [
        "",
        " ",
        "-",
        "+1",
        "1000000000000000",
        "1.",
        ".5",
        "1.2345",
        "1000000000000.1",
        "1.2.3",
        "--1",
        "- 1",
        "\"a",
        "\"a\\\"",
        "\"a\\b\"",
        "\"\u{e9}\"",
        "\"tab\t\"",
        "\u{e9}",
        ":a:",
        ":aGk:=",
        ":aGVsbG8===:",
        ":a=Gk:",
        ":a b:",
        ":aGk",
        "?",
        "?2",
        "?true",
        "@",
        "@1.5",
        "@ 1",
        "%\"",
        "%a",
        "%\"%C3%BC\"",
        "%\"%c3\"",
        "%\"%c\"",
        "%\"\u{fc}\"",
        "1 2",
        "1,2",
        "a b",
        "a;",
        "a;A",
        "a;b=",
        "a;b =1",
        "a ;b",
        "(a b)",
        "'a'",
    ];
    for text in cases {
        assert_eq!(bare(text), Err(Malformed), "{text}");
    }
}

/// §3.1.2: the last of several values counts, at the place of the first.
#[test]
fn parameters() {
    let read = item(&headers(&["text;a;  b=1;a=?0;c=\"x\""]), "x").expect("an item");
    let pairs: Vec<_> = read.parameters.iter().collect();
    let (no, one, x) = (
        Bare::Boolean(false),
        Bare::Integer(1),
        Bare::String("x".into()),
    );
    assert_eq!(pairs, [("a", &no), ("b", &one), ("c", &x)]);
}

/// §3.2.
#[test]
fn dictionaries() {
    let read = |lines: &[&str]| dictionary(&headers(lines), "x");
    let members = read(&[
        "a=1, b, c=?0;x=y ,\t*d_-.9=(1 \"two\";q  three);p",
        "a=tok;z",
    ]);
    let members = members.expect("a dictionary");
    let names: Vec<_> = members.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c", "*d_-.9"]);
    let value = |name| members.get(name).and_then(Member::value);
    assert_eq!(value("a"), Some(&Bare::Token("tok".into())));
    assert_eq!(value("b"), Some(&Bare::Boolean(true)));
    assert_eq!(value("c"), Some(&Bare::Boolean(false)));
    assert_eq!(value("e"), None);
    let Some(Member::Inner(items, parameters)) = members.get("*d_-.9") else {
        panic!("no inner list: {members:?}");
    };
    assert_eq!(items.len(), 3);
    assert_eq!(items[0], plain(Bare::Integer(1)));
    assert_eq!(items[1].parameters.get("q"), Some(&Bare::Boolean(true)));
    assert_eq!(parameters.get("p"), Some(&Bare::Boolean(true)));

    assert_eq!(read(&[]).map(|d| d.is_empty()), Ok(true));
    assert_eq!(read(&["  "]).map(|d| d.is_empty()), Ok(true));
    assert!(
        read(&["a=()"]).is_ok() && read(&["a=\"1", "2\""]).is_ok(),
        "lines are joined"
    );
    for text in [
        "a=1,",
        "a=1,,b",
        ",a",
        "A=1",
        "1=a",
        "a =1",
        "a= 1",
        "a=",
        "a=(1",
        "a=(1,2)",
        "a=(1\"b\")",
        "a b",
        "a;b=(1)",
        "a=((1))",
        "max-age: 1",
        "a=1 x",
    ] {
        assert_eq!(read(&[text]), Err(Malformed), "{text}");
    }
    assert_eq!(read(&["a=1", ""]), Err(Malformed), "a comma at the end");
}

/// §3.1.
#[test]
fn lists() {
    let read = |lines: &[&str]| list(&headers(lines), "x");
    let text = |s: &str| Member::Item(plain(Bare::String(s.into())));
    assert_eq!(read(&[]), Ok(vec![]));
    assert_eq!(
        read(&["\"a\", \"b\"", "\"a\""]),
        Ok(vec![text("a"), text("b"), text("a")])
    );
    assert_eq!(
        read(&["( )"]),
        Ok(vec![Member::Inner(vec![], Parameters::default())])
    );
    for text in ["\"a\",", "\"a\" \"b\"", ",", "\"a\";", "a=1"] {
        assert_eq!(read(&[text]), Err(Malformed), "{text}");
    }
}

/// §3.1 and §3.2 ask for at least 1024 members, 256 items and 256 parameters.
#[test]
fn bounds() {
    let keys = |n: usize| (0..n).map(|i| format!("k{i}")).collect::<Vec<_>>();
    let dictionary_of = |n| dictionary(&headers(&[&keys(n).join(",")]), "x");
    let list_of = |n| list(&headers(&[&keys(n).join(",")]), "x");
    let inner_of = |n| list(&headers(&[&format!("({})", keys(n).join(" "))]), "x");
    let item_of = |n| item(&headers(&[&format!("a;{}", keys(n).join(";"))]), "x");
    assert!(dictionary_of(1024).is_ok() && dictionary_of(1025).is_err());
    assert!(list_of(1024).is_ok() && list_of(1025).is_err());
    assert!(inner_of(256).is_ok() && inner_of(257).is_err());
    assert!(item_of(256).is_ok() && item_of(257).is_err());
    let again = ["a"; 5000].join(",");
    assert!(
        dictionary(&headers(&[&again]), "x").is_ok(),
        "one name is one member"
    );
}
