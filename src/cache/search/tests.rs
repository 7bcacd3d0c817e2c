use proptest::prelude::*;

use super::Variance;
use crate::cache::testing::headers;

fn variance(field: &str) -> Option<Variance> {
    Variance::of(&headers(&[("no-vary-search", field)]))
}

#[test]
fn what_the_field_says() {
    // The field, two queries, and whether they have the same answer.
    let cases: &[(&str, &str, &str, bool)] = &[
        ("params", "a=1", "b=2", true),
        ("params=?1", "a=1&b=2", "", true),
        ("params=?0, key-order", "a=1", "a=2", false),
        ("params=(\"x\")", "a=1&x=1", "x=2&a=1", true),
        ("params=(\"x\")", "a=1", "a=2", false),
        ("params=(\"x\")", "a=1&b=1", "b=1&a=1", false),
        ("params=(\"x\" \"y\")", "x=1&y=2&a=1", "a=1", true),
        ("params=(\"x y\")", "x+y=1&a=1", "x%20y=2&a=1", true),
        ("params=(\"x\")", "%78=1&a=1", "a=1", true),
        ("params=(\"x\")", "X=1&a=1", "a=1", false),
        ("params=(\"x=y\")", "x=y", "x=z", false),
        ("key-order", "a=1&b=1", "b=1&a=1", true),
        ("key-order", "a=1&a=2", "a=2&a=1", false),
        ("key-order, params=(\"x\")", "b=1&x&a=1", "a=1&b=1", true),
        ("params, except=(\"id\")", "id=1&x=2", "y=3&id=1", true),
        ("params, except=(\"id\")", "id=1", "id=2", false),
        ("params=(\"x\")", "x=1;id=2", "x=1;id=3", false),
        ("params=(\"x\")", "a=1&&x", "a=1", true),
    ];
    for (field, one, other, same) in cases {
        let variance = variance(field).unwrap_or_else(|| panic!("{field} is understood"));
        let (one, other) = (
            variance.normalise(Some(one)),
            variance.normalise(Some(other)),
        );
        assert_eq!(one == other, *same, "{field}: {one:?} and {other:?}");
    }
}

#[test]
fn what_says_nothing() {
    let cases = [
        "",
        "params=?0",
        "key-order=?0",
        "params=()",
        "params=\"x\"",
        "params=(x)",
        "params=(\"x\" 1)",
        "key-order=1",
        "except=(\"x\")",
        "params=(\"y\"), except=(\"x\")",
        "params=?0, except=(\"x\")",
        "params, except=\"x\"",
        "params, unknown",
        "params, (",
    ];
    for field in cases {
        assert_eq!(variance(field), None, "{field}");
    }
    assert_eq!(Variance::of(&headers(&[])), None);
}

proptest! {
    /// What is left of a query has the same answer as the query.
    #[test]
    fn normalisation_is_idempotent(query in "[a-c=&%+;0-9]{0,40}", order: bool, all: bool) {
        let field = match (order, all) {
            (true, true) => "key-order, params, except=(\"a\")",
            (true, false) => "key-order, params=(\"a\" \"bc\")",
            (false, true) => "params, except=(\"b\")",
            (false, false) => "params=(\"c\")",
        };
        let variance = variance(field).expect("understood");
        let once = variance.normalise(Some(&query));
        prop_assert_eq!(variance.normalise(Some(&once)), once);
    }
}
