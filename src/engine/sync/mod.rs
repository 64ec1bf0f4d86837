//! Follows one outside directory: takes events from its sources, lets the mirror say what they mean, writes that batch by
//! batch with the place where it stands, and begins again after whatever went wrong.
//!
//! ```text
//!   waiting ─▶ loading (groups, then people) ─▶ following ──error──▶ retrying, a little later ─▶ loading
//!                                                 │  ▲
//!                             too many would go ──▼  │ approved, or not so many after all
//!                                                 held: everything but the removals goes on
//! ```
//!
//! Where several nodes share the store, one of them follows a directory. The others are `elsewhere`, and ask again every few
//! seconds whether it is still there.

mod progress;
mod session;
#[cfg(test)]
mod tests;
mod write;

pub use progress::{Handle, Progress, Stage};

use crate::base::{Clock, Random, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::directory::Realms;
use crate::store::ldap::{LdapError, Servers};
use crate::store::{Identities, IdentityBatch, StoreError};
use progress::Reload;
use session::Session;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// Changes in one transaction at most: logins wait for it meanwhile.
const CHUNK: usize = 200;
/// Fewer removals than this never stop a sync.
const FEW: usize = 3;
/// A directory that is looked at so often is as good as followed live.
const LIVE: Duration = Duration::from_secs(10);
/// Removals of this time count together.
const WINDOW: Duration = Duration::from_secs(3600);
/// So many changes at once are told in one audit entry.
const BULK: usize = 5000;
/// First pause after an error, and longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How often a node that does not follow a directory asks whether it may.
const ASK: Duration = Duration::from_secs(3);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Ldap(#[from] LdapError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("everything is read anew")]
    Reload,
    #[error("another node follows it")]
    Elsewhere,
}

/// See the module.
pub struct Follower {
    servers: Arc<Servers>,
    realms: Arc<Realms>,
    identities: Arc<dyn Identities>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    progress: watch::Sender<Progress>,
    reload: mpsc::Receiver<Reload>,
    /// The follower before this one: whose names come first.
    before: Option<watch::Receiver<Progress>>,
    removed: VecDeque<(Timestamp, usize)>,
    accept_removals: bool,
    full: bool,
}

impl Drop for Follower {
    /// Also after a mistake in the program: then nobody knows what happens in the directory.
    fn drop(&mut self) {
        self.servers.set_current(false);
        self.progress.send_modify(|progress| {
            progress.stage = Stage::Retrying;
            progress.error = Some("the sync has ended; restart Doorward".to_owned());
            progress.failures += 1;
        });
    }
}

impl Follower {
    /// Begins nothing yet; [`Self::run`] does.
    pub fn new(
        servers: Arc<Servers>,
        realms: Arc<Realms>,
        identities: Arc<dyn Identities>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        before: Option<&Handle>,
    ) -> (Self, Handle) {
        let directory = servers.settings().name.clone();
        let (progress, watching) = watch::channel(Progress { directory, ..Progress::default() });
        let (sender, reload) = mpsc::channel(1);
        let handle = Handle { progress: watching, reload: sender, servers: Arc::clone(&servers) };
        let follower = Self {
            servers,
            realms,
            identities,
            clock,
            random,
            progress,
            reload,
            before: before.map(Handle::watch),
            removed: VecDeque::new(),
            accept_removals: false,
            full: false,
        };
        (follower, handle)
    }

    fn name(&self) -> &str {
        &self.servers.settings().name
    }

    /// Follows until it is dropped.
    pub async fn run(mut self) {
        if let Some(mut before) = self.before.take() {
            // Also if that one cannot: then its names are not there to come first.
            let told = |before: &Progress| {
                before.loads > 0 || before.failures > 0 || before.stage == Stage::Elsewhere
            };
            let _ = before.wait_for(told).await;
        }
        let mut pause = PAUSE.0;
        loop {
            let loads = self.progress.borrow().loads;
            let Err(ended) = self.session().await else { return };
            if matches!(ended, Ended::Reload) {
                continue;
            }
            self.servers.set_current(false);
            if matches!(ended, Ended::Elsewhere) {
                self.elsewhere().await;
                continue;
            }
            self.servers.rotate();
            tracing::warn!(directory = %self.name(), error = %ended, "sync interrupted");
            self.progress.send_modify(|progress| {
                progress.stage = Stage::Retrying;
                progress.error = Some(ended.to_string());
                progress.failures += 1;
            });
            self.accept_removals = false;
            pause = if self.progress.borrow().loads > loads { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            tokio::select! {
                () = sleep(pause) => {}
                Some(reload) = self.reload.recv() => self.begin_anew(reload),
            }
        }
    }

    /// Another node follows the directory: waits a little, or until somebody asks for it here.
    async fn elsewhere(&mut self) {
        if self.progress.borrow().stage != Stage::Elsewhere {
            tracing::info!(directory = %self.name(), "another node follows the directory");
        }
        // What was consented to was asked of the one that follows.
        self.accept_removals = false;
        self.progress.send_modify(|progress| {
            progress.stage = Stage::Elsewhere;
            progress.error = Some("another node follows it; ask there".to_owned());
        });
        tokio::select! {
            () = sleep(ASK) => {}
            Some(reload) = self.reload.recv() => self.begin_anew(reload),
        }
    }

    /// Writes nothing, which only the node may that follows.
    async fn still_leads(&self) -> Result<(), Ended> {
        let batch = IdentityBatch {
            directory: self.name().to_owned(),
            changes: Vec::new(),
            ids: Vec::new(),
            place: None,
            bulk: false,
            new: false,
            at: self.clock.now(),
        };
        self.identities.apply(batch).await?;
        Ok(())
    }

    fn begin_anew(&mut self, reload: Reload) {
        self.full = true;
        self.accept_removals = reload.accept_removals;
    }

    async fn purge(&self) -> Result<(), Ended> {
        let now = self.clock.now();
        let entry = AuditEntry {
            at: now,
            actor: format!("sync:{}", self.name()),
            action: "sync.purge",
            person: None,
            subject: self.name().to_owned(),
            outcome: "done",
            detail: "".into(),
            request: String::new(),
        };
        let before = now - self.servers.settings().sync.keep_departed;
        self.identities.purge(self.name(), before, entry).await?;
        Ok(())
    }
}
