//! JSON about the directories that people come from.

use crate::engine::sync::Progress;
use crate::store::ldap::ServerState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A server of a directory.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct DirectoryServer {
    url: String,
    up: bool,
    /// What it failed with, if it is down.
    error: Option<String>,
}

/// How a directory is followed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Directory {
    directory: String,
    /// `waiting`, `loading`, `following`, `retrying`, `held`, `elsewhere` (another node follows it).
    stage: String,
    /// `persist`, `refresh`, `poll`, `usn`.
    mode: Option<&'static str>,
    people: usize,
    /// Since the daemon started.
    added: u64,
    changed: u64,
    removed: u64,
    loads: u64,
    failures: u64,
    /// Usernames that belong to somebody else, so that the entry was left out.
    conflicts: Vec<String>,
    /// RFC 3339.
    last_change: Option<String>,
    error: Option<String>,
    servers: Vec<DirectoryServer>,
}

impl Directory {
    pub(in crate::serve::admin) fn new(progress: Progress, servers: Vec<ServerState>) -> Self {
        let server = |ServerState { url, up, error }| DirectoryServer { url, up, error };
        Self {
            stage: progress.stage.as_str().to_owned(),
            directory: progress.directory,
            mode: progress.mode,
            people: progress.people,
            added: progress.added,
            changed: progress.changed,
            removed: progress.removed,
            loads: progress.loads,
            failures: progress.failures,
            conflicts: progress.conflicts,
            last_change: progress.last_change.map(|at| at.to_string()),
            error: progress.error,
            servers: servers.into_iter().map(server).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Directories {
    pub(in crate::serve::admin) directories: Vec<Directory>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct SyncOrder {
    /// Only this one; all if it is missing.
    pub(in crate::serve::admin) directory: Option<String>,
    /// Also if more people would be removed than `max_removals` allows.
    #[serde(default)]
    pub(in crate::serve::admin) accept_removals: bool,
}

/// How a load goes; counts are of this load.
#[derive(Debug, Serialize)]
pub(in crate::serve::admin) struct SyncLine {
    directory: String,
    stage: String,
    people: usize,
    read: u64,
    added: u64,
    changed: u64,
    removed: u64,
    conflicts: usize,
    pub(in crate::serve::admin) error: Option<String>,
    /// The last line of this directory.
    ended: bool,
}

impl SyncLine {
    pub(in crate::serve::admin) fn new(now: Progress, before: &Progress, ended: bool, refused: bool) -> Self {
        Self {
            stage: now.stage.as_str().to_owned(),
            people: now.people,
            read: now.read,
            added: now.added - before.added,
            changed: now.changed - before.changed,
            removed: now.removed - before.removed,
            conflicts: now.conflicts.len(),
            error: now.error.filter(|_| refused),
            directory: now.directory,
            ended,
        }
    }
}
