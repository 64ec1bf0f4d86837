//! Tokens as they are kept, and who knows whether a YubiKey's password is good if we do not.

use super::{NewFactor, Result, StoreError};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{FactorKind, Material};
use crate::domain::person::PersonId;
use crate::domain::token::{Token, TokenId, TokenState};
use crate::domain::yubikey::{KeyOwner, Validation};
use crate::wire::yubico::{Key, Otp, PublicId};
use async_trait::async_trait;
use serde::Serialize;

/// A token to be added.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The id it will have.
    pub id: TokenId,
    /// What it is.
    pub kind: FactorKind,
    /// Its name; unique among those of its kind.
    pub name: String,
    /// The number printed on it; may be empty.
    pub serial: String,
    /// Secret material.
    pub material: Material,
    /// The next position that is acceptable.
    pub next: u64,
    /// When.
    pub created: Timestamp,
}

/// A token that becomes somebody's.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Which.
    pub token: TokenId,
    /// Added first: a key that was not known before.
    pub new: Option<NewToken>,
    /// The factor; its `next` is not taken, see `proven`.
    pub factor: NewFactor,
    /// The position of a password that has proved who has the token. It is used up; an older one is refused.
    pub proven: Option<u64>,
    /// Also if it was revoked: somebody has it again.
    pub revoked: bool,
}

/// A token as administrators see it.
#[derive(Debug, Clone, Serialize)]
pub struct TokenStatus {
    /// Its id.
    pub id: String,
    /// `yubikey`, `hotp`, `totp`.
    pub kind: FactorKind,
    /// Public id in modhex, or serial number.
    pub name: String,
    /// Number printed on it.
    pub serial: String,
    /// Where it is.
    pub state: TokenState,
    /// Username of the owner.
    pub user: Option<String>,
    /// Their factor.
    pub factor: Option<String>,
    /// When it was imported.
    pub created: Timestamp,
}

/// What to list of the inventory.
#[derive(Debug, Clone, Default)]
pub struct TokenQuery {
    /// Only of this kind.
    pub kind: Option<FactorKind>,
    /// Only in this state.
    pub state: Option<TokenState>,
    /// Only of this person.
    pub person: Option<PersonId>,
    /// Only those whose name or serial number contains this.
    pub matching: Option<String>,
    /// Only after this id, which the listing before ended with.
    pub after: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// The inventory.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Whose a YubiKey is.
    async fn owner(&self, public_id: &PublicId) -> Result<KeyOwner>;
    /// Those with this id, name or serial number: at most one of each kind by name, a few by serial number.
    async fn find(&self, named: &str) -> Result<Vec<Token>>;
    /// Sorted by id, so the oldest first.
    async fn list(&self, query: &TokenQuery) -> Result<Vec<TokenStatus>>;
    /// Makes a token a factor of a person, in one transaction; `Conflict` says why not: it is somebody's, was revoked, or
    /// what proved it was used before.
    async fn assign(&self, assignment: Assignment, audit: AuditEntry) -> Result<()>;
    /// Ends the factor, if it is somebody's, and marks the token; its position stays. `NotFound` if there is none.
    async fn revoke(&self, token: TokenId, audit: AuditEntry) -> Result<()>;
    /// Uses a position of a token that is nobody's up, by one statement, and with it a mark, and writes `audit`; `false` if
    /// either was used before or the token is not in stock any more: then nothing is written. Positions of what is somebody's
    /// are used up by [`super::Logins::settle`].
    async fn use_up(
        &self,
        token: TokenId,
        position: u64,
        once: (String, Timestamp),
        audit: AuditEntry,
    ) -> Result<bool>;
    /// The AES key of a YubiKey whose own counter is not known, because a validation server has judged it so far: [`Token`] has no
    /// key until [`Tokens::localise`].
    async fn waiting(&self, public_id: &PublicId) -> Result<Option<Key>>;
    /// A touch at this position was good: from it on the key is judged here, whoever has it. `false` if nothing waits any more.
    async fn localise(&self, public_id: &PublicId, position: u64, audit: AuditEntry) -> Result<bool>;
    /// Whether somebody is active and their account not over.
    async fn owner_may_log_in(&self, person: PersonId, now: Timestamp) -> Result<bool>;
}

/// Why no validation server gave an answer that can be trusted: nothing is decided.
#[derive(Debug, thiserror::Error)]
#[error("no validation server gave an answer: {0}")]
pub struct ValidatorError(pub String);

impl From<ValidatorError> for StoreError {
    fn from(error: ValidatorError) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

/// Validation servers of YubiKeys.
#[async_trait]
pub trait OtpValidator: Send + Sync {
    /// Uses a password up there, and says whether it was good.
    async fn validate(&self, otp: &Otp) -> Result<Validation, ValidatorError>;
}
