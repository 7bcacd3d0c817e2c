//! A stop costs no request: readiness first, what is in flight finishes, then the process goes.

use crate::load::Load;
use crate::support::{
    Connection, Ending, Gate, Origin, PATIENCE, Reply, Request, Sidecar, eventually,
};
use futures_util::StreamExt;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_drains_under_load_fail_no_request() {
    let drains = futures_util::stream::iter(0..50)
        .map(drain_under_load)
        .buffer_unordered(4);
    let failures: Vec<String> = drains
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect();
    assert!(
        failures.is_empty(),
        "{} failures: {failures:#?}",
        failures.len()
    );
}

/// One start, some load, one stop; what failed.
async fn drain_under_load(n: u32) -> Vec<String> {
    let origin = Origin::start(|asked| {
        // Between 5 and 45 ms, so that the stop meets requests in every state.
        let time = Duration::from_millis(5 + (asked.number as u64 * 7) % 40);
        Reply::ok(vec![b'.'; 20_000]).after(time)
    })
    .await;
    let mut sidecar = Sidecar::with("shutdown: {grace: 10s}")
        .origin(&origin)
        .start()
        .await;
    // Some hardly pause; others come back to a connection that was quiet for a while.
    let busy = Load::start(&sidecar, 14, Duration::from_millis(10), "/busy");
    let idle = Load::start(&sidecar, 10, Duration::from_millis(130), "/idle");
    // The stop comes at another moment each time.
    let enough = 60 + (n as usize * 13) % 50;
    eventually("load", PATIENCE, async || {
        busy.seen.answers() >= enough && idle.seen.answers() >= 10
    })
    .await;
    busy.drain_begins();
    idle.drain_begins();
    let began = Instant::now();
    sidecar.signal("TERM");
    let exit = sidecar.wait_exit(PATIENCE).await;
    let (busy, idle) = (busy.ended().await, idle.ended().await);
    let mut failures = [busy.failures(), idle.failures()].concat();
    if exit.status.code() != Some(0) {
        failures.push(format!("exit status {:?}", exit.status));
    }
    let last = [busy, idle].map(|seen| *seen.last_answer.lock().unwrap());
    let last = last.into_iter().flatten().fold(began, Instant::max);
    let late = exit.at.saturating_duration_since(last);
    if late > SECOND {
        failures.push(format!("it ended {late:?} after the last answer"));
    }
    failures
        .into_iter()
        .map(|failure| format!("drain {n}: {failure}"))
        .collect()
}

/// A sidecar with one request that the gate holds at the origin.
async fn one_in_flight(yaml: &str) -> (Origin, Sidecar, Connection, Gate) {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match asked.path() {
        "/held" => Reply::ok("finished").held(&held),
        _ => Reply::ok("x"),
    })
    .await;
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let mut connection = sidecar.connect().await;
    connection
        .send(&Request::get("/held").bytes())
        .await
        .unwrap();
    eventually("the request to be in flight", PATIENCE, async || {
        origin.requests() == 1
    })
    .await;
    (origin, sidecar, connection, gate)
}

/// Waits until new requests are no longer asked for: not ready, and no new connection served.
async fn closed_to_the_public(sidecar: &Sidecar) {
    eventually("it to be unready", PATIENCE, async || {
        match sidecar.metrics_port("/readyz").await {
            Ok(answer) => answer.status == 503,
            Err(_) => true,
        }
    })
    .await;
    eventually(
        "new connections to be refused",
        PATIENCE,
        async || match Connection::open(sidecar.address()).await {
            Ok(mut connection) => connection.exchange(&Request::get("/")).await.is_err(),
            Err(_) => true,
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_in_flight_finishes_and_the_process_follows_at_once() {
    for signal in ["TERM", "INT"] {
        let (_origin, mut sidecar, mut connection, gate) = one_in_flight("").await;
        sidecar.signal(signal);
        closed_to_the_public(&sidecar).await;
        assert!(!sidecar.has_exited(), "SIG{signal}: a request is in flight");
        gate.open();
        let answer = connection.response("GET").await.unwrap();
        let answered = Instant::now();
        assert_eq!(
            (answer.text().as_str(), answer.is_whole()),
            ("finished", true),
            "{signal}"
        );
        assert!(
            answer.headers.lists("connection", "close"),
            "{signal}: {answer:?}"
        );
        let exit = sidecar.wait_exit(PATIENCE).await;
        assert_eq!(exit.status.code(), Some(0), "SIG{signal}");
        let late = exit.at.saturating_duration_since(answered);
        assert!(
            late <= SECOND,
            "SIG{signal}: it ended {late:?} after the last answer"
        );
    }
}

#[tokio::test]
async fn streams_of_h2_finish_too() {
    let (origin, mut sidecar, mut connection, gate) = one_in_flight("").await;
    let h2 = sidecar.h2c().await;
    // Another key, so that it does not just wait for the first one's answer.
    let held = h2.start(&Request::get("/held?h2")).await.unwrap();
    eventually("the stream to be in flight", PATIENCE, async || {
        origin.requests() == 2
    })
    .await;
    sidecar.signal("TERM");
    closed_to_the_public(&sidecar).await;
    gate.open();
    let answer = held.await.unwrap();
    assert_eq!(
        (answer.text().as_str(), answer.reset.is_none()),
        ("finished", true)
    );
    assert_eq!(connection.response("GET").await.unwrap().text(), "finished");
    drop(h2);
    assert_eq!(sidecar.wait_exit(PATIENCE).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_body_in_flight_is_finished() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match asked.path() {
        "/held" => Reply::chunked()
            .body("first")
            .wait(&held)
            .filler(1024 * 1024),
        _ => Reply::ok("x"),
    })
    .await;
    let mut sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    connection
        .send(&Request::get("/held").bytes())
        .await
        .unwrap();
    connection.head("GET").await.unwrap();
    assert_eq!(connection.pieces(5).await, b"first");
    sidecar.signal("TERM");
    closed_to_the_public(&sidecar).await;
    gate.open();
    assert_eq!(connection.drain().await, (1024 * 1024, Ending::Whole));
    assert_eq!(sidecar.wait_exit(SECOND * 5).await.status.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_hold_nothing_up() {
    let origin = Origin::always(Reply::ok("x")).await;
    let mut sidecar = Sidecar::before(&origin).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut connection = sidecar.connect().await;
        connection.ask(&Request::get("/")).await;
        idle.push(connection);
        idle.push(sidecar.connect().await);
    }
    let _h2 = sidecar.h2c().await;
    let began = Instant::now();
    sidecar.signal("TERM");
    let exit = sidecar.wait_exit(PATIENCE).await;
    assert_eq!(exit.status.code(), Some(0));
    let took = exit.at.saturating_duration_since(began);
    assert!(took < SECOND * 3, "{took:?} with nothing in flight");
}

#[tokio::test]
async fn grace_bounds_an_answer_without_an_end() {
    let origin = Origin::always(Reply::chunked().endless()).await;
    let mut sidecar = Sidecar::with("shutdown: {grace: 2s}")
        .origin(&origin)
        .start()
        .await;
    let mut connection = sidecar.connect().await;
    connection.send(&Request::get("/").bytes()).await.unwrap();
    connection.head("GET").await.unwrap();
    let began = Instant::now();
    sidecar.signal("TERM");
    let reading = tokio::spawn(async move { connection.drain().await.1 });
    let exit = sidecar.wait_exit(PATIENCE).await;
    let took = exit.at.saturating_duration_since(began);
    assert!(
        took >= Duration::from_millis(1800),
        "grace was cut short: {took:?}"
    );
    assert!(took <= SECOND * 4, "grace of 2 s took {took:?}");
    assert!(
        exit.status.code().is_some(),
        "it ends by itself: {:?}",
        exit.status
    );
    assert_eq!(
        reading.await.unwrap(),
        Ending::Cut,
        "half an answer does not look whole"
    );
}

#[tokio::test]
async fn a_second_interrupt_is_immediate() {
    let (_origin, mut sidecar, _connection, _gate) = one_in_flight("shutdown: {grace: 60s}").await;
    sidecar.signal("INT");
    closed_to_the_public(&sidecar).await;
    assert!(!sidecar.has_exited());
    sidecar.signal("INT");
    sidecar.wait_exit(SECOND * 2).await;
}
