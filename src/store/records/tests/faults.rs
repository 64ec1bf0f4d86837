//! Locks, a full disk, damage: no yes, nothing half-written, and on again when it is over.

use super::*;
use crate::store::{Settled, StoreError};
use std::time::Instant;
use tokio::task::JoinSet;

#[tokio::test]
async fn locked_file_fails_within_the_timeout_and_recovers() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let mut other = store.raw().await;
    other.plain("BEGIN EXCLUSIVE").await.unwrap();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..600 {
        let logins = store.logins();
        tasks.spawn(async move { logins.settle(Box::new(settlement(alice, Some(position(id, 10))))).await });
    }
    for answer in tasks.join_all().await {
        let Err(StoreError::Unavailable(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("locked") && why.contains("store.path"), "{why}");
    }
    // More jobs than fit a batch, and still no second wait: a batch is 256.
    assert!(started.elapsed() < BUSY * 4, "{:?}", started.elapsed());
    other.plain("ROLLBACK").await.unwrap();
    let settled = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
    assert_eq!(settled, Settled::Done, "none of those that failed was kept");
    assert_eq!(store.broken().await, None);
}

#[tokio::test]
async fn full_queue_refuses_at_once() {
    let store = Store::new().await;
    let mut other = store.raw().await;
    other.plain("BEGIN EXCLUSIVE").await.unwrap();
    // While the first batch waits for the lock, the queue takes 4096 more and then no further one.
    let mut tasks = JoinSet::new();
    for _ in 0..6000 {
        let audit = store.audit();
        tasks.spawn(async move { audit.append(entry("told")).await.unwrap_err().to_string() });
    }
    let refused = tasks.join_all().await.iter().filter(|why| why.contains("more writes are waiting")).count();
    assert!(refused >= 6000 - 4096 - 256, "{refused}");
    other.plain("ROLLBACK").await.unwrap();
    store.audit().append(entry("told")).await.unwrap();
    assert_eq!(store.audit().verify().await.unwrap().entries, 1);
}

/// Sets how many pages the writing connection may use.
async fn pages(store: &Store, pages: Option<i64>) {
    store
        .write(move |transaction| {
            Box::pin(async move {
                let database = &mut transaction.connection;
                let count = Query::new("PRAGMA page_count").fetch_one(&mut *database).await.unwrap();
                let limit = count.number(0).unwrap() + pages.unwrap_or(1_000_000);
                Query::new(format!("PRAGMA max_page_count = {limit}")).execute(database).await.unwrap();
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
    tasks.spawn(
        async move { logins.settle(Box::new(settlement(alice, Some(position(id, 10))))).await.map(drop) },
    );
    let audit = store.audit();
    let large = AuditEntry { detail: "x".repeat(100_000).into(), ..entry("large") };
    tasks.spawn(async move { audit.append(large).await });
    for answer in tasks.join_all().await {
        let Err(StoreError::Unavailable(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("disk") && why.contains("full"), "{why}");
    }
    assert_eq!(store.actions().await.len(), before);
    assert_eq!(store.factors().factor(id).await.unwrap().next, 0);
    pages(&store, None).await;
    let settled = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
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
                let other = Database::Sqlite(Place::new(Path::new(""), BUSY));
                transaction.connection = other.connect().await.unwrap();
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
    let mut file = std::fs::read(store.path()).unwrap();
    let from = file.len() / 2;
    file[from..].fill(0xa5);
    std::fs::write(store.path(), file).unwrap();
    let opened = store.open(ring(&[("k1", 1)])).await;
    let text = opened.unwrap_err().to_string();
    assert!(text.contains("doorward.db") && text.contains("backup"), "{text}");
    assert!(store.people().account(&last).await.is_err());
}

#[tokio::test]
async fn log_that_grew_while_somebody_read_is_given_back() {
    let store = Store::new().await;
    let size = || std::fs::metadata(format!("{}-wal", store.path().display())).map_or(0, |log| log.len());
    let large = |size| AuditEntry { detail: "x".repeat(size).into(), ..entry("large") };
    let mut reader = store.raw().await;
    reader.plain("BEGIN; SELECT count(*) FROM audit").await.unwrap();
    for _ in 0..40 {
        store.audit().append(large(100_000)).await.unwrap();
    }
    assert!(size() > 3 << 20, "as a backup does that takes its time: {}", size());
    reader.plain("COMMIT").await.unwrap();
    // It begins anew with what is written after all that it held was moved.
    let begun = Instant::now();
    while size() > 2 << 20 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} octets stay", size());
        tokio::time::sleep(Duration::from_millis(20)).await;
        store.audit().append(large(1)).await.unwrap();
    }
}
