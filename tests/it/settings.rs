//! The keys of `cache` as they work: lifetimes and stale windows that the file gives to answers which
//! say nothing themselves.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
        let request = Request::get(&format!("/{n}"));
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
async fn a_stale_answer_bridges_the_time_of_its_renewal() {
    const WINDOW: &str = "cache: {stale: {while_revalidate: 10s}}";
    let cases = [
        (WINDOW, "max-age=1", true),
        (WINDOW, "max-age=1, stale-while-revalidate=0", false),
        (WINDOW, "max-age=1, must-revalidate", false),
        (WINDOW, "max-age=1, proxy-revalidate", false),
        (WINDOW, "s-maxage=1", false),
        ("{}", "max-age=1", false),
    ];
    for (yaml, says, bridged) in cases {
        let origin = Origin::counting(&[("Cache-Control", says)]).await;
        let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
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
        let sidecar = Sidecar::before(&origin).await;
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
    let yaml = "cache: {status_ttl: {5xx: 60s}, stale: {if_error: 1s}}";
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

/// RFC 9213 §2.2: the first of the list that is there counts, and it may be any.
#[tokio::test]
async fn the_file_says_which_headers_stand_for_cache_control() {
    let origin = Origin::start(|asked| {
        let says = [
            ("/ours", "CDN-Cache-Control", "max-age=60"),
            ("/ours-too", "X-Own", "max-age=60"),
            ("/not-ours", "Surrogate-Control", "max-age=60"),
        ];
        let of_path = says.iter().filter(|(path, ..)| *path == asked.path());
        let reply = Reply::ok("x").header("Cache-Control", "no-store");
        of_path.fold(reply, |reply, (_, name, value)| reply.header(name, value))
    })
    .await;
    let yaml = "cache: {control_headers: [CDN-Cache-Control, X-Own]}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    for (target, kept) in [("/ours", true), ("/ours-too", true), ("/not-ours", false)] {
        let first = sidecar.get(target).await;
        assert_eq!(sidecar.get(target).await.is_hit(), kept, "{target}");
        // The next cache reads it too.
        let shown = first.header("cdn-cache-control").is_some();
        assert_eq!(shown, target == "/ours", "{target}");
    }
}

#[tokio::test]
async fn tags_are_read_from_the_headers_of_the_list_within_bounds() {
    let origin = Origin::start(|asked| {
        let reply = Reply::cacheable("x");
        match asked.path() {
            "/own" => reply.header("X-Own-Tags", "a b,c"),
            "/unread" => reply.header("Cache-Tag", "c"),
            "/many" => reply.header("X-Own-Tags", "1,2,3,4"),
            _ => reply.header("X-Own-Tags", "longer than"),
        }
    })
    .await;
    let yaml = "cache: {tag_headers: [X-Own-Tags], tags: {max: 3, max_bytes: 10}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let targets = ["/own", "/unread", "/many", "/long"];
    for (target, kept) in targets.into_iter().zip([true, true, false, false]) {
        let first = sidecar.get(target).await;
        assert_eq!(first.was_stored(), kept, "{target}: {first:?}");
        let bounded = first.cache_status().contains("TOO_MANY_TAGS");
        assert_eq!(bounded, !kept, "{target}: {first:?}");
    }
    sidecar.purge(serde_json::json!({"tags": ["c"]})).await;
    assert!(!sidecar.get("/own").await.is_hit());
    assert!(sidecar.get("/unread").await.is_hit());
    sidecar.purge(serde_json::json!({"tags": ["a b"]})).await;
    assert!(!sidecar.get("/own").await.is_hit());
}

const TAGS: [(&str, &str); 5] = [
    ("Cache-Tag", "a"),
    ("Surrogate-Key", "b"),
    ("xkey", "c"),
    ("X-Cache-Tags", "d"),
    ("Cache-Groups", "\"e\""),
];

/// An app that tags everything.
async fn tagging() -> Origin {
    Origin::start(|asked| {
        let reply = match (asked.path(), asked.header("If-None-Match")) {
            ("/validated", Some(_)) => Reply::status(304).header("Cache-Control", "no-cache"),
            ("/validated", None) => Reply::ok("text").header("Cache-Control", "no-cache"),
            ("/private", _) => Reply::ok("text").header("Cache-Control", "private"),
            ("/chunked", _) => Reply::chunked()
                .body("text")
                .header("Cache-Control", "max-age=60"),
            ("/broken", _) => Reply::status(503).body("text"),
            _ => Reply::cacheable("text"),
        };
        let reply = reply.header("ETag", "\"1\"");
        TAGS.iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value))
    })
    .await
}

#[tokio::test]
async fn clients_see_no_tags_wherever_the_answer_comes_from() {
    let origin = tagging().await;
    let yaml = "routes: [{match: {path: /uncached}, cache: off}]";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let get = Request::get;
    let past = || get("/page").header("X-Api-Key", "x");
    let cases = [
        ("fetched", get("/page"), 200),
        ("hit", get("/page"), 200),
        ("hit for HEAD", Request::head("/page"), 200),
        ("304", get("/page").header("If-None-Match", "\"1\""), 304),
        ("part", get("/page").header("Range", "bytes=1-2"), 206),
        ("412", get("/page").header("If-Match", "\"2\""), 412),
        ("past the cache", past(), 200),
        ("not shared", get("/private"), 200),
        ("not shared again", get("/private"), 200),
        ("streamed", get("/chunked"), 200),
        ("stored to be validated", get("/validated"), 200),
        ("validated", get("/validated"), 200),
        (
            "part of what is not stored",
            get("/new").header("Range", "bytes=1-2"),
            200,
        ),
        ("HEAD of what is not stored", Request::head("/new"), 200),
        ("write", Request::post("/page", "x"), 200),
        ("error", get("/broken"), 503),
        ("doubtful path", get("/%75ncached"), 200),
    ];
    let h2 = sidecar.h2c().await;
    for (case, request, status) in cases {
        let by_h2 = h2.ask(&request).await.unwrap();
        let answer = sidecar.ask(&request).await;
        assert_eq!((answer.status, by_h2.status), (status, status), "{case}");
        for (name, _) in TAGS {
            assert_eq!(answer.header(name), None, "{case}: {answer:?}");
            assert_eq!(by_h2.header(name), None, "{case}: {by_h2:?}");
        }
    }
    // They were read all the same.
    assert!(sidecar.get("/chunked").await.is_hit());
    sidecar.purge(serde_json::json!({"tags": ["e"]})).await;
    assert!(!sidecar.get("/chunked").await.is_hit());
    // Where nothing is cached they are none of our business.
    let uncached = sidecar.get("/uncached").await;
    assert_eq!(uncached.header("Cache-Tag"), Some("a"));
}

#[tokio::test]
async fn tags_can_be_left_to_the_next_cache() {
    for yaml in ["cache: {strip_tag_headers: off}", "mode: off", "cache: off"] {
        let origin = tagging().await;
        let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
        for _ in 0..2 {
            let answer = sidecar.get("/page").await;
            for (name, value) in TAGS {
                assert_eq!(answer.header(name), Some(value), "{yaml}");
            }
        }
    }
}

/// What is asked for often is renewed before it ends, once, while it is given on.
#[tokio::test]
async fn what_is_asked_for_often_is_fetched_ahead() {
    let origin = Origin::start(|asked| {
        let reply = Reply::ok(asked.number.to_string()).header("Cache-Control", "max-age=60");
        // Old on arrival, but only at first.
        match asked.number {
            1 => reply.header("Age", "40"),
            _ => reply,
        }
    })
    .await;
    let yaml = "cache: {refresh_ahead: {at: 50%, min_hits: 3}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    sidecar.get("/").await;
    for hit in 1..=2 {
        assert_eq!(sidecar.get("/").await.text(), "1", "hit {hit}");
    }
    assert_eq!(origin.requests(), 1, "not yet asked for often");
    let third = sidecar.get("/").await;
    assert!(third.is_hit() && third.text() == "1", "{third:?}");
    eventually("the next one to be stored", PATIENCE, async || {
        sidecar.get("/").await.text() == "2"
    })
    .await;
    assert!(sidecar.get("/").await.is_hit());
    assert_eq!(origin.requests(), 2);
}

/// The app may have forgotten the one request and answer the next at once.
#[tokio::test]
async fn who_has_waited_long_enough_for_another_ones_answer_asks_the_app() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        let reply = Reply::cacheable(format!("answer {}", asked.number));
        match asked.number {
            1 => reply.held(&held),
            _ => reply,
        }
    })
    .await;
    let yaml = "cache: {collapse: {wait: 300ms}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let mut first = sidecar.connect().await;
    first.send(&Request::get("/").bytes()).await.unwrap();
    eventually("the app to be asked", PATIENCE, async || {
        origin.requests() == 1
    })
    .await;
    let (began, second) = (Instant::now(), sidecar.get("/").await);
    assert_eq!(second.text(), "answer 2");
    assert_eq!(
        second.cache_status(),
        "vestibule; fwd=uri-miss; detail=COLLAPSE_WAIT"
    );
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "it has waited"
    );
    gate.open();
    let first = first.response("GET").await.unwrap();
    assert_eq!(first.text(), "answer 1");
    assert_eq!(sidecar.get("/").await.text(), "answer 1");
    assert_eq!(origin.requests(), 2);
}
