//! The way to a value, as people write it: `routes[2].cache.ttl`.

use std::fmt;

use super::problem::brief;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

/// The way from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyPath(pub(super) Vec<Step>);

impl KeyPath {
    /// The path of a key written with dots, such as `cache.max_ttl`.
    pub(super) fn of(dotted: &str) -> Self {
        Self::default().join(dotted)
    }

    /// The path of something below; `dotted` may hold several keys.
    pub(super) fn join(&self, dotted: &str) -> Self {
        let mut path = self.clone();
        let keys = dotted.split('.').map(|key| Step::Key(key.to_owned()));
        path.0.extend(keys);
        path
    }

    /// The path of an element.
    pub(super) fn index(&self, i: usize) -> Self {
        self.child(Step::Index(i))
    }

    /// The path of what one step leads to.
    pub(super) fn child(&self, step: Step) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    /// The path of what holds it; the root's is the root's own.
    pub(super) fn parent(&self) -> Self {
        self.first(self.0.len().saturating_sub(1))
    }

    /// Its first steps.
    pub(super) fn first(&self, steps: usize) -> Self {
        Self(self.0[..steps].to_vec())
    }

    /// Whether it is `other` or lies below it.
    pub(super) fn is_in(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
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

    #[test]
    fn paths_read_like_code() {
        let path = KeyPath::of("routes").index(1).join("cache.ttl");
        assert_eq!(path.to_string(), "routes[1].cache.ttl");
        assert_eq!(path.parent().parent().to_string(), "routes[1]");
        assert!(path.is_in(&KeyPath::of("routes")) && !path.is_in(&KeyPath::of("cache")));
    }
}
