//! Many requests for one thing that is not stored: one fetch for all of them where the answer can be
//! shared, no queue where it cannot, and nobody harmed by the others.

use crate::support::{
    Connection, Ending, Gate, H2c, Origin, PATIENCE, Reply, Request, Sidecar, eventually, within,
};
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

const CROWD: usize = 1000;
/// Streams on one h2 connection. Of many more, our own client would take the small pieces that come
/// for all of them at once for an attack.
const STREAMS: usize = 20;

/// The crowd comes from one address, and neither the queue of the app's port nor anybody's patience
/// with an app that the test holds up is what is tested.
const CONFIG: &str = "{limits: {connections: {per_ip: 0}}, upstream: {timeouts: {connect: 20s}},
    cache: {collapse: {wait: 0s}}}";

async fn before(origin: &Origin) -> Sidecar {
    // Each of the crowd may need a descriptor on either side, and the usual bound is 1024. Where
    // it cannot be raised, it may be high enough as it is.
    let pid = std::process::id().to_string();
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &pid, "--nofile=8192:"]);
    let _ = prlimit.stderr(Stdio::null()).status();
    Sidecar::with(CONFIG).origin(origin).start().await
}

/// What one of the crowd got.
#[derive(Debug)]
struct Got {
    by: &'static str,
    /// Nothing when there was no answer at all.
    status: Option<u16>,
    body: String,
    /// Why a client of that protocol takes the body for incomplete, if it does.
    broken: Option<String>,
}

/// Requests that were sent and whose answers are awaited.
struct Crowd(Vec<JoinHandle<Got>>);

impl Crowd {
    /// Sends that many requests for the path by HTTP/1.1, HTTP/1.0 and h2; all of them have reached
    /// the sidecar when this returns.
    async fn asks(sidecar: &Sidecar, count: usize, path: &str) -> Self {
        let sent = Arc::new(AtomicUsize::new(0));
        let (address, third) = (sidecar.address(), count / 3);
        let mut tasks = Vec::new();
        for n in 0..2 * third {
            let version = if n < third { "HTTP/1.1" } else { "HTTP/1.0" };
            let (path, sent) = (path.to_owned(), Arc::clone(&sent));
            tasks.push(tokio::spawn(by_http1(address, version, path, sent)));
        }
        let mut h2 = None;
        for n in 0..count - 2 * third {
            if n % STREAMS == 0 {
                h2 = Some(Arc::new(sidecar.h2c().await));
            }
            let h2 = Arc::clone(h2.as_ref().expect("made at zero"));
            tasks.push(tokio::spawn(by_h2(h2, path.to_owned(), Arc::clone(&sent))));
        }
        eventually("all requests to be sent", PATIENCE, async || {
            sent.load(SeqCst) == count
        })
        .await;
        has_read_everything(sidecar).await;
        Self(tasks)
    }

    async fn gets(self) -> Vec<Got> {
        let mut all = Vec::new();
        for task in self.0 {
            all.push(task.await.expect("what goes wrong is in `Got`"));
        }
        all
    }

    /// Every one of them gets exactly that.
    async fn all_get(self, status: u16, body: &str) {
        let all = self.gets().await;
        for got in &all {
            assert_eq!(got.status, Some(status), "{got:?}");
            assert!(got.ended_well() && got.body == body, "{got:?}");
        }
    }
}

async fn by_http1(
    address: SocketAddr,
    by: &'static str,
    path: String,
    sent: Arc<AtomicUsize>,
) -> Got {
    let mut connection = Connection::open(address).await.expect("a free connection");
    let head = Request::get(&path).bytes();
    let head = String::from_utf8(head).expect("ASCII");
    let head = head.replacen("HTTP/1.1", by, 1);
    connection.send(head.as_bytes()).await.expect("it is open");
    sent.fetch_add(1, SeqCst);
    let answer = match connection.response("GET").await {
        Ok(answer) => answer,
        Err(error) => return Got::nothing(by, &error),
    };
    // A server may end a body by closing, so that an orderly close is a good end.
    Got {
        by,
        status: Some(answer.status),
        body: answer.text(),
        broken: (answer.ending == Ending::Cut).then(|| "cut".to_owned()),
    }
}

async fn by_h2(h2: Arc<H2c>, path: String, sent: Arc<AtomicUsize>) -> Got {
    let answer = h2
        .start(&Request::get(&path))
        .await
        .expect("a free h2 stream");
    sent.fetch_add(1, SeqCst);
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(error) => return Got::nothing("h2", &error),
    };
    Got {
        by: "h2",
        status: Some(answer.status),
        body: answer.text(),
        broken: answer.reset.map(|error| error.to_string()),
    }
}

impl Got {
    fn nothing(by: &'static str, error: &dyn std::error::Error) -> Self {
        Self {
            by,
            status: None,
            body: String::new(),
            broken: Some(error.to_string()),
        }
    }

    fn ended_well(&self) -> bool {
        self.broken.is_none()
    }
}

/// Waits until no byte is left in the sockets of the proxy port, and an answer to a request that
/// came after all of them went through.
async fn has_read_everything(sidecar: &Sidecar) {
    eventually("the sidecar to read what was sent", PATIENCE, async || {
        unread(sidecar.address().port()) == 0
    })
    .await;
    for _ in 0..10 {
        sidecar.ask(&Request::new("OPTIONS", "/canary")).await;
    }
}

/// Bytes in the receive queues of the sockets on that local port.
fn unread(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").expect("a Linux kernel");
    let queues = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let local = fields.get(1)?.rsplit(':').next()?;
        if u16::from_str_radix(local, 16) != Ok(port) || fields.get(3) == Some(&"0A") {
            return None; // another socket, or the listening one
        }
        u64::from_str_radix(fields.get(4)?.rsplit(':').next()?, 16).ok()
    });
    queues.sum()
}

/// The requests that reached the app for anything but the canaries.
fn asked(origin: &Origin) -> usize {
    let all = origin.asked();
    all.iter().filter(|asked| asked.method == "GET").count()
}

/// Waits until that many requests are at the app. The origin counts them when they come, canaries
/// too, and remembers them when it has decided on an answer.
async fn at_the_app(origin: &Origin, count: usize) {
    let what = format!("{count} requests to be at the app at once");
    eventually(&what, PATIENCE * 2, async || asked(origin) >= count).await;
}

fn is_canary(method: &str) -> bool {
    method == "OPTIONS"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_for_a_cold_key_ask_the_app_once() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match is_canary(&asked.method) {
        true => Reply::ok(""),
        false => Reply::cacheable("for all").held(&held),
    })
    .await;
    let sidecar = before(&origin).await;
    let crowd = Crowd::asks(&sidecar, CROWD, "/cold").await;
    gate.open();
    crowd.all_get(200, "for all").await;
    assert_eq!(asked(&origin), 1);
    assert!(sidecar.get("/cold").await.is_hit());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_read_along_while_the_body_comes() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match is_canary(&asked.method) {
        true => Reply::ok(""),
        false => Reply::chunked()
            .header("Cache-Control", "max-age=60")
            .body("first ")
            .wait(&held)
            .body("last"),
    })
    .await;
    let sidecar = before(&origin).await;
    let crowd = Crowd::asks(&sidecar, CROWD, "/cold").await;
    // Whoever comes now sees the beginning before the app has said the end.
    let mut late = sidecar.connect().await;
    late.send(&Request::get("/cold").bytes()).await.unwrap();
    late.head("GET").await.unwrap();
    assert_eq!(late.pieces(6).await, b"first ");
    gate.open();
    crowd.all_get(200, "first last").await;
    assert_eq!(late.pieces(usize::MAX).await, b"last");
    assert_eq!(asked(&origin), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_shared_lets_a_thousand_go_at_once() {
    for field in [("Cache-Control", "no-store"), ("Set-Cookie", "id=1")] {
        let gate = Gate::closed();
        let held = gate.clone();
        let first = Arc::new(AtomicUsize::new(0));
        let origin = Origin::start(move |asked| {
            if is_canary(&asked.method) {
                return Reply::ok("");
            }
            let reply = Reply::chunked().header("Cache-Control", "max-age=60");
            let reply = reply.header(field.0, field.1);
            // Only the first tells that it is not for all. In a queue, the others would wait for an
            // answer that does not come before all of them have asked.
            match first.fetch_add(1, SeqCst) {
                0 => reply.body("own ").wait(&held).body("answer"),
                _ => reply.held(&held).body("own ").body("answer"),
            }
        })
        .await;
        let sidecar = before(&origin).await;
        let crowd = Crowd::asks(&sidecar, CROWD, "/personal").await;
        at_the_app(&origin, CROWD).await;
        gate.open();
        crowd.all_get(200, "own answer").await;
        assert_eq!(asked(&origin), CROWD, "{field:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_not_shared_is_remembered() {
    const LATER: usize = 100;
    let gate = Gate::closed();
    let held = gate.clone();
    let first = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |asked| {
        if is_canary(&asked.method) {
            return Reply::ok("");
        }
        let reply = Reply::ok("own").header("Cache-Control", "private");
        match first.fetch_add(1, SeqCst) {
            0 => reply,
            _ => reply.held(&held),
        }
    })
    .await;
    let sidecar = before(&origin).await;
    assert_eq!(sidecar.get("/personal").await.text(), "own");
    let crowd = Crowd::asks(&sidecar, LATER, "/personal").await;
    // None of these heads comes before all have asked: one after the other, none ever would.
    at_the_app(&origin, 1 + LATER).await;
    gate.open();
    crowd.all_get(200, "own").await;
    assert_eq!(asked(&origin), 1 + LATER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_answer_ends_well_for_none_of_a_thousand() {
    let chunked = || Reply::chunked().header("Cache-Control", "max-age=60");
    let announced = || Reply::cacheable("").claim_length(1000);
    for (framing, head) in [
        ("chunked", &chunked as &dyn Fn() -> Reply),
        ("with a length", &announced),
    ] {
        let (gate, first) = (Gate::closed(), AtomicUsize::new(0));
        let cut = head().body("only a part").wait(&gate).then_close();
        let origin = Origin::start(move |asked| {
            if is_canary(&asked.method) {
                return Reply::ok("");
            }
            match first.fetch_add(1, SeqCst) {
                0 => cut.clone(),
                _ => Reply::cacheable("all of it"),
            }
        })
        .await;
        let sidecar = before(&origin).await;
        let crowd = Crowd::asks(&sidecar, CROWD, "/cut").await;
        gate.open();
        let all = crowd.gets().await;
        let mut cut = 0;
        for got in &all {
            // Whoever came too late for the cut answer may have asked anew.
            let anew = got.status == Some(200) && got.body == "all of it" && got.ended_well();
            let refused = got.status == Some(502);
            assert!(
                !got.ended_well() || anew || refused,
                "{framing}: taken for complete: {got:?}"
            );
            cut += usize::from(!got.ended_well() || refused);
        }
        // A part that looks complete would not be told from one that was never sent.
        assert!(
            cut >= CROWD / 2,
            "{framing}: only {cut} of {CROWD} shared the cut answer"
        );
        for by in ["HTTP/1.1", "HTTP/1.0", "h2"] {
            let of_those = all.iter().filter(|got| got.by == by);
            // HTTP/1.0 has no other way to tell: such a client waits and gets an error.
            let told = |got: &&Got| !got.ended_well() || got.status == Some(502);
            assert!(
                of_those.filter(told).count() > 0,
                "{framing}: no cut answer by {by}"
            );
        }
        let after = sidecar.get("/cut").await;
        assert_eq!(
            after.text(),
            "all of it",
            "{framing}: the part was not kept"
        );
        assert!(after.is_whole());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_fails_fails_everybody_once() {
    let gate = Gate::closed();
    let held = gate.clone();
    let first = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |asked| match is_canary(&asked.method) {
        true => Reply::ok(""),
        false => {
            first.fetch_add(1, SeqCst);
            Reply::raw("").held(&held)
        }
    })
    .await;
    let sidecar = before(&origin).await;
    let crowd = Crowd::asks(&sidecar, CROWD, "/broken").await;
    gate.open();
    for got in crowd.gets().await {
        assert!(got.status == Some(502) && got.ended_well(), "{got:?}");
    }
    // One by one they would hurt an app that is down already; a few may have come too late.
    assert!(
        asked(&origin) <= CROWD / 20,
        "asked {} times",
        asked(&origin)
    );
    let scrape = sidecar.metrics().await;
    let failed = scrape.sum("vestibule_requests_total", &[("status", "502")]);
    assert_eq!(failed, CROWD as f64, "each failed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_client_that_leaves_takes_the_answer_from_nobody() {
    const FOLLOWERS: usize = 10;
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| {
        let reply = Reply::chunked().header("Cache-Control", "max-age=60");
        match is_canary(&asked.method) {
            true => Reply::ok(""),
            false => reply.body("first ").wait(&held).body("last"),
        }
    })
    .await;
    let sidecar = before(&origin).await;
    let mut leader = sidecar.connect().await;
    leader.send(&Request::get("/").bytes()).await.unwrap();
    leader.head("GET").await.unwrap();
    assert_eq!(leader.pieces(6).await, b"first ");
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        let mut follower = sidecar.connect().await;
        follower.send(&Request::get("/").bytes()).await.unwrap();
        follower.head("GET").await.unwrap();
        assert_eq!(follower.pieces(6).await, b"first ", "it reads along");
        followers.push(follower);
    }
    assert_eq!(asked(&origin), 1, "they share one fetch");
    drop(leader);
    // By the time it has answered others it knows that the first one is gone.
    has_read_everything(&sidecar).await;
    gate.open();
    for mut follower in followers {
        assert_eq!(follower.pieces(usize::MAX).await, b"last");
        assert_eq!(follower.ending(), Ending::Whole);
    }
    let after = sidecar.get("/").await;
    assert_eq!(
        (after.text().as_str(), after.is_hit()),
        ("first last", true)
    );
    assert_eq!(asked(&origin), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_client_that_reads_slowly_slows_nobody() {
    // More than the kernel takes for a reader with a small window, and less than is not stored.
    const BYTES: u64 = 7 * 1024 * 1024;
    const FOLLOWERS: usize = 4;
    let gate = Gate::closed();
    let reply = Reply::chunked().header("Cache-Control", "max-age=60");
    let reply = reply.body("first ").wait(&gate).filler(BYTES);
    let origin = Origin::always(reply).await;
    let sidecar = before(&origin).await;

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut leader = socket.connect(sidecar.address()).await.unwrap();
    let request = Request::get("/").header("Connection", "close").bytes();
    leader.write_all(&request).await.unwrap();
    at_the_app(&origin, 1).await;

    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        let mut follower = sidecar.connect().await;
        follower.send(&Request::get("/").bytes()).await.unwrap();
        follower.head("GET").await.unwrap();
        assert_eq!(follower.pieces(6).await, b"first ");
        followers.push(tokio::spawn(async move { follower.drain().await }));
    }
    gate.open();
    for follower in followers {
        let got = within("a follower's body", follower).await.unwrap();
        assert_eq!(
            got,
            (BYTES, Ending::Whole),
            "while the first one reads nothing"
        );
    }
    assert_eq!(origin.requests(), 1, "they share one fetch");
    let mut all = Vec::new();
    within("the slow one's body", leader.read_to_end(&mut all))
        .await
        .expect("its answer is whole too");
    let end = all.len().saturating_sub(5);
    assert!(all.len() as u64 > BYTES && &all[end..] == b"0\r\n\r\n");
}
