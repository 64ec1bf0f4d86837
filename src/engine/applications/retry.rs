//! Transactions that were answered wrongly and may be answered once more. What is here admits nobody: it only says that a new
//! challenge may be opened in place of one that this application opened, for a person of whom it may ask a passcode anyway.
//!
//! It is kept in this process. At another node a wrong answer ends the transaction, and the person begins again.

use crate::base::Timestamp;
use crate::domain::person::PersonId;
use crate::wire::privacyidea::Transaction;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most that are remembered.
const MOST: usize = 16_384;

/// By application and person.
type Latest = HashMap<(String, PersonId), (Transaction, Timestamp)>;

/// What this process remembers of transactions.
#[derive(Debug, Default)]
pub struct Wrong {
    /// Transactions that were answered wrongly, and until when they can be answered again.
    again: Mutex<HashMap<(String, Transaction), Timestamp>>,
    /// The last code that was sent, for a face that names no transaction.
    latest: Mutex<Latest>,
}

/// Adds one, and makes room for it: what is over goes first, then all.
fn keep<K: std::hash::Hash + Eq, V>(table: &mut HashMap<K, V>, key: K, value: V, over: impl Fn(&V) -> bool) {
    if table.len() >= MOST && !table.contains_key(&key) {
        table.retain(|_, value| !over(value));
        if table.len() >= MOST {
            table.clear();
        }
    }
    table.insert(key, value);
}

impl Wrong {
    /// This one may be answered again.
    pub(super) fn note(&self, client: &str, transaction: Transaction, until: Timestamp, now: Timestamp) {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut again, (client.to_owned(), transaction), until, |end| *end <= now);
    }

    /// Takes one out; whether it may be answered again.
    pub(super) fn take(&self, client: &str, transaction: Transaction, now: Timestamp) -> bool {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.remove(&(client.to_owned(), transaction)).is_some_and(|end| end > now)
    }

    /// A code was sent.
    pub(super) fn sent(
        &self,
        (client, person): (&str, PersonId),
        transaction: Transaction,
        (until, now): (Timestamp, Timestamp),
    ) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut latest, (client.to_owned(), person), (transaction, until), |(_, end)| *end <= now);
    }

    /// The transaction of the last code that was sent.
    pub(super) fn latest(&self, client: &str, person: PersonId, now: Timestamp) -> Option<Transaction> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest
            .get(&(client.to_owned(), person))
            .filter(|(_, end)| *end > now)
            .map(|(transaction, _)| *transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn transaction(number: u16) -> Transaction {
        let mut state = [0; 24];
        state[..2].copy_from_slice(&number.to_be_bytes());
        Transaction { state, asked: 0 }
    }

    #[test]
    fn transaction_can_be_answered_again_once_by_its_application_and_in_time() {
        let (wrong, until) = (Wrong::default(), NOW + Duration::from_secs(60));
        wrong.note("a", transaction(1), until, NOW);
        assert!(!wrong.take("b", transaction(1), NOW) && !wrong.take("a", transaction(2), NOW));
        assert!(wrong.take("a", transaction(1), NOW) && !wrong.take("a", transaction(1), NOW));
        wrong.note("a", transaction(1), until, NOW);
        assert!(!wrong.take("a", transaction(1), until), "over");
    }

    #[test]
    fn memory_is_bounded() {
        let (wrong, until) = (Wrong::default(), NOW + Duration::from_secs(60));
        for number in 0..u16::try_from(MOST + 10).unwrap() {
            wrong.note("a", transaction(number), until, NOW);
        }
        assert!(wrong.again.lock().unwrap().len() <= MOST);
    }
}
