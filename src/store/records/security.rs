//! Security data: contacts ([`super::contacts`]), questions, the activation of accounts, and how far people have come with them.
//!
//! Hashes of answers are sealed, bound to their person, with the questions that they answer. What the help desk may see is sealed
//! under a key of its own, and is given out only once it is written down who looks.

use super::super::seal::Place;
use super::accounts::Change;
use super::contacts::Proved;
use super::outbox::Notices;
use super::people::{accept, gone};
use super::query::Query;
use super::transaction::Transaction;
use super::{Records, audit, contacts, coverage, damaged, sessions};
use crate::base::{OsRandom, Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::campus::Campuses;
use crate::domain::contact::ContactKind;
use crate::domain::message::NewMessage;
use crate::domain::person::PersonId;
use crate::domain::question::QuestionId;
use crate::store::{
    Answer, Answers, ContactChange, Coverage, Result, SecurityChange, SecurityData, SecurityProfile, Seen,
    SessionKey, StoreError,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// A question with what is kept of its answer, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    question: QuestionId,
    /// A hash; for the help desk the answer itself.
    answer: String,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.answer.zeroize();
    }
}

impl Sealed {
    fn opened(mut self) -> (QuestionId, Secret<String>) {
        (self.question.clone(), Secret::new(std::mem::take(&mut self.answer)))
    }
}

/// Where hashes of answers are kept.
fn answers_of(person: &str) -> Place<'_> {
    Place { table: "questions", row: person, person, kind: "answers" }
}

/// Where the answer for the help desk is kept.
fn spoken_of(person: &str) -> Place<'_> {
    Place { table: "questions", row: person, person, kind: "spoken" }
}

fn json<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>> {
    serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| damaged("questions"))
}

/// A change as it is written.
struct Written {
    contacts: Vec<ContactChange>,
    /// Questions in plain, for the profile; with their answers, sealed.
    questions: Option<(String, String)>,
    /// Question, and with its answer, sealed.
    helpdesk: Option<(Option<String>, String)>,
    seen: Option<Seen>,
    registered: Option<Timestamp>,
    language: Option<String>,
    session: Option<SessionKey>,
}

impl Records {
    /// Questions in plain, and with the hashes of their answers, sealed.
    fn sealed_answers(&self, person: &str, answers: &[Answer]) -> Result<(String, String)> {
        let chosen: Vec<_> = answers.iter().map(|answer| &answer.question).collect();
        let chosen = serde_json::to_string(&chosen).map_err(|_| damaged("questions"))?;
        if answers.is_empty() {
            return Ok((chosen, String::new()));
        }
        let kept = |Answer { question, hash }: &Answer| Sealed {
            question: question.clone(),
            answer: hash.expose().clone(),
        };
        let kept = json(&answers.iter().map(kept).collect::<Vec<_>>())?;
        Ok((chosen, self.seal(answers_of(person), &kept)?))
    }

    /// The question for the help desk, and with its answer, sealed.
    fn sealed_spoken(
        &self,
        person: &str,
        wanted: Option<(QuestionId, Secret<String>)>,
    ) -> Result<(Option<String>, String)> {
        let Some((question, answer)) = wanted else { return Ok((None, String::new())) };
        let named = question.to_string();
        let kept = json(&Sealed { question, answer: answer.expose().clone() })?;
        let sealed = self.0.helpdesk.seal(&OsRandom, spoken_of(person), &kept)?;
        Ok((Some(named), sealed))
    }

    fn sealed_change(&self, person: &str, change: SecurityChange) -> Result<Written> {
        let questions = change.questions.map(|answers| self.sealed_answers(person, &answers));
        let helpdesk = change.helpdesk.map(|wanted| self.sealed_spoken(person, wanted));
        Ok(Written {
            contacts: change.contacts,
            questions: questions.transpose()?,
            helpdesk: helpdesk.transpose()?,
            seen: change.seen,
            registered: change.registered,
            language: change.language,
            session: change.session,
        })
    }
}

/// A number or an address is not the person's any more, and ends what may have begun with it: sessions of the portal but the one in
/// which it was done, those of Wi-Fi, and challenges.
async fn lost(transaction: &mut Transaction, person: PersonId, but: Option<SessionKey>) -> Result<()> {
    let void = Query::new("UPDATE people SET version = version + 1 WHERE id = $1");
    void.bind(person.to_string()).execute(&mut transaction.connection).await?;
    sessions::end_others(transaction, person, but).await.map(drop)
}

async fn update(transaction: &mut Transaction, person: PersonId, change: Written) -> Result<()> {
    transaction.change(Change::Person(person));
    let (connection, id) = (&mut transaction.connection, &person.to_string());
    let done = Query::new(
        "UPDATE people SET registered = coalesce(registered, $2), language = coalesce($3, language)
         WHERE id = $1 AND departed IS NULL",
    );
    let done = done.bind(id).bind(change.registered.map(Timestamp::millis)).bind(change.language);
    if done.execute(&mut *connection).await? == 0 {
        return Err(gone());
    }
    if contacts::change(connection, id, &change.contacts).await? {
        lost(transaction, person, change.session).await?;
    }
    let connection = &mut transaction.connection;
    if change.questions.is_none() && change.helpdesk.is_none() {
        return Ok(());
    }
    let row = Query::new(
        "INSERT INTO questions (person, chosen, answers, spoken) VALUES ($1, '[]', '', '')
         ON CONFLICT (person) DO NOTHING",
    );
    row.bind(id).execute(&mut *connection).await?;
    if let Some(Seen { answers, spoken }) = change.seen {
        // Locks the row, too, so that nobody changes them before this is done.
        let same = Query::new(
            "UPDATE questions SET person = person WHERE person = $1 AND answers = $2 AND spoken = $3",
        );
        if same.bind(id).bind(answers).bind(spoken).execute(&mut *connection).await? == 0 {
            return Err(StoreError::Conflict("the answers were changed meanwhile".to_owned()));
        }
    }
    if let Some((chosen, answers)) = change.questions {
        let anew = Query::new("UPDATE questions SET chosen = $2, answers = $3 WHERE person = $1");
        anew.bind(id).bind(chosen).bind(answers).execute(&mut *connection).await?;
    }
    if let Some((question, spoken)) = change.helpdesk {
        let anew = Query::new("UPDATE questions SET helpdesk = $2, spoken = $3 WHERE person = $1");
        anew.bind(id).bind(question).bind(spoken).execute(connection).await?;
    }
    Ok(())
}

/// `false` if the account is not new.
async fn activate(
    transaction: &mut Transaction,
    person: PersonId,
    accepted: Option<&str>,
    at: Timestamp,
) -> Result<bool> {
    transaction.change(Change::Person(person));
    let activate = Query::new(
        "UPDATE people SET status = 'active', fresh = 0, version = version + 1
         WHERE id = $1 AND status = 'new' AND departed IS NULL",
    );
    if activate.bind(person.to_string()).execute(&mut transaction.connection).await? == 0 {
        return Ok(false);
    }
    if let Some(version) = accepted {
        accept(&mut transaction.connection, person, version, at).await?;
    }
    Ok(true)
}

/// The messages that tell of a change, and its entry in the trail.
async fn told(transaction: &mut Transaction, entry: AuditEntry, notices: Notices) -> Result<()> {
    notices.add(&mut transaction.connection).await?;
    audit::append(transaction, entry).await
}

#[async_trait]
impl SecurityData for Records {
    async fn profile(&self, person: PersonId) -> Result<SecurityProfile> {
        let rows = Query::new(
            "SELECT p.registered, p.language, q.chosen, q.helpdesk, c.kind, c.proven, c.waiting FROM people p
             LEFT JOIN questions q ON q.person = p.id LEFT JOIN contacts c ON c.person = p.id WHERE p.id = $1",
        );
        let rows = rows.bind(person.to_string()).fetch_all(&self.0.readers).await?;
        let first = rows.first().ok_or_else(gone)?;
        let chosen = first.optional_text(2)?.map(serde_json::from_str).transpose();
        let helpdesk = first.optional_text(3)?.map(str::parse).transpose();
        let contacts = rows.iter().filter_map(|row| contacts::contact(row, 4).transpose());
        let mut contacts = contacts.collect::<Result<Vec<_>>>()?;
        contacts.sort_unstable_by_key(|contact| contact.kind);
        Ok(SecurityProfile {
            contacts,
            questions: chosen.map_err(|_| damaged("a list of questions"))?.unwrap_or_default(),
            helpdesk: helpdesk.map_err(|()| damaged("a question"))?,
            registered: first.optional_number(0)?.map(Timestamp::from_millis),
            language: first.optional_text(1)?.map(str::to_owned),
        })
    }

    async fn update(
        &self,
        person: PersonId,
        change: SecurityChange,
        entry: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<()> {
        let written = self.sealed_change(&person.to_string(), change)?;
        let notices = Notices::seal(self, notices)?;
        self.write(move |transaction| {
            Box::pin(async move {
                update(transaction, person, written).await?;
                told(transaction, entry, notices).await
            })
        })
        .await
    }

    async fn prove(
        &self,
        person: PersonId,
        (kind, value): (ContactKind, String),
        session: Option<SessionKey>,
        entry: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<bool> {
        let notices = Notices::seal(self, notices)?;
        self.write(move |transaction| {
            Box::pin(async move {
                transaction.change(Change::Person(person));
                let connection = &mut transaction.connection;
                match contacts::prove(connection, &person.to_string(), (kind, &value)).await? {
                    Proved::Not => return Ok(false),
                    Proved::First => {}
                    Proved::Instead => lost(transaction, person, session).await?,
                }
                told(transaction, entry, notices).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn answers(&self, person: PersonId) -> Result<Answers> {
        let id = person.to_string();
        let row = Query::new("SELECT answers, spoken FROM questions WHERE person = $1");
        let Some(row) = row.bind(&id).fetch_optional(&self.0.readers).await? else {
            return Ok(Answers::default());
        };
        let seen = Seen { answers: row.text(0)?.to_owned(), spoken: row.text(1)?.to_owned() };
        if seen.answers.is_empty() {
            return Ok(Answers { questions: Vec::new(), seen });
        }
        let opened = self.0.keyring.open(answers_of(&id), &seen.answers)?;
        let kept: Vec<Sealed> = serde_json::from_slice(opened.expose()).map_err(|_| damaged("answers"))?;
        let questions =
            kept.into_iter().map(Sealed::opened).map(|(question, hash)| Answer { question, hash });
        Ok(Answers { questions: questions.collect(), seen })
    }

    async fn helpdesk_answer(
        &self,
        person: PersonId,
        entry: AuditEntry,
    ) -> Result<Option<(QuestionId, Secret<String>)>> {
        let id = person.to_string();
        let wanted = id.clone();
        let spoken = self.write(move |transaction| {
            Box::pin(async move {
                let row = Query::new("SELECT spoken FROM questions WHERE person = $1 AND spoken <> ''");
                let row = row.bind(wanted).fetch_optional(&mut transaction.connection).await?;
                audit::append(transaction, entry).await?;
                row.map(|row| row.text(0).map(str::to_owned)).transpose()
            })
        });
        let Some(spoken) = spoken.await? else { return Ok(None) };
        let opened = self.0.helpdesk.open(spoken_of(&id), &spoken)?;
        let kept: Sealed = serde_json::from_slice(opened.expose()).map_err(|_| damaged("an answer"))?;
        Ok(Some(kept.opened()))
    }

    async fn activate(
        &self,
        person: PersonId,
        accepted: Option<String>,
        entry: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<bool> {
        let notices = Notices::seal(self, notices)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let activated = activate(transaction, person, accepted.as_deref(), entry.at).await?;
                if activated {
                    told(transaction, entry, notices).await?;
                }
                Ok(activated)
            })
        })
        .await
    }

    async fn coverage(&self, campuses: &Campuses) -> Result<Vec<Coverage>> {
        coverage::count(self, campuses).await
    }
}
