//! Right passwords, remembered for a short time so that a storm of reconnects costs no Argon2 and no directory.
//!
//! What is kept is an HMAC under a key that lives as long as the process, over person, version and password. The
//! version rises with every change of password, status or lock, so a change voids the memory at once. Wrong
//! passwords are never remembered.

use crate::base::{Clock, Random, Timestamp};
use crate::domain::person::Person;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;

type Digest = [u8; 32];
type Table = HashMap<crate::domain::person::PersonId, (Digest, Timestamp)>;

/// The memory.
pub struct PasswordCache {
    key: [u8; 32],
    lifetime: Duration,
    limit: usize,
    clock: Arc<dyn Clock>,
    table: Mutex<(Table, VecDeque<crate::domain::person::PersonId>)>,
}

impl Drop for PasswordCache {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl PasswordCache {
    /// Remembers at most `limit` people for `lifetime` each; a zero lifetime remembers nothing.
    pub fn new(lifetime: Duration, limit: usize, clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self { key, lifetime, limit, clock, table: Mutex::default() }
    }

    fn digest(&self, person: &Person, password: &[u8]) -> Option<Digest> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        hmac.update(person.id.to_string().as_bytes());
        hmac.update(&person.version.to_be_bytes());
        hmac.update(password);
        Some(hmac.finalize().into_bytes().into())
    }

    /// Whether this was the person's password a moment ago.
    pub fn knows(&self, person: &Person, password: &[u8]) -> bool {
        if self.lifetime.is_zero() {
            return false;
        }
        let Some(digest) = self.digest(person, password) else { return false };
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.0.get(&person.id).filter(|(_, end)| *end > self.clock.now());
        known.is_some_and(|(known, _)| bool::from(known.ct_eq(&digest)))
    }

    /// Remembers a right password.
    pub fn remember(&self, person: &Person, password: &[u8]) {
        if self.lifetime.is_zero() || self.limit == 0 {
            return;
        }
        let Some(digest) = self.digest(person, password) else { return };
        let end = self.clock.now() + self.lifetime;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, order) = &mut *table;
        if entries.insert(person.id, (digest, end)).is_none() {
            order.push_back(person.id);
        }
        while order.len() > self.limit {
            if let Some(oldest) = order.pop_front() {
                entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ManualClock, OsRandom};
    use crate::domain::person::{PersonId, Status, Username};

    fn person(number: u128, version: i64) -> Person {
        Person {
            id: PersonId::from_uuid(uuid::Uuid::from_u128(number)),
            username: Username::parse("alice").unwrap(),
            name: String::new(),
            roles: Vec::new(),
            groups: Vec::new(),
            email: None,
            phone: None,
            status: Status::Active,
            version,
        }
    }

    fn cache(seconds: u64, limit: usize) -> (PasswordCache, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1000)));
        (PasswordCache::new(Duration::from_secs(seconds), limit, clock.clone(), &OsRandom), clock)
    }

    #[test]
    fn right_password_is_known_until_it_expires_and_no_other_is() {
        let (cache, clock) = cache(60, 10);
        cache.remember(&person(1, 1), b"right");
        assert!(cache.knows(&person(1, 1), b"right"));
        assert!(!cache.knows(&person(1, 1), b"wrong"));
        assert!(!cache.knows(&person(2, 1), b"right"));
        clock.advance(Duration::from_secs(60));
        assert!(!cache.knows(&person(1, 1), b"right"));
    }

    #[test]
    fn change_of_password_status_or_lock_voids_it_at_once() {
        let (cache, _) = cache(60, 10);
        cache.remember(&person(1, 1), b"right");
        assert!(!cache.knows(&person(1, 2), b"right"));
    }

    #[test]
    fn memory_is_bounded_and_can_be_off() {
        let (small, _) = cache(60, 2);
        for number in 1..=3 {
            small.remember(&person(number, 1), b"right");
        }
        assert!(!small.knows(&person(1, 1), b"right"));
        assert!(small.knows(&person(3, 1), b"right"));
        let (off, _) = cache(0, 10);
        off.remember(&person(1, 1), b"right");
        assert!(!off.knows(&person(1, 1), b"right"));
    }
}
