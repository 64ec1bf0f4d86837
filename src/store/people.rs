//! People and their passwords.

use super::Result;
use crate::base::{Secret, Soon};
use crate::domain::audit::AuditEntry;
use crate::domain::login::Account;
use crate::domain::person::{Person, PersonId, Role, Status, Username};
use async_trait::async_trait;
use std::sync::Arc;

/// A person to be added.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The id they will have.
    pub id: PersonId,
    /// Unique name.
    pub username: Username,
    /// Name to show.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Groups.
    pub groups: Vec<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Password hash in PHC or crypt form; none: no password login.
    pub password: Option<Secret<String>>,
    /// The account is to be activated before it can log in.
    pub new: bool,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only usernames that contain this.
    pub matching: Option<String>,
    /// Only usernames after this one.
    pub after: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// People of the embedded directory.
#[async_trait]
pub trait People: Send + Sync {
    /// The person and their active factors; `None` if unknown.
    fn account<'a>(&'a self, username: &'a Username) -> Soon<'a, Result<Option<Arc<Account>>>>;
    /// These names are about to be asked for, more than one: what is in memory of them is looked for together, for which one waits
    /// for memory much less than one by one. Tells whose they are as far as that is known; nothing depends on it.
    fn announce(&self, _names: &[&str]) -> Vec<PersonId> {
        Vec::new()
    }
    /// The person alone.
    async fn person(&self, username: &Username) -> Result<Option<Person>>;
    /// The person of this id, as long as they are here.
    async fn by_id(&self, person: PersonId) -> Result<Option<Person>>;
    /// Sorted by username.
    async fn list(&self, page: &Page) -> Result<Vec<Person>>;
    /// Adds all or none; `Conflict` names the first username that is taken.
    async fn add(&self, people: Vec<NewPerson>, audit: AuditEntry) -> Result<()>;
    /// Locks, unlocks, disables, activates; raises `version`. `Status::Active` ends a lock, or makes a new account active: a new
    /// one that was locked is new again. `Status::New` has the account activated (again). Both also clear all counters; all
    /// but `Active` end the person's sessions. Who is switched off in an outside directory stays so.
    async fn set_status(&self, person: PersonId, status: Status, audit: AuditEntry) -> Result<()>;
}

/// Password hashes of the embedded directory.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// PHC or crypt string; `None` if there is no such person or no password.
    async fn hash(&self, person: PersonId) -> Result<Option<Secret<String>>>;
    /// Sets a new hash and raises `version`; clears the password counter and ends the person's sessions.
    async fn set(&self, person: PersonId, hash: Secret<String>, audit: AuditEntry) -> Result<()>;
    /// A password was changed elsewhere, in an outside directory: raises `version`, clears the password counter and ends the
    /// person's sessions.
    async fn changed(&self, person: PersonId, audit: AuditEntry) -> Result<()>;
    /// Replaces `old` by `new`, a better hash of the same password; nothing happens if `old` is gone.
    async fn upgrade(&self, person: PersonId, old: Secret<String>, new: Secret<String>) -> Result<()>;
}
