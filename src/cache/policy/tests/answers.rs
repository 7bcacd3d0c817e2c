//! What the app's answer and the request say about storing (RFC 9111 §3).

use super::*;
use crate::cache::testing::{rule, settings};

/// Judges a 200 with `fields`, answered to a GET with `request` fields.
fn judge(request: Fields, status: u16, fields: &[(&str, &str)]) -> Result<u64, Reason> {
    left(&settings(), &rule(), request, status, fields)
}

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
            Ok(60),
        ),
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
            "must-understand alone with a status that is not",
            599,
            &[("cache-control", "must-understand, max-age=60")],
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
            "credentials",
            &[("authorization", "x")],
            MINUTE,
            Err(Reason::Authorization),
        ),
        (
            "credentials, public (RFC 9111 §3.5)",
            &[("authorization", "x")],
            public,
            Ok(60),
        ),
        (
            "credentials, s-maxage",
            &[("authorization", "x")],
            ("cache-control", "s-maxage=60"),
            Ok(60),
        ),
        (
            "credentials, must-revalidate",
            &[("authorization", "x")],
            ("cache-control", "max-age=60, must-revalidate"),
            Ok(60),
        ),
        (
            "credentials, proxy-revalidate is not in the list",
            &[("authorization", "x")],
            ("cache-control", "max-age=60, proxy-revalidate"),
            Err(Reason::Authorization),
        ),
        (
            "credentials, s-maxage that cannot be read",
            &[("authorization", "x")],
            ("cache-control", "s-maxage=x, max-age=60"),
            Err(Reason::Authorization),
        ),
        (
            "credentials and cookies, must-revalidate",
            &[("authorization", "x"), ("cookie", "a=b")],
            ("cache-control", "max-age=60, must-revalidate"),
            Err(Reason::RequestCookie),
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
