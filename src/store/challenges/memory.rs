//! The in-process backend: what is outstanding ends with the process.

use super::{Challenges, NewChallenge, Opened, PER_PERSON, Result, State, Taken};
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use async_trait::async_trait;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Outstanding challenges and codes in a table.
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
impl Challenges for MemoryChallenges<Taken> {
    async fn open(&self, challenge: NewChallenge, now: Timestamp) -> Result<Opened> {
        let NewChallenge { state, person, pending, .. } = challenge;
        let expires = pending.expires;
        let value = Taken { pending, code: None };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.expire(now);
        // The same State again (2^-128 by chance) replaces its entry, with all that refers to it.
        table.remove(&state);
        let oldest = table.people.get(&person).filter(|states| states.len() >= PER_PERSON);
        if let Some(oldest) = oldest.and_then(|states| states.front().copied()) {
            table.remove(&oldest);
        }
        if table.entries.len() >= self.limit {
            return Ok(Opened::Full);
        }
        table.entries.insert(state, (person, expires, value));
        table.ends.insert((expires, state));
        table.people.entry(person).or_default().push_back(state);
        Ok(Opened::Kept)
    }

    async fn take(&self, state: &State, _attempt: bool, now: Timestamp) -> Result<Option<Taken>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(table.remove(state).filter(|(expires, _)| *expires > now).map(|(_, value)| value))
    }

    async fn void(&self, _state: &State, _code: crate::domain::sent::CodeId) -> Result<()> {
        Ok(())
    }
}
