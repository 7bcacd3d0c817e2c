//! All reasons at once are those that one after the other would come up, in the same order.

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;

use crate::cache::policy::{
    Request, Response, fills, fills_with, judge, lookup, lookup_with, storable,
};
use crate::cache::testing::{Fields, get, headers, now, rule, settings};
use crate::cache::{Authorization, RequestCookies, Rule, Safety, Settings};
use crate::reason::Reason;

/// Every reason that is told.
fn all(
    told: impl FnOnce(&mut dyn FnMut(Reason) -> Result<(), Infallible>) -> Result<(), Infallible>,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let Ok(()) = told(&mut |reason| {
        reasons.push(reason);
        Ok(())
    });
    reasons
}

fn of_request(request: &Request<'_>, settings: &Settings, rule: &Rule) -> Vec<Reason> {
    let mut reasons = all(|mut deny| lookup_with(request, settings, rule, &mut deny));
    reasons.extend(all(|mut deny| fills_with(request, &mut deny)));
    reasons
}

fn of_answer(
    request: &Request<'_>,
    answer: &Response<'_>,
    settings: &Settings,
    rule: &Rule,
) -> Vec<Reason> {
    let delay = Duration::ZERO;
    all(|mut deny| judge(request, answer, settings, rule, now(), delay, &mut deny).map(|_| ()))
}

#[test]
fn each_obstacle_of_a_request_is_told() {
    let fields = headers(&[
        ("x-api-key", "k"),
        ("upgrade", "h2c"),
        ("cache-control", "no-store"),
        ("if-match", "\"1\""),
        ("range", "bytes=0-"),
    ]);
    let request = Request {
        method: &Method::POST,
        has_body: true,
        ..get(&fields)
    };
    let off = Rule {
        enabled: false,
        ..rule()
    };
    assert_eq!(
        of_request(&request, &settings(), &off),
        [
            Reason::RouteCacheOff,
            Reason::Method,
            Reason::RequestBody,
            Reason::CredentialHeader,
            Reason::Upgrade,
            Reason::RequestNoStore,
            Reason::RequestConditional,
            Reason::RequestRange,
        ]
    );
}

#[test]
fn each_obstacle_of_an_answer_is_told() {
    let request = headers(&[("cookie", "a=b"), ("authorization", "Basic x")]);
    let cases: [(u16, Fields, &[Reason]); 5] = [
        (
            200,
            &[
                ("set-cookie", "a=b"),
                ("vary", "*, cookie, via"),
                ("content-encoding", "gzip"),
                ("content-length", "2000"),
            ],
            &[
                Reason::ContentEncoding,
                Reason::TooLarge,
                Reason::SetCookie,
                Reason::RequestCookie,
                Reason::Authorization,
                Reason::VaryStar,
                Reason::VaryDenied,
                Reason::Vary,
                Reason::NoFreshness,
            ],
        ),
        (
            200,
            &[("cache-control", "public, no-store, private, max-age=60")],
            &[Reason::NoStore, Reason::Private],
        ),
        // What is invalid is not called absent as well.
        (
            200,
            &[("cache-control", "public, max-age=x")],
            &[Reason::InvalidFreshness],
        ),
        (
            206,
            &[("cache-control", "public, max-age=60")],
            &[Reason::PartialContent],
        ),
        (
            200,
            &[("cache-control", "public, max-age=60"), ("age", "60")],
            &[Reason::AlreadyStale],
        ),
    ];
    for (status, fields, expected) in cases {
        let answer = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &headers(fields),
            framed: true,
            any_coding: false,
        };
        let told = of_answer(&get(&request), &answer, &settings(), &rule());
        assert_eq!(told, expected, "{fields:?}");
    }
}

fn any_request() -> impl Strategy<Value = HeaderMap> {
    let field = prop::sample::select(vec![
        ("cookie", "a=b"),
        ("authorization", "Basic x"),
        ("x-api-key", "k"),
        ("upgrade", "websocket"),
        ("range", "bytes=0-1"),
        ("if-match", "\"1\""),
        ("cache-control", "no-store"),
        ("cache-control", "max-age=\"torn"),
        ("content-length", "0"),
        ("content-length", "7"),
    ]);
    prop::collection::vec(field, 0..4).prop_map(|fields| headers(&fields))
}

fn any_answer() -> impl Strategy<Value = HeaderMap> {
    let field = prop::sample::select(vec![
        ("cache-control", "max-age=60"),
        ("cache-control", "max-age=0"),
        ("cache-control", "s-maxage=x"),
        ("cache-control", "public"),
        ("cache-control", "no-store"),
        ("cache-control", "must-understand"),
        ("cache-control", "private=\"x-a\""),
        ("cache-control", "no-cache"),
        ("cache-control", "a\"b"),
        ("surrogate-control", "content=\"ESI/1.0\""),
        ("surrogate-control", "max-age=5"),
        ("pragma", "no-cache"),
        ("expires", "0"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("date", "Sun, 06 Nov 1994 08:49:00 GMT"),
        ("age", "100"),
        ("etag", "\"1\""),
        ("set-cookie", "a=b"),
        ("vary", "accept"),
        ("vary", "cookie"),
        ("vary", "via, *"),
        ("content-encoding", "gzip"),
        ("content-length", "4096"),
        ("content-range", "x 0-1/2"),
    ]);
    prop::collection::vec(field, 0..6).prop_map(|fields| headers(&fields))
}

fn any_settings() -> impl Strategy<Value = (Settings, Rule)> {
    let cookies = prop::sample::select(vec![RequestCookies::Bypass, RequestCookies::Ignore]);
    let ttl = prop::sample::select(vec![
        None,
        Some(Duration::ZERO),
        Some(Duration::from_secs(9)),
    ]);
    (any::<[bool; 4]>(), cookies, ttl).prop_map(|(flags, request_cookies, ttl)| {
        let settings = Settings {
            enabled: flags[0] || flags[1],
            safety: Safety {
                authorization: match flags[2] {
                    true => Authorization::Never,
                    false => Authorization::Rfc9111,
                },
                request_cookies,
                ..Safety::default()
            },
            ..settings()
        };
        let rule = Rule {
            enabled: flags[3],
            ttl,
            ..rule()
        };
        (settings, rule)
    })
}

proptest! {
    #[test]
    fn the_first_of_all_is_the_decision(
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]),
        status in prop::sample::select(vec![200, 204, 206, 304, 404, 416, 429, 500, 599]),
        request in any_request(),
        answer in any_answer(),
        (settings, rule) in any_settings(),
        (framed, any_coding) in any::<(bool, bool)>(),
    ) {
        let request = Request { method: &method, ..get(&request) };
        let answer = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &answer,
            framed,
            any_coding,
        };
        let told = all(|mut deny| lookup_with(&request, &settings, &rule, &mut deny));
        prop_assert_eq!(told.first().copied(), lookup(&request, &settings, &rule).err());
        let told = all(|mut deny| fills_with(&request, &mut deny));
        prop_assert_eq!(told.first().copied(), fills(&request).err());
        let mut told = of_request(&request, &settings, &rule);
        told.extend(of_answer(&request, &answer, &settings, &rule));
        let decided = storable(&request, &answer, &settings, &rule, now(), Duration::ZERO);
        prop_assert_eq!(told.first().copied(), decided.err());
    }
}
