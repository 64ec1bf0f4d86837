//! Second factors.

use super::{Result, SessionKey};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState, Material};
use crate::domain::person::PersonId;
use async_trait::async_trait;

/// A factor to be added.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// The id it will have.
    pub id: FactorId,
    /// Whose.
    pub person: PersonId,
    /// What it is.
    pub kind: FactorKind,
    /// Name the person knows it by.
    pub label: String,
    /// Pending until proven, or active at once.
    pub state: FactorState,
    /// When.
    pub created: Timestamp,
    /// Secret material.
    pub material: Material,
    /// HOTP: first counter; else 0.
    pub next: u64,
}

/// What a new factor is among a person's others of its kind, in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// One of them.
    Others,
    /// The only one (PIN, recovery): they end.
    Alone,
    /// One of so many at most, and none has its label, whatever the case.
    Distinct(u8),
}

/// Factors.
#[async_trait]
pub trait Factors: Send + Sync {
    /// All of a person, pending ones too, oldest first.
    async fn of(&self, person: PersonId) -> Result<Vec<Factor>>;
    /// One, or `NotFound`.
    async fn factor(&self, id: FactorId) -> Result<Factor>;
    /// Adds one; `Conflict` where [`Among`] forbids it, or [`MOST_DEVICES`](crate::domain::factor::MOST_DEVICES) does.
    async fn add(&self, factor: NewFactor, among: Among, audit: AuditEntry) -> Result<()>;
    /// Makes a pending factor active, the code at `position` being used up with it, and forgets its failures: `false` if it was not
    /// pending any more or the position has passed.
    async fn confirm(&self, id: FactorId, position: u64, audit: AuditEntry) -> Result<bool>;
    /// Ends one for good; its seed is erased, and the portal's sessions of its owner end, but the one in which it is done. `NotFound`
    /// if it was already gone.
    async fn revoke(&self, id: FactorId, but: Option<SessionKey>, audit: AuditEntry) -> Result<()>;
    /// Moves a counter forward to `next`; `false` if it is there or past it. Clears the factor's failures. `used`: when a code was
    /// taken with it, if that says something about a clock.
    async fn advance(
        &self,
        id: FactorId,
        next: u64,
        used: Option<Timestamp>,
        audit: AuditEntry,
    ) -> Result<bool>;
    /// Gives one another name; `Conflict` if another device of the person has it, where they are told apart by it.
    async fn rename(&self, id: FactorId, label: String, audit: AuditEntry) -> Result<()>;
}
