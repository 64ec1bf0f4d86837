//! Opening the file: made for its owner only, checked, brought to the present schema, its own keys unsealed.

use super::super::seal::{Keyring, Place};
use super::accounts::Accounts;
use super::chain::Chain;
use super::witness::Witness;
use super::writer::Writer;
use super::{Inner, Records, failure};
use crate::base::{OsRandom, Random, Secret};
use crate::domain::digest::CodeDigester;
use crate::store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// Files up to this size are checked whole when they are opened.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;

/// Marks a database as ours (`PRAGMA application_id`): "Door".
const APPLICATION_ID: i64 = 0x446f_6f72;

/// How every SQLite file starts.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

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
    /// Something else lies there.
    #[error("{path} is not a database of Doorward; set `store.path` to another file")]
    Foreign {
        /// The file.
        path: PathBuf,
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
        if !is_ours(path, busy_timeout).await.map_err(database)? {
            return Err(OpenError::Foreign { path: path.to_owned() });
        }
        let mut connection = options.connect().await.map_err(failure).map_err(database)?;
        quick_check(path, &mut connection).await.map_err(database)?;
        migrate(path, &mut connection).await?;
        let own = own_keys(&mut connection, &keyring).await.map_err(database)?;
        let pool = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(busy_timeout.max(Duration::from_millis(100)))
            // A connection to a file does not grow stale, and asking it would double the cost of a read.
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let chain_end = own.chain.shared();
        let accounts = Arc::new(Accounts::new(Witness::new(path)));
        let inner = Inner {
            readers: pool,
            writer: Writer::start(connection, options, own.chain, Arc::clone(&accounts)),
            accounts,
            keyring,
            digester: CodeDigester::new(own.digests),
            audit_key: own.audit,
            chain_end,
        };
        Ok(Self(Arc::new(inner)))
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

/// What the daemon keeps for itself.
struct Own {
    digests: Secret<Vec<u8>>,
    audit: Secret<Vec<u8>>,
    chain: Chain,
}

/// In one transaction: the daemon's own keys and the head of the audit chain, made at the first start, and what is
/// under an older master key sealed anew, so that the old one can be thrown away.
async fn own_keys(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<Own, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    let known = sqlx::query("SELECT 1 FROM secrets LIMIT 1").fetch_optional(&mut *transaction).await;
    let fresh = known.map_err(failure)?.is_none();
    let digests = own_key(&mut transaction, keyring, "code-digest").await?;
    let audit = own_key(&mut transaction, keyring, "audit").await?;
    let chain = Chain::load(&mut transaction, audit.clone(), fresh).await?;
    super::factors::reseal(&mut transaction, keyring).await?;
    transaction.commit().await.map_err(failure)?;
    Ok(Own { digests, audit, chain })
}

/// One of the daemon's own keys. Digests and the audit chain hang on these and not on the master key, so a new
/// master key leaves them as they are.
async fn own_key(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    name: &str,
) -> Result<Secret<Vec<u8>>, StoreError> {
    let place = Place { table: "secrets", row: name, person: "", kind: "key" };
    let row = sqlx::query("SELECT sealed FROM secrets WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failure)?;
    let (key, stale) = match row {
        Some(row) => {
            let kept: String = row.try_get(0).map_err(failure)?;
            (keyring.open(place, &kept)?, !kept.starts_with(&keyring.prefix()))
        }
        None => {
            let fresh = Zeroizing::new(OsRandom.array::<32>());
            (Secret::new(fresh.to_vec()), true)
        }
    };
    if stale {
        let sealed = keyring.seal(&OsRandom, place, key.expose())?;
        sqlx::query(
            "INSERT INTO secrets (name, sealed) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(name)
        .bind(sealed)
        .execute(connection)
        .await
        .map_err(failure)?;
    }
    Ok(key)
}
