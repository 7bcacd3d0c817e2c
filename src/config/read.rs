//! From a [`Document`] to the model, through `serde_yaml`. It stops at the first error, so what was
//! found wrong is set aside and the rest read again, until every problem of a file is told.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::document::{Document, Origin, kind, remove};
use super::overlay::variable_of;
use super::path::{KeyPath, Step};
use super::problem::{PROBLEMS_MAX, Problem, brief};

/// Reads `T` out of the document, in which each value at fault is reported and marked as dropped.
pub(super) fn read<T: DeserializeOwned + Default>(
    document: &mut Document,
) -> (T, Vec<(Origin, Problem)>) {
    let mut problems = Vec::new();
    let mut remaining = document.remaining();
    while problems.len() < PROBLEMS_MAX {
        let error = match serde_path_to_error::deserialize(&remaining) {
            Ok(value) => return (value, problems),
            Err(error) => error,
        };
        let found = key_path(error.path());
        let path = document.written(&found);
        problems.push(explain(document, &path, &error.inner().to_string()));
        document.drop_at(path);
        if !remove(&mut remaining, &found) {
            break;
        }
    }
    (T::default(), problems)
}

fn key_path(path: &serde_path_to_error::Path) -> KeyPath {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    KeyPath(path.iter().filter_map(step).collect())
}

/// Says in words of YAML what serde says in words of Rust. Our own readers already do.
fn explain(document: &Document, path: &KeyPath, error: &str) -> (Origin, Problem) {
    let (told, expected) = error.rsplit_once(", expected ").unwrap_or((error, ""));
    if told.starts_with("unknown field `") {
        let origin = document.key_origin(path);
        let hint = key_hint(path, &origin, &words(expected));
        return (origin, Problem::told(path, "unknown key").hint(hint));
    }
    let value = document.get(path).unwrap_or(&Value::Null);
    let problem = if told.starts_with("unknown variant `") {
        let (known, found) = (words(expected), value.as_str().unwrap_or_default());
        let message = format!(
            "expected one of {}, found `{}`",
            known.join(", "),
            brief(found)
        );
        let problem = Problem::new(path.to_string(), message);
        match nearest(found, known) {
            Some(word) => problem.hint(format!("did you mean \"{word}\"?")),
            None => problem,
        }
    } else if told.starts_with("invalid type: ") {
        let expected = match expected {
            "a sequence" => "a list",
            "a string" => "text",
            "a Value::Tagged enum" => "a single word",
            _ if expected.starts_with("struct ") => "a mapping",
            ours => ours,
        };
        let message = format!("expected {expected}, found {}", kind(value));
        Problem::new(path.to_string(), message)
    } else {
        Problem::told(path, error)
    };
    (document.origin(path), problem)
}

/// The words in backticks.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The key that was meant, in the notation of the place where the slip was made.
fn key_hint(path: &KeyPath, origin: &Origin, known: &[&str]) -> String {
    let near = match path.0.last() {
        Some(Step::Key(key)) => nearest(key, known.iter().copied()),
        _ => None,
    };
    match (near, origin) {
        (None, _) => format!("known here: {}", known.join(", ")),
        (Some(key), Origin::Variable(_)) => {
            format!(
                "did you mean \"{}\"?",
                variable_of(&path.parent().join(key))
            )
        }
        (Some(key), _) => format!("did you mean \"{key}\"?"),
    }
}

/// The known word nearest to `found`, if it is near enough to be a slip of the finger.
fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
