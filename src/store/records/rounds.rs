//! The steps of login rounds, as many as wait, in a handful of statements.
//!
//! Charges and settlements change counters only here, in their order, and what comes of it is written once. None of
//! these steps needs a savepoint: what refuses one is read before anything of it is written, and whatever else fails
//! concerns the file and so the batch.

use super::accounts::Change;
use super::counters::Counters;
use super::logins::accept;
use super::rows::{list, parts, places};
use super::writer::{Answer, Transaction};
use super::{audit, failure};
use crate::base::Timestamp;
use crate::domain::factor::Proof;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::store::{AuditRecord, Result, Settled, Settlement, StoreError};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::collections::BTreeSet;

/// What the audit entry of a round that lets someone in says.
const ACCEPT: &str = "accept";

/// An attempt to be charged.
pub(super) struct Charge {
    pub(super) person: Option<PersonId>,
    pub(super) counters: Vec<Counter>,
    pub(super) rules: Throttle,
    pub(super) now: Timestamp,
}

/// A step of a login round, with who waits for it.
pub(super) enum Round {
    Charge(Charge, Answer<Vec<Gate>>),
    /// The settlement is taken out when its turn comes.
    Settle(Option<Box<Settlement>>, Answer<Settled>),
}

impl Round {
    /// Answers, after the commit or when there was none.
    pub(super) fn finish(self, failed: Option<&str>) {
        match self {
            Round::Charge(_, answer) => answer.send(failed),
            Round::Settle(_, answer) => answer.send(failed),
        }
    }

    /// Whom it lets in without a proof.
    fn lets_in(&self) -> Option<PersonId> {
        match self {
            Round::Settle(Some(end), _) if end.accept.is_none() && end.audit.outcome == ACCEPT => end.person,
            _ => None,
        }
    }
}

/// Takes all steps, in their order; whether the file surely changes by them, apart from the audit trail.
pub(super) async fn run(transaction: &mut Transaction, rounds: &mut [Round]) -> Result<bool> {
    let mut counters = Counters::read(&mut transaction.connection, rounds).await?;
    let barred = barred(&mut transaction.connection, rounds).await?;
    let mut entries = Vec::with_capacity(rounds.len());
    for round in rounds {
        match round {
            Round::Charge(charge, answer) => answer.set(Ok(counters.charge(charge))),
            Round::Settle(end, answer) => {
                let Some(end) = end.take() else { continue };
                let settled = settle(transaction, &mut counters, &mut entries, *end, &barred).await;
                if let Err(StoreError::Unavailable(_)) = settled {
                    return settled.map(|_| false);
                }
                answer.set(settled);
            }
        }
    }
    counters.write(&mut transaction.connection).await?;
    audit::insert(&mut transaction.connection, entries).await?;
    Ok(counters.taken())
}

async fn settle(
    transaction: &mut Transaction,
    counters: &mut Counters,
    entries: &mut Vec<AuditRecord>,
    end: Settlement,
    barred: &BTreeSet<PersonId>,
) -> Result<Settled> {
    if let Some(proof) = end.accept {
        if !accept(&mut transaction.connection, end.person, proof, end.at).await? {
            entries.extend(end.replayed.map(|entry| transaction.chain.record(entry)));
            return Ok(Settled::Replayed);
        }
        note(transaction, &end, proof);
    } else if end.audit.outcome == ACCEPT && end.person.is_none_or(|person| barred.contains(&person)) {
        // Without a proof the caller has no refusal at hand. An error makes no answer, and when the client asks
        // again the lock is seen.
        return Err(StoreError::Conflict("the person was locked while logging in".into()));
    }
    if let Some(person) = end.person {
        counters.settle(person, &end.clear, &end.refund);
    }
    entries.push(transaction.chain.record(end.audit));
    Ok(Settled::Done)
}

/// What an accepted proof changes in the account.
fn note(transaction: &mut Transaction, end: &Settlement, proof: Proof) {
    let Some(person) = end.person else { return };
    transaction.change(match proof {
        Proof::Position { factor, position } => {
            Change::Accepted { person, factor, next: position.saturating_add(1), used: end.at }
        }
        Proof::Code { .. } => Change::Person(person),
    });
}

/// Who of those to be let in without a proof may not log in any more: hardly ever anybody, so the active ones are
/// counted first.
async fn barred(connection: &mut SqliteConnection, rounds: &[Round]) -> Result<BTreeSet<PersonId>> {
    let people: BTreeSet<_> = rounds.iter().filter_map(Round::lets_in).collect();
    let people: Vec<_> = people.into_iter().collect();
    let mut barred = BTreeSet::new();
    for part in parts(&people) {
        let places = places(part.len());
        let text =
            format!("SELECT count(*) FROM people WHERE status = 'active' AND id IN ({})", list(1, places));
        let mut count = sqlx::query(AssertSqlSafe(text));
        for person in part {
            count = count.bind(person.to_string());
        }
        for _ in part.len()..places {
            count = count.bind("");
        }
        let row = count.fetch_one(&mut *connection).await.map_err(failure)?;
        let active: i64 = row.try_get(0).map_err(failure)?;
        if usize::try_from(active).is_ok_and(|active| active == part.len()) {
            continue;
        }
        for person in part {
            if !is_active(connection, *person).await? {
                barred.insert(*person);
            }
        }
    }
    Ok(barred)
}

async fn is_active(connection: &mut SqliteConnection, person: PersonId) -> Result<bool> {
    let row = sqlx::query("SELECT 1 FROM people WHERE id = $1 AND status = 'active'")
        .bind(person.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failure)?;
    Ok(row.is_some())
}
