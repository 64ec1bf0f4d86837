//! Accounts kept in memory, so that a login need not read them again. The database stays the authority: a proof is
//! accepted there, and an accept asks there whether the person is still active.
//!
//! Every job names the people it changes ([`super::transaction::Transaction::change`]); they are dropped after its commit and
//! before it is answered. A reader takes a [`Ticket`] before it reads; what it read is kept only if the person was not
//! changed since. When another process has written ([`Witness`]), nothing is taken from memory until the writer
//! has seen it and emptied it.

use super::witness::Witness;
use crate::base::Timestamp;
use crate::domain::factor::FactorId;
use crate::domain::login::Account;
use crate::domain::person::{PersonId, Status, Username};
use crate::domain::throttle::Counter;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Accounts in each of the two halves, some hundred bytes to a kilobyte each.
const HALF: usize = 524_288;
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
    young: HashMap<Username, Arc<Account>>,
    old: HashMap<Username, Arc<Account>>,
    names: HashMap<PersonId, Username>,
    /// Counts changes.
    serial: u64,
    /// When all was dropped last.
    emptied: u64,
    /// When a person of this mark was changed last.
    changed: Vec<u64>,
    hasher: RandomState,
}

impl Accounts {
    pub(super) fn new(witness: Witness) -> Self {
        Self::with_half(witness, HALF)
    }

    pub(super) fn with_half(witness: Witness, half: usize) -> Self {
        let kept = Kept {
            young: HashMap::new(),
            old: HashMap::new(),
            names: HashMap::new(),
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
            if let Some(found) = kept.young.get(name) {
                return Some(Arc::clone(found));
            }
            kept.old.get(name)?;
        }
        let mut kept = self.lock();
        let found = kept.old.remove(name)?;
        kept.insert(name.clone(), Arc::clone(&found), self.half);
        Some(found)
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
        kept.names.insert(account.person.id, account.person.username.clone());
        kept.insert(account.person.username.clone(), Arc::clone(account), self.half);
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
        kept.young.clear();
        kept.old.clear();
        kept.names.clear();
    }

    #[cfg(test)]
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
        let name = self.names.get(&person)?;
        self.young.get(name).or_else(|| self.old.get(name)).filter(|account| account.person.id == person)
    }

    fn mark(&self, person: PersonId) -> usize {
        usize::try_from(self.hasher.hash_one(person) % MARKS as u64).unwrap_or_default()
    }

    fn insert(&mut self, name: Username, account: Arc<Account>, half: usize) {
        if self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
            let old = &self.old;
            self.names.retain(|person, name| old.contains_key(name) || *person == account.person.id);
        }
        self.young.insert(name, account);
    }

    fn apply(&mut self, change: Change) {
        self.serial += 1;
        let mark = self.mark(change.person());
        if let Some(changed) = self.changed.get_mut(mark) {
            *changed = self.serial;
        }
        let Some(name) = self.names.get(&change.person()) else { return };
        let accepted = match (change, self.young.get_mut(name)) {
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
            self.young.remove(name);
            self.old.remove(name);
            self.names.remove(&change.person());
        }
    }
}
