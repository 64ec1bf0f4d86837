//! From a file to PostgreSQL: everything, or nothing.

use super::*;
use crate::domain::throttle::Throttle;
use crate::store::records::CopyError;
use crate::store::{AuditQuery, Retention, Settled};

claims! {
    postgres only
    everything_arrives_and_serves
    file_that_is_in_use_is_refused
    database_that_holds_something_is_refused_and_left_alone
    wrong_master_key_takes_all_back
    broken_trail_takes_all_back
    character_that_cannot_be_kept_takes_all_back
    row_that_arrives_changed_takes_all_back
    commit_without_an_answer_is_not_told_as_taken_back
    table_that_nobody_knows_is_refused
    file_of_an_older_schema_is_refused
    ;
    parallel
}

/// A file with a row at least in each table.
async fn filled() -> Store {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let many: Vec<_> = (0..1200).map(|number| new_person(&format!("person{number}-ü"))).collect();
    store.people().add(many, entry("person.import")).await.unwrap();
    let id = store.totp(alice, FactorState::Active).await;
    store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    let _ =
        store.attempts().charge(Some(alice), &[Counter::Password], &Throttle::default(), NOW).await.unwrap();
    store.acceptances().record(alice, "2026", NOW, entry("accept")).await.unwrap();
    store.audit().append(AuditEntry { at: NOW + Duration::from_secs(1000), ..entry("late") }).await.unwrap();
    let keep = Retention {
        audit: Some(Duration::from_secs(999)),
        messages: NOW.since(Timestamp::default()),
        pending: Duration::ZERO,
    };
    assert!(store.upkeep().clean(&keep, NOW + Duration::from_secs(1000)).await.unwrap().audit > 0);
    let end = Settlement { once: vec![("a".to_owned(), NOW)], ..settlement(alice, Some(position(id, 10))) };
    assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    for sql in [
        "INSERT INTO audit_subjects VALUES (1, 1000, 'x')",
        "INSERT INTO tokens VALUES ('1', 'hotp', 'A1', '', 'stock', NULL, NULL, 0, 1, 'x')",
        "INSERT INTO directories VALUES ('campus', 's', 'p', 1)",
        "INSERT INTO outbox VALUES ('1', 'x', 'login', 'sms', '', '', NULL, '', 'sent', 1, 1, 1, 1, 1, NULL, '', '', 1)",
        "INSERT INTO contacts SELECT id, 'email', 'a@b.org', NULL FROM people WHERE username = 'alice'",
        "INSERT INTO questions SELECT id, '[\"first-pet\"]', 'x', NULL, '' FROM people WHERE username = 'alice'",
        "INSERT INTO client_keys VALUES ('DWX', 'keycloak', 'x', 1, NULL)",
        "INSERT INTO sessions SELECT 'x', id, 1, 'x', 1, 1 FROM people WHERE username = 'alice'",
    ] {
        store.sql(sql).await;
    }
    store
}

/// An empty database.
fn target(kit: &Kit) -> (String, config::Store) {
    let (name, settings) = kit.databases().missing();
    kit.databases().server().sql("postgres", &format!("CREATE DATABASE {name}"));
    (name, settings)
}

async fn copy(from: &Store, to: &config::Store) -> Result<Vec<(&'static str, u64)>, CopyError> {
    let mut seen = Vec::new();
    let copied = Records::copy(from.path(), to, &ring(&[("k1", 1)]), |progress| seen.push(progress)).await;
    assert!(copied.is_err() || seen.iter().any(|progress| progress.comparing && progress.rows == 1000));
    copied
}

fn people(kit: &Kit, name: &str) -> String {
    kit.databases().server().sql(name, "SELECT count(*) FROM people")
}

async fn everything_arrives_and_serves(kit: Kit) {
    let file = filled().await;
    let before = file.audit().verify().await.unwrap();
    let digest = file.digester().digest(FactorId::from_uuid(uuid::Uuid::nil()), "1");
    file.close().await;
    let (_, settings) = target(&kit);
    let counts = copy(&file, &settings).await.unwrap();
    assert_eq!(counts.iter().find(|(table, _)| *table == "people").unwrap().1, 1201);
    assert!(counts.iter().all(|(_, rows)| *rows > 0), "{counts:?}");
    let records = Records::open(&settings, ring(&[("k1", 1)])).await.unwrap();
    assert_eq!(records.audit().verify().await.unwrap(), before);
    assert_eq!(records.digester().digest(FactorId::from_uuid(uuid::Uuid::nil()), "1"), digest);
    let account = records.people().account(&name("alice")).await.unwrap().unwrap();
    let id = account.factors[0].id;
    let again = settlement(account.person.id, Some(position(id, 10)));
    assert_eq!(
        records.logins().settle(Box::new(again)).await.unwrap(),
        Settled::Replayed,
        "used up before the move"
    );
    let later = settlement(account.person.id, Some(position(id, 11)));
    assert_eq!(records.logins().settle(Box::new(later)).await.unwrap(), Settled::Done);
    // Twice is once too often.
    let again = copy(&file, &settings).await;
    assert!(matches!(&again, Err(CopyError::NotEmpty(what)) if what.contains("people")), "{again:?}");
    assert_eq!(
        records.audit().entries(&AuditQuery::default()).await.unwrap().len() as u64,
        before.entries + 2
    );
}

async fn file_that_is_in_use_is_refused(kit: Kit) {
    let file = Store::new().await;
    file.person("alice").await;
    let (_, settings) = target(&kit);
    let copied = copy(&file, &settings).await;
    let text = copied.unwrap_err().to_string();
    assert!(text.contains("in use") && text.contains("stop Doorward"), "{text}");
    file.close().await;
    let missing = Records::copy(Path::new("/nowhere.db"), &settings, &ring(&[("k1", 1)]), |_| {}).await;
    assert!(missing.unwrap_err().to_string().contains("/nowhere.db cannot be copied"));
}

async fn database_that_holds_something_is_refused_and_left_alone(kit: Kit) {
    let file = filled().await;
    file.close().await;
    let store = kit.store().await;
    store.person("bob").await;
    let copied = copy(&file, &store.settings).await;
    assert!(matches!(copied, Err(CopyError::NotEmpty(_))), "{copied:?}");
    assert!(store.people().person(&name("bob")).await.unwrap().is_some());
    assert_eq!(store.broken().await, None);
    // One that was only served from holds nothing that counts.
    let fresh = kit.store().await;
    fresh.close().await;
    copy(&file, &fresh.settings).await.unwrap();
}

async fn wrong_master_key_takes_all_back(kit: Kit) {
    let file = filled().await;
    file.close().await;
    let (name, settings) = target(&kit);
    let copied = Records::copy(file.path(), &settings, &ring(&[("k1", 2)]), |_| {}).await;
    let text = copied.unwrap_err().to_string();
    assert!(text.contains("taken back") && text.contains("sealed"), "{text}");
    assert_eq!(people(&kit, &name), "0");
}

async fn broken_trail_takes_all_back(kit: Kit) {
    for sql in [
        "UPDATE audit SET detail = 'x'",
        "DELETE FROM audit WHERE seq > 2",
        "DELETE FROM audit_head WHERE id = 2",
    ] {
        let file = filled().await;
        file.close().await;
        file.sql(sql).await;
        let (name, settings) = target(&kit);
        let text = copy(&file, &settings).await.unwrap_err().to_string();
        assert!(text.contains("taken back") && text.contains("audit trail"), "{text}");
        assert_eq!(people(&kit, &name), "0");
    }
}

async fn character_that_cannot_be_kept_takes_all_back(kit: Kit) {
    let file = filled().await;
    file.close().await;
    file.sql("UPDATE people SET name = 'a' || char(0) || 'b' WHERE username = 'alice'").await;
    let (name, settings) = target(&kit);
    let text = copy(&file, &settings).await.unwrap_err().to_string();
    assert!(text.contains("NUL") && text.contains("people"), "{text}");
    assert_eq!(people(&kit, &name), "0");
}

async fn table_that_nobody_knows_is_refused(kit: Kit) {
    let file = filled().await;
    file.close().await;
    file.sql("CREATE TABLE forgotten (id TEXT PRIMARY KEY)").await;
    let (_, settings) = target(&kit);
    let text = copy(&file, &settings).await.unwrap_err().to_string();
    assert!(text.contains("forgotten"), "{text}");
    file.sql("DROP TABLE forgotten").await;
    file.sql("ALTER TABLE people ADD COLUMN forgotten TEXT").await;
    let text = copy(&file, &settings).await.unwrap_err().to_string();
    assert!(text.contains("people") && text.contains("columns"), "{text}");
}

async fn file_of_an_older_schema_is_refused(kit: Kit) {
    let file = filled().await;
    file.close().await;
    file.sql("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .await;
    let (_, settings) = target(&kit);
    let text = copy(&file, &settings).await.unwrap_err().to_string();
    assert!(text.contains("older schema"), "{text}");
}

/// A database with tables and a trigger on people.
async fn with_trigger(kit: &Kit, body: &str, trigger: &str) -> Store {
    let store = kit.store().await;
    store.close().await;
    for sql in [
        format!("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"),
        trigger.to_owned(),
    ] {
        Query::new(sql).execute(&mut store.raw().await).await.unwrap();
    }
    store
}

async fn row_that_arrives_changed_takes_all_back(kit: Kit) {
    let file = filled().await;
    file.close().await;
    let changes = "IF NEW.username = 'person700-ü' THEN NEW.email = NULL; END IF; RETURN NEW;";
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION meddle()";
    let store = with_trigger(&kit, changes, trigger).await;
    let text = copy(&file, &store.settings).await.unwrap_err().to_string();
    assert!(text.contains("taken back") && text.contains("of people is not the same"), "{text}");
    assert_eq!(Query::new("SELECT 1 FROM people").fetch_all(&mut store.raw().await).await.unwrap().len(), 0);
}

async fn commit_without_an_answer_is_not_told_as_taken_back(kit: Kit) {
    let file = filled().await;
    file.close().await;
    let ends = "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL;";
    let trigger = "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON people DEFERRABLE INITIALLY DEFERRED
                   FOR EACH ROW WHEN (NEW.username = 'alice') EXECUTE FUNCTION meddle()";
    let store = with_trigger(&kit, ends, trigger).await;
    let copied = copy(&file, &store.settings).await;
    assert!(matches!(copied, Err(CopyError::Unknown(_))), "{copied:?}");
}
