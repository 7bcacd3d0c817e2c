//! `vestibule purge`: has a running proxy forget, and says in one line what that came to.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin::Admin;
use super::args::{PurgeArgs, PurgeMode};
use super::{Failure, print};

/// What the proxy answers.
#[derive(Debug, Deserialize)]
struct Done {
    hit: Hit,
    took_seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Hit {
    objects: u64,
    responses: u64,
    complete: bool,
}

pub(super) fn purge(args: PurgeArgs) -> Result<(), Failure> {
    let order = order(&args);
    let (mode, as_json) = (args.mode, args.json);
    let answer = Admin::find(args.admin)?.post("/v1/purge", &order)?;
    if as_json {
        return print(&format!("{answer:#}\n"));
    }
    let done: Done = serde_json::from_value(answer)
        .map_err(|e| Failure::Run(format!("purged, but the answer cannot be read: {e}")))?;
    print(&format!("{}\n", done.told(mode)))
}

/// The order as the admin port takes it.
fn order(args: &PurgeArgs) -> Value {
    let mut order = Map::new();
    let lists = [
        ("tags", &args.tag),
        ("urls", &args.url),
        ("prefixes", &args.prefix),
        ("globs", &args.glob),
    ];
    for (name, values) in lists {
        if !values.is_empty() {
            order.insert(name.to_owned(), json!(values));
        }
    }
    if let Some(host) = &args.host {
        order.insert("host".to_owned(), json!(host));
    }
    if args.all {
        order.insert("all".to_owned(), json!(true));
    }
    order.insert("mode".to_owned(), json!(args.mode.word()));
    Value::Object(order)
}

impl Done {
    fn told(&self, mode: PurgeMode) -> String {
        let Hit {
            objects,
            responses,
            complete,
        } = self.hit;
        let took = short(Duration::try_from_secs_f64(self.took_seconds).unwrap_or_default());
        match (responses, complete) {
            (0, true) => return format!("purged: nothing of that was stored ({took})"),
            (0, false) => return format!("purged, without counting what was stored ({took})"),
            _ => {}
        }
        let at_least = if complete { "" } else { "at least " };
        let (s, are) = match (responses, complete) {
            (1, true) => ("", "is"),
            (1, false) => ("", "are"),
            _ => ("s", "are"),
        };
        let of = match objects {
            1 => "1 URL".to_owned(),
            n => format!("{n} URLs"),
        };
        let what = match mode {
            PurgeMode::Invalidate => "not used again before the app confirms or replaces",
            PurgeMode::Soft => "stale now, and given out only while a fetch renews",
            PurgeMode::Hard => "gone",
        };
        let it = match (mode, s) {
            (PurgeMode::Hard, _) => "",
            (_, "") => " it",
            _ => " them",
        };
        format!("purged: {at_least}{responses} stored answer{s} of {of} {are} {what}{it} ({took})")
    }
}

/// With a unit that makes it easy to read.
fn short(took: Duration) -> String {
    match took.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Args, Command};
    use super::*;

    fn args(line: &str) -> PurgeArgs {
        let words = ["vestibule", "purge"].into_iter().chain(line.split(' '));
        match Args::try_parse_from(words).expect(line).command {
            Command::Purge(args) => args,
            _ => panic!("{line}: another command"),
        }
    }

    #[test]
    fn orders() {
        let cases = [
            (
                "--tag a --tag b",
                json!({"tags": ["a", "b"], "mode": "invalidate"}),
            ),
            (
                "--tag a b --host h --mode soft",
                json!({"tags": ["a", "b"], "host": "h", "mode": "soft"}),
            ),
            (
                "--url http://a/ --prefix /x --glob /y/** --mode hard",
                json!({"urls": ["http://a/"], "prefixes": ["/x"], "globs": ["/y/**"], "mode": "hard"}),
            ),
            ("--all", json!({"all": true, "mode": "invalidate"})),
        ];
        for (line, expected) in cases {
            assert_eq!(order(&args(line)), expected, "{line}");
        }
    }

    #[test]
    fn one_line_says_it() {
        use PurgeMode::{Hard, Invalidate, Soft};
        let cases = [
            (Invalidate, 0, 0, true, ": nothing of that was stored"),
            (
                Invalidate,
                1,
                1,
                true,
                ": 1 stored answer of 1 URL is not used again before the app confirms or replaces it",
            ),
            (
                Soft,
                10,
                12,
                true,
                ": 12 stored answers of 10 URLs are stale now, and given out only while a fetch renews them",
            ),
            (Hard, 2, 2, true, ": 2 stored answers of 2 URLs are gone"),
            (
                Hard,
                2,
                2,
                false,
                ": at least 2 stored answers of 2 URLs are gone",
            ),
            (Hard, 0, 0, false, ", without counting what was stored"),
        ];
        for (mode, objects, responses, complete, expected) in cases {
            let hit = Hit {
                objects,
                responses,
                complete,
            };
            let done = Done {
                hit,
                took_seconds: 0.000_25,
            };
            assert_eq!(done.told(mode), format!("purged{expected} (250 µs)"));
        }
    }

    #[test]
    fn times_are_short() {
        for (micros, expected) in [
            (7, "7 µs"),
            (999, "999 µs"),
            (1_500, "1 ms"),
            (2_340_000, "2.3 s"),
        ] {
            assert_eq!(short(Duration::from_micros(micros)), expected);
        }
    }
}
