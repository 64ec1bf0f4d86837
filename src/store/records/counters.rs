//! Failure counters: charged and settled in memory, in the order of the steps, and written with the settlement.
//!
//! On SQLite one process owns the file, so all counters that are not at zero are in its memory, and a charge holds at once
//! for everything that it does. What came of the attempt leaves only after the commit that writes the counters of the
//! person as they are then: a guess that was answered is in the file. On PostgreSQL other nodes must see a charge before
//! the attempt is verified, so it is a commit of its own, and counters are in memory for the time of a batch only.

mod tally;

pub(super) use tally::Tally;

use super::connection::Row;
use super::query::{Script, Value};
use super::transaction::Transaction;
use super::witness::Witness;
use crate::base::{DrawnState, Timestamp};
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Failures, Gate, Throttle};
use crate::store::{CounterState, Result};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a stranger's attempts are written, so that they cost what a known person's do.
const STRANGER: &str = "";

/// Rows in one statement when all are written.
const PART: usize = 64;

/// The key of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Rows to be deleted and to be written.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) gone: Vec<Key>,
    pub(super) changed: Vec<(Key, Failures)>,
}

/// Where one stands.
#[derive(Debug, Clone, Copy)]
struct Kept {
    counter: Counter,
    now: Failures,
    /// As the database has it; none: no row.
    stored: Option<Failures>,
}

/// Counters in memory.
#[derive(Debug, Default)]
pub(super) struct Counters {
    of: HashMap<PersonId, SmallVec<[Kept; 1]>, DrawnState>,
    /// Where those stood that a commit under way deletes: until it is made, it is not so for anybody who is to be let through.
    ending: Vec<(PersonId, Counter, Failures)>,
}

impl Counters {
    /// Takes one as it stands in the database, unless more is known of it.
    pub(super) fn take(&mut self, row: &Row) -> Result<()> {
        let (person, counter) = (row.text(0)?, row.text(1)?);
        let counter = match counter {
            "password" => Some(Counter::Password),
            "sent" => Some(Counter::Sent),
            "reset" => Some(Counter::Reset),
            "questions" => Some(Counter::Questions),
            "devices" => Some(Counter::Devices),
            factor => factor.parse().ok().map(Counter::Factor),
        };
        // What has no such form was never written here, and nothing will ask for it.
        if let (Ok(person), Some(counter)) = (person.parse(), counter) {
            self.found(person, counter, failures(row, 2)?);
        }
        Ok(())
    }

    /// One stands so in the database.
    fn found(&mut self, person: PersonId, counter: Counter, failures: Failures) {
        let kept = self.kept(person, counter);
        kept.stored = Some(failures);
        if kept.now.count <= failures.count {
            kept.now = failures;
        }
    }

    fn kept(&mut self, person: PersonId, counter: Counter) -> &mut Kept {
        let of = self.of.entry(person).or_default();
        let at = of.iter().position(|kept| kept.counter == counter).unwrap_or(of.len());
        if at == of.len() {
            of.push(Kept { counter, now: Failures::default(), stored: None });
        }
        // It is there, or was just put there.
        &mut of[at]
    }

    /// Charges an attempt; one gate for each counter.
    fn charge(
        &mut self,
        person: Option<PersonId>,
        counters: &[Counter],
        rules: &Throttle,
        now: Timestamp,
    ) -> Vec<Gate> {
        let Some(person) = person else { return vec![Gate::Open; counters.len()] };
        let gates = counters.iter().map(|counter| {
            let kept = self.kept(person, *counter);
            let (gate, failures) = rules.charge(kept.now, now);
            if gate == Gate::Open {
                kept.now = failures;
            }
            gate
        });
        gates.collect()
    }

    /// The same for one who is outside the batch under way.
    fn charge_meanwhile(
        &mut self,
        person: Option<PersonId>,
        counters: &[Counter],
        rules: &Throttle,
        now: Timestamp,
    ) -> Vec<Gate> {
        let before = |counter: &Counter| {
            let mut ending = self.ending.iter();
            ending.find(|(of, ending, _)| (Some(*of), ending) == (person, counter))
        };
        let mut gates = counters.iter().filter_map(before).map(|(.., before)| rules.charge(*before, now).0);
        match gates.find(|gate| *gate != Gate::Open) {
            Some(shut) => vec![shut; counters.len()],
            None => self.charge(person, counters, rules, now),
        }
    }

    /// What was right is cleared; what was charged and then not tried is taken back.
    fn settle(&mut self, person: PersonId, clear: &[Counter], refund: &[Counter]) {
        let Some(of) = self.of.get_mut(&person) else { return };
        for kept in of {
            if clear.contains(&kept.counter) {
                kept.now = Failures::default();
            }
            if refund.contains(&kept.counter)
                && let Some(count) = kept.now.count.checked_sub(1)
            {
                // The delay that came with the charge goes too. A charge is taken only while no delay is on, so this
                // is its own, save for attempts that were under way together when the free ones ran out: at most
                // that many delays can be skipped, and never the hard stop.
                kept.now = Failures { count, blocked_until: Timestamp::default() };
            }
        }
    }

    /// What the database does not know of a person; from now on it does.
    fn changes(&mut self, person: PersonId, changes: &mut Changes) {
        let Some(of) = self.of.get_mut(&person) else { return };
        of.retain_mut(|kept| {
            let key = Key::Of(person, kept.counter);
            match kept.stored {
                Some(_) if kept.now.count == 0 => changes.gone.push(key),
                None if kept.now.count == 0 => {}
                stored => {
                    if stored != Some(kept.now) {
                        changes.changed.push((key, kept.now));
                        kept.stored = Some(kept.now);
                    }
                    return true;
                }
            }
            false
        });
        if of.is_empty() {
            self.of.remove(&person);
        }
    }

    /// Rows were deleted, all of a person or one, by what is yet to be committed.
    fn deleted(&mut self, person: PersonId, counter: Option<Counter>) {
        let Some(of) = self.of.get_mut(&person) else { return };
        of.retain(|kept| {
            let stays = counter.is_some_and(|counter| counter != kept.counter);
            if !stays {
                self.ending.push((person, kept.counter, kept.now));
            }
            stays
        });
        if of.is_empty() {
            self.of.remove(&person);
        }
    }

    fn of(&self, person: PersonId) -> Vec<CounterState> {
        let of = self.of.get(&person).into_iter().flatten().filter(|kept| kept.now.count > 0);
        let mut states: Vec<_> =
            of.map(|kept| CounterState { counter: kept.counter.key(), failures: kept.now }).collect();
        states.sort_by(|a, b| a.counter.cmp(&b.counter));
        states
    }
}

/// Those of a file, which its one process has in memory; none before they were read. In several parts, so that logins do not
/// wait for each other.
#[derive(Debug, Default)]
pub(super) struct Shared([Mutex<Option<Counters>>; PARTS]);

const PARTS: usize = 16;

/// The part of a person; the ends of their ids are random.
fn part_of(person: Option<PersonId>) -> usize {
    person.and_then(|person| person.as_bytes().last().copied()).map_or(0, |last| usize::from(last) % PARTS)
}

impl Shared {
    fn parts(&self) -> impl Iterator<Item = MutexGuard<'_, Option<Counters>>> {
        self.0.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn part(&self, person: Option<PersonId>) -> MutexGuard<'_, Option<Counters>> {
        let [first, ..] = &self.0;
        let part = self.0.get(part_of(person)).unwrap_or(first);
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges an attempt in memory; none where memory is not as good as the file.
    pub(super) fn charge(
        &self,
        witness: &Witness,
        (person, counters): (Option<PersonId>, &[Counter]),
        rules: &Throttle,
        now: Timestamp,
    ) -> Option<Vec<Gate>> {
        let mut kept = self.part(person);
        let known = kept.as_mut().filter(|_| witness.trusts())?;
        Some(known.charge_meanwhile(person, counters, rules, now))
    }

    /// Settles an attempt of someone of whom the file knows nothing, and need not know anything after it; `false`, and
    /// nothing is settled, if that is not so or memory is not as good as the file.
    pub(super) fn settle_unwritten(
        &self,
        witness: &Witness,
        person: PersonId,
        (clear, refund): (&[Counter], &[Counter]),
    ) -> bool {
        let mut kept = self.part(Some(person));
        let Some(known) = kept.as_mut().filter(|_| witness.trusts()) else { return false };
        let over = |kept: &Kept| {
            let left = if clear.contains(&kept.counter) { 0 } else { kept.now.count };
            kept.stored.is_none() && left <= u32::from(refund.contains(&kept.counter))
        };
        let over = known.of.get(&person).is_none_or(|of| of.iter().all(over));
        if over {
            known.of.remove(&person);
        }
        over
    }

    /// What is not at zero; none where memory is not as good as the file.
    pub(super) fn of(&self, witness: &Witness, person: PersonId) -> Option<Vec<CounterState>> {
        self.part(Some(person)).as_ref().filter(|_| witness.trusts()).map(|known| known.of(person))
    }

    /// Takes all rows of the table. `keep` what more is known in memory: another program has changed nothing.
    pub(super) fn load(&self, rows: &[Row], keep: bool) -> Result<()> {
        let mut read = Counters::default();
        rows.iter().try_for_each(|row| read.take(row))?;
        for mut part in self.parts() {
            let known = part.get_or_insert_default();
            known.of.values_mut().flatten().for_each(|kept| {
                let stored = kept.stored.take().map_or(0, |stored| stored.count);
                if !keep {
                    // What is under way comes on top of what is read.
                    kept.now.count = kept.now.count.saturating_sub(stored);
                }
            });
            known.of.retain(|_, of| {
                of.retain(|kept| kept.now.count > 0);
                !of.is_empty()
            });
        }
        for (person, of) in read.of {
            let mut part = self.part(Some(person));
            let known = part.get_or_insert_default();
            for Kept { counter, now, .. } in of {
                if !keep {
                    let under_way = &mut known.kept(person, counter).now;
                    under_way.count = under_way.count.saturating_add(now.count);
                    under_way.blocked_until = under_way.blocked_until.max(now.blocked_until);
                }
                known.found(person, counter, now);
            }
        }
        Ok(())
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.parts().for_each(|mut part| *part = None);
    }

    /// Rows are deleted by the batch under way: for its rounds at once, for charges after [`Self::ended`].
    pub(super) fn deleted(&self, person: PersonId, counter: Option<Counter>) {
        if let Some(known) = self.part(Some(person)).as_mut() {
            known.deleted(person, counter);
        }
    }

    /// The batch is committed, or lost.
    pub(super) fn ended(&self) {
        self.parts().for_each(|mut part| {
            if let Some(known) = part.as_mut() {
                known.ending.clear();
            }
        });
    }

    /// Everything that the file does not know.
    pub(super) fn all_changes(&self) -> Changes {
        let mut changes = Changes::default();
        for mut part in self.parts() {
            let Some(known) = part.as_mut() else { continue };
            let people: Vec<_> = known.of.keys().copied().collect();
            people.into_iter().for_each(|person| known.changes(person, &mut changes));
        }
        changes
    }
}

/// Writes what only memory knows.
pub(super) async fn flush(transaction: &mut Transaction) -> Result<()> {
    let Changes { gone, changed } = transaction.counters.all_changes();
    let (mut gone, mut changed) = (gone.into_iter(), changed.into_iter());
    while gone.len() > 0 || changed.len() > 0 {
        let mut script = Script::default();
        delete(&mut script, gone.by_ref().take(PART), PART);
        write(&mut script, changed.by_ref().take(PART), PART);
        script.execute(&mut transaction.connection).await?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    // R-CODE-1
    #[test]
    fn counter_that_a_commit_deletes_stands_until_it_is_made() {
        let (person, now) = (PersonId::from_uuid(uuid::Uuid::from_u128(1)), Timestamp::from_secs(1000));
        let rules = Throttle { free: 2, hard_stop: 2, ..Throttle::default() };
        let shared = Shared::default();
        shared.load(&[], false).unwrap();
        let charge = |counter: Counter| {
            let mut part = shared.part(Some(person));
            part.as_mut().unwrap().charge_meanwhile(Some(person), &[counter], &rules, now)
        };
        for gate in [Gate::Open, Gate::Open, Gate::Stopped] {
            assert_eq!(charge(Counter::Sent), [gate]);
        }
        assert_eq!(charge(Counter::Password), [Gate::Open]);
        shared.deleted(person, Some(Counter::Sent));
        assert_eq!(
            charge(Counter::Sent),
            [Gate::Stopped],
            "the commit may fail, and what it changes is not seen"
        );
        assert_eq!(charge(Counter::Password), [Gate::Open]);
        shared.ended();
        assert_eq!(charge(Counter::Sent), [Gate::Open]);
        assert_eq!(charge(Counter::Password), [Gate::Stopped], "another was not deleted");
    }
}
