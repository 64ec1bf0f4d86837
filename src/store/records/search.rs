//! Entries about one subject, oldest or newest first. Where the trail is written down by subject ([`super::subjects`]), only
//! the rows that it names are read; what lies between, and what came last, is read entry by entry.

use super::audit::{COLUMNS, record};
use super::pool::Pool;
use super::query::Query;
use super::subjects::{Digest, PART, numbers, part_of};
use crate::store::{AuditQuery, AuditRecord, Result};

/// Parts that are looked up at once.
const PARTS: u32 = 64;
/// Entries that are read at once by their numbers.
const ENTRIES: usize = 64;
/// Numbers that one statement goes through where nothing is written down, so that it ends in time.
const STRIDE: i64 = 4 * PART;

/// Entries about `subject`, at most `limit`.
pub(super) async fn entries(
    readers: &Pool,
    query: &AuditQuery,
    subject: String,
    limit: usize,
) -> Result<Vec<AuditRecord>> {
    let Some(from) = query.after.checked_add(1) else { return Ok(Vec::new()) };
    let digest = Digest::of(&subject);
    let mut search = Search {
        readers,
        subject,
        digest,
        limit,
        newest_first: query.newest_first,
        // No trail is that long, and so there is always a next number.
        left: (from, query.before.unwrap_or(i64::MAX).saturating_sub(1)),
        named: Vec::new(),
        found: Vec::new(),
    };
    search.run().await?;
    Ok(search.found)
}

struct Search<'a> {
    readers: &'a Pool,
    subject: String,
    digest: Digest,
    limit: usize,
    newest_first: bool,
    /// The first and the last number that nothing is known about yet.
    left: (i64, i64),
    /// Entries to be read before those.
    named: Vec<i64>,
    found: Vec<AuditRecord>,
}

impl Search<'_> {
    async fn run(&mut self) -> Result<()> {
        // The trail begins in the first part.
        let (mut from, mut to) = (part_of(self.left.0).max(0), part_of(self.left.1));
        loop {
            let parts = self.parts(from, to).await?;
            for (part, places) in &parts {
                (from, to) = if self.newest_first { (from, part - 1) } else { (part + 1, to) };
                // As if it were not there, if it was tampered with.
                let Some(entries) = self.digest.entries(*part, places) else { continue };
                self.before(*part).await?;
                self.take(*part, entries).await?;
                if self.is_full() {
                    return Ok(());
                }
            }
            if parts.len() < PARTS as usize {
                self.read_named().await?;
                return self.scan(self.left).await;
            }
        }
    }

    const fn order(&self) -> &'static str {
        if self.newest_first { "DESC" } else { "ASC" }
    }

    const fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// What is written down of the next parts.
    async fn parts(&self, from: i64, to: i64) -> Result<Vec<(i64, String)>> {
        let sql = format!(
            "SELECT part, places FROM audit_subjects WHERE bucket = $1 AND part >= $2 AND part <= $3
             ORDER BY part {} LIMIT $4",
            self.order()
        );
        let rows = Query::new(sql).bind(self.digest.bucket()).bind(from).bind(to).bind(PARTS);
        let rows = rows.fetch_all(self.readers).await?;
        rows.iter().map(|row| Ok((row.number(0)?, row.text(1)?.to_owned()))).collect()
    }

    /// Reads what comes before a part and is not written down.
    async fn before(&mut self, part: i64) -> Result<()> {
        let ((first, last), (from, to)) = (numbers(part), self.left);
        let gap =
            if self.newest_first { (last.saturating_add(1), to) } else { (from, first.saturating_sub(1)) };
        if gap.0 > gap.1 {
            return Ok(());
        }
        self.read_named().await?;
        self.scan(gap).await
    }

    /// Takes the entries that a part names.
    async fn take(&mut self, part: i64, mut entries: Vec<i64>) -> Result<()> {
        let ((first, last), (from, to)) = (numbers(part), self.left);
        entries.retain(|seq| (from..=to).contains(seq));
        if self.newest_first {
            entries.reverse();
        }
        self.named.extend(entries);
        self.left =
            if self.newest_first { (from, first.saturating_sub(1)) } else { (last.saturating_add(1), to) };
        if self.named.len() >= ENTRIES || self.found.len() + self.named.len() >= self.limit {
            self.read_named().await?;
        }
        Ok(())
    }

    /// Reads the entries that were named.
    async fn read_named(&mut self) -> Result<()> {
        let places: Vec<_> = (2..ENTRIES + 2).map(|number| format!("${number}")).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE subject = $1 AND seq IN ({}) ORDER BY seq {}",
            places.join(", "),
            self.order()
        );
        for some in std::mem::take(&mut self.named).chunks(ENTRIES) {
            if self.is_full() {
                break;
            }
            let query = Query::new(sql.clone()).bind(&self.subject);
            // There is one text, so the last is asked for as often as is needed.
            let last = some.iter().rev().take(1).cycle();
            let query = some.iter().chain(last).take(ENTRIES).fold(query, |query, seq| query.bind(*seq));
            self.keep(query).await?;
        }
        Ok(())
    }

    /// Reads all entries with these numbers.
    async fn scan(&mut self, (mut from, mut to): (i64, i64)) -> Result<()> {
        let order = self.order();
        let next =
            format!("SELECT seq FROM audit WHERE seq >= $1 AND seq <= $2 ORDER BY seq {order} LIMIT 1");
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE seq >= $1 AND seq <= $2 AND subject = $3 ORDER BY seq {order} LIMIT $4"
        );
        while from <= to && !self.is_full() {
            let next = Query::new(next.clone()).bind(from).bind(to).fetch_optional(self.readers).await?;
            let Some(next) = next.map(|row| row.number(0)).transpose()? else { break };
            let some = if self.newest_first {
                (next.saturating_sub(STRIDE - 1).max(from), next)
            } else {
                (next, next.saturating_add(STRIDE - 1).min(to))
            };
            let missing = i64::try_from(self.limit - self.found.len()).unwrap_or(i64::MAX);
            let query = Query::new(sql.clone()).bind(some.0).bind(some.1).bind(&self.subject).bind(missing);
            self.keep(query).await?;
            (from, to) = if self.newest_first { (from, some.0 - 1) } else { (some.1 + 1, to) };
        }
        Ok(())
    }

    /// Keeps what is found, up to the limit.
    async fn keep(&mut self, query: Query) -> Result<()> {
        let rows = query.fetch_all(self.readers).await?;
        for row in rows.iter().take(self.limit - self.found.len()) {
            self.found.push(record(row)?);
        }
        Ok(())
    }
}
