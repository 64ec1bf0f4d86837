//! Active Directory, by `uSNChanged`: each domain controller numbers its changes, and is asked for those after the last
//! number seen. The numbers are its own, so after a failover everything is read again.
//!
//! Deleted entries are looked for where they are moved to (`CN=Deleted Objects`), which needs the right to read it; an
//! entry that left the base or the filter shows as a change that the filter no longer finds. A sweep of all ids finds the
//! rest.

use super::connection::Connection;
use super::listing::Pages;
use super::source::{Batch, Feed, Source, root};
use super::{LdapError, Result, entries};
use crate::config::Membership;
use crate::domain::directory::{EntryId, Event, GroupEntry};
use crate::wire::ldap::{Attribute, Control, Entry, Filter, guid, oid};
use async_trait::async_trait;
use std::collections::HashSet;
use tokio::time::{Instant, sleep_until};

/// How a place of this source begins.
const PLACE: &str = "usn:";

enum Step {
    Begin,
    Load(Pages, u64),
    Wait,
    BeginSweep,
    Sweep(Pages),
}

/// See the module.
pub(super) struct UsnSource {
    feed: Feed,
    connection: Connection,
    /// Which domain controller the numbers belong to.
    controller: String,
    /// The domain's own entry.
    domain: String,
    /// The last number seen.
    usn: u64,
    step: Step,
    poll_at: Instant,
    sweep_at: Instant,
}

impl UsnSource {
    pub(super) async fn new(feed: Feed, mut connection: Connection, place: Option<String>) -> Result<Self> {
        let root = root(&mut connection, &["dsServiceName", "defaultNamingContext"]).await?;
        let text = |name: &str| {
            let missing =
                || LdapError::unexpected(connection.server(), "Active Directory: the root has no domain");
            root.text(name).map(str::to_owned).ok_or_else(missing)
        };
        let (controller, domain) = (text("dsServiceName")?, text("defaultNamingContext")?);
        let stored = place.as_deref().and_then(|place| place.strip_prefix(PLACE)?.split_once(':'));
        let usn = stored.filter(|(_, known)| *known == controller).and_then(|(usn, _)| usn.parse().ok());
        let now = Instant::now();
        let step = if usn.is_some() { Step::BeginSweep } else { Step::Begin };
        let usn = usn.unwrap_or(0);
        Ok(Self { feed, connection, controller, domain, usn, step, poll_at: now, sweep_at: now })
    }

    fn place(&self) -> String {
        format!("{PLACE}{}:{}", self.usn, self.controller)
    }

    async fn highest(&mut self) -> Result<u64> {
        let root = root(&mut self.connection, &["highestCommittedUSN"]).await?;
        let number = root.text("highestCommittedUSN").and_then(|text| text.parse().ok());
        number.ok_or_else(|| LdapError::unexpected(self.connection.server(), "a number of changes"))
    }

    /// All entries that a filter finds below `base`.
    async fn entries(
        &mut self,
        base: &str,
        filter: Filter,
        wanted: &[Attribute],
        more: &[Control],
    ) -> Result<Vec<Entry>> {
        let mut pages = Pages::new(filter, wanted.to_vec());
        let mut found = Vec::new();
        while pages.more() {
            found.extend(pages.next(&self.feed, &mut self.connection, base, more).await?);
        }
        Ok(found)
    }

    async fn events(&mut self, found: Vec<Entry>) -> Result<Vec<Event>> {
        let mut events = Vec::with_capacity(found.len());
        for entry in found {
            let Some(id) = entries::id(&entry, self.feed.directory()) else { continue };
            if self.feed.groups && self.feed.directory().groups.membership == Membership::InChain {
                events.push(self.group(entry, id).await?);
            } else {
                events.push(self.feed.event(&entry, id));
            }
        }
        Ok(events)
    }

    /// A group with everyone in it, also through groups in groups, as the server follows them.
    async fn group(&mut self, entry: Entry, id: EntryId) -> Result<Event> {
        let directory = self.feed.directory();
        let in_chain = Filter::Rule("memberOf", oid::IN_CHAIN, entry.dn.as_bytes().to_vec());
        let filter = Filter::And(vec![directory.filter.clone(), in_chain]);
        let (base, wanted) = (directory.base.to_string(), [directory.attributes.id.clone()]);
        let found = self.entries(&base, filter, &wanted, &[]).await?;
        let members = found.into_iter().map(|person| person.dn).collect();
        Ok(Event::Group(GroupEntry { id, dn: entry.dn, members }))
    }

    /// What has happened since the last number.
    async fn changes(&mut self) -> Result<Batch> {
        let highest = self.highest().await?;
        if highest == self.usn {
            return Ok(Batch::default());
        }
        let since = || Filter::AtLeast("uSNChanged", (self.usn + 1).to_string().into_bytes());
        let id = [self.feed.directory().attributes.id.clone()];
        let (base, domain) = (self.feed.base().to_string(), self.domain.clone());
        let (changed, gone) = (since(), Filter::And(vec![Filter::equal("isDeleted", "TRUE"), since()]));
        let anywhere = since();
        let filter = Filter::And(vec![self.feed.filter().clone(), changed]);
        let wanted = self.feed.attributes();
        let mut found = self.entries(&base, filter, &wanted, &[]).await?;
        if self.feed.groups && !found.is_empty() {
            found.extend(self.groups_above(&found).await?);
        }
        let here: HashSet<EntryId> =
            found.iter().filter_map(|entry| entries::id(entry, self.feed.directory())).collect();
        let mut events = Vec::new();
        let deleted =
            self.entries(&format!("CN=Deleted Objects,{domain}"), gone, &id, &[Control::SHOW_DELETED]).await;
        match deleted {
            Ok(deleted) => events.extend(deleted.iter().filter_map(gone_id).map(|id| self.feed.gone(id))),
            // Without the right to read it: the sweep finds them.
            Err(LdapError::Refused { code: 32 | 50, .. }) => {}
            Err(error) => return Err(error),
        }
        // Changed, but not among what is looked for: it may have been before.
        let touched = self.entries(&domain, anywhere, &id, &[]).await?;
        let left = touched.iter().filter_map(gone_id).filter(|id| !here.contains(id));
        events.extend(left.map(|id| self.feed.gone(id)));
        events.extend(self.events(found).await?);
        self.usn = highest;
        Ok(Batch { events, place: Some(self.place()) })
    }

    /// Groups that contain one of these through others: their numbers do not change with a group inside them.
    async fn groups_above(&mut self, found: &[Entry]) -> Result<Vec<Entry>> {
        let above =
            found.iter().map(|entry| Filter::Rule("member", oid::IN_CHAIN, entry.dn.as_bytes().to_vec()));
        let filter = Filter::And(vec![self.feed.filter().clone(), Filter::Or(above.collect())]);
        let (base, wanted) = (self.feed.base().to_string(), self.feed.attributes());
        self.entries(&base, filter, &wanted, &[]).await
    }

    async fn load(&mut self, mut pages: Pages, usn: u64) -> Result<Batch> {
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let mut events = self.events(found).await?;
        if pages.more() {
            self.step = Step::Load(pages, usn);
            return Ok(Batch { events, place: None });
        }
        events.push(self.feed.end(true));
        self.usn = usn;
        self.sweep_at = Instant::now() + self.feed.directory().sync.sweep;
        Ok(Batch { events, place: Some(self.place()) })
    }

    async fn sweep(&mut self, mut pages: Pages) -> Result<Batch> {
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let ids = found.iter().filter_map(|entry| entries::id(entry, self.feed.directory()));
        let mut events: Vec<Event> = ids.map(|id| self.feed.present(id)).collect();
        if pages.more() {
            self.step = Step::Sweep(pages);
        } else {
            events.push(self.feed.end(true));
            self.sweep_at = Instant::now() + self.feed.directory().sync.sweep;
        }
        Ok(Batch { events, place: None })
    }

    async fn step(&mut self) -> Result<Batch> {
        match std::mem::replace(&mut self.step, Step::Wait) {
            Step::Begin => {
                // Taken before the first page: what changes while it is read is read again.
                let usn = self.highest().await?;
                let pages = Pages::new(self.feed.filter().clone(), self.feed.attributes());
                self.step = Step::Load(pages, usn);
                Ok(Batch { events: vec![self.feed.begin()], place: None })
            }
            Step::Load(pages, usn) => self.load(pages, usn).await,
            Step::BeginSweep => {
                let id = vec![self.feed.directory().attributes.id.clone()];
                self.step = Step::Sweep(Pages::new(self.feed.filter().clone(), id));
                Ok(Batch { events: vec![self.feed.begin()], place: None })
            }
            Step::Sweep(pages) => self.sweep(pages).await,
            Step::Wait => {
                sleep_until(self.poll_at).await;
                self.poll_at = Instant::now() + self.feed.directory().sync.poll;
                if Instant::now() >= self.sweep_at {
                    self.step = Step::BeginSweep;
                    return Ok(Batch::default());
                }
                self.changes().await
            }
        }
    }
}

/// The id of an entry of which only that was asked.
fn gone_id(entry: &Entry) -> Option<EntryId> {
    let (_, values) = entry.attributes.first()?;
    guid(values.first()?).map(String::into_boxed_str)
}

#[async_trait]
impl Source for UsnSource {
    async fn next(&mut self) -> Result<Batch> {
        loop {
            let batch = self.step().await?;
            if !batch.events.is_empty() || batch.place.is_some() {
                return Ok(batch);
            }
        }
    }

    fn mode(&self) -> &'static str {
        "usn"
    }
}
