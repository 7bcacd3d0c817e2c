//! What joins the key besides the URL: cookies that the file allows, and headers that would otherwise
//! be dropped. Two values never mix, and whatever names the URL means all of them.

use crate::support::{
    Connection, Dice, Gate, Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually,
};
use futures_util::future::join_all;
use std::net::SocketAddr;

const COOKIES: &str = "cache: {safety: {request_cookies: {allow: [lang, theme]}}}";
const FIELDS: &str = "cache: {safety: {unkeyed_headers: key}}";

/// Answers with the cookies that it has seen; public where the path says so.
async fn showing_cookies() -> Origin {
    Origin::start(|asked| {
        let seen = asked.headers.all("cookie").collect::<Vec<_>>().join("; ");
        let says = if asked.path() == "/public" {
            "public, max-age=60"
        } else {
            "max-age=60"
        };
        Reply::ok(format!("[{seen}]"))
            .header("Cache-Control", says)
            .header("Cache-Tag", "t")
    })
    .await
}

fn with_cookie(path: &str, cookie: &str) -> Request {
    Request::get(path).header("Cookie", cookie)
}

#[track_caller]
fn got(answer: &Response, text: &str, hit: bool) {
    assert_eq!(
        (answer.text().as_str(), answer.is_hit()),
        (text, hit),
        "{answer:?}"
    );
}

#[tokio::test]
async fn each_value_of_an_allowed_cookie_has_an_answer_of_its_own() {
    let origin = showing_cookies().await;
    let sidecar = Sidecar::with(COOKIES).origin(&origin).start().await;
    let values = [
        "lang=de",
        "lang=en",
        "lang=",
        "theme=de",
        "lang=de; theme=x",
        "lang=de; lang=en",
    ];
    for value in values {
        got(
            &sidecar.ask(&with_cookie("/", value)).await,
            &format!("[{value}]"),
            false,
        );
    }
    got(&sidecar.get("/").await, "[]", false);
    for value in ["lang=de", "lang=en", "lang=de; lang=en"] {
        got(
            &sidecar.ask(&with_cookie("/", value)).await,
            &format!("[{value}]"),
            true,
        );
    }
    got(&sidecar.get("/").await, "[]", true);
    // Neither the order of cookies of different names nor their lines matter.
    let turned = with_cookie("/", "theme=x").header("Cookie", "lang=de");
    got(&sidecar.ask(&turned).await, "[lang=de; theme=x]", true);
    assert_eq!(origin.requests(), values.len() + 1);
}

#[tokio::test]
async fn other_cookies_count_as_without_the_list() {
    let origin = showing_cookies().await;
    let sidecar = Sidecar::with(COOKIES).origin(&origin).start().await;
    let personal = with_cookie("/", "lang=de; id=ann");
    let first = sidecar.ask(&personal).await;
    assert_eq!(first.detail(), "REQUEST_COOKIE");
    got(
        &sidecar.ask(&with_cookie("/", "lang=de")).await,
        "[lang=de]",
        false,
    );
    got(
        &sidecar.ask(&with_cookie("/", "id=bob; lang=de")).await,
        "[id=bob; lang=de]",
        false,
    );
    got(
        &sidecar.ask(&with_cookie("/", "lang=de")).await,
        "[lang=de]",
        true,
    );
    // What is for everybody is for everybody with the same value.
    got(
        &sidecar
            .ask(&with_cookie("/public", "lang=de; id=ann"))
            .await,
        "[lang=de; id=ann]",
        false,
    );
    got(
        &sidecar
            .ask(&with_cookie("/public", "id=bob; lang=de"))
            .await,
        "[lang=de; id=ann]",
        true,
    );
    got(
        &sidecar
            .ask(&with_cookie("/public", "id=bob; lang=en"))
            .await,
        "[id=bob; lang=en]",
        false,
    );
}

/// RFC 9110 §7.6.1: the app does not get what `Connection` names.
#[tokio::test]
async fn nobody_can_have_the_default_answer_stored_as_that_of_a_value() {
    let origin = showing_cookies().await;
    let sidecar = Sidecar::with(COOKIES).origin(&origin).start().await;
    let hidden = with_cookie("/", "lang=de").header("Connection", "cookie");
    got(&sidecar.ask(&hidden).await, "[]", false);
    got(
        &sidecar.ask(&with_cookie("/", "lang=de")).await,
        "[lang=de]",
        false,
    );
    got(&sidecar.get("/").await, "[]", true);
}

#[tokio::test]
async fn whatever_names_the_url_means_all_its_values() {
    let origin = showing_cookies().await;
    let sidecar = Sidecar::with(COOKIES).origin(&origin).start().await;
    let requests = [
        Request::get("/p"),
        with_cookie("/p", "lang=de"),
        with_cookie("/p", "lang=en"),
    ];
    let purge = |order: serde_json::Value| {
        Request::post("/v1/purge", order.to_string()).header("Content-Type", "application/json")
    };
    let url = Sidecar::url_of("/p");
    let ends = [
        (true, purge(serde_json::json!({"urls": [url]}))),
        (true, purge(serde_json::json!({"tags": ["t"]}))),
        (false, Request::post("/p", "x").header("Cookie", "lang=fr")),
    ];
    for (admin, end) in ends {
        for request in &requests {
            sidecar.ask(request).await;
            assert!(sidecar.ask(request).await.is_hit(), "{request:?}");
        }
        let answer = if admin {
            sidecar.admin(&end).await
        } else {
            sidecar.ask(&end).await
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        for request in &requests {
            assert!(!sidecar.ask(request).await.is_hit(), "{end:?} {request:?}");
        }
    }
}

/// Answers with what it has seen of these fields.
async fn showing_fields() -> Origin {
    Origin::start(|asked| {
        let names = [
            "x-original-url",
            "x-host",
            "x-forwarded-host",
            "x-http-method-override",
        ];
        let seen = names.map(|name| asked.header(name).unwrap_or("none"));
        Reply::cacheable(seen.join(" "))
    })
    .await
}

#[tokio::test]
async fn headers_outside_the_url_can_join_the_key() {
    let origin = showing_fields().await;
    let sidecar = Sidecar::with(FIELDS).origin(&origin).start().await;
    let get = || Request::get("/");
    let cases = [
        (
            get().header("X-Original-URL", "/a"),
            "/a none app.test none",
        ),
        (
            get().header("X-Original-URL", "/b"),
            "/b none app.test none",
        ),
        (get().header("X-Host", "/a"), "none /a app.test none"),
        (get(), "none none app.test none"),
    ];
    for hit in [false, true] {
        for (request, expected) in &cases {
            got(&sidecar.ask(request).await, expected, hit);
        }
    }
    let hidden = get()
        .header("X-Original-URL", "/a")
        .header("Connection", "x-original-url");
    got(&sidecar.ask(&hidden).await, "none none app.test none", true);
    // A claim that the app never hears of makes no difference to what it answers.
    let claim = get().header("X-Forwarded-Host", "evil.test");
    got(&sidecar.ask(&claim).await, "none none app.test none", false);
    // What the app may take for a write has to happen each time.
    let write = get().header("X-HTTP-Method-Override", "DELETE");
    for _ in 0..2 {
        let answer = sidecar.ask(&write).await;
        assert_eq!(answer.detail(), "UNKEYED_HEADER");
        assert!(answer.text().ends_with("DELETE"));
    }
    got(&sidecar.get("/").await, "none none app.test none", true);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_can_join_the_key() {
    let origin = showing_fields().await;
    let yaml = format!("client_ip: {{trusted_proxies: [127.0.0.0/8]}}\n{FIELDS}");
    let sidecar = Sidecar::with(&yaml).origin(&origin).start().await;
    for hit in [false, true] {
        for host in ["a.test", "b.test"] {
            let request = Request::get("/").header("X-Forwarded-Host", host);
            got(
                &sidecar.ask(&request).await,
                &format!("none none {host} none"),
                hit,
            );
        }
    }
}

/// Who waits for an answer waits for that to his own value.
#[tokio::test]
async fn values_wait_for_fetches_of_their_own() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        Reply::cacheable(asked.header("cookie").unwrap_or("none").to_owned()).held(&held)
    })
    .await;
    let yaml = "cache: {collapse: {wait: 0s}, safety: {request_cookies: {allow: [lang]}}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let cookies: Vec<_> = (0..12).map(|n| format!("lang={}", n % 3)).collect();
    let asking = cookies
        .iter()
        .map(async |cookie| sidecar.ask(&with_cookie("/", cookie)).await);
    let (answers, ()) = tokio::join!(join_all(asking), async {
        eventually("three requests at the app", PATIENCE, async || {
            origin.requests() == 3
        })
        .await;
        gate.open();
    });
    for (answer, cookie) in answers.iter().zip(&cookies) {
        assert_eq!(answer.text(), *cookie);
    }
    assert_eq!(origin.requests(), 3, "one for each value");
}

/// A random crowd over few URLs and many values: each answer is that to the own value.
async fn crowd(address: SocketAddr, seed: u64) -> usize {
    let mut dice = Dice::seeded(seed);
    let mut connection = Connection::open(address).await.unwrap();
    let values = [
        "lang=de",
        "lang=en",
        "lang=",
        "theme=de",
        "theme=",
        "lang=de; theme=de",
        "",
    ];
    let (mut hits, mut fields) = (0, ["x-original-url", "x-host"]);
    for _ in 0..1_500 {
        let (value, other) = (dice.pick(&values), dice.pick(&["", "/a", "/b"]));
        let mut request = Request::get(&format!("/{}", dice.below(3)));
        if !value.is_empty() {
            request = request.header("Cookie", value);
        }
        fields.rotate_left(1);
        let mut expected = vec![format!("cookie={value}")];
        if !other.is_empty() {
            request = request.header(fields[0], other);
            expected.push(format!("{}={other}", fields[0]));
        }
        let answer = connection.ask(&request).await;
        assert_eq!(answer.text(), expected.join(" "), "{request:?}");
        hits += usize::from(answer.is_hit());
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_random_crowd_no_two_values_mix() {
    let origin = Origin::forgetful(|asked| {
        let mut seen = vec![format!(
            "cookie={}",
            asked.header("cookie").unwrap_or_default()
        )];
        for name in ["x-original-url", "x-host"] {
            seen.extend(asked.header(name).map(|value| format!("{name}={value}")));
        }
        Reply::ok(seen.join(" ")).header("Cache-Control", "max-age=1")
    })
    .await;
    let yaml = "cache: {safety: {unkeyed_headers: key, request_cookies: {allow: [theme, lang]}}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    let crowds = (0..4).map(|n| tokio::spawn(crowd(sidecar.address(), 0x5eed + n)));
    let hits: usize = join_all(crowds)
        .await
        .into_iter()
        .map(|hits| hits.expect("no mix"))
        .sum();
    assert!(hits > 3_000, "only {hits} hits");
}
