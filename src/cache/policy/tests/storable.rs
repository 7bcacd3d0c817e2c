use std::time::Duration;

use http::{Method, StatusCode};

use crate::cache::freshness::Freshness;
use crate::cache::policy::{Request, Response, storable};
use crate::cache::testing::{Fields, get, headers, now, rule, secs, settings};
use crate::cache::{Rule, Settings};
use crate::reason::Reason;

/// Judges a 200 with `fields`, answered to a GET with `request` fields.
fn judge(request: Fields, status: u16, fields: &[(&str, &str)]) -> Result<u64, Reason> {
    judge_with(&settings(), &rule(), request, status, fields)
}

fn judge_with(
    settings: &Settings,
    rule: &Rule,
    request: Fields,
    status: u16,
    fields: &[(&str, &str)],
) -> Result<u64, Reason> {
    let (request, head) = (headers(request), headers(fields));
    let status = StatusCode::from_u16(status).expect("a status");
    let response = Response {
        status,
        headers: &head,
        framed: true,
    };
    let fresh = storable(
        &get(&request),
        &response,
        settings,
        rule,
        now(),
        Duration::ZERO,
    )?;
    Ok(fresh.remaining(Duration::ZERO).as_secs())
}

const MINUTE: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn answers_of_the_app() {
    use Reason as R;
    let cases: &[(&str, u16, Fields, Result<u64, Reason>)] = &[
        ("max-age", 200, &[MINUTE], Ok(60)),
        (
            "s-maxage",
            200,
            &[("cache-control", "s-maxage=5, max-age=60")],
            Ok(5),
        ),
        (
            "Expires",
            200,
            &[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")],
            Ok(60),
        ),
        ("some of it used up", 200, &[MINUTE, ("age", "50")], Ok(10)),
        (
            "all of it used up",
            200,
            &[MINUTE, ("age", "60")],
            Err(R::AlreadyStale),
        ),
        (
            "max-age=0",
            200,
            &[("cache-control", "max-age=0")],
            Err(R::AlreadyStale),
        ),
        ("Expires: 0", 200, &[("expires", "0")], Err(R::AlreadyStale)),
        (
            "contradiction",
            200,
            &[MINUTE, ("cache-control", "max-age=1")],
            Err(R::InvalidFreshness),
        ),
        ("silent", 200, &[], Err(R::NoFreshness)),
        (
            "Last-Modified only",
            200,
            &[("last-modified", "Sun, 06 Nov 1993 08:50:37 GMT")],
            Err(R::NoFreshness),
        ),
        (
            "public only",
            200,
            &[("cache-control", "public")],
            Err(R::NoFreshness),
        ),
        ("301", 301, &[MINUTE], Ok(60)),
        ("404", 404, &[MINUTE], Ok(60)),
        ("206", 206, &[MINUTE], Err(R::PartialContent)),
        (
            "range in a 200",
            200,
            &[MINUTE, ("content-range", "bytes 0-1/2")],
            Err(R::PartialContent),
        ),
        ("302", 302, &[MINUTE], Err(R::Status)),
        ("304", 304, &[MINUTE], Err(R::Status)),
        ("500", 500, &[MINUTE], Err(R::Status)),
        ("103", 103, &[MINUTE], Err(R::Status)),
        ("unknown status", 299, &[MINUTE], Err(R::Status)),
        (
            "no-store",
            200,
            &[("cache-control", "no-store, max-age=60")],
            Err(R::NoStore),
        ),
        (
            "private",
            200,
            &[("cache-control", "private, max-age=60")],
            Err(R::Private),
        ),
        (
            "private for a field",
            200,
            &[("cache-control", "private=\"x-a\", max-age=60")],
            Err(R::Private),
        ),
        (
            "private on another line",
            200,
            &[MINUTE, ("cache-control", "Private")],
            Err(R::Private),
        ),
        (
            "no-cache",
            200,
            &[("cache-control", "no-cache, max-age=60")],
            Err(R::NoCache),
        ),
        (
            "no-cache for a field",
            200,
            &[("cache-control", "no-cache=\"x-a\", max-age=60")],
            Err(R::NoCache),
        ),
        (
            "private behind a semicolon",
            200,
            &[("cache-control", "private; max-age=60")],
            Err(R::MalformedCacheControl),
        ),
        (
            "must-understand",
            200,
            &[("cache-control", "must-understand, no-store, max-age=60")],
            Ok(60),
        ),
        (
            "must-understand with a status that is not",
            299,
            &[("cache-control", "must-understand, no-store, max-age=60")],
            Err(R::Status),
        ),
        (
            "must-understand beside private",
            200,
            &[(
                "cache-control",
                "must-understand, no-store, private, max-age=60",
            )],
            Err(R::Private),
        ),
        (
            "Set-Cookie",
            200,
            &[MINUTE, ("set-cookie", "a=b")],
            Err(R::SetCookie),
        ),
        (
            "Set-Cookie in public",
            200,
            &[
                ("cache-control", "public, s-maxage=60"),
                ("set-cookie", "a=b"),
            ],
            Err(R::SetCookie),
        ),
        (
            "Pragma and Expires",
            200,
            &[
                ("pragma", "no-cache"),
                ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ],
            Err(R::NoCache),
        ),
        (
            "Pragma beside Cache-Control",
            200,
            &[("pragma", "no-cache"), MINUTE],
            Ok(60),
        ),
        (
            "Vary: Accept-Encoding",
            200,
            &[MINUTE, ("vary", "Accept-Encoding")],
            Ok(60),
        ),
        (
            "Vary: Cookie",
            200,
            &[MINUTE, ("vary", "Accept-Encoding, Cookie")],
            Err(R::VaryDenied),
        ),
        ("Vary: *", 200, &[MINUTE, ("vary", "*")], Err(R::VaryStar)),
        (
            "gzip",
            200,
            &[MINUTE, ("content-encoding", "gzip")],
            Err(R::ContentEncoding),
        ),
        (
            "identity, then br",
            200,
            &[MINUTE, ("content-encoding", "identity, br")],
            Err(R::ContentEncoding),
        ),
        (
            "identity",
            200,
            &[MINUTE, ("content-encoding", "Identity")],
            Ok(60),
        ),
        (
            "chunked",
            200,
            &[MINUTE, ("transfer-encoding", "chunked")],
            Ok(60),
        ),
        (
            "coded transfer",
            200,
            &[MINUTE, ("transfer-encoding", "gzip, chunked")],
            Err(R::ContentEncoding),
        ),
        (
            "as large as allowed",
            200,
            &[MINUTE, ("content-length", "1024")],
            Ok(60),
        ),
        (
            "too large",
            200,
            &[MINUTE, ("content-length", "1025")],
            Err(R::TooLarge),
        ),
    ];
    for (case, status, fields, expected) in cases {
        assert_eq!(judge(&[], *status, fields), *expected, "{case}");
    }
}

#[test]
fn what_the_request_says_about_storing() {
    let public = ("cache-control", "public, max-age=60");
    type Case = (
        &'static str,
        Fields,
        (&'static str, &'static str),
        Result<u64, Reason>,
    );
    let cases: &[Case] = &[
        (
            "cookie",
            &[("cookie", "a=b")],
            MINUTE,
            Err(Reason::RequestCookie),
        ),
        ("cookie, public", &[("cookie", "a=b")], public, Ok(60)),
        (
            "cookie, s-maxage",
            &[("cookie", "a=b")],
            ("cache-control", "s-maxage=60"),
            Ok(60),
        ),
        (
            "credentials, public",
            &[("authorization", "x")],
            public,
            Err(Reason::Authorization),
        ),
        (
            "no-store",
            &[("cache-control", "no-store")],
            public,
            Err(Reason::RequestNoStore),
        ),
        ("no-cache", &[("cache-control", "no-cache")], public, Ok(60)),
        (
            "range",
            &[("range", "bytes=0-")],
            public,
            Err(Reason::RequestRange),
        ),
        (
            "If-None-Match",
            &[("if-none-match", "\"a\"")],
            public,
            Ok(60),
        ),
    ];
    for (case, request, answer, expected) in cases {
        assert_eq!(judge(request, 200, &[*answer]), *expected, "{case}");
    }
}

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
            judge_with(&settings, &rule, &[], 200, fields),
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
                judge_with(&settings, &rule, cookie, 200, fields),
                expected,
                "{case}, cookie"
            );
        }
    }
    let settings = Settings {
        default_ttl: secs(10),
        ..settings()
    };
    for (status, expected) in [(301, Ok(10)), (404, Ok(10)), (302, Err(Reason::Status))] {
        assert_eq!(
            judge_with(&settings, &rule(), &[], status, &[]),
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
    };
    let judge = |request: &Request<'_>, response: &Response<'_>, delay| {
        storable(request, response, &settings(), &rule(), now(), delay)
    };
    let capped = Freshness {
        lifetime: secs(86_400 + 107),
        initial_age: secs(107),
        by_rule: false,
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
