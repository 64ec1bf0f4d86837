//! How many logins the kernel takes for a socket at which more arrive than can be decided.
//!
//! What it has no room for it drops whatever it is, and what it has room for waits behind all that came before. So where
//! the queue stays half full, the kernel is told to take a share of the Access-Requests only, at random and before they
//! cost anything. Status-Server and what is taken are then answered soon, and a monitor does not take a busy server for a
//! dead one. The share falls and rises with the queue, and is whole again once the queue has run dry.

use super::socket::Backlog;
use std::time::Duration;
use tokio::time::Instant;

/// Full batches in succession after which the queue is looked at.
const SUSPICIOUS: u32 = 32;
/// How often. A look costs some hundred microseconds, and the kernel translates a filter anew for each change.
const PACE: Duration = Duration::from_millis(20);
/// How full a queue must be for something to be turned away, and how full it is kept while something is.
const HIGH: f64 = 0.5;
const TARGET: f64 = 0.4;
/// How much of the share changes with the queue's distance from there, and with what it has grown by since the last look.
const DISTANCE: f64 = 0.5;
const GROWTH: f64 = 1.0;
/// Some are always taken.
const LEAST: f64 = 1.0 / 64.0;

/// The share of one socket.
#[derive(Debug)]
pub(super) struct Admission {
    share: f64,
    full: u32,
    looked: Instant,
    /// How full the queue was then.
    fullness: f64,
}

impl Admission {
    pub(super) const fn new(now: Instant) -> Self {
        Self { share: 1.0, full: 0, looked: now, fullness: 0.0 }
    }

    /// Whether all are taken.
    pub(super) fn is_whole(&self) -> bool {
        self.share >= 1.0
    }

    /// When to look again, though nothing arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.is_whole()).then(|| self.looked + PACE)
    }

    /// Whether the queue is to be looked at now, after a read that left more or did not.
    pub(super) fn wants(&mut self, more: bool, now: Instant) -> bool {
        self.full = if more { self.full.saturating_add(1) } else { 0 };
        let suspicious = self.full >= SUSPICIOUS || !self.is_whole();
        let wants = suspicious && now.saturating_duration_since(self.looked) >= PACE;
        if wants {
            self.looked = now;
        }
        wants
    }

    /// The share from now on, if it is another.
    pub(super) fn adjust(&mut self, queue: Option<Backlog>) -> Option<f64> {
        let before = self.share;
        // The kernel's list can miss a socket while others come and go. If it always does, all are taken in the end.
        let fullness = queue.map_or(0.0, |queue| queue.fullness);
        let grown =
            if queue.is_some() { fullness - std::mem::replace(&mut self.fullness, fullness) } else { 0.0 };
        if !self.is_whole() || fullness > HIGH {
            let factor = 1.0 + DISTANCE * (TARGET - fullness) - GROWTH * grown;
            self.share = (self.share * factor.clamp(0.5, 2.0)).clamp(LEAST, 1.0);
        }
        #[expect(clippy::float_cmp, reason = "the same, and not nearly the same")]
        (self.share != before).then_some(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket at which `load` times as many arrive as are read, with a queue that holds what arrives in 4 looks.
    fn queue_after(load: f64, looks: usize) -> (f64, Admission) {
        let (mut now, mut fullness) = (Instant::now(), 0.0_f64);
        let mut admission = Admission::new(now);
        for _ in 0..looks {
            now += PACE;
            fullness = (fullness + (load * admission.share - 1.0) / 4.0).clamp(0.0, 1.0);
            for _ in 0..SUSPICIOUS {
                if admission.wants(fullness > 0.0, now) {
                    admission.adjust(Some(Backlog { fullness, dropped: 0 }));
                }
            }
        }
        (fullness, admission)
    }

    #[test]
    fn queue_is_kept_short_and_never_dry_while_too_much_arrives() {
        for load in [1.2, 2.0, 8.0] {
            for looks in 100..140 {
                let (fullness, admission) = queue_after(load, looks);
                assert!((0.1..0.7).contains(&fullness), "{load} after {looks}: {fullness}");
                assert!(!admission.is_whole());
            }
        }
    }

    #[test]
    fn all_are_taken_where_the_server_keeps_up_and_again_when_the_rush_is_over() {
        let (_, mut admission) = queue_after(0.9, 100);
        assert!(admission.is_whole() && admission.next().is_none());
        admission = queue_after(4.0, 100).1;
        let mut now = admission.looked;
        for _ in 0..30 {
            now = admission.next().unwrap_or(now);
            if admission.wants(false, now) {
                admission.adjust(Some(Backlog { fullness: 0.0, dropped: 0 }));
            }
        }
        assert!(admission.is_whole(), "{admission:?}");
    }

    #[test]
    fn nothing_is_looked_at_before_many_full_batches_nor_all_the_time() {
        let start = Instant::now();
        let mut admission = Admission::new(start);
        let late = start + PACE;
        assert!((1..SUSPICIOUS).all(|_| !admission.wants(true, late)));
        assert!(!admission.wants(false, late));
        assert!((1..SUSPICIOUS).all(|_| !admission.wants(true, late)));
        assert!(!admission.wants(true, start), "it was looked at just now");
        assert!(admission.wants(true, late));
        assert!(!admission.wants(true, late));
    }

    #[test]
    fn who_cannot_look_takes_all_in_the_end() {
        let mut admission = queue_after(4.0, 100).1;
        assert!(admission.adjust(None).is_some_and(|share| share < 0.5), "once is nothing");
        while !admission.is_whole() {
            assert!(admission.adjust(None).is_some());
        }
    }
}
