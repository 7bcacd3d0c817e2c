//! One small HTTP/1.1 request to a port of a running proxy, and its answer: for the commands that
//! ask it something. Blocking, without TLS, bounded in time and bytes.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use thiserror::Error;

/// No answer needs a longer head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A port that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    host: String,
    port: u16,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question<'q> {
    pub(super) method: Method,
    /// The path, with the query if there is one.
    pub(super) path: &'q str,
    /// Sent as it is, as JSON.
    pub(super) json: Option<&'q str>,
    /// Sent as `Authorization: Bearer`.
    pub(super) token: Option<&'q str>,
    pub(super) wanted: Wanted,
    /// From the first connection attempt to the last byte.
    pub(super) timeout: Duration,
}

/// How much of the answer is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it. A body of more bytes is an error, and so is one that breaks off.
    Whole(usize),
    /// The status; of an answer that is not 2xx also the beginning of the body, up to so many bytes.
    Verdict(usize),
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum Error {
    /// The bound on time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// Something else listens there.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The connection ended in the middle.
    #[error("the answer breaks off")]
    Cut,
    /// The bound on bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It would not arrive as it was meant.
    #[error("{0} cannot be sent: it holds spaces or control characters")]
    Unsendable(&'static str),
    /// Not reached, or lost.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl Server {
    /// The port that listens at this address, reached from this machine.
    pub(super) fn at(listen: SocketAddr) -> Self {
        Self {
            host: reachable(listen.ip()).to_string(),
            port: listen.port(),
        }
    }

    /// Reads `http://host:port`, and what follows it unless that is a mere slash.
    ///
    /// # Errors
    /// What is wrong with it, to be told behind the URL.
    pub(super) fn parse(url: &str) -> Result<(Self, Option<PathAndQuery>), String> {
        let uri: Uri = url.parse().map_err(|e| format!("{e}"))?;
        if uri.scheme_str() != Some("http") {
            return Err("must begin with http://".to_owned());
        }
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err("must not hold a user name or password".to_owned());
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => reachable(ip).to_string(),
            Err(_) => host.to_owned(),
        };
        let server = Self {
            host,
            port: uri.port_u16().unwrap_or(80),
        };
        let path = uri.path_and_query().filter(|path| path.as_str() != "/");
        Ok((server, path.cloned()))
    }

    /// Asks on a connection of its own.
    ///
    /// # Errors
    /// When no answer came, or none within the bounds. An answer with an error status is an answer.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Answer, Error> {
        let deadline = Instant::now() + question.timeout;
        let request = self.request(question)?;
        self.exchange(&request, question.wanted, deadline)
            .map_err(|error| match error {
                Error::Io(e) if is_late(&e) => Error::Timeout(question.timeout),
                error => error,
            })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn request(&self, question: &Question<'_>) -> Result<String, Error> {
        let path: PathAndQuery = question
            .path
            .parse()
            .map_err(|_| Error::Unsendable("the path"))?;
        let mut request = format!(
            "{} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: vestibule/{}\r\n\
             Accept: application/json, text/plain\r\nConnection: close\r\n",
            question.method,
            self.authority(),
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(token) = question.token {
            if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(Error::Unsendable("the token"));
            }
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        if let Some(json) = question.json {
            let bytes = json.len();
            request +=
                &format!("Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{json}");
        } else {
            request += "\r\n";
        }
        Ok(request)
    }

    fn exchange(&self, request: &str, wanted: Wanted, deadline: Instant) -> Result<Answer, Error> {
        let mut stream = self.connect(deadline)?;
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(request.as_bytes())?;
        let mut received = Received::default();
        let mut chunk = [0; 16 * 1024];
        loop {
            stream.set_read_timeout(Some(remaining(deadline)?))?;
            let n = match stream.read(&mut chunk) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            received.bytes.extend_from_slice(&chunk[..n]);
            if let Some(answer) = received.answer(wanted, n == 0)? {
                return Ok(answer);
            }
        }
    }

    fn connect(&self, deadline: Instant) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, remaining(deadline)?) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

/// An address that listens everywhere is asked on this machine.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// The system calls it the one or the other.
fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// What has come so far.
#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    head: Option<Head>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: StatusCode,
    /// Where the body begins.
    end: usize,
    framing: Framing,
}

/// Where the body ends (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    /// With the connection.
    Close,
}

impl Received {
    /// The answer, once enough of it is here; `over`: there is no more to come.
    fn answer(&mut self, wanted: Wanted, over: bool) -> Result<Option<Answer>, Error> {
        if self.head.is_none() {
            self.head = head(&self.bytes)?;
        }
        let Some(Head {
            status,
            end,
            framing,
        }) = self.head
        else {
            return match over {
                true if self.bytes.is_empty() => Err(Error::NotHttp),
                true => Err(Error::Cut),
                false => Ok(None),
            };
        };
        let body = &self.bytes[end..];
        let answer = |body: &[u8]| {
            let body = body.to_vec();
            Ok(Some(Answer { status, body }))
        };
        match wanted {
            Wanted::Verdict(_) if status.is_success() => answer(&[]),
            Wanted::Verdict(max) => match framing {
                Framing::Length(length) if body.len() >= length => answer(&body[..length.min(max)]),
                _ if over || body.len() >= max => answer(&body[..body.len().min(max)]),
                _ => Ok(None),
            },
            Wanted::Whole(max) => match framing {
                _ if body.len() > max => Err(Error::TooLarge(max)),
                Framing::Length(length) if length > max => Err(Error::TooLarge(max)),
                Framing::Length(length) if body.len() >= length => answer(&body[..length]),
                Framing::Length(_) if over => Err(Error::Cut),
                Framing::Chunked if over => answer(&unchunked(body).ok_or(Error::Cut)?),
                Framing::Close if over => answer(body),
                _ => Ok(None),
            },
        }
    }
}

/// The head, once all of it is here.
fn head(bytes: &[u8]) -> Result<Option<Head>, Error> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let known = bytes.len().min(BEGINNING.len());
    if bytes[..known] != BEGINNING[..known] {
        return Err(Error::NotHttp);
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return match bytes.len() {
            ..=HEAD_BYTES_MAX => Ok(None),
            _ => Err(Error::TooLarge(HEAD_BYTES_MAX)),
        };
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12));
    let status = status
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::NotHttp)?;
    let mut framing = match status {
        // RFC 9112 §6.3: these have no body.
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Framing::Length(0),
        _ => Framing::Close,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && framing == Framing::Close {
            framing = Framing::Length(value.trim().parse().map_err(|_| Error::NotHttp)?);
        }
    }
    Ok(Some(Head {
        status,
        end: end + 4,
        framing,
    }))
}

/// A body in chunks, as one (RFC 9112 §7.1). `None`: it breaks off.
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(body.len());
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let (chunk, rest) = body[end + 2..].split_at_checked(size)?;
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests;
