//! Lifetimes from the configuration, and bounds on all of them.

use http::Method;

use super::*;
use crate::cache::freshness::Arrival;
use crate::cache::policy::Request;
use crate::cache::testing::{rule, secs, settings};

#[test]
fn lifetimes_from_the_configuration() {
    let none = (Duration::ZERO, None);
    let default = (secs(10), None);
    let route = (secs(10), Some(secs(20)));
    let route_zero = (secs(10), Some(Duration::ZERO));
    type Ttls = (Duration, Option<Duration>);
    let cases: &[(&str, Ttls, Fields, Result<u64, Reason>)] = &[
        ("nothing", none, &[], Err(Reason::NoFreshness)),
        ("default", default, &[], Ok(10)),
        (
            "default, public",
            default,
            &[("cache-control", "public")],
            Ok(10),
        ),
        ("the route's over the default", route, &[], Ok(20)),
        (
            "zero on the route",
            route_zero,
            &[],
            Err(Reason::NoFreshness),
        ),
        ("explicit over both", route, &[MINUTE], Ok(60)),
        (
            "explicit zero over both",
            route,
            &[("cache-control", "max-age=0")],
            Err(Reason::AlreadyStale),
        ),
        (
            "broken over both",
            route,
            &[("cache-control", "max-age=x")],
            Err(Reason::InvalidFreshness),
        ),
        (
            "Expires: 0 over both",
            route,
            &[("expires", "0")],
            Err(Reason::AlreadyStale),
        ),
        (
            "never over no-store",
            route,
            &[("cache-control", "no-store")],
            Err(Reason::NoStore),
        ),
        (
            "not even beside must-understand",
            route,
            &[("cache-control", "no-store, must-understand")],
            Err(Reason::NoStore),
        ),
        (
            "never over private",
            route,
            &[("cache-control", "private")],
            Err(Reason::Private),
        ),
        (
            "never over no-cache",
            route,
            &[("cache-control", "no-cache")],
            Err(Reason::NoCache),
        ),
        (
            "never over Pragma",
            route,
            &[("pragma", "no-cache")],
            Err(Reason::NoCache),
        ),
        (
            "never over Set-Cookie",
            route,
            &[("set-cookie", "a=b")],
            Err(Reason::SetCookie),
        ),
        (
            "never over Vary",
            route,
            &[("vary", "cookie")],
            Err(Reason::VaryDenied),
        ),
        (
            "an answer that is old already",
            route,
            &[("age", "20")],
            Err(Reason::AlreadyStale),
        ),
    ];
    for (case, (default_ttl, ttl), fields, expected) in cases {
        let settings = Settings {
            default_ttl: *default_ttl,
            ..settings()
        };
        let rule = Rule {
            ttl: *ttl,
            ..rule()
        };
        assert_eq!(
            left(&settings, &rule, &[], 200, fields),
            *expected,
            "{case}"
        );
        if expected.is_ok() {
            let cookie: Fields = &[("cookie", "a=b")];
            let explicit = fields.iter().any(|(_, value)| value.contains("public"));
            let expected = if explicit {
                *expected
            } else {
                Err(Reason::RequestCookie)
            };
            assert_eq!(
                left(&settings, &rule, cookie, 200, fields),
                expected,
                "{case}, cookie"
            );
        }
    }
    let settings = Settings {
        default_ttl: secs(10),
        ..settings()
    };
    for (status, expected) in [
        (301, Ok(10)),
        (404, Ok(10)),
        (302, Err(Reason::NoFreshness)),
    ] {
        assert_eq!(
            left(&settings, &rule(), &[], status, &[]),
            expected,
            "{status}"
        );
    }
}

#[test]
fn bounds_and_framing() {
    let head = headers(&[("cache-control", "max-age=999999999"), ("age", "100")]);
    let none = headers(&[]);
    let response = Response {
        status: StatusCode::OK,
        headers: &head,
        framed: true,
        any_coding: false,
    };
    let judge = |request: &Request<'_>, response: &Response<'_>, delay| {
        storable(request, response, &settings(), &rule(), now(), delay)
    };
    let capped = Freshness {
        lifetime: secs(86_400 + 107),
        initial_age: secs(107),
        arrival: Arrival {
            age_value: 100,
            delay_ms: 7_000,
        },
        ..Freshness::default()
    };
    assert_eq!(judge(&get(&none), &response, secs(7)), Ok(capped));
    assert_eq!(
        judge(&get(&none), &response, Duration::MAX),
        Err(Reason::AlreadyStale)
    );

    let unframed = Response {
        framed: false,
        ..response
    };
    assert_eq!(
        judge(&get(&none), &unframed, secs(0)),
        Err(Reason::Unframed)
    );
    let head_request = Request {
        method: &Method::HEAD,
        ..get(&none)
    };
    assert_eq!(
        judge(&head_request, &response, secs(0)),
        Err(Reason::HeadRequest)
    );
    let post = Request {
        method: &Method::POST,
        ..get(&none)
    };
    assert_eq!(judge(&post, &response, secs(0)), Err(Reason::Method));
}

/// RFC 9110 §8.4: a coding is no obstacle where it was not chosen for one client.
#[test]
fn codings_of_the_app() {
    let none = headers(&[]);
    let cases: &[(&str, Fields, bool, bool)] = &[
        (
            "chosen",
            &[MINUTE, ("content-encoding", "gzip")],
            false,
            false,
        ),
        (
            "for all",
            &[MINUTE, ("content-encoding", "gzip")],
            true,
            true,
        ),
        (
            "unknown",
            &[MINUTE, ("content-encoding", "x-own")],
            true,
            true,
        ),
        (
            "none",
            &[MINUTE, ("content-encoding", "identity")],
            false,
            true,
        ),
        (
            "of the transfer",
            &[MINUTE, ("transfer-encoding", "gzip, chunked")],
            true,
            false,
        ),
    ];
    for (case, fields, any_coding, stored) in cases {
        let response = Response {
            status: StatusCode::OK,
            headers: &headers(fields),
            framed: true,
            any_coding: *any_coding,
        };
        let judged = storable(
            &get(&none),
            &response,
            &settings(),
            &rule(),
            now(),
            Duration::ZERO,
        );
        let expected = match stored {
            true => None,
            false => Some(Reason::ContentEncoding),
        };
        assert_eq!(judged.err(), expected, "{case}");
    }
}
