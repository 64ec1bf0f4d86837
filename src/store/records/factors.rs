//! Factors: rows with sealed material, and the codes that belong to them.

use super::accounts::Change;
use super::connection::Row;
use super::material::{of_factor, open, seal};
use super::query::Query;
use super::tokens;
use super::transaction::Transaction;
use super::{Records, audit, damaged, number, sessions};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState, MOST_DEVICES, Material, OneTimeCode};
use crate::domain::person::PersonId;
use crate::domain::throttle::Counter;
use crate::store::seal::Keyring;
use crate::store::{Among, Factors, NewFactor, Result, SessionKey, StoreError};
use async_trait::async_trait;
use data_encoding::HEXLOWER;

/// From nine columns of a row, the first of which is at `at`.
pub(super) fn factor(keyring: &Keyring, row: &Row, at: usize) -> Result<Factor> {
    let text = |column: usize| row.text(at + column);
    let (id, person) = (text(0)?, text(1)?);
    let kind: FactorKind = text(2)?.parse().map_err(|()| damaged("a factor's kind"))?;
    Ok(Factor {
        id: id.parse().map_err(|_| damaged("a factor's id"))?,
        person: person.parse().map_err(|_| damaged("a person's id"))?,
        kind,
        label: text(3)?.to_owned(),
        state: if text(4)? == "active" { FactorState::Active } else { FactorState::Pending },
        created: Timestamp::from_millis(row.number(at + 5)?),
        used: row.optional_number(at + 6)?.map(Timestamp::from_millis),
        next: u64::try_from(row.number(at + 7)?).map_err(|_| damaged("a counter"))?,
        material: open(keyring, of_factor(id, person, kind), kind, text(8)?)?,
    })
}

/// Fills in the codes that are left.
pub(super) async fn codes_of(records: &Records, person: PersonId, factors: &mut [Factor]) -> Result<()> {
    let rows = Query::new(
        "SELECT c.factor, c.digest, c.expires FROM one_time_codes c JOIN factors f ON f.id = c.factor
         WHERE f.person = $1 AND c.uses_left > 0",
    )
    .bind(person.to_string())
    .fetch_all(&records.0.readers)
    .await?;
    for row in rows {
        let (id, expires) = (row.text(0)?, row.optional_number(2)?);
        let digest = HEXLOWER.decode(row.text(1)?.as_bytes()).ok().and_then(|digest| digest.try_into().ok());
        let digest = digest.ok_or_else(|| damaged("a code's digest"))?;
        let owner = factors.iter_mut().find(|factor| factor.id.to_string() == id);
        if let Some(Factor { material: Material::Codes(codes), .. }) = owner {
            codes.push(OneTimeCode { digest, expires: expires.map(Timestamp::from_millis) });
        }
    }
    Ok(())
}

/// Forgets the failures of a factor.
async fn clear(transaction: &mut Transaction, person: Option<PersonId>, id: FactorId) -> Result<()> {
    if let Some(person) = person {
        transaction.change(Change::Cleared(person, Some(Counter::Factor(id))));
    }
    let clear = Query::new("DELETE FROM counters WHERE counter = $1").bind(id.to_string());
    clear.execute(&mut transaction.connection).await.map(drop)
}

/// Ends a factor: codes, counter and sealed seed go; `secure_delete` overwrites them in the file.
async fn erase(transaction: &mut Transaction, person: Option<PersonId>, id: FactorId) -> Result<bool> {
    clear(transaction, person, id).await?;
    tokens::release(transaction, id).await?;
    let (connection, id) = (&mut transaction.connection, &id.to_string());
    for sql in ["DELETE FROM one_time_codes WHERE factor = $1", "DELETE FROM positions WHERE factor = $1"] {
        Query::new(sql).bind(id).execute(&mut *connection).await?;
    }
    Ok(Query::new("DELETE FROM factors WHERE id = $1").bind(id).execute(connection).await? > 0)
}

/// Names the owner of a factor that is about to change.
async fn change(transaction: &mut Transaction, id: FactorId) -> Result<Option<PersonId>> {
    let row = Query::new("SELECT person FROM factors WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut transaction.connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let person = row.text(0)?.parse().map_err(|_| damaged("a person's id"))?;
    transaction.change(Change::Person(person));
    Ok(Some(person))
}

/// Ends a factor that must be there, and the portal's sessions of its owner but one: they may have begun with it. One that nobody
/// has confirmed began nothing.
pub(super) async fn end(transaction: &mut Transaction, id: FactorId, but: Option<SessionKey>) -> Result<()> {
    let row = Query::new("SELECT state FROM factors WHERE id = $1").bind(id.to_string());
    let row = row.fetch_optional(&mut transaction.connection).await?;
    let counted = row.ok_or_else(gone)?.text(0)? == FactorState::Active.as_str();
    let person = change(transaction, id).await?;
    if let Some(person) = person.filter(|_| counted) {
        sessions::end_others(transaction, person, but).await?;
    }
    if erase(transaction, person, id).await? { Ok(()) } else { Err(gone()) }
}

fn gone() -> StoreError {
    StoreError::NotFound(
        "there is no such factor; `doorward factor list USERNAME` shows which there are".into(),
    )
}

/// Whether one more device has room. Where it is asked nobody else writes.
async fn has_room(transaction: &mut Transaction, person: PersonId) -> Result<bool> {
    let devices = "SELECT count(*) FROM factors WHERE person = $1 AND kind IN ('totp', 'hotp', 'yubikey')";
    let devices = Query::new(devices).bind(person.to_string());
    let devices = devices.fetch_one(&mut transaction.connection).await?.number(0)?;
    Ok(usize::try_from(devices).is_ok_and(|devices| devices < MOST_DEVICES))
}

/// Whether one of these names is this one, whatever the case.
fn is_named(rows: &[Row], at: usize, label: &str) -> bool {
    let label = label.to_lowercase();
    rows.iter().any(|row| row.text(at).is_ok_and(|other| other.to_lowercase() == label))
}

/// Ends others of its kind, or refuses the new one.
async fn make_way(transaction: &mut Transaction, new: &NewFactor, among: Among) -> Result<()> {
    if new.kind.is_device() && !has_room(transaction, new.person).await? {
        return Err(StoreError::Conflict(format!(
            "there are {MOST_DEVICES} apps, tokens and keys already, as many as one person can have; revoke one that is not used any more first"
        )));
    }
    if among == Among::Others {
        return Ok(());
    }
    let rows = Query::new("SELECT id, label FROM factors WHERE person = $1 AND kind = $2")
        .bind(new.person.to_string())
        .bind(new.kind.as_str())
        .fetch_all(&mut transaction.connection)
        .await?;
    if let Among::Distinct(most) = among {
        if is_named(&rows, 1, &new.label) || rows.len() >= usize::from(most) {
            let why = "there is one of this name already, or there are as many as there may be";
            return Err(StoreError::Conflict(why.to_owned()));
        }
        return Ok(());
    }
    for row in rows {
        let id = row.text(0)?.parse().map_err(|_| damaged("a factor's id"))?;
        erase(transaction, Some(new.person), id).await?;
    }
    Ok(())
}

/// Passwords of devices are told apart by their names.
async fn must_be_distinct(transaction: &mut Transaction, id: FactorId, label: &str) -> Result<()> {
    let others = Query::new(
        "SELECT o.label FROM factors f JOIN factors o ON o.person = f.person AND o.kind = f.kind AND o.id <> f.id
         WHERE f.id = $1 AND f.kind = $2",
    );
    let others = others.bind(id.to_string()).bind(FactorKind::DevicePassword.as_str());
    let others = others.fetch_all(&mut transaction.connection).await?;
    match is_named(&others, 0, label) {
        true => Err(StoreError::Conflict(format!("there is a device called `{label}` already"))),
        false => Ok(()),
    }
}

pub(super) async fn insert(
    transaction: &mut Transaction,
    new: NewFactor,
    sealed: String,
    among: Among,
) -> Result<()> {
    let (id, person) = (new.id.to_string(), new.person.to_string());
    make_way(transaction, &new, among).await?;
    let connection = &mut transaction.connection;
    Query::new(
        "INSERT INTO factors (id, person, kind, label, state, created, material)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&id)
    .bind(&person)
    .bind(new.kind.as_str())
    .bind(&new.label)
    .bind(new.state.as_str())
    .bind(new.created.millis())
    .bind(sealed)
    .execute(&mut *connection)
    .await?;
    let position = Query::new("INSERT INTO positions (factor, next, used) VALUES ($1, $2, NULL)");
    position.bind(&id).bind(number(new.next)).execute(&mut *connection).await?;
    if let Material::Codes(codes) = new.material {
        for code in codes {
            Query::new(
                "INSERT INTO one_time_codes (factor, digest, expires, uses_left) VALUES ($1, $2, $3, 1)",
            )
            .bind(&id)
            .bind(HEXLOWER.encode(&code.digest))
            .bind(code.expires.map(Timestamp::millis))
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

#[async_trait]
impl Factors for Records {
    async fn of(&self, person: PersonId) -> Result<Vec<Factor>> {
        let rows = Query::new(
            "SELECT f.id, f.person, f.kind, f.label, f.state, f.created, o.used, o.next, f.material
             FROM factors f JOIN positions o ON o.factor = f.id WHERE f.person = $1 ORDER BY f.created, f.id",
        )
        .bind(person.to_string())
        .fetch_all(&self.0.readers)
        .await?;
        let mut factors =
            rows.iter().map(|row| factor(&self.0.keyring, row, 0)).collect::<Result<Vec<_>>>()?;
        codes_of(self, person, &mut factors).await?;
        Ok(factors)
    }

    async fn factor(&self, id: FactorId) -> Result<Factor> {
        let row = Query::new(
            "SELECT f.id, f.person, f.kind, f.label, f.state, f.created, o.used, o.next, f.material
             FROM factors f JOIN positions o ON o.factor = f.id WHERE f.id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(&self.0.readers)
        .await?;
        let mut factor = factor(&self.0.keyring, &row.ok_or_else(gone)?, 0)?;
        codes_of(self, factor.person, std::slice::from_mut(&mut factor)).await?;
        Ok(factor)
    }

    async fn add(&self, new: NewFactor, among: Among, entry: AuditEntry) -> Result<()> {
        if new.kind == FactorKind::Yubikey {
            // Its public id must be nobody else's, which the inventory sees to.
            return Err(StoreError::Conflict("a YubiKey comes out of the inventory".into()));
        }
        let (id, person) = (new.id.to_string(), new.person.to_string());
        let sealed = seal(self, of_factor(&id, &person, new.kind), &new.material)?;
        self.write(move |transaction| {
            Box::pin(async move {
                transaction.change(Change::Person(new.person));
                insert(transaction, new, sealed, among).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn confirm(&self, id: FactorId, position: u64, entry: AuditEntry) -> Result<bool> {
        self.write(move |transaction| {
            Box::pin(async move {
                let person = change(transaction, id).await?;
                let done = Query::new(
                    "UPDATE positions SET next = $2 + 1, used = $3 WHERE factor = $1 AND next <= $2
                     AND EXISTS (SELECT 1 FROM factors WHERE id = $1 AND state = 'pending')",
                )
                .bind(id.to_string())
                .bind(number(position))
                .bind(entry.at.millis())
                .execute(&mut transaction.connection)
                .await?;
                if done == 0 {
                    return Ok(false);
                }
                let active = Query::new("UPDATE factors SET state = 'active' WHERE id = $1");
                active.bind(id.to_string()).execute(&mut transaction.connection).await?;
                // First codes that were wrong are no failures of what counts from now on.
                clear(transaction, person, id).await?;
                audit::append(transaction, entry).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn revoke(&self, id: FactorId, but: Option<SessionKey>, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                end(transaction, id, but).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn rename(&self, id: FactorId, label: String, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                change(transaction, id).await?;
                must_be_distinct(transaction, id, &label).await?;
                let rename = Query::new("UPDATE factors SET label = $2 WHERE id = $1");
                let rename = rename.bind(id.to_string()).bind(label);
                match rename.execute(&mut transaction.connection).await? {
                    0 => Err(gone()),
                    _ => audit::append(transaction, entry).await,
                }
            })
        })
        .await
    }

    async fn advance(
        &self,
        id: FactorId,
        next: u64,
        used: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<bool> {
        self.write(move |transaction| {
            Box::pin(async move {
                let person = change(transaction, id).await?;
                let text =
                    "UPDATE positions SET next = $2, used = COALESCE($3, used) WHERE factor = $1 AND next < $2";
                let done = Query::new(text)
                    .bind(id.to_string())
                    .bind(number(next))
                    .bind(used.map(Timestamp::millis))
                    .execute(&mut transaction.connection)
                    .await?;
                if done == 0 {
                    return Ok(false);
                }
                clear(transaction, person, id).await?;
                audit::append(transaction, entry).await?;
                Ok(true)
            })
        })
        .await
    }
}
