//! The sidecar is small.

use crate::support::{Origin, Reply, Request, Sidecar};

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
