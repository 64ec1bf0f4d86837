//! Charging attempts and settling rounds: handed to the writer, which takes those that wait together
//! ([`super::rounds`]); and accepting a proof exactly once.

use super::counters::failures;
use super::rounds::{Charge, Round};
use super::{Records, failure, number};
use crate::base::Timestamp;
use crate::domain::factor::Proof;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::store::{Attempts, CounterState, Logins, Result, Settled, Settlement};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sqlx::{Row, SqliteConnection};

#[async_trait]
impl Attempts for Records {
    async fn charge(
        &self,
        person: Option<PersonId>,
        counters: &[Counter],
        rules: &Throttle,
        now: Timestamp,
    ) -> Result<Vec<Gate>> {
        let charge = Charge { person, counters: counters.to_vec(), rules: rules.clone(), now };
        self.0.writer.round(|answer| Round::Charge(charge, answer)).await
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
            Ok(CounterState { counter: row.try_get(0)?, failures: failures(&row, 1)? })
        };
        rows.into_iter().map(|row| state(row).map_err(failure)).collect()
    }
}

/// Uses the proof up: one statement, so that of any number of racers one wins. A person who was locked in
/// between, or a factor that was revoked, is no winner.
pub(super) async fn accept(
    connection: &mut SqliteConnection,
    person: Option<PersonId>,
    proof: Proof,
    at: Timestamp,
) -> Result<bool> {
    let person = person.map(|person| person.to_string()).unwrap_or_default();
    let done = match proof {
        Proof::Position { factor, position } => sqlx::query(
            "UPDATE factors SET next = $3 + 1, used = $4
             WHERE id = $1 AND person = $2 AND state = 'active' AND next <= $3
             AND EXISTS (SELECT 1 FROM people WHERE id = $2 AND status = 'active')",
        )
        .bind(factor.to_string())
        .bind(&person)
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
            .bind(&person)
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

/// Whether the person may still log in.
pub(super) async fn is_active(connection: &mut SqliteConnection, person: PersonId) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM people WHERE id = $1 AND status = 'active'")
        .bind(person.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failure)?;
    Ok(row.is_some())
}

#[async_trait]
impl Logins for Records {
    async fn settle(&self, settlement: Settlement) -> Result<Settled> {
        let end = Some(Box::new(settlement));
        self.0.writer.round(|answer| Round::Settle(end, answer)).await
    }
}
