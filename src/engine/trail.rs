//! The audit trail as it leaves the daemon: whole, one JSON object a line, oldest first.

use crate::store::{Audit, AuditQuery};
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};

/// Entries that are read at once.
const PAGE: u32 = 1000;
/// Pages that wait for a reader that is slow.
const AHEAD: usize = 4;

/// Reads the trail as fast as it is taken, and no further when nobody takes it any more.
pub fn export(audit: Arc<dyn Audit>) -> Receiver<Result<String, io::Error>> {
    let (sender, receiver) = channel(AHEAD);
    tokio::spawn(async move {
        let mut after = 0;
        loop {
            let page = AuditQuery { after, limit: PAGE, ..AuditQuery::default() };
            let text = match audit.entries(&page).await {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    after = entries.last().map_or(after, |entry| entry.seq);
                    let lines = entries.iter().filter_map(|entry| serde_json::to_string(entry).ok());
                    Ok(lines.fold(String::new(), |text, line| text + &line + "\n"))
                }
                // Breaking off shows the reader that something is missing; an end would not.
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            let failed = text.is_err();
            if sender.send(text).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}
