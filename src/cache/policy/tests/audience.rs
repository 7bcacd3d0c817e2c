//! To whom what is stored may be given.

use super::*;
use crate::cache::freshness::Audience;
use crate::cache::testing::{rule, settings};
use crate::cache::{RequestCookies, SetCookie};

/// RFC 9111 §3.5, §7.3.
#[test]
fn audiences() {
    let mut strip = settings();
    strip.safety.set_cookie = SetCookie::Strip;
    let with = |cookies| Rule {
        request_cookies: Some(cookies),
        ..rule()
    };
    let (plain, ignore) = (rule(), with(RequestCookies::Ignore));
    let lang = with(RequestCookies::Allow(vec!["lang".into()]));
    let none = Audience::default();
    let everybody = Audience {
        everybody: true,
        authorized: true,
        ..none
    };
    let despite_cookies = Audience {
        despite_cookies: true,
        ..none
    };
    let despite_set_cookie = Audience {
        despite_set_cookie: true,
        ..none
    };
    let public = ("cache-control", "public, max-age=60");
    let cookie: Fields = &[("cookie", "lang=de; session=1")];
    let lang_only: Fields = &[("cookie", "lang=de")];
    let sets = ("set-cookie", "a=b");
    let refused = Err(Reason::RequestCookie);
    type Case<'a> = (
        &'a str,
        &'a Rule,
        Fields,
        Vec<(&'a str, &'a str)>,
        Result<Audience, Reason>,
    );
    let cases: &[Case<'_>] = &[
        ("plain", &plain, &[], vec![MINUTE], Ok(none)),
        ("public", &plain, cookie, vec![public], Ok(everybody)),
        ("cookies", &plain, cookie, vec![MINUTE], refused),
        (
            "cookies ignored",
            &ignore,
            cookie,
            vec![MINUTE],
            Ok(despite_cookies),
        ),
        (
            "cookies ignored, public",
            &ignore,
            cookie,
            vec![public],
            Ok(everybody),
        ),
        ("no cookies to ignore", &ignore, &[], vec![MINUTE], Ok(none)),
        (
            "a cookie in the key",
            &lang,
            lang_only,
            vec![MINUTE],
            Ok(none),
        ),
        ("and one that is not", &lang, cookie, vec![MINUTE], refused),
        (
            "a cookie cut off",
            &plain,
            &[],
            vec![MINUTE, sets],
            Ok(despite_set_cookie),
        ),
    ];
    for (case, rule, request, fields, expected) in cases {
        let verdict = judge(&strip, rule, request, 200, fields);
        assert_eq!(verdict.map(|fresh| fresh.audience), *expected, "{case}");
    }
    let must = [("cache-control", "max-age=60, must-revalidate")];
    let fresh = judge(&settings(), &plain, &[], 200, &must).expect("storable");
    assert!(fresh.audience.authorized && !fresh.audience.everybody);
    let bypass = judge(&settings(), &plain, &[], 200, &[MINUTE, sets]);
    assert_eq!(bypass, Err(Reason::SetCookie));
}
