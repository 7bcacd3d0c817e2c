//! The fixtures against themselves: a test that cannot fail proves nothing, so the client and the
//! origin must see faults when there is no sidecar between them.

use crate::support::{
    Connection, Ending, Gate, H2c, Origin, Reply, Request, Scrape, StreamDecoder, decoded_as,
};
use bytes::Bytes;
use std::io::Write;
use tokio::net::TcpListener;

#[tokio::test]
async fn client_and_origin_agree_on_framing() {
    let big = || Reply::chunked().body("one").filler(100_000).body("two");
    let cases = [
        (Reply::ok("hello"), 5, Ending::Whole),
        (big(), 100_006, Ending::Whole),
        (
            Reply::ok("hello").claim_length(9).then_close(),
            5,
            Ending::Cut,
        ),
        (Reply::chunked().body("hello").then_close(), 5, Ending::Cut),
        (Reply::ok("hello").until_close(), 5, Ending::Closed),
        (Reply::status(204), 0, Ending::Whole),
    ];
    for (reply, length, ending) in cases {
        let told = format!("{reply:?}");
        let origin = Origin::always(reply).await;
        let mut connection = Connection::open(origin.address()).await.unwrap();
        let answer = connection.ask(&Request::get("/")).await;
        assert_eq!(
            (answer.body.len(), answer.ending),
            (length, ending),
            "{told}"
        );
    }
}

#[tokio::test]
async fn origin_reads_bodies_and_keeps_the_connection() {
    let origin = Origin::start(|asked| Reply::ok(asked.body.clone())).await;
    let mut connection = Connection::open(origin.address()).await.unwrap();
    let first = connection.ask(&Request::post("/a?b=c", "text")).await;
    connection
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    connection.send_chunk(b"chun").await.unwrap();
    connection.send_chunk(b"ked").await.unwrap();
    connection.send_chunk(b"").await.unwrap();
    let second = connection.response("POST").await.unwrap();
    assert_eq!(
        (first.text().as_str(), second.text().as_str()),
        ("text", "chunked")
    );
    assert_eq!(
        (origin.requests(), origin.connections(), origin.body_bytes()),
        (2, 1, 11)
    );
    assert_eq!(origin.asked()[0].path(), "/a");
    assert_eq!(origin.asked()[0].target, "/a?b=c");
}

#[tokio::test]
async fn a_gate_holds_the_rest_of_a_body() {
    let gate = Gate::closed();
    let origin = Origin::always(Reply::chunked().body("first").wait(&gate).body("last")).await;
    let mut connection = Connection::open(origin.address()).await.unwrap();
    connection.send(&Request::get("/").bytes()).await.unwrap();
    let (head, _) = connection.head("GET").await.unwrap();
    assert_eq!(head.status().unwrap(), 200);
    assert_eq!(connection.pieces(5).await, b"first");
    gate.open();
    assert_eq!(connection.pieces(usize::MAX).await, b"last");
    assert_eq!(connection.ending(), Ending::Whole);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_an_error() {
    let origin = Origin::always(Reply::raw("")).await;
    let mut connection = Connection::open(origin.address()).await.unwrap();
    assert!(connection.exchange(&Request::get("/")).await.is_err());
}

#[test]
fn scrapes_are_parsed() {
    let text = "# HELP a_b Text.\n# TYPE a_b counter\na_b_total{m=\"GET\",s=\"x\\\"y\"} 3\na_b_total{m=\"PUT\",s=\"z\"} 4\n# TYPE g gauge\ng 1.5\n# EOF\n";
    let scrape = Scrape::parse(text);
    assert_eq!(scrape.value("a_b_total"), 7.0);
    assert_eq!(scrape.sum("a_b_total", &[("s", "x\"y")]), 3.0);
    assert_eq!(scrape.label_values("a_b_total", "m").len(), 2);
    assert_eq!(
        (scrape.series("a_b_total"), scrape.has("g"), scrape.has("h")),
        (2, true, false)
    );
    assert!(scrape.undeclared().is_empty());
    assert_eq!(Scrape::parse("stray 1").undeclared(), ["stray"]);
}

#[test]
fn decoders_undo_the_codings() {
    let text = "compress me ".repeat(500);
    let mut brotli = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut brotli, 4096, 4, 22);
    writer.write_all(text.as_bytes()).unwrap();
    drop(writer);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(decoded_as(Some("br"), &brotli), text.as_bytes());
    assert_eq!(decoded_as(Some("gzip"), &gzip), text.as_bytes());
    assert_eq!(decoded_as(None, text.as_bytes()), text.as_bytes());
    let cut = |coding: &'static str, bytes: &[u8]| {
        let bytes = bytes[..bytes.len() - 5].to_vec();
        std::panic::catch_unwind(move || decoded_as(Some(coding), &bytes)).is_err()
    };
    assert!(
        cut("gzip", &gzip) && cut("br", &brotli),
        "a cut stream must not pass"
    );
}

#[test]
fn decoders_tell_what_is_readable_so_far() {
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 22);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let (mut from_brotli, mut from_gzip) = (StreamDecoder::new("br"), StreamDecoder::new("gzip"));
    let (mut expected, mut sent) = (String::new(), (0, 0));
    for n in 0..3 {
        let event = format!("data: event {n}\n\n");
        brotli.write_all(event.as_bytes()).unwrap();
        gzip.write_all(event.as_bytes()).unwrap();
        // Not flushed: nothing is readable yet, and the decoder must not pretend otherwise.
        let early = from_brotli.push(&brotli.get_ref()[sent.0..]).to_vec();
        sent.0 = brotli.get_ref().len();
        assert_eq!(early, expected.as_bytes());
        expected += &event;
        brotli.flush().unwrap();
        gzip.flush().unwrap();
        assert_eq!(
            from_brotli.push(&brotli.get_ref()[sent.0..]),
            expected.as_bytes()
        );
        assert_eq!(
            from_gzip.push(&gzip.get_ref()[sent.1..]),
            expected.as_bytes()
        );
        sent = (brotli.get_ref().len(), gzip.get_ref().len());
    }
}

/// Serves one h2 connection: "/cut" is reset in the middle, the rest is echoed.
async fn h2_server(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut bytes = path.clone().into_bytes();
            while let Some(Ok(piece)) = body.data().await {
                body.flow_control().release_capacity(piece.len()).unwrap();
                bytes.extend_from_slice(&piece);
            }
            let head = http::Response::builder()
                .header("x-kept", "yes")
                .body(())
                .unwrap();
            let mut sending = respond.send_response(head, false).unwrap();
            sending
                .send_data(Bytes::from(bytes), path != "/cut")
                .unwrap();
            if path == "/cut" {
                sending.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        });
    }
}

#[tokio::test]
async fn the_h2_client_sees_ends_and_resets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(h2_server(listener));
    let client = H2c::open(address).await.unwrap();
    let request = Request::new("POST", "/echo").body(vec![b'.'; 50_000]);
    let answer = client.ask(&request).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 50_005));
    assert_eq!(
        (answer.header("x-kept"), answer.reset.is_none()),
        (Some("yes"), true)
    );
    let cut = client.ask(&Request::get("/cut")).await;
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.reset.is_some()));
    server.abort();
}
