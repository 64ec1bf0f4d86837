//! Moves everything from a file of SQLite into PostgreSQL: all in one transaction there, while nobody else has the file open.
//! Then every row is compared, and the audit trail verified; if anything is not the same, nothing was copied.

mod arrived;

use super::super::seal::Keyring;
use super::connection::{Connection, Row};
use super::postgres::{self, Server};
use super::query::{Query, Script, Value};
use super::{OpenError, Records, file, open, schema};
use crate::config;
use crate::store::{Result, StoreError};
use arrived::{compare, verify};
use std::path::{Path, PathBuf};

/// Every table, those first that others refer to. That none is forgotten is checked against both databases.
const TABLES: [&str; 19] = [
    "people",
    "passwords",
    "factors",
    "positions",
    "one_time_codes",
    "tokens",
    "counters",
    "acceptances",
    "audit",
    "audit_head",
    "audit_subjects",
    "secrets",
    "directories",
    "once",
    "outbox",
    "contacts",
    "questions",
    "sessions",
    "client_keys",
];
/// What only the library writes.
const MIGRATIONS: &str = "_sqlx_migrations";
/// Rows at a time.
const PAGE: usize = 500;

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no target.
    #[error("`store.url` is empty; set it to the PostgreSQL database to copy to")]
    NoTarget,
    /// The file cannot be read, or is in use.
    #[error("{path} cannot be copied: {why}")]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What is there is not to be overwritten.
    #[error("nothing was copied: the database holds something already ({0}). Give an empty one")]
    NotEmpty(String),
    /// What arrived is not what was sent.
    #[error("nothing was copied, all was taken back: {0}")]
    Differs(String),
    /// The last word of PostgreSQL did not arrive.
    #[error(
        "it is not known whether all was copied or nothing: PostgreSQL was not heard any more when it was to keep it ({0}). \
         Run it again: a database that holds everything is refused as not empty"
    )]
    Unknown(StoreError),
    /// A database failed in the middle.
    #[error("nothing was copied, all was taken back: {0}")]
    Failed(#[from] StoreError),
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct CopyProgress {
    /// The table.
    pub table: &'static str,
    /// Whether rows are being compared; else they are copied.
    pub comparing: bool,
    /// Rows of it so far.
    pub rows: u64,
    /// Rows of it in all.
    pub total: u64,
}

/// A column; all are one of two types.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    text: bool,
    /// Place in the primary key, from 1; 0: not in it.
    key: i64,
}

struct Table {
    name: &'static str,
    columns: Vec<Column>,
}

impl Table {
    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn key(&self) -> Vec<&Column> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }

    fn key_names(&self, collation: &str) -> String {
        let name = |column: &&Column| format!("{}{}", column.name, if column.text { collation } else { "" });
        self.key().iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The key of a row that was read.
    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let at = |wanted: &&Column| self.columns.iter().position(|column| column == *wanted);
        self.key().iter().filter_map(|column| row.get(at(column)?).cloned()).collect()
    }

    fn values(&self, row: &Row) -> Result<Vec<Value>> {
        let value = |(at, column): (usize, &Column)| {
            Ok(if column.text {
                // As it is: what cannot be kept the same is to be noticed.
                Value::Text(row.optional_text(at)?.map(str::to_owned))
            } else {
                Value::Number(row.optional_number(at)?)
            })
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    async fn count(&self, connection: &mut Connection) -> Result<u64> {
        let count = Query::new(format!("SELECT count(*) FROM {}", self.name));
        Ok(u64::try_from(count.fetch_one(connection).await?.number(0)?).unwrap_or_default())
    }

    /// Rows of the file after a key, in the order of the key.
    async fn page(&self, source: &mut Connection, after: Option<Vec<Value>>) -> Result<Vec<Vec<Value>>> {
        let mut script = Script::default();
        script.statement(&format!("SELECT {} FROM {}", self.names(), self.name));
        if let Some(after) = after {
            script.add(&format!(" WHERE ({}) > ", self.key_names("")));
            script.row(after);
        }
        script.add(&format!(" ORDER BY {} LIMIT {PAGE}", self.key_names("")));
        script.fetch(source).await?.iter().map(|row| self.values(row)).collect()
    }

    async fn insert(&self, target: &mut Connection, rows: &[Vec<Value>]) -> Result<()> {
        let mut script = Script::default();
        script.statement(&format!("INSERT INTO {} ({}) VALUES ", self.name, self.names()));
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                script.add(", ");
            }
            script.row(row.iter().cloned());
        }
        script.execute(target).await
    }
}

impl Records {
    /// Brings the tables in PostgreSQL to the present schema; from which to which.
    pub async fn migrate(
        settings: &config::Postgres,
        store: &config::Store,
    ) -> Result<(i64, i64), OpenError> {
        let url = &settings.url;
        let failed = |source| OpenError::Server { url: url.clone(), source };
        let server = Server::new(postgres::options(settings).map_err(failed)?, store.timeout);
        let mut connection = server.connect(false).await.map_err(failed)?;
        let before = match schema::look(&mut connection, url).await? {
            schema::Found::Empty => 0,
            schema::Found::Behind(version) => version,
            schema::Found::Current => schema::newest(),
        };
        connection.close().await;
        schema::migrate(&server, url).await?;
        Ok((before, schema::newest()))
    }

    /// Copies a file into the PostgreSQL that is configured; how many rows of each table.
    pub async fn copy(
        from: &Path,
        store: &config::Store,
        keyring: &Keyring,
        mut progress: impl FnMut(CopyProgress),
    ) -> Result<Vec<(&'static str, u64)>, CopyError> {
        let settings = store.postgres.as_ref().ok_or(CopyError::NoTarget)?;
        let failed = |source| OpenError::Server { url: settings.url.clone(), source };
        let mut source = open_source(from).await?;
        let server = Server::new(postgres::options(settings).map_err(failed)?, store.timeout);
        schema::prepare(&server, &settings.url).await?;
        let mut target = server.connect_patiently().await.map_err(failed)?;
        let copied = copy_all(from, (&mut source, &mut target), keyring, &mut progress).await;
        // On both sides, so that the file is free again; without a commit the target takes all back.
        source.rolled_back().await;
        source.close().await;
        target.rolled_back().await;
        target.close().await;
        copied
    }
}

async fn copy_all(
    from: &Path,
    (source, target): (&mut Connection, &mut Connection),
    keyring: &Keyring,
    progress: &mut impl FnMut(CopyProgress),
) -> Result<Vec<(&'static str, u64)>, CopyError> {
    let tables = tables(from, source, target).await?;
    open::begin(target).await?;
    empty(&tables, target).await?;
    let mut counts = Vec::new();
    for table in &tables {
        counts.push((table.name, copy(table, source, target, progress).await?));
    }
    for (table, (_, total)) in tables.iter().zip(&counts) {
        compare(table, *total, (source, target), progress).await?;
    }
    verify(target, keyring).await?;
    if let Err(error) = target.commit().await {
        let unknown = target.is_doubtful();
        return Err(if unknown { CopyError::Unknown(error) } else { CopyError::Failed(error) });
    }
    Ok(counts)
}

/// The file, which nobody else has open now, nor will have until it is closed.
async fn open_source(path: &Path) -> Result<Connection, CopyError> {
    let wrong = |why: String| CopyError::Source { path: path.to_owned(), why };
    let connection = file::open_alone(path).map_err(|error| wrong(StoreError::from(error).to_string()))?;
    let mut connection = Connection::Sqlite(connection);
    let steps = Query::new("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await?;
    if steps.optional_number(0)? != Some(schema::newest()) {
        let why =
            "it has an older schema; start this version of Doorward with it once, which brings it up to date";
        return Err(wrong(why.to_owned()));
    }
    Ok(connection)
}

/// All tables with their columns, the same on both sides.
async fn tables(
    path: &Path,
    source: &mut Connection,
    target: &mut Connection,
) -> Result<Vec<Table>, CopyError> {
    let in_file =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let in_file = Query::new(in_file).fetch_all(&mut *source).await?;
    let in_file = in_file.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<Vec<_>>>()?;
    let mut known: Vec<_> = TABLES.into_iter().chain([MIGRATIONS]).map(str::to_owned).collect();
    known.sort_unstable();
    for (there, found) in
        [(path.display().to_string(), in_file), ("PostgreSQL".to_owned(), schema::tables(target).await?)]
    {
        let mut found = found;
        found.sort_unstable();
        if found != known {
            let why = format!("the tables of {there} are {}, and not {}", found.join(", "), known.join(", "));
            return Err(CopyError::Differs(why));
        }
    }
    let mut tables = Vec::new();
    for name in TABLES {
        let columns = Query::new("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY name").bind(name);
        let columns = columns.fetch_all(&mut *source).await?;
        let column = |row: &Row| {
            Ok(Column { name: row.text(0)?.to_owned(), text: row.text(1)? == "TEXT", key: row.number(2)? })
        };
        let columns = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let there = Query::new(
            "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1",
        );
        let there = there.bind(name).fetch_all(&mut *target).await?;
        let there = there.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)? == "text")));
        let mut there = there.collect::<Result<Vec<_>>>()?;
        there.sort_unstable();
        if !there.iter().map(|(name, text)| (name, *text)).eq(columns.iter().map(|one| (&one.name, one.text)))
        {
            return Err(CopyError::Differs(format!("the table {name} has other columns on the two sides")));
        }
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

/// Only what an empty store has by itself may be there: its own keys, and a trail without entries.
async fn empty(tables: &[Table], target: &mut Connection) -> Result<(), CopyError> {
    let all = TABLES.join(", ");
    Query::new(format!("LOCK TABLE {all} IN SHARE ROW EXCLUSIVE MODE")).execute(target).await?;
    for table in tables {
        let count = table.count(target).await?;
        if count > 0 && !["audit_head", "secrets", "counters"].contains(&table.name) {
            return Err(CopyError::NotEmpty(format!("{count} rows in {}", table.name)));
        }
    }
    for table in tables.iter().rev() {
        Query::new(format!("DELETE FROM {}", table.name)).execute(target).await?;
    }
    Ok(())
}

async fn copy(
    table: &Table,
    source: &mut Connection,
    target: &mut Connection,
    progress: &mut impl FnMut(CopyProgress),
) -> Result<u64, CopyError> {
    let total = table.count(source).await?;
    let (mut rows, mut after) = (0, None);
    loop {
        progress(CopyProgress { table: table.name, comparing: false, rows, total });
        let page = table.page(source, after.take()).await?;
        let Some(last) = page.last() else { break };
        let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        if let Some(row) = page.iter().find(|row| row.iter().any(has_nul)) {
            let (key, name) = (shown(&table.key_of(row)), table.name);
            let why =
                format!("the row {key} of {name} holds the character NUL, which PostgreSQL cannot keep");
            return Err(CopyError::Differs(why));
        }
        table.insert(target, &page).await?;
        rows += page.len() as u64;
        after = Some(table.key_of(last));
    }
    if rows != total {
        return Err(CopyError::Differs(format!("{rows} of {total} rows of {} were read", table.name)));
    }
    Ok(total)
}

/// A key as people read it.
fn shown(key: &[Value]) -> String {
    let part = |value: &Value| match value {
        Value::Text(text) => text.clone().unwrap_or_default(),
        Value::Number(number) => number.unwrap_or_default().to_string(),
    };
    key.iter().map(part).collect::<Vec<_>>().join(" ")
}
