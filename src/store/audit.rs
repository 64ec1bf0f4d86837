//! The audit trail, and what people have agreed to.

use super::Result;
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::person::PersonId;
use async_trait::async_trait;
use serde::Serialize;
use std::borrow::Cow;

/// An audit entry as it stands in the chain.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord {
    /// Place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: Cow<'static, str>,
    /// To whom.
    pub person: Option<String>,
    /// The name as given.
    pub subject: String,
    /// How it ended.
    pub outcome: Cow<'static, str>,
    /// Why.
    pub detail: Cow<'static, str>,
    /// Request id.
    pub request: String,
    /// HMAC-SHA-256 over this entry and the link before it, hex.
    pub link: String,
}

/// What to list of the trail.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only entries after this number.
    pub after: i64,
    /// Only entries before this number.
    pub before: Option<i64>,
    /// At most so many; 0 means 100.
    pub limit: u32,
    /// Only entries about this username or subject.
    pub subject: Option<String>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
}

/// Result of a check of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Entries read.
    pub entries: u64,
    /// The last link, hex; empty for an empty trail.
    pub head: String,
    /// The first entry whose link is wrong or missing, with what is wrong.
    pub broken: Option<(i64, String)>,
    /// All that is wrong, in the order of the trail; at most twenty.
    pub findings: Vec<Finding>,
}

/// Something that is wrong with the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Number of the entry, or of the first that is missing.
    pub seq: i64,
    /// What its row says when it was written; of one that is missing, the entry before it.
    pub at: Option<Timestamp>,
    /// What is wrong.
    pub what: String,
}

/// The audit trail: append-only, hash-chained.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds one.
    async fn append(&self, entry: AuditEntry) -> Result<()>;
    /// A part of it.
    async fn entries(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>>;
    /// Recomputes every link.
    async fn verify(&self) -> Result<AuditCheck>;
}

/// Acceptances of the acceptable-use policy (R-TOP-3).
#[async_trait]
pub trait Acceptances: Send + Sync {
    /// Records that a person accepted `version`.
    async fn record(&self, person: PersonId, version: &str, at: Timestamp, audit: AuditEntry) -> Result<()>;
    /// The latest version accepted, and when.
    async fn latest(&self, person: PersonId) -> Result<Option<(String, Timestamp)>>;
}
