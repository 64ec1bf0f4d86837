//! What administrators look at: how far registration has come, messages that could not be sent, clients, logins and failures
//! of the last day, and the audit trail. Nothing is changed here, and every look at somebody's data is audited.

use super::desk::Clerk;
use super::{Portal, Result, Visit};
use crate::base::Timestamp;
use crate::config::Client;
use crate::domain::activity::Activity;
use crate::domain::audit::AuditEntry;
use crate::domain::message::MessageState;
use crate::domain::person::Username;
use crate::engine::trail;
use crate::store::{AuditQuery, AuditRecord, Coverage, MessageStatus, OutboxQuery};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

/// Entries that are read at once, and so many times at most: what is more is not counted.
const PAGE: u32 = 1000;
const PAGES: usize = 60;
/// How long a count is shown again.
const KEPT: Duration = Duration::from_secs(60);
/// Entries of a page of the trail.
const ENTRIES: u32 = 50;
/// Messages that are listed.
const MESSAGES: u32 = 100;

/// What was counted last, and when.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Option<(Timestamp, Arc<Activity>)>>);

/// A page of the trail, newest first.
#[derive(Debug)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<AuditRecord>,
    /// The next page is before this number; `None`: this is the last.
    pub before: Option<i64>,
}

/// A client with its networks.
pub type Named = (Arc<Client>, Vec<IpNet>);

/// The clients of the configuration, by name.
pub fn clients(visit: &Visit) -> Vec<Named> {
    let mut named: BTreeMap<&str, Named> = BTreeMap::new();
    for (network, client) in visit.config.clients.iter() {
        let entry = named.entry(&client.name).or_insert_with(|| (Arc::clone(client), Vec::new()));
        entry.1.push(network);
    }
    named.into_values().collect()
}

/// Whom a part of the report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// All people.
    Everybody,
    /// Those of a campus, which is called so.
    Campus(String),
    /// Those of no campus.
    Others,
}

/// A part of the report, by role.
pub type Covered = (Whose, Vec<Coverage>);

impl Portal {
    fn look(&self, clerk: &Clerk, action: &'static str, subject: &str) -> AuditEntry {
        self.staff_entry(clerk, action, subject)
    }

    /// How far registration has come, by role: of everybody, and, where there are several campuses, of each.
    pub async fn coverage(&self, visit: &Visit) -> Result<Vec<Covered>> {
        let campuses = &visit.all.campuses;
        let counted = self.security.coverage(campuses).await?;
        let mut all: Vec<Coverage> = Vec::new();
        for row in &counted {
            match all.iter_mut().find(|sum| sum.role == row.role) {
                Some(sum) => sum.add(row),
                None => all.push(Coverage { campus: None, ..row.clone() }),
            }
        }
        let mut parts = vec![(Whose::Everybody, all)];
        if campuses.0.is_empty() {
            return Ok(parts);
        }
        let of = |name: Option<&String>| {
            counted.iter().filter(|row| row.campus.as_ref() == name).cloned().collect::<Vec<_>>()
        };
        for campus in &campuses.0 {
            let called = visit.all.at(Some(&campus.name)).catalogue.institution.campus.clone();
            let called = if called.is_empty() { campus.name.clone() } else { called };
            parts.push((Whose::Campus(called), of(Some(&campus.name))));
        }
        let others = of(None);
        if others.iter().any(|row| row.people > 0) {
            parts.push((Whose::Others, others));
        }
        Ok(parts)
    }

    /// Messages that were not sent, newest first.
    pub async fn dead_letters(&self, clerk: &Clerk) -> Result<Vec<MessageStatus>> {
        let state = Some(MessageState::Dead);
        let query = OutboxQuery { state, limit: MESSAGES, ..OutboxQuery::default() };
        let messages = self.outbox.list(&query).await?;
        self.desk.audit.append(self.look(clerk, "outbox.list", "")).await?;
        Ok(messages)
    }

    /// A page of the trail: about one name, if one is given.
    pub async fn entries(&self, clerk: &Clerk, subject: &str, before: Option<i64>) -> Result<Entries> {
        let text = subject.trim();
        // As names are written into it; what is none can be the subject of something else.
        let name = Username::parse(&clerk.visit.config.realms.canonical(text));
        let subject = name.map_or_else(|_| text.to_owned(), |name| name.to_string());
        let query = AuditQuery {
            before,
            limit: ENTRIES,
            subject: (!subject.is_empty()).then(|| subject.clone()),
            newest_first: true,
            ..AuditQuery::default()
        };
        let entries = self.desk.audit.entries(&query).await?;
        self.desk.audit.append(self.look(clerk, "audit.list", &subject)).await?;
        let full = entries.len() >= ENTRIES as usize;
        let before = entries.last().map(|entry| entry.seq).filter(|_| full);
        Ok(Entries { entries, before })
    }

    /// The whole trail, as JSON lines.
    pub async fn export(&self, clerk: &Clerk) -> Result<Receiver<io::Result<String>>> {
        self.desk.audit.append(self.look(clerk, "audit.export", "")).await?;
        Ok(trail::export(Arc::clone(&self.desk.audit), trail::Export::default()))
    }

    /// Logins and failures by the hour. Whoever asks meanwhile waits for the same count.
    pub async fn activity(&self) -> Result<Arc<Activity>> {
        let mut recent = self.recent.0.lock().await;
        let now = self.now();
        if let Some((at, activity)) = &*recent
            && now < *at + KEPT
        {
            return Ok(Arc::clone(activity));
        }
        let activity = Arc::new(self.counted(now).await?);
        *recent = Some((now, Arc::clone(&activity)));
        Ok(activity)
    }

    /// Reads the trail backwards as far as it is needed, and not for ever.
    async fn counted(&self, now: Timestamp) -> Result<Activity> {
        let mut activity = Activity::new(now);
        let mut before = None;
        for _ in 0..PAGES {
            let query = AuditQuery { before, limit: PAGE, newest_first: true, ..AuditQuery::default() };
            let entries = self.desk.audit.entries(&query).await?;
            for entry in &entries {
                activity.count(entry.at, (&entry.action, &entry.outcome, &entry.detail));
            }
            let Some(last) = entries.last().filter(|last| last.at >= activity.start()) else {
                activity.since = None;
                return Ok(activity);
            };
            activity.since = Some(last.at);
            before = Some(last.seq);
        }
        Ok(activity)
    }
}
