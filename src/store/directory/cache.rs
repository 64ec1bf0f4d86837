//! Remembers for a short while that a password was right, so that a storm of reconnects costs no Argon2.
//!
//! What is kept is HMAC-SHA-256 under a key that lives and dies with the process, over person, version and
//! password. Only what was right is kept, one entry a person. `Person::version` rises with every change of
//! password, status or lock, which voids the entry at once. A hit does not prolong it.
//!
//! A remembered password answers faster than one that is computed; that tells an observer who knows the right
//! password already that it was used lately, and nothing to others.

use crate::base::{Clock, DrawnState, Random, Secret, Timestamp, ticks};
use crate::domain::person::{Person, PersonId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hint::black_box;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Time since the daemon started, which nobody can set. Its zero is no date.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    begun: Instant,
    tick: Option<u64>,
}

impl Monotonic {
    /// Begins now.
    pub fn start() -> Self {
        Self { begun: Instant::now(), tick: ticks() }
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Timestamp {
        let since = match (self.tick, ticks()) {
            (Some(begun), Some(now)) => Duration::from_millis(now.saturating_sub(begun)),
            _ => self.begun.elapsed(),
        };
        Timestamp::from_millis(0) + since
    }
}

/// Half of a digest: to find it takes as many tries as to find a key of AES-128.
type Tag = Zeroizing<[u8; 16]>;

struct Entry {
    tag: Tag,
    expires: Timestamp,
    serial: u64,
}

#[derive(Default)]
struct Entries {
    of: HashMap<PersonId, Entry, DrawnState>,
    /// In order of age. An element whose serial is not the entry's was replaced meanwhile.
    order: VecDeque<(PersonId, u64)>,
    serial: u64,
}

/// The remembered passwords.
pub struct PasswordCache {
    ttl: Duration,
    max: usize,
    /// Under its key, prepared.
    mac: Hmac<Sha256>,
    clock: Arc<dyn Clock>,
    entries: RwLock<Entries>,
}

impl fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordCache({} of {} entries, {:?})", self.read().of.len(), self.max, self.ttl)
    }
}

impl PasswordCache {
    /// `None` when `ttl` or `max` is zero: nothing is remembered.
    pub fn new(ttl: Duration, max: usize, clock: Arc<dyn Clock>, random: &dyn Random) -> Option<Self> {
        if ttl.is_zero() || max == 0 {
            return None;
        }
        let mut key = Zeroizing::new([0; 64]); // a whole block of SHA-256
        random.fill(key.as_mut_slice());
        let mac = <Hmac<Sha256> as KeyInit>::new(&(*key).into());
        Some(Self { ttl, max, mac, clock, entries: RwLock::default() })
    }

    /// Whether `password` was found right for this version of the person, lately enough.
    pub fn knows(&self, person: &Person, password: &[u8]) -> bool {
        self.knows_since(person, password, self.ttl)
    }

    /// The same, not longer ago than `age`.
    pub fn knows_since(&self, person: &Person, password: &[u8], age: Duration) -> bool {
        let tag = self.tag(person, password);
        let now = self.clock.now();
        let entries = self.read();
        let fresh = |entry: &&Entry| now < entry.expires && now + self.ttl < entry.expires + age;
        entries.of.get(&person.id).filter(fresh).is_some_and(|entry| entry.tag.ct_eq(&*tag).into())
    }

    /// These are about to be asked for: what is remembered of them is near at hand then.
    pub fn announce(&self, people: &[PersonId]) {
        let entries = self.read();
        for person in people {
            black_box(entries.of.get(person).map(|entry| entry.expires));
        }
    }

    /// Nothing is known of a person any more.
    pub fn forget(&self, person: &Person) {
        self.lock().of.remove(&person.id);
    }

    /// One of these was found wrong: if it is what is remembered, that holds no longer.
    pub fn forget_if(&self, person: &Person, passwords: &[Secret<Vec<u8>>]) {
        if passwords.iter().any(|password| self.knows(person, password.expose())) {
            self.lock().of.remove(&person.id);
        }
    }

    /// Remembers that `password` is right for this version of the person.
    pub fn remember(&self, person: &Person, password: &[u8]) {
        let tag = self.tag(person, password);
        let now = self.clock.now();
        let mut entries = self.lock();
        entries.serial += 1;
        let serial = entries.serial;
        entries.of.insert(person.id, Entry { tag, expires: now + self.ttl, serial });
        entries.order.push_back((person.id, serial));
        entries.trim(self.max, now);
    }

    /// How many are remembered, some of which may be over.
    pub(super) fn len(&self) -> usize {
        self.read().of.len()
    }

    fn tag(&self, person: &Person, password: &[u8]) -> Tag {
        // 16 bytes, 8 bytes, the rest: no two triples are the same bytes.
        let mac = self
            .mac
            .clone()
            .chain_update(person.id.as_bytes())
            .chain_update(person.version.to_be_bytes())
            .chain_update(password);
        let mut tag = Tag::default();
        mac.finalize().into_bytes().iter().zip(tag.iter_mut()).for_each(|(from, to)| *to = *from);
        tag
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Drops from the oldest end: what was replaced, what expired, and as many more as there are too many.
    fn trim(&mut self, max: usize, now: Timestamp) {
        let Self { of, order, .. } = self;
        let current = |of: &HashMap<PersonId, Entry, DrawnState>, (id, serial): (PersonId, u64)| {
            of.get(&id).filter(|entry| entry.serial == serial).map(|entry| entry.expires)
        };
        // One person's repeats must not pile up behind somebody else's entry.
        if order.len() > max.saturating_mul(2) {
            order.retain(|element| current(of, *element).is_some());
        }
        while let Some(element) = order.front().copied() {
            match current(of, element) {
                Some(expires) if now < expires && of.len() <= max => return,
                Some(_) => drop(of.remove(&element.0)),
                None => {}
            }
            order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::person;
    use super::*;
    use crate::base::{ManualClock, SeededRandom};

    fn cache(max: usize) -> (Arc<ManualClock>, PasswordCache) {
        let clock = Arc::new(ManualClock::default());
        let cache =
            PasswordCache::new(Duration::from_secs(60), max, Arc::clone(&clock) as _, &SeededRandom::new(1))
                .unwrap();
        (clock, cache)
    }

    #[test]
    fn right_password_is_known_until_it_expires_and_no_longer() {
        let (clock, cache) = cache(4);
        let ann = person("ann");
        assert!(!cache.knows(&ann, b"lantern"));
        cache.remember(&ann, b"lantern");
        clock.advance(Duration::from_millis(59_999));
        assert!(cache.knows(&ann, b"lantern"));
        assert!(!cache.knows(&ann, b"lanterm"));
        clock.advance(Duration::from_millis(1));
        assert!(!cache.knows(&ann, b"lantern"), "a hit does not prolong it");
    }

    #[test]
    fn younger_than_asked_for_and_not_found_wrong_meanwhile() {
        let (clock, cache) = cache(4);
        let ann = person("ann");
        cache.remember(&ann, b"lantern");
        clock.advance(Duration::from_secs(10));
        assert!(cache.knows_since(&ann, b"lantern", Duration::from_secs(11)));
        assert!(!cache.knows_since(&ann, b"lantern", Duration::from_secs(10)));
        cache.forget_if(&ann, &[b"other".to_vec().into()]);
        assert!(cache.knows(&ann, b"lantern"));
        cache.forget_if(&ann, &[b"other".to_vec().into(), b"lantern".to_vec().into()]);
        assert!(!cache.knows(&ann, b"lantern"), "the directory says that it is wrong now");
    }

    #[test]
    fn another_version_or_person_is_not_known() {
        let (_, cache) = cache(4);
        let mut ann = person("ann");
        cache.remember(&ann, b"lantern");
        assert!(!cache.knows(&person("bob"), b"lantern"));
        ann.version += 1;
        assert!(!cache.knows(&ann, b"lantern"));
    }

    #[test]
    fn oldest_goes_when_it_is_full_and_repeats_take_no_room() {
        let (_, cache) = cache(2);
        let (ann, bob, cyd) = (person("ann"), person("bob"), person("cyd"));
        cache.remember(&ann, b"a");
        for _ in 0..100 {
            cache.remember(&bob, b"b");
        }
        assert!(cache.lock().order.len() <= 4);
        cache.remember(&ann, b"a");
        cache.remember(&cyd, b"c");
        assert_eq!(cache.len(), 2);
        assert!(!cache.knows(&bob, b"b"));
        assert!(cache.knows(&ann, b"a") && cache.knows(&cyd, b"c"));
    }

    #[test]
    fn zero_turns_it_off() {
        let new =
            |ttl, max| PasswordCache::new(ttl, max, Arc::new(ManualClock::default()), &SeededRandom::new(1));
        assert!(new(Duration::ZERO, 10).is_none());
        assert!(new(Duration::from_secs(1), 0).is_none());
    }

    #[test]
    fn debug_shows_counts_only() {
        let (_, cache) = cache(2);
        cache.remember(&person("ann"), b"lantern");
        assert_eq!(format!("{cache:?}"), "PasswordCache(1 of 2 entries, 60s)");
    }
}
