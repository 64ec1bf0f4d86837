//! A provider that failed several times in a row rests for some seconds, so that messages go on to the next at once.

use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row.
const PATIENCE: u32 = 4;
/// First and longest rest.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Whether it rests now.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether the provider may be asked. After a rest one message tries it, the others wait for a further rest.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now >= until => {
                self.until = Some(now + self.rest());
                true
            }
            Some(_) => false,
        }
    }

    /// It answered.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not; `true` if it begins to rest now.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < PATIENCE {
            return false;
        }
        let begins = self.until.is_none();
        self.until = Some(now + self.rest());
        begins
    }

    fn rest(&self) -> Duration {
        let doublings = self.failures.saturating_sub(PATIENCE).min(8);
        (FIRST * 2_u32.pow(doublings)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_after_failures_in_a_row_and_is_then_tried_by_one() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert!((1..PATIENCE).all(|_| !breaker.failed(now)) && breaker.admits(now));
        assert!(breaker.failed(now), "begins");
        assert!(!breaker.admits(now + FIRST / 2) && breaker.rests(now + FIRST / 2));
        assert!(!breaker.rests(now + FIRST), "asking changes nothing");
        assert!(breaker.admits(now + FIRST) && !breaker.admits(now + FIRST), "one");
        assert!(!breaker.failed(now + FIRST) && !breaker.admits(now + FIRST * 2), "longer");
        breaker.succeeded();
        assert!(breaker.admits(now));
    }
}
