//! How a follower shows itself to the outside.

use crate::base::Timestamp;
use crate::store::ldap::{ServerState, Servers};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What a follower is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing yet; directories that stand before it in the configuration come first.
    #[default]
    Waiting,
    /// Reads what is there.
    Loading,
    /// Knows everything, and waits for changes.
    Following,
    /// Something failed; tries again soon.
    Retrying,
    /// Too many people would be removed; waits for an administrator.
    Held,
    /// Another node follows the directory.
    Elsewhere,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 6] =
        [Stage::Waiting, Stage::Loading, Stage::Following, Stage::Retrying, Stage::Held, Stage::Elsewhere];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Loading => "loading",
            Stage::Following => "following",
            Stage::Retrying => "retrying",
            Stage::Held => "held",
            Stage::Elsewhere => "elsewhere",
        }
    }
}

/// How a directory's synchronisation stands.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Progress {
    /// Name of the directory.
    pub directory: String,
    /// What it is doing.
    pub stage: Stage,
    /// How changes are noticed: `persist`, `refresh`, `poll`, `usn`.
    pub mode: Option<&'static str>,
    /// People who are there.
    pub people: usize,
    /// Entries read since this load began.
    pub read: u64,
    /// People added since the daemon started.
    pub added: u64,
    /// People changed.
    pub changed: u64,
    /// People removed.
    pub removed: u64,
    /// Loads completed.
    pub loads: u64,
    /// Usernames that belong to somebody else already, so that the entry was left out.
    pub conflicts: Vec<String>,
    /// When something was written last, RFC 3339.
    pub last_change: Option<Timestamp>,
    /// Why it is retrying or held, as a sentence.
    pub error: Option<String>,
    /// Errors and holds so far.
    pub failures: u64,
}

/// What an administrator asks of a follower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reload {
    pub(super) accept_removals: bool,
}

/// The outside of a follower.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) reload: mpsc::Sender<Reload>,
    pub(super) servers: Arc<Servers>,
}

impl Handle {
    /// How it stands.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// How the servers are.
    pub fn servers(&self) -> Vec<ServerState> {
        self.servers.states()
    }

    /// Follows how it stands.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Reads everything anew; whether it will be done.
    pub fn reload(&self, accept_removals: bool) -> bool {
        self.reload.try_send(Reload { accept_removals }).is_ok()
    }
}
