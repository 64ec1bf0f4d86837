//! Contacts, questions and the activation of accounts: with their entries and notices or not at all, and sealed.

use super::identities::{batch, followed, id};
use super::outbox::{limits, message, sends, settle};
use super::*;
use crate::domain::contact::{ContactKind, OwnContact, Proven};
use crate::domain::directory::What;
use crate::domain::message::{Limit, MessageState, NewMessage, Notice, SendLimits};
use crate::domain::person::{Person, Status};
use crate::domain::question::QuestionId;
use crate::domain::sent::Purpose;
use crate::domain::throttle::Throttle;
use crate::store::{
    Answer, AttemptEnd, Attempted, ContactChange, MessageStatus, OutboxQuery, Page, SecurityChange, Settled,
    StoreError,
};
use tokio::task::JoinSet;

claims! {
    contact_waits_until_it_is_proven_and_then_the_next_account_has_it
    proven_contact_stays_until_another_is_proven_or_it_is_removed
    only_the_value_that_waits_is_proven
    contacts_are_shown_wherever_a_person_is_read
    contacts_of_many_people_are_theirs
    profile_has_everything_but_the_answers
    what_is_not_changed_stays
    nothing_is_written_about_nobody_and_who_departed
    new_account_is_activated_once_with_the_acceptance
    lock_of_a_new_account_ends_in_a_new_one_and_an_administrator_activates
    synchronised_people_stay_new_below_lock_and_disable
    notices_come_with_the_change_and_none_takes_the_place_of_another
    notices_have_no_limits_and_do_not_count
    notice_that_carries_a_code_is_refused
    notice_is_tried_again_whatever_came_after_it_and_ends_with_its_time
    purge_leaves_nothing_of_what_was_entered
    ; parallel
    of_many_activations_one_is_done
    of_many_proofs_one_is_done
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn question(text: &str) -> QuestionId {
    text.parse().unwrap()
}

pub(super) fn answer(name: &str) -> Answer {
    Answer { question: question(name), hash: Secret::new(format!("$argon2id$of-{name}")) }
}

pub(super) fn enter(kind: ContactKind, value: &str) -> SecurityChange {
    SecurityChange { contacts: vec![ContactChange::Enter(kind, value.into())], ..SecurityChange::default() }
}

/// Everything that can be written.
pub(super) fn everything() -> SecurityChange {
    SecurityChange {
        contacts: vec![
            ContactChange::Enter(ContactKind::Email, "al@example.net".into()),
            ContactChange::Enter(ContactKind::Mobile, "+15205550100".into()),
        ],
        questions: Some(vec![answer("first-pet"), answer("first-job")]),
        helpdesk: Some(Some((question("dream-job"), Secret::new("astronaut".into())))),
        seen: None,
        registered: Some(NOW),
        language: Some("es".into()),
        session: None,
    }
}

pub(super) async fn update(store: &Store, person: PersonId, change: SecurityChange) {
    store.security().update(person, change, entry("security.update"), Vec::new()).await.unwrap();
}

pub(super) async fn prove(store: &Store, person: PersonId, kind: ContactKind, value: &str) -> bool {
    let contact = (kind, value.to_owned());
    store.security().prove(person, contact, None, entry("contact.prove"), Vec::new()).await.unwrap()
}

async fn person(store: &Store, text: &str) -> Person {
    Person::clone(&store.people().account(&name(text)).await.unwrap().unwrap().person)
}

pub(super) fn notice(person: PersonId) -> NewMessage {
    let mut told = NewMessage { purpose: Purpose::Notice, expires: NOW + DAY, ..message(person) };
    told.content.code.clear();
    told.content.notice = Some(Notice::Updated);
    told
}

async fn messages(store: &Store) -> Vec<MessageStatus> {
    store.outbox().list(&OutboxQuery::default()).await.unwrap()
}

async fn contact_waits_until_it_is_proven_and_then_the_next_account_has_it(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    assert_eq!(person(&store, "alice").await.own, None);
    update(&store, alice, enter(ContactKind::Mobile, "+15205550100")).await;
    assert_eq!(person(&store, "alice").await.own, None, "not proven");
    assert!(prove(&store, alice, ContactKind::Mobile, "+15205550100").await);
    let own = person(&store, "alice").await.own.expect("in use");
    assert_eq!(*own, Proven { mobile: Some("+15205550100".into()), ..Proven::default() });
    assert_eq!(store.actions().await, ["person.add", "security.update", "contact.prove"]);
    assert_eq!(person(&store, "alice").await.version, 1, "no verdict is void by it");
}

async fn proven_contact_stays_until_another_is_proven_or_it_is_removed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let email = async || person(&store, "alice").await.own.and_then(|own| own.email);
    update(&store, alice, enter(ContactKind::Email, "a@example.net")).await;
    assert!(prove(&store, alice, ContactKind::Email, "a@example.net").await);
    update(&store, alice, enter(ContactKind::Email, "b@example.net")).await;
    assert_eq!(email().await.as_deref(), Some("a@example.net"));
    // Back to the one that is proven: the other one's code is worth nothing any more.
    update(&store, alice, enter(ContactKind::Email, "a@example.net")).await;
    assert!(!prove(&store, alice, ContactKind::Email, "b@example.net").await);
    update(&store, alice, enter(ContactKind::Email, "b@example.net")).await;
    assert!(prove(&store, alice, ContactKind::Email, "b@example.net").await);
    assert_eq!(email().await.as_deref(), Some("b@example.net"));
    let remove = vec![ContactChange::Remove(ContactKind::Email)];
    update(&store, alice, SecurityChange { contacts: remove, ..SecurityChange::default() }).await;
    assert_eq!(person(&store, "alice").await.own, None);
    assert_eq!(store.security().profile(alice).await.unwrap().contacts, []);
}

async fn only_the_value_that_waits_is_proven(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    update(&store, alice, enter(ContactKind::Phone, "+15205550100")).await;
    for (who, kind, value) in [
        (alice, ContactKind::Phone, "+15205550101"),
        (alice, ContactKind::Mobile, "+15205550100"),
        (bob, ContactKind::Phone, "+15205550100"),
    ] {
        assert!(!prove(&store, who, kind, value).await);
    }
    assert!(prove(&store, alice, ContactKind::Phone, "+15205550100").await);
    assert!(!prove(&store, alice, ContactKind::Phone, "+15205550100").await, "once");
    let proofs = store.actions().await.iter().filter(|action| *action == "contact.prove").count();
    assert_eq!(proofs, 1, "what was not done is not told");
}

async fn contacts_are_shown_wherever_a_person_is_read(kit: Kit) {
    let mut store = kit.store().await;
    let alice = store.person("alice").await;
    store.totp(alice, FactorState::Active).await;
    store.totp(alice, FactorState::Active).await;
    update(&store, alice, everything()).await;
    assert!(prove(&store, alice, ContactKind::Email, "al@example.net").await);
    assert!(prove(&store, alice, ContactKind::Mobile, "+15205550100").await);
    store.reopen().await;
    let own =
        Proven { mobile: Some("+15205550100".into()), phone: None, email: Some("al@example.net".into()) };
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!((account.person.own.as_deref(), account.factors.len()), (Some(&own), 2));
    let alone = store.people().person(&name("alice")).await.unwrap().unwrap();
    assert_eq!(alone, *account.person);
    let listed = store.people().list(&Page::default()).await.unwrap();
    assert_eq!(listed, [alone]);
}

async fn contacts_of_many_people_are_theirs(kit: Kit) {
    let store = kit.store().await;
    let mut ids = Vec::new();
    for number in 0..70 {
        ids.push(store.person(&format!("person{number:02}")).await);
    }
    for (number, person) in ids.iter().enumerate().filter(|(number, _)| number % 7 != 0) {
        let value = format!("p{number}@example.net");
        update(&store, *person, enter(ContactKind::Email, &value)).await;
        assert!(prove(&store, *person, ContactKind::Email, &value).await);
    }
    let listed = store.people().list(&Page::default()).await.unwrap();
    for (number, person) in listed.iter().enumerate() {
        let email = person.own.as_ref().and_then(|own| own.email.clone());
        assert_eq!(email, (number % 7 != 0).then(|| format!("p{number}@example.net")), "{number}");
    }
    assert_eq!(listed.len(), 70);
}

async fn profile_has_everything_but_the_answers(kit: Kit) {
    let mut store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    update(&store, alice, everything()).await;
    assert!(prove(&store, alice, ContactKind::Email, "al@example.net").await);
    update(&store, alice, enter(ContactKind::Email, "al@example.org")).await;
    store.reopen().await;
    let profile = store.security().profile(alice).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        profile.contacts,
        [
            OwnContact { kind: ContactKind::Mobile, proven: None, waiting: text("+15205550100") },
            OwnContact {
                kind: ContactKind::Email,
                proven: text("al@example.net"),
                waiting: text("al@example.org")
            },
        ]
    );
    assert_eq!(profile.questions, [question("first-pet"), question("first-job")]);
    assert_eq!((profile.helpdesk, profile.registered), (Some(question("dream-job")), Some(NOW)));
    assert_eq!(profile.language.as_deref(), Some("es"));
    assert_eq!(store.security().profile(bob).await.unwrap(), Default::default());
    let nobody = store.security().profile(id(1)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
}

async fn what_is_not_changed_stays(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    update(&store, alice, everything()).await;
    let before = store.security().profile(alice).await.unwrap();
    update(&store, alice, SecurityChange::default()).await;
    assert_eq!(store.security().profile(alice).await.unwrap(), before);
    let later = SecurityChange { registered: Some(NOW + DAY), ..SecurityChange::default() };
    update(&store, alice, later).await;
    assert_eq!(store.security().profile(alice).await.unwrap().registered, Some(NOW), "the first time counts");
    let fewer = SecurityChange {
        questions: Some(vec![answer("first-concert")]),
        helpdesk: Some(None),
        language: Some("de".into()),
        ..SecurityChange::default()
    };
    update(&store, alice, fewer).await;
    let after = store.security().profile(alice).await.unwrap();
    assert_eq!(
        (after.questions, after.helpdesk, after.language.as_deref(), after.contacts),
        (vec![question("first-concert")], None, Some("de"), before.contacts)
    );
    assert!(store.security().helpdesk_answer(alice, entry("look")).await.unwrap().is_none());
    update(&store, alice, SecurityChange { questions: Some(Vec::new()), ..SecurityChange::default() }).await;
    assert!(store.security().answers(alice).await.unwrap().questions.is_empty());
}

async fn nothing_is_written_about_nobody_and_who_departed(kit: Kit) {
    let store = followed(&kit).await;
    store.identities().apply(batch(&[("a", 1, false, Some("ann"))], "one")).await.unwrap();
    store.identities().apply(batch(&[("a", 1, true, None)], "two")).await.unwrap();
    for person in [id(1), id(2)] {
        let done = store.security().update(person, everything(), entry("x"), vec![notice(person)]).await;
        assert!(matches!(done, Err(StoreError::NotFound(_))), "{done:?}");
        let done = store.security().activate(person, None, entry("x"), vec![notice(person)]).await;
        assert!(!done.unwrap());
    }
    assert!(messages(&store).await.is_empty());
    assert!(!store.actions().await.contains(&"x".to_owned()));
}

async fn new_account_is_activated_once_with_the_acceptance(kit: Kit) {
    let mut store = kit.store().await;
    let new = NewPerson { new: true, ..new_person("alice") };
    let alice = new.id;
    store.people().add(vec![new, new_person("bob")], entry("person.import")).await.unwrap();
    assert_eq!(
        (person(&store, "alice").await.status, person(&store, "bob").await.status),
        (Status::New, Status::Active)
    );
    let activate = async |store: &Store| {
        let notices = vec![notice(alice)];
        store.security().activate(alice, Some("2026".into()), entry("activate"), notices).await.unwrap()
    };
    assert!(activate(&store).await);
    let now = person(&store, "alice").await;
    assert_eq!((now.status, now.version), (Status::Active, 2));
    assert_eq!(store.acceptances().latest(alice).await.unwrap(), Some(("2026".into(), NOW)));
    store.reopen().await;
    assert!(!activate(&store).await);
    assert_eq!(messages(&store).await.len(), 1);
    assert_eq!(store.actions().await, ["person.import", "activate"]);
    assert_eq!(person(&store, "alice").await.version, 2);
}

async fn lock_of_a_new_account_ends_in_a_new_one_and_an_administrator_activates(kit: Kit) {
    let store = kit.store().await;
    let new = NewPerson { new: true, ..new_person("alice") };
    let alice = new.id;
    store.people().add(vec![new], entry("person.add")).await.unwrap();
    let set = async |status| {
        store.people().set_status(alice, status, entry("person.status")).await.unwrap();
        person(&store, "alice").await.status
    };
    assert_eq!(set(Status::Locked).await, Status::Locked);
    assert!(!store.security().activate(alice, None, entry("activate"), Vec::new()).await.unwrap(), "locked");
    let _ = store.attempts().charge(Some(alice), &[Counter::Reset], &Throttle::default(), NOW).await.unwrap();
    assert_eq!(set(Status::Active).await, Status::New, "the lock is what ended");
    assert!(store.attempts().failures(alice).await.unwrap().is_empty());
    assert_eq!(set(Status::Active).await, Status::Active);
    assert_eq!(set(Status::Locked).await, Status::Locked);
    assert_eq!(set(Status::Active).await, Status::Active, "it is not new any more");
    let _ =
        store.attempts().charge(Some(alice), &[Counter::Password], &Throttle::default(), NOW).await.unwrap();
    assert_eq!(set(Status::New).await, Status::New, "anew");
    assert!(store.attempts().failures(alice).await.unwrap().is_empty());
    assert!(store.security().activate(alice, None, entry("activate"), Vec::new()).await.unwrap());
}

async fn synchronised_people_stay_new_below_lock_and_disable(kit: Kit) {
    let store = followed(&kit).await;
    let put = async |known: bool, enabled: bool, new: bool| {
        let mut batch = batch(&[("a", 1, known, Some("ann"))], "one");
        batch.new = new;
        if let What::Put(put) = &mut batch.changes[0].what {
            put.identity.enabled = enabled;
        }
        store.identities().apply(batch).await.unwrap();
        person(&store, "ann").await.status
    };
    let set = async |status| {
        store.people().set_status(id(1), status, entry("person.status")).await.unwrap();
        person(&store, "ann").await.status
    };
    assert_eq!(put(false, true, true).await, Status::New);
    assert_eq!(put(true, true, false).await, Status::New, "still");
    assert_eq!(set(Status::Locked).await, Status::Locked);
    assert_eq!(put(true, true, false).await, Status::Locked);
    assert_eq!(put(true, false, false).await, Status::Disabled);
    assert!(!store.security().activate(id(1), None, entry("activate"), Vec::new()).await.unwrap());
    assert_eq!(put(true, true, false).await, Status::Locked, "the lock holds");
    assert_eq!(set(Status::Active).await, Status::New);
    assert_eq!(put(true, false, true).await, Status::Disabled);
    assert_eq!(set(Status::Active).await, Status::Disabled, "only the directory switches on");
    assert_eq!(put(true, true, true).await, Status::New);
    assert!(store.security().activate(id(1), None, entry("activate"), Vec::new()).await.unwrap());
    assert_eq!(put(true, true, true).await, Status::Active, "who is here already does not become new");
    assert!(store.identities().known("campus").await.unwrap()[0].enabled);
    // Who comes switched off is new once they are switched on.
    let mut other = batch(&[("b", 2, false, Some("bob"))], "two");
    other.new = true;
    if let What::Put(put) = &mut other.changes[0].what {
        put.identity.enabled = false;
    }
    store.identities().apply(other).await.unwrap();
    assert_eq!(person(&store, "bob").await.status, Status::Disabled);
    store.identities().apply(batch(&[("b", 2, true, Some("bob"))], "three")).await.unwrap();
    assert_eq!(person(&store, "bob").await.status, Status::New);
}

async fn notices_come_with_the_change_and_none_takes_the_place_of_another(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let code = message(alice);
    assert_eq!(settle(&store, sends(code.clone(), limits())).await, Settled::Done);
    let security = store.security();
    security.update(alice, everything(), entry("a"), vec![notice(alice), notice(alice)]).await.unwrap();
    let proof = (ContactKind::Email, "al@example.net".to_owned());
    assert!(security.prove(alice, proof.clone(), None, entry("b"), vec![notice(alice)]).await.unwrap());
    assert!(!security.prove(alice, proof, None, entry("c"), vec![notice(alice)]).await.unwrap());
    let all = messages(&store).await;
    assert!(all.iter().all(|one| one.state == MessageState::Waiting), "{all:?}");
    assert_eq!(all.iter().filter(|one| one.purpose == "notice").count(), 3);
    // Nor does a code take the place of a notice.
    assert_eq!(settle(&store, sends(message(alice), limits())).await, Settled::Done);
    let waiting = messages(&store).await.iter().filter(|one| one.state == MessageState::Waiting).count();
    assert_eq!(waiting, 4, "the second code took the place of the first");
    let claimed = store.outbox().claim(10, DAY, NOW).await.unwrap();
    let told = claimed.iter().filter(|one| one.content.notice == Some(Notice::Updated));
    assert_eq!(told.filter(|one| one.content.code.is_empty()).count(), 3);
}

async fn notices_have_no_limits_and_do_not_count(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let notices = (0..20).map(|_| notice(alice)).collect();
    store.security().update(alice, everything(), entry("a"), notices).await.unwrap();
    let one = SendLimits {
        per_person: 1,
        per_person_day: 1,
        per_destination: 1,
        per_origin: 1,
        daily_cost: Some(5),
        ..limits()
    };
    assert_eq!(settle(&store, sends(message(alice), one.clone())).await, Settled::Done);
    store.outbox().claim(64, DAY, NOW).await.unwrap();
    let limited = settle(&store, sends(message(alice), one)).await;
    assert_eq!(limited, Settled::Limited(Limit::Person), "codes count as ever");
    store.security().update(alice, everything(), entry("b"), vec![notice(alice)]).await.unwrap();
    assert_eq!(messages(&store).await.len(), 22);
}

async fn notice_that_carries_a_code_is_refused(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let code = NewMessage { purpose: Purpose::Notice, ..message(alice) };
    for wrong in [message(alice), code] {
        let done = store.security().update(alice, everything(), entry("a"), vec![wrong]).await;
        assert!(matches!(done, Err(StoreError::Conflict(_))), "{done:?}");
    }
    assert_eq!(
        store.security().profile(alice).await.unwrap(),
        Default::default(),
        "nothing of it is written"
    );
}

async fn notice_is_tried_again_whatever_came_after_it_and_ends_with_its_time(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (first, second) = (notice(alice), notice(alice));
    let id = first.id;
    store.security().update(alice, everything(), entry("a"), vec![first]).await.unwrap();
    assert_eq!(store.outbox().claim(10, DAY, NOW).await.unwrap().len(), 1);
    store.security().update(alice, everything(), entry("b"), vec![second]).await.unwrap();
    let outcome = Attempted::Again(NOW + Duration::from_secs(5));
    let end =
        AttemptEnd { id, attempt: 1, outcome, provider: "a".into(), detail: "busy".into(), cost: 0, at: NOW };
    store.outbox().finish(end).await.unwrap();
    assert_eq!(store.outbox().claim(10, DAY, NOW + Duration::from_secs(5)).await.unwrap().len(), 2);
    let third = notice(alice);
    let late = third.id.to_string();
    store.security().update(alice, everything(), entry("c"), vec![third]).await.unwrap();
    assert!(store.outbox().claim(10, DAY * 9, NOW + DAY).await.unwrap().is_empty());
    let dead = messages(&store).await.into_iter().find(|one| one.id == late).unwrap();
    assert!(dead.state == MessageState::Dead && dead.detail.contains("too late"), "{}", dead.detail);
}

async fn purge_leaves_nothing_of_what_was_entered(kit: Kit) {
    let store = followed(&kit).await;
    let all = [("a", 1, false, Some("ann")), ("b", 2, false, Some("bob"))];
    store.identities().apply(batch(&all, "one")).await.unwrap();
    for person in [id(1), id(2)] {
        update(&store, person, everything()).await;
    }
    store.identities().apply(batch(&[("a", 1, true, None)], "two")).await.unwrap();
    // As an older program leaves one.
    store.sql("INSERT INTO sessions SELECT 'x' || username, id, 1, '', 1, 1 FROM people").await;
    let later = NOW + Duration::from_millis(1);
    assert_eq!(store.identities().purge("campus", later, entry("sync.purge")).await.unwrap(), 1);
    for (sql, left) in [
        ("DELETE FROM contacts", 2),
        ("DELETE FROM questions", 1),
        ("DELETE FROM sessions", 1),
        ("DELETE FROM people", 1),
    ] {
        assert_eq!(store.sql(sql).await, left, "{sql}");
    }
}

async fn of_many_activations_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let new = NewPerson { new: true, ..new_person("alice") };
    let alice = new.id;
    store.people().add(vec![new], entry("person.add")).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let security = store.security();
        tasks.spawn(async move {
            let notices = vec![notice(alice)];
            security.activate(alice, Some("2026".into()), entry("activate"), notices).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|done| *done).count(), 1);
    assert_eq!((messages(&store).await.len(), store.actions().await.len()), (1, 2));
}

async fn of_many_proofs_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    update(&store, alice, enter(ContactKind::Mobile, "+15205550100")).await;
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let security = store.security();
        tasks.spawn(async move {
            let contact = (ContactKind::Mobile, "+15205550100".to_owned());
            security.prove(alice, contact, None, entry("contact.prove"), Vec::new()).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|done| *done).count(), 1);
}
