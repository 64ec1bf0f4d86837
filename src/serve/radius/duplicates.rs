//! Answers kept for retransmissions (RFC 5080 §2.2.2).
//!
//! A client that hears nothing sends the same request again. While the first copy is being decided the
//! second is dropped; once it is answered the same bytes go out again. So an attempt is charged once, and a
//! passcode that was accepted is not refused because the Access-Accept got lost.
//!
//! Only requests that passed the Message-Authenticator check come here. The number of kept answers is bounded:
//! the oldest goes first. Requests being decided are never dropped from the table; their number is bounded by
//! the limit on requests in flight.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What makes two datagrams the same request: source, identifier, and where it was sent to. The authenticator
/// is compared too; another one under the same identifier is a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: SocketAddr,
    pub(super) listener: SocketAddr,
    pub(super) identifier: u8,
}

/// How a request relates to those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(super) enum Seen {
    /// Not seen: now marked as being decided.
    New,
    /// The same request is being decided, or its answer waits for its moment: stay silent.
    InFlight,
    /// It was answered: send these bytes again.
    Answered(Arc<[u8]>),
}

#[derive(Debug)]
struct Entry {
    authenticator: [u8; 16],
    state: State,
    /// Distinguishes this entry from a later one under the same key.
    serial: u64,
}

#[derive(Debug)]
enum State {
    Deciding,
    Answered { bytes: Arc<[u8]>, leaves: Instant },
}

/// The table.
#[derive(Debug)]
pub(super) struct Duplicates {
    entries: HashMap<Key, Entry>,
    answered: VecDeque<(Instant, Key, u64)>,
    serial: u64,
    window: Duration,
    limit: usize,
}

/// Names one entry, to finish it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    key: Key,
    serial: u64,
}

impl Duplicates {
    /// Keeps at most `limit` answers for `window` each.
    pub(super) fn new(window: Duration, limit: usize) -> Self {
        Self { entries: HashMap::new(), answered: VecDeque::new(), serial: 0, window, limit }
    }

    /// Takes new limits on a reload.
    pub(super) fn set_limits(&mut self, window: Duration, limit: usize) {
        (self.window, self.limit) = (window, limit);
    }

    /// Looks a request up and, if it is new, marks it.
    pub(super) fn begin(&mut self, key: Key, authenticator: [u8; 16], now: Instant) -> (Seen, Ticket) {
        self.expire(now);
        if let Some(entry) = self.entries.get(&key)
            && entry.authenticator == authenticator
        {
            let seen = match &entry.state {
                State::Deciding => Seen::InFlight,
                State::Answered { leaves, .. } if now < *leaves => Seen::InFlight,
                State::Answered { bytes, .. } => Seen::Answered(Arc::clone(bytes)),
            };
            return (seen, Ticket { key, serial: entry.serial });
        }
        self.serial += 1;
        self.entries.insert(key, Entry { authenticator, state: State::Deciding, serial: self.serial });
        (Seen::New, Ticket { key, serial: self.serial })
    }

    /// Keeps the answer, which leaves at `leaves`.
    pub(super) fn answered(&mut self, ticket: Ticket, bytes: Arc<[u8]>, leaves: Instant) {
        let Some(entry) = self.entries.get_mut(&ticket.key).filter(|entry| entry.serial == ticket.serial)
        else {
            return;
        };
        entry.state = State::Answered { bytes, leaves };
        self.answered.push_back((leaves + self.window, ticket.key, ticket.serial));
        while self.answered.len() > self.limit {
            self.drop_oldest();
        }
    }

    /// Forgets a request that could not be decided: a retransmission gets another chance.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.remove(ticket.key, ticket.serial);
    }

    /// Entries held, of both kinds.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn expire(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|(end, ..)| *end <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key, serial)) = self.answered.pop_front() {
            self.remove(key, serial);
        }
    }

    fn remove(&mut self, key: Key, serial: u64) {
        if self.entries.get(&key).is_some_and(|entry| entry.serial == serial) {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(identifier: u8) -> Key {
        let address = "127.0.0.1:5000".parse().unwrap();
        Key { source: address, listener: address, identifier }
    }

    fn table(limit: usize) -> (Duplicates, Instant) {
        (Duplicates::new(Duration::from_secs(30), limit), Instant::now())
    }

    #[test]
    fn copy_of_a_request_being_decided_is_in_flight() {
        let (mut table, now) = table(10);
        assert_eq!(table.begin(key(1), [1; 16], now).0, Seen::New);
        assert_eq!(table.begin(key(1), [1; 16], now).0, Seen::InFlight);
    }

    #[test]
    fn copy_of_an_answered_request_gets_the_same_bytes_once_they_have_left() {
        let (mut table, now) = table(10);
        let (_, ticket) = table.begin(key(1), [1; 16], now);
        let bytes: Arc<[u8]> = Arc::from(&b"reject"[..]);
        table.answered(ticket, Arc::clone(&bytes), now + Duration::from_secs(1));
        assert_eq!(table.begin(key(1), [1; 16], now).0, Seen::InFlight);
        assert_eq!(table.begin(key(1), [1; 16], now + Duration::from_secs(1)).0, Seen::Answered(bytes));
        assert_eq!(table.begin(key(1), [1; 16], now + Duration::from_secs(31)).0, Seen::New);
    }

    #[test]
    fn another_authenticator_under_the_same_identifier_is_a_new_request() {
        let (mut table, now) = table(10);
        let (_, first) = table.begin(key(1), [1; 16], now);
        let (seen, _) = table.begin(key(1), [2; 16], now);
        assert_eq!(seen, Seen::New);
        // The answer to the first must not be given to the second.
        table.answered(first, Arc::from(&b"x"[..]), now);
        assert_eq!(table.begin(key(1), [2; 16], now).0, Seen::InFlight);
    }

    #[test]
    fn answers_are_bounded_and_the_oldest_goes_first() {
        let (mut table, now) = table(2);
        for identifier in 0..5 {
            let (_, ticket) = table.begin(key(identifier), [0; 16], now);
            table.answered(ticket, Arc::from(&b"x"[..]), now);
        }
        assert_eq!(table.len(), 2);
        assert_eq!(table.begin(key(0), [0; 16], now).0, Seen::New);
        assert!(matches!(table.begin(key(4), [0; 16], now).0, Seen::Answered(_)));
    }

    #[test]
    fn undecided_request_may_be_tried_again() {
        let (mut table, now) = table(2);
        let (_, ticket) = table.begin(key(1), [0; 16], now);
        table.forget(ticket);
        assert_eq!(table.begin(key(1), [0; 16], now).0, Seen::New);
    }
}
