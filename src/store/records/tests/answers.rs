//! Answers to security questions: sealed, changed as they were read, and heard by the help desk only once that is written down. And how
//! far registration has come.

use super::identities::{batch, followed};
use super::security::{answer, enter, everything, notice, question, update};
use super::*;
use crate::domain::campus::{Campus, Campuses};
use crate::domain::contact::ContactKind;
use crate::domain::person::Status;
use crate::store::{ContactChange, Coverage, SecurityChange, Seen, StoreError};

claims! {
    change_that_rests_on_older_answers_writes_nothing
    answers_are_sealed_and_open_for_their_person_only
    helpdesk_answer_is_under_its_own_key_and_who_looks_is_written_down
    helpdesk_answer_is_not_told_where_it_cannot_be_written_down
    coverage_counts_each_role
    coverage_is_counted_by_campus
    new_master_key_takes_over_what_is_sealed
}

async fn change_that_rests_on_older_answers_writes_nothing(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let nothing = store.security().answers(alice).await.unwrap().seen;
    update(&store, alice, SecurityChange { seen: Some(nothing.clone()), ..everything() }).await;
    let first = store.security().answers(alice).await.unwrap().seen;
    let questions = || Some(vec![answer("first-concert")]);
    let change = |seen: &Seen| SecurityChange {
        questions: questions(),
        contacts: vec![ContactChange::Remove(ContactKind::Email)],
        seen: Some(seen.clone()),
        ..SecurityChange::default()
    };
    let before = store.security().profile(alice).await.unwrap();
    let late = store.security().update(alice, change(&nothing), entry("x"), vec![notice(alice)]).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert_eq!(store.security().profile(alice).await.unwrap(), before, "not the contact either");
    // The answer of the help desk is one of them.
    let spoken = SecurityChange { helpdesk: Some(None), ..SecurityChange::default() };
    update(&store, alice, spoken).await;
    let late = store.security().update(alice, change(&first), entry("x"), Vec::new()).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    let now = store.security().answers(alice).await.unwrap().seen;
    update(&store, alice, change(&now)).await;
    assert_eq!(store.security().profile(alice).await.unwrap().questions, [question("first-concert")]);
    assert_eq!(store.actions().await.iter().filter(|action| **action == "x").count(), 0);
}

async fn answers_are_sealed_and_open_for_their_person_only(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    for person in [alice, bob] {
        update(&store, person, everything()).await;
    }
    let answers = store.security().answers(alice).await.unwrap().questions;
    let shown: Vec<_> =
        answers.iter().map(|one| (one.question.as_str(), one.hash.expose().as_str())).collect();
    assert_eq!(shown, [("first-pet", "$argon2id$of-first-pet"), ("first-job", "$argon2id$of-first-job")]);
    let rows = Query::new("SELECT answers, spoken FROM questions").fetch_all(&mut store.raw().await).await;
    for row in rows.unwrap() {
        for column in [0, 1] {
            assert!(row.text(column).unwrap().starts_with("v1:k1:"));
        }
    }
    store.sql("UPDATE questions SET answers = (SELECT q.answers FROM questions q JOIN people p ON p.id = q.person WHERE p.username = 'bob'), spoken = (SELECT q.spoken FROM questions q JOIN people p ON p.id = q.person WHERE p.username = 'bob')").await;
    assert_eq!(store.security().answers(bob).await.unwrap().questions.len(), 2);
    let stolen = store.security().answers(alice).await;
    assert!(matches!(stolen, Err(StoreError::Sealed(_))), "{stolen:?}");
    let stolen = store.security().helpdesk_answer(alice, entry("look")).await;
    assert!(matches!(stolen, Err(StoreError::Sealed(_))), "{stolen:?}");
    store.sql("UPDATE questions SET answers = answers || 'A'").await;
    assert!(matches!(store.security().answers(bob).await, Err(StoreError::Sealed(_))), "tampered with");
}

async fn helpdesk_answer_is_under_its_own_key_and_who_looks_is_written_down(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    update(&store, alice, everything()).await;
    let (asked, told) =
        store.security().helpdesk_answer(alice, entry("helpdesk.look")).await.unwrap().unwrap();
    assert_eq!((asked, told.expose().as_str()), (question("dream-job"), "astronaut"));
    assert!(store.security().helpdesk_answer(bob, entry("helpdesk.look")).await.unwrap().is_none());
    assert_eq!(store.actions().await[3..], ["helpdesk.look", "helpdesk.look"], "also where there is none");
    let row = Query::new("SELECT spoken FROM questions").fetch_one(&mut store.raw().await).await.unwrap();
    let (row, person) = (row.text(0).unwrap().to_owned(), alice.to_string());
    let place =
        crate::store::seal::Place { table: "questions", row: &person, person: &person, kind: "spoken" };
    assert!(ring(&[("k1", 1)]).open(place, &row).is_err(), "the key of everything else does not open it");
    assert!(ring(&[("k1", 1)]).of_help_desk().open(place, &row).is_ok());
    store.sql("UPDATE questions SET answers = spoken").await;
    assert!(matches!(store.security().answers(alice).await, Err(StoreError::Sealed(_))));
}

async fn helpdesk_answer_is_not_told_where_it_cannot_be_written_down(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    update(&store, alice, everything()).await;
    store.sql("ALTER TABLE audit RENAME TO away").await;
    let told = store.security().helpdesk_answer(alice, entry("helpdesk.look")).await;
    assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
    store.sql("ALTER TABLE away RENAME TO audit").await;
    assert!(store.security().helpdesk_answer(alice, entry("helpdesk.look")).await.unwrap().is_some());
    assert_eq!(store.broken().await, None);
}

async fn coverage_counts_each_role(kit: Kit) {
    let store = followed(&kit).await;
    let add = async |name: &str, roles: &[Role], new: bool| {
        let person = NewPerson { roles: roles.to_vec(), new, ..new_person(name) };
        let id = person.id;
        store.people().add(vec![person], entry("person.add")).await.unwrap();
        id
    };
    let both = add("ann", &[Role::Staff, Role::Student], false).await;
    let student = add("bob", &[Role::Student], false).await;
    let none = add("cyd", &[], true).await;
    let off = add("dan", &[Role::Student], false).await;
    store.people().set_status(off, Status::Disabled, entry("x")).await.unwrap();
    let locked = add("eve", &[Role::Student], true).await;
    store.people().set_status(locked, Status::Locked, entry("x")).await.unwrap();
    store.identities().apply(batch(&[("a", 1, false, Some("fay"))], "one")).await.unwrap();
    store.identities().apply(batch(&[("a", 1, true, None)], "two")).await.unwrap();
    store.totp(both, FactorState::Active).await;
    store.totp(both, FactorState::Active).await;
    store.totp(student, FactorState::Pending).await;
    store.codes(student, vec![OneTimeCode { digest: [1; 32], expires: None }]).await;
    update(&store, both, everything()).await;
    update(&store, none, enter(ContactKind::Email, "c@example.net")).await;
    let row = |role, people, new, registered, factor| Coverage {
        campus: None,
        role,
        people,
        new,
        registered,
        factor,
    };
    assert_eq!(
        store.security().coverage(&Campuses::default()).await.unwrap(),
        [
            row(Some(Role::Faculty), 0, 0, 0, 0),
            row(Some(Role::Staff), 1, 0, 1, 1),
            row(Some(Role::Student), 3, 1, 1, 1),
            row(Some(Role::Alumnus), 0, 0, 0, 0),
            row(None, 1, 1, 0, 0),
        ]
    );
}

// R-TOP-4 R-TOP-5
async fn coverage_is_counted_by_campus(kit: Kit) {
    let store = followed(&kit).await;
    let campus = |name: &str, realms: &[&str], directories: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Campus {
            name: name.into(),
            realms: texts(realms),
            directories: texts(directories),
            hosts: Vec::new(),
        }
    };
    let campuses = Campuses(vec![
        campus("north", &["north.example.edu", "n.example.edu"], &[]),
        campus("south", &["south.example.edu"], &["campus"]),
    ]);
    for name in
        ["ann@north.example.edu", "bob@n.example.edu", "cyd@xn.example.edu", "dan", "eve@south.example.edu"]
    {
        let person = NewPerson { roles: vec![Role::Student], ..new_person(name) };
        store.people().add(vec![person], entry("person.add")).await.unwrap();
    }
    store.identities().apply(batch(&[("a", 1, false, Some("fay"))], "one")).await.unwrap();
    store.identities().apply(batch(&[("b", 2, false, Some("gil@north.example.edu"))], "two")).await.unwrap();
    let counted = store.security().coverage(&campuses).await.unwrap();
    let people = |name: Option<&str>| {
        let rows = counted.iter().filter(|row| row.campus.as_deref() == name);
        rows.map(|row| row.people).collect::<Vec<_>>()
    };
    assert_eq!(people(Some("north")), [0, 0, 2, 0, 1], "a realm comes before a directory");
    assert_eq!(people(Some("south")), [0, 0, 1, 0, 1]);
    assert_eq!(people(None), [0, 0, 2, 0, 0]);
}

async fn new_master_key_takes_over_what_is_sealed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    update(&store, alice, everything()).await;
    store.close().await;
    keys::rotate(&store).await;
    let new = store.open(ring(&[("k2", 2)])).await.unwrap();
    assert_eq!(
        new.security().answers(alice).await.unwrap().questions[0].hash.expose(),
        "$argon2id$of-first-pet"
    );
    let (_, told) = new.security().helpdesk_answer(alice, entry("look")).await.unwrap().unwrap();
    assert_eq!(told.expose(), "astronaut");
}
