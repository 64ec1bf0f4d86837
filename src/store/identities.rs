//! What is followed in outside directories.

use super::Result;
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::directory::{Change, EntryId, Known};
use crate::domain::person::{PersonId, Username};
use async_trait::async_trait;

/// Where the synchronisation of a directory stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPlace {
    /// Of the settings that it belongs to; with others it is worth nothing.
    pub scope: String,
    /// As the source of the changes understands it.
    pub state: String,
    /// When it was written.
    pub synced: Timestamp,
}

/// Changes of one directory that are written together.
#[derive(Debug, Clone)]
pub struct IdentityBatch {
    /// Name of the directory.
    pub directory: String,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// One for each change: who it is about, or the id that a new person gets.
    pub ids: Vec<PersonId>,
    /// Where the synchronisation stands once they are written.
    pub place: Option<SyncPlace>,
    /// Part of a first load: one audit entry for all instead of one for each.
    pub bulk: bool,
    /// Whoever comes for the first time has an account that is to be activated before it can log in. Whether others are new
    /// stays as it is.
    pub new: bool,
    /// When.
    pub at: Timestamp,
}

/// A person that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Their entry.
    pub entry: EntryId,
    /// Their id here.
    pub person: PersonId,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// People who were written.
    pub written: Vec<Written>,
    /// Entries whose username belongs to somebody else; they were left out.
    pub conflicts: Vec<(EntryId, Username)>,
}

/// People that come from outside directories.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Whether this node is the one that follows the directory; it becomes it if nobody is. Where several nodes share
    /// the store, only the one that leads may [`Self::apply`]: on another, or after a lost connection, that is a
    /// `Conflict`, and everything in memory must be read again after `lead` says yes again.
    async fn lead(&self, directory: &str) -> Result<bool>;
    /// Everyone who ever came from a directory and was not purged.
    async fn known(&self, directory: &str) -> Result<Vec<Known>>;
    /// Where its synchronisation stands.
    async fn place(&self, directory: &str) -> Result<Option<SyncPlace>>;
    /// Writes a batch and its place, or nothing.
    async fn apply(&self, batch: IdentityBatch) -> Result<Applied>;
    /// Removes for good who left before this moment; how many.
    async fn purge(&self, directory: &str, before: Timestamp, audit: AuditEntry) -> Result<u64>;
}
