//! The sidecar is small.

use crate::support::{Connection, Origin, Reply, Request, Sidecar, soak};
use std::net::SocketAddr;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn an_idle_sidecar_takes_little_memory() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let idle = sidecar.rss();
    assert!(idle <= 30 * MIB, "{} KiB resident when idle", idle / 1024);
}

#[tokio::test]
async fn requests_leave_nothing_behind() {
    let origin = Origin::always(Reply::ok(vec![b'.'; 10_000])).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    let ask = async |connection: &mut crate::support::Connection, from: u32| {
        for n in from..from + 1500 {
            connection.ask(&Request::get(&format!("/{n}"))).await;
        }
    };
    // The first ones fill buffers, pools and thread stacks.
    ask(&mut connection, 0).await;
    let warm = sidecar.rss();
    ask(&mut connection, 10_000).await;
    let grown = sidecar.rss().saturating_sub(warm);
    assert!(
        grown <= 8 * MIB,
        "{} KiB more after 1500 requests",
        grown / 1024
    );
}

const CLIENTS: usize = 8;

/// Some clients at once, each asking for paths of its own, each once.
async fn ask_for(address: SocketAddr, count: usize, prefix: &'static str) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|from| tokio::spawn(client(address, (from..count).step_by(CLIENTS), prefix)))
        .collect();
    for client in clients {
        client.await.expect("every answer is a 200");
    }
}

async fn client(address: SocketAddr, numbers: impl Iterator<Item = usize>, prefix: &str) {
    let mut connection = Connection::open(address).await.unwrap();
    for n in numbers {
        let answer = connection.ask(&Request::get(&format!("{prefix}{n}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_small_objects_stays_within_the_tier() {
    let (tier, objects) = match soak() {
        Some(_) => (128 * MIB, 1_000_000),
        // Enough to fill it four times.
        None => (16 * MIB, 60_000),
    };
    let origin = Origin::forgetful(|asked| {
        let reply = Reply::ok(format!("what is at {}", asked.target));
        let reply = reply.header("Content-Type", "text/plain");
        match asked.path().starts_with("/small/") {
            true => reply.header("Cache-Control", "max-age=600"),
            false => reply.header("Cache-Control", "no-store"),
        }
    })
    .await;
    let yaml = format!(
        "cache: {{memory: {{size: {}MiB}}}}\nobservability: {{access_log: off}}",
        tier / MIB
    );
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    // Its code, buffers and connection pools are not what is measured.
    ask_for(sidecar.address(), 400, "/not-stored/").await;
    let idle = sidecar.rss();
    ask_for(sidecar.address(), objects, "/small/").await;
    let (rss, peak) = (sidecar.rss(), sidecar.rss_peak());
    let scrape = sidecar.metrics().await;
    let stored = scrape.value("vestibule_cache_objects");
    println!(
        "{objects} objects, {stored} of them in the tier of {} MiB; resident: {} KiB idle, {} KiB \
         now, {} KiB at most",
        tier / MIB,
        idle / 1024,
        rss / 1024,
        peak / 1024
    );
    assert!(
        scrape.value("vestibule_cache_evictions_total") > 0.0,
        "the tier was never full"
    );
    assert!(
        peak <= tier + tier * 3 / 10 + idle,
        "{} KiB resident with a tier of {} MiB, {} KiB when idle",
        peak / 1024,
        tier / MIB,
        idle / 1024
    );
}
