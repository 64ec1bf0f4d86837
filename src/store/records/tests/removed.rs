//! What ends with a factor or a contact that is removed: sessions of the portal but the one in which it is done, and by the person's
//! version those of Wi-Fi and challenges. Others see nothing of it.

use super::identities::{batch, followed, id};
use super::security::{enter, prove, update};
use super::sessions::{begin, key, load};
use super::tokens::{new_token, to};
use super::*;
use crate::domain::contact::ContactKind;
use crate::domain::directory::What;
use crate::store::{Assignment, ContactChange, IdentityBatch, SecurityChange};

claims! {
    factor_that_is_revoked_ends_the_other_sessions_of_its_owner
    token_that_is_taken_back_ends_sessions_as_well
    contact_that_is_removed_or_replaced_ends_other_sessions_and_raises_the_version
    contact_that_the_directory_has_no_more_ends_sessions
}

/// Sessions 1 and 2 are alice's, 3 is bob's.
async fn three(store: &Store) -> (PersonId, PersonId) {
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    sign_in(store, (alice, bob)).await;
    (alice, bob)
}

async fn sign_in(store: &Store, (alice, bob): (PersonId, PersonId)) {
    for (number, person) in [(1, alice), (2, alice), (3, bob)] {
        if load(store, number).await.is_none() {
            begin(store, number, Some(person)).await;
        }
    }
}

async fn left(store: &Store) -> [bool; 3] {
    let mut left = [false; 3];
    for (number, place) in (1..).zip(&mut left) {
        *place = load(store, number).await.is_some();
    }
    left
}

async fn factor_that_is_revoked_ends_the_other_sessions_of_its_owner(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = three(&store).await;
    let waiting = store.totp(alice, FactorState::Pending).await;
    store.factors().revoke(waiting, None, entry("factor.revoke")).await.unwrap();
    assert_eq!(left(&store).await, [true; 3], "nobody got in with it");
    let app = store.totp(alice, FactorState::Active).await;
    store.factors().revoke(app, Some(key(2)), entry("factor.revoke")).await.unwrap();
    assert_eq!(left(&store).await, [false, true, true], "all but where it was done");
    sign_in(&store, (alice, bob)).await;
    let codes = store.codes(alice, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    store.factors().revoke(codes, None, entry("factor.revoke")).await.unwrap();
    assert_eq!(left(&store).await, [false, false, true]);
}

async fn token_that_is_taken_back_ends_sessions_as_well(kit: Kit) {
    let store = kit.store().await;
    let (alice, _) = three(&store).await;
    let new = new_token(1);
    let given = Assignment { new: Some(new.clone()), ..to(alice, &new) };
    store.tokens().assign(given, entry("token.assign")).await.unwrap();
    assert_eq!(left(&store).await, [true; 3]);
    store.tokens().revoke(new.id, entry("token.revoke")).await.unwrap();
    assert_eq!(left(&store).await, [false, false, true]);
}

async fn contact_that_is_removed_or_replaced_ends_other_sessions_and_raises_the_version(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = three(&store).await;
    let version = async || store.people().account(&name("alice")).await.unwrap().unwrap().person.version;
    let (first, second) = ("+15205550100", "+15205550101");
    let remove = |but| SecurityChange {
        contacts: vec![ContactChange::Remove(ContactKind::Mobile)],
        session: but,
        ..SecurityChange::default()
    };
    // What was never proven let nobody in.
    update(&store, alice, enter(ContactKind::Mobile, first)).await;
    update(&store, alice, remove(None)).await;
    update(&store, alice, enter(ContactKind::Mobile, first)).await;
    assert!(prove(&store, alice, ContactKind::Mobile, first).await);
    update(&store, alice, enter(ContactKind::Mobile, second)).await;
    update(&store, alice, enter(ContactKind::Email, "a@example.net")).await;
    assert!(prove(&store, alice, ContactKind::Email, "a@example.net").await);
    assert_eq!((version().await, left(&store).await), (1, [true; 3]));
    let proof = (ContactKind::Mobile, second.to_owned());
    let security = store.security();
    let proven = security.prove(alice, proof, Some(key(2)), entry("contact.prove"), Vec::new()).await;
    assert!(proven.unwrap());
    assert_eq!((version().await, left(&store).await), (2, [false, true, true]), "replaced");
    sign_in(&store, (alice, bob)).await;
    update(&store, alice, remove(Some(key(1)))).await;
    assert_eq!((version().await, left(&store).await), (3, [true, false, true]), "removed");
    update(&store, alice, remove(None)).await;
    assert_eq!((version().await, left(&store).await), (3, [true, false, true]), "it was not there");
}

async fn contact_that_the_directory_has_no_more_ends_sessions(kit: Kit) {
    let store = followed(&kit).await;
    let put = |known, phone: Option<&str>, email: Option<&str>, place: &str| -> IdentityBatch {
        let mut batch = batch(&[("a", 1, known, Some("ann"))], place);
        if let What::Put(put) = &mut batch.changes[0].what {
            put.identity.phone = phone.map(str::to_owned);
            put.identity.email = email.map(str::to_owned);
        }
        batch
    };
    store.identities().apply(put(false, None, None, "0")).await.unwrap();
    let (one, other) = ("+15205550100", "+15205550101");
    for (number, (phone, email, stays)) in (1..).zip([
        (Some(one), None, true),
        (Some(one), Some("a@example.net"), true),
        (Some(other), Some("a@example.net"), false),
        (Some(other), Some("b@example.net"), false),
        (Some(other), None, false),
        (None, None, false),
    ]) {
        begin(&store, number, Some(id(1))).await;
        store.identities().apply(put(true, phone, email, &number.to_string())).await.unwrap();
        assert_eq!(load(&store, number).await.is_some(), stays, "{number}");
    }
}
