//! Where sealed values are: factors, tokens, messages that are not over, answers to questions, sessions, keys of applications;
//! and beside them the daemon's own keys.

use super::connection::Row;
use super::query::{Query, Source};
use super::{damaged, number};
use crate::store::Result;
use crate::store::seal::{self, Keyring, Place};

/// Rows that are read, and written in one statement, at a time.
pub(super) const STEP: usize = 64;

/// A kind of sealed values, and how they are bound to their rows.
pub(super) struct Sealed {
    pub(super) table: &'static str,
    column: &'static str,
    /// The primary key.
    key: &'static str,
    /// What the seal is bound to beside table and row.
    person: &'static str,
    kind: &'static str,
    /// Whether it is under the key for what the help desk may see.
    helpdesk: bool,
}

const fn sealed(
    (table, column, key): (&'static str, &'static str, &'static str),
    person: &'static str,
    kind: &'static str,
) -> Sealed {
    Sealed { table, column, key, person, kind, helpdesk: false }
}

/// All but the daemon's own keys.
pub(super) static SEALED: [Sealed; 7] = [
    sealed(("factors", "material", "id"), "person", "kind"),
    sealed(("tokens", "material", "id"), "''", "kind"),
    sealed(("outbox", "content", "id"), "person", "channel"),
    sealed(("questions", "answers", "person"), "person", "'answers'"),
    Sealed { helpdesk: true, ..sealed(("questions", "spoken", "person"), "person", "'spoken'") },
    sealed(("sessions", "content", "id"), "coalesce(person, '')", "'session'"),
    sealed(("client_keys", "secret", "id"), "client", "'key'"),
];

/// The daemon's own keys.
pub(super) static OWN: Sealed = sealed(("secrets", "sealed", "name"), "''", "'key'");

/// A sealed value and its place.
pub(super) struct Kept {
    table: &'static str,
    pub(super) row: String,
    person: String,
    kind: String,
    pub(super) sealed: String,
}

impl Kept {
    pub(super) fn place(&self) -> Place<'_> {
        Place { table: self.table, row: &self.row, person: &self.person, kind: &self.kind }
    }
}

impl Sealed {
    /// The keyring for values of this kind.
    pub(super) fn keyring(&self, keyring: &Keyring) -> Keyring {
        if self.helpdesk { keyring.of_help_desk() } else { keyring.clone() }
    }

    /// Rows after one, in their order: those that are not under the prefix, or all of them.
    pub(super) async fn page(
        &self,
        source: impl Source,
        but: Option<&str>,
        after: &str,
    ) -> Result<Vec<Kept>> {
        let Self { table, column, key, person, kind, .. } = self;
        let rows = Query::new(format!(
            "SELECT {key}, {person}, {kind}, {column} FROM {table} WHERE {column} <> '' AND {key} > $1
             AND substr({column}, 1, CAST($2 AS INTEGER)) <> $3 ORDER BY {key} LIMIT {STEP}"
        ));
        // No sealed value begins with a dash: all are found.
        let (length, prefix) = but.map_or((1, "-"), |prefix| (prefix.len() as u64, prefix));
        let rows = rows.bind(after).bind(number(length)).bind(prefix).fetch_all(source).await?;
        let kept = |row: &Row| {
            let text = |at| row.text(at).map(str::to_owned);
            Ok(Kept { table, row: text(0)?, person: text(1)?, kind: text(2)?, sealed: text(3)? })
        };
        rows.iter().map(kept).collect()
    }

    /// Rows of a file in which no sealed value stands where one must, and which [`Self::page`] may pass over.
    pub(super) async fn misfits(&self, source: impl Source) -> Result<Vec<String>> {
        let Self { table, column, key, .. } = self;
        // The daemon's own keys are never without one; elsewhere an empty text is none.
        let may_be_empty = self.table != OWN.table;
        let rows = Query::new(format!(
            "SELECT CAST({key} AS TEXT) FROM {table}
             WHERE typeof({column}) NOT IN ('text', 'null') OR substr({column}, 1, 1) = '-'
             OR ({column} = '' AND NOT {may_be_empty}) ORDER BY 1 LIMIT {STEP}"
        ));
        let rows = rows.fetch_all(source).await?;
        rows.iter().map(|row| Ok(format!("{table} {}: {column} is no sealed value", row.text(0)?))).collect()
    }

    /// How many values are under each of these keys, and how many there are in all.
    pub(super) async fn counts(&self, source: impl Source, ids: &[String]) -> Result<(Vec<u64>, u64)> {
        let Self { table, column, .. } = self;
        let mut text = String::from("SELECT count(*)");
        for at in 0..ids.len() {
            let (length, prefix) = (2 * at + 1, 2 * at + 2);
            text += &format!(
                ", CAST(coalesce(sum(CASE WHEN substr({column}, 1, CAST(${length} AS INTEGER)) = ${prefix} THEN 1 ELSE 0 END), \
                 0) AS BIGINT)"
            );
        }
        let prefixes = ids.iter().map(|id| seal::prefix_of(id));
        let query = Query::new(text + &format!(" FROM {table} WHERE {column} <> ''"));
        let query =
            prefixes.fold(query, |query, prefix| query.bind(number(prefix.len() as u64)).bind(prefix));
        let row = query.fetch_one(source).await?;
        let count = |at| Ok(u64::try_from(row.number(at)?).unwrap_or_default());
        let each = (1..=ids.len()).map(count).collect::<Result<_>>()?;
        Ok((each, count(0)?))
    }

    /// Writes values anew, at most [`STEP`], each only where the row still has what was read: (row, before, after). How many.
    pub(super) fn update(&self, rows: Vec<[String; 3]>) -> Query {
        let Self { table, column, key, .. } = self;
        let values: Vec<_> =
            (0..STEP).map(|at| format!("(${}, ${}, ${})", 3 * at + 1, 3 * at + 2, 3 * at + 3)).collect();
        let text = format!(
            "UPDATE {table} SET {column} = v.column3 FROM (VALUES {}) AS v
             WHERE {table}.{key} = v.column1 AND {table}.{column} = v.column2",
            values.join(", ")
        );
        let nothing = std::iter::repeat_n([const { String::new() }; 3], STEP.saturating_sub(rows.len()));
        rows.into_iter().chain(nothing).flatten().fold(Query::new(text), |query, value| query.bind(value))
    }
}

/// The id of the key that seals in this database: the one that the daemon's own keys are under. None: it is new.
pub(super) async fn sealing(source: impl Source) -> Result<Option<String>> {
    let row = Query::new("SELECT sealed FROM secrets WHERE name = 'code-digest'");
    let Some(row) = row.fetch_optional(source).await? else { return Ok(None) };
    let id = seal::id_in(row.text(0)?).ok_or_else(|| damaged("the key of codes"))?;
    Ok(Some(id.to_owned()))
}
