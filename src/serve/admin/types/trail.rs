//! JSON about the audit trail, and what is followed live.

use crate::store::{AuditCheck, AuditRecord, Finding};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct TrailQuery {
    /// Only entries after this number.
    pub(in crate::serve::admin) after: Option<i64>,
    /// At most so many, up to 1000; 100 if it is missing.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295u64)]
    pub(in crate::serve::admin) limit: Option<u32>,
    /// Only entries about this username or id.
    pub(in crate::serve::admin) subject: Option<String>,
    /// Newest first.
    pub(in crate::serve::admin) newest: Option<bool>,
}

/// How the trail leaves.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::serve::admin) enum ExportFormat {
    /// A JSON object a line.
    #[default]
    Json,
    /// Common Event Format.
    Cef,
    /// RFC 5424.
    Syslog,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct ExportQuery {
    /// `json`, `cef` or `syslog`.
    #[serde(default)]
    #[param(inline)]
    pub(in crate::serve::admin) format: ExportFormat,
    /// Not before this: RFC 3339, or a day, which begins at midnight UTC.
    pub(in crate::serve::admin) from: Option<String>,
    /// Before this.
    pub(in crate::serve::admin) to: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Trail {
    #[schema(value_type = Vec<Object>)]
    pub(in crate::serve::admin) entries: Vec<AuditRecord>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct LoginsQuery {
    /// At most so many, up to 200; 20 if it is missing.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295u64)]
    pub(in crate::serve::admin) limit: Option<u32>,
}

/// How somebody's logins ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Logins {
    /// The newest first.
    pub(in crate::serve::admin) logins: Vec<Login>,
}

/// How a login ended, or a step of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Login {
    /// RFC 3339.
    at: String,
    /// By what, and at which client: `radius:vpn`.
    door: String,
    /// What for: `login`, `portal`, `reset`, `activation`, `contact`, `helpdesk`.
    purpose: String,
    /// `accept`, `challenge`, `reject`, `proven`.
    outcome: String,
    /// Why.
    reason: String,
}

impl From<AuditRecord> for Login {
    fn from(entry: AuditRecord) -> Self {
        Self {
            at: entry.at.to_string(),
            door: entry.actor,
            purpose: entry.action.into_owned(),
            outcome: entry.outcome.into_owned(),
            reason: entry.detail.into_owned(),
        }
    }
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
    /// What is wrong, in the order of the trail: at most twenty.
    findings: Vec<Found>,
}

/// Something that is wrong with the trail.
#[derive(Debug, Serialize, ToSchema)]
struct Found {
    /// Number of the entry, or of the first that is missing.
    seq: i64,
    /// What its row says when it was written, RFC 3339; of one that is missing, the entry before it.
    at: Option<String>,
    /// What is wrong.
    what: String,
}

impl From<AuditCheck> for Verified {
    fn from(check: AuditCheck) -> Self {
        let found = |Finding { seq, at, what }: Finding| Found { seq, at: at.map(|at| at.to_string()), what };
        let AuditCheck { entries, head, broken, findings } = check;
        Self { entries, head, broken, findings: findings.into_iter().map(found).collect() }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct WatchQuery {
    /// Only logins with this username, as it was received.
    pub(in crate::serve::admin) user: Option<String>,
    /// Only at the client of this name.
    pub(in crate::serve::admin) client: Option<String>,
    /// Only refusals.
    pub(in crate::serve::admin) rejected: Option<bool>,
}
