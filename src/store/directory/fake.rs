//! Passwords in memory, for tests.

use crate::base::{Secret, Timestamp};
use crate::config;
use crate::domain::audit::AuditEntry;
use crate::domain::person::{Person, PersonId, Username};
use crate::store::{Passwords, Result, StoreError};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;

/// Cheap, so that tests are quick.
pub(super) fn settings() -> config::Password {
    config::Password {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
        workers: 1,
        queue: 8,
        deadline: Duration::from_secs(600),
        cache: Duration::ZERO,
        cache_entries: 16,
    }
}

/// A person whose id follows from the name.
pub(super) fn person(username: &str) -> Person {
    let id = username.bytes().fold(0_u128, |id, byte| id << 8 | u128::from(byte));
    Person::named(PersonId::from_uuid(uuid::Uuid::from_u128(id)), Username::parse(username).unwrap())
}

pub(super) fn entry() -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(0),
        actor: "test".to_owned(),
        action: "password.set",
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: "".into(),
        request: String::new(),
    }
}

/// What the records store promises, in a map.
#[derive(Default)]
pub(super) struct MemoryPasswords {
    pub(super) hashes: Mutex<HashMap<PersonId, Secret<String>>>,
    /// Every call fails.
    pub(super) down: std::sync::atomic::AtomicBool,
    /// Told after every upgrade, also one that came too late.
    pub(super) upgraded: Notify,
    /// An upgrade waits for this if it is there.
    pub(super) hold_upgrade: Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
}

impl MemoryPasswords {
    pub(super) fn put(&self, person: &Person, hash: &str) {
        self.hashes.lock().unwrap().insert(person.id, Secret::new(hash.to_owned()));
    }

    pub(super) fn of(&self, person: &Person) -> String {
        self.hashes.lock().unwrap()[&person.id].expose().clone()
    }

    fn up(&self) -> Result<()> {
        if self.down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Unavailable("unplugged".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Passwords for MemoryPasswords {
    async fn hash(&self, person: PersonId) -> Result<Option<Secret<String>>> {
        self.up()?;
        Ok(self.hashes.lock().unwrap().get(&person).cloned())
    }

    async fn set(&self, person: PersonId, hash: Secret<String>, _: AuditEntry) -> Result<()> {
        self.up()?;
        self.hashes.lock().unwrap().insert(person, hash);
        Ok(())
    }

    async fn changed(&self, _: PersonId, _: AuditEntry) -> Result<()> {
        self.up()
    }

    async fn upgrade(&self, person: PersonId, old: Secret<String>, new: Secret<String>) -> Result<()> {
        let hold = self.hold_upgrade.lock().unwrap().take();
        if let Some(hold) = hold {
            let _ = hold.await;
        }
        {
            let mut hashes = self.hashes.lock().unwrap();
            if hashes.get(&person).is_some_and(|hash| hash.expose() == old.expose()) {
                hashes.insert(person, new);
            }
        }
        self.upgraded.notify_one();
        self.up()
    }
}
