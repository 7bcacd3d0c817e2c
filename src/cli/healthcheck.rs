//! `vestibule healthcheck`: one small HTTP/1.1 request to `/readyz`, for container health checks
//! in images that have neither a shell nor curl.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use http::Method;

use super::args::HealthcheckArgs;
use super::client::{Answer, Question, Server, Wanted};
use super::{complain, print, source};
use crate::config::Flags;

/// The whole check takes no longer than this, so that the caller's own timeout need not strike.
const TIMEOUT: Duration = Duration::from_secs(2);
/// No more of a refusal than this is read.
const REFUSAL_BYTES_MAX: usize = 8 * 1024;
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
    server: Server,
    path: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.server, self.path)
    }
}

impl Target {
    fn at(listen: SocketAddr) -> Self {
        Target {
            server: Server::at(listen),
            path: PATH.to_owned(),
        }
    }

    fn parse(url: &str) -> Result<Self, String> {
        let (server, path) =
            Server::parse(url).map_err(|why| format!("not ready: --url {url}: {why}"))?;
        let path = path.map_or_else(|| PATH.to_owned(), |path| path.to_string());
        Ok(Target { server, path })
    }

    /// Asks, and says why the answer does not mean "ready".
    fn ask(&self, timeout: Duration) -> Result<(), String> {
        let question = Question {
            method: Method::GET,
            path: &self.path,
            json: None,
            token: None,
            wanted: Wanted::Verdict(REFUSAL_BYTES_MAX),
            timeout,
        };
        let answer = self.server.ask(&question).map_err(|e| e.to_string())?;
        verdict(&answer)
    }
}

/// What is not 2xx says why in the first line of its body.
fn verdict(answer: &Answer) -> Result<(), String> {
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        return Ok(());
    }
    let reason: String = String::from_utf8_lossy(&answer.body)
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
    use std::io::{Read, Write};
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
