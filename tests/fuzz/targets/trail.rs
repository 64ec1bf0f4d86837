//! What is read back: the audit trail, which somebody has changed who can write the file, and a backup with octets changed. Whatever
//! was done to the trail, the check says so; whatever was done to a backup, it is taken only if it is sound.

use super::Reader;
use super::world::{BEGIN, World, entry, folder};
use doorward::config;
use doorward::store::records::{Records, Wanted};
use doorward::store::seal::Keyring;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The first octet says what is tried with the others.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    let mut kept = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let ground = kept.get_or_insert_with(Ground::new);
    match reader.octet() % 3 {
        0 => ground.trail(&mut reader),
        1 => ground.backup(&mut reader),
        _ => ground.values(&mut reader),
    }
}

static GROUND: Mutex<Option<Ground>> = Mutex::new(None);

const COLUMNS: [&str; 10] =
    ["seq", "at", "actor", "action", "person", "subject", "outcome", "detail", "request", "link"];
const HEAD: [&str; 4] = ["id", "seq", "link", "mac"];
/// What belongs to the trail.
const TABLES: [&str; 2] = ["audit", "audit_head"];

type Rows = Vec<Vec<Value>>;

/// A store with a trail of some entries, another program's connection to it, and a backup.
struct Ground {
    world: World,
    raw: Connection,
    before: [Rows; 2],
    backup: Vec<u8>,
    folder: tempfile::TempDir,
}

fn rows(raw: &Connection, table: &str) -> Rows {
    let mut statement = raw.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get::<_, Value>(at)).collect();
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Octets of a value: whether SQLite calls them text makes no difference to what is read, but for an empty one.
fn octets(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Blob(bytes) if bytes.is_empty() => vec![4],
        Value::Integer(number) => [&[1], &number.to_be_bytes()[..]].concat(),
        Value::Real(number) => [&[2], &number.to_be_bytes()[..]].concat(),
        Value::Text(text) => [&[3], text.as_bytes()].concat(),
        Value::Blob(bytes) => [&[3], bytes.as_slice()].concat(),
    }
}

fn says_the_same(one: &Rows, other: &Rows) -> bool {
    let plain = |rows: &Rows| -> Vec<Vec<Vec<u8>>> {
        rows.iter().map(|row| row.iter().map(octets).collect()).collect()
    };
    plain(one) == plain(other)
}

impl Ground {
    fn new() -> Self {
        let (world, folder) = (World::new(), folder());
        let store = world.config.load().store.clone();
        world.runtime.block_on(async {
            for (at, action) in
                ["login", "login", "factor.add", "person.list", "login"].into_iter().enumerate()
            {
                let mut entry = entry(BEGIN, action);
                entry.subject = format!("alice{at}");
                entry.person = (at == 2).then(|| super::world::person(0));
                world.records.audit().append(entry).await.unwrap();
            }
        });
        let path = world.path();
        let raw = Connection::open(&path).unwrap();
        raw.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let to = folder.path().join("backup");
        let from = config::Store { path, ..store };
        world.runtime.block_on(Records::backup(&from, &world.records.keyring(), (&to, true), BEGIN)).unwrap();
        let backup = std::fs::read(to).unwrap();
        let before = TABLES.map(|table| rows(&raw, table));
        Self { world, raw, before, backup, folder }
    }

    /// Changes rows, as who can write the file may.
    fn trail(&mut self, reader: &mut Reader<'_>) {
        for _ in 0..8 {
            if reader.is_empty() {
                break;
            }
            // What the schema refuses is not done.
            let _ = self.change(reader);
        }
        let after = TABLES.map(|table| rows(&self.raw, table));
        // Of heads there are two, by number; nobody reads another.
        let mut heads = after[1].clone();
        heads.retain(|row| matches!(row[0], Value::Integer(1 | 2)));
        let same = says_the_same(&self.before[0], &after[0]) && says_the_same(&self.before[1], &heads);
        let checked = self.world.runtime.block_on(self.world.records.audit().verify());
        match &checked {
            Ok(check) => {
                assert!(check.broken.is_some() || same, "nothing was found, and this is there: {after:?}");
                assert!(check.broken.is_none() || !same, "found, though nothing was changed: {check:?}");
                assert_eq!(check.broken.is_some(), !check.findings.is_empty());
                assert!(check.findings.len() <= 20);
            }
            // A value of another kind is no entry at all.
            Err(_) => assert!(!same || after != self.before, "{checked:?}"),
        }
        if after != self.before {
            self.put_back();
        }
    }

    fn change(&self, reader: &mut Reader<'_>) -> rusqlite::Result<usize> {
        let raw = &self.raw;
        let any = |reader: &mut Reader<'_>, most: usize| reader.below(most + 2) as i64;
        let entries = self.before[0].len();
        match reader.octet() % 7 {
            0 => {
                let (seq, column) = (any(reader, entries), COLUMNS[reader.below(COLUMNS.len())]);
                let value = self.value(reader);
                raw.execute(&format!("UPDATE audit SET {column} = ?1 WHERE seq = ?2"), (value, seq))
            }
            1 => raw.execute("DELETE FROM audit WHERE seq = ?1", [any(reader, entries)]),
            2 => {
                let (from, to) = (any(reader, entries), i64::from(i8::from_ne_bytes([reader.octet()])));
                let copy = "INSERT INTO audit SELECT ?1, at, actor, action, person, subject, outcome, detail, request, link FROM audit WHERE seq = ?2";
                raw.execute(copy, [to, from])
            }
            3 => {
                let (one, other) = (any(reader, entries), any(reader, entries));
                let mut done = 0;
                for (from, to) in [(one, 1_000_000), (other, one), (1_000_000, other)] {
                    done += raw.execute("UPDATE audit SET seq = ?1 WHERE seq = ?2", [to, from])?;
                }
                Ok(done)
            }
            4 => {
                let column = HEAD[reader.below(HEAD.len())];
                let value = self.value(reader);
                raw.execute(
                    &format!("UPDATE audit_head SET {column} = ?1 WHERE id = ?2"),
                    (value, any(reader, 2)),
                )
            }
            5 => raw.execute("DELETE FROM audit_head WHERE id = ?1", [any(reader, 2)]),
            _ => {
                // Where the trail begins, as if that were known.
                let (seq, link) = (any(reader, entries), self.value(reader));
                let new =
                    "INSERT OR REPLACE INTO audit_head SELECT 2, ?1, ?2, mac FROM audit_head WHERE id = 1";
                raw.execute(new, (seq, link))
            }
        }
    }

    /// A value: another one's, or made up.
    fn value(&self, reader: &mut Reader<'_>) -> Value {
        let cell = |rows: &Rows, reader: &mut Reader<'_>| {
            let row = &rows[reader.below(rows.len())];
            row[reader.below(row.len())].clone()
        };
        match reader.octet() % 6 {
            0 => Value::Text(String::from_utf8_lossy(reader.octets()).into_owned()),
            1 => Value::Integer(i64::from(i8::from_ne_bytes([reader.octet()]))),
            2 => Value::Null,
            3 => Value::Blob(reader.octets().to_vec()),
            4 => cell(&self.before[0], reader),
            _ => cell(&self.before[1], reader),
        }
    }

    fn put_back(&mut self) {
        let transaction = self.raw.transaction().unwrap();
        for (table, rows) in TABLES.iter().zip(&self.before) {
            transaction.execute(&format!("DELETE FROM {table}"), []).unwrap();
            for row in rows {
                let places: Vec<_> = (1..=row.len()).map(|at| format!("?{at}")).collect();
                let insert = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
                transaction.execute(&insert, rusqlite::params_from_iter(row)).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    /// Changes octets of a backup and restores it.
    fn backup(&self, reader: &mut Reader<'_>) {
        let mut bytes = self.backup.clone();
        while !reader.is_empty() {
            let at = (reader.number() << 8 | usize::from(reader.octet())) % bytes.len();
            match reader.octet() % 4 {
                0 => bytes[at] = reader.octet(),
                1 => bytes[at] ^= 1 << reader.below(8),
                2 => {
                    let new = reader.octets();
                    let end = bytes.len().min(at + new.len());
                    bytes[at..end].copy_from_slice(&new[..end - at]);
                }
                _ => bytes.truncate(at + 1),
            }
        }
        std::fs::write(self.folder.path().join("changed"), &bytes).unwrap();
        self.restore();
    }

    /// Changes values of a backup, in any table, and restores it.
    fn values(&self, reader: &mut Reader<'_>) {
        let path = self.folder.path().join("changed");
        std::fs::write(&path, &self.backup).unwrap();
        let raw = Connection::open(path).unwrap();
        let _ = raw.pragma_update(None, "journal_mode", "OFF");
        let names = |sql: &str| -> Vec<String> {
            let mut statement = raw.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let tables = names("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
        for _ in 0..4 {
            if reader.is_empty() {
                break;
            }
            let table = &tables[reader.below(tables.len())];
            let (row, columns) =
                (reader.below(20) + 1, names(&format!("SELECT name FROM pragma_table_info('{table}')")));
            let (column, value) = (&columns[reader.below(columns.len())], self.value(reader));
            // What the schema refuses is not done.
            let _ = raw
                .execute(&format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2"), (value, row as i64));
        }
        drop(raw);
        self.restore();
    }

    /// Restores the changed backup: it is refused, or what comes of it can be used.
    fn restore(&self) {
        let (from, to) = (self.folder.path().join("changed"), self.folder.path().join("restored.db"));
        for ending in ["", "-wal", "-shm", "-lock"] {
            let _ = std::fs::remove_file(PathBuf::from(format!("{}{ending}", to.display())));
        }
        let store = config::Store { path: to, ..self.world.config.load().store.clone() };
        let keyring = Keyring::new(&self.world.config.load().keys.master).unwrap();
        let (actor, detail) = ("uid:0(root)".to_owned(), String::new());
        let wanted =
            Wanted { now: BEGIN, skew: 1, keep_recovery: false, actor, detail, known: false, gone: 0 };
        let source = std::fs::File::open(&from).expect("the backup is there");
        self.world.runtime.block_on(async {
            if let Ok(replaced) = Records::restore(&store, &keyring, (&from, source, false), &wanted).await {
                assert!(replaced.contents.is_sound());
                let records = Records::open(&store, keyring).await.expect("what was restored can be opened");
                let check = records.audit().verify().await.expect("a trail");
                assert_eq!(check.broken, None);
                records.close().await;
            }
        });
    }
}

/// A change of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let header = 16_u32;
    let mut seeds: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0, 0, 3, 5, 0, 3, 98, 111, 98],
        vec![0, 0, 3, 1, 1, 7, 0, 4, 4, 2],
        vec![0, 1, 4],
        vec![0, 2, 4, 9, 2, 4, 3],
        vec![0, 3, 4, 5],
        vec![0, 4, 1, 1, 7, 1],
        vec![0, 5, 1],
        vec![0, 6, 3, 4, 2, 9],
        vec![0, 0, 3, 9, 4, 1, 9, 0, 5, 9, 0, 1, 65],
        vec![1],
        vec![1, 0, 16, 0, 3],
        vec![2],
        vec![2, 5, 0, 2, 0, 3, 98, 111, 98],
        vec![2, 1, 3, 4, 1, 7, 3, 0, 1, 2],
    ];
    for at in [header, 100, 4096, 5000, 20_000, 60_000, 100_000, 150_000] {
        let at = at.to_be_bytes();
        seeds.push(vec![1, at[1], at[2], at[3], 1, 0]);
        seeds.push(vec![1, at[1], at[2], at[3], 2, 4, 255, 0, 255, 0]);
    }
    seeds
}
