//! A Starlette app under uvicorn, visited with httpx and websockets: events and messages arrive as
//! they are sent.

use crate::support::{App, Sidecar, python};
use std::net::SocketAddr;

/// Runs `tests/apps/visit.py` against that address and fails with what it says.
async fn visit(address: SocketAddr) {
    let mut command = python();
    command.args(["visit.py", &address.to_string()]);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().expect("the script runs");
    let (said, erred) = (lossy(&output.stdout), lossy(&output.stderr));
    assert!(
        output.status.success(),
        "the visitor said:\n{said}\n{erred}"
    );
    assert_eq!(said.lines().count(), 5, "{said}");
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_visitor_is_content_without_a_sidecar() {
    let app = App::starlette().await;
    visit(app.address()).await;
}

#[tokio::test]
async fn the_visitor_is_content_with_a_sidecar() {
    let app = App::starlette().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    assert_eq!(sidecar.get("/").await.text(), "hello from starlette");
    visit(sidecar.address()).await;
}
