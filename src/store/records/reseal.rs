//! Seals anew what is under an older master key: factors, tokens, messages that are not over, answers to questions, sessions, keys
//! of applications. In steps, so that other nodes need not wait for all of it.

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
    /// Whether it is under the key for what the help desk may see.
    helpdesk: bool,
    /// Rows after one id: id, person, kind, sealed.
    select: &'static str,
    update: &'static str,
}

const SEALED: [Sealed; 7] = [
    Sealed {
        table: "factors",
        helpdesk: false,
        select: "SELECT id, person, kind, material FROM factors
                 WHERE substr(material, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE factors SET material = $2 WHERE id = $1",
    },
    Sealed {
        table: "tokens",
        helpdesk: false,
        select: "SELECT id, '', kind, material FROM tokens
                 WHERE substr(material, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE tokens SET material = $2 WHERE id = $1",
    },
    Sealed {
        table: "outbox",
        helpdesk: false,
        select: "SELECT id, person, channel, content FROM outbox
                 WHERE substr(content, 1, CAST($1 AS INTEGER)) <> $2 AND content <> '' AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE outbox SET content = $2 WHERE id = $1",
    },
    Sealed {
        table: "questions",
        helpdesk: false,
        select: "SELECT person, person, 'answers', answers FROM questions
                 WHERE substr(answers, 1, CAST($1 AS INTEGER)) <> $2 AND answers <> '' AND person > $3 ORDER BY person LIMIT $4",
        update: "UPDATE questions SET answers = $2 WHERE person = $1",
    },
    Sealed {
        table: "questions",
        helpdesk: true,
        select: "SELECT person, person, 'spoken', spoken FROM questions
                 WHERE substr(spoken, 1, CAST($1 AS INTEGER)) <> $2 AND spoken <> '' AND person > $3 ORDER BY person LIMIT $4",
        update: "UPDATE questions SET spoken = $2 WHERE person = $1",
    },
    Sealed {
        table: "sessions",
        helpdesk: false,
        select: "SELECT id, coalesce(person, ''), 'session', content FROM sessions
                 WHERE substr(content, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE sessions SET content = $2 WHERE id = $1",
    },
    Sealed {
        table: "client_keys",
        helpdesk: false,
        select: "SELECT id, client, 'key', secret FROM client_keys
                 WHERE substr(secret, 1, CAST($1 AS INTEGER)) <> $2 AND id > $3 ORDER BY id LIMIT $4",
        update: "UPDATE client_keys SET secret = $2 WHERE id = $1",
    },
];

/// One that does not open stays as it is: the login that needs it will say so.
pub(super) async fn all(connection: &mut Connection, keyring: &Keyring) -> Result<()> {
    let prefix = keyring.prefix();
    for sealed in SEALED {
        let keyring = if sealed.helpdesk { &keyring.of_help_desk() } else { keyring };
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
