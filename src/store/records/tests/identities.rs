//! People of an outside directory: a batch and its place are one, names move on, who left may return.

use super::*;
use crate::domain::directory::{Change, Identity, Put, What};
use crate::domain::person::Status;
use crate::store::{IdentityBatch, SyncPlace};

claims! {
    batch_and_its_place_are_written_together_and_survive_reopening
    names_move_on_in_a_row_and_who_leaves_frees_theirs
    taken_name_shuts_out_and_keeps_the_place_where_it_was
    two_may_exchange_their_names
    lock_holds_while_the_directory_switches_off_and_on
    purge_removes_who_left_long_ago_with_everything_they_had
}

fn identity(entry: &str, name: &str) -> Box<Identity> {
    Box::new(Identity {
        id: entry.into(),
        dn: format!("uid={name},dc=x"),
        username: Username::parse(name).unwrap(),
        name: String::new(),
        roles: Vec::new(),
        email: None,
        phone: None,
        enabled: true,
        valid_until: None,
        marker: String::new(),
        member_of: Vec::new(),
    })
}

pub(super) fn id(number: u128) -> PersonId {
    PersonId::from_uuid(uuid::Uuid::from_u128(number))
}

/// A store in which this node follows the directory.
pub(super) async fn followed(kit: &Kit) -> Store {
    let store = kit.store().await;
    assert!(store.identities().lead("campus").await.unwrap());
    store
}

/// Entry, id, whether it is known; the name it gets, or that it leaves.
pub(super) fn batch(changes: &[(&str, u128, bool, Option<&str>)], place: &str) -> IdentityBatch {
    let change = |(entry, number, known, name): &(&str, u128, bool, Option<&str>)| Change {
        entry: (*entry).into(),
        person: known.then(|| id(*number)),
        what: name.map_or(What::Depart, |name| {
            let identity = identity(entry, name);
            What::Put(Put { identity, roles: Vec::new(), groups: vec!["vpn".to_owned()], event: "changed" })
        }),
    };
    IdentityBatch {
        directory: "campus".to_owned(),
        changes: changes.iter().map(change).collect(),
        ids: changes.iter().map(|(_, number, ..)| id(*number)).collect(),
        place: Some(SyncPlace { scope: "s".to_owned(), state: place.to_owned(), synced: NOW }),
        bulk: false,
        new: false,
        at: NOW,
    }
}

async fn name_of(store: &Store, name: &str) -> Option<u128> {
    let found = store.people().person(&Username::parse(name).unwrap()).await.unwrap();
    (1..10).find(|number| found.as_ref().is_some_and(|person| person.id == id(*number)))
}

async fn place(store: &Store) -> Option<String> {
    store.identities().place("campus").await.unwrap().map(|place| place.state)
}

async fn batch_and_its_place_are_written_together_and_survive_reopening(kit: Kit) {
    let mut store = followed(&kit).await;
    let applied = store
        .identities()
        .apply(batch(&[("a", 1, false, Some("ann")), ("b", 2, false, Some("bob"))], "one"))
        .await;
    assert_eq!(applied.unwrap().written.len(), 2);
    store.reopen().await;
    assert!(store.identities().lead("campus").await.unwrap());
    assert_eq!(place(&store).await.as_deref(), Some("one"));
    let known = store.identities().known("campus").await.unwrap();
    assert_eq!(known.iter().map(|known| &*known.entry).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(known[0].groups, ["vpn"]);
    // Half of it cannot be: nothing of it is.
    let twice = batch(&[("c", 3, false, Some("cyd")), ("a", 4, false, Some("dan"))], "two");
    assert!(store.identities().apply(twice).await.is_err(), "entry a is there already");
    assert_eq!((name_of(&store, "cyd").await, place(&store).await.as_deref()), (None, Some("one")));
}

async fn names_move_on_in_a_row_and_who_leaves_frees_theirs(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob")), ("c", 3, false, Some("cyd"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    let moved = [("a", 1, true, Some("bob")), ("b", 2, true, Some("cyd")), ("c", 3, true, None)];
    let applied = store.identities().apply(batch(&moved, "two")).await.unwrap();
    assert!(applied.conflicts.is_empty());
    assert_eq!((name_of(&store, "bob").await, name_of(&store, "cyd").await), (Some(1), Some(2)));
    assert_eq!(name_of(&store, "ann").await, None);
    let applied = store.identities().apply(batch(&[("c", 3, true, Some("ann"))], "three")).await.unwrap();
    assert_eq!(
        (applied.conflicts.len(), name_of(&store, "ann").await),
        (0, Some(3)),
        "the same person again"
    );
}

async fn taken_name_shuts_out_and_keeps_the_place_where_it_was(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    let taken = [("b", 2, true, Some("ann")), ("c", 3, false, Some("ann"))];
    let applied = store.identities().apply(batch(&taken, "two")).await.unwrap();
    assert_eq!(applied.conflicts.len(), 2);
    assert_eq!(place(&store).await.as_deref(), Some("one"));
    assert_eq!(name_of(&store, "bob").await, None, "not theirs any more");
    let known = store.identities().known("campus").await.unwrap();
    assert!(known.iter().any(|known| known.person == id(2) && !known.enabled && !known.departed));
    assert_eq!(name_of(&store, "ann").await, Some(1));
    assert_eq!(store.actions().await.iter().filter(|action| *action == "sync.person").count(), 3);
    store.identities().apply(batch(&taken, "two")).await.unwrap();
    assert_eq!(
        store.actions().await.iter().filter(|action| *action == "sync.person").count(),
        3,
        "told once"
    );
}

async fn two_may_exchange_their_names(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    let exchanged = batch(&[("a", 1, true, Some("bob")), ("b", 2, true, Some("ann"))], "two");
    assert!(store.identities().apply(exchanged).await.unwrap().conflicts.is_empty());
    assert_eq!((name_of(&store, "ann").await, name_of(&store, "bob").await), (Some(2), Some(1)));
    let known = store.identities().known("campus").await.unwrap();
    assert!(known.iter().all(|known| known.enabled));
}

async fn lock_holds_while_the_directory_switches_off_and_on(kit: Kit) {
    let store = followed(&kit).await;
    store.identities().apply(batch(&[("a", 1, false, Some("ann"))], "one")).await.unwrap();
    let status = async |wanted| {
        let person = Arc::clone(
            &store.people().account(&Username::parse("ann").unwrap()).await.unwrap().unwrap().person,
        );
        assert_eq!(person.status, wanted);
    };
    store.people().set_status(id(1), Status::Locked, entry("person.lock")).await.unwrap();
    status(Status::Locked).await;
    let mut off = batch(&[("a", 1, true, Some("ann"))], "two");
    if let What::Put(put) = &mut off.changes[0].what {
        put.identity.enabled = false;
    }
    store.identities().apply(off).await.unwrap();
    status(Status::Disabled).await;
    // Neither lock nor unlock switches on what the directory has switched off.
    store.people().set_status(id(1), Status::Active, entry("person.unlock")).await.unwrap();
    status(Status::Disabled).await;
    store.people().set_status(id(1), Status::Locked, entry("person.lock")).await.unwrap();
    store.identities().apply(batch(&[("a", 1, true, Some("ann"))], "three")).await.unwrap();
    status(Status::Locked).await;
}

async fn purge_removes_who_left_long_ago_with_everything_they_had(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    for number in [1, 2] {
        store.totp(id(number), FactorState::Active).await;
    }
    store.sql("INSERT INTO tokens SELECT '1', 'totp', 'A1', '', 'assigned', person, id, 0, 1, 'x' FROM factors WHERE person = (SELECT id FROM people WHERE username = 'ann')").await;
    store.identities().apply(batch(&[("a", 1, true, None)], "two")).await.unwrap();
    assert_eq!(
        store.identities().purge("campus", NOW, entry("sync.purge")).await.unwrap(),
        0,
        "not long ago"
    );
    let later = NOW + Duration::from_millis(1);
    assert_eq!(store.identities().purge("campus", later, entry("sync.purge")).await.unwrap(), 1);
    assert_eq!(store.identities().known("campus").await.unwrap().len(), 1);
    assert!(store.factors().of(id(1)).await.unwrap().is_empty());
    assert_eq!(store.factors().of(id(2)).await.unwrap().len(), 1);
    let kept = store
        .sql("UPDATE tokens SET next = 1 WHERE state = 'revoked' AND factor IS NULL AND person IS NULL")
        .await;
    assert_eq!(kept, 1, "the device is still ours");
}
