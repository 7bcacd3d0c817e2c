//! Whose requests a stored response may answer (RFC 9111 §3.5, §7.3).

use super::*;
use crate::cache::vary;
use http::HeaderName;

const COOKIE: Fields = &[("cookie", "session=1; lang=de")];
const AUTHORIZATION: Fields = &[("authorization", "Basic x")];

#[test]
fn requests_with_cookies_or_credentials() {
    let nobody = Audience::default();
    let everybody = Audience {
        everybody: true,
        authorized: true,
        ..nobody
    };
    let must_revalidate = Audience {
        authorized: true,
        ..nobody
    };
    let ignored = Audience {
        despite_cookies: true,
        ..nobody
    };
    let stripped = Audience {
        despite_set_cookie: true,
        ..nobody
    };
    let bypass = RequestCookies::Bypass;
    let ignore = RequestCookies::Ignore;
    let lang = RequestCookies::Allow(vec!["lang".into()]);
    let both = RequestCookies::Allow(vec!["lang".into(), "session".into()]);
    let cookie = Some(Reason::RequestCookie);
    type Case<'a> = (
        &'a str,
        Audience,
        Fields,
        &'a RequestCookies,
        Option<Reason>,
    );
    let cases: &[Case<'_>] = &[
        ("neither", nobody, &[], &bypass, None),
        ("cookie", nobody, COOKIE, &bypass, cookie),
        ("cookie, public", everybody, COOKIE, &bypass, None),
        (
            "cookie, must-revalidate",
            must_revalidate,
            COOKIE,
            &bypass,
            cookie,
        ),
        ("cookie that is ignored", nobody, COOKIE, &ignore, None),
        (
            "one of two is part of the key",
            nobody,
            COOKIE,
            &lang,
            cookie,
        ),
        ("both are part of the key", nobody, COOKIE, &both, None),
        ("let in by a rule that holds", ignored, &[], &ignore, None),
        (
            "let in by a rule that is gone",
            ignored,
            &[],
            &bypass,
            cookie,
        ),
        (
            "let in by a rule that became narrower",
            ignored,
            &[],
            &both,
            cookie,
        ),
        (
            "with its cookie cut off, by a rule that is gone",
            stripped,
            &[],
            &bypass,
            Some(Reason::SetCookie),
        ),
        (
            "credentials",
            nobody,
            AUTHORIZATION,
            &bypass,
            Some(Reason::Authorization),
        ),
        (
            "credentials, public",
            everybody,
            AUTHORIZATION,
            &bypass,
            None,
        ),
        (
            "credentials, must-revalidate",
            must_revalidate,
            AUTHORIZATION,
            &bypass,
            None,
        ),
    ];
    for (case, audience, fields, request_cookies, expected) in cases {
        let stored = stored(Freshness {
            audience: *audience,
            stale_if_error: secs(100),
            ..Freshness::default()
        });
        let terms = Terms {
            request_cookies,
            ..TERMS
        };
        let expected_verdict = match expected {
            None => Reuse::Serve {
                age: secs(10),
                ttl: secs(50),
            },
            Some(reason) => Reuse::Miss(*reason),
        };
        assert_eq!(
            judge(&stored, fields, &terms, 10),
            expected_verdict,
            "{case}"
        );
        // What is not for a request does not become so by a failure.
        let rescued = rescue(&stored, fields, &terms, 70);
        assert_eq!(rescued.is_some(), expected.is_none(), "{case}");
    }
    let strip = Terms {
        set_cookie: SetCookie::Strip,
        ..TERMS
    };
    let stored = stored(Freshness {
        audience: stripped,
        ..Freshness::default()
    });
    assert!(matches!(
        judge(&stored, &[], &strip, 0),
        Reuse::Serve { .. }
    ));
}

/// What was stored before a rule named the field was stored for any value of it.
#[test]
fn a_rule_that_names_a_field_ends_what_was_not_chosen_by_it() {
    let names = [HeaderName::from_static("x-kind")];
    let named = Terms {
        vary: &names,
        ..TERMS
    };
    let mut entry = stored(Freshness::default());
    let fields: Fields = &[("x-kind", "a")];
    assert_eq!(
        judge(&entry, fields, &named, 0),
        Reuse::Miss(Reason::VaryMiss)
    );
    entry.selecting = vary::of_request(&names, &headers(fields), &vary::Settings::default());
    assert!(matches!(
        judge(&entry, fields, &named, 0),
        Reuse::Serve { .. }
    ));
}
