//! `${NAME}` and `${NAME:-default}` in the values of the file.
//!
//! It works on the parsed tree, after quoting and structure are settled, so whatever a variable
//! holds stays one value: it can neither end a string nor add a key.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::tree::{Data, Node, Origin};
use super::yaml::brief;

/// Fills every value that stands in the file. Values from variables and flags are taken as they
/// are: whoever set them had a shell for that.
pub(super) fn fill(root: &mut Node, env: &BTreeMap<String, String>) -> Vec<(Origin, Problem)> {
    let mut problems = Vec::new();
    root.walk(&mut |path, node| {
        let (Data::Text(text), Origin::File { .. }) = (&mut node.data, &node.origin) else {
            return;
        };
        if !text.contains("${") {
            return;
        }
        match expand(text, env) {
            Ok(filled) => *text = filled,
            Err((message, hint)) => {
                let problem = Problem {
                    hint,
                    ..Problem::new(path.to_string(), message)
                };
                problems.push((node.origin.clone(), problem));
                node.dropped = true;
            }
        }
    });
    problems
}

type Wrong = (String, Option<String>);

fn expand(text: &str, env: &BTreeMap<String, String>) -> Result<String, Wrong> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, tail) = rest.split_at(at);
        let tail = &tail[2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = tail;
            continue;
        }
        let Some((inner, after)) = tail.split_once('}') else {
            let hint = "write `$${` for a literal `${`".to_owned();
            return Err(("`${` has no closing `}`".to_owned(), Some(hint)));
        };
        out.push_str(before);
        out.push_str(value(inner, env)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// As in a shell: the default also stands in for a variable that is empty.
fn value<'a>(inner: &'a str, env: &'a BTreeMap<String, String>) -> Result<&'a str, Wrong> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        let hint = "write ${NAME} or ${NAME:-default}, and `$${` for a literal `${`".to_owned();
        return Err((
            format!("`${{{}}}` names no variable", brief(inner)),
            Some(hint),
        ));
    }
    match (env.get(name).map(String::as_str), default) {
        (None | Some(""), Some(default)) => Ok(default),
        (Some(value), _) => Ok(value),
        (None, None) => {
            let hint = format!("set it, or write ${{{name}:-default}}");
            Err((
                format!("the environment variable `{name}` is not set"),
                Some(hint),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let env = [("A", "1"), ("EMPTY", ""), ("YAML", "x}: [1, \"")];
        let env = env.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (text, expected) in [
            ("${A}", Ok("1")),
            ("x${A}y${A}", Ok("x1y1")),
            ("${B:-d}", Ok("d")),
            ("${B:-}", Ok("")),
            ("${EMPTY:-d}", Ok("d")),
            ("${EMPTY}", Ok("")),
            ("${A:-d}", Ok("1")),
            ("${B:-http://h:1/?a=b}", Ok("http://h:1/?a=b")),
            ("$${A}", Ok("${A}")),
            ("$$${A}", Ok("$${A}")),
            ("$A $", Ok("$A $")),
            ("${YAML}", Ok("x}: [1, \"")),
            ("${B}", Err("`B` is not set")),
            ("${A", Err("no closing")),
            ("${}", Err("names no variable")),
            ("${1A}", Err("names no variable")),
            ("${A B}", Err("names no variable")),
            ("${A-d}", Err("names no variable")),
        ] {
            match (expand(text, &env), expected) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err((got, _)), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
