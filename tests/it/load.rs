//! Clients that keep asking while something happens to the sidecar.

use crate::support::{Connection, Request, Response, Sidecar, ticks};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A connection closed this long after the drain began, before a byte of an answer, is the race
/// that every keep-alive client must survive; sooner, the sidecar did not try to avoid it.
pub const FAIR_WARNING: Duration = Duration::from_millis(300);

/// What all clients saw together.
#[derive(Debug, Default)]
pub struct Seen {
    pub answers: AtomicUsize,
    pub hits: AtomicUsize,
    pub last_answer: Mutex<Option<Instant>>,
    pub failures: Mutex<Vec<String>>,
    drain_began: Mutex<Option<Instant>>,
    stop: AtomicBool,
}

impl Seen {
    pub fn answers(&self) -> usize {
        self.answers.load(SeqCst)
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    fn fail(&self, what: String) {
        self.failures.lock().unwrap().push(what);
    }

    fn drain_began(&self) -> Option<Instant> {
        *self.drain_began.lock().unwrap()
    }

    fn check(&self, n: usize, answer: &Response) {
        if answer.status != 200 || !answer.is_whole() {
            self.fail(format!("request {n}: {answer:?}"));
        }
        self.answers.fetch_add(1, SeqCst);
        self.hits.fetch_add(usize::from(answer.is_hit()), SeqCst);
        *self.last_answer.lock().unwrap() = Some(Instant::now());
    }
}

/// Many clients, each with a connection of its own.
#[derive(Debug)]
pub struct Load {
    pub seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Each client asks for `target`, one request per `period`.
    pub fn start(sidecar: &Sidecar, clients: usize, period: Duration, target: &str) -> Self {
        let seen = Arc::new(Seen::default());
        let (address, request) = (sidecar.address(), Request::get(target));
        let client = |_| tokio::spawn(client(address, request.clone(), period, Arc::clone(&seen)));
        Self {
            clients: (0..clients).map(client).collect(),
            seen,
        }
    }

    /// From here on new connections may be refused and answers may close theirs.
    pub fn drain_begins(&self) {
        *self.seen.drain_began.lock().unwrap() = Some(Instant::now());
    }

    /// Lets each client finish its request.
    pub async fn stop(self) -> Arc<Seen> {
        self.seen.stop.store(true, SeqCst);
        self.ended().await
    }

    /// Waits until each client found itself locked out.
    pub async fn ended(self) -> Arc<Seen> {
        for client in self.clients {
            client
                .await
                .expect("clients note failures, they do not panic");
        }
        self.seen
    }
}

async fn client(address: SocketAddr, request: Request, period: Duration, seen: Arc<Seen>) {
    let mut beat = ticks(period);
    let mut connection = None;
    let mut n = 0;
    while !seen.stop.load(SeqCst) {
        beat.tick().await;
        if connection.is_none() {
            let drained = seen.drain_began().is_some();
            match Connection::open(address).await {
                Ok(opened) => connection = Some((opened, drained, false)),
                Err(_) if seen.drain_began().is_some() => return,
                Err(error) => return seen.fail(format!("connect: {error}")),
            }
        }
        let Some((open, opened_in_drain, reused)) = &mut connection else {
            continue;
        };
        n += 1;
        match ask(open, &request).await {
            Ok(answer) => {
                seen.check(n, &answer);
                *reused = true;
                if answer.headers.lists("connection", "close") {
                    connection = None;
                }
            }
            Err((began, error)) => {
                // The kernel takes connections for a listener that is just being closed.
                let refused = *opened_in_drain && !began;
                let warned = seen
                    .drain_began()
                    .is_some_and(|at| at.elapsed() >= FAIR_WARNING);
                if !refused && (began || !*reused || !warned) {
                    let state = (*reused, seen.drain_began().map(|at| at.elapsed()));
                    seen.fail(format!(
                        "request {n}: {error}, (reused, drained) = {state:?}"
                    ));
                }
                if seen.drain_began().is_some() {
                    return;
                }
                connection = None;
            }
        }
    }
}

/// The answer, or the error and whether any of the answer had come.
async fn ask(
    connection: &mut Connection,
    request: &Request,
) -> Result<Response, (bool, std::io::Error)> {
    connection
        .send(&request.bytes())
        .await
        .map_err(|error| (false, error))?;
    match connection.response(&request.method).await {
        Ok(answer) => Ok(answer),
        Err(error) => Err((connection.has_leftovers(), error)),
    }
}
