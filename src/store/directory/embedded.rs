//! The embedded directory: hashes from the records store, computed by the pool, remembered by the cache.

use super::cache::{Monotonic, PasswordCache};
use super::hash::PasswordHash;
use super::{ChangeError, Directory, DirectoryError, HashPool, LiveRules, PoolError};
use crate::base::{Clock, Random, Secret, Soon};
use crate::config;
use crate::domain::audit::AuditEntry;
use crate::domain::password::PasswordVerdict;
use crate::domain::person::{Person, PersonId};
use crate::store::Passwords;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Passwords in the records store.
pub struct Embedded {
    passwords: Arc<dyn Passwords>,
    pool: Arc<HashPool>,
    rules: LiveRules,
    cache: Option<PasswordCache>,
    /// One upgrade at a time: after an import they must not crowd out the logins that cause them. Who finds it
    /// taken is upgraded at a later login.
    upgrades: Arc<Semaphore>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({:?}, {:?}, {:?})", self.pool, self.rules, self.cache)
    }
}

impl Embedded {
    /// Over `passwords`, with the cache that `settings` ask for.
    pub fn new(
        passwords: Arc<dyn Passwords>,
        pool: Arc<HashPool>,
        rules: LiveRules,
        settings: &config::Password,
        random: &dyn Random,
    ) -> Self {
        Self::with_clock(passwords, pool, rules, settings, (Arc::new(Monotonic::start()), random))
    }

    pub(super) fn with_clock(
        passwords: Arc<dyn Passwords>,
        pool: Arc<HashPool>,
        rules: LiveRules,
        settings: &config::Password,
        (clock, random): (Arc<dyn Clock>, &dyn Random),
    ) -> Self {
        let cache = PasswordCache::new(settings.cache, settings.cache_entries, clock, random);
        Self { passwords, pool, rules, cache, upgrades: Arc::new(Semaphore::new(1)) }
    }

    /// Passwords that are remembered.
    pub fn cached(&self) -> usize {
        self.cache.as_ref().map_or(0, PasswordCache::len)
    }

    fn remembered(&self, person: &Person, candidates: &[Secret<Vec<u8>>]) -> Option<usize> {
        let cache = self.cache.as_ref()?;
        candidates.iter().position(|candidate| cache.knows(person, candidate.expose()))
    }

    /// Replaces a hash that is weaker than new ones, beside the login that showed its password.
    fn upgrade(&self, person: PersonId, old: Secret<String>, password: Secret<Vec<u8>>) {
        let weak = PasswordHash::parse(old.expose()).is_ok_and(|hash| hash.needs_upgrade(self.pool.cost()));
        if !weak {
            return;
        }
        let Ok(turn) = Arc::clone(&self.upgrades).try_acquire_owned() else { return };
        let (pool, passwords) = (Arc::clone(&self.pool), Arc::clone(&self.passwords));
        tokio::spawn(async move {
            let _turn = turn;
            let upgraded = async {
                let new = pool.hash(password).await?;
                passwords.upgrade(person, old, new).await?;
                Ok::<(), DirectoryError>(())
            };
            match upgraded.await {
                Ok(()) => tracing::debug!(%person, "password hash upgraded"),
                Err(error) => tracing::debug!(%person, %error, "password hash not upgraded"),
            }
        });
    }

    /// Tries candidates that are not remembered.
    async fn compute(
        &self,
        person: Option<&Person>,
        candidates: &[Secret<Vec<u8>>],
    ) -> Result<PasswordVerdict, DirectoryError> {
        let hash = match person {
            Some(person) => self.passwords.hash(person.id).await?,
            None => None,
        };
        for (index, candidate) in candidates.iter().enumerate() {
            let right = match self.pool.verify(hash.clone(), candidate.clone()).await {
                Err(PoolError::Hash(error)) => {
                    let person = person.map(|person| person.id.to_string()).unwrap_or_default();
                    tracing::warn!(person, %error, "stored password hash cannot be used");
                    return Err(PoolError::Hash(error).into());
                }
                decided => decided?,
            };
            if let (true, Some(person), Some(hash)) = (right, person, &hash) {
                if let Some(cache) = &self.cache {
                    cache.remember(person, candidate.expose());
                }
                self.upgrade(person.id, hash.clone(), candidate.clone());
                return Ok(PasswordVerdict::Right(index));
            }
        }
        Ok(PasswordVerdict::Wrong)
    }
}

#[async_trait]
impl Directory for Embedded {
    fn check<'a>(
        &'a self,
        person: Option<&'a Person>,
        candidates: &'a [Secret<Vec<u8>>],
    ) -> Soon<'a, Result<PasswordVerdict, DirectoryError>> {
        match person.and_then(|person| self.remembered(person, candidates)) {
            Some(index) => Soon::now(Ok(PasswordVerdict::Right(index))),
            None => Soon::later(self.compute(person, candidates)),
        }
    }

    fn announce(&self, people: &[PersonId]) {
        self.cache.iter().for_each(|cache| cache.announce(people));
    }

    async fn change(
        &self,
        person: &Person,
        old: Option<&Secret<String>>,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError> {
        if let Some(old) = old {
            let old = [Secret::new(old.expose().as_bytes().to_vec())];
            if !matches!(self.check(Some(person), &old).await?, PasswordVerdict::Right(_)) {
                return Err(ChangeError::WrongOld);
            }
        }
        let password = self.rules.load().check(person, new.expose()).map_err(ChangeError::Refused)?;
        let bytes = Secret::new(password.expose().as_bytes().to_vec());
        let hash = self.pool.hash(bytes).await.map_err(DirectoryError::from)?;
        self.passwords.set(person.id, hash, audit).await.map_err(DirectoryError::from)?;
        Ok(())
    }

    /// Its locks are in the records store.
    async fn unlock(&self, _: &Person) -> Result<(), ChangeError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
