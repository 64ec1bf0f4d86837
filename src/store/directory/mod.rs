//! Where passwords are checked and changed. [`Embedded`] keeps them in the records store; LDAP and Active Directory
//! implement the same trait.

pub mod cache;
pub mod hash;
pub mod import;
pub mod pool;

pub use cache::PasswordCache;
pub use pool::{HashPool, PoolError, PoolSettings};

use super::{Passwords, StoreError};
use crate::base::Secret;
use crate::domain::audit::AuditEntry;
use crate::domain::password::{PasswordProblem, PasswordVerdict, Rules, normalized};
use crate::domain::person::Person;
use async_trait::async_trait;
use hash::PasswordHash;
use std::sync::Arc;

/// Why a password could be neither confirmed nor refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No time or room to check.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The new one is against the rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]
    Refused(Vec<PasswordProblem>),
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Passwords of people.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Tries the candidates in order; `None` is a stranger, for whom the same work is done.
    async fn check(
        &self,
        person: Option<&Person>,
        candidates: &[Secret<Vec<u8>>],
    ) -> Result<PasswordVerdict, DirectoryError>;

    /// Sets a new password, by the rules.
    async fn change(
        &self,
        person: &Person,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError>;
}

/// Passwords in the records store.
pub struct Embedded {
    passwords: Arc<dyn Passwords>,
    pool: Arc<HashPool>,
    cache: PasswordCache,
    rules: Rules,
}

impl Embedded {
    /// Joins its parts.
    pub fn new(
        passwords: Arc<dyn Passwords>,
        pool: Arc<HashPool>,
        cache: PasswordCache,
        rules: Rules,
    ) -> Self {
        Self { passwords, pool, cache, rules }
    }

    /// Replaces a weaker hash after a success. Nobody waits for it, and a password that was changed meanwhile stays.
    fn upgrade(&self, person: &Person, old: Secret<String>, password: Secret<Vec<u8>>) {
        let weak = PasswordHash::parse(old.expose()).is_ok_and(|hash| hash.needs_upgrade(self.pool.params()));
        if !weak {
            return;
        }
        let (pool, passwords, id) = (Arc::clone(&self.pool), Arc::clone(&self.passwords), person.id);
        tokio::spawn(async move {
            let Ok(new) = pool.hash(password).await else { return };
            if let Err(error) = passwords.upgrade(id, old, new).await {
                tracing::debug!(%error, "a password hash was not upgraded");
            }
        });
    }
}

#[async_trait]
impl Directory for Embedded {
    async fn check(
        &self,
        person: Option<&Person>,
        candidates: &[Secret<Vec<u8>>],
    ) -> Result<PasswordVerdict, DirectoryError> {
        let Some(person) = person else {
            for candidate in candidates.iter().take(1) {
                self.pool.verify(None, candidate.clone()).await?;
            }
            return Ok(PasswordVerdict::Wrong);
        };
        if let Some(known) =
            candidates.iter().position(|candidate| self.cache.knows(person, candidate.expose()))
        {
            return Ok(PasswordVerdict::Right(known));
        }
        let hash = self.passwords.hash(person.id).await?;
        for (at, candidate) in candidates.iter().enumerate() {
            let password = normalized(candidate.expose());
            if self.pool.verify(hash.clone(), password.clone()).await? {
                self.cache.remember(person, candidate.expose());
                if let Some(hash) = hash {
                    self.upgrade(person, hash, password);
                }
                return Ok(PasswordVerdict::Right(at));
            }
        }
        Ok(PasswordVerdict::Wrong)
    }

    async fn change(
        &self,
        person: &Person,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError> {
        let problems = self.rules.problems(&person.username, new.expose());
        if !problems.is_empty() {
            return Err(ChangeError::Refused(problems));
        }
        let hash = self.pool.hash(normalized(new.expose().as_bytes())).await.map_err(DirectoryError::from)?;
        self.passwords.set(person.id, hash, audit).await.map_err(DirectoryError::from)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
