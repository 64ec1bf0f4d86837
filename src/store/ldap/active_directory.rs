//! Active Directory, by `uSNChanged`: each domain controller numbers its changes, and is asked for those after the last
//! number seen. The numbers are its own, so after a failover everything is read again.
//!
//! Deleted entries are looked for where they are moved to (`CN=Deleted Objects`), which needs the right to read it; an
//! entry that left the base or the filter shows as a change that the filter no longer finds. Now and then, and after every
//! start, everything is read again, which finds the rest.

use super::connection::Connection;
use super::listing::Pages;
use super::source::{Batch, Feed, Source, base, containers, root};
use super::{LdapError, Result, entries};
use crate::domain::directory::{EntryId, Event, GroupEntry, Member};
use crate::wire::ldap::{Attribute, Control, Entry, Filter, guid, oid};
use async_trait::async_trait;
use std::collections::HashSet;
use tokio::time::{Instant, sleep_until};

/// How a place of this source begins.
const PLACE: &str = "usn:";

enum Step {
    CatchUp,
    Begin,
    Load(Pages, u64),
    Wait,
}

/// See the module.
pub(super) struct UsnSource {
    feed: Feed,
    connection: Connection,
    /// Which domain controller the numbers belong to; another one after it was restored from a backup.
    controller: String,
    /// The domain's own entry.
    domain: String,
    /// The last number seen.
    usn: u64,
    /// Groups that were told, to know whether one of them is gone.
    groups: HashSet<EntryId>,
    step: Step,
    poll_at: Instant,
    reload_at: Instant,
}

impl UsnSource {
    pub(super) async fn new(feed: Feed, mut connection: Connection, place: Option<String>) -> Result<Self> {
        let about = root(&mut connection, &["dsServiceName", "defaultNamingContext"]).await?;
        let missing =
            |server: &str| LdapError::unexpected(server, "Active Directory: the root has no domain");
        let text = |name: &str| about.text(name).map(str::to_owned);
        let (service, domain) = (text("dsServiceName"), text("defaultNamingContext"));
        let (Some(service), Some(domain)) = (service, domain) else {
            return Err(missing(connection.server()));
        };
        let invocation = base(&mut connection, &service, &["invocationId"]).await?;
        let invocation = invocation.values("invocationId").first().and_then(|id| guid(id));
        let controller = invocation.ok_or_else(|| missing(connection.server()))?;
        let stored = place.as_deref().and_then(|place| place.strip_prefix(PLACE)?.split_once(':'));
        let usn = stored.filter(|(_, known)| *known == controller).and_then(|(usn, _)| usn.parse().ok());
        let now = Instant::now();
        // What has changed meanwhile first, then everything: what is gone without a trace shows only so.
        let step = if usn.is_some() { Step::CatchUp } else { Step::Begin };
        let (usn, groups) = (usn.unwrap_or(0), HashSet::new());
        Ok(Self { feed, connection, controller, domain, usn, groups, step, poll_at: now, reload_at: now })
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
            if self.feed.groups {
                self.groups.insert(id.clone());
                events.push(self.group(entry, id).await?);
            } else {
                events.push(self.feed.event(&entry, id));
            }
        }
        Ok(events)
    }

    /// A group with everyone in it, also through groups in groups, as the server follows them. By id: a name may be
    /// somebody else's tomorrow, and the group does not change with it.
    async fn group(&mut self, entry: Entry, id: EntryId) -> Result<Event> {
        let directory = self.feed.directory();
        let in_chain = Filter::Rule("memberOf", oid::IN_CHAIN, entry.dn.as_bytes().to_vec());
        let filter = Filter::And(vec![directory.filter.clone(), in_chain]);
        let (base, wanted) = (directory.base.to_string(), [directory.attributes.id.clone()]);
        let found = self.entries(&base, filter, &wanted, &[]).await?;
        let members = found.iter().filter_map(|person| entries::id(person, self.feed.directory()));
        Ok(Event::Group(GroupEntry { id, dn: entry.dn, members: members.map(Member::Entry).collect() }))
    }

    /// What has happened since the last number.
    async fn changes(&mut self) -> Result<Batch> {
        let highest = self.highest().await?;
        if highest < self.usn {
            // Its numbers went back: it was restored.
            self.step = Step::Begin;
            return Ok(Batch::default());
        }
        if highest == self.usn {
            return Ok(Batch::default());
        }
        // With an upper end: what changes while this is asked belongs to the next time.
        let first = (self.usn + 1).to_string().into_bytes();
        let last = highest.to_string().into_bytes();
        let changed = move |more: Vec<Filter>| {
            let from = Filter::AtLeast("uSNChanged", first.clone());
            let range = [from, Filter::AtMost("uSNChanged", last.clone())];
            Filter::And(range.into_iter().chain(more).collect())
        };
        let id = [self.feed.directory().attributes.id.clone()];
        let (base, domain, wanted) =
            (self.feed.base().to_string(), self.domain.clone(), self.feed.attributes());
        // First what was touched at all, then what of it is looked for: who is missing there has left, or has been
        // changed again and is told next time.
        let touched = self.entries(&domain, changed(Vec::new()), &id, &[]).await?;
        // Renamed, perhaps, and everything in it with it.
        let renamed = changed(vec![containers(&self.feed)]);
        let moved = !self.feed.groups
            && !touched.is_empty()
            && !self.entries(&base, renamed, &id, &[]).await?.is_empty();
        let own = self.feed.filter().clone();
        let mut found = self.entries(&base, changed(vec![own]), &wanted, &[]).await?;
        let here: HashSet<EntryId> =
            found.iter().filter_map(|entry| entries::id(entry, self.feed.directory())).collect();
        let mut gone: Vec<EntryId> = Vec::new();
        for id in touched.iter().filter_map(only_id).filter(|id| !here.contains(id)) {
            if !self.is_here(&base, &id).await? {
                gone.push(id);
            }
        }
        let deleted = changed(vec![Filter::equal("isDeleted", "TRUE")]);
        let bin = format!("CN=Deleted Objects,{domain}");
        match self.entries(&bin, deleted, &id, &[Control::SHOW_DELETED]).await {
            Ok(deleted) => gone.extend(deleted.iter().filter_map(only_id)),
            // Without the right to read it: reading everything again finds them.
            Err(LdapError::Refused { code: 32 | 50, .. }) => {}
            Err(error) => return Err(error),
        }
        if self.feed.groups && gone.iter().any(|id| self.groups.contains(id)) {
            // Those that it was in have not changed themselves.
            self.step = Step::Begin;
            return Ok(Batch::default());
        }
        if self.feed.groups && !found.is_empty() {
            found.extend(self.groups_above(&found).await?);
        }
        let mut events: Vec<Event> = gone.into_iter().map(|id| self.feed.gone(id)).collect();
        events.extend(self.events(found).await?);
        self.usn = highest;
        Ok(Batch { events, place: Some(self.place()), moved })
    }

    /// Whether an entry is among what is looked for.
    async fn is_here(&mut self, below: &str, id: &EntryId) -> Result<bool> {
        let attribute = self.feed.directory().attributes.id.clone();
        let octets = data_encoding::HEXLOWER.decode(id.as_bytes()).unwrap_or_default();
        let filter = Filter::And(vec![self.feed.filter().clone(), Filter::Is(attribute.clone(), octets)]);
        Ok(!self.entries(below, filter, &[attribute], &[]).await?.is_empty())
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
            return Ok(Batch { events, ..Batch::default() });
        }
        events.push(self.feed.end(true));
        self.usn = usn;
        self.reload_at = Instant::now() + self.feed.directory().sync.sweep;
        Ok(Batch { events, place: Some(self.place()), ..Batch::default() })
    }

    async fn step(&mut self) -> Result<Batch> {
        match std::mem::replace(&mut self.step, Step::Wait) {
            Step::CatchUp => {
                self.step = Step::Begin;
                self.changes().await
            }
            Step::Begin => {
                // Taken before the first page: what changes while it is read is read again.
                let usn = self.highest().await?;
                let pages = Pages::new(self.feed.filter().clone(), self.feed.attributes());
                self.groups.clear();
                self.step = Step::Load(pages, usn);
                Ok(Batch { events: vec![self.feed.begin()], ..Batch::default() })
            }
            Step::Load(pages, usn) => self.load(pages, usn).await,
            Step::Wait => {
                sleep_until(self.poll_at).await;
                self.poll_at = Instant::now() + self.feed.directory().sync.poll;
                if Instant::now() >= self.reload_at {
                    self.step = Step::Begin;
                    return Ok(Batch::default());
                }
                self.changes().await
            }
        }
    }
}

/// The id of an entry of which only that was asked.
fn only_id(entry: &Entry) -> Option<EntryId> {
    let (_, values) = entry.attributes.first()?;
    guid(values.first()?).map(String::into_boxed_str)
}

#[async_trait]
impl Source for UsnSource {
    async fn next(&mut self) -> Result<Batch> {
        loop {
            let batch = self.step().await?;
            if !batch.events.is_empty() || batch.place.is_some() || batch.moved {
                return Ok(batch);
            }
        }
    }

    fn mode(&self) -> &'static str {
        "usn"
    }
}
