//! WebSocket: the connection is taken over and its two directions are relayed independently.
//!
//! pingora's own tunnel couples the directions and, when the app's 101 overtakes the (empty) end of
//! the request body on its way through two channels, ends the tunnel at once. So the upgrade is done
//! here: connect, hand the handshake over, and after a 101 copy bytes both ways until one side ends.
//! No byte of the client's goes to the app before its 101, and what either side sent in one segment
//! with its handshake is passed on first.

use std::io::{self, Cursor};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession as AppSession;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OkOrErr, Result};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::ctx::Ctx;
use super::{respond, upstream};

/// How long the second direction may go on after the first has ended.
const LINGER: Duration = Duration::from_secs(5);

/// Whether the request is a WebSocket handshake (RFC 6455 §4.1): nothing less is taken over.
pub(super) fn is_handshake(request: &RequestHeader) -> bool {
    let has = |name, token: &[u8]| {
        let lines = request.headers.get_all(name).iter();
        lines
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(token))
    };
    request.version == Version::HTTP_11
        && request.method == Method::GET
        && has(header::UPGRADE, b"websocket")
        && has(header::CONNECTION, b"upgrade")
        && !request.headers.contains_key(header::TRANSFER_ENCODING)
        && request
            .headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
}

/// Hands the handshake to the app and relays whatever comes of it, to its end.
pub(super) async fn relay(shared: &Shared, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let mut app = AppSession::new(connect(shared, ctx).await.map_err(Error::into_up)?);
    let response = handshake(session, ctx, &mut app)
        .await
        .map_err(Error::into_up)?;
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        return refused(shared, session, ctx, app, response).await;
    }
    let (client, from_client) = take_over(session, response).await?;
    ctx.tunnelled = true;
    // A tunnel may stay silent for as long as its two ends like.
    ctx.wait_until(None);
    let from_app = rest(app.read_body_bytes().now_or_never());
    tunnel((client, from_client), (app.into_inner(), from_app)).await;
    Ok(())
}

/// A connection of its own: an upgraded one never goes back to the pool.
async fn connect(shared: &Shared, ctx: &mut Ctx) -> Result<Stream> {
    let addresses = upstream::addresses(shared, ctx).await?;
    let bound = ctx.snapshot.upstream.timeouts.connect;
    let mut last = Error::new(ErrorType::ConnectError);
    for address in addresses.iter().take(upstream::ATTEMPTS_MAX) {
        match timeout(bound, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let mut stream = L4Stream::from(stream);
                stream.set_nodelay()?;
                return Ok(Box::new(stream));
            }
            Ok(Err(e)) => last = Error::because(ErrorType::ConnectRefused, "connecting", e),
            Err(e) => last = Error::because(ErrorType::ConnectTimedout, "connecting", e),
        }
    }
    Err(last)
}

/// Sends the handshake and waits for the head of the answer to it.
async fn handshake(
    session: &Session,
    ctx: &mut Ctx,
    app: &mut AppSession,
) -> Result<ResponseHeader> {
    let mut request = session.req_header().clone();
    upstream::strip_request(&mut request);
    upstream::request_head(session, &mut request, ctx)?;
    request.insert_header(header::CONNECTION, "Upgrade")?;
    request.insert_header(header::UPGRADE, "websocket")?;
    app.write_request_header(Box::new(request)).await?;
    let bound = ctx.snapshot.upstream.timeouts.first_byte;
    app.read_timeout = (!bound.is_zero()).then_some(bound);
    loop {
        app.read_response().await?;
        let response = app
            .resp_header()
            .or_err(ErrorType::InvalidHTTPHeader, "no answer")?;
        let interim = response.status.is_informational();
        if !interim || response.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response.clone());
        }
    }
}

/// The app did not switch protocols: its answer is an ordinary one.
async fn refused(
    shared: &Shared,
    session: &mut Session,
    ctx: &mut Ctx,
    mut app: AppSession,
    mut response: ResponseHeader,
) -> Result<()> {
    upstream::answered(&mut response, ctx);
    respond::dress(shared, session, &mut response, ctx)?;
    session.set_keepalive(None);
    session
        .write_response_header(Box::new(response), false)
        .await?;
    let bound = ctx.snapshot.upstream.timeouts.between_bytes;
    app.read_timeout = (!bound.is_zero()).then_some(bound);
    while let Some(chunk) = app.read_body_bytes().await.map_err(Error::into_up)? {
        session.write_response_body(Some(chunk), false).await?;
    }
    session.write_response_body(None, true).await
}

/// Writes the 101 and takes the stream out of the session, with what the client has sent since.
async fn take_over(session: &mut Session, mut response: ResponseHeader) -> Result<(Stream, Bytes)> {
    for name in [
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "content-length",
    ] {
        response.remove_header(name);
    }
    // The phases that follow look at the request's head: a stub that has read it stays behind.
    let head = session.to_h1_raw().to_vec();
    let mut stub = ServerSession::new_http1(Box::new(Cursor::new(head)));
    stub.read_request().await?;
    stub.set_keepalive(None);
    if let (Some(digest), Some(of_stub)) = (session.digest(), stub.digest_mut()) {
        *of_stub = digest.clone();
    }
    let ServerSession::H1(mut http) = std::mem::replace(session.downstream_session.as_mut(), stub)
    else {
        return Error::e_explain(ErrorType::InternalError, "a handshake on another protocol");
    };
    http.write_response_header(Box::new(response)).await?;
    // The reader is in raw mode now: its first read gives exactly what is buffered, without waiting.
    let read = rest(http.read_body_bytes().now_or_never());
    Ok((http.into_inner(), read))
}

/// What was read ahead; an error will show again on the stream itself.
fn rest(read: Option<Result<Option<Bytes>>>) -> Bytes {
    read.and_then(Result::ok).flatten().unwrap_or_default()
}

/// Copies both ways. When one direction ends the other is told, and may finish what it has.
async fn tunnel(client: (Stream, Bytes), app: (Stream, Bytes)) {
    let (client_read, client_write) = tokio::io::split(client.0);
    let (app_read, app_write) = tokio::io::split(app.0);
    let mut up = std::pin::pin!(one_way(client.1, client_read, app_write));
    let mut down = std::pin::pin!(one_way(app.1, app_read, client_write));
    // How a tunnel ends is between its two ends; there is nobody left to report an error to.
    tokio::select! {
        _ = &mut up => { let _ = timeout(LINGER, down).await; }
        _ = &mut down => { let _ = timeout(LINGER, up).await; }
    }
}

async fn one_way(
    first: Bytes,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    to.write_all(&first).await?;
    let copied = tokio::io::copy(&mut from, &mut to).await;
    to.shutdown().await?;
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use pingora::http::RequestHeader;

    use super::is_handshake;

    #[test]
    fn nothing_less_than_a_handshake_is_taken_over() {
        let cases = [
            (
                "a handshake",
                "GET",
                "connection: keep-alive, Upgrade|upgrade: websocket",
                true,
            ),
            (
                "another method",
                "POST",
                "connection: upgrade|upgrade: websocket",
                false,
            ),
            (
                "another protocol",
                "GET",
                "connection: upgrade|upgrade: h2c",
                false,
            ),
            ("no Connection", "GET", "upgrade: websocket", false),
            ("no Upgrade", "GET", "connection: upgrade", false),
            (
                "a body",
                "GET",
                "connection: upgrade|upgrade: websocket|content-length: 4",
                false,
            ),
        ];
        for (case, method, fields, expected) in cases {
            let mut request = RequestHeader::build(method, b"/", None).expect("a request");
            for (name, value) in fields.split('|').filter_map(|field| field.split_once(": ")) {
                request
                    .append_header(name.to_owned(), value)
                    .expect("a field");
            }
            assert_eq!(is_handshake(&request), expected, "{case}");
        }
    }
}
