//! Master keys that take over while the store is in use.

use super::*;
use crate::store::seal::id_in;
use crate::store::{ClientKey, ClientKeyStatus, MasterKeys, ResealPlace, StoreError};

claims! {
    rotation_that_ends_anywhere_leaves_everything_readable_and_is_gone_on_with
    value_that_was_written_meanwhile_is_not_overwritten
    key_that_is_needed_or_another_of_its_name_is_not_taken
    value_that_does_not_open_is_named_and_left_and_keys_that_are_missing_are_told
}

mod several {
    use super::*;

    claims! {
        postgres only
            key_that_another_node_lacks_does_not_take_over_and_all_nodes_follow
            node_that_has_another_key_of_the_same_name_does_not_count_as_having_it
            ; parallel
    }
}

/// Something in most tables with sealed values.
async fn filled(kit: &Kit) -> (Store, Vec<FactorId>) {
    let store = kit.store().await;
    let mut factors = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let person = store.person(name).await;
        factors.push(store.totp(person, FactorState::Active).await);
    }
    (store, factors)
}

async fn values_under(keys: &dyn MasterKeys, id: &str) -> u64 {
    let keys = keys.list().await.unwrap();
    let key = keys.iter().find(|key| key.id == id);
    key.into_iter().flat_map(|key| &key.values).map(|(_, count)| count).sum()
}

/// All steps; how many values were sealed anew.
async fn go_on(keys: &dyn MasterKeys) -> u64 {
    let (mut place, mut sealed) = (ResealPlace::default(), 0);
    loop {
        let step = keys.reseal(&mut place).await.unwrap();
        sealed += step.sealed;
        if step.table.is_none() {
            return sealed;
        }
    }
}

/// Opens a store that is closed, has `k2` take the place of `k1`, and closes it again.
pub(super) async fn rotate(store: &Store) {
    let records = store.open(both()).await.unwrap();
    let keys = records.master_keys();
    keys.switch(entry("keys.rotate")).await.unwrap();
    go_on(&*keys).await;
    records.close().await;
}

fn both() -> Keyring {
    ring(&[("k2", 2), ("k1", 1)])
}

async fn rotation_that_ends_anywhere_leaves_everything_readable_and_is_gone_on_with(kit: Kit) {
    for stop in 0..12 {
        let (store, factors) = filled(&kit).await;
        let id = factors[0];
        let digest = store.digester().digest(id, "12345678");
        store.close().await;
        let first = store.open(both()).await.unwrap();
        let keys = first.master_keys();
        assert_eq!(first.keyring().sealing(), "k1", "a key takes over when it is told to");
        if stop > 0 {
            let turn = keys.switch(entry("keys.rotate")).await.unwrap();
            assert_eq!(turn, Some(("k1".to_owned(), "k2".to_owned())));
            let mut place = ResealPlace::default();
            for _ in 1..stop {
                keys.reseal(&mut place).await.unwrap();
            }
        }
        first.close().await;
        let second = store.open(both()).await.unwrap();
        for id in &factors {
            assert!(second.factors().factor(*id).await.is_ok(), "after {stop}");
        }
        let keys = second.master_keys();
        assert_eq!(keys.switch(entry("keys.rotate")).await.unwrap().is_some(), stop == 0);
        go_on(&*keys).await;
        assert_eq!(values_under(&*keys, "k1").await, 0);
        assert_eq!(values_under(&*keys, "k2").await, 5, "three factors, two keys of our own");
        assert_eq!(go_on(&*keys).await, 0, "nothing is left to do");
        second.close().await;
        let new = store.open(ring(&[("k2", 2)])).await.unwrap();
        for id in &factors {
            assert!(new.factors().factor(*id).await.is_ok());
        }
        assert_eq!(new.digester().digest(id, "12345678"), digest);
        assert_eq!(new.audit().verify().await.unwrap().broken, None);
        new.close().await;
    }
}

async fn value_that_was_written_meanwhile_is_not_overwritten(kit: Kit) {
    let (store, _) = filled(&kit).await;
    let factors = &super::super::sealed::SEALED[0];
    let page = factors.page(&store.records.0.readers, None, "").await.unwrap();
    store.sql("UPDATE factors SET material = 'newer' WHERE id = (SELECT min(id) FROM factors)").await;
    let rows = page.into_iter().map(|kept| [kept.row, kept.sealed, "ours".to_owned()]).collect();
    let mut raw = store.raw().await;
    assert_eq!(factors.update(rows).execute(&mut raw).await.unwrap(), 2);
    let rows = Query::new("SELECT material FROM factors ORDER BY id").fetch_all(&mut raw).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row.text(0).unwrap()).collect();
    assert_eq!(rows, ["newer", "ours", "ours"]);
}

async fn key_that_is_needed_or_another_of_its_name_is_not_taken(kit: Kit) {
    let (store, factors) = filled(&kit).await;
    let keys = store.master_keys();
    for (new, why) in [
        (ring(&[("k2", 2)]), "`k1` is not there any more"),
        (ring(&[("k2", 2), ("k1", 9)]), "`k1` is another key now"),
    ] {
        let Err(StoreError::Conflict(text)) = keys.replace(new).await else { panic!("{why}") };
        assert!(text.contains(why) && text.contains("5 values"), "{text}");
    }
    keys.replace(both()).await.unwrap();
    assert!(store.factors().factor(factors[0]).await.is_ok());
    keys.switch(entry("keys.rotate")).await.unwrap();
    let Err(StoreError::Conflict(text)) = keys.replace(ring(&[("k2", 2)])).await else { panic!() };
    assert!(text.contains("`k1`") && text.contains("3 values"), "{text}");
    go_on(&*keys).await;
    keys.replace(ring(&[("k2", 2)])).await.unwrap();
    assert!(store.factors().factor(factors[0]).await.is_ok());
}

async fn value_that_does_not_open_is_named_and_left_and_keys_that_are_missing_are_told(kit: Kit) {
    let (store, _) = filled(&kit).await;
    store.sql("UPDATE factors SET material = 'v1:lost:x:y' WHERE id = (SELECT min(id) FROM factors)").await;
    let keys = store.master_keys();
    let list = keys.list().await.unwrap();
    let lost = list.iter().find(|key| key.id == "lost").unwrap();
    assert_eq!((lost.fingerprint.clone(), lost.values.clone()), (None, vec![("factors", 1)]));
    assert_eq!(list[0].values, [("factors", 2), ("secrets", 2)]);
    keys.replace(both()).await.unwrap();
    keys.switch(entry("keys.rotate")).await.unwrap();
    let step = keys.reseal(&mut ResealPlace::default()).await.unwrap();
    assert_eq!((step.sealed, step.unreadable.len()), (2, 1));
    assert!(step.unreadable[0].contains("factors") && step.unreadable[0].contains("`lost`"), "{step:?}");
    assert_eq!(values_under(&*keys, "lost").await, 1);
}

async fn key_that_another_node_lacks_does_not_take_over_and_all_nodes_follow(kit: Kit) {
    let (store, factors) = filled(&kit).await;
    let node = store.open(both()).await.unwrap();
    let Err(StoreError::Conflict(text)) = node.master_keys().switch(entry("keys.rotate")).await else {
        panic!("the other node could not read what is sealed from now on")
    };
    assert!(text.contains("does not have the key `k2`") && text.contains("reload"), "{text}");
    assert_eq!(store.actions().await.iter().filter(|action| *action == "keys.rotate").count(), 0);
    // Where it stands in the other's list does not matter.
    store.master_keys().replace(ring(&[("k1", 1), ("k2", 2)])).await.unwrap();
    assert!(node.master_keys().switch(entry("keys.rotate")).await.unwrap().is_some());
    assert_eq!(node.master_keys().behind().await.unwrap(), 1);
    assert_eq!(store.keyring().sealing(), "k1");
    assert!(store.master_keys().follow().await.unwrap());
    assert_eq!((node.master_keys().behind().await.unwrap(), store.keyring().sealing()), (0, "k2".to_owned()));
    assert!(!store.master_keys().follow().await.unwrap());
    let dave = store.person("dave").await;
    let id = store.totp(dave, FactorState::Active).await;
    let sealed = Query::new("SELECT material FROM factors WHERE id = $1").bind(id.to_string());
    let sealed = sealed.fetch_one(&mut store.raw().await).await.unwrap();
    assert_eq!(id_in(sealed.text(0).unwrap()), Some("k2"));
    go_on(&*node.master_keys()).await;
    for records in [&store.records, &node] {
        assert!(records.factors().factor(factors[0]).await.is_ok());
    }
    // Who begins now needs the new key.
    let late = store.open(ring(&[("k1", 1)])).await.unwrap_err().to_string();
    assert!(late.contains("`k2`, which is not in [keys]"), "{late}");
}

async fn node_that_has_another_key_of_the_same_name_does_not_count_as_having_it(kit: Kit) {
    let (store, _) = filled(&kit).await;
    store.master_keys().replace(ring(&[("k1", 1), ("k2", 99)])).await.unwrap();
    let node = store.open(both()).await.unwrap();
    assert!(node.master_keys().switch(entry("keys.rotate")).await.is_err());
}

/// In each table, and in each column of it.
#[tokio::test]
async fn every_kind_of_value_opens_in_its_place_and_comes_under_the_new_key() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    store.totp(alice, FactorState::Active).await;
    store.import(1).await;
    security::update(&store, alice, security::everything()).await;
    let _ = outbox::settle(&store, outbox::sends(outbox::message(alice), outbox::limits())).await;
    sessions::begin(&store, 1, Some(alice)).await;
    sessions::begin(&store, 2, None).await;
    let status = ClientKeyStatus { id: "a".into(), client: "shop".into(), created: NOW, expires: None };
    let key = ClientKey { status, secret: Secret::new("secret".into()) };
    store.client_keys().add(key, None, entry("client_key.add")).await.unwrap();
    store.close().await;
    rotate(&store).await;
    let to = store.path().with_file_name("b.db");
    let backup = Records::backup(&store.settings, &ring(&[("k2", 2)]), (&to, false), NOW).await.unwrap();
    assert_eq!((backup.keys, backup.unreadable), (vec!["k2".to_owned()], Vec::new()));
    let new = store.open(ring(&[("k2", 2)])).await.unwrap();
    let keys = new.master_keys().list().await.unwrap().remove(0);
    let tables: Vec<_> = keys.values.iter().map(|(table, count)| format!("{table} {count}")).collect();
    assert_eq!(
        tables,
        ["client_keys 1", "factors 1", "outbox 1", "questions 2", "secrets 2", "sessions 2", "tokens 1"]
    );
}
