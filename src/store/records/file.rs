//! The file of SQLite: made for its owner only, checked, brought to the present schema.

use super::failure;
use super::open::{MIGRATIONS, OpenError};
use super::schema::newest;
use super::sqlite::{Lite, Place};
use crate::store::{Result, StoreError};
use rusqlite::OptionalExtension;
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

/// Opens the file, making it and its folder if they are missing.
pub(super) fn open(place: &Place) -> Result<Lite, OpenError> {
    let path = &place.path;
    let database = |source| OpenError::Database { path: path.clone(), source };
    make_file(path).map_err(|source| OpenError::File { path: path.clone(), source })?;
    if !is_ours(place).map_err(database)? {
        return Err(OpenError::Foreign { path: path.clone() });
    }
    let lite = place.connect().map_err(database)?;
    quick_check(path, &lite).map_err(database)?;
    migrate(path, &lite)?;
    Ok(lite)
}

/// SQLite gives the files beside it (WAL, shared memory) the mode of the database itself.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// The one number that a question is answered with.
fn ask(lite: &Lite, question: &str) -> Result<i64> {
    lite.raw().query_row(question, [], |row| row.get(0)).map_err(failure)
}

/// Whether the file is empty or a database of ours. Looks only: another program's file stays as it is.
fn is_ours(place: &Place) -> Result<bool> {
    let mut start = Vec::new();
    let read = std::fs::File::open(&place.path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if !start.is_empty() && start != MAGIC {
        return Ok(false);
    }
    let lite = place.plain()?;
    let id = ask(&lite, "PRAGMA application_id")?;
    Ok(id == APPLICATION_ID || (id == 0 && ask(&lite, "SELECT count(*) FROM sqlite_master")? == 0))
}

fn quick_check(path: &Path, lite: &Lite) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > QUICK_CHECK_LIMIT) {
        return Ok(());
    }
    let checked = lite.raw().query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let answer = checked.map_err(failure)?;
    if answer == "ok" {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the file is corrupt; restore it from a backup ({})",
        answer.lines().next().unwrap_or_default()
    )))
}

/// The table in which the steps of the schema are noted, as sqlx makes it in PostgreSQL.
const STEPS: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";

/// Brings the tables to the present schema, all steps or none.
fn migrate(path: &Path, lite: &Lite) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    lite.plain("BEGIN IMMEDIATE").map_err(failed)?;
    let migrated = steps(path, lite);
    lite.plain(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" }).map_err(failed)?;
    migrated
}

fn steps(path: &Path, lite: &Lite) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let wrong = |why| OpenError::Schema { path: path.to_owned(), why };
    lite.raw().pragma_update(None, "application_id", APPLICATION_ID).map_err(failure).map_err(failed)?;
    lite.plain(STEPS).map_err(failed)?;
    let last = ask(lite, "SELECT coalesce(max(version), 0) FROM _sqlx_migrations").map_err(failed)?;
    if last > newest() {
        return Err(wrong(format!(
            "it has schema {last}, which is newer. Start the newer version again, or restore an older backup"
        )));
    }
    for step in MIGRATIONS.iter() {
        let noted = lite.raw().query_row(
            "SELECT checksum FROM _sqlx_migrations WHERE version = ?",
            [step.version],
            |row| row.get::<_, Vec<u8>>(0),
        );
        match noted.optional().map_err(failure).map_err(failed)? {
            Some(checksum) if checksum == *step.checksum => {}
            Some(_) => {
                return Err(wrong(format!(
                    "step {} of its schema is not the one of this version. Start the version that made it, or \
                     restore a backup",
                    step.version
                )));
            }
            None => {
                lite.plain(step.sql.as_str()).map_err(failed)?;
                lite.run(
                    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (?, ?, TRUE, ?, 0)",
                    &[&step.version, &&*step.description, &&*step.checksum],
                )
                .map_err(failed)?;
            }
        }
    }
    Ok(())
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
pub(super) fn open_alone(path: &Path) -> Result<Lite, AloneError> {
    std::fs::metadata(path).map_err(AloneError::Missing)?;
    // Who only reads it for a moment, or is just closing it, is waited for.
    let place = Place::new(path, Duration::from_secs(2));
    if !is_ours(&place).map_err(AloneError::Store)? {
        return Err(AloneError::Foreign);
    }
    let lite = place.plain().map_err(AloneError::Store)?;
    let begun = lite.raw().execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE");
    begun.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => AloneError::InUse,
        _ => AloneError::Store(failure(error)),
    })?;
    quick_check(path, &lite).map_err(AloneError::Store)?;
    Ok(lite)
}
