//! `cache.safety`, `cache.key` and `cache.invalidation` where the file leaves the safe defaults: what
//! is conceded happens, and no more than that.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use futures_util::future::join_all;

/// Answers with what it has seen of these fields.
async fn showing(
    fields: &'static [&'static str],
    says: &'static [(&'static str, &'static str)],
) -> Origin {
    Origin::start(move |asked| {
        let seen = fields
            .iter()
            .map(|name| asked.header(name).unwrap_or("none"));
        let reply = Reply::ok(seen.collect::<Vec<_>>().join(" "));
        let reply = reply.header("Cache-Control", "max-age=60");
        says.iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value))
    })
    .await
}

async fn with(yaml: &str, origin: &Origin) -> Sidecar {
    Sidecar::with(yaml).origin(origin).start().await
}

#[track_caller]
fn got(answer: &Response, text: &str, hit: bool) {
    assert_eq!(
        (answer.text().as_str(), answer.is_hit()),
        (text, hit),
        "{answer:?}"
    );
}

#[tokio::test]
async fn credentials_can_be_kept_from_the_cache_altogether() {
    let origin = Origin::counting(&[("Cache-Control", "public, max-age=60")]).await;
    let sidecar = with("cache: {safety: {authorization: never}}", &origin).await;
    let request = Request::get("/").header("Authorization", "Bearer x");
    for _ in 0..2 {
        assert_eq!(sidecar.ask(&request).await.detail(), "AUTHORIZATION_NEVER");
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn cookies_can_be_ignored() {
    let origin = showing(&["cookie"], &[]).await;
    let sidecar = with("cache: {safety: {request_cookies: ignore}}", &origin).await;
    let ask = async |cookie| {
        sidecar
            .ask(&Request::get("/").header("Cookie", cookie))
            .await
    };
    got(&ask("id=ann").await, "id=ann", false);
    got(&ask("id=bob").await, "id=ann", true);
    got(&sidecar.get("/").await, "id=ann", true);
}

#[tokio::test]
async fn cookies_can_be_taken_off_what_is_stored() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        let cookie = format!("id={}", asked.number);
        let reply = Reply::cacheable("page").header("Set-Cookie", &cookie);
        match asked.path() {
            "/crowd" => reply.held(&held),
            "/own" => reply.header("Cache-Control", "private"),
            _ => reply,
        }
    })
    .await;
    let sidecar = with("cache: {safety: {set_cookie: strip}}", &origin).await;
    for (hit, cookie) in [(false, Some("id=1")), (true, None)] {
        let answer = sidecar.get("/").await;
        got(&answer, "page", hit);
        assert_eq!(answer.header("set-cookie"), cookie);
    }
    assert_eq!(sidecar.get("/own").await.header("set-cookie"), Some("id=2"));
    // Who waits for somebody else's answer gets no cookie.
    let asking = (0..3).map(|_| sidecar.get("/crowd"));
    let (answers, ()) = tokio::join!(join_all(asking), async {
        eventually("a request at the app", PATIENCE, async || {
            origin.requests() >= 3
        })
        .await;
        gate.open();
    });
    let cookies = answers
        .iter()
        .filter(|answer| answer.header("set-cookie").is_some());
    assert_eq!(cookies.count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.text() == "page"));
}

#[tokio::test]
async fn answers_may_vary_by_what_is_denied_by_default() {
    let origin = showing(&["user-agent"], &[("Vary", "User-Agent")]).await;
    let yaml = "cache: {safety: {vary: {deny: [], max_variants: 2}}}";
    let sidecar = with(yaml, &origin).await;
    let ask = async |agent| {
        sidecar
            .ask(&Request::get("/").header("User-Agent", agent))
            .await
    };
    for (agent, hit) in [("a", false), ("b", false), ("b", true), ("a", true)] {
        got(&ask(agent).await, agent, hit);
    }
    got(&ask("c").await, "c", false);
    got(&ask("a").await, "a", false);
    got(&ask("c").await, "c", true);
}

#[tokio::test]
async fn the_bound_on_variants_changes_with_the_file() {
    let origin = showing(&["x-kind"], &[("Vary", "X-Kind")]).await;
    let sidecar = with("cache: {safety: {vary: {max_variants: 1}}}", &origin).await;
    let ask = async |sidecar: &Sidecar, kind| {
        let request = Request::get("/").header("X-Kind", kind);
        sidecar.ask(&request).await
    };
    for kind in ["a", "b", "a", "b"] {
        got(&ask(&sidecar, kind).await, kind, false);
    }
    sidecar.edit_config("cache: {safety: {vary: {max_variants: 2}}}");
    let reloaded = sidecar.admin(&Request::post("/v1/reload", "")).await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    got(&ask(&sidecar, "a").await, "a", false);
    for kind in ["a", "b", "a", "b"] {
        got(&ask(&sidecar, kind).await, kind, true);
    }
}

#[tokio::test]
async fn languages_can_be_compared_as_they_are_sent() {
    let origin = showing(&["accept-language"], &[("Vary", "Accept-Language")]).await;
    let sidecar = with("cache: {safety: {vary: {normalize: []}}}", &origin).await;
    for language in ["de,en", "de, EN"] {
        let request = Request::get("/").header("Accept-Language", language);
        got(&sidecar.ask(&request).await, language, false);
        got(&sidecar.ask(&request).await, language, true);
    }
}

#[tokio::test]
async fn fields_outside_the_key_can_be_passed() {
    let origin = showing(&["x-original-url", "x-http-method-override"], &[]).await;
    let sidecar = with("cache: {safety: {unkeyed_headers: pass}}", &origin).await;
    let poisoned = Request::get("/").header("X-Original-URL", "/evil");
    got(&sidecar.ask(&poisoned).await, "/evil none", false);
    got(&sidecar.get("/").await, "/evil none", true);
    let write = Request::get("/").header("X-HTTP-Method-Override", "DELETE");
    for _ in 0..2 {
        let answer = sidecar.ask(&write).await;
        got(&answer, "none DELETE", false);
        assert_eq!(answer.detail(), "UNKEYED_HEADER");
    }
}

#[tokio::test]
async fn hosts_can_share_one_entry() {
    let origin = Origin::start(|asked| {
        let reply = Reply::cacheable(asked.header("host").unwrap_or_default().to_owned());
        reply.header("Cache-Tag", "t")
    })
    .await;
    let sidecar = with("cache: {key: {host: off}}", &origin).await;
    let ask = async |host| sidecar.ask(&Request::get("/").header("Host", host)).await;
    got(&ask("a.test").await, "a.test", false);
    got(&ask("b.test:8080").await, "a.test", true);
    // Whatever names one of the hosts means what they share.
    let purges = [
        serde_json::json!({"host": "b.test"}),
        serde_json::json!({"tags": ["t"], "host": "b.test"}),
        serde_json::json!({"urls": ["http://c.test/"]}),
    ];
    for purge in purges {
        assert!(ask("a.test").await.is_hit() || ask("a.test").await.is_hit());
        sidecar.purge(purge.clone()).await;
        assert!(!ask("a.test").await.is_hit(), "{purge}");
    }
    let write = Request::post("/", "x").header("Host", "b.test");
    sidecar.ask(&write).await;
    assert!(!ask("a.test").await.is_hit());
}

#[tokio::test]
async fn what_writes_end_can_be_narrowed() {
    for (yaml, left) in [
        (
            "{on_unsafe: [location], cache_groups: off}",
            [true, false, true, true],
        ),
        (
            "{on_unsafe: [content_location]}",
            [true, true, false, false],
        ),
        ("{on_unsafe: []}", [true, true, true, false]),
    ] {
        let origin = Origin::start(|asked| match &*asked.method {
            "GET" => Reply::cacheable("x").header(
                "Cache-Groups",
                match asked.path() {
                    "/group" => "\"g\"",
                    _ => "\"other\"",
                },
            ),
            _ => Reply::ok("x")
                .header("Location", "/location")
                .header("Content-Location", "/content")
                .header("Cache-Group-Invalidation", "\"g\""),
        })
        .await;
        let sidecar = with(&format!("cache: {{invalidation: {yaml}}}"), &origin).await;
        let pages = ["/target", "/location", "/content", "/group"];
        for page in pages {
            sidecar.get(page).await;
        }
        sidecar.ask(&Request::post("/target", "x")).await;
        for (page, hit) in pages.into_iter().zip(left) {
            assert_eq!(sidecar.get(page).await.is_hit(), hit, "{yaml}: {page}");
        }
    }
}
