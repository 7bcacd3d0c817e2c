//! The short forms of the model: `upstream: http://…`, `cache: off`, `threads: auto`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::{
    AccessLog, Admin, Cache, Compression, Heuristic, Listen, ListenEntry, LogFormat, Metrics, Mode,
    RefreshAhead, RequestCookies, RouteCache, Threads, Token, Upstream,
};
use super::problem::brief;
use super::shape::{FromText, Short};
use super::units::{Secret, Switch, from_text, switch_message, textual};

/// `path` may be written as a scalar that means its key `key`. Overrides from the environment use
/// this to reach below a scalar, and to leave the rest of a mapping alone.
pub(super) const SHORT_KEYS: [(&str, &str); 5] = [
    ("upstream", "url"),
    ("cache", "enabled"),
    ("compression", "enabled"),
    ("observability.access_log", "format"),
    ("listen[]", "address"),
];

/// Mappings with keys that are numbers, which in the name of a variable look like those of elements.
pub(super) const NUMBERED: [&str; 1] = ["cache.status_ttl"];

impl FromText for Upstream {
    const EXPECTED: &'static str = "a URL such as http://127.0.0.1:3000, or a mapping";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self {
            url: Some(text.to_owned()),
            ..Self::default()
        })
    }

    fn text_schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromText for ListenEntry {
    const EXPECTED: &'static str = "an address such as 0.0.0.0:8080, or a mapping";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self {
            address: Some(text.to_owned()),
            ..Self::default()
        })
    }

    fn text_schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Serialize for Listen {
    /// As shortly as it can be said, since this is the default that people read.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.0[..] {
            [
                Short(ListenEntry {
                    address: Some(address),
                    http2: Switch(true),
                }),
            ] => serializer.serialize_str(address),
            entries => entries.serialize(serializer),
        }
    }
}

impl FromText for AccessLog {
    const EXPECTED: &'static str = "off, auto, json, text or a mapping";

    fn from_text(text: &str) -> Result<Self, String> {
        let format = match text {
            "auto" | "on" | "true" => LogFormat::Auto,
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            "off" | "false" => LogFormat::Off,
            _ => {
                return Err(switch_message(
                    &format!("expected {}", Self::EXPECTED),
                    text,
                ));
            }
        };
        Ok(Self { format })
    }

    fn text_schema() -> Schema {
        json_schema!({ "enum": ["off", "auto", "json", "text", "on", true, false] })
    }
}

impl FromText for RequestCookies {
    const EXPECTED: &'static str = "bypass, ignore or {allow: [..]}";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "bypass" => Ok(Self::default()),
            "ignore" => Ok(Self {
                ignore: true,
                ..Self::default()
            }),
            _ => Err(format!(
                "expected {}, found `{}`",
                Self::EXPECTED,
                brief(text)
            )),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({ "enum": ["bypass", "ignore"] })
    }
}

impl Serialize for RequestCookies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.ignore, &self.allow[..]) {
            (true, _) => serializer.serialize_str("ignore"),
            (false, []) => serializer.serialize_str("bypass"),
            (false, allow) => serializer.collect_map([("allow", allow)]),
        }
    }
}

/// Sections that a bare `on` or `off` may stand for.
macro_rules! switched {
    ($($type:ident: |$on:ident| $value:expr;)+) => {$(
        impl FromText for $type {
            const EXPECTED: &'static str = "on, off or a mapping";

            fn from_text(text: &str) -> Result<Self, String> {
                match text.parse() {
                    Ok(Switch($on)) => Ok($value),
                    Err(_) => Err(switch_message("expected on, off or a mapping", text)),
                }
            }

            fn text_schema() -> Schema {
                json_schema!({ "enum": ["on", "off", true, false] })
            }
        }
    )+};
}

switched! {
    Cache: |on| Self { enabled: Switch(on), ..Self::default() };
    Compression: |on| Self { enabled: Switch(on), ..Self::default() };
    Metrics: |on| Self { on, ..Self::default() };
    Admin: |on| Self { on, ..Self::default() };
    RefreshAhead: |on| Self { on, ..Self::default() };
    RouteCache: |enabled| Self { enabled, ..Self::default() };
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(0) => Err("must be at least 1; write auto for one thread per core".to_owned()),
            Ok(n @ 1..=1024) if digits => Ok(Self(Some(n))),
            Ok(_) if digits => Err(format!("`{}` is too many; the most is 1024", brief(text))),
            _ => Err(format!(
                "expected auto or a number from 1 to 1024, found `{}`",
                brief(text)
            )),
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n}"),
            None => f.write_str("auto"),
        }
    }
}

impl FromStr for Heuristic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "false" => Ok(Self(None)),
            "on" | "true" => Err("needs a ratio; did you mean `10%`?".to_owned()),
            _ => text.parse().map(|ratio| Self(Some(ratio))),
        }
    }
}

impl fmt::Display for Heuristic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ratio) => ratio.fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// Checks that the text can travel in a header. Messages never repeat it.
pub(super) fn parse_secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(
            "must be printable ASCII without spaces, because it travels in a header".to_owned(),
        );
    }
    Ok(Secret::new(text))
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(Switch(true)) => Ok(Self::On),
            Ok(Switch(false)) => Ok(Self::Off),
            Err(message) => Err(message),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Switch(*self == Self::On).fmt(f)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            _ => parse_secret(text).map(|secret| Self(Some(secret))),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "off" })
    }
}

textual!(Threads, "auto or a number", {
    "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": 1024 }],
});
textual!(Heuristic, "off or a ratio such as 10%", {
    "anyOf": [
        { "enum": ["off", false] },
        { "type": "string", "pattern": r"^([0-9]+%|.*\$\{.*)$" },
    ],
});
textual!(Mode, "on or off", { "enum": ["on", "off", true, false] });
textual!(Token, "a secret, or off", { "type": "string", "minLength": 1 });
