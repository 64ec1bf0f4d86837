//! People that come from an outside directory: what a synchronisation writes, each batch in one transaction with the place
//! where it stands, so that a kill neither loses nor repeats anything.

use super::connection::{Connection, Row};
use super::pool::Pool;
use super::query::Query;
use super::transaction::Transaction;
use super::{Records, accounts, audit, damaged, sessions};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::directory::{Change, Identity, Known, Put, What};
use crate::domain::person::{PersonId, Role};
use crate::store::{Applied, Identities, IdentityBatch, Result, StoreError, SyncPlace, Written};
use async_trait::async_trait;

/// Rows read at a time: a row of the library is many times what becomes of it.
const PAGE: u32 = 1000;

fn json<T: serde::Serialize>(list: &[T]) -> Result<String> {
    serde_json::to_string(list).map_err(|_| damaged("a list"))
}

fn known(row: &Row) -> Result<Known> {
    let text = |at: usize| row.optional_text(at).map(Option::unwrap_or_default);
    let roles = |at: usize| -> Result<Vec<Role>> {
        serde_json::from_str(text(at)?).map_err(|_| damaged("a list of roles"))
    };
    Ok(Known {
        entry: text(0)?.into(),
        person: text(1)?.parse().map_err(|_| damaged("a person's id"))?,
        dn: text(2)?.to_owned(),
        fingerprint: text(3)?.to_owned(),
        own_roles: roles(4)?,
        roles: roles(5)?,
        groups: serde_json::from_str(text(6)?).map_err(|_| damaged("a list of groups"))?,
        enabled: text(7)? != "disabled",
        departed: row.optional_number(8)?.is_some(),
    })
}

/// A departed person keeps a row, but no username that somebody could type: it begins with a character that is
/// refused at the door, and holds the id.
fn departed_name(person: PersonId) -> String {
    format!("~{person}")
}

/// A number or an address that the directory had and has no more ends the portal's sessions, which may have begun with it. Those of
/// Wi-Fi end with every change.
async fn end_with_contact(transaction: &mut Transaction, id: PersonId, identity: &Identity) -> Result<()> {
    Query::new(
        "DELETE FROM sessions WHERE person = $1 AND EXISTS (SELECT 1 FROM people WHERE id = $1
         AND (email IS NOT NULL AND email <> coalesce($2, '') OR phone IS NOT NULL AND phone <> coalesce($3, '')))",
    )
    .bind(id.to_string())
    .bind(&identity.email)
    .bind(&identity.phone)
    .execute(&mut transaction.connection)
    .await
    .map(drop)
}

/// Writes one person; `false` if the username is somebody else's. Whoever is switched off in the directory is, and of the others
/// who is locked here, and of the others who has not activated their account.
async fn put(
    transaction: &mut Transaction,
    batch: &IdentityBatch,
    (put, id, known): (&Put, PersonId, bool),
) -> Result<bool> {
    let Put { identity, roles, groups, .. } = put;
    let status = match (identity.enabled, batch.new && !known) {
        (false, _) => "disabled",
        (true, true) => "new",
        (true, false) => "active",
    };
    if known {
        match identity.enabled {
            true => end_with_contact(transaction, id, identity).await?,
            false => sessions::end_all(transaction, id, batch.at).await?,
        }
    }
    let query = if known {
        Query::new(
            "UPDATE people SET username = $2, name = $3, roles = $4, member_of = $5, email = $6, phone = $7,
                    status = CASE WHEN $8 = 'active' AND locked = 1 THEN 'locked'
                                  WHEN $8 = 'active' AND fresh = 1 THEN 'new' ELSE $8 END,
                    version = version + 1, dn = $9, fingerprint = $10, own_roles = $11, valid_until = $12,
                    departed = NULL
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM people WHERE username = $2 AND id <> $1)",
        )
    } else {
        Query::new(
            "INSERT INTO people (id, username, name, roles, member_of, email, phone, status, dn, fingerprint,
                                 own_roles, valid_until, version, created, directory, entry, fresh)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $14, $15, $16)
             ON CONFLICT (username) DO NOTHING",
        )
    };
    let query = query
        .bind(id.to_string())
        .bind(identity.username.as_str())
        .bind(&identity.name)
        .bind(json(roles)?)
        .bind(json(groups)?)
        .bind(&identity.email)
        .bind(&identity.phone)
        .bind(status)
        .bind(&identity.dn)
        .bind(identity.fingerprint())
        .bind(json(&identity.roles)?)
        .bind(identity.valid_until.map(Timestamp::millis));
    let query = if known {
        query
    } else {
        let query = query.bind(batch.at.millis()).bind(&batch.directory).bind(&*identity.id);
        query.bind(i64::from(batch.new))
    };
    Ok(query.execute(&mut transaction.connection).await? == 1)
}

/// The entry has taken a name that is somebody else's, so the old one is not theirs any more either: nobody gets in as them
/// until that is cleared up.
/// `false` if that is so already.
async fn shut_out(transaction: &mut Transaction, person: PersonId, at: Timestamp) -> Result<bool> {
    sessions::end_all(transaction, person, at).await?;
    let done = Query::new(
        "UPDATE people SET status = 'disabled', username = $2, version = version + 1, fingerprint = ''
         WHERE id = $1 AND username <> $2",
    )
    .bind(person.to_string())
    .bind(departed_name(person))
    .execute(&mut transaction.connection)
    .await?;
    Ok(done > 0)
}

async fn groups(
    connection: &mut Connection,
    person: PersonId,
    roles: &[Role],
    groups: &[String],
) -> Result<()> {
    Query::new("UPDATE people SET roles = $2, member_of = $3 WHERE id = $1")
        .bind(person.to_string())
        .bind(json(roles)?)
        .bind(json(groups)?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn depart(transaction: &mut Transaction, person: PersonId, at: Timestamp) -> Result<()> {
    sessions::end_all(transaction, person, at).await?;
    Query::new(
        "UPDATE people SET status = 'disabled', username = $2, version = version + 1, fingerprint = '', departed = $3
         WHERE id = $1 AND departed IS NULL",
    )
    .bind(person.to_string())
    .bind(departed_name(person))
    .bind(at.millis())
    .execute(&mut transaction.connection)
    .await?;
    Ok(())
}

async fn place(connection: &mut Connection, directory: &str, place: &SyncPlace, at: Timestamp) -> Result<()> {
    Query::new(
        "INSERT INTO directories (name, scope, state, synced) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET scope = excluded.scope, state = excluded.state, synced = excluded.synced",
    )
    .bind(directory)
    .bind(&place.scope)
    .bind(&place.state)
    .bind(at.millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// What the audit trail says of a change; nothing in a bulk, which has one entry for all.
async fn note(
    transaction: &mut Transaction,
    batch: &IdentityBatch,
    person: PersonId,
    subject: &str,
    event: &str,
) -> Result<()> {
    if batch.bulk || event == "touched" {
        return Ok(());
    }
    let mut entry = entry(batch, "sync.person", subject, event.to_owned());
    entry.person = Some(person);
    audit::append(transaction, entry).await
}

fn entry(batch: &IdentityBatch, action: &'static str, subject: &str, detail: String) -> AuditEntry {
    AuditEntry {
        at: batch.at,
        actor: format!("sync:{}", batch.directory),
        action,
        person: None,
        subject: subject.to_owned(),
        outcome: "done",
        detail: detail.into(),
        request: String::new(),
    }
}

/// Writes people and their groups; who could not be written because the name is somebody else's.
async fn put_all<'b>(
    transaction: &mut Transaction,
    batch: &'b IdentityBatch,
    mut waiting: Vec<(&'b Change, PersonId)>,
    applied: &mut Applied,
) -> Result<Vec<(&'b Change, PersonId)>> {
    // Names may move on in a row: tried again as long as that helps.
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        for (change, id) in waiting {
            match &change.what {
                What::Put(new) => {
                    let known = change.person.is_some();
                    if !put(transaction, batch, (new, id, known)).await? {
                        left.push((change, id));
                        continue;
                    }
                    note(transaction, batch, id, new.identity.username.as_str(), new.event).await?;
                    applied.written.push(Written { entry: change.entry.clone(), person: id });
                }
                What::Groups { roles, groups: names, .. } => {
                    groups(&mut transaction.connection, id, roles, names).await?;
                    note(transaction, batch, id, &id.to_string(), "groups").await?;
                }
                What::Depart => {}
            }
        }
        if left.is_empty() || left.len() == before {
            return Ok(left);
        }
        waiting = left;
    }
}

/// What another node may have changed meanwhile is not written over.
fn must_lead(transaction: &Transaction, directory: &str) -> Result<()> {
    if transaction.leads(directory) {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("another node follows the directory {directory}, or may do so")))
}

async fn apply(transaction: &mut Transaction, batch: IdentityBatch) -> Result<Applied> {
    must_lead(transaction, &batch.directory)?;
    for person in &batch.ids {
        transaction.change(accounts::Change::Person(*person));
    }
    // Who leaves goes first: somebody else may get the name in the same batch.
    let all = || batch.changes.iter().zip(batch.ids.iter().copied());
    for (_, id) in all().filter(|(change, _)| change.what == What::Depart) {
        depart(transaction, id, batch.at).await?;
        note(transaction, &batch, id, &id.to_string(), "departed").await?;
    }
    let mut applied = Applied::default();
    let rest: Vec<_> = all().filter(|(change, _)| change.what != What::Depart).collect();
    let mut waiting = put_all(transaction, &batch, rest, &mut applied).await?;
    if !waiting.is_empty() {
        // Their entries have other names now, so the old ones are free: two may want to exchange theirs.
        let mut told = Vec::new();
        for (change, id) in &waiting {
            if change.person.is_some() && shut_out(transaction, *id, batch.at).await? {
                told.push(*id);
            }
        }
        waiting = put_all(transaction, &batch, waiting, &mut applied).await?;
        for (change, id) in waiting {
            let What::Put(new) = &change.what else { continue };
            if told.contains(&id) {
                note(transaction, &batch, id, new.identity.username.as_str(), "name taken").await?;
            }
            applied.conflicts.push((change.entry.clone(), new.identity.username.clone()));
        }
    }
    // Who waits for a name is only found again by what was before: the place stays there.
    if let Some(at) = batch.place.as_ref().filter(|_| applied.conflicts.is_empty()) {
        place(&mut transaction.connection, &batch.directory, at, batch.at).await?;
    }
    if batch.bulk && !batch.changes.is_empty() {
        let entry = entry(&batch, "sync.load", &batch.directory, format!("{} changes", batch.changes.len()));
        audit::append(transaction, entry).await?;
    }
    Ok(applied)
}

#[async_trait]
impl Identities for Records {
    async fn lead(&self, directory: &str) -> Result<bool> {
        if matches!(self.0.readers, Pool::Sqlite(_)) {
            return Ok(true);
        }
        let directory = directory.to_owned();
        self.write(move |transaction| Box::pin(async move { transaction.lead(&directory).await })).await
    }

    async fn known(&self, directory: &str) -> Result<Vec<Known>> {
        let mut all: Vec<Known> = Vec::new();
        loop {
            let after = all.last().map(|last| last.entry.to_string()).unwrap_or_default();
            let rows = Query::new(
                "SELECT entry, id, dn, fingerprint, own_roles, roles, member_of, status, departed FROM people
                 WHERE directory = $1 AND entry > $2 ORDER BY entry LIMIT $3",
            )
            .bind(directory)
            .bind(after)
            .bind(PAGE)
            .fetch_all(&self.0.readers)
            .await?;
            if rows.is_empty() {
                return Ok(all);
            }
            for row in &rows {
                all.push(known(row)?);
            }
        }
    }

    async fn place(&self, directory: &str) -> Result<Option<SyncPlace>> {
        let row = Query::new("SELECT scope, state, synced FROM directories WHERE name = $1")
            .bind(directory)
            .fetch_optional(&self.0.readers)
            .await?;
        let read = |row: Row| {
            Ok(SyncPlace {
                scope: row.text(0)?.to_owned(),
                state: row.text(1)?.to_owned(),
                synced: Timestamp::from_millis(row.number(2)?),
            })
        };
        row.map(read).transpose()
    }

    async fn apply(&self, batch: IdentityBatch) -> Result<Applied> {
        let nothing = batch.changes.is_empty() && batch.place.is_none();
        if nothing && matches!(self.0.readers, Pool::Sqlite(_)) {
            return Ok(Applied::default());
        }
        self.write(move |transaction| Box::pin(apply(transaction, batch))).await
    }

    async fn purge(&self, directory: &str, before: Timestamp, mut entry: AuditEntry) -> Result<u64> {
        let directory = directory.to_owned();
        self.write(move |transaction| {
            Box::pin(async move {
                must_lead(transaction, &directory)?;
                let connection = &mut transaction.connection;
                let mut purged = 0;
                for statement in [
                    "DELETE FROM one_time_codes WHERE factor IN (SELECT f.id FROM factors f JOIN people p ON p.id = f.person WHERE p.directory = $1 AND p.departed < $2)",
                    "UPDATE tokens SET state = 'revoked', person = NULL, factor = NULL, next = (SELECT o.next FROM positions o WHERE o.factor = tokens.factor) WHERE factor IN (SELECT f.id FROM factors f JOIN people p ON p.id = f.person WHERE p.directory = $1 AND p.departed < $2)",
                    "DELETE FROM positions WHERE factor IN (SELECT f.id FROM factors f JOIN people p ON p.id = f.person WHERE p.directory = $1 AND p.departed < $2)",
                    "DELETE FROM factors WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM counters WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM acceptances WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM contacts WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM questions WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM sessions WHERE person IN (SELECT id FROM people WHERE directory = $1 AND departed < $2)",
                    "DELETE FROM people WHERE directory = $1 AND departed < $2",
                ] {
                    let done = Query::new(statement).bind(&directory).bind(before.millis());
                    purged = done.execute(&mut *connection).await?;
                }
                if purged > 0 {
                    entry.detail = format!("{purged} removed for good").into();
                    audit::append(transaction, entry).await?;
                }
                Ok(purged)
            })
        })
        .await
    }
}
