//! Sessions of the portal: of two saves one counts, what ends them does so at once, and there can only be so many.

use super::identities::{batch, followed, id};
use super::*;
use crate::domain::directory::What;
use crate::domain::person::Status;
use crate::store::records::sessions::{ANONYMOUS, PER_PERSON, STEP};
use crate::store::{Cleaned, KeptSession, Retention, SessionKey};
use tokio::task::JoinSet;

claims! {
    session_is_kept_until_its_end_and_survives_reopening
    save_counts_only_for_the_version_that_was_loaded
    session_that_has_ended_is_not_brought_back
    renamed_session_has_its_new_name_only
    new_password_and_every_bar_end_the_sessions_of_the_person
    synchronisation_ends_sessions_of_whom_it_switches_off_or_sees_leave
    who_is_barred_or_has_a_new_password_by_now_gets_no_session
    all_but_one_can_be_ended
    content_of_another_session_or_person_counts_as_none
    sessions_that_are_over_are_removed
    newest_anonymous_sessions_stay
    newest_sessions_of_a_person_stay
    new_master_key_takes_over_sessions
    ; parallel
    of_many_saves_of_one_version_one_counts
    of_many_first_saves_one_counts
}

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn key(number: u64) -> SessionKey {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    SessionKey(key)
}

fn session(number: u64, person: Option<PersonId>) -> KeptSession {
    KeptSession {
        key: key(number),
        person,
        version: 0,
        as_of: None,
        content: Secret::new(format!("content {number}").into_bytes()),
        created: NOW + Duration::from_secs(number),
        expires: NOW + HOUR,
    }
}

pub(super) async fn begin(store: &Store, number: u64, person: Option<PersonId>) {
    assert_eq!(store.sessions().save(session(number, person)).await.unwrap(), Some(1));
}

pub(super) async fn load(store: &Store, number: u64) -> Option<KeptSession> {
    store.sessions().load(key(number), NOW).await.unwrap()
}

async fn session_is_kept_until_its_end_and_survives_reopening(kit: Kit) {
    let mut store = kit.store().await;
    let alice = store.person("alice").await;
    begin(&store, 1, None).await;
    begin(&store, 2, Some(alice)).await;
    store.reopen().await;
    let kept = load(&store, 2).await.unwrap();
    assert_eq!((kept.key, kept.person, kept.version), (key(2), Some(alice), 1));
    assert_eq!((kept.created, kept.expires), (NOW + Duration::from_secs(2), NOW + HOUR));
    assert_eq!(kept.content.expose(), b"content 2");
    assert_eq!(load(&store, 1).await.unwrap().person, None);
    assert!(load(&store, 3).await.is_none());
    assert!(store.sessions().load(key(2), NOW + HOUR).await.unwrap().is_none(), "over");
    store.sessions().end(key(2)).await.unwrap();
    store.sessions().end(key(2)).await.unwrap();
    assert!(load(&store, 2).await.is_none());
    let rows = Query::new("SELECT content FROM sessions").fetch_all(&mut store.raw().await).await.unwrap();
    assert!(rows[0].text(0).unwrap().starts_with("v1:k1:"), "sealed");
}

async fn save_counts_only_for_the_version_that_was_loaded(kit: Kit) {
    let store = kit.store().await;
    begin(&store, 1, None).await;
    assert_eq!(store.sessions().save(session(1, None)).await.unwrap(), None, "it is there already");
    let loaded = load(&store, 1).await.unwrap();
    let content = Secret::new(b"more".to_vec());
    let longer = KeptSession { content, expires: NOW + HOUR * 2, ..loaded.clone() };
    assert_eq!(store.sessions().save(longer).await.unwrap(), Some(2));
    assert_eq!(store.sessions().save(loaded).await.unwrap(), None);
    let kept = load(&store, 1).await.unwrap();
    assert_eq!((kept.version, kept.expires, &kept.content.expose()[..]), (2, NOW + HOUR * 2, &b"more"[..]));
}

async fn session_that_has_ended_is_not_brought_back(kit: Kit) {
    let store = kit.store().await;
    begin(&store, 1, None).await;
    let loaded = load(&store, 1).await.unwrap();
    store.sessions().end(key(1)).await.unwrap();
    assert_eq!(store.sessions().save(loaded.clone()).await.unwrap(), None);
    assert_eq!(store.sessions().rename(key(1), KeptSession { key: key(2), ..loaded }).await.unwrap(), None);
    assert!(load(&store, 1).await.is_none() && load(&store, 2).await.is_none());
}

async fn renamed_session_has_its_new_name_only(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    begin(&store, 1, None).await;
    let loaded = load(&store, 1).await.unwrap();
    let content = Secret::new(b"signed in".to_vec());
    let signed_in = KeptSession { key: key(2), person: Some(alice), content, ..loaded.clone() };
    assert_eq!(store.sessions().rename(key(1), signed_in.clone()).await.unwrap(), Some(2));
    assert!(load(&store, 1).await.is_none());
    let kept = load(&store, 2).await.unwrap();
    assert_eq!((kept.version, kept.person, &kept.content.expose()[..]), (2, Some(alice), &b"signed in"[..]));
    assert_eq!(store.sessions().rename(key(1), signed_in).await.unwrap(), None);
    assert_eq!(store.sessions().rename(key(2), KeptSession { key: key(3), ..loaded }).await.unwrap(), None);
}

async fn new_password_and_every_bar_end_the_sessions_of_the_person(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    begin(&store, 1, Some(bob)).await;
    begin(&store, 2, None).await;
    let mut number = 10;
    let mut again = async || {
        number += 1;
        begin(&store, number, Some(alice)).await;
        number
    };
    let secret = |text: &str| Secret::new(text.to_owned());
    let first = again().await;
    store.passwords().upgrade(alice, secret("$argon2id$one"), secret("$argon2id$better")).await.unwrap();
    store.people().set_status(alice, Status::Active, entry("person.unlock")).await.unwrap();
    assert!(load(&store, first).await.is_some(), "nothing has changed");
    store.passwords().set(alice, secret("new"), entry("person.password")).await.unwrap();
    assert!(load(&store, first).await.is_none(), "another password");
    let second = again().await;
    store.passwords().changed(alice, entry("person.password")).await.unwrap();
    assert!(load(&store, second).await.is_none(), "another password in its directory");
    for status in [Status::Locked, Status::Disabled, Status::New] {
        let third = again().await;
        store.people().set_status(alice, status, entry("person.status")).await.unwrap();
        assert!(load(&store, third).await.is_none(), "{status:?}");
        store.people().set_status(alice, Status::Active, entry("person.status")).await.unwrap();
    }
    assert!(load(&store, 1).await.is_some() && load(&store, 2).await.is_some(), "nobody else's");
}

async fn synchronisation_ends_sessions_of_whom_it_switches_off_or_sees_leave(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob")), ("c", 3, false, Some("cyd"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    for number in 1..=3 {
        begin(&store, number, Some(id(number.into()))).await;
    }
    let mut changes = batch(&[("a", 1, true, Some("ann")), ("b", 2, true, Some("bob"))], "two");
    if let What::Put(put) = &mut changes.changes[0].what {
        put.identity.enabled = false;
    }
    store.identities().apply(changes).await.unwrap();
    assert!(load(&store, 1).await.is_none(), "switched off");
    assert!(load(&store, 2).await.is_some(), "only changed");
    store.identities().apply(batch(&[("b", 2, true, None)], "three")).await.unwrap();
    assert!(load(&store, 2).await.is_none(), "gone");
    store.identities().apply(batch(&[("c", 3, true, Some("ann"))], "four")).await.unwrap();
    assert!(load(&store, 3).await.is_none(), "shut out by a name that is somebody else's");
}

async fn who_is_barred_or_has_a_new_password_by_now_gets_no_session(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let before = NOW - Duration::from_millis(1);
    let signed_in = KeptSession { as_of: Some(before), ..session(1, Some(alice)) };
    assert_eq!(store.sessions().save(signed_in.clone()).await.unwrap(), Some(1));
    begin(&store, 2, None).await;
    store.passwords().set(alice, Secret::new("new".into()), entry("person.password")).await.unwrap();
    assert_eq!(store.sessions().save(signed_in.clone()).await.unwrap(), None, "signed in by the old one");
    let raised = KeptSession { key: key(3), version: 1, ..signed_in.clone() };
    assert_eq!(store.sessions().rename(key(2), raised).await.unwrap(), None);
    let at_once = KeptSession { as_of: Some(NOW), ..signed_in.clone() };
    assert_eq!(store.sessions().save(at_once).await.unwrap(), None, "in the same moment");
    let now = KeptSession { as_of: Some(NOW + Duration::from_millis(1)), ..signed_in };
    assert_eq!(store.sessions().save(now).await.unwrap(), Some(1));
    store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
    assert_eq!(store.sessions().save(session(4, Some(alice))).await.unwrap(), None, "locked");
    assert_eq!(store.sessions().save(session(4, Some(id(9)))).await.unwrap(), None, "nobody");
}

async fn all_but_one_can_be_ended(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    for number in 1..=3 {
        begin(&store, number, Some(alice)).await;
    }
    begin(&store, 4, Some(bob)).await;
    assert_eq!(store.sessions().end_all(alice, Some(key(2))).await.unwrap(), 2);
    assert!(load(&store, 2).await.is_some() && load(&store, 4).await.is_some());
    assert_eq!(store.sessions().end_all(alice, None).await.unwrap(), 1);
    assert_eq!(store.sessions().end_all(alice, None).await.unwrap(), 0);
}

async fn content_of_another_session_or_person_counts_as_none(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    begin(&store, 1, Some(alice)).await;
    begin(&store, 2, Some(bob)).await;
    begin(&store, 3, None).await;
    store.sql("UPDATE sessions SET person = (SELECT id FROM people WHERE username = 'alice') WHERE person IS NULL OR person = (SELECT id FROM people WHERE username = 'bob')").await;
    assert!(load(&store, 1).await.is_some());
    assert!(load(&store, 2).await.is_none(), "bob's, moved to alice");
    assert!(load(&store, 3).await.is_none(), "nobody's, moved to alice");
    store.sql("UPDATE sessions SET content = (SELECT min(content) FROM sessions)").await;
    let opened =
        [load(&store, 1).await.is_some(), load(&store, 2).await.is_some(), load(&store, 3).await.is_some()];
    assert!(opened.iter().filter(|open| **open).count() <= 1, "one content opens in one row");
    store.sql("UPDATE sessions SET content = 'x'").await;
    assert!(load(&store, 1).await.is_none(), "tampered with");
    assert_eq!(store.sessions().save(session(1, Some(alice))).await.unwrap(), None, "its name is not free");
}

async fn sessions_that_are_over_are_removed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    begin(&store, 1, Some(alice)).await;
    begin(&store, 2, None).await;
    let longer = KeptSession { expires: NOW + HOUR * 2, ..session(3, None) };
    assert_eq!(store.sessions().save(longer).await.unwrap(), Some(1));
    let keep = Retention { audit: None, messages: HOUR, pending: HOUR };
    let clean = async |at| store.upkeep().clean(&keep, at).await.unwrap();
    assert_eq!(clean(NOW + HOUR - Duration::from_millis(1)).await, Cleaned::default());
    assert_eq!(clean(NOW + HOUR).await, Cleaned { sessions: 2, ..Cleaned::default() });
    assert!(load(&store, 3).await.is_some());
}

async fn newest_anonymous_sessions_stay(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    // One more than may be, each a millisecond younger than the one before.
    let many = format!(
        "INSERT INTO sessions (id, person, version, content, created, expires)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n <= {ANONYMOUS})
         SELECT 'x' || n, NULL, 1, '', n, 1 FROM numbers"
    );
    let count = async || {
        let count =
            Query::new("SELECT count(*), coalesce(min(created), 0) FROM sessions WHERE person IS NULL");
        let row = count.fetch_one(&mut store.raw().await).await.unwrap();
        (u64::try_from(row.number(0).unwrap()).unwrap(), row.number(1).unwrap())
    };
    assert_eq!(Query::new(many).execute(&mut store.raw().await).await.unwrap(), ANONYMOUS + 1);
    begin(&store, 1, Some(alice)).await;
    begin(&store, 2, None).await;
    assert_eq!(count().await, (ANONYMOUS, 3), "the two oldest went");
    for number in 3..2 + STEP {
        begin(&store, number, None).await;
    }
    assert_eq!(count().await.0, ANONYMOUS + STEP - 1, "it is looked now and then");
    begin(&store, 2 + STEP, None).await;
    assert_eq!(count().await.0, ANONYMOUS);
    assert!(load(&store, 1).await.is_some(), "who is signed in stays");
}

async fn newest_sessions_of_a_person_stay(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    begin(&store, 1000, Some(bob)).await;
    for number in 1..=PER_PERSON + 2 {
        begin(&store, number, Some(alice)).await;
    }
    for (number, stays) in [(1, false), (2, false), (3, true), (PER_PERSON + 2, true), (1000, true)] {
        assert_eq!(load(&store, number).await.is_some(), stays, "{number}");
    }
    // One that becomes theirs counts as well, and is not the one that goes.
    let old = KeptSession { created: NOW, ..session(2000, None) };
    assert_eq!(store.sessions().save(old.clone()).await.unwrap(), Some(1));
    let theirs = KeptSession { key: key(2001), person: Some(alice), version: 1, ..old };
    assert_eq!(store.sessions().rename(key(2000), theirs).await.unwrap(), Some(2));
    assert!(load(&store, 2001).await.is_some());
}

async fn new_master_key_takes_over_sessions(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    begin(&store, 1, Some(alice)).await;
    begin(&store, 2, None).await;
    store.close().await;
    keys::rotate(&store).await;
    let new = store.open(ring(&[("k2", 2)])).await.unwrap();
    for number in [1, 2] {
        assert!(new.sessions().load(key(number), NOW).await.unwrap().is_some(), "{number}");
    }
}

async fn of_many_saves_of_one_version_one_counts(kit: Kit) {
    let store = kit.store().await;
    begin(&store, 1, None).await;
    for version in 1..5 {
        let loaded = load(&store, 1).await.unwrap();
        assert_eq!(loaded.version, version);
        let mut tasks = JoinSet::new();
        for number in 0..30_u8 {
            let (sessions, content) = (store.sessions(), Secret::new(vec![number]));
            let session = KeptSession { content, ..loaded.clone() };
            tasks.spawn(async move { (number, sessions.save(session).await.unwrap()) });
        }
        let won: Vec<_> = tasks.join_all().await.into_iter().filter(|(_, kept)| kept.is_some()).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(load(&store, 1).await.unwrap().content.expose(), &[won[0].0]);
    }
}

async fn of_many_first_saves_one_counts(kit: Kit) {
    let store = kit.store().await;
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let sessions = store.sessions();
        tasks.spawn(async move { sessions.save(session(1, None)).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn accounts_stay_in_memory_while_sessions_come_and_go() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    store.people().account(&name("alice")).await.unwrap();
    let trusted = || store.0.accounts.find(&name("alice")).is_some();
    assert!(trusted());
    begin(&store, 1, Some(alice)).await;
    assert!(trusted(), "begun");
    let loaded = load(&store, 1).await.unwrap();
    assert_eq!(store.sessions().save(loaded.clone()).await.unwrap(), Some(2));
    assert!(trusted(), "changed");
    store.sessions().end(key(1)).await.unwrap();
    assert!(trusted(), "ended");
    // What another program writes is seen all the same.
    store.sql("UPDATE people SET status = 'locked'").await;
    assert!(!trusted());
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!(account.person.status, Status::Locked);
    // And one that changes nothing hides nothing.
    assert_eq!(store.sessions().save(loaded).await.unwrap(), None);
    store.sql("UPDATE people SET status = 'active'").await;
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!(account.person.status, Status::Active);
}
