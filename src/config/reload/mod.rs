//! Live reload: notices that the file changed, and replaces the snapshot in force when the new
//! content is good. When it is not, the old snapshot stays and the problems are told.
//!
//! Notifications make it quick, comparing the content makes it certain: bind mounts of a single
//! file, network file systems and some hosts notify of nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::live::Live;
use super::problem::{Problem, Problems};
use super::snapshot::Snapshot;
use super::source::{Loaded, Source};

mod follow;
mod metrics;
#[cfg(test)]
mod tests;

use follow::Follower;
pub use metrics::Metrics;

/// Nobody needs more reloads at once than there are signals and operators.
const REQUESTS_MAX: usize = 16;
/// Two readings this far apart must agree before a change counts: editors and copies write in steps.
const QUIET: Duration = Duration::from_millis(50);
/// A file that keeps changing, or that a rename made vanish, is waited for so many readings.
const READINGS_MAX: usize = 20;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new snapshot is in force; these keys keep their old values until a restart.
    Applied {
        /// Keys that only a restart can change.
        pending_restart: Vec<&'static str>,
    },
    /// The configuration is the one in force.
    Unchanged,
}

type Reply = oneshot::Sender<Result<Outcome, Problems>>;

/// Asks for a reload, from a signal handler or the admin port.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<Option<Reply>>);

/// The other end of a [`ReloadHandle`], for [`watch`].
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<Option<Reply>>);

/// A handle and its other end.
#[must_use]
pub fn channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
    (ReloadHandle(sender), ReloadRequests(receiver))
}

impl ReloadHandle {
    /// Asks for a reload without waiting for it. When many are queued, one of them will do.
    pub fn nudge(&self) {
        let _ = self.0.try_send(None);
    }

    /// Reloads and tells what came of it.
    ///
    /// # Errors
    /// What is wrong with the configuration; the old one stays in force.
    pub async fn reload(&self) -> Result<Outcome, Problems> {
        let (reply, answer) = oneshot::channel();
        let gone = || Problem::new("", "the process is ending, so nothing is reloaded").into();
        self.0.send(Some(reply)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Follows the file for as long as it is polled, and serves requests to reload.
///
/// `on_swap` is called with the old and the new snapshot after each change, for components that own
/// sized state.
pub async fn watch(
    live: Arc<Live>,
    source: Source,
    requests: ReloadRequests,
    on_swap: impl Fn(&Snapshot, &Snapshot) + Send + 'static,
    metrics: Metrics,
) {
    metrics.start(&live);
    Watch {
        live,
        source: Arc::new(source),
        on_swap,
        metrics,
    }
    .run(requests, Follower::new())
    .await;
}

struct Watch<F> {
    live: Arc<Live>,
    source: Arc<Source>,
    on_swap: F,
    metrics: Metrics,
}

/// What was in the file, or why it could not be read.
type Content = Result<Vec<u8>, Problems>;

impl<F: Fn(&Snapshot, &Snapshot)> Watch<F> {
    async fn run(&self, mut requests: ReloadRequests, mut follower: Follower) {
        loop {
            let settings = self.live.load().reload;
            let file = self.source.file.as_deref().filter(|_| settings.watch);
            if follower.follow(file) {
                // What changed before the watch stood was not notified.
                self.look(&mut follower).await;
            }
            let poll = Some(settings.poll).filter(|p| file.is_some() && !p.is_zero());
            tokio::select! {
                Some(reply) = requests.0.recv() => {
                    let outcome = self.reload().await;
                    if let Some(reply) = reply {
                        // Whoever asked may have gone away.
                        let _ = reply.send(outcome);
                    }
                }
                () = follower.changed() => {
                    // One save is many notices, and other files may be busy in the same folder.
                    tokio::time::sleep(QUIET).await;
                    follower.forget();
                    self.look(&mut follower).await;
                }
                () = sleep_for(poll) => self.look(&mut follower).await,
            }
        }
    }

    /// Reloads if the content differs from what was last tried.
    async fn look(&self, follower: &mut Follower) {
        let content = self.read().await;
        if digest(&content) == self.live.digest() {
            return;
        }
        let content = self.settled(content).await;
        // What was notified until now is what was just read.
        follower.forget();
        if digest(&content) != self.live.digest() {
            // It was logged, counted and noted in the status; nobody waits for it.
            let _ = self.take_over(content).await;
        }
    }

    /// Reloads whether or not the file changed, because a file that it names may have.
    async fn reload(&self) -> Result<Outcome, Problems> {
        let content = match self.read().await {
            Ok(bytes) => Ok(bytes),
            gone => self.settled(gone).await,
        };
        self.take_over(content).await
    }

    /// Reads until two readings agree and there is a file: a rename takes it away for a moment, and
    /// a copy empties it first.
    async fn settled(&self, mut content: Content) -> Content {
        for _ in 0..READINGS_MAX {
            tokio::time::sleep(QUIET).await;
            let again = self.read().await;
            let same = digest(&again) == digest(&content);
            content = again;
            if same && content.as_ref().is_ok_and(|bytes| !bytes.is_empty()) {
                break;
            }
        }
        content
    }

    async fn read(&self) -> Content {
        let source = Arc::clone(&self.source);
        off_thread(move || source.read()).await
    }

    async fn take_over(&self, content: Content) -> Result<Outcome, Problems> {
        let digest = digest(&content);
        let source = Arc::clone(&self.source);
        let loaded = off_thread(move || content.and_then(|bytes| source.compile(&bytes))).await;
        match loaded {
            Ok(loaded) => Ok(self.publish(loaded)),
            Err(problems) => {
                self.reject(&problems, digest);
                Err(problems)
            }
        }
    }

    fn publish(&self, loaded: Loaded) -> Outcome {
        let Loaded {
            mut snapshot,
            warnings,
            digest,
        } = loaded;
        let old = self.live.full();
        let pending_restart = old.restart_keys(&snapshot);
        let status = self.live.status();
        if status.successful
            && digest == self.live.digest()
            && pending_restart == status.pending_restart
        {
            self.metrics.unchanged();
            return Outcome::Unchanged;
        }
        for warning in &warnings {
            log::warn!("{warning}");
        }
        snapshot.keep_restart_keys(&old);
        let new = Arc::new(snapshot);
        self.live
            .publish(Arc::clone(&new), digest, pending_restart.clone());
        self.metrics.applied(&self.live);
        log::info!("the configuration was reloaded");
        for key in &pending_restart {
            log::warn!("`{key}` changed, which needs a restart; its old value stays in force");
        }
        (self.on_swap)(&old, &new);
        Outcome::Applied { pending_restart }
    }

    fn reject(&self, problems: &Problems, digest: u64) {
        self.live.reject(problems.to_string(), digest);
        self.metrics.rejected();
        for problem in problems {
            log::error!("{problem}");
        }
        log::error!("the configuration was not reloaded; the last good one stays in force");
    }
}

/// Identifies what was read, so that each version is tried and reported once.
fn digest(content: &Content) -> u64 {
    match content {
        Ok(bytes) => Source::digest(bytes),
        Err(problems) => {
            let mut hasher = DefaultHasher::new();
            problems.to_string().hash(&mut hasher);
            hasher.finish()
        }
    }
}

/// Files may lie on a slow mount, so they are not read on a thread that serves requests.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is ending; so is this task, at this await.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn sleep_for(period: Option<Duration>) {
    match period {
        Some(period) => tokio::time::sleep(period).await,
        None => std::future::pending().await,
    }
}
