//! Tests whose confidence grows with their length: short by default, long when asked for.

use std::time::Duration;

const VARIABLE: &str = "VESTIBULE_SOAK_SECONDS";

/// For how long such a test runs, if somebody asked for more than the default. Tests that count
/// instead of waiting take their full count then.
pub fn soak() -> Option<Duration> {
    let seconds = std::env::var(VARIABLE).ok()?;
    let seconds = seconds.parse();
    Some(Duration::from_secs(seconds.unwrap_or_else(|e| {
        panic!("{VARIABLE} is a number of seconds: {e}")
    })))
}

/// Repeatable pseudo-random numbers (Knuth's MMIX constants).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
