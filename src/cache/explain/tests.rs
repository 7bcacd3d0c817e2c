use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::answer::{Answered, answered};
use super::stored::{Found, Looked, look};
use super::{Denial, Key, Route, Subject, request};
use crate::cache::entry::Entry;
use crate::cache::freshness::{Arrival, Freshness};
use crate::cache::object::Object;
use crate::cache::policy::{self, Request, Response};
use crate::cache::tags::Purge;
use crate::cache::testing::{entry, get, headers, key, now, rule, secs, settings};
use crate::cache::{RequestCookies, Rule, Safety, Settings, UnkeyedHeaders, vary};
use crate::reason::Reason;

mod properties;
mod sums;
mod verdicts;

fn subject<'a>(request: Request<'a>, settings: &'a Settings, rule: &'a Rule) -> Subject<'a> {
    Subject {
        request,
        path: "/a",
        settings,
        rule,
        route: "home",
        now: now() + secs(30),
    }
}

/// What keeps the request from the cache.
fn of_request(subject: &Subject<'_>) -> Vec<Denial> {
    let mut bypass = Vec::new();
    let Ok(()) = policy::lookup_with(&subject.request, subject.settings, subject.rule, &mut |r| {
        bypass.push(r);
        Ok::<_, Infallible>(())
    });
    request::denials(subject, &bypass)
}

fn of_answer(subject: &Subject<'_>, status: u16, fields: &[(&str, &str)]) -> Answered {
    let response = Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &headers(fields),
        framed: true,
        any_coding: false,
    };
    answered(subject, &key("/a"), &response, now(), Duration::ZERO)
}

fn of_stored(subject: &Subject<'_>, entry: Entry, purge: Purge) -> Looked {
    let object = Object::of(entry.into());
    look(subject, &key("/a"), Some(&object), |_| purge)
}

fn codes(denials: &[Denial]) -> Vec<&str> {
    denials
        .iter()
        .map(|denial| denial.reason.as_str())
        .collect()
}

/// The reason and what it goes by.
fn told(denials: &[Denial]) -> Vec<(&str, &str)> {
    let told = |denial: &Denial| {
        let seen = denial.seen.as_deref().unwrap_or_default();
        (denial.reason.clone(), seen.to_owned())
    };
    // Leaked for the sake of short tests.
    let leak = |text: String| &*text.leak();
    denials
        .iter()
        .map(told)
        .map(|(reason, seen)| (leak(reason), leak(seen)))
        .collect()
}

#[test]
fn a_request_is_told_what_it_goes_by() {
    let fields = headers(&[
        ("x-api-key", "k"),
        ("proxy-authorization", "Basic x"),
        ("cache-control", "no-store, max-age=0"),
        ("if-match", "\"1\""),
        ("range", "bytes=0-9"),
        ("content-length", "7"),
    ]);
    let (settings, rule) = (settings(), rule());
    let post = Request {
        method: &Method::POST,
        ..get(&fields)
    };
    let denials = of_request(&subject(post, &settings, &rule));
    assert_eq!(
        told(&denials),
        [
            ("METHOD", "POST"),
            ("CREDENTIAL_HEADER", "X-Api-Key"),
            ("AUTHORIZATION_NEVER", "Proxy-Authorization"),
            ("REQUEST_BODY", "Content-Length: 7"),
            ("REQUEST_NO_STORE", "Cache-Control: no-store, max-age=0"),
            ("REQUEST_CONDITIONAL", "If-Match"),
            ("REQUEST_RANGE", "Range: bytes=0-9"),
        ]
    );
    assert!(denials.iter().all(|denial| denial.advice.is_some()));
}

#[test]
fn an_answer_is_told_what_it_goes_by() {
    let fields = headers(&[
        ("cookie", "lang=s3cret; s3cret"),
        ("authorization", "s3cret"),
    ]);
    let (settings, rule) = (settings(), rule());
    let subject = subject(get(&fields), &settings, &rule);
    let answered = of_answer(
        &subject,
        200,
        &[
            ("set-cookie", "sid=s3cret; Path=/"),
            ("vary", "Accept, Cookie"),
            ("content-encoding", "gzip"),
            ("cache-control", "private, must-understand"),
            ("content-length", "9999"),
        ],
    );
    let told = told(&answered.denials);
    assert_eq!(
        told,
        [
            ("CONTENT_ENCODING", "Content-Encoding: gzip"),
            (
                "TOO_LARGE",
                "Content-Length: 9999; cache.max_object_size is 1024 bytes"
            ),
            ("PRIVATE", "Cache-Control: private, must-understand"),
            ("SET_COOKIE", "Set-Cookie: sid=…"),
            (
                "REQUEST_COOKIE",
                "Cookie: lang=…, … in the request; Cache-Control: private, must-understand"
            ),
            (
                "AUTHORIZATION",
                "Authorization in the request; Cache-Control: private, must-understand"
            ),
            ("VARY_DENIED", "Vary: Accept, Cookie"),
            (
                "NO_FRESHNESS",
                "Cache-Control: private, must-understand names no lifetime; \
                 no ttl on the route home, cache.default_ttl is 0s"
            ),
        ]
    );
    assert_eq!(answered.decision, Err(Reason::ContentEncoding));
    let json = serde_json::to_string(&(&answered.app, &answered.denials)).expect("JSON");
    assert!(!json.contains("s3cret"), "{json}");
}

#[test]
fn a_missing_lifetime_is_told_by_who_could_give_one() {
    let none = HeaderMap::new();
    let zero = Rule {
        ttl: Some(Duration::ZERO),
        ..rule()
    };
    let settings = settings();
    let seen = |rule: &Rule, status, fields: &[(&str, &str)]| {
        let answered = of_answer(&subject(get(&none), &settings, rule), status, fields);
        assert_eq!(codes(&answered.denials), ["NO_FRESHNESS"]);
        answered.denials[0].seen.clone().unwrap_or_default()
    };
    assert_eq!(
        seen(&rule(), 200, &[]),
        "no Cache-Control and no Expires; no ttl on the route home, cache.default_ttl is 0s"
    );
    assert_eq!(
        seen(&zero, 200, &[("cache-control", "public")]),
        "Cache-Control: public names no lifetime; the route's ttl is 0s"
    );
    assert_eq!(
        seen(&rule(), 302, &[]),
        "no Cache-Control and no Expires; rules for ttl are not for status 302, but \
         cache.status_ttl is"
    );
}

#[test]
fn what_is_stored_is_told_with_each_reason_against_it() {
    let fields = headers(&[
        ("cookie", "a=s3cret"),
        ("authorization", "s3cret"),
        ("cache-control", "max-age=5"),
    ]);
    let (settings, rule) = (settings(), rule());
    let subject = subject(get(&fields), &settings, &rule);
    let mut stored = entry(&key("/a"), &[("etag", "\"1\"")], "body");
    stored.freshness.lifetime = secs(20);
    let looked = of_stored(&subject, stored, Purge::Invalid);
    assert_eq!(looked.lookup.found, Found::Entry);
    assert_eq!(
        told(&looked.denials),
        [
            ("REQUEST_COOKIE", "Cookie: a=…"),
            ("AUTHORIZATION", "Authorization"),
            ("PURGED", "purged since it was fetched"),
            (
                "REQUEST_MAX_AGE",
                "Cache-Control: max-age=5; current_age is 30 s"
            ),
            ("EXPIRED", "lifetime 20 s, current_age is 30 s"),
        ]
    );
    let stored = looked.lookup.entry.as_ref().expect("there is one");
    assert_eq!((stored.status, stored.body_bytes), (200, 4));
    assert_eq!(stored.purged, "invalid");
    assert_eq!(stored.validators, ["ETag"]);
    let json = serde_json::to_string(&(&looked.lookup, &looked.denials)).expect("JSON");
    assert!(!json.contains("s3cret"), "{json}");
}

#[test]
fn variants_are_told_by_field_without_secrets() {
    let (settings, rule) = (settings(), rule());
    let object = |asked: &[(&str, &str)]| {
        let mut stored = entry(&key("/a"), &[("vary", "accept-language, x-plan")], "body");
        let asked = headers(asked);
        stored.selecting =
            vary::select(&stored.headers, &asked, &[], &settings.vary).expect("allowed");
        Object::of(stored.into())
    };
    let fields = headers(&[("accept-language", "de"), ("x-plan", "s3cret")]);
    let subject = subject(get(&fields), &settings, &rule);
    let look = |object: &Object| look(&subject, &key("/a"), Some(object), |_| Purge::No);

    let other = look(&object(&[("accept-language", "en"), ("x-plan", "s3cret")]));
    assert_eq!(other.lookup.found, Found::Variants);
    assert_eq!(other.lookup.varies_by, ["Accept-Language", "X-Plan"]);
    assert_eq!(told(&other.denials), [("VARY_MISS", "Accept-Language")]);
    let [language, plan] = &other.lookup.variants[0].selected_by[..] else {
        panic!("{:?}", other.lookup.variants)
    };
    assert_eq!(language.stored.as_deref(), Some("en"));
    assert_eq!(language.given.as_deref(), Some("de"));
    assert_eq!((language.agree, plan.agree), (false, true));
    assert_eq!(plan.stored.as_deref(), Some("…"));

    let same = look(&object(&[("accept-language", "de"), ("x-plan", "s3cret")]));
    assert_eq!(same.lookup.found, Found::Entry);
    assert!(same.lookup.variants[0].matches && same.denials.is_empty());
    let absent = look(&object(&[("accept-language", "de")]));
    assert_eq!(told(&absent.denials), [("VARY_MISS", "X-Plan")]);
    assert_eq!(absent.lookup.variants[0].selected_by[1].stored, None);
}

#[test]
fn what_a_rule_came_to_name_later_is_told() {
    let (settings, none) = (settings(), HeaderMap::new());
    let rule = Rule {
        vary: [HeaderName::from_static("x-plan")].into(),
        ..rule()
    };
    let subject = subject(get(&none), &settings, &rule);
    let looked = of_stored(&subject, entry(&key("/a"), &[], "body"), Purge::No);
    assert_eq!(
        told(&looked.denials),
        [("VARY_MISS", "it was stored before the route named X-Plan")]
    );
}

#[test]
fn the_key_is_told_with_what_was_sent() {
    let settings = Settings {
        safety: Safety {
            request_cookies: RequestCookies::Allow(vec!["lang".to_owned()]),
            unkeyed_headers: UnkeyedHeaders::Key,
            ..Safety::default()
        },
        ..settings()
    };
    let rule = Rule {
        tags: vec!["home".to_owned()],
        ttl: Some(secs(5)),
        vary: [HeaderName::from_static("x-plan")].into(),
        ..rule()
    };
    let fields = headers(&[("cookie", "lang=de; x=y"), ("x-forwarded-host", "other")]);
    let subject = subject(get(&fields), &settings, &rule);
    let told = Key::of(&key("/a"), &subject, Some("b=1&a=2"));
    assert_eq!(
        told.parts,
        ["header x-forwarded-host", "cookie lang"],
        "{told:?}"
    );
    assert_eq!((told.hash.len(), told.query), (32, None));
    assert_eq!(told.query_sent.as_deref(), Some("b=1&a=2"));
    let route = Route::of(&subject, true);
    assert_eq!(route.request_cookies, "allow lang");
    assert_eq!(route.vary, ["X-Plan"]);
    assert_eq!(
        (route.ttl_seconds, route.tags),
        (Some(5.0), rule.tags.clone())
    );
}
