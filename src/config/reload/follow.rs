//! Notifications of changes in the folders where the file lives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches folders rather than the file: editors and ConfigMaps put another file in its place, and a
/// watch on the file would stay with the one that went away.
pub(super) struct Follower {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    events: mpsc::Receiver<()>,
}

impl Follower {
    /// Follows nothing yet. Where the system offers no notifications, it never will.
    pub(super) fn new() -> Self {
        // One waiting notice is enough, since a notice only says "look".
        let (sender, events) = mpsc::channel(1);
        let notice = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(notice)
            .inspect_err(|e| {
                log::warn!("no notifications of file changes ({e}); `reload.poll` remains")
            })
            .ok();
        Self {
            watcher,
            folders: BTreeSet::new(),
            events,
        }
    }

    /// A follower that is never notified, as on file systems that notify of nothing.
    #[cfg(test)]
    pub(super) fn deaf() -> Self {
        let (_, events) = mpsc::channel(1);
        Self {
            watcher: None,
            folders: BTreeSet::new(),
            events,
        }
    }

    /// Follows this file from now on, or none; true when there is a folder that was not watched
    /// before. Cheap when nothing changed.
    pub(super) fn follow(&mut self, file: Option<&Path>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let wanted = file.map(folders).unwrap_or_default();
        if wanted == self.folders {
            return false;
        }
        for old in self.folders.difference(&wanted) {
            // It may be gone, as a replaced ConfigMap's folder is.
            let _ = watcher.unwatch(old);
        }
        let mut kept: BTreeSet<_> = self.folders.intersection(&wanted).cloned().collect();
        for new in wanted.difference(&self.folders) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => drop(kept.insert(new.clone())),
                // Tried again at the next turn; comparing the content does not depend on it.
                Err(error) => log::debug!("cannot watch {}: {error}", new.display()),
            }
        }
        let more = kept.difference(&self.folders).next().is_some();
        self.folders = kept;
        more
    }

    /// Returns when something changed in the folders.
    pub(super) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending().await
        }
    }

    /// Drops the notice that is waiting.
    pub(super) fn forget(&mut self) {
        while self.events.try_recv().is_ok() {}
    }
}

/// Reading the file is an event too, and must not make us read it again.
fn is_change(kind: EventKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// The folder of the file, and that of what it links to: a ConfigMap's `vestibule.yaml` links into
/// `..data`, which links to a folder that is replaced by swapping the latter link.
fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        other => other.map(Path::to_owned),
    };
    let target = std::fs::canonicalize(file).ok();
    [folder(file), target.as_deref().and_then(folder)]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_to_their_folder() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/v.yaml"), "").unwrap();
        std::os::unix::fs::symlink("real/v.yaml", root.join("v.yaml")).unwrap();
        let expected = BTreeSet::from([root.clone(), root.join("real")]);
        assert_eq!(folders(&root.join("v.yaml")), expected);
        assert_eq!(folders(&root.join("gone.yaml")), BTreeSet::from([root]));
        assert_eq!(
            folders(Path::new("gone.yaml")),
            BTreeSet::from([PathBuf::from(".")])
        );
    }
}
