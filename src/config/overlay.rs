//! What the environment and the command line put on top of the file.
//!
//! `VESTIBULE_CACHE__MEMORY__SIZE=256MiB` sets `cache.memory.size`; a number is the index of a list
//! element. Flags win over variables, variables over the file, the file over `PORT`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_yaml::{Mapping, Value};

use super::document::{Document, Origin};
use super::index::DEPTH_MAX;
use super::path::{KeyPath, Step};
use super::problem::{Problem, brief};
use super::source::Flags;
use super::words::{NUMBERED, SHORT_KEYS};
use super::yaml;

/// What variables that set a key begin with.
pub(super) const PREFIX: &str = "VESTIBULE_";

/// Variables with the prefix that belong to the command line.
const RESERVED: [&str; 2] = ["VESTIBULE_CONFIG", "VESTIBULE_LOG"];

/// Lays variables, flags and `PORT` over the file.
pub(super) fn apply(
    document: &mut Document,
    env: &BTreeMap<String, String>,
    flags: &Flags,
) -> Vec<(Origin, Problem)> {
    let mut problems = Vec::new();
    for (name, path) in variables(env) {
        let origin = Origin::Variable(name.as_str().into());
        let told = path.to_string();
        let done = path_is_whole(&path)
            .and_then(|()| value(&path, &env[&name]))
            .and_then(|value| set(document, &path, value, &origin));
        if let Err(message) = done {
            problems.push((origin, Problem::new(told, message)));
        }
    }
    for (flag, key, value) in [
        ("--listen", "listen", &flags.listen),
        ("--upstream", "upstream", &flags.upstream),
    ] {
        let Some(value) = value else { continue };
        let origin = Origin::Flag(flag);
        let value = Value::from(value.as_str());
        if let Err(message) = set(document, &KeyPath::of(key), value, &origin) {
            problems.push((origin, Problem::new(key, message)));
        }
    }
    problems.extend(port(document, env));
    problems
}

/// The variables that set a key, in an order in which lists grow from their start.
fn variables(env: &BTreeMap<String, String>) -> Vec<(String, KeyPath)> {
    let mut found: Vec<_> = env
        .keys()
        .filter(|name| !RESERVED.contains(&name.as_str()) && !is_service_link(name))
        .filter_map(|name| Some((name.clone(), path_of(name.strip_prefix(PREFIX)?))))
        .collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

/// Kubernetes tells every pod of a Service called `vestibule` by variables of these names; they are
/// not meant for us.
fn is_service_link(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| {
        rest == "PORT"
            || rest == "SERVICE_HOST"
            || ["SERVICE_PORT", "PORT_"]
                .iter()
                .any(|start| rest.starts_with(start))
    })
}

fn path_of(name: &str) -> KeyPath {
    let step = |part: &str| match part.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key(part.to_lowercase()),
    };
    KeyPath(name.split("__").map(step).collect())
}

/// The variable that sets `path`.
pub(super) fn variable_of(path: &KeyPath) -> String {
    let part = |step: &Step| match step {
        Step::Index(i) => i.to_string(),
        Step::Key(key) => key.to_uppercase(),
    };
    let parts: Vec<_> = path.0.iter().map(part).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

fn path_is_whole(path: &KeyPath) -> Result<(), String> {
    if path.0.iter().any(|step| *step == Step::Key(String::new())) {
        return Err(
            "names no key; write VESTIBULE_, then keys parted by two underscores".to_owned(),
        );
    }
    if path.0.len() > DEPTH_MAX {
        return Err("names a key that is nested too deep".to_owned());
    }
    Ok(())
}

/// YAML where it is a list, a mapping or quoted. Anything else is the plain text it seems to be:
/// `*.example.org` and `a #b` need no second pair of quotes inside those of the shell. A secret is
/// always text, whatever it begins with.
fn value(path: &KeyPath, text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Err("is set but empty; unset it or give it a value".to_owned());
    }
    let secret = path.0.last() == Some(&Step::Key("token".to_owned()));
    if secret || !text.trim_start().starts_with(['[', '{', '"', '\'']) {
        return Ok(Value::from(text));
    }
    let parsed = yaml::parse(text);
    match (parsed.document, parsed.problems.first()) {
        (Some(document), None) => Ok(document.into_root()),
        (_, Some((_, problem))) => Err(problem.message.clone()),
        (None, None) => Err("holds no value".to_owned()),
    }
}

fn set(
    document: &mut Document,
    path: &KeyPath,
    value: Value,
    origin: &Origin,
) -> Result<(), String> {
    let mut here = KeyPath::default();
    for step in &path.0 {
        here = descend(document, here, step, origin)?;
    }
    // `VESTIBULE_UPSTREAM=…` over a mapping sets the address and leaves the timeouts alone.
    let short = short_key(path).filter(|_| value.is_string());
    if let (Some(Value::Mapping(_)), Some(key)) = (document.get(&here), short) {
        here = here.join(key);
    }
    document.put(here, value, origin);
    Ok(())
}

/// The path of the child at `step`, which is made when it is not there.
fn descend(
    document: &mut Document,
    here: KeyPath,
    step: &Step,
    origin: &Origin,
) -> Result<KeyPath, String> {
    open(document, &here, step);
    let child = match (document.get(&here), step) {
        (Some(Value::Sequence(list)), Step::Index(i)) if *i > list.len() => {
            let count = list.len();
            return Err(format!(
                "`{here}` has {count} elements, so the next one has the number {count}"
            ));
        }
        (Some(Value::Sequence(_)), Step::Key(key)) => {
            return Err(format!(
                "`{here}` is a list; write the number of an element instead of `{key}`"
            ));
        }
        (Some(Value::Mapping(_)), Step::Index(i)) => here.join(&i.to_string()),
        (Some(Value::Sequence(_) | Value::Mapping(_)), _) => here.child(step.clone()),
        _ => {
            return Err(format!(
                "`{here}` is a single value, so nothing can be set below it"
            ));
        }
    };
    if document.get(&child).is_none() {
        document.put(child.clone(), Value::Null, origin);
    }
    Ok(child)
}

/// Makes a list or mapping of a value that is absent or written in its short form.
fn open(document: &mut Document, here: &KeyPath, step: &Step) {
    let list = || Value::Sequence(Vec::new());
    let map = || Value::Mapping(Mapping::new());
    let (opened, moved) = match (document.get(here), step) {
        (Some(Value::Null), Step::Index(_)) if NUMBERED.contains(&&*here.to_string()) => {
            (map(), None)
        }
        (Some(Value::Null), Step::Index(_)) => (list(), None),
        (Some(Value::Null), Step::Key(_)) => (map(), None),
        (Some(Value::String(_)), Step::Index(_)) => (list(), Some(here.index(0))),
        (Some(Value::String(_)), Step::Key(_)) => match short_key(here) {
            Some(key) => (map(), Some(here.join(key))),
            None => return,
        },
        _ => return,
    };
    let origin = document.origin(here);
    let text = document.replace(here, opened);
    if let Some(path) = moved {
        document.put(path, text, &origin);
    }
}

fn short_key(path: &KeyPath) -> Option<&'static str> {
    let step = |step: &Step| match step {
        Step::Index(_) => "[]".to_owned(),
        Step::Key(key) => format!(".{key}"),
    };
    let pattern: String = path.0.iter().map(step).collect();
    let pattern = pattern.trim_start_matches('.');
    SHORT_KEYS
        .iter()
        .find(|(path, _)| *path == pattern)
        .map(|(_, key)| *key)
}

/// `PORT`, as container platforms set it, counts only when nobody said where to listen.
fn port(document: &mut Document, env: &BTreeMap<String, String>) -> Option<(Origin, Problem)> {
    let listen = KeyPath::of("listen");
    let text = env.get("PORT").filter(|text| !text.is_empty())?;
    if document.get(&listen).is_some_and(|value| !value.is_null()) {
        return None;
    }
    let origin = Origin::Variable(Arc::from("PORT"));
    match text.parse::<u16>() {
        Ok(port) if port > 0 => {
            let address = Value::from(format!("0.0.0.0:{port}"));
            document.put(listen, address, &origin);
            None
        }
        _ => {
            let message = format!("expected a port from 1 to 65535, found `{}`", brief(text));
            Some((origin, Problem::new("listen", message)))
        }
    }
}
