//! The demo's streams: server-sent events, a WebSocket, and the app's own call to the proxy.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};

use super::app::{Shared, now};

/// An event stream ends after this many events; browsers then connect again by themselves.
const EVENTS_MAX: u64 = 600;
const EVENT_PERIOD: Duration = Duration::from_secs(1);
/// The largest WebSocket message that is echoed.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How often every WebSocket is told the time.
const TIME_PERIOD: Duration = Duration::from_secs(5);
/// How long one WebSocket may stay.
const SOCKET_LIFETIME: Duration = Duration::from_secs(600);
/// The longest status line that the admin port may answer a purge with.
const STATUS_LINE_BYTES_MAX: u64 = 256;

/// `/events`: one event per second.
pub(super) async fn events(State(shared): State<Shared>) -> Response {
    let Ok(permit) = shared.streams.try_acquire_owned() else {
        return busy();
    };
    let mut ticks = interval(EVENT_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let events = stream::unfold((ticks, permit, 0), |(mut ticks, permit, n)| async move {
        if n >= EVENTS_MAX {
            return None;
        }
        ticks.tick().await;
        let event = Event::default().event("tick").id(n.to_string()).data(now());
        Some((Ok::<_, Infallible>(event), (ticks, permit, n + 1)))
    });
    ([(CACHE_CONTROL, "no-store")], Sse::new(events)).into_response()
}

/// `/ws`: echoes what it hears and tells the time.
pub(super) async fn websocket(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    let Ok(permit) = shared.streams.try_acquire_owned() else {
        return busy();
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(|socket| echo(socket, permit))
}

async fn echo(mut socket: WebSocket, _permit: OwnedSemaphorePermit) {
    let end = Instant::now() + SOCKET_LIFETIME;
    let mut ticks = interval_at(Instant::now() + TIME_PERIOD, TIME_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let answer = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            _ = ticks.tick() => {
                Message::Text(json!({"type": "time", "now": now()}).to_string().into())
            }
            () = sleep_until(end) => return,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

fn busy() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many streams are open.\n",
    )
        .into_response()
}

/// Asks the proxy's admin port to purge a tag and returns the status of its answer. An app would
/// use its HTTP client; the demo has none and needs only this.
pub(super) async fn purge(admin: SocketAddr, tag: &str) -> io::Result<u16> {
    let body = json!({"tags": [tag]}).to_string();
    let request = format!(
        "POST /v1/purge HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    let mut answer = BufReader::new(stream.take(STATUS_LINE_BYTES_MAX));
    answer.read_until(b'\n', &mut line).await?;
    let line = String::from_utf8_lossy(&line);
    line.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}
