//! What each call does.

use super::*;
use crate::domain::person::Status;
use crate::domain::throttle::{Gate, Throttle};
use crate::store::{Page, Settled, StoreError};
use smallvec::smallvec;

claims! {
    sealed_seed_in_another_persons_row_does_not_open
    account_has_the_person_the_active_factors_and_the_codes_left
    material_of_another_kind_is_refused
    people_are_added_all_or_none_and_the_taken_name_is_told
    list_is_sorted_paged_and_takes_wildcards_literally
    passwords_are_set_with_a_new_version_and_upgraded_only_from_the_same_hash
    status_raises_the_version_and_unlocking_clears_counters
    replacing_ends_the_others_of_the_kind_only
    factor_is_confirmed_once_and_the_code_is_used_up_with_it
    failures_before_the_first_code_end_with_it
    counter_advances_only_forward_and_clears_failures
    revoked_factor_leaves_nothing_behind
    factor_of_nobody_is_refused
    attempts_are_charged_delayed_and_stopped_per_counter
    stranger_is_never_shut_out_and_fills_no_table
    success_clears_and_what_was_not_tried_is_refunded_with_its_delay
    older_and_same_positions_are_replays_that_change_nothing_else
    code_is_good_once_in_time_and_for_its_owner
    lock_that_lands_during_the_login_wins
    absurd_positions_do_not_spoil_the_factor
    latest_acceptance_is_found
}

fn rules() -> Throttle {
    Throttle { free: 2, base: Duration::from_secs(5), max: Duration::from_secs(60), hard_stop: 5 }
}

async fn count(store: &Store, person: PersonId) -> u32 {
    store.attempts().failures(person).await.unwrap().iter().map(|one| one.failures.count).sum()
}

async fn account_has_the_person_the_active_factors_and_the_codes_left(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("Alice").await;
    let other = store.person("bob").await;
    let totp = store.totp(alice, FactorState::Active).await;
    store.totp(alice, FactorState::Pending).await;
    store.totp(other, FactorState::Active).await;
    let codes = store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: Some(NOW) }]).await;
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!((account.person.id, account.person.version), (alice, 1));
    assert_eq!(account.person.roles, [Role::Staff, Role::Student]);
    assert_eq!(account.person.groups, ["admins", "vpn"]);
    assert_eq!(account.factors.iter().map(|factor| factor.id).collect::<Vec<_>>(), [totp, codes]);
    let Material::Totp { seed, algorithm, digits, period } = &account.factors[0].material else { panic!() };
    assert_eq!(seed.expose(), b"12345678901234567890");
    assert_eq!((*algorithm, *digits, *period), (Algorithm::Sha256, 6, 30));
    let Material::Codes(left) = &account.factors[1].material else { panic!() };
    assert_eq!((left.len(), left[0].digest, left[0].expires), (1, [1; 32], Some(NOW)));
    assert!(store.people().account(&name("carol")).await.unwrap().is_none());
}

#[tokio::test]
async fn every_kind_of_material_comes_back_and_none_in_the_clear() {
    let mut store = Store::new().await;
    let alice = store.person("alice").await;
    let hotp = Material::Hotp { seed: Secret::new(b"hotp-seed-hotp-seed-".to_vec()), digits: 8 };
    let pin = Material::Pin { hash: Secret::new("$argon2id$pin-hash".into()) };
    for (kind, material) in [(FactorKind::Hotp, hotp), (FactorKind::Pin, pin)] {
        let new = NewFactor { next: 7, ..new_factor(alice, kind, FactorState::Active, material) };
        store.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
    }
    store.reopen().await;
    let factors = store.factors().of(alice).await.unwrap();
    let Material::Hotp { seed, digits: 8 } = &factors[0].material else { panic!() };
    assert_eq!((seed.expose().as_slice(), factors[0].next), (&b"hotp-seed-hotp-seed-"[..], 7));
    let Material::Pin { hash } = &factors[1].material else { panic!() };
    assert_eq!(hash.expose(), "$argon2id$pin-hash");
    store.close().await;
    let file = std::fs::read(store.path()).unwrap();
    for secret in [&b"hotp-seed"[..], b"pin-hash", b"NBXXI4BNONSWKZBNNBXXI4"] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
}

async fn material_of_another_kind_is_refused(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let new = new_factor(alice, FactorKind::Pin, FactorState::Active, totp_material());
    let refused = store.factors().add(new, Among::Others, entry("factor.add")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

async fn people_are_added_all_or_none_and_the_taken_name_is_told(kit: Kit) {
    let store = kit.store().await;
    store.person("bob").await;
    let batch = ["anna", "bob", "carl"].map(new_person).to_vec();
    let error = store.people().add(batch, entry("person.import")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(text) if text.contains("bob")), "{error}");
    assert!(store.people().person(&name("anna")).await.unwrap().is_none());
    // Behind many others: the first of those that are taken, here by one of the same list.
    let mut many: Vec<_> = (0..400).map(|number| new_person(&format!("person{number}"))).collect();
    many.push(new_person("person7"));
    many.push(new_person("bob"));
    let error = store.people().add(many, entry("person.import")).await.unwrap_err();
    assert_eq!(error.to_string(), "the username person7 is taken");
    assert!(store.people().person(&name("person1")).await.unwrap().is_none());
    assert_eq!(store.actions().await, ["person.add"]);
}

async fn list_is_sorted_paged_and_takes_wildcards_literally(kit: Kit) {
    let store = kit.store().await;
    let people = ["c_1", "a_1", "b_1", "cx1", "c%1"].map(new_person).to_vec();
    store.people().add(people, entry("person.import")).await.unwrap();
    let names = async |page: Page| -> Vec<String> {
        let list = store.people().list(&page).await.unwrap();
        list.iter().map(|person| person.username.to_string()).collect()
    };
    assert_eq!(names(Page { limit: 2, ..Page::default() }).await, ["a_1", "b_1"]);
    assert_eq!(names(Page { after: Some("b_1".into()), limit: 1, ..Page::default() }).await, ["c%1"]);
    assert_eq!(names(Page { matching: Some("C_".into()), ..Page::default() }).await, ["c_1"]);
    assert_eq!(names(Page { matching: Some("%".into()), ..Page::default() }).await, ["c%1"]);
}

async fn passwords_are_set_with_a_new_version_and_upgraded_only_from_the_same_hash(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let secret = |text: &str| Secret::new(text.to_owned());
    let hash = async || store.passwords().hash(alice).await.unwrap().unwrap().expose().clone();
    let (password, factor) =
        (Counter::Password, Counter::Factor(store.totp(alice, FactorState::Active).await));
    let _ = store.attempts().charge(Some(alice), &[password, factor], &rules(), NOW).await.unwrap();
    store.passwords().set(alice, secret("two"), entry("password.set")).await.unwrap();
    assert_eq!(store.people().person(&name("alice")).await.unwrap().unwrap().version, 2);
    let left = store.attempts().failures(alice).await.unwrap();
    assert_eq!(left.iter().map(|one| one.counter.clone()).collect::<Vec<_>>(), [factor.key()]);
    store.passwords().upgrade(alice, secret("one"), secret("three")).await.unwrap();
    assert_eq!(hash().await, "two");
    store.passwords().upgrade(alice, secret("two"), secret("three")).await.unwrap();
    assert_eq!(hash().await, "three");
    assert_eq!(store.people().person(&name("alice")).await.unwrap().unwrap().version, 2);
    let nobody = PersonId::from_uuid(uuid::Uuid::nil());
    let set = store.passwords().set(nobody, secret("x"), entry("password.set")).await;
    assert!(matches!(set, Err(StoreError::NotFound(_))));
    assert!(store.passwords().hash(nobody).await.unwrap().is_none());
}

async fn status_raises_the_version_and_unlocking_clears_counters(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let _ = store.attempts().charge(Some(alice), &[Counter::Password], &rules(), NOW).await.unwrap();
    store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
    assert_eq!(count(&store, alice).await, 1);
    store.people().set_status(alice, Status::Active, entry("person.unlock")).await.unwrap();
    assert_eq!(count(&store, alice).await, 0);
    let person = store.people().person(&name("alice")).await.unwrap().unwrap();
    assert_eq!((person.status, person.version), (Status::Active, 3));
}

async fn replacing_ends_the_others_of_the_kind_only(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let totp = store.totp(alice, FactorState::Active).await;
    store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    let codes = Material::Codes(vec![OneTimeCode { digest: [2; 32], expires: None }]);
    let new = new_factor(alice, FactorKind::Recovery, FactorState::Active, codes);
    let id = new.id;
    store.factors().add(new, Among::Alone, entry("factor.add")).await.unwrap();
    let ids: Vec<_> = store.factors().of(alice).await.unwrap().iter().map(|factor| factor.id).collect();
    assert_eq!(ids, [totp, id]);
}

async fn factor_is_confirmed_once_and_the_code_is_used_up_with_it(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Pending).await;
    let replay = settlement(alice, Some(position(id, 10)));
    assert_eq!(store.logins().settle(Box::new(replay.clone())).await.unwrap(), Settled::Replayed, "pending");
    assert!(store.factors().confirm(id, 10, entry("factor.confirm")).await.unwrap());
    assert!(!store.factors().confirm(id, 11, entry("factor.confirm")).await.unwrap());
    assert_eq!(store.logins().settle(Box::new(replay)).await.unwrap(), Settled::Replayed);
    assert_eq!(store.actions().await.iter().filter(|action| *action == "factor.confirm").count(), 1);
}

async fn counter_advances_only_forward_and_clears_failures(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let _ = store.attempts().charge(Some(alice), &[Counter::Factor(id)], &rules(), NOW).await.unwrap();
    assert!(store.factors().advance(id, 5, None, entry("factor.resync")).await.unwrap());
    assert!(!store.factors().advance(id, 5, None, entry("factor.resync")).await.unwrap());
    assert_eq!((count(&store, alice).await, store.factors().factor(id).await.unwrap().next), (0, 5));
}

async fn failures_before_the_first_code_end_with_it(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (id, other) =
        (store.totp(alice, FactorState::Pending).await, store.totp(alice, FactorState::Active).await);
    let counters = [Counter::Factor(id), Counter::Factor(other)];
    for _ in 0..2 {
        let _ = store.attempts().charge(Some(alice), &counters, &rules(), NOW).await.unwrap();
    }
    assert!(store.factors().confirm(id, 5, entry("factor.confirm")).await.unwrap());
    assert_eq!(count(&store, alice).await, 2, "those of the other one stay");
    let gate = store.attempts().charge(Some(alice), &counters[..1], &rules(), NOW).await.unwrap();
    assert_eq!(gate, [Gate::Open]);
}

#[tokio::test]
async fn sealed_seed_of_a_revoked_factor_is_overwritten_in_the_file() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let row = Query::new("SELECT material FROM factors").fetch_one(&mut store.raw().await).await.unwrap();
    let sealed = row.text(0).unwrap();
    let holds = |file: &[u8]| file.windows(sealed.len()).any(|window| window == sealed.as_bytes());
    let path = store.path().to_owned();
    Query::new("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut store.raw().await).await.unwrap();
    assert!(holds(&std::fs::read(&path).unwrap()));
    store.factors().revoke(id, None, entry("factor.revoke")).await.unwrap();
    store.close().await;
    assert!(!holds(&std::fs::read(&path).unwrap()));
    assert!(!std::fs::read(format!("{}-wal", path.display())).is_ok_and(|log| holds(&log)));
}

async fn revoked_factor_leaves_nothing_behind(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    let _ = store.attempts().charge(Some(alice), &[Counter::Factor(id)], &rules(), NOW).await.unwrap();
    store.factors().revoke(id, None, entry("factor.revoke")).await.unwrap();
    assert!(matches!(store.factors().revoke(id, None, entry("x")).await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.factors().factor(id).await, Err(StoreError::NotFound(_))));
    assert_eq!(count(&store, alice).await, 0);
    let gone = settlement(alice, Some(Proof::Code { factor: id, digest: [1; 32] }));
    assert_eq!(store.logins().settle(Box::new(gone)).await.unwrap(), Settled::Replayed);
}

async fn factor_of_nobody_is_refused(kit: Kit) {
    let store = kit.store().await;
    let nobody = PersonId::from_uuid(uuid::Uuid::nil());
    let new = new_factor(nobody, FactorKind::Totp, FactorState::Active, totp_material());
    let added = store.factors().add(new, Among::Others, entry("factor.add")).await;
    assert!(matches!(added, Err(StoreError::NotFound(_))), "{added:?}");
}

async fn attempts_are_charged_delayed_and_stopped_per_counter(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let factor = Counter::Factor(store.totp(alice, FactorState::Active).await);
    let charge = async |counters: &[Counter], at| {
        store.attempts().charge(Some(alice), counters, &rules(), at).await.unwrap()
    };
    for _ in 0..3 {
        assert_eq!(charge(&[Counter::Password], NOW).await, [Gate::Open]);
    }
    assert_eq!(charge(&[Counter::Password, factor], NOW).await, [Gate::Delayed, Gate::Open]);
    let late = NOW + Duration::from_secs(1000);
    assert_eq!(charge(&[Counter::Password], late).await, [Gate::Open]);
    let later = late + Duration::from_secs(1000);
    assert_eq!(charge(&[Counter::Password], later).await, [Gate::Open]);
    let latest = later + Duration::from_secs(1_000_000);
    assert_eq!(charge(&[Counter::Password], latest).await, [Gate::Stopped]);
    assert_eq!(count(&store, alice).await, 6);
}

async fn stranger_is_never_shut_out_and_fills_no_table(kit: Kit) {
    let store = kit.store().await;
    for number in 0..20 {
        let factor = Counter::Factor(FactorId::from_uuid(uuid::Uuid::from_u128(number)));
        let gates = store.attempts().charge(None, &[Counter::Password, factor], &rules(), NOW).await.unwrap();
        assert_eq!(gates, [Gate::Open, Gate::Open]);
    }
    // In a file there is nothing to be written before the answer.
    let rows = if store.settings.postgres.is_some() { 2 } else { 0 };
    assert_eq!(store.sql("DELETE FROM counters").await, rows);
}

async fn success_clears_and_what_was_not_tried_is_refunded_with_its_delay(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let (password, factor) = (Counter::Password, Counter::Factor(id));
    for _ in 0..3 {
        let _ = store.attempts().charge(Some(alice), &[password, factor], &rules(), NOW).await.unwrap();
    }
    let mut end = settlement(alice, Some(position(id, 10)));
    (end.clear, end.refund) = (smallvec![password], smallvec![factor]);
    assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    let left = store.attempts().failures(alice).await.unwrap();
    assert_eq!((left.len(), left[0].failures.count), (1, 2));
    let again = store.attempts().charge(Some(alice), &[factor], &rules(), NOW).await.unwrap();
    assert_eq!(again, [Gate::Open]);
}

async fn older_and_same_positions_are_replays_that_change_nothing_else(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    assert_eq!(
        store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap(),
        Settled::Done
    );
    let _ = store.attempts().charge(Some(alice), &[Counter::Factor(id)], &rules(), NOW).await.unwrap();
    for old in [10, 9, 0] {
        let settled =
            store.logins().settle(Box::new(settlement(alice, Some(position(id, old))))).await.unwrap();
        assert_eq!(settled, Settled::Replayed);
    }
    assert_eq!(count(&store, alice).await, 1, "the counter is not cleared by a replay");
    let factor = store.factors().factor(id).await.unwrap();
    assert_eq!((factor.next, factor.used), (11, Some(NOW)));
    let actions = store.actions().await;
    assert_eq!(actions[3..], ["login.replayed"; 3], "{actions:?}");
    assert_eq!(
        store.logins().settle(Box::new(settlement(alice, Some(position(id, 11))))).await.unwrap(),
        Settled::Done
    );
}

async fn code_is_good_once_in_time_and_for_its_owner(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let expires = Some(NOW);
    let codes =
        vec![OneTimeCode { digest: [1; 32], expires: None }, OneTimeCode { digest: [2; 32], expires }];
    let id = store.codes(alice, codes).await;
    let with = |digest| Some(Proof::Code { factor: id, digest });
    let settle =
        async |who, digest| store.logins().settle(Box::new(settlement(who, with(digest)))).await.unwrap();
    assert_eq!(settle(bob, [1; 32]).await, Settled::Replayed, "of someone else");
    assert_eq!(settle(alice, [2; 32]).await, Settled::Replayed, "expired");
    assert_eq!(settle(alice, [3; 32]).await, Settled::Replayed, "unknown");
    assert_eq!(settle(alice, [1; 32]).await, Settled::Done);
    assert_eq!(settle(alice, [1; 32]).await, Settled::Replayed);
    assert_eq!(store.factors().factor(id).await.unwrap().used, Some(NOW));
}

async fn lock_that_lands_during_the_login_wins(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let codes = store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
    let code = Proof::Code { factor: codes, digest: [1; 32] };
    for proof in [position(id, 10), code] {
        assert_eq!(
            store.logins().settle(Box::new(settlement(alice, Some(proof)))).await.unwrap(),
            Settled::Replayed
        );
    }
    let without = store.logins().settle(Box::new(settlement(alice, None))).await;
    assert!(matches!(without, Err(StoreError::Conflict(_))), "{without:?}");
    let mut refusal = settlement(alice, None);
    (refusal.admits, refusal.audit.outcome) = (false, "reject");
    assert_eq!(store.logins().settle(Box::new(refusal)).await.unwrap(), Settled::Done);
    // The login without a proof left nothing; the refusal is the only `login`.
    assert_eq!(store.actions().await[3..], ["person.lock", "login.replayed", "login.replayed", "login"]);
    store.people().set_status(alice, Status::Active, entry("person.unlock")).await.unwrap();
    assert_eq!(
        store.logins().settle(Box::new(settlement(alice, Some(code)))).await.unwrap(),
        Settled::Done,
        "not used up"
    );
}

async fn absurd_positions_do_not_spoil_the_factor(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let end = settlement(alice, Some(position(id, u64::MAX)));
    assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    assert!(store.factors().factor(id).await.is_ok());
}

async fn latest_acceptance_is_found(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    assert!(store.acceptances().latest(alice).await.unwrap().is_none());
    for (version, at) in [("2025", 1), ("2026", 2)] {
        let at = Timestamp::from_secs(at);
        store.acceptances().record(alice, version, at, entry("accept")).await.unwrap();
    }
    assert_eq!(store.acceptances().latest(alice).await.unwrap().unwrap().0, "2026");
}

async fn sealed_seed_in_another_persons_row_does_not_open(kit: Kit) {
    let store = kit.store().await;
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

#[tokio::test]
async fn account_is_found_by_the_indexes_of_names_and_owners() {
    let store = Store::new().await;
    let plan =
        Query::new(format!("EXPLAIN QUERY PLAN {}", crate::store::records::people::ACCOUNT)).bind("alice");
    let plan = plan.fetch_all(&mut store.raw().await).await.unwrap();
    let plan: Vec<_> = plan.iter().map(|row| row.text(3).unwrap().to_owned()).collect();
    let uses = |part: &str| plan.iter().any(|line| line.contains(part));
    assert!(uses("username=?") && uses("factors_person (person=?)") && !uses("SCAN"), "{plan:?}");
}
