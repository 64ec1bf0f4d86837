//! A circuit breaker: a server that failed rests for a while, longer each time, and one request then tries it again. A
//! server that cannot be reached rests at once; one that was slow or broke off, after three times in a row.
//!
//! ```text
//!   Closed ──failures──▶ Open(until) ──until passes──▶ HalfOpen (one probe) ──success──▶ Closed
//!                          ▲                               │
//!                          └──────────failure, longer──────┘
//! ```

use std::time::Duration;
use tokio::time::Instant;

/// First rest.
const FIRST: Duration = Duration::from_millis(500);
/// Failures in a row of a server that can be reached.
const PATIENCE: u32 = 3;
/// Longest rest.
const LONGEST: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open(Instant),
    /// Since when the probe is out; a probe whose caller went away must not shut the server out for ever.
    HalfOpen(Instant),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    rest: Duration,
    failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, rest: FIRST, failures: 0 }
    }
}

impl Breaker {
    /// Whether the server may be asked now. Whoever is told so says afterwards how it went.
    pub(super) fn admits(&mut self, now: Instant, probe: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(until) if now >= until => {
                self.state = State::HalfOpen(now);
                true
            }
            State::HalfOpen(since) if now.duration_since(since) > probe => {
                self.state = State::HalfOpen(now);
                true
            }
            State::Open(_) | State::HalfOpen(_) => false,
        }
    }

    /// It answered.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not; `hard` if it could not even be reached. `true` if it rests now and did not before.
    pub(super) fn failed(&mut self, now: Instant, hard: bool) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.state == State::Closed && !hard && self.failures < PATIENCE {
            return false;
        }
        let was_closed = self.state == State::Closed;
        if let State::Open(until) = self.state
            && now < until
        {
            // Requests that were under way together are one failure.
            return false;
        }
        if !was_closed {
            self.rest = (self.rest * 2).min(LONGEST);
        }
        self.state = State::Open(now + self.rest);
        was_closed
    }

    /// Whether it is resting, or being probed.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Duration = Duration::from_secs(5);

    #[test]
    fn rests_after_a_failure_and_lets_one_probe_through() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        assert!(breaker.admits(start, PROBE) && !breaker.is_open());
        assert!(breaker.failed(start, true) && !breaker.failed(start, true), "failures together are one");
        assert!(!breaker.admits(start + FIRST / 2, PROBE));
        assert!(breaker.admits(start + FIRST, PROBE), "the probe");
        assert!(!breaker.admits(start + FIRST, PROBE), "only one");
        breaker.succeeded();
        assert!(breaker.admits(start + FIRST, PROBE) && breaker.admits(start + FIRST, PROBE));
    }

    #[test]
    fn slow_server_rests_after_three_times_in_a_row_only() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        assert!(!breaker.failed(now, false) && !breaker.failed(now, false) && !breaker.is_open());
        breaker.succeeded();
        assert!(!breaker.failed(now, false) && !breaker.failed(now, false) && breaker.failed(now, false));
        assert!(breaker.is_open());
    }

    #[test]
    fn rest_grows_to_its_limit_and_a_lost_probe_is_replaced() {
        let mut breaker = Breaker::default();
        let mut now = Instant::now();
        breaker.failed(now, true);
        for _ in 0..20 {
            now += LONGEST;
            assert!(breaker.admits(now, PROBE));
            assert!(!breaker.failed(now, false), "not new");
        }
        assert!(!breaker.admits(now + LONGEST / 2, PROBE));
        now += LONGEST;
        assert!(breaker.admits(now, PROBE), "goes out and never comes back");
        assert!(!breaker.admits(now + PROBE, PROBE));
        assert!(breaker.admits(now + PROBE * 2, PROBE));
    }
}
