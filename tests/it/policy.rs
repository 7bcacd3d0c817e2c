//! The rules of RFC 9111 and its kin seen from outside: which answers are kept, and on whose word.

use crate::support::{Origin, PATIENCE, Reply, Request, Sidecar, eventually};

#[tokio::test]
async fn any_final_status_is_kept_for_the_time_it_names() {
    let origin = Origin::start(|asked| {
        let status = asked.path()[1..].parse().expect("a status");
        let reply = Reply::status(status).header("Cache-Control", "max-age=60");
        // RFC 9110 §15.3.5.
        if status == 204 {
            reply
        } else {
            reply.body("x")
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for (status, kept) in [
        (203, true),
        (204, true),
        (302, true),
        (307, true),
        (400, true),
        (410, true),
        (500, true),
        (503, true),
        // RFC 6585 §4.
        (429, false),
    ] {
        let target = format!("/{status}");
        let first = sidecar.get(&target).await;
        let second = sidecar.get(&target).await;
        assert_eq!((first.status, second.status), (status, status));
        assert_eq!(second.is_hit(), kept, "{status}: {second:?}");
        assert_eq!(second.text(), first.text(), "{status}");
        assert!(second.is_whole(), "{status}");
    }
    let empty = sidecar.get("/204").await;
    assert_eq!(empty.header("content-length"), None, "RFC 9110 §8.6");
}

/// RFC 9213.
#[tokio::test]
async fn a_field_for_us_takes_the_place_of_cache_control() {
    for name in ["Vestibule-Cache-Control", "Surrogate-Control"] {
        let origin = Origin::counting(&[(name, "max-age=60"), ("Cache-Control", "no-store")]).await;
        let sidecar = Sidecar::before(&origin).await;
        sidecar.get("/").await;
        assert!(sidecar.get("/").await.is_hit(), "{name}");

        let origin = Origin::counting(&[(name, "no-store"), ("Cache-Control", "max-age=60")]).await;
        let sidecar = Sidecar::before(&origin).await;
        assert_eq!(sidecar.get("/").await.detail(), "NO_STORE", "{name}");
        assert!(!sidecar.get("/").await.is_hit(), "{name}");
    }
}

/// RFC 9111 §5.2.1.2.
#[tokio::test]
async fn a_client_may_accept_what_is_stale() {
    let origin =
        Origin::counting(&[("Cache-Control", "max-age=1, stale-while-revalidate=0")]).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    let accepting = Request::get("/").header("Cache-Control", "max-stale=60");
    eventually("a stale answer", PATIENCE, async || {
        let answer = sidecar.ask(&accepting).await;
        assert!(answer.is_hit(), "{answer:?}");
        answer
            .cache_status()
            .ends_with("; detail=REQUEST_MAX_STALE")
    })
    .await;
    assert_eq!(origin.requests(), 1);
    assert!(!sidecar.get("/").await.is_hit());
}

/// What is no part of the key does not reach the app where it could shape a shared answer.
#[tokio::test]
async fn headers_outside_the_key_are_dropped_from_cacheable_requests() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    let poisoned = Request::get("/").header("X-Original-URL", "/admin");
    assert!(sidecar.ask(&poisoned).await.was_stored());
    assert_eq!(origin.last().header("x-original-url"), None);
    assert!(sidecar.get("/").await.is_hit() && sidecar.ask(&poisoned).await.is_hit());
    // Where nothing is shared, nothing is taken away.
    let own = Request::post("/", "x").header("X-Original-URL", "/admin");
    sidecar.ask(&own).await;
    assert_eq!(origin.last().header("x-original-url"), Some("/admin"));
}

#[tokio::test]
async fn what_a_trusted_proxy_says_goes_past_the_cache_unchanged() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let yaml = "client_ip: {trusted_proxies: [127.0.0.0/8]}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let request = Request::get("/").header("X-Forwarded-Prefix", "/app");
    let answer = sidecar.ask(&request).await;
    assert_eq!(
        answer.cache_status(),
        "vestibule; fwd=bypass; detail=UNKEYED_HEADER"
    );
    assert_eq!(origin.last().header("x-forwarded-prefix"), Some("/app"));
}

/// RFC 9111 §5.2.2.4: stored, but never given without asking.
#[tokio::test]
async fn no_cache_is_kept_to_be_validated() {
    let headers = [("Cache-Control", "max-age=60, no-cache"), ("ETag", "\"1\"")];
    let origin = Origin::counting(&headers).await;
    let sidecar = Sidecar::before(&origin).await;
    assert!(sidecar.get("/").await.was_stored());
    let second = sidecar.get("/").await;
    assert!(!second.is_hit(), "{second:?}");
    assert_eq!(second.text(), "answer 2");
}
