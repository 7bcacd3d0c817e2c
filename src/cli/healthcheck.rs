//! `vestibule healthcheck`: one small HTTP/1.1 request to `/readyz`, for container health checks
//! in images that have neither a shell nor curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::HealthcheckArgs;
use super::{complain, print, source};
use crate::config::Flags;

/// The whole check takes no longer than this, so that the caller's own timeout need not strike.
const TIMEOUT: Duration = Duration::from_secs(2);
/// No more of the answer than this is read.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// No more of the answer's own words than this is repeated.
const REASON_CHARS_MAX: usize = 200;
/// The path that tells whether traffic may come.
const PATH: &str = "/readyz";
/// Where the metrics port is unless configured otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Always 0 or 1: Docker reserves the other exit codes of a health check.
pub(super) fn healthcheck(args: HealthcheckArgs) -> ExitCode {
    let verdict = target(args).and_then(|target| {
        target
            .ask(TIMEOUT)
            .map(|()| format!("ready: {target}\n"))
            .map_err(|why| format!("not ready: {target}: {why}"))
    });
    match verdict {
        // Even if nobody reads the line, the exit code holds.
        Ok(line) => {
            let _ = print(&line);
            ExitCode::SUCCESS
        }
        Err(line) => {
            complain(&[line]);
            ExitCode::from(1)
        }
    }
}

fn target(args: HealthcheckArgs) -> Result<Target, String> {
    if let Some(url) = args.url {
        return Target::parse(&url);
    }
    match source(args.config, Flags::default()).load() {
        Ok(loaded) => match loaded.snapshot.observability.metrics {
            Some(metrics) => Ok(Target::at(metrics.listen)),
            None => Err("not ready: `observability.metrics` is off; give --url".to_owned()),
        },
        // A running proxy keeps its old configuration when the file goes bad, and one started with
        // flags alone has no file: neither may fail the check, so the default address is asked.
        Err(_) => Ok(Target::at(DEFAULT)),
    }
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    path: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl Target {
    fn at(listen: SocketAddr) -> Self {
        Target {
            host: reachable(listen.ip()).to_string(),
            port: listen.port(),
            path: PATH.to_owned(),
        }
    }

    fn parse(url: &str) -> Result<Self, String> {
        let uri: http::Uri = url
            .parse()
            .map_err(|e| format!("not ready: --url {url}: {e}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("not ready: --url {url}: must begin with http://"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => reachable(ip).to_string(),
            Err(_) => host.to_owned(),
        };
        let path = match uri.path_and_query().map(http::uri::PathAndQuery::as_str) {
            None | Some("/") => PATH.to_owned(),
            Some(path) => path.to_owned(),
        };
        Ok(Target {
            host,
            port: uri.port_u16().unwrap_or(80),
            path,
        })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Asks, and says why the answer does not mean "ready".
    fn ask(&self, timeout: Duration) -> Result<(), String> {
        let deadline = Instant::now() + timeout;
        let answer = self.exchange(deadline).map_err(|e| match e.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                format!("no answer within {} s", timeout.as_secs_f32())
            }
            _ => e.to_string(),
        })?;
        verdict(&answer)
    }

    fn exchange(&self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut stream = self.connect(deadline)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: vestibule-healthcheck\r\n\
             Accept: text/plain\r\nConnection: close\r\n\r\n",
            self.path,
            self.authority()
        );
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut chunk = [0; 1024];
        while answer.len() < ANSWER_BYTES_MAX {
            stream.set_read_timeout(Some(remaining(deadline)?))?;
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => answer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            // A good answer needs no reasons; those of a bad one are in the body.
            if head_end(&answer).is_some() && verdict(&answer).is_ok() {
                break;
            }
        }
        Ok(answer)
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

fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Reads `HTTP/1.1 503 ...` and, when that is not 2xx, the first line of the body.
fn verdict(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let status = text
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|digits| digits.parse::<u16>().ok())
        .ok_or_else(|| "the answer is not HTTP".to_owned())?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let reason: String = body
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(REASON_CHARS_MAX)
        .collect();
    Err(if reason.is_empty() {
        format!("status {status}")
    } else {
        format!("{status} {reason}")
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with these bytes after reading a request.
    fn server(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let n = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("written");
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        (address, thread)
    }

    #[test]
    fn tells_ready_from_not_ready() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok(())),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
            (
                "HTTP/1.1 503 Unavailable\r\n\r\ndraining\nmore",
                Err("503 draining"),
            ),
            ("HTTP/1.1 500 Oops\r\n\r\n", Err("status 500")),
            ("SSH-2.0-OpenSSH\r\n", Err("the answer is not HTTP")),
            ("", Err("the answer is not HTTP")),
        ];
        for (answer, expected) in cases {
            let (address, thread) = server(answer);
            let got = Target::at(address).ask(TIMEOUT);
            assert_eq!(got, expected.map_err(str::to_owned), "{answer:?}");
            let request = thread.join().expect("the server thread ends");
            assert!(
                request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"),
                "{request}"
            );
        }
    }

    #[test]
    fn a_silent_server_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let why = Target::at(address)
            .ask(Duration::from_millis(50))
            .expect_err("no answer");
        assert_eq!(why, "no answer within 0.05 s");
    }

    #[test]
    fn nobody_listening_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        assert!(Target::at(address).ask(TIMEOUT).is_err());
    }

    #[test]
    fn urls() {
        let cases = [
            (
                "http://127.0.0.1:9090/readyz",
                Some("http://127.0.0.1:9090/readyz"),
            ),
            ("http://0.0.0.0:9090", Some("http://127.0.0.1:9090/readyz")),
            ("http://[::]:9090/livez", Some("http://[::1]:9090/livez")),
            (
                "http://sidecar/readyz?verbose",
                Some("http://sidecar:80/readyz?verbose"),
            ),
            ("https://127.0.0.1/", None),
            ("127.0.0.1:9090", None),
            ("", None),
        ];
        for (url, expected) in cases {
            let got = Target::parse(url).ok().map(|target| target.to_string());
            assert_eq!(got.as_deref(), expected, "{url}");
        }
    }
}
