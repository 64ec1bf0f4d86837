//! The file of SQLite: made for its owner only, checked, brought to the present schema.

use super::open::{MIGRATIONS, OpenError};
use super::schema::newest;
use super::sqlite::{Lite, Place};
use super::{failure, layout};
use crate::store::{Result, StoreError};
use rusqlite::OptionalExtension;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
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
    layout::arrange(&lite);
    Ok(lite)
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// Makes the folder of the file; the folders in which SQLite will write. Those are two where the file is a link to another.
///
/// What it cannot keep in memory while it works (journals of savepoints, what it sorts) goes there as well from now on, and not
/// to a folder that is everybody's. That holds for the whole process.
pub(super) fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    make_folder(path)?;
    // A link may lead to a file that is yet to be made.
    let led_to = || Some(folder_of(path)?.join(std::fs::read_link(path).ok()?));
    let real = std::fs::canonicalize(path).ok().or_else(led_to);
    let places = [Some(path), real.as_deref()].into_iter().flatten();
    let mut folders: Vec<PathBuf> = places.filter_map(folder_of).map(Path::to_owned).collect();
    folders.dedup();
    if let Some(folder) = folders.last() {
        // Where nothing can be written, the database cannot be opened either, and that is told then.
        let _ = rusqlite::Connection::open_in_memory()
            .and_then(|lite| lite.pragma_update(None, "temp_store_directory", folder.to_str()));
    }
    Ok(folders)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match folder_of(path) {
        Some(folder) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

/// SQLite gives the files beside it (WAL, shared memory) the mode of the database itself.
fn make_file(path: &Path) -> io::Result<()> {
    make_folder(path)?;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// The one number that a question is answered with.
fn ask(lite: &Lite, question: &str) -> Result<i64> {
    lite.raw().query_row(question, [], |row| row.get(0)).map_err(failure)
}

fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(16).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether it begins as a database of SQLite, whosever it is.
pub(super) fn is_database(path: &Path) -> bool {
    start(path).is_ok_and(|start| start == MAGIC)
}

/// Checks that all pages are as they should be.
pub(super) fn whole(lite: &Lite) -> Result<()> {
    let checked = lite.raw().query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    match checked.map_err(failure)?.as_str() {
        "ok" => Ok(()),
        wrong => {
            let wrong = wrong.lines().next().unwrap_or_default();
            Err(StoreError::Unavailable(format!("the file is corrupt ({wrong})")))
        }
    }
}

/// Whether the file is empty or a database of ours. Looks only: another program's file stays as it is.
pub(super) fn is_ours(place: &Place) -> Result<bool> {
    let start = start(&place.path).map_err(|error| StoreError::Unavailable(error.to_string()))?;
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

/// The step of the schema that is not noted as this version makes it, if there is one: such a file would not be opened.
pub(super) fn strange_step(lite: &Lite) -> Result<Option<i64>, StoreError> {
    let mut noted =
        lite.raw().prepare("SELECT checksum FROM _sqlx_migrations WHERE version = ?").map_err(failure)?;
    for step in MIGRATIONS.iter() {
        let checksum = noted.query_row([step.version], |row| row.get::<_, Vec<u8>>(0));
        if checksum.optional().map_err(failure)?.as_deref() != Some(&*step.checksum) {
            return Ok(Some(step.version));
        }
    }
    Ok(None)
}

/// Why a file cannot be had alone.
pub(super) enum AloneError {
    Missing(io::Error),
    Foreign,
    InUse,
    Store(StoreError),
}

impl From<AloneError> for StoreError {
    fn from(error: AloneError) -> Self {
        match error {
            AloneError::Missing(error) => Self::NotFound(error.to_string()),
            AloneError::Foreign => Self::Conflict("it is not a database of Doorward".to_owned()),
            AloneError::InUse => {
                Self::Conflict("it is in use; stop Doorward, and whatever else has it open".to_owned())
            }
            AloneError::Store(error) => error,
        }
    }
}

/// Whether somebody has a file open that is there, also where it is damaged.
pub(super) fn is_in_use(path: &Path) -> bool {
    if !path.exists() {
        return false;
    }
    let taken = Place::new(path, Duration::from_secs(2)).plain().map(|lite| {
        let taken = lite.raw().execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; ROLLBACK");
        taken.err().and_then(|error| error.sqlite_error_code())
    });
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(taken, Ok(Some(DatabaseBusy | DatabaseLocked)))
}

/// Opens a file that is there; in a transaction that keeps everybody else out. Who has it open already, as a
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
    // However large it is, and its indexes too: who opens it so goes by what it says.
    whole(&lite).map_err(AloneError::Store)?;
    Ok(lite)
}
