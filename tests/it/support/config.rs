//! The YAML of a test, completed with what each sidecar of these tests needs.

use serde_yaml::{Mapping, Value};

/// `yaml` with free ports for everything that it does not place itself, and the upstream.
#[track_caller]
pub fn complete(yaml: &str, upstream: Option<&str>) -> String {
    let mut root: Value = serde_yaml::from_str(yaml).expect("the test's own YAML");
    if root.is_null() {
        root = Value::Mapping(Mapping::new());
    }
    let listen = "[{address: '127.0.0.1:0', http2: true}]";
    supply(
        &mut root,
        &["listen"],
        serde_yaml::from_str(listen).expect("constant"),
    );
    if let Some(url) = upstream {
        let at: &[&str] = if root.get("upstream").is_some() {
            &["upstream", "url"]
        } else {
            &["upstream"]
        };
        supply(&mut root, at, Value::from(url));
    }
    for port in ["metrics", "admin"] {
        supply(
            &mut root,
            &["observability", port, "listen"],
            Value::from("127.0.0.1:0"),
        );
    }
    serde_yaml::to_string(&root).expect("YAML can be written")
}

/// Sets the value at that path unless there is one.
fn supply(root: &mut Value, path: &[&str], value: Value) {
    let Value::Mapping(map) = root else { return };
    let (first, rest) = path.split_first().expect("a path has parts");
    let absent = if rest.is_empty() {
        value.clone()
    } else {
        Value::Mapping(Mapping::new())
    };
    let there = map.entry(Value::from(*first)).or_insert(absent);
    if !rest.is_empty() {
        supply(there, rest, value);
    }
}
