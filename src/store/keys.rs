//! Master keys: what is under which, and how another takes over while the daemon serves.

use super::Result;
use super::seal::Keyring;
use crate::domain::audit::AuditEntry;
use async_trait::async_trait;

/// A master key, without itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its name, which every value under it carries.
    pub id: String,
    /// Says whether two keys are the same; none: it is not in the configuration.
    pub fingerprint: Option<String>,
    /// Whether it seals what is written from now on.
    pub seals: bool,
    /// Values under it, by table; only tables that have some.
    pub values: Vec<(&'static str, u64)>,
}

/// Where the work of sealing anew stands; it begins with the default.
#[derive(Debug, Clone, Default)]
pub struct ResealPlace {
    /// Which of the kinds of sealed values.
    pub(super) kind: usize,
    /// The last row that was looked at.
    pub(super) after: String,
}

/// What a step of it did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resealed {
    /// The table; none: the end was reached.
    pub table: Option<&'static str>,
    /// Values that were sealed anew.
    pub sealed: u64,
    /// Values that do not open, with table and row. They stay as they are.
    pub unreadable: Vec<String>,
}

/// The master keys of a store. The one that seals the daemon's own keys is the one that seals everything, at all nodes.
#[async_trait]
pub trait MasterKeys: Send + Sync {
    /// Those of the configuration in its order, then those that only values name.
    async fn list(&self) -> Result<Vec<KeyStatus>>;
    /// From now on the first of the configuration seals; from which to which, or none if it does already. `Conflict` if another
    /// node does not have it.
    async fn switch(&self, audit: AuditEntry) -> Result<Option<(String, String)>>;
    /// Other nodes that still seal with another key.
    async fn behind(&self) -> Result<u64>;
    /// A step of sealing anew what is under other keys; short, so that logins go between.
    async fn reseal(&self, place: &mut ResealPlace) -> Result<Resealed>;
    /// Seals with the key that another node has switched to; whether there was one.
    async fn follow(&self) -> Result<bool>;
    /// Takes the keys of a new configuration. `Conflict` if one is missing that is still needed.
    async fn replace(&self, new: Keyring) -> Result<()>;
}
