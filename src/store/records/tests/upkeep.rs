//! What is over goes, step by step, and nothing else; the audit trail stays whole from its anchor on.

use super::*;
use crate::store::{AuditQuery, Cleaned, Retention, Settled};

claims! {
    old_entries_go_and_the_rest_verifies
    newest_entry_stays_and_young_ones_too
    removed_prefix_without_its_anchor_shows
    anchor_of_another_key_or_place_shows
    broken_trail_is_not_cleaned
    trouble_with_the_trail_does_not_stop_the_rest
    many_entries_go_in_several_steps
    more_temporary_factors_than_a_step_takes_all_go
    temporary_factor_without_codes_goes
    marks_messages_and_factors_that_are_over_go
    ; parallel
    verifying_while_entries_are_removed_finds_nothing_wrong
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn keep() -> Retention {
    Retention { audit: Some(30 * DAY), messages: 2 * DAY, pending: DAY }
}

/// Six entries on six days.
async fn trail(kit: &Kit) -> Store {
    let store = kit.store().await;
    for day in 0..6 {
        store.audit().append(AuditEntry { at: NOW + DAY * day, ..entry("told") }).await.unwrap();
    }
    store
}

/// So many days later.
async fn clean(store: &Store, days: u32) -> Cleaned {
    store.upkeep().clean(&keep(), NOW + DAY * days).await.unwrap()
}

async fn seqs(store: &Store) -> Vec<i64> {
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    store.audit().entries(&query).await.unwrap().iter().map(|entry| entry.seq).collect()
}

async fn old_entries_go_and_the_rest_verifies(kit: Kit) {
    let mut store = trail(&kit).await;
    assert_eq!(clean(&store, 32).await.audit, 2, "of the first two days");
    assert_eq!(seqs(&store).await, [3, 4, 5, 6, 7]);
    let check = store.audit().verify().await.unwrap();
    assert_eq!((check.entries, check.broken), (5, None));
    let last = store.audit().entries(&AuditQuery { after: 6, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(last[0].action, "audit.retention");
    assert!(last[0].detail.starts_with("2 entries up to number 2"), "{}", last[0].detail);
    assert_eq!(clean(&store, 32).await, Cleaned::default(), "nothing is left to do, and nothing is told");
    store.reopen().await;
    assert_eq!(clean(&store, 33).await.audit, 1);
    assert_eq!((store.broken().await, seqs(&store).await), (None, vec![4, 5, 6, 7, 8]));
}

async fn newest_entry_stays_and_young_ones_too(kit: Kit) {
    let store = trail(&kit).await;
    let forever = Retention { audit: None, ..keep() };
    assert_eq!(store.upkeep().clean(&forever, NOW + DAY * 1000).await.unwrap().audit, 0);
    assert_eq!(clean(&store, 20).await.audit, 0);
    assert_eq!(clean(&store, 1000).await.audit, 5);
    assert_eq!((store.broken().await, seqs(&store).await), (None, vec![6, 7]));
}

async fn removed_prefix_without_its_anchor_shows(kit: Kit) {
    let store = trail(&kit).await;
    store.sql("DELETE FROM audit WHERE seq < 3").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(1), "by somebody else");
    let store = trail(&kit).await;
    clean(&store, 32).await;
    store.sql("DELETE FROM audit WHERE seq < 5").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(3), "more than we");
    store.sql("DELETE FROM audit_head WHERE id = 2").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(1));
}

async fn anchor_of_another_key_or_place_shows(kit: Kit) {
    for sql in [
        "UPDATE audit_head SET seq = 3 WHERE id = 2",
        "UPDATE audit_head SET mac = '' WHERE id = 2",
        // The head, which is under the same key, is no anchor.
        "UPDATE audit_head SET seq = (SELECT seq FROM audit_head WHERE id = 1), link = (SELECT link FROM audit_head \
         WHERE id = 1), mac = (SELECT mac FROM audit_head WHERE id = 1) WHERE id = 2",
    ] {
        let store = trail(&kit).await;
        clean(&store, 32).await;
        assert_eq!(store.sql(sql).await, 1);
        assert!(store.broken().await.is_some(), "{sql}");
    }
}

async fn broken_trail_is_not_cleaned(kit: Kit) {
    let store = trail(&kit).await;
    store.sql("UPDATE audit SET detail = 'x' WHERE seq = 2").await;
    assert_eq!(clean(&store, 1000).await.audit, 1, "up to what is broken");
    assert_eq!(clean(&store, 1000).await.audit, 0);
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(2));
}

/// A mark that is over.
async fn mark(store: &Store, name: &str) {
    Query::new("INSERT INTO once (id, expires) VALUES ($1, 0)")
        .bind(name)
        .execute(&mut store.raw().await)
        .await
        .unwrap();
}

async fn trouble_with_the_trail_does_not_stop_the_rest(kit: Kit) {
    for sql in [
        "INSERT INTO audit_head (id, seq, link, mac) VALUES (2, 1, '', 'x')",
        "UPDATE audit SET link = 'x' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 1",
    ] {
        let store = trail(&kit).await;
        store.sql(sql).await;
        for name in ["a", "b"] {
            mark(&store, name).await;
            assert_eq!(clean(&store, 1000).await, Cleaned { marks: 1, ..Cleaned::default() }, "{sql}");
        }
        store.audit().append(entry("told")).await.unwrap();
        assert!(store.broken().await.is_some(), "{sql}");
    }
}

async fn many_entries_go_in_several_steps(kit: Kit) {
    let store = kit.store().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1101 {
        let audit = store.audit();
        tasks.spawn(async move { audit.append(entry("told")).await.unwrap() });
    }
    while tasks.join_next().await.is_some() {}
    for removed in [500, 500, 101, 0] {
        assert_eq!(clean(&store, 100).await.audit, removed);
    }
    assert_eq!(store.audit().verify().await.unwrap().entries, 3, "each step is told");
    assert_eq!(store.broken().await, None);
}

/// A factor with one code that is over the next day.
async fn temporary(store: &Store, person: PersonId) -> FactorId {
    let codes = Material::Codes(vec![OneTimeCode { digest: [1; 32], expires: Some(NOW + DAY) }]);
    let new = new_factor(person, FactorKind::Temporary, FactorState::Active, codes);
    let id = new.id;
    store.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
    id
}

async fn more_temporary_factors_than_a_step_takes_all_go(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    for _ in 0..150 {
        temporary(&store, alice).await;
    }
    assert_eq!(clean(&store, 0).await, Cleaned::default());
    let mut steps = Vec::new();
    while let Cleaned { factors: 1.., .. } = clean(&store, 2).await {
        steps.push(());
        assert!(steps.len() < 10);
    }
    assert!(store.factors().of(alice).await.unwrap().is_empty());
    let told = store.actions().await.iter().filter(|action| *action == "factor.retention").count();
    assert_eq!(told, steps.len(), "one entry for each step");
}

async fn temporary_factor_without_codes_goes(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    temporary(&store, alice).await;
    let recovery = store.codes(alice, Vec::new()).await;
    store.sql("DELETE FROM one_time_codes").await;
    assert_eq!(clean(&store, 0).await.factors, 1);
    let left = store.factors().of(alice).await.unwrap();
    assert_eq!(left.iter().map(|factor| factor.id).collect::<Vec<_>>(), [recovery]);
    let last =
        store.audit().entries(&AuditQuery { newest_first: true, ..AuditQuery::default() }).await.unwrap();
    assert!(last[0].detail.starts_with("0 factors that nobody confirmed and 1 of"), "{}", last[0].detail);
}

async fn marks_messages_and_factors_that_are_over_go(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    store.totp(alice, FactorState::Pending).await;
    let active = store.totp(alice, FactorState::Active).await;
    let code = |byte, days: u32| OneTimeCode { digest: [byte; 32], expires: Some(NOW + DAY * days) };
    for (byte, days) in [(1, 1), (2, 10)] {
        let codes = Material::Codes(vec![code(byte, days)]);
        let new = new_factor(alice, FactorKind::Temporary, FactorState::Active, codes);
        store.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
    }
    let recovery = store.codes(alice, vec![code(3, 1), OneTimeCode { digest: [4; 32], expires: None }]).await;
    for (name, days) in [("a", 1), ("b", 10)] {
        let mut end = settlement(alice, None);
        end.once = vec![(name.to_owned(), NOW + DAY * days)];
        assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    }
    for ended in ["0", "1000000000"] {
        let sql = format!(
            "INSERT INTO outbox SELECT '{ended}', id, 'login', 'sms', '', '', NULL, '', 'sent', 0, 0, 0, {ended}, 1, \
             NULL, '', '', 1 FROM people"
        );
        Query::new(sql).execute(&mut store.raw().await).await.unwrap();
    }
    let cleaned = clean(&store, 2).await;
    assert_eq!(cleaned, Cleaned { audit: 0, messages: 1, marks: 1, factors: 3, sessions: 0 });
    let left = store.factors().of(alice).await.unwrap();
    assert_eq!(left.len(), 3, "active, temporary for longer, recovery");
    assert!([active, recovery].iter().all(|id| left.iter().any(|factor| factor.id == *id)));
    assert_eq!(clean(&store, 2).await, Cleaned::default());
}

async fn verifying_while_entries_are_removed_finds_nothing_wrong(kit: Kit) {
    let store = trail(&kit).await;
    let records = store.records.clone();
    let remover = tokio::spawn(async move {
        for day in 31..60 {
            records.upkeep().clean(&keep(), NOW + DAY * day).await.unwrap();
            records.audit().append(AuditEntry { at: NOW + DAY * (day - 26), ..entry("more") }).await.unwrap();
        }
    });
    while !remover.is_finished() {
        assert_eq!(store.broken().await, None);
    }
    remover.await.unwrap();
}
