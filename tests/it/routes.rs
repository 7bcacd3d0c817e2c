//! What a route says of its answers, besides their lifetime and tags.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use futures_util::future::join_all;

#[track_caller]
fn got(answer: &Response, text: &str, hit: bool) {
    assert_eq!(
        (answer.text().as_str(), answer.is_hit()),
        (text, hit),
        "{answer:?}"
    );
}

/// One route for everything, with these rules.
fn route(rules: &str) -> String {
    format!("routes: [{{name: all, cache: {{{rules}}}}}]")
}

/// An app that greets in the language that is asked for, and forgets to say so.
async fn forgetful() -> Origin {
    Origin::start(|asked| {
        let language = asked.header("accept-language").unwrap_or("none").to_owned();
        let reply = match asked.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok(language),
        };
        let reply = reply
            .header("ETag", "\"1\"")
            .header("Cache-Control", "max-age=60");
        match asked.path() {
            "/kinds" => reply.header("Vary", "X-Kind"),
            _ => reply,
        }
    })
    .await
}

fn in_language(path: &str, language: &str) -> Request {
    Request::get(path).header("Accept-Language", language)
}

#[tokio::test]
async fn a_route_names_the_headers_that_its_answers_depend_on() {
    let origin = forgetful().await;
    let yaml = route("vary: [Accept-Language]");
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    for hit in [false, true] {
        for language in ["de", "en"] {
            let answer = sidecar.ask(&in_language("/", language)).await;
            got(&answer, language, hit);
            // Who caches behind this proxy has to know it too.
            assert!(
                answer.headers.lists("vary", "accept-language"),
                "{answer:?}"
            );
        }
        got(&sidecar.get("/").await, "none", hit);
    }
    got(&sidecar.ask(&in_language("/", "DE")).await, "de", true);
    let kinds = || in_language("/kinds", "de").header("X-Kind", "a");
    got(&sidecar.ask(&kinds()).await, "de", false);
    got(
        &sidecar
            .ask(&in_language("/kinds", "de").header("X-Kind", "b"))
            .await,
        "de",
        false,
    );
    got(
        &sidecar
            .ask(&in_language("/kinds", "en").header("X-Kind", "a"))
            .await,
        "en",
        false,
    );
    let hit = sidecar.ask(&kinds()).await;
    got(&hit, "de", true);
    let vary = hit.headers.list("vary");
    assert!(
        ["x-kind", "accept-language"]
            .iter()
            .all(|name| vary.iter().any(|v| v.eq_ignore_ascii_case(name))),
        "{vary:?}"
    );
    // The same for answers that are not stored.
    let past = sidecar
        .ask(&in_language("/", "de").header("X-Api-Key", "x"))
        .await;
    assert!(past.headers.lists("vary", "accept-language"), "{past:?}");
    let head = sidecar.ask(&Request::head("/new")).await;
    assert!(head.headers.lists("vary", "accept-language"), "{head:?}");
}

/// A 304 without `Vary`, as most are.
#[tokio::test]
async fn a_validated_answer_is_still_that_of_its_language() {
    let origin = forgetful().await;
    let yaml = route("vary: [Accept-Language]");
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    let anew = |language| in_language("/", language).header("Cache-Control", "no-cache");
    for language in ["de", "en"] {
        got(
            &sidecar.ask(&in_language("/", language)).await,
            language,
            false,
        );
        let validated = sidecar.ask(&anew(language)).await;
        assert!(
            validated.cache_status().contains("fwd-status=304"),
            "{validated:?}"
        );
        assert_eq!(validated.text(), language);
    }
    for language in ["de", "en"] {
        got(
            &sidecar.ask(&in_language("/", language)).await,
            language,
            true,
        );
    }
}

#[tokio::test]
async fn a_rule_that_comes_later_ends_what_was_stored_for_all() {
    let origin = forgetful().await;
    let sidecar = Sidecar::with(&route("")).origin(&origin).start().await;
    got(&sidecar.ask(&in_language("/", "de")).await, "de", false);
    got(&sidecar.ask(&in_language("/", "en")).await, "de", true);
    sidecar.edit_config(&route("vary: [Accept-Language]"));
    let reloaded = sidecar.admin(&Request::post("/v1/reload", "")).await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    for hit in [false, true] {
        got(&sidecar.ask(&in_language("/", "en")).await, "en", hit);
        got(&sidecar.ask(&in_language("/", "de")).await, "de", hit);
    }
}

/// From the first request on, nobody waits for an answer in another language.
#[tokio::test]
async fn languages_wait_for_fetches_of_their_own() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        let language = asked.header("accept-language").unwrap_or("none").to_owned();
        Reply::cacheable(language).held(&held)
    })
    .await;
    let yaml = route("vary: [Accept-Language]") + "\ncache: {collapse: {wait: 0s}}";
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    let languages: Vec<_> = (0..9).map(|n| ["de", "en", "fr"][n % 3]).collect();
    let asking = languages
        .iter()
        .map(async |language| sidecar.ask(&in_language("/", language)).await);
    let (answers, ()) = tokio::join!(join_all(asking), async {
        eventually("three requests at the app", PATIENCE, async || {
            origin.requests() == 3
        })
        .await;
        gate.open();
    });
    for (answer, language) in answers.iter().zip(&languages) {
        assert_eq!(answer.text(), *language);
    }
    assert_eq!(origin.requests(), 3, "one for each language");
}

#[tokio::test]
async fn a_route_has_a_rule_of_its_own_for_cookies() {
    let origin = Origin::start(|asked| {
        Reply::cacheable(asked.header("cookie").unwrap_or("none").to_owned())
    })
    .await;
    let yaml = "cache: {safety: {request_cookies: ignore}}
routes:
  - {name: own, match: {path: /own}, cache: {request_cookies: bypass}}
  - {name: keyed, match: {path: /keyed}, cache: {request_cookies: {allow: [id]}}}
";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let ask = async |path, cookie| {
        sidecar
            .ask(&Request::get(path).header("Cookie", cookie))
            .await
    };
    for (path, shared) in [("/page", true), ("/own", false), ("/keyed", false)] {
        got(&ask(path, "id=ann").await, "id=ann", false);
        let bob = ask(path, "id=bob").await;
        got(&bob, if shared { "id=ann" } else { "id=bob" }, shared);
    }
    got(&ask("/keyed", "id=ann").await, "id=ann", true);
    got(&ask("/own", "id=ann").await, "id=ann", false);
}
