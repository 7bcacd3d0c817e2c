//! Waiting: the only place in this crate that lets time pass.

use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

/// How long anything may take that ought to happen at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until the condition holds, or fails the test by name.
#[track_caller]
pub fn eventually<C>(what: &str, deadline: Duration, mut holds: C) -> impl Future<Output = ()>
where
    C: AsyncFnMut() -> bool,
{
    let (ends, asked) = (Instant::now() + deadline, Location::caller());
    async move {
        while !holds().await {
            assert!(
                Instant::now() < ends,
                "not within {deadline:?}: {what} (asked at {asked})"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What the future gives, or a failed test when it takes longer than [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

/// The beat of a client that sends requests at a steady rate.
pub fn ticks(period: Duration) -> Interval {
    let mut beat = interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

/// The time that an upstream of these tests takes to think: part of a scenario, not a wait.
/// Also the time that the ends of a quiet line say nothing.
pub async fn think(time: Duration) {
    sleep(time).await;
}
