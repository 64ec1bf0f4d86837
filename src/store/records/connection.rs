//! One connection to either database, and the rows it gives. All columns are texts and whole numbers, so this is all that the
//! rest of the store needs to know of the two.

use super::postgres::Session;
use super::query::Value;
use super::sqlite::Lite;
use super::{damaged, lost};
use crate::store::Result;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// A connection.
pub(super) enum Connection {
    Sqlite(Lite),
    Postgres(Box<Session>),
}

impl Connection {
    /// Whether nobody knows what the other side has done or will do; such a one is never used again.
    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self, Connection::Postgres(session) if session.is_doubtful())
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self, Connection::Postgres(_))
    }

    /// Several statements without values, which PostgreSQL takes at once as well; all their rows.
    pub(super) async fn plain(&mut self, text: &'static str) -> Result<Vec<Row>> {
        match self {
            Connection::Sqlite(lite) => lite.plain(text),
            Connection::Postgres(session) => session.plain(text).await,
        }
    }

    /// Commits, or says that it was not done.
    pub(super) async fn commit(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.plain("COMMIT").await.map(drop),
            Connection::Postgres(session) => session.commit().await,
        }
    }

    /// Ends the transaction; whether the connection is without one now.
    pub(super) async fn rolled_back(&mut self) -> bool {
        match self {
            // SQLite does it by itself when the disk is full, and where BEGIN failed there is nothing to roll back.
            Connection::Sqlite(lite) => lite.raw().is_autocommit() || lite.plain("ROLLBACK").is_ok(),
            // Only a warning there if there is none.
            Connection::Postgres(session) => {
                !session.is_doubtful() && session.plain("ROLLBACK").await.is_ok()
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        match self {
            // Tidies up only: what was answered is durable in the log already.
            Connection::Sqlite(lite) => drop(lite.plain("PRAGMA wal_checkpoint(TRUNCATE)")),
            Connection::Postgres(session) => session.close().await,
        }
    }
}

/// A row. Columns are counted from 0.
pub(super) enum Row {
    Sqlite(Vec<Value>),
    Postgres(PgRow),
}

impl Row {
    /// How many columns it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Row::Sqlite(row) => row.len(),
            Row::Postgres(row) => row.len(),
        }
    }

    pub(super) fn optional_text(&self, at: usize) -> Result<Option<&str>> {
        match self {
            Row::Sqlite(row) => match row.get(at) {
                Some(Value::Text(text)) => Ok(text.as_deref()),
                Some(Value::Number(None)) => Ok(None),
                _ => Err(damaged("a text")),
            },
            Row::Postgres(row) => row.try_get(at).map_err(lost),
        }
    }

    pub(super) fn optional_number(&self, at: usize) -> Result<Option<i64>> {
        match self {
            Row::Sqlite(row) => match row.get(at) {
                Some(Value::Number(number)) => Ok(*number),
                Some(Value::Text(None)) => Ok(None),
                _ => Err(damaged("a number")),
            },
            Row::Postgres(row) => row.try_get(at).map_err(lost),
        }
    }

    pub(super) fn text(&self, at: usize) -> Result<&str> {
        self.optional_text(at)?.ok_or_else(|| damaged("a text is missing"))
    }

    pub(super) fn number(&self, at: usize) -> Result<i64> {
        self.optional_number(at)?.ok_or_else(|| damaged("a number is missing"))
    }
}
