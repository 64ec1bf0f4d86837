//! Charging attempts and settling rounds: handed to the writer, which takes those that wait together
//! ([`super::rounds`]); and accepting a proof exactly once.

use super::connection::Connection;
use super::counters::failures;
use super::marks::Marks;
use super::outbox;
use super::query::{Query, Script, places};
use super::rounds::{Charge, End, Round};
use super::transaction::Transaction;
use super::{Inner, Records, damaged, number};
use crate::base::affinity::stay;
use crate::base::{Soon, Timestamp};
use crate::domain::factor::{CodeDigest, FactorId};
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::store::{Attempts, CounterState, Logins, Result, Settled, Settlement};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use rusqlite::ToSql;
use std::collections::{BTreeMap, BTreeSet};

/// Passcodes in one statement at most.
const PART: usize = 64;

#[async_trait]
impl Attempts for Records {
    fn charge<'a>(
        &'a self,
        person: Option<PersonId>,
        counters: &'a [Counter],
        rules: &'a Throttle,
        now: Timestamp,
    ) -> Soon<'a, Result<Vec<Gate>>> {
        let attempt = (person, counters);
        if let Some(gates) = self.0.counters.charge(&self.0.accounts.witness, attempt, rules, now) {
            return Soon::now(Ok(gates));
        }
        let charge = Charge { person, counters: counters.into(), rules: rules.clone(), now };
        Soon::later(self.0.writer.round(|answer| Round::Charge(charge, answer)))
    }

    async fn failures(&self, person: PersonId) -> Result<Vec<CounterState>> {
        if let Some(known) = self.0.counters.of(&self.0.accounts.witness, person) {
            return Ok(known);
        }
        let rows = Query::new(
            "SELECT counter, failures, blocked_until FROM counters
             WHERE person = $1 AND failures > 0 ORDER BY counter",
        )
        .bind(person.to_string())
        .fetch_all(&self.0.readers)
        .await?;
        let state = |row: &super::connection::Row| {
            Ok(CounterState { counter: row.text(0)?.to_owned(), failures: failures(row, 1)? })
        };
        rows.iter().map(state).collect()
    }
}

/// A passcode to be used up: the position of a factor.
pub(super) struct Passcode {
    /// The number of its round.
    pub(super) round: usize,
    pub(super) person: PersonId,
    pub(super) factor: FactorId,
    pub(super) position: u64,
    pub(super) at: Timestamp,
    /// What is used up with it, or neither is.
    pub(super) once: Vec<(String, Timestamp)>,
}

/// Uses passcodes up; the rounds whose were accepted. One atomic statement accepts, so that of any number of racers one
/// wins. A person who was locked in between, or a factor that was revoked, is no winner.
///
/// Of one factor, and of one mark, one after the other has its turn: those that wait for it are left for the next statement.
pub(super) async fn accept(
    connection: &mut Connection,
    passcodes: &[Passcode],
    marks: &mut Marks,
) -> Result<BTreeSet<usize>> {
    let mut accepted = BTreeSet::new();
    let mut tried = BTreeMap::new();
    let mut waiting: Vec<&Passcode> = passcodes.iter().collect();
    while !waiting.is_empty() {
        let (mut turn, mut left) = (BTreeMap::new(), Vec::new());
        let mut named = BTreeSet::new();
        for code in waiting {
            let highest = tried.get(&(code.factor, code.person));
            if highest.is_some_and(|highest| code.position <= *highest)
                || !marks.are_free(&code.once, code.round)
            {
                // Whether that one was accepted or not, nothing up to it will be.
                continue;
            }
            let taken =
                turn.contains_key(&code.factor) || code.once.iter().any(|(name, _)| named.contains(name));
            if taken || turn.len() == PART {
                left.push(code);
                continue;
            }
            named.extend(code.once.iter().map(|(name, _)| name));
            tried.insert((code.factor, code.person), code.position);
            turn.insert(code.factor, code);
        }
        for factor in accept_each(connection, turn.values().copied()).await? {
            let code = turn.get(&factor).ok_or_else(|| damaged("a factor's id"))?;
            marks.take(&code.once, code.round);
            accepted.insert(code.round);
        }
        waiting = left;
    }
    Ok(accepted)
}

/// The same on SQLite, one after the other: there a statement costs no round trip.
pub(super) async fn accept_in_file(
    transaction: &mut Transaction,
    passcodes: &[Passcode],
    marks: &mut Marks,
) -> Result<BTreeSet<usize>> {
    const ACCEPT: &str = "UPDATE positions SET next = ?2 + 1, used = ?3 WHERE factor = ?1 AND next <= ?2";
    let mut accepted = BTreeSet::new();
    for code in passcodes {
        let known = transaction.accounts_of(code.person);
        let usable = match known.and_then(|known| known.is_usable(code.person, code.factor)) {
            Some(usable) => usable,
            None => is_usable(&mut transaction.connection, code).await?,
        };
        let Connection::Sqlite(lite) = &transaction.connection else { break };
        if !usable || !marks.are_free(&code.once, code.round) {
            continue;
        }
        let values: [&dyn ToSql; 3] = [&code.factor.to_string(), &number(code.position), &code.at.millis()];
        if lite.run(ACCEPT, &values)? == 1 {
            marks.take(&code.once, code.round);
            accepted.insert(code.round);
        }
    }
    Ok(accepted)
}

/// Whether the factor is still there, and its owner may log in.
async fn is_usable(connection: &mut Connection, code: &Passcode) -> Result<bool> {
    let row = Query::new(
        "SELECT 1 FROM factors f JOIN people p ON p.id = f.person
         WHERE f.id = $1 AND f.person = $2 AND f.state = 'active' AND p.status = 'active'",
    );
    let row = row.bind(code.factor.to_string()).bind(code.person.to_string());
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// No two of the same factor; the factors whose were accepted.
async fn accept_each(
    connection: &mut Connection,
    passcodes: impl ExactSizeIterator<Item = &Passcode>,
) -> Result<Vec<FactorId>> {
    if passcodes.len() == 0 {
        return Ok(Vec::new());
    }
    let count = places(passcodes.len());
    let mut script = Script::default();
    script.statement("UPDATE positions SET next = column3 + 1, used = column4 FROM (VALUES ");
    let rows = passcodes.map(|code| {
        let position = number(code.position);
        [
            code.factor.to_string().into(),
            code.person.to_string().into(),
            position.into(),
            code.at.millis().into(),
        ]
    });
    // No factor has this id.
    script.rows(rows, count, &["".into(), "".into(), 0_i64.into(), 0_i64.into()]);
    script.add(
        ") AS code WHERE factor = column1 AND next <= column3
         AND EXISTS (SELECT 1 FROM factors f JOIN people p ON p.id = f.person
                     WHERE f.id = column1 AND f.person = column2 AND f.state = 'active' AND p.status = 'active')
         RETURNING factor",
    );
    let rows = script.fetch(connection).await?;
    rows.iter().map(|row| row.text(0)?.parse().map_err(|_| damaged("a factor's id"))).collect()
}

/// Uses a recovery or temporary code up, likewise.
pub(super) async fn accept_code(
    connection: &mut Connection,
    person: PersonId,
    (factor, digest): (FactorId, CodeDigest),
    at: Timestamp,
) -> Result<bool> {
    let done = Query::new(
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
    .await?;
    let accepted = done == 1;
    if accepted {
        let used = Query::new("UPDATE positions SET used = $2 WHERE factor = $1");
        used.bind(factor.to_string()).bind(at.millis()).execute(connection).await?;
    }
    Ok(accepted)
}

/// Accepts what is not used up: whether the factor is still there, and its owner may log in. It notes when.
pub(super) async fn accept_standing(
    connection: &mut Connection,
    person: PersonId,
    factor: FactorId,
    at: Timestamp,
) -> Result<bool> {
    let used = Query::new(
        "UPDATE positions SET used = $3 WHERE factor = $1
         AND EXISTS (SELECT 1 FROM factors f JOIN people p ON p.id = f.person
                     WHERE f.id = $1 AND f.person = $2 AND f.state = 'active' AND p.status = 'active')",
    );
    let used = used.bind(factor.to_string()).bind(person.to_string()).bind(at.millis());
    Ok(used.execute(connection).await? == 1)
}

/// Whether the person may still log in.
pub(super) async fn is_active(connection: &mut Connection, person: PersonId) -> Result<bool> {
    let row = Query::new("SELECT 1 FROM people WHERE id = $1 AND status = 'active'")
        .bind(person.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

impl Records {
    /// Takes a settlement that changes nothing in the file, which then need not be waited for ([`super::notes`]), or gives it
    /// back. This is one: somebody known is let in without a passcode, and nothing was counted against them.
    fn note(&self, mut end: Box<Settlement>) -> std::result::Result<(), Box<Settlement>> {
        let Inner { notes, accounts, counters, .. } = &*self.0;
        let person = end.person().filter(|_| {
            end.admits
                && end.accept.is_none()
                && end.once.is_empty()
                && end.joins.is_none()
                && end.message.is_none()
        });
        let Some(person) = person.filter(|_| notes.is_open()) else { return Err(end) };
        // Locked a moment ago, they are not let in: memory knows it before the lock is answered.
        let unwritten = accounts.witness.trusts()
            && accounts.is_active(person) == Some(true)
            && counters.settle_unwritten(&accounts.witness, person, (&end.clear, &end.refund));
        if !unwritten {
            return Err(end);
        }
        match notes.take(end.audit) {
            None => Ok(()),
            Some(audit) => {
                end.audit = audit;
                Err(end)
            }
        }
    }
}

#[async_trait]
impl Logins for Records {
    fn settle(&self, settlement: Box<Settlement>) -> Soon<'_, Result<Settled>> {
        let settlement = match self.note(settlement) {
            Ok(()) => return Soon::now(Ok(Settled::Done)),
            Err(settlement) => settlement,
        };
        // The file is waited for.
        stay(false);
        let sealed = settlement.message.as_ref().map(|(message, _)| outbox::sealed(self, message));
        match sealed.transpose() {
            Ok(sealed) => {
                let end = Some(Box::new(End { settlement, sealed }));
                Soon::later(self.0.writer.round(|answer| Round::Settle(end, answer)))
            }
            Err(error) => Soon::now(Err(error)),
        }
    }

    async fn mark(&self, (name, expires): (String, Timestamp)) -> Result<bool> {
        self.write(move |transaction| {
            Box::pin(async move {
                let mark = "INSERT INTO once (id, expires) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
                let mark = Query::new(mark).bind(name).bind(expires.millis());
                Ok(mark.execute(&mut transaction.connection).await? == 1)
            })
        })
        .await
    }

    async fn is_marked(&self, name: &str) -> Result<bool> {
        let row = Query::new("SELECT 1 FROM once WHERE id = $1").bind(name);
        Ok(row.fetch_optional(&self.0.readers).await?.is_some())
    }
}
