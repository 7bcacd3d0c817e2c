//! Which statuses are stored, and for how long by rule (RFC 9111 §3, §4.2.2).

use super::*;
use crate::cache::StatusRule;
use crate::cache::policy::{is_heuristically_cacheable, is_known, is_understood};
use crate::cache::testing::{rule, secs, settings};

/// RFC 9111 §3; RFC 9110 §15.1; RFC 6585 §3 to §6.
#[test]
fn statuses() {
    let guessing = Settings {
        heuristic: Some(0.1),
        ..settings()
    };
    let default = Settings {
        default_ttl: secs(10),
        ..settings()
    };
    // With an explicit lifetime; by heuristic; by default_ttl.
    let cases = [
        (200, true, true, true),
        (201, true, false, false),
        (203, true, true, true),
        (204, true, true, false),
        (299, true, false, false),
        (300, true, true, false),
        (301, true, true, true),
        (302, true, false, false),
        (303, true, false, false),
        (307, true, false, false),
        (308, true, true, true),
        (400, true, false, false),
        (401, true, false, false),
        (403, true, false, false),
        (404, true, true, true),
        (405, true, true, false),
        (410, true, true, true),
        (414, true, true, false),
        (428, false, false, false),
        (429, false, false, false),
        (431, false, false, false),
        (451, true, true, false),
        (499, true, false, false),
        (500, true, false, false),
        (501, true, true, false),
        (502, true, false, false),
        (503, true, false, false),
        (504, true, false, false),
        (511, false, false, false),
        (599, true, false, false),
        (103, false, false, false),
        (304, false, false, false),
        (600, false, false, false),
    ];
    for (status, explicit, guessed, by_default) in cases {
        let ok = |settings: &Settings, fields| left(settings, &rule(), &[], status, fields);
        assert_eq!(ok(&settings(), &[MINUTE]).is_ok(), explicit, "{status}");
        assert_eq!(ok(&guessing, &[MODIFIED]).is_ok(), guessed, "{status}");
        assert_eq!(ok(&default, &[]).is_ok(), by_default, "{status}");
        // §4.2.2: `public` makes any of them heuristically cacheable.
        let public: Fields = &[MODIFIED, ("cache-control", "public")];
        assert_eq!(ok(&guessing, public).is_ok(), explicit, "{status}");
        let code = StatusCode::from_u16(status).expect("a status");
        assert_eq!(is_understood(code), explicit, "{status}");
        assert_eq!(is_heuristically_cacheable(code), guessed, "{status}");
        assert!(explicit || !is_known(code), "{status}");
    }
}

#[test]
fn a_204_needs_no_framing() {
    let headers = headers(&[MINUTE]);
    for (status, expected) in [(204, None), (200, Some(Reason::Unframed))] {
        let response = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &headers,
            framed: false,
            any_coding: false,
        };
        let none = http::HeaderMap::new();
        let (settings, rule) = (settings(), rule());
        let verdict = storable(&get(&none), &response, &settings, &rule, now(), secs(0));
        assert_eq!(verdict.err(), expected);
    }
}

/// The more a rule knows of a response, the earlier it counts.
#[test]
fn lifetimes_by_rule() {
    let all = Settings {
        default_ttl: secs(10),
        heuristic: Some(0.1),
        status_ttl: vec![
            (StatusRule::Class(5), secs(1)),
            (StatusRule::Code(StatusCode::NOT_FOUND), secs(2)),
            (StatusRule::Code(StatusCode::GONE), secs(0)),
        ],
        ..settings()
    };
    let route = Rule {
        ttl: Some(secs(20)),
        ..rule()
    };
    let none = rule();
    let no = Err(Reason::NoFreshness);
    type Case<'a> = (&'a str, &'a Rule, u16, Fields, Result<u64, Reason>);
    let cases: &[Case<'_>] = &[
        ("default", &none, 200, &[], Ok(10)),
        (
            "heuristic before default",
            &none,
            200,
            &[MODIFIED],
            Ok(8640),
        ),
        ("route before heuristic", &route, 200, &[MODIFIED], Ok(20)),
        ("status before route", &route, 404, &[MODIFIED], Ok(2)),
        ("class", &none, 503, &[], Ok(1)),
        ("zero for a status", &route, 410, &[MODIFIED], no),
        ("route, for pages only", &route, 302, &[], no),
        ("explicit before status", &none, 503, &[MINUTE], Ok(60)),
        (
            "explicit zero before status",
            &none,
            503,
            &[("cache-control", "max-age=0")],
            Err(Reason::AlreadyStale),
        ),
        (
            "no-store before status",
            &none,
            503,
            &[("cache-control", "no-store")],
            Err(Reason::NoStore),
        ),
    ];
    for (case, rule, status, fields, expected) in cases {
        assert_eq!(left(&all, rule, &[], *status, fields), *expected, "{case}");
        let by_rule = judge(&all, rule, &[], *status, fields).map(|fresh| fresh.by_rule);
        assert_eq!(by_rule, expected.map(|ttl| ttl != 60), "{case}");
    }
}
