//! Opening: what is made, what is refused, and keys that change.

use super::*;
use crate::store::records::OpenError;
use crate::store::{AuditQuery, Settled, StoreError};
use std::os::unix::fs::PermissionsExt;

async fn open_error(path: &std::path::Path) -> OpenError {
    Records::open(&in_file(path), ring(&[("k1", 1)])).await.unwrap_err()
}

#[tokio::test]
async fn folder_and_file_are_made_for_their_owner_alone() {
    let store = Store::new().await;
    store.person("alice").await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.path().parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{}{ending}", store.path().display());
        assert_eq!(mode(std::path::Path::new(&file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn what_was_written_survives_reopening() {
    let mut store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let digest = store.digester().digest(id, "12345678");
    let _ = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    store.reopen().await;
    assert_eq!(store.factors().factor(id).await.unwrap().next, 11);
    assert_eq!(store.digester().digest(id, "12345678"), digest);
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_without_a_close() {
    let store = Store::new().await;
    store.person("alice").await;
    // What a kill leaves: file and log as they are at this moment, the connections gone.
    let copy = tempfile::tempdir().unwrap();
    for ending in ["", "-wal"] {
        let to = copy.path().join(format!("copy.db{ending}"));
        std::fs::copy(format!("{}{ending}", store.path().display()), to).unwrap();
    }
    let copied = Records::open(&in_file(&copy.path().join("copy.db")), ring(&[("k1", 1)])).await.unwrap();
    assert!(copied.people().person(&name("alice")).await.unwrap().is_some());
    assert_eq!(copied.audit().verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn file_of_an_older_version_gets_its_index_of_subjects() {
    let mut store = Store::new().await;
    store.audit().append(entry("old")).await.unwrap();
    store.close().await;
    for sql in [
        "DROP TABLE audit_subjects",
        "CREATE INDEX audit_subject ON audit (subject, seq)",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        store.sql(sql).await;
    }
    store.reopen().await;
    let old = Query::new("SELECT 1 FROM sqlite_master WHERE name = 'audit_subject'");
    assert!(old.fetch_all(&mut store.raw().await).await.unwrap().is_empty());
    assert!(!store.upkeep().index().await.unwrap(), "there is no whole part yet");
    let query = AuditQuery { subject: Some("alice".into()), ..AuditQuery::default() };
    assert_eq!(store.audit().entries(&query).await.unwrap().len(), 1);
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "these are my notes, not a database").unwrap();
    let error = open_error(&path).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("notes.txt"));
    assert_eq!(std::fs::read(&path).unwrap(), b"these are my notes, not a database");
}

#[tokio::test]
async fn database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let mut other = Database::Sqlite(Place::new(&path, BUSY)).connect().await.unwrap();
    Query::new("CREATE TABLE bookmarks (url TEXT)").execute(&mut other).await.unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open_error(&path).await, OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn newer_and_edited_schemas_are_refused_with_what_to_do() {
    let store = Store::new().await;
    store.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    store.sql(newer).await;
    let text = open_error(store.path()).await.to_string();
    assert!(text.contains("9999") && text.contains("newer"), "{text}");
    store.sql("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    store.sql("UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = open_error(store.path()).await;
    assert!(matches!(error, OpenError::Schema { .. }), "{error}");
}

#[tokio::test]
async fn wrong_master_key_is_told_before_anything_is_served() {
    let store = Store::new().await;
    store.close().await;
    for keys in [ring(&[("k1", 2)]), ring(&[("k2", 1)])] {
        let error = store.open(keys).await.unwrap_err();
        let OpenError::Database { source: StoreError::Sealed(_), .. } = error else { panic!("{error}") };
    }
}

#[tokio::test]
async fn folder_that_cannot_be_made_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open_error(&file.join("doorward.db")).await;
    assert!(matches!(error, OpenError::File { .. }) && error.to_string().contains("doorward.db"), "{error}");
}

#[tokio::test]
async fn debug_shows_no_keys() {
    let store = Store::new().await;
    assert_eq!(format!("{:?}", store.records), "Records");
}

#[tokio::test]
async fn value_of_another_kind_is_damage_and_never_nothing() {
    for damage in [
        "UPDATE people SET valid_until = 1.5",
        "UPDATE people SET valid_until = x'31'",
        "UPDATE people SET valid_until = 'never'",
        "UPDATE people SET email = x'31'",
        "UPDATE people SET email = CAST(x'ff' AS TEXT)",
    ] {
        let store = Store::new().await;
        store.person("alice").await;
        assert_eq!(store.sql(damage).await, 1);
        let read = store.people().account(&name("alice")).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{damage}: {read:?}");
    }
}

#[tokio::test]
async fn used_positions_stay_used_when_an_older_file_is_brought_up_to_date() {
    let mut store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    assert_eq!(
        store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap(),
        Settled::Done
    );
    store.close().await;
    for sql in WITHOUT_POSITIONS {
        store.sql(sql).await;
    }
    store.reopen().await;
    assert_eq!(store.factors().factor(id).await.unwrap().used, Some(NOW));
    let again = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    assert_eq!(again, Settled::Replayed);
    assert_eq!(
        store.logins().settle(Box::new(settlement(alice, Some(position(id, 11))))).await.unwrap(),
        Settled::Done
    );
}

/// `.cargo/config.toml` says how; a build that misses it is right, and slower.
#[tokio::test]
async fn sqlite_is_built_without_what_only_costs() {
    let store = Store::new().await;
    let rows = Query::new("PRAGMA compile_options").fetch_all(&mut store.raw().await).await.unwrap();
    let options: Vec<_> = rows.iter().map(|row| row.text(0).unwrap()).collect();
    assert!(options.contains(&"DEFAULT_MEMSTATUS=0"), "{options:?}");
    assert!(!options.contains(&"ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}

/// Has the tables that logins write to lie as they did before there was [`super::super::layout`].
const AS_THEY_LAY: [&str; 8] = [
    "CREATE TABLE was (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, person TEXT,
         subject TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, request TEXT NOT NULL, link TEXT NOT NULL)",
    "INSERT INTO was SELECT * FROM audit",
    "DROP TABLE audit",
    "ALTER TABLE was RENAME TO audit",
    "CREATE TABLE were (factor TEXT PRIMARY KEY REFERENCES factors (id), next BIGINT NOT NULL, used BIGINT)",
    "INSERT INTO were SELECT * FROM positions",
    "DROP TABLE positions",
    "ALTER TABLE were RENAME TO positions",
];

/// Whether the trail, and the positions, are in one tree.
async fn in_one_tree(store: &Store) -> [bool; 2] {
    let sql = "SELECT (SELECT count(*) FROM pragma_index_list('audit')) = 0,
        (SELECT wr FROM pragma_table_list('positions') WHERE schema = 'main')";
    let row = Query::new(sql).fetch_one(&mut store.raw().await).await.unwrap();
    [row.number(0).unwrap() == 1, row.number(1).unwrap() == 1]
}

#[tokio::test]
async fn tables_that_logins_write_to_are_in_one_tree_also_in_an_older_file() {
    let mut store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let used = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    assert_eq!((in_one_tree(&store).await, used), ([true, true], Settled::Done));
    store.close().await;
    for sql in AS_THEY_LAY {
        store.sql(sql).await;
    }
    assert_eq!(in_one_tree(&store).await, [false, false]);
    let entries = store.sql("UPDATE audit SET at = at").await;
    store.reopen().await;
    assert_eq!((in_one_tree(&store).await, store.broken().await), ([true, true], None));
    assert_eq!(store.audit().verify().await.unwrap().entries, entries);
    let again = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    assert_eq!(again, Settled::Replayed);
    store.audit().append(entry("later")).await.unwrap();
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn rows_that_cannot_be_there_stay_where_they_are_and_are_told() {
    let mut store = Store::new().await;
    let alice = store.person("alice").await;
    store.totp(alice, FactorState::Active).await;
    store.close().await;
    for sql in AS_THEY_LAY {
        store.sql(sql).await;
    }
    let stray =
        "INSERT INTO audit SELECT NULL, at, actor, action, person, subject, outcome, detail, request, link
               FROM audit LIMIT 1";
    store.sql(stray).await;
    store.reopen().await;
    let (_, told) = store.broken().await.unwrap();
    assert!(told.contains("no number, 1 of them"), "{told}");
    assert_eq!(in_one_tree(&store).await, [false, true]);
    store.close().await;
    for sql in &AS_THEY_LAY[4..] {
        store.sql(sql).await;
    }
    let mut raw = store.raw().await;
    for sql in
        ["PRAGMA foreign_keys = OFF", "INSERT INTO positions VALUES ('nobody''s', 1, NULL), (NULL, 1, NULL)"]
    {
        Query::new(sql).execute(&mut raw).await.unwrap();
    }
    drop(raw);
    store.reopen().await;
    assert_eq!(in_one_tree(&store).await, [false, false]);
}

#[tokio::test]
async fn what_somebody_else_has_made_of_a_table_stays_with_it() {
    for made in [
        "CREATE VIEW last AS SELECT max(seq) FROM audit",
        "CREATE TRIGGER again AFTER UPDATE ON positions BEGIN SELECT 1; END",
        "CREATE VIEW stale AS SELECT gone FROM nowhere",
    ] {
        let mut store = Store::new().await;
        store.close().await;
        for sql in AS_THEY_LAY {
            store.sql(sql).await;
        }
        store.sql(made).await;
        store.reopen().await;
        assert_eq!((in_one_tree(&store).await, store.broken().await), ([false, false], None), "{made}");
        let kept = Query::new("SELECT count(*) FROM sqlite_master WHERE name IN ('last', 'again', 'stale')");
        assert_eq!(kept.fetch_one(&mut store.raw().await).await.unwrap().number(0).unwrap(), 1, "{made}");
    }
    for (made, left) in [
        ("CREATE INDEX theirs ON audit (at)", [false, true]),
        ("ALTER TABLE positions ADD COLUMN theirs TEXT", [true, false]),
        ("CREATE TABLE audit_arranged (it TEXT)", [false, true]),
    ] {
        let mut store = Store::new().await;
        store.person("alice").await;
        store.close().await;
        for sql in AS_THEY_LAY {
            store.sql(sql).await;
        }
        store.sql(made).await;
        store.reopen().await;
        assert_eq!((in_one_tree(&store).await, store.broken().await), (left, None), "{made}");
        store.person("bob").await;
    }
}

/// See `layout::MOST`.
#[tokio::test]
async fn long_trail_stays_as_it_is() {
    for (entries, left) in [(20, [true, true]), (21, [false, true])] {
        let mut store = Store::new().await;
        for _ in 0..entries {
            store.audit().append(entry("told")).await.unwrap();
        }
        store.close().await;
        for sql in AS_THEY_LAY {
            store.sql(sql).await;
        }
        store.reopen().await;
        assert_eq!((in_one_tree(&store).await, store.broken().await), (left, None), "{entries}");
    }
}
