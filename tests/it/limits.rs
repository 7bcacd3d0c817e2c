//! Connections have a bound per address and in total; a refused one is counted, a closed one makes
//! room.

use crate::support::{
    Connection, H2c, Origin, PATIENCE, Reply, Request, Sidecar, eventually, within,
};

const PER_IP: usize = 20;
const TWENTY_PER_IP: &str = "limits: {connections: {per_ip: 20, total: 1000}}";

/// A connection that proved by an answer that it was accepted.
async fn used(sidecar: &Sidecar) -> Connection {
    let mut connection = sidecar.connect().await;
    assert_eq!(connection.ask(&Request::get("/")).await.status, 200);
    connection
}

/// Whether a new connection gets no byte of an answer.
async fn is_refused(sidecar: &Sidecar) -> bool {
    let Ok(mut connection) = Connection::open(sidecar.address()).await else {
        return true;
    };
    connection.exchange(&Request::get("/")).await.is_err()
}

async fn is_served(sidecar: &Sidecar) -> bool {
    let Ok(mut connection) = Connection::open(sidecar.address()).await else {
        return false;
    };
    connection
        .exchange(&Request::get("/"))
        .await
        .is_ok_and(|answer| answer.status == 200)
}

async fn refused(sidecar: &Sidecar, reason: &str) -> f64 {
    let labels = [("reason", reason)];
    sidecar
        .metrics()
        .await
        .sum("vestibule_connections_refused_total", &labels)
}

async fn open(sidecar: &Sidecar) -> f64 {
    sidecar.metrics().await.value("vestibule_connections_open")
}

#[tokio::test]
async fn the_connection_after_the_last_allowed_one_is_refused_and_counted() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::with(TWENTY_PER_IP).origin(&origin).start().await;
    let mut held = Vec::new();
    for _ in 0..PER_IP {
        held.push(used(&sidecar).await);
    }
    assert_eq!(open(&sidecar).await, PER_IP as f64);
    assert_eq!(refused(&sidecar, "CONNECTIONS_PER_IP").await, 0.0);
    for n in 1..=3 {
        assert!(is_refused(&sidecar).await);
        assert_eq!(refused(&sidecar, "CONNECTIONS_PER_IP").await, f64::from(n));
    }
    for connection in &mut held {
        assert_eq!(
            connection.ask(&Request::get("/")).await.status,
            200,
            "those inside go on"
        );
    }
    held.pop();
    eventually("the place to be free", PATIENCE, async || {
        is_served(&sidecar).await
    })
    .await;
    drop(held);
    eventually("all places to be free", PATIENCE, async || {
        open(&sidecar).await == 0.0
    })
    .await;
    let accepted = sidecar
        .metrics()
        .await
        .value("vestibule_connections_accepted_total");
    assert!(accepted >= (PER_IP + 1) as f64, "{accepted}");
}

#[tokio::test]
async fn h2c_connections_count_alike_and_their_requests_do_not() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::with(TWENTY_PER_IP).origin(&origin).start().await;
    let mut held = Vec::new();
    for _ in 0..PER_IP {
        let connection = sidecar.h2c().await;
        for _ in 0..3 {
            assert_eq!(
                connection.ask(&Request::get("/")).await.unwrap().status,
                200
            );
        }
        held.push(connection);
    }
    assert!(is_refused(&sidecar).await, "over HTTP/1.1");
    let over_h2 = match H2c::open(sidecar.address()).await {
        Ok(connection) => connection.ask(&Request::get("/")).await.is_err(),
        Err(_) => true,
    };
    assert!(over_h2, "over h2");
    assert_eq!(refused(&sidecar, "CONNECTIONS_PER_IP").await, 2.0);
    held.clear();
    eventually("the places to be free", PATIENCE, async || {
        is_served(&sidecar).await
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_takes_a_place_too() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::with(TWENTY_PER_IP).origin(&origin).start().await;
    let mut silent = Vec::new();
    for _ in 0..PER_IP {
        silent.push(sidecar.connect().await);
    }
    eventually("all of them to be seen", PATIENCE, async || {
        open(&sidecar).await == 20.0
    })
    .await;
    assert!(is_refused(&sidecar).await);
    drop(silent);
    eventually("the places to be free", PATIENCE, async || {
        is_served(&sidecar).await
    })
    .await;
}

#[tokio::test]
async fn trusted_proxies_are_exempt_from_the_limit_per_address() {
    let origin = Origin::always(Reply::ok("x")).await;
    let yaml = format!("{TWENTY_PER_IP}\nclient_ip: {{trusted_proxies: ['127.0.0.0/8']}}");
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    let mut held = Vec::new();
    for _ in 0..PER_IP + 10 {
        held.push(used(&sidecar).await);
    }
    assert_eq!(refused(&sidecar, "CONNECTIONS_PER_IP").await, 0.0);
}

#[tokio::test]
async fn the_total_holds_for_everybody() {
    let origin = Origin::always(Reply::ok("x")).await;
    let yaml = "limits: {connections: {per_ip: 100, total: 10}}\n\
                client_ip: {trusted_proxies: ['127.0.0.0/8']}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(used(&sidecar).await);
    }
    assert!(is_refused(&sidecar).await);
    assert_eq!(refused(&sidecar, "CONNECTIONS_TOTAL").await, 1.0);
    held.pop();
    eventually("the place to be free", PATIENCE, async || {
        is_served(&sidecar).await
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_is_closed_at_once() {
    let origin = Origin::always(Reply::ok("x")).await;
    let yaml = "limits: {connections: {per_ip: 1}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let _held = used(&sidecar).await;
    // It says nothing, so that only the sidecar can be the one to close.
    let mut connection = sidecar.connect().await;
    within("the refusal", connection.closed()).await.unwrap();
}
