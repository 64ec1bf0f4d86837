//! How the tables lie in the file of SQLite that every login writes to. The steps of the schema are written for PostgreSQL as well, where
//! a key is an index beside its table. In SQLite that means two trees for one row: a table by a number of its own, and an index that leads to it.
//! Here these two tables are their keys' trees, so that a row is found, and written, in one of them.
//!
//! To statements nothing changes, so it is no step of the schema: an older version works with it, and this one without it.

use super::failure;
use super::sqlite::Lite;
use crate::store::Result;

/// A table: whether it lies otherwise and can be changed within moments; its name, its definition, its columns.
struct Table {
    other: &'static str,
    name: &'static str,
    definition: &'static str,
    columns: &'static str,
}

/// The trail is left where it is long, since its rows are all written anew while the daemon starts; and where a row has no number, which is
/// what [`super::audit::STRAY`] counts and a check tells.
const TABLES: [Table; 2] = [
    Table {
        other: "SELECT EXISTS (SELECT 1 FROM pragma_table_info('audit') WHERE name = 'seq' AND type <> 'INTEGER')
             AND (SELECT count(*) FROM (SELECT 1 FROM audit LIMIT 1000001)) <= 1000000
             AND NOT EXISTS (SELECT 1 FROM audit WHERE typeof(seq) <> 'integer')",
        name: "audit",
        definition: "seq INTEGER PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, person TEXT,
             subject TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, request TEXT NOT NULL, link TEXT NOT NULL)",
        columns: super::audit::COLUMNS,
    },
    Table {
        other: "SELECT EXISTS (SELECT 1 FROM pragma_table_list('positions') WHERE schema = 'main' AND NOT wr)
             AND NOT EXISTS (SELECT 1 FROM positions o LEFT JOIN factors f ON f.id = o.factor WHERE f.id IS NULL)",
        name: "positions",
        definition: "factor TEXT PRIMARY KEY REFERENCES factors (id), next BIGINT NOT NULL, used BIGINT) WITHOUT ROWID",
        columns: "factor, next, used",
    },
];

/// Has them lie so. To be called in a transaction, after the steps of the schema.
pub(super) fn arrange(lite: &Lite) -> Result<()> {
    for Table { other, name, definition, columns } in TABLES {
        if !lite.raw().query_row(other, [], |row| row.get::<_, bool>(0)).map_err(failure)? {
            continue;
        }
        lite.plain(&format!(
            "CREATE TABLE {name}_arranged ({definition};
             INSERT INTO {name}_arranged ({columns}) SELECT {columns} FROM {name} ORDER BY 1;
             DROP TABLE {name};
             ALTER TABLE {name}_arranged RENAME TO {name}"
        ))?;
    }
    Ok(())
}
