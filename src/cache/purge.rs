//! An order to purge: what it aims at, and how it treats what it hits.

use super::ban::{Ban, Place};
use super::entry::Entry;
use super::key::Key;
use super::tags::{Mode, Slot, Target};

/// An order to purge. What it names adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    targets: Vec<Target>,
    bans: Vec<Ban>,
    mode: Mode,
    /// Those of the targets, sorted.
    slots: Vec<Slot>,
}

/// What a part of an order aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What carries a tag.
    Tag,
    /// One URL.
    Url,
    /// Everything of a host.
    Host,
    /// What begins with a path.
    Prefix,
    /// What looks like a pattern.
    Glob,
    /// Everything.
    All,
}

impl Order {
    /// An order to purge what is named here.
    #[must_use]
    pub fn new(targets: Vec<Target>, bans: Vec<Ban>, mode: Mode) -> Self {
        let mut slots: Vec<_> = targets.iter().flat_map(Target::slots).collect();
        slots.sort_unstable();
        slots.dedup();
        Self {
            targets,
            bans,
            mode,
            slots,
        }
    }

    /// The same where hosts make no difference ([`Target::of_any_host`]).
    #[must_use]
    pub fn of_any_host(self) -> Self {
        let targets = self.targets.into_iter().map(Target::of_any_host);
        let bans = self.bans.into_iter().map(Ban::of_any_host);
        Self::new(targets.collect(), bans.collect(), self.mode)
    }

    /// The slots to mark.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// What no slot can express.
    #[must_use]
    pub fn bans(&self) -> &[Ban] {
        &self.bans
    }

    /// How it treats what it hits.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How many things it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len() + self.bans.len()
    }

    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What each of the things that it names is.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        let targets = self.targets.iter().map(|target| match target {
            Target::Tag { .. } => Kind::Tag,
            Target::Url(_) => Kind::Url,
            Target::Host(_) => Kind::Host,
            Target::All => Kind::All,
        });
        targets.chain(self.bans.iter().map(|ban| match ban.is_glob() {
            true => Kind::Glob,
            false => Kind::Prefix,
        }))
    }

    /// Whether it hits what is stored under the key, as far as that was fetched before it. Says the
    /// same as the slots do, so that a stranger in the same slot counts as hit: it is.
    #[must_use]
    pub fn hits(&self, key: &Key, entry: &Entry) -> bool {
        let mut slots = entry.slots.iter();
        let by_slot = slots.any(|slot| self.slots.binary_search(slot).is_ok());
        if by_slot || self.bans.is_empty() {
            return by_slot;
        }
        let place = Place::of(key);
        self.bans.iter().any(|ban| ban.hits(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::entry::Entry;
    use crate::cache::tags::slots_for;
    use crate::cache::testing::{entry, key};

    fn tagged(path: &str, tags: &[&str]) -> Entry {
        let key = key(path);
        let tags: Vec<Box<str>> = tags.iter().map(|tag| (*tag).into()).collect();
        let mut entry = entry(&key, &[], "");
        entry.slots = slots_for(&key, &tags);
        entry
    }

    fn tag(host: Option<&str>, tag: &str) -> Target {
        Target::Tag {
            host: host.map(str::to_owned),
            tag: tag.to_owned(),
        }
    }

    #[test]
    fn what_an_order_hits() {
        let host = || Some("example.com");
        let cases: [(&str, Vec<Target>, Vec<Ban>, bool); 10] = [
            ("nothing", vec![], vec![], false),
            ("its tag", vec![tag(None, "a")], vec![], true),
            ("its tag on its host", vec![tag(host(), "a")], vec![], true),
            (
                "its tag on another host",
                vec![tag(Some("example.org"), "a")],
                vec![],
                false,
            ),
            (
                "one of several",
                vec![tag(None, "x"), tag(None, "b"), tag(None, "y")],
                vec![],
                true,
            ),
            ("its URL", vec![Target::Url(key("/a"))], vec![], true),
            ("another URL", vec![Target::Url(key("/b"))], vec![], false),
            ("everything", vec![Target::All], vec![], true),
            (
                "its beginning",
                vec![],
                vec![Ban::prefix(host(), "/")],
                true,
            ),
            (
                "another form",
                vec![tag(None, "x")],
                vec![Ban::glob(None, "/b/*")],
                false,
            ),
        ];
        let entry = tagged("/a", &["a", "b"]);
        for (case, targets, bans, expected) in cases {
            let order = Order::new(targets, bans, Mode::default());
            assert_eq!(order.hits(&key("/a"), &entry), expected, "{case}");
        }
    }

    #[test]
    fn kinds_are_told_apart() {
        let targets = vec![tag(None, "a"), Target::All, Target::Host("a".to_owned())];
        let bans = vec![Ban::glob(None, "/*"), Ban::prefix(None, "/")];
        let order = Order::new(targets, bans, Mode::Soft);
        let kinds: Vec<_> = order.kinds().collect();
        let expected = [Kind::Tag, Kind::All, Kind::Host, Kind::Glob, Kind::Prefix];
        assert_eq!((kinds, order.len()), (expected.to_vec(), 5));
    }
}
