//! Going through everything that is stored, a piece at a time: to remove what is of no more use, and
//! to list it.

use std::sync::Arc;

use quick_cache::DefaultHashBuilder;
use quick_cache::sync::Iter;

use super::{Bytes, Evictions, MemoryTier, Store};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;

/// The tier as it is now. What is stored later shows up too, unless the tier is given another size.
pub struct Contents(Arc<Store>);

/// A way through the contents that can pause anywhere; it holds a lock only while it takes a step.
pub struct Walk<'c>(Iter<'c, Key, Arc<Object>, Bytes, DefaultHashBuilder, Evictions>);

impl Contents {
    /// Begins to go through them, in no particular order. What is stored meanwhile may be missed.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk(self.0.iter())
    }
}

impl Iterator for Walk<'_> {
    type Item = (Key, Arc<Object>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// What a piece of a sweep has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Objects that were looked at.
    pub objects: usize,
    /// Variants that were removed.
    pub removed: usize,
    /// The walk is at its end.
    pub done: bool,
}

impl MemoryTier {
    /// What is stored, for a [`Walk`].
    #[must_use]
    pub fn contents(&self) -> Contents {
        Contents(self.store.load_full())
    }

    /// Takes up to `budget` steps of a walk and removes the variants that are `dead`. Nobody waits
    /// for longer than one step takes. Whoever sweeps pauses between calls.
    ///
    /// `dead` sees every variant, so that it can also compare each with the bans
    /// ([`Bans::retire`](crate::store::bans::Bans::retire)).
    pub fn sweep(
        &self,
        walk: &mut Walk<'_>,
        budget: usize,
        mut dead: impl FnMut(&Key, &Entry) -> bool,
    ) -> Swept {
        let mut swept = Swept::default();
        while swept.objects < budget {
            let Some((key, object)) = walk.next() else {
                swept.done = true;
                break;
            };
            swept.objects += 1;
            let mut judged = object.variants().iter().map(|entry| dead(&key, entry));
            // Every variant is judged, hence no `any`.
            if judged.by_ref().fold(false, |found, dead| found | dead) {
                drop(judged);
                // Judged anew, because a variant may have been replaced meanwhile.
                swept.removed += self.retain(&key, |entry| !dead(&key, entry));
            }
        }
        swept
    }

    /// The first `limit` variants that are `wanted`, of the first `objects_max` objects: for people
    /// who look, never for decisions.
    #[must_use]
    pub fn list(
        &self,
        limit: usize,
        objects_max: usize,
        mut wanted: impl FnMut(&Key, &Entry) -> bool,
    ) -> Vec<(Key, Arc<Entry>)> {
        let contents = self.contents();
        let variants = contents.walk().take(objects_max).flat_map(|(key, object)| {
            let variants = object.variants().to_vec();
            variants.into_iter().map(move |entry| (key.clone(), entry))
        });
        variants
            .filter(|(key, entry)| wanted(key, entry))
            .take(limit)
            .collect()
    }
}
