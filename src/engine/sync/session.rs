//! One connection's worth of following: groups are read, then people, then whatever changes, until something ends it.

use super::progress::Stage;
use super::{Ended, Follower};
use crate::config::Membership;
use crate::domain::directory::{Change, EntryId, Event, Identity, Mirror, MirrorSettings, fold};
use crate::store::ldap::{Batch, LdapError, Source, groups, people};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Between two times that everything is read again, and that is removed for good who left long ago. Whatever was missed
/// for whatever reason does not last.
const AGAIN: Duration = Duration::from_secs(3600);
/// While removals are held, everything is read again after so long: it may have been a mistake that is mended.
const HELD: Duration = Duration::from_secs(300);
/// After a load that took so long, so many times as long pause before the next one because of containers, and at least a
/// second: whoever may change one must not keep us at nothing else.
const GAP: u32 = 5;
/// How often one that does looks whether it still may: it would go on with what another has changed meanwhile.
const STILL: Duration = Duration::from_secs(10);
/// Containers are often changed several at a time.
const MOVED: Duration = Duration::from_millis(500);

/// What is known in between.
pub(super) struct Session {
    pub(super) mirror: Mirror,
    /// Entries whose username is somebody else's; tried again when somebody goes or changes.
    pub(super) conflicts: HashMap<EntryId, Box<Identity>>,
    /// The first load: nobody was known before.
    pub(super) first: bool,
    /// Since when removals of people or of groups are held back.
    pub(super) held: Option<Instant>,
    /// Whether removals of people are.
    pub(super) keeps: bool,
    /// When to read everything again, because a container was renamed.
    moved: Option<Instant>,
    /// When it began.
    began: Instant,
    /// Since when everything has been read.
    pub(super) loaded: Option<Instant>,
    /// Between the beginning and the end of a refresh of people.
    pub(super) refreshing: bool,
}

impl Session {
    /// Those who wait for a name, tried again.
    pub(super) fn waiting(&mut self) -> Vec<Change> {
        let waiting: Vec<_> = self.conflicts.values().cloned().collect();
        fold(waiting.into_iter().flat_map(|identity| self.mirror.handle(Event::Put(identity))).collect())
    }

    /// People who are there and have been written.
    pub(super) fn people(&self) -> usize {
        self.mirror.present().saturating_sub(self.conflicts.len())
    }
}

impl Follower {
    pub(super) async fn session(&mut self) -> Result<(), Ended> {
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
