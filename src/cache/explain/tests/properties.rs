//! What is told is what is decided, for any request, answer and stored response.

use proptest::prelude::*;

use super::*;
use crate::cache::policy::{fills, lookup, storable};
use crate::cache::reuse::{Reuse, Terms, reuse};
use crate::cache::tags;

type Field = (&'static str, &'static str);

fn any_fields(of: &'static [Field]) -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec(prop::sample::select(of), 0..5).prop_map(|fields| headers(&fields))
}

const ASKED: &[Field] = &[
    ("cookie", "a=s3cret"),
    ("cookie", "s3cret"),
    ("authorization", "Basic s3cret"),
    ("x-api-key", "s3cret"),
    ("x-plan", "s3cret"),
    ("upgrade", "h2c"),
    ("range", "bytes=0-1"),
    ("if-unmodified-since", "yesterday"),
    ("cache-control", "no-cache"),
    ("cache-control", "no-store"),
    ("cache-control", "max-age=10"),
    ("cache-control", "max-stale, min-fresh=20"),
    ("pragma", "no-cache"),
];

const ANSWERED: &[Field] = &[
    ("cache-control", "max-age=60"),
    ("cache-control", "public, s-maxage=100"),
    ("cache-control", "no-store"),
    ("cache-control", "no-cache=\"x\""),
    ("cache-control", "stale-while-revalidate=x"),
    ("surrogate-control", "max-age=600"),
    ("expires", "Sun, 06 Nov 1994 08:59:37 GMT"),
    ("date", "Sun, 06 Nov 1994 08:48:37 GMT"),
    ("date", "soon"),
    ("age", "7"),
    ("etag", "\"1\""),
    ("set-cookie", "sid=s3cret"),
    ("set-cookie", "s3cret"),
    ("vary", "x-plan"),
    ("vary", "cookie, *"),
    ("cache-tag", "a,b"),
    ("cache-tag", "\u{fc}"),
    ("content-encoding", "gzip"),
];

fn any_freshness() -> impl Strategy<Value = Freshness> {
    let seconds = || prop::sample::select(vec![0, 1, 29, 30, 31, 60, 1 << 31, u64::MAX]);
    let flags = any::<[bool; 4]>();
    (seconds(), seconds(), seconds(), flags).prop_map(|(lifetime, age, stale, flags)| Freshness {
        lifetime: secs(lifetime),
        initial_age: secs(age),
        stale_while_revalidate: secs(stale),
        by_rule: flags[0],
        no_cache: flags[1],
        must_revalidate: flags[2],
        arrival: Arrival {
            age_value: 7,
            delay_ms: 300,
        },
        ..Freshness::default()
    })
}

fn has_no_secret(told: &impl serde::Serialize) -> Result<(), TestCaseError> {
    let json = serde_json::to_string(told).expect("JSON");
    prop_assert!(!json.contains("s3cret"), "{}", json);
    Ok(())
}

proptest! {
    #[test]
    fn the_first_denial_is_the_decision(
        asked in any_fields(ASKED),
        answer in any_fields(ANSWERED),
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::PUT]),
        status in prop::sample::select(vec![200, 204, 206, 302, 404, 500]),
        cached in any::<bool>(),
    ) {
        let (settings, rule) = (settings(), Rule { enabled: cached, ..rule() });
        let request = Request { method: &method, ..get(&asked) };
        let subject = subject(request, &settings, &rule);
        let of_request = of_request(&subject);
        let decided = lookup(&request, &settings, &rule).and(fills(&request));
        let first = of_request.first().map(|denial| denial.reason.as_str());
        prop_assert_eq!(first, decided.err().map(Reason::code));

        let response = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &answer,
            framed: true,
            any_coding: false,
        };
        let delay = Duration::from_millis(1_500);
        let answered = answered(&subject, &key("/a"), &response, now(), delay);
        let decided = storable(&request, &response, &settings, &rule, now(), delay)
            .and_then(|fresh| tags::collect(&settings.tags, &answer, &rule.tags).map(|_| fresh));
        let denials = of_request.iter().chain(&answered.denials);
        let first = denials.map(|denial| denial.reason.as_str()).next();
        prop_assert_eq!(first, decided.err().map(Reason::code));
        if of_request.is_empty() {
            prop_assert_eq!(answered.decision, decided);
        }
        has_no_secret(&(&answered.app, &answered.denials, &of_request))?;
    }

    #[test]
    fn the_first_denial_of_what_is_stored_is_the_decision(
        asked in any_fields(ASKED),
        head in any_fields(ANSWERED),
        freshness in any_freshness(),
        purge in prop::sample::select(vec![Purge::No, Purge::Soft, Purge::Invalid]),
        later in 0..100u64,
    ) {
        let (settings, rule) = (settings(), rule());
        let mut subject = subject(get(&asked), &settings, &rule);
        subject.now = now() + secs(later);
        let mut stored = entry(&key("/a"), &[], "body");
        stored.headers.extend(head);
        stored.headers.remove("set-cookie");
        stored.freshness = freshness;
        let terms = Terms::of(&settings, &rule, &stored, purge);
        let decided = reuse(&stored, &subject.request, &terms, subject.now);
        let remaining = stored.remaining(subject.now);
        let looked = of_stored(&subject, stored, purge);
        prop_assert_eq!(looked.verdict, Some(decided));
        let first = looked.denials.first().map(|denial| denial.reason.as_str());
        match decided {
            Reuse::Miss(reason) | Reuse::Validate(reason) => {
                prop_assert_eq!(first, Some(reason.code()));
            }
            Reuse::Serve { ttl, .. } => {
                prop_assert_eq!(first, None);
                prop_assert_eq!(ttl, remaining);
            }
            Reuse::Stale { .. } => prop_assert_eq!(first, None),
        }
        let sum = &looked.lookup.entry.as_ref().expect("there is one").freshness;
        prop_assert!(sum.terms.iter().all(|term| term.seconds.is_finite()));
        prop_assert_eq!(sum.ttl_seconds > 0.0, !remaining.is_zero() && !freshness.by_rule);
        has_no_secret(&(&looked.lookup, &looked.denials))?;
    }
}
