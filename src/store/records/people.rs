//! People, their password hashes and acceptances.

use super::accounts::Change;
use super::connection::{Connection, Row};
use super::factors::{codes_of, factor};
use super::query::{Query, Script, Value, places};
use super::transaction::Transaction;
use super::{Records, audit, contacts, damaged, sessions};
use crate::base::{Secret, Soon, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::login::Account;
use crate::domain::person::{Origin, Person, PersonId, Status, Username};
use crate::domain::throttle::Counter;
use crate::store::{Acceptances, NewPerson, Page, Passwords, People, Result, StoreError};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

/// People in one statement at most.
const PART: usize = 256;

/// Columns that a person is read from.
const PERSON: usize = 14;

macro_rules! person {
    () => {
        "SELECT p.id, p.username, p.name, p.roles, p.member_of, p.email, p.phone, p.status, p.version, p.directory,
                p.dn, p.valid_until, p.entry, p.proven"
    };
}

/// A person with one row for each active factor; without any, one row in which theirs is empty.
pub(super) const ACCOUNT: &str = concat!(
    person!(),
    ", f.id, f.person, f.kind, f.label, f.state, f.created, o.used, o.next, f.material
    FROM people p LEFT JOIN factors f ON f.person = p.id AND f.state = 'active'
         LEFT JOIN positions o ON o.factor = f.id
    WHERE p.username = $1 ORDER BY f.created, f.id"
);

/// Without contacts of their own: whoever has some gets an empty place for them, which [`contacts::fill`] fills.
fn person(row: &Row) -> Result<Person> {
    let text = |at: usize| row.text(at);
    let optional = |at: usize| row.optional_text(at).map(|text| text.map(str::to_owned));
    let list = |at: usize| -> Result<Vec<String>> {
        serde_json::from_str(text(at)?).map_err(|_| damaged("a list of roles or groups"))
    };
    let roles = list(3)?.iter().map(|role| role.parse()).collect::<Result<_, ()>>();
    Ok(Person {
        id: text(0)?.parse().map_err(|_| damaged("a person's id"))?,
        username: Username::parse(text(1)?).map_err(|_| damaged("a username"))?,
        name: text(2)?.to_owned(),
        roles: roles.map_err(|()| damaged("a role"))?,
        groups: list(4)?,
        email: optional(5)?,
        phone: optional(6)?,
        own: (row.number(13)? > 0).then(Box::default),
        status: text(7)?.parse().map_err(|()| damaged("a status"))?,
        version: row.number(8)?,
        origin: match (optional(9)?, optional(10)?) {
            (Some(directory), Some(dn)) => {
                Some(Box::new(Origin { directory, dn, entry: optional(12)?.unwrap_or_default() }))
            }
            _ => None,
        },
        valid_until: row.optional_number(11)?.map(Timestamp::from_millis),
    })
}

pub(super) fn gone() -> StoreError {
    StoreError::NotFound("there is no such person any more".into())
}

/// Columns of a new person, as [`insert`] writes them.
fn columns(new: &mut NewPerson, at: Timestamp) -> Result<[Value; 9]> {
    new.roles.sort_unstable();
    new.roles.dedup();
    new.groups.sort_unstable();
    new.groups.dedup();
    let roles: Vec<_> = new.roles.iter().map(|role| role.as_str()).collect();
    let json = |list: Result<String, serde_json::Error>| list.map_err(|_| damaged("a list"));
    Ok([
        new.id.to_string().into(),
        new.username.as_str().into(),
        (&new.name).into(),
        json(serde_json::to_string(&roles))?.into(),
        json(serde_json::to_string(&new.groups))?.into(),
        (&new.email).into(),
        (&new.phone).into(),
        at.millis().into(),
        i64::from(new.new).into(),
    ])
}

/// Adds people and their passwords, many in a statement: other nodes wait until all are there.
async fn insert(connection: &mut Connection, people: &mut [NewPerson], at: Timestamp) -> Result<()> {
    const NONE: Value = Value::Text(None);
    for part in people.chunks_mut(PART) {
        // Of few sizes, so that prepared statements are found again.
        let count = if part.len() > 64 { PART } else { places(part.len()) };
        let rows = part.iter_mut().map(|new| columns(new, at)).collect::<Result<Vec<_>>>()?;
        let mut script = Script::default();
        script.statement(
            "INSERT INTO people (id, username, name, roles, member_of, email, phone, status, version, created, fresh)
             SELECT column1, column2, column3, column4, column5, column6, column7,
                    CASE WHEN column9 = 1 THEN 'new' ELSE 'active' END, 1, column8, column9 FROM (VALUES ",
        );
        const ZERO: Value = Value::Number(None);
        script.rows(rows, count, &[NONE, NONE, NONE, NONE, NONE, NONE, NONE, ZERO, ZERO]);
        script.add(") AS new WHERE column1 IS NOT NULL ON CONFLICT (username) DO NOTHING RETURNING username");
        let added = script.fetch(connection).await?;
        let mut added = added.iter().map(|row| row.text(0)).collect::<Result<BTreeSet<_>>>()?;
        // Whoever is not among them, or is for the second time, has a name that was taken.
        if let Some(new) = part.iter().find(|new| !added.remove(new.username.as_str())) {
            return Err(StoreError::Conflict(format!("the username {} is taken", new.username)));
        }
        let passwords = part.iter().filter_map(|new| {
            let hash = new.password.as_ref()?.expose();
            Some([new.id.to_string().into(), hash.into(), at.millis().into()])
        });
        let passwords: Vec<[Value; 3]> = passwords.collect();
        let mut script = Script::default();
        script.statement(
            "INSERT INTO passwords (person, hash, changed) SELECT column1, column2, column3 FROM (VALUES ",
        );
        script.rows(passwords, count, &[NONE, NONE, Value::Number(None)]);
        script.add(") AS new WHERE column1 IS NOT NULL");
        script.execute(connection).await?;
    }
    Ok(())
}

impl Records {
    /// The account as it is in the database now.
    async fn read_account(&self, username: &Username) -> Result<Option<Arc<Account>>> {
        let ticket = self.0.accounts.ticket();
        let rows = Query::new(ACCOUNT).bind(username.as_str()).fetch_all(&self.0.readers).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let mut person = person(first)?;
        contacts::fill(self, std::slice::from_mut(&mut person)).await?;
        let mut factors = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.optional_text(PERSON)?.is_some() {
                factors.push(factor(&self.0.keyring, row, PERSON)?);
            }
        }
        if factors.iter().any(|factor| matches!(factor.material, crate::domain::factor::Material::Codes(_))) {
            codes_of(self, person.id, &mut factors).await?;
        }
        let account = Arc::new(Account { person: Arc::new(person), factors });
        self.0.accounts.keep(&account, ticket);
        Ok(Some(account))
    }
}

#[async_trait]
impl People for Records {
    fn account<'a>(&'a self, username: &'a Username) -> Soon<'a, Result<Option<Arc<Account>>>> {
        match self.0.accounts.find(username) {
            Some(kept) => Soon::now(Ok(Some(kept))),
            None => Soon::later(self.read_account(username)),
        }
    }

    fn announce(&self, names: &[&str]) -> Vec<PersonId> {
        self.0.accounts.announce(names)
    }

    async fn person(&self, username: &Username) -> Result<Option<Person>> {
        let row = Query::new(concat!(person!(), " FROM people p WHERE p.username = $1"))
            .bind(username.as_str())
            .fetch_optional(&self.0.readers)
            .await?;
        let Some(mut person) = row.as_ref().map(person).transpose()? else { return Ok(None) };
        contacts::fill(self, std::slice::from_mut(&mut person)).await?;
        Ok(Some(person))
    }

    async fn by_id(&self, id: PersonId) -> Result<Option<Person>> {
        let row = Query::new(concat!(person!(), " FROM people p WHERE p.id = $1 AND p.departed IS NULL"));
        let row = row.bind(id.to_string()).fetch_optional(&self.0.readers).await?;
        let Some(mut person) = row.as_ref().map(person).transpose()? else { return Ok(None) };
        contacts::fill(self, std::slice::from_mut(&mut person)).await?;
        Ok(Some(person))
    }

    async fn list(&self, page: &Page) -> Result<Vec<Person>> {
        let limit = if page.limit == 0 { 100 } else { page.limit.min(1000) };
        let rows = Query::new(concat!(
            person!(),
            " FROM people p WHERE p.departed IS NULL AND p.username > $1
              AND ($2 = '' OR p.username LIKE $3 ESCAPE '\\') ORDER BY p.username LIMIT $4"
        ))
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.matching.as_deref().unwrap_or_default())
        .bind(like(page.matching.as_deref().unwrap_or_default()))
        .bind(limit)
        .fetch_all(&self.0.readers)
        .await?;
        let mut people = rows.iter().map(person).collect::<Result<Vec<_>>>()?;
        contacts::fill(self, &mut people).await?;
        Ok(people)
    }

    async fn add(&self, mut people: Vec<NewPerson>, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                insert(&mut transaction.connection, &mut people, entry.at).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn set_status(&self, person: PersonId, status: Status, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                transaction.change(Change::Person(person));
                let id = person.to_string();
                let done = Query::new(
                    "UPDATE people SET status = CASE WHEN status = 'disabled' AND directory IS NOT NULL THEN status
                                                     WHEN $2 = 'active' AND fresh = 1 AND status <> 'new' THEN 'new'
                                                     ELSE $2 END,
                            fresh = CASE WHEN $2 = 'new' THEN 1 WHEN $2 = 'active' AND status = 'new' THEN 0 ELSE fresh END,
                            locked = $3, version = version + 1
                     WHERE id = $1 AND departed IS NULL",
                )
                .bind(&id)
                .bind(status.as_str())
                .bind(i64::from(status == Status::Locked))
                .execute(&mut transaction.connection)
                .await?;
                if done == 0 {
                    return Err(gone());
                }
                if status != Status::Active {
                    sessions::end_all(transaction, person, entry.at).await?;
                }
                if matches!(status, Status::Active | Status::New) {
                    transaction.change(Change::Cleared(person, None));
                    Query::new("DELETE FROM counters WHERE person = $1")
                        .bind(&id)
                        .execute(&mut transaction.connection)
                        .await?;
                }
                audit::append(transaction, entry).await
            })
        })
        .await
    }
}

/// A pattern for LIKE that finds `text` anywhere.
fn like(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// What a new password means wherever it is kept: remembered verdicts and sessions are void, failures forgotten.
async fn new_password(transaction: &mut Transaction, person: PersonId, entry: AuditEntry) -> Result<()> {
    transaction.change(Change::Person(person));
    let id = person.to_string();
    let done = Query::new("UPDATE people SET version = version + 1 WHERE id = $1")
        .bind(&id)
        .execute(&mut transaction.connection)
        .await?;
    if done == 0 {
        return Err(gone());
    }
    transaction.change(Change::Cleared(person, Some(Counter::Password)));
    Query::new("DELETE FROM counters WHERE person = $1 AND counter = 'password'")
        .bind(&id)
        .execute(&mut transaction.connection)
        .await?;
    sessions::end_all(transaction, person, entry.at).await?;
    audit::append(transaction, entry).await
}

#[async_trait]
impl Passwords for Records {
    async fn hash(&self, person: PersonId) -> Result<Option<Secret<String>>> {
        let row = Query::new("SELECT hash FROM passwords WHERE person = $1")
            .bind(person.to_string())
            .fetch_optional(&self.0.readers)
            .await?;
        row.map(|row| row.text(0).map(|hash| Secret::new(hash.to_owned()))).transpose()
    }

    async fn set(&self, person: PersonId, hash: Secret<String>, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let at = entry.at;
                new_password(transaction, person, entry).await?;
                Query::new(
                    "INSERT INTO passwords (person, hash, changed) VALUES ($1, $2, $3)
                     ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, changed = excluded.changed",
                )
                .bind(person.to_string())
                .bind(hash.expose())
                .bind(at.millis())
                .execute(&mut transaction.connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn changed(&self, person: PersonId, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| Box::pin(new_password(transaction, person, entry))).await
    }

    async fn upgrade(&self, person: PersonId, old: Secret<String>, new: Secret<String>) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                Query::new("UPDATE passwords SET hash = $3 WHERE person = $1 AND hash = $2")
                    .bind(person.to_string())
                    .bind(old.expose())
                    .bind(new.expose())
                    .execute(&mut transaction.connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

/// Writes down that a version was accepted, the first time.
pub(super) async fn accept(
    connection: &mut Connection,
    person: PersonId,
    version: &str,
    at: Timestamp,
) -> Result<()> {
    Query::new(
        "INSERT INTO acceptances (person, version, at) VALUES ($1, $2, $3)
         ON CONFLICT (person, version) DO NOTHING",
    )
    .bind(person.to_string())
    .bind(version)
    .bind(at.millis())
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl Acceptances for Records {
    async fn record(&self, person: PersonId, version: &str, at: Timestamp, entry: AuditEntry) -> Result<()> {
        let version = version.to_owned();
        self.write(move |transaction| {
            Box::pin(async move {
                accept(&mut transaction.connection, person, &version, at).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn latest(&self, person: PersonId) -> Result<Option<(String, Timestamp)>> {
        let row =
            Query::new("SELECT version, at FROM acceptances WHERE person = $1 ORDER BY at DESC LIMIT 1")
                .bind(person.to_string())
                .fetch_optional(&self.0.readers)
                .await?;
        let read = |row: Row| Ok((row.text(0)?.to_owned(), Timestamp::from_millis(row.number(1)?)));
        row.map(read).transpose()
    }
}
