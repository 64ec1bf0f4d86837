//! What is in PostgreSQL when the daemon starts, and what it makes of it.

use super::*;
use crate::store::Settled;
use crate::store::records::schema::{Found, look, migrate, newest};

claims! {
    postgres only
    empty_database_gets_its_tables_and_several_may_do_so_at_once
    database_that_is_missing_is_told_with_what_to_do
    older_schema_is_refused_until_it_is_migrated
    older_schema_that_another_node_is_just_migrating_is_waited_for
    newer_and_edited_schemas_are_refused
    tables_of_another_program_are_refused_and_left_alone
    encoding_that_cannot_hold_everything_is_refused
    user_without_rights_to_change_tables_may_serve
    standby_is_refused_with_what_to_do
    ;
    parallel
}

async fn refused(settings: &config::Store) -> String {
    Records::open(settings, ring(&[("k1", 1)])).await.unwrap_err().to_string()
}

async fn empty_database_gets_its_tables_and_several_may_do_so_at_once(kit: Kit) {
    let (name, settings) = kit.databases().missing();
    kit.databases().server().sql("postgres", &format!("CREATE DATABASE {name}"));
    let open = async || Records::open(&settings, ring(&[("k1", 1)])).await.unwrap();
    let nodes: [Records; 4] = tokio::join!(open(), open(), open(), open()).into();
    let factor = FactorId::from_uuid(uuid::Uuid::nil());
    let digest = nodes[0].digester().digest(factor, "1");
    for node in &nodes {
        assert_eq!(node.digester().digest(factor, "1"), digest, "one key for all");
        node.audit().append(entry("told")).await.unwrap();
    }
    assert_eq!(nodes[0].audit().verify().await.unwrap().broken, None);
}

async fn database_that_is_missing_is_told_with_what_to_do(kit: Kit) {
    let (name, settings) = kit.databases().missing();
    let text = refused(&settings).await;
    assert!(text.contains(&name) && text.contains("CREATE DATABASE"), "{text}");
}

async fn older_schema_is_refused_until_it_is_migrated(kit: Kit) {
    let store = kit.store().await;
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
    let text = refused(&store.settings).await;
    assert!(text.contains("schema 4") && text.contains("doorward db migrate"), "{text}");
    assert!(text.contains("cannot be started again") && !text.contains("Stop"), "{text}");
    assert_eq!(look(&mut store.raw().await, "x").await.unwrap(), Found::Behind(4));
    let Some(settings) = &store.settings.postgres else { panic!() };
    let server = Server::new(options(settings).unwrap(), Duration::from_secs(10));
    migrate(&server, "x").await.unwrap();
    assert_eq!(look(&mut store.raw().await, "x").await.unwrap(), Found::Current);
    let old = Query::new("SELECT 1 FROM pg_indexes WHERE indexname = 'audit_subject'");
    assert!(old.fetch_all(&mut store.raw().await).await.unwrap().is_empty());
    let migrated = store.open(ring(&[("k1", 1)])).await.unwrap();
    migrated.audit().append(entry("told")).await.unwrap();
    let again = migrated.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    assert_eq!(again, Settled::Replayed, "used up before");
}

async fn newer_and_edited_schemas_are_refused(kit: Kit) {
    let store = kit.store().await;
    store.close().await;
    store
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', TRUE, '', 0)",
        )
        .await;
    let text = refused(&store.settings).await;
    assert!(text.contains("9999") && text.contains("newer"), "{text}");
    store.sql("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    store.sql("UPDATE _sqlx_migrations SET checksum = ''").await;
    let text = refused(&store.settings).await;
    assert!(text.contains("is not the one of this version"), "{text}");
    assert_eq!(newest(), 11);
}

async fn tables_of_another_program_are_refused_and_left_alone(kit: Kit) {
    let (name, settings) = kit.databases().missing();
    kit.databases().server().sql("postgres", &format!("CREATE DATABASE {name}"));
    kit.databases().server().sql(&name, "CREATE TABLE bookmarks (url TEXT)");
    let text = refused(&settings).await;
    assert!(text.contains("another program"), "{text}");
    assert_eq!(
        kit.databases().server().sql(&name, "SELECT relname FROM pg_class WHERE relname = 'people'"),
        ""
    );
}

async fn encoding_that_cannot_hold_everything_is_refused(kit: Kit) {
    let (name, settings) = kit.databases().missing();
    let sql = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    kit.databases().server().sql("postgres", &sql);
    let text = refused(&settings).await;
    assert!(text.contains("UTF8"), "{text}");
}

async fn user_without_rights_to_change_tables_may_serve(kit: Kit) {
    let mut store = kit.store().await;
    for sql in [
        "CREATE ROLE server LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO server",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ] {
        store.sql(sql).await;
    }
    let Some(settings) = &mut store.settings.postgres else { panic!() };
    settings.url = settings.url.replace("postgres://postgres@", "postgres://server@");
    store.reopen().await;
    let alice = store.person("alice").await;
    assert!(store.identities().lead("campus").await.unwrap());
    let _ = store.logins().settle(Box::new(settlement(alice, None))).await.unwrap();
}

async fn standby_is_refused_with_what_to_do(kit: Kit) {
    let store = kit.store().await;
    // As near as one server comes to it.
    let lost = store.write(|transaction| {
        Box::pin(async move {
            transaction.connection.plain("ROLLBACK; BEGIN READ ONLY").await?;
            Query::new("DELETE FROM people").execute(&mut transaction.connection).await.map(drop)
        })
    });
    let text = lost.await.unwrap_err().to_string();
    assert!(text.contains("standby") && text.contains("store.url"), "{text}");
    store.person("alice").await;
}

async fn older_schema_that_another_node_is_just_migrating_is_waited_for(kit: Kit) {
    let store = kit.store().await;
    store.close().await;
    let mut other = store.raw().await;
    let lock = crate::store::records::postgres::lock_key("schema");
    for sql in [
        format!("SELECT 1 FROM (SELECT pg_advisory_lock({lock})) AS l"),
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM _sqlx_migrations WHERE version = 5".to_owned(),
        "DELETE FROM _sqlx_migrations WHERE version = 5".to_owned(),
    ] {
        Query::new(sql).execute(&mut other).await.unwrap();
    }
    let finishes = async {
        let waits = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                     WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()";
        let started = std::time::Instant::now();
        while Query::new(waits).fetch_all(&mut other).await.unwrap().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(10), "it was not waited for");
        }
        Query::new("INSERT INTO _sqlx_migrations SELECT * FROM kept").execute(&mut other).await.unwrap();
        let unlock = format!("SELECT 1 FROM (SELECT pg_advisory_unlock({lock})) AS l");
        Query::new(unlock).execute(&mut other).await.unwrap();
    };
    let (opened, ()) = tokio::join!(store.open(ring(&[("k1", 1)])), finishes);
    opened.unwrap().audit().append(entry("told")).await.unwrap();
}
