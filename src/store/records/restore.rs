//! A backup takes the place of the file of SQLite. It is copied beside it, looked through, and made safe to use
//! ([`super::restored`]); then one rename puts it in place. The file that was there is kept beside it under a dated name, and what it
//! can still tell is taken over first ([`super::replaced`]): which passcodes were used since the backup was made.

use super::backup::{BackupError, Contents, at, beside, inspect, is_part_of, sync_folder, with};
use super::connection::Connection;
use super::replaced::{Told, take_over};
use super::restored::{Restored, Wanted, steps};
use super::sqlite::{Lite, Place};
use super::{Records, failure, file};
use crate::config;
use crate::store::seal::Keyring;
use crate::store::{Result, StoreError};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a restore did.
#[derive(Debug, Clone)]
pub struct Replaced {
    /// What is in the backup.
    pub contents: Contents,
    /// What was made safe.
    pub restored: Restored,
    /// Where the file is now that was there; none: there was none.
    pub kept: Option<PathBuf>,
    /// Why it could not say what was used since; none: it did, or there was none.
    pub silent: Option<String>,
    /// What was done since the backup was made, and is undone by it: actions of the trail and how often.
    pub undone: Vec<(String, u64)>,
}

/// The old file, which nobody else has open and nobody can open, where it can be read.
struct Old {
    lite: Option<Lite>,
    silent: Option<String>,
}

/// Takes the file for this process alone. One that is damaged says nothing; one that is in use, or no database of ours, ends it.
fn take(path: &Path) -> Result<Old, BackupError> {
    if file::is_in_use(path) {
        return Err(with(path)(file::AloneError::InUse.into()));
    }
    match file::open_alone(path) {
        Ok(lite) => {
            // The lock stays, because the mode is exclusive; what follows attaches another file, which no transaction may.
            lite.plain("COMMIT").map_err(with(path))?;
            Ok(Old { lite: Some(lite), silent: None })
        }
        Err(file::AloneError::Missing(_)) => Ok(Old { lite: None, silent: None }),
        Err(file::AloneError::InUse) => Err(with(path)(file::AloneError::InUse.into())),
        Err(file::AloneError::Foreign) if !has_log(path) && !file::is_database(path) => {
            Ok(Old { lite: None, silent: Some("it is no database any more".to_owned()) })
        }
        Err(file::AloneError::Foreign) => Err(with(path)(file::AloneError::Foreign.into())),
        Err(file::AloneError::Store(error)) => Ok(Old { lite: None, silent: Some(error.to_string()) }),
    }
}

fn beside_it(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn has_log(path: &Path) -> bool {
    beside_it(path, "-wal").exists()
}

/// Where the file really is, in its folder, which is made for its owner alone. A link is followed, so that what it leads to is
/// replaced and not the link.
fn place(path: &Path) -> Result<PathBuf, BackupError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    }
    match path.symlink_metadata() {
        Ok(file) if file.is_symlink() => path.canonicalize().map_err(at(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(path.to_owned()),
    }
}

/// What this user may not read is not damaged.
fn readable(path: &Path) -> Result<(), BackupError> {
    match File::open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

impl Records {
    /// Puts a backup, which is open, in the place of the file of the configuration, which no daemon may have open. `force`: also
    /// where its trail is broken, or values do not open.
    pub async fn restore(
        store: &config::Store,
        keyring: &Keyring,
        (from, mut source, force): (&Path, File, bool),
        wanted: &Wanted,
    ) -> Result<Replaced, BackupError> {
        if store.postgres.is_some() {
            return Err(BackupError::Postgres);
        }
        let path = &place(&store.path)?;
        if is_part_of(path, &source.metadata().map_err(at(from))?) {
            return Err(BackupError::Itself(from.to_owned()));
        }
        readable(path)?;
        let old = take(path)?;
        let was_there = path.exists();
        let mut part = beside(path)?;
        io::copy(&mut source, &mut part).map_err(at(path))?;
        let contents = inspect(part.path(), keyring).await.map_err(|error| match error {
            // It is the backup that is meant, and not its copy.
            BackupError::Database { why, .. } => BackupError::Database { path: from.to_owned(), why },
            other => other,
        })?;
        if !force && !contents.is_sound() {
            let what = contents.broken.iter().chain(&contents.unreadable).next().cloned().unwrap_or_default();
            return Err(BackupError::Database {
                path: from.to_owned(),
                why: format!("{what}; --force takes it all the same"),
            });
        }
        let mut silent = old.silent.clone();
        let mut told = Told::default();
        if let Some(lite) = &old.lite {
            told = match take_over(lite, part.path(), keyring) {
                Ok(told) => told,
                Err(StoreError::Conflict(why)) => {
                    return Err(BackupError::Database { path: path.clone(), why });
                }
                Err(error) => {
                    silent = Some(error.to_string());
                    Told::default()
                }
            };
            if !told.goes_on && silent.is_none() {
                silent = Some(STRANGE.to_owned());
            }
        }
        let made = contents.made.map_or_else(|| "an unknown time".to_owned(), |made| made.to_string());
        let detail = format!("from a backup of {made}: ");
        let wanted = Wanted { known: told.goes_on, gone: told.gone, detail, ..wanted.clone() };
        let restored = safe(part.path(), keyring, &wanted).await?;
        own_like(&part, path)?;
        part.as_file().sync_all().map_err(at(path))?;
        // Of one that could not be opened there is no lock, and a daemon may have been started meanwhile.
        if old.lite.is_none() && (path.exists() != was_there || file::is_in_use(path)) {
            return Err(with(path)(file::AloneError::InUse.into()));
        }
        let aside = beside_it(path, &format!(".replaced-{}", stamp(&wanted)));
        put_in_place(part, path, &aside, old)?;
        Ok(Replaced { contents, restored, kept: was_there.then_some(aside), silent, undone: told.undone })
    }
}

/// Why a file that is whole says nothing.
const STRANGE: &str = "it does not go on from this backup: it is another database, or an older one";

/// As in names of files.
fn stamp(wanted: &Wanted) -> String {
    wanted.now.to_string().chars().filter(|letter| letter.is_ascii_alphanumeric()).collect()
}

/// Makes the copy safe to use.
async fn safe(copy: &Path, keyring: &Keyring, wanted: &Wanted) -> Result<Restored, BackupError> {
    let failed = with(copy);
    let lite = Place::new(copy, Duration::from_secs(2)).plain().map_err(&failed)?;
    lite.raw().pragma_update(None, "secure_delete", "ON").map_err(failure).map_err(&failed)?;
    lite.plain("PRAGMA journal_mode = DELETE; PRAGMA user_version = 0; BEGIN IMMEDIATE").map_err(&failed)?;
    let mut connection = Connection::Sqlite(lite);
    let restored = steps(&mut connection, keyring, wanted).await.map_err(&failed)?;
    connection.commit().await.map_err(&failed)?;
    Ok(restored)
}

/// Made by root, it is for whom the file was, or the folder is.
fn own_like(part: &tempfile::NamedTempFile, path: &Path) -> Result<(), BackupError> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let like = std::fs::metadata(path).or_else(|_| std::fs::metadata(folder)).map_err(at(path))?;
    std::os::unix::fs::fchown(part.as_file(), Some(like.uid()), Some(like.gid())).map_err(at(path))
}

/// The old file gets a second name, and the new one its first: at every moment one of the two is there. A log of the old one would
/// be taken for the new one's, so it goes before: into the old file, or, where that is damaged or gone, beside it.
fn put_in_place(
    part: tempfile::NamedTempFile,
    path: &Path,
    aside: &Path,
    old: Old,
) -> Result<(), BackupError> {
    if let Some(lite) = &old.lite {
        lite.plain("PRAGMA journal_mode = DELETE").map_err(with(path))?;
        // While it is locked it keeps an empty one of these, of no transaction.
        let journal = beside_it(path, "-journal");
        if journal.exists() {
            std::fs::remove_file(&journal).map_err(at(&journal))?;
        }
    }
    if path.exists() {
        std::fs::hard_link(path, aside).map_err(at(aside))?;
    }
    for ending in ["-wal", "-shm", "-journal"] {
        let left = beside_it(path, ending);
        if left.symlink_metadata().is_ok() {
            std::fs::rename(&left, beside_it(aside, ending)).map_err(at(&left))?;
        }
    }
    part.persist(path).map_err(|error| at(path)(error.error))?;
    sync_folder(path)?;
    // Only now may others open what was there.
    drop(old);
    Ok(())
}
