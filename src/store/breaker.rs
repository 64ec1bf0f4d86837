//! A circuit breaker: a server that failed rests for a while, longer each time, and one request then tries it again. A
//! server that cannot be reached rests at once; one that was slow or broke off, after some times in a row.
//!
//! ```text
//!   Closed ──failures──▶ Open(until) ──until passes──▶ HalfOpen (one probe) ──success──▶ Closed
//!                          ▲                               │
//!                          └──────────failure, longer──────┘
//! ```

use std::time::Duration;
use tokio::time::Instant;

/// When something rests, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Failures in a row of what can be reached.
    patience: u32,
    /// First rest.
    first: Duration,
    /// Longest rest.
    longest: Duration,
}

/// Of servers whom somebody waits for: asked again soon, since nobody is let in without them.
const SERVERS: Pace =
    Pace { patience: 3, first: Duration::from_millis(500), longest: Duration::from_secs(15) };
/// Of providers of messages: the next one takes over, and a try that is lost may have been paid for.
pub(super) const PROVIDERS: Pace =
    Pace { patience: 4, first: Duration::from_secs(2), longest: Duration::from_secs(30) };

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
    pace: Pace,
    state: State,
    rest: Duration,
    failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(SERVERS)
    }
}

impl Breaker {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, state: State::Closed, rest: pace.first, failures: 0 }
    }

    /// Whether the server may be asked now. Whoever is told so says afterwards how it went, within `probe`.
    pub(super) fn admits(&mut self, now: Instant, probe: Duration) -> bool {
        let admits = !self.rests(now, probe);
        if admits && self.state != State::Closed {
            self.state = State::HalfOpen(now);
        }
        admits
    }

    /// Whether it may not be asked now. To ask so changes nothing.
    pub(super) fn rests(&self, now: Instant, probe: Duration) -> bool {
        match self.state {
            State::Closed => false,
            State::Open(until) => now < until,
            State::HalfOpen(since) => now.duration_since(since) <= probe,
        }
    }

    /// It answered.
    pub(super) fn succeeded(&mut self) {
        *self = Self::new(self.pace);
    }

    /// It did not; `hard` if it could not even be reached. `true` if it rests now and did not before.
    pub(super) fn failed(&mut self, now: Instant, hard: bool) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.state == State::Closed && !hard && self.failures < self.pace.patience {
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
            self.rest = (self.rest * 2).min(self.pace.longest);
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
    const FIRST: Duration = SERVERS.first;
    const LONGEST: Duration = SERVERS.longest;

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

    #[test]
    fn provider_rests_after_failures_in_a_row_and_is_then_tried_by_one() {
        let Pace { patience, first, .. } = PROVIDERS;
        let (mut breaker, now) = (Breaker::new(PROVIDERS), Instant::now());
        assert!((1..patience).all(|_| !breaker.failed(now, false)) && breaker.admits(now, PROBE));
        assert!(breaker.failed(now, false), "begins");
        assert!(!breaker.admits(now + first / 2, PROBE) && breaker.rests(now + first / 2, PROBE));
        assert!(!breaker.rests(now + first, PROBE), "asking changes nothing");
        assert!(breaker.admits(now + first, PROBE) && !breaker.admits(now + first, PROBE), "one");
        assert!(!breaker.failed(now + first, false) && !breaker.admits(now + first * 2, PROBE), "longer");
        assert!(breaker.admits(now + first * 3, PROBE));
        breaker.succeeded();
        assert!(breaker.admits(now, PROBE));
    }
}
