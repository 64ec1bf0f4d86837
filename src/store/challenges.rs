//! Challenges that wait for an answer, under their State.
//!
//! A State is 128 random bits, so a table with a keyed hash is enough: nobody can look for near misses. It is
//! taken out by the first answer, right or wrong. Both the whole and each person's share are bounded; a flood
//! of challenges for one person pushes out that person's oldest, never another's.

use super::Result;
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use async_trait::async_trait;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A RADIUS State.
pub type State = [u8; 16];

/// Challenges one person can have outstanding; an older one goes first. Eight logins at the same time (several
/// devices, retries of a client) are plenty, and a table made for thousands is not filled by one person.
const PER_PERSON: usize = 8;

/// Outstanding challenges with a value each.
#[async_trait]
pub trait Challenges<T: Send>: Send + Sync {
    /// Keeps `value` until `expires`; `false` if there is no room.
    async fn put(
        &self,
        state: State,
        person: PersonId,
        value: T,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes it out: a second call finds nothing, nor does one after it has expired.
    async fn take(&self, state: &State, now: Timestamp) -> Result<Option<T>>;
}

/// In-process backend: outstanding challenges end with the process.
pub struct MemoryChallenges<T> {
    table: Mutex<Table<T>>,
    limit: usize,
}

/// States open doors: only the limit is shown.
impl<T> fmt::Debug for MemoryChallenges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryChallenges").field("limit", &self.limit).finish_non_exhaustive()
    }
}

struct Table<T> {
    entries: HashMap<State, (PersonId, Timestamp, T)>,
    ends: BTreeSet<(Timestamp, State)>,
    people: HashMap<PersonId, VecDeque<State>>,
}

impl<T> MemoryChallenges<T> {
    /// Keeps at most `limit`.
    pub fn new(limit: usize) -> Self {
        let table = Table { entries: HashMap::new(), ends: BTreeSet::new(), people: HashMap::new() };
        Self { table: Mutex::new(table), limit }
    }
}

impl<T> Table<T> {
    fn remove(&mut self, state: &State) -> Option<(Timestamp, T)> {
        let (person, expires, value) = self.entries.remove(state)?;
        self.ends.remove(&(expires, *state));
        if let Some(states) = self.people.get_mut(&person) {
            states.retain(|other| other != state);
            if states.is_empty() {
                self.people.remove(&person);
            }
        }
        Some((expires, value))
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((_, state)) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            self.remove(&state);
        }
    }
}

#[async_trait]
impl<T: Send> Challenges<T> for MemoryChallenges<T> {
    async fn put(
        &self,
        state: State,
        person: PersonId,
        value: T,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.expire(now);
        // The same State again (2^-128 by chance) replaces its entry, with all that refers to it.
        table.remove(&state);
        let oldest = table.people.get(&person).filter(|states| states.len() >= PER_PERSON);
        if let Some(oldest) = oldest.and_then(|states| states.front().copied()) {
            table.remove(&oldest);
        }
        if table.entries.len() >= self.limit {
            return Ok(false);
        }
        table.entries.insert(state, (person, expires, value));
        table.ends.insert((expires, state));
        table.people.entry(person).or_default().push_back(state);
        Ok(true)
    }

    async fn take(&self, state: &State, now: Timestamp) -> Result<Option<T>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(table.remove(state).filter(|(expires, _)| *expires > now).map(|(_, value)| value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn person(number: u128) -> PersonId {
        PersonId::from_uuid(uuid::Uuid::from_u128(number))
    }

    async fn put(table: &MemoryChallenges<u32>, state: u8, whose: u128) -> bool {
        table.put([state; 16], person(whose), u32::from(state), at(10), at(0)).await.unwrap()
    }

    #[tokio::test]
    async fn challenge_is_taken_once() {
        let table = MemoryChallenges::new(10);
        assert!(put(&table, 1, 1).await);
        assert_eq!(table.take(&[2; 16], at(1)).await.unwrap(), None);
        assert_eq!(table.take(&[1; 16], at(1)).await.unwrap(), Some(1));
        assert_eq!(table.take(&[1; 16], at(1)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn expired_challenge_is_gone_and_makes_room() {
        let table = MemoryChallenges::new(1);
        assert!(put(&table, 1, 1).await);
        assert_eq!(table.take(&[1; 16], at(10)).await.unwrap(), None);
        assert!(put(&table, 1, 1).await);
        assert!(!put(&table, 2, 2).await);
        assert!(table.put([2; 16], person(2), 2, at(20), at(10)).await.unwrap());
    }

    #[tokio::test]
    async fn of_many_answers_at_once_one_finds_the_challenge() {
        let table = std::sync::Arc::new(MemoryChallenges::new(10));
        assert!(put(&table, 1, 1).await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let table = table.clone();
            tasks.spawn(async move { table.take(&[1; 16], at(1)).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().flatten().count(), 1);
    }

    #[tokio::test]
    async fn full_table_refuses_strangers_but_keeps_what_it_has() {
        let table = MemoryChallenges::new(8);
        for state in 0..8 {
            assert!(put(&table, state, 1).await);
        }
        assert!(!put(&table, 100, 2).await);
        assert!(put(&table, 101, 1).await, "their own oldest makes room");
        assert_eq!(table.take(&[7; 16], at(1)).await.unwrap(), Some(7));
        assert!(put(&table, 102, 2).await);
    }

    #[tokio::test]
    async fn nothing_is_left_of_what_was_taken_or_expired() {
        let table = MemoryChallenges::new(10);
        assert!(put(&table, 1, 1).await && put(&table, 1, 2).await && put(&table, 2, 1).await);
        assert_eq!(table.take(&[1; 16], at(1)).await.unwrap(), Some(1));
        table.table.lock().unwrap().expire(at(10));
        let table = table.table.lock().unwrap();
        assert!(table.entries.is_empty() && table.ends.is_empty() && table.people.is_empty());
    }

    #[tokio::test]
    async fn flood_for_one_person_pushes_out_only_their_own() {
        let table = MemoryChallenges::new(100);
        assert!(put(&table, 200, 2).await);
        for state in 0..50 {
            assert!(put(&table, state, 1).await);
        }
        assert_eq!(table.take(&[0; 16], at(1)).await.unwrap(), None);
        assert_eq!(table.take(&[49; 16], at(1)).await.unwrap(), Some(49));
        assert_eq!(table.take(&[200; 16], at(1)).await.unwrap(), Some(200));
    }
}
