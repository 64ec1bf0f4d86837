//! The removal of what is over.

use super::Result;
use crate::base::Timestamp;
use crate::domain::retention::Retention;
use async_trait::async_trait;

/// What a clean-up removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Audit entries.
    pub audit: u64,
    /// Messages.
    pub messages: u64,
    /// Marks of what was used once and is over anyway.
    pub marks: u64,
    /// Codes and factors that have ended.
    pub factors: u64,
    /// Sessions of the portal.
    pub sessions: u64,
}

/// Removes what is over, so that nothing grows without bound, and does what logins should not wait for.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// One step of bounded size; call it again while it removes something.
    async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<Cleaned>;
    /// Brings what the trail is searched by one step nearer to its end; whether there was something to do. Searches find
    /// everything anyway, but what is missing here takes them longer.
    async fn index(&self) -> Result<bool>;
}
