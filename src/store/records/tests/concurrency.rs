//! Many callers at once, and what they do to each other.

use super::*;
use crate::domain::factor::MOST_DEVICES;
use crate::domain::throttle::{Gate, Throttle};
use crate::store::records::audit::append;
use crate::store::records::transaction::Transaction;
use crate::store::{Settled, StoreError};
use tokio::task::JoinSet;

claims! {
    conflict_in_a_batch_leaves_the_others_as_they_are
    entry_of_a_refused_job_leaves_no_gap_in_the_chain
    job_that_panics_fails_its_batch_and_the_writer_goes_on
    caller_who_goes_away_harms_nobody
    closing_finishes_what_is_queued_and_later_calls_fail
;
    parallel
    of_a_thousand_settlements_of_one_position_one_is_done
    of_a_thousand_settlements_of_one_code_one_is_done
    charges_at_once_never_pass_the_gate_more_often_than_allowed
    of_many_devices_that_are_added_at_once_one_person_gets_as_many_as_there_may_be
}

async fn of_a_thousand_settlements_of_one_position_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let logins = store.logins();
        tasks.spawn(async move {
            logins.settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap()
        });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|settled| **settled == Settled::Done).count(), 1);
    let actions = store.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "login").count(), 1);
    assert_eq!(store.audit().verify().await.unwrap().entries, 1002);
    assert_eq!(store.broken().await, None);
}

async fn of_a_thousand_settlements_of_one_code_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let logins = store.logins();
        let proof = Proof::Code { factor: id, digest: [1; 32] };
        tasks.spawn(async move { logins.settle(Box::new(settlement(alice, Some(proof)))).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|settled| **settled == Settled::Done).count(), 1);
}

async fn charges_at_once_never_pass_the_gate_more_often_than_allowed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let rules = Throttle { free: 100, hard_stop: 7, ..Throttle::default() };
    let mut tasks = JoinSet::new();
    for _ in 0..300 {
        let (attempts, rules) = (store.attempts(), rules.clone());
        tasks.spawn(
            async move { attempts.charge(Some(alice), &[Counter::Password], &rules, NOW).await.unwrap() },
        );
    }
    let gates = tasks.join_all().await;
    assert_eq!(gates.iter().filter(|gates| gates[..] == [Gate::Open]).count(), 7);
    assert_eq!(store.attempts().failures(alice).await.unwrap()[0].failures.count, 7);
}

async fn conflict_in_a_batch_leaves_the_others_as_they_are(kit: Kit) {
    let store = kit.store().await;
    // One thread, so all of these are queued before the writer takes its first: they are one batch.
    let mut tasks = JoinSet::new();
    for who in ["anna", "bob", "anna", "carl"] {
        let people = store.people();
        tasks.spawn(async move { people.add(vec![new_person(who)], entry("person.add")).await });
    }
    let nobody = PersonId::from_uuid(uuid::Uuid::nil());
    let factors = store.factors();
    let orphan = new_factor(nobody, FactorKind::Totp, FactorState::Active, totp_material());
    tasks.spawn(async move { factors.add(orphan, Among::Others, entry("factor.add")).await });
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|added| added.is_ok()).count(), 3);
    assert_eq!(all.iter().filter(|added| matches!(added, Err(StoreError::Conflict(_)))).count(), 1);
    assert_eq!(all.iter().filter(|added| matches!(added, Err(StoreError::NotFound(_)))).count(), 1);
    assert_eq!(store.people().list(&crate::store::Page::default()).await.unwrap().len(), 3);
    assert_eq!(store.actions().await.len(), 3, "what was refused leaves no entry");
    assert_eq!(store.broken().await, None);
}

async fn entry_of_a_refused_job_leaves_no_gap_in_the_chain(kit: Kit) {
    let store = kit.store().await;
    let mut tasks = JoinSet::new();
    for refused in [false, true, false] {
        let records = store.records.clone();
        tasks.spawn(async move {
            records
                .write(move |transaction| {
                    Box::pin(async move {
                        append(transaction, entry("told")).await?;
                        if refused { Err(StoreError::Conflict("on purpose".into())) } else { Ok(()) }
                    })
                })
                .await
        });
    }
    assert_eq!(tasks.join_all().await.iter().filter(|answer| answer.is_ok()).count(), 2);
    store.audit().append(entry("later")).await.unwrap();
    assert_eq!((store.audit().verify().await.unwrap().entries, store.broken().await), (3, None));
}

async fn job_that_panics_fails_its_batch_and_the_writer_goes_on(kit: Kit) {
    let store = kit.store().await;
    let mut tasks = JoinSet::new();
    let people = store.people();
    tasks.spawn(async move { people.add(vec![new_person("anna")], entry("person.add")).await });
    let records = store.records.clone();
    tasks.spawn(async move {
        records.write(|_: &mut Transaction| Box::pin(async { panic!("on purpose") })).await
    });
    for answer in tasks.join_all().await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(store.people().person(&name("anna")).await.unwrap().is_none());
    store.person("anna").await;
    assert_eq!(store.broken().await, None);
}

async fn caller_who_goes_away_harms_nobody(kit: Kit) {
    let store = kit.store().await;
    let people = store.people();
    let gone = tokio::spawn(async move { people.add(vec![new_person("anna")], entry("person.add")).await });
    tokio::task::yield_now().await;
    gone.abort();
    let _ = gone.await;
    store.person("bob").await;
    assert_eq!(store.broken().await, None);
}

async fn closing_finishes_what_is_queued_and_later_calls_fail(kit: Kit) {
    let mut store = kit.store().await;
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let people = store.people();
        let who = format!("person{number}");
        tasks.spawn(async move { people.add(vec![new_person(&who)], entry("person.add")).await });
    }
    tokio::task::yield_now().await;
    store.close().await;
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let late = store.people().add(vec![new_person("late")], entry("person.add")).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
    assert!(store.people().person(&name("person1")).await.is_err());
    store.reopen().await;
    assert_eq!(store.people().list(&crate::store::Page::default()).await.unwrap().len(), 50);
}

async fn of_many_devices_that_are_added_at_once_one_person_gets_as_many_as_there_may_be(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let mut tasks = JoinSet::new();
    for number in 0..30 {
        let (kind, material) = match number % 2 {
            0 => (FactorKind::Totp, totp_material()),
            _ => {
                let seed = Secret::new(b"12345678901234567890".to_vec());
                (FactorKind::Hotp, Material::Hotp { seed, digits: 6 })
            }
        };
        let new = new_factor(alice, kind, FactorState::Pending, material);
        let factors = store.factors();
        tasks.spawn(async move { factors.add(new, Among::Others, entry("factor.enroll")).await });
    }
    let added = tasks.join_all().await;
    let refused = |done: &&Result<(), StoreError>| matches!(done, Err(StoreError::Conflict(_)));
    assert_eq!(added.iter().filter(refused).count(), 30 - MOST_DEVICES);
    let factors = store.factors().of(alice).await.unwrap();
    assert_eq!(factors.len(), MOST_DEVICES);
    // What is no device has room, others have theirs, and one that goes makes room.
    store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    store.totp(bob, FactorState::Active).await;
    store.factors().revoke(factors[0].id, None, entry("factor.revoke")).await.unwrap();
    store.totp(alice, FactorState::Active).await;
}
