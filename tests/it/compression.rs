//! Coded for those who ask, the same bytes after decoding, nothing held back.

use crate::support::{Gate, Origin, Reply, Request, Response, Sidecar, StreamDecoder, decoded};

fn text() -> String {
    "a line that is much like the next line\n".repeat(200)
}

fn page() -> Reply {
    Reply::ok(text())
        .header("Content-Type", "text/html; charset=utf-8")
        .header("ETag", "\"v1\"")
}

fn accepting(target: &str, codings: &str) -> Request {
    Request::get(target).header("Accept-Encoding", codings)
}

#[track_caller]
fn assert_untouched(answer: &Response, case: &str) {
    assert_eq!(answer.header("content-encoding"), None, "{case}");
    assert_eq!(answer.text(), text(), "{case}");
}

#[tokio::test]
async fn the_client_chooses() {
    let origin = Origin::always(page()).await;
    let sidecar = Sidecar::before(&origin).await;
    let cases = [
        (Some("br"), Some("br")),
        (Some("gzip"), Some("gzip")),
        (Some("gzip, deflate, br"), Some("br")),
        (Some("br;q=0.1, gzip"), Some("gzip")),
        (Some("br;q=0, gzip;q=0.5"), Some("gzip")),
        (Some("*"), Some("br")),
        (Some("br;q=0, *"), Some("gzip")),
        (Some("GZIP"), Some("gzip")),
        (Some("gzip;q=0"), None),
        (Some("identity"), None),
        (Some("deflate, compress"), None),
        (Some("gzip;q=0.5, identity"), None),
        (Some(""), None),
        (None, None),
    ];
    for (accepted, coding) in cases {
        let request = match accepted {
            Some(codings) => accepting("/", codings),
            None => Request::get("/"),
        };
        let answer = sidecar.ask(&request).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted:?}");
        assert_eq!(decoded(&answer), text().as_bytes(), "{accepted:?}");
        assert!(answer.is_whole(), "{accepted:?}");
        assert!(
            answer.headers.lists("vary", "accept-encoding"),
            "{accepted:?}: {answer:?}"
        );
        let etag = if coding.is_some() {
            "W/\"v1\""
        } else {
            "\"v1\""
        };
        assert_eq!(answer.header("etag"), Some(etag), "{accepted:?}");
        if coding.is_some() {
            assert!(
                answer.body.len() < text().len() / 4,
                "{accepted:?}: {}",
                answer.body.len()
            );
        }
    }
}

#[tokio::test]
async fn h2_answers_are_coded_too() {
    let origin = Origin::always(page()).await;
    let sidecar = Sidecar::before(&origin).await;
    let answer = sidecar
        .h2c()
        .await
        .ask(&accepting("/", "gzip"))
        .await
        .unwrap();
    assert_eq!(
        (answer.header("content-encoding"), answer.reset.is_none()),
        (Some("gzip"), true)
    );
    let body = crate::support::decoded_as(Some("gzip"), &answer.body);
    assert_eq!(body, text().as_bytes());
}

#[tokio::test]
async fn what_must_not_be_coded_is_left_alone() {
    let origin = Origin::start(|asked| {
        let of_type = |kind: &str| Reply::ok(text()).header("Content-Type", kind);
        match asked.path() {
            "/no-transform" => page().header("Cache-Control", "no-transform"),
            "/image" => of_type("image/png"),
            "/untyped" => Reply::ok(text()),
            "/ranged" => Reply::status(206)
                .body(text())
                .header("Content-Type", "text/html")
                .header("Content-Range", "bytes 0-7799/10000"),
            _ => page().header("Content-Encoding", "identity-of-its-own"),
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for target in ["/no-transform", "/image", "/untyped", "/ranged"] {
        let answer = sidecar.ask(&accepting(target, "br, gzip")).await;
        assert_untouched(&answer, target);
        assert_eq!(answer.header("content-length"), Some("7800"), "{target}");
    }
    let coded = sidecar.ask(&accepting("/coded", "br, gzip")).await;
    assert_eq!(
        coded.header("content-encoding"),
        Some("identity-of-its-own")
    );
    assert_eq!(
        (coded.text(), coded.header("etag")),
        (text(), Some("\"v1\""))
    );
}

#[tokio::test]
async fn size_type_and_switches_come_from_the_configuration() {
    let body = |bytes: usize| Reply::ok(text()[..bytes].to_owned());
    let origin = Origin::start(move |asked| match asked.path() {
        "/small" => body(1999).header("Content-Type", "text/html"),
        "/other" => body(4000).header("Content-Type", "text/html"),
        "/custom" => body(4000).header("Content-Type", "application/x-custom; a=b"),
        _ => body(2000).header("Content-Type", "text/html"),
    })
    .await;
    let yaml = "compression: {min_size: 2000B, types: ['text/*', application/x-custom], \
                algorithms: [gzip], levels: {gzip: 9}}\n\
                routes:\n- {name: other, match: {path: /other}, compression: off}\n";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    for (target, coding) in [
        ("/small", None),
        ("/large", Some("gzip")),
        ("/custom", Some("gzip")),
        ("/other", None),
    ] {
        let answer = sidecar.ask(&accepting(target, "br, gzip")).await;
        assert_eq!(answer.header("content-encoding"), coding, "{target}");
        assert!(text().as_bytes().starts_with(&decoded(&answer)), "{target}");
    }
    let off = Sidecar::with("compression: {enabled: off}")
        .origin(&origin)
        .start()
        .await;
    let answer = off.ask(&accepting("/large", "br, gzip")).await;
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn head_promises_what_get_delivers() {
    for stored in [false, true] {
        let reply = if stored {
            page().header("Cache-Control", "max-age=60")
        } else {
            page()
        };
        let origin = Origin::always(reply).await;
        let sidecar = Sidecar::before(&origin).await;
        let get = sidecar.ask(&accepting("/", "br")).await;
        let head = Request::head("/").header("Accept-Encoding", "br");
        let head = sidecar.ask(&head).await;
        assert_eq!(
            (head.status, head.body.len(), head.is_hit()),
            (200, 0, stored)
        );
        assert!(head.headers.lists("vary", "accept-encoding"), "{head:?}");
        // A HEAD may leave out what only coding the body would tell, but may not contradict.
        if let Some(length) = head.header("content-length") {
            let same = head.header("content-encoding") == get.header("content-encoding");
            let expected = if same { get.body.len() } else { text().len() };
            assert_eq!(length, expected.to_string(), "{head:?}");
        }
    }
}

#[tokio::test]
async fn one_stored_object_serves_every_coding() {
    let origin = Origin::always(page().header("Cache-Control", "max-age=60")).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    for (round, coding) in ["br", "gzip", "identity", "gzip", "br"]
        .into_iter()
        .enumerate()
    {
        let answer = connection.ask(&accepting("/", coding)).await;
        assert_eq!(answer.is_hit(), round > 0, "{round} {coding}");
        assert_eq!(
            answer.header("content-encoding"),
            Some(coding).filter(|c| *c != "identity")
        );
        assert_eq!(decoded(&answer), text().as_bytes(), "{round} {coding}");
        assert!(answer.is_whole() && answer.headers.lists("vary", "accept-encoding"));
        let etag = answer.header("etag").unwrap().to_owned();
        let conditional = accepting("/", coding).header("If-None-Match", &etag);
        assert_eq!(
            connection.ask(&conditional).await.status,
            304,
            "{round} {coding}"
        );
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_large_chunked_body_survives_coding() {
    let make = || (0..50u32).map(|n| format!("{n} {}", text()).into_bytes());
    let origin = Origin::start(move |_| {
        let reply = Reply::chunked().header("Content-Type", "application/json");
        make().fold(reply, |reply, chunk| reply.body(chunk))
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let whole: Vec<u8> = make().flatten().collect();
    for coding in ["br", "gzip"] {
        let answer = sidecar.ask(&accepting("/", coding)).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.is_whole() && decoded(&answer) == whole, "{coding}");
    }
}

#[tokio::test]
async fn a_cut_body_is_not_given_a_proper_end() {
    let reply = Reply::chunked()
        .header("Content-Type", "text/html")
        .body(text())
        .then_close();
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    for coding in ["br", "gzip"] {
        let request = accepting("/", coding);
        if let Ok(answer) = sidecar.connect().await.exchange(&request).await {
            assert!(
                !answer.is_whole() || answer.status >= 500,
                "{coding}: {answer:?}"
            );
        }
    }
}

/// Sends five events, each only after the one before was read through the decoder.
async fn events_arrive_one_by_one(content_type: &str, coding: &str, must_code: bool) {
    let event = |n: usize| format!("data: event {n}\n\n");
    let gates: Vec<Gate> = (0..5).map(|_| Gate::closed()).collect();
    let mut reply = Reply::chunked().header("Content-Type", content_type);
    for (n, gate) in gates.iter().enumerate() {
        reply = reply.wait(gate).body(event(n));
    }
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut connection = sidecar.connect().await;
    connection
        .send(&accepting("/", coding).bytes())
        .await
        .unwrap();
    // A head may wait for the first byte of the body, not longer.
    gates[0].open();
    let (head, _) = connection.head("GET").await.unwrap();
    let is_coded = head.headers.get("content-encoding") == Some(coding);
    assert!(is_coded || !must_code, "{content_type} {coding}: {head:?}");
    let mut decoder = is_coded.then(|| StreamDecoder::new(coding));
    let (mut plain, mut expected) = (Vec::new(), String::new());
    for (n, gate) in gates.iter().enumerate() {
        gate.open();
        expected += &event(n);
        while plain != expected.as_bytes() {
            let piece = connection
                .piece()
                .await
                .expect("the event before the next is sent");
            match &mut decoder {
                Some(decoder) => plain = decoder.push(&piece).to_vec(),
                None => plain.extend_from_slice(&piece),
            }
        }
    }
    assert!(connection.drain().await.1 == crate::support::Ending::Whole);
}

#[tokio::test]
async fn each_server_sent_event_is_readable_before_the_next_is_sent() {
    for coding in ["br", "gzip", "identity"] {
        events_arrive_one_by_one("text/event-stream", coding, coding != "identity").await;
    }
}

#[tokio::test]
async fn each_line_of_a_streamed_answer_is_readable_before_the_next_is_sent() {
    for content_type in ["application/x-ndjson", "application/json", "text/plain"] {
        for coding in ["br", "gzip"] {
            events_arrive_one_by_one(content_type, coding, false).await;
        }
    }
}

#[tokio::test]
async fn savings_are_counted() {
    let origin = Origin::always(page()).await;
    let sidecar = Sidecar::before(&origin).await;
    for coding in ["br", "gzip"] {
        sidecar.ask(&accepting("/", coding)).await;
    }
    let scrape = sidecar.metrics().await;
    for algorithm in ["br", "gzip"] {
        let labels = [("algorithm", algorithm)];
        let taken = scrape.sum("vestibule_compression_bytes_in_total", &labels);
        let given = scrape.sum("vestibule_compression_bytes_out_total", &labels);
        assert_eq!(taken, text().len() as f64, "{algorithm}");
        assert!(given > 0.0 && given < taken / 4.0, "{algorithm}: {given}");
    }
}
