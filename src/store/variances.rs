//! What apps have said about their queries (`No-Vary-Search`), by path: which query parameters make no
//! difference is in an answer, but is needed before it is looked up.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::cache::key::Key;
use crate::cache::search::Variance;

/// Paths that are remembered. One that is forgotten costs a fetch, after which it is known again.
const PATHS_MAX: usize = 4_096;

/// The last word of the app for each path.
#[derive(Debug)]
pub struct Variances(Cache<u128, Arc<Variance>>);

impl Variances {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::new(PATHS_MAX))
    }

    /// The key under which the answer to a URL may be stored: that of all queries which are known to
    /// have the same answer, or `exact`.
    #[must_use]
    pub fn key(&self, exact: Key) -> Key {
        match self.0.get(&exact.of_path()) {
            Some(variance) => exact.searched(&variance),
            None => exact,
        }
    }

    /// Takes in what an answer says; gives the key under which it is stored.
    pub fn learn(&self, exact: &Key, said: Option<Variance>) -> Key {
        let path = exact.of_path();
        let Some(variance) = said else {
            self.0.remove(&path);
            return exact.clone();
        };
        let key = exact.searched(&variance);
        self.0.insert(path, Arc::new(variance));
        key
    }
}

impl Default for Variances {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Variances;
    use crate::cache::key::{Key, QueryRule};
    use crate::cache::search::Variance;
    use crate::cache::testing::headers;

    fn key(path: &str, query: &str) -> Key {
        Key::new("http", "a.org", path, Some(query), &QueryRule::default())
    }

    #[test]
    fn the_last_word_of_a_path_counts_for_all_its_queries() {
        let variances = Variances::new();
        let said = |field| Variance::of(&headers(&[("no-vary-search", field)]));
        let stored = variances.learn(&key("/a", "q=1&x=1"), said("params=(\"x\")"));
        assert_eq!(variances.key(key("/a", "x=2&q=1")), stored);
        assert_ne!(variances.key(key("/a", "q=2")), stored);
        assert_ne!(
            key("/a", "q=1"),
            stored,
            "what is stored for one query alone"
        );
        assert_eq!(variances.key(key("/b", "x=2")), key("/b", "x=2"));
        let other = variances.learn(&key("/a", "q=1"), said("params=(\"y\")"));
        assert_ne!(other, stored, "what is stored by another word");
        assert_eq!(variances.learn(&key("/a", "q=1"), None), key("/a", "q=1"));
        assert_eq!(variances.key(key("/a", "q=1&x")), key("/a", "q=1&x"));
    }
}
