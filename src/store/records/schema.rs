//! The tables in PostgreSQL: made where there are none, otherwise only looked at. Bringing them to a newer schema is a
//! step of its own (`doorward db migrate`), because other nodes of the old version may still be running, and because the
//! user that serves need not be allowed to change tables.

use super::connection::Connection;
use super::open::{MIGRATIONS, OpenError};
use super::postgres::{Server, lock_key};
use super::query::Query;
use super::{damaged, lost};
use crate::store::{Result, StoreError};
use std::path::PathBuf;

/// What is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Empty,
    /// An older schema of ours.
    Behind(i64),
    /// Ours.
    Current,
}

/// The newest step of our schema.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default()
}

fn wrong(url: &str, why: String) -> OpenError {
    OpenError::Schema { path: PathBuf::from(url), why }
}

/// Looks, and makes the tables in an empty database.
pub(super) async fn prepare(server: &Server, url: &str) -> Result<(), OpenError> {
    let failed = |source| OpenError::Server { url: url.to_owned(), source };
    let mut connection = server.connect(false).await.map_err(failed)?;
    let found = look(&mut connection, url).await?;
    connection.close().await;
    if found == Found::Current {
        return Ok(());
    }
    // Perhaps another node is just making them: it is waited for, and then looked again.
    let mut connection = locked(server).await.map_err(failed)?;
    match look(&mut connection, url).await? {
        Found::Current => {}
        Found::Empty => run(&mut connection).await.map_err(failed)?,
        Found::Behind(version) => {
            let why = format!(
                "it has schema {version}, and this version needs {}. Make a backup and run `doorward db migrate` once. \
                 Nodes of the old version that run go on, but cannot be started again after it",
                newest()
            );
            return Err(wrong(url, why));
        }
    }
    connection.close().await;
    Ok(())
}

/// A connection for long work that holds the lock of the schema until it is closed.
async fn locked(server: &Server) -> Result<Connection> {
    let mut connection = server.connect_patiently().await?;
    let lock = Query::new("SELECT 1 FROM (SELECT pg_advisory_lock($1)) AS locked");
    lock.bind(lock_key("schema")).execute(&mut connection).await?;
    Ok(connection)
}

/// What is there; `Err` where it cannot be used.
pub(super) async fn look(connection: &mut Connection, url: &str) -> Result<Found, OpenError> {
    let failed = |source| OpenError::Server { url: url.to_owned(), source };
    let encoding = "SELECT current_setting('server_encoding')";
    let encoding = Query::new(encoding).fetch_one(&mut *connection).await.map_err(failed)?;
    if encoding.text(0).map_err(failed)? != "UTF8" {
        let why =
            "its encoding is not UTF8. Make it anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0";
        return Err(wrong(url, why.to_owned()));
    }
    let tables = tables(connection).await.map_err(failed)?;
    if tables.is_empty() {
        return Ok(Found::Empty);
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        let why = "it holds tables of another program. Set `store.url` to a database of its own";
        return Err(wrong(url, why.to_owned()));
    }
    let steps = Query::new("SELECT version, encode(checksum, 'hex') FROM _sqlx_migrations ORDER BY version");
    let steps = steps.fetch_all(&mut *connection).await.map_err(failed)?;
    for row in &steps {
        let version = row.number(0).map_err(failed)?;
        let Some(step) = MIGRATIONS.iter().find(|step| step.version == version) else {
            let why = format!(
                "it has schema {version}, which is newer. Start the newer version again, or restore an older backup"
            );
            return Err(wrong(url, why));
        };
        if data_encoding::HEXLOWER.encode(&step.checksum) != row.text(1).map_err(failed)? {
            let why = format!(
                "step {version} of its schema is not the one of this version. Start the version that made it, or \
                 restore a backup"
            );
            return Err(wrong(url, why));
        }
    }
    let last = steps.last().map(|row| row.number(0)).transpose().map_err(failed)?;
    Ok(match last {
        Some(last) if steps.len() == MIGRATIONS.iter().count() && last == newest() => Found::Current,
        last => Found::Behind(last.unwrap_or_default()),
    })
}

/// The tables that our user would see first.
pub(super) async fn tables(connection: &mut Connection) -> Result<Vec<String>> {
    let rows = Query::new(
        "SELECT CAST(c.relname AS TEXT) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') ORDER BY 1",
    );
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Brings the tables to the present schema; several that try wait for each other.
pub(super) async fn migrate(server: &Server, url: &str) -> Result<(), OpenError> {
    let failed = |source| OpenError::Server { url: url.to_owned(), source };
    let mut connection = locked(server).await.map_err(failed)?;
    run(&mut connection).await.map_err(failed)?;
    connection.close().await;
    Ok(())
}

async fn run(connection: &mut Connection) -> Result<()> {
    let Connection::Postgres(session) = connection else {
        return Err(damaged("no connection to PostgreSQL"));
    };
    MIGRATIONS.run(session.raw()).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => lost(error),
        other => StoreError::Unavailable(other.to_string()),
    })
}
