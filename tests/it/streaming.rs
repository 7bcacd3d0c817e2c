//! Bodies are passed on as they come, in both directions, in bounded memory, and an end that is
//! not one is visible to the client.

use crate::support::{
    Ending, Gate, H2Response, Origin, PATIENCE, Reply, Request, Sidecar, eventually,
};

const MIB: u64 = 1024 * 1024;
const HUNDRED_MB: u64 = 100 * MIB;

#[tokio::test]
async fn the_first_piece_arrives_before_the_last_is_sent() {
    let plain = || Reply::chunked().body("first");
    let kept = || plain().header("Cache-Control", "max-age=60");
    for (name, reply) in [("passed on", plain()), ("being stored", kept())] {
        let gate = Gate::closed();
        let origin = Origin::always(reply.wait(&gate).body("last")).await;
        let sidecar = Sidecar::before(&origin).await;
        let mut connection = sidecar.connect().await;
        connection.send(&Request::get("/").bytes()).await.unwrap();
        connection.head("GET").await.unwrap();
        assert_eq!(connection.pieces(5).await, b"first", "{name}");
        gate.open();
        assert_eq!(connection.pieces(usize::MAX).await, b"last", "{name}");
        assert_eq!(connection.ending(), Ending::Whole, "{name}");
    }
}

#[tokio::test]
async fn a_body_of_known_length_is_not_held_back_either() {
    let gate = Gate::closed();
    let reply = Reply::status(200)
        .filler(256 * 1024)
        .wait(&gate)
        .body("last");
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    connection.send(&Request::get("/").bytes()).await.unwrap();
    connection.head("GET").await.unwrap();
    // The tail may wait in a write buffer, most of it must be here.
    let early = connection.pieces(192 * 1024).await.len();
    gate.open();
    let late = connection.pieces(usize::MAX).await.len();
    assert_eq!(
        (early + late, connection.ending()),
        (256 * 1024 + 4, Ending::Whole)
    );
}

#[tokio::test]
async fn uploads_reach_the_app_as_they_are_sent() {
    let origin = Origin::start(|asked| Reply::ok(asked.body.clone())).await;
    let sidecar = Sidecar::before(&origin).await;

    let mut chunked = sidecar.connect().await;
    let head = Request::new("POST", "/").header("Transfer-Encoding", "chunked");
    chunked.send(&head.bytes()).await.unwrap();
    chunked.send_chunk(b"first").await.unwrap();
    eventually("the first chunk to arrive", PATIENCE, async || {
        origin.body_bytes() == 5
    })
    .await;
    chunked.send_chunk(b"last").await.unwrap();
    chunked.send_chunk(b"").await.unwrap();
    assert_eq!(chunked.response("POST").await.unwrap().text(), "firstlast");

    let mut sized = sidecar.connect().await;
    let head = Request::new("POST", "/").header("Content-Length", "9");
    sized.send(&head.bytes()).await.unwrap();
    sized.send(b"first").await.unwrap();
    eventually("the first piece to arrive", PATIENCE, async || {
        origin.body_bytes() == 14
    })
    .await;
    sized.send(b"last").await.unwrap();
    assert_eq!(sized.response("POST").await.unwrap().text(), "firstlast");
}

#[tokio::test]
async fn large_downloads_take_little_memory() {
    let sized = Reply::status(200).filler(HUNDRED_MB);
    let chunked = Reply::chunked().filler(HUNDRED_MB);
    let cases = [
        ("of known length", sized.clone()),
        ("chunked", chunked.clone()),
        (
            "of known length, cacheable but too large",
            sized.header("Cache-Control", "max-age=60"),
        ),
        (
            "chunked, cacheable but too large",
            chunked.header("Cache-Control", "max-age=60"),
        ),
    ];
    for (name, reply) in cases {
        let origin = Origin::always(reply).await;
        let sidecar = Sidecar::before(&origin).await;
        let before = sidecar.rss();
        let mut connection = sidecar.connect().await;
        connection.send(&Request::get("/").bytes()).await.unwrap();
        connection.head("GET").await.unwrap();
        assert_eq!(
            connection.drain().await,
            (HUNDRED_MB, Ending::Whole),
            "{name}"
        );
        let grown = sidecar.rss_peak().saturating_sub(before);
        assert!(grown < 32 * MIB, "{name}: {} KiB more", grown / 1024);
    }
}

#[tokio::test]
async fn large_uploads_take_little_memory() {
    let origin = Origin::start(|asked| Reply::ok(asked.body_length.to_string())).await;
    let sidecar = Sidecar::with("limits: {body: 200MiB}")
        .origin(&origin)
        .start()
        .await;
    let before = sidecar.rss();
    let mut connection = sidecar.connect().await;
    let head = Request::new("PUT", "/").header("Content-Length", &HUNDRED_MB.to_string());
    connection.send(&head.bytes()).await.unwrap();
    let piece = vec![b'.'; 256 * 1024];
    for _ in 0..HUNDRED_MB / piece.len() as u64 {
        connection.send(&piece).await.unwrap();
    }
    assert_eq!(
        connection.response("PUT").await.unwrap().text(),
        HUNDRED_MB.to_string()
    );
    let grown = sidecar.rss_peak().saturating_sub(before);
    assert!(grown < 32 * MIB, "{} KiB more", grown / 1024);
}

/// Every way in which an upstream may break off in the middle.
fn broken_replies() -> Vec<(&'static str, Reply)> {
    let sized = || Reply::ok("half").claim_length(8).then_close();
    let chunked = || Reply::chunked().body("half").then_close();
    let kept = |reply: Reply| reply.header("Cache-Control", "max-age=60");
    vec![
        ("by length", sized()),
        ("chunked", chunked()),
        ("by length, cacheable", kept(sized())),
        ("chunked, cacheable", kept(chunked())),
    ]
}

#[tokio::test]
async fn a_truncated_answer_looks_truncated_on_http_1() {
    for (name, reply) in broken_replies() {
        let origin = Origin::always(reply).await;
        let sidecar = Sidecar::before(&origin).await;
        let answer = sidecar.connect().await.exchange(&Request::get("/")).await;
        // No answer at all is honest too; a well-ended half is not.
        if let Ok(answer) = answer {
            let honest = answer.ending == Ending::Cut || answer.status >= 500;
            assert!(honest, "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_truncated_answer_looks_truncated_on_h2() {
    for (name, reply) in broken_replies() {
        let origin = Origin::always(reply).await;
        let sidecar = Sidecar::before(&origin).await;
        let answer: Result<H2Response, _> = sidecar.h2c().await.ask(&Request::get("/")).await;
        if let Ok(answer) = answer {
            let honest = answer.reset.is_some() || answer.status >= 500;
            assert!(honest, "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_stalls_in_the_middle_is_cut_off() {
    let origin = Origin::always(Reply::ok("half").claim_length(8).then_hang()).await;
    let yaml = "upstream: {timeouts: {between_bytes: 300ms}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let answer = sidecar.connect().await.exchange(&Request::get("/")).await;
    if let Ok(answer) = answer {
        assert!(
            answer.ending == Ending::Cut || answer.status == 504,
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_body_ended_by_closing_is_passed_on() {
    let origin = Origin::always(Reply::ok("until the end").until_close()).await;
    let sidecar = Sidecar::before(&origin).await;
    for _ in 0..2 {
        let answer = sidecar.get("/").await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "until the end")
        );
        assert_ne!(answer.ending, Ending::Cut);
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_disturb_others() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match asked.path() {
        "/slow" => Reply::chunked().body("first").wait(&held).body("last"),
        _ => Reply::ok("fine"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let mut leaving = sidecar.connect().await;
    leaving.send(&Request::get("/slow").bytes()).await.unwrap();
    leaving.head("GET").await.unwrap();
    drop(leaving);
    assert_eq!(sidecar.get("/").await.text(), "fine");
    gate.open();
    assert_eq!(sidecar.get("/").await.text(), "fine");
    eventually("nothing to be in flight", PATIENCE, async || {
        sidecar
            .metrics()
            .await
            .value("vestibule_requests_in_flight")
            == 0.0
    })
    .await;
}
