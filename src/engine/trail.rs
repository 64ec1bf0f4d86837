//! The audit trail as it leaves the daemon: oldest first, one entry a line, as JSON, CEF or syslog. It is read page by page, as
//! fast as it is taken.

use crate::base::Timestamp;
use crate::domain::person::Person;
use crate::domain::sent::Purpose;
use crate::store::{Audit, AuditQuery, AuditRecord, Result};
use crate::wire::{cef, syslog};
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// Entries that are read at once.
const PAGE: u32 = 1000;
/// Pages that wait for a reader that is slow.
const AHEAD: usize = 4;
/// Entries stand in the order in which they were written, nearly that of their times: clocks of nodes may differ, and entries may
/// wait to be written. By so much at most.
const SLACK: Duration = Duration::from_secs(3600);
/// The number that documents use (RFC 5612), until there is one of our own.
const ELEMENT: &str = "doorward@32473";

/// How an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A JSON object, with everything.
    #[default]
    Json,
    /// Common Event Format.
    Cef,
    /// RFC 5424.
    Syslog,
}

/// What is to leave.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// How.
    pub format: Format,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// This machine, for syslog.
    pub host: String,
}

impl Export {
    fn takes(&self, entry: &AuditRecord) -> bool {
        self.from.is_none_or(|from| entry.at >= from) && self.to.is_none_or(|to| entry.at < to)
    }

    /// After this nothing is taken.
    fn ends_before(&self, entry: &AuditRecord) -> bool {
        self.to.is_some_and(|to| entry.at >= to + SLACK)
    }

    fn line(&self, entry: &AuditRecord) -> String {
        match self.format {
            Format::Json => escaped(&serde_json::to_string(entry).unwrap_or_default()),
            Format::Cef => as_cef(entry),
            Format::Syslog => as_syslog(entry, &self.host),
        }
    }
}

/// JSON that says the same and hides nothing where somebody looks at it: control characters beyond those that JSON escapes, and marks
/// of direction. They stand in strings alone.
fn escaped(json: &str) -> String {
    let letters = json.chars().zip(syslog::visible(json));
    letters.fold(String::with_capacity(json.len()), |mut text, (letter, shown)| {
        if letter == shown {
            text.push(letter);
        } else {
            // All of them are in the first plane. A `String` takes anything.
            let _ = write!(text, "\\u{:04x}", u32::from(letter));
        }
        text
    })
}

fn severity(entry: &AuditRecord) -> syslog::Severity {
    match &*entry.outcome {
        "reject" => syslog::Severity::Notice,
        "refused" | "failed" => syslog::Severity::Warning,
        _ => syslog::Severity::Informational,
    }
}

fn as_cef(entry: &AuditRecord) -> String {
    let (at, seq) = (entry.at.millis().to_string(), entry.seq.to_string());
    let person = entry.person.as_deref().unwrap_or_default();
    let extension = [
        ("rt", at.as_str()),
        ("externalId", &seq),
        ("suser", &entry.actor),
        ("duser", &entry.subject),
        ("duid", person),
        ("outcome", &entry.outcome),
        ("reason", &entry.detail),
        ("cs1Label", if entry.request.is_empty() { "" } else { "request" }),
        ("cs1", &entry.request),
        ("cs2Label", "link"),
        ("cs2", &entry.link),
    ];
    let severity = match severity(entry) {
        syslog::Severity::Informational => 3,
        syslog::Severity::Notice => 5,
        syslog::Severity::Warning => 7,
    };
    let name = format!("{} {}", entry.action, entry.outcome);
    let version = env!("CARGO_PKG_VERSION");
    cef::Event { version, class: &entry.action, name: &name, severity, extension: &extension }.line()
}

fn as_syslog(entry: &AuditRecord, host: &str) -> String {
    let (at, seq) = (entry.at.to_string(), entry.seq.to_string());
    let parameters = [
        ("seq", seq.as_str()),
        ("actor", &entry.actor),
        ("action", &entry.action),
        ("person", entry.person.as_deref().unwrap_or_default()),
        ("subject", &entry.subject),
        ("outcome", &entry.outcome),
        ("detail", &entry.detail),
        ("request", &entry.request),
        ("link", &entry.link),
    ];
    let message = syslog::Message {
        severity: severity(entry),
        timestamp: &at,
        host,
        app: "doorward",
        id: &entry.action,
        element: ELEMENT,
        parameters: &parameters,
        // Both stand in the parameters, whatever they are; what is in the database may have been written by others.
        text: "audit",
    };
    message.line()
}

/// How the last logins of somebody ended, the newest first, at most so many. Nothing else of the trail: not what was done to their account, nor
/// what somebody did who had the username before. Beyond a thousand entries nothing is looked for.
pub async fn logins(audit: &dyn Audit, person: &Person, limit: usize) -> Result<Vec<AuditRecord>> {
    const PAGES: usize = 5;
    let id = person.id.to_string();
    let is_login = |entry: &AuditRecord| {
        let round = Purpose::ROUNDS.iter().any(|purpose| purpose.as_str() == entry.action);
        round && entry.person.as_deref() == Some(&*id)
    };
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..PAGES {
        let subject = Some(person.username.as_str().to_owned());
        let page =
            AuditQuery { before, limit: PAGE / 5, subject, newest_first: true, ..AuditQuery::default() };
        let entries = audit.entries(&page).await?;
        let Some(last) = entries.last() else { break };
        before = Some(last.seq);
        found.extend(entries.into_iter().filter(&is_login).take(limit - found.len()));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The number of the oldest entry, or of the newest.
async fn edge(audit: &dyn Audit, newest_first: bool) -> Result<Option<i64>> {
    let query = AuditQuery { limit: 1, newest_first, ..AuditQuery::default() };
    Ok(audit.entries(&query).await?.first().map(|entry| entry.seq))
}

/// The number after which to begin, and the last one: what is written while somebody reads is for the next time. None: there is nothing.
async fn bounds(audit: &dyn Audit, wanted: &Export) -> Result<Option<(i64, i64)>> {
    let Some(last) = edge(audit, true).await? else { return Ok(None) };
    let first = match wanted.from {
        Some(from) => start(audit, from, last).await?,
        None => 0,
    };
    Ok(Some((first, last)))
}

/// The number after which to begin: before the first entry of a time.
async fn start(audit: &dyn Audit, from: Timestamp, last: i64) -> Result<i64> {
    let (Some(mut low), mut high) = (edge(audit, false).await?, last) else { return Ok(0) };
    // The first entry at or after `low` is early, or nothing is; that after `high` is late, or there is none.
    low -= 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let next = AuditQuery { after: middle, limit: 1, ..AuditQuery::default() };
        match audit.entries(&next).await?.first() {
            Some(entry) if entry.at < from - SLACK => low = entry.seq.max(middle + 1),
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Reads the trail as fast as it is taken, and no further when nobody takes it any more.
pub fn export(audit: Arc<dyn Audit>, wanted: Export) -> Receiver<Result<String, io::Error>> {
    let (sender, receiver) = channel(AHEAD);
    tokio::spawn(async move {
        let failed = |error: crate::store::StoreError| io::Error::other(error.to_string());
        let (mut after, last) = match bounds(&*audit, &wanted).await {
            Ok(Some(bounds)) => bounds,
            Ok(None) => return,
            Err(error) => {
                let _ = sender.send(Err(failed(error))).await;
                return;
            }
        };
        while after < last {
            let page =
                AuditQuery { after, before: last.checked_add(1), limit: PAGE, ..AuditQuery::default() };
            let text = match audit.entries(&page).await {
                Ok(entries) if entries.is_empty() || entries.iter().all(|one| wanted.ends_before(one)) => {
                    return;
                }
                Ok(entries) => {
                    after = entries.last().map_or(after, |entry| entry.seq);
                    let taken = entries.iter().filter(|entry| wanted.takes(entry));
                    Ok(taken.fold(String::new(), |text, entry| text + &wanted.line(entry) + "\n"))
                }
                // Breaking off shows the reader that something is missing; an end would not.
                Err(error) => Err(failed(error)),
            };
            if text.as_ref().is_ok_and(String::is_empty) {
                continue;
            }
            let failed = text.is_err();
            if sender.send(text).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_steers_no_terminal() {
        let name = "a\u{9b}31m\x7f\x1b\u{202e}\u{2028}\"\\é\u{1f600}";
        let text = escaped(&serde_json::to_string(name).unwrap());
        assert!(text.contains("a\\u009b31m\\u007f\\u001b\\u202e\\u2028"), "{text}");
        assert!(text.ends_with("é\u{1f600}\""), "what is harmless stays: {text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
