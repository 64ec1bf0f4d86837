//! Entries of the trail that nobody waits for: of accepts that change nothing else in the file. They are written within
//! [`PAUSE`], together, or with the next batch if that is sooner.
//!
//! Nothing is lost by it that was promised: no passcode is used up, no failure counted. What a power cut or a kill can take
//! is who came in by the password alone in the last moment. As soon as a write fails, or takes
//! too long, no more are taken, and everybody waits for a commit until one succeeds; what was taken stays and is written then.

use super::chain::placeless;
use crate::base::ticks;
use crate::domain::audit::AuditEntry;
use crate::store::AuditRecord;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the first waits for others.
const PAUSE: Duration = Duration::from_millis(10);
/// So many are written without waiting for more.
const ENOUGH: usize = 1024;
/// So many may wait; who comes then waits for a commit.
const MOST: usize = 4096;
/// So many milliseconds a commit may take; who comes then waits for it.
const LATE: u64 = 250;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Notes {
    kept: Mutex<Kept>,
    /// Rung when the first has come, and when there are enough.
    bell: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    waiting: Vec<AuditEntry>,
    /// Taken by the writer and not committed yet.
    under_way: usize,
    /// Since which tick one waits for its commit.
    oldest: Option<u64>,
    /// Whether the last commit succeeded.
    sound: bool,
    /// Whether the writer is about to end.
    closed: bool,
}

impl Kept {
    fn is_open(&self) -> bool {
        // Without a clock nobody could tell.
        let late = |now: u64| self.oldest.is_some_and(|oldest| now.saturating_sub(oldest) > LATE);
        self.sound
            && !self.closed
            && ticks().is_some_and(|now| !late(now))
            && self.waiting.len() + self.under_way < MOST
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one would be taken.
    pub(super) fn is_open(&self) -> bool {
        self.lock().is_open()
    }

    /// Takes one, or gives it back.
    #[must_use]
    pub(super) fn take(&self, entry: AuditEntry) -> Option<AuditEntry> {
        let mut kept = self.lock();
        if !kept.is_open() {
            return Some(entry);
        }
        kept.waiting.push(entry);
        kept.oldest = kept.oldest.or_else(ticks);
        let count = kept.waiting.len();
        drop(kept);
        if count == 1 || count == ENOUGH {
            self.bell.notify_one();
        }
        None
    }

    /// Whether more have come meanwhile than are written together: whoever writes gives way to nobody then.
    pub(super) fn pile_up(&self) -> bool {
        self.lock().waiting.len() >= ENOUGH
    }

    /// Whether there are some that were not committed yet.
    pub(super) fn are_pending(&self) -> bool {
        let kept = self.lock();
        kept.under_way > 0 || !kept.waiting.is_empty()
    }

    /// Waits until it is time to write.
    pub(super) async fn ripe(&self) {
        while self.lock().waiting.is_empty() {
            self.bell.notified().await;
        }
        let enough = async {
            while self.lock().waiting.len() < ENOUGH {
                self.bell.notified().await;
            }
        };
        // Both are reasons to write.
        let _ = tokio::time::timeout(PAUSE, enough).await;
    }

    /// Takes no more: what waits now is the last that is written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Hands over what waits, after what was handed over and not committed.
    pub(super) fn hand_over(&self, notes: &mut Vec<AuditRecord>) {
        let entries = {
            // Quickly: logins wait for the lock.
            let mut kept = self.lock();
            kept.under_way = notes.len() + kept.waiting.len();
            std::mem::take(&mut kept.waiting)
        };
        notes.extend(entries.into_iter().map(placeless));
    }

    /// What was handed over is committed, or the writer has kept it.
    pub(super) fn ended(&self, committed: bool) {
        let mut kept = self.lock();
        kept.sound = committed;
        if committed {
            kept.under_way = 0;
            // At most as late as the commit took.
            kept.oldest = ticks().filter(|_| !kept.waiting.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn note() -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_millis(0),
            actor: String::new(),
            action: "login",
            person: None,
            subject: String::new(),
            outcome: "accept",
            detail: "".into(),
            request: String::new(),
        }
    }

    #[test]
    fn none_is_taken_before_a_commit_after_a_failure_while_one_is_late_or_at_the_end() {
        let (notes, mut written) = (Notes::default(), Vec::new());
        assert!(notes.take(note()).is_some(), "nothing was committed yet");
        notes.ended(true);
        assert!(notes.take(note()).is_none());
        notes.lock().oldest = ticks().map(|now| now - LATE * 2);
        assert!(notes.take(note()).is_some(), "the commit is late");
        notes.hand_over(&mut written);
        assert!(!notes.is_open(), "and still is while it is under way");
        notes.ended(true);
        assert!(notes.take(note()).is_none());
        notes.ended(false);
        assert!(notes.take(note()).is_some(), "a commit failed");
        notes.hand_over(&mut written);
        assert_eq!((written.len(), notes.are_pending()), (2, true));
        notes.ended(true);
        assert!(notes.is_open() && !notes.are_pending());
        notes.close();
        assert!(notes.take(note()).is_some(), "nobody would write it");
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let (notes, mut written) = (Notes::default(), Vec::new());
        notes.ended(true);
        // However slow the machine is, none is late.
        for _ in 0..MOST {
            notes.lock().oldest = None;
            assert!(notes.take(note()).is_none());
        }
        notes.lock().oldest = None;
        assert!(notes.take(note()).is_some());
        assert!(notes.pile_up());
        notes.hand_over(&mut written);
        assert!(!notes.pile_up());
        assert!(notes.take(note()).is_some(), "what is under way counts");
    }
}
