//! Serde over a [`Node`] tree: errors know their place, and reading goes on behind an error so that
//! every problem of a file is told at once.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::overlay::variable_of;
use super::problem::Problem;
use super::tree::{Data, Entry, KeyPath, Node, Origin, Step};
use super::yaml::brief;

/// A file with more problems than this is not the file that was meant.
pub(super) const PROBLEMS_MAX: usize = 100;

/// An error of one node, placed by the innermost reader that it passes.
#[derive(Debug)]
pub(super) struct Error {
    message: String,
    hint: Option<String>,
    /// A known key that was probably meant.
    near_key: Option<&'static str>,
    place: Option<(Origin, KeyPath)>,
}

/// Reads `T` out of the tree. Each node at fault is reported, marked as dropped and passed over.
pub(super) fn read<T: DeserializeOwned + Default>(root: &mut Node) -> (T, Vec<(Origin, Problem)>) {
    let mut problems = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let error = match T::deserialize(De {
            node: root,
            path: Path::Root,
        }) {
            Ok(value) => return (value, problems),
            Err(error) => error,
        };
        let (origin, path) = error
            .place
            .unwrap_or_else(|| (root.origin.clone(), KeyPath::default()));
        let near = error
            .near_key
            .map(|key| format!("did you mean \"{}\"?", sibling(key, &origin, &path)));
        let hint = near.or(error.hint);
        let problem = Problem {
            hint,
            ..Problem::new(path.to_string(), error.message)
        };
        problems.push((origin, problem));
        if !root.drop_at(&path) {
            break;
        }
    }
    (T::default(), problems)
}

/// The key next to `path`, in the notation of the place where the slip was made.
fn sibling(key: &str, origin: &Origin, path: &KeyPath) -> String {
    let Origin::Variable(_) = origin else {
        return key.to_owned();
    };
    let parent = KeyPath(path.0[..path.0.len().saturating_sub(1)].to_vec());
    variable_of(&parent.join(key))
}

/// The known word nearest to `found`, if it is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = found.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The way down to a node, on the stack of the readers.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn owned(&self) -> KeyPath {
        let (parent, step) = match self {
            Path::Root => return KeyPath::default(),
            Path::Key(parent, key) => (parent, Step::Key((*key).to_owned())),
            Path::Index(parent, i) => (parent, Step::Index(*i)),
        };
        let mut path = parent.owned();
        path.0.push(step);
        path
    }
}

/// The reader of one node.
#[derive(Clone, Copy)]
struct De<'t, 'p> {
    node: &'t Node,
    path: Path<'p>,
}

impl<'t> De<'t, '_> {
    fn place<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|e| e.at(&self.node.origin, &self.path))
    }

    fn expected<T>(&self, what: &str) -> Result<T, Error> {
        self.place(Err(Error::new(format!(
            "expected {what}, found {}",
            self.node.kind()
        ))))
    }

    fn text(&self, what: &str) -> Result<&'t str, Error> {
        match &self.node.data {
            Data::Text(text) => Ok(text),
            _ => self.expected(what),
        }
    }

    fn seq<V: Visitor<'t>>(&self, nodes: &'t [Node], visitor: V) -> Result<V::Value, Error> {
        let mut seq = Seq {
            nodes: nodes.iter().enumerate(),
            path: &self.path,
        };
        self.place(visitor.visit_seq(&mut seq))
    }

    fn map<V: Visitor<'t>>(&self, entries: &'t [Entry], visitor: V) -> Result<V::Value, Error> {
        let mut map = Map {
            entries: entries.iter(),
            value: None,
            path: &self.path,
        };
        self.place(visitor.visit_map(&mut map))
    }
}

impl<'de> de::Deserializer<'de> for De<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.data {
            Data::Null => self.place(visitor.visit_unit()),
            Data::Text(text) => self.place(visitor.visit_borrowed_str(text)),
            Data::List(nodes) => self.seq(nodes, visitor),
            Data::Map(entries) => self.map(entries, visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text("a whole number")?;
        self.place(whole_number(text).and_then(|n| visitor.visit_u64(n)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.data {
            Data::Null => self.place(visitor.visit_none()),
            _ => self.place(visitor.visit_some(self)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.data {
            Data::List(nodes) => self.seq(nodes, visitor),
            // A key whose elements are all commented out.
            Data::Null => self.seq(&[], visitor),
            _ => self.expected("a list"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.data {
            Data::Map(entries) => self.map(entries, visitor),
            // A section whose keys are all commented out.
            Data::Null => self.map(&[], visitor),
            _ => self.expected("a mapping"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.text(&format!("one of {}", variants.join(", ")))?;
        self.place(visitor.visit_enum(text.into_deserializer()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.place(visitor.visit_newtype_struct(self))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text("text")?;
        self.place(visitor.visit_borrowed_str(text))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.place(visitor.visit_unit())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str bytes byte_buf
        unit unit_struct tuple tuple_struct map identifier
    }
}

fn whole_number(text: &str) -> Result<u64, Error> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let why = match text.strip_prefix('-') {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
                "must not be negative"
            }
            _ if digits => "is too large",
            _ => "is not a whole number",
        };
        Error::new(format!("`{}` {why}", brief(text)))
    })
}

struct Seq<'t, 'p> {
    nodes: std::iter::Enumerate<std::slice::Iter<'t, Node>>,
    path: &'p Path<'p>,
}

impl<'t> de::SeqAccess<'t> for Seq<'t, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some((i, node)) = self.nodes.by_ref().find(|(_, node)| !node.dropped) else {
            return Ok(None);
        };
        let de = De {
            node,
            path: Path::Index(self.path, i),
        };
        de.place(seed.deserialize(de)).map(Some)
    }
}

struct Map<'t, 'p> {
    entries: std::slice::Iter<'t, Entry>,
    value: Option<&'t Entry>,
    path: &'p Path<'p>,
}

impl<'t> de::MapAccess<'t> for Map<'t, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.entries.by_ref().find(|entry| !entry.node.dropped) else {
            return Ok(None);
        };
        self.value = Some(entry);
        let key: de::value::BorrowedStrDeserializer<'t, Error> =
            de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key)
            .map_err(|e| e.at(&entry.key_origin, &Path::Key(self.path, &entry.key)))
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let entry = self
            .value
            .take()
            .expect("serde asks for the key before its value");
        let de = De {
            node: &entry.node,
            path: Path::Key(self.path, &entry.key),
        };
        de.place(seed.deserialize(de))
    }
}

impl Error {
    fn new(message: String) -> Self {
        Self {
            message,
            hint: None,
            near_key: None,
            place: None,
        }
    }

    /// Keeps the innermost place.
    fn at(mut self, origin: &Origin, path: &Path<'_>) -> Self {
        self.place
            .get_or_insert_with(|| (origin.clone(), path.owned()));
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // A unit's parser separates what is wrong from what would be right by "; ".
        let text = message.to_string();
        match text.split_once("; ") {
            Some((message, hint)) => Self {
                hint: Some(hint.to_owned()),
                ..Self::new(message.to_owned())
            },
            None => Self::new(text),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Unit => "nothing",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a mapping",
            _ => "a single value",
        };
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            hint: Some(format!("known here: {}", expected.join(", "))),
            near_key: nearest(field, expected.iter().copied()),
            ..Self::new("unknown key".to_owned())
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.join(", ");
        let near = nearest(variant, expected.iter().copied());
        Self {
            hint: near.map(|word| format!("did you mean \"{word}\"?")),
            ..Self::new(format!(
                "expected one of {known}, found `{}`",
                brief(variant)
            ))
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
