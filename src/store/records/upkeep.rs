//! Removes what is over, in steps of bounded size, so that a login never waits long for it. What is to go is looked for, and
//! the trail read, by a connection that reads; only what is to be written takes its place among the writers. The same goes for
//! the index of the trail ([`super::subjects`]).

use super::accounts::Change;
use super::audit::{self, Walk};
use super::chain::{self, Position};
use super::connection::Connection;
use super::query::{Query, Script, places};
use super::transaction::Transaction;
use super::{Records, damaged, limits, subjects};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::throttle::Counter;
use crate::store::{AuditQuery, Cleaned, Result, Retention, Upkeep};
use async_trait::async_trait;
use std::sync::PoisonError;
use std::time::Duration;

/// Audit entries in a step.
const ENTRIES: u32 = 500;
/// Rows of other tables in a step.
const ROWS: i64 = 1000;
/// Factors of each kind in a step, and in one statement.
const FACTORS: usize = 64;
/// Messages stay at least so long, because limits and the day's cost are counted from them.
const COUNTED: Duration = Duration::from_secs(24 * 3600);

/// Factors that nobody confirmed in time.
const UNCONFIRMED: &str =
    "SELECT id FROM factors WHERE state = 'pending' AND created < $1 ORDER BY created LIMIT $2";
/// A factor of temporary codes ends with the last of its codes that could still be used.
const TEMPORARY: &str = "SELECT f.id FROM factors f WHERE f.kind = 'temporary' AND NOT EXISTS
     (SELECT 1 FROM one_time_codes c WHERE c.factor = f.id AND (c.expires IS NULL OR c.expires > $1))
     ORDER BY f.id LIMIT $2";

fn told(action: &'static str, detail: String, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        actor: "doorward".to_owned(),
        action,
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: detail.into(),
        request: String::new(),
    }
}

/// The oldest entries, as far as their time is over and they are whole.
struct Over {
    anchor: Position,
    end: Position,
    count: u64,
}

impl Records {
    /// Looks which entries may go. Each is checked: what was tampered with stays, for whoever looks into it. Also says what is
    /// wrong with the trail there, if anything is.
    async fn over(&self, before: Timestamp) -> Result<(Option<Over>, Option<String>)> {
        let readers = &self.0.readers;
        let first = Query::new("SELECT at FROM audit ORDER BY seq LIMIT 1").fetch_optional(readers).await?;
        if first.map(|row| row.number(0)).transpose()?.is_none_or(|at| at >= before.millis()) {
            return Ok((None, None));
        }
        let anchor = chain::anchor(readers, &self.0.audit_key).await?;
        let newest = self.0.chain_end.lock().unwrap_or_else(PoisonError::into_inner).at.seq;
        let oldest = AuditQuery { after: i64::MIN, limit: ENTRIES, ..AuditQuery::default() };
        let rows = audit::entries(readers, &oldest).await?;
        let mut walk = Walk::new(&self.0.audit_key, anchor);
        let mut over = rows.iter().take_while(|row| row.at < before && row.seq < newest);
        let broken = over.find_map(|row| walk.step(row).err());
        let trouble = broken.map(|(seq, why)| format!("it is broken at {seq} ({why})"));
        let (count, end) = walk.end();
        Ok(((count > 0).then_some(Over { anchor, end, count }), trouble))
    }

    /// A step of the trail; how many entries went, and what is wrong with it.
    async fn trail(&self, keep: Duration, now: Timestamp) -> Result<(u64, Option<String>)> {
        let (over, trouble) = self.over(now - keep).await?;
        let Some(over) = over else { return Ok((0, trouble)) };
        let key = self.0.audit_key.clone();
        let removed = self.write(move |transaction| {
            Box::pin(async move {
                if chain::anchor(&mut transaction.connection, &key).await? != over.anchor {
                    // Another node was faster.
                    return Ok(0);
                }
                let delete = Query::new("DELETE FROM audit WHERE seq <= $1").bind(over.end.seq);
                delete.execute(&mut transaction.connection).await?;
                let (began, begins) = (over.anchor.seq + 1, over.end.seq + 1);
                if subjects::part_of(began) < subjects::part_of(begins) {
                    subjects::forget(&mut transaction.connection, begins).await?;
                }
                let mut script = Script::default();
                chain::write_anchor(&key, &over.end, &mut script);
                script.execute(&mut transaction.connection).await?;
                let Over { count, end, .. } = over;
                let detail =
                    format!("{count} entries up to number {} were removed: their time was over", end.seq);
                audit::append(transaction, told("audit.retention", detail, now)).await?;
                Ok(count)
            })
        });
        Ok((removed.await?, trouble))
    }

    /// Factors that may go.
    async fn ended(&self, sql: &'static str, before: Timestamp) -> Result<Vec<String>> {
        let query = Query::new(sql).bind(before.millis()).bind(super::number(FACTORS as u64));
        let rows = query.fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
    }
}

/// Rows that end by a moment alone.
async fn rows(connection: &mut Connection, sql: &'static str, before: Timestamp) -> Result<u64> {
    Query::new(sql).bind(before.millis()).bind(ROWS).execute(connection).await
}

/// Erases those of these factors that are still as they were when they were looked for: codes, counters and sealed seeds.
/// At most [`FACTORS`].
async fn erase(transaction: &mut Transaction, ids: &[String], still: &'static str) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let count = places(ids.len());
    let mut script = Script::default();
    script.statement("SELECT id, person FROM factors WHERE id IN ");
    script.row(ids.iter().map(Into::into).chain(std::iter::repeat_n("".into(), count - ids.len())));
    script.add(still);
    let found = script.fetch(&mut transaction.connection).await?;
    let mut over = Vec::with_capacity(found.len());
    for row in &found {
        over.push((row.text(0)?, row.text(1)?));
        let person = row.text(1)?.parse().map_err(|_| damaged("a person's id"))?;
        let factor = row.text(0)?.parse().map_err(|_| damaged("a factor's id"))?;
        transaction.change(Change::Person(person));
        transaction.change(Change::Cleared(person, Some(Counter::Factor(factor))));
    }
    let mut script = Script::default();
    script.statement("DELETE FROM one_time_codes WHERE factor IN (VALUES ");
    script.rows(over.iter().map(|(id, _)| [(*id).into()]), count, &["".into()]);
    script.add(")");
    script.statement("DELETE FROM counters WHERE (person, counter) IN (VALUES ");
    let counters = over.iter().map(|(id, person)| [(*person).into(), (*id).into()]);
    script.rows(counters, count, &["-".into(), "-".into()]);
    script.add(")");
    script.statement(
        "UPDATE tokens SET state = 'revoked', person = NULL, factor = NULL,
         next = (SELECT o.next FROM positions o WHERE o.factor = tokens.factor) WHERE factor IN (VALUES ",
    );
    script.rows(over.iter().map(|(id, _)| [(*id).into()]), count, &["".into()]);
    script.add(")");
    script.statement("DELETE FROM positions WHERE factor IN (VALUES ");
    script.rows(over.iter().map(|(id, _)| [(*id).into()]), count, &["".into()]);
    script.add(")");
    script.statement("DELETE FROM factors WHERE id IN (VALUES ");
    script.rows(over.iter().map(|(id, _)| [(*id).into()]), count, &["".into()]);
    script.add(")");
    script.execute(&mut transaction.connection).await?;
    Ok(over.len() as u64)
}

async fn factors(
    transaction: &mut Transaction,
    (pending, temporary): (&[String], &[String]),
    now: Timestamp,
) -> Result<u64> {
    let pending = erase(transaction, pending, " AND state = 'pending'").await?;
    let temporary = erase(transaction, temporary, " AND kind = 'temporary'").await?;
    if pending + temporary > 0 {
        let detail = format!(
            "{pending} factors that nobody confirmed and {temporary} of temporary codes were removed: their time was over"
        );
        audit::append(transaction, told("factor.retention", detail, now)).await?;
    }
    // Of the others only codes that are over go; a temporary factor is found by its codes' end.
    let codes = "DELETE FROM one_time_codes WHERE (factor, digest) IN
         (SELECT c.factor, c.digest FROM one_time_codes c JOIN factors f ON f.id = c.factor
          WHERE c.expires <= $1 AND f.kind <> 'temporary' ORDER BY c.expires LIMIT $2)";
    Ok(pending + temporary + rows(&mut transaction.connection, codes, now).await?)
}

#[async_trait]
impl Upkeep for Records {
    async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<Cleaned> {
        let pending = self.ended(UNCONFIRMED, now - keep.pending).await?;
        let temporary = self.ended(TEMPORARY, now).await?;
        let midnight = Timestamp::from_millis(limits::midnight(now));
        let before = (now - keep.messages.max(COUNTED)).min(midnight);
        let others = self.write(move |transaction| {
            Box::pin(async move {
                let marks = "DELETE FROM once WHERE id IN
                             (SELECT id FROM once WHERE expires < $1 ORDER BY expires LIMIT $2)";
                let marks = rows(&mut transaction.connection, marks, now).await?;
                let messages = "DELETE FROM outbox WHERE id IN
                                (SELECT id FROM outbox WHERE ended < $1 ORDER BY ended LIMIT $2)";
                let messages = rows(&mut transaction.connection, messages, before).await?;
                let sessions = "DELETE FROM sessions WHERE id IN
                                (SELECT id FROM sessions WHERE expires <= $1 ORDER BY expires LIMIT $2)";
                let sessions = rows(&mut transaction.connection, sessions, now).await?;
                let factors = factors(transaction, (&pending, &temporary), now).await?;
                Ok(Cleaned { audit: 0, messages, marks, factors, sessions })
            })
        });
        let mut cleaned = others.await?;
        if let Some(time) = keep.audit {
            // Whatever is wrong with the trail, the others are cleaned. It is told in the last step of a run.
            let trouble = match self.trail(time, now).await {
                Ok((removed, trouble)) => {
                    cleaned.audit = removed;
                    trouble
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = trouble
                && cleaned == Cleaned::default()
            {
                tracing::error!("the audit trail is not cleaned any more: {why}");
            }
        }
        Ok(cleaned)
    }

    async fn index(&self) -> Result<bool> {
        self.next_part().await
    }
}
