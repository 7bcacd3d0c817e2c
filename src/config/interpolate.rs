//! `${NAME}` and `${NAME:-default}` in the values of the file.
//!
//! It works on the parsed values, after quoting and structure are settled, so whatever a variable
//! holds stays one value: it can neither end a string nor add a key.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::document::{Document, Origin};
use super::problem::{PROBLEMS_MAX, Problem, brief};

/// Fills every value that stands in the file. Values from variables and flags are taken as they
/// are: whoever set them had a shell for that.
pub(super) fn fill(
    document: &mut Document,
    env: &BTreeMap<String, String>,
) -> Vec<(Origin, Problem)> {
    let mut filled = Vec::new();
    document.walk(&mut |path, value| {
        if let Some(text) = value.as_str().filter(|text| text.contains("${")) {
            filled.push((path.clone(), expand(text, env)));
        }
    });
    let mut problems = Vec::new();
    for (path, result) in filled {
        let origin = document.origin(&path);
        match (origin, result) {
            (Origin::Variable(_) | Origin::Flag(_), _) => {}
            (_, Ok(text)) => drop(document.replace(&path, Value::from(text))),
            (_, Err(_)) if problems.len() >= PROBLEMS_MAX => break,
            (origin, Err(message)) => {
                problems.push((origin, Problem::told(&path, &message)));
                document.drop_at(path);
            }
        }
    }
    problems
}

/// The error may end in "; " and a hint.
fn expand(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
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
            return Err("`${` has no closing `}`; write `$${` for a literal `${`".to_owned());
        };
        out.push_str(before);
        out.push_str(value(inner, env)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// As in a shell: the default also stands in for a variable that is empty.
fn value<'a>(inner: &'a str, env: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Err(format!(
            "`${{{}}}` names no variable; write ${{NAME}} or ${{NAME:-default}}, and `$${{` for a literal `${{`",
            brief(inner)
        ));
    }
    match (env.get(name).map(String::as_str), default) {
        (None | Some(""), Some(default)) => Ok(default),
        (Some(value), _) => Ok(value),
        (None, None) => Err(format!(
            "the environment variable `{name}` is not set; set it, or write ${{{name}:-default}}"
        )),
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
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
