//! The JSON Schema of the file and the list of its keys, both made from the model's types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::model::Config;

/// One key of the file, as the reference shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDoc {
    /// Such as `cache.memory.size` or `routes[].match.path`.
    pub path: String,
    /// As it would be written in the file; `None` for sections, and for keys without a default.
    pub default: Option<String>,
    /// What it does.
    pub doc: String,
    /// Whether a change takes effect only after a restart.
    pub restart: bool,
}

/// The JSON Schema of the file, for editors: draft 2020-12, without references.
#[must_use]
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

/// Every key of the file, in the order of the reference; sections come before what is in them.
#[must_use]
pub fn keys() -> Vec<KeyDoc> {
    let mut keys = Vec::new();
    let schema = json_schema();
    collect(&schema, "", false, &mut keys);
    keys
}

/// What a starting configuration looks like: two lines that work, and where to read on.
#[must_use]
pub fn starter(listen: &str, upstream: &str) -> String {
    // JSON strings are YAML strings, so nothing that is passed in can break out of its quotes.
    let quoted = |text: &str| Value::from(text).to_string();
    format!(
        "# Vestibule: `vestibule check` tells what is wrong with this file, `vestibule run` starts it.\n\
         # Saved changes take effect at once; the few keys that need a restart are named then.\n\
         \n\
         # Where clients connect.\n\
         listen: {}\n\
         # The app.\n\
         upstream: {}\n",
        quoted(listen),
        quoted(upstream),
    )
}

fn collect(schema: &Value, prefix: &str, restart: bool, keys: &mut Vec<KeyDoc>) {
    for shape in shapes(schema) {
        if let Some(Value::Object(properties)) = shape.get("properties") {
            for (name, property) in properties {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                collect_key(property, path, restart, keys);
            }
        }
        if let Some(items) = shape.get("items") {
            collect(items, &format!("{prefix}[]"), restart, keys);
        }
    }
}

fn collect_key(property: &Value, path: String, restart: bool, keys: &mut Vec<KeyDoc>) {
    let restart = restart || property.get("x-restart") == Some(&Value::Bool(true));
    let doc = property
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_section = shapes(property)
        .iter()
        .any(|shape| shape.get("properties").is_some());
    // A section has a default of its own only where that is a word.
    let word = |default: &&Value| !is_section || default.is_string();
    let default = property.get("default").filter(word).map(in_flow);
    keys.push(KeyDoc {
        path: path.clone(),
        default,
        doc: doc.to_owned(),
        restart,
    });
    collect(property, &path, restart, keys);
}

/// The schema itself and the alternatives it offers, down to all levels.
fn shapes(schema: &Value) -> Vec<&Value> {
    let mut found = vec![schema];
    for branch in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        // A single element and a list of them describe the same keys; the list says it better.
        let listed = |v: &Value| v.get("items") == Some(branch);
        let siblings = schema
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        if !siblings.into_iter().any(listed) {
            found.extend(shapes(branch));
        }
    }
    found
}

/// A value as it would be written on one line of YAML.
fn in_flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(in_flow).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => {
            let pairs: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("{k}: {}", in_flow(v)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./*+".contains(c);
    match text.chars().all(plain) && !text.starts_with(['*', '-']) && !text.is_empty() {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::path::Step;
    use crate::config::source::Source;
    use crate::config::yaml;

    /// Written in the example as comments only, because their default is to be absent.
    const COMMENTED: [&str; 18] = [
        "listen[].address",
        "listen[].http2",
        "cache.safety.request_cookies.allow",
        "cache.key.query.only",
        "cache.refresh_ahead.at",
        "cache.refresh_ahead.min_hits",
        "observability.admin.token_file",
        "routes[].name",
        "routes[].match",
        "routes[].match.path",
        "routes[].match.method",
        "routes[].match.host",
        "routes[].cache",
        "routes[].cache.ttl",
        "routes[].cache.request_cookies",
        "routes[].cache.request_cookies.allow",
        "routes[].cache.vary",
        "routes[].cache.tags",
    ];

    fn full() -> &'static str {
        include_str!("../../conf/full.yaml")
    }

    #[test]
    fn the_full_example_holds_every_key_with_its_default() {
        let document = yaml::parse(full()).document.unwrap();
        let keys = keys();
        let mut seen = BTreeSet::new();
        document.walk(&mut |path, value| {
            if path.0.is_empty() || path.0.iter().any(|s| matches!(s, Step::Index(_))) {
                return;
            }
            let path = path.to_string();
            let key = keys
                .iter()
                .find(|k| k.path == path)
                .unwrap_or_else(|| panic!("{path} is unknown"));
            if let Some(default) = &key.default {
                assert_eq!(
                    in_flow(&serde_json::to_value(value).unwrap()),
                    *default,
                    "{path}"
                );
            }
            seen.insert(path);
        });
        let missing: Vec<_> = keys
            .iter()
            .map(|k| k.path.as_str())
            .filter(|path| {
                !seen.contains(*path)
                    && !COMMENTED.contains(path)
                    && *path != "routes[].compression"
            })
            .collect();
        assert!(missing.is_empty(), "conf/full.yaml lacks {missing:?}");
        for path in COMMENTED {
            assert!(keys.iter().any(|k| k.path == path), "{path} is unknown");
            let name = path.rsplit(['.', ']']).next().unwrap();
            let comment = |line: &str| line.starts_with('#') && line.contains(&format!("{name}:"));
            assert!(
                full().lines().any(comment),
                "conf/full.yaml shows no {path}"
            );
        }
    }

    #[test]
    fn the_full_example_marks_what_needs_a_restart() {
        for key in keys()
            .iter()
            .filter(|k| k.restart && !k.path.contains(['[', '.']))
        {
            let marked =
                |line: &str| line.starts_with(&format!("{}:", key.path)) && line.contains("# R.");
            assert!(full().lines().any(marked), "{}", key.path);
        }
        let restart: Vec<_> = keys()
            .into_iter()
            .filter(|k| k.restart)
            .map(|k| k.path)
            .collect();
        for path in [
            "threads",
            "listen",
            "observability.metrics",
            "observability.admin.token",
        ] {
            assert!(restart.iter().any(|p| p == path), "{path}");
        }
    }

    #[test]
    fn every_key_is_documented() {
        for key in keys() {
            assert!(key.doc.ends_with(['.', ')']), "{}: {:?}", key.path, key.doc);
        }
    }

    #[test]
    fn the_starter_loads() {
        for (listen, upstream) in [
            ("0.0.0.0:8080", "http://127.0.0.1:3000"),
            ("[::]:80", "http://app"),
        ] {
            let text = starter(listen, upstream);
            let source = Source {
                file: Some("starter.yaml".into()),
                ..Source::default()
            };
            let loaded = source.compile(text.as_bytes()).unwrap();
            assert_eq!(loaded.snapshot.listen[0].address.to_string(), listen);
            assert!(upstream.ends_with(&loaded.snapshot.upstream.authority));
            let settings = text
                .lines()
                .filter(|l| !l.starts_with('#') && !l.is_empty());
            assert_eq!(settings.count(), 2);
        }
    }
}
