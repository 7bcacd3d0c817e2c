//! A bound on how long a request waits for the app.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Further away than any request lives (a year), and safe to add to any instant.
const DISTANT_MS: u64 = 365 * 24 * 3600 * 1000;

/// A point in time after which reads from the connection fail with [`io::ErrorKind::TimedOut`].
///
/// Cheap to set and to clear: one atomic store. The connection arms a timer for it when it is next
/// polled for reading, which pingora does all the time that it waits for the app.
#[derive(Debug)]
pub struct Deadline {
    origin: Instant,
    /// Milliseconds after `origin`; 0 means none.
    at_ms: AtomicU64,
}

impl Deadline {
    /// No deadline yet.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), at_ms: AtomicU64::new(0) }
    }

    /// Reads fail once `at` has passed; `None` lifts the deadline.
    pub fn set(&self, at: Option<Instant>) {
        let ms = at.map_or(0, |at| {
            let after = at.saturating_duration_since(self.origin).as_millis();
            u64::try_from(after).unwrap_or(DISTANT_MS).clamp(1, DISTANT_MS)
        });
        self.at_ms.store(ms, Ordering::Relaxed);
    }

    /// The deadline in force.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        let ms = self.at_ms.load(Ordering::Relaxed);
        (ms != 0).then(|| self.origin + Duration::from_millis(ms))
    }

    /// Whether a deadline was set and has passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.at().is_some_and(|at| Instant::now() >= at)
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Deadline;

    #[test]
    fn passes_only_when_set_and_due() {
        let deadline = Deadline::new();
        assert!(!deadline.passed(), "none set");
        deadline.set(Some(Instant::now() + Duration::from_secs(3600)));
        assert!(!deadline.passed(), "not due");
        deadline.set(Some(deadline.origin));
        std::iter::repeat_with(|| deadline.passed())
            .take_while(|passed| !passed)
            .for_each(|_| std::hint::spin_loop());
        deadline.set(None);
        assert!(!deadline.passed(), "lifted");
    }
}
