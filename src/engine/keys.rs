//! Another master key takes over while the daemon serves: first it seals what is written, then what is under others is sealed
//! anew step by step. Killed at any place, the next start, or another `rotate`, goes on.

use super::desk::Actor;
use crate::base::{Clock, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::store::{Audit, AuditQuery, KeyStatus, MasterKeys, ResealPlace, Result, StoreError};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How soon a node seals with the key that another has switched to.
const FOLLOW: Duration = Duration::from_secs(2);
/// How long other nodes are waited for until they do.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether they do.
const LOOK: Duration = Duration::from_millis(200);
/// Values that do not open, of which it is said where they are.
const NAMED: usize = 20;

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Progress {
    /// Another key seals what is written from now on.
    Switched {
        /// Its id.
        to: String,
        /// That of the one before.
        from: String,
    },
    /// Other nodes still seal with the one before.
    Waiting {
        /// How many.
        nodes: u64,
    },
    /// Values are sealed anew.
    Sealing {
        /// Where.
        table: &'static str,
        /// So many so far, of all tables.
        done: u64,
        /// So many there were to do.
        total: u64,
    },
    /// All is done.
    Done {
        /// The key that seals.
        seals: String,
        /// So many values were sealed anew.
        done: u64,
        /// Values that do not open, with table and row: at most twenty.
        unreadable: Vec<String>,
        /// Keys of the configuration that nothing is under any more.
        free: Vec<String>,
    },
    /// It stopped; asked for again, it goes on.
    Failed {
        /// Why, a sentence.
        error: String,
    },
}

/// What a key is for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It seals what is written.
    Seals,
    /// A rotation makes it the one that does.
    Next,
    /// Values are under it still.
    Old,
    /// Nothing is under it.
    Free,
    /// Values are under it, and it is not in the configuration.
    Missing,
}

/// A key, and what the trail knows of it.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// What it is, and what is under it.
    pub status: KeyStatus,
    /// What it is for.
    pub state: KeyState,
    /// When it became the one that seals.
    pub since: Option<Timestamp>,
    /// When another took its place.
    pub until: Option<Timestamp>,
}

/// How a rotation is told in the trail: before the id of the key whose place was taken.
const PLACE_OF: &str = " seals in the place of ";

/// The master keys, for who looks after them.
pub struct KeyRoom {
    /// The keys.
    pub store: Arc<dyn MasterKeys>,
    /// The trail.
    pub audit: Arc<dyn Audit>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    busy: Arc<Mutex<()>>,
}

impl KeyRoom {
    /// Of this store.
    pub fn new(store: Arc<dyn MasterKeys>, audit: Arc<dyn Audit>, clock: Arc<dyn Clock>) -> Self {
        Self { store, audit, clock, busy: Arc::default() }
    }

    /// All keys, those of the configuration in its order.
    pub async fn known(&self) -> Result<Vec<KnownKey>> {
        let keys = self.store.list().await?;
        let mut turns = Vec::new();
        for key in &keys {
            // Oldest first, so that the last one told is the last one of all.
            let told = AuditQuery { subject: Some(key.id.clone()), limit: 1000, ..AuditQuery::default() };
            let told = self.audit.entries(&told).await?;
            for entry in told.iter().filter(|entry| entry.action == "keys.rotate" && entry.outcome == "done")
            {
                if let Some((_, from)) = entry.detail.split_once(PLACE_OF) {
                    turns.push((entry.at, key.id.clone(), from.to_owned()));
                }
            }
        }
        let last = |wanted: &dyn Fn(&(Timestamp, String, String)) -> bool| {
            turns.iter().filter(|turn| wanted(turn)).map(|(at, ..)| *at).max()
        };
        let known = |(at, status): (usize, KeyStatus)| {
            let since = last(&|(_, to, _)| *to == status.id);
            let until = last(&|(_, _, from)| *from == status.id).filter(|_| !status.seals);
            let state = match &status {
                _ if status.seals => KeyState::Seals,
                _ if status.fingerprint.is_none() => KeyState::Missing,
                _ if at == 0 => KeyState::Next,
                _ if status.values.is_empty() => KeyState::Free,
                _ => KeyState::Old,
            };
            KnownKey { status, state, since, until }
        };
        Ok(keys.into_iter().enumerate().map(known).collect())
    }

    /// Whether a rotation is under way.
    pub fn is_rotating(&self) -> bool {
        self.busy.try_lock().is_err()
    }

    /// Makes the first key of the configuration the one that seals, and seals anew what is under others. It goes on whether or
    /// not somebody listens. `Conflict` if it cannot be, or is under way.
    pub async fn rotate(self: &Arc<Self>, actor: &Actor) -> Result<UnboundedReceiver<Progress>> {
        let turn = Arc::clone(&self.busy).try_lock_owned().map_err(|_| {
            StoreError::Conflict(
                "keys are being rotated already; `doorward keys list` shows how far it is".to_owned(),
            )
        })?;
        let keys = self.store.list().await?;
        let id = |seals: bool| keys.iter().find(|key| key.seals || !seals).map(|key| key.id.clone());
        let (from, to) = (id(true).unwrap_or_default(), id(false).unwrap_or_default());
        let entry = self.entry(actor, "keys.rotate", &to, format!("{to}{PLACE_OF}{from}"));
        let switched = self.store.switch(entry).await?;
        let (lines, receiver) = unbounded_channel();
        match switched {
            Some((from, to)) => {
                tracing::info!("the master key `{to}` seals in the place of `{from}`");
                tell(&lines, Progress::Switched { to, from });
            }
            // It was asked for all the same.
            None => {
                self.audit
                    .append(self.entry(actor, "keys.rotate", &to, format!("{to} seals already")))
                    .await?
            }
        }
        let (room, actor) = (Arc::clone(self), actor.clone());
        tokio::spawn(async move { room.go_on(&actor, &lines, turn).await });
        Ok(receiver)
    }

    /// For ever: goes on with what was interrupted, then seals with the key that another node switches to.
    pub async fn run(self: Arc<Self>) {
        let actor = Actor { name: "doorward".to_owned(), request: String::new() };
        let turn = Arc::clone(&self.busy).lock_owned().await;
        let (lines, _) = unbounded_channel();
        self.go_on(&actor, &lines, turn).await;
        let mut told = false;
        loop {
            match self.store.follow().await {
                Ok(followed) => {
                    told = false;
                    if followed {
                        tracing::info!(
                            "another node has switched to another master key, which seals here now"
                        );
                    }
                }
                Err(error) if !told => {
                    told = true;
                    tracing::error!("{error}");
                }
                Err(_) => {}
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }

    async fn go_on(&self, actor: &Actor, lines: &UnboundedSender<Progress>, turn: OwnedMutexGuard<()>) {
        let last = match self.reseal(actor, lines).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(
                    "the rotation of keys stopped; `doorward keys rotate` goes on with it: {error}"
                );
                Progress::Failed { error: error.to_string() }
            }
        };
        // Whoever hears that it has ended may begin the next.
        drop(turn);
        tell(lines, last);
    }

    async fn reseal(&self, actor: &Actor, lines: &UnboundedSender<Progress>) -> Result<Progress> {
        let before = self.store.list().await?;
        let seals = before.iter().find(|key| key.seals).map(|key| key.id.clone()).unwrap_or_default();
        let total = under_others(&before);
        if total > 0 {
            self.nodes(lines).await?;
        }
        let mut done = 0;
        // Until a round finds nothing more: others write meanwhile.
        let mut unreadable = loop {
            let (sealed, unreadable) = self.round((done, total), lines).await?;
            done += sealed;
            if sealed == 0 {
                break unreadable;
            }
        };
        let after = self.store.list().await?;
        let free: Vec<_> = after
            .iter()
            .filter(|key| !key.seals && key.values.is_empty())
            .map(|key| key.id.clone())
            .collect();
        if done > 0 {
            let detail = format!("{done} values were sealed anew, {} do not open", unreadable.len());
            self.audit.append(self.entry(actor, "keys.sealed", &seals, detail)).await?;
            tracing::info!(values = done, unreadable = unreadable.len(), "all is under the key `{seals}`");
        }
        if let Some(first) = unreadable.first() {
            let values = unreadable.len();
            tracing::error!(
                values,
                "sealed values do not open; `doorward keys list` shows whether a key is missing. The first: {first}"
            );
        }
        unreadable.truncate(NAMED);
        Ok(Progress::Done { seals, done, unreadable, free })
    }

    /// Waits until all nodes seal with the key.
    async fn nodes(&self, lines: &UnboundedSender<Progress>) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let nodes = self.store.behind().await?;
            if nodes == 0 {
                return Ok(());
            }
            tell(lines, Progress::Waiting { nodes });
            if begun.elapsed() > PATIENCE {
                return Err(StoreError::Conflict(format!(
                    "{nodes} of the other nodes did not follow within {PATIENCE:?}; look at their logs, and rotate again"
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at every sealed value once; how many were sealed anew, and which do not open.
    async fn round(
        &self,
        (before, total): (u64, u64),
        lines: &UnboundedSender<Progress>,
    ) -> Result<(u64, Vec<String>)> {
        let (mut place, mut sealed, mut unreadable) = (ResealPlace::default(), 0, Vec::new());
        loop {
            let step = self.store.reseal(&mut place).await?;
            let Some(table) = step.table else { return Ok((sealed, unreadable)) };
            sealed += step.sealed;
            unreadable.extend(step.unreadable);
            if step.sealed > 0 {
                let done = before + sealed;
                tell(lines, Progress::Sealing { table, done, total: total.max(done) });
            }
            // Logins that wait go first.
            tokio::task::yield_now().await;
        }
    }

    fn entry(&self, actor: &Actor, action: &'static str, key: &str, detail: String) -> AuditEntry {
        AuditEntry {
            at: self.clock.now(),
            actor: actor.name.clone(),
            action,
            person: None,
            subject: key.to_owned(),
            outcome: "done",
            detail: detail.into(),
            request: actor.request.clone(),
        }
    }
}

/// Nobody may listen any more.
fn tell(lines: &UnboundedSender<Progress>, progress: Progress) {
    let _ = lines.send(progress);
}

fn under_others(keys: &[KeyStatus]) -> u64 {
    let others = keys.iter().filter(|key| !key.seals);
    others.flat_map(|key| &key.values).map(|(_, count)| count).sum()
}
