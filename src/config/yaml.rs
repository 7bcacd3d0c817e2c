//! From YAML text to a [`Document`]: `serde_yaml` reads the values, and the index of positions tells
//! it what to expect where, so that every scalar comes out as the text that was written.

use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_yaml::{Mapping, Value};

use super::document::{Document, Origin};
use super::index::{Broken, End, Index, Shape};
use super::path::{KeyPath, Step};
use super::problem::Problem;

/// `serde_yaml` takes the square of the depth, which nobody bounds in a text that is broken.
const BRACKETS_MAX: usize = 20_000;

/// What could be read: the values unless the syntax is broken, and what is wrong.
pub(super) struct Parsed {
    pub(super) document: Option<Document>,
    pub(super) problems: Vec<(Origin, Problem)>,
}

/// Reads one document.
pub(super) fn parse(text: &str) -> Parsed {
    let index = Index::of(text);
    let read = values(text, &index);
    let mut problems = index.problems;
    let document = match read {
        Ok(value) => value.map(|value| {
            let places = index.spots.into_iter();
            Document::new(
                value,
                places.map(|(path, (_, place))| (path, place)).collect(),
            )
        }),
        Err(broken) => {
            problems.push(syntax_problem(text, &broken));
            None
        }
    };
    Parsed { document, problems }
}

fn values(text: &str, index: &Index) -> Result<Option<Value>, Broken> {
    let root = At {
        index,
        path: KeyPath::default(),
    };
    match &index.end {
        // It may be an attack on whoever reads on.
        End::Refused => Ok(None),
        // The words are those of `serde_yaml`, unless it finds nothing wrong.
        End::Broken(own) => Err(match first_error(text) {
            Some(error) => in_words(&error, (own.line, own.column)),
            None => own.clone(),
        }),
        // Nothing but comments is a mapping without keys.
        End::Complete if matches!(index.shape(&root.path), None | Some(Shape::Null)) => {
            Ok(Some(Value::Mapping(Mapping::new())))
        }
        End::Complete => root
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .map(Some)
            .map_err(|error| in_words(&error, (1, 1))),
    }
}

fn first_error(text: &str) -> Option<serde_yaml::Error> {
    let brackets = text.bytes().filter(|b| matches!(b, b'[' | b'{')).count();
    if brackets > BRACKETS_MAX {
        return None;
    }
    // Asked for one document it only says that there are more, so it is asked for each.
    serde_yaml::Deserializer::from_str(text)
        .find_map(|document| IgnoredAny::deserialize(document).err())
}

/// Errors about single characters do not know their place; they stand where `otherwise` says.
fn in_words(error: &serde_yaml::Error, otherwise: (usize, usize)) -> Broken {
    let (line, column) = error
        .location()
        .filter(|at| at.index() > 0)
        .map_or(otherwise, |at| (at.line(), at.column()));
    // The place is shown in front of every problem.
    let place = format!(" at line {line} column {column}");
    let why = error.to_string().replacen(&place, "", 1);
    Broken { line, column, why }
}

fn syntax_problem(text: &str, broken: &Broken) -> (Origin, Problem) {
    let Broken { line, column, why } = broken;
    let (line, column) = (*line, *column);
    let problem = Problem::new("", format!("not valid YAML: {why}"));
    // The parser may notice a bad indentation or quote only on the line below it.
    let lines = || text.lines().skip(line.saturating_sub(2)).take(2);
    let indent_has_tab = |l: &str| l[..l.len() - l.trim_start().len()].contains('\t');
    let unquoted = |l: &str| {
        let value = l
            .split_once(": ")
            .map_or(l.trim_start_matches([' ', '-']), |(_, v)| v);
        value
            .trim_start()
            .starts_with(['*', '&', '%', '@', '`', '!'])
    };
    let problem = if lines().any(indent_has_tab) {
        problem.hint("indent with spaces, not tabs")
    } else if lines().any(unquoted) {
        problem.hint("put quotes around a value that begins with one of * & % @ ` !")
    } else {
        problem
    };
    (Origin::File { line, column }, problem)
}

/// The value at a path.
struct At<'i> {
    index: &'i Index,
    path: KeyPath,
}

impl At<'_> {
    fn below(&self, step: Step) -> Self {
        Self {
            path: self.path.child(step),
            ..*self
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.index.shape(&self.path) {
            None | Some(Shape::Null) => IgnoredAny::deserialize(deserializer).map(|_| Value::Null),
            Some(Shape::Text) => String::deserialize(deserializer).map(Value::String),
            Some(Shape::List) => deserializer.deserialize_seq(self),
            Some(Shape::Map) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> de::Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or mapping")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self.below(Step::Index(list.len())))? {
            list.push(value);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut mapping = Mapping::new();
        while let Some(key) = map.next_key::<String>()? {
            // Both were reported; of a key that is set twice the first counts.
            if key == "<<" || mapping.contains_key(&key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(self.below(Step::Key(key.clone())))?;
            mapping.insert(Value::String(key), value);
        }
        Ok(Value::Mapping(mapping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_value_and_of_the_key() {
        let parsed = parse("a: 1\nb:\n  - x\n  - {c: \"y\"}\n");
        assert!(parsed.problems.is_empty());
        let document = parsed.document.unwrap();
        let (b, at) = (KeyPath::of("b"), |line, column| Origin::File {
            line,
            column,
        });
        assert_eq!(document.origin(&KeyPath::of("a")), at(1, 4));
        assert_eq!(document.origin(&b.index(0)), at(3, 5));
        assert_eq!(document.origin(&b.index(1).join("c")), at(4, 9));
        assert_eq!(document.key_origin(&b), at(2, 1));
    }

    #[test]
    fn what_is_not_a_plain_tree_is_refused_where_it_stands() {
        let cases = [
            (
                "duplicate",
                "a: 1\nb: 2\na: 3\n",
                "3:1 the key `a` is already set in line 1",
            ),
            ("anchor", "a: &x 1\n", "1:4 anchors"),
            ("alias", "a: &x 1\nb: *x\n", "2:4 aliases"),
            ("alias as key", "a: &x k\n*x : 2\n", "2:1 aliases"),
            ("merge key", "a: {}\nb:\n  <<: {c: 1}\n", "3:3 merge keys"),
            ("tag", "a: !!str 5\n", "1:4 tags"),
            (
                "second document",
                "a: 1\n---\nb: 2\n",
                "2:1 a second document",
            ),
            (
                "list as key",
                "? [a]\n: b\n",
                "1:3 a list or mapping cannot be a key",
            ),
            ("tab", "a:\n\tb: 1\n", "not valid YAML"),
            ("unclosed", "a: [1, 2\n", "not valid YAML"),
            (
                "two roots",
                "{a: 1}\nb: 2\n",
                "2:1 did not find expected <document start>",
            ),
            (
                "broken, then deep",
                &format!("a: @\n{}", "[".repeat(30_000)),
                "1:4 not valid YAML",
            ),
            ("glob", "host: *.example.org\n", "put quotes around"),
            (
                "deep block",
                &deep("- ", 40),
                "nested more than 32 levels deep",
            ),
            (
                "deep flow",
                &"[".repeat(40),
                "nested more than 32 levels deep",
            ),
            (
                "very deep flow",
                &"[".repeat(5000),
                "nested more than 32 levels deep",
            ),
        ];
        for (case, text, expected) in cases {
            let all: Vec<_> = parse(text)
                .problems
                .iter()
                .map(|(origin, p)| match origin {
                    Origin::File { line, column } => format!("{line}:{column} {p}"),
                    _ => unreachable!("{case}"),
                })
                .collect();
            let fits = |p: &String| match expected.split_once(' ') {
                Some((place, words)) if place.contains(':') => {
                    p.starts_with(place) && p.contains(words)
                }
                _ => p.contains(expected),
            };
            assert!(all.iter().any(fits), "{case}: {all:?}");
        }
    }

    fn deep(step: &str, levels: usize) -> String {
        step.repeat(levels) + "x"
    }

    fn value(text: &str, path: &KeyPath) -> Option<Value> {
        parse(text).document.unwrap().get(path).cloned()
    }

    #[test]
    fn a_duplicate_keeps_the_first_value() {
        let text = "a: 1\na: {b: [2]}\nc: 3\n";
        assert_eq!(value(text, &KeyPath::of("a")), Some(Value::from("1")));
        assert_eq!(value(text, &KeyPath::of("c")), Some(Value::from("3")));
    }

    #[test]
    fn scalars_stay_text() {
        for (text, expected) in [
            ("a: 007", "007"),
            ("a: on", "on"),
            ("a: 1e3", "1e3"),
            ("a: \"\"", ""),
            ("a: '~'", "~"),
            ("a: |\n  x\n  y\n", "x\ny\n"),
        ] {
            let found = value(text, &KeyPath::of("a"));
            assert_eq!(found, Some(Value::from(expected)), "{text}");
        }
        for text in ["a:", "a: ~", "a: null"] {
            assert_eq!(value(text, &KeyPath::of("a")), Some(Value::Null), "{text}");
        }
    }
}
