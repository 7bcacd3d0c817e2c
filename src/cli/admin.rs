//! Asking the admin port of a running proxy: where it is, what it wants to see, what it answers.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::{AdminArgs, TOKEN_VARIABLE};
use super::client::{Question, Server, Wanted};
use super::{Failure, complain, listed, source};
use crate::config::{AdminListener, Flags, Secret};

/// Where the admin port is unless configured otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091);
/// A proxy that needs longer has other worries.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A list of a thousand stored answers with all of their tags is smaller.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const TOKEN_BYTES_MAX: u64 = 4096;

/// The admin port of one proxy.
#[derive(Debug)]
pub(super) struct Admin {
    server: Server,
    token: Option<Secret>,
}

impl Admin {
    /// The port that `--admin` names, else the configured one, else the default one.
    ///
    /// # Errors
    /// When the arguments make no sense, the file that was asked for has problems or a token cannot
    /// be read.
    pub(super) fn find(args: AdminArgs) -> Result<Self, Failure> {
        let given = match (args.token, args.token_file) {
            (Some(token), _) => Some(Secret::new(token)),
            (None, Some(file)) => Some(read_token(&file)?),
            (None, None) => in_environment(),
        };
        let Some(url) = args.admin else {
            let (server, token) = configured(args.config.as_deref())?;
            let token = given.or(token);
            return Ok(Self { server, token });
        };
        let usage = |why| Failure::Usage(format!("--admin {url}: {why}"));
        let (server, path) = Server::parse(&url).map_err(usage)?;
        if path.is_some() {
            return Err(usage("must end behind the port".to_owned()));
        }
        if given.is_some() {
            let token = given;
            return Ok(Self { server, token });
        }
        // A configured token is for the configured port, and nobody else gets to see it.
        let configured = match args.config {
            Some(file) => Some(configured(Some(&file))?),
            None => listener(None).ok().flatten().map(reach),
        };
        let token = configured
            .filter(|(own, _)| *own == server)
            .and_then(|(_, token)| token);
        Ok(Self { server, token })
    }

    /// Reads what `path` with this query gives: the JSON of a good answer.
    ///
    /// # Errors
    /// As [`Admin::post`].
    #[allow(dead_code, reason = "for the command that explains, which comes next")]
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let pairs = query
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let query: Vec<_> = pairs.collect();
        match query.is_empty() {
            true => self.ask(Method::GET, path, None),
            false => self.ask(Method::GET, &format!("{path}?{}", query.join("&")), None),
        }
    }

    /// Orders something, and gives the JSON of a good answer.
    ///
    /// # Errors
    /// When there is no answer, or the answer says what is wrong.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body))
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let server = &self.server;
        let json = body.map(Value::to_string);
        let question = Question {
            method,
            path,
            json: json.as_deref(),
            token: self.token.as_deref(),
            wanted: Wanted::Whole(ANSWER_BYTES_MAX),
            timeout: TIMEOUT,
        };
        let answer = server.ask(&question).map_err(|e| {
            Failure::Run(format!(
                "{server}: {e}; is the proxy running there, with its admin port on? (--admin URL)"
            ))
        })?;
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        if answer.status.is_success() {
            return json.ok_or_else(|| Failure::Run(format!("{server}: the answer is not JSON")));
        }
        let why = json.as_ref().and_then(|json| json["error"].as_str());
        Err(refused(server, answer.status, why, self.token.is_some()))
    }
}

/// The text as a query holds it (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' => encoded.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => encoded.push(byte.into()),
            byte => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

fn refused(server: &Server, status: StatusCode, why: Option<&str>, has_token: bool) -> Failure {
    match (status, why) {
        (StatusCode::UNAUTHORIZED, _) if has_token => {
            Failure::Run(format!("{server}: the token is not the right one"))
        }
        (StatusCode::UNAUTHORIZED, _) => Failure::Run(format!(
            "{server} asks for a token: give --token-file or set {TOKEN_VARIABLE}"
        )),
        // What was typed is what is wrong.
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some(why)) => {
            Failure::Usage(why.to_owned())
        }
        (_, Some(why)) => Failure::Run(why.to_owned()),
        (status, None) => Failure::Run(format!(
            "{server}: status {}; is it the admin port of this version?",
            status.as_u16()
        )),
    }
}

/// The port of the configuration that `run` would use, and its token.
fn configured(file: Option<&Path>) -> Result<(Server, Option<Secret>), Failure> {
    match listener(file) {
        Ok(Some(listener)) => Ok(reach(listener)),
        Ok(None) => Err(Failure::Usage(
            "`observability.admin` is off in the configuration; give --admin URL".to_owned(),
        )),
        // A file that was named is meant. One that was found may have gone bad since the proxy has
        // started, which goes on with what it has.
        Err(problems) if file.is_some() => Err(problems.into()),
        Err(problems) => {
            let server = Server::at(DEFAULT);
            if source(None, Flags::default()).file.is_some() {
                complain(&listed(&problems));
                complain(&[format!("warning: asking {server} instead")]);
            }
            Ok((server, None))
        }
    }
}

fn reach(listener: AdminListener) -> (Server, Option<Secret>) {
    (Server::at(listener.listen), listener.token)
}

/// The configured port; `None`: it is off.
fn listener(file: Option<&Path>) -> Result<Option<AdminListener>, crate::config::Problems> {
    let mut source = source(file.map(Path::to_path_buf), Flags::default());
    if source.file.is_none() {
        // Which app it is does not matter here, and the proxy may have been told by a flag.
        source.flags.upstream = Some("http://app.invalid".to_owned());
    }
    Ok(source.load()?.snapshot.observability.admin)
}

fn in_environment() -> Option<Secret> {
    let token = std::env::var(TOKEN_VARIABLE).ok()?;
    (!token.is_empty()).then(|| Secret::new(token))
}

fn read_token(file: &Path) -> Result<Secret, Failure> {
    let name = file.display();
    let mut text = String::new();
    File::open(file)
        .and_then(|f| f.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|e| Failure::Usage(format!("--token-file {name}: cannot be read: {e}")))?;
    if text.len() as u64 > TOKEN_BYTES_MAX {
        let why = "is larger than 4 KiB; is this the right file?";
        return Err(Failure::Usage(format!("--token-file {name}: {why}")));
    }
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vestibule.yaml");
        let mut file = File::create(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        (folder, path)
    }

    fn found(args: AdminArgs) -> Result<(String, Option<String>), String> {
        match Admin::find(args) {
            Ok(admin) => Ok((
                admin.server.to_string(),
                admin.token.map(|token| token.to_string()),
            )),
            Err(Failure::Usage(why) | Failure::Run(why)) => Err(why),
            Err(Failure::Config(problems) | Failure::NoFile(problems)) => Err(problems.to_string()),
        }
    }

    #[test]
    fn the_port_and_its_token_are_found() {
        let admin = "admin: {listen: '0.0.0.0:7001', token: s3cret}";
        let yaml = format!("upstream: http://app\nobservability: {{{admin}}}\n");
        let (_folder, config) = file(&yaml);
        let (_other, token_file) = file("from-file\n");
        let args = |url: Option<&str>| AdminArgs {
            admin: url.map(str::to_owned),
            config: Some(config.clone()),
            token: None,
            token_file: None,
        };
        let own = "http://127.0.0.1:7001";
        let cases = [
            ("configured", args(None), own, Some("s3cret")),
            ("the same address", args(Some(own)), own, Some("s3cret")),
            (
                "another one gets no configured token",
                args(Some("http://elsewhere:7001/")),
                "http://elsewhere:7001",
                None,
            ),
            (
                "but one that was given",
                AdminArgs {
                    token: Some("given".to_owned()),
                    ..args(Some("http://elsewhere:7001"))
                },
                "http://elsewhere:7001",
                Some("given"),
            ),
            (
                "from a file",
                AdminArgs {
                    token_file: Some(token_file),
                    ..args(None)
                },
                own,
                Some("from-file"),
            ),
        ];
        for (case, args, server, token) in cases {
            let expected = (server.to_owned(), token.map(str::to_owned));
            assert_eq!(found(args), Ok(expected), "{case}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let none = AdminArgs {
            admin: None,
            config: None,
            token: None,
            token_file: None,
        };
        let (_off, off) = file("upstream: http://app\nobservability: {admin: off}\n");
        let (_bad, bad) = file("upstream: ftp://app\n");
        let cases = [
            (
                AdminArgs {
                    admin: Some("https://a".to_owned()),
                    ..none.clone()
                },
                "--admin https://a: must begin with http://",
            ),
            (
                AdminArgs {
                    admin: Some("http://a/v1".to_owned()),
                    ..none.clone()
                },
                "--admin http://a/v1: must end behind the port",
            ),
            (
                AdminArgs {
                    token_file: Some("/nowhere".into()),
                    ..none.clone()
                },
                "--token-file /nowhere: cannot be read",
            ),
            (
                AdminArgs {
                    config: Some(off),
                    ..none.clone()
                },
                "`observability.admin` is off",
            ),
            (
                AdminArgs {
                    config: Some(bad),
                    ..none
                },
                "upstream",
            ),
        ];
        for (args, expected) in cases {
            let told = format!("{args:?}");
            let why = found(args).expect_err(&told);
            assert!(why.contains(expected), "{told}: {why}");
        }
    }

    #[test]
    fn queries_are_encoded() {
        let cases = [
            ("http://a/b", "http://a/b"),
            ("a&b=c d+e", "a%26b%3Dc%20d%2Be"),
            ("\u{e9}\r\n", "%C3%A9%0D%0A"),
        ];
        for (text, expected) in cases {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let server = Server::at(DEFAULT);
        let cases = [
            (401, None, false, "--token-file", false),
            (401, Some("Bearer"), true, "not the right one", false),
            (400, Some("`urls[0]` is empty"), false, "`urls[0]`", true),
            (404, Some("no such object"), false, "no such object", false),
            (404, None, false, "status 404", false),
            (503, None, false, "status 503", false),
        ];
        for (status, why, has_token, expected, is_usage) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            match refused(&server, status, why, has_token) {
                Failure::Usage(text) if is_usage => assert!(text.contains(expected), "{text}"),
                Failure::Run(text) if !is_usage => assert!(text.contains(expected), "{text}"),
                _ => panic!("{status}: another exit code"),
            }
        }
    }
}
