//! Failure counters: growing delays first, a hard stop far later (NIST SP 800-63B-4 §3.2.2 allows 100).

use super::factor::FactorId;
use crate::base::Timestamp;
use smallvec::SmallVec;
use std::time::Duration;

/// What a failure counter counts. Each has its own failures: plain password guesses do not use up the tries of a
/// passcode. A guess that ends like a passcode is charged on both, since it cannot be told which half was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// The password.
    Password,
    /// One factor.
    Factor(FactorId),
    /// Codes that are sent.
    Sent,
    /// Passcodes of whoever gave no password before: at resets and activations.
    Reset,
    /// Answers to security questions.
    Questions,
    /// Passwords of devices: an attempt does not say which device it is.
    Devices,
}

impl Counter {
    /// Name in the database and in listings: `password`, `sent`, `reset`, `questions`, `devices`, or the factor's id.
    pub fn key(self) -> String {
        match self {
            Counter::Password => "password".to_owned(),
            Counter::Factor(id) => id.to_string(),
            Counter::Sent => "sent".to_owned(),
            Counter::Reset => "reset".to_owned(),
            Counter::Questions => "questions".to_owned(),
            Counter::Devices => "devices".to_owned(),
        }
    }
}

/// Counters of one attempt: hardly ever more than these.
pub type CounterList = SmallVec<[Counter; 3]>;

/// How many failures are free, how delays grow and where it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// Failures in a row without a delay.
    pub free: u32,
    /// Delay after the first failure beyond the free ones; doubles with each further one.
    pub base: Duration,
    /// Longest delay.
    pub max: Duration,
    /// Failures in a row after which only an unlock helps; at most 100.
    pub hard_stop: u32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { free: 10, base: Duration::from_secs(5), max: Duration::from_secs(900), hard_stop: 50 }
    }
}

/// Longest delay between attempts at what cannot be guessed.
const UNGUESSABLE: Duration = Duration::from_secs(5);

/// Failures so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Attempts charged since the last success.
    pub count: u32,
    /// No attempt is taken before this moment.
    pub blocked_until: Timestamp,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Gate {
    /// The attempt is charged; verify it.
    Open,
    /// Too early after too many failures; not charged, must not be verified.
    Delayed,
    /// At the hard stop; not charged, must not be verified.
    Stopped,
}

impl Throttle {
    /// The same for secrets that are too long to be guessed (SP 800-63B-4 §3.2.2 asks for no limit from 64 bits on): there is no hard
    /// stop, and no delay is longer than a device waits by itself. A telephone that was lost and whose password was revoked goes
    /// on trying, and must not shut the person's other devices out.
    pub fn unguessable(&self) -> Self {
        let max = self.max.min(UNGUESSABLE);
        Self { free: self.free, base: self.base.min(max), max, hard_stop: u32::MAX }
    }

    /// Charges an attempt before it is verified: the gate, and the failures to store if it is open.
    pub fn charge(&self, failures: Failures, now: Timestamp) -> (Gate, Failures) {
        if failures.count >= self.hard_stop {
            return (Gate::Stopped, failures);
        }
        if now < failures.blocked_until {
            return (Gate::Delayed, failures);
        }
        let count = failures.count.saturating_add(1);
        // Without a delay nothing is blocked, not even an attempt whose clock was read a moment earlier.
        let blocked_until = match self.delay(count) {
            Duration::ZERO => Timestamp::default(),
            delay => now + delay,
        };
        (Gate::Open, Failures { count, blocked_until })
    }

    /// Delay after `count` failures.
    pub fn delay(&self, count: u32) -> Duration {
        match count.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => self.base.saturating_mul(1 << (beyond - 1).min(20)).min(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Throttle {
        Throttle { free: 2, base: Duration::from_secs(5), max: Duration::from_secs(12), hard_stop: 5 }
    }

    #[test]
    fn delays_grow_to_the_maximum() {
        let seconds: Vec<_> = (0..6).map(|count| rules().delay(count).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 5, 10, 12]);
    }

    #[test]
    fn free_attempts_block_nothing_whatever_the_order_of_their_clocks() {
        let now = Timestamp::from_secs(1000);
        let (_, after) = rules().charge(Failures::default(), now);
        let (gate, after) = rules().charge(after, now - Duration::from_millis(5));
        assert_eq!((gate, after.count), (Gate::Open, 2));
    }

    #[test]
    fn attempt_inside_the_delay_is_neither_taken_nor_charged() {
        let now = Timestamp::from_secs(1000);
        let failures = Failures { count: 3, blocked_until: now + Duration::from_secs(5) };
        assert_eq!(rules().charge(failures, now), (Gate::Delayed, failures));
        let (gate, after) = rules().charge(failures, now + Duration::from_secs(5));
        assert_eq!((gate, after.count), (Gate::Open, 4));
    }

    #[test]
    fn what_cannot_be_guessed_is_never_stopped() {
        let rules = Throttle::default().unguessable();
        let failures = Failures { count: 100_000, blocked_until: Timestamp::default() };
        let now = Timestamp::from_secs(1000);
        let (gate, after) = rules.charge(failures, now);
        assert_eq!((gate, after.blocked_until), (Gate::Open, now + UNGUESSABLE));
        assert_eq!(rules.charge(after, now).0, Gate::Delayed);
    }

    #[test]
    fn hard_stop_ends_it_however_long_one_waits() {
        let failures = Failures { count: 5, blocked_until: Timestamp::default() };
        let (gate, _) = rules().charge(failures, Timestamp::from_secs(i64::from(u32::MAX)));
        assert_eq!(gate, Gate::Stopped);
    }
}
