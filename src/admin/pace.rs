//! How much time may go into something that is nice to have and costs processor time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is used comes back at this rate: a tenth of a core.
const PART: u32 = 10;
/// Less is not worth beginning with.
const SHARE_MIN: Duration = Duration::from_millis(1);

/// An account of processor time that fills up again.
#[derive(Debug)]
pub(super) struct Pace {
    max: Duration,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    left: Duration,
    /// When it was filled up last; `None`: not yet.
    at: Option<Instant>,
}

impl Pace {
    /// An account that never holds more than `max`.
    pub(super) fn new(max: Duration) -> Self {
        let account = Account {
            left: max,
            at: None,
        };
        Self {
            max,
            account: Mutex::new(account),
        }
    }

    /// Half of what is there, so that something is left for who comes at the same time. What is not
    /// used of it goes back.
    pub(super) fn share(&self, now: Instant) -> Share<'_> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let since = account
            .at
            .map_or(Duration::ZERO, |at| now.duration_since(at));
        account.left = (account.left + since / PART).min(self.max);
        account.at = Some(now);
        let left = match account.left / 2 {
            share if share < SHARE_MIN => Duration::ZERO,
            share => share,
        };
        account.left -= left;
        Share { pace: self, left }
    }
}

/// Time to be used.
#[derive(Debug)]
pub(super) struct Share<'p> {
    pace: &'p Pace,
    left: Duration,
}

impl Share<'_> {
    pub(super) fn use_up(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left.is_zero()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let account = self.pace.account.lock();
        account.unwrap_or_else(PoisonError::into_inner).left += self.left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_used_comes_back_slowly() {
        let (pace, start) = (Pace::new(ms(100)), Instant::now());
        let left = |after: u64| pace.share(start + ms(after)).left;
        assert_eq!(left(0), ms(50), "half of it");
        assert_eq!(left(0), ms(50), "what was not used is back");
        let mut share = pace.share(start);
        share.use_up(ms(30));
        assert!(!share.is_used_up());
        share.use_up(ms(30));
        assert!(share.is_used_up());
        drop(share);
        assert_eq!(left(0), ms(25));
        assert_eq!(left(200), ms(35));
        assert_eq!(left(60_000), ms(50), "no more than it holds");
    }

    #[test]
    fn who_comes_at_the_same_time_gets_less() {
        let (pace, now) = (Pace::new(ms(8)), Instant::now());
        let shares: Vec<_> = (0..5).map(|_| pace.share(now)).collect();
        let left: Vec<_> = shares.iter().map(|share| share.left).collect();
        assert_eq!(left, [ms(4), ms(2), ms(1), ms(0), ms(0)]);
    }
}
