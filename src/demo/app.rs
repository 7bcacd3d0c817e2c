//! The demo's app: a page, a small API with cache tags, and endpoints that misbehave on request.
//! Every parameter has a bound; what is beyond it is answered with 400 or 404.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, serve};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

use super::live;

/// How long an article takes to render, so that a hit can be felt.
const RENDER_TIME: Duration = Duration::from_millis(300);
/// Articles are numbered from 1 to this.
const ARTICLES: u32 = 20;
/// The bounds of `/slow?ms=` and `/big?kb=`.
const SLOW_MS_MAX: u64 = 10_000;
const BIG_KB_MAX: usize = 4096;
/// Event streams and WebSockets open at one time.
const STREAMS_MAX: usize = 64;
/// How long the app's own call to the proxy's admin port may take.
const PURGE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the app's runtime gets to end when the demo stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(200);

const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const PUBLIC_60: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=60");
const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    page: Arc<Page>,
    renders: Arc<AtomicU64>,
    edits: Arc<AtomicU64>,
    admin: Option<SocketAddr>,
    pub(super) streams: Arc<Semaphore>,
}

struct Page {
    html: String,
    etag: String,
}

/// The app on its own thread and port; stops when dropped.
pub struct App {
    address: SocketAddr,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl App {
    /// Starts it on a free loopback port. `admin` is the proxy's admin port, where the app purges
    /// the tag of an article that was edited.
    ///
    /// # Errors
    /// When the system has no port or thread to give.
    pub fn start(admin: Option<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("demo-app".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        served = listen(listener, admin) => if let Err(e) = served {
                            log::error!("the demo app stopped: {e}");
                        },
                        // Streams may be open for minutes; at the end of a demo nobody waits for them.
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_timeout(STOP_TIMEOUT);
            })?;
        Ok(App {
            address,
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs something beside it, for as long as the app runs.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread has ended already when nobody listens.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic in it was logged when it happened.
            let _ = thread.join();
        }
    }
}

async fn listen(listener: TcpListener, admin: Option<SocketAddr>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    serve(listener, router(admin)).await
}

fn router(admin: Option<SocketAddr>) -> Router {
    let shared = Shared {
        page: Arc::new(page(admin)),
        renders: Arc::default(),
        edits: Arc::default(),
        admin,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    };
    Router::new()
        .route("/", get(index))
        .route("/api/articles", get(articles))
        .route("/api/articles/{id}", get(article).post(edit))
        .route("/api/time", get(clock))
        .route("/api/me", get(me))
        .route("/events", get(live::events))
        .route("/ws", any(live::websocket))
        .route("/slow", get(slow))
        .route("/status/{code}", any(status))
        .route("/big", get(big))
        .with_state(shared)
}

fn page(admin: Option<SocketAddr>) -> Page {
    let admin = admin.map_or_else(|| "127.0.0.1:9091".to_owned(), |a| a.to_string());
    let html = include_str!("page.html").replace("{{admin}}", &admin);
    let etag = format!(
        "\"{:016x}\"",
        twox_hash::XxHash3_64::oneshot(html.as_bytes())
    );
    Page { html, etag }
}

async fn index(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let Page { html, etag } = &*shared.page;
    let seen = headers
        .get(IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let fields = [(CACHE_CONTROL, "public, max-age=30"), (ETAG, etag.as_str())];
    // Weak comparison (RFC 9110 §13.1.2): the proxy weakens the tag of what it compresses.
    if seen
        .split(',')
        .any(|tag| tag.trim().trim_start_matches("W/") == etag)
    {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, Html(html.clone())).into_response()
}

async fn articles() -> Response {
    let list: Vec<_> = (1..=ARTICLES)
        .map(|id| json!({"id": id, "title": title(id), "url": format!("/api/articles/{id}")}))
        .collect();
    (
        [PUBLIC_60, (CACHE_TAG, "articles")],
        json_line(&json!({"articles": list})),
    )
        .into_response()
}

async fn article(State(shared): State<Shared>, Path(id): Path<u32>) -> Response {
    if !(1..=ARTICLES).contains(&id) {
        return no_such_article(id);
    }
    tokio::time::sleep(RENDER_TIME).await;
    let render = shared.renders.fetch_add(1, Ordering::Relaxed) + 1;
    let tags = format!("articles, article:{id}");
    let body = json!({
        "id": id,
        "title": title(id),
        "edits": shared.edits.load(Ordering::Relaxed),
        "render": render,
        "rendered_at": now(),
        "text": text_of(id),
    });
    ([PUBLIC_60, (CACHE_TAG, tags.as_str())], json_line(&body)).into_response()
}

/// What any app does after a write: it tells the proxy which tag is no longer true.
async fn edit(State(shared): State<Shared>, Path(id): Path<u32>) -> Response {
    if !(1..=ARTICLES).contains(&id) {
        return no_such_article(id);
    }
    let edits = shared.edits.fetch_add(1, Ordering::Relaxed) + 1;
    let tag = format!("article:{id}");
    let purged = match shared.admin {
        Some(admin) => tokio::time::timeout(PURGE_TIMEOUT, live::purge(admin, &tag))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => Err(io::ErrorKind::NotConnected.into()),
    };
    let purged = match purged {
        Ok(status) => format!("{tag}: the proxy answered {status}"),
        Err(e) => format!("{tag}: {e}"),
    };
    (
        [NO_STORE],
        json_line(&json!({"id": id, "edits": edits, "purged": purged})),
    )
        .into_response()
}

async fn clock() -> Response {
    ([NO_STORE], json_line(&json!({"now": now()}))).into_response()
}

/// Private, and with a cookie limited to its own path so that it colours no other request.
async fn me() -> Response {
    let fields = [
        (CACHE_CONTROL, "private"),
        (SET_COOKIE, "demo=1; Path=/api/me; HttpOnly; SameSite=Lax"),
    ];
    (
        fields,
        json_line(&json!({"name": "Demo User", "now": now()})),
    )
        .into_response()
}

#[derive(Deserialize)]
struct Slow {
    #[serde(default = "default_slow_ms")]
    ms: u64,
}

const fn default_slow_ms() -> u64 {
    1000
}

/// Says nothing about caching, so that a rule in the configuration may.
async fn slow(Query(Slow { ms }): Query<Slow>) -> Response {
    if ms > SLOW_MS_MAX {
        return refuse(format!("ms goes up to {SLOW_MS_MAX}"));
    }
    tokio::time::sleep(Duration::from_millis(ms)).await;
    json_line(&json!({"waited_ms": ms, "now": now()})).into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    // 1xx are not final answers and cannot be asked for.
    match StatusCode::from_u16(code) {
        Ok(status) if (200..=599).contains(&code) => {
            (status, [NO_STORE], format!("{status}\n")).into_response()
        }
        _ => refuse("a status is 200 to 599".to_owned()),
    }
}

#[derive(Deserialize)]
struct Big {
    #[serde(default = "default_big_kb")]
    kb: usize,
}

const fn default_big_kb() -> usize {
    64
}

async fn big(Query(Big { kb }): Query<Big>) -> Response {
    if kb > BIG_KB_MAX {
        return refuse(format!("kb goes up to {BIG_KB_MAX}"));
    }
    let bytes = kb * 1024;
    let mut text = String::with_capacity(bytes + 128);
    let mut line = 0;
    while text.len() < bytes {
        line += 1;
        text.push_str(&format!("{line:06} {}\n", text_of(line)));
    }
    text.truncate(bytes); // All of it is ASCII, so any length is a boundary.
    (
        [PUBLIC_60, (CONTENT_TYPE, "text/plain; charset=utf-8")],
        text,
    )
        .into_response()
}

fn no_such_article(id: u32) -> Response {
    let body = format!("There are articles 1 to {ARTICLES}, and no {id}.\n");
    (StatusCode::NOT_FOUND, [NO_STORE], body).into_response()
}

fn refuse(why: String) -> Response {
    (StatusCode::BAD_REQUEST, [NO_STORE], format!("{why}\n")).into_response()
}

fn title(id: u32) -> String {
    const WORDS: [&str; 5] = ["Doors", "Porches", "Thresholds", "Halls", "Stairs"];
    format!(
        "On {}, part {}",
        WORDS[id as usize % WORDS.len()],
        id.div_ceil(5)
    )
}

fn text_of(n: u32) -> String {
    format!(
        "A vestibule is the room behind the outer door, where visitor number {} waits, shakes off \
         the rain and is let in, sent on or answered at once.",
        n.wrapping_mul(2_654_435_761) % 10_000
    )
}

/// JSON with a line break behind it, so that in a terminal the prompt begins on a line of its own.
fn json_line(value: &Value) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], format!("{value}\n"))
}

/// The time in RFC 3339, with milliseconds.
pub(super) fn now() -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::now_utc().format(FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests;
