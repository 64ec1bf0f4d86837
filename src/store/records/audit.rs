//! The audit trail: appended inside other jobs, listed, and verified link by link ([`super::chain`]).

use super::chain::{self, Entry, Key, Link, Position};
use super::connection::{Connection, Row};
use super::pool::Pool;
use super::query::{Query, Script, Value, without_nul};
use super::sqlite::{Lite, Prepared};
use super::transaction::Transaction;
use super::{Records, damaged, search};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::store::seal::Keyring;
use crate::store::{Audit, AuditCheck, AuditQuery, AuditRecord, Result, StoreError};
use async_trait::async_trait;
use rusqlite::ToSql;

/// Rows that a check reads at a time, and a listing at most.
const PAGE: u32 = 1000;

/// How many rows there are that no listing meets: SQLite keeps a text, or nothing at all, where a number should be.
pub(super) const STRAY: &str = "SELECT count(*) FROM audit
     WHERE (seq > -9223372036854775808 AND seq < 9223372036854775807) IS NOT TRUE";

/// Adds an entry to the chain, inside a job.
pub(super) async fn append(transaction: &mut Transaction, entry: AuditEntry) -> Result<()> {
    let record = transaction.chain.record(entry);
    let mut script = Script::default();
    insert(&mut script, std::iter::once(record), 1);
    script.execute(&mut transaction.connection).await.map_err(taken)
}

/// Writes entries that have their place in the chain already.
pub(super) fn insert_each(lite: &Lite, records: &[AuditRecord]) -> Result<()> {
    let mut insert = Insert::prepare(lite)?;
    records.iter().try_for_each(|record| insert.run(record.seq, &record.link, &Entry::from(record)))
}

/// Writes one entry after the other.
pub(super) struct Insert<'l>(Prepared<'l>);

impl<'l> Insert<'l> {
    pub(super) fn prepare(lite: &'l Lite) -> Result<Self> {
        const INSERT: &str =
            "INSERT INTO audit (seq, at, actor, action, person, subject, outcome, detail, request, link)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        lite.prepare(INSERT).map(Self)
    }

    /// One that has this place in the chain.
    pub(super) fn run(&mut self, seq: i64, link: &str, entry: &Entry<'_>) -> Result<()> {
        let Entry { at, actor, action, person, subject, outcome, detail, request } = entry;
        let values: [&dyn ToSql; 10] =
            [&seq, &at.millis(), actor, action, person, subject, outcome, detail, request, &link];
        self.0.run(&values).map(drop).map_err(taken)
    }
}

/// Adds statements that write at most so many entries that have their place in the chain already.
pub(super) fn insert(script: &mut Script, records: impl Iterator<Item = AuditRecord>, count: usize) {
    let mut rows = records.map(row);
    let mut left = count;
    while left > 0 {
        // The work to find a parameter grows with their number, so there are no more than these in one.
        let part = left.min(16);
        left -= part;
        script.statement(
            "INSERT INTO audit (seq, at, actor, action, person, subject, outcome, detail, request, link)
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10
             FROM (VALUES ",
        );
        script.rows(rows.by_ref().take(part), part, &EMPTY);
        script.add(") AS entry WHERE column1 IS NOT NULL");
    }
}

const EMPTY: [Value; 10] = {
    const NUMBER: Value = Value::Number(None);
    const TEXT: Value = Value::Text(None);
    [NUMBER, NUMBER, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT]
};

fn row(record: AuditRecord) -> [Value; 10] {
    // What was made for the chain has no NUL.
    let text = |text| Value::Text(Some(text));
    [
        record.seq.into(),
        record.at.millis().into(),
        text(record.actor),
        text(record.action.into_owned()),
        Value::Text(record.person),
        text(record.subject),
        text(record.outcome.into_owned()),
        text(record.detail.into_owned()),
        text(record.request),
        text(record.link),
    ]
}

/// A number that is taken must not look like a name that is taken.
pub(super) fn taken(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict(_) => damaged("the audit trail goes on behind its end"),
        other => other,
    }
}

/// What [`record`] reads, in its order.
pub(super) const COLUMNS: &str = "seq, at, actor, action, person, subject, outcome, detail, request, link";

pub(super) fn record(row: &Row) -> Result<AuditRecord> {
    let text = |at| row.text(at).map(str::to_owned);
    Ok(AuditRecord {
        seq: row.number(0)?,
        at: Timestamp::from_millis(row.number(1)?),
        actor: text(2)?,
        action: text(3)?.into(),
        person: row.optional_text(4)?.map(str::to_owned),
        subject: text(5)?,
        outcome: text(6)?.into(),
        detail: text(7)?.into(),
        request: text(8)?,
        link: text(9)?,
    })
}

/// A part of the trail.
pub(super) async fn entries(readers: &Pool, query: &AuditQuery) -> Result<Vec<AuditRecord>> {
    let limit = if query.limit == 0 { 100 } else { query.limit.min(PAGE) };
    if let Some(subject) = &query.subject {
        return search::entries(readers, query, without_nul(subject.clone()), limit as usize).await;
    }
    let order = if query.newest_first { "DESC" } else { "ASC" };
    let sql =
        format!("SELECT {COLUMNS} FROM audit WHERE seq > $1 AND seq < $2 ORDER BY seq {order} LIMIT $3");
    // No trail is that long.
    let before = query.before.unwrap_or(i64::MAX);
    let rows = Query::new(sql).bind(query.after).bind(before).bind(limit).fetch_all(readers).await?;
    rows.iter().map(record).collect()
}

/// A page of those after this number.
pub(super) async fn after(connection: &mut Connection, seq: i64) -> Result<Vec<AuditRecord>> {
    let rows = Query::new(format!("SELECT {COLUMNS} FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"));
    rows.bind(seq).bind(PAGE).fetch_all(connection).await?.iter().map(record).collect()
}

/// Walks along the whole trail of a database that nobody else uses, from its anchor to its head, under the key that is kept in
/// it: how many entries, or what is wrong.
pub(super) async fn whole(connection: &mut Connection, keyring: &Keyring) -> Result<Result<u64, String>> {
    let key = match chain::kept_key(&mut *connection, keyring).await? {
        Some(key) => key,
        None => return Ok(Err("there is no key of the audit trail".to_owned())),
    };
    let ends = (chain::head(&mut *connection, &key).await, chain::anchor(&mut *connection, &key).await);
    let (head, anchor) = match ends {
        (Ok(head), Ok(anchor)) => (head, anchor),
        (Err(StoreError::Sealed(why)), _) | (_, Err(StoreError::Sealed(why))) => return Ok(Err(why)),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let mut walk = Walk::new(&key, anchor);
    let mut seq = i64::MIN;
    loop {
        let page = after(connection, seq).await?;
        let Some(last) = page.last() else { break };
        seq = last.seq;
        for row in &page {
            if let Err((seq, why)) = walk.step(row) {
                return Ok(Err(format!("the audit trail is broken at {seq}: {why}")));
            }
        }
    }
    let stray = Query::new(STRAY).fetch_one(&mut *connection).await?.number(0)?;
    if stray > 0 {
        return Ok(Err(format!("rows were put into the audit trail that have no number, {stray} of them")));
    }
    let (entries, end) = walk.end();
    if end != head {
        return Ok(Err(format!("the audit trail ends at {} and not at {}", end.seq, head.seq)));
    }
    Ok(Ok(entries))
}

/// A walk along the chain.
pub(super) struct Walk<'a> {
    key: &'a Key,
    at: Position,
    entries: u64,
}

impl<'a> Walk<'a> {
    /// From where the chain begins.
    pub(super) const fn new(key: &'a Key, anchor: Position) -> Self {
        Self { key, at: anchor, entries: 0 }
    }

    /// How many entries it has met, and where it is.
    pub(super) fn end(self) -> (u64, Position) {
        (self.entries, self.at)
    }

    /// Goes on to the next row, or says what is wrong with it.
    pub(super) fn step(&mut self, row: &AuditRecord) -> Result<(), (i64, String)> {
        let next = self.at.seq + 1;
        if row.seq > next {
            return Err((next, "this entry is missing".into()));
        }
        let link = self.key.link(&self.at.link, row);
        if row.seq < next || row.link != link.as_str() {
            return Err((row.seq, "this entry, or the one before it, was changed".into()));
        }
        self.at = Position { seq: row.seq, link };
        self.entries += 1;
        Ok(())
    }

    /// Where it is.
    pub(super) const fn at(&self) -> &Position {
        &self.at
    }

    /// Goes on behind a row that is not as it should be, from this link.
    pub(super) fn resume(&mut self, seq: i64, link: Link) {
        self.at = Position { seq, link };
        self.entries += 1;
    }
}

#[async_trait]
impl Audit for Records {
    async fn append(&self, entry: AuditEntry) -> Result<()> {
        self.write(|transaction| Box::pin(append(transaction, entry))).await
    }

    async fn entries(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>> {
        self.caught_up().await;
        entries(&self.0.readers, query).await
    }

    async fn verify(&self) -> Result<AuditCheck> {
        self.verified().await
    }
}

impl Records {
    /// Waits for the entries that nobody has waited for. Where they cannot be written, the trail is shown without them.
    pub(super) async fn caught_up(&self) {
        if self.0.notes.are_pending() {
            let _ = self.write(|_| Box::pin(async { Ok(()) })).await;
        }
    }
}
