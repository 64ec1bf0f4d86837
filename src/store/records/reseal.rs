//! Seals anew what is under an older master key: factors, tokens, and messages that are not over. In steps, so that other nodes need
//! not wait for all of it.

use super::connection::Connection;
use super::open::begin;
use super::query::Query;
use crate::base::OsRandom;
use crate::store::seal::{Keyring, Place};
use crate::store::{Result, StoreError};

/// Rows in one transaction: few, because they are read while nobody else can write.
const STEP: i64 = 100;

/// What is sealed in a table, and how it is bound to its row.
struct Sealed {
    table: &'static str,
    /// Rows after one id: id, person, kind, sealed.
    select: &'static str,
    update: &'static str,
}

const SEALED: [Sealed; 3] = [
    Sealed {
        table: "factors",
        select: "SELECT id, person, kind, material FROM factors
                 WHERE substr(material, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE factors SET material = $2 WHERE id = $1",
    },
    Sealed {
        table: "tokens",
        select: "SELECT id, '', kind, material FROM tokens
                 WHERE substr(material, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE tokens SET material = $2 WHERE id = $1",
    },
    Sealed {
        table: "outbox",
        select: "SELECT id, person, channel, content FROM outbox
                 WHERE substr(content, 1, CAST($1 AS INTEGER)) <> $2 AND content <> '' AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE outbox SET content = $2 WHERE id = $1",
    },
];

/// One that does not open stays as it is: the login that needs it will say so.
pub(super) async fn all(connection: &mut Connection, keyring: &Keyring) -> Result<()> {
    let prefix = keyring.prefix();
    for sealed in SEALED {
        let mut after = String::new();
        loop {
            begin(connection).await?;
            let stale = Query::new(sealed.select).bind(super::number(prefix.len() as u64)).bind(&prefix);
            let stale = stale.bind(&after).bind(STEP).fetch_all(&mut *connection).await?;
            for row in &stale {
                let place = Place {
                    table: sealed.table,
                    row: row.text(0)?,
                    person: row.text(1)?,
                    kind: row.text(2)?,
                };
                match keyring.open(place, row.text(3)?) {
                    Ok(opened) => {
                        let again = keyring.seal(&OsRandom, place, opened.expose())?;
                        Query::new(sealed.update).bind(place.row).bind(again).execute(connection).await?;
                    }
                    Err(error @ StoreError::Sealed(_)) => {
                        tracing::warn!(%error, "a row of {} cannot be sealed anew", sealed.table);
                    }
                    Err(error) => return Err(error),
                }
                place.row.clone_into(&mut after);
            }
            connection.commit().await?;
            if i64::try_from(stale.len()).is_ok_and(|count| count < STEP) {
                break;
            }
        }
    }
    Ok(())
}
