//! What the environment and the command line put on top of the file.
//!
//! `VESTIBULE_CACHE__MEMORY__SIZE=256MiB` sets `cache.memory.size`; a number is the index of a list
//! element. Flags win over variables, variables over the file, the file over `PORT`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::Problem;
use super::source::Flags;
use super::tree::{Data, Entry, KeyPath, Node, Origin, Step};
use super::words::SHORT_KEYS;
use super::yaml;

/// What variables that set a key begin with.
pub(super) const PREFIX: &str = "VESTIBULE_";

/// Variables with the prefix that belong to the command line.
const RESERVED: [&str; 2] = ["VESTIBULE_CONFIG", "VESTIBULE_LOG"];

/// Lays variables, flags and `PORT` over the file.
pub(super) fn apply(
    root: &mut Node,
    env: &BTreeMap<String, String>,
    flags: &Flags,
) -> Vec<(Origin, Problem)> {
    let mut problems = Vec::new();
    for (name, path) in variables(env) {
        let origin = Origin::Variable(name.as_str().into());
        let told = path.to_string();
        let done = path_is_whole(&path)
            .and_then(|()| value(&path, &env[&name], &origin))
            .and_then(|node| set(root, &path, node));
        if let Err(message) = done {
            problems.push((origin, Problem::new(told, message)));
        }
    }
    for (flag, key, value) in [
        ("--listen", "listen", &flags.listen),
        ("--upstream", "upstream", &flags.upstream),
    ] {
        let Some(value) = value else { continue };
        let node = Node::new(Origin::Flag(flag), Data::Text(value.clone()));
        if let Err(message) = set(root, &KeyPath::of(key), node) {
            problems.push((Origin::Flag(flag), Problem::new(key, message)));
        }
    }
    problems.extend(port(root, env));
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
    if path.0.len() > yaml::DEPTH_MAX {
        return Err("names a key that is nested too deep".to_owned());
    }
    Ok(())
}

/// Text, or a list or mapping in flow style. A secret is always text, whatever it begins with.
fn value(path: &KeyPath, text: &str, origin: &Origin) -> Result<Node, String> {
    if text.is_empty() {
        return Err("is set but empty; unset it or give it a value".to_owned());
    }
    let secret = path.0.last() == Some(&Step::Key("token".to_owned()));
    if secret || !text.trim_start().starts_with(['[', '{']) {
        return Ok(Node::new(origin.clone(), Data::Text(text.to_owned())));
    }
    let parsed = yaml::parse(text, |_, _| origin.clone());
    match (parsed.root, parsed.problems.first()) {
        (Some(root), None) => Ok(root),
        (_, Some((_, problem))) => Err(problem.message.clone()),
        (None, None) => Err("holds no value".to_owned()),
    }
}

fn set(root: &mut Node, path: &KeyPath, value: Node) -> Result<(), String> {
    let mut node = root;
    for (taken, step) in path.0.iter().enumerate() {
        let here = KeyPath(path.0[..taken].to_vec());
        node = descend(node, &here, step, &value.origin)?;
    }
    // `VESTIBULE_UPSTREAM=…` over a mapping sets the address and leaves the timeouts alone.
    let short = short_key(path).filter(|_| matches!(value.data, Data::Text(_)));
    if let (Data::Map(_), Some(key)) = (&node.data, short) {
        node = descend(node, path, &Step::Key(key.to_owned()), &value.origin)?;
    }
    *node = value;
    Ok(())
}

/// The child at `step`, made when it is not there.
fn descend<'n>(
    node: &'n mut Node,
    here: &KeyPath,
    step: &Step,
    origin: &Origin,
) -> Result<&'n mut Node, String> {
    open(node, here, step)?;
    match (&mut node.data, step) {
        (Data::List(nodes), Step::Index(i)) => {
            if *i == nodes.len() {
                nodes.push(Node::new(origin.clone(), Data::Null));
            }
            let count = nodes.len();
            nodes.get_mut(*i).ok_or_else(|| {
                format!("`{here}` has {count} elements, so the next one has the number {count}")
            })
        }
        (Data::Map(entries), step) => {
            let key = match step {
                Step::Key(key) => key.clone(),
                Step::Index(i) => i.to_string(),
            };
            let at = entries
                .iter()
                .position(|e| e.key == key)
                .unwrap_or_else(|| {
                    let node = Node::new(origin.clone(), Data::Null);
                    entries.push(Entry {
                        key,
                        key_origin: origin.clone(),
                        node,
                    });
                    entries.len() - 1
                });
            Ok(&mut entries[at].node)
        }
        (Data::List(_), Step::Key(key)) => Err(format!(
            "`{here}` is a list; write the number of an element instead of `{key}`"
        )),
        (Data::Null | Data::Text(_), _) => Err(format!(
            "`{here}` is a single value, so nothing can be set below it"
        )),
    }
}

/// Makes a list or mapping of a node that is absent or written in its short form.
fn open(node: &mut Node, here: &KeyPath, step: &Step) -> Result<(), String> {
    let origin = node.origin.clone();
    let (Data::Null | Data::Text(_)) = node.data else {
        return Ok(());
    };
    let was = std::mem::replace(&mut node.data, Data::Null);
    node.data = match (was, step) {
        (Data::Null, Step::Index(_)) => Data::List(Vec::new()),
        (Data::Null, Step::Key(_)) => Data::Map(Vec::new()),
        (text, Step::Index(_)) => Data::List(vec![Node::new(origin, text)]),
        (text, Step::Key(_)) => match short_key(here) {
            Some(key) => Data::Map(vec![Entry {
                key: key.to_owned(),
                key_origin: origin.clone(),
                node: Node::new(origin, text),
            }]),
            None => text,
        },
    };
    Ok(())
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
fn port(root: &mut Node, env: &BTreeMap<String, String>) -> Option<(Origin, Problem)> {
    let listen = KeyPath::of("listen");
    let text = env.get("PORT").filter(|text| !text.is_empty())?;
    if root
        .get(&listen)
        .is_some_and(|node| !matches!(node.data, Data::Null))
    {
        return None;
    }
    let origin = Origin::Variable(Arc::from("PORT"));
    match text.parse::<u16>() {
        Ok(port) if port > 0 => {
            let address = Data::Text(format!("0.0.0.0:{port}"));
            set(root, &listen, Node::new(origin.clone(), address))
                .err()
                .map(|message| (origin, Problem::new("listen", message)))
        }
        _ => {
            let message = format!(
                "expected a port from 1 to 65535, found `{}`",
                yaml::brief(text)
            );
            Some((origin, Problem::new("listen", message)))
        }
    }
}
