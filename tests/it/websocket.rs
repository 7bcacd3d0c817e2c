//! WebSockets go through the sidecar: the handshake, messages of any size, the end from any side.

use crate::support::{Origin, PATIENCE, Reply, Request, Sidecar, eventually, think, within};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response as Accept};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::CloseFrame};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// Sends every message back; "close" makes it end the conversation, "drop" the connection.
struct Echo {
    address: SocketAddr,
    upgrades: Arc<Mutex<Vec<Upgrade>>>,
    /// How many conversations ended, in whichever way.
    ended: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upgrades = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(Mutex::new(Vec::new()));
        let (seen, ends) = (Arc::clone(&upgrades), Arc::clone(&ended));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, ends) = (Arc::clone(&seen), Arc::clone(&ends));
                tokio::spawn(async move {
                    let end = converse(stream, &seen).await;
                    // The sidecar looks once whether the app is there, without a handshake.
                    if !end.starts_with("no handshake") {
                        ends.lock().unwrap().push(end);
                    }
                });
            }
        });
        Self {
            address,
            upgrades,
            ended,
            accepting,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ends_once(&self) -> String {
        eventually("the app to see the end", PATIENCE, async || {
            self.ended.lock().unwrap().len() == 1
        })
        .await;
        self.ended.lock().unwrap()[0].clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Talks until the end; says which end it was.
async fn converse(stream: TcpStream, seen: &Mutex<Vec<Upgrade>>) -> String {
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let note = |upgrade: &Upgrade, answer: Accept| {
        seen.lock().unwrap().push(upgrade.clone());
        Ok(answer)
    };
    let mut socket = match accept_hdr_async(stream, note).await {
        Ok(socket) => socket,
        Err(error) => return format!("no handshake: {error}"),
    };
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) if text.as_str() == "close" => {
                let frame = CloseFrame {
                    code: CloseCode::Away,
                    reason: "asked to".into(),
                };
                let _ = socket.close(Some(frame)).await;
            }
            Ok(Message::Text(text)) if text.as_str() == "drop" => return "dropped".to_owned(),
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                if let Err(error) = socket.send(message).await {
                    return format!("send: {error}");
                }
            }
            Ok(Message::Close(frame)) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                // The answer to it is written by the next read.
                let _ = socket.next().await;
                return format!("closed {code}");
            }
            Ok(_) => {}
            Err(error) => return format!("receive: {error}"),
        }
    }
    "ended".to_owned()
}

type Socket = WebSocketStream<TcpStream>;

async fn open(sidecar: &Sidecar) -> Socket {
    let stream = sidecar.connect().await.into_stream();
    let mut request = "ws://app.test/chat?room=1".into_client_request().unwrap();
    request
        .headers_mut()
        .insert("X-Kept", "yes".parse().unwrap());
    let (socket, answer) = within("the handshake", client_async(request, stream))
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    socket
}

async fn next(socket: &mut Socket) -> Option<Result<Message, Error>> {
    within("a message", socket.next()).await
}

async fn echoed(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let back = next(socket).await.unwrap().unwrap();
    assert!(
        back == message,
        "another message came back, of {} bytes",
        back.len()
    );
}

#[tokio::test]
async fn messages_are_echoed() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    for text in ["hello", "", "gr\u{fc}n \u{1f331}"] {
        echoed(&mut socket, Message::text(text)).await;
    }
    for size in [1, 125, 126, 65_535, 65_536, 1024 * 1024] {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        echoed(&mut socket, Message::binary(bytes)).await;
    }
    socket
        .send(Message::Ping("are you there".into()))
        .await
        .unwrap();
    let pong = next(&mut socket).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn the_handshake_tells_the_app_who_asks_for_what() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    echoed(&mut socket, Message::text("x")).await;
    let upgrade = app.upgrades.lock().unwrap()[0].clone();
    assert_eq!(upgrade.uri().to_string(), "/chat?room=1");
    let header = |name: &str| {
        upgrade
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    assert_eq!(header("x-kept"), Some("yes"));
    assert_eq!(header("host"), Some("app.test"));
    assert_eq!(header("x-forwarded-for"), Some("127.0.0.1"));
    assert!(header("x-request-id").is_some());
}

#[tokio::test]
async fn many_messages_keep_their_order_in_both_directions() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let (mut sending, mut receiving) = open(&sidecar).await.split();
    let send = async {
        for n in 0..2000 {
            sending
                .send(Message::text(format!("message {n}")))
                .await
                .unwrap();
        }
    };
    let receive = async {
        for n in 0..2000 {
            let message = within("a message", receiving.next())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(message, Message::text(format!("message {n}")));
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_quiet_socket_is_closed_properly_by_the_client() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(app.ends_once().await, "closed 1000");
}

#[tokio::test]
async fn a_client_that_vanishes_is_seen_by_the_app() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    echoed(&mut socket, Message::text("x")).await;
    drop(socket);
    let end = app.ends_once().await;
    assert!(end.starts_with("receive") || end == "ended", "{end}");
    eventually("nothing to be in flight", PATIENCE, async || {
        sidecar.metrics().await.value("vestibule_connections_open") == 0.0
    })
    .await;
}

#[tokio::test]
async fn the_end_by_the_app_reaches_the_client() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    socket.send(Message::text("close")).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut socket).await else {
        panic!("the app's close frame comes through")
    };
    assert_eq!(
        (frame.code, frame.reason.as_str()),
        (CloseCode::Away, "asked to")
    );

    let mut socket = open(&sidecar).await;
    socket.send(Message::text("drop")).await.unwrap();
    match next(&mut socket).await {
        None | Some(Err(_)) => {}
        Some(Ok(message)) => panic!("{message:?} from an app that is gone"),
    }
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let origin = Origin::always(Reply::status(403).body("not you").header("X-Why", "rules")).await;
    let sidecar = Sidecar::before(&origin).await;
    let request = Request::get("/chat")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = sidecar.ask(&request).await;
    assert_eq!((answer.status, answer.text().as_str()), (403, "not you"));
    assert_eq!(answer.header("x-why"), Some("rules"));
    assert!(
        origin.last().headers.lists("upgrade", "websocket"),
        "{:?}",
        origin.last().headers
    );
}

#[tokio::test]
async fn sockets_and_requests_live_side_by_side() {
    let app = Echo::start().await;
    let sidecar = Sidecar::with("").upstream(&app.url()).start().await;
    let mut sockets = Vec::new();
    for _ in 0..30 {
        sockets.push(open(&sidecar).await);
    }
    for (n, socket) in sockets.iter_mut().enumerate() {
        echoed(socket, Message::text(format!("socket {n}"))).await;
    }
    assert_eq!(
        sidecar.metrics().await.value("vestibule_connections_open"),
        30.0
    );
}

#[tokio::test]
async fn the_bounds_on_an_answer_do_not_bound_a_conversation() {
    let app = Echo::start().await;
    let yaml = "upstream: {timeouts: {first_byte: 200ms, total: 300ms}}";
    let sidecar = Sidecar::with(yaml).upstream(&app.url()).start().await;
    let mut socket = open(&sidecar).await;
    echoed(&mut socket, Message::text("early")).await;
    think(Duration::from_millis(600)).await;
    echoed(&mut socket, Message::text("late")).await;
}
