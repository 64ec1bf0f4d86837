//! The inventory of tokens. A token and the factor that it is for somebody change together, in one transaction.

use super::accounts::Change;
use super::audit;
use super::connection::{Connection, Row};
use super::factors;
use super::material::{of_factor, of_token, open, open_waiting, seal};
use super::query::{Query, Script, Value, places};
use super::transaction::Transaction;
use super::{Records, damaged, number};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{FactorId, FactorKind, Material};
use crate::domain::person::PersonId;
use crate::domain::token::{Token, TokenId, TokenState};
use crate::domain::yubikey::KeyOwner;
use crate::store::{
    Among, Assignment, NewFactor, NewToken, Result, StoreError, TokenQuery, TokenStatus, Tokens,
};
use crate::wire::yubico::{Key, PublicId};
use async_trait::async_trait;

/// Tokens in one statement at most.
pub(super) const PART: usize = 64;
pub(super) const COLUMNS: &str = "SELECT t.id, t.kind, t.name, t.serial, t.state, t.created, t.person, t.factor, COALESCE(o.next, t.next), t.material FROM tokens t LEFT JOIN positions o ON o.factor = t.factor";

pub(super) fn gone() -> StoreError {
    StoreError::NotFound("there is no such token; `doorward token list` shows which there are".into())
}

pub(super) fn kind(text: &str) -> Result<FactorKind> {
    text.parse().map_err(|()| damaged("a token's kind"))
}

pub(super) fn state(text: &str) -> Result<TokenState> {
    text.parse().map_err(|()| damaged("a token's state"))
}

pub(super) fn token(records: &Records, row: &Row) -> Result<Token> {
    let (id, kind) = (row.text(0)?, kind(row.text(1)?)?);
    let person = row.optional_text(6)?.map(str::parse).transpose();
    let factor = row.optional_text(7)?.map(str::parse).transpose();
    Ok(Token {
        id: id.parse().map_err(|_| damaged("a token's id"))?,
        kind,
        name: row.text(2)?.to_owned(),
        serial: row.text(3)?.to_owned(),
        state: state(row.text(4)?)?,
        created: Timestamp::from_millis(row.number(5)?),
        person: person.map_err(|_| damaged("a person's id"))?,
        factor: factor.map_err(|_| damaged("a factor's id"))?,
        next: u64::try_from(row.number(8)?).map_err(|_| damaged("a counter"))?,
        material: open(&records.0.keyring, of_token(id, kind), kind, row.text(9)?)?,
    })
}

/// A new row; nobody's yet.
pub(super) fn columns(records: &Records, new: &NewToken) -> Result<[Value; 7]> {
    let id = new.id.to_string();
    let sealed = seal(records, of_token(&id, new.kind), &new.material)?;
    Ok([
        id.into(),
        new.kind.as_str().into(),
        (&new.name).into(),
        (&new.serial).into(),
        number(new.next).into(),
        new.created.millis().into(),
        sealed.into(),
    ])
}

pub(super) async fn insert(connection: &mut Connection, rows: Vec<[Value; 7]>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<_> = rows.by_ref().take(PART).collect();
        let mut script = Script::default();
        script.statement(
            "INSERT INTO tokens (id, kind, name, serial, state, next, created, material)
             SELECT column1, column2, column3, column4, 'stock', column5, column6, column7 FROM (VALUES ",
        );
        let text = || Value::Text(None);
        let empty = [text(), text(), text(), text(), Value::Number(None), Value::Number(None), text()];
        let count = places(part.len());
        script.rows(part, count, &empty);
        script.add(") AS token WHERE column1 IS NOT NULL");
        script.execute(connection).await?;
    }
    Ok(())
}

/// Takes tokens from factors that are about to end: where their counters stood stays with them.
pub(super) async fn release(transaction: &mut Transaction, factor: FactorId) -> Result<()> {
    let release = Query::new(
        "UPDATE tokens SET state = 'revoked', person = NULL, factor = NULL,
                next = (SELECT o.next FROM positions o WHERE o.factor = $1)
         WHERE factor = $1",
    );
    release.bind(factor.to_string()).execute(&mut transaction.connection).await?;
    Ok(())
}

/// Why a token cannot become this person's; else the position that counts for it from now on.
fn next(token: &Row, wanted: &Assignment) -> Result<i64> {
    let refuse = |why: &str| Err(StoreError::Conflict(why.to_owned()));
    let (owner, next) = (token.optional_text(1)?, token.number(2)?);
    match state(token.text(0)?)? {
        TokenState::Assigned if owner == Some(&wanted.factor.person.to_string()) => {
            return refuse("this token is theirs already");
        }
        TokenState::Assigned => {
            return refuse(
                "this token belongs to another person. Use another one, or revoke it first (`doorward token revoke`)",
            );
        }
        TokenState::Revoked if !wanted.revoked => {
            return refuse(
                "this token was revoked. If it is really there again, assign it with `doorward token assign --revoked`",
            );
        }
        TokenState::Revoked | TokenState::Stock => {}
    }
    match wanted.proven.map(number) {
        Some(proven) if proven < next => {
            refuse("this password of the key was used before. Touch the key once more")
        }
        proven => Ok(proven.map_or(next, |proven| proven + 1)),
    }
}

pub(super) async fn assign(
    transaction: &mut Transaction,
    mut wanted: Assignment,
    (new, sealed): (Option<[Value; 7]>, String),
) -> Result<()> {
    let id = wanted.token.to_string();
    if let Some(new) = new {
        insert(&mut transaction.connection, vec![new]).await.map_err(|error| match error {
            StoreError::Conflict(_) => StoreError::Conflict(
                "this key has just been registered by somebody; look with `doorward token list`".into(),
            ),
            other => other,
        })?;
    }
    let row = Query::new("SELECT state, person, next FROM tokens WHERE id = $1").bind(&id);
    let row = row.fetch_optional(&mut transaction.connection).await?.ok_or_else(gone)?;
    let next = next(&row, &wanted)?;
    wanted.factor.next = u64::try_from(next).map_err(|_| damaged("a counter"))?;
    let NewFactor { id: factor, person, .. } = wanted.factor;
    transaction.change(Change::Person(person));
    factors::insert(transaction, wanted.factor, sealed, Among::Others).await?;
    // Only where it is still nobody's: the row above was read in this transaction, and the index on `factor` is unique.
    let taken = Query::new(
        "UPDATE tokens SET state = 'assigned', person = $2, factor = $3 WHERE id = $1 AND factor IS NULL",
    );
    let taken = taken.bind(&id).bind(person.to_string()).bind(factor.to_string());
    match taken.execute(&mut transaction.connection).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict("this token has just been given to somebody".into())),
    }
}

fn named(public_id: &PublicId) -> Query {
    Query::new("SELECT id, person, factor, material FROM tokens WHERE kind = 'yubikey' AND name = $1")
        .bind(public_id.to_string())
}

/// The key counts from now on, here and in the factor that it is; nothing before `position` is good.
async fn localise(
    records: &Records,
    transaction: &mut Transaction,
    public_id: PublicId,
    position: u64,
    mut entry: AuditEntry,
) -> Result<bool> {
    let Some(row) = named(&public_id).fetch_optional(&mut transaction.connection).await? else {
        return Ok(false);
    };
    let (id, kind) = (row.text(0)?.to_owned(), FactorKind::Yubikey);
    let Some(key) = open_waiting(records, of_token(&id, kind), row.text(3)?)? else { return Ok(false) };
    let material = Material::Yubikey { public_id, key: Some(key) };
    let sealed = seal(records, of_token(&id, kind), &material)?;
    let token = Query::new(
        "UPDATE tokens SET material = $2, next = CASE WHEN next < $3 THEN $3 ELSE next END WHERE id = $1",
    );
    let token = token.bind(&id).bind(sealed).bind(number(position));
    token.execute(&mut transaction.connection).await?;
    if let (Some(person), Some(factor)) = (row.optional_text(1)?, row.optional_text(2)?) {
        let owner: PersonId = person.parse().map_err(|_| damaged("a person's id"))?;
        entry.person = Some(owner);
        transaction.change(Change::Person(owner));
        let sealed = seal(records, of_factor(factor, person, kind), &material)?;
        let known = Query::new("UPDATE factors SET material = $2 WHERE id = $1").bind(factor).bind(sealed);
        known.execute(&mut transaction.connection).await?;
        let at = Query::new("UPDATE positions SET next = $2 WHERE factor = $1 AND next < $2");
        at.bind(factor).bind(number(position)).execute(&mut transaction.connection).await?;
    }
    audit::append(transaction, entry).await?;
    Ok(true)
}

fn listing(query: &TokenQuery) -> Query {
    let mut text = "SELECT t.id, t.kind, t.name, t.serial, t.state, t.created, p.username, t.factor
         FROM tokens t LEFT JOIN people p ON p.id = t.person WHERE t.id > $1"
        .to_owned();
    let mut values: Vec<Value> = vec![query.after.clone().unwrap_or_default().into()];
    let mut only = |condition: &str, value: Value| {
        values.push(value);
        text.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(kind) = query.kind {
        only(" AND t.kind = ?", kind.as_str().into());
    }
    if let Some(state) = query.state {
        only(" AND t.state = ?", state.as_str().into());
    }
    if let Some(person) = query.person {
        only(" AND t.person = ?", person.to_string().into());
    }
    if let Some(matching) = &query.matching {
        let escaped = matching.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        only(" AND (lower(t.name) LIKE ? ESCAPE '\\' OR lower(t.serial) LIKE ? ESCAPE '\\')", pattern.into());
    }
    let limit = if query.limit == 0 { 100 } else { query.limit.min(1000) };
    only(" ORDER BY t.id LIMIT ?", limit.into());
    values.into_iter().fold(Query::new(text), Query::bind)
}

#[async_trait]
impl Tokens for Records {
    async fn owner(&self, public_id: &PublicId) -> Result<KeyOwner> {
        let row = Query::new("SELECT state, person FROM tokens WHERE kind = 'yubikey' AND name = $1")
            .bind(public_id.to_string())
            .fetch_optional(&self.0.readers)
            .await?;
        let Some(row) = row else { return Ok(KeyOwner::Unknown) };
        Ok(match (state(row.text(0)?)?, row.optional_text(1)?) {
            (TokenState::Revoked, _) => KeyOwner::Revoked,
            (TokenState::Assigned, Some(person)) => {
                KeyOwner::Person(person.parse().map_err(|_| damaged("a person's id"))?)
            }
            _ => KeyOwner::Nobody,
        })
    }

    async fn find(&self, named: &str) -> Result<Vec<Token>> {
        let by = " WHERE t.id = $1 OR t.name = $1 OR t.serial = $1 ORDER BY t.id LIMIT 10";
        let rows = Query::new(format!("{COLUMNS}{by}")).bind(named).fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| token(self, row)).collect()
    }

    async fn list(&self, query: &TokenQuery) -> Result<Vec<TokenStatus>> {
        let rows = listing(query).fetch_all(&self.0.readers).await?;
        let status = |row: &Row| {
            Ok(TokenStatus {
                id: row.text(0)?.to_owned(),
                kind: kind(row.text(1)?)?,
                name: row.text(2)?.to_owned(),
                serial: row.text(3)?.to_owned(),
                state: state(row.text(4)?)?,
                created: Timestamp::from_millis(row.number(5)?),
                user: row.optional_text(6)?.map(str::to_owned),
                factor: row.optional_text(7)?.map(str::to_owned),
            })
        };
        rows.iter().map(status).collect()
    }

    async fn assign(&self, wanted: Assignment, entry: AuditEntry) -> Result<()> {
        let (id, person) = (wanted.factor.id.to_string(), wanted.factor.person.to_string());
        let sealed = seal(self, of_factor(&id, &person, wanted.factor.kind), &wanted.factor.material)?;
        let new = wanted.new.as_ref().map(|new| columns(self, new)).transpose()?;
        self.write(move |transaction| {
            Box::pin(async move {
                assign(transaction, wanted, (new, sealed)).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn revoke(&self, id: TokenId, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let row = Query::new("SELECT factor FROM tokens WHERE id = $1").bind(id.to_string());
                let row = row.fetch_optional(&mut transaction.connection).await?.ok_or_else(gone)?;
                if let Some(factor) = row.optional_text(0)? {
                    let factor = factor.parse().map_err(|_| damaged("a factor's id"))?;
                    factors::end(transaction, factor, None).await?;
                }
                let mark = Query::new("UPDATE tokens SET state = 'revoked' WHERE id = $1");
                mark.bind(id.to_string()).execute(&mut transaction.connection).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn use_up(
        &self,
        id: TokenId,
        position: u64,
        (mark, expires): (String, Timestamp),
        entry: AuditEntry,
    ) -> Result<bool> {
        self.write(move |transaction| {
            Box::pin(async move {
                let accept = Query::new(
                    "UPDATE tokens SET next = $2 + 1 WHERE id = $1 AND next <= $2 AND state = 'stock' AND factor IS NULL
                     AND NOT EXISTS (SELECT 1 FROM once WHERE once.id = $3)",
                );
                let accept = accept.bind(id.to_string()).bind(number(position)).bind(&mark);
                if accept.execute(&mut transaction.connection).await? != 1 {
                    return Ok(false);
                }
                let used = Query::new("INSERT INTO once (id, expires) VALUES ($1, $2)");
                used.bind(mark).bind(expires.millis()).execute(&mut transaction.connection).await?;
                audit::append(transaction, entry).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn waiting(&self, public_id: &PublicId) -> Result<Option<Key>> {
        let row = named(public_id).fetch_optional(&self.0.readers).await?;
        let Some(row) = row else { return Ok(None) };
        open_waiting(self, of_token(row.text(0)?, FactorKind::Yubikey), row.text(3)?)
    }

    async fn localise(&self, public_id: &PublicId, position: u64, entry: AuditEntry) -> Result<bool> {
        let (records, public_id) = (self.clone(), *public_id);
        self.write(move |transaction| {
            Box::pin(async move { localise(&records, transaction, public_id, position, entry).await })
        })
        .await
    }

    async fn owner_may_log_in(&self, person: PersonId, now: Timestamp) -> Result<bool> {
        let row = Query::new(
            "SELECT 1 FROM people WHERE id = $1 AND status = 'active' AND (valid_until IS NULL OR valid_until > $2)",
        );
        let row = row.bind(person.to_string()).bind(now.millis());
        Ok(row.fetch_optional(&self.0.readers).await?.is_some())
    }
}
