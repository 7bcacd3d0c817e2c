//! The stream underneath the HTTP session: a socket plus what the proxy must know about it.
//!
//! It adds four things to the bare socket. A [`Permit`] that is given back when the connection is
//! dropped. A [`Deadline`] that the request in progress may set: reads fail with `TimedOut` once it
//! has passed, which is how a wait for the app ends although pingora itself has one timer per read
//! only. The [`NextDate`], which goes into the head that is written next. And a small write buffer that holds a response head back until its first body bytes or a
//! flush come, so that a small answer is one segment; anything later goes straight to the socket,
//! so that a slow body is never held back.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::limit::connections::Permit;
use crate::proxy::{Deadline, NextDate};

/// A head larger than this is written at once instead of waiting for its first body bytes, unless its
/// date is another than pingora's.
const HELD_BYTES_MAX: usize = 4 * 1024;

/// An accepted connection; see the module's description.
#[derive(Debug)]
pub struct Connection {
    io: L4Stream,
    deadline: Arc<Deadline>,
    date: Arc<NextDate>,
    /// Made at the first deadline, so that idle connections do not carry it.
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes read while finding out which protocol is spoken; given out before the socket's.
    read_ahead: BytesMut,
    /// A response head that waits for its first body bytes.
    held: BytesMut,
    /// Whether the next write is the first since the last flush, and may be held.
    fresh: bool,
    _permit: Permit,
}

impl Connection {
    /// Wraps an accepted socket; `permit` lives as long as the connection.
    #[must_use]
    pub fn new(io: L4Stream, permit: Permit) -> Self {
        Self {
            io,
            deadline: Arc::new(Deadline::new()),
            date: Arc::default(),
            timer: None,
            read_ahead: BytesMut::new(),
            held: BytesMut::new(),
            fresh: true,
            _permit: permit,
        }
    }

    /// The handle by which the request in progress sets a bound on waiting.
    #[must_use]
    pub fn deadline(&self) -> &Arc<Deadline> {
        &self.deadline
    }

    /// The handle by which the request in progress sets its answer's `Date`.
    #[must_use]
    pub fn date(&self) -> &Arc<NextDate> {
        &self.date
    }

    /// Reads until it is certain whether the peer opens with `preface`. What was read stays
    /// readable.
    ///
    /// # Errors
    /// When the socket fails or ends before the first byte.
    pub async fn opens_with(&mut self, preface: &[u8]) -> io::Result<bool> {
        while self.read_ahead.len() < preface.len() {
            if !preface.starts_with(&self.read_ahead) {
                return Ok(false);
            }
            let mut chunk = BytesMut::with_capacity(1024);
            if self.io.read_buf(&mut chunk).await? == 0 {
                return if self.read_ahead.is_empty() {
                    Err(io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(false)
                };
            }
            self.read_ahead.unsplit(chunk);
        }
        Ok(self.read_ahead.starts_with(preface))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.deadline.at() else {
            return Poll::Pending;
        };
        let at = tokio::time::Instant::from_std(at);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    /// Writes the held head out, alone.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.held) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.held.advance(n),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the held head and `bufs` together; the answer counts bytes of `bufs` only.
    fn poll_write_behind_held(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut all = Vec::with_capacity(bufs.len() + 1);
        all.push(IoSlice::new(&self.held));
        all.extend(bufs.iter().map(|buf| IoSlice::new(buf)));
        match Pin::new(&mut self.io).poll_write_vectored(cx, &all) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(n)) if n > self.held.len() => {
                let behind = n - self.held.len();
                self.held = BytesMut::new();
                Poll::Ready(Ok(behind))
            }
            Poll::Ready(Ok(n)) => {
                // Only (a part of) the head went out: the caller's bytes wait for the next poll,
                // which the socket itself will wake.
                self.held.advance(n);
                match self.poll_release(cx) {
                    Poll::Ready(Ok(())) => {
                        self.held = BytesMut::new();
                        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
                    }
                    Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
                    Poll::Pending => Poll::Pending,
                }
            }
            other => other,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let n = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead[..n]);
            self.read_ahead.advance(n);
            if self.read_ahead.is_empty() {
                self.read_ahead = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.io).poll_read(cx, buf) {
            return ready;
        }
        match self.poll_deadline(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let dated = self.fresh && self.date.is_set();
        if self.fresh && (dated || len <= HELD_BYTES_MAX) {
            self.fresh = false;
            bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
            if dated {
                let Self { date, held, .. } = &mut *self;
                date.put_into(held);
            }
            return Poll::Ready(Ok(len));
        }
        self.fresh = false;
        let written = if self.held.is_empty() {
            Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
        } else {
            self.poll_write_behind_held(cx, bufs)
        };
        if written.is_ready() {
            // A client that reads slowly is no fault of the app's.
            self.deadline.moved();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_release(cx) {
            Poll::Ready(Ok(())) => {
                self.held = BytesMut::new();
                self.fresh = true;
                Pin::new(&mut self.io).poll_flush(cx)
            }
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_release(cx) {
            Poll::Ready(_) => Pin::new(&mut self.io).poll_shutdown(cx),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody left to tell.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
    }
}

#[async_trait]
impl Peek for Connection {
    /// Copies from what [`Connection::opens_with`] has read. It never waits: pingora asks for 24
    /// bytes at once and would wait for ever on a shorter HTTP/1.0 request.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        if self.read_ahead.len() < buf.len() {
            return Ok(false);
        }
        buf.copy_from_slice(&self.read_ahead[..buf.len()]);
        Ok(true)
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.io.id()
    }
}

impl Ssl for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.io.get_timing_digest()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.io.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.io.set_socket_digest(digest);
    }
}
