//! Connections to the file of SQLite. Calls return when the work is done: nothing here waits for anything but the disk, and
//! for a lock of another program at most as long as `busy_timeout`.

use super::checkpoint;
use super::connection::Row;
use super::failure;
use super::query::Value;
use crate::store::{Result, StoreError};
use rusqlite::config::DbConfig::{
    SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_TRUSTED_SCHEMA,
};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, OpenFlags, ToSql};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Statements that a connection keeps prepared.
const PREPARED: usize = 256;
/// Pages that it keeps in memory, in KiB: where codes are used up, one page each is needed.
const CACHE_KIB: i32 = 16 * 1024;

/// Which file, and how long to wait for a lock that another program holds.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
}

/// A connection.
pub(super) struct Lite(rusqlite::Connection);

impl Place {
    pub(super) fn new(path: &Path, busy_timeout: Duration) -> Self {
        Self { path: path.to_owned(), busy_timeout }
    }

    /// A connection with the settings that the store needs: what was committed is on the disk.
    pub(super) fn connect(&self) -> Result<Lite> {
        let lite = self.plain()?;
        lite.0.set_prepared_statement_cache_capacity(PREPARED);
        for (name, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            ("secure_delete", "ON"),
        ] {
            lite.0.pragma_update(None, name, value).map_err(failure)?;
        }
        lite.0.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failure)?;
        lite.0.pragma_update(None, "wal_autocheckpoint", checkpoint::AT_LAST).map_err(failure)?;
        // What a long backup has made of the log is given back afterwards.
        lite.0.pragma_update(None, "journal_size_limit", checkpoint::LONGEST).map_err(failure)?;
        Ok(lite)
    }

    /// One that cannot write.
    fn reading(&self) -> Result<Lite> {
        // The file says that it has a log; to set that once more would wait for whoever writes.
        let lite = self.plain()?;
        lite.0.set_prepared_statement_cache_capacity(PREPARED);
        lite.0.pragma_update(None, "query_only", "ON").map_err(failure)?;
        Ok(lite)
    }

    /// One that leaves the file as it is until it is told to change something.
    pub(super) fn plain(&self) -> Result<Lite> {
        // Each is used by one thread at a time, so it needs no mutex of its own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags).map_err(failure)?;
        // There are none of ours: whoever can write to the file is not to have us run theirs.
        for acting in
            [SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_TRUSTED_SCHEMA]
        {
            connection.set_db_config(acting, false).map_err(failure)?;
        }
        connection.busy_timeout(self.busy_timeout).map_err(failure)?;
        Ok(Lite(connection))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::Number(Some(number)) => ValueRef::Integer(*number),
            Value::Text(None) | Value::Number(None) => ValueRef::Null,
        }))
    }
}

/// Binds values to parameters that are written `?`, or `$1`, `$2` …, which SQLite takes for names.
fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for at in 1..=statement.parameter_count() {
        let named = statement.parameter_name(at).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        if let Some(value) = values.get(named.unwrap_or(at) - 1) {
            statement.raw_bind_parameter(at, value)?;
        }
    }
    Ok(())
}

fn read(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    let cell = |at| {
        Ok(match row.get_ref(at)? {
            ValueRef::Null => Value::Text(None),
            ValueRef::Integer(number) => Value::Number(Some(number)),
            // An error where it is no text: taken for nothing, a damaged end date would be an account without an end.
            ValueRef::Text(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Text(Some(row.get(at)?)),
        })
    };
    (0..columns).map(cell).collect::<rusqlite::Result<Vec<_>>>().map(Row::Sqlite)
}

impl Lite {
    /// Runs one statement; its rows.
    pub(super) fn rows(&self, text: &str, values: &[Value]) -> Result<Vec<Row>> {
        let rows = || {
            let mut statement = self.0.prepare_cached(text)?;
            bind(&mut statement, values)?;
            let columns = statement.column_count();
            let (mut rows, mut read_rows) = (statement.raw_query(), Vec::new());
            while let Some(row) = rows.next()? {
                read_rows.push(read(row, columns)?);
            }
            Ok(read_rows)
        };
        rows().map_err(failure)
    }

    /// Runs one statement; how many rows it has changed.
    pub(super) fn execute(&self, text: &str, values: &[Value]) -> Result<u64> {
        let done = || {
            let mut statement = self.0.prepare_cached(text)?;
            bind(&mut statement, values)?;
            if statement.column_count() == 0 {
                return statement.raw_execute();
            }
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(usize::try_from(self.0.changes()).unwrap_or_default())
        };
        done().map(|count| u64::try_from(count).unwrap_or_default()).map_err(failure)
    }

    /// Runs a statement with values of any types; how many rows it has changed. The text is prepared once.
    pub(super) fn run(&self, text: &str, values: &[&dyn ToSql]) -> Result<usize> {
        self.prepare(text)?.run(values)
    }

    /// A statement that is to run several times.
    pub(super) fn prepare(&self, text: &str) -> Result<Prepared<'_>> {
        self.0.prepare_cached(text).map(Prepared).map_err(failure)
    }

    /// Several statements without values; all their rows.
    pub(super) fn plain(&self, text: &str) -> Result<Vec<Row>> {
        let all = || {
            let mut all = Vec::new();
            let mut batch = rusqlite::Batch::new(&self.0, text);
            while let Some(mut statement) = batch.next()? {
                let columns = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    all.push(read(row, columns)?);
                }
            }
            Ok(all)
        };
        all().map_err(failure)
    }

    /// The connection as the library has it.
    pub(super) const fn raw(&self) -> &rusqlite::Connection {
        &self.0
    }
}

/// A statement that has been prepared.
pub(super) struct Prepared<'a>(CachedStatement<'a>);

impl Prepared<'_> {
    /// Runs it with values of any types; how many rows it has changed.
    pub(super) fn run(&mut self, values: &[&dyn ToSql]) -> Result<usize> {
        self.0.execute(values).map_err(failure)
    }
}

/// Connections that read.
pub(super) struct Readers {
    place: Place,
    permits: Semaphore,
    idle: Arc<Mutex<Vec<Lite>>>,
}

impl Readers {
    pub(super) fn new(place: Place, count: u32) -> Self {
        let permits = Semaphore::new(usize::try_from(count.max(1)).unwrap_or(1));
        Self { place, permits, idle: Arc::default() }
    }

    /// Asks one that is free, on a thread that may wait for the disk.
    pub(super) async fn rows(
        &self,
        text: std::borrow::Cow<'static, str>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>> {
        // A turn at a connection is no lock: a machine that is busy may take its time.
        let patience = self.place.busy_timeout.max(Duration::from_secs(1));
        let permit = tokio::time::timeout(patience, self.permits.acquire()).await;
        let permit =
            permit.map_err(|_| StoreError::Unavailable("all reading connections are busy".into()))?;
        let _permit = permit.map_err(|_| StoreError::Unavailable("it is being closed".into()))?;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (place, idle) = (self.place.clone(), Arc::clone(&self.idle));
        let asked = tokio::task::spawn_blocking(move || {
            let lite = kept.map_or_else(|| place.reading(), Ok)?;
            let rows = lite.rows(&text, &values);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(lite);
            rows
        });
        asked.await.map_err(|_| StoreError::Unavailable("it is being closed".into()))?
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
