//! Answers that wait for their moment: an Access-Reject leaves a fixed time after its request arrived, however
//! long the decision took, so that the time tells nothing and guessing is slow. Waiting holds no
//! place among the requests in flight; the queue is bounded.

use super::batch::Arrival;
use super::outbox::Outbox;
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::time::Instant;

/// An answer and where it goes.
#[derive(Debug)]
struct Waiting {
    moment: Instant,
    bytes: Box<[u8]>,
    to: SocketAddr,
    from: Arrival,
}

/// The queue, by moment, then by arrival.
#[derive(Debug, Default)]
pub(super) struct Delayed(VecDeque<Waiting>);

impl Delayed {
    /// Queues an answer; `false` when there are `limit` already, and the client has to ask again.
    pub(super) fn push(
        &mut self,
        moment: Instant,
        (bytes, to, from): (&[u8], SocketAddr, Arrival),
        limit: usize,
    ) -> bool {
        if self.0.len() >= limit {
            return false;
        }
        // All wait about the same time, so this is nearly always the end.
        let at = match self.0.back() {
            Some(last) if moment < last.moment => self.0.partition_point(|other| other.moment <= moment),
            _ => self.0.len(),
        };
        self.0.insert(at, Waiting { moment, bytes: bytes.into(), to, from });
        true
    }

    /// The moment of the next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.front().map(|waiting| waiting.moment)
    }

    /// Moves those whose moment has come into `outbox`.
    pub(super) fn due(&mut self, now: Instant, outbox: &mut Outbox) {
        while self.next().is_some_and(|moment| moment <= now) {
            let Some(Waiting { bytes, to, from, .. }) = self.0.pop_front() else { return };
            outbox.push(&bytes, to, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn answers_leave_in_the_order_of_their_moments_and_not_before() {
        let (start, to) = (Instant::now(), "127.0.0.1:1".parse().unwrap());
        let mut delayed = Delayed::default();
        let mut push = |millis, name: &[u8], limit| {
            delayed.push(start + Duration::from_millis(millis), (name, to, Arrival::Bound), limit)
        };
        assert!(push(30, b"c", 4) && push(10, b"a", 4) && push(30, b"d", 4) && push(20, b"b", 4));
        assert!(!push(1, b"e", 4), "it is full");
        assert_eq!(delayed.next(), Some(start + Duration::from_millis(10)));
        let mut left = Vec::new();
        for millis in [9, 10, 29, 30] {
            let mut outbox = Outbox::default();
            delayed.due(start + Duration::from_millis(millis), &mut outbox);
            left.push(String::from_utf8_lossy(outbox.bytes()).into_owned());
        }
        assert_eq!(left, ["", "a", "b", "cd"]);
        assert_eq!(delayed.next(), None);
    }
}
