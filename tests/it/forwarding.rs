//! What is added, kept and taken away on the way: hop-by-hop fields, forwarding fields, ids.

use crate::support::{Origin, Reply, Request, Sidecar};

const TRUSTING: &str = "client_ip: {trusted_proxies: ['127.0.0.0/8']}";

#[tokio::test]
async fn hop_by_hop_fields_of_requests_stay_here() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let request = Request::get("/")
        .header("Connection", "keep-alive, X-Private")
        .header("X-Private", "for this hop")
        .header("Keep-Alive", "timeout=99")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "gzip")
        .header("X-Public", "for the app");
    assert_eq!(sidecar.ask(&request).await.status, 200);
    let asked = origin.last();
    for name in ["x-private", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(asked.header(name), None, "{name} reached the origin");
    }
    assert!(
        !asked.headers.lists("connection", "x-private"),
        "{:?}",
        asked.headers
    );
    assert_eq!(asked.header("x-public"), Some("for the app"));
}

#[tokio::test]
async fn hop_by_hop_fields_of_answers_stay_there() {
    let reply = Reply::cacheable("x")
        .header("Connection", "X-Hop")
        .header("X-Hop", "for that hop")
        .header("Keep-Alive", "timeout=99")
        .header("Proxy-Connection", "keep-alive")
        .header("X-End", "for the client");
    let origin = Origin::always(reply).await;
    let sidecar = Sidecar::before(&origin).await;
    for round in ["miss", "hit"] {
        let answer = sidecar.get("/").await;
        assert_eq!(answer.header("x-hop"), None, "{round}");
        assert_ne!(answer.header("keep-alive"), Some("timeout=99"), "{round}");
        assert_eq!(answer.header("proxy-connection"), None, "{round}");
        assert!(
            !answer.headers.lists("connection", "x-hop"),
            "{round}: {answer:?}"
        );
        assert_eq!(answer.header("x-end"), Some("for the client"), "{round}");
    }
    assert_eq!(origin.requests(), 1, "the second one was a hit");
}

/// RFC 9113 §8.2.3.
#[tokio::test]
async fn cookies_in_several_lines_reach_the_app_in_one() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let h2 = sidecar.h2c().await;
    for request in [Request::get("/"), Request::post("/", "x")] {
        let request = request.header("Cookie", "a=1; b=2").header("Cookie", "c=3");
        assert_eq!(sidecar.ask(&request).await.status, 200);
        assert_eq!(origin.last().headers.list("cookie"), ["a=1; b=2; c=3"]);
        assert_eq!(h2.ask(&request).await.unwrap().status, 200);
        assert_eq!(origin.last().headers.list("cookie"), ["a=1; b=2; c=3"]);
    }
}

fn claiming() -> Request {
    Request::get("/")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "public.example")
}

#[tokio::test]
async fn forwarding_fields_of_strangers_are_replaced() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    for request in [Request::get("/"), claiming()] {
        sidecar.ask(&request).await;
        let asked = origin.last();
        assert_eq!(
            asked.headers.list("x-forwarded-for"),
            ["127.0.0.1"],
            "{:?}",
            asked.headers
        );
        assert_eq!(
            asked.headers.list("x-forwarded-proto"),
            ["http"],
            "{:?}",
            asked.headers
        );
        assert_eq!(
            asked.headers.list("x-forwarded-host"),
            ["app.test"],
            "{:?}",
            asked.headers
        );
        assert_eq!(asked.header("host"), Some("app.test"));
    }
}

#[tokio::test]
async fn forwarding_fields_of_trusted_proxies_are_continued() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::with(TRUSTING).origin(&origin).start().await;
    sidecar.ask(&claiming()).await;
    let asked = origin.last();
    let chain = asked.headers.list("x-forwarded-for");
    assert_eq!(
        chain.first().map(String::as_str),
        Some("203.0.113.9"),
        "{chain:?}"
    );
    assert_eq!(
        chain.last().map(String::as_str),
        Some("127.0.0.1"),
        "{chain:?}"
    );
    assert_eq!(asked.headers.list("x-forwarded-proto"), ["https"]);
    assert_eq!(asked.headers.list("x-forwarded-host"), ["public.example"]);
}

#[tokio::test]
async fn via_is_added_in_both_directions() {
    let origin = Origin::always(Reply::ok("x").header("Via", "1.0 inner")).await;
    let sidecar = Sidecar::before(&origin).await;
    let answer = sidecar
        .ask(&Request::get("/").header("Via", "1.0 outer"))
        .await;
    assert_eq!(
        origin.last().headers.list("via"),
        ["1.0 outer", "1.1 vestibule"]
    );
    assert_eq!(answer.headers.list("via"), ["1.0 inner", "1.1 vestibule"]);
    let answer = sidecar.h2c().await.ask(&Request::get("/")).await.unwrap();
    assert!(
        answer
            .headers
            .list("via")
            .iter()
            .any(|via| via.ends_with(" vestibule")),
        "{answer:?}"
    );
    assert_eq!(origin.last().headers.list("via").len(), 1);
}

#[tokio::test]
async fn request_ids_are_made_and_passed_on() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = sidecar.get("/").await;
        let id = answer
            .header("x-request-id")
            .expect("each answer has an id")
            .to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(origin.last().headers.list("x-request-id"), [id.as_str()]);
        assert!(!seen.contains(&id), "{id} twice");
        seen.push(id);
    }
}

#[tokio::test]
async fn safe_request_ids_are_kept_and_others_replaced() {
    let origin = Origin::always(Reply::ok("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let long = "x".repeat(200);
    let cases = [
        ("abc-123_Z.9:/+=@", true),
        ("two words", false),
        ("<script>", false),
        ("caf\u{e9}", false),
        (long.as_str(), false),
    ];
    for (given, kept) in cases {
        let answer = sidecar
            .ask(&Request::get("/").header("X-Request-Id", given))
            .await;
        let id = answer
            .header("x-request-id")
            .expect("each answer has an id");
        assert_eq!(id == given, kept, "{given:?} became {id:?}");
        assert_eq!(
            origin.last().headers.list("x-request-id"),
            [id],
            "{given:?}"
        );
    }
}

#[tokio::test]
async fn request_ids_are_replaced_when_not_trusted() {
    let origin = Origin::always(Reply::ok("x")).await;
    let yaml = "observability: {request_id: {header: X-Trace, trust: false}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let answer = sidecar
        .ask(&Request::get("/").header("X-Trace", "abc-123"))
        .await;
    let id = answer.header("x-trace").expect("each answer has an id");
    assert_ne!(id, "abc-123");
    assert_eq!(origin.last().headers.list("x-trace"), [id]);
}

#[tokio::test]
async fn hits_have_ids_and_via_of_their_own() {
    let origin = Origin::always(Reply::cacheable("x")).await;
    let sidecar = Sidecar::before(&origin).await;
    let first = sidecar.get("/").await;
    let second = sidecar.get("/").await;
    assert!(second.is_hit(), "{second:?}");
    assert_eq!(second.headers.all("x-request-id").count(), 1);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_eq!(second.headers.list("via"), ["1.1 vestibule"]);
}
