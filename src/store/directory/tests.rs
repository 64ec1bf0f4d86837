//! The embedded directory over a table in memory.

use super::pool::tests::pool;
use super::*;
use crate::base::{ManualClock, OsRandom, Timestamp};
use crate::domain::person::{PersonId, Status, Username};
use crate::store::Result as StoreResult;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
struct Table {
    hashes: Mutex<HashMap<PersonId, String>>,
    upgraded: Notify,
}

#[async_trait]
impl Passwords for Table {
    async fn hash(&self, person: PersonId) -> StoreResult<Option<Secret<String>>> {
        Ok(self.hashes.lock().unwrap().get(&person).cloned().map(Secret::new))
    }
    async fn set(&self, person: PersonId, hash: Secret<String>, _: AuditEntry) -> StoreResult<()> {
        self.hashes.lock().unwrap().insert(person, hash.expose().clone());
        Ok(())
    }
    async fn upgrade(&self, person: PersonId, old: Secret<String>, new: Secret<String>) -> StoreResult<()> {
        let mut hashes = self.hashes.lock().unwrap();
        if hashes.get(&person) == Some(old.expose()) {
            hashes.insert(person, new.expose().clone());
        }
        drop(hashes);
        self.upgraded.notify_one();
        Ok(())
    }
}

fn alice() -> Person {
    Person {
        id: PersonId::from_uuid(uuid::Uuid::from_u128(1)),
        username: Username::parse("alice").unwrap(),
        name: String::new(),
        roles: Vec::new(),
        groups: Vec::new(),
        email: None,
        phone: None,
        status: Status::Active,
        version: 1,
    }
}

fn entry() -> AuditEntry {
    AuditEntry {
        at: Timestamp::default(),
        actor: String::new(),
        action: "test",
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: String::new(),
        request: String::new(),
    }
}

fn directory(cache: Duration) -> (Embedded, Arc<Table>, Arc<HashPool>) {
    let table = Arc::new(Table::default());
    let pool = Arc::new(pool(2, 100, Duration::from_secs(60)));
    let clock = Arc::new(ManualClock::default());
    let cache = PasswordCache::new(cache, 100, clock, &OsRandom);
    let rules = Rules { min_length: 8, max_length: 256 };
    (Embedded::new(table.clone(), Arc::clone(&pool), cache, rules), table, pool)
}

async fn check(directory: &Embedded, person: Option<&Person>, candidates: &[&str]) -> PasswordVerdict {
    let candidates: Vec<_> = candidates.iter().map(|c| Secret::from(*c)).collect();
    directory.check(person, &candidates).await.unwrap()
}

#[tokio::test]
async fn changed_password_is_right_and_the_candidates_are_tried_in_order() {
    let (directory, ..) = directory(Duration::ZERO);
    directory.change(&alice(), &Secret::new("long enough,42".into()), entry()).await.unwrap();
    assert_eq!(check(&directory, Some(&alice()), &["long enough,42"]).await, PasswordVerdict::Right(0));
    assert_eq!(
        check(&directory, Some(&alice()), &["long enough", "long enough,42"]).await,
        PasswordVerdict::Right(1)
    );
    assert_eq!(check(&directory, Some(&alice()), &["long enough"]).await, PasswordVerdict::Wrong);
}

#[tokio::test]
async fn stranger_costs_as_many_computations_as_a_wrong_password() {
    let (directory, _, pool) = directory(Duration::ZERO);
    directory.change(&alice(), &Secret::new("long enough".into()), entry()).await.unwrap();
    let before = pool.computed();
    assert_eq!(check(&directory, Some(&alice()), &["wrong"]).await, PasswordVerdict::Wrong);
    let known = pool.computed() - before;
    assert_eq!(check(&directory, None, &["wrong"]).await, PasswordVerdict::Wrong);
    assert_eq!(pool.computed() - before - known, known);
    let nobody = Person { id: PersonId::from_uuid(uuid::Uuid::from_u128(2)), ..alice() };
    assert_eq!(
        check(&directory, Some(&nobody), &[""]).await,
        PasswordVerdict::Wrong,
        "no password is no password"
    );
}

#[tokio::test]
async fn password_against_the_rules_is_refused_in_sentences_and_nothing_changes() {
    let (directory, table, _) = directory(Duration::ZERO);
    let error = directory.change(&alice(), &Secret::new("alice".into()), entry()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Use at least 8 characters; a few words in a row are easy to remember. Leave your username out of the password."
    );
    assert!(table.hashes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn imported_hash_is_upgraded_after_a_success() {
    let (directory, table, _) = directory(Duration::ZERO);
    let old = "{SSHA}W+q2dx7iMkwRctFL5Lz7/XGQDvJzYWx0c2FsdA==";
    table.hashes.lock().unwrap().insert(alice().id, old.to_owned());
    assert_eq!(check(&directory, Some(&alice()), &["wrong"]).await, PasswordVerdict::Wrong);
    assert_eq!(check(&directory, Some(&alice()), &["correct,horse 42"]).await, PasswordVerdict::Right(0));
    table.upgraded.notified().await;
    assert!(table.hashes.lock().unwrap()[&alice().id].starts_with("$argon2id$"));
    assert_eq!(check(&directory, Some(&alice()), &["correct,horse 42"]).await, PasswordVerdict::Right(0));
}

#[tokio::test]
async fn remembered_password_costs_nothing_until_the_version_rises() {
    let (directory, _, pool) = directory(Duration::from_secs(60));
    directory.change(&alice(), &Secret::new("long enough".into()), entry()).await.unwrap();
    assert_eq!(check(&directory, Some(&alice()), &["long enough"]).await, PasswordVerdict::Right(0));
    let before = pool.computed();
    assert_eq!(check(&directory, Some(&alice()), &["long enough"]).await, PasswordVerdict::Right(0));
    assert_eq!(pool.computed(), before);
    let changed = Person { version: 2, ..alice() };
    assert_eq!(check(&directory, Some(&changed), &["long enough"]).await, PasswordVerdict::Right(0));
    assert_eq!(pool.computed(), before + 1);
}
