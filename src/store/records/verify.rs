//! The check of the audit trail: every link, the ends, and what searches by subject go by. What is wrong is named, and the check goes
//! on behind it, so that one look shows all of it.

use super::audit::{self, Walk};
use super::chain::{self, Kept, Key, Link, Position};
use super::query::Query;
use super::{Records, spoiled, subjects};
use crate::base::Timestamp;
use crate::store::{AuditCheck, AuditQuery, AuditRecord, Finding, Result, StoreError};
use std::sync::PoisonError;

/// Rows at a time.
const PAGE: u32 = 1000;
/// Findings that are told.
const MOST: usize = 20;
/// So far from its place an entry is looked for.
const NEAR: i64 = 16;

const CHANGED: &str = "this entry was changed: it does not say what was written";

/// A walk that names what it meets.
struct Inspection<'a> {
    records: &'a Records,
    walk: Walk<'a>,
    /// What the last row said when it was written.
    last: Option<Timestamp>,
    findings: Vec<Finding>,
}

impl<'a> Inspection<'a> {
    fn key(&self) -> &'a Key {
        &self.records.0.audit_key
    }

    fn tell(&mut self, seq: i64, at: Option<Timestamp>, what: impl Into<String>) {
        if self.findings.len() < MOST {
            self.findings.push(Finding { seq, at, what: what.into() });
        }
    }

    /// To the end of the table. What is written down by subject is compared last.
    async fn all(&mut self) -> Result<()> {
        let readers = &self.records.0.readers;
        let mut subjects = subjects::Check::new(readers, self.walk.at().seq);
        // Rows with numbers that cannot be are met as well.
        let mut after = i64::MIN;
        loop {
            let query = AuditQuery { after, limit: PAGE, ..AuditQuery::default() };
            let page = spoiled::entries(readers, &query).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.seq;
            for (row, is_spoiled) in &page {
                if self.walk.step(row).is_err() {
                    self.wrong(row).await?;
                } else if *is_spoiled {
                    self.tell(row.seq, Some(row.at), CHANGED);
                }
                if self.findings.len() >= MOST {
                    return Ok(());
                }
                self.last = Some(row.at);
                subjects.add(row).await?;
            }
            tokio::task::yield_now().await;
        }
        let stray = Query::new(audit::STRAY).fetch_one(readers).await?.number(0)?;
        if stray > 0 {
            let next = self.walk.at().seq + 1;
            self.tell(next, None, format!("rows were put in that have no number, {stray} of them"));
        }
        if let Some((seq, why)) = subjects.end().await?.filter(|_| self.findings.is_empty()) {
            self.tell(seq, None, why);
        }
        Ok(())
    }

    /// Names what is wrong with a row, and goes on behind it.
    async fn wrong(&mut self, row: &AuditRecord) -> Result<()> {
        let next = self.walk.at().seq + 1;
        let stored = Link::parse(&row.link).unwrap_or_default();
        if row.seq < next {
            self.tell(row.seq, Some(row.at), "this row was put in: the trail begins behind it");
            return Ok(());
        }
        if row.seq > next {
            let last = row.seq - 1;
            let what = match last - next {
                0 => "this entry is missing".to_owned(),
                _ => format!("the entries from here to {last} are missing"),
            };
            self.tell(next, self.last, what);
            self.walk.resume(row.seq, stored);
            return Ok(());
        }
        let near = AuditQuery {
            after: row.seq.saturating_sub(NEAR + 1),
            limit: 2 * NEAR.unsigned_abs() as u32 + 1,
            ..AuditQuery::default()
        };
        let near = spoiled::entries(&self.records.0.readers, &near).await?;
        let near: Vec<_> = near.into_iter().map(|(entry, _)| entry).collect();
        let (key, before) = (self.key(), self.walk.at().link);
        let computed = key.link(&before, row);
        let fits = |link: &Link| {
            let after = near.iter().find(|other| other.seq == row.seq + 1);
            after.is_some_and(|after| key.link(link, after).as_str() == after.link)
        };
        match place(key, &near, row) {
            // As it was written: only what stands before it is not, of which more was said.
            Some(seq) if seq == row.seq && !self.findings.is_empty() => {}
            Some(seq) if seq != row.seq => {
                let what = format!("this entry is not in its place: it was written as entry {seq}");
                self.tell(row.seq, Some(row.at), what);
            }
            _ if fits(&computed) => {
                self.tell(row.seq, Some(row.at), "the link of this entry was changed; what it says was not");
                self.walk.resume(row.seq, computed);
                return Ok(());
            }
            _ if self.findings.last().is_some_and(|found| found.seq == row.seq - 1) && !fits(&stored) => {
                let what =
                    "whether this entry was changed cannot be said, because the link before it is lost";
                self.tell(row.seq, Some(row.at), what);
            }
            _ => self.tell(row.seq, Some(row.at), CHANGED),
        }
        self.walk.resume(row.seq, stored);
        Ok(())
    }
}

/// As which entry a row was written, if it is a whole one of those near it.
fn place(key: &Key, near: &[AuditRecord], row: &AuditRecord) -> Option<i64> {
    let links: Vec<_> = near.iter().filter_map(|other| Link::parse(&other.link)).collect();
    let mut moved = row.clone();
    let seqs = row.seq.saturating_sub(NEAR).max(1)..=row.seq.saturating_add(NEAR);
    seqs.into_iter().find(|seq| {
        moved.seq = *seq;
        let first = (*seq == 1).then(Link::default);
        first.iter().chain(&links).any(|before| key.link(before, &moved).as_str() == row.link)
    })
}

impl Records {
    /// Checks the whole trail.
    pub(super) async fn verified(&self) -> Result<AuditCheck> {
        self.caught_up().await;
        let mut before = None;
        loop {
            let (anchor, check) = self.inspected().await?;
            // Entries whose time was over may have been removed while they were read.
            if check.broken.is_none() || before.as_ref() == Some(&anchor) {
                return Ok(check);
            }
            before = Some(anchor);
        }
    }

    /// Once, and where the trail began.
    async fn inspected(&self) -> Result<(Position, AuditCheck)> {
        let (readers, key) = (&self.0.readers, &self.0.audit_key);
        // The ends first: entries that arrive while reading come after them.
        let Kept { at: kept, lost } = *self.0.chain_end.lock().unwrap_or_else(PoisonError::into_inner);
        let head = match chain::head(readers, key).await {
            Err(StoreError::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
            head => head.map_err(|error| error.to_string()),
        };
        let (anchor, false_anchor) = match chain::anchor(readers, key).await {
            Err(StoreError::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
            Err(error) => (Position::default(), Some(error.to_string())),
            Ok(anchor) => (anchor, None),
        };
        let walk = Walk::new(key, anchor);
        let mut inspection = Inspection { records: self, walk, last: None, findings: Vec::new() };
        if let Some(why) = false_anchor {
            inspection.tell(1, None, why);
        }
        inspection.all().await?;
        let (reached, last) = (inspection.walk.at().seq, inspection.last);
        match head {
            Err(why) => inspection.tell(kept.seq, None, why),
            Ok(head) if head.seq < kept.seq => {
                inspection.tell(kept.seq, None, "the record of where the trail ends was set back");
            }
            Ok(head) if head.seq > reached => {
                let what = format!("the entries from here to {} are missing at the end", head.seq);
                inspection.tell(reached + 1, last, what);
            }
            Ok(_) => {
                let why = "this node had written entries up to here, and the database has lost some of them";
                if let Some(seq) = lost {
                    inspection.tell(seq, None, why);
                }
            }
        }
        let Inspection { walk, findings, .. } = inspection;
        let (entries, end) = walk.end();
        let broken = findings.first().map(|found| (found.seq, found.what.clone()));
        Ok((anchor, AuditCheck { entries, head: end.link.as_str().to_owned(), broken, findings }))
    }
}
