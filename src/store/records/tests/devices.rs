//! Passwords of devices: sealed, and good as often as one likes until they are revoked.

use super::*;
use crate::domain::person::Status;
use crate::store::{Settled, StoreError};
use crate::wire::mschap::NtHash;
use data_encoding::HEXLOWER;
use smallvec::smallvec;
use tokio::task::JoinSet;

claims! {
    standing_proof_is_accepted_again_and_again_and_says_when
    revoked_or_foreign_or_of_who_is_locked_it_is_not
    failures_of_devices_are_counted_for_the_person
    name_of_another_device_is_not_given_by_renaming
    ; parallel
    devices_that_come_together_are_all_let_in
    of_many_that_are_made_together_as_many_are_added_as_there_may_be
}

const PASSWORD: &str = "k7wd9-m2pq4-x0zrt-8hc3e";

async fn device(store: &Store, person: PersonId) -> FactorId {
    let material = Material::DevicePassword { hash: NtHash::of(PASSWORD) };
    let new = new_factor(person, FactorKind::DevicePassword, FactorState::Active, material);
    let id = new.id;
    store.factors().add(new, Among::Others, entry("factor.enroll")).await.unwrap();
    id
}

fn by(person: PersonId, factor: FactorId, at: Timestamp) -> Settlement {
    let mut end = settlement(person, Some(Proof::Standing { factor }));
    (end.audit.at, end.clear) = (at, smallvec![Counter::Devices]);
    end
}

async fn standing_proof_is_accepted_again_and_again_and_says_when(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let phone = device(&store, alice).await;
    // Into memory, where there is one.
    store.people().account(&name("alice")).await.unwrap().unwrap();
    for second in 1..4 {
        let at = Timestamp::from_secs(2_000_000 + second);
        assert_eq!(store.logins().settle(Box::new(by(alice, phone, at))).await.unwrap(), Settled::Done);
        let kept = store.people().account(&name("alice")).await.unwrap().unwrap();
        assert_eq!((kept.factors[0].used, kept.factors[0].next), (Some(at), 0));
        let Material::DevicePassword { hash } = &kept.factors[0].material else { panic!() };
        assert_eq!(hash.expose(), NtHash::of(PASSWORD).expose());
        assert_eq!(store.factors().factor(phone).await.unwrap().used, Some(at));
    }
    assert_eq!(store.broken().await, None);
}

async fn revoked_or_foreign_or_of_who_is_locked_it_is_not(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let phone = device(&store, alice).await;
    let settle = |end| async { store.logins().settle(Box::new(end)).await.unwrap() };
    assert_eq!(settle(by(bob, phone, NOW)).await, Settled::Replayed);
    store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
    assert_eq!(settle(by(alice, phone, NOW)).await, Settled::Replayed);
    store.people().set_status(alice, Status::Active, entry("person.unlock")).await.unwrap();
    assert_eq!(settle(by(alice, phone, NOW)).await, Settled::Done);
    store.factors().revoke(phone, None, entry("factor.revoke")).await.unwrap();
    assert_eq!(settle(by(alice, phone, NOW)).await, Settled::Replayed);
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert!(account.factors.is_empty());
}

async fn failures_of_devices_are_counted_for_the_person(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let phone = device(&store, alice).await;
    let rules = crate::domain::throttle::Throttle::default();
    for _ in 0..3 {
        let charged = store.attempts().charge(Some(alice), &[Counter::Devices], &rules, NOW).await.unwrap();
        assert_eq!(charged, [crate::domain::throttle::Gate::Open]);
    }
    let mut refused = settlement(alice, None);
    (refused.admits, refused.audit.outcome) = (false, "reject");
    assert_eq!(store.logins().settle(Box::new(refused)).await.unwrap(), Settled::Done);
    let failures = store.attempts().failures(alice).await.unwrap();
    assert_eq!((failures[0].counter.as_str(), failures[0].failures.count), ("devices", 3));
    let again = store.open(ring(&[("k1", 1)])).await.unwrap();
    assert_eq!(again.attempts().failures(alice).await.unwrap()[0].failures.count, 3, "it is written");
    assert_eq!(store.logins().settle(Box::new(by(alice, phone, NOW))).await.unwrap(), Settled::Done);
    assert!(store.attempts().failures(alice).await.unwrap().is_empty());
}

async fn devices_that_come_together_are_all_let_in(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let phone = device(&store, alice).await;
    let mut logins = JoinSet::new();
    for _ in 0..32 {
        let settle = store.logins();
        logins.spawn(async move { settle.settle(Box::new(by(alice, phone, NOW))).await.unwrap() });
    }
    assert!(logins.join_all().await.iter().all(|settled| *settled == Settled::Done));
}

#[tokio::test]
async fn hash_of_a_device_is_not_in_the_file() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    device(&store, alice).await;
    store.close().await;
    let file = std::fs::read(store.path()).unwrap();
    let hash = NtHash::of(PASSWORD);
    let hex = HEXLOWER.encode(hash.expose());
    for secret in [&hash.expose()[..], hex.as_bytes(), PASSWORD.as_bytes()] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
}

async fn of_many_that_are_made_together_as_many_are_added_as_there_may_be(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let mut tasks = JoinSet::new();
    for number in 0..24 {
        let material = Material::DevicePassword { hash: NtHash::of(PASSWORD) };
        let mut new = new_factor(alice, FactorKind::DevicePassword, FactorState::Active, material);
        new.label = format!("{} {}", ["Phone", "phone"][number % 2], number / 2);
        let factors = store.factors();
        tasks.spawn(async move { factors.add(new, Among::Distinct(8), entry("factor.enroll")).await });
    }
    let results = tasks.join_all().await;
    let refused = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::Conflict(_)));
    assert_eq!(results.iter().filter(|result| refused(result)).count(), 16);
    let factors = store.factors().of(alice).await.unwrap();
    let names: std::collections::BTreeSet<_> = factors.iter().map(|f| f.label.to_lowercase()).collect();
    assert_eq!((factors.len(), names.len()), (8, 8), "each has its own name");
}

async fn name_of_another_device_is_not_given_by_renaming(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let (phone, laptop, of_bob) =
        (device(&store, alice).await, device(&store, alice).await, device(&store, bob).await);
    let app = store.totp(alice, FactorState::Active).await;
    let rename =
        async |id, label: &str| store.factors().rename(id, label.to_owned(), entry("factor.rename")).await;
    rename(phone, "M\u{fc}ller's phone").await.unwrap();
    let taken = rename(laptop, "m\u{dc}LLER's Phone").await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    assert_eq!(store.factors().factor(laptop).await.unwrap().label, "phone", "nothing was written");
    rename(phone, "M\u{dc}LLER'S PHONE").await.expect("its own, in other letters");
    rename(of_bob, "M\u{fc}ller's phone").await.expect("somebody else's");
    rename(app, "M\u{fc}ller's phone").await.expect("of another kind");
    rename(laptop, "laptop").await.unwrap();
    let mut tasks = JoinSet::new();
    for id in [phone, laptop] {
        let factors = store.factors();
        tasks.spawn(async move { factors.rename(id, "tablet".to_owned(), entry("factor.rename")).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "one of two at once");
}
