//! From what the file says to what it means: ranges, relations, and types that cannot be wrong.
//!
//! Every check reports and goes on with a stand-in value, so that all problems come out together;
//! the snapshot counts only when there is none.

use std::fmt::Display;
use std::num::NonZeroUsize;

use http::HeaderName;
use serde_yaml::Value;

use super::document::{Document, Origin};
use super::model;
use super::path::KeyPath;
use super::problem::{PROBLEMS_MAX, Problem, brief};
use super::snapshot::{AccessLog, LogFormat, Mode, Observability, Reload, Shutdown, Snapshot};
use super::units::{Period, Secret};
use crate::{compress, headers, limit};

mod address;
mod cache;
mod net;
mod routes;
mod safety;

/// Reads a file that holds a secret; the error is a message without the file's content.
pub(super) type ReadSecret<'a> = &'a dyn Fn(&str) -> Result<Secret, String>;

/// What came of it.
pub(super) struct Validated {
    pub(super) snapshot: Snapshot,
    pub(super) problems: Vec<(Option<Origin>, Problem)>,
    pub(super) warnings: Vec<(Option<Origin>, Problem)>,
}

/// Checks `config`, which was read from `document`.
pub(super) fn validate(
    config: &model::Config,
    document: &Document,
    read_secret: ReadSecret<'_>,
) -> Validated {
    let mut check = Check {
        document,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let listen = check.listen(&config.listen);
    let upstream = check.upstream(&config.upstream.0);
    let observability = check.observability(&config.observability, read_secret);
    check.addresses_apart(&listen, &observability);
    check.upstream_is_not_us(&upstream, &listen);
    let routes = check.routes(&config.routes, &config.cache.0);
    let mut cache = check.cache(&config.cache.0);
    cache.vary.written = vec![observability.request_id.header.clone()];
    let snapshot = Snapshot {
        threads: threads(config.threads),
        listen,
        upstream,
        client_ip: check.client_ip(&config.client_ip),
        mode: match config.mode {
            model::Mode::On => Mode::On,
            model::Mode::Off => Mode::Off,
        },
        cache,
        compression: check.compression(&config.compression.0),
        connections: check.connections(&config.limits.connections),
        body_bytes_max: config.limits.body.0,
        observability,
        routes,
        default_route: routes::default_route(),
        reload: check.reload(&config.reload),
        shutdown: Shutdown {
            grace: config.shutdown.grace.0,
        },
    };
    Validated {
        snapshot,
        problems: check.problems,
        warnings: check.warnings,
    }
}

/// The document for positions, and what was found.
struct Check<'d> {
    document: &'d Document,
    problems: Vec<(Option<Origin>, Problem)>,
    warnings: Vec<(Option<Origin>, Problem)>,
}

impl Check<'_> {
    /// `message` may end in "; " and a hint.
    fn fail(&mut self, path: &KeyPath, message: impl Display) {
        // A stand-in for a value that was already reported is nobody's mistake.
        if self.problems.len() < PROBLEMS_MAX && self.document.is_sound(path) {
            let found = self.place(path, &message.to_string());
            self.problems.push(found);
        }
    }

    fn warn(&mut self, path: &KeyPath, message: impl Display) {
        let found = self.place(path, &message.to_string());
        self.warnings.push(found);
    }

    fn place(&self, path: &KeyPath, message: &str) -> (Option<Origin>, Problem) {
        let (value, steps) = self.document.nearest(path);
        let found = path.first(steps);
        let (origin, shown) = match value {
            _ if steps == path.0.len() => (Some(self.document.origin(path)), path),
            // What is missing altogether stands nowhere.
            Value::Mapping(_) if steps == 0 => (None, path),
            Value::Mapping(_) => (Some(self.document.key_origin(&found)), path),
            // The short form: `upstream: ftp://x` is a mistake in `upstream`, not in its `url`.
            _ => (Some(self.document.origin(&found)), &found),
        };
        (origin, Problem::told(shown, message))
    }

    /// Whether the key was written at all, be it in the short form of its section.
    fn is_set(&self, path: &KeyPath) -> bool {
        let (value, steps) = self.document.nearest(path);
        let absent = match value {
            Value::Null => true,
            Value::Sequence(_) | Value::Mapping(_) => steps < path.0.len(),
            _ => false,
        };
        !absent && !self.document.is_dropped(&path.first(steps))
    }

    /// The path of the `nth` element that was read, which is not the `nth` in the file when an
    /// earlier one was dropped.
    fn element(&self, list: &KeyPath, nth: usize) -> KeyPath {
        match self.document.get(list) {
            None | Some(Value::Sequence(_)) => self.document.remaining_element(list, nth),
            // One element without brackets.
            Some(_) => list.clone(),
        }
    }

    fn within(&mut self, path: &str, value: u64, least: u64, most: u64) -> u64 {
        if (least..=most).contains(&value) {
            return value;
        }
        self.fail(
            &KeyPath::of(path),
            format!("expected a number from {least} to {most}, found {value}"),
        );
        least
    }

    fn not_zero(&mut self, path: &str, value: Period, hint: &str) {
        if value.0.is_zero() {
            self.fail(&KeyPath::of(path), format!("must not be zero; {hint}"));
        }
    }

    fn header(&mut self, path: &str, text: &str) -> HeaderName {
        let path = KeyPath::of(path);
        let name = self.header_name(&path, text);
        name.unwrap_or(http::header::HOST)
    }

    fn header_name(&mut self, path: &KeyPath, text: &str) -> Option<HeaderName> {
        let name = HeaderName::from_bytes(text.as_bytes()).ok();
        if name.is_none() {
            self.fail(path, format!("`{}` is not a header name", brief(text)));
        }
        name
    }

    /// Header names of which none comes twice.
    fn header_names(&mut self, path: &KeyPath, texts: &[String]) -> Vec<HeaderName> {
        let mut names = Vec::with_capacity(texts.len());
        for (nth, text) in texts.iter().enumerate() {
            let path = self.element(path, nth);
            match self.header_name(&path, text) {
                // A header might have such a name; whoever writes it means something else.
                Some(_) if text.contains('*') => {
                    self.fail(&path, "`*` has no meaning here; name each header");
                }
                Some(name) if names.contains(&name) => self.fail(&path, "is listed twice"),
                name => names.extend(name),
            }
        }
        names
    }

    fn compression(&mut self, compression: &model::Compression) -> compress::Settings {
        let path = KeyPath::of("compression.algorithms");
        let algorithms = &compression.algorithms;
        if algorithms.is_empty() {
            self.fail(
                &path,
                "must not be empty; write `compression: off` to compress nothing",
            );
        }
        for (nth, algorithm) in algorithms.iter().enumerate() {
            if algorithms[..nth].contains(algorithm) {
                let path = self.element(&path, nth);
                self.fail(&path, "is listed twice");
            }
        }
        let coding = |algorithm: &model::Algorithm| match algorithm {
            model::Algorithm::Br => compress::Coding::Brotli,
            model::Algorithm::Gzip => compress::Coding::Gzip,
        };
        let level = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        compress::Settings {
            enabled: compression.enabled.0,
            algorithms: algorithms.iter().map(coding).collect(),
            min_bytes: compression.min_size.0,
            types: self.media_types(&compression.types),
            levels: compress::Levels {
                br: level(self.within("compression.levels.br", compression.levels.br, 0, 11)),
                gzip: level(self.within("compression.levels.gzip", compression.levels.gzip, 1, 9)),
            },
        }
    }

    /// Reports each bad type; those that remain are good.
    fn media_types(&mut self, types: &[String]) -> compress::MediaTypes {
        let mut left: Vec<(usize, String)> = types.iter().cloned().enumerate().collect();
        loop {
            let texts: Vec<String> = left.iter().map(|(_, text)| text.clone()).collect();
            match compress::MediaTypes::parse(&texts) {
                Ok(types) => return types,
                Err((at, message)) => {
                    let (nth, _) = left.remove(at.min(left.len().saturating_sub(1)));
                    let path = self.element(&KeyPath::of("compression.types"), nth);
                    self.fail(&path, message);
                }
            }
        }
    }

    fn connections(&mut self, connections: &model::Connections) -> limit::connections::Settings {
        const MOST: u64 = 10_000_000;
        let total = self.within("limits.connections.total", connections.total, 0, MOST);
        let per_ip = self.within("limits.connections.per_ip", connections.per_ip, 0, MOST);
        if total != 0 && per_ip > total {
            let path = KeyPath::of("limits.connections.per_ip");
            self.warn(
                &path,
                format!("{per_ip} is never reached, because total is {total}"),
            );
        }
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        limit::connections::Settings {
            total: count(total),
            per_ip: count(per_ip),
        }
    }

    fn observability(
        &mut self,
        section: &model::Observability,
        read_secret: ReadSecret<'_>,
    ) -> Observability {
        Observability {
            metrics: self.metrics(&section.metrics.0),
            admin: self.admin(&section.admin.0, read_secret),
            access_log: AccessLog {
                format: match section.access_log.0.format {
                    model::LogFormat::Auto => LogFormat::Auto,
                    model::LogFormat::Json => LogFormat::Json,
                    model::LogFormat::Text => LogFormat::Text,
                    model::LogFormat::Off => LogFormat::Off,
                },
            },
            request_id: headers::request_id::Settings {
                header: self.header(
                    "observability.request_id.header",
                    &section.request_id.header,
                ),
                trust: section.request_id.trust.0,
            },
            cache_status: section.cache_status.0,
        }
    }

    fn reload(&mut self, reload: &model::Reload) -> Reload {
        const POLL_MIN: Period = Period(std::time::Duration::from_millis(100));
        if !reload.poll.0.is_zero() && reload.poll < POLL_MIN {
            let found = reload.poll;
            self.fail(
                &KeyPath::of("reload.poll"),
                format!("must be 0s (never) or at least {POLL_MIN}, found {found}"),
            );
        }
        Reload {
            watch: reload.watch.0,
            poll: reload.poll.0,
        }
    }
}

fn threads(threads: model::Threads) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    threads
        .0
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or_else(cores)
}
