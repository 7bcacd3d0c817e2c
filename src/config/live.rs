//! The snapshot in force, and how the last attempt to replace it went.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::snapshot::Snapshot;

/// The snapshot in force and how it came to be.
pub struct Live {
    current: ArcSwap<Snapshot>,
    status: Mutex<(ReloadStatus, u64)>,
}

/// How the last attempt to load went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Whether the last attempt was taken over.
    pub successful: bool,
    /// Counts the snapshots in force, from 1.
    pub generation: u64,
    /// When the snapshot in force was loaded.
    pub loaded_at: SystemTime,
    /// What was wrong with the last attempt.
    pub error: Option<String>,
    /// Keys whose new values wait for a restart.
    pub pending_restart: Vec<&'static str>,
}

impl Live {
    /// Puts the first snapshot in force. `digest` is that of the input it was made from.
    #[must_use]
    pub fn new(snapshot: Snapshot, digest: u64) -> Arc<Self> {
        let status = ReloadStatus {
            successful: true,
            generation: 1,
            loaded_at: SystemTime::now(),
            error: None,
            pending_restart: Vec::new(),
        };
        Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            status: Mutex::new((status, digest)),
        })
    }

    /// The snapshot in force, for a short look.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The snapshot in force, to keep.
    #[must_use]
    pub fn full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How the last attempt to load went.
    #[must_use]
    pub fn status(&self) -> ReloadStatus {
        self.locked().0.clone()
    }

    /// The digest of the input that was last tried.
    pub(super) fn digest(&self) -> u64 {
        self.locked().1
    }

    /// Puts `new` in force and returns what was.
    pub(super) fn publish(
        &self,
        new: Arc<Snapshot>,
        digest: u64,
        pending_restart: Vec<&'static str>,
    ) -> Arc<Snapshot> {
        let mut status = self.locked();
        let old = self.current.swap(new);
        let generation = status.0.generation + 1;
        let loaded_at = SystemTime::now();
        let fresh = ReloadStatus {
            successful: true,
            generation,
            loaded_at,
            error: None,
            pending_restart,
        };
        *status = (fresh, digest);
        old
    }

    /// Notes that an attempt failed; the snapshot in force stays.
    pub(super) fn reject(&self, error: String, digest: u64) {
        let mut status = self.locked();
        status.0.successful = false;
        status.0.error = Some(error);
        status.1 = digest;
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, (ReloadStatus, u64)> {
        // The pair is written as a whole, so a panic elsewhere cannot leave it half done.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
