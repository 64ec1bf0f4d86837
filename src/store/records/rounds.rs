//! The steps of login rounds, as many as wait, in a handful of statements.
//!
//! Settlements change counters only here, in their order, and what comes of it is written once. None of
//! these steps needs a savepoint: what refuses one is read before anything of it is written, and whatever else fails
//! concerns the file and so the batch.

use super::accounts::Change;
use super::audit;
use super::batch::Answer;
use super::connection::{Connection, Row};
use super::counters::{self, Changes, Counters, Tally};
use super::logins::{Passcode, accept, accept_code, accept_in_file, accept_standing, is_active};
use super::marks::Marks;
use super::outbox;
use super::query::{Script, places};
use super::transaction::Transaction;
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::Proof;
use crate::domain::person::PersonId;
use crate::domain::throttle::{CounterList, Gate, Throttle};
use crate::store::{Result, Settled, Settlement, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of each table in one script at most.
const MOST: usize = 32;

/// An attempt to be charged.
pub(super) struct Charge {
    pub(super) person: Option<PersonId>,
    pub(super) counters: CounterList,
    pub(super) rules: Throttle,
    pub(super) now: Timestamp,
}

/// A settlement, and what its message says, sealed.
pub(super) struct End {
    pub(super) settlement: Box<Settlement>,
    pub(super) sealed: Option<String>,
}

/// A step of a login round, with who waits for it.
pub(super) enum Round {
    Charge(Charge, Answer<Vec<Gate>>),
    /// The settlement is taken out when its turn comes.
    Settle(Option<Box<End>>, Answer<Settled>),
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
            _ => self.settlement().filter(|end| !end.refund.is_empty()).and_then(Settlement::person),
        }
    }

    fn settlement(&self) -> Option<&Settlement> {
        match self {
            Round::Settle(end, _) => end.as_ref().map(|end| &*end.settlement),
            Round::Charge(..) => None,
        }
    }

    /// The passcode that the round of this number accepts.
    fn passcode(&self, round: usize) -> Option<Passcode> {
        let end = self.settlement()?;
        match (end.person(), end.accept) {
            (Some(person), Some(Proof::Position { factor, position })) => {
                Some(Passcode { round, person, factor, position, at: end.at(), once: end.once.clone() })
            }
            _ => None,
        }
    }

    /// Whom it lets in without a proof.
    fn lets_in(&self) -> Option<PersonId> {
        let end = self.settlement().filter(|end| end.accept.is_none() && end.admits);
        end.and_then(Settlement::person)
    }

    /// What it uses once.
    fn once(&self) -> impl Iterator<Item = &str> {
        self.settlement().into_iter().flat_map(|end| end.once.iter().map(|(name, _)| name.as_str()))
    }
}

/// What the steps need to know from the database.
pub(super) struct Reads {
    counted: Vec<PersonId>,
    let_in: Vec<PersonId>,
    once: Vec<String>,
}

/// What the database has answered.
struct Known {
    tally: Tally,
    /// Who of those to be let in may not log in any more.
    barred: BTreeSet<PersonId>,
    marks: Marks,
}

impl Known {
    fn touch(&mut self, end: &Settlement) {
        end.person().into_iter().for_each(|person| self.tally.touch(person));
    }
}

impl Reads {
    /// `file`: counters and accounts are in memory.
    pub(super) fn of(rounds: &[Round], file: bool) -> Self {
        let each = |people: BTreeSet<_>| people.into_iter().collect();
        let marks: BTreeSet<_> = rounds.iter().flat_map(Round::once).collect();
        let once = marks.into_iter().map(str::to_owned).collect();
        if file {
            return Self { counted: Vec::new(), let_in: Vec::new(), once };
        }
        Self {
            counted: each(rounds.iter().filter_map(Round::counts).collect()),
            let_in: each(rounds.iter().filter_map(Round::lets_in).collect()),
            once,
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
        ask(script, "SELECT id, expires FROM once WHERE id IN ", &self.once);
    }

    /// Reads the answers, which are told apart by how many columns they have.
    async fn answered(&self, transaction: &mut Transaction, rounds: &[Round], rows: &[Row]) -> Result<Known> {
        let (mut counters, mut marks) = (Counters::default(), Marks::default());
        let mut active = 0;
        for row in rows {
            match row.len() {
                1 => active += row.number(0)?,
                2 => marks.known(row.text(0)?),
                _ => counters.take(row)?,
            }
        }
        let mut barred = BTreeSet::new();
        if !transaction.connection.is_postgres() {
            for person in rounds.iter().filter_map(Round::lets_in) {
                let active = match transaction.accounts_of(person).and_then(|known| known.is_active(person)) {
                    Some(active) => active,
                    None => is_active(&mut transaction.connection, person).await?,
                };
                if !active {
                    barred.insert(person);
                }
            }
            let tally = Tally::shared(Arc::clone(&transaction.counters));
            return Ok(Known { tally, barred, marks });
        }
        if usize::try_from(active).ok() != Some(self.let_in.len()) {
            for person in &self.let_in {
                if !is_active(&mut transaction.connection, *person).await? {
                    barred.insert(*person);
                }
            }
        }
        Ok(Known { tally: Tally::read(counters), barred, marks })
    }
}

fn ask(script: &mut Script, question: &str, ids: &[impl ToString]) {
    for part in ids.chunks(64) {
        script.statement(question);
        let filled = part.iter().map(|id| id.to_string().into());
        // Nothing has this id.
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
    rows: &[Row],
) -> Result<Written> {
    let mut known = reads.answered(transaction, rounds, rows).await?;
    // What is accepted depends on no counter, so it can be first.
    let passcodes = rounds.iter().enumerate().filter_map(|(number, round)| round.passcode(number));
    let passcodes: Vec<_> = passcodes.collect();
    let accepted = if transaction.connection.is_postgres() {
        accept(&mut transaction.connection, &passcodes, &mut known.marks).await?
    } else {
        accept_in_file(transaction, &passcodes, &mut known.marks).await?
    };
    let mut entries = Vec::with_capacity(rounds.len());
    for (number, round) in rounds.iter_mut().enumerate() {
        match round {
            Round::Charge(charge, answer) => answer.set(Ok(known.tally.charge(charge))),
            Round::Settle(end, answer) => {
                let Some(end) = end.take() else { continue };
                match settle(transaction, &mut known, *end, (number, accepted.contains(&number))).await {
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
    let Known { tally, marks, .. } = known;
    let Changes { gone, changed } = tally.changes();
    if let Connection::Sqlite(lite) = &transaction.connection {
        audit::insert_each(lite, &std::mem::take(&mut entries))?;
    }
    let surely = !gone.is_empty() || !changed.is_empty();
    let (mut gone, mut changed, mut entries) = (gone.into_iter(), changed.into_iter(), entries.into_iter());
    let mut script = Script::default();
    marks.write(&mut script);
    loop {
        let most = gone.len().max(changed.len()).max(entries.len());
        let count = places(most.min(MOST));
        counters::delete(&mut script, gone.by_ref().take(count), count);
        counters::write(&mut script, changed.by_ref().take(count), count);
        audit::insert(&mut script, entries.by_ref().take(count), count);
        if most <= MOST {
            return Ok(Written { script, surely });
        }
        std::mem::take(&mut script).execute(&mut transaction.connection).await.map_err(audit::taken)?;
    }
}

/// Settles the round of this number, of which the passcode, if it has one, was `accepted` or not.
async fn settle(
    transaction: &mut Transaction,
    known: &mut Known,
    End { settlement: end, sealed }: End,
    (round, accepted): (usize, bool),
) -> Result<(Settled, Option<AuditEntry>)> {
    if let Some(code) = end.joins
        && !outbox::carries(&mut transaction.connection, code).await?
    {
        known.touch(&end);
        return Ok((Settled::Unsent, None));
    }
    known.touch(&end);
    if !known.marks.are_free(&end.once, round) {
        return Ok((Settled::Replayed, end.replayed.map(|entry| *entry)));
    }
    if let Some(proof) = end.accept {
        let accepted = match (end.person(), proof) {
            (Some(person), Proof::Code { factor, digest }) => {
                accept_code(&mut transaction.connection, person, (factor, digest), end.at()).await?
            }
            (Some(person), Proof::Standing { factor }) => {
                accept_standing(&mut transaction.connection, person, factor, end.at()).await?
            }
            _ => accepted,
        };
        if !accepted {
            return Ok((Settled::Replayed, end.replayed.map(|entry| *entry)));
        }
        note(transaction, &end, proof);
    } else if end.admits && end.person().is_none_or(|person| known.barred.contains(&person)) {
        // Without a proof the caller has no refusal at hand. An error makes no answer, and when the client asks
        // again the lock is seen.
        return Err(StoreError::Conflict("the person was locked while logging in".into()));
    }
    known.marks.take(&end.once, round);
    if let Some(person) = end.person() {
        known.tally.settle(person, &end.clear, &end.refund);
    }
    if let (Some((message, limits)), Some(sealed)) = (&end.message, sealed)
        && let Some(limit) = outbox::add(&mut transaction.connection, message, limits, sealed).await?
    {
        return Ok((Settled::Limited(limit), end.limited.map(|entry| *entry)));
    }
    Ok((Settled::Done, Some(end.audit)))
}

/// What an accepted proof changes in the account.
fn note(transaction: &mut Transaction, end: &Settlement, proof: Proof) {
    let Some(person) = end.person() else { return };
    transaction.change(match proof {
        Proof::Position { factor, position } => {
            Change::Accepted { person, factor, next: position.saturating_add(1), used: end.at() }
        }
        Proof::Standing { factor } => Change::Accepted { person, factor, next: 0, used: end.at() },
        Proof::Code { .. } => Change::Person(person),
    });
}
