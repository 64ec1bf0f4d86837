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
#[cfg(test)]
mod tests;
mod write;

pub use progress::{Handle, Progress, Stage};

use crate::base::{Clock, Random, Timestamp};
use crate::config::Membership;
use crate::domain::audit::AuditEntry;
use crate::domain::directory::{Change, EntryId, Event, Identity, Mirror, MirrorSettings, Realms, fold};
use crate::store::ldap::{Batch, LdapError, Servers, Source, groups, people};
use crate::store::{Identities, IdentityBatch, StoreError};
use progress::Reload;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

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
/// Between two times that everything is read again, and that is removed for good who left long ago. Whatever was missed
/// for whatever reason does not last.
const AGAIN: Duration = Duration::from_secs(3600);
/// While removals are held, everything is read again after so long: it may have been a mistake that is mended.
const HELD: Duration = Duration::from_secs(300);
/// After a load that took so long, so many times as long pause before the next one because of containers, and at least a
/// second: whoever may change one must not keep us at nothing else.
const GAP: u32 = 5;
/// How often a node that does not follow a directory asks whether it may.
const ASK: Duration = Duration::from_secs(3);
/// How often one that does looks whether it still may: it would go on with what another has changed meanwhile.
const STILL: Duration = Duration::from_secs(10);
/// Containers are often changed several at a time.
const MOVED: Duration = Duration::from_millis(500);

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

/// One connection's worth of following.
struct Session {
    mirror: Mirror,
    /// Entries whose username is somebody else's; tried again when somebody goes or changes.
    conflicts: HashMap<EntryId, Box<Identity>>,
    /// The first load: nobody was known before.
    first: bool,
    /// Since when removals of people or of groups are held back.
    held: Option<Instant>,
    /// Whether removals of people are.
    keeps: bool,
    /// When to read everything again, because a container was renamed.
    moved: Option<Instant>,
    /// When it began.
    began: Instant,
    /// Since when everything has been read.
    loaded: Option<Instant>,
    /// Between the beginning and the end of a refresh of people.
    refreshing: bool,
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

impl Session {
    /// Those who wait for a name, tried again.
    fn waiting(&mut self) -> Vec<Change> {
        let waiting: Vec<_> = self.conflicts.values().cloned().collect();
        fold(waiting.into_iter().flat_map(|identity| self.mirror.handle(Event::Put(identity))).collect())
    }

    /// People who are there and have been written.
    fn people(&self) -> usize {
        self.mirror.present().saturating_sub(self.conflicts.len())
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

    async fn session(&mut self) -> Result<(), Ended> {
        if !self.identities.lead(self.name()).await? {
            return Err(Ended::Elsewhere);
        }
        // Before the people are read: who is removed for good now is not known to this session.
        self.purge().await?;
        let settings = self.servers.settings();
        let known = self.identities.known(&settings.name).await?;
        let place =
            self.identities.place(&settings.name).await?.filter(|place| place.scope == settings.scope);
        let place = place.filter(|_| !self.full && !known.is_empty()).map(|place| place.state);
        let most_losing = (!self.accept_removals)
            .then(|| self.most_losing(known.iter().filter(|known| !known.departed).count()));
        let mut session = Session {
            first: known.is_empty(),
            mirror: Mirror::new(mirror_settings(settings), known),
            conflicts: HashMap::new(),
            held: None,
            keeps: false,
            moved: None,
            began: Instant::now(),
            loaded: None,
            refreshing: false,
        };
        session.mirror.limit_losing(most_losing);
        self.progress.send_modify(|progress| {
            if progress.stage == Stage::Elsewhere {
                progress.error = None;
            }
            progress.stage = Stage::Loading;
            progress.people = session.mirror.present();
            progress.read = 0;
        });
        // Dropped with the session, and with it the sources and their connections.
        let mut tasks = JoinSet::new();
        if let Some(source) = groups(Arc::clone(&self.servers), Arc::clone(&self.realms)).await? {
            let mut told = watch_over(source, &mut tasks);
            self.until_groups_told(&mut session, &mut told).await?;
            let source = people(Arc::clone(&self.servers), Arc::clone(&self.realms), place).await?;
            self.follow(&mut session, source, Some(told), &mut tasks).await
        } else {
            let source = people(Arc::clone(&self.servers), Arc::clone(&self.realms), place).await?;
            self.follow(&mut session, source, None, &mut tasks).await
        }
    }

    /// Groups first, so that people are written once.
    async fn until_groups_told(&mut self, session: &mut Session, told: &mut Told) -> Result<(), Ended> {
        loop {
            let batch = told.recv().await.ok_or_else(|| ended(self.name()))??;
            let ends = batch.events.iter().any(|event| matches!(event, Event::EndGroups { .. }));
            self.take(session, batch, false).await?;
            if ends {
                return Ok(());
            }
        }
    }

    async fn follow(
        &mut self,
        session: &mut Session,
        source: Box<dyn Source>,
        mut groups: Option<Told>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Ended> {
        let mode = source.mode();
        self.progress.send_modify(|progress| progress.mode = Some(mode));
        let mut people = watch_over(source, tasks);
        let mut looks = tokio::time::interval(STILL);
        loop {
            // Not before everything has been read once: else a large directory would never be.
            let again_at = session.loaded.map(|loaded| {
                let held = session.held.map(|since| (since + HELD).max(loaded));
                let gap = (loaded.duration_since(session.began) * GAP).max(Duration::from_secs(1));
                let moved = session.moved.map(|at| at.max(loaded + gap));
                [held, moved].into_iter().flatten().fold(loaded + AGAIN, Instant::min)
            });
            let again = async {
                match again_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let of_groups = async {
                match &mut groups {
                    Some(groups) => groups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                batch = people.recv() => {
                    let batch = batch.ok_or_else(|| ended(self.name()))??;
                    let ends = batch.events.iter().any(|event| matches!(event, Event::EndRefresh { .. }));
                    let moved = batch.moved;
                    self.take(session, batch, true).await?;
                    if moved && session.moved.is_none() {
                        tracing::info!(directory = %self.name(), "a container has changed: everything is read again");
                        session.moved = Some(Instant::now() + MOVED);
                    }
                    if ends {
                        self.loaded(session);
                    }
                }
                batch = of_groups => {
                    let batch = batch.ok_or_else(|| ended(self.name()))??;
                    self.take(session, batch, false).await?;
                }
                Some(reload) = self.reload.recv() => {
                    self.begin_anew(reload);
                    return Err(Ended::Reload);
                }
                _ = looks.tick() => self.still_leads().await?,
                () = again => {
                    self.full = true;
                    return Err(Ended::Reload);
                }
            }
        }
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

fn mirror_settings(settings: &crate::config::Directory) -> MirrorSettings {
    let roles = settings.roles.iter();
    MirrorSettings {
        group_base: Some(settings.groups.base.clone()),
        group_roles: roles
            .flat_map(|rule| rule.groups.iter().map(|group| (group.clone(), rule.role)))
            .collect(),
        groups_follow: matches!(settings.groups.membership, Membership::Member | Membership::InChain),
    }
}

type Told = mpsc::Receiver<Result<Batch, LdapError>>;

/// Lets a source work on its own, a few batches ahead at most.
fn watch_over(mut source: Box<dyn Source>, tasks: &mut JoinSet<()>) -> Told {
    let (sender, receiver) = mpsc::channel(4);
    tasks.spawn(async move {
        loop {
            let batch = source.next().await;
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

fn ended(directory: &str) -> LdapError {
    LdapError::Closed { server: directory.to_owned(), why: ": the source of changes ended".to_owned() }
}
