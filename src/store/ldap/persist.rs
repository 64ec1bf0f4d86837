//! Content synchronisation (RFC 4533): the server says what has changed since a cookie, and, if it persists, what changes
//! from then on as it happens.
//!
//! Where the server shows the number of its latest change (`contextCSN` of OpenLDAP), the first load is in pages, and the
//! cookie for what follows is made of the number read before the first page. Elsewhere everything comes without pages.

use super::connection::Connection;
use super::listing::Pages;
use super::source::{Batch, Feed, Source, base, containers, is_container, root};
use super::{LdapError, Result, entries};
use crate::domain::directory::{EntryId, Event};
use crate::wire::ldap::{
    self, Control, Dn, EntryState, Filter, Message, Response, Scope, Search, SyncDone, SyncInfo, SyncState,
    guid, oid, sync_info,
};
use async_trait::async_trait;
use data_encoding::BASE64;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Events in a batch at most.
const BATCH: usize = 256;
/// More may follow at once; waiting a little makes one batch of it.
const PAUSE: Duration = Duration::from_millis(3);
/// A server that has sent nothing for so long is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(10);
/// How a place of this source begins.
const PLACE: &str = "sync:";
/// Result code: the cookie is not worth anything any more.
const REFRESH_REQUIRED: u32 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the search.
    Idle,
    /// The first load, in pages.
    Load,
    /// Between the search and the end of the refresh.
    Refresh,
    /// Changes as they happen.
    Persist,
    /// The server is asked with the cookie again after a while.
    Pause,
}

/// See the module.
pub(super) struct SyncSource {
    feed: Feed,
    connection: Connection,
    persist: bool,
    cookie: Option<Vec<u8>>,
    phase: Phase,
    /// Id of the search.
    search: i32,
    /// Id of the question whether the server is there, while it is out.
    probe: Option<i32>,
    /// In the refresh: who is not named is gone.
    sweep: bool,
    /// The refresh began with a cookie.
    since_cookie: bool,
    /// In the refresh: somebody was named as present.
    named: bool,
    /// What is left of the first load, and the cookie after it.
    load: Option<(Pages, Vec<u8>)>,
}

impl SyncSource {
    pub(super) fn new(feed: Feed, connection: Connection, place: Option<&str>, persist: bool) -> Self {
        let cookie = place.and_then(|place| place.strip_prefix(PLACE));
        let cookie = cookie.and_then(|text| BASE64.decode(text.as_bytes()).ok());
        Self {
            feed,
            connection,
            persist,
            cookie,
            phase: Phase::Idle,
            search: 0,
            probe: None,
            sweep: false,
            since_cookie: false,
            named: false,
            load: None,
        }
    }

    fn place(&self) -> Option<String> {
        self.cookie.as_ref().map(|cookie| format!("{PLACE}{}", BASE64.encode(cookie)))
    }

    /// Begins with pages if there is no cookie but can be one afterwards.
    async fn begin(&mut self) -> Result<Batch> {
        if self.cookie.is_none()
            && let Some(cookie) = self.cookie_of_now().await?
        {
            let pages = Pages::new(self.feed.filter().clone(), self.feed.attributes());
            self.load = Some((pages, cookie));
            self.phase = Phase::Load;
            return Ok(Batch { events: vec![self.feed.begin()], ..Batch::default() });
        }
        self.synchronise().await
    }

    /// A cookie for "everything up to now", as OpenLDAP writes them.
    async fn cookie_of_now(&mut self) -> Result<Option<Vec<u8>>> {
        let root = root(&mut self.connection, &["namingContexts"]).await?;
        let contexts =
            root.values("namingContexts").iter().filter_map(|value| std::str::from_utf8(value).ok());
        let base_dn = self.feed.base();
        let holds = |context: &&str| Dn::parse(context).is_ok_and(|context| base_dn.is_within(&context));
        // The innermost database that holds it.
        let Some(context) = contexts.into_iter().filter(holds).max_by_key(|context| context.len()) else {
            return Ok(None);
        };
        let suffix = base(&mut self.connection, context, &["contextCSN"]).await?;
        let mut numbers: Vec<&str> =
            suffix.values("contextCSN").iter().filter_map(|value| std::str::from_utf8(value).ok()).collect();
        numbers.sort_unstable();
        Ok((!numbers.is_empty()).then(|| format!("rid=000,csn={}", numbers.join(";")).into_bytes()))
    }

    async fn page(&mut self) -> Result<Batch> {
        let Some((mut pages, cookie)) = self.load.take() else { return self.synchronise().await };
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let directory = self.feed.directory();
        let ids = found.into_iter().filter_map(|entry| Some((entries::id(&entry, directory)?, entry)));
        let mut events: Vec<Event> = ids.map(|(id, entry)| self.feed.event(&entry, id)).collect();
        if pages.more() {
            self.load = Some((pages, cookie));
            return Ok(Batch { events, ..Batch::default() });
        }
        events.push(self.feed.end(true));
        self.cookie = Some(cookie);
        self.phase = Phase::Idle;
        Ok(Batch { events, place: self.place(), ..Batch::default() })
    }

    async fn synchronise(&mut self) -> Result<Batch> {
        let (base, attributes) = (self.feed.base().to_string(), self.feed.attributes());
        let people = self.feed.filter().clone();
        let filter = if self.feed.groups { people } else { Filter::Or(vec![people, containers(&self.feed)]) };
        let search = Search { base: &base, scope: Scope::Subtree, filter: &filter, attributes: &attributes };
        let control = Control::sync_request(self.persist, self.cookie.as_deref());
        self.search = self.connection.search(search, &[control]).await?;
        self.phase = Phase::Refresh;
        // Without a cookie everything is sent: who is not among it is gone, whatever else is said.
        self.sweep = self.cookie.is_none();
        self.since_cookie = self.cookie.is_some();
        self.named = false;
        Ok(Batch { events: vec![self.feed.begin()], ..Batch::default() })
    }

    /// The next message that belongs to the search; `None`: nothing came by `deadline`.
    async fn message(&mut self, deadline: Instant) -> Result<Option<Told>> {
        loop {
            let server = self.connection.server().to_owned();
            let Some(message) = self.connection.found(deadline).await? else { return Ok(None) };
            if self.probe == Some(message.id) {
                if matches!(message.response, Response::SearchDone(_)) {
                    self.probe = None;
                }
                continue;
            }
            if message.id != self.search {
                return Err(LdapError::unexpected(&server, "the answer to this search"));
            }
            let told = told(&self.feed, &message).map_err(|why| LdapError::malformed(&server, why))?;
            return Ok(Some(told));
        }
    }

    /// Waits for the first message of a batch. A server that is silent for long must answer a question, or it has died
    /// without saying so.
    async fn first(&mut self) -> Result<Told> {
        loop {
            // In a refresh somebody is at work: it has as long as any operation.
            let patience = if self.phase == Phase::Refresh || self.probe.is_some() {
                self.connection.deadline()
            } else {
                Instant::now() + QUIET
            };
            match self.message(patience).await? {
                Some(told) => return Ok(told),
                None if self.phase == Phase::Persist && self.probe.is_none() => {
                    let filter = Filter::Present("objectClass");
                    let nothing = [self.feed.directory().attributes.id.clone()];
                    let search =
                        Search { base: "", scope: Scope::Base, filter: &filter, attributes: &nothing };
                    self.probe = Some(self.connection.search(search, &[]).await?);
                }
                None => return Err(LdapError::TimedOut { server: self.connection.server().to_owned() }),
            }
        }
    }

    /// Takes one message into the batch.
    fn take(&mut self, told: Told, batch: &mut Batch) -> Result<()> {
        let Told { events, cookie, ends, present, done, container } = told;
        // New ones hold nothing yet. After a cookie it is not said which are new.
        batch.moved |= match (container, self.phase) {
            (None, _) => false,
            (Some(_), Phase::Refresh) => self.since_cookie,
            (Some(state), _) => state == EntryState::Modify,
        };
        batch.events.extend(events);
        if let Some(cookie) = cookie {
            self.cookie = Some(cookie);
        }
        if self.phase == Phase::Refresh {
            let presence = |event: &Event| matches!(event, Event::Present(_) | Event::GroupPresent(_));
            self.named |= batch.events.iter().any(presence);
            // 389-ds ends a refresh that named only changes and deletions as if it had named everybody.
            self.sweep |= present && (self.named || done.is_none());
            if ends {
                batch.events.push(self.feed.end(self.sweep));
                self.phase = Phase::Persist;
            }
        }
        match done {
            None => Ok(()),
            Some((0, _)) if !self.persist => {
                self.phase = Phase::Pause;
                Ok(())
            }
            Some((REFRESH_REQUIRED, _)) => {
                tracing::info!(directory = %self.feed.directory().name, "the server wants a full refresh");
                self.cookie = None;
                self.phase = Phase::Idle;
                Ok(())
            }
            Some((code, words)) => Err(self.connection.refused("content synchronisation", code, words)),
        }
    }
}

/// What one message says.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    cookie: Option<Vec<u8>>,
    /// The refresh is over.
    ends: bool,
    /// Who was not named in the refresh is gone.
    present: bool,
    /// The search is over: code and words.
    done: Option<(u32, String)>,
    /// What happened to a container.
    container: Option<EntryState>,
}

fn told(feed: &Feed, message: &Message<'_>) -> Result<Told, ldap::Malformed> {
    let mut told = Told::default();
    match &message.response {
        Response::Entry(entry) => {
            let value = message.control(oid::SYNC_STATE).unwrap_or_default();
            let state = SyncState::parse(value)?;
            let id: EntryId = guid(&state.uuid).unwrap_or_default().into();
            told.cookie = state.cookie;
            if matches!(state.state, EntryState::Add | EntryState::Modify) && is_container(entry, feed) {
                told.container = Some(state.state);
                // Nothing that is looked for; it may have been.
                told.events.push(feed.gone(id));
                return Ok(told);
            }
            told.events.push(match state.state {
                EntryState::Present => feed.present(id),
                EntryState::Delete => feed.gone(id),
                EntryState::Add | EntryState::Modify => feed.event(entry, id),
            });
        }
        Response::Intermediate(name, value) if *name == oid::SYNC_INFO => match sync_info(value)? {
            SyncInfo::NewCookie(cookie) => told.cookie = Some(cookie),
            SyncInfo::RefreshDelete { cookie, done } => (told.cookie, told.ends) = (cookie, done),
            SyncInfo::RefreshPresent { cookie, done } => {
                (told.cookie, told.ends, told.present) = (cookie, done, true);
            }
            SyncInfo::IdSet { cookie, deleted, uuids } => {
                told.cookie = cookie;
                let ids = uuids.iter().filter_map(|uuid| guid(uuid)).map(EntryId::from);
                told.events.extend(ids.map(|id| if deleted { feed.gone(id) } else { feed.present(id) }));
            }
        },
        Response::SearchDone(outcome) => {
            let words = format!("{} ({}) {}", ldap::name_of(outcome.code), outcome.code, outcome.diagnostic);
            told.done = Some((outcome.code, words));
            if let Some(value) = message.control(oid::SYNC_DONE) {
                let SyncDone { cookie, refresh_deletes } = SyncDone::parse(value)?;
                (told.cookie, told.present) = (cookie, !refresh_deletes);
            }
            told.ends = outcome.code == 0;
        }
        _ => {}
    }
    Ok(told)
}

#[async_trait]
impl Source for SyncSource {
    async fn next(&mut self) -> Result<Batch> {
        match self.phase {
            Phase::Idle => return self.begin().await,
            Phase::Load => return self.page().await,
            Phase::Pause => {
                sleep(self.feed.directory().sync.poll).await;
                return self.begin().await;
            }
            Phase::Refresh | Phase::Persist => {}
        }
        let mut batch = Batch::default();
        let first = self.first().await?;
        self.take(first, &mut batch)?;
        while batch.events.len() < BATCH && matches!(self.phase, Phase::Refresh | Phase::Persist) {
            let Some(told) = self.message(Instant::now() + PAUSE).await? else { break };
            self.take(told, &mut batch)?;
        }
        // In the middle of a refresh a cookie would skip what is still to come.
        if self.phase != Phase::Refresh {
            batch.place = self.place();
        }
        Ok(batch)
    }

    fn mode(&self) -> &'static str {
        if self.persist { "persist" } else { "refresh" }
    }
}
