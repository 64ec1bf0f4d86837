//! Contacts that people have entered themselves: of each kind at most one row, with the value in use and the one that waits
//! for its proof. How many are in use stands with the person, so that nobody else's login asks for them.

use super::connection::{Connection, Row};
use super::query::{Query, places};
use super::{Records, damaged};
use crate::domain::contact::{ContactKind, OwnContact, Proven};
use crate::domain::person::Person;
use crate::store::{ContactChange, Result};

/// People in one question at most.
const PART: usize = 64;

fn kind(text: &str) -> Result<ContactKind> {
    text.parse().map_err(|()| damaged("a kind of contact"))
}

/// From three columns of a row, the first of which is at `at`; none where they are empty.
pub(super) fn contact(row: &Row, at: usize) -> Result<Option<OwnContact>> {
    let value =
        |column: usize| Ok::<_, crate::store::StoreError>(row.optional_text(at + column)?.map(str::to_owned));
    let Some(name) = row.optional_text(at)? else { return Ok(None) };
    Ok(Some(OwnContact { kind: kind(name)?, proven: value(1)?, waiting: value(2)? }))
}

/// Fills in what is in use, for those who have a place for it.
pub(super) async fn fill(records: &Records, people: &mut [Person]) -> Result<()> {
    let mut having: Vec<_> = people.iter_mut().filter(|person| person.own.is_some()).collect();
    for part in having.chunks_mut(PART) {
        let count = places(part.len());
        let list: Vec<_> = (1..=count).map(|number| format!("${number}")).collect();
        let text = format!(
            "SELECT person, kind, proven FROM contacts WHERE proven IS NOT NULL AND person IN ({})",
            list.join(", ")
        );
        // Nobody has an empty id.
        let ids = part.iter().map(|person| person.id.to_string());
        let ids = ids.chain(std::iter::repeat_n(String::new(), count - part.len()));
        let rows = ids.fold(Query::new(text), Query::bind).fetch_all(&records.0.readers).await?;
        for row in &rows {
            let owner =
                part.iter_mut().find(|person| row.text(0).is_ok_and(|id| id == person.id.to_string()));
            if let Some(own) = owner.and_then(|person| person.own.as_deref_mut()) {
                let place = match kind(row.text(1)?)? {
                    ContactKind::Mobile => &mut own.mobile,
                    ContactKind::Phone => &mut own.phone,
                    ContactKind::Email => &mut own.email,
                };
                *place = Some(row.text(2)?.to_owned());
            }
        }
        for person in part {
            // Taken away meanwhile.
            person.own.take_if(|own| **own == Proven::default());
        }
    }
    Ok(())
}

/// Writes changes; whether something was in use that is not any more.
pub(super) async fn change(
    connection: &mut Connection,
    person: &str,
    changes: &[ContactChange],
) -> Result<bool> {
    if changes.is_empty() {
        return Ok(false);
    }
    let mut lost = false;
    for change in changes {
        match change {
            ContactChange::Enter(kind, value) => {
                Query::new(
                    "INSERT INTO contacts (person, kind, proven, waiting) VALUES ($1, $2, NULL, $3)
                     ON CONFLICT (person, kind) DO UPDATE SET
                     waiting = CASE WHEN contacts.proven = excluded.waiting THEN NULL ELSE excluded.waiting END",
                )
                .bind(person)
                .bind(kind.as_str())
                .bind(value)
                .execute(&mut *connection)
                .await?;
            }
            ContactChange::Remove(kind) => {
                lost |= in_use(connection, person, *kind).await?;
                let remove = Query::new("DELETE FROM contacts WHERE person = $1 AND kind = $2");
                remove.bind(person).bind(kind.as_str()).execute(&mut *connection).await?;
            }
        }
    }
    count(connection, person).await?;
    Ok(lost)
}

/// Whether one of this kind is in use.
async fn in_use(connection: &mut Connection, person: &str, kind: ContactKind) -> Result<bool> {
    let row = Query::new("SELECT proven FROM contacts WHERE person = $1 AND kind = $2");
    let row = row.bind(person).bind(kind.as_str()).fetch_optional(connection).await?;
    Ok(row.map(|row| row.optional_text(0).map(|proven| proven.is_some())).transpose()?.unwrap_or_default())
}

/// What became of a value that waited.
pub(super) enum Proved {
    /// It is not this one any more.
    Not,
    /// It is in use, where there was none before.
    First,
    /// It is in use in place of another.
    Instead,
}

/// Puts the waiting value in use, if it is this one.
pub(super) async fn prove(
    connection: &mut Connection,
    person: &str,
    (kind, value): (ContactKind, &str),
) -> Result<Proved> {
    let before = in_use(connection, person, kind).await?;
    let prove = Query::new(
        "UPDATE contacts SET proven = waiting, waiting = NULL WHERE person = $1 AND kind = $2 AND waiting = $3",
    );
    let prove = prove.bind(person).bind(kind.as_str()).bind(value);
    if prove.execute(&mut *connection).await? == 0 {
        return Ok(Proved::Not);
    }
    count(connection, person).await?;
    Ok(if before { Proved::Instead } else { Proved::First })
}

async fn count(connection: &mut Connection, person: &str) -> Result<()> {
    Query::new(
        "UPDATE people SET proven = (SELECT count(*) FROM contacts WHERE person = $1 AND proven IS NOT NULL)
         WHERE id = $1",
    )
    .bind(person)
    .execute(connection)
    .await?;
    Ok(())
}
