//! Reading a body by its framing (RFC 9112 §6.3), piece by piece, and knowing how it ended.

use super::head::{Headers, bad};
use super::wire::Wire;
use bytes::Bytes;
use std::io;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its length or its last chunk: certainly whole.
    Whole,
    /// By an orderly close without any framing: perhaps whole.
    Closed,
    /// Before its announced end.
    Cut,
}

#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunk { left: u64, first: bool },
    UntilClose,
    Ended(Ending),
}

#[derive(Debug)]
pub struct Body {
    rest: Rest,
}

impl Body {
    pub fn none() -> Self {
        Self {
            rest: Rest::Ended(Ending::Whole),
        }
    }

    pub fn of_request(headers: &Headers) -> io::Result<Self> {
        Ok(framed(headers)?.unwrap_or_else(Self::none))
    }

    pub fn of_response(method: &str, status: u16, headers: &Headers) -> io::Result<Self> {
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Ok(Self::none());
        }
        Ok(framed(headers)?.unwrap_or(Self {
            rest: Rest::UntilClose,
        }))
    }

    /// The next bytes as soon as they are there; `None` once the body ended, in whichever way.
    pub async fn piece(&mut self, wire: &mut Wire) -> Option<Bytes> {
        match self.advance(wire).await {
            Ok(piece) => piece,
            Err(_) => {
                self.rest = Rest::Ended(Ending::Cut);
                None
            }
        }
    }

    pub fn ending(&self) -> Option<Ending> {
        match self.rest {
            Rest::Ended(ending) => Some(ending),
            _ => None,
        }
    }

    async fn advance(&mut self, wire: &mut Wire) -> io::Result<Option<Bytes>> {
        loop {
            match &mut self.rest {
                Rest::Ended(_) => return Ok(None),
                Rest::Length(0) => self.rest = Rest::Ended(Ending::Whole),
                Rest::Length(left)
                | Rest::Chunk {
                    left: left @ 1.., ..
                } => {
                    let piece = wire.up_to(*left).await?;
                    if piece.is_empty() {
                        return Err(bad("cut"));
                    }
                    *left -= piece.len() as u64;
                    return Ok(Some(piece));
                }
                Rest::Chunk { first, .. } => {
                    if !std::mem::take(first) && !wire.line().await?.is_empty() {
                        return Err(bad("a chunk longer than it says"));
                    }
                    let size = wire.line().await?;
                    let size = size.split(';').next().unwrap_or_default().trim();
                    let left = u64::from_str_radix(size, 16).map_err(|_| bad("a chunk size"))?;
                    self.rest = Rest::Chunk { left, first: false };
                    if left == 0 {
                        while !wire.line().await?.is_empty() {}
                        self.rest = Rest::Ended(Ending::Whole);
                    }
                }
                Rest::UntilClose => {
                    let piece = wire.up_to(u64::MAX).await?;
                    if piece.is_empty() {
                        self.rest = Rest::Ended(Ending::Closed);
                        return Ok(None);
                    }
                    return Ok(Some(piece));
                }
            }
        }
    }
}

fn framed(headers: &Headers) -> io::Result<Option<Body>> {
    if headers.lists("transfer-encoding", "chunked") {
        if headers.has("content-length") {
            return Err(bad("both Transfer-Encoding and Content-Length"));
        }
        return Ok(Some(Body {
            rest: Rest::Chunk {
                left: 0,
                first: true,
            },
        }));
    }
    let Some(length) = headers.get("content-length") else {
        return Ok(None);
    };
    let length = length
        .parse()
        .map_err(|_| bad("a Content-Length that is no number"))?;
    Ok(Some(Body {
        rest: Rest::Length(length),
    }))
}
