//! Several nodes on one PostgreSQL, and what happens when it, or one of them, is gone or stands still.

use super::*;
use crate::domain::person::Status;
use crate::domain::throttle::{Gate, Throttle};
use crate::store::records::subjects::PART;
use crate::store::{AuditQuery, IdentityBatch, Settled, StoreError};
use std::time::Instant;
use tokio::task::JoinSet;

claims! {
    postgres only
    account_changed_through_one_is_seen_by_the_other_at_once
    nothing_is_kept_in_memory
    one_leads_a_directory_and_the_other_takes_over
    entries_of_both_are_one_chain_after_a_kill_too
    ended_sessions_are_replaced_unnoticed
    stopped_server_is_told_in_time_and_it_goes_on_afterwards
    server_that_stands_still_is_told_in_time_and_it_goes_on_afterwards
    node_that_stands_still_does_not_hold_the_others_up_for_long
    answered_commits_are_durable_whatever_the_server_is_set_to
    import_takes_few_statements
    entries_that_the_database_lost_show_though_another_node_went_on
    entry_that_another_node_removed_in_time_is_not_lost
    part_that_was_lost_while_it_is_written_down_is_not_kept
    part_that_both_write_down_at_once_is_right
    failed_transaction_is_not_committed_silently
    deadline_for_taking_answers_does_no_harm_on_a_socket
    ;
    parallel
    passcode_is_accepted_once_of_fifty_over_both
    mark_is_taken_once_of_fifty_over_both
    charges_over_both_are_counted_exactly
    chain_of_both_verifies
    logins_and_changes_of_both_do_not_deadlock
}

/// A store and another handle to it.
async fn two(kit: &Kit) -> (Store, Records) {
    let store = kit.store().await;
    let other = store.open(ring(&[("k1", 1)])).await.unwrap();
    (store, other)
}

/// With so long a timeout.
async fn hasty(kit: &Kit, timeout: Duration) -> Store {
    let mut store = kit.store().await;
    store.settings.timeout = timeout;
    store.reopen().await;
    store
}

async fn race(store: &Store, other: &Records, end: Settlement) -> Vec<Settled> {
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let logins = if number % 2 == 0 { store.logins() } else { other.logins() };
        let end = end.clone();
        tasks.spawn(async move { logins.settle(Box::new(end)).await.unwrap() });
    }
    tasks.join_all().await
}

fn done(all: &[Settled]) -> usize {
    all.iter().filter(|settled| **settled == Settled::Done).count()
}

async fn passcode_is_accepted_once_of_fifty_over_both(kit: Kit) {
    let (store, other) = two(&kit).await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    for step in [10, 11, 12] {
        assert_eq!(done(&race(&store, &other, settlement(alice, Some(position(id, step)))).await), 1);
    }
    assert_eq!(store.broken().await, None);
}

async fn mark_is_taken_once_of_fifty_over_both(kit: Kit) {
    let (store, other) = two(&kit).await;
    let alice = store.person("alice").await;
    for name in ["a", "b", "c"] {
        let end = Settlement { once: vec![(name.to_owned(), NOW)], ..settlement(alice, None) };
        assert_eq!(done(&race(&store, &other, end).await), 1);
    }
}

async fn charges_over_both_are_counted_exactly(kit: Kit) {
    let (store, other) = two(&kit).await;
    let alice = store.person("alice").await;
    let rules = Throttle { free: 100, hard_stop: 37, ..Throttle::default() };
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let (attempts, rules) =
            (if number % 2 == 0 { store.attempts() } else { other.attempts() }, rules.clone());
        tasks.spawn(
            async move { attempts.charge(Some(alice), &[Counter::Password], &rules, NOW).await.unwrap() },
        );
    }
    let open = tasks.join_all().await.iter().filter(|gates| gates[..] == [Gate::Open]).count();
    assert_eq!((open, other.attempts().failures(alice).await.unwrap()[0].failures.count), (37, 37));
}

async fn chain_of_both_verifies(kit: Kit) {
    let (store, other) = two(&kit).await;
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let audit = if number % 2 == 0 { store.audit() } else { other.audit() };
        tasks.spawn(async move { audit.append(entry("told")).await.unwrap() });
    }
    while !tasks.is_empty() {
        assert_eq!(store.broken().await, None);
        tasks.join_next().await.unwrap().unwrap();
    }
    for records in [&store.records, &other] {
        let check = records.audit().verify().await.unwrap();
        assert_eq!((check.entries, check.broken), (200, None));
    }
}

async fn logins_and_changes_of_both_do_not_deadlock(kit: Kit) {
    let (store, other) = two(&kit).await;
    let mut people = Vec::new();
    for number in 0..8 {
        let person = store.person(&format!("person{number}")).await;
        people.push((person, store.totp(person, FactorState::Active).await));
    }
    let mut tasks = JoinSet::new();
    for step in 1..20 {
        for (number, (person, id)) in people.iter().copied().enumerate() {
            let records = if (number + step) % 2 == 0 { store.records.clone() } else { other.clone() };
            tasks.spawn(async move {
                let position = position(id, step as u64);
                let _ = records.logins().settle(Box::new(settlement(person, Some(position)))).await.unwrap();
                records
                    .passwords()
                    .set(person, Secret::new("x".into()), entry("password.set"))
                    .await
                    .unwrap();
                records.people().account(&name(&format!("person{number}"))).await.unwrap().unwrap()
            });
        }
    }
    assert_eq!(tasks.join_all().await.len(), 19 * 8);
    assert_eq!(store.broken().await, None);
}

async fn account_changed_through_one_is_seen_by_the_other_at_once(kit: Kit) {
    let (store, other) = two(&kit).await;
    let alice = store.person("alice").await;
    for status in [Status::Locked, Status::Active, Status::Disabled] {
        store.people().set_status(alice, status, entry("person.status")).await.unwrap();
        let account = other.people().account(&name("alice")).await.unwrap().unwrap();
        assert_eq!(account.person.status, status);
    }
    let refused = other.logins().settle(Box::new(settlement(alice, None))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

async fn nothing_is_kept_in_memory(kit: Kit) {
    let store = kit.store().await;
    store.person("alice").await;
    store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!(store.0.accounts.len(), 0);
}

fn nothing() -> IdentityBatch {
    IdentityBatch {
        directory: "campus".to_owned(),
        changes: Vec::new(),
        ids: Vec::new(),
        place: None,
        bulk: false,
        new: false,
        at: NOW,
    }
}

async fn one_leads_a_directory_and_the_other_takes_over(kit: Kit) {
    let (store, other) = two(&kit).await;
    let (first, second) = (store.identities(), other.identities());
    let refused = first.apply(nothing()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "nobody leads yet: {refused:?}");
    assert!(first.lead("campus").await.unwrap());
    assert!(first.lead("campus").await.unwrap(), "still");
    assert!(!second.lead("campus").await.unwrap());
    assert!(second.lead("staff").await.unwrap(), "another one");
    first.apply(nothing()).await.unwrap();
    assert!(matches!(second.apply(nothing()).await, Err(StoreError::Conflict(_))));
    let purged = second.purge("campus", NOW, entry("sync.purge")).await;
    assert!(matches!(purged, Err(StoreError::Conflict(_))), "{purged:?}");
    // The first one's connection is gone, as after a partition; it does not know yet.
    let ended = Query::new(
        "SELECT 1 FROM (SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                        WHERE l.locktype = 'advisory' AND d.datname = current_database()
                        AND l.objid = CAST($1 & 4294967295 AS OID)) AS ended",
    );
    let key = crate::store::records::postgres::lock_key("directory campus");
    let ended = ended.bind(key).fetch_all(&mut store.raw().await).await.unwrap();
    assert_eq!(ended.len(), 1);
    let mut tries = 0;
    while !second.lead("campus").await.unwrap() {
        tries += 1;
        assert!(tries < 1000, "the lock stays with an ended session");
    }
    assert!(
        matches!(first.apply(nothing()).await, Err(StoreError::Conflict(_))),
        "it is not the one any more"
    );
    assert!(!first.lead("campus").await.unwrap());
    second.apply(nothing()).await.unwrap();
    other.close().await;
    let mut tries = 0;
    while !first.lead("campus").await.unwrap() {
        tries += 1;
        assert!(tries < 1000, "the lock stays with a closed session");
    }
}

async fn entries_of_both_are_one_chain_after_a_kill_too(kit: Kit) {
    let (store, other) = two(&kit).await;
    for round in 0..3 {
        store.audit().append(entry("one")).await.unwrap();
        other.audit().append(entry("two")).await.unwrap();
        if round == 1 {
            let mut server = kit.databases().server();
            server.kill();
            server.run();
        }
    }
    assert_eq!((store.broken().await, other.audit().verify().await.unwrap().entries), (None, 6));
}

async fn end_all_sessions(store: &Store) {
    Query::new(
        "SELECT 1 FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()) AS ended",
    )
    .fetch_all(&mut store.raw().await)
    .await
    .unwrap();
}

async fn ended_sessions_are_replaced_unnoticed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    for step in 1..4 {
        let reads = (0..4).map(|_| store.people());
        let mut tasks = JoinSet::new();
        reads.for_each(|people| {
            drop(tasks.spawn(async move { people.account(&name("alice")).await.unwrap() }))
        });
        tasks.join_all().await;
        end_all_sessions(&store).await;
        let settled =
            store.logins().settle(Box::new(settlement(alice, Some(position(id, step))))).await.unwrap();
        assert_eq!(settled, Settled::Done);
        for _ in 0..5 {
            store.people().account(&name("alice")).await.unwrap();
        }
    }
    assert_eq!(store.broken().await, None);
}

/// Both reading and writing say that the store is not available, and soon.
async fn is_unavailable(store: &Store, limit: Duration) {
    for _ in 0..3 {
        let started = Instant::now();
        let read = store.people().account(&name("alice")).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        assert!(started.elapsed() < limit, "{:?}", started.elapsed());
        let started = Instant::now();
        let written = store.audit().append(entry("told")).await;
        assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
        assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    }
}

async fn goes_on(store: &Store) {
    let started = Instant::now();
    while let Err(error) = store.audit().append(entry("later")).await {
        assert!(started.elapsed() < Duration::from_secs(10), "{error}");
        tokio::task::yield_now().await;
    }
    while let Err(error) = store.people().account(&name("alice")).await {
        assert!(started.elapsed() < Duration::from_secs(10), "{error}");
        tokio::task::yield_now().await;
    }
    assert_eq!(store.broken().await, None);
}

async fn stopped_server_is_told_in_time_and_it_goes_on_afterwards(kit: Kit) {
    let store = hasty(&kit, Duration::from_secs(2)).await;
    store.person("alice").await;
    kit.databases().server().stop();
    is_unavailable(&store, Duration::from_secs(2)).await;
    kit.databases().server().run();
    goes_on(&store).await;
}

async fn server_that_stands_still_is_told_in_time_and_it_goes_on_afterwards(kit: Kit) {
    let timeout = Duration::from_millis(400);
    let store = hasty(&kit, timeout).await;
    store.person("alice").await;
    kit.databases().server().freeze(true);
    is_unavailable(&store, timeout * 4).await;
    kit.databases().server().freeze(false);
    goes_on(&store).await;
}

async fn node_that_stands_still_does_not_hold_the_others_up_for_long(kit: Kit) {
    let store = hasty(&kit, Duration::from_millis(400)).await;
    store.person("alice").await;
    let Some(settings) = &store.settings.postgres else { panic!() };
    // What a node does first, and then it says no more.
    let frozen = Server::new(options(settings).unwrap(), Duration::from_millis(400));
    let mut frozen = frozen.connect(false).await.unwrap();
    frozen.plain("BEGIN; SELECT seq FROM audit_head FOR UPDATE").await.unwrap();
    let held = store.audit().append(entry("told")).await;
    assert!(matches!(&held, Err(StoreError::Unavailable(why)) if why.contains("other nodes")), "{held:?}");
    goes_on(&store).await;
    assert!(frozen.plain("COMMIT").await.is_err(), "its session was ended");
}

async fn answered_commits_are_durable_whatever_the_server_is_set_to(kit: Kit) {
    let store = kit.store().await;
    store.sql("ALTER ROLE postgres SET synchronous_commit = off").await;
    store.sql("ALTER ROLE postgres SET default_transaction_isolation = 'serializable'").await;
    let other = store.open(ring(&[("k1", 1)])).await.unwrap();
    let settings = other
        .write(|transaction| {
            Box::pin(async move {
                let text =
                    "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')";
                let row = Query::new(text).fetch_one(&mut transaction.connection).await?;
                Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
            })
        })
        .await;
    store.sql("ALTER ROLE postgres RESET ALL").await;
    assert_eq!(settings.unwrap(), ("on".to_owned(), "read committed".to_owned()));
}

async fn import_takes_few_statements(kit: Kit) {
    let store = kit.store().await;
    let people: Vec<_> = (0..2000).map(|number| new_person(&format!("person{number}"))).collect();
    store.people().add(people, entry("person.import")).await.unwrap();
    let asked = store
        .write(|transaction| {
            Box::pin(async move {
                let asked =
                    "SELECT CAST(sum(generic_plans + custom_plans) AS BIGINT) FROM pg_prepared_statements";
                Query::new(asked).fetch_one(&mut transaction.connection).await?.number(0)
            })
        })
        .await
        .unwrap();
    assert!(asked < 60, "{asked} statements for 2000 people");
}

async fn entries_that_the_database_lost_show_though_another_node_went_on(kit: Kit) {
    let (store, other) = two(&kit).await;
    store.audit().append(entry("one")).await.unwrap();
    other.audit().append(entry("two")).await.unwrap();
    store.sql("CREATE TABLE old AS SELECT * FROM audit_head").await;
    store.audit().append(entry("lost")).await.unwrap();
    // A failover to a server that lacks the last entry.
    store.sql("DELETE FROM audit WHERE action = 'lost'").await;
    store
        .sql("UPDATE audit_head h SET seq = o.seq, link = o.link, mac = o.mac FROM old o WHERE o.id = h.id")
        .await;
    for _ in 0..2 {
        other.audit().append(entry("three")).await.unwrap();
    }
    store.audit().append(entry("later")).await.unwrap();
    let (seq, why) = store.broken().await.unwrap();
    assert!(seq == 3 && why.contains("lost"), "{seq}: {why}");
    assert_eq!(other.audit().verify().await.unwrap().broken, None, "it cannot know");
    store.audit().append(entry("later")).await.unwrap();
    assert!(store.broken().await.is_some(), "still");
}

async fn entry_that_another_node_removed_in_time_is_not_lost(kit: Kit) {
    let (store, other) = two(&kit).await;
    store.audit().append(entry("old")).await.unwrap();
    let later = NOW + Duration::from_secs(1000);
    for _ in 0..2 {
        other.audit().append(AuditEntry { at: later, ..entry("new") }).await.unwrap();
    }
    let keep = crate::store::Retention {
        audit: Some(Duration::from_secs(10)),
        messages: Duration::ZERO,
        pending: Duration::ZERO,
    };
    assert_eq!(other.upkeep().clean(&keep, later).await.unwrap().audit, 1);
    store.audit().append(AuditEntry { at: later, ..entry("new") }).await.unwrap();
    assert_eq!(store.broken().await, None);
}

/// A whole part of the trail, and a transaction that keeps all nodes from writing.
async fn part_and_lock(store: &Store) -> Connection {
    super::subjects::fill_up_to(store, PART).await;
    let mut raw = store.raw().await;
    raw.plain("BEGIN; SELECT 1 FROM audit_head WHERE id = 1 FOR UPDATE").await.unwrap();
    raw
}

/// Until so many wait to write, having read.
async fn waiting(store: &Store, count: usize) {
    let mut raw = store.raw().await;
    let waits = "SELECT 1 FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'BEGIN%'";
    let started = Instant::now();
    while Query::new(waits).fetch_all(&mut raw).await.unwrap().len() < count {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody waits");
    }
}

async fn part_that_was_lost_while_it_is_written_down_is_not_kept(kit: Kit) {
    let store = kit.store().await;
    let mut raw = part_and_lock(&store).await;
    // As after a failover to a server that lacks it, where another node went on.
    let anew = Query::new("UPDATE audit SET subject = 'x', link = 'x' WHERE seq = $1").bind(PART - 1);
    assert_eq!(anew.execute(&mut raw).await.unwrap(), 1);
    let upkeep = store.upkeep();
    let (indexed, ()) = tokio::join!(upkeep.index(), async {
        waiting(&store, 1).await;
        raw.commit().await.unwrap();
    });
    assert!(!indexed.unwrap());
    assert_eq!(super::subjects::rows(&store).await, 0);
    let query = AuditQuery { subject: Some("x".into()), ..AuditQuery::default() };
    assert_eq!(store.audit().entries(&query).await.unwrap().len(), 1);
}

async fn part_that_both_write_down_at_once_is_right(kit: Kit) {
    let (store, other) = two(&kit).await;
    let mut raw = part_and_lock(&store).await;
    let both = [store.upkeep(), other.upkeep()];
    let (one, two, ()) = tokio::join!(both[0].index(), both[1].index(), async {
        waiting(&store, 2).await;
        raw.commit().await.unwrap();
    });
    assert!(one.unwrap() && two.unwrap());
    assert_eq!((super::subjects::rows(&store).await, store.broken().await), (64, None));
    assert!(!other.upkeep().index().await.unwrap());
}

async fn failed_transaction_is_not_committed_silently(kit: Kit) {
    let store = kit.store().await;
    let mut raw = store.raw().await;
    raw.plain("BEGIN").await.unwrap();
    assert!(Query::new("SELECT 1 / 0").execute(&mut raw).await.is_err());
    let done = raw.commit().await;
    assert!(matches!(done, Err(StoreError::Unavailable(_))), "{done:?}");
    assert!(raw.rolled_back().await);
    raw.plain("BEGIN").await.unwrap();
    raw.commit().await.unwrap();
}

async fn deadline_for_taking_answers_does_no_harm_on_a_socket(kit: Kit) {
    let store = kit.store().await;
    let shown = Query::new("SELECT current_setting('tcp_user_timeout')");
    let shown = shown.fetch_one(&mut store.raw().await).await.unwrap();
    assert_eq!(shown.text(0).unwrap(), "0");
}
