//! Answers kept for retransmissions (RFC 5080 §2.2.2).
//!
//! A client that hears nothing sends the same request again. While the first copy is being decided the
//! second is dropped; once it is answered the same bytes go out again. So an attempt is charged once, and a
//! passcode that was accepted is not refused because the Access-Accept got lost.
//!
//! Only requests that passed the Message-Authenticator check come here. The number of kept answers is bounded:
//! the oldest goes first. Requests being decided are never dropped from the table; their number is bounded by
//! the limit on requests in flight.
//!
//! Each socket has its own table, and the kernel sends copies of a request to the same socket.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// What makes two datagrams the same request: source and identifier. The authenticator is compared too; another one
/// under the same identifier is a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u128, u64);

impl Key {
    pub(super) fn new(source: SocketAddr, identifier: u8) -> Self {
        let (ip, scope) = match source {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
        };
        let port = source.port();
        let number = u64::from(scope) << 24 | u64::from(port) << 8 | u64::from(identifier);
        Self(u128::from(ip), number)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In few pieces, which is what makes the keyed hash cheap. It stays keyed: clients choose their ports.
        state.write_u128(self.0);
        state.write_u64(self.1);
    }
}

/// How a request relates to those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(super) enum Seen<'t> {
    /// Not seen: now marked as being decided.
    New(Ticket),
    /// The same request is being decided, or its answer waits for its moment: stay silent.
    InFlight,
    /// It was answered: send these bytes again.
    Answered(&'t [u8]),
}

/// Names one entry, to finish it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    slot: usize,
    /// Distinguishes the entry from a later one in its place.
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    authenticator: [u8; 16],
    serial: u64,
    state: State,
    /// The answer. Its room is used again.
    bytes: Vec<u8>,
    /// Neighbours among the answered, older and younger.
    older: Option<usize>,
    younger: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Deciding,
    Answered { leaves: Instant, ends: Instant },
}

/// The table.
#[derive(Debug)]
pub(super) struct Duplicates {
    index: HashMap<Key, usize>,
    entries: Vec<Entry>,
    free: Vec<usize>,
    oldest: Option<usize>,
    youngest: Option<usize>,
    answered: usize,
    serial: u64,
    window: Duration,
    limit: usize,
}

impl Duplicates {
    /// Keeps at most `limit` answers for `window` each.
    pub(super) fn new(window: Duration, limit: usize) -> Self {
        Self {
            index: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            oldest: None,
            youngest: None,
            answered: 0,
            serial: 0,
            window,
            limit,
        }
    }

    /// Takes new limits on a reload.
    pub(super) fn set_limits(&mut self, window: Duration, limit: usize) {
        (self.window, self.limit) = (window, limit);
    }

    /// Looks a request up and, if it is new, marks it.
    pub(super) fn begin(&mut self, key: Key, authenticator: &[u8; 16], now: Instant) -> Seen<'_> {
        self.expire(now);
        self.serial += 1;
        let serial = self.serial;
        let slot = match self.index.entry(key) {
            Place::Occupied(place) => *place.get(),
            Place::Vacant(place) => {
                let slot = self.free.pop().unwrap_or(self.entries.len());
                place.insert(slot);
                let (authenticator, state) = (*authenticator, State::Deciding);
                let entry = Entry {
                    key,
                    authenticator,
                    serial,
                    state,
                    bytes: Vec::new(),
                    older: None,
                    younger: None,
                };
                match self.entries.get_mut(slot) {
                    Some(free) => *free = entry,
                    None => self.entries.push(entry),
                }
                return Seen::New(Ticket { slot, serial });
            }
        };
        let same = self.entries.get(slot).is_some_and(|entry| entry.authenticator == *authenticator);
        if !same {
            self.unlink(slot);
            if let Some(entry) = self.entries.get_mut(slot) {
                (entry.authenticator, entry.serial, entry.state) = (*authenticator, serial, State::Deciding);
            }
            return Seen::New(Ticket { slot, serial });
        }
        match self.entries.get(slot) {
            Some(Entry { state: State::Answered { leaves, .. }, bytes, .. }) if *leaves <= now => {
                Seen::Answered(bytes)
            }
            _ => Seen::InFlight,
        }
    }

    /// Keeps the answer, which leaves at `leaves`.
    pub(super) fn answered(&mut self, ticket: Ticket, bytes: &[u8], leaves: Instant) {
        let youngest = self.youngest;
        let ends = leaves + self.window;
        let Some(entry) = self.named(ticket).filter(|entry| entry.state == State::Deciding) else { return };
        entry.bytes.clear();
        entry.bytes.extend_from_slice(bytes);
        entry.state = State::Answered { leaves, ends };
        entry.older = youngest;
        if let Some(before) = youngest.and_then(|slot| self.entries.get_mut(slot)) {
            before.younger = Some(ticket.slot);
        }
        self.youngest = Some(ticket.slot);
        self.oldest = self.oldest.or(self.youngest);
        self.answered += 1;
        while self.answered > self.limit {
            let Some(oldest) = self.oldest else { break };
            self.remove(oldest);
        }
    }

    /// Forgets a request that could not be decided: a retransmission gets another chance.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        if self.named(ticket).is_some() {
            self.remove(ticket.slot);
        }
    }

    /// Entries held, of both kinds.
    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.index.len() + self.free.len(), self.entries.len());
        self.index.len()
    }

    fn named(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(ticket.slot)?;
        (entry.serial == ticket.serial && entry.state != State::Free).then_some(entry)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.oldest
            && let Some(Entry { state: State::Answered { ends, .. }, .. }) = self.entries.get(slot)
            && *ends <= now
        {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        self.unlink(slot);
        if let Some(entry) = self.entries.get_mut(slot) {
            self.index.remove(&entry.key);
            entry.state = State::Free;
            entry.bytes = Vec::new();
            self.free.push(slot);
        }
    }

    /// Takes an entry out of the row of the answered, if it is there.
    fn unlink(&mut self, slot: usize) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        if !matches!(entry.state, State::Answered { .. }) {
            return;
        }
        let (older, younger) = (entry.older.take(), entry.younger.take());
        match older.and_then(|slot| self.entries.get_mut(slot)) {
            Some(entry) => entry.younger = younger,
            None => self.oldest = younger,
        }
        match younger.and_then(|slot| self.entries.get_mut(slot)) {
            Some(entry) => entry.older = older,
            None => self.youngest = older,
        }
        self.answered -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(identifier: u8) -> Key {
        Key::new("127.0.0.1:5000".parse().unwrap(), identifier)
    }

    fn table(limit: usize) -> (Duplicates, Instant) {
        (Duplicates::new(Duration::from_secs(30), limit), Instant::now())
    }

    fn begin(table: &mut Duplicates, identifier: u8, authenticator: u8, now: Instant) -> Option<Ticket> {
        match table.begin(key(identifier), &[authenticator; 16], now) {
            Seen::New(ticket) => Some(ticket),
            Seen::InFlight | Seen::Answered(_) => None,
        }
    }

    #[test]
    fn copy_of_a_request_being_decided_is_in_flight() {
        let (mut table, now) = table(10);
        assert!(begin(&mut table, 1, 1, now).is_some());
        assert_eq!(table.begin(key(1), &[1; 16], now), Seen::InFlight);
    }

    #[test]
    fn copy_of_an_answered_request_gets_the_same_bytes_once_they_have_left() {
        let (mut table, now) = table(10);
        let ticket = begin(&mut table, 1, 1, now).unwrap();
        table.answered(ticket, b"reject", now + Duration::from_secs(1));
        assert_eq!(table.begin(key(1), &[1; 16], now), Seen::InFlight);
        assert_eq!(table.begin(key(1), &[1; 16], now + Duration::from_secs(1)), Seen::Answered(b"reject"));
        assert!(begin(&mut table, 1, 1, now + Duration::from_secs(31)).is_some());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn another_authenticator_under_the_same_identifier_is_a_new_request() {
        let (mut table, now) = table(10);
        let first = begin(&mut table, 1, 1, now).unwrap();
        let second = begin(&mut table, 1, 2, now).unwrap();
        // The answer to the first must not be given to the second, nor its end forget the second.
        table.answered(first, b"x", now);
        table.forget(first);
        assert_eq!(table.begin(key(1), &[2; 16], now), Seen::InFlight);
        table.answered(second, b"y", now);
        assert_eq!(table.begin(key(1), &[2; 16], now), Seen::Answered(b"y"));
    }

    #[test]
    fn answers_are_bounded_and_the_oldest_goes_first() {
        let (mut table, now) = table(2);
        for identifier in 0..5 {
            let ticket = begin(&mut table, identifier, 0, now).unwrap();
            table.answered(ticket, b"x", now);
        }
        assert_eq!(table.len(), 2);
        assert!(begin(&mut table, 0, 0, now).is_some());
        assert_eq!(table.begin(key(4), &[0; 16], now), Seen::Answered(b"x"));
    }

    /// One client that asks much uses its 256 identifiers again and again.
    #[test]
    fn identifier_used_again_takes_the_place_of_its_own_answer_only() {
        let (mut table, now) = table(3);
        for authenticator in 0..100 {
            for identifier in [1, 2] {
                let ticket = begin(&mut table, identifier, authenticator, now).unwrap();
                table.answered(ticket, &[authenticator], now);
            }
            if authenticator == 0 {
                let ticket = begin(&mut table, 9, 9, now).unwrap();
                table.answered(ticket, b"other", now);
            }
        }
        assert_eq!(table.begin(key(9), &[9; 16], now), Seen::Answered(b"other"));
        assert_eq!(table.begin(key(2), &[99; 16], now), Seen::Answered(&[99]));
        assert_eq!(table.len(), 3);
        assert!(begin(&mut table, 7, 7, now + Duration::from_secs(60)).is_some());
        assert_eq!(table.len(), 1, "all that was over went at once");
    }

    #[test]
    fn undecided_request_may_be_tried_again() {
        let (mut table, now) = table(2);
        let ticket = begin(&mut table, 1, 0, now).unwrap();
        table.forget(ticket);
        table.forget(ticket);
        assert!(begin(&mut table, 1, 0, now).is_some());
        assert_eq!(table.len(), 1);
    }
}
