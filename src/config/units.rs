//! The values that have a notation of their own: durations, sizes, ratios, switches, secrets.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::problem::brief;

/// Longer than this is a slip of the unit, and sums of times must not overflow.
const PERIOD_MAX: Duration = Duration::from_secs(3650 * 86_400);
const PERIOD_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A length of time: `250ms`, `10s`, `5m`, `1h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period(pub(super) Duration);

/// A number of bytes: `512B`, `64KiB`, `8MiB`, `2GiB`, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(pub(super) u64);

/// A part of a whole in whole percent: `5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ratio(u8);

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

/// Text that must never be seen: `Debug` shows stars, and nothing prints it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Period {
    /// So many seconds.
    pub(super) const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl Size {
    /// So many KiB.
    pub(super) const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many MiB.
    pub(super) const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }
}

impl Ratio {
    /// So many percent, at most 100.
    pub(super) const fn percent(percent: u8) -> Self {
        Self(percent)
    }

    /// The part as a fraction of one.
    pub(super) fn fraction(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Secret {
    /// Takes the text into keeping.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Splits `10s` into its number and unit; the error says what is wrong with the number.
fn split(text: &str, example: &str) -> Result<(u64, String), String> {
    let shown = brief(text);
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let after = || unit.bytes().any(|b| b.is_ascii_digit());
    if text.is_empty() {
        return Err(format!("must not be empty; write for example {example}"));
    }
    if text.starts_with('-') && after() {
        return Err(format!("`{shown}` must not be negative"));
    }
    if unit.starts_with(['.', ',', '_']) && !digits.is_empty() && after() {
        return Err(format!(
            "`{shown}` is not a whole number; use a smaller unit, as in {example}"
        ));
    }
    if digits.is_empty() || after() {
        return Err(format!(
            "`{shown}` is not one number and unit; write for example {example}"
        ));
    }
    let number = digits
        .parse()
        .map_err(|_| format!("`{shown}` is too large"))?;
    Ok((number, unit.to_owned()))
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text, "250ms, 10s, 5m, 1h or 30d")?;
        let shown = brief(text);
        let Some((_, ms)) = PERIOD_UNITS.iter().find(|(name, _)| *name == unit) else {
            let known = "ms, s, m, h or d";
            return Err(match unit.as_str() {
                "" => format!("`{shown}` has no unit; did you mean `{number}s`?"),
                _ => format!("`{shown}` has no known unit; use {known}"),
            });
        };
        let period = number.checked_mul(*ms).map(Duration::from_millis);
        match period.filter(|p| *p <= PERIOD_MAX) {
            Some(period) => Ok(Self(period)),
            None => Err(format!("`{shown}` is too long; the longest is 3650d")),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text, "512B, 64KiB, 8MiB or 2GiB")?;
        let shown = brief(text);
        if unit.is_empty() {
            return Ok(Self(number));
        }
        let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
            let first = unit.chars().next().unwrap_or_default().to_ascii_uppercase();
            let meant = SIZE_UNITS.iter().find(|(name, _)| name.starts_with(first));
            return Err(match meant {
                Some((name, _)) => {
                    format!("`{shown}` has no known unit; did you mean `{number}{name}`?")
                }
                None => format!("`{shown}` has no known unit; use B, KiB, MiB or GiB"),
            });
        };
        // Half of the range is left free, so that sums of sizes cannot overflow.
        match number.checked_mul(*bytes).filter(|n| *n <= u64::MAX / 2) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(format!("`{shown}` is too large")),
        }
    }
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = brief(text);
        let text = text.trim();
        let number = text.strip_suffix('%').map(str::trim_end);
        let digits = number.unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "`{shown}` is not a whole number of percent; write for example 10%"
            ));
        }
        match (number, digits.parse()) {
            (None, _) => Err(format!("`{shown}` has no unit; did you mean `{digits}%`?")),
            (_, Ok(percent @ 0..=100)) => Ok(Self(percent)),
            _ => Err(format!("`{shown}` is more than 100%")),
        }
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" => Ok(Self(true)),
            "off" | "false" => Ok(Self(false)),
            _ => Err(switch_message("expected on or off", text)),
        }
    }
}

/// The message for a word that is no switch; `expected` may name more than on and off.
pub(super) fn switch_message(expected: &str, text: &str) -> String {
    let found = format!("{expected}, found `{}`", brief(text));
    match text.to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "enabled" => format!("{found}; did you mean \"on\"?"),
        "off" | "false" | "no" | "0" | "disabled" | "none" => {
            format!("{found}; did you mean \"off\"?")
        }
        _ => found,
    }
}

impl fmt::Display for Period {
    /// The unit people would choose: `60s` but `5m`, `24h` but `30d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |unit: u64, from: u64| ms.is_multiple_of(unit) && ms >= from;
        match ms {
            0 => f.write_str("0s"),
            _ if fits(86_400_000, 48 * 3_600_000) => write!(f, "{}d", ms / 86_400_000),
            _ if fits(3_600_000, 3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if fits(60_000, 120_000) => write!(f, "{}m", ms / 60_000),
            _ if fits(1_000, 1_000) => write!(f, "{}s", ms / 1_000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS
            .iter()
            .rev()
            .find(|(_, n)| self.0 != 0 && self.0.is_multiple_of(*n));
        match unit {
            Some((name, bytes)) if *bytes > 1 => write!(f, "{}{name}", self.0 / bytes),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

/// Reads a scalar, which comes as text whatever it holds.
pub(super) fn from_text<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<T>(&'static str, fn(&str) -> Result<T, String>);
    impl<T> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Text(expected, parse))
}

/// Reads a key of type `u64`.
pub(super) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    from_text(deserializer, "a whole number", parse_whole)
}

fn parse_whole(text: &str) -> Result<u64, String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let why = match text.strip_prefix('-') {
        Some(rest) if digits(rest) => "must not be negative",
        _ if !digits(text) => "is not a whole number",
        _ => match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "is too large",
        },
    };
    Err(format!("`{}` {why}", brief(text)))
}

/// Serde and schema for a type that is read from text and written as text.
macro_rules! textual {
    ($type:ident, $expected:literal, $schema:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, $expected, str::parse)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(super) use textual;

textual!(Period, "a duration such as 10s", {
    "type": "string",
    "pattern": r"^([0-9]+(ms|s|m|h|d)|.*\$\{.*)$",
    "description": "A length of time: 250ms, 10s, 5m, 1h, 30d.",
});
textual!(Size, "a size such as 8MiB", {
    "type": ["string", "integer"],
    "pattern": r"^([0-9]+(B|KiB|MiB|GiB)?|.*\$\{.*)$",
    "minimum": 0,
    "description": "A number of bytes: 512B, 64KiB, 8MiB, 2GiB.",
});
textual!(Ratio, "a ratio such as 10%", {
    "type": "string",
    "pattern": r"^([0-9]+%|.*\$\{.*)$",
    "description": "A part of a whole, in percent: 5%.",
});
textual!(Switch, "on or off", {
    "enum": ["on", "off", true, false],
    "description": "A switch: on or off.",
});

#[cfg(test)]
mod tests;
