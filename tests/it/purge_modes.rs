//! What each mode of a purge promises, and what each way to name things hits.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const MODES: [&str; 3] = ["soft", "invalidate", "hard"];

/// An order with a mode.
fn in_mode(mode: &str, mut order: Value) -> Value {
    order["mode"] = json!(mode);
    order
}

/// Asks twice: the second answer comes from the cache.
async fn keep(sidecar: &Sidecar, request: &Request) -> Response {
    sidecar.ask(request).await;
    let answer = sidecar.ask(request).await;
    assert!(answer.is_hit(), "{}: {answer:?}", request.target);
    answer
}

#[tokio::test]
async fn soft_stale_is_given_while_one_fetch_renews() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        let reply = Reply::cacheable(format!("answer {}", asked.number)).header("Cache-Tag", "t");
        match asked.number {
            1 => reply,
            _ => reply.held(&held),
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    keep(&sidecar, &Request::get("/")).await;
    let told = sidecar.purge(in_mode("soft", json!({"tags": ["t"]}))).await;
    assert_eq!(
        (&told["mode"], &told["hit"]["responses"]),
        (&json!("soft"), &json!(1))
    );
    for _ in 0..5 {
        let stale = sidecar.get("/").await;
        assert_eq!(
            (stale.text().as_str(), stale.detail()),
            ("answer 1", "STALE_AFTER_PURGE"),
            "{stale:?}"
        );
    }
    gate.open();
    eventually("the new answer", PATIENCE, async || {
        let answer = sidecar.get("/").await;
        assert!(answer.is_hit(), "nobody waits for it: {answer:?}");
        answer.text() == "answer 2"
    })
    .await;
    assert_eq!(origin.requests(), 2, "one fetch renews it");
    assert_eq!(sidecar.get("/").await.detail(), "");
}

/// How an app can fail.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Status(u16),
    Silence,
}

impl Failure {
    fn reply(self) -> Reply {
        match self {
            Self::Status(status) => Reply::status(status).body("sorry"),
            Self::Silence => Reply::raw(""),
        }
    }
}

const FAILURES: [Failure; 3] = [Failure::Status(500), Failure::Status(503), Failure::Silence];

/// An app that answers "good" until it is told to fail.
async fn fragile(fails: &Arc<AtomicBool>, failure: Failure, cache_control: &'static str) -> Origin {
    let fails = Arc::clone(fails);
    Origin::start(move |_| match fails.load(SeqCst) {
        true => failure.reply(),
        false => Reply::ok("good").header("Cache-Control", cache_control),
    })
    .await
}

#[tokio::test]
async fn soft_serves_on_when_the_app_fails() {
    for failure in FAILURES {
        let fails = Arc::new(AtomicBool::new(false));
        let origin = fragile(&fails, failure, "max-age=60").await;
        let sidecar = Sidecar::before(&origin).await;
        keep(&sidecar, &Request::get("/")).await;
        fails.store(true, SeqCst);
        sidecar.purge(in_mode("soft", json!({"all": true}))).await;
        for n in 2..6 {
            let answer = sidecar.get("/").await;
            assert_eq!(
                (answer.text().as_str(), answer.is_hit()),
                ("good", true),
                "{failure:?}: {answer:?}"
            );
            // Each waits for the failure that the one before has caused.
            eventually("the app to have failed", PATIENCE, async || {
                origin.requests() >= n
            })
            .await;
        }
        fails.store(false, SeqCst);
        eventually("it to be renewed", PATIENCE, async || {
            let answer = sidecar.get("/").await;
            assert!(answer.is_hit(), "{failure:?}: {answer:?}");
            answer.detail().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn invalidated_is_not_given_unasked_even_when_the_app_fails() {
    for failure in FAILURES {
        for mode in ["invalidate", "hard"] {
            let fails = Arc::new(AtomicBool::new(false));
            let words = "max-age=60, stale-if-error=600, stale-while-revalidate=600";
            let origin = fragile(&fails, failure, words).await;
            let sidecar = Sidecar::before(&origin).await;
            keep(&sidecar, &Request::get("/")).await;
            fails.store(true, SeqCst);
            sidecar.purge(in_mode(mode, json!({"all": true}))).await;
            for request in [
                Request::get("/"),
                Request::get("/").header("Cache-Control", "max-stale"),
                Request::get("/").header("Cache-Control", "stale-if-error=600"),
                Request::get("/").header("Cache-Control", "only-if-cached"),
                Request::get("/").header("Range", "bytes=0-1"),
            ] {
                let answer = sidecar.ask(&request).await;
                assert!(
                    answer.status >= 500 && !answer.text().contains("good"),
                    "{failure:?} {mode} {request:?}: {answer:?}"
                );
            }
            fails.store(false, SeqCst);
            eventually("the app's word", PATIENCE, async || {
                sidecar.get("/").await.text() == "good"
            })
            .await;
        }
    }
}

#[tokio::test]
async fn what_the_app_confirms_need_not_be_sent_again() {
    for (mode, status) in [("invalidate", 304), ("soft", 304), ("hard", 200)] {
        let origin = Origin::start(|asked| {
            let reply = match asked.header("If-None-Match") {
                Some("\"1\"") => Reply::status(304),
                _ => Reply::ok("a body"),
            };
            reply
                .header("Cache-Control", "max-age=60")
                .header("ETag", "\"1\"")
        })
        .await;
        let sidecar = Sidecar::before(&origin).await;
        keep(&sidecar, &Request::get("/")).await;
        sidecar.purge(in_mode(mode, json!({"all": true}))).await;
        assert_eq!(sidecar.get("/").await.text(), "a body", "{mode}");
        eventually("it to be fresh again", PATIENCE, async || {
            let answer = sidecar.get("/").await;
            answer.is_hit() && answer.detail().is_empty()
        })
        .await;
        assert_eq!(origin.requests(), 2, "{mode}");
        let asked = origin.last();
        let sent = match asked.header("If-None-Match") {
            Some(_) => 304,
            None => 200,
        };
        assert_eq!(sent, status, "{mode}");
    }
}

#[tokio::test]
async fn hard_purged_bytes_go_by_themselves() {
    const OBJECTS: usize = 50;
    let origin = Origin::start(|_| {
        Reply::cacheable(vec![b'x'; 20_000])
            .header("ETag", "\"1\"")
            .header("Cache-Tag", "big")
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let orders = [
        json!({"tags": ["big"]}),
        json!({"prefixes": ["/"]}),
        json!({"globs": ["**"]}),
        json!({"all": true}),
    ];
    for order in orders {
        for n in 0..OBJECTS {
            sidecar.get(&format!("/{n}")).await;
        }
        let full = sidecar.metrics().await;
        assert!(full.value("vestibule_cache_memory_bytes") > 20_000.0 * OBJECTS as f64);
        sidecar.purge(in_mode("invalidate", order.clone())).await;
        let kept = sidecar.metrics().await;
        assert_eq!(
            kept.value("vestibule_cache_objects"),
            OBJECTS as f64,
            "{order}: kept, because the app may confirm it"
        );
        let told = sidecar.purge(in_mode("hard", order.clone())).await;
        assert_eq!(told["hit"]["objects"], OBJECTS, "{told}");
        eventually("the memory to be free", PATIENCE, async || {
            let scrape = sidecar.metrics().await;
            scrape.value("vestibule_cache_objects") == 0.0
                && scrape.value("vestibule_cache_memory_bytes") == 0.0
        })
        .await;
    }
    let swept = sidecar.metrics().await.value("vestibule_cache_swept_total");
    assert_eq!(swept, 4.0 * OBJECTS as f64);
}

/// Which of the paths are still given without asking the app first.
async fn stay(sidecar: &Sidecar, requests: &[Request]) -> Vec<bool> {
    let mut stay = Vec::new();
    for request in requests {
        let answer = sidecar.ask(request).await;
        stay.push(answer.is_hit() && answer.detail().is_empty());
    }
    stay
}

async fn only_these_go(sidecar: &Sidecar, order: &Value, requests: &[Request], gone: &[usize]) {
    for mode in MODES {
        for request in requests {
            // One that was softly purged needs a moment.
            eventually("everything to be stored", PATIENCE, async || {
                let answer = sidecar.ask(request).await;
                answer.is_hit() && answer.detail().is_empty()
            })
            .await;
        }
        let told = sidecar.purge(in_mode(mode, order.clone())).await;
        assert_eq!(told["hit"]["responses"], gone.len(), "{order}: {told}");
        assert_eq!(told["hit"]["complete"], true, "{told}");
        let expected: Vec<_> = (0..requests.len()).map(|n| !gone.contains(&n)).collect();
        assert_eq!(stay(sidecar, requests).await, expected, "{mode} {order}");
    }
}

#[tokio::test]
async fn paths_are_hit_by_their_form() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    let paths = [
        "/blog/",
        "/blog/a?page=2",
        "/blog/a/b.css",
        "/blogs",
        "/about",
        "/a.css",
    ];
    let requests = paths.map(Request::get);
    let blog = Sidecar::url_of("/blog/");
    let cases: [(Value, &[usize]); 9] = [
        (json!({"prefixes": ["/blog/"]}), &[0, 1, 2]),
        (json!({"prefixes": ["/blog"]}), &[0, 1, 2, 3]),
        (json!({"prefixes": ["/blog/a?page="]}), &[1]),
        (json!({"prefixes": [blog]}), &[0, 1, 2]),
        (json!({"globs": ["/blog/*"]}), &[0, 1]),
        (json!({"globs": ["/blog/**"]}), &[0, 1, 2]),
        (json!({"globs": ["**.css"]}), &[2, 5]),
        (
            json!({"globs": ["/*.css"], "prefixes": ["/about", "/none"]}),
            &[4, 5],
        ),
        (json!({"prefixes": ["/Blog/", "/blog/a/b.css.gz"]}), &[]),
    ];
    for (order, gone) in cases {
        only_these_go(&sidecar, &order, &requests, gone).await;
    }
}

#[tokio::test]
async fn tenants_do_not_purge_each_other() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60"), ("Cache-Tag", "t")]).await;
    let sidecar = Sidecar::before(&origin).await;
    let of = |host: &str, path: &str| Request::get(path).header("Host", host);
    let requests = [
        of("a.test", "/x"),
        of("a.test", "/y"),
        of("b.test", "/x"),
        of("sub.a.test", "/x"),
    ];
    let cases: [(Value, &[usize]); 9] = [
        (json!({"host": "a.test"}), &[0, 1]),
        (json!({"host": "A.TEST.:80"}), &[0, 1]),
        (json!({"host": "a.test", "tags": ["t"]}), &[0, 1]),
        (json!({"host": "a.test", "prefixes": ["/x"]}), &[0]),
        (json!({"host": "b.test", "globs": ["**"]}), &[2]),
        (json!({"host": "a.test", "urls": ["/x"]}), &[0]),
        (json!({"urls": ["http://b.test/x"]}), &[2]),
        (json!({"prefixes": ["https://a.test/y"]}), &[1]),
        (json!({"prefixes": ["/x"]}), &[0, 2, 3]),
    ];
    for (order, gone) in cases {
        only_these_go(&sidecar, &order, &requests, gone).await;
    }
}

#[tokio::test]
async fn a_url_is_all_its_variants_and_schemes() {
    let origin = Origin::start(|asked| {
        Reply::cacheable(format!("answer {}", asked.number)).header("Vary", "Accept-Language")
    })
    .await;
    let yaml = "client_ip: {trusted_proxies: [127.0.0.0/8]}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let of = |scheme: &str, language: &str, path: &str| {
        Request::get(path)
            .header("X-Forwarded-Proto", scheme)
            .header("Accept-Language", language)
    };
    let requests = [
        of("http", "de", "/x"),
        of("http", "en", "/x"),
        of("https", "de", "/x"),
        of("https", "de", "/y"),
    ];
    for scheme in ["http", "https"] {
        let url = Sidecar::url_of("/x").replace("http", scheme);
        let order = json!({"urls": [url]});
        only_these_go(&sidecar, &order, &requests, &[0, 1, 2]).await;
    }
}

#[tokio::test]
async fn purges_are_counted_by_kind_and_mode() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    let before = sidecar.metrics().await;
    assert_eq!(before.value("vestibule_last_purge_timestamp_seconds"), 0.0);
    let order = json!({"tags": ["a", "b"], "urls": ["/x"], "host": "h", "prefixes": ["/p"], "globs": ["/*"]});
    sidecar.purge(in_mode("soft", order)).await;
    sidecar.purge(json!({"host": "h"})).await;
    sidecar.purge(in_mode("hard", json!({"all": true}))).await;
    sidecar.ask(&Request::post("/", "x")).await;
    let scrape = sidecar.metrics().await;
    let cases = [
        ("tag", "soft", 2.0),
        ("tag", "hard", 0.0),
        ("url", "soft", 1.0),
        ("prefix", "soft", 1.0),
        ("glob", "soft", 1.0),
        ("host", "soft", 0.0),
        ("host", "invalidate", 1.0),
        ("all", "hard", 1.0),
        ("write", "invalidate", 1.0),
    ];
    for (kind, mode, expected) in cases {
        let labels = [("kind", kind), ("mode", mode)];
        let counted = scrape.sum("vestibule_purges_total", &labels);
        assert_eq!(counted, expected, "{kind} {mode}");
    }
    assert!(scrape.value("vestibule_last_purge_timestamp_seconds") > 1e9);
}

#[tokio::test]
async fn more_patterns_than_the_list_holds_purge_more_and_not_less() {
    let version = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&version);
    let origin =
        Origin::start(move |_| Reply::cacheable(format!("version {}", now.load(SeqCst)))).await;
    let sidecar = Sidecar::before(&origin).await;
    keep(&sidecar, &Request::get("/hit")).await;
    version.store(2, SeqCst);
    sidecar.purge(json!({"prefixes": ["/hit"]})).await;
    for part in 0..12 {
        let globs: Vec<_> = (0..100).map(|n| format!("/{part}/{n}/*")).collect();
        sidecar.purge(json!({"globs": globs})).await;
    }
    assert_eq!(sidecar.get("/hit").await.text(), "version 2");
    keep(&sidecar, &Request::get("/hit")).await;
}
