//! The app behind the sidecar: a real HTTP/1.1 server inside the test, told by a closure what to
//! answer and remembering what it was asked.

use super::body::{Body, Ending};
use super::head::{Head, Headers};
use super::reply::Reply;
use super::wire::Wire;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bodies are remembered up to here; the rest is only counted.
const REMEMBERED_BODY_BYTES: usize = 1024 * 1024;

/// A request as it reached the origin.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub body_length: u64,
    /// How the body ended; an eager origin has not read it.
    pub body_ending: Ending,
    /// Counts from 1 over all connections.
    pub number: usize,
}

impl Asked {
    /// The target up to its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    /// Answers at the head, before the body is read.
    eager: bool,
    /// Keeps no requests: a soak has too many of them.
    forgets: bool,
    asked: Mutex<Vec<Asked>>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    body_bytes: AtomicU64,
}

pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Origin {
    /// An origin that reads each request whole and then answers by the closure.
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(answer), false, false).await
    }

    /// As [`Origin::start`], for so many requests that none of them is remembered.
    pub async fn forgetful(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(answer), false, true).await
    }

    /// An origin that answers as soon as it has the head.
    pub async fn eager(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(answer), true, false).await
    }

    async fn launch(answer: Box<Answer>, eager: bool, forgets: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            answer,
            eager,
            forgets,
            asked: Mutex::default(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            body_bytes: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Always the same answer.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// Answers "answer 1", "answer 2", ... with these headers.
    pub async fn counting(headers: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<_> = headers.iter().map(own).collect();
        Self::start(move |asked| {
            let reply = Reply::ok(format!("answer {}", asked.number));
            headers
                .iter()
                .fold(reply, |reply, (name, value)| reply.header(name, value))
        })
        .await
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came (their heads, at least).
    pub fn requests(&self) -> usize {
        self.shared.requests.load(SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// How many bytes of request bodies came, counted as they come.
    pub fn body_bytes(&self) -> u64 {
        self.shared.body_bytes.load(SeqCst)
    }

    /// Every request that was answered, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared
            .asked
            .lock()
            .expect("nobody panics holding it")
            .clone()
    }

    #[track_caller]
    pub fn last(&self) -> Asked {
        self.asked().pop().expect("the origin was asked")
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end with this task, because the set is dropped with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, SeqCst);
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head().await? {
        let number = shared.requests.fetch_add(1, SeqCst) + 1;
        let mut body = Body::of_request(&head.headers)?;
        let mut asked = asked(head, number);
        if !shared.eager {
            if asked.headers.lists("expect", "100-continue") {
                wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            read_body(&mut asked, &mut body, &mut wire, &shared).await;
        }
        let (method, last) = (
            asked.method.clone(),
            asked.headers.lists("connection", "close"),
        );
        let reply = (shared.answer)(&asked);
        if !shared.forgets {
            let mut remembered = shared.asked.lock().expect("nobody panics holding it");
            remembered.push(asked);
        }
        if !reply.play(&mut wire, &method).await? || last {
            return Ok(());
        }
        while body.piece(&mut wire).await.is_some() {}
    }
    Ok(())
}

fn asked(head: Head, number: usize) -> Asked {
    let mut words = head.start.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let (headers, body_ending) = (head.headers, Ending::Whole);
    Asked {
        method,
        target,
        headers,
        body: Vec::new(),
        body_length: 0,
        body_ending,
        number,
    }
}

async fn read_body(asked: &mut Asked, body: &mut Body, wire: &mut Wire, shared: &Shared) {
    while let Some(piece) = body.piece(wire).await {
        shared.body_bytes.fetch_add(piece.len() as u64, SeqCst);
        asked.body_length += piece.len() as u64;
        if asked.body.len() < REMEMBERED_BODY_BYTES {
            asked.body.extend_from_slice(&piece);
        }
    }
    asked.body_ending = body.ending().expect("it was read to its end");
}
