//! Asking the app whether what is stored still holds (RFC 9111 §4.3), and what becomes of it then.

use crate::support::{
    Asked, Connection, Gate, Origin, PATIENCE, Reply, Request, Sidecar, eventually,
};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const BODY: &str = "a body that is sent once";

/// A page of one version that is known by its tag.
fn page(asked: &Asked, tag: &str, cache_control: &str) -> Reply {
    let reply = match asked.header("If-None-Match") == Some(tag) {
        true => Reply::status(304),
        false => Reply::ok(format!("{BODY} {tag}")),
    };
    reply
        .header("ETag", tag)
        .header("Cache-Control", cache_control)
        .header("X-Asked", &asked.number.to_string())
}

async fn purge(sidecar: &Sidecar, path: &str) {
    sidecar
        .purge(json!({"urls": [Sidecar::url_of(path)]}))
        .await;
}

/// Connections on which these heads were sent, all of them with the sidecar by now.
async fn waiting(sidecar: &Sidecar, heads: impl IntoIterator<Item = String>) -> Vec<Connection> {
    let mut connections = Vec::new();
    for head in heads {
        let mut connection = sidecar.connect().await;
        connection.send(head.as_bytes()).await.unwrap();
        connections.push(connection);
    }
    let count = connections.len() as f64;
    eventually("all to be under way", PATIENCE, async || {
        let metrics = sidecar.metrics().await;
        metrics.sum("vestibule_requests_in_flight", &[]) >= count
    })
    .await;
    connections
}

/// A GET of the root with one more field.
fn asking(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: app.test\r\n{field}\r\n\r\n")
}

#[tokio::test]
async fn a_304_makes_what_is_stored_fresh_again() {
    let origin = Origin::start(|asked| page(asked, "\"1\"", "max-age=60")).await;
    let sidecar = Sidecar::before(&origin).await;
    assert_eq!(sidecar.get("/").await.header("x-asked"), Some("1"));
    purge(&sidecar, "/").await;
    let validated = sidecar.get("/").await;
    assert_eq!(validated.status, 200);
    assert_eq!(validated.text(), format!("{BODY} \"1\""));
    assert_eq!(
        validated.cache_status(),
        "vestibule; fwd=stale; fwd-status=304; stored; detail=PURGED"
    );
    assert_eq!(origin.last().header("If-None-Match"), Some("\"1\""));
    // RFC 9111 §3.2: the head is that of the 304.
    assert_eq!(validated.header("x-asked"), Some("2"));
    let hit = sidecar.get("/").await;
    assert!(hit.is_hit(), "{hit:?}");
    assert_eq!(hit.header("x-asked"), Some("2"));
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn the_date_of_modification_does_where_there_is_no_tag() {
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let origin = Origin::start(|asked| {
        let reply = match asked.header("If-Modified-Since") == Some(MODIFIED) {
            true => Reply::status(304),
            false => Reply::ok(BODY),
        };
        reply
            .header("Last-Modified", MODIFIED)
            .header("Cache-Control", "max-age=60, no-cache")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for _ in 0..3 {
        let answer = sidecar.get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    }
    assert_eq!(
        origin.last().header("If-Modified-Since"),
        Some(MODIFIED),
        "RFC 9111 §4.3.1"
    );
}

#[tokio::test]
async fn who_has_the_body_gets_a_304_too() {
    let origin = Origin::start(|asked| page(asked, "\"1\"", "no-cache")).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    let same = Request::get("/").header("If-None-Match", "\"1\"");
    let answer = sidecar.ask(&same).await;
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    // The app is asked by the tag of what is stored, not by the client's.
    let other = Request::get("/").header("If-None-Match", "\"0\"");
    let answer = sidecar.ask(&other).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), format!("{BODY} \"1\""));
    assert_eq!(origin.last().header("If-None-Match"), Some("\"1\""));
}

#[tokio::test]
async fn what_has_changed_is_replaced() {
    let version = Arc::new(AtomicU64::new(1));
    let at_the_app = Arc::clone(&version);
    let origin = Origin::start(move |asked| {
        let tag = format!("\"{}\"", at_the_app.load(SeqCst));
        page(asked, &tag, "max-age=60")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    version.store(2, SeqCst);
    purge(&sidecar, "/").await;
    let answer = sidecar.get("/").await;
    assert_eq!(answer.text(), format!("{BODY} \"2\""));
    assert_eq!(
        answer.cache_status(),
        "vestibule; fwd=stale; stored; detail=PURGED"
    );
    assert!(sidecar.get("/").await.is_hit());
}

/// RFC 9111 §4.3.4: a 304 that speaks of another representation says nothing about the stored one.
#[tokio::test]
async fn a_304_for_something_else_is_followed_by_the_whole_question() {
    let origin = Origin::start(|asked| match asked.header("If-None-Match") {
        Some(_) => Reply::status(304).header("ETag", "\"never seen\""),
        None => Reply::cacheable(BODY).header("ETag", &format!("\"{}\"", asked.number)),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let answer = sidecar.get("/").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    assert_eq!(answer.header("etag"), Some("\"3\""));
    assert_eq!(origin.requests(), 3);
    assert!(sidecar.get("/").await.is_hit());
}

#[tokio::test]
async fn a_304_may_end_what_is_stored() {
    let origin = Origin::start(|asked| match asked.header("If-None-Match") {
        Some(_) => page(asked, "\"1\"", "no-store"),
        None => page(asked, "\"1\"", "max-age=60"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let answer = sidecar.get("/").await;
    assert_eq!(answer.text(), format!("{BODY} \"1\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.detail(), "NO_STORE");
    sidecar.get("/").await;
    assert_eq!(
        origin.last().header("If-None-Match"),
        None,
        "nothing is left to ask about"
    );
}

#[tokio::test]
async fn a_cookie_in_a_304_goes_to_the_one_who_asked() {
    let origin = Origin::start(|asked| {
        let reply = page(asked, "\"1\"", "max-age=60");
        match asked.header("If-None-Match") {
            Some(_) => reply.header("Set-Cookie", &format!("session={}", asked.number)),
            None => reply,
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let first = sidecar.get("/").await;
    assert_eq!(first.header("set-cookie"), Some("session=2"));
    assert_eq!(first.text(), format!("{BODY} \"1\""));
    let second = sidecar.get("/").await;
    assert_eq!(second.header("set-cookie"), None, "it was never stored");
    assert_eq!(second.text(), format!("{BODY} \"1\""));
}

#[tokio::test]
async fn many_who_wait_for_the_same_word_have_it_asked_once() {
    let gate = Gate::closed();
    let at_the_app = gate.clone();
    let origin = Origin::start(move |asked| {
        let reply = page(asked, "\"1\"", "max-age=60");
        match asked.header("If-None-Match") {
            Some(_) => reply.held(&at_the_app),
            None => reply,
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let waiting = waiting(&sidecar, vec![asking("Accept: */*"); 20]).await;
    gate.open();
    let mut collapsed = 0;
    for mut connection in waiting {
        let answer = connection.response("GET").await.unwrap();
        assert_eq!(answer.text(), format!("{BODY} \"1\""));
        collapsed += usize::from(answer.cache_status().contains("collapsed"));
    }
    assert!(collapsed > 0, "somebody waited with the first");
    assert_eq!(origin.requests(), 2);
}

/// RFC 9111 §5.2.2.4: each request has its own word of the app, and none waits for another's.
#[tokio::test]
async fn what_must_be_asked_each_time_is_asked_side_by_side() {
    let gate = Gate::closed();
    let at_the_app = gate.clone();
    let origin = Origin::start(move |asked| {
        let reply = page(asked, "\"1\"", "no-cache");
        match asked.header("If-None-Match") {
            Some(_) => reply.held(&at_the_app),
            None => reply,
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    let waiting = waiting(&sidecar, vec![asking("Accept: */*"); 5]).await;
    eventually("each to be asked", PATIENCE, async || {
        origin.requests() == 6
    })
    .await;
    gate.open();
    for mut connection in waiting {
        let answer = connection.response("GET").await.unwrap();
        assert_eq!(answer.text(), format!("{BODY} \"1\""));
    }
    let whole = |asked: &&Asked| asked.header("If-None-Match").is_none();
    assert_eq!(origin.asked().iter().filter(whole).count(), 1);
}

#[tokio::test]
async fn what_was_purged_is_not_given_when_the_app_fails() {
    let origin = Origin::start(|asked| match asked.header("If-None-Match") {
        Some(_) => Reply::status(503).body("down"),
        None => page(asked, "\"1\"", "max-age=60, stale-if-error=600"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let answer = sidecar.get("/").await;
    assert_eq!((answer.status, answer.text().as_str()), (503, "down"));
}

#[tokio::test]
async fn a_stale_answer_is_refreshed_by_its_tag() {
    let origin = Origin::start(|asked| match asked.header("If-None-Match") {
        Some(_) => page(asked, "\"1\"", "max-age=60"),
        None => page(asked, "\"1\"", "max-age=10, stale-while-revalidate=60").header("Age", "20"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    let stale = sidecar.get("/").await;
    assert_eq!(stale.detail(), "STALE_WHILE_REVALIDATE", "{stale:?}");
    eventually("the 304 to count", PATIENCE, async || {
        let answer = sidecar.get("/").await;
        answer.is_hit() && answer.detail().is_empty()
    })
    .await;
    assert_eq!(origin.requests(), 2);
    assert_eq!(origin.last().header("If-None-Match"), Some("\"1\""));
}

/// RFC 9110 §14: the app's 304 makes the whole fresh, of which the client gets its part.
#[tokio::test]
async fn a_part_of_what_has_expired_is_cut_from_what_is_validated() {
    let origin = Origin::start(|asked| page(asked, "\"1\"", "max-age=60")).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    let part = Request::get("/").header("Range", "bytes=2-5");
    let answer = sidecar.ask(&part).await;
    assert_eq!((answer.status, answer.text().as_str()), (206, "body"));
    assert_eq!(origin.last().header("Range"), None);
    assert_eq!(origin.last().header("If-None-Match"), Some("\"1\""));
    assert!(sidecar.get("/").await.is_hit());
}

#[tokio::test]
async fn a_part_is_cut_from_a_whole_that_is_on_its_way() {
    let gate = Gate::closed();
    let at_the_app = gate.clone();
    let origin = Origin::start(move |_| Reply::cacheable(BODY).held(&at_the_app)).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut whole = sidecar.connect().await;
    whole
        .send(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
        .await
        .unwrap();
    eventually("the whole to be asked for", PATIENCE, async || {
        origin.requests() == 1
    })
    .await;
    let mut part = sidecar.connect().await;
    part.send(b"GET / HTTP/1.1\r\nHost: app.test\r\nRange: bytes=2-5\r\n\r\n")
        .await
        .unwrap();
    eventually("both to be under way", PATIENCE, async || {
        sidecar
            .metrics()
            .await
            .sum("vestibule_requests_in_flight", &[])
            >= 2.0
    })
    .await;
    gate.open();
    assert_eq!(whole.response("GET").await.unwrap().text(), BODY);
    let part = part.response("GET").await.unwrap();
    assert_eq!((part.status, part.text().as_str()), (206, "body"));
    assert_eq!(origin.requests(), 1);
}

/// RFC 9111 §4.3.5.
#[tokio::test]
async fn an_answer_to_head_freshens_or_ends_what_is_stored() {
    let tag = Arc::new(AtomicU64::new(1));
    let at_the_app = Arc::clone(&tag);
    let origin = Origin::start(move |asked| {
        let tag = format!("\"{}\"", at_the_app.load(SeqCst));
        page(asked, &tag, "max-age=60")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    purge(&sidecar, "/").await;
    sidecar.ask(&Request::head("/")).await;
    let hit = sidecar.get("/").await;
    assert!(hit.is_hit(), "the app's word to HEAD counts: {hit:?}");
    assert_eq!(hit.text(), format!("{BODY} \"1\""));

    tag.store(2, SeqCst);
    purge(&sidecar, "/").await;
    sidecar.ask(&Request::head("/")).await;
    let answer = sidecar.get("/").await;
    assert_eq!(answer.text(), format!("{BODY} \"2\""));
    assert_eq!(origin.last().header("If-None-Match"), None);
}

/// Who learns from a fetch that its answer is in another language has his own fetched, once for all
/// who speak it.
#[tokio::test]
async fn a_crowd_in_three_languages_costs_three_fetches() {
    let gate = Gate::closed();
    let at_the_app = gate.clone();
    let origin = Origin::start(move |asked| {
        let language = asked.header("Accept-Language").unwrap_or_default();
        Reply::cacheable(format!("in {language}"))
            .header("Vary", "Accept-Language")
            .held(&at_the_app)
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let languages = ["de", "en", "fr"].iter().cycle().take(30);
    let heads = languages
        .clone()
        .map(|language| asking(&format!("Accept-Language: {language}")));
    let waiting = waiting(&sidecar, heads).await;
    gate.open();
    for (language, mut connection) in languages.zip(waiting) {
        let answer = connection.response("GET").await.unwrap();
        assert_eq!(answer.text(), format!("in {language}"));
    }
    assert_eq!(origin.requests(), 3);
}
