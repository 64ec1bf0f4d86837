//! How the tables lie in the file of SQLite that every login writes to. The steps of the schema are written for PostgreSQL as well, where
//! a key is an index beside its table. In SQLite that means two trees for one row: a table by a number of its own, and an index that leads to it.
//! Here these two tables are their keys' trees, so that a row is found, and written, in one of them.
//!
//! To our statements nothing changes, so it is no step of the schema: an older version works with it, and this one without it. A table that
//! is not as we have made it, or cannot be written anew, stays as it is.

use super::failure;
use super::sqlite::Lite;
use crate::store::Result;

struct Table {
    name: &'static str,
    /// Whether it lies otherwise.
    otherwise: &'static str,
    /// Whether all that is in it can lie as it should, and is written anew within seconds, because nobody is served meanwhile.
    fits: &'static str,
    definition: &'static str,
    columns: &'static str,
}

/// Up to so many entries of the trail are written anew: two seconds or so. Tests are not to write so many.
const MOST: &str = if cfg!(test) { "20" } else { "1000000" };

const TABLES: [Table; 2] = [
    // A row without a number is what a check of the trail tells of.
    Table {
        name: "audit",
        otherwise: "SELECT count(*) FROM pragma_table_info('audit') WHERE name = 'seq' AND type <> 'INTEGER'",
        fits: "SELECT count(*) <= :most AND max(typeof(seq) <> 'integer') IS NOT TRUE
             FROM (SELECT seq FROM audit NOT INDEXED LIMIT :most + 1)",
        definition: "(seq INTEGER PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, person TEXT,
             subject TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, request TEXT NOT NULL, link TEXT NOT NULL)",
        columns: super::audit::COLUMNS,
    },
    Table {
        name: "positions",
        otherwise: "SELECT count(*) FROM pragma_table_list('positions') WHERE schema = 'main' AND NOT wr",
        fits: "SELECT NOT EXISTS (SELECT 1 FROM positions o LEFT JOIN factors f ON f.id = o.factor WHERE f.id IS NULL)",
        definition: "(factor TEXT PRIMARY KEY REFERENCES factors (id), next BIGINT NOT NULL, used BIGINT) WITHOUT ROWID",
        columns: "factor, next, used",
    },
];

/// Has them lie so.
pub(super) fn arrange(lite: &Lite) {
    for table in TABLES {
        if let Err(error) = table.arrange(lite) {
            let table = table.name;
            tracing::warn!(%error, table, "a table could not be written anew; it stays as it is, and logins cost a little more");
        }
        if !lite.raw().is_autocommit() {
            // It failed, and SQLite has not taken it back by itself, or the table was to stay.
            let _ = lite.plain("ROLLBACK");
        }
    }
}

impl Table {
    fn arrange(&self, lite: &Lite) -> Result<()> {
        let Self { name, otherwise, fits, definition, columns } = self;
        // Whatever somebody else has made of it is not ours to drop: a view, a trigger, an index, a column.
        let ours = format!(
            "SELECT (SELECT group_concat(name, ', ') FROM pragma_table_info('{name}')) = '{columns}'
             AND NOT EXISTS (SELECT 1 FROM sqlite_master
                 WHERE type IN ('view', 'trigger') OR type = 'index' AND tbl_name = '{name}' AND sql IS NOT NULL)"
        );
        if !answer(lite, otherwise)? {
            return Ok(());
        }
        // Nobody changes it any more between the questions and what follows.
        lite.plain("BEGIN IMMEDIATE")?;
        if !answer(lite, &ours)? || !answer(lite, &fits.replace(":most", MOST))? {
            return Ok(());
        }
        // Not by way of the index, which may lack what the table has.
        lite.plain(&format!(
            "CREATE TABLE {name}_arranged {definition};
             INSERT INTO {name}_arranged ({columns}) SELECT {columns} FROM {name} NOT INDEXED;
             DROP TABLE {name};
             ALTER TABLE {name}_arranged RENAME TO {name};
             COMMIT"
        ))?;
        Ok(())
    }
}

fn answer(lite: &Lite, question: &str) -> Result<bool> {
    let answer = lite.raw().query_row(question, [], |row| row.get::<_, Option<bool>>(0));
    Ok(answer.map_err(failure)? == Some(true))
}
