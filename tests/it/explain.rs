//! `GET /v1/explain` against what requests really meet: the same verdict, every reason, no trace.

use crate::support::{HOST, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use serde_json::{Value, json};

const YAML: &str = "
client_ip: {trusted_proxies: [10.0.0.0/8]}
routes:
- {name: account, match: {path: '/account/**'}, cache: off}
- {name: plans, match: {path: '/plans'}, cache: {ttl: 60s, vary: [X-Plan], request_cookies: ignore}}
- {name: item, match: {path: '/items/{id}'}, cache: {ttl: 60s, tags: ['item:{id}']}}
";

type Fields<'a> = &'a [(&'a str, &'a str)];

async fn origin() -> Origin {
    Origin::start(|asked| match asked.path() {
        "/fresh" | "/account/me" => Reply::cacheable("x").header("ETag", "\"1\""),
        "/public" => Reply::ok("x").header("Cache-Control", "public, max-age=60"),
        "/cookie" => Reply::cacheable("x").header("Set-Cookie", "sid=s3cret; Path=/"),
        "/everything" => Reply::ok("x")
            .header("Cache-Control", "private")
            .header("Set-Cookie", "sid=s3cret")
            .header("Vary", "Cookie"),
        "/language" => Reply::cacheable("x").header("Vary", "Accept-Language"),
        "/short" => Reply::ok("x").header("Cache-Control", "max-age=1, stale-if-error=60"),
        "/renewed" => {
            Reply::ok("x").header("Cache-Control", "max-age=1, stale-while-revalidate=60")
        }
        "/validated" => Reply::ok("x")
            .header("Cache-Control", "max-age=1, must-revalidate")
            .header("ETag", "\"1\""),
        "/tagged" => Reply::cacheable("x").header("Cache-Tag", "t"),
        "/endless" => Reply::chunked()
            .header("Cache-Control", "max-age=60")
            .endless(),
        "/silent" => Reply::silence(),
        "/broken" => Reply::status(503),
        _ => Reply::ok("x"),
    })
    .await
}

async fn start(origin: &Origin) -> Sidecar {
    Sidecar::with(YAML).origin(origin).start().await
}

/// A question about a path of the tests' host.
fn about(path: &str, more: Fields<'_>) -> Request {
    let url = Sidecar::url_of(path);
    let pairs = [("url", url.as_str())]
        .into_iter()
        .chain(more.iter().copied());
    let encoded = |text: &str| -> String {
        let bytes = text.bytes().map(|b| match b {
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02x}"),
        });
        bytes.collect()
    };
    let query: Vec<_> = pairs.map(|(n, v)| format!("{n}={}", encoded(v))).collect();
    Request::get(&format!("/v1/explain?{}", query.join("&")))
}

async fn explain(sidecar: &Sidecar, path: &str, more: Fields<'_>) -> Value {
    let answer = sidecar.admin(&about(path, more)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Explains a GET with these headers.
async fn with(sidecar: &Sidecar, path: &str, headers: Fields<'_>) -> Value {
    let lines: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let more: Vec<_> = lines.iter().map(|line| ("header", line.as_str())).collect();
    explain(sidecar, path, &more).await
}

/// Asks by GET with these headers.
async fn get(sidecar: &Sidecar, path: &str, headers: Fields<'_>) -> Response {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (n, v)| request.header(n, v));
    sidecar.ask(&request).await
}

fn codes(told: &Value) -> Vec<&str> {
    let denials = told["denials"].as_array().unwrap();
    denials
        .iter()
        .map(|d| d["reason"].as_str().unwrap())
        .collect()
}

fn text(told: &Value) -> &str {
    told["verdict"]["text"].as_str().unwrap()
}

fn outcome(told: &Value) -> &str {
    told["verdict"]["outcome"].as_str().unwrap()
}

/// What was foretold is what the answer says, but for the seconds that have gone by.
#[track_caller]
fn came_true(told: &Value, answer: &Response) {
    let without_ttl = |status: &str| -> String {
        let parts = status.split("; ").filter(|part| !part.starts_with("ttl="));
        parts.collect::<Vec<_>>().join("; ")
    };
    let foretold = told["verdict"]["cache_status"].as_str().unwrap_or_default();
    assert_eq!(
        without_ttl(foretold),
        without_ttl(answer.cache_status()),
        "{told:#}"
    );
}

#[tokio::test]
async fn what_would_be_stored_is_told_and_not_stored() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    let told = explain(&sidecar, "/fresh?b=2&a=1&utm_source=mail", &[]).await;
    assert_eq!(text(&told), "would go to the app, and be stored for 60 s");
    assert_eq!(outcome(&told), "store");
    assert_eq!(told["denials"], json!([]));
    assert_eq!(told["route"]["name"], "default");
    assert_eq!(told["key"]["query"], "a=1&b=2", "{told:#}");
    assert_eq!(told["key"]["query_sent"], "b=2&a=1&utm_source=mail");
    assert_eq!(told["lookup"]["found"], "nothing");
    assert_eq!(told["app"]["status"], 200);
    let ttl = told["app"]["freshness"]["ttl_seconds"].as_f64().unwrap();
    assert!(ttl > 55.0 && ttl <= 60.0, "{told:#}");
    assert_eq!(origin.requests(), 1);

    let answer = sidecar.get("/fresh?b=2&a=1").await;
    came_true(&told, &answer);
    assert_eq!(origin.requests(), 2, "nothing was stored");
    // Counted once its last byte is out; the explanation is not.
    eventually("the request to be counted", PATIENCE, async || {
        let scrape = sidecar.metrics().await;
        let counted = scrape.sum("vestibule_requests_total", &[]);
        assert!(counted <= 1.0, "{counted}");
        counted == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_hit_is_told_term_by_term_and_asks_nobody() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    sidecar.get("/items/7").await;
    let told = explain(&sidecar, "/items/7", &[]).await;
    assert_eq!(outcome(&told), "hit");
    assert!(text(&told).starts_with("hit, fresh for "), "{told:#}");
    came_true(&told, &sidecar.get("/items/7").await);
    assert_eq!(told["route"]["name"], "item");
    assert_eq!(told["route"]["position"], 3);
    assert_eq!(told["route"]["matches"], json!(["path /items/{id}"]));
    let entry = &told["lookup"]["entry"];
    assert_eq!(entry["tags"], json!(["item:7"]));
    assert_eq!(entry["hits"], 0, "an explanation is no hit");
    let terms = entry["freshness"]["terms"].as_array().unwrap();
    let seconds = |name: &str| {
        let mut terms = terms.iter().filter(|term| term["name"] == name);
        terms
            .next()
            .and_then(|term| term["seconds"].as_f64())
            .expect(name)
    };
    let initial = seconds("apparent_age").max(seconds("age_value") + seconds("response_delay"));
    assert!(
        (seconds("corrected_initial_age") - initial).abs() < 0.01,
        "{entry:#}"
    );
    let age = seconds("corrected_initial_age") + seconds("resident_time");
    assert!((seconds("current_age") - age).abs() < 0.01, "{entry:#}");
    let left = seconds("lifetime") - seconds("current_age");
    assert!((seconds("ttl") - left).abs() < 0.01, "{entry:#}");
    let lifetime = terms
        .iter()
        .find(|term| term["name"] == "lifetime")
        .unwrap();
    assert_eq!(lifetime["how"], "cache.ttl of the route item");
    assert_eq!(told["app"]["why_not"], "what is stored is the answer");
    // The id under which the object itself is listed.
    let id = told["key"]["hash"].as_str().unwrap();
    let listed = sidecar
        .admin(&Request::get(&format!("/v1/objects/{id}")))
        .await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn each_reason_comes_true_and_has_help() {
    let origin = origin().await;
    let cookie = ("Cookie", "lang=s3cret");
    let cases: [(&str, Fields, &[&str]); 12] = [
        ("/cookie", &[], &["SET_COOKIE"]),
        ("/none", &[], &["NO_FRESHNESS"]),
        ("/fresh", &[cookie], &["REQUEST_COOKIE"]),
        ("/public", &[cookie], &[]),
        (
            "/everything",
            &[cookie, ("Authorization", "Basic s3cret")],
            &[
                "PRIVATE",
                "SET_COOKIE",
                "REQUEST_COOKIE",
                "AUTHORIZATION",
                "VARY_DENIED",
                "NO_FRESHNESS",
            ],
        ),
        ("/account/me", &[], &["ROUTE_CACHE_OFF"]),
        ("/account//me", &[], &["ROUTE_CACHE_OFF", "NO_FRESHNESS"]),
        ("//account/me", &[], &["ROUTE_AMBIGUOUS", "NO_FRESHNESS"]),
        ("/fresh", &[("X-Api-Key", "s3cret")], &["CREDENTIAL_HEADER"]),
        (
            "/fresh",
            &[("Cache-Control", "no-store"), ("Range", "bytes=0-0")],
            &["REQUEST_NO_STORE", "REQUEST_RANGE"],
        ),
        ("/fresh", &[("Range", "bytes=0-0")], &["REQUEST_RANGE"]),
        ("/fresh", &[("If-Match", "\"2\"")], &["REQUEST_CONDITIONAL"]),
    ];
    for (path, headers, expected) in cases {
        // Each on its own, so that nothing is remembered of the one before.
        let sidecar = start(&origin).await;
        let told = with(&sidecar, path, headers).await;
        assert_eq!(codes(&told), expected, "{path} {headers:?}: {told:#}");
        for denial in told["denials"].as_array().unwrap() {
            assert!(
                denial["advice"].is_string() && denial["seen"].is_string(),
                "{denial:#}"
            );
        }
        came_true(&told, &get(&sidecar, path, headers).await);
        assert!(!told.to_string().contains("s3cret"), "{told:#}");
    }
}

#[tokio::test]
async fn the_app_is_only_asked_what_changes_nothing() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    for method in ["POST", "PUT", "DELETE", "PURGE"] {
        let told = explain(&sidecar, "/fresh", &[("method", method)]).await;
        assert_eq!(codes(&told), ["METHOD"]);
        assert_eq!(outcome(&told), "bypass");
        came_true(&told, &sidecar.ask(&Request::new("BREW", "/fresh")).await);
    }
    let asked = origin.asked();
    assert!(
        asked.iter().all(|asked| asked.method == "BREW"),
        "{asked:?}"
    );
    let before = origin.requests();
    let told = explain(&sidecar, "/fresh", &[("ask", "never")]).await;
    assert_eq!(
        (outcome(&told), told["app"]["asked"].as_bool()),
        ("unknown", Some(false))
    );
    let told = explain(&sidecar, "/fresh", &[("header", "Upgrade: h2c")]).await;
    assert_eq!((codes(&told), outcome(&told)), (vec!["UPGRADE"], "bypass"));
    assert_eq!(origin.requests(), before);

    let told = explain(&sidecar, "/fresh", &[("method", "HEAD")]).await;
    assert_eq!(codes(&told), ["HEAD_REQUEST"]);
    assert_eq!(origin.last().method, "HEAD");
    came_true(&told, &sidecar.ask(&Request::head("/fresh")).await);
}

#[tokio::test]
async fn stale_answers_are_told_by_what_allows_or_forbids_them() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    for path in ["/short", "/renewed", "/validated"] {
        sidecar.get(path).await;
    }
    eventually("all to be stale", PATIENCE, async || {
        let told = explain(&sidecar, "/validated", &[]).await;
        outcome(&told) != "hit"
    })
    .await;
    let told = explain(&sidecar, "/short", &[]).await;
    assert_eq!(codes(&told), ["EXPIRED"], "{told:#}");
    assert_eq!(
        text(&told),
        "no hit, because the stored response is no longer fresh; would go to the app, and be \
         stored for 1 s"
    );
    let entry = &told["lookup"]["entry"];
    assert!(
        entry["freshness"]["ttl_seconds"].as_f64().unwrap() < 0.0,
        "{entry:#}"
    );
    assert_eq!(entry["freshness"]["stale"][1]["seconds"], 60.0);

    let told = with(&sidecar, "/short", &[("Cache-Control", "max-stale=100")]).await;
    assert!(
        text(&told).ends_with(", because the request accepts that"),
        "{told:#}"
    );

    let told = explain(&sidecar, "/renewed", &[]).await;
    assert_eq!(outcome(&told), "stale");
    assert!(
        text(&told).ends_with(", while one fetch renews it"),
        "{told:#}"
    );
    came_true(&told, &sidecar.get("/renewed").await);

    let told = explain(&sidecar, "/validated", &[]).await;
    assert_eq!(outcome(&told), "validate");
    assert!(
        text(&told).contains("would be asked whether it still holds"),
        "{told:#}"
    );
    let told = with(
        &sidecar,
        "/validated",
        &[("Cache-Control", "only-if-cached")],
    )
    .await;
    assert_eq!(outcome(&told), "refuse");
    assert_eq!(told["app"]["asked"], false);
}

#[tokio::test]
async fn what_is_stored_may_not_be_for_this_request() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    let german = ("Accept-Language", "de");
    get(&sidecar, "/language", &[german]).await;
    let told = with(&sidecar, "/language", &[("Accept-Language", "fr")]).await;
    assert_eq!(codes(&told), ["VARY_MISS"]);
    assert_eq!(told["denials"][0]["seen"], "Accept-Language");
    let selected = &told["lookup"]["variants"][0]["selected_by"][0];
    assert_eq!(
        *selected,
        json!({"field": "Accept-Language", "stored": "de", "given": "fr", "agree": false})
    );
    came_true(
        &told,
        &get(&sidecar, "/language", &[("Accept-Language", "fr")]).await,
    );
    let told = with(&sidecar, "/language", &[german]).await;
    assert_eq!(outcome(&told), "hit");

    sidecar.get("/fresh").await;
    let told = with(&sidecar, "/fresh", &[("Cookie", "a=s3cret")]).await;
    assert_eq!(
        codes(&told),
        ["REQUEST_COOKIE", "REQUEST_COOKIE"],
        "{told:#}"
    );
    assert_eq!(told["denials"][0]["step"], "reuse");
    assert_eq!(told["denials"][1]["step"], "store");
    came_true(
        &told,
        &get(&sidecar, "/fresh", &[("Cookie", "a=s3cret")]).await,
    );
    let told = with(&sidecar, "/fresh", &[("Cache-Control", "no-cache")]).await;
    assert_eq!(codes(&told), ["REQUEST_NO_CACHE"]);
    assert_eq!(outcome(&told), "validate");
}

#[tokio::test]
async fn a_routes_own_rules_count() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    let plan = |plan| [("X-Plan", plan), ("Cookie", "sid=s3cret")];
    let told = with(&sidecar, "/plans", &plan("s3cret")).await;
    assert_eq!(told["route"]["request_cookies"], "ignore");
    assert_eq!(told["route"]["vary"], json!(["X-Plan"]));
    assert_eq!((codes(&told), outcome(&told)), (vec![], "store"));
    came_true(&told, &get(&sidecar, "/plans", &plan("s3cret")).await);
    let told = with(&sidecar, "/plans", &plan("other")).await;
    assert_eq!(codes(&told), ["VARY_MISS"]);
    assert_eq!(told["lookup"]["varies_by"], json!(["X-Plan"]));
    assert!(!told.to_string().contains("s3cret"), "{told:#}");
    came_true(&told, &get(&sidecar, "/plans", &plan("other")).await);
}

#[tokio::test]
async fn what_joins_the_key_is_told_by_name() {
    let origin = origin().await;
    let yaml = "cache: {safety: {request_cookies: {allow: [lang]}, unkeyed_headers: key}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let headers = [("Cookie", "lang=s3cret"), ("X-Forwarded-Host", "s3cret")];
    let told = with(&sidecar, "/fresh", &headers).await;
    assert_eq!(
        told["key"]["parts"],
        json!(["header x-forwarded-host", "cookie lang"])
    );
    assert_eq!(outcome(&told), "store", "{told:#}");
    assert!(!told.to_string().contains("s3cret"), "{told:#}");
    came_true(&told, &get(&sidecar, "/fresh", &headers).await);
    assert_eq!(outcome(&with(&sidecar, "/fresh", &headers).await), "hit");
    let other = [("Cookie", "lang=other"), headers[1]];
    assert_eq!(outcome(&with(&sidecar, "/fresh", &other).await), "store");
}

#[tokio::test]
async fn purges_are_told() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    sidecar.get("/tagged").await;
    sidecar.purge(json!({"tags": ["t"], "mode": "soft"})).await;
    let told = explain(&sidecar, "/tagged", &[]).await;
    assert_eq!(outcome(&told), "stale", "{told:#}");
    assert_eq!(told["lookup"]["entry"]["purged"], "soft");
    sidecar.purge(json!({"tags": ["t"]})).await;
    let told = explain(&sidecar, "/tagged", &[]).await;
    assert_eq!(codes(&told), ["PURGED"]);
    assert_eq!(
        text(&told),
        "no hit, because the stored response was purged; would go to the app, and be stored for 60 s"
    );
    came_true(&told, &sidecar.get("/tagged").await);
}

#[tokio::test]
async fn what_lately_was_not_for_all_is_remembered() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    sidecar.get("/cookie").await;
    let told = explain(&sidecar, "/cookie", &[]).await;
    assert_eq!(told["lookup"]["passing"]["reason"], "SET_COOKIE");
    assert!(
        text(&told).starts_with("would go straight to the app for "),
        "{told:#}"
    );
    came_true(&told, &sidecar.get("/cookie").await);
}

#[tokio::test]
async fn an_app_that_fails_is_told() {
    let origin = origin().await;
    let yaml = format!("{YAML}upstream: {{timeouts: {{first_byte: 300ms}}}}\n");
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    let told = explain(&sidecar, "/silent", &[]).await;
    assert_eq!(outcome(&told), "fail");
    assert_eq!(told["app"]["failure"], "UPSTREAM_TIMEOUT");
    // Its body is not waited for.
    let told = explain(&sidecar, "/endless", &[]).await;
    assert_eq!(outcome(&told), "store");

    sidecar.get("/short").await;
    drop(origin);
    eventually("the stored answer to be stale", PATIENCE, async || {
        let told = explain(&sidecar, "/short", &[]).await;
        outcome(&told) == "stale"
    })
    .await;
    let told = explain(&sidecar, "/short", &[]).await;
    assert_eq!(told["app"]["failure"], "UPSTREAM_CONNECT", "{told:#}");
    assert!(text(&told).starts_with("the app fails, and what is stored would be given"));
    came_true(&told, &sidecar.get("/short").await);
    let told = explain(&sidecar, "/fresh", &[]).await;
    assert_eq!(outcome(&told), "fail");
}

#[tokio::test]
async fn the_app_gets_the_same_head_as_from_a_fetch() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    let headers = [
        ("Cookie", "a=b"),
        ("Accept-Encoding", "br"),
        ("If-None-Match", "\"1\""),
        ("X-Original-URL", "/admin"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("X-Request-Id", "mine-12345"),
    ];
    with(&sidecar, "/public", &headers).await;
    get(&sidecar, "/public", &headers).await;
    let asked = origin.asked();
    let [explained, fetched] = &asked[..] else {
        panic!("{asked:?}")
    };
    let head = |asked: &crate::support::Asked| {
        let mut lines: Vec<_> = asked
            .headers
            .iter()
            .map(|(n, v)| format!("{}: {v}", n.to_lowercase()))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(head(explained), head(fetched));
    assert_eq!(explained.target, fetched.target);
    assert_eq!(explained.header("x-original-url"), None);
}

#[tokio::test]
async fn a_question_may_come_by_a_proxy_in_front() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    let url = format!("https://{HOST}/public");
    let question = |more: &str| Request::get(&format!("/v1/explain?url={url}{more}"));
    let told = sidecar.admin(&question("")).await.json();
    assert_eq!(told["key"]["scheme"], "https");
    assert_eq!(outcome(&told), "store");
    assert_eq!(origin.last().header("x-forwarded-proto"), Some("https"));
    let prefixed = "&from=10.0.0.1&header=X-Forwarded-Prefix:%20/app";
    let told = sidecar.admin(&question(prefixed)).await.json();
    assert_eq!(codes(&told), ["UNKEYED_HEADER"]);
    assert_eq!(told["denials"][0]["seen"], "X-Forwarded-Prefix");
}

#[tokio::test]
async fn questions_that_are_none_are_refused() {
    let origin = origin().await;
    let sidecar = start(&origin).await;
    for query in [
        "",
        "?url=",
        "?url=/no-host",
        "?url=ftp://a/b",
        "?url=http://user:s3cret@a/",
        "?url=http://a/&from=nowhere",
        "?url=http://a/&header=s3cret",
        "?url=http://a/&ask=maybe",
        "?url=http://a/&unheard=of",
    ] {
        let answer = sidecar
            .admin(&Request::get(&format!("/v1/explain{query}")))
            .await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            !error.is_empty() && !error.contains("s3cret"),
            "{query}: {error}"
        );
    }
    let yaml = "observability: {admin: {token: open-sesame-0123456789}}";
    let guarded = Sidecar::with(yaml).origin(&origin).start().await;
    assert_eq!(guarded.admin(&about("/fresh", &[])).await.status, 401);
    assert_eq!(origin.requests(), 0);
}
