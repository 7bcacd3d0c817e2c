//! The configuration as it was written: scalars, lists and mappings, each knowing where it stands.
//!
//! Scalars stay text. What `5`, `on` or `10s` means is decided by the key that holds it, so that a
//! route may be called `404` and a token may be `007`.

use std::fmt;
use std::sync::Arc;

use super::yaml::brief;

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

/// One value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) data: Data,
    /// Set once a problem was reported here, so that reading again passes over it.
    pub(super) dropped: bool,
}

#[derive(Clone)]
pub(super) enum Data {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_origin: Origin,
    pub(super) node: Node,
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

/// The way from the root to a node; displayed as `routes[2].cache.ttl`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyPath(pub(super) Vec<Step>);

impl Node {
    pub(super) fn new(origin: Origin, data: Data) -> Self {
        Self {
            origin,
            data,
            dropped: false,
        }
    }

    /// What it is, in words for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Text(_) => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.data, step) {
            (Data::Map(entries), Step::Key(key)) => {
                entries.iter().find(|e| e.key == *key).map(|e| &e.node)
            }
            (Data::List(nodes), Step::Index(i)) => nodes.get(*i),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Node> {
        match (&mut self.data, step) {
            (Data::Map(entries), Step::Key(key)) => entries
                .iter_mut()
                .find(|e| e.key == *key)
                .map(|e| &mut e.node),
            (Data::List(nodes), Step::Index(i)) => nodes.get_mut(*i),
            _ => None,
        }
    }

    /// The node at `path`, dropped or not.
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Node> {
        path.0.iter().try_fold(self, Node::child)
    }

    /// The deepest node there is on the way to `path`, and how many steps lead to it.
    pub(super) fn nearest(&self, path: &KeyPath) -> (&Node, usize) {
        let mut node = self;
        for (taken, step) in path.0.iter().enumerate() {
            match node.child(step) {
                Some(child) => node = child,
                None => return (node, taken),
            }
        }
        (node, path.0.len())
    }

    /// Marks the node at `path` as told about; false when there is none.
    pub(super) fn drop_at(&mut self, path: &KeyPath) -> bool {
        match path
            .0
            .iter()
            .try_fold(self, |node, step| node.child_mut(step))
        {
            Some(node) => !std::mem::replace(&mut node.dropped, true),
            None => false,
        }
    }

    /// Whether nothing on the way to `path`, nor anything below it, was dropped: only then does the
    /// value that was read say what the file says.
    pub(super) fn is_sound(&self, path: &KeyPath) -> bool {
        let mut node = self;
        for step in &path.0 {
            if node.dropped {
                return false;
            }
            match node.child(step) {
                Some(child) => node = child,
                None => return true,
            }
        }
        node.is_whole()
    }

    fn is_whole(&self) -> bool {
        !self.dropped
            && match &self.data {
                Data::Null | Data::Text(_) => true,
                Data::List(nodes) => nodes.iter().all(Node::is_whole),
                Data::Map(entries) => entries.iter().all(|e| e.node.is_whole()),
            }
    }

    /// Calls `see` with every node and its path, parents first.
    pub(super) fn walk(&mut self, see: &mut impl FnMut(&KeyPath, &mut Node)) {
        fn go(node: &mut Node, path: &mut KeyPath, see: &mut impl FnMut(&KeyPath, &mut Node)) {
            see(path, node);
            match &mut node.data {
                Data::Null | Data::Text(_) => {}
                Data::List(nodes) => {
                    for (i, child) in nodes.iter_mut().enumerate() {
                        path.0.push(Step::Index(i));
                        go(child, path, see);
                        path.0.pop();
                    }
                }
                Data::Map(entries) => {
                    for entry in entries {
                        path.0.push(Step::Key(entry.key.clone()));
                        go(&mut entry.node, path, see);
                        path.0.pop();
                    }
                }
            }
        }
        go(self, &mut KeyPath::default(), see);
    }
}

impl KeyPath {
    /// The path of a key written with dots, such as `cache.max_ttl`.
    pub(super) fn of(dotted: &str) -> Self {
        Self(
            dotted
                .split('.')
                .map(|key| Step::Key(key.to_owned()))
                .collect(),
        )
    }

    /// The path of something below; `dotted` may hold several keys.
    pub(super) fn join(&self, dotted: &str) -> Self {
        let mut path = self.clone();
        path.0.extend(Self::of(dotted).0);
        path
    }

    /// The path of an element.
    pub(super) fn index(&self, i: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(i));
        path
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(n) => write!(f, "[{n}]")?,
                Step::Key(key) if i == 0 => f.write_str(&brief(key))?,
                Step::Key(key) => write!(f, ".{}", brief(key))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(data: Data) -> Node {
        Node::new(Origin::File { line: 1, column: 1 }, data)
    }

    fn sample() -> Node {
        let ttl = Entry {
            key: "ttl".into(),
            key_origin: Origin::Flag("test"),
            node: node(Data::Text("1s".into())),
        };
        let routes = Entry {
            key: "routes".into(),
            key_origin: Origin::Flag("test"),
            node: node(Data::List(vec![
                node(Data::Null),
                node(Data::Map(vec![ttl])),
            ])),
        };
        node(Data::Map(vec![routes]))
    }

    #[test]
    fn paths_read_like_code() {
        let path = KeyPath::of("routes").index(1).join("cache.ttl");
        assert_eq!(path.to_string(), "routes[1].cache.ttl");
    }

    #[test]
    fn what_was_dropped_taints_what_holds_it_and_what_it_holds() {
        let mut root = sample();
        let route = KeyPath::of("routes").index(1);
        assert!(root.is_sound(&route.join("ttl")));
        assert!(root.drop_at(&route.join("ttl")));
        assert!(
            !root.drop_at(&route.join("ttl")),
            "a second time tells that nothing changed"
        );
        for (path, sound) in [
            (route.join("ttl"), false),
            (route.clone(), false),
            (KeyPath::of("routes"), false),
            (KeyPath::of("routes").index(0), true),
            (route.join("tags"), true),
            (KeyPath::of("cache"), true),
        ] {
            assert_eq!(root.is_sound(&path), sound, "{path}");
        }
    }

    #[test]
    fn the_nearest_node_stands_in_for_a_missing_one() {
        let root = sample();
        let (found, steps) = root.nearest(&KeyPath::of("routes").index(1).join("cache.ttl"));
        assert_eq!((found.kind(), steps), ("a mapping", 2));
    }
}
