//! The audit trail. Each entry's link is an HMAC over the link before it and the entry's fields, under a key that
//! is sealed in the store: who can write the file but not open the key can neither change, insert, remove nor
//! reorder entries without it showing. The head row, under the same key, shows a tail that was cut off.

use super::writer::Transaction;
use super::{Records, damaged, failure};
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::store::{Audit, AuditCheck, AuditQuery, AuditRecord, Result};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

const PAGE: u32 = 1000;

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    seq: i64,
    link: String,
}

/// The writer's memory of the chain.
pub(super) struct Chain {
    key: Secret<Vec<u8>>,
    /// `None`: to be read again before the next entry.
    at: Option<Position>,
    /// Where the head row stands.
    head: Option<i64>,
}

fn mac(key: &Secret<Vec<u8>>, parts: &[&[u8]]) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { return String::new() };
    for part in parts {
        hmac.update(&(part.len() as u64).to_be_bytes());
        hmac.update(part);
    }
    HEXLOWER.encode(&hmac.finalize().into_bytes())
}

fn link(key: &Secret<Vec<u8>>, before: &str, record: &AuditRecord) -> String {
    let person = record.person.as_deref().map_or_else(Vec::new, |person| [b"p", person.as_bytes()].concat());
    mac(
        key,
        &[
            before.as_bytes(),
            &record.seq.to_be_bytes(),
            &record.at.millis().to_be_bytes(),
            record.actor.as_bytes(),
            record.action.as_bytes(),
            &person,
            record.subject.as_bytes(),
            record.outcome.as_bytes(),
            record.detail.as_bytes(),
            record.request.as_bytes(),
        ],
    )
}

fn head_mac(key: &Secret<Vec<u8>>, at: &Position) -> String {
    mac(key, &[b"head", &at.seq.to_be_bytes(), at.link.as_bytes()])
}

async fn last(connection: &mut SqliteConnection) -> Result<Position> {
    let row = sqlx::query("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failure)?;
    match row {
        None => Ok(Position { seq: 0, link: String::new() }),
        Some(row) => {
            Ok(Position { seq: row.try_get(0).map_err(failure)?, link: row.try_get(1).map_err(failure)? })
        }
    }
}

impl Chain {
    pub(super) async fn load(connection: &mut SqliteConnection, key: Secret<Vec<u8>>) -> Result<Self> {
        let at = last(connection).await?;
        Ok(Self { key, head: Some(at.seq), at: Some(at) })
    }

    /// After a failed batch: what is remembered may be ahead of the file.
    pub(super) fn forget(&mut self) {
        (self.at, self.head) = (None, None);
    }

    pub(super) async fn recall(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        if self.at.is_none() {
            let at = last(connection).await?;
            (self.head, self.at) = (Some(at.seq), Some(at));
        }
        Ok(())
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.at.clone()
    }

    pub(super) fn return_to(&mut self, at: Option<Position>) {
        self.at = at;
    }

    /// Writes where the chain ends, once a batch, if it has moved.
    pub(super) async fn write_head(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        let Some(at) = self.at.as_ref().filter(|at| self.head != Some(at.seq)) else { return Ok(()) };
        sqlx::query(
            "INSERT INTO audit_head (id, seq, link, mac) VALUES (1, $1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, link = excluded.link, mac = excluded.mac",
        )
        .bind(at.seq)
        .bind(&at.link)
        .bind(head_mac(&self.key, at))
        .execute(connection)
        .await
        .map_err(failure)?;
        self.head = Some(at.seq);
        Ok(())
    }
}

/// Adds an entry to the chain, inside a job.
pub(super) async fn append(transaction: &mut Transaction, entry: AuditEntry) -> Result<()> {
    let Transaction { connection, chain } = transaction;
    let before = match &chain.at {
        Some(at) => at.clone(),
        None => last(connection).await?,
    };
    let mut record = AuditRecord {
        seq: before.seq.saturating_add(1),
        at: entry.at,
        actor: entry.actor,
        action: entry.action.to_owned(),
        person: entry.person.map(|person| person.to_string()),
        subject: entry.subject,
        outcome: entry.outcome.to_owned(),
        detail: entry.detail,
        request: entry.request,
        link: String::new(),
    };
    record.link = link(&chain.key, &before.link, &record);
    sqlx::query(
        "INSERT INTO audit (seq, at, actor, action, person, subject, outcome, detail, request, link)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(record.seq)
    .bind(record.at.millis())
    .bind(&record.actor)
    .bind(&record.action)
    .bind(&record.person)
    .bind(&record.subject)
    .bind(&record.outcome)
    .bind(&record.detail)
    .bind(&record.request)
    .bind(&record.link)
    .execute(connection)
    .await
    .map_err(failure)?;
    chain.at = Some(Position { seq: record.seq, link: record.link });
    Ok(())
}

fn record(row: &SqliteRow) -> Result<AuditRecord, sqlx::Error> {
    Ok(AuditRecord {
        seq: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        actor: row.try_get(2)?,
        action: row.try_get(3)?,
        person: row.try_get(4)?,
        subject: row.try_get(5)?,
        outcome: row.try_get(6)?,
        detail: row.try_get(7)?,
        request: row.try_get(8)?,
        link: row.try_get(9)?,
    })
}

#[async_trait]
impl Audit for Records {
    async fn append(&self, entry: AuditEntry) -> Result<()> {
        self.write(|transaction| Box::pin(append(transaction, entry))).await
    }

    async fn entries(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>> {
        let limit = if query.limit == 0 { 100 } else { query.limit.min(PAGE) };
        let sql = if query.newest_first {
            "SELECT seq, at, actor, action, person, subject, outcome, detail, request, link FROM audit
             WHERE seq > $1 AND ($2 = '' OR subject = $2) ORDER BY seq DESC LIMIT $3"
        } else {
            "SELECT seq, at, actor, action, person, subject, outcome, detail, request, link FROM audit
             WHERE seq > $1 AND ($2 = '' OR subject = $2) ORDER BY seq LIMIT $3"
        };
        let rows = sqlx::query(sql)
            .bind(query.after)
            .bind(query.subject.as_deref().unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.0.readers)
            .await
            .map_err(failure)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failure)
    }

    async fn verify(&self) -> Result<AuditCheck> {
        // The head first: entries that arrive while reading come after it.
        let head = sqlx::query("SELECT seq, link, mac FROM audit_head WHERE id = 1")
            .fetch_optional(&self.0.readers)
            .await
            .map_err(failure)?;
        let key = &self.0.audit_key;
        let mut check = AuditCheck { entries: 0, head: String::new(), broken: None };
        let mut seq = 0;
        loop {
            let query = AuditQuery { after: seq, limit: PAGE, ..AuditQuery::default() };
            let records = self.entries(&query).await?;
            let Some(end) = records.last().map(|record| record.seq) else { break };
            for record in &records {
                let what = if record.seq != seq + 1 {
                    format!("entry {} is missing", seq + 1)
                } else if record.link != link(key, &check.head, record) {
                    "it, or the one before it, was changed".to_owned()
                } else {
                    (seq, check.entries) = (record.seq, check.entries + 1);
                    check.head.clone_from(&record.link);
                    continue;
                };
                check.broken = Some((record.seq, what));
                return Ok(check);
            }
            seq = end;
        }
        let Some(head) = head else {
            if seq > 0 {
                check.broken = Some((seq, "the record of where the trail ends is missing".to_owned()));
            }
            return Ok(check);
        };
        let end = Position {
            seq: head.try_get(0).map_err(|_| damaged("audit head"))?,
            link: head.try_get(1).map_err(|_| damaged("audit head"))?,
        };
        let kept: String = head.try_get(2).map_err(|_| damaged("audit head"))?;
        if kept != head_mac(key, &end) {
            check.broken = Some((end.seq, "the record of where the trail ends was changed".to_owned()));
        } else if end.seq > seq {
            check.broken = Some((seq + 1, format!("entries up to {} are missing at the end", end.seq)));
        }
        Ok(check)
    }
}
