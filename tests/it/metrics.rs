//! What the sidecar tells of itself: the names are there, the values move, the labels are bounded.

use crate::support::{Gate, Origin, PATIENCE, Reply, Request, Scrape, Sidecar, eventually};
use std::time::Duration;

const NAMES: &[&str] = &[
    "vestibule_requests_total",
    "vestibule_requests_in_flight",
    "vestibule_request_duration_seconds_bucket",
    "vestibule_request_duration_seconds_sum",
    "vestibule_request_duration_seconds_count",
    "vestibule_cache_memory_bytes",
    "vestibule_cache_objects",
    "vestibule_cache_evictions_total",
    "vestibule_cache_decisions_total",
    "vestibule_compression_bytes_in_total",
    "vestibule_compression_bytes_out_total",
    "vestibule_connections_open",
    "vestibule_connections_accepted_total",
    "vestibule_config_reloads_total",
    "vestibule_config_last_reload_successful",
    "vestibule_build_info",
    "vestibule_process_resident_memory_bytes",
    "vestibule_process_open_fds",
];

async fn app() -> Origin {
    Origin::start(|asked| match asked.path() {
        "/kept" => Reply::cacheable("kept"),
        "/text" => Reply::ok("text ".repeat(1000)).header("Content-Type", "text/plain"),
        "/private" => Reply::cacheable("x").header("Set-Cookie", "a=b"),
        _ => Reply::status(404).body("no"),
    })
    .await
}

/// A request is counted when it is done, which may be just after its answer was read.
async fn counted(sidecar: &Sidecar, count: f64) -> Scrape {
    let mut last = None;
    eventually("the requests to be counted", PATIENCE, async || {
        let scrape = sidecar.metrics().await;
        let is_there = scrape.sum("vestibule_requests_total", &[]) == count;
        last = Some(scrape);
        is_there
    })
    .await;
    last.unwrap()
}

#[tokio::test]
async fn all_names_are_there_and_declared() {
    let origin = app().await;
    let sidecar = Sidecar::before(&origin).await;
    for target in ["/kept", "/kept", "/private", "/other"] {
        sidecar.get(target).await;
    }
    for coding in ["br", "gzip"] {
        sidecar
            .ask(&Request::get("/text").header("Accept-Encoding", coding))
            .await;
    }
    let scrape = counted(&sidecar, 6.0).await;
    let missing: Vec<_> = NAMES.iter().filter(|name| !scrape.has(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(scrape.undeclared().is_empty(), "{:?}", scrape.undeclared());
    assert_eq!(scrape.value("vestibule_build_info"), 1.0);
    assert!(scrape.value("vestibule_process_resident_memory_bytes") > 1024.0 * 1024.0);
    assert!(scrape.value("vestibule_process_open_fds") > 3.0);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_status_and_cache() {
    let origin = app().await;
    let yaml = "routes: [{name: kept-things, match: {path: /kept}}]";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    for target in ["/kept", "/kept", "/kept", "/none"] {
        sidecar.get(target).await;
    }
    sidecar.ask(&Request::post("/kept", "x")).await;
    let scrape = counted(&sidecar, 5.0).await;
    let count = |labels: &[(&str, &str)]| scrape.sum("vestibule_requests_total", labels);
    let kept = ("route", "kept-things");
    assert_eq!(
        count(&[kept, ("method", "GET"), ("status", "200"), ("cache", "hit")]),
        2.0
    );
    assert_eq!(
        count(&[
            kept,
            ("method", "GET"),
            ("status", "200"),
            ("cache", "miss")
        ]),
        1.0
    );
    assert_eq!(count(&[kept, ("method", "POST"), ("cache", "bypass")]), 1.0);
    assert_eq!(count(&[("route", "default"), ("status", "404")]), 1.0);
    let name = "vestibule_request_duration_seconds_count";
    assert_eq!(scrape.sum(name, &[kept, ("cache", "hit")]), 2.0);
    let infinite = [kept, ("cache", "hit"), ("le", "+Inf")];
    assert_eq!(
        scrape.sum("vestibule_request_duration_seconds_bucket", &infinite),
        2.0
    );
}

#[tokio::test]
async fn gauges_go_up_and_down() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match asked.path() {
        "/held" => Reply::ok("x").held(&held),
        _ => Reply::cacheable(vec![b'.'; 5000]),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let value = async |name: &str| sidecar.metrics().await.value(name);
    assert_eq!(value("vestibule_requests_in_flight").await, 0.0);
    let mut connection = sidecar.connect().await;
    connection
        .send(&Request::get("/held").bytes())
        .await
        .unwrap();
    let in_flight = async |count: f64| {
        eventually("the gauge", PATIENCE, async || {
            value("vestibule_requests_in_flight").await == count
        })
        .await;
    };
    in_flight(1.0).await;
    assert_eq!(value("vestibule_connections_open").await, 1.0);
    gate.open();
    connection.response("GET").await.unwrap();
    in_flight(0.0).await;
    drop(connection);
    eventually("the connection to be gone", PATIENCE, async || {
        value("vestibule_connections_open").await == 0.0
    })
    .await;

    let empty = value("vestibule_cache_memory_bytes").await;
    sidecar.get("/kept").await;
    assert_eq!(value("vestibule_cache_objects").await, 1.0);
    assert!(value("vestibule_cache_memory_bytes").await >= empty + 5000.0);
}

#[tokio::test]
async fn labels_are_bounded_whatever_clients_send() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    for n in 0..60 {
        let request = Request::new(&format!("METHOD{n}"), &format!("/path/{n}"));
        let request = request.header("Host", &format!("host{n}.test"));
        connection
            .ask(&request.header("X-Request-Id", &format!("id-{n}")))
            .await;
    }
    let scrape = counted(&sidecar, 60.0).await;
    let name = "vestibule_requests_total";
    assert_eq!(
        scrape.label_values(name, "method").len(),
        1,
        "unknown methods are one value"
    );
    assert_eq!(scrape.label_values(name, "route").len(), 1);
    assert!(scrape.series(name) <= 2, "{} series", scrape.series(name));
}

#[tokio::test]
async fn a_live_and_ready_sidecar_says_so() {
    let origin = app().await;
    let sidecar = Sidecar::before(&origin).await;
    // It is alive at once, and ready when it has found the app.
    eventually("readiness", PATIENCE, async || sidecar.is_ready().await).await;
    for target in ["/livez", "/readyz", "/healthz", "/readyz?verbose"] {
        let answer = sidecar.metrics_port(target).await.unwrap();
        assert_eq!(answer.status, 200, "{target}");
    }
    assert_eq!(sidecar.metrics_port("/nothing").await.unwrap().status, 404);
    let answer = sidecar.metrics_port("/metrics").await.unwrap();
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"));
    // What the metrics port knows is not to be had from the public one.
    assert_eq!(sidecar.get("/metrics").await.text(), "no");
}

#[tokio::test]
async fn the_metrics_path_is_configurable() {
    let origin = app().await;
    let yaml = "observability: {metrics: {path: /internal/prom}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let answer = sidecar.metrics_port("/internal/prom").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(Scrape::parse(&answer.text()).has("vestibule_build_info"));
    assert_eq!(sidecar.metrics_port("/metrics").await.unwrap().status, 404);
}

#[tokio::test]
async fn quantiles_are_sane() {
    let origin = Origin::start(|asked| {
        // One in ten takes long.
        let millis = if asked.number % 10 == 0 { 200 } else { 20 };
        Reply::ok("x").after(Duration::from_millis(millis))
    })
    .await;
    let yaml = "routes: [{name: timed, match: {path: /timed}}]";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let mut connection = sidecar.connect().await;
    for _ in 0..60 {
        connection.ask(&Request::get("/timed")).await;
    }
    sidecar.get("/elsewhere").await;
    for window in ["1m", "5m"] {
        let mut stats = serde_json::Value::Null;
        eventually(
            "the requests to be in the statistics",
            PATIENCE,
            async || {
                stats = sidecar.stats("timed", window).await;
                stats["count"] == 60
            },
        )
        .await;
        let seconds = |name: &str| stats[name].as_f64().unwrap_or_else(|| panic!("{stats}"));
        let order = ["p50", "p95", "p99", "p999", "max"].map(seconds);
        assert!(order.is_sorted(), "{stats}");
        assert!((0.019..0.19).contains(&seconds("p50")), "{stats}");
        assert!((0.19..2.0).contains(&seconds("p95")), "{stats}");
        assert!(seconds("max") < 5.0, "{stats}");
    }
    assert_eq!(sidecar.stats("default", "1m").await["count"], 1);
}

#[tokio::test]
async fn the_access_log_tells_each_request_as_one_json_line() {
    let origin = app().await;
    let yaml = "observability: {access_log: {format: json}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let request = Request::get("/kept?token=1").header("X-Request-Id", "find-me");
    sidecar
        .ask(&request.header("Cookie", "secret-cookie=1"))
        .await;
    eventually("the line", PATIENCE, async || {
        let out = sidecar.stdout();
        let Some(line) = out.lines().find(|line| line.contains("find-me")) else {
            return false;
        };
        let line: serde_json::Value = serde_json::from_str(line).expect("one JSON object a line");
        assert!(line.is_object(), "{line}");
        true
    })
    .await;
    assert!(
        !sidecar.stdout().contains("secret-cookie"),
        "cookies are not logged"
    );
}
