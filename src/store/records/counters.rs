//! Failure counters as a batch changes them: read at once, changed in memory in the order of the steps, written at once.

use super::connection::Row;
use super::query::{Script, Value};
use super::rounds::Charge;
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Failures, Gate};
use crate::store::Result;
use std::collections::BTreeMap;

/// Where a stranger's attempts are written, so that they cost what a known person's do.
const STRANGER: &str = "";

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Of a person.
    Of(PersonId, Counter),
    /// A stranger's are numbered, so that they never pile up.
    Stranger(usize),
}

impl Key {
    /// As the table has it.
    fn columns(self) -> [Value; 2] {
        match self {
            Key::Of(person, counter) => [person.to_string().into(), counter.key().into()],
            Key::Stranger(number) => [STRANGER.into(), number.to_string().into()],
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
    /// Takes one as it stands in the database.
    pub(super) fn take(&mut self, row: &Row) -> Result<()> {
        let (person, counter) = (row.text(0)?, row.text(1)?);
        let counter = match counter {
            "password" => Some(Counter::Password),
            "sent" => Some(Counter::Sent),
            factor => factor.parse().ok().map(Counter::Factor),
        };
        // What has no such form was never written here, and nothing will ask for it.
        if let (Ok(person), Some(counter)) = (person.parse(), counter) {
            let failures = failures(row, 2)?;
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

    /// What is to be deleted and what to be written.
    pub(super) fn changes(&self) -> (Vec<Key>, Vec<(Key, Failures)>) {
        let changed = |wanted: Change| {
            self.of.iter().filter(move |(_, state)| state.change == wanted).map(|(key, state)| (*key, *state))
        };
        let gone = changed(Change::Delete).map(|(key, _)| key).collect();
        (gone, changed(Change::Write).map(|(key, state)| (key, state.failures)).collect())
    }
}

/// Adds a statement that deletes at most so many.
pub(super) fn delete(script: &mut Script, keys: impl Iterator<Item = Key>, count: usize) {
    script.statement("DELETE FROM counters WHERE (person, counter) IN (VALUES ");
    // No counter is called so.
    script.rows(keys.map(Key::columns), count, &["-".into(), "-".into()]);
    script.add(")");
}

/// Adds a statement that writes at most so many.
pub(super) fn write(script: &mut Script, states: impl Iterator<Item = (Key, Failures)>, count: usize) {
    let rows = states.map(|(key, failures)| {
        let [person, counter] = key.columns();
        [person, counter, i64::from(failures.count).into(), failures.blocked_until.millis().into()]
    });
    script.statement(
        "INSERT INTO counters (person, counter, failures, blocked_until)
         SELECT column1, column2, column3, column4 FROM (VALUES ",
    );
    let empty = [Value::Text(None), Value::Text(None), Value::Number(None), Value::Number(None)];
    script.rows(rows, count, &empty);
    script.add(
        ") AS changed WHERE column1 IS NOT NULL ON CONFLICT (person, counter)
         DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until",
    );
}

/// Failures from two columns of a row.
pub(super) fn failures(row: &Row, at: usize) -> Result<Failures> {
    Ok(Failures {
        count: u32::try_from(row.number(at)?).unwrap_or(u32::MAX),
        blocked_until: Timestamp::from_millis(row.number(at + 1)?),
    })
}
