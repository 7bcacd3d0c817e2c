//! Exact latency quantiles over a sliding window, per route.
//!
//! Time is cut into slices of ten seconds and kept for five minutes. Each slice has a histogram, so
//! the quantiles of a window are those of every request in it, not averages of averages.
//!
//! # Cost
//!
//! Recording locks the calling thread's shard and bumps one counter: tens of nanoseconds, and
//! nothing is allocated once the histograms are there. A histogram is 2,688 counters of 4 bytes,
//! 10.5 KiB. A route that is never used has none; one in steady use has one per shard and one per
//! slice kept: (31 + shards) × 10.5 KiB, 368 KiB with four shards. They are reused, never freed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

/// The length of a slice.
const SLICE: Duration = Duration::from_secs(10);

/// Slices kept: five minutes of full ones and the one that is running.
const SLICES: usize = 31;

/// The longest time told apart; anything longer counts as this.
const LONGEST: Duration = Duration::from_secs(120);

/// Two significant digits: quantiles are right to one percent.
const DIGITS: u8 = 2;

/// One route's latencies of the last five minutes.
pub struct Latency {
    /// Where slice 0 begins: the first moment that was recorded.
    origin: OnceLock<Instant>,
    /// What is being recorded. A thread always uses the same one.
    shards: Box<[Mutex<Slice>]>,
    /// What the shards have handed over: the slice with number n is at n modulo [`SLICES`].
    ///
    /// Locked after a shard, never before.
    past: Mutex<Box<[Slice]>>,
}

/// The quantiles of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many requests the window has.
    pub count: u64,
    /// Half of them took no longer than this.
    #[serde(serialize_with = "as_seconds")]
    pub p50: Duration,
    /// 95 of 100.
    #[serde(serialize_with = "as_seconds")]
    pub p95: Duration,
    /// 99 of 100.
    #[serde(serialize_with = "as_seconds")]
    pub p99: Duration,
    /// 999 of 1000.
    #[serde(serialize_with = "as_seconds")]
    pub p999: Duration,
    /// The longest.
    #[serde(serialize_with = "as_seconds")]
    pub max: Duration,
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// What was recorded in the slice of this number. The histogram is empty or absent when nothing was.
#[derive(Default)]
struct Slice {
    number: u64,
    histogram: Option<Histogram<u32>>,
}

impl Latency {
    /// Nothing recorded yet. `shards` is how many threads may record without waiting for each other;
    /// one per worker is right.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            origin: OnceLock::new(),
            shards: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
            past: Mutex::new((0..SLICES).map(|_| Slice::default()).collect()),
        }
    }

    /// Counts a request that took this long and ended now.
    pub fn record(&self, took: Duration, now: Instant) {
        let number = self.slice_number(*self.origin.get_or_init(|| now), now);
        let mut shard = lock(&self.shards[thread_number() % self.shards.len()]);
        // A clock reading that is a little behind that of another thread counts where the shard is.
        if number > shard.number {
            shard.hand_over(&mut lock(&self.past));
            shard.number = number;
        }
        let micros = took.min(LONGEST).as_micros() as u64;
        shard.histogram().saturating_record(micros);
    }

    /// The quantiles of the last `window`, up to five minutes. Slices are whole: what ended within
    /// the window is in for certain, and up to ten seconds more.
    #[must_use]
    pub fn quantiles(&self, window: Duration, now: Instant) -> Quantiles {
        let Some(origin) = self.origin.get() else {
            return Quantiles::default();
        };
        let current = self.slice_number(*origin, now);
        let full = window
            .as_secs()
            .div_ceil(SLICE.as_secs())
            .min(SLICES as u64 - 1);
        let oldest = current.saturating_sub(full);

        let mut merged = new_histogram();
        let mut take = |slice: &Slice| {
            if let Some(histogram) = &slice.histogram
                && slice.number >= oldest
            {
                merged
                    .add(histogram)
                    .expect("all histograms have the same bounds");
            }
        };
        // All shards at once, so that none hands a slice over between its turn and that of the past
        // and has it counted twice.
        let shards: Vec<_> = self.shards.iter().map(lock).collect();
        shards.iter().for_each(|shard| take(shard));
        lock(&self.past).iter().for_each(&mut take);
        drop(shards);
        Quantiles::of(&merged)
    }

    fn slice_number(&self, origin: Instant, now: Instant) -> u64 {
        now.saturating_duration_since(origin).as_secs() / SLICE.as_secs()
    }
}

impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latency")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

impl Quantiles {
    fn of(histogram: &Histogram<u32>) -> Self {
        let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(histogram.max()),
        }
    }
}

impl Slice {
    fn histogram(&mut self) -> &mut Histogram<u32> {
        self.histogram.get_or_insert_with(new_histogram)
    }

    /// Moves what was counted into the past, where it may meet the same slice of other shards, and
    /// leaves an empty histogram.
    fn hand_over(&mut self, past: &mut [Slice]) {
        let Some(own) = self.histogram.as_mut().filter(|own| !own.is_empty()) else {
            return;
        };
        let place = &mut past[(self.number % SLICES as u64) as usize];
        if place.number < self.number {
            place.number = self.number;
            place.histogram().reset();
        }
        // A shard that was quiet for long comes with what is too old to keep.
        if place.number == self.number {
            place
                .histogram()
                .add(&*own)
                .expect("all histograms have the same bounds");
        }
        own.reset();
    }
}

fn new_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, DIGITS)
        .expect("the bounds are constants that the crate takes")
}

/// A thread that panicked cannot have left a counter half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small number for this thread, to spread threads evenly over shards.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// Equal to one percent.
    #[track_caller]
    fn assert_near(actual: Duration, expected: Duration) {
        let off = actual.abs_diff(expected).as_secs_f64() / expected.as_secs_f64();
        assert!(off <= 0.01, "{actual:?} is not {expected:?}");
    }

    #[test]
    fn nothing_recorded() {
        let latency = Latency::new(2);
        assert_eq!(
            latency.quantiles(MINUTE, Instant::now()),
            Quantiles::default()
        );
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let latency = Latency::new(1);
        let now = Instant::now();
        for ms in 1..=1000 {
            latency.record(MS * ms, now);
        }
        let seen = latency.quantiles(MINUTE, now);
        assert_eq!(seen.count, 1000);
        assert_near(seen.p50, MS * 500);
        assert_near(seen.p95, MS * 950);
        assert_near(seen.p99, MS * 990);
        assert_near(seen.p999, MS * 999);
        assert_near(seen.max, MS * 1000);
    }

    /// One request per case; in the window or not, by when it ended and when one asks.
    #[test]
    fn windows_slide_by_slices() {
        let seconds = Duration::from_secs;
        let cases = [
            ("at once", 0, 0, 60, true),
            ("within the minute", 0, 59, 60, true),
            ("the slice is still touched", 0, 69, 60, true),
            ("gone", 0, 70, 60, false),
            ("late in its slice", 9, 69, 60, true),
            ("late in its slice, gone", 9, 70, 60, false),
            ("five minutes", 0, 300, 300, true),
            ("five minutes, the last moment", 0, 309, 300, true),
            ("five minutes, gone", 0, 310, 300, false),
            ("no more than five minutes are kept", 0, 310, 3600, false),
            ("a window shorter than a slice", 0, 19, 1, true),
            ("a window shorter than a slice, gone", 0, 20, 1, false),
            ("no window: the running slice", 0, 9, 0, true),
            ("no window, gone", 0, 10, 0, false),
            ("long after", 0, 1_000_000, 300, false),
        ];
        for handed_over in [false, true] {
            for (case, ended, asked, window, expected) in cases {
                let latency = Latency::new(1);
                let origin = Instant::now();
                latency.origin.set(origin).unwrap();
                latency.record(MS, origin + seconds(ended));
                if handed_over {
                    // Another request as of now pushes the first out of the shard.
                    latency.record(MS, origin + seconds(asked));
                }
                let seen = latency.quantiles(seconds(window), origin + seconds(asked));
                let expected = u64::from(expected) + u64::from(handed_over);
                assert_eq!(seen.count, expected, "{case} (handed over: {handed_over})");
            }
        }
    }

    #[test]
    fn every_request_of_the_window_counts_once() {
        let latency = Latency::new(1);
        let origin = Instant::now();
        // Ten a second for ten minutes, each second with its own latency.
        for second in 0..600_u32 {
            for tenth in 0..10 {
                let now = origin + Duration::from_secs(second.into()) + MS * 100 * tenth;
                latency.record(MS * (second + 1), now);
            }
        }
        let now = origin + Duration::from_millis(599_999);
        let minute = latency.quantiles(MINUTE, now);
        assert_eq!(minute.count, 700, "six full slices and the running one");
        assert_near(minute.p50, MS * 565);
        assert_near(minute.max, MS * 600);
        assert_eq!(latency.quantiles(5 * MINUTE, now).count, 3100);
    }

    #[test]
    fn extremes() {
        let latency = Latency::new(1);
        let now = Instant::now();
        latency.record(Duration::ZERO, now);
        assert_eq!(latency.quantiles(MINUTE, now).max, Duration::ZERO);
        latency.record(Duration::MAX, now);
        let seen = latency.quantiles(MINUTE, now);
        assert_eq!(seen.count, 2);
        assert_near(seen.max, LONGEST);
    }

    #[test]
    fn a_clock_reading_from_before_is_counted() {
        let latency = Latency::new(1);
        let origin = Instant::now() + MINUTE;
        latency.record(MS, origin);
        latency.record(MS, origin + MINUTE);
        latency.record(MS, origin);
        latency.record(MS, origin - MINUTE);
        assert_eq!(latency.quantiles(MINUTE / 2, origin + MINUTE).count, 3);
    }

    #[test]
    fn a_shard_that_was_quiet_does_not_overwrite_newer_slices() {
        let mut past: Vec<Slice> = (0..SLICES).map(|_| Slice::default()).collect();
        let slice = |number| {
            let mut slice = Slice {
                number,
                histogram: None,
            };
            slice.histogram().record(1000).unwrap();
            slice
        };
        slice(3 + SLICES as u64).hand_over(&mut past);
        slice(3).hand_over(&mut past);
        assert_eq!(past[3].number, 3 + SLICES as u64);
        assert_eq!(past[3].histogram().len(), 1);
        slice(3 + SLICES as u64).hand_over(&mut past);
        assert_eq!(past[3].histogram().len(), 2, "two shards, one slice");
    }

    #[test]
    fn threads_lose_nothing() {
        let latency = Latency::new(3);
        let origin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..10_000_u64 {
                        latency.record(MS, origin + Duration::from_millis(n * 20));
                        if n % 1000 == 0 {
                            let _ = latency.quantiles(MINUTE, origin);
                        }
                    }
                });
            }
        });
        let seen = latency.quantiles(5 * MINUTE, origin + Duration::from_secs(200));
        assert_eq!(seen.count, 40_000);
    }

    #[test]
    fn the_documented_memory() {
        assert_eq!(new_histogram().distinct_values(), 2688);
    }

    #[test]
    fn serialized_in_seconds() {
        let quantiles = Quantiles {
            count: 2,
            p50: MS * 1500,
            ..Quantiles::default()
        };
        let json = serde_json::to_value(quantiles).unwrap();
        assert_eq!(json["p50"], 1.5);
        assert_eq!(json["count"], 2);
    }
}
