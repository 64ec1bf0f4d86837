//! For servers that do not send changes: everything in pages at first, then what was modified since, at intervals, and
//! now and then the ids of all, to see who is gone.

use super::connection::Connection;
use super::source::{Batch, Feed, Source, all};
use super::{Result, entries};
use crate::domain::directory::Event;
use crate::wire::ldap::{Attribute, Control, Filter, Scope, Search};
use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

/// Pages through a search.
pub(super) struct Pages {
    pub(super) filter: Filter,
    pub(super) attributes: Vec<Attribute>,
    cookie: Vec<u8>,
    begun: bool,
}

impl Pages {
    pub(super) fn new(filter: Filter, attributes: Vec<Attribute>) -> Self {
        Self { filter, attributes, cookie: Vec::new(), begun: false }
    }

    /// Whether there is another page.
    pub(super) fn more(&self) -> bool {
        !self.begun || !self.cookie.is_empty()
    }

    /// The entries of the next page below `base`.
    pub(super) async fn next(
        &mut self,
        feed: &Feed,
        connection: &mut Connection,
        base: &str,
        controls: &[Control],
    ) -> Result<Vec<crate::wire::ldap::Entry>> {
        let mut found = Vec::new();
        let controls: Vec<Control> = controls
            .iter()
            .cloned()
            .chain([Control::paged(feed.directory().sync.page, &self.cookie)])
            .collect();
        let search =
            Search { base, scope: Scope::Subtree, filter: &self.filter, attributes: &self.attributes };
        self.cookie = all(connection, search, &controls, |entry, _| found.push(entry)).await?;
        self.begun = true;
        Ok(found)
    }
}

/// What the source does next.
enum Step {
    Begin,
    Load(Pages),
    Changes(Pages),
    BeginSweep,
    Sweep(Pages),
    Wait,
}

/// See the module.
pub(super) struct PollSource {
    feed: Feed,
    connection: Connection,
    step: Step,
    /// Latest `modifyTimestamp` seen.
    latest: String,
    poll_at: Instant,
    sweep_at: Instant,
}

/// How a place of this source begins.
const PLACE: &str = "poll:";

impl PollSource {
    pub(super) fn new(feed: Feed, connection: Connection, place: Option<&str>) -> Self {
        let latest = place.and_then(|place| place.strip_prefix(PLACE)).unwrap_or_default().to_owned();
        let now = Instant::now();
        // Who went away meanwhile is found at once.
        let step = if latest.is_empty() { Step::Begin } else { Step::BeginSweep };
        Self { feed, connection, step, latest, poll_at: now, sweep_at: now }
    }

    fn with_filter(&self, more: Option<Filter>) -> Filter {
        let own = self.feed.filter().clone();
        more.map_or(own.clone(), |more| Filter::And(vec![own, more]))
    }

    /// Events of a page of whole entries.
    async fn page(&mut self, pages: &mut Pages) -> Result<Vec<Event>> {
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let mut events = Vec::with_capacity(found.len());
        for entry in found {
            // GeneralizedTime in UTC sorts as text.
            if let Some(modified) = entry.text("modifyTimestamp").filter(|text| *text > self.latest.as_str())
            {
                modified.clone_into(&mut self.latest);
            }
            if let Some(id) = entries::id(&entry, self.feed.directory()) {
                events.push(self.feed.event(&entry, id));
            }
        }
        Ok(events)
    }

    async fn sweep_page(&mut self, pages: &mut Pages) -> Result<Vec<Event>> {
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let ids = found.iter().filter_map(|entry| entries::id(entry, self.feed.directory()));
        Ok(ids.map(|id| self.feed.present(id)).collect())
    }

    fn place(&self) -> Option<String> {
        (!self.latest.is_empty()).then(|| format!("{PLACE}{}", self.latest))
    }

    fn rest(&mut self) -> Step {
        let sync = &self.feed.directory().sync;
        self.poll_at = Instant::now() + sync.poll;
        Step::Wait
    }

    async fn step(&mut self) -> Result<Option<Batch>> {
        let (next, batch) = match std::mem::replace(&mut self.step, Step::Wait) {
            Step::Begin => {
                let pages = Pages::new(self.with_filter(None), self.feed.attributes());
                (Step::Load(pages), Some(Batch { events: vec![self.feed.begin()], place: None }))
            }
            Step::Load(mut pages) => {
                let mut events = self.page(&mut pages).await?;
                if pages.more() {
                    (Step::Load(pages), Some(Batch { events, place: None }))
                } else {
                    events.push(self.feed.end(true));
                    self.sweep_at = Instant::now() + self.feed.directory().sync.sweep;
                    (self.rest(), Some(Batch { events, place: self.place() }))
                }
            }
            Step::Wait => {
                sleep_until(self.poll_at).await;
                if Instant::now() >= self.sweep_at {
                    (Step::BeginSweep, None)
                } else {
                    let since = self.latest.as_bytes().to_vec();
                    let changed = (!since.is_empty()).then_some(Filter::AtLeast("modifyTimestamp", since));
                    (Step::Changes(Pages::new(self.with_filter(changed), self.feed.attributes())), None)
                }
            }
            Step::Changes(mut pages) => {
                let events = self.page(&mut pages).await?;
                let (more, place) = (pages.more(), self.place());
                let next = if more { Step::Changes(pages) } else { self.rest() };
                (next, Some(Batch { events, place: place.filter(|_| !more) }))
            }
            Step::BeginSweep => {
                let pages =
                    Pages::new(self.with_filter(None), vec![self.feed.directory().attributes.id.clone()]);
                (Step::Sweep(pages), Some(Batch { events: vec![self.feed.begin()], place: None }))
            }
            Step::Sweep(mut pages) => {
                let mut events = self.sweep_page(&mut pages).await?;
                if pages.more() {
                    (Step::Sweep(pages), Some(Batch { events, place: None }))
                } else {
                    events.push(self.feed.end(true));
                    self.sweep_at = Instant::now() + self.feed.directory().sync.sweep;
                    self.poll_at = Instant::now();
                    (Step::Wait, Some(Batch { events, place: None }))
                }
            }
        };
        self.step = next;
        Ok(batch)
    }
}

#[async_trait]
impl Source for PollSource {
    async fn next(&mut self) -> Result<Batch> {
        loop {
            if let Some(batch) = self.step().await? {
                return Ok(batch);
            }
        }
    }

    fn mode(&self) -> &'static str {
        "poll"
    }
}
