//! JSON about the master keys, backups and reloads.

use crate::engine::keys::{KeyState, KnownKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A backup that somebody makes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewBackup {
    /// Where to.
    pub(in crate::serve::admin) file: String,
}

/// A configuration that serves.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Reload {
    /// What takes effect only after a restart, and what is allowed but unwise, as sentences.
    pub(in crate::serve::admin) warnings: Vec<String>,
}

/// The master keys.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct MasterKeys {
    /// Those of the configuration in its order, then those that are missing there.
    keys: Vec<MasterKey>,
    /// Whether a rotation is under way.
    rotating: bool,
}

/// A master key, without itself.
#[derive(Debug, Serialize, ToSchema)]
struct MasterKey {
    id: String,
    /// Says whether two keys are the same; none: it is not in the configuration.
    fingerprint: Option<String>,
    /// `seals`; `next`: a rotation makes it the one that seals; `old`: values are under it still; `free`: nothing is under it;
    /// `missing`: values are under it, and it is not in the configuration.
    state: &'static str,
    /// Values under it, by table.
    values: BTreeMap<&'static str, u64>,
    /// Since when it seals, or from when it did; none: not known.
    since: Option<String>,
    /// When another took its place.
    until: Option<String>,
}

impl MasterKeys {
    pub(in crate::serve::admin) fn new(keys: Vec<KnownKey>, rotating: bool) -> Self {
        let key = |KnownKey { status, state, since, until }: KnownKey| MasterKey {
            id: status.id,
            fingerprint: status.fingerprint,
            state: match state {
                KeyState::Seals => "seals",
                KeyState::Next => "next",
                KeyState::Old => "old",
                KeyState::Free => "free",
                KeyState::Missing => "missing",
            },
            values: status.values.into_iter().collect(),
            since: since.map(|at| at.to_string()),
            until: until.map(|at| at.to_string()),
        };
        Self { keys: keys.into_iter().map(key).collect(), rotating }
    }
}
