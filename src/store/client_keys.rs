//! Keys of applications, as they are kept.

use super::Result;
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use async_trait::async_trait;

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeyStatus {
    /// Its public part.
    pub id: String,
    /// The application.
    pub client: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; none: when it is revoked.
    pub expires: Option<Timestamp>,
}

/// A key.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// What can be shown of it.
    pub status: ClientKeyStatus,
    /// Its secret part.
    pub secret: Secret<String>,
}

/// Keys of applications. What is over is still told: the caller knows what time it is.
#[async_trait]
pub trait ClientKeys: Send + Sync {
    /// Adds a key. `older`: all others of the application end then, if not before; those that are over are removed.
    async fn add(&self, key: ClientKey, older: Option<Timestamp>, audit: AuditEntry) -> Result<()>;
    /// The key of this id.
    async fn find(&self, id: &str) -> Result<Option<ClientKey>>;
    /// All keys of an application; the newest first.
    async fn of(&self, client: &str) -> Result<Vec<ClientKey>>;
    /// All keys, by application.
    async fn list(&self) -> Result<Vec<ClientKeyStatus>>;
    /// Removes one: it counts no more. `NotFound` if it is not there.
    async fn revoke(&self, id: &str, audit: AuditEntry) -> Result<()>;
}
