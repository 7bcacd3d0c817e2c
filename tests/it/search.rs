//! `No-Vary-Search`: one stored answer for all queries that differ in nothing that matters, where the
//! app says so and the operator lets it.

use crate::support::{Origin, Reply, Request, Sidecar};
use serde_json::json;

const ON: &str = "cache: {key: {no_vary_search: on}}";

/// Says that `source` makes no difference on pages, and nothing elsewhere.
async fn shop() -> Origin {
    Origin::start(|asked| {
        let reply = Reply::cacheable(format!("{} {}", asked.number, asked.target));
        match asked.path() {
            "/page" => reply.header("No-Vary-Search", "key-order, params=(\"source\")"),
            _ => reply,
        }
    })
    .await
}

#[tokio::test]
async fn queries_that_differ_in_nothing_share_an_answer() {
    let origin = shop().await;
    let sidecar = Sidecar::with(ON).origin(&origin).start().await;
    let first = sidecar.get("/page?id=1&source=mail&b=2").await;
    assert!(first.was_stored(), "{first:?}");
    for same in [
        "id=1&b=2",
        "b=2&source=web&id=1",
        "source=x&source=y&b=2&id=1",
    ] {
        let answer = sidecar.get(&format!("/page?{same}")).await;
        assert!(answer.is_hit(), "{same}: {answer:?}");
        assert_eq!(answer.text(), first.text(), "{same}");
    }
    for other in ["id=2&b=2&source=mail", "id=1", "id=1&b=2&Source=x"] {
        let answer = sidecar.get(&format!("/page?{other}")).await;
        assert!(!answer.is_hit(), "{other}: {answer:?}");
    }
    // Another path has said nothing.
    sidecar.get("/other?id=1&source=mail").await;
    assert!(!sidecar.get("/other?id=1&source=web").await.is_hit());
    assert!(sidecar.get("/other?id=1&source=mail").await.is_hit());
}

#[tokio::test]
async fn purges_and_writes_by_any_of_the_urls_end_it() {
    let origin = shop().await;
    let sidecar = Sidecar::with(ON).origin(&origin).start().await;
    let is_stored = async |query: &str| {
        sidecar.get("/page?id=1&source=mail").await;
        sidecar.get(&format!("/page?{query}")).await.is_hit()
    };
    assert!(is_stored("id=1&source=a").await);
    let url = Sidecar::url_of("/page?source=b&id=1");
    sidecar.purge(json!({ "urls": [url] })).await;
    assert!(!sidecar.get("/page?id=1&source=c").await.is_hit());

    assert!(is_stored("id=1&source=a").await);
    sidecar
        .ask(&Request::post("/page?id=1&source=form", "x"))
        .await;
    assert!(!sidecar.get("/page?id=1&source=d").await.is_hit());
}

#[tokio::test]
async fn what_the_app_takes_back_counts_no_more() {
    let origin = Origin::start(|asked| {
        let reply = Reply::cacheable(asked.target.clone());
        match asked.number {
            1 => reply.header("No-Vary-Search", "params"),
            _ => reply,
        }
    })
    .await;
    let sidecar = Sidecar::with(ON).origin(&origin).start().await;
    sidecar.get("/?a=1").await;
    assert!(sidecar.get("/?a=2").await.is_hit());
    sidecar.purge(json!({"all": true})).await;
    assert_eq!(sidecar.get("/?a=2").await.text(), "/?a=2");
    assert_eq!(sidecar.get("/?a=3").await.text(), "/?a=3");
    assert!(sidecar.get("/?a=3").await.is_hit());
}

#[tokio::test]
async fn without_the_switch_each_query_has_its_own() {
    let origin = shop().await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/page?source=mail").await;
    let other = sidecar.get("/page?source=web").await;
    assert!(!other.is_hit(), "{other:?}");
}
