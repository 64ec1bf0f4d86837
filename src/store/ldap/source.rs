//! Sources of changes: each watches the people or the groups of one directory and gives events in batches. What can be
//! watched how is decided here, by what the configuration says and the server can do.

use super::active_directory::UsnSource;
use super::connection::Connection;
use super::entries;
use super::listing::PollSource;
use super::persist::SyncSource;
use super::{LdapError, Result, Servers};
use crate::config::{Directory, DirectoryKind, Membership, SyncMode};
use crate::domain::directory::{EntryId, Event, Realms};
use crate::wire::ldap::{
    Attribute, Control, Dn, Entry, Filter, Message, Response, Scope, Search, oid, paged_cookie,
};
use async_trait::async_trait;
use std::sync::Arc;

/// Events that belong together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order.
    pub events: Vec<Event>,
    /// Where the source stands once they are written; it can go on from there after a restart.
    pub place: Option<String>,
    /// A container was renamed, and with it everything in it, without a word of that: all must be read again.
    pub moved: bool,
}

/// Watches one directory.
#[async_trait]
pub trait Source: Send {
    /// The next events; waits until there are some. After an error the source is of no use any more.
    async fn next(&mut self) -> Result<Batch>;
    /// How it works, for status: `persist`, `refresh`, `poll`, `usn`.
    fn mode(&self) -> &'static str;
}

/// What a source looks for.
#[derive(Clone)]
pub struct Feed {
    pub(super) servers: Arc<Servers>,
    pub(super) realms: Arc<Realms>,
    pub(super) groups: bool,
}

impl Feed {
    pub(super) fn directory(&self) -> &Directory {
        self.servers.settings()
    }

    pub(super) fn base(&self) -> &Dn {
        if self.groups { &self.directory().groups.base } else { &self.directory().base }
    }

    pub(super) fn filter(&self) -> &Filter {
        if self.groups { &self.directory().groups.filter } else { &self.directory().filter }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute> {
        if self.groups {
            entries::group_attributes(self.directory())
        } else {
            entries::person_attributes(self.directory())
        }
    }

    pub(super) fn begin(&self) -> Event {
        if self.groups { Event::BeginGroups } else { Event::BeginRefresh }
    }

    pub(super) fn end(&self, sweep: bool) -> Event {
        if self.groups { Event::EndGroups { sweep } } else { Event::EndRefresh { sweep } }
    }

    /// An entry is there, unchanged.
    pub(super) fn present(&self, id: EntryId) -> Event {
        if self.groups { Event::GroupPresent(id) } else { Event::Present(id) }
    }

    /// An entry is not there any more.
    pub(super) fn gone(&self, id: EntryId) -> Event {
        if self.groups { Event::GroupGone(id) } else { Event::Gone(id) }
    }

    /// What an entry means. One that describes no person (any more) is gone.
    pub(super) fn event(&self, entry: &Entry, id: EntryId) -> Event {
        if self.groups {
            return Event::Group(entries::group(entry, id, self.directory()));
        }
        match entries::person(entry, id.clone(), self.directory(), &self.realms) {
            Ok(identity) => Event::Put(Box::new(identity)),
            Err(why) => {
                tracing::warn!(directory = %self.directory().name, dn = %entry.dn, why, "entry left out");
                Event::Gone(id)
            }
        }
    }
}

/// Watches people, going on from `place` if that is possible.
pub async fn people(
    servers: Arc<Servers>,
    realms: Arc<Realms>,
    place: Option<String>,
) -> Result<Box<dyn Source>> {
    source(Feed { servers, realms, groups: false }, place).await
}

/// Watches groups, from the start; `None` where they are not entries of their own.
pub async fn groups(servers: Arc<Servers>, realms: Arc<Realms>) -> Result<Option<Box<dyn Source>>> {
    match servers.settings().groups.membership {
        Membership::Member | Membership::InChain => {
            source(Feed { servers, realms, groups: true }, None).await.map(Some)
        }
        Membership::MemberOf | Membership::None => Ok(None),
    }
}

async fn source(feed: Feed, place: Option<String>) -> Result<Box<dyn Source>> {
    let mut connection = feed.servers.for_sync().await?;
    if feed.directory().kind == DirectoryKind::ActiveDirectory {
        return Ok(Box::new(UsnSource::new(feed, connection, place).await?));
    }
    let mode = match feed.directory().sync.mode {
        SyncMode::Auto => {
            // The ids that the synchronisation sends are those of one of these (389-ds: the second).
            let id = feed.directory().attributes.id.as_str();
            let by_uuid = ["entryUUID", "nsUniqueId"].iter().any(|name| id.eq_ignore_ascii_case(name));
            match by_uuid && supports(&mut connection, oid::SYNC_REQUEST).await? {
                true => SyncMode::Persist,
                false => SyncMode::Poll,
            }
        }
        mode => mode,
    };
    Ok(match mode {
        SyncMode::Poll | SyncMode::Auto => Box::new(PollSource::new(feed, connection)),
        SyncMode::Persist => Box::new(SyncSource::new(feed, connection, place.as_deref(), true)),
        SyncMode::Refresh => Box::new(SyncSource::new(feed, connection, place.as_deref(), false)),
    })
}

/// Entries that hold others. When one of them is renamed, the names of all below it change, but not their entries.
const CONTAINERS: [&str; 7] =
    ["organizationalUnit", "organization", "container", "domain", "dcObject", "locality", "country"];

/// Containers that nobody could log in as, as a filter.
pub(super) fn containers(feed: &Feed) -> Filter {
    let classes = CONTAINERS.iter().map(|class| Filter::equal("objectClass", class)).collect();
    Filter::And(vec![Filter::Or(classes), Filter::Lacks(feed.directory().attributes.username.clone())])
}

/// Whether an entry is a container and nothing that is looked for.
pub(super) fn is_container(entry: &Entry, feed: &Feed) -> bool {
    let is = |value: &Vec<u8>| CONTAINERS.iter().any(|class| value.eq_ignore_ascii_case(class.as_bytes()));
    let wanted = &feed.directory().attributes.username;
    !feed.groups && entry.values(wanted.as_str()).is_empty() && entry.values("objectClass").iter().any(is)
}

/// The entry that describes the server itself (RFC 4512 §5.1).
pub(super) async fn root(connection: &mut Connection, attributes: &[&str]) -> Result<Entry> {
    base(connection, "", attributes).await
}

/// One entry; an empty one if it is not there.
pub(super) async fn base(connection: &mut Connection, dn: &str, attributes: &[&str]) -> Result<Entry> {
    let attributes: Vec<_> = attributes.iter().filter_map(|name| Attribute::parse(name)).collect();
    let filter = Filter::Present("objectClass");
    let search = Search { base: dn, scope: Scope::Base, filter: &filter, attributes: &attributes };
    let mut found = Entry::default();
    match all(connection, search, &[], |entry, _| found = entry).await {
        Ok(_) | Err(LdapError::Refused { code: 32, .. }) => Ok(found),
        Err(error) => Err(error),
    }
}

async fn supports(connection: &mut Connection, control: &str) -> Result<bool> {
    let root = root(connection, &["supportedControl"]).await?;
    Ok(root.values("supportedControl").iter().any(|value| value == control.as_bytes()))
}

/// Runs a search to its end; each entry and, at the end, the cookie of the next page.
pub(super) async fn all(
    connection: &mut Connection,
    search: Search<'_>,
    controls: &[Control],
    mut each: impl FnMut(Entry, &Message<'_>),
) -> Result<Vec<u8>> {
    let id = connection.search(search, controls).await?;
    loop {
        let deadline = connection.deadline();
        let server = connection.server().to_owned();
        let Some(mut message) = connection.found(deadline).await? else {
            return Err(LdapError::TimedOut { server });
        };
        if message.id != id {
            return Err(LdapError::unexpected(&server, "the answer to this search"));
        }
        match &mut message.response {
            Response::Entry(entry) => {
                let entry = std::mem::take(entry);
                each(entry, &message);
            }
            Response::SearchDone(outcome) if outcome.code == 0 => {
                let next = message.control(oid::PAGED_RESULTS).map(paged_cookie).transpose();
                let next = next.map_err(|why| LdapError::malformed(&server, why))?;
                return Ok(next.unwrap_or_default().to_vec());
            }
            Response::SearchDone(outcome) => {
                let words = format!(
                    "{} ({}) {}",
                    crate::wire::ldap::name_of(outcome.code),
                    outcome.code,
                    outcome.diagnostic
                );
                let (code, what) = (outcome.code, format!("the search below {}", search.base));
                return Err(LdapError::Refused { server, what, words, code });
            }
            _ => {}
        }
    }
}
