//! A bound on how long a request waits for the app.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Further away than any request lives (a year), and safe to add to any instant.
const DISTANT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A point in time after which reads from the client's connection fail with
/// [`TimedOut`](std::io::ErrorKind::TimedOut), which ends the request that holds it.
///
/// Cheap to set and to clear: a few atomic stores by the one task that serves the connection. The
/// connection arms a timer for it when it is next polled for reading, which pingora does all the
/// time that it waits for the app.
#[derive(Debug)]
pub struct Deadline {
    origin: Instant,
    /// Milliseconds after `origin`; 0 means none.
    at_ms: AtomicU64,
    /// How much later each sign of life makes it; 0 means not at all.
    renewal_ms: AtomicU64,
    /// The latest it can become, in the unit of `at_ms`.
    latest_ms: AtomicU64,
}

impl Deadline {
    /// No deadline yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            at_ms: AtomicU64::new(0),
            renewal_ms: AtomicU64::new(0),
            latest_ms: AtomicU64::new(0),
        }
    }

    /// Reads fail once `at` has passed; `None` lifts the deadline.
    pub fn set(&self, at: Option<Instant>) {
        self.renewal_ms.store(0, Ordering::Relaxed);
        self.at_ms
            .store(at.map_or(0, |at| self.ms(at)), Ordering::Relaxed);
    }

    /// Reads fail once nothing has [moved](Self::moved) for `between`, or `latest` has passed.
    pub fn set_moving(&self, between: Duration, latest: Option<Instant>) {
        let latest = self.ms(latest.unwrap_or_else(|| Instant::now() + DISTANT));
        self.latest_ms.store(latest, Ordering::Relaxed);
        let renewal = u64::try_from(between.min(DISTANT).as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        self.renewal_ms.store(renewal, Ordering::Relaxed);
        self.moved();
    }

    /// Bytes have come from the app or gone to the client.
    pub fn moved(&self) {
        let renewal = self.renewal_ms.load(Ordering::Relaxed);
        if renewal == 0 {
            return;
        }
        let at = self.ms(Instant::now() + Duration::from_millis(renewal));
        self.at_ms.store(
            at.min(self.latest_ms.load(Ordering::Relaxed)),
            Ordering::Relaxed,
        );
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

    /// Never 0, which means none.
    fn ms(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.origin).min(DISTANT * 2);
        u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A deadline whose connection was opened a little while ago.
    fn old() -> Deadline {
        let origin = Instant::now()
            .checked_sub(Duration::from_secs(1))
            .expect("a clock past 1 s");
        Deadline {
            origin,
            ..Deadline::new()
        }
    }

    #[test]
    fn passes_only_when_set_and_due() {
        let deadline = old();
        assert!(!deadline.passed(), "none set");
        deadline.set(Some(Instant::now() + HOUR));
        assert!(!deadline.passed(), "not due");
        deadline.set(Some(deadline.origin));
        assert!(deadline.passed(), "due");
        deadline.set(None);
        assert!(!deadline.passed(), "lifted");
    }

    #[test]
    fn signs_of_life_move_it_but_not_past_the_latest() {
        let deadline = old();
        deadline.moved();
        assert_eq!(deadline.at(), None, "nothing to renew");
        deadline.set_moving(HOUR, None);
        assert!(
            deadline
                .at()
                .is_some_and(|at| at > Instant::now() + HOUR / 2)
        );
        let latest = Instant::now() + HOUR / 4;
        deadline.set_moving(HOUR, Some(latest));
        assert!(deadline.at().is_some_and(|at| at <= latest));
        deadline.set(None);
        deadline.moved();
        assert_eq!(deadline.at(), None, "lifted for good");
    }
}
