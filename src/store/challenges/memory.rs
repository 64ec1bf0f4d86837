//! The in-process backend: what is outstanding ends with the process.

use super::{Challenges, Handle, NewChallenge, Opened, PER_PERSON, Result, State, Taken, handle};
use crate::base::Timestamp;
use crate::domain::login::Pending;
use crate::domain::sent::{CodeId, Purpose, SentCode};
use async_trait::async_trait;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Outstanding challenges and codes in a table.
pub struct MemoryChallenges {
    table: Mutex<Table>,
    limit: usize,
}

/// States open doors: only the limit is shown.
impl fmt::Debug for MemoryChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryChallenges").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Table {
    places: HashMap<Handle, Place>,
    /// When something of a place ends next.
    ends: BTreeSet<(Timestamp, Handle)>,
    /// States in all places.
    states: usize,
}

/// What one person has outstanding.
#[derive(Default)]
struct Place {
    /// Oldest first.
    states: VecDeque<Held>,
    /// At most one for each purpose.
    codes: Vec<Code>,
}

struct Held {
    state: State,
    pending: Pending,
    code: Option<CodeId>,
}

struct Code {
    code: SentCode,
    purpose: Purpose,
    transaction: String,
    tries: u8,
    made: Timestamp,
}

impl MemoryChallenges {
    /// Keeps challenges of at most so many people, and at most so many challenges.
    pub fn new(limit: usize) -> Self {
        Self { table: Mutex::default(), limit }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.table().states
    }

    /// Whether nothing at all is kept.
    pub fn is_empty(&self) -> bool {
        let table = self.table();
        table.places.is_empty() && table.ends.is_empty() && table.states == 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes a place out to be changed; [`Table::put`] brings it back, so that the sums always fit.
    fn lift(&mut self, handle: Handle) -> Place {
        let place = self.places.remove(&handle).unwrap_or_default();
        self.states -= place.states.len();
        if let Some(end) = place.next_end() {
            self.ends.remove(&(end, handle));
        }
        place
    }

    fn put(&mut self, handle: Handle, place: Place) {
        if let Some(end) = place.next_end() {
            self.states += place.states.len();
            self.ends.insert((end, handle));
            self.places.insert(handle, place);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((_, handle)) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            let mut place = self.lift(handle);
            place.states.retain(|held| held.pending.expires > now);
            place.codes.retain(|code| code.code.expires > now);
            self.put(handle, place);
        }
    }
}

impl Place {
    /// `None` where nothing is in it.
    fn next_end(&self) -> Option<Timestamp> {
        let states = self.states.iter().map(|held| held.pending.expires);
        states.chain(self.codes.iter().map(|code| code.code.expires)).min()
    }

    fn take(&mut self, state: &State) -> Option<Held> {
        let at = self.states.iter().position(|held| held.state == *state)?;
        self.states.remove(at)
    }

    /// Charges an answer to a code; the last one voids it.
    fn charge(&mut self, id: CodeId) -> Option<SentCode> {
        let at = self.codes.iter().position(|code| code.code.id == id)?;
        let code = self.codes.get_mut(at)?;
        code.tries = code.tries.saturating_sub(1);
        let sent = code.code.clone();
        if code.tries == 0 {
            self.codes.swap_remove(at);
        }
        Some(sent)
    }
}

#[async_trait]
impl Challenges for MemoryChallenges {
    async fn open(&self, challenge: NewChallenge, now: Timestamp) -> Result<Opened> {
        let NewChallenge { state, pending, code } = challenge;
        let handle = handle(&state);
        let mut table = self.table();
        table.expire(now);
        let mut place = table.lift(handle);
        // The same State again (2^-128 by chance) replaces its entry, with all that refers to it.
        place.take(&state);
        while place.states.len() >= PER_PERSON {
            place.states.pop_front();
        }
        if table.states + place.states.len() >= self.limit || table.places.len() >= self.limit {
            table.put(handle, place);
            return Ok(Opened::Full);
        }
        let mut opened = Opened::Kept;
        let mut id = None;
        if let Some(new) = code {
            let old = place.codes.iter().position(|old| old.purpose == new.purpose);
            let old = old.map(|at| place.codes.swap_remove(at));
            let joined = old.filter(|old| {
                let same = old.transaction == new.transaction && old.code.channel == new.code.channel;
                old.code.id == new.code.id || same && now < old.made + new.resend_after
            });
            if let Some(old) = joined.as_ref().filter(|old| old.code.id != new.code.id) {
                opened = Opened::Joined(old.code.id);
            }
            let code = joined.unwrap_or(Code {
                code: new.code,
                purpose: new.purpose,
                transaction: new.transaction,
                tries: new.tries,
                made: now,
            });
            id = Some(code.code.id);
            place.codes.push(code);
        }
        place.states.push_back(Held { state, pending, code: id });
        // What is over already (a lifetime of zero) does not stay.
        table.put(handle, place);
        table.expire(now);
        Ok(opened)
    }

    async fn take(&self, state: &State, attempt: bool, now: Timestamp) -> Result<Option<Taken>> {
        let handle = handle(state);
        let mut table = self.table();
        table.expire(now);
        let mut place = table.lift(handle);
        let taken = place.take(state).map(|Held { pending, code, .. }| {
            let code = code.filter(|_| attempt).and_then(|id| place.charge(id));
            Taken { pending, code }
        });
        table.put(handle, place);
        Ok(taken)
    }

    async fn void(&self, state: &State, code: CodeId) -> Result<()> {
        let handle = handle(state);
        let mut table = self.table();
        let mut place = table.lift(handle);
        place.take(state);
        place.codes.retain(|kept| kept.code.id != code);
        table.put(handle, place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::login::First;
    use crate::domain::person::PersonId;
    use std::time::Duration;

    fn challenge(person: u8, number: u8) -> NewChallenge {
        let mut state = [number; super::super::STATE_LENGTH];
        state[..super::super::HANDLE_LENGTH].fill(person);
        let person = PersonId::from_uuid(uuid::Uuid::from_u128(u128::from(person)));
        let expires = Timestamp::from_secs(100 + i64::from(number));
        let pending = Pending {
            person,
            version: 1,
            client: "vpn".into(),
            first: First::Password,
            pin: None,
            rounds: 1,
            expires,
        };
        NewChallenge { state, pending, code: None }
    }

    #[tokio::test]
    async fn full_table_refuses_new_people_until_something_ends() {
        let table = MemoryChallenges::new(3);
        let now = Timestamp::from_secs(100);
        for number in 1..=3 {
            assert_eq!(table.open(challenge(number, number), now).await.unwrap(), Opened::Kept);
        }
        assert_eq!(table.open(challenge(4, 4), now).await.unwrap(), Opened::Full);
        // Nothing of the others is lost, and the first end makes room.
        let later = now + Duration::from_secs(1);
        assert_eq!(table.open(challenge(4, 4), later).await.unwrap(), Opened::Kept);
        for number in 2..=4 {
            let state = challenge(number, number).state;
            assert!(table.take(&state, false, later).await.unwrap().is_some(), "{number}");
        }
        assert!(table.is_empty());
    }

    #[tokio::test]
    async fn one_person_cannot_fill_the_table() {
        let table = MemoryChallenges::new(PER_PERSON + 1);
        let now = Timestamp::from_secs(100);
        for number in 1..=100 {
            assert_eq!(table.open(challenge(1, number), now).await.unwrap(), Opened::Kept);
        }
        assert_eq!(table.open(challenge(2, 1), now).await.unwrap(), Opened::Kept);
        assert_eq!(table.open(challenge(3, 1), now).await.unwrap(), Opened::Full);
    }

    #[test]
    fn debug_shows_no_state() {
        assert_eq!(format!("{:?}", MemoryChallenges::new(7)), "MemoryChallenges { limit: 7, .. }");
    }
}
