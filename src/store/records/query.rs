//! Statements with their values: one alone ([`Query`]), and several to be run together ([`Script`]).
//!
//! The statements of a script are run one by one, those left out that have nothing to do.
//!
//! Texts should be few, so that the prepared ones are found again: lists have one of a few sizes, and what is left of
//! a list is filled with nothing.

use super::connection::{Connection, Row};
use super::pool::Pool;
use crate::store::Result;
use std::borrow::Cow;
use std::fmt::Write;

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

/// PostgreSQL cannot keep the character NUL; nobody types it in earnest.
pub(super) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(without_nul(text)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Value::Text(text.map(without_nul))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        text.clone().into()
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Value::Number(number)
    }
}

/// Where something can be read.
pub(super) trait Source {
    fn rows(self, query: Query) -> impl Future<Output = Result<Vec<Row>>> + Send;
}

impl Source for &mut Connection {
    async fn rows(self, query: Query) -> Result<Vec<Row>> {
        match self {
            Connection::Sqlite(lite) => lite.rows(&query.text, &query.values),
            Connection::Postgres(session) => session.rows(&query.text, &query.values).await,
        }
    }
}

impl Source for &Pool {
    async fn rows(self, query: Query) -> Result<Vec<Row>> {
        match self {
            Pool::Sqlite(readers) => readers.rows(query.text, query.values).await,
            Pool::Postgres(pool) => pool.rows(&query.text, &query.values).await,
        }
    }
}

/// One statement, its parameters written `$1`, `$2` …
#[derive(Debug, Clone)]
pub(super) struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Query {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// The value of the next parameter.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; how many rows it has changed.
    pub(super) async fn execute(self, connection: &mut Connection) -> Result<u64> {
        match connection {
            Connection::Sqlite(lite) => lite.execute(&self.text, &self.values),
            Connection::Postgres(session) => session.execute(&self.text, &self.values).await,
        }
    }

    pub(super) async fn fetch_all(self, source: impl Source) -> Result<Vec<Row>> {
        source.rows(self).await
    }

    /// The first row, if there is one.
    pub(super) async fn fetch_optional(self, source: impl Source) -> Result<Option<Row>> {
        Ok(source.rows(self).await?.into_iter().next())
    }

    /// The first row of a statement that always has one.
    pub(super) async fn fetch_one(self, source: impl Source) -> Result<Row> {
        self.fetch_optional(source).await?.ok_or_else(|| super::damaged("an answer without a row"))
    }
}

/// A statement of a script.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Where its text and its values begin.
    text: usize,
    values: usize,
    /// Whether it has something to do: a list that it is about is not only filled up.
    needed: bool,
}

/// Statements and their values.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
    values: Vec<Value>,
    parts: Vec<Part>,
}

impl Script {
    /// Begins the next statement.
    pub(super) fn statement(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.parts.push(Part { text: self.text.len(), values: self.values.len(), needed: true });
        self.text.push_str(text);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Goes on with the present one.
    pub(super) fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds `?`. The one place that writes parameters of scripts. For PostgreSQL they are numbered at the end; no text has
    /// `?` otherwise.
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
        let mut needed = false;
        for number in 0..count {
            if number > 0 {
                self.text.push_str(", ");
            }
            let row = rows.next();
            needed |= row.is_some();
            self.row(row.unwrap_or_else(|| empty.clone()));
        }
        if let Some(part) = self.parts.last_mut() {
            part.needed = needed;
        }
    }

    /// Runs all statements up to the first that fails.
    pub(super) async fn execute(self, connection: &mut Connection) -> Result<()> {
        match connection {
            Connection::Sqlite(lite) => {
                for (text, values) in self.needed() {
                    lite.execute(text, values)?;
                }
            }
            Connection::Postgres(session) => {
                for (text, values) in self.needed() {
                    session.execute(&numbered(text), values).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs them likewise; all rows of all of them.
    pub(super) async fn fetch(self, connection: &mut Connection) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (text, values) in self.needed() {
            rows.extend(match connection {
                Connection::Sqlite(lite) => lite.rows(text, values)?,
                Connection::Postgres(session) => session.rows(&numbered(text), values).await?,
            });
        }
        Ok(rows)
    }

    /// The statements that have something to do.
    fn needed(&self) -> impl Iterator<Item = (&str, &[Value])> {
        self.parts.iter().enumerate().filter(|(_, part)| part.needed).map(|(number, part)| {
            let next = self.parts.get(number + 1);
            let text = self.text.get(part.text..next.map_or(self.text.len(), |next| next.text));
            let text = text.unwrap_or_default().trim_end_matches("; ");
            let values = self.values.get(part.values..next.map_or(self.values.len(), |next| next.values));
            (text, values.unwrap_or_default())
        })
    }
}

fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() * 3 / 2);
    for (number, part) in text.split('?').enumerate() {
        if number > 0 {
            // A `String` takes anything.
            let _ = write!(numbered, "${number}");
        }
        numbered.push_str(part);
    }
    numbered
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

    fn script() -> Script {
        let mut script = Script::default();
        script.statement("DELETE FROM a WHERE (b, c) IN (VALUES ");
        script.rows([["x".into(), 1_i64.into()]], 2, &["".into(), 0_i64.into()]);
        script.add(")");
        script.statement("DELETE FROM g WHERE h IN ");
        script.rows([], 1, &["".into()]);
        script.statement("UPDATE d SET e = 1 WHERE f IN ");
        script.row(["y".into(), "z".into()]);
        script
    }

    #[test]
    fn statements_are_joined_and_lists_are_filled_up() {
        let script = script();
        assert_eq!(
            script.text,
            "DELETE FROM a WHERE (b, c) IN (VALUES (?, ?), (?, ?)); DELETE FROM g WHERE h IN (?); \
             UPDATE d SET e = 1 WHERE f IN (?, ?)"
        );
        assert_eq!(script.values.len(), 7);
    }

    #[test]
    fn postgresql_gets_numbers_and_no_statement_without_work() {
        let script = script();
        let parts: Vec<_> = script.needed().map(|(text, values)| (numbered(text), values)).collect();
        assert_eq!(
            parts.iter().map(|(text, values)| (text.as_str(), values.len())).collect::<Vec<_>>(),
            [
                ("DELETE FROM a WHERE (b, c) IN (VALUES ($1, $2), ($3, $4))", 4),
                ("UPDATE d SET e = 1 WHERE f IN ($1, $2)", 2)
            ]
        );
        assert_eq!(parts[1].1, ["y".into(), "z".into()]);
    }

    #[test]
    fn nul_is_replaced_in_values() {
        assert_eq!(Value::from("a\0b"), Value::Text(Some("a\u{fffd}b".to_owned())));
    }
}
