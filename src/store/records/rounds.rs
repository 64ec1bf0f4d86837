//! The steps of login rounds, as many as wait, in a handful of statements.
//!
//! Charges and settlements change counters only here, in their order, and what comes of it is written once. None of
//! these steps needs a savepoint: what refuses one is read before anything of it is written, and whatever else fails
//! concerns the file and so the batch.

use super::accounts::Change;
use super::audit;
use super::batch::Answer;
use super::counters::{self, Counters};
use super::logins::{Passcode, accept, accept_code, is_active};
use super::script::{Script, places};
use super::transaction::Transaction;
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::Proof;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::store::{Result, Settled, Settlement, StoreError};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeSet;

/// What the audit entry of a round that lets someone in says.
const ACCEPT: &str = "accept";
/// Rows of each table in one script at most.
const MOST: usize = 32;

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

    /// Whose counters must be known. Who is only cleared need not be read.
    fn counts(&self) -> Option<PersonId> {
        match self {
            Round::Charge(charge, _) => charge.person,
            Round::Settle(Some(end), _) if !end.refund.is_empty() => end.person,
            Round::Settle(..) => None,
        }
    }

    /// The passcode that it accepts.
    fn passcode(&self) -> Option<Passcode> {
        let Round::Settle(Some(end), _) = self else { return None };
        match (end.person, end.accept) {
            (Some(person), Some(Proof::Position { factor, position })) => {
                Some(Passcode { person, factor, position, at: end.at })
            }
            _ => None,
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

/// What the steps need to know from the database.
pub(super) struct Reads {
    counted: Vec<PersonId>,
    let_in: Vec<PersonId>,
}

impl Reads {
    pub(super) fn of(rounds: &[Round]) -> Self {
        let once = |people: BTreeSet<_>| people.into_iter().collect();
        Self {
            counted: once(rounds.iter().filter_map(Round::counts).collect()),
            let_in: once(rounds.iter().filter_map(Round::lets_in).collect()),
        }
    }

    /// Adds the questions.
    pub(super) fn ask(&self, script: &mut Script) {
        ask(
            script,
            "SELECT person, counter, failures, blocked_until FROM counters WHERE person IN ",
            &self.counted,
        );
        // Hardly ever anybody is barred, so the active ones are counted first.
        ask(script, "SELECT count(*) FROM people WHERE status = 'active' AND id IN ", &self.let_in);
    }

    /// Reads the answers: the counters, and who of those to be let in may not log in any more.
    async fn answered(
        &self,
        transaction: &mut Transaction,
        rows: &[SqliteRow],
    ) -> Result<(Counters, BTreeSet<PersonId>)> {
        let mut counters = Counters::default();
        let mut active = 0;
        for row in rows {
            if row.len() == 1 {
                active += row.try_get::<i64, _>(0).map_err(super::failure)?;
            } else {
                counters.take(row)?;
            }
        }
        let mut barred = BTreeSet::new();
        if usize::try_from(active).ok() != Some(self.let_in.len()) {
            for person in &self.let_in {
                if !is_active(&mut transaction.connection, *person).await? {
                    barred.insert(*person);
                }
            }
        }
        Ok((counters, barred))
    }
}

fn ask(script: &mut Script, question: &str, people: &[PersonId]) {
    for part in people.chunks(64) {
        script.statement(question);
        let filled = part.iter().map(|person| person.to_string().into());
        // No person has this id.
        script.row(filled.chain(std::iter::repeat_n("-".into(), places(part.len()) - part.len())));
    }
}

/// What is left to be written when all steps are taken.
pub(super) struct Written {
    pub(super) script: Script,
    /// Whether the file surely changes by it, apart from the audit trail.
    pub(super) surely: bool,
}

/// Takes all steps, in their order.
pub(super) async fn run(
    transaction: &mut Transaction,
    rounds: &mut [Round],
    reads: &Reads,
    rows: &[SqliteRow],
) -> Result<Written> {
    let (mut counters, barred) = reads.answered(transaction, rows).await?;
    // What is accepted depends on no counter, so it can be first.
    let passcodes: Vec<_> = rounds.iter().filter_map(Round::passcode).collect();
    let accepted = accept(&mut transaction.connection, &passcodes).await?;
    let mut passcode = 0..;
    let mut entries = Vec::with_capacity(rounds.len());
    for round in rounds {
        let accepted = round.passcode().is_some() && passcode.next().is_some_and(|it| accepted.contains(&it));
        match round {
            Round::Charge(charge, answer) => answer.set(Ok(counters.charge(charge))),
            Round::Settle(end, answer) => {
                let Some(end) = end.take() else { continue };
                let settled = settle(transaction, &mut counters, *end, &barred, accepted).await;
                match settled {
                    Ok((settled, entry)) => {
                        entries.extend(entry.map(|entry| transaction.chain.record(entry)));
                        answer.set(Ok(settled));
                    }
                    Err(StoreError::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
                    Err(own) => answer.set(Err(own)),
                }
            }
        }
    }
    let (gone, changed) = counters.changes();
    let (mut gone, mut changed, mut entries) = (gone.into_iter(), changed.into_iter(), entries.into_iter());
    loop {
        let most = gone.len().max(changed.len()).max(entries.len());
        let count = places(most.min(MOST));
        let mut script = Script::default();
        counters::delete(&mut script, gone.by_ref().take(count), count);
        counters::write(&mut script, changed.by_ref().take(count), count);
        audit::insert(&mut script, entries.by_ref().take(count), count);
        if most <= MOST {
            return Ok(Written { script, surely: counters.taken() });
        }
        script.execute(&mut transaction.connection).await.map_err(audit::taken)?;
    }
}

async fn settle(
    transaction: &mut Transaction,
    counters: &mut Counters,
    end: Settlement,
    barred: &BTreeSet<PersonId>,
    accepted: bool,
) -> Result<(Settled, Option<AuditEntry>)> {
    if let Some(proof) = end.accept {
        let accepted = match (end.person, proof) {
            (Some(person), Proof::Code { factor, digest }) => {
                accept_code(&mut transaction.connection, person, (factor, digest), end.at).await?
            }
            _ => accepted,
        };
        if !accepted {
            return Ok((Settled::Replayed, end.replayed));
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
    Ok((Settled::Done, Some(end.audit)))
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
