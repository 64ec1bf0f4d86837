//! Removes what is over, in steps of bounded size, so that a login never waits long for it.

use super::accounts::Change;
use super::audit::{self, Walk};
use super::connection::{Connection, Row};
use super::query::{Query, Script};
use super::transaction::Transaction;
use super::{Records, chain, damaged, factors, outbox};
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::store::{Cleaned, Result, Retention, Upkeep};
use async_trait::async_trait;
use std::time::Duration;

/// Audit entries in a step.
const ENTRIES: i64 = 5000;
/// Rows of other tables in a step.
const ROWS: i64 = 1000;
/// Factors in a step: each takes several statements.
const FACTORS: i64 = 100;
/// Messages stay at least so long, because limits and the day's cost are counted from them.
const COUNTED: Duration = Duration::from_secs(24 * 3600);

/// Removes the oldest entries whose time is over, and says in the anchor where the trail begins now. Each is checked before:
/// what was tampered with stays, for whoever looks into it.
async fn entries(
    transaction: &mut Transaction,
    key: &Secret<Vec<u8>>,
    (before, now): (Timestamp, Timestamp),
) -> Result<u64> {
    let anchor = chain::anchor(&mut transaction.connection, key).await?;
    let rows = audit::oldest(&mut transaction.connection, ENTRIES).await?;
    let newest = transaction.chain.position().seq;
    let mut walk = Walk::new(key, anchor);
    for row in rows.iter().take_while(|row| row.at < before && row.seq < newest) {
        if let Err((seq, why)) = walk.step(row) {
            tracing::error!(seq, "the audit trail is broken here, and is not cleaned: {why}");
            break;
        }
    }
    let (removed, end) = walk.end();
    if removed == 0 {
        return Ok(0);
    }
    let connection = &mut transaction.connection;
    Query::new("DELETE FROM audit WHERE seq <= $1").bind(end.seq).execute(connection).await?;
    let mut script = Script::default();
    chain::write_anchor(key, &end, &mut script);
    script.execute(connection).await?;
    let entry = AuditEntry {
        at: now,
        actor: "doorward".to_owned(),
        action: "audit.retention",
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: format!("{removed} entries up to number {} were removed: their time was over", end.seq),
        request: String::new(),
    };
    audit::append(transaction, entry).await?;
    Ok(removed)
}

/// Rows that end by a moment alone.
async fn rows(connection: &mut Connection, sql: &'static str, before: Timestamp) -> Result<u64> {
    Query::new(sql).bind(before.millis()).bind(ROWS).execute(connection).await
}

/// Ends factors that nobody confirmed, and temporary codes whose time is over.
async fn ended(transaction: &mut Transaction, (pending, now): (Timestamp, Timestamp)) -> Result<u64> {
    let connection = &mut transaction.connection;
    let unconfirmed = Query::new(
        "SELECT id, person FROM factors WHERE state = 'pending' AND created < $1 ORDER BY created LIMIT $2",
    );
    let mut over = unconfirmed.bind(pending.millis()).bind(FACTORS).fetch_all(&mut *connection).await?;
    // A factor of temporary codes ends with the last of its codes that could still be used.
    let temporary = Query::new(
        "SELECT f.id, f.person FROM factors f
         WHERE f.kind = 'temporary' AND f.id IN (SELECT factor FROM one_time_codes WHERE expires <= $1)
         AND NOT EXISTS (SELECT 1 FROM one_time_codes c WHERE c.factor = f.id AND (c.expires IS NULL OR c.expires > $1))
         ORDER BY f.created LIMIT $2",
    );
    over.extend(temporary.bind(now.millis()).bind(FACTORS).fetch_all(&mut *connection).await?);
    for row in &over {
        factors::erase(&mut transaction.connection, row.text(0)?).await?;
        changed(transaction, row)?;
    }
    // Of the others only codes that are over go.
    let codes = Query::new(
        "DELETE FROM one_time_codes WHERE (factor, digest) IN
         (SELECT factor, digest FROM one_time_codes WHERE expires <= $1 ORDER BY expires LIMIT $2)",
    );
    let codes = codes.bind(now.millis()).bind(ROWS).execute(&mut transaction.connection).await?;
    Ok(over.len() as u64 + codes)
}

fn changed(transaction: &mut Transaction, row: &Row) -> Result<()> {
    transaction.change(Change::Person(row.text(1)?.parse().map_err(|_| damaged("a person's id"))?));
    Ok(())
}

async fn clean(
    transaction: &mut Transaction,
    key: &Secret<Vec<u8>>,
    (keep, now): (&Retention, Timestamp),
) -> Result<Cleaned> {
    let audit = match keep.audit {
        Some(time) => entries(transaction, key, (now - time, now)).await?,
        None => 0,
    };
    let marks =
        "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE expires < $1 ORDER BY expires LIMIT $2)";
    let marks = rows(&mut transaction.connection, marks, now).await?;
    let messages =
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE ended < $1 ORDER BY ended LIMIT $2)";
    let midnight = Timestamp::from_millis(outbox::midnight(now));
    let before = (now - keep.messages.max(COUNTED)).min(midnight);
    let messages = rows(&mut transaction.connection, messages, before).await?;
    let factors = ended(transaction, (now - keep.pending, now)).await?;
    Ok(Cleaned { audit, messages, marks, factors })
}

#[async_trait]
impl Upkeep for Records {
    async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<Cleaned> {
        let (keep, key) = (keep.clone(), self.0.audit_key.clone());
        self.write(move |transaction| Box::pin(async move { clean(transaction, &key, (&keep, now)).await }))
            .await
    }
}
