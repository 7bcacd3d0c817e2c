//! httpbin under gunicorn, asked directly and through the sidecar: the answers differ only in what
//! a proxy is meant to change, listed here.

use crate::support::{App, Connection, Request, Response, Sidecar, decoded};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;

/// Response fields that belong to the hop or to the moment, not to the answer.
const OF_THE_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
];
/// Response fields that the sidecar adds.
const ADDED: &[&str] = &["via", "x-request-id", "cache-status", "age"];
/// Response fields that change from one second to the next.
const OF_THE_MOMENT: &[&str] = &["date"];
/// Request fields that the sidecar adds, replaces or takes away, as httpbin reflects them.
const REFLECTED: &[&str] = &[
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Request-Id",
    "Via",
    "Connection",
    // Taken away where the answer may be stored: it is stored uncoded and coded here.
    "Accept-Encoding",
];

fn end_to_end(answer: &Response) -> BTreeMap<String, BTreeSet<String>> {
    let mut fields = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, value) in answer.headers.iter() {
        let name = name.to_ascii_lowercase();
        // The sidecar adds `Vary: Accept-Encoding` to what it would code for others.
        if name == "vary" && value.eq_ignore_ascii_case("accept-encoding") {
            continue;
        }
        if [OF_THE_HOP, ADDED, OF_THE_MOMENT]
            .iter()
            .all(|list| !list.contains(&name.as_str()))
        {
            fields.entry(name).or_default().insert(value.to_owned());
        }
    }
    fields
}

/// The body, with reflected request fields taken out when it is one of httpbin's JSON reports.
fn content(answer: &Response) -> Result<Value, Vec<u8>> {
    let body = decoded_body(answer);
    let Ok(mut report) = serde_json::from_slice::<Value>(&body) else {
        return Err(body);
    };
    if let Some(headers) = report.get_mut("headers").and_then(Value::as_object_mut) {
        headers.retain(|name, _| {
            !REFLECTED
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        });
    }
    Ok(report)
}

fn decoded_body(answer: &Response) -> Vec<u8> {
    if answer.header("content-encoding") != Some("deflate") {
        return decoded(answer);
    }
    // zlib, which only httpbin's /deflate sends.
    let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
    decoder.write_all(&answer.body).unwrap();
    decoder.finish().unwrap()
}

struct Pair {
    direct: SocketAddr,
    sidecar: Sidecar,
    _app: App,
}

impl Pair {
    async fn start(yaml: &str) -> Self {
        let app = App::httpbin().await;
        let sidecar = Sidecar::with(yaml).upstream(&app.url()).start().await;
        Self {
            direct: app.address(),
            sidecar,
            _app: app,
        }
    }

    /// The same request both ways.
    async fn both(&self, request: &Request) -> (Response, Response) {
        let direct = Connection::open(self.direct)
            .await
            .unwrap()
            .ask(request)
            .await;
        (direct, self.sidecar.ask(request).await)
    }

    async fn assert_same(&self, request: &Request) {
        let (direct, through) = self.both(request).await;
        let told = format!("{} {}", request.method, request.target);
        assert_eq!(through.status, direct.status, "{told}");
        assert_eq!(end_to_end(&through), end_to_end(&direct), "{told}");
        assert!(
            content(&through) == content(&direct),
            "{told}\n{direct:?}\n{through:?}"
        );
        assert!(through.is_whole(), "{told}: {:?}", through.ending);
        for name in ["via", "x-request-id", "cache-status"] {
            assert!(through.headers.has(name), "{told}: no {name}");
        }
    }
}

fn get(target: &str) -> Request {
    Request::get(target)
        .header("User-Agent", "tests")
        .header("Accept", "*/*")
}

#[tokio::test]
async fn methods_and_bodies() {
    let pair = Pair::start("").await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let path = format!("/{}?a=1&b=%20x&b=2", method.to_ascii_lowercase());
        for target in [path.as_str(), "/anything/some/path?q=%2F"] {
            let request = Request::new(method, target).header("User-Agent", "tests");
            let request = request.header("X-Custom", "one, two");
            if method == "GET" {
                pair.assert_same(&request).await;
                continue;
            }
            let json = request.clone().header("Content-Type", "application/json");
            pair.assert_same(&json.body("{\"answer\": [42, null, \"\u{fc}\"]}"))
                .await;
            let form = request
                .clone()
                .header("Content-Type", "application/x-www-form-urlencoded");
            pair.assert_same(&form.body("a=1&b=two+words&c=%C3%BC"))
                .await;
            let multipart = "multipart/form-data; boundary=frontier";
            let parts = "--frontier\r\nContent-Disposition: form-data; name=\"file\"; \
                         filename=\"a.txt\"\r\n\r\ncontent\r\n--frontier--\r\n";
            pair.assert_same(&request.header("Content-Type", multipart).body(parts))
                .await;
        }
    }
    pair.assert_same(&Request::head("/get").header("User-Agent", "tests"))
        .await;
    pair.assert_same(&Request::new("OPTIONS", "/get").header("User-Agent", "tests"))
        .await;
}

#[tokio::test]
async fn statuses() {
    let pair = Pair::start("").await;
    let statuses = [
        200, 201, 202, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404,
        405, 406, 409, 410, 412, 415, 418, 422, 428, 429, 451, 500, 501, 502, 503, 504, 511, 599,
    ];
    for status in statuses {
        pair.assert_same(&get(&format!("/status/{status}"))).await;
    }
    pair.assert_same(&Request::post("/status/201", "x").header("User-Agent", "tests"))
        .await;
    pair.assert_same(&get("/no/such/page")).await;
}

#[tokio::test]
async fn redirects_and_cookies() {
    let pair = Pair::start("").await;
    let targets = [
        "/redirect/3",
        "/absolute-redirect/2",
        "/relative-redirect/2",
        "/redirect-to?url=%2Fget&status_code=307",
        "/redirect-to?url=http%3A%2F%2Fother.test%2F",
        "/cookies/set?one=1&two=2",
        "/cookies/set/three/3",
        "/cookies/delete?one",
    ];
    for target in targets {
        pair.assert_same(&get(target)).await;
    }
    pair.assert_same(&get("/cookies").header("Cookie", "one=1; two=\"2 2\""))
        .await;
}

#[tokio::test]
async fn codings_of_the_app() {
    let pair = Pair::start("").await;
    for target in ["/gzip", "/brotli", "/deflate"] {
        for accepted in ["gzip, deflate, br", "identity"] {
            pair.assert_same(&get(target).header("Accept-Encoding", accepted))
                .await;
        }
    }
    for target in [
        "/html",
        "/xml",
        "/json",
        "/encoding/utf8",
        "/robots.txt",
        "/image/png",
    ] {
        pair.assert_same(&get(target)).await;
    }
}

#[tokio::test]
async fn codings_of_the_sidecar() {
    let pair = Pair::start("").await;
    for (target, coded) in [
        ("/html", true),
        ("/encoding/utf8", true),
        ("/image/png", false),
    ] {
        for coding in ["br", "gzip"] {
            let request = get(target).header("Accept-Encoding", coding);
            let (direct, through) = pair.both(&request).await;
            let expected = coded.then_some(coding);
            assert_eq!(
                through.header("content-encoding"),
                expected,
                "{target} {coding}"
            );
            assert!(decoded(&through) == decoded(&direct), "{target} {coding}");
            // Apart from the coding itself the heads are alike.
            let (mut ours, mut theirs) = (end_to_end(&through), end_to_end(&direct));
            for name in ["content-encoding", "vary"] {
                ours.remove(name);
                theirs.remove(name);
            }
            assert_eq!(ours, theirs, "{target} {coding}");
        }
    }
}

#[tokio::test]
async fn conditional_and_cache_answers() {
    let pair = Pair::start("cache: {enabled: off}").await;
    pair.assert_same(&get("/etag/abc")).await;
    for (field, value) in [
        ("If-None-Match", "\"abc\""),
        ("If-None-Match", "\"other\""),
        ("If-Match", "\"other\""),
        ("If-Match", "\"abc\""),
    ] {
        // httpbin compares the value as it is; what matters is that it arrives unchanged.
        pair.assert_same(&get("/etag/abc").header(field, value))
            .await;
    }
    let since = "Sat, 01 Jan 2050 00:00:00 GMT";
    pair.assert_same(&get("/cache").header("If-Modified-Since", since))
        .await;
    pair.assert_same(&get("/cache").header("If-None-Match", "x"))
        .await;
    pair.assert_same(&get("/cache/60")).await;
    pair.assert_same(&get("/response-headers?X-A=1&X-A=2&X-B=%C3%BC"))
        .await;
}

#[tokio::test]
async fn a_cacheable_answer_is_kept() {
    let pair = Pair::start("").await;
    let first = pair.sidecar.ask(&get("/cache/60?who=me")).await;
    let second = pair.sidecar.ask(&get("/cache/60?who=me")).await;
    assert!(
        first.was_stored() && second.is_hit(),
        "{first:?}\n{second:?}"
    );
    assert_eq!(first.text(), second.text());
    let fresh = pair.sidecar.ask(&get("/get?who=me")).await;
    assert!(!fresh.was_stored(), "{fresh:?}");
}

#[tokio::test]
async fn ranges() {
    let pair = Pair::start("").await;
    pair.assert_same(&get("/range/2000")).await;
    for range in ["bytes=0-9", "bytes=1000-", "bytes=-10", "bytes=5000-6000"] {
        pair.assert_same(&get("/range/2000").header("Range", range))
            .await;
    }
}

#[tokio::test]
async fn large_and_streamed_bodies() {
    let pair = Pair::start("").await;
    let targets = [
        "/bytes/100000?seed=1",
        "/bytes/100000?seed=1&again",
        "/stream-bytes/100000?seed=1&chunk_size=1000",
        "/stream-bytes/100000?seed=1&chunk_size=50000",
        "/range/102400?chunk_size=5000",
        "/drip?duration=0.5&numbytes=50&code=200&delay=0",
        "/links/20/0",
        "/base64/aGVsbG8gd29ybGQ%3D",
    ];
    for target in targets {
        pair.assert_same(&get(target)).await;
    }
    let upload = "x".repeat(500_000);
    let request = Request::post("/anything", upload).header("Content-Type", "text/plain");
    pair.assert_same(&request.header("User-Agent", "tests"))
        .await;
}

#[tokio::test]
async fn streamed_reports() {
    let pair = Pair::start("").await;
    let (direct, through) = pair.both(&get("/stream/20")).await;
    assert_eq!(
        (through.status, end_to_end(&through)),
        (200, end_to_end(&direct))
    );
    assert!(through.is_whole());
    let lines = |answer: &Response| -> Vec<Value> {
        let text = answer.text();
        let reports = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        reports
            .map(|mut report| {
                let headers = report["headers"].as_object_mut().unwrap();
                headers.retain(|name, _| !REFLECTED.iter().any(|r| r.eq_ignore_ascii_case(name)));
                report
            })
            .collect()
    };
    assert_eq!(lines(&through).len(), 20);
    assert_eq!(lines(&through), lines(&direct));
}

#[tokio::test]
async fn the_app_sees_what_the_sidecar_adds() {
    let pair = Pair::start("").await;
    let report = pair.sidecar.ask(&get("/headers?show_env=1")).await.json();
    let header = |name: &str| {
        report["headers"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(header("X-Forwarded-For"), "127.0.0.1", "{report}");
    assert_eq!(header("X-Forwarded-Proto"), "http", "{report}");
    assert_eq!(header("X-Forwarded-Host"), "app.test", "{report}");
    assert_eq!(header("Via"), "1.1 vestibule", "{report}");
    assert_eq!(header("X-Request-Id").len(), 32, "{report}");
    assert_eq!(header("Host"), "app.test", "{report}");
    let origin = pair.sidecar.ask(&get("/ip")).await.json();
    assert_eq!(origin["origin"], "127.0.0.1");
}
