//! After a purge was acknowledged nobody receives the old version, and nothing else is lost.

use crate::support::{Connection, Gate, Origin, PATIENCE, Reply, Request, Sidecar, eventually};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const OBJECTS: usize = 10_000;
const CLIENTS: usize = 8;

/// Every hundredth object carries the tag.
fn is_tagged(n: usize) -> bool {
    n.is_multiple_of(100)
}

/// An origin whose answers name its version, which the test moves on.
async fn versioned(version: &Arc<AtomicUsize>) -> Origin {
    let version = Arc::clone(version);
    Origin::start(move |asked| {
        let n: usize = asked.path()[1..].parse().expect("paths are numbers");
        let reply = Reply::cacheable(format!("version {}", version.load(SeqCst)));
        if is_tagged(n) {
            reply.header("Cache-Tag", "sale, all")
        } else {
            reply
        }
    })
    .await
}

/// Asks for every object over a few kept connections; gives (text, hit) by number.
async fn everything(sidecar: &Sidecar) -> Vec<(String, bool)> {
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|part| tokio::spawn(fetch(sidecar.address(), part)))
        .collect();
    let mut answers = vec![(String::new(), false); OBJECTS];
    for task in tasks {
        for (n, text, is_hit) in task.await.expect("a client fails the test by itself") {
            answers[n] = (text, is_hit);
        }
    }
    answers
}

async fn fetch(address: std::net::SocketAddr, part: usize) -> Vec<(usize, String, bool)> {
    let mut connection = Connection::open(address).await.unwrap();
    let mut answers = Vec::new();
    for n in (part..OBJECTS).step_by(CLIENTS) {
        let answer = connection.ask(&Request::get(&format!("/{n}"))).await;
        answers.push((n, answer.text(), answer.is_hit()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_of_ten_thousand_objects_go_and_the_others_stay() {
    let version = Arc::new(AtomicUsize::new(1));
    let origin = versioned(&version).await;
    let sidecar = Sidecar::before(&origin).await;
    everything(&sidecar).await;
    let scrape = sidecar.metrics().await;
    assert_eq!(scrape.value("vestibule_cache_objects"), OBJECTS as f64);

    version.store(2, SeqCst);
    let told = sidecar.purge(json!({"tags": ["sale"]})).await;
    assert_eq!(told["targets"], 1, "{told}");
    for (n, (text, is_hit)) in everything(&sidecar).await.into_iter().enumerate() {
        let expected = if is_tagged(n) {
            ("version 2", false)
        } else {
            ("version 1", true)
        };
        assert_eq!((text.as_str(), is_hit), expected, "object {n}");
    }
    for (n, (_, is_hit)) in everything(&sidecar).await.into_iter().enumerate() {
        assert!(is_hit, "object {n} is kept again after its purge");
    }
}

#[tokio::test]
async fn a_fetch_begun_before_the_purge_is_not_served_after_it() {
    // The purge comes before the head of the old answer, or in the middle of its body.
    for in_body in [false, true] {
        let gate = Gate::closed();
        let held = gate.clone();
        let origin = Origin::start(move |asked| {
            let reply = Reply::chunked().header("Cache-Control", "max-age=60");
            let reply = reply.header("Cache-Tag", "t");
            match (asked.number, in_body) {
                (1, false) => reply.held(&held).body("old"),
                (1, true) => reply.body("o").wait(&held).body("ld"),
                _ => reply.body("new"),
            }
        })
        .await;
        let sidecar = Sidecar::before(&origin).await;
        let mut connection = sidecar.connect().await;
        connection.send(&Request::get("/").bytes()).await.unwrap();
        eventually("the fetch to be under way", PATIENCE, async || {
            origin.requests() == 1
        })
        .await;
        sidecar.purge(json!({"tags": ["t"]})).await;
        gate.open();
        assert_eq!(connection.response("GET").await.unwrap().text(), "old");
        let after = sidecar.get("/").await;
        assert_eq!(
            (after.text().as_str(), after.is_hit()),
            ("new", false),
            "{in_body}"
        );
        assert!(sidecar.get("/").await.is_hit(), "the new one is kept");
    }
}

/// Fills the cache with these targets, and checks each is a hit.
async fn fill(sidecar: &Sidecar, targets: &[&str]) {
    for target in targets {
        assert!(sidecar.get(target).await.was_stored(), "{target}");
        assert!(sidecar.get(target).await.is_hit(), "{target}");
    }
}

#[tokio::test]
async fn urls_are_purged_one_by_one() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    fill(&sidecar, &["/a", "/b", "/c?x=1&y=2", "/a/b"]).await;
    let urls = [Sidecar::url_of("/a"), Sidecar::url_of("/c?y=2&x=1")];
    let told = sidecar.purge(json!({"urls": urls})).await;
    assert_eq!(told["targets"], 2, "{told}");
    for (target, stays) in [
        ("/a", false),
        ("/b", true),
        ("/c?x=1&y=2", false),
        ("/a/b", true),
    ] {
        assert_eq!(sidecar.get(target).await.is_hit(), stays, "{target}");
    }
}

#[tokio::test]
async fn everything_goes_at_once() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    fill(&sidecar, &["/a", "/b", "/c"]).await;
    sidecar.purge(json!({"all": true})).await;
    for target in ["/a", "/b", "/c"] {
        assert!(!sidecar.get(target).await.is_hit(), "{target}");
        assert!(sidecar.get(target).await.is_hit(), "{target} is kept again");
    }
}

#[tokio::test]
async fn each_purge_has_a_later_sequence() {
    let origin = Origin::counting(&[]).await;
    let sidecar = Sidecar::before(&origin).await;
    let first = sidecar.purge(json!({"tags": ["unknown"]})).await;
    let second = sidecar.purge(json!({"all": true})).await;
    assert!(
        second["sequence"].as_u64() > first["sequence"].as_u64(),
        "{first} {second}"
    );
}

#[tokio::test]
async fn tags_come_from_headers_and_routes() {
    let origin = Origin::start(|asked| match asked.path() {
        "/comma" => Reply::cacheable("x").header("Cache-Tag", "one,two"),
        "/space" => Reply::cacheable("x").header("Surrogate-Key", "two three"),
        _ => Reply::cacheable("x"),
    })
    .await;
    let yaml = "routes:\n\
                - {name: item, match: {path: '/items/{id}'}, cache: {tags: ['item:{id}', items]}}\n";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let all = ["/comma", "/space", "/items/7", "/items/8", "/none"];
    let cases: [(&str, &[&str]); 6] = [
        ("one", &["/comma"]),
        ("two", &["/comma", "/space"]),
        ("three", &["/space"]),
        ("item:7", &["/items/7"]),
        ("items", &["/items/7", "/items/8"]),
        ("unknown", &[]),
    ];
    for (tag, gone) in cases {
        for target in all {
            sidecar.get(target).await;
            assert!(sidecar.get(target).await.is_hit(), "{target} before {tag}");
        }
        sidecar.purge(json!({"tags": [tag]})).await;
        for target in all {
            let is_hit = sidecar.get(target).await.is_hit();
            assert_eq!(is_hit, !gone.contains(&target), "{target} after {tag}");
        }
    }
}

#[tokio::test]
async fn a_purge_may_be_for_one_host_only() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60"), ("Cache-Tag", "t")]).await;
    let sidecar = Sidecar::before(&origin).await;
    let ask = async |host: &str| sidecar.ask(&Request::get("/").header("Host", host)).await;
    let fill = async || {
        for host in ["a.test", "b.test"] {
            ask(host).await;
            assert!(ask(host).await.is_hit(), "{host}");
        }
    };
    fill().await;
    sidecar
        .purge(json!({"tags": ["t"], "host": "a.test"}))
        .await;
    assert_eq!(
        (ask("a.test").await.is_hit(), ask("b.test").await.is_hit()),
        (false, true)
    );
    fill().await;
    sidecar.purge(json!({"tags": ["t"]})).await;
    assert_eq!(
        (ask("a.test").await.is_hit(), ask("b.test").await.is_hit()),
        (false, false)
    );
}

#[tokio::test]
async fn coded_variants_go_with_their_object() {
    let origin = Origin::start(|asked| {
        let text = format!("version {} ", asked.number).repeat(500);
        Reply::cacheable(text)
            .header("Content-Type", "text/plain")
            .header("Cache-Tag", "t")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let coded = |coding: &str| Request::get("/").header("Accept-Encoding", coding);
    for coding in ["gzip", "br", "identity"] {
        sidecar.ask(&coded(coding)).await;
        assert!(sidecar.ask(&coded(coding)).await.is_hit(), "{coding}");
    }
    sidecar.purge(json!({"tags": ["t"]})).await;
    assert!(!sidecar.ask(&coded("gzip")).await.is_hit());
    for coding in ["br", "identity"] {
        let answer = sidecar.ask(&coded(coding)).await;
        let text = String::from_utf8(crate::support::decoded(&answer)).unwrap();
        assert!(!text.contains("version 1 "), "{coding}");
    }
}

#[tokio::test]
async fn the_admin_port_asks_for_its_token() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let yaml = "observability: {admin: {token: open-sesame-0123456789}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    fill(&sidecar, &["/"]).await;
    let purge =
        || Request::post("/v1/purge", "{\"all\": true}").header("Content-Type", "application/json");
    let cases = [
        None,
        Some("Bearer wrong"),
        Some("Bearer open-sesame-012345678"),
        Some("Bearer "),
        Some("Basic open-sesame-0123456789"),
    ];
    for authorization in cases {
        let request = match authorization {
            Some(value) => purge().header("Authorization", value),
            None => purge(),
        };
        assert_eq!(
            sidecar.admin(&request).await.status,
            401,
            "{authorization:?}"
        );
        assert!(sidecar.get("/").await.is_hit(), "{authorization:?}");
    }
    assert_eq!(sidecar.admin(&Request::get("/v1/stats")).await.status, 401);
    let right = purge().header("Authorization", "Bearer open-sesame-0123456789");
    assert_eq!(sidecar.admin(&right).await.status, 200);
    assert!(!sidecar.get("/").await.is_hit());
    assert!(
        !sidecar.log().contains("open-sesame"),
        "the token is not logged"
    );
}

#[tokio::test]
async fn a_purge_that_says_nothing_purges_nothing() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    fill(&sidecar, &["/"]).await;
    for body in [
        "",
        "{}",
        "[]",
        "{\"tags\": \"t\"}",
        "{\"tag\": [\"t\"]}",
        "{\"all\": false}",
    ] {
        let request = Request::post("/v1/purge", body.to_owned());
        let answer = sidecar
            .admin(&request.header("Content-Type", "application/json"))
            .await;
        assert!(
            (400..500).contains(&answer.status),
            "{body:?}: {}",
            answer.status
        );
    }
    let get = sidecar.admin(&Request::get("/v1/purge")).await;
    assert!([404, 405].contains(&get.status), "{}", get.status);
    assert!(sidecar.get("/").await.is_hit());
}
