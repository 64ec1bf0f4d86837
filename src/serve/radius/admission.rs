//! How many logins the kernel takes for a socket at which more arrive than can be decided.
//!
//! What it has no room for it drops whatever it is, and what it has room for waits behind all that came before. So once
//! the queue is full, the kernel is told to take a share only of what is no Status-Server, at random and before it
//! costs anything. Status-Server and what is taken are then answered soon, and a monitor does not take a busy server for a
//! dead one. The share falls and rises with the queue, and is whole again once the queue has run dry. Where the queue is full
//! of what no share would thin out, all are taken, and have their part of the room.

use super::socket::Backlog;
use std::time::Duration;
use tokio::time::Instant;

/// Full batches in succession after which the queue is looked at.
pub(super) const SUSPICIOUS: u32 = 32;
/// How often, at first. A look is one call; for each change the kernel translates a filter anew, and interrupts all cores.
const PACE: Duration = Duration::from_millis(4);
/// So many octets are a full queue, some 2,600 requests, though there be room for more: that is for what arrives while the reader is
/// kept from its core. A queue with less room fills sooner and is looked at more often.
const FULL: u32 = 2 << 20;
const QUICKEST: Duration = Duration::from_millis(1);
/// How full a queue must be for something to be turned away; and how full it is kept while something is.
const HIGH: f64 = 0.9;
const TARGET: f64 = 0.5;
/// How much of the share changes with the queue's distance from there, and with what it has grown by since the last look.
const DISTANCE: f64 = 0.3;
const GROWTH: f64 = 3.0;
/// A change by less than this is not worth a filter.
const WORTH: f64 = 0.02;
/// A share that changes by less than this is right for what arrives: the next look has twice as much time, up to so many times
/// in succession.
const CALM: f64 = 0.1;
const CALMEST: u32 = 2;
/// Some are always taken.
const LEAST: f64 = 1.0 / 64.0;

/// The share of one socket.
#[derive(Debug)]
pub(super) struct Admission {
    share: f64,
    /// After so many full batches it is looked at.
    suspicious: u32,
    full: u32,
    /// What was read since the last look: all of it, and what a share would thin out.
    read: usize,
    thinned: usize,
    looked: Instant,
    pace: Duration,
    /// How often in succession the share was right.
    calm: u32,
    /// How full the queue was then.
    fullness: f64,
}

impl Admission {
    pub(super) const fn new(now: Instant, suspicious: u32) -> Self {
        Self {
            share: 1.0,
            suspicious,
            full: 0,
            read: 0,
            thinned: 0,
            looked: now,
            pace: PACE,
            calm: 0,
            fullness: 0.0,
        }
    }

    /// Whether all are taken.
    pub(super) fn is_whole(&self) -> bool {
        self.share >= 1.0
    }

    /// When to look again, though nothing arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.is_whole()).then(|| self.looked + self.pace)
    }

    /// So many datagrams were read, and so many of them were no Status-Server.
    pub(super) fn read(&mut self, all: usize, others: usize) {
        (self.read, self.thinned) = (self.read + all, self.thinned + others);
    }

    /// The kernel takes no filter: there is nothing to be done.
    pub(super) fn give_up(&mut self) {
        (self.share, self.suspicious) = (1.0, u32::MAX);
    }

    /// Whether the queue is to be looked at now, after a read that left more or did not.
    pub(super) fn wants(&mut self, more: bool, now: Instant) -> bool {
        self.full = if more { self.full.saturating_add(1) } else { 0 };
        let suspicious = self.full >= self.suspicious || !self.is_whole();
        let wants = suspicious && now.saturating_duration_since(self.looked) >= self.pace;
        if wants {
            self.looked = now;
        }
        wants
    }

    /// The share from now on, if it is another.
    pub(super) fn adjust(&mut self, queue: Option<Backlog>) -> Option<f64> {
        let before = self.share;
        let thins = std::mem::take(&mut self.thinned) * 2 >= std::mem::take(&mut self.read);
        // Who cannot look takes all in the end.
        let fullness = queue.map_or(0.0, |queue| f64::from(queue.queued) / f64::from(full(queue)));
        let grown =
            if queue.is_some() { fullness - std::mem::replace(&mut self.fullness, fullness) } else { 0.0 };
        if !self.is_whole() || fullness > HIGH {
            let factor = 1.0 + DISTANCE * (TARGET - fullness) - GROWTH * grown;
            let factor = if thins { factor.clamp(0.5, 2.0) } else { 2.0 };
            let change = (factor - 1.0).abs();
            if change >= WORTH {
                self.share = (self.share * factor).clamp(LEAST, 1.0);
            }
            self.calm = if change < CALM { (self.calm + 1).min(CALMEST) } else { 0 };
        }
        if let Some(queue) = queue {
            let pace = PACE.mul_f64(f64::from(full(queue)) / f64::from(FULL));
            self.pace = pace.max(QUICKEST) * (1 << self.calm);
        }
        #[expect(clippy::float_cmp, reason = "the same, and not nearly the same")]
        (self.share != before).then_some(self.share)
    }
}

/// Octets at which the queue is full.
fn full(queue: Backlog) -> u32 {
    queue.room.clamp(1, FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(fullness: f64) -> Backlog {
        let queued = (fullness * f64::from(FULL)) as u32;
        Backlog { queued, dropped: 0, room: FULL }
    }

    /// A socket at which `load` times as many arrive as are read, with a queue that holds what is read in so many looks.
    fn queue_after(load: f64, held: f64, looks: usize) -> (f64, Admission) {
        let (mut now, mut fullness) = (Instant::now(), 0.0_f64);
        let mut admission = Admission::new(now, SUSPICIOUS);
        for _ in 0..looks {
            now += PACE;
            fullness = (fullness + (load * admission.share - 1.0) / held).clamp(0.0, 4.0);
            for _ in 0..SUSPICIOUS {
                if admission.wants(fullness > 0.0, now) {
                    admission.adjust(Some(Backlog { room: FULL * 4, ..backlog(fullness) }));
                }
            }
        }
        (fullness, admission)
    }

    #[test]
    fn queue_is_kept_short_and_never_dry_while_too_much_arrives() {
        for (load, held) in [(1.2, 4.0), (2.0, 4.0), (8.0, 4.0), (2.0, 2.0), (2.0, 16.0)] {
            for looks in 400..440 {
                let (fullness, admission) = queue_after(load, held, looks);
                assert!((0.1..0.7).contains(&fullness), "{load}, {held} after {looks}: {fullness}");
                assert!(!admission.is_whole());
            }
        }
    }

    #[test]
    fn all_are_taken_where_the_server_keeps_up_and_again_when_the_rush_is_over() {
        let (_, mut admission) = queue_after(0.9, 4.0, 100);
        assert!(admission.is_whole() && admission.next().is_none());
        admission = queue_after(4.0, 4.0, 100).1;
        let mut now = admission.looked;
        for _ in 0..30 {
            now = admission.next().unwrap_or(now);
            if admission.wants(false, now) {
                admission.adjust(Some(backlog(0.0)));
            }
        }
        assert!(admission.is_whole(), "{admission:?}");
    }

    #[test]
    fn flood_of_what_is_not_thinned_out_turns_no_login_away() {
        let mut admission = Admission::new(Instant::now(), SUSPICIOUS);
        for (others, share) in [(60, Some(0.5)), (49, Some(1.0)), (49, None), (50, Some(0.5))] {
            admission.read(100, others);
            admission.fullness = 0.0;
            assert_eq!(admission.adjust(Some(backlog(1.0))), share, "{others}");
        }
    }

    #[test]
    fn smaller_queue_is_looked_at_more_often() {
        let mut admission = queue_after(4.0, 4.0, 7).1;
        let next = |admission: &Admission| admission.next().map(|next| next - admission.looked);
        assert_eq!(next(&admission), Some(PACE));
        for (room, pace) in [(FULL / 2, PACE / 2), (FULL / 64, QUICKEST), (FULL * 4, PACE)] {
            admission.fullness = 0.0;
            admission.adjust(Some(Backlog { room, ..backlog(0.5) }));
            assert_eq!(next(&admission), Some(pace));
        }
    }

    #[test]
    fn queue_that_stays_as_it_is_is_looked_at_less_often_until_it_changes() {
        let mut admission = queue_after(4.0, 4.0, 7).1;
        let mut after = |fullness| {
            admission.adjust(Some(backlog(fullness)));
            admission.pace
        };
        after(TARGET);
        let paces = [TARGET, TARGET + 0.01, TARGET, TARGET, 0.9, TARGET, TARGET].map(&mut after);
        assert_eq!(paces, [PACE * 2, PACE * 4, PACE * 4, PACE * 4, PACE, PACE, PACE * 2]);
    }

    #[test]
    fn share_that_would_hardly_change_stays_as_it_is() {
        let mut admission = queue_after(4.0, 4.0, 7).1;
        admission.adjust(Some(backlog(TARGET)));
        for (fullness, another) in [(TARGET, false), (TARGET + 0.004, false), (TARGET + 0.02, true)] {
            assert_eq!(admission.adjust(Some(backlog(fullness))).is_some(), another, "{fullness}");
        }
    }

    #[test]
    fn where_the_kernel_takes_no_filter_nothing_is_looked_at_any_more() {
        let mut admission = queue_after(4.0, 4.0, 100).1;
        admission.give_up();
        assert!(admission.is_whole());
        assert!((0..1000).all(|_| !admission.wants(true, admission.looked + PACE)));
    }

    #[test]
    fn nothing_is_looked_at_before_many_full_batches_nor_all_the_time() {
        let start = Instant::now();
        let mut admission = Admission::new(start, SUSPICIOUS);
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
        let mut admission = queue_after(4.0, 4.0, 100).1;
        assert!(admission.adjust(None).is_some_and(|share| share < 0.5), "once is nothing");
        while !admission.is_whole() {
            assert!(admission.adjust(None).is_some());
        }
    }
}
