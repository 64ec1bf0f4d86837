//! Entries of the trail that were made what no entry can be: octets where a text was, a text where a number was. SQLite keeps them; who reads
//! them as entries fails. The check of the trail must not: it names them.

use super::audit::{self, COLUMNS, record};
use super::connection::Row;
use super::pool::Pool;
use super::query::Query;
use crate::base::Timestamp;
use crate::store::{AuditQuery, AuditRecord, Result};
use data_encoding::HEXUPPER;

/// What can be read of any row: octets in hex.
const ANYTHING: &str = "SELECT seq, CAST(at AS INTEGER), hex(actor), hex(action), hex(person), hex(subject), hex(outcome), hex(detail), hex(request),
     hex(link), CASE WHEN person IS NULL THEN 1 ELSE 0 END FROM audit WHERE seq = $1";

/// A part of the trail; each entry with whether it is spoiled, and then as well as it can be read.
pub(super) async fn entries(readers: &Pool, query: &AuditQuery) -> Result<Vec<(AuditRecord, bool)>> {
    match audit::entries(readers, query).await {
        Ok(entries) => Ok(entries.into_iter().map(|entry| (entry, false)).collect()),
        // There columns have types.
        Err(error) if readers.is_postgres() => Err(error),
        Err(_) => one_by_one(readers, query).await,
    }
}

async fn one_by_one(readers: &Pool, query: &AuditQuery) -> Result<Vec<(AuditRecord, bool)>> {
    let numbers = Query::new("SELECT seq FROM audit WHERE seq > $1 AND seq < $2 ORDER BY seq LIMIT $3");
    let numbers = numbers.bind(query.after).bind(i64::MAX).bind(query.limit).fetch_all(readers).await?;
    let mut entries = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let seq = number.number(0)?;
        let plain = Query::new(format!("SELECT {COLUMNS} FROM audit WHERE seq = $1")).bind(seq);
        let plain = plain.fetch_one(readers).await.and_then(|row| record(&row));
        entries.push(match plain {
            Ok(entry) => (entry, false),
            // If it is the database that fails, this fails as well.
            Err(_) => (guessed(&Query::new(ANYTHING).bind(seq).fetch_one(readers).await?)?, true),
        });
    }
    Ok(entries)
}

fn guessed(row: &Row) -> Result<AuditRecord> {
    let text = |at| {
        let octets = HEXUPPER.decode(row.text(at)?.as_bytes()).unwrap_or_default();
        Result::<String>::Ok(String::from_utf8_lossy(&octets).into_owned())
    };
    let nobody = row.number(10)? == 1;
    Ok(AuditRecord {
        seq: row.number(0)?,
        at: Timestamp::from_millis(row.number(1)?),
        actor: text(2)?,
        action: text(3)?.into(),
        person: if nobody { None } else { Some(text(4)?) },
        subject: text(5)?,
        outcome: text(6)?.into(),
        detail: text(7)?.into(),
        request: text(8)?,
        link: text(9)?,
    })
}
