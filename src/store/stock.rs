//! What comes into the inventory, goes out of it for good, and is read out of it whole.

use super::{Assignment, NewToken, Result};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{FactorKind, Material};
use crate::domain::token::{Token, TokenId};
use crate::wire::yubico::{Key, PublicId};
use async_trait::async_trait;

/// A token that nobody has is overwritten.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Which.
    pub token: TokenId,
    /// What it is.
    pub kind: FactorKind,
    /// The number printed on it.
    pub serial: String,
    /// Secret material.
    pub material: Material,
    /// The next position that is acceptable.
    pub next: u64,
    /// The secrets are the old ones: the position does not fall behind where it stands.
    pub same: bool,
}

/// The AES key of a YubiKey that a validation server has judged so far. It waits: see [`super::Tokens::waiting`].
#[derive(Debug, Clone)]
pub struct LateKey {
    /// Which.
    pub token: TokenId,
    /// Its name.
    pub public_id: PublicId,
    /// The number printed on it.
    pub serial: String,
    /// Its secrets.
    pub key: Key,
}

/// A new token that is somebody's at once.
#[derive(Debug, Clone)]
pub struct Given {
    /// Brings the token along.
    pub assignment: Assignment,
    /// When it last let the owner in.
    pub used: Option<Timestamp>,
    /// About the owner.
    pub audit: AuditEntry,
}

/// What one file brings.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Not known before, and nobody's.
    pub new: Vec<NewToken>,
    /// Those of `new` that are marked as revoked.
    pub revoked: Vec<TokenId>,
    /// Not known before, and somebody's at once.
    pub given: Vec<Given>,
    /// Known, and overwritten.
    pub replaced: Vec<Replacement>,
    /// Known, but not their keys.
    pub keys: Vec<LateKey>,
}

impl From<Vec<NewToken>> for Import {
    fn from(new: Vec<NewToken>) -> Self {
        Self { new, ..Self::default() }
    }
}

/// A token with everything that goes with it to another installation.
#[derive(Debug, Clone)]
pub struct Whole {
    /// The token; its `next` is that of the factor where it is somebody's.
    pub token: Token,
    /// An AES key that waits.
    pub waiting: Option<Key>,
    /// Username of the owner.
    pub user: Option<String>,
    /// Name that the owner knows it by.
    pub label: Option<String>,
    /// When it last let the owner in.
    pub used: Option<Timestamp>,
}

/// The inventory as a store of devices.
#[async_trait]
pub trait Stock: Send + Sync {
    /// Those of these (kind, name) that are there already.
    async fn known(&self, names: Vec<(FactorKind, String)>) -> Result<Vec<Token>>;
    /// Takes all in or nothing; `Conflict` if a new one is there already, or somebody has got one that was to be overwritten.
    async fn import(&self, import: Import, audit: AuditEntry) -> Result<()>;
    /// Removes all of them for good, or none: `Conflict` if somebody has one, `NotFound` if there is none.
    async fn remove(&self, tokens: Vec<TokenId>, audit: AuditEntry) -> Result<()>;
    /// So many tokens after this id, by their ids, each as it is at one moment. An id never changes, so a token that is given to
    /// somebody or taken back between two pages is in exactly one of them.
    async fn page(&self, after: &str, limit: u32) -> Result<Vec<Whole>>;
}
