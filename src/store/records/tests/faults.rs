//! Locks, a full disk, damage: no yes, nothing half-written, and on again when it is over.

use super::*;
use crate::store::{Settled, StoreError};
use sqlx::Row;
use std::time::Instant;
use tokio::task::JoinSet;

#[tokio::test]
async fn locked_file_fails_within_the_timeout_and_recovers() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let mut other = store.raw().await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..600 {
        let logins = store.logins();
        tasks.spawn(async move { logins.settle(settlement(alice, Some(position(id, 10)))).await });
    }
    for answer in tasks.join_all().await {
        let Err(StoreError::Unavailable(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("locked") && why.contains("store.path"), "{why}");
    }
    // More jobs than fit a batch, and still no second wait: a batch is 256.
    assert!(started.elapsed() < BUSY * 4, "{:?}", started.elapsed());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let settled = store.logins().settle(settlement(alice, Some(position(id, 10)))).await.unwrap();
    assert_eq!(settled, Settled::Done, "none of those that failed was kept");
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn full_queue_refuses_at_once() {
    let store = Store::new().await;
    let mut other = store.raw().await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    // While the first batch waits for the lock, the queue takes 4096 more and then no further one.
    let mut tasks = JoinSet::new();
    for _ in 0..6000 {
        let audit = store.audit();
        tasks.spawn(async move { audit.append(entry("told")).await.unwrap_err().to_string() });
    }
    let refused = tasks.join_all().await.iter().filter(|why| why.contains("more writes are waiting")).count();
    assert!(refused >= 6000 - 4096 - 256, "{refused}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.audit().append(entry("told")).await.unwrap();
    assert_eq!(store.audit().verify().await.unwrap().entries, 1);
}

/// Sets how many pages the writing connection may use.
async fn pages(store: &Store, pages: Option<i64>) {
    store
        .write(move |transaction| {
            Box::pin(async move {
                let database = &mut transaction.connection;
                let count: i64 =
                    sqlx::query("PRAGMA page_count").fetch_one(&mut *database).await.unwrap().get(0);
                let limit = count + pages.unwrap_or(1_000_000);
                let text = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {limit}"));
                sqlx::query(text).execute(database).await.unwrap();
                Ok(())
            })
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn full_disk_keeps_nothing_of_the_batch_and_recovers() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    pages(&store, Some(2)).await;
    let before = store.actions().await.len();
    // One batch: a login that would fit and an entry that does not.
    let mut tasks = JoinSet::new();
    let logins = store.logins();
    tasks.spawn(async move { logins.settle(settlement(alice, Some(position(id, 10)))).await.map(drop) });
    let audit = store.audit();
    let large = AuditEntry { detail: "x".repeat(100_000), ..entry("large") };
    tasks.spawn(async move { audit.append(large).await });
    for answer in tasks.join_all().await {
        let Err(StoreError::Unavailable(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("disk") && why.contains("full"), "{why}");
    }
    assert_eq!(store.actions().await.len(), before);
    assert_eq!(store.factors().factor(id).await.unwrap().next, 0);
    pages(&store, None).await;
    let settled = store.logins().settle(settlement(alice, Some(position(id, 10)))).await.unwrap();
    assert_eq!(settled, Settled::Done);
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn broken_connection_is_replaced() {
    let store = Store::new().await;
    // A connection that was closed under the writer's feet stands for any that is in doubt.
    let closed = store
        .write(|transaction| {
            Box::pin(async move {
                let other = SqliteConnectOptions::new().filename("").in_memory(true).connect().await.unwrap();
                let _ = std::mem::replace(&mut transaction.connection, other);
                Ok(())
            })
        })
        .await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    let mut tries = 0;
    while store.people().add(vec![new_person("alice")], entry("person.add")).await.is_err() {
        tries += 1;
        assert!(tries < 3, "the writer does not come back");
    }
    assert!(store.people().person(&name("alice")).await.unwrap().is_some());
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn damaged_pages_are_told_and_never_a_yes() {
    let mut store = Store::new().await;
    let people: Vec<_> = (0..500).map(|number| new_person(&format!("person{number}"))).collect();
    let last = people[499].username.clone();
    store.people().add(people, entry("person.import")).await.unwrap();
    store.reopen().await;
    store.close().await;
    let mut file = std::fs::read(&store.path).unwrap();
    let from = file.len() / 2;
    file[from..].fill(0xa5);
    std::fs::write(&store.path, file).unwrap();
    let opened = Records::open(&store.path, BUSY, 1, ring(&[("k1", 1)])).await;
    let text = opened.unwrap_err().to_string();
    assert!(text.contains("doorward.db") && text.contains("backup"), "{text}");
    assert!(store.people().account(&last).await.is_err());
}

#[tokio::test]
async fn sealed_seed_in_another_persons_row_does_not_open() {
    let store = Store::new().await;
    let (alice, mallory) = (store.person("alice").await, store.person("mallory").await);
    store.totp(alice, FactorState::Active).await;
    store.totp(mallory, FactorState::Active).await;
    store
        .sql(
            "UPDATE factors SET material = (SELECT f.material FROM factors f JOIN people p ON p.id = f.person
                                            WHERE p.username = 'alice')
             WHERE person = (SELECT id FROM people WHERE username = 'mallory')",
        )
        .await;
    let copied = store.people().account(&name("mallory")).await;
    assert!(matches!(copied, Err(StoreError::Sealed(_))), "{copied:?}");
    store.sql("UPDATE factors SET person = (SELECT id FROM people WHERE username = 'mallory')").await;
    let moved = store.factors().of(mallory).await;
    assert!(matches!(moved, Err(StoreError::Sealed(_))), "{moved:?}");
    store.sql("UPDATE factors SET kind = 'hotp'").await;
    assert!(store.factors().of(mallory).await.is_err());
}
