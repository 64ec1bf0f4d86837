//! Entries of the trail that nobody waits for: of accepts that change nothing else in the file. They are written within
//! [`PAUSE`], together, or with the next batch if that is sooner.
//!
//! Nothing is lost by it that was promised: no passcode is used up, no failure counted. What a power cut or a kill can take
//! is who came in by the password alone in the last moment. As soon as a write fails, or takes
//! too long, no more are taken, and everybody waits for a commit until one succeeds; what was taken stays and is written then.

use super::chain::Entry;
use super::query::without_nul;
use crate::base::affinity::stay;
use crate::base::{Timestamp, ticks};
use crate::domain::audit::AuditEntry;
use crate::domain::person::PersonId;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the first waits for others.
const PAUSE: Duration = Duration::from_millis(10);
/// So many are written without waiting for more.
const ENOUGH: usize = 1024;
/// A rush: so many within so many milliseconds.
const MANY: usize = ENOUGH / 2;
const SOON: u64 = 25;
/// So many may wait; who comes then waits for a commit.
const MOST: usize = 4096;
/// So many milliseconds a commit may take; who comes then waits for it.
const LATE: u64 = 250;

/// Entries with their texts in one piece: whoever logs in allocates and frees them, and the thread that writes, on another core, reads them
/// one after the other.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    texts: String,
    notes: Vec<Note>,
}

/// An entry, but for its texts.
#[derive(Debug, Clone, Copy)]
struct Note {
    at: Timestamp,
    action: &'static str,
    person: Option<PersonId>,
    outcome: &'static str,
    /// How long the texts are: actor, subject, detail, request.
    lengths: [usize; 4],
}

impl Bundle {
    pub(super) const fn len(&self) -> usize {
        self.notes.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.notes.clear();
    }

    fn push(&mut self, entry: &AuditEntry) {
        let AuditEntry { at, actor, action, person, subject, outcome, detail, request } = entry;
        let texts = [actor.as_str(), subject, detail, request];
        let begin = self.texts.len();
        texts.iter().for_each(|text| self.texts.push_str(text));
        let mut lengths = texts.map(str::len);
        // No text of the database has one.
        if self.texts.as_bytes().get(begin..).is_some_and(|bytes| bytes.contains(&0)) {
            self.texts.truncate(begin);
            let texts = texts.map(|text| without_nul(text.to_owned()));
            texts.iter().for_each(|text| self.texts.push_str(text));
            lengths = texts.map(|text| text.len());
        }
        self.notes.push(Note { at: *at, action, person: *person, outcome, lengths });
    }

    /// Takes those of another behind its own.
    fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.texts.push_str(&other.texts);
        self.notes.extend(other.notes);
    }

    /// Shows each, in their order; `with` may fail, and then no more are shown.
    pub(super) fn each<E>(&self, mut with: impl FnMut(usize, &Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut rest = self.texts.as_str();
        for (at, note) in self.notes.iter().enumerate() {
            let [actor, subject, detail, request] = note.lengths.map(|length| {
                let (text, after) = rest.split_at_checked(length).unwrap_or_default();
                rest = after;
                text
            });
            let mut person = [0; PersonId::LENGTH];
            let person = note.person.map(|id| id.write(&mut person));
            let Note { at: when, action, outcome, .. } = *note;
            with(at, &Entry { at: when, actor, action, person, subject, outcome, detail, request })?;
        }
        Ok(())
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Notes {
    kept: Mutex<Kept>,
    /// Rung when the first has come, and when there are enough.
    bell: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    waiting: Bundle,
    /// Taken by the writer and not committed yet.
    under_way: usize,
    /// When those of a rush were handed over last; none: there is none.
    rush: Option<u64>,
    /// When some were handed over last.
    handed: Option<u64>,
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

fn is_soon(since: u64) -> bool {
    ticks().is_some_and(|now| now.saturating_sub(since) <= SOON)
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
        kept.waiting.push(&entry);
        kept.oldest = kept.oldest.or_else(ticks);
        let count = kept.waiting.len();
        let rush = kept.rush.is_some_and(is_soon);
        drop(kept);
        if count == 1 {
            stay(rush);
        }
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
    pub(super) fn hand_over(&self, notes: &mut Bundle) {
        // Quickly: logins wait for the lock. Most often the room of those that are written serves the next.
        let mut kept = self.lock();
        kept.under_way = notes.len() + kept.waiting.len();
        let many = kept.waiting.len() >= MANY && kept.handed.is_some_and(is_soon);
        kept.handed = ticks();
        kept.rush = kept.handed.filter(|_| many);
        if notes.is_empty() {
            std::mem::swap(&mut kept.waiting, notes);
            return;
        }
        let waiting = std::mem::take(&mut kept.waiting);
        drop(kept);
        notes.append(waiting);
    }

    /// Whether those that were handed over last came in a rush.
    pub(super) fn rush(&self) -> bool {
        self.lock().rush.is_some()
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
        let (notes, mut written) = (Notes::default(), Bundle::default());
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
    fn each_is_shown_as_it_was_taken_also_behind_those_that_were_lost() {
        let person = PersonId::from_uuid(uuid::Uuid::from_u128(7));
        let entry = |number: i64| AuditEntry {
            at: Timestamp::from_millis(number),
            actor: format!("radius:vpn-{number}"),
            person: (number % 2 == 0).then_some(person),
            subject: "j\u{fc}rgen".repeat(usize::try_from(number).unwrap()),
            detail: if number == 3 { "a\0\0b".to_owned().into() } else { "password".into() },
            request: String::new(),
            ..note()
        };
        let (mut lost, mut behind) = (Bundle::default(), Bundle::default());
        (0..3).for_each(|number| lost.push(&entry(number)));
        (3..6).for_each(|number| behind.push(&entry(number)));
        lost.append(behind);
        let mut seen = 0;
        let shown: Result<(), ()> = lost.each(|at, shown| {
            let expected = entry(i64::try_from(at).unwrap());
            let detail = expected.detail.replace('\0', "\u{fffd}");
            assert_eq!((shown.at, shown.action, shown.outcome), (expected.at, "login", "accept"));
            assert_eq!((shown.actor, shown.subject), (expected.actor.as_str(), expected.subject.as_str()));
            assert_eq!((shown.detail, shown.request), (detail.as_str(), ""));
            assert_eq!(shown.person.map(str::to_owned), expected.person.map(PersonId::text));
            seen += 1;
            Ok(())
        });
        assert!(shown.is_ok() && seen == 6);
        lost.clear();
        assert!(lost.each(|_, _| Err(())).is_ok(), "there are none left");
    }

    #[test]
    fn many_within_a_moment_are_a_rush() {
        let (notes, mut written) = (Notes::default(), Bundle::default());
        notes.ended(true);
        // However slow the machine is: the last were handed over now, or long ago.
        let mut hand_over = |count: usize, soon: bool| {
            for _ in 0..count {
                notes.lock().waiting.push(&note());
            }
            notes.lock().handed =
                ticks().map(|now| if soon { now + 60_000 } else { now.saturating_sub(60_000) });
            notes.hand_over(&mut written);
            written.clear();
            notes.rush()
        };
        assert!(!hand_over(MANY - 1, true));
        assert!(hand_over(MANY, true));
        assert!(!hand_over(MANY, false), "it took a minute");
        assert!(hand_over(MANY, true));
        assert!(!hand_over(0, true));
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let (notes, mut written) = (Notes::default(), Bundle::default());
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
