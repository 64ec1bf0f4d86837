//! Whom the entries are about that this process has added to the trail lately. A part of the trail that is whole in here is
//! written down for searches ([`super::subjects`]) without being read again.
//!
//! Only what is committed comes in, and only entries that follow each other without a gap: where another node has written in between, or
//! the daemon was started in the midst of a part, that part is read.

use super::chain::{Link, Position};
use super::subjects::{Digest, numbers, part_of};
use std::collections::VecDeque;

/// Whole parts that are kept, some 64 KiB each: of more, the rest is read.
const MOST: usize = 64;

/// Entries of an open transaction, one after the other.
#[derive(Debug, Default)]
pub(super) struct Added {
    digests: Vec<Digest>,
    /// Links of those that end a part.
    ends: Vec<Link>,
}

impl Added {
    /// One more, which has this place.
    pub(super) fn push(&mut self, subject: &str, at: &Position) {
        self.digests.push(Digest::of(subject));
        if is_end(at.seq) {
            self.ends.push(at.link);
        }
    }

    /// The last `count` are taken back, the last of which had this number.
    pub(super) fn take_back(&mut self, count: i64, last: i64) {
        let ends = (0..count).filter(|back| is_end(last - back)).count();
        let left = |length: usize, gone: usize| length.saturating_sub(gone);
        self.digests.truncate(left(self.digests.len(), usize::try_from(count).unwrap_or(usize::MAX)));
        self.ends.truncate(left(self.ends.len(), ends));
    }

    pub(super) fn clear(&mut self) {
        self.digests.clear();
        self.ends.clear();
    }
}

fn is_end(seq: i64) -> bool {
    numbers(part_of(seq)).1 == seq
}

/// A part of the trail, whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) number: i64,
    /// Of its entries, from its first number on; the trail begins with number 1.
    digests: Vec<Digest>,
    /// Of its last entry.
    pub(super) end: Link,
}

impl Whole {
    /// Numbers and digests of its entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (i64, Digest)> {
        (begin(self.number)..).zip(self.digests.iter().copied())
    }
}

/// The first entry of a part.
fn begin(part: i64) -> i64 {
    numbers(part).0.max(1)
}

/// What was committed lately.
#[derive(Debug, Default)]
pub(super) struct Recent {
    whole: VecDeque<Whole>,
    /// The beginning of the part that comes next, up to this number; empty if it was not seen from its first entry on.
    filling: Vec<Digest>,
    last: i64,
}

impl Recent {
    /// Takes what was added, up to the number `last`.
    pub(super) fn take(&mut self, added: &mut Added, last: i64) {
        let count = i64::try_from(added.digests.len()).unwrap_or(i64::MAX);
        let first = last.saturating_sub(count).saturating_add(1);
        if first != self.last.saturating_add(1) {
            self.broken();
        }
        let mut ends = added.ends.iter();
        for (digest, seq) in added.digests.iter().zip(first..) {
            let part = part_of(seq);
            if seq == begin(part) || !self.filling.is_empty() {
                self.filling.push(*digest);
            }
            if !is_end(seq) {
                continue;
            }
            let digests = std::mem::take(&mut self.filling);
            if let Some(end) = ends.next()
                && !digests.is_empty()
                && self.whole.len() < MOST
            {
                self.filling.reserve_exact(digests.len());
                self.whole.push_back(Whole { number: part, digests, end: *end });
            }
        }
        self.last = last;
        added.clear();
    }

    /// What follows has nothing to do with what was added before. What is whole is good: its end is looked for when it is written
    /// down.
    pub(super) fn broken(&mut self) {
        self.filling.clear();
    }

    /// This part, if it is here. Those before it are not needed any more.
    pub(super) fn part(&mut self, number: i64) -> Option<Whole> {
        while self.whole.front()?.number < number {
            self.whole.pop_front();
        }
        let there = self.whole.front()?.number == number;
        there.then(|| self.whole.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::subjects::PART;
    use super::*;

    /// Adds those numbers; the digest of each says which it is.
    fn add(recent: &mut Recent, numbers: std::ops::RangeInclusive<i64>) {
        let (mut added, last) = (Added::default(), *numbers.end());
        numbers.for_each(|seq| added.push(&seq.to_string(), &at(seq)));
        recent.take(&mut added, last);
        assert!(added.digests.is_empty() && added.ends.is_empty());
    }

    fn at(seq: i64) -> Position {
        let link = Link::parse(&format!("{seq:064}")).unwrap();
        Position { seq, link }
    }

    fn whole(recent: &mut Recent, number: i64) -> bool {
        let Some(part) = recent.part(number) else { return false };
        let (first, last) = (numbers(number).0.max(1), numbers(number).1);
        assert_eq!((part.number, part.end), (number, at(last).link));
        let expected = (first..=last).map(|seq| (seq, Digest::of(&seq.to_string())));
        assert!(part.entries().eq(expected));
        true
    }

    #[test]
    fn part_that_came_without_a_gap_is_whole_however_it_was_committed() {
        let mut recent = Recent::default();
        add(&mut recent, 1..=5);
        add(&mut recent, 6..=3 * PART);
        add(&mut recent, 3 * PART + 1..=4 * PART - 2);
        assert!(whole(&mut recent, 0) && whole(&mut recent, 1) && whole(&mut recent, 2));
        assert!(!whole(&mut recent, 3), "its last entry is to come");
        add(&mut recent, 4 * PART - 1..=4 * PART - 1);
        assert!(whole(&mut recent, 3));
        assert!(!whole(&mut recent, 3), "it was taken");
    }

    #[test]
    fn part_with_a_gap_or_without_its_beginning_is_not() {
        let mut recent = Recent::default();
        add(&mut recent, 7..=PART + 9);
        add(&mut recent, PART + 11..=3 * PART - 1);
        add(&mut recent, 3 * PART..=3 * PART + 4);
        recent.broken();
        add(&mut recent, 3 * PART + 5..=5 * PART);
        assert!(!whole(&mut recent, 0), "its first entries are missing");
        assert!(!whole(&mut recent, 1), "there is a gap");
        assert!(whole(&mut recent, 2), "it begins after the gap");
        assert!(!whole(&mut recent, 3), "somebody else wrote");
        assert!(whole(&mut recent, 4));
    }

    #[test]
    fn earlier_parts_are_dropped_and_no_more_than_so_many_kept() {
        let mut recent = Recent::default();
        let most = i64::try_from(MOST).unwrap();
        add(&mut recent, 1..=(most + 2) * PART);
        assert!(whole(&mut recent, 3));
        assert!(!whole(&mut recent, 2));
        assert!(whole(&mut recent, most - 1) && !whole(&mut recent, most));
        add(&mut recent, (most + 2) * PART + 1..=(most + 4) * PART);
        assert!(whole(&mut recent, most + 3), "there is room again");
    }

    #[test]
    fn what_a_job_takes_back_was_never_added() {
        let (mut recent, mut added) = (Recent::default(), Added::default());
        (1..=PART + 3).for_each(|seq| added.push(&seq.to_string(), &at(seq)));
        added.take_back(5, PART + 3);
        assert!(added.ends.is_empty(), "the end of the part was among them");
        (PART - 1..=PART + 3).for_each(|seq| added.push(&seq.to_string(), &at(seq)));
        recent.take(&mut added, PART + 3);
        assert!(whole(&mut recent, 0));
    }
}
