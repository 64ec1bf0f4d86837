//! Several statements as one text, which is one hop to SQLite's thread instead of one for each. Each statement is portable; a database that takes one at a time would get them one by one.
//!
//! Texts should be few, so that the prepared ones are found again: lists have one of a few sizes, and what is left of
//! a list is filled with nothing.

use super::failure;
use crate::store::Result;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

/// A value of a parameter.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

/// Statements and their values.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
    values: Vec<Value>,
}

impl Script {
    /// Begins the next statement.
    pub(super) fn statement(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(text);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Goes on with the present one.
    pub(super) fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds `?`. The one place that writes parameters of scripts: SQLite looks for a numbered one among all names of its
    /// statement, so many numbered ones take long; PostgreSQL wants `$1`.
    pub(super) fn value(&mut self, value: Value) {
        self.values.push(value);
        self.text.push('?');
    }

    /// Adds `(?, ?)`.
    pub(super) fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut between = "(";
        for value in values {
            self.text.push_str(between);
            self.value(value);
            between = ", ";
        }
        self.text.push(')');
    }

    /// Adds `(?, ?), (?, ?)`: these rows, and then empty ones until there are so many.
    pub(super) fn rows<const N: usize>(
        &mut self,
        rows: impl IntoIterator<Item = [Value; N]>,
        count: usize,
        empty: &[Value; N],
    ) {
        let mut rows = rows.into_iter();
        for number in 0..count {
            if number > 0 {
                self.text.push_str(", ");
            }
            self.row(rows.next().unwrap_or_else(|| empty.clone()));
        }
    }

    /// Runs all statements up to the first that fails.
    pub(super) async fn execute(self, connection: &mut SqliteConnection) -> Result<()> {
        self.query().execute(connection).await.map_err(failure)?;
        Ok(())
    }

    /// Runs them likewise; all rows of all of them.
    pub(super) async fn fetch(self, connection: &mut SqliteConnection) -> Result<Vec<SqliteRow>> {
        self.query().fetch_all(connection).await.map_err(failure)
    }

    fn query(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }
}

/// How many places a list of so many gets, at most 64 at a time.
pub(super) const fn places(wanted: usize) -> usize {
    match wanted {
        ..=1 => 1,
        2..=4 => 4,
        5..=16 => 16,
        17..=32 => 32,
        33.. => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_joined_and_lists_are_filled_up() {
        let mut script = Script::default();
        script.statement("DELETE FROM a WHERE (b, c) IN (VALUES ");
        script.rows([["x".into(), 1.into()]], 2, &["".into(), 0.into()]);
        script.add(")");
        script.statement("UPDATE d SET e = 1 WHERE f IN ");
        script.row(["y".into(), "z".into()]);
        assert_eq!(
            script.text,
            "DELETE FROM a WHERE (b, c) IN (VALUES (?, ?), (?, ?)); UPDATE d SET e = 1 WHERE f IN (?, ?)"
        );
        assert_eq!(script.values.len(), 6);
    }
}
