//! JSON about the audit trail and the daemon itself.

use crate::store::{AuditCheck, AuditRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct TrailQuery {
    /// Only entries after this number.
    pub(in crate::serve::admin) after: Option<i64>,
    /// At most so many, up to 1000; 100 if it is missing.
    pub(in crate::serve::admin) limit: Option<u32>,
    /// Only entries about this username or id.
    pub(in crate::serve::admin) subject: Option<String>,
    /// Newest first.
    pub(in crate::serve::admin) newest: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Trail {
    #[schema(value_type = Vec<Object>)]
    pub(in crate::serve::admin) entries: Vec<AuditRecord>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Verified {
    /// Entries read.
    entries: u64,
    /// The last link, hex. Written down elsewhere, it shows later that nothing before it was changed.
    head: String,
    /// First entry that is wrong, and how.
    #[schema(value_type = Option<Vec<Object>>)]
    broken: Option<(i64, String)>,
}

impl From<AuditCheck> for Verified {
    fn from(check: AuditCheck) -> Self {
        Self { entries: check.entries, head: check.head, broken: check.broken }
    }
}

/// How the daemon is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Since when it runs, RFC 3339.
    pub started: String,
    /// Counters of the RADIUS server.
    pub radius: BTreeMap<String, u64>,
    /// RADIUS addresses served.
    pub addresses: Vec<String>,
    /// What is allowed but unwise, and certificates that end soon, as sentences.
    pub warnings: Vec<String>,
    /// How Redis is: `up`, or a sentence that says why not; none where it is not used.
    pub redis: Option<String>,
}
