//! Failure counters as a batch changes them: read once, changed in memory in the order of the steps, written once.

use super::failure;
use super::rounds::{Charge, Round};
use super::rows::{list, parts, places, portion, rows};
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Failures, Gate};
use crate::store::Result;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};

/// Where a stranger's attempts are written, so that they cost what a known person's do.
const STRANGER: &str = "";

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Of a person.
    Of(PersonId, Counter),
    /// A stranger's are numbered, so that they never pile up.
    Stranger(usize),
}

impl Key {
    /// As the table has it.
    fn columns(self) -> (String, String) {
        match self {
            Key::Of(person, counter) => (person.to_string(), counter.key()),
            Key::Stranger(number) => (STRANGER.to_owned(), number.to_string()),
        }
    }
}

/// Where one stands.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    failures: Failures,
    change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Change {
    #[default]
    None,
    Write,
    Delete,
}

/// The counters that a batch is about.
#[derive(Debug, Default)]
pub(super) struct Counters {
    of: BTreeMap<Key, State>,
    /// A charge was taken, so that the file surely changes.
    taken: bool,
}

impl Counters {
    /// Reads those whose state matters. Who is only cleared is not read.
    pub(super) async fn read(connection: &mut SqliteConnection, rounds: &[Round]) -> Result<Self> {
        let people: BTreeSet<_> = rounds
            .iter()
            .filter_map(|round| match round {
                Round::Charge(charge, _) => charge.person,
                Round::Settle(Some(end), _) if !end.refund.is_empty() => end.person,
                Round::Settle(..) => None,
            })
            .collect();
        let people: Vec<_> = people.into_iter().collect();
        let mut counters = Self::default();
        for part in parts(&people) {
            let places = places(part.len());
            let text = format!(
                "SELECT person, counter, failures, blocked_until FROM counters WHERE person IN ({})",
                list(1, places)
            );
            let mut select = sqlx::query(AssertSqlSafe(text));
            for person in part {
                select = select.bind(person.to_string());
            }
            for _ in part.len()..places {
                // No person has this id, and the stranger's rows are not needed.
                select = select.bind("-");
            }
            for row in select.fetch_all(&mut *connection).await.map_err(failure)? {
                counters.take(&row)?;
            }
        }
        Ok(counters)
    }

    fn take(&mut self, row: &SqliteRow) -> Result<()> {
        let (person, counter): (&str, &str) =
            (row.try_get(0).map_err(failure)?, row.try_get(1).map_err(failure)?);
        let counter = match counter {
            "password" => Some(Counter::Password),
            factor => factor.parse().ok().map(Counter::Factor),
        };
        // What has no such form was never written here, and nothing will ask for it.
        if let (Ok(person), Some(counter)) = (person.parse(), counter) {
            let failures = failures(row, 2).map_err(failure)?;
            self.of.insert(Key::Of(person, counter), State { failures, change: Change::None });
        }
        Ok(())
    }

    /// Charges an attempt; one gate for each counter.
    pub(super) fn charge(&mut self, charge: &Charge) -> Vec<Gate> {
        let mut gates = Vec::with_capacity(charge.counters.len());
        for (number, counter) in charge.counters.iter().enumerate() {
            let gate = match charge.person {
                Some(person) => {
                    let state = self.of.entry(Key::Of(person, *counter)).or_default();
                    let (gate, failures) = charge.rules.charge(state.failures, charge.now);
                    if gate == Gate::Open {
                        *state = State { failures, change: Change::Write };
                    }
                    gate
                }
                None => Gate::Open,
            };
            if charge.person.is_some() && gate == Gate::Open {
                self.taken = true;
            } else {
                // Known, shut out or a stranger, the answer takes one durable commit. A row that stays as it is
                // would be none to SQLite, so this one gets the time.
                let failures = Failures { count: 1, blocked_until: charge.now };
                self.of.insert(Key::Stranger(number), State { failures, change: Change::Write });
            }
            gates.push(gate);
        }
        gates
    }

    /// Whether the file surely changes by it.
    pub(super) const fn taken(&self) -> bool {
        self.taken
    }

    /// What was right is cleared; what was charged and then not tried is taken back.
    pub(super) fn settle(&mut self, person: PersonId, clear: &[Counter], refund: &[Counter]) {
        for counter in clear {
            let cleared = State { failures: Failures::default(), change: Change::Delete };
            self.of.insert(Key::Of(person, *counter), cleared);
        }
        for counter in refund {
            let Some(state) = self.of.get_mut(&Key::Of(person, *counter)) else { continue };
            let Some(count) = state.failures.count.checked_sub(1) else { continue };
            // The delay that came with the charge goes too. A charge is taken only while no delay is on, so this
            // is its own, save for attempts that were under way together when the free ones ran out: at most
            // that many delays can be skipped, and never the hard stop.
            let failures = Failures { count, blocked_until: Timestamp::default() };
            *state = State { failures, change: Change::Write };
        }
    }

    /// Writes what has changed.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<()> {
        let changed = |wanted: Change| {
            self.of.iter().filter(move |(_, state)| state.change == wanted).map(|(key, state)| (*key, state))
        };
        let gone: Vec<_> = changed(Change::Delete).map(|(key, _)| key).collect();
        for part in parts(&gone) {
            delete(connection, part).await?;
        }
        let written: Vec<_> = changed(Change::Write).map(|(key, state)| (key, state.failures)).collect();
        let mut left = written.as_slice();
        while let Some((part, rest)) = left.split_at_checked(portion(left.len())).filter(|_| !left.is_empty())
        {
            upsert(connection, part).await?;
            left = rest;
        }
        Ok(())
    }
}

async fn delete(connection: &mut SqliteConnection, keys: &[Key]) -> Result<()> {
    let places = places(keys.len());
    let text = format!("DELETE FROM counters WHERE (person, counter) IN (VALUES {})", rows(places, 2));
    let mut delete = sqlx::query(AssertSqlSafe(text));
    for key in keys {
        let (person, counter) = key.columns();
        delete = delete.bind(person).bind(counter);
    }
    for _ in keys.len()..places {
        delete = delete.bind("-").bind("-");
    }
    delete.execute(connection).await.map_err(failure)?;
    Ok(())
}

async fn upsert(connection: &mut SqliteConnection, states: &[(Key, Failures)]) -> Result<()> {
    let text = format!(
        "INSERT INTO counters (person, counter, failures, blocked_until) VALUES {}
         ON CONFLICT (person, counter)
         DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until",
        rows(states.len(), 4)
    );
    let mut upsert = sqlx::query(AssertSqlSafe(text));
    for (key, failures) in states {
        let (person, counter) = key.columns();
        upsert = upsert
            .bind(person)
            .bind(counter)
            .bind(i64::from(failures.count))
            .bind(failures.blocked_until.millis());
    }
    upsert.execute(connection).await.map_err(failure)?;
    Ok(())
}

/// Failures from two columns of a row.
pub(super) fn failures(row: &SqliteRow, at: usize) -> Result<Failures, sqlx::Error> {
    let count: i64 = row.try_get(at)?;
    Ok(Failures {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        blocked_until: Timestamp::from_millis(row.try_get(at + 1)?),
    })
}
