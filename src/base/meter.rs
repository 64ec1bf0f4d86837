//! Counts and durations that many threads write and somebody reads now and then: atomics in no particular order, so that writing
//! costs a few nanoseconds, and what is read may be of slightly different moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something that is counted.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Once more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many times more.
    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of a histogram's buckets in microseconds, inclusive; one more bucket takes what is above them all.
pub const BOUNDS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// How long something takes.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len()],
    above: Counter,
    micros: Counter,
}

/// A histogram as it was at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many there were up to each of [`BOUNDS`].
    pub up_to: [u64; BOUNDS.len()],
    /// How many there were at all.
    pub count: u64,
    /// All together in microseconds.
    pub micros: u64,
}

impl Histogram {
    /// Counts one that stands for so many like it.
    pub fn observe(&self, took: Duration, weight: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound);
        bucket.and_then(|at| self.buckets.get(at)).unwrap_or(&self.above).add(weight);
        self.micros.add(micros.saturating_mul(weight));
    }

    /// What was counted so far.
    pub fn read(&self) -> Durations {
        let mut read = Durations::default();
        for (up_to, bucket) in read.up_to.iter_mut().zip(&self.buckets) {
            read.count += bucket.get();
            *up_to = read.count;
        }
        read.count += self.above.get();
        read.micros = self.micros.get();
        read
    }
}

impl Durations {
    /// What so many of a hundred did not exceed: the bound of the bucket in which that falls. `None`: there were none, or it is above
    /// all bounds.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let at = self.up_to.iter().position(|up_to| *up_to >= wanted)?;
        BOUNDS.get(at).copied().map(Duration::from_micros)
    }
}

/// How logins at one client ended.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Let in.
    pub accept: Counter,
    /// Asked for more.
    pub challenge: Counter,
    /// Refused.
    pub reject: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_of_their_bound_and_count_as_often_as_they_weigh() {
        let histogram = Histogram::default();
        for (micros, weight) in [(0, 1), (50, 1), (51, 16), (1_000, 1), (10_000_001, 1)] {
            histogram.observe(Duration::from_micros(micros), weight);
        }
        let read = histogram.read();
        assert_eq!((read.up_to[0], read.up_to[1], read.up_to[3], read.up_to[4]), (2, 18, 18, 19));
        assert_eq!((read.up_to[16], read.count), (19, 20));
        assert_eq!(read.micros, 50 + 51 * 16 + 1_000 + 10_000_001);
    }

    #[test]
    fn percentile_is_the_bound_that_so_many_kept_to() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().percentile(50), None);
        for micros in [40, 40, 40, 900] {
            histogram.observe(Duration::from_micros(micros), 1);
        }
        let read = histogram.read();
        assert_eq!(read.percentile(50), Some(Duration::from_micros(50)));
        assert_eq!(read.percentile(75), Some(Duration::from_micros(50)));
        assert_eq!(read.percentile(99), Some(Duration::from_millis(1)));
        histogram.observe(Duration::from_secs(60), 100);
        assert_eq!(histogram.read().percentile(99), None);
    }
}
