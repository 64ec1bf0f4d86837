//! What a batch of events means, and writing it; removals beyond a share are held back.

use super::{BULK, CHUNK, Ended, FEW, Follower, LIVE, Session, Stage, WINDOW};
use crate::domain::directory::{Change, EntryId, Event, Identity, Put, What, fold};
use crate::domain::person::PersonId;
use crate::store::ldap::Batch;
use crate::store::{IdentityBatch, SyncPlace};
use std::collections::{HashMap, VecDeque};
use tokio::time::Instant;

impl Follower {
    pub(super) fn loaded(&mut self, session: &mut Session) {
        session.first = false;
        self.full = false;
        self.accept_removals = false;
        session.mirror.limit_losing(Some(self.most_losing(session.mirror.present())));
        session.loaded.get_or_insert_with(Instant::now);
        // What is only looked for now and then may have happened since.
        let live =
            self.progress.borrow().mode == Some("persist") || self.servers.settings().sync.poll <= LIVE;
        self.servers.set_current(session.held.is_none() && live);
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

    /// How many of so many people may lose groups at once.
    pub(super) fn most_losing(&self, there: usize) -> usize {
        FEW.max(there * usize::from(self.servers.settings().sync.max_removals) / 100)
    }

    /// Writes what a batch means.
    pub(super) async fn take(
        &mut self,
        session: &mut Session,
        batch: Batch,
        of_people: bool,
    ) -> Result<(), Ended> {
        let read =
            batch.events.iter().filter(|event| matches!(event, Event::Put(_) | Event::Present(_))).count();
        let mut there = session.mirror.present();
        let mut changes = Vec::new();
        let ends = batch.events.iter().any(|event| matches!(event, Event::EndRefresh { .. }));
        for event in batch.events {
            // What an entry says now is worth more than what it said when it had to wait.
            match &event {
                Event::Put(identity) => drop(session.conflicts.remove(&identity.id)),
                Event::Gone(id) => drop(session.conflicts.remove(id)),
                Event::BeginRefresh => session.refreshing = true,
                Event::EndRefresh { .. } => session.refreshing = false,
                _ => {}
            }
            changes.extend(session.mirror.handle(event));
        }
        let Session { mirror, conflicts, .. } = session;
        conflicts.retain(|entry, _| !mirror.has_departed(entry));
        // A name may be free now. In a refresh nobody is asked again: that would look as if they had been named.
        if !session.refreshing && (ends || !changes.is_empty()) {
            changes.extend(session.waiting());
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
            let several = changes.len() > CHUNK;
            self.write(session, changes, place).await?;
            // Names may have moved on across the borders of transactions.
            let again = if several && !session.refreshing { session.waiting() } else { Vec::new() };
            if !again.is_empty() {
                self.write(session, again, None).await?;
            }
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
        let percent = self.servers.settings().sync.max_removals;
        let losing = session.mirror.losing();
        if losing > 0 && session.held.is_none() {
            self.hold(session, &format!("{losing} of {there} people would lose a group"), percent);
        }
        let going = changes.iter().filter(|change| change.what == What::Depart).count();
        if going == 0 || self.accept_removals {
            return changes;
        }
        let now = self.clock.now();
        self.removed.retain(|(at, _)| now.since(*at) < WINDOW);
        let before: usize = self.removed.iter().map(|(_, count)| count).sum();
        let (total, whole) = (going + before, there + before);
        let too_many = total > FEW && total * 100 > whole * usize::from(percent);
        if too_many && !session.keeps {
            session.keeps = true;
            self.hold(session, &format!("{going} of {there} people would be removed"), percent);
        }
        if session.keeps {
            return changes.into_iter().filter(|change| change.what != What::Depart).collect();
        }
        self.removed.push_back((now, going));
        changes
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
                // Who was there before Doorward came has an account already.
                new: self.servers.settings().sync.activation && !session.first,
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
}
