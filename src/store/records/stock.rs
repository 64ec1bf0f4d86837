//! Files of tokens into the inventory, tokens out of it for good, and the whole of it to be read.

use super::audit;
use super::connection::{Connection, Row};
use super::material::{of_token, open_waiting, seal, seal_waiting};
use super::query::{Query, Value, places};
use super::tokens::{COLUMNS, PART, assign, columns, gone, insert, token};
use super::transaction::Transaction;
use super::{Records, material, number};
use crate::base::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{FactorId, FactorKind};
use crate::domain::token::{Token, TokenId};
use crate::store::{Given, Import, LateKey, Replacement, Result, Stock, StoreError, Whole};
use async_trait::async_trait;

/// The token's own columns, what its owner knows of it, and the position that counts.
const WHOLE: &str =
    "SELECT t.id, t.kind, t.name, t.serial, t.state, t.created, t.person, t.factor, COALESCE(o.next, t.next), t.material,
            p.username, f.label, o.used
     FROM tokens t LEFT JOIN people p ON p.id = t.person LEFT JOIN factors f ON f.id = t.factor
     LEFT JOIN positions o ON o.factor = t.factor WHERE t.id > $1 ORDER BY t.id LIMIT $2";

/// An owner that comes with a token.
struct Owned {
    given: Given,
    /// The token's row, and the sealed material of the factor.
    row: ([Value; 7], String),
}

/// An import with everything sealed for its place.
struct Sealed {
    new: Vec<[Value; 7]>,
    revoked: Vec<TokenId>,
    owned: Vec<Owned>,
    replaced: Vec<(Replacement, String)>,
    keys: Vec<(LateKey, String)>,
}

impl Sealed {
    fn of(records: &Records, import: Import) -> Result<Self> {
        let Import { new, revoked, given, replaced, keys } = import;
        let owned = |given: Given| {
            let (factor, new) = (&given.assignment.factor, given.assignment.new.as_ref());
            let (id, person) = (factor.id.to_string(), factor.person.to_string());
            let sealed = seal(records, material::of_factor(&id, &person, factor.kind), &factor.material)?;
            let row = columns(records, new.ok_or_else(gone)?)?;
            Ok(Owned { given, row: (row, sealed) })
        };
        let replaced = replaced.into_iter().map(|one| {
            let sealed = seal(records, of_token(&one.token.to_string(), one.kind), &one.material)?;
            Ok((one, sealed))
        });
        let keys = keys.into_iter().map(|late| {
            let id = late.token.to_string();
            let place = of_token(&id, FactorKind::Yubikey);
            let sealed = seal_waiting(records, place, late.public_id, &late.key)?;
            Ok((late, sealed))
        });
        Ok(Self {
            new: new.iter().map(|new| columns(records, new)).collect::<Result<_>>()?,
            revoked,
            owned: given.into_iter().map(owned).collect::<Result<_>>()?,
            replaced: replaced.collect::<Result<_>>()?,
            keys: keys.collect::<Result<_>>()?,
        })
    }

    async fn write(self, transaction: &mut Transaction) -> Result<()> {
        let connection = &mut transaction.connection;
        insert(connection, self.new).await?;
        for id in self.revoked {
            let mark = Query::new("UPDATE tokens SET state = 'revoked' WHERE id = $1").bind(id.to_string());
            mark.execute(&mut *connection).await?;
        }
        for (one, sealed) in self.replaced {
            replace(connection, &one, sealed).await?;
        }
        for Owned { given: Given { assignment, used, audit }, row: (row, sealed) } in self.owned {
            let factor = assignment.factor.id;
            assign(transaction, assignment, (Some(row), sealed)).await?;
            mark_used(&mut transaction.connection, factor, used).await?;
            audit::append(transaction, audit).await?;
        }
        // Last, because they may be of tokens that have just come in.
        for (late, sealed) in self.keys {
            wait(&mut transaction.connection, &late, sealed).await?;
        }
        Ok(())
    }
}

async fn mark_used(connection: &mut Connection, factor: FactorId, used: Option<Timestamp>) -> Result<()> {
    let Some(used) = used else { return Ok(()) };
    let mark = Query::new("UPDATE positions SET used = $2 WHERE factor = $1");
    mark.bind(factor.to_string()).bind(used.millis()).execute(connection).await.map(drop)
}

/// Overwrites a token if it is still nobody's. Old secrets keep their position: it may have moved since it was read.
async fn replace(connection: &mut Connection, one: &Replacement, sealed: String) -> Result<()> {
    let least = if one.same { "CASE WHEN next > $4 THEN next ELSE $4 END" } else { "$4" };
    let text = format!(
        "UPDATE tokens SET serial = $2, material = $3, next = {least} WHERE id = $1 AND factor IS NULL"
    );
    let update = Query::new(text).bind(one.token.to_string()).bind(&one.serial).bind(sealed);
    match update.bind(number(one.next)).execute(connection).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(
            "nothing was imported: one of the tokens has just been given to somebody, or was removed. Look with a dry run, and import \
             again"
                .into(),
        )),
    }
}

/// Keeps a key until a touch says where its counter stands.
async fn wait(connection: &mut Connection, late: &LateKey, sealed: String) -> Result<()> {
    let text =
        "UPDATE tokens SET material = $2, serial = CASE WHEN $3 = '' THEN serial ELSE $3 END WHERE id = $1";
    let update = Query::new(text).bind(late.token.to_string()).bind(sealed).bind(&late.serial);
    match update.execute(connection).await? {
        1 => Ok(()),
        _ => Err(gone()),
    }
}

fn whole(records: &Records, row: &Row) -> Result<Whole> {
    let token = token(records, row)?;
    let waiting = match token.kind {
        FactorKind::Yubikey => open_waiting(records, of_token(row.text(0)?, token.kind), row.text(9)?)?,
        _ => None,
    };
    Ok(Whole {
        waiting,
        user: row.optional_text(10)?.map(str::to_owned),
        label: row.optional_text(11)?.map(str::to_owned),
        used: row.optional_number(12)?.map(Timestamp::from_millis),
        token,
    })
}

#[async_trait]
impl Stock for Records {
    async fn known(&self, names: Vec<(FactorKind, String)>) -> Result<Vec<Token>> {
        let mut known = Vec::new();
        for part in names.chunks(PART) {
            let count = places(part.len());
            let pairs: Vec<_> = (0..count).map(|at| format!("(${}, ${})", 2 * at + 1, 2 * at + 2)).collect();
            let text = format!("{COLUMNS} WHERE (t.kind, t.name) IN (VALUES {})", pairs.join(", "));
            let named = part.iter().map(|(kind, name)| (kind.as_str(), name.as_str()));
            // Nothing is of no kind.
            let filled = named.chain(std::iter::repeat_n(("", ""), count - part.len()));
            let query = filled.fold(Query::new(text), |query, (kind, name)| query.bind(kind).bind(name));
            for row in &query.fetch_all(&self.0.readers).await? {
                known.push(token(self, row)?);
            }
        }
        Ok(known)
    }

    async fn import(&self, import: Import, entry: AuditEntry) -> Result<()> {
        let sealed = Sealed::of(self, import)?;
        self.write(move |transaction| {
            Box::pin(async move {
                sealed.write(transaction).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn remove(&self, tokens: Vec<TokenId>, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                for id in tokens {
                    let remove = Query::new("DELETE FROM tokens WHERE id = $1 AND factor IS NULL");
                    if remove.bind(id.to_string()).execute(&mut transaction.connection).await? != 1 {
                        return Err(StoreError::Conflict(
                            "nothing was removed: one of the tokens has just been given to somebody, or is gone".into(),
                        ));
                    }
                }
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn page(&self, after: &str, limit: u32) -> Result<Vec<Whole>> {
        let rows = Query::new(WHOLE).bind(after).bind(limit).fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| whole(self, row)).collect()
    }
}
