//! The keys of `cache` as they work: lifetimes and stale windows that the file gives to answers which
//! say nothing themselves.

use crate::support::{Origin, PATIENCE, Reply, Response, Sidecar, eventually};
use std::collections::BTreeSet;

/// The `ttl` that a hit tells.
fn ttl(answer: &Response) -> Option<i64> {
    let (_, rest) = answer.cache_status().split_once("hit; ttl=")?;
    rest.split(';').next()?.parse().ok()
}

fn is_stale(answer: &Response) -> bool {
    answer.cache_status().contains("detail=STALE_")
}

#[tokio::test]
async fn statuses_have_lifetimes_of_their_own() {
    let origin = Origin::start(|asked| {
        let (status, says) = asked.path()[1..].split_once('/').expect("/status/word");
        let reply = Reply::status(status.parse().expect("a status")).body("x");
        match says {
            "silent" => reply,
            word => reply.header("Cache-Control", word),
        }
    })
    .await;
    let yaml = "cache: {default_ttl: 9s, status_ttl: {404: 60s, 5xx: 50s, 503: 40s, 410: 0s}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let cases = [
        ("/404/silent", Some(50..=60)),
        ("/500/silent", Some(41..=50)),
        ("/503/silent", Some(30..=40)),
        ("/200/silent", Some(1..=9)),
        ("/410/silent", None),
        ("/403/silent", None),
        // What the app says counts.
        ("/404/no-store", None),
        ("/404/max-age=100", Some(90..=100)),
    ];
    for (target, expected) in cases {
        sidecar.get(target).await;
        let second = sidecar.get(target).await;
        match (ttl(&second), expected) {
            (Some(ttl), Some(range)) => assert!(range.contains(&ttl), "{target}: {second:?}"),
            (ttl, expected) => assert_eq!(ttl.is_some(), expected.is_some(), "{target}"),
        }
    }
}

/// RFC 9111 §4.2.2.
#[tokio::test]
async fn a_lifetime_follows_from_the_age_of_the_content() {
    let answer = |modified: &str| {
        let reply = Reply::ok("x").header("Date", "Fri, 02 Jan 2026 00:00:00 GMT");
        reply.header("Last-Modified", modified).header("Age", "0")
    };
    let old = answer("Thu, 01 Jan 2026 00:00:00 GMT");
    let origin = Origin::always(old.clone()).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    assert_eq!(
        sidecar.get("/").await.detail(),
        "NO_FRESHNESS",
        "by default"
    );

    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    let origin = Origin::start(move |asked| match asked.path() {
        "/old" => Reply::ok("x")
            .header("Date", &now)
            .header("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT"),
        "/forbidden" => old.clone().header("Cache-Control", "no-store"),
        _ => Reply::ok("x")
            .header("Date", &now)
            .header("Last-Modified", &now),
    })
    .await;
    let sidecar = Sidecar::with("cache: {heuristic: 10%}")
        .origin(&origin)
        .start()
        .await;
    sidecar.get("/old").await;
    let hit = sidecar.get("/old").await;
    let day = 24 * 60 * 60;
    assert!(
        ttl(&hit).is_some_and(|ttl| (day - 60..=day).contains(&ttl)),
        "{hit:?}"
    );
    for target in ["/forbidden", "/new"] {
        sidecar.get(target).await;
        assert!(!sidecar.get(target).await.is_hit(), "{target}");
    }
}

#[tokio::test]
async fn lifetimes_can_end_apart() {
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", "max-age=10000")).await;
    let sidecar = Sidecar::with("cache: {ttl_jitter: 50%}")
        .origin(&origin)
        .start()
        .await;
    let mut seen = BTreeSet::new();
    let mut connection = sidecar.connect().await;
    for n in 0..20 {
        let request = crate::support::Request::get(&format!("/{n}"));
        connection.ask(&request).await;
        let hit = connection.ask(&request).await;
        let ttl = ttl(&hit).expect("a hit");
        assert!((4900..=10_000).contains(&ttl), "{hit:?}");
        seen.insert(ttl / 100);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

/// RFC 9111 §4.2.4: by configuration, and never where the app forbids it.
#[tokio::test]
async fn by_default_a_stale_answer_bridges_the_time_of_its_renewal() {
    let cases = [
        ("max-age=1", true),
        ("max-age=1, stale-while-revalidate=0", false),
        ("max-age=1, must-revalidate", false),
        ("max-age=1, proxy-revalidate", false),
        ("s-maxage=1", false),
    ];
    for (says, bridged) in cases {
        let origin = Origin::counting(&[("Cache-Control", says)]).await;
        let sidecar = Sidecar::before(&origin).await;
        sidecar.get("/").await;
        let mut stale = 0;
        eventually("the answer to be renewed", PATIENCE, async || {
            let answer = sidecar.get("/").await;
            stale += usize::from(is_stale(&answer));
            answer.text() == "answer 2"
        })
        .await;
        assert_eq!(stale > 0, bridged, "{says}: {stale} stale answers");
    }
}

#[tokio::test]
async fn by_default_a_stale_answer_comes_to_the_rescue() {
    for (says, rescued) in [
        ("max-age=1", true),
        ("max-age=1, stale-if-error=0", false),
        ("max-age=1, must-revalidate", false),
        ("s-maxage=1", false),
    ] {
        let origin = Origin::start(move |asked| match asked.number {
            1 => Reply::ok("good").header("Cache-Control", says),
            _ => Reply::status(503).body("bad"),
        })
        .await;
        let yaml = "cache: {stale: {while_revalidate: 0s}}";
        let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
        sidecar.get("/").await;
        let mut last = None;
        eventually("the app to fail", PATIENCE, async || {
            last = Some(sidecar.get("/").await);
            origin.requests() > 1
        })
        .await;
        let last = last.expect("the loop has asked");
        let expected = if rescued { (200, "good") } else { (503, "bad") };
        assert_eq!((last.status, last.text().as_str()), expected, "{says}");
    }
}

/// As long as the stored answer may be given instead, the error must not take its place; after that
/// it must, or each request would ask the failing app.
#[tokio::test]
async fn an_error_takes_the_place_of_what_cannot_rescue_any_more() {
    let origin = Origin::start(|asked| match asked.number {
        1 => Reply::ok("good").header("Cache-Control", "max-age=1"),
        _ => Reply::status(503).body("bad"),
    })
    .await;
    let yaml = "cache: {status_ttl: {5xx: 60s}, stale: {while_revalidate: 0s, if_error: 1s}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    sidecar.get("/").await;
    eventually("the error to show", PATIENCE, async || {
        sidecar.get("/").await.status == 503
    })
    .await;
    let asked = origin.requests();
    assert!(asked > 2, "it was asked while the stored answer stood in");
    let kept = sidecar.get("/").await;
    assert_eq!((kept.status, kept.is_hit()), (503, true), "{kept:?}");
    assert_eq!(origin.requests(), asked);
}
