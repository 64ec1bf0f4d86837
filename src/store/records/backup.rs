//! Copies of the file of SQLite, made while the daemon serves, and what is in one. A copy is of one moment: who reads holds nobody up
//! who writes. It gets its name when it is whole, on the disk and checked.

use super::connection::Connection;
use super::query::Query;
use super::sealed::{OWN, SEALED};
use super::sqlite::{Lite, Place};
use super::{Records, audit, failure, file, schema};
use crate::base::Timestamp;
use crate::config;
use crate::store::seal::{Keyring, id_in};
use crate::store::{Result, StoreError};
use nix::fcntl::OFlag;
use rusqlite::ErrorCode;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Values that do not open, of which it is said where they are.
const NAMED: usize = 20;
/// How long a lock of another program is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the names of files begin and end that have no name yet.
const PART: (&str, &str) = (".doorward-", ".part");
/// After so long without a change, one that nobody has locked is left from a process that was killed.
const LEFT: Duration = Duration::from_secs(60);

/// Why there is no backup, or why one is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is PostgreSQL.
    #[error(
        "the store is PostgreSQL: back it up with pg_dump, or by its archive of WAL for any moment. After it was brought back, with \
         all nodes stopped, run `doorward db restored`"
    )]
    Postgres,
    /// The target is there.
    #[error("{0} is there already; give another name, or --force")]
    Exists(PathBuf),
    /// The target, or the backup, is the database that the daemon uses.
    #[error("{0} is the database itself, or its log; give another file")]
    Itself(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database cannot be used.
    #[error("{path}: {why}")]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What is in a backup.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// When it was made; none: not by `doorward backup`.
    pub made: Option<Timestamp>,
    /// Its schema.
    pub schema: i64,
    /// Its size.
    pub bytes: u64,
    /// People.
    pub people: u64,
    /// Factors.
    pub factors: u64,
    /// Entries of the audit trail.
    pub entries: u64,
    /// The last of them.
    pub last_entry: Option<Timestamp>,
    /// Ids of the master keys that its values are under.
    pub keys: Vec<String>,
    /// Values that do not open with the keys of the configuration, with table and row; at most twenty.
    pub unreadable: Vec<String>,
    /// What is wrong with the audit trail.
    pub broken: Option<String>,
    /// Where the copy is, where it has not got the name that was wanted: it would have replaced one that may be whole.
    pub elsewhere: Option<PathBuf>,
}

impl Contents {
    /// Whether it can be used as it is.
    pub const fn is_sound(&self) -> bool {
        self.unreadable.is_empty() && self.broken.is_none()
    }
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |source| BackupError::File { path: path.to_owned(), source }
}

pub(super) fn with(path: &Path) -> impl Fn(StoreError) -> BackupError + '_ {
    |error| {
        let why = match error {
            StoreError::Unavailable(why) => why,
            other => other.to_string(),
        };
        BackupError::Database { path: path.to_owned(), why }
    }
}

fn folder(of: &Path) -> &Path {
    of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file without a name of its own yet, beside where it is to be; only its owner can read it. What others left that were killed is
/// removed.
pub(super) fn beside(path: &Path) -> Result<tempfile::NamedTempFile, BackupError> {
    let folder = folder(path);
    sweep(folder);
    let part =
        tempfile::Builder::new().prefix(PART.0).suffix(PART.1).tempfile_in(folder).map_err(at(folder))?;
    // Says to others that somebody works on it. Where a file system has no such locks, nothing is swept either.
    let _ = part.as_file().lock_shared();
    Ok(part)
}

/// Removes files of ours without a name that nobody works on. What cannot be removed does no harm.
fn sweep(folder: &Path) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ours = name.starts_with(PART.0) && name.ends_with(PART.1);
        if ours && is_left(&path) {
            for ending in ["-journal", "-wal", "-shm", ""] {
                let mut path = path.clone().into_os_string();
                path.push(ending);
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// A moment old, so that it is locked if somebody works on it.
fn is_left(path: &Path) -> bool {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let Ok(file) = File::options().read(true).custom_flags(flags).open(path) else { return false };
    let old =
        file.metadata().ok().filter(Metadata::is_file).and_then(|file| file.modified().ok()?.elapsed().ok());
    old.is_some_and(|old| old > LEFT) && file.try_lock().is_ok()
}

/// What was renamed in a folder is so on the disk as well.
pub(super) fn sync_folder(of: &Path) -> Result<(), BackupError> {
    let folder = folder(of);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// Whether a file is that of the database, or one that belongs to it, by whatever name.
pub(super) fn is_part_of(database: &Path, file: &Metadata) -> bool {
    ["", "-wal", "-shm", "-journal"].iter().any(|ending| {
        let mut part = database.as_os_str().to_owned();
        part.push(ending);
        std::fs::metadata(part).is_ok_and(|part| (part.dev(), part.ino()) == (file.dev(), file.ino()))
    })
}

fn copy(from: &Path, to: &Path, now: Timestamp) -> Result<()> {
    let place = Place::new(from, PATIENCE);
    let lite = place.plain()?;
    let target = to.to_str().ok_or_else(|| StoreError::Conflict("its name is no text".to_owned()))?;
    let copied = lite.raw().execute("VACUUM INTO ?", [target]);
    copied.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Conflict(
            "it was not copied: the disk that the backup was to be on is full".to_owned(),
        ),
        _ => failure(error),
    })?;
    drop(lite);
    // When it was made is kept in a number that nobody else uses, as the seconds' bits.
    let seconds = u32::try_from(now.unix_secs()).unwrap_or(u32::MAX).cast_signed();
    let lite = Place::new(to, PATIENCE).plain()?;
    lite.raw().pragma_update(None, "journal_mode", "MEMORY").map_err(failure)?;
    lite.raw().pragma_update(None, "user_version", seconds).map_err(failure)
}

/// Checks that it is tables and nothing that acts: what others put in would be run by whoever uses the file.
fn passive(lite: &Lite) -> Result<()> {
    let acting =
        lite.rows("SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') LIMIT 1", &[])?;
    acting.first().map_or(Ok(()), |row| {
        let (kind, name) = (row.text(0)?, row.text(1)?);
        Err(StoreError::Conflict(format!(
            "somebody has written to it: the {kind} `{name}` is not of Doorward"
        )))
    })
}

/// Looks at everything in a file that nobody else uses: pages, schema, trail, and whether the keys open it.
pub(super) async fn inspect(path: &Path, keyring: &Keyring) -> Result<Contents, BackupError> {
    let failed = with(path);
    let bytes = std::fs::metadata(path).map_err(at(path))?.len();
    let place = Place::new(path, PATIENCE);
    if !file::is_ours(&place).map_err(&failed)? {
        return Err(BackupError::Database {
            path: path.to_owned(),
            why: "it is not a database of Doorward".to_owned(),
        });
    }
    let lite = place.plain().map_err(&failed)?;
    file::whole(&lite).and_then(|()| passive(&lite)).map_err(&failed)?;
    let made = lite.raw().query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
    let made = made.map_err(failure).map_err(&failed)?.cast_unsigned();
    let strange = file::strange_step(&lite).map_err(&failed)?;
    let mut connection = Connection::Sqlite(lite);
    let mut contents = Contents {
        bytes,
        made: (made > 0).then(|| Timestamp::from_secs(made.into())),
        ..counts(&mut connection).await.map_err(&failed)?
    };
    if let Some(step) = strange {
        let why =
            format!("step {step} of its schema is not the one of this version; use the version that made it");
        return Err(BackupError::Database { path: path.to_owned(), why });
    }
    opened(&mut connection, keyring, &mut contents).await.map_err(&failed)?;
    contents.broken = match audit::whole(&mut connection, keyring).await {
        Ok(walked) => walked.err(),
        // Such as an entry that is no text any more.
        Err(StoreError::Sealed(why) | StoreError::Unavailable(why)) => Some(why),
        Err(error) => return Err(failed(error)),
    };
    Ok(contents)
}

async fn counts(connection: &mut Connection) -> Result<Contents> {
    let newest = Query::new("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
    let schema = newest.optional_number(0)?.unwrap_or_default();
    if schema != schema::newest() {
        return Err(StoreError::Conflict(format!(
            "it has schema {schema}, and this version of Doorward {}; use the version that it belongs to",
            schema::newest()
        )));
    }
    let counts =
        "SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM factors), (SELECT count(*) FROM audit),
         (SELECT at FROM audit ORDER BY seq DESC LIMIT 1)";
    let row = Query::new(counts).fetch_one(connection).await?;
    let count = |at| Result::<u64>::Ok(u64::try_from(row.number(at)?).unwrap_or_default());
    let last_entry = row.optional_number(3)?.map(Timestamp::from_millis);
    Ok(Contents {
        schema,
        people: count(0)?,
        factors: count(1)?,
        entries: count(2)?,
        last_entry,
        ..Contents::default()
    })
}

/// Opens every value once.
async fn opened(connection: &mut Connection, keyring: &Keyring, contents: &mut Contents) -> Result<()> {
    let mut keys = BTreeMap::<String, u64>::new();
    for kind in SEALED.iter().chain([&OWN]) {
        let (keyring, mut after) = (kind.keyring(keyring), String::new());
        let room = NAMED.saturating_sub(contents.unreadable.len());
        contents.unreadable.extend(kind.misfits(&mut *connection).await?.into_iter().take(room));
        loop {
            let page = kind.page(&mut *connection, None, &after).await?;
            let Some(last) = page.last() else { break };
            last.row.clone_into(&mut after);
            for kept in &page {
                *keys.entry(id_in(&kept.sealed).unwrap_or("(damaged)").to_owned()).or_default() += 1;
                if let Err(error) = keyring.open(kept.place(), &kept.sealed)
                    && contents.unreadable.len() < NAMED
                {
                    contents.unreadable.push(error.to_string());
                }
            }
        }
    }
    contents.keys = keys.into_keys().collect();
    Ok(())
}

impl Records {
    /// Copies the file of the configuration to `to`, which gets its name when the copy is whole and was looked through. The daemon
    /// may serve meanwhile. `over`: another file of this name is replaced.
    pub async fn backup(
        store: &config::Store,
        keyring: &Keyring,
        (to, over): (&Path, bool),
        now: Timestamp,
    ) -> Result<Contents, BackupError> {
        if store.postgres.is_some() {
            return Err(BackupError::Postgres);
        }
        let from = &store.path;
        if std::fs::metadata(to).is_ok_and(|to| is_part_of(from, &to)) {
            return Err(BackupError::Itself(to.to_owned()));
        }
        if !over && to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        std::fs::metadata(from).map_err(at(from))?;
        if !file::is_ours(&Place::new(from, PATIENCE)).map_err(with(from))? {
            let why = "it is not a database of Doorward".to_owned();
            return Err(BackupError::Database { path: from.clone(), why });
        }
        let part = beside(to)?;
        copy(from, part.path(), now).map_err(with(from))?;
        let mut contents = inspect(part.path(), keyring).await?;
        // The one that is there may be the last that is sound.
        contents.elsewhere = (over && !contents.is_sound() && to.exists()).then(|| {
            let mut name = to.as_os_str().to_owned();
            name.push(".unsound");
            name.into()
        });
        let to = contents.elsewhere.as_deref().unwrap_or(to);
        part.as_file().sync_all().map_err(at(to))?;
        let named = if over { part.persist(to) } else { part.persist_noclobber(to) };
        named.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => BackupError::File { path: to.to_owned(), source: error.error },
        })?;
        sync_folder(to)?;
        Ok(contents)
    }
}
