//! The configuration as it was written: a [`Value`], where each part of it stands, and which parts
//! were found wrong.
//!
//! Scalars are text. What `5`, `on` or `10s` means is decided by the key that holds it, so that a
//! route may be called `404` and a token may be `007`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_yaml::{Mapping, Value};

use super::path::{KeyPath, Step};

/// Where a piece of configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Line and column in the file, from 1.
    File { line: usize, column: usize },
    /// An environment variable, by name.
    Variable(Arc<str>),
    /// A command-line flag.
    Flag(&'static str),
}

/// Where a value stands, and its key. An element of a list stands for its own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) value: Origin,
    pub(super) key: Origin,
}

/// Values and their places. Problems are remembered beside the values rather than by taking these
/// out, so that a path always means what it means in the file.
#[derive(Debug)]
pub(super) struct Document {
    value: Value,
    /// What has no place of its own came with what holds it.
    places: HashMap<KeyPath, Place>,
    dropped: BTreeSet<KeyPath>,
}

impl Document {
    pub(super) fn new(value: Value, places: HashMap<KeyPath, Place>) -> Self {
        Self {
            value,
            places,
            dropped: BTreeSet::new(),
        }
    }

    /// A mapping without keys.
    pub(super) fn empty() -> Self {
        Self::new(Value::Mapping(Mapping::new()), HashMap::new())
    }

    pub(super) fn root(&self) -> &Value {
        &self.value
    }

    pub(super) fn into_root(self) -> Value {
        self.value
    }

    /// The value at `path`, dropped or not.
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Value> {
        path.0.iter().try_fold(&self.value, child)
    }

    /// The deepest value there is on the way to `path`, and how many steps lead to it.
    pub(super) fn nearest(&self, path: &KeyPath) -> (&Value, usize) {
        let mut value = &self.value;
        for (taken, step) in path.0.iter().enumerate() {
            match child(value, step) {
                Some(child) => value = child,
                None => return (value, taken),
            }
        }
        (value, path.0.len())
    }

    /// Where the value at `path` stands.
    pub(super) fn origin(&self, path: &KeyPath) -> Origin {
        self.place(path).value
    }

    /// Where the key of the value at `path` stands.
    pub(super) fn key_origin(&self, path: &KeyPath) -> Origin {
        self.place(path).key
    }

    fn place(&self, path: &KeyPath) -> Place {
        let start = Origin::File { line: 1, column: 1 };
        let known = (0..=path.0.len())
            .rev()
            .find_map(|steps| self.places.get(&path.first(steps)));
        known.cloned().unwrap_or(Place {
            value: start.clone(),
            key: start,
        })
    }

    /// Puts a value that came from `origin` at `path`. What holds it must be there.
    pub(super) fn put(&mut self, path: KeyPath, value: Value, origin: &Origin) {
        self.places
            .retain(|other, _| *other == path || !other.is_in(&path));
        let origin = || origin.clone();
        self.places
            .entry(path.clone())
            .and_modify(|place| place.value = origin())
            .or_insert_with(|| Place {
                value: origin(),
                key: origin(),
            });
        *self.slot(&path) = value;
    }

    /// Replaces the value at `path`, which stays where it stands, and returns what it was.
    pub(super) fn replace(&mut self, path: &KeyPath, value: Value) -> Value {
        std::mem::replace(self.slot(path), value)
    }

    fn slot(&mut self, path: &KeyPath) -> &mut Value {
        path.0
            .iter()
            .fold(&mut self.value, |value, step| match (value, step) {
                (Value::Sequence(list), Step::Index(i)) => {
                    if *i == list.len() {
                        list.push(Value::Null);
                    }
                    &mut list[*i]
                }
                (Value::Mapping(map), Step::Key(key)) => {
                    map.entry(Value::from(key.as_str())).or_insert(Value::Null)
                }
                _ => panic!("no value is put below a scalar"),
            })
    }

    /// Remembers that the value at `path` was found wrong.
    pub(super) fn drop_at(&mut self, path: KeyPath) {
        self.dropped.insert(path);
    }

    pub(super) fn is_dropped(&self, path: &KeyPath) -> bool {
        self.dropped.contains(path)
    }

    /// Whether nothing on the way to `path`, nor anything below it, was dropped: only then does the
    /// value that was read say what the file says.
    pub(super) fn is_sound(&self, path: &KeyPath) -> bool {
        !self
            .dropped
            .iter()
            .any(|gone| gone.is_in(path) || path.is_in(gone))
    }

    /// The value without what was dropped.
    pub(super) fn remaining(&self) -> Value {
        let mut value = self.value.clone();
        // From the last to the first, so that the indexes of those to come stay what they are.
        for path in self.dropped.iter().rev() {
            remove(&mut value, path);
        }
        value
    }

    /// The path of the `nth` element of a list that was not dropped.
    pub(super) fn remaining_element(&self, list: &KeyPath, mut nth: usize) -> KeyPath {
        // In ascending order: each dropped element moves those behind it by one.
        for gone in &self.dropped {
            match gone.0.split_last() {
                Some((Step::Index(i), parents)) if parents == list.0 && *i <= nth => nth += 1,
                _ => {}
            }
        }
        list.index(nth)
    }

    /// The path here of what is at `path` in [`Self::remaining`].
    pub(super) fn written(&self, path: &KeyPath) -> KeyPath {
        let root = KeyPath::default();
        path.0.iter().fold(root, |written, step| match step {
            Step::Index(nth) => self.remaining_element(&written, *nth),
            Step::Key(_) => written.child(step.clone()),
        })
    }

    /// Calls `see` with every value and its path, parents first.
    pub(super) fn walk(&self, see: &mut impl FnMut(&KeyPath, &Value)) {
        fn go(value: &Value, path: &mut KeyPath, see: &mut impl FnMut(&KeyPath, &Value)) {
            see(path, value);
            let mut below = |step, child| {
                path.0.push(step);
                go(child, path, see);
                path.0.pop();
            };
            match value {
                Value::Sequence(list) => {
                    for (i, child) in list.iter().enumerate() {
                        below(Step::Index(i), child);
                    }
                }
                Value::Mapping(map) => {
                    for (key, child) in map {
                        let key = key.as_str().unwrap_or_default();
                        below(Step::Key(key.to_owned()), child);
                    }
                }
                _ => {}
            }
        }
        go(&self.value, &mut KeyPath::default(), see);
    }
}

fn child<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match step {
        Step::Index(i) => value.get(i),
        Step::Key(key) => value.get(key),
    }
}

/// Takes out the value at `path`; false when there is none.
pub(super) fn remove(value: &mut Value, path: &KeyPath) -> bool {
    let Some((last, parents)) = path.0.split_last() else {
        return false;
    };
    let parent = parents.iter().try_fold(value, |value, step| match step {
        Step::Index(i) => value.get_mut(i),
        Step::Key(key) => value.get_mut(key),
    });
    match (parent, last) {
        (Some(Value::Sequence(list)), Step::Index(i)) if *i < list.len() => {
            list.remove(*i);
            true
        }
        (Some(Value::Mapping(map)), Step::Key(key)) => map.remove(key).is_some(),
        _ => false,
    }
}

/// What a value is, in words for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        _ => "a single value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Document {
        let value = serde_yaml::from_str("routes: [x, {ttl: 1s}, y]").unwrap();
        Document::new(value, HashMap::new())
    }

    fn routes(i: usize) -> KeyPath {
        KeyPath::of("routes").index(i)
    }

    #[test]
    fn what_was_dropped_taints_what_holds_it_and_what_it_holds() {
        let mut document = sample();
        let route = routes(1);
        assert!(document.is_sound(&route.join("ttl")));
        document.drop_at(route.join("ttl"));
        for (path, sound) in [
            (route.join("ttl"), false),
            (route.clone(), false),
            (KeyPath::of("routes"), false),
            (routes(0), true),
            (route.join("tags"), true),
            (KeyPath::of("cache"), true),
        ] {
            assert_eq!(document.is_sound(&path), sound, "{path}");
        }
    }

    #[test]
    fn what_remains_keeps_the_paths_of_the_file() {
        let mut document = sample();
        document.drop_at(routes(0));
        document.drop_at(routes(1).join("ttl"));
        let expected: Value = serde_yaml::from_str("routes: [{}, y]").unwrap();
        assert_eq!(document.remaining(), expected);
        for (read, written) in [(0, 1), (1, 2), (2, 3)] {
            assert_eq!(document.written(&routes(read)), routes(written));
        }
    }

    #[test]
    fn the_nearest_value_stands_in_for_a_missing_one() {
        let document = sample();
        let (found, steps) = document.nearest(&routes(1).join("cache.ttl"));
        assert_eq!((kind(found), steps), ("a mapping", 2));
    }

    #[test]
    fn what_is_put_takes_its_place_along() {
        let mut document = sample();
        let variable = Origin::Variable("V".into());
        document.put(routes(1), Value::from("z"), &variable);
        assert_eq!(document.origin(&routes(1).join("ttl")), variable);
        assert_eq!(
            document.origin(&routes(2)),
            Origin::File { line: 1, column: 1 }
        );
        assert_eq!(document.get(&routes(1)), Some(&Value::from("z")));
    }
}
