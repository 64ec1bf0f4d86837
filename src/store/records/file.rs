//! The file of SQLite: made for its owner only, checked, brought to the present schema.

use super::failure;
use super::open::{MIGRATIONS, OpenError};
use crate::store::StoreError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// Files up to this size are checked whole when they are opened.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;

/// Marks a database as ours (`PRAGMA application_id`): "Door".
const APPLICATION_ID: i64 = 0x446f_6f72;

/// How every SQLite file starts.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens the file, making it and its folder if they are missing; with the options of further connections.
pub(super) async fn open(
    path: &Path,
    busy_timeout: Duration,
) -> Result<(SqliteConnection, SqliteConnectOptions), OpenError> {
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
    if !is_ours(path, busy_timeout).await.map_err(database)? {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let mut connection = options.connect().await.map_err(failure).map_err(database)?;
    quick_check(path, &mut connection).await.map_err(database)?;
    migrate(path, &mut connection).await?;
    Ok((connection, options))
}

/// Connections that read.
pub(super) fn readers(options: &SqliteConnectOptions, count: u32, busy_timeout: Duration) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(count.max(1))
        // A turn at a connection is no lock: a machine that is busy may take its time.
        .acquire_timeout(busy_timeout.max(Duration::from_secs(1)))
        // A connection to a file does not grow stale, and asking it would double the cost of a read.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"))
}

/// SQLite gives the files beside it (WAL, shared memory) the mode of the database itself.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Whether the file is empty or a database of ours. Looks only: another program's file stays as it is.
async fn is_ours(path: &Path, busy_timeout: Duration) -> Result<bool, StoreError> {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if !start.is_empty() && start != MAGIC {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(busy_timeout);
    let mut connection = options.connect().await.map_err(failure)?;
    let id = sqlx::query("PRAGMA application_id").fetch_one(&mut connection).await.map_err(failure)?;
    let tables = sqlx::query("SELECT count(*) FROM sqlite_master").fetch_one(&mut connection).await;
    let (id, tables): (i64, i64) =
        (id.try_get(0).map_err(failure)?, tables.map_err(failure)?.try_get(0).map_err(failure)?);
    connection.close().await.map_err(failure)?;
    Ok(id == APPLICATION_ID || (id == 0 && tables == 0))
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
    // A pragma takes no parameters; the number is `APPLICATION_ID`.
    let marked = sqlx::query("PRAGMA application_id = 1148153714").execute(&mut *connection).await;
    marked.map_err(|error| OpenError::Database { path: path.to_owned(), source: failure(error) })?;
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Schema {
            path: path.to_owned(),
            why: format!(
                "it has schema {version}, which is newer. Start the newer version again, or restore an older backup"
            ),
        },
        MigrateError::VersionMismatch(version) => OpenError::Schema {
            path: path.to_owned(),
            why: format!(
                "step {version} of its schema is not the one of this version. Start the version that made it, or \
                 restore a backup"
            ),
        },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            OpenError::Database { path: path.to_owned(), source: failure(error) }
        }
        other => OpenError::Schema { path: path.to_owned(), why: other.to_string() },
    })
}

/// Why a file cannot be had alone.
pub(super) enum AloneError {
    Missing(io::Error),
    Foreign,
    InUse,
    Store(StoreError),
}

/// Opens a file that is there, for reading; in a transaction that keeps everybody else out. Who has it open already, as a
/// running daemon has, is noticed: the lock is one that none may have beside us.
pub(super) async fn open_alone(path: &Path) -> Result<SqliteConnection, AloneError> {
    std::fs::metadata(path).map_err(AloneError::Missing)?;
    // Who only reads it for a moment, or is just closing it, is waited for.
    if !is_ours(path, Duration::from_secs(2)).await.map_err(AloneError::Store)? {
        return Err(AloneError::Foreign);
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(Duration::from_secs(2))
        .disable_statement_logging();
    let begun = async {
        let mut connection = options.connect().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(connection)
    };
    let mut connection = begun.await.map_err(|error: sqlx::Error| match &error {
        sqlx::Error::Database(database) if matches!(database.code().as_deref(), Some("5" | "6" | "261")) => {
            AloneError::InUse
        }
        _ => AloneError::Store(failure(error)),
    })?;
    quick_check(path, &mut connection).await.map_err(AloneError::Store)?;
    Ok(connection)
}
