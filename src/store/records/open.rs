//! Opening the file: made for its owner only, checked, brought to the present schema, its own keys unsealed.

use super::super::seal::{Keyring, Place};
use super::writer::Writer;
use super::{Inner, Records, failure};
use crate::base::{OsRandom, Random, Secret};
use crate::domain::digest::CodeDigester;
use crate::store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// Files up to this size are checked whole when they are opened.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be made or opened.
    #[error("the database {path} cannot be opened: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is damaged, locked, or no database.
    #[error("the database {path} cannot be used: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// It was written by a newer version, or its migrations were edited.
    #[error("the database {path} does not fit this version of Doorward: {why}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Records {
    /// Opens the file, making it and its folder if they are missing.
    pub async fn open(
        path: &Path,
        busy_timeout: Duration,
        readers: u32,
        keyring: Keyring,
    ) -> Result<Self, OpenError> {
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        make_file(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(busy_timeout)
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failure).map_err(database)?;
        quick_check(path, &mut connection).await.map_err(database)?;
        migrate(path, &mut connection).await?;
        let digest_key = own_key(&mut connection, &keyring, "code-digest").await.map_err(database)?;
        let audit_key = own_key(&mut connection, &keyring, "audit").await.map_err(database)?;
        let pool = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(busy_timeout.max(Duration::from_millis(100)))
            .test_before_acquire(false)
            .connect_lazy_with(options);
        let writer = Writer::start(connection, audit_key.clone()).await.map_err(database)?;
        let digester = CodeDigester::new(digest_key);
        Ok(Self(Arc::new(Inner { readers: pool, writer, keyring, digester, audit_key })))
    }
}

/// SQLite gives the files beside it (WAL, shared memory) the mode of the database itself.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

async fn quick_check(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > QUICK_CHECK_LIMIT) {
        return Ok(());
    }
    let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(connection).await.map_err(failure)?;
    match row.try_get::<String, _>(0) {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(StoreError::Unavailable(format!(
            "the file is corrupt; restore it from a backup ({})",
            answer.lines().next().unwrap_or_default()
        ))),
        Err(error) => Err(failure(error)),
    }
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    use sqlx::migrate::MigrateError;
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Schema {
            path: path.to_owned(),
            why: format!(
                "it has schema {version}, which is newer. Start the newer version again, or restore an older backup"
            ),
        },
        MigrateError::Execute(error) => {
            OpenError::Database { path: path.to_owned(), source: failure(error) }
        }
        other => OpenError::Schema { path: path.to_owned(), why: other.to_string() },
    })
}

/// One of the daemon's own keys, made at the first start.
async fn own_key(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    name: &str,
) -> Result<Secret<Vec<u8>>, StoreError> {
    let place = Place { table: "secrets", row: name, person: "", kind: "key" };
    let sealed = keyring.seal(&OsRandom, place, &OsRandom.array::<32>())?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    sqlx::query("INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(sealed)
        .execute(&mut *transaction)
        .await
        .map_err(failure)?;
    let row = sqlx::query("SELECT sealed FROM secrets WHERE name = $1")
        .bind(name)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failure)?;
    let kept: String = row.try_get(0).map_err(failure)?;
    let key = keyring.open(place, &kept)?;
    transaction.commit().await.map_err(failure)?;
    Ok(key)
}
