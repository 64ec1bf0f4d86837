//! The hot path: charging attempts, and accepting a proof exactly once.

use super::writer::Transaction;
use super::{Records, audit, failure, number};
use crate::base::Timestamp;
use crate::domain::factor::Proof;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Failures, Gate, Throttle};
use crate::store::{Attempts, CounterState, Logins, Result, Settled, Settlement, StoreError};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sqlx::{Row, SqliteConnection};

/// Where a stranger's attempts are written, so that they cost what a known person's do.
const STRANGER: &str = "";

async fn read(connection: &mut SqliteConnection, person: &str, counter: &str) -> Result<Failures> {
    let row = sqlx::query("SELECT failures, blocked_until FROM counters WHERE person = $1 AND counter = $2")
        .bind(person)
        .bind(counter)
        .fetch_optional(connection)
        .await
        .map_err(failure)?;
    let Some(row) = row else { return Ok(Failures::default()) };
    let count: i64 = row.try_get(0).map_err(failure)?;
    Ok(Failures {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        blocked_until: Timestamp::from_millis(row.try_get(1).map_err(failure)?),
    })
}

async fn write(
    connection: &mut SqliteConnection,
    person: &str,
    counter: &str,
    failures: Failures,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO counters (person, counter, failures, blocked_until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (person, counter)
         DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until",
    )
    .bind(person)
    .bind(counter)
    .bind(i64::from(failures.count))
    .bind(failures.blocked_until.millis())
    .execute(connection)
    .await
    .map_err(failure)?;
    Ok(())
}

#[async_trait]
impl Attempts for Records {
    async fn charge(
        &self,
        person: Option<PersonId>,
        counters: &[Counter],
        rules: &Throttle,
        now: Timestamp,
    ) -> Result<Vec<Gate>> {
        let (counters, rules) = (counters.to_vec(), rules.clone());
        self.write(move |transaction| {
            Box::pin(async move {
                let connection = &mut transaction.connection;
                let id = person.map_or_else(|| STRANGER.to_owned(), |person| person.to_string());
                let mut gates = Vec::with_capacity(counters.len());
                for (number, counter) in counters.iter().enumerate() {
                    // A stranger's rows are numbered, so that they never pile up.
                    let key = if person.is_some() { counter.key() } else { number.to_string() };
                    // Nobody else writes between the read and the write: there is one writer.
                    let before = read(connection, &id, &key).await?;
                    let before = if person.is_some() { before } else { Failures::default() };
                    let (gate, after) = rules.charge(before, now);
                    // Written even if the gate is shut and nothing changes: known, shut out or a stranger, the
                    // answer takes one durable commit.
                    write(connection, &id, &key, after).await?;
                    gates.push(if person.is_some() { gate } else { Gate::Open });
                }
                Ok(gates)
            })
        })
        .await
    }

    async fn failures(&self, person: PersonId) -> Result<Vec<CounterState>> {
        let rows = sqlx::query(
            "SELECT counter, failures, blocked_until FROM counters
             WHERE person = $1 AND failures > 0 ORDER BY counter",
        )
        .bind(person.to_string())
        .fetch_all(&self.0.readers)
        .await
        .map_err(failure)?;
        let state = |row: sqlx::sqlite::SqliteRow| -> Result<_, sqlx::Error> {
            let count: i64 = row.try_get(1)?;
            Ok(CounterState {
                counter: row.try_get(0)?,
                failures: Failures {
                    count: u32::try_from(count).unwrap_or(u32::MAX),
                    blocked_until: Timestamp::from_millis(row.try_get(2)?),
                },
            })
        };
        rows.into_iter().map(|row| state(row).map_err(failure)).collect()
    }
}

/// Uses the proof up: one statement, so that of any number of racers one wins. A person who was locked in
/// between, or a factor that was revoked, is no winner.
async fn accept(
    connection: &mut SqliteConnection,
    person: &str,
    proof: Proof,
    at: Timestamp,
) -> Result<bool> {
    let done = match proof {
        Proof::Position { factor, position } => sqlx::query(
            "UPDATE factors SET next = $3 + 1, used = $4
             WHERE id = $1 AND person = $2 AND state = 'active' AND next <= $3
             AND EXISTS (SELECT 1 FROM people WHERE id = $2 AND status = 'active')",
        )
        .bind(factor.to_string())
        .bind(person)
        .bind(number(position))
        .bind(at.millis())
        .execute(connection)
        .await
        .map_err(failure)?,
        Proof::Code { factor, digest } => {
            let done = sqlx::query(
                "UPDATE one_time_codes SET uses_left = uses_left - 1
                 WHERE factor = $1 AND digest = $3 AND uses_left > 0 AND (expires IS NULL OR expires > $4)
                 AND EXISTS (SELECT 1 FROM factors f JOIN people p ON p.id = f.person
                             WHERE f.id = $1 AND f.person = $2 AND f.state = 'active' AND p.status = 'active')",
            )
            .bind(factor.to_string())
            .bind(person)
            .bind(HEXLOWER.encode(&digest))
            .bind(at.millis())
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
            if done.rows_affected() == 1 {
                sqlx::query("UPDATE factors SET used = $2 WHERE id = $1")
                    .bind(factor.to_string())
                    .bind(at.millis())
                    .execute(connection)
                    .await
                    .map_err(failure)?;
            }
            done
        }
    };
    Ok(done.rows_affected() == 1)
}

/// What the audit entry of a round that lets someone in says.
const ACCEPT: &str = "accept";

/// Whether the person may still log in.
async fn is_active(connection: &mut SqliteConnection, person: &str) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM people WHERE id = $1 AND status = 'active'")
        .bind(person)
        .fetch_optional(connection)
        .await
        .map_err(failure)?;
    Ok(row.is_some())
}

async fn settle(transaction: &mut Transaction, settlement: Settlement) -> Result<Settled> {
    let Settlement { person, accept: proof, clear, refund, at, audit: entry, replayed } = settlement;
    let id = person.map(|person| person.to_string()).unwrap_or_default();
    let connection = &mut transaction.connection;
    if let Some(proof) = proof
        && !accept(connection, &id, proof, at).await?
    {
        if let Some(replayed) = replayed {
            audit::append(transaction, replayed).await?;
        }
        return Ok(Settled::Replayed);
    }
    if proof.is_none() && entry.outcome == ACCEPT && !is_active(connection, &id).await? {
        // Without a proof the caller has no refusal at hand. An error makes no answer, and when the client asks
        // again the lock is seen.
        return Err(StoreError::Conflict("the person was locked while logging in".into()));
    }
    if person.is_some() {
        for counter in clear {
            sqlx::query("DELETE FROM counters WHERE person = $1 AND counter = $2")
                .bind(&id)
                .bind(counter.key())
                .execute(&mut *connection)
                .await
                .map_err(failure)?;
        }
        for counter in refund {
            // The delay that came with the charge goes too. A charge is taken only while no delay is on, so this
            // is its own, save for attempts that were under way together when the free ones ran out: at most
            // that many delays can be skipped, and never the hard stop.
            sqlx::query(
                "UPDATE counters SET failures = failures - 1, blocked_until = 0
                 WHERE person = $1 AND counter = $2 AND failures > 0",
            )
            .bind(&id)
            .bind(counter.key())
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
        }
    }
    audit::append(transaction, entry).await?;
    Ok(Settled::Done)
}

#[async_trait]
impl Logins for Records {
    async fn settle(&self, settlement: Settlement) -> Result<Settled> {
        self.write(move |transaction| Box::pin(settle(transaction, settlement))).await
    }
}
