//! Keys of applications. Their secrets are sealed, bound to id and application, and not only hashed: one face of the API signs
//! requests with them.

use super::super::seal::Place;
use super::connection::Row;
use super::query::Query;
use super::{Records, audit, damaged};
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::store::{ClientKey, ClientKeyStatus, ClientKeys, Result, StoreError};
use async_trait::async_trait;
use zeroize::Zeroizing;

const COLUMNS: &str = "SELECT id, client, created, expires, secret FROM client_keys";

fn place<'a>(id: &'a str, client: &'a str) -> Place<'a> {
    Place { table: "client_keys", row: id, person: client, kind: "key" }
}

fn status(row: &Row) -> Result<ClientKeyStatus> {
    Ok(ClientKeyStatus {
        id: row.text(0)?.to_owned(),
        client: row.text(1)?.to_owned(),
        created: Timestamp::from_millis(row.number(2)?),
        expires: row.optional_number(3)?.map(Timestamp::from_millis),
    })
}

impl Records {
    fn client_key(&self, row: &Row) -> Result<ClientKey> {
        let status = status(row)?;
        let opened = self.0.keyring.open(place(&status.id, &status.client), row.text(4)?)?;
        let text = Zeroizing::new(opened.expose().clone());
        let secret = std::str::from_utf8(&text).map_err(|_| damaged("key of an application"))?;
        Ok(ClientKey { secret: Secret::new(secret.to_owned()), status })
    }
}

#[async_trait]
impl ClientKeys for Records {
    async fn add(&self, key: ClientKey, older: Option<Timestamp>, entry: AuditEntry) -> Result<()> {
        let ClientKey { status: ClientKeyStatus { id, client, created, expires }, secret } = key;
        let sealed = self.seal(place(&id, &client), secret.expose().as_bytes())?;
        self.write(move |transaction| {
            Box::pin(async move {
                let connection = &mut transaction.connection;
                if let Some(older) = older {
                    let over = Query::new("DELETE FROM client_keys WHERE client = $1 AND expires <= $2");
                    over.bind(&client).bind(created.millis()).execute(&mut *connection).await?;
                    let end = Query::new(
                        "UPDATE client_keys SET expires = $2 WHERE client = $1 AND (expires IS NULL OR expires > $2)",
                    );
                    end.bind(&client).bind(older.millis()).execute(&mut *connection).await?;
                }
                let add = Query::new(
                    "INSERT INTO client_keys (id, client, secret, created, expires) VALUES ($1, $2, $3, $4, $5)",
                );
                let add = add.bind(id).bind(client).bind(sealed).bind(created.millis());
                add.bind(expires.map(Timestamp::millis)).execute(&mut *connection).await?;
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    async fn find(&self, id: &str) -> Result<Option<ClientKey>> {
        let row = Query::new(format!("{COLUMNS} WHERE id = $1")).bind(id);
        row.fetch_optional(&self.0.readers).await?.as_ref().map(|row| self.client_key(row)).transpose()
    }

    async fn of(&self, client: &str) -> Result<Vec<ClientKey>> {
        let rows = Query::new(format!("{COLUMNS} WHERE client = $1 ORDER BY created DESC, id")).bind(client);
        rows.fetch_all(&self.0.readers).await?.iter().map(|row| self.client_key(row)).collect()
    }

    async fn list(&self) -> Result<Vec<ClientKeyStatus>> {
        let rows = Query::new(format!("{COLUMNS} ORDER BY client, created, id"));
        rows.fetch_all(&self.0.readers).await?.iter().map(status).collect()
    }

    async fn revoke(&self, id: &str, entry: AuditEntry) -> Result<()> {
        let id = id.to_owned();
        self.write(move |transaction| {
            Box::pin(async move {
                let revoke = Query::new("DELETE FROM client_keys WHERE id = $1").bind(id);
                if revoke.execute(&mut transaction.connection).await? == 0 {
                    return Err(StoreError::NotFound(
                        "there is no such key; `doorward client list` shows those that there are".into(),
                    ));
                }
                audit::append(transaction, entry).await
            })
        })
        .await
    }
}
