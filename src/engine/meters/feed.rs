//! Logins as they happen, for those who watch. Nobody who decides waits for anybody who watches: there is room for so many lines, and
//! whoever does not keep up loses the oldest and is told how many.

use super::report::told;
use super::{Front, Report};
use crate::base::Timestamp;
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Lines that wait for those who watch, the same for all of them.
pub const ROOM: usize = 1024;
/// So many may watch at the same time.
pub const MOST: usize = 16;

/// A login that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// `accept`, `challenge` or `reject`.
    pub outcome: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Where it came in.
    pub front: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Name of the client.
    pub client: String,
    /// Username as it was received.
    pub username: String,
    /// Calling-Station-Id or address.
    pub calling_station: String,
    /// Address of the NAS or proxy that asked; none where it was not RADIUS.
    pub peer: Option<String>,
    /// By what.
    pub method: &'static str,
    /// How long it took.
    pub millis: u64,
    /// Id of the request, in the log and the audit trail.
    pub request: String,
}

impl Line {
    pub(super) fn new(report: &Report<'_>, at: Timestamp, millis: u64) -> Self {
        Self {
            at,
            outcome: report.outcome.as_str(),
            reason: report.reason.as_str(),
            front: report.front.as_str(),
            purpose: report.purpose.as_str(),
            client: report.client.to_owned(),
            username: told(report.username).to_owned(),
            calling_station: told(report.station).to_owned(),
            peer: report.peer.map(|peer| peer.to_string()),
            method: report.how.as_str(),
            millis,
            request: report.request.to_owned(),
        }
    }

    /// Whether it came over RADIUS, with EAP or without.
    pub fn is_radius(&self) -> bool {
        self.front == Front::Radius.as_str() || self.front == Front::Eap.as_str()
    }
}

/// What there is for one who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A login.
    Login(Arc<Line>),
    /// So many were lost, because nobody took them.
    Lost(u64),
}

/// The lines of all logins.
pub struct Feed {
    watchers: AtomicUsize,
    /// None: it has ended.
    sender: Mutex<Option<broadcast::Sender<Arc<Line>>>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { watchers: AtomicUsize::new(0), sender: Mutex::new(Some(broadcast::Sender::new(ROOM))) }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} watch", self.watchers.load(Ordering::Relaxed))
    }
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<Line>>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody watches. A login asks no more than that, if nobody does.
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Tells those who watch. It waits for nobody.
    pub fn tell(&self, line: Line) {
        if let Some(sender) = &*self.lock() {
            // An error means that nobody watches any more.
            let _ = sender.send(Arc::new(line));
        }
    }

    /// Begins to watch; `None` if too many do, or it has ended.
    pub fn watch(self: &Arc<Self>) -> Option<Watcher> {
        let sender = self.lock();
        let receiver = sender.as_ref()?.subscribe();
        if self.watchers.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        self.watchers.fetch_add(1, Ordering::Relaxed);
        drop(sender);
        Some(Watcher { receiver, feed: Arc::clone(self) })
    }

    /// Ends it: those who watch get what waits for them, and then the end.
    pub fn close(&self) {
        self.lock().take();
    }
}

/// One who watches.
#[derive(Debug)]
pub struct Watcher {
    receiver: broadcast::Receiver<Arc<Line>>,
    feed: Arc<Feed>,
}

impl Watcher {
    /// What comes next; `None` at the end.
    pub async fn next(&mut self) -> Option<Seen> {
        match self.receiver.recv().await {
            Ok(line) => Some(Seen::Login(line)),
            Err(RecvError::Lagged(lost)) => Some(Seen::Lost(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.feed.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Line {
        Line {
            at: Timestamp::from_secs(0),
            outcome: "reject",
            reason: "wrong-password",
            front: "radius",
            purpose: "login",
            client: "vpn".to_owned(),
            username: "alice".to_owned(),
            calling_station: String::new(),
            peer: None,
            method: "password",
            millis: number,
            request: String::new(),
        }
    }

    #[tokio::test]
    async fn who_does_not_keep_up_loses_the_oldest_and_is_told_how_many() {
        let feed = Arc::<Feed>::default();
        let (mut slow, mut quick) = (feed.watch().unwrap(), feed.watch().unwrap());
        let all = ROOM as u64 + 100;
        for number in 0..all {
            feed.tell(line(number));
            assert_eq!(quick.next().await, Some(Seen::Login(Arc::new(line(number)))));
        }
        feed.close();
        let Some(Seen::Lost(lost)) = slow.next().await else { panic!("nothing is told") };
        assert!(lost >= 100);
        let mut seen = 0;
        while let Some(Seen::Login(line)) = slow.next().await {
            assert_eq!(line.millis, lost + seen, "in their order");
            seen += 1;
        }
        assert_eq!(lost + seen, all, "none is lost without being told");
        assert_eq!(quick.next().await, None);
    }

    #[test]
    fn so_many_may_watch_and_a_place_is_given_back() {
        let feed = Arc::<Feed>::default();
        assert!(!feed.is_watched());
        let mut watchers: Vec<_> = (0..MOST).map(|_| feed.watch().unwrap()).collect();
        assert!(feed.watch().is_none());
        watchers.pop();
        watchers.push(feed.watch().unwrap());
        drop(watchers);
        assert!(!feed.is_watched());
        feed.close();
        assert!(feed.watch().is_none(), "it has ended");
    }
}
