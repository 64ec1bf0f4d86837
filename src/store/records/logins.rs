//! Charging attempts and settling rounds: handed to the writer, which takes those that wait together
//! ([`super::rounds`]); and accepting a proof exactly once.

use super::counters::failures;
use super::rounds::{Charge, Round};
use super::script::{Script, Value, places};
use super::{Records, failure, number};
use crate::base::Timestamp;
use crate::domain::factor::{CodeDigest, FactorId};
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::store::{Attempts, CounterState, Logins, Result, Settled, Settlement};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeSet;

/// Passcodes in one text at most.
const PART: usize = 16;

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

/// A passcode to be used up: the position of a factor.
pub(super) struct Passcode {
    pub(super) person: PersonId,
    pub(super) factor: FactorId,
    pub(super) position: u64,
    pub(super) at: Timestamp,
}

/// Uses passcodes up, in their order; which of them were accepted. One statement for each, so that of any number of
/// racers one wins. A person who was locked in between, or a factor that was revoked, is no winner.
pub(super) async fn accept(
    connection: &mut SqliteConnection,
    passcodes: &[Passcode],
) -> Result<BTreeSet<usize>> {
    let mut accepted = BTreeSet::new();
    for (part, passcodes) in passcodes.chunks(PART).enumerate() {
        let mut script = Script::default();
        for place in 0..places(passcodes.len()) {
            // Places left over name no factor.
            let code = passcodes.get(place);
            let text = |text: Option<String>| Value::from(text.unwrap_or_default());
            let position = number(code.map_or(0, |code| code.position));
            script.statement("UPDATE factors SET next = ");
            script.value((position + 1).into());
            script.add(", used = ");
            script.value(code.map_or(0, |code| code.at.millis()).into());
            script.add(" WHERE state = 'active' AND next <= ");
            script.value(position.into());
            script.add(" AND (id, person) = ");
            script.row([
                text(code.map(|code| code.factor.to_string())),
                text(code.map(|code| code.person.to_string())),
            ]);
            script.add(
                " AND EXISTS (SELECT 1 FROM people WHERE people.id = factors.person AND people.status = 'active')
                 RETURNING ",
            );
            script.value(number((part * PART + place) as u64).into());
        }
        for row in script.fetch(connection).await? {
            let place: i64 = row.try_get(0).map_err(failure)?;
            accepted.extend(usize::try_from(place));
        }
    }
    Ok(accepted)
}

/// Uses a recovery or temporary code up, likewise.
pub(super) async fn accept_code(
    connection: &mut SqliteConnection,
    person: PersonId,
    (factor, digest): (FactorId, CodeDigest),
    at: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE one_time_codes SET uses_left = uses_left - 1
         WHERE factor = $1 AND digest = $3 AND uses_left > 0 AND (expires IS NULL OR expires > $4)
         AND EXISTS (SELECT 1 FROM factors f JOIN people p ON p.id = f.person
                     WHERE f.id = $1 AND f.person = $2 AND f.state = 'active' AND p.status = 'active')",
    )
    .bind(factor.to_string())
    .bind(person.to_string())
    .bind(HEXLOWER.encode(&digest))
    .bind(at.millis())
    .execute(&mut *connection)
    .await
    .map_err(failure)?;
    let accepted = done.rows_affected() == 1;
    if accepted {
        sqlx::query("UPDATE factors SET used = $2 WHERE id = $1")
            .bind(factor.to_string())
            .bind(at.millis())
            .execute(connection)
            .await
            .map_err(failure)?;
    }
    Ok(accepted)
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
