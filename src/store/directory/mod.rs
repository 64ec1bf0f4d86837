//! Who checks and changes passwords: a directory. The embedded one keeps hashes in the records store; `store::ldap` is
//! another implementation of the same trait, and [`Routed`] finds each person's own.
//!
//! `Err` from [`Directory::check`] means that nothing could be decided; it is never made a wrong password.
//! Locks, counters and whether a person may log in at all are not looked at here: the login machine does.

mod cache;
mod embedded;
#[cfg(test)]
mod fake;
pub mod hash;
pub mod import;
mod pool;
mod routed;

pub use cache::{Monotonic, PasswordCache};
pub use embedded::Embedded;
pub use hash::HashError;
pub use pool::{HashPool, PoolError};
pub use routed::Routed;

use super::StoreError;
use super::ldap::LdapError;
use crate::base::{Secret, Soon};
use crate::domain::audit::AuditEntry;
use crate::domain::password::{PasswordProblem, PasswordRules, PasswordVerdict};
use crate::domain::person::{Person, PersonId};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::sync::Arc;

/// What new passwords must keep to, replaced whole by a reload.
pub type LiveRules = Arc<ArcSwap<PasswordRules>>;

/// Why a directory could not decide.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Too much to do, too late, or the stored hash cannot be used.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An outside directory failed.
    #[error(transparent)]
    Ldap(#[from] LdapError),
    /// The person came from a directory that is not in the configuration any more.
    #[error("directory `{0}` is not in the configuration any more; put it back, or remove its people")]
    Unknown(String),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It violates these rules; each says what to do.
    #[error("{}", sentences(.0))]
    Refused(Vec<PasswordProblem>),
    /// The directory refuses it; the sentence says what to do.
    #[error("{0}")]
    Policy(String),
    /// The present password is wrong.
    #[error("the present password is wrong")]
    WrongOld,
    /// It could not be decided or written.
    #[error(transparent)]
    Undecided(#[from] DirectoryError),
}

fn sentences(problems: &[PasswordProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Passwords of people, wherever they are kept.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Tries the candidates in order until one is right. `None` is the stranger: the same work is done, one
    /// computation a candidate, and the verdict is `Wrong`.
    fn check<'a>(
        &'a self,
        person: Option<&'a Person>,
        candidates: &'a [Secret<Vec<u8>>],
    ) -> Soon<'a, Result<PasswordVerdict, DirectoryError>>;

    /// The passwords of these people are about to be checked, see [`People::announce`](crate::store::People::announce).
    fn announce(&self, _people: &[PersonId]) {}

    /// Sets a new password if it keeps to the rules. With `old`, the present password, the person does it; without
    /// it, whoever administers Doorward.
    async fn change(
        &self,
        person: &Person,
        old: Option<&Secret<String>>,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError>;

    /// Ends a lock that the directory itself has put on the account after failures.
    async fn unlock(&self, person: &Person) -> Result<(), ChangeError>;
}
