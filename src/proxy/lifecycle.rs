//! The life of the process: is it ready, what is in flight, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

/// The stages of a process's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Requests are taken.
    Serving,
    /// No new connections; requests on open ones are answered with `Connection: close`.
    Draining,
    /// Idle connections are closed; requests in flight are waited for.
    Closing,
}

/// Knows the stage and counts the requests in flight.
#[derive(Debug)]
pub struct Lifecycle {
    stage: watch::Sender<Stage>,
    in_flight: AtomicUsize,
    app_reached: AtomicBool,
    changed: tokio::sync::Notify,
}

impl Lifecycle {
    /// A process that serves.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            stage: watch::Sender::new(Stage::Serving),
            in_flight: AtomicUsize::new(0),
            app_reached: AtomicBool::new(false),
            changed: tokio::sync::Notify::new(),
        })
    }

    /// Moves on to `stage`; there is no way back.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let forward = stage > *now;
            *now = stage.max(*now);
            forward
        });
    }

    /// Where the process is in its life.
    #[must_use]
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Whether new work should be told to go elsewhere.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.stage() >= Stage::Draining
    }

    /// Notes that the app has accepted a connection.
    pub fn app_reached(&self) {
        self.app_reached.store(true, Ordering::Release);
    }

    /// Whether the app has ever accepted a connection.
    #[must_use]
    pub fn is_app_reached(&self) -> bool {
        self.app_reached.load(Ordering::Acquire)
    }

    /// Whether traffic is welcome.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_app_reached() && !self.is_draining()
    }

    /// Resolves when idle connections are to be closed.
    pub async fn closing(&self) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self
            .stage
            .subscribe()
            .wait_for(|stage| *stage >= Stage::Closing)
            .await;
    }

    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self.clone())
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Resolves when no request is in flight.
    pub async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            if self.in_flight() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// A request in flight; dropping it ends the count.
#[derive(Debug)]
pub struct InFlight(Arc<Lifecycle>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifecycle, Stage};

    #[tokio::test]
    async fn idle_waits_for_the_last_guard() {
        let life = Lifecycle::new();
        life.idle().await;
        let (first, second) = (life.begin(), life.begin());
        drop(first);
        assert_eq!(life.in_flight(), 1);
        let waiting = tokio::spawn({
            let life = life.clone();
            async move { life.idle().await }
        });
        drop(second);
        waiting.await.expect("the waiter ends");
    }

    #[test]
    fn stages_only_move_forward() {
        let life = Lifecycle::new();
        life.enter(Stage::Closing);
        life.enter(Stage::Draining);
        assert_eq!(life.stage(), Stage::Closing);
    }
}
