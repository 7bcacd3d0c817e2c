//! Log lines on stderr: for people when it is a terminal, one JSON object per line otherwise.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

use log::{Level, LevelFilter, Log, Metadata, Record};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::args;

/// RFC 3339 with milliseconds, always in UTC and always of one length.
const RFC_3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const TIME_OF_DAY: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute]:[second].[subsecond digits:3]");

/// How the proxy library begins what it has to say about a single client's connection. A client
/// that leaves, stalls or sends garbage is daily business and nothing for the operator to act on.
const CLIENT_NOISE: [&str; 8] = [
    "Downstream ",
    "Error finish sending body to downstream",
    "failed to send error response to downstream",
    "tearing down downstream",
    "send error, draining read buf",
    "HTTP server fails to",
    "H2 handshake error",
    "H2 error",
];

impl From<args::Level> for LevelFilter {
    fn from(level: args::Level) -> Self {
        match level {
            args::Level::Off => LevelFilter::Off,
            args::Level::Error => LevelFilter::Error,
            args::Level::Warn => LevelFilter::Warn,
            args::Level::Info => LevelFilter::Info,
            args::Level::Debug => LevelFilter::Debug,
            args::Level::Trace => LevelFilter::Trace,
        }
    }
}

/// Sends the log to stderr from here on, panics included. Only the first call has an effect.
pub fn init(level: args::Level) {
    let level = LevelFilter::from(level);
    let style = match io::stderr().is_terminal() {
        true => Style::Human {
            colour: std::env::var_os("NO_COLOR").is_none(),
        },
        false => Style::Json,
    };
    if log::set_boxed_logger(Box::new(Logger { level, style })).is_ok() {
        log::set_max_level(level);
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A panic is a bug of ours; in the log it is a line like any other, so that it gets collected.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    match panic.location() {
        Some(at) => log::error!("panic at {}:{}: {what}", at.file(), at.line()),
        None => log::error!("panic: {what}"),
    }
}

#[derive(Debug, Clone, Copy)]
enum Style {
    Human { colour: bool },
    Json,
}

struct Logger {
    level: LevelFilter,
    style: Style,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= threshold(self.level, metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let level = weigh(record.level(), record.target(), &message);
        if level > threshold(self.level, record.target()) {
            return;
        }
        let now = OffsetDateTime::now_utc();
        let line = render(self.style, now, level, record.target(), &message);
        // One write for each line keeps lines of several threads apart. When stderr is gone there
        // is nowhere to complain.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// The lowest level that is shown of a target. The proxy library tells every start and stop of its
/// parts at `info`, which means nothing to operators; `trace` shows it all.
fn threshold(level: LevelFilter, target: &str) -> LevelFilter {
    if target.starts_with("pingora") && level < LevelFilter::Trace {
        level.min(LevelFilter::Warn)
    } else {
        level
    }
}

/// The level a message deserves: the library's errors about single clients are `debug`.
fn weigh(level: Level, target: &str, message: &str) -> Level {
    if target.starts_with("pingora") && is_client_noise(message) {
        level.max(Level::Debug)
    } else {
        level
    }
}

/// Looks at the beginning of the message and behind its first colon (`Fail to proxy: Downstream
/// ...`), but no further: what comes later may be a client's own words.
fn is_client_noise(message: &str) -> bool {
    let begins = |text: &str| CLIENT_NOISE.iter().any(|noise| text.starts_with(noise));
    begins(message)
        || message
            .split_once(": ")
            .is_some_and(|(_, rest)| begins(rest))
}

fn render(style: Style, now: OffsetDateTime, level: Level, target: &str, text: &str) -> String {
    match style {
        Style::Json => json(now, level, target, text),
        Style::Human { colour } => human(colour, now, level, target, text),
    }
}

#[derive(serde::Serialize)]
struct Line<'a> {
    ts: String,
    level: &'static str,
    msg: &'a str,
    target: &'a str,
}

fn json(now: OffsetDateTime, level: Level, target: &str, msg: &str) -> String {
    let ts = now.format(RFC_3339).unwrap_or_default();
    let line = Line {
        ts,
        level: name(level),
        msg,
        target,
    };
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

/// `12:03:04.123 INFO  listening on 127.0.0.1:8080`, with the target when it is not ours.
fn human(colour: bool, now: OffsetDateTime, level: Level, target: &str, text: &str) -> String {
    let time = now.format(TIME_OF_DAY).unwrap_or_default();
    let (on, off) = if colour {
        (paint(level), "\x1b[0m")
    } else {
        ("", "")
    };
    let text = printable(text);
    if target.starts_with("vestibule") {
        format!("{time} {on}{level:<5}{off} {text}\n")
    } else {
        format!(
            "{time} {on}{level:<5}{off} {text} ({})\n",
            printable(target)
        )
    }
}

/// Messages may repeat what a client sent: no line breaks and no terminal control in a log line.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

const fn paint(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug | Level::Trace => "\x1b[2m",
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_librarys_chatter_is_kept_down() {
        use LevelFilter::{Debug, Error, Info, Off, Trace, Warn};
        let cases = [
            (Info, "vestibule::app", Info),
            (Debug, "vestibule::proxy", Debug),
            (Info, "pingora_core::server", Warn),
            (Debug, "pingora_proxy", Warn),
            (Error, "pingora_proxy", Error),
            (Off, "pingora_proxy", Off),
            (Trace, "pingora_proxy", Trace),
        ];
        for (level, target, expected) in cases {
            assert_eq!(threshold(level, target), expected, "{level} {target}");
        }
    }

    #[test]
    fn what_clients_do_is_no_error() {
        let cases = [
            (
                "pingora_proxy",
                "Fail to proxy: Downstream ReadError cause: reset",
                Level::Debug,
            ),
            (
                "pingora_core::services",
                "Downstream handshake timeout",
                Level::Debug,
            ),
            (
                "pingora_proxy",
                "Fail to proxy: Upstream ConnectRefused context: x",
                Level::Error,
            ),
            (
                "pingora_proxy",
                "Fail to proxy: Upstream X, GET /: Downstream Y",
                Level::Error,
            ),
            (
                "vestibule::proxy",
                "Downstream is ours to judge",
                Level::Error,
            ),
        ];
        for (target, message, expected) in cases {
            assert_eq!(weigh(Level::Error, target, message), expected, "{message}");
        }
        assert_eq!(
            weigh(Level::Trace, "pingora_proxy", "Downstream x"),
            Level::Trace
        );
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let now = datetime!(2026-03-04 05:06:07.008 UTC);
        let line = render(
            Style::Json,
            now,
            Level::Warn,
            "vestibule::app",
            "a \"b\"\nc",
        );
        assert_eq!(
            line,
            "{\"ts\":\"2026-03-04T05:06:07.008Z\",\"level\":\"warn\",\
             \"msg\":\"a \\\"b\\\"\\nc\",\"target\":\"vestibule::app\"}\n"
        );
    }

    #[test]
    fn human_lines_cannot_be_forged() {
        let now = datetime!(2026-03-04 05:06:07.008 UTC);
        let style = Style::Human { colour: false };
        let line = render(style, now, Level::Info, "vestibule::app", "a\n\u{1b}[2Jb");
        assert_eq!(line, "05:06:07.008 INFO  a\\n\\u{1b}[2Jb\n");
        let line = render(style, now, Level::Warn, "pingora_core", "x");
        assert_eq!(line, "05:06:07.008 WARN  x (pingora_core)\n");
    }
}
