//! For servers that do not send changes: everything in pages at first, then what was modified lately, at intervals, and
//! everything again now and then, to see who is gone.
//!
//! "Lately" begins some minutes before the latest time seen: with several masters a change may arrive after a later one,
//! and no clock is quite right. A time in the future, which one wrong clock is enough for, does not count.

use super::connection::Connection;
use super::source::{Batch, Feed, Source, all};
use super::{Result, entries};
use crate::base::{Clock, SystemClock, Timestamp};
use crate::domain::directory::Event;
use crate::wire::ldap::{Attribute, Control, Entry, Filter, Scope, Search, generalized, generalized_time};
use async_trait::async_trait;
use std::time::Duration;
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
    ) -> Result<Vec<Entry>> {
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

/// How far back each look goes.
const OVERLAP: Duration = Duration::from_secs(600);

/// What the source does next.
enum Step {
    Begin,
    Load(Pages),
    Changes(Pages),
    Wait,
}

/// See the module.
pub(super) struct PollSource {
    feed: Feed,
    connection: Connection,
    step: Step,
    /// Latest `modifyTimestamp` seen.
    latest: Option<Timestamp>,
    poll_at: Instant,
    reload_at: Instant,
}

impl PollSource {
    pub(super) fn new(feed: Feed, connection: Connection) -> Self {
        let now = Instant::now();
        Self { feed, connection, step: Step::Begin, latest: None, poll_at: now, reload_at: now }
    }

    /// Events of a page of whole entries.
    async fn page(&mut self, pages: &mut Pages) -> Result<Vec<Event>> {
        let base = self.feed.base().to_string();
        let found = pages.next(&self.feed, &mut self.connection, &base, &[]).await?;
        let now = SystemClock.now();
        let mut events = Vec::with_capacity(found.len());
        for entry in found {
            let modified = entry.text("modifyTimestamp").and_then(generalized_time);
            self.latest = self.latest.max(modified.map(|at| at.min(now)));
            if let Some(id) = entries::id(&entry, self.feed.directory()) {
                events.push(self.feed.event(&entry, id));
            }
        }
        Ok(events)
    }

    /// What was modified lately; everything if nothing says when that was.
    fn lately(&self) -> Filter {
        let own = self.feed.filter().clone();
        let Some(latest) = self.latest else { return own };
        let since = generalized(latest - OVERLAP).into_bytes();
        Filter::And(vec![own, Filter::AtLeast("modifyTimestamp", since)])
    }

    fn rest(&mut self) -> Step {
        self.poll_at = Instant::now() + self.feed.directory().sync.poll;
        Step::Wait
    }

    async fn step(&mut self) -> Result<Option<Batch>> {
        let (next, events) = match std::mem::replace(&mut self.step, Step::Wait) {
            Step::Begin => {
                let pages = Pages::new(self.feed.filter().clone(), self.feed.attributes());
                (Step::Load(pages), Some(vec![self.feed.begin()]))
            }
            Step::Load(mut pages) => {
                let mut events = self.page(&mut pages).await?;
                if pages.more() {
                    (Step::Load(pages), Some(events))
                } else {
                    events.push(self.feed.end(true));
                    self.reload_at = Instant::now() + self.feed.directory().sync.sweep;
                    (self.rest(), Some(events))
                }
            }
            Step::Wait => {
                sleep_until(self.poll_at).await;
                if Instant::now() >= self.reload_at {
                    (Step::Begin, None)
                } else {
                    (Step::Changes(Pages::new(self.lately(), self.feed.attributes())), None)
                }
            }
            Step::Changes(mut pages) => {
                let events = self.page(&mut pages).await?;
                let next = if pages.more() { Step::Changes(pages) } else { self.rest() };
                (next, Some(events))
            }
        };
        self.step = next;
        Ok(events.map(|events| Batch { events, ..Batch::default() }))
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
