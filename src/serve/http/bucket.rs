//! How often somebody may ask: a bucket for each, which fills up again while nobody takes from it.

use std::time::Duration;
use tokio::time::Instant;

/// So many `within` that time, and as many at once after a pause.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// That of somebody new.
    pub(in crate::serve) const fn full(most: f64, now: Instant) -> Self {
        Self { left: most, at: now }
    }

    /// What is in it now.
    pub(in crate::serve) fn left(self, most: f64, within: Duration, now: Instant) -> f64 {
        let share = now.saturating_duration_since(self.at).as_secs_f64() / within.as_secs_f64();
        (self.left + share * most).min(most)
    }

    /// Takes one; or says how long to wait for it.
    pub(in crate::serve) fn take(
        &mut self,
        most: f64,
        within: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let left = self.left(most, within, now);
        *self = Self { left, at: now };
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) * within.as_secs_f64() / most));
        }
        self.left = left - 1.0;
        Ok(())
    }
}
