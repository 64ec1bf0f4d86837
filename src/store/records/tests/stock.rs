//! What comes into the inventory and goes out of it: no counter falls back, and nothing changes under anybody's hands.

use super::tokens::{new_token, public_id, to};
use super::*;
use crate::domain::token::{Token, TokenState};
use crate::store::{Given, Import, LateKey, NewToken, Replacement, Settled, StoreError};
use crate::wire::yubico::Key;

claims! {
    replaced_token_keeps_its_counter_only_with_its_old_secrets
    what_somebody_has_is_neither_replaced_nor_removed
    removed_token_is_gone_and_may_come_in_anew
    late_key_counts_from_the_first_good_touch_on
    late_key_of_nobody_waits_through_assignments
    pages_have_each_token_once_with_the_position_that_counts
    token_that_moves_between_two_pages_is_in_one_of_them
    token_comes_in_with_its_owner_counter_and_last_use
}

fn key(number: u8) -> Key {
    Key { aes: Secret::new([number; 16]), private_id: Secret::new([number; 6]) }
}

fn replacement(of: &NewToken, number: u8, next: u64, same: bool) -> Import {
    let material = Material::Yubikey { public_id: public_id(1), key: Some(key(number)) };
    let one = Replacement { token: of.id, kind: of.kind, serial: "77".into(), material, next, same };
    Import { replaced: vec![one], ..Import::default() }
}

impl Store {
    async fn one(&self, named: &str) -> Token {
        self.tokens().find(named).await.unwrap().remove(0)
    }

    async fn take(&self, import: Import) -> Result<(), StoreError> {
        self.stock().import(import, entry("token.import")).await
    }

    /// A key that only a validation server knows, and then its AES key.
    async fn late(&self, owner: Option<PersonId>) -> (NewToken, Option<FactorId>) {
        let material = Material::Yubikey { public_id: public_id(1), key: None };
        let token = NewToken { material, serial: String::new(), ..new_token(1) };
        self.take(vec![token.clone()].into()).await.unwrap();
        let factor = match owner {
            Some(owner) => Some(self.assign(to(owner, &token)).await.unwrap()),
            None => None,
        };
        let late =
            LateKey { token: token.id, public_id: public_id(1), serial: "501".to_owned(), key: key(1) };
        self.take(Import { keys: vec![late], ..Import::default() }).await.unwrap();
        (token, factor)
    }

    async fn localise(&self, at: u64) -> bool {
        self.tokens().localise(&public_id(1), at, entry("token.localise")).await.unwrap()
    }
}

fn is_local(material: &Material) -> bool {
    matches!(material, Material::Yubikey { key: Some(_), .. })
}

async fn replaced_token_keeps_its_counter_only_with_its_old_secrets(kit: Kit) {
    let store = kit.store().await;
    let token = store.import(1).await;
    assert!(
        store
            .tokens()
            .use_up(token.id, 70, ("touch:70".to_owned(), Timestamp::from_secs(9_000_000_000)), entry("used"))
            .await
            .unwrap()
    );
    store.take(replacement(&token, 1, 0, true)).await.unwrap();
    let one = store.one("77").await;
    assert_eq!((one.id, one.next, one.state), (token.id, 71, TokenState::Stock));
    store.take(replacement(&token, 1, 500, true)).await.unwrap();
    assert_eq!(store.one("77").await.next, 500, "it may be ahead");
    store.take(replacement(&token, 2, 3, false)).await.unwrap();
    let one = store.one("77").await;
    let Material::Yubikey { key: Some(now), .. } = &one.material else { panic!() };
    assert_eq!((one.next, now.aes.expose()), (3, &[2; 16]));
    store.tokens().revoke(token.id, entry("token.revoke")).await.unwrap();
    store.take(replacement(&token, 3, 0, false)).await.unwrap();
    assert_eq!(store.one("77").await.state, TokenState::Revoked, "a lost one is not found again by a file");
}

async fn what_somebody_has_is_neither_replaced_nor_removed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (token, other) = (store.import(1).await, store.import(2).await);
    store.assign(to(alice, &token)).await.unwrap();
    let refused = store.take(replacement(&token, 2, 0, false)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let refused = store.stock().remove(vec![other.id, token.id], entry("token.remove")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let Material::Yubikey { key: Some(now), .. } = &store.one("501").await.material else { panic!() };
    assert_eq!(now.aes.expose(), &[1; 16]);
    assert_eq!(store.one("502").await.id, other.id, "none is removed");
}

async fn removed_token_is_gone_and_may_come_in_anew(kit: Kit) {
    let store = kit.store().await;
    let (token, other) = (store.import(1).await, store.import(2).await);
    store.tokens().revoke(other.id, entry("token.revoke")).await.unwrap();
    store.stock().remove(vec![token.id, other.id], entry("token.remove")).await.unwrap();
    for named in ["501", "502"] {
        assert!(store.tokens().find(named).await.unwrap().is_empty());
    }
    let again = store.stock().remove(vec![token.id], entry("token.remove")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    store.import(1).await;
}

async fn late_key_counts_from_the_first_good_touch_on(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (_, factor) = store.late(Some(alice)).await;
    let factor = factor.unwrap();
    let of_alice = async || store.factors().of(alice).await.unwrap().remove(0);
    // What the validation server said counts one by one.
    assert_eq!(store.login(alice, factor, 0).await, Settled::Done);
    assert!(!is_local(&of_alice().await.material) && !is_local(&store.one("501").await.material));
    let waiting = store.tokens().waiting(&public_id(1)).await.unwrap().unwrap();
    assert_eq!(waiting.aes.expose(), &[1; 16]);
    assert!(store.localise(7 * 256).await);
    let now = of_alice().await;
    assert!(is_local(&now.material) && is_local(&store.one("501").await.material));
    assert_eq!(now.next, 7 * 256);
    assert_eq!(store.login(alice, factor, 7 * 256 - 1).await, Settled::Replayed, "what was typed before");
    assert_eq!(store.login(alice, factor, 7 * 256).await, Settled::Done, "this touch itself");
    assert!(!store.localise(1).await, "nothing waits any more");
    assert!(store.tokens().waiting(&public_id(1)).await.unwrap().is_none());
    store.factors().revoke(factor, None, entry("factor.revoke")).await.unwrap();
    assert_eq!(store.one("501").await.next, 7 * 256 + 1);
}

async fn late_key_of_nobody_waits_through_assignments(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (token, _) = store.late(None).await;
    let factor = store.assign(to(alice, &token)).await.unwrap();
    assert!(store.tokens().waiting(&public_id(1)).await.unwrap().is_some());
    store.factors().revoke(factor, None, entry("factor.revoke")).await.unwrap();
    assert!(store.localise(300).await);
    let one = store.one("501").await;
    assert!(is_local(&one.material) && one.next == 300);
}

async fn pages_have_each_token_once_with_the_position_that_counts(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let mut tokens = Vec::new();
    for number in 1..=5 {
        tokens.push(store.import(number).await);
    }
    let factor = store.assign(to(alice, &tokens[1])).await.unwrap();
    assert_eq!(store.login(alice, factor, 41).await, Settled::Done);
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.stock().page(&after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.token.id.to_string();
        for whole in page {
            let hers = whole.token.id == tokens[1].id;
            assert_eq!(whole.user.as_deref(), hers.then_some("alice"));
            assert_eq!(whole.label.as_deref(), hers.then_some("phone"));
            assert_eq!((whole.token.next, whole.used), if hers { (42, Some(NOW)) } else { (0, None) });
            names.push(whole.token.name);
        }
    }
    let wanted: Vec<_> = tokens.iter().map(|token| token.name.clone()).collect();
    assert_eq!(names, wanted);
}

async fn token_that_moves_between_two_pages_is_in_one_of_them(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (first, second) = (store.import(1).await, store.import(2).await);
    let before = store.stock().page("", 1).await.unwrap();
    store.assign(to(alice, &first)).await.unwrap();
    store.assign(to(alice, &second)).await.unwrap();
    store.tokens().revoke(second.id, entry("token.revoke")).await.unwrap();
    let rest = store.stock().page(&before[0].token.id.to_string(), 10).await.unwrap();
    let states: Vec<_> =
        before.iter().chain(&rest).map(|whole| (whole.token.id, whole.token.state)).collect();
    assert_eq!(states, [(first.id, TokenState::Stock), (second.id, TokenState::Revoked)]);
}

async fn token_comes_in_with_its_owner_counter_and_last_use(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let token = NewToken { next: 9, ..new_token(1) };
    let mut assignment = to(alice, &token);
    (assignment.new, assignment.factor.next) = (Some(token.clone()), token.next);
    let factor = assignment.factor.id;
    let given = Given { assignment, used: Some(NOW), audit: entry("token.assign") };
    let lost = new_token(2);
    let import = Import { given: vec![given], revoked: vec![lost.id], new: vec![lost], ..Import::default() };
    store.take(import).await.unwrap();
    let hers = store.factors().of(alice).await.unwrap().remove(0);
    assert_eq!((hers.id, hers.next, hers.used), (factor, 9, Some(NOW)));
    assert_eq!(store.login(alice, factor, 8).await, Settled::Replayed);
    assert_eq!(store.login(alice, factor, 9).await, Settled::Done);
    assert_eq!(store.one("502").await.state, TokenState::Revoked);
    assert_eq!(store.actions().await.iter().filter(|action| *action == "token.assign").count(), 1);
}
