//! Follows one outside directory: takes events from its sources, lets the mirror say what they mean, writes that batch by
//! batch with the place where it stands, and begins again after whatever went wrong.
//!
//! ```text
//!   waiting ─▶ loading (groups, then people) ─▶ following ──error──▶ retrying, a little later ─▶ loading
//!                                                 │  ▲
//!                             too many would go ──▼  │ approved, or not so many after all
//!                                                 held: everything but the removals goes on
//! ```

use crate::base::{Clock, Random, Timestamp};
use crate::config::Membership;
use crate::domain::audit::AuditEntry;
use crate::domain::directory::{
    Change, EntryId, Event, Identity, Mirror, MirrorSettings, Put, Realms, What, fold,
};
use crate::domain::person::PersonId;
use crate::store::ldap::{Batch, LdapError, ServerState, Servers, Source, groups, people};
use crate::store::{Identities, IdentityBatch, StoreError, SyncPlace};
use serde::Serialize;
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
/// Removals of this time count together.
const WINDOW: Duration = Duration::from_secs(3600);
/// So many changes at once are told in one audit entry.
const BULK: usize = 5000;
/// First pause after an error, and longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Between two looks for who can be removed for good.
const PURGE: Duration = Duration::from_secs(3600);
/// While removals are held, everything is read again after so long: it may have been a mistake that is mended.
const HELD: Duration = Duration::from_secs(300);

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
struct Reload {
    accept_removals: bool,
}

/// The outside of a follower.
#[derive(Debug, Clone)]
pub struct Handle {
    progress: watch::Receiver<Progress>,
    reload: mpsc::Sender<Reload>,
    servers: Arc<Servers>,
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

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Ldap(#[from] LdapError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("everything is read anew")]
    Reload,
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
    /// Since when removals are held back.
    held: Option<Instant>,
}

impl Session {
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
            let _ = before.wait_for(|before| before.loads > 0 || before.failures > 0).await;
        }
        let mut pause = PAUSE.0;
        loop {
            let loads = self.progress.borrow().loads;
            let Err(ended) = self.session().await else { return };
            if matches!(ended, Ended::Reload) {
                continue;
            }
            self.servers.set_current(false);
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

    fn begin_anew(&mut self, reload: Reload) {
        self.full = true;
        self.accept_removals = reload.accept_removals;
    }

    async fn session(&mut self) -> Result<(), Ended> {
        // Before the people are read: who is removed for good now is not known to this session.
        self.purge().await?;
        let settings = self.servers.settings();
        let known = self.identities.known(&settings.name).await?;
        let place =
            self.identities.place(&settings.name).await?.filter(|place| place.scope == settings.scope);
        let place = place.filter(|_| !self.full && !known.is_empty()).map(|place| place.state);
        let mut session = Session {
            first: known.is_empty(),
            mirror: Mirror::new(mirror_settings(settings), known),
            conflicts: HashMap::new(),
            held: None,
        };
        self.progress.send_modify(|progress| {
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
        let purge_at = Instant::now() + PURGE;
        loop {
            let again_at = session.held.map_or(purge_at, |since| purge_at.min(since + HELD));
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
                    self.take(session, batch, true).await?;
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
                () = sleep_until(again_at) => {
                    self.full = session.held.is_some();
                    return Err(Ended::Reload);
                }
            }
        }
    }

    fn loaded(&mut self, session: &mut Session) {
        session.first = false;
        self.full = false;
        self.accept_removals = false;
        self.servers.set_current(session.held.is_none());
        if session.held.is_some() {
            return;
        }
        let people = session.people();
        if self.progress.borrow().stage != Stage::Following {
            tracing::info!(directory = %self.name(), people, "directory is loaded and followed");
        }
        self.progress.send_modify(|progress| {
            progress.stage = Stage::Following;
            progress.people = people;
            progress.error = None;
            progress.loads += 1;
        });
    }

    /// Writes what a batch means.
    async fn take(&mut self, session: &mut Session, batch: Batch, of_people: bool) -> Result<(), Ended> {
        let read =
            batch.events.iter().filter(|event| matches!(event, Event::Put(_) | Event::Present(_))).count();
        let mut there = session.mirror.present();
        let mut changes = Vec::new();
        for event in batch.events {
            // What an entry says now is worth more than what it said when it had to wait.
            match &event {
                Event::Put(identity) => drop(session.conflicts.remove(&identity.id)),
                Event::Gone(id) => drop(session.conflicts.remove(id)),
                _ => {}
            }
            changes.extend(session.mirror.handle(event));
        }
        if !changes.is_empty() {
            for identity in session.conflicts.values() {
                changes.extend(session.mirror.handle(Event::Put(identity.clone())));
            }
        }
        there = there.max(session.mirror.present());
        let changes = self.guard(session, fold(changes), there);
        let scope = self.servers.settings().scope.clone();
        // Who waits for a name, or to be removed, is only found again by what was before: the place stays there.
        let settled = session.held.is_none() && session.conflicts.is_empty();
        let place = batch.place.filter(|_| of_people && settled);
        let place = place.map(|state| SyncPlace { scope, state, synced: self.clock.now() });
        let nothing = changes.is_empty();
        if !nothing || place.is_some() {
            self.write(session, changes, place).await?;
        }
        let people = session.people();
        self.progress.send_modify(|progress| {
            progress.read += read as u64;
            progress.people = people;
            if !nothing {
                progress.last_change = Some(self.clock.now());
            }
            progress.conflicts = session.conflicts.values().map(|one| one.username.to_string()).collect();
        });
        Ok(())
    }

    /// A wrong base, a wrong filter, or a service account that may read less than yesterday looks like everybody leaving,
    /// or like everybody leaving their groups. Then nobody is removed, and everything else goes on.
    fn guard(&mut self, session: &mut Session, changes: Vec<Change>, there: usize) -> Vec<Change> {
        let count = |what: fn(&What) -> bool| changes.iter().filter(|change| what(&change.what)).count();
        let going = count(|what| *what == What::Depart);
        let losing = count(|what| matches!(what, What::Groups { fewer: true, .. }));
        if going == 0 && losing == 0 {
            return changes;
        }
        let now = self.clock.now();
        self.removed.retain(|(at, _)| now.since(*at) < WINDOW);
        let before: usize = self.removed.iter().map(|(_, count)| count).sum();
        let percent = self.servers.settings().sync.max_removals;
        let too_many = |count: usize, of: usize| count > FEW && count * 100 > of * usize::from(percent);
        let reason = if too_many(going + before, there + before) {
            format!("{going} of {there} people would be removed")
        } else if too_many(losing, there) {
            format!("{losing} of {there} people would lose a group")
        } else {
            String::new()
        };
        if self.accept_removals || reason.is_empty() && session.held.is_none() {
            if !self.accept_removals && going > 0 {
                self.removed.push_back((now, going));
            }
            return changes;
        }
        if session.held.is_none() {
            self.hold(session, &reason, percent);
        }
        let stays = |change: &Change| !matches!(change.what, What::Depart | What::Groups { fewer: true, .. });
        changes.into_iter().filter(stays).collect()
    }

    fn hold(&self, session: &mut Session, reason: &str, percent: u8) {
        let said = format!(
            "{reason}, more than {percent} %: nothing was removed. If that is right, run `doorward sync --once \
             --accept-removals`; else look at `base` and `filter`, and at what the service account may read"
        );
        tracing::error!(directory = %self.name(), "removals are held back: {said}");
        session.held = Some(Instant::now());
        self.servers.set_current(false);
        self.progress.send_modify(|progress| {
            progress.stage = Stage::Held;
            progress.error = Some(said);
            progress.failures += 1;
        });
    }

    async fn write(
        &self,
        session: &mut Session,
        changes: Vec<Change>,
        place: Option<SyncPlace>,
    ) -> Result<(), Ended> {
        let bulk = session.first || changes.len() > BULK;
        let mut counts = (0, 0, 0);
        for change in &changes {
            match &change.what {
                What::Put(Put { event: "added", .. }) => counts.0 += 1,
                What::Depart => counts.2 += 1,
                _ => counts.1 += 1,
            }
        }
        let mut changes: VecDeque<Change> = changes.into();
        loop {
            let chunk: Vec<Change> = changes.drain(..changes.len().min(CHUNK)).collect();
            let last = changes.is_empty();
            let put = chunk.iter().filter_map(|change| match &change.what {
                What::Put(put) => Some((change.entry.clone(), put.identity.clone())),
                _ => None,
            });
            let puts: HashMap<EntryId, Box<Identity>> = put.collect();
            let batch = IdentityBatch {
                directory: self.name().to_owned(),
                ids: chunk.iter().map(|change| self.id(change)).collect(),
                changes: chunk,
                place: place.clone().filter(|_| last && session.conflicts.is_empty()),
                bulk,
                at: self.clock.now(),
            };
            let applied = self.identities.apply(batch).await?;
            for written in applied.written {
                session.mirror.assign(&written.entry, written.person);
                session.conflicts.remove(&written.entry);
            }
            for (entry, username) in applied.conflicts {
                session.mirror.forget(&entry);
                if let Some(identity) = puts.get(&entry)
                    && session.conflicts.insert(entry, identity.clone()).is_none()
                {
                    tracing::warn!(directory = %self.name(), %username, dn = %identity.dn,
                        "entry left out: the username belongs to somebody else");
                }
            }
            if last {
                break;
            }
        }
        self.progress.send_modify(|progress| {
            progress.added += counts.0;
            progress.changed += counts.1;
            progress.removed += counts.2;
        });
        Ok(())
    }

    /// Whom a change is about; someone new gets an id that sorts by time.
    fn id(&self, change: &Change) -> PersonId {
        change.person.unwrap_or_else(|| {
            let mut bytes = [0; 10];
            self.random.fill(&mut bytes);
            let millis = u64::try_from(self.clock.now().millis()).unwrap_or(0);
            PersonId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
        })
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
            detail: String::new(),
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
