//! What is kept, behind small traits. The records store (SQLite, or PostgreSQL for several nodes) is the authority for
//! people, factors, failure counters, the audit trail, messages and acceptances; challenges live in process or in Redis.
//!
//! `Err` always means "could not decide": the caller must not say yes, and RADIUS does not answer.
//! Every method that changes something takes the [`AuditEntry`](crate::domain::audit::AuditEntry) that belongs to it and writes both in one
//! transaction; when it returns `Ok`, the change survives `kill -9`; an accept that
//! changes nothing may leave only its entry, a moment later.

mod audit;
pub mod blocklist;
mod breaker;
pub mod challenges;
mod client_keys;
pub mod delivery;
pub mod directory;
mod factors;
mod http;
mod identities;
mod keys;
pub mod ldap;
mod logins;
pub mod mailbox;
mod outbox;
mod people;
pub mod records;
pub mod seal;
mod security;
mod stock;
mod tls;
mod tokens;
mod upkeep;
pub mod yubico;

pub use crate::domain::login::Account;
pub use crate::domain::retention::Retention;
pub use audit::{Acceptances, Audit, AuditCheck, AuditQuery, AuditRecord, Finding};
pub use client_keys::{ClientKey, ClientKeyStatus, ClientKeys};
pub use factors::{Among, Factors, NewFactor};
pub use identities::{Applied, Identities, IdentityBatch, SyncPlace, Written};
pub use keys::{KeyStatus, MasterKeys, ResealPlace, Resealed};
pub use logins::{Attempts, CounterState, Logins, Settled, Settlement};
pub use outbox::{AttemptEnd, Attempted, Claimed, MessageStatus, Outbox, OutboxQuery};
pub use people::{NewPerson, Page, Passwords, People};
pub use security::{
    Answer, Answers, ContactChange, Coverage, KeptSession, SecurityChange, SecurityData, SecurityProfile,
    Seen, SessionKey, Sessions,
};
pub use stock::{Given, Import, LateKey, Replacement, Stock, Whole};
pub use tokens::{Assignment, NewToken, OtpValidator, TokenQuery, TokenStatus, Tokens, ValidatorError};
pub use upkeep::{Cleaned, Upkeep};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, corrupt, unreachable, or too slow: try again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The name or value is taken, or the thing has changed in between.
    #[error("{0}")]
    Conflict(String),
    /// No such person or factor.
    #[error("{0}")]
    NotFound(String),
    /// A sealed value does not open: wrong or missing key, or a row that was tampered with.
    #[error("a sealed value does not open: {0}")]
    Sealed(String),
}

/// How writing to the store goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterState {
    /// Jobs that wait for a commit.
    pub waiting: usize,
    /// Commits that were done, of as many jobs each as waited.
    pub commits: u64,
    /// Commits that failed.
    pub failed: u64,
    /// Why the last one failed; none: it did not.
    pub error: Option<String>,
}

/// Result of a store call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
