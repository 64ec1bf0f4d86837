//! Accounts kept in memory, so that a login need not read them again. A proof is accepted by the database
//! alone; whether the person is still active is known here too.
//!
//! Every job names the people it changes ([`super::transaction::Transaction::change`]); they are dropped after its commit and
//! before it is answered. A reader takes a [`Ticket`] before it reads; what it read is kept only if the person was not
//! changed since. When another process has written ([`Witness`]), nothing is taken from memory until the writer
//! has seen it and emptied it.

use super::witness::Witness;
use crate::base::{DrawnState, Timestamp};
use crate::domain::factor::FactorId;
use crate::domain::login::Account;
use crate::domain::person::{Person, PersonId, Status, Username};
use crate::domain::throttle::Counter;
use hashbrown::HashTable;
use smallvec::SmallVec;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Accounts in each of the two halves, some 700 bytes each: a university fits into one. Who asks for all of more people than that, one
/// after the other, finds half of them gone.
const HALF: usize = 1 << 20;
/// Names that are usually announced together, at most.
const TOGETHER: usize = 32;
/// People share a mark of when one of them was changed last.
const MARKS: usize = 1024;

/// What a job does to a person as far as accounts are concerned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// Anything.
    Person(PersonId),
    /// Failures were forgotten: all of a person, or one counter's.
    Cleared(PersonId, Option<Counter>),
    /// A code was accepted: nothing before `next` will be.
    Accepted { person: PersonId, factor: FactorId, next: u64, used: Timestamp },
}

impl Change {
    pub(super) const fn person(self) -> PersonId {
        match self {
            Change::Person(person) | Change::Cleared(person, _) | Change::Accepted { person, .. } => person,
        }
    }
}

/// The moment before a read, in changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

/// The accounts in memory.
pub(super) struct Accounts {
    pub(super) witness: Witness,
    kept: RwLock<Kept>,
    half: usize,
}

/// Two halves: what is used moves to the young one, and when that is full the old one goes.
struct Kept {
    young: Half,
    old: Half,
    /// Counts changes.
    serial: u64,
    /// When all was dropped last.
    emptied: u64,
    /// When a person of this mark was changed last.
    changed: Vec<u64>,
    hasher: RandomState,
}

/// Accounts, each found by name and by person. The tables hold places: a name or an id that they held as well would be a
/// sixth of what an account takes.
#[derive(Default)]
struct Half {
    places: Vec<Option<Arc<Account>>>,
    free: Vec<u32>,
    by_name: HashTable<u32>,
    by_person: HashTable<u32>,
}

fn hash_of(person: PersonId) -> u64 {
    DrawnState::default().hash_one(person)
}

impl Half {
    fn at(&self, place: u32) -> Option<&Arc<Account>> {
        self.places.get(place as usize)?.as_ref()
    }

    fn named(&self, hasher: &RandomState, name: &Username) -> Option<u32> {
        let same = |place: &u32| self.at(*place).is_some_and(|account| account.person.username == *name);
        self.by_name.find(hasher.hash_one(name), same).copied()
    }

    fn place_of(&self, person: PersonId) -> Option<u32> {
        let same = |place: &u32| self.at(*place).is_some_and(|account| account.person.id == person);
        self.by_person.find(hash_of(person), same).copied()
    }

    fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Takes an account; nobody has its name or its person's id.
    fn insert(&mut self, hasher: &RandomState, account: Arc<Account>) {
        let (name, person) = (hasher.hash_one(&account.person.username), hash_of(account.person.id));
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let Ok(place) = u32::try_from(self.places.len()) else { return };
                self.places.push(None);
                place
            }
        };
        if let Some(kept) = self.places.get_mut(place as usize) {
            *kept = Some(account);
        }
        let Self { places, by_name, by_person, .. } = self;
        let at = |place: &u32| places.get(*place as usize).and_then(Option::as_ref);
        // Each place in a table has an account.
        by_name.insert_unique(name, place, |place| {
            at(place).map_or(0, |kept| hasher.hash_one(&kept.person.username))
        });
        by_person.insert_unique(person, place, |place| at(place).map_or(0, |kept| hash_of(kept.person.id)));
    }

    fn remove(&mut self, hasher: &RandomState, place: u32) -> Option<Arc<Account>> {
        let account = self.places.get_mut(place as usize)?.take()?;
        let (name, person) = (hasher.hash_one(&account.person.username), hash_of(account.person.id));
        for (table, hash) in [(&mut self.by_name, name), (&mut self.by_person, person)] {
            if let Ok(entry) = table.find_entry(hash, |other| *other == place) {
                entry.remove();
            }
        }
        self.free.push(place);
        Some(account)
    }
}

impl Accounts {
    pub(super) fn new(witness: Witness) -> Self {
        Self::with_half(witness, HALF)
    }

    pub(super) fn with_half(witness: Witness, half: usize) -> Self {
        let kept = Kept {
            young: Half::default(),
            old: Half::default(),
            serial: 0,
            emptied: 0,
            changed: vec![0; MARKS],
            hasher: RandomState::new(),
        };
        Self { witness, kept: RwLock::new(kept), half }
    }

    /// The account as it is in the database.
    pub(super) fn find(&self, name: &Username) -> Option<Arc<Account>> {
        if !self.witness.trusts() {
            return None;
        }
        {
            let kept = self.read();
            if let Some(place) = kept.young.named(&kept.hasher, name) {
                return kept.young.at(place).cloned();
            }
            kept.old.named(&kept.hasher, name)?;
        }
        let mut kept = self.lock();
        // It may be in the other half by now.
        let found = kept.named(name)?;
        let over = kept.insert(Arc::clone(&found), self.half);
        drop((kept, over));
        Some(found)
    }

    /// Has what logins of these people need near at hand, and tells whose the names are, as far as is seen at a glance. Each step is
    /// made for all of them before the next: the processor waits for memory once for several, and not for one after the other.
    pub(super) fn announce(&self, names: &[&str]) -> Vec<PersonId> {
        let kept = self.read();
        let Kept { young, hasher, .. } = &*kept;
        let places = names.iter().filter_map(|name| young.by_name.find(hasher.hash_one(name), |_| true));
        let places: SmallVec<[u32; TOGETHER]> = places.copied().collect();
        let accounts: SmallVec<[&Arc<Account>; TOGETHER]> =
            places.iter().filter_map(|place| young.at(*place)).collect();
        let people: SmallVec<[&Arc<Person>; TOGETHER]> =
            accounts.iter().map(|account| &account.person).collect();
        let ids: Vec<_> = people.iter().map(|person| person.id).collect();
        for (id, person) in ids.iter().zip(people) {
            let place = young.by_person.find(hash_of(*id), |_| true);
            black_box((place, person.username.as_str().len(), person.status, person.version));
        }
        ids
    }

    /// Whether a person may log in, as far as they are in memory. For the writer, which has seen that nobody else has written.
    pub(super) fn is_active(&self, person: PersonId) -> Option<bool> {
        self.read().of(person).map(|account| account.person.status == Status::Active)
    }

    /// Whether a factor may still be used, likewise.
    pub(super) fn is_usable(&self, person: PersonId, factor: FactorId) -> Option<bool> {
        self.read().of(person).map(|account| {
            account.person.status == Status::Active && account.factors.iter().any(|kept| kept.id == factor)
        })
    }

    /// To be taken before an account is read from the database.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.read().serial)
    }

    /// Keeps what was read after `ticket` was taken.
    pub(super) fn keep(&self, account: &Arc<Account>, ticket: Ticket) {
        if !self.witness.sees() {
            return;
        }
        let mut kept = self.lock();
        let mark = kept.mark(account.person.id);
        let changed = kept.changed.get(mark).is_none_or(|changed| *changed > ticket.0);
        if changed || kept.emptied > ticket.0 {
            return;
        }
        let over = kept.insert(Arc::clone(account), self.half);
        drop((kept, over));
    }

    /// After a commit, before it is answered.
    pub(super) fn apply(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut kept = self.lock();
        for change in changes {
            kept.apply(*change);
        }
    }

    /// Drops everything.
    pub(super) fn empty(&self) {
        let mut kept = self.lock();
        kept.serial += 1;
        kept.emptied = kept.serial;
        let gone = (std::mem::take(&mut kept.young), std::mem::take(&mut kept.old));
        // Logins need not wait until a million accounts are freed.
        drop(kept);
        drop(gone);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let kept = self.read();
        kept.young.len() + kept.old.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(&self, person: PersonId) -> Option<&Arc<Account>> {
        let of = |half: &'_ Half| half.place_of(person);
        match of(&self.young) {
            Some(place) => self.young.at(place),
            None => self.old.at(of(&self.old)?),
        }
    }

    fn named(&self, name: &Username) -> Option<Arc<Account>> {
        let halves = [&self.young, &self.old].into_iter();
        let mut found = halves.filter_map(|half| half.at(half.named(&self.hasher, name)?));
        found.next().cloned()
    }

    fn mark(&self, person: PersonId) -> usize {
        usize::try_from(hash_of(person) % MARKS as u64).unwrap_or_default()
    }

    /// Whoever had the name or the id before goes. What has to make room is given back, to be freed without the lock.
    #[must_use]
    fn insert(&mut self, account: Arc<Account>, half: usize) -> Option<Half> {
        self.remove(account.person.id);
        let Self { young, old, hasher, .. } = self;
        for half in [&mut *young, &mut *old] {
            if let Some(place) = half.named(hasher, &account.person.username) {
                half.remove(hasher, place);
            }
        }
        let over = (young.len() >= half).then(|| std::mem::replace(old, std::mem::take(young)));
        young.insert(hasher, account);
        over
    }

    fn remove(&mut self, person: PersonId) {
        for half in [&mut self.young, &mut self.old] {
            if let Some(place) = half.place_of(person) {
                half.remove(&self.hasher, place);
            }
        }
    }

    fn apply(&mut self, change: Change) {
        self.serial += 1;
        let mark = self.mark(change.person());
        if let Some(changed) = self.changed.get_mut(mark) {
            *changed = self.serial;
        }
        let place = self.young.place_of(change.person());
        let account = place.and_then(|place| self.young.places.get_mut(place as usize)?.as_mut());
        let accepted = match (change, account) {
            (Change::Accepted { factor, next, used, .. }, Some(account)) => {
                let factors = &mut Arc::make_mut(account).factors;
                factors.iter_mut().find(|kept| kept.id == factor).map(|kept| {
                    kept.next = kept.next.max(next);
                    kept.used = Some(used);
                })
            }
            _ => None,
        };
        if accepted.is_none() {
            self.remove(change.person());
        }
    }
}
