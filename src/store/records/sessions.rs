//! Sessions of the portal. A save counts only for the version that was loaded, so that of two at once one wins, and it is the
//! database that says so. What ends sessions of a person calls [`end_all`] in its own transaction, so that a kill in between is
//! impossible; and what somebody proved before makes no session any more.
//!
//! Anybody makes a session by looking at a page, so there is a bound: of those that nobody is signed in to the newest
//! [`ANONYMOUS`] stay, and of each person the newest [`PER_PERSON`].

use super::super::seal::Place;
use super::query::Query;
use super::transaction::Transaction;
use super::{Records, number};
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use crate::store::{KeptSession, Result, SessionKey, Sessions, StoreError};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use std::sync::atomic::Ordering;

/// Sessions that nobody is signed in to.
pub(super) const ANONYMOUS: u64 = 100_000;
/// So many are begun between two looks whether there are more.
pub(super) const STEP: u64 = 1024;
/// Sessions of one person.
pub(super) const PER_PERSON: u64 = 32;

/// Whoever is named may have a session: not locked, not switched off, and theirs were not ended since they proved who they are.
const ALLOWED: &str =
    "($2 IS NULL OR EXISTS (SELECT 1 FROM people WHERE id = $2 AND status IN ('active', 'new')
                        AND departed IS NULL AND ($7 IS NULL OR sessions_ended < $7)))";

fn place<'a>(id: &'a str, person: &'a str) -> Place<'a> {
    Place { table: "sessions", row: id, person, kind: "session" }
}

fn name(key: SessionKey) -> String {
    HEXLOWER.encode(&key.0)
}

/// A session as it is written.
struct Written {
    id: String,
    person: Option<String>,
    version: i64,
    content: String,
    created: Timestamp,
    expires: Timestamp,
    as_of: Option<Timestamp>,
}

impl Written {
    /// The values of the seven parameters that all statements begin with.
    fn bind(&self, text: String) -> Query {
        Query::new(text)
            .bind(&self.id)
            .bind(&self.person)
            .bind(self.version)
            .bind(&self.content)
            .bind(self.created.millis())
            .bind(self.expires.millis())
            .bind(self.as_of.map(Timestamp::millis))
    }

    /// Adds it.
    fn insert(&self) -> Query {
        self.bind(format!(
            "INSERT INTO sessions (id, person, version, content, created, expires)
             SELECT $1, $2, $3 + 1, $4, $5, $6 WHERE {ALLOWED} ON CONFLICT (id) DO NOTHING"
        ))
    }

    /// Puts it in the place of the one that has this name.
    fn replace(&self, old: &str) -> Query {
        let replace = self.bind(format!(
            "UPDATE sessions SET id = $1, person = $2, version = version + 1, content = $4, created = $5, expires = $6
             WHERE id = $8 AND version = $3 AND {ALLOWED}
             AND ($1 = $8 OR NOT EXISTS (SELECT 1 FROM sessions WHERE id = $1))"
        ));
        replace.bind(old)
    }
}

impl Records {
    fn sealed_session(&self, session: &KeptSession) -> Result<Written> {
        let id = name(session.key);
        let person = session.person.map(|person| person.to_string());
        let content =
            self.seal(place(&id, person.as_deref().unwrap_or_default()), session.content.expose())?;
        let KeptSession { version, created, expires, as_of, .. } = *session;
        Ok(Written { id, person, version, content, created, expires, as_of })
    }

    /// Whether it is time to look how many there are that nobody is signed in to.
    fn looks(&self, written: &Written) -> bool {
        written.person.is_none() && self.0.anonymous.fetch_add(1, Ordering::Relaxed).is_multiple_of(STEP)
    }

    async fn keep(&self, old: Option<String>, session: &KeptSession) -> Result<Option<i64>> {
        let written = self.sealed_session(session)?;
        let looks = old.is_none() && self.looks(&written);
        let job = self.write(move |transaction| {
            Box::pin(async move {
                let query = old.as_deref().map_or_else(|| written.insert(), |old| written.replace(old));
                if query.execute(&mut transaction.connection).await? == 0 {
                    return Ok(None);
                }
                transaction.wrote();
                // A new one, or one with a new name: its person may have one more by it.
                if old.is_none_or(|old| old != written.id) {
                    bound(transaction, &written, looks).await?;
                }
                Ok(Some(written.version + 1))
            })
        });
        job.await
    }
}

/// Removes what is beyond the bounds, the oldest first.
async fn bound(transaction: &mut Transaction, written: &Written, looks: bool) -> Result<()> {
    let query = match &written.person {
        Some(person) => Query::new(
            "DELETE FROM sessions WHERE id <> $2 AND id IN
             (SELECT id FROM sessions WHERE person = $1 ORDER BY created DESC, id LIMIT $3 OFFSET $4)",
        )
        .bind(person)
        .bind(&written.id)
        .bind(number(PER_PERSON))
        .bind(number(PER_PERSON)),
        // Several nodes may begin some at the same time, so more than a step of one is taken away.
        None if looks => Query::new(
            "DELETE FROM sessions WHERE id <> $1 AND id IN
             (SELECT id FROM sessions WHERE person IS NULL ORDER BY created DESC, id DESC LIMIT $2 OFFSET $3)",
        )
        .bind(&written.id)
        .bind(number(STEP * 8))
        .bind(number(ANONYMOUS)),
        None => return Ok(()),
    };
    query.execute(&mut transaction.connection).await?;
    Ok(())
}

/// Ends all of a person, and those that are about to be begun by what was proven before.
pub(super) async fn end_all(transaction: &mut Transaction, person: PersonId, at: Timestamp) -> Result<()> {
    let end = Query::new("UPDATE people SET sessions_ended = $2 WHERE id = $1 AND sessions_ended < $2");
    end.bind(person.to_string()).bind(at.millis()).execute(&mut transaction.connection).await?;
    end_others(transaction, person, None).await.map(drop)
}

/// Ends all of a person but one.
pub(super) async fn end_others(
    transaction: &mut Transaction,
    person: PersonId,
    but: Option<SessionKey>,
) -> Result<u64> {
    let end = Query::new("DELETE FROM sessions WHERE person = $1 AND id <> $2");
    let end = end.bind(person.to_string()).bind(but.map(name).unwrap_or_default());
    let ended = end.execute(&mut transaction.connection).await?;
    if ended > 0 {
        transaction.wrote();
    }
    Ok(ended)
}

#[async_trait]
impl Sessions for Records {
    async fn load(&self, key: SessionKey, now: Timestamp) -> Result<Option<KeptSession>> {
        let id = name(key);
        let row = Query::new(
            "SELECT person, version, content, created, expires FROM sessions WHERE id = $1 AND expires > $2",
        );
        let row = row.bind(&id).bind(now.millis()).fetch_optional(&self.0.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let person = row.optional_text(0)?;
        let content = match self.0.keyring.open(place(&id, person.unwrap_or_default()), row.text(2)?) {
            Ok(content) => content,
            // Whoever it was signs in again.
            Err(error @ StoreError::Sealed(_)) => {
                tracing::warn!(%error, "a session of the portal counts as if it were not there");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let person = person.map(str::parse).transpose().map_err(|_| super::damaged("a person's id"))?;
        let at = |column: usize| row.number(column).map(Timestamp::from_millis);
        let (version, created, expires) = (row.number(1)?, at(3)?, at(4)?);
        Ok(Some(KeptSession { key, person, version, as_of: None, content, created, expires }))
    }

    async fn save(&self, session: KeptSession) -> Result<Option<i64>> {
        let old = (session.version > 0).then(|| name(session.key));
        self.keep(old, &session).await
    }

    async fn rename(&self, old: SessionKey, session: KeptSession) -> Result<Option<i64>> {
        self.keep(Some(name(old)), &session).await
    }

    async fn end(&self, key: SessionKey) -> Result<()> {
        let id = name(key);
        self.write(move |transaction| {
            Box::pin(async move {
                let end = Query::new("DELETE FROM sessions WHERE id = $1").bind(id);
                if end.execute(&mut transaction.connection).await? > 0 {
                    transaction.wrote();
                }
                Ok(())
            })
        })
        .await
    }

    async fn end_all(&self, person: PersonId, but: Option<SessionKey>) -> Result<u64> {
        let end = self
            .write(move |transaction| Box::pin(async move { end_others(transaction, person, but).await }));
        end.await
    }
}
