//! What is kept in memory is never older than what was answered, nor than what another process has written.

use super::*;
use crate::domain::login::Account;
use crate::domain::person::Status;
use crate::domain::throttle::Throttle;
use crate::store::records::accounts::Accounts;
use crate::store::records::witness::Witness;
use crate::store::{Settled, StoreError};
use std::sync::Arc;

async fn account(store: &Store, who: &str) -> Arc<Account> {
    store.people().account(&name(who)).await.unwrap().unwrap()
}

/// Looks it up until it is kept: a commit of our own must have come before.
async fn keep(store: &Store, who: &str) {
    store.audit().append(entry("told")).await.unwrap();
    account(store, who).await;
    assert!(kept(store, who).is_some(), "{who} is not kept");
}

fn kept(store: &Store, who: &str) -> Option<Arc<Account>> {
    store.0.accounts.find(&name(who))
}

#[tokio::test]
async fn account_is_kept_and_a_stranger_is_not() {
    let store = Store::new().await;
    store.person("alice").await;
    keep(&store, "alice").await;
    assert_eq!(account(&store, "ALICE").await.person, account(&store, "alice").await.person);
    assert!(store.people().account(&name("nobody")).await.unwrap().is_none());
    assert_eq!(store.0.accounts.len(), 1);
    // Who comes later is found.
    store.person("nobody").await;
    assert!(store.people().account(&name("nobody")).await.unwrap().is_some());
    store.close().await;
    assert!(store.people().account(&name("alice")).await.is_err(), "closed is closed");
}

#[tokio::test]
async fn change_of_a_person_is_seen_by_the_next_login() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    for (version, status) in [(2, Status::Locked), (3, Status::Active)] {
        keep(&store, "alice").await;
        store.people().set_status(alice, status, entry("person.status")).await.unwrap();
        let person = Arc::clone(&account(&store, "alice").await.person);
        assert_eq!((person.status, person.version), (status, version));
    }
    keep(&store, "alice").await;
    store.passwords().set(alice, Secret::new("two".into()), entry("password.set")).await.unwrap();
    assert_eq!(account(&store, "alice").await.person.version, 4);
}

#[tokio::test]
async fn change_of_a_factor_is_seen_by_the_next_login() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    keep(&store, "alice").await;
    let (id, pending) =
        (store.totp(alice, FactorState::Active).await, store.totp(alice, FactorState::Pending).await);
    assert_eq!(account(&store, "alice").await.factors.len(), 1, "added");
    keep(&store, "alice").await;
    assert!(store.factors().confirm(pending, 3, entry("factor.confirm")).await.unwrap());
    assert_eq!(account(&store, "alice").await.factors.len(), 2, "confirmed");
    keep(&store, "alice").await;
    assert!(store.factors().advance(id, 5, None, entry("factor.resync")).await.unwrap());
    assert_eq!(account(&store, "alice").await.factors[0].next, 5, "advanced");
    keep(&store, "alice").await;
    store.factors().revoke(id, None, entry("factor.revoke")).await.unwrap();
    let left: Vec<_> = account(&store, "alice").await.factors.iter().map(|factor| factor.id).collect();
    assert_eq!(left, [pending], "revoked");
}

#[tokio::test]
async fn accepted_position_moves_the_kept_account_on_and_a_replay_does_not() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    keep(&store, "alice").await;
    let end = settlement(alice, Some(position(id, 10)));
    assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    let memory = kept(&store, "alice").expect("it stays");
    assert_eq!((memory.factors[0].next, memory.factors[0].used), (11, Some(NOW)));
    let file = store.factors().factor(id).await.unwrap();
    assert_eq!((file.next, file.used), (11, Some(NOW)));
    let old = settlement(alice, Some(position(id, 4)));
    assert_eq!(store.logins().settle(Box::new(old)).await.unwrap(), Settled::Replayed);
    assert_eq!(account(&store, "alice").await.factors[0].next, 11);
}

#[tokio::test]
async fn accepted_code_is_no_longer_in_the_account() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let codes = [[1; 32], [2; 32]].map(|digest| OneTimeCode { digest, expires: None }).to_vec();
    let id = store.codes(alice, codes).await;
    keep(&store, "alice").await;
    let code = Proof::Code { factor: id, digest: [1; 32] };
    assert_eq!(store.logins().settle(Box::new(settlement(alice, Some(code)))).await.unwrap(), Settled::Done);
    let Material::Codes(left) = account(&store, "alice").await.factors[0].material.clone() else { panic!() };
    assert_eq!(left.iter().map(|code| code.digest).collect::<Vec<_>>(), [[2; 32]]);
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let store = Store::new().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    store.audit().append(entry("told")).await.unwrap();
    let accounts = &store.0.accounts;
    let ticket = accounts.ticket();
    let (old, other) = (Arc::new(account(&store, "alice").await), Arc::new(account(&store, "bob").await));
    store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
    accounts.keep(&old, ticket);
    assert!(kept(&store, "alice").is_none());
    accounts.keep(&other, ticket);
    assert_eq!(kept(&store, "bob").unwrap().person.id, bob, "nothing happened to bob");
    accounts.empty();
    accounts.keep(&other, ticket);
    assert!(kept(&store, "bob").is_none(), "read before all was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_bring_back_what_was_before_an_answered_change() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let people = store.people();
        readers.spawn(async move {
            loop {
                people.account(&name("alice")).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for number in 0..300 {
        let status = if number % 2 == 0 { Status::Locked } else { Status::Active };
        store.people().set_status(alice, status, entry("person.status")).await.unwrap();
        for _ in 0..3 {
            assert_eq!(account(&store, "alice").await.person.status, status, "after {number}");
            tokio::task::yield_now().await;
        }
    }
    readers.abort_all();
}

#[tokio::test]
async fn write_of_another_process_is_seen_at_once_and_afterwards() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let other = store.open(ring(&[("k1", 1)])).await.unwrap();
    for status in [Status::Locked, Status::Disabled, Status::Active] {
        keep(&store, "alice").await;
        other.people().set_status(alice, status, entry("person.status")).await.unwrap();
        assert!(kept(&store, "alice").is_none());
        assert_eq!(account(&store, "alice").await.person.status, status, "at once");
        // Our own next commit must not take what is in memory for good again.
        let _ = store.attempts().charge(Some(alice), &[Counter::Password], &Throttle::default(), NOW).await;
        assert_eq!(account(&store, "alice").await.person.status, status, "afterwards");
    }
    // Also if nobody looks before our next commit.
    keep(&store, "alice").await;
    other.people().set_status(alice, Status::Locked, entry("person.status")).await.unwrap();
    let _ = store.attempts().charge(Some(alice), &[Counter::Password], &Throttle::default(), NOW).await;
    assert_eq!(account(&store, "alice").await.person.status, Status::Locked);
    assert_eq!(store.broken().await, None, "both write one chain");
    keep(&store, "alice").await;
    store.sql("UPDATE people SET status = 'locked'").await;
    assert_eq!(account(&store, "alice").await.person.status, Status::Locked, "without our code");
}

#[tokio::test]
async fn commit_that_writes_nothing_does_not_hide_the_next_write_of_another_process() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let rules = Throttle { hard_stop: 1, ..Throttle::default() };
    let secret = |text: &str| Secret::new(text.to_owned());
    let status = async |status: &'static str| {
        let text = format!("UPDATE people SET status = '{status}'");
        Query::new(text).execute(&mut store.raw().await).await.unwrap();
        assert_eq!(account(&store, "alice").await.person.status.as_str(), status);
    };
    let _ = store.attempts().charge(Some(alice), &[Counter::Password], &rules, NOW).await.unwrap();
    keep(&store, "alice").await;
    store.passwords().upgrade(alice, secret("none"), secret("new")).await.unwrap();
    status("locked").await;
    for _ in 0..2 {
        // Twice the same: the second changes no byte.
        keep(&store, "alice").await;
        let _ = store.attempts().charge(Some(alice), &[Counter::Password], &rules, NOW).await.unwrap();
        let _ = store.attempts().charge(None, &[Counter::Password], &rules, NOW).await.unwrap();
        status("disabled").await;
        status("locked").await;
    }
    keep(&store, "alice").await;
    let refused = store.logins().settle(Box::new(settlement(alice, None))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    status("active").await;
}

#[tokio::test]
async fn after_a_lost_batch_nothing_is_trusted_until_the_next() {
    let store = Store::new().await;
    store.person("alice").await;
    keep(&store, "alice").await;
    let lost = store
        .write(|_: &mut crate::store::records::Transaction| {
            Box::pin(async { Err::<(), _>(StoreError::Unavailable("on purpose".into())) })
        })
        .await;
    assert!(lost.is_err());
    assert!(kept(&store, "alice").is_none());
    store.sql("UPDATE people SET status = 'locked'").await;
    assert_eq!(account(&store, "alice").await.person.status, Status::Locked);
    keep(&store, "alice").await;
}

#[tokio::test]
async fn memory_is_bounded_and_who_comes_often_stays() {
    let store = Store::new().await;
    let accounts = Accounts::with_half(Witness::new(store.path()), 2);
    for number in 0..20 {
        let who = format!("person{number}");
        store.person(&who).await;
        accounts.witness.begun();
        let ticket = accounts.ticket();
        accounts.keep(&account(&store, &who).await, ticket);
        assert!(accounts.len() <= 4);
        assert!(accounts.find(&name("person0")).is_some(), "after {number}");
    }
    assert!(accounts.find(&name("person1")).is_none());
}

/// At a glance: now and then one is taken for another, and nothing depends on it.
#[tokio::test]
async fn those_who_are_announced_are_mostly_found() {
    let store = Store::new().await;
    let known = ["anna", "bob", "cyd"];
    for who in known {
        store.person(who).await;
    }
    let mut found = 0;
    for _ in 0..32 {
        let accounts = Accounts::new(Witness::new(store.path()));
        accounts.witness.begun();
        let mut ids = Vec::new();
        for who in known {
            let account = account(&store, who).await;
            accounts.keep(&account, accounts.ticket());
            ids.push(account.person.id);
        }
        let told = accounts.announce(&["cyd", "anna"]);
        assert!(told.len() <= 2 && told.iter().all(|id| ids.contains(id)));
        found += usize::from(told == [ids[2], ids[0]]);
    }
    assert!(found > 16, "{found}");
}
