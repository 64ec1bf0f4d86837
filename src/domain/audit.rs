//! What is written into the audit trail.

use super::person::PersonId;
use crate::base::Timestamp;
use serde::Serialize;
use std::borrow::Cow;

/// One entry, before the store gives it a number and a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who did it: `radius:CLIENT` or `uid:1000(alice)`.
    pub actor: String,
    /// What was done: `login`, `person.add`, `factor.confirm` …
    pub action: &'static str,
    /// To whom, where a known person is concerned.
    pub person: Option<PersonId>,
    /// The username or target as it was given, at most 253 bytes.
    pub subject: String,
    /// How it ended: `accept`, `reject`, `challenge`, `done`, `refused`.
    pub outcome: &'static str,
    /// Why: a [`super::reason::Reason`] name for logins, a short text otherwise. Never a secret.
    pub detail: Cow<'static, str>,
    /// The id that the log lines of the same request carry.
    pub request: String,
}
