//! What is never stored, whatever else is said.

use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;

use crate::cache::policy::{Response, storable};
use crate::cache::testing::{get, headers, now, rule, secs, settings};
use crate::cache::{Rule, Settings, Stale, StatusRule};

type Field = (&'static str, &'static str);

/// Fields that speak for storing, or make nothing of it.
fn harmless() -> impl Strategy<Value = Vec<Field>> {
    let field = prop::sample::select(vec![
        ("cache-control", "max-age=60"),
        ("cache-control", "s-maxage=60"),
        ("cache-control", "public"),
        ("cache-control", "no-cache"),
        ("cache-control", "must-revalidate, stale-if-error=60"),
        ("cache-control", "immutable, x=\"y, z\""),
        ("expires", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("last-modified", "Sat, 05 Nov 1994 08:49:37 GMT"),
        ("etag", "\"1\""),
        ("vary", "accept-encoding"),
        ("surrogate-control", "not a dictionary"),
    ]);
    prop::collection::vec(field, 0..6)
}

/// What forbids storing, in whatever way it is written.
fn forbidding() -> impl Strategy<Value = Field> {
    prop::sample::select(vec![
        ("cache-control", "no-store"),
        ("cache-control", "NO-STORE=\"x\""),
        ("cache-control", "max-age=60 , no-store"),
        ("cache-control", "private"),
        ("cache-control", "max-age=60,Private=\"set-cookie\""),
        ("cache-control", "private, public"),
        ("cache-control", "x=\"torn, no-store"),
        ("set-cookie", "a=b"),
        ("set-cookie", ""),
        ("vary", "*"),
        ("vestibule-cache-control", "no-store, max-age=60"),
        ("vestibule-cache-control", "max-age=60, private=\"x-a\""),
    ])
}

fn generous() -> (Settings, Rule) {
    let settings = Settings {
        default_ttl: secs(10),
        heuristic: Some(1.0),
        stale: Stale::default(),
        status_ttl: (1..=5).map(|d| (StatusRule::Class(d), secs(5))).collect(),
        ..settings()
    };
    let rule = Rule {
        ttl: Some(secs(20)),
        ..rule()
    };
    (settings, rule)
}

fn judge(status: u16, request: &[Field], fields: &[Field]) -> bool {
    let (settings, rule) = generous();
    let (request, headers) = (headers(request), headers(fields));
    let response = Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &headers,
        framed: true,
        any_coding: false,
    };
    let delay = Duration::ZERO;
    storable(&get(&request), &response, &settings, &rule, now(), delay).is_ok()
}

proptest! {
    #[test]
    fn nothing_forbidden_is_stored(
        status in prop::sample::select(vec![200, 204, 301, 302, 404, 500, 503, 599]),
        mut fields in harmless(),
        forbidden in forbidding(),
        at in any::<prop::sample::Index>(),
    ) {
        fields.insert(at.index(fields.len() + 1), forbidden);
        prop_assert!(!judge(status, &[], &fields), "{} {:?}", status, fields);
    }

    #[test]
    fn nothing_of_one_user_is_stored_unless_it_is_for_all(
        status in prop::sample::select(vec![200, 301, 404, 500]),
        fields in harmless(),
        request in prop::sample::select(vec![
            ("cookie", "a=b"),
            ("authorization", "Basic x"),
        ]),
    ) {
        if judge(status, &[request], &fields) {
            let shared = ["public", "s-maxage=60", "must-revalidate, stale-if-error=60"];
            let shared = match request.0 {
                "cookie" => &shared[..2],
                _ => &shared[..],
            };
            let said = fields.iter().any(|(_, value)| shared.contains(value));
            prop_assert!(said, "{:?} {:?}", request, fields);
        }
    }
}
