//! What is used once, and messages: with the end of a round or not at all, counted right, sent at most once.

use super::*;
use crate::domain::message::{Content, Limit, MessageState, NewMessage, SendLimits};
use crate::domain::method::Channel;
use crate::domain::sent::{CodeId, Purpose};
use crate::store::{AttemptEnd, Attempted, Claimed, OutboxQuery, Settled};
use smallvec::smallvec;
use tokio::task::JoinSet;

claims! {
    mark_is_good_once_and_only_with_the_rest
    used_mark_does_not_use_the_passcode_up
    of_two_in_a_batch_with_one_mark_one_is_done
    passcodes_and_marks_of_a_batch_go_together
    message_comes_with_its_round_and_is_sealed
    limits_count_people_destinations_and_origins
    days_cost_has_a_cap
    limited_round_still_clears_and_says_so
    replayed_round_sends_nothing
    code_is_joined_only_while_its_message_is_known_and_it_is_unused
    message_is_claimed_once_and_ends
    message_is_tried_again_when_it_is_due
    message_of_a_node_that_ended_is_dead_and_never_sent_twice
    message_that_is_too_old_is_dead
    late_end_of_an_attempt_changes_nothing
    messages_are_listed_and_counted
    message_in_another_persons_row_is_not_sent
    damaged_messages_do_not_hold_the_others_up
    newer_message_takes_the_place_of_one_that_waits
    older_message_is_not_tried_again_after_a_newer_one
    refused_message_leaves_the_one_that_waits
    messages_that_nobody_took_do_not_count_but_for_the_origin
    messages_of_a_day_have_a_limit_too
    ; parallel
    of_many_with_one_mark_one_is_done
    limits_hold_for_many_at_once
}

const PATIENCE: Duration = Duration::from_secs(60);

fn digest(byte: u8) -> [u8; 32] {
    [byte; 32]
}

pub(super) fn limits() -> SendLimits {
    SendLimits {
        window: Duration::from_secs(600),
        per_person: 100,
        per_person_day: 100,
        per_destination: 100,
        per_origin: 100,
        daily_cost: None,
    }
}

pub(super) fn message(person: PersonId) -> NewMessage {
    NewMessage {
        id: CodeId::from_uuid(uuid::Uuid::now_v7()),
        person,
        purpose: Purpose::Login,
        channel: Channel::Sms,
        masked: "xxx-1234".into(),
        destination: digest(1),
        origin: Some(digest(2)),
        cost: 5,
        content: Content {
            to: "+4155501234".into(),
            code: "424242".into(),
            name: "Al".into(),
            minutes: 5,
            username: String::new(),
            notice: None,
            language: None,
            campus: None,
        },
        created: NOW,
        expires: NOW + Duration::from_secs(300),
    }
}

/// A round that is refused for now and sends this.
pub(super) fn sends(message: NewMessage, limits: SendLimits) -> Settlement {
    let mut end = settlement(message.person, None);
    (end.admits, end.audit.outcome) = (false, "challenge");
    end.limited = Some(Box::new(AuditEntry { outcome: "reject", ..entry("login.limited") }));
    end.message = Some((Box::new(message), limits));
    end
}

fn uses(person: PersonId, proof: Option<Proof>, marks: &[&str]) -> Settlement {
    let once = marks.iter().map(|mark| ((*mark).to_owned(), NOW + PATIENCE)).collect();
    let replayed = Some(Box::new(AuditEntry { outcome: "reject", ..entry("login.replayed") }));
    Settlement { once, replayed, ..settlement(person, proof) }
}

pub(super) async fn settle(store: &Store, end: Settlement) -> Settled {
    store.logins().settle(Box::new(end)).await.unwrap()
}

async fn send(store: &Store, message: NewMessage) -> CodeId {
    let id = message.id;
    assert_eq!(settle(store, sends(message, limits())).await, Settled::Done);
    id
}

/// One that comes to this end at once.
async fn ended(store: &Store, message: NewMessage, outcome: Attempted) {
    let now = message.created;
    let id = send(store, message).await;
    let claimed = store.outbox().claim(10, PATIENCE, now).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
    store.outbox().finish(AttemptEnd { cost: 0, ..end(id, 1, outcome) }).await.unwrap();
}

async fn claim(store: &Store, now: Timestamp) -> Vec<Claimed> {
    store.outbox().claim(10, PATIENCE, now).await.unwrap()
}

fn end(id: CodeId, attempt: u32, outcome: Attempted) -> AttemptEnd {
    AttemptEnd { id, attempt, outcome, provider: "a".into(), detail: "250 ok".into(), cost: 7, at: NOW }
}

async fn state(store: &Store, id: CodeId) -> (MessageState, String) {
    let all = store.outbox().list(&OutboxQuery::default()).await.unwrap();
    let one = all.into_iter().find(|one| one.id == id.to_string()).unwrap();
    (one.state, one.detail)
}

async fn mark_is_good_once_and_only_with_the_rest(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    assert_eq!(settle(&store, uses(alice, None, &["state:1", "code:1"])).await, Settled::Done);
    assert_eq!(settle(&store, uses(alice, None, &["state:2", "code:1"])).await, Settled::Replayed);
    assert_eq!(settle(&store, uses(alice, None, &["state:2"])).await, Settled::Done, "it was not used up");
    assert_eq!(
        settle(&store, uses(alice, None, &["state:3", "state:3"])).await,
        Settled::Done,
        "named twice"
    );
    assert_eq!(store.actions().await[1..], ["login", "login.replayed", "login", "login"]);
    assert_eq!(store.broken().await, None);
}

async fn used_mark_does_not_use_the_passcode_up(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = store.totp(alice, FactorState::Active).await;
    let proof = Some(position(id, 10));
    assert_eq!(settle(&store, uses(alice, None, &["a"])).await, Settled::Done);
    assert_eq!(settle(&store, uses(alice, proof, &["a"])).await, Settled::Replayed);
    assert_eq!(store.factors().factor(id).await.unwrap().next, 0);
    assert_eq!(settle(&store, uses(alice, proof, &["b"])).await, Settled::Done);
    assert_eq!(settle(&store, uses(alice, proof, &["c"])).await, Settled::Replayed, "the passcode is");
    assert_eq!(settle(&store, uses(alice, None, &["c"])).await, Settled::Done, "but the mark was not");
}

/// One thread, so all of these are queued in this order before the writer takes its first: they are one batch.
async fn together(store: &Store, ends: Vec<Settlement>) -> Vec<Settled> {
    let mut tasks = JoinSet::new();
    for (number, end) in ends.into_iter().enumerate() {
        let logins = store.logins();
        tasks.spawn(async move { (number, logins.settle(Box::new(end)).await.unwrap()) });
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, settled)| settled).collect()
}

async fn of_two_in_a_batch_with_one_mark_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let ends = vec![uses(alice, None, &["a", "b"]), uses(bob, None, &["b", "c"]), uses(bob, None, &["c"])];
    assert_eq!(together(&store, ends).await, [Settled::Done, Settled::Replayed, Settled::Done]);
}

async fn passcodes_and_marks_of_a_batch_go_together(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let (first, second) =
        (store.totp(alice, FactorState::Active).await, store.totp(bob, FactorState::Active).await);
    let ends = vec![
        uses(alice, Some(position(first, 10)), &["a"]),
        // The same mark with a passcode that would be good: neither is used up.
        uses(bob, Some(position(second, 10)), &["a"]),
        // The same passcode with a mark that is free.
        uses(alice, Some(position(first, 10)), &["b"]),
        uses(alice, Some(position(first, 11)), &["b"]),
        uses(bob, None, &["c"]),
        uses(bob, Some(position(second, 5)), &["d"]),
    ];
    let came = together(&store, ends).await;
    let (done, replayed) = (Settled::Done, Settled::Replayed);
    assert_eq!(came, [done, replayed, replayed, done, done, done]);
    assert_eq!(store.factors().factor(first).await.unwrap().next, 12);
    assert_eq!(store.factors().factor(second).await.unwrap().next, 6);
}

async fn of_many_with_one_mark_one_is_done(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let mut tasks = JoinSet::new();
    for _ in 0..300 {
        let logins = store.logins();
        tasks.spawn(async move { logins.settle(Box::new(uses(alice, None, &["a"]))).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|settled| **settled == Settled::Done).count(), 1);
    assert_eq!(store.broken().await, None);
}

async fn message_comes_with_its_round_and_is_sealed(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    send(&store, message(alice)).await;
    let row =
        Query::new("SELECT content, detail, masked FROM outbox").fetch_one(&mut store.raw().await).await;
    let row = row.unwrap();
    assert!(row.text(0).unwrap().starts_with("v1:k1:"));
    assert_eq!(row.text(2).unwrap(), "xxx-1234");
    let claimed = claim(&store, NOW).await;
    assert_eq!((claimed[0].content.code.as_str(), claimed[0].content.to.as_str()), ("424242", "+4155501234"));
    assert_eq!((claimed[0].channel, claimed[0].attempt), (Channel::Sms, 1));
}

async fn limits_count_people_destinations_and_origins(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    for _ in 0..2 {
        ended(&store, message(alice), Attempted::Sent).await;
    }
    let try_one = async |message, limits| settle(&store, sends(message, limits)).await;
    let two = SendLimits { per_person: 2, ..limits() };
    assert_eq!(try_one(message(alice), two.clone()).await, Settled::Limited(Limit::Person));
    // R-RESET-9: what strangers ask for and what she asks for herself have places of their own.
    let reset = |person| NewMessage { purpose: Purpose::Reset, ..message(person) };
    for _ in 0..2 {
        let both = SendLimits { per_destination: 2, ..two.clone() };
        assert_eq!(settle(&store, sends(reset(alice), both)).await, Settled::Done);
        let claimed = claim(&store, NOW).await;
        store.outbox().finish(end(claimed[0].id, claimed[0].attempt, Attempted::Sent)).await.unwrap();
    }
    assert_eq!(try_one(reset(alice), two).await, Settled::Limited(Limit::Person));
    let two = SendLimits { per_destination: 2, ..limits() };
    assert_eq!(try_one(message(bob), two.clone()).await, Settled::Limited(Limit::Destination));
    let elsewhere = NewMessage { destination: digest(9), ..message(bob) };
    assert_eq!(try_one(elsewhere.clone(), two).await, Settled::Done);
    let five = SendLimits { per_origin: 5, ..limits() };
    let another = NewMessage { id: message(bob).id, ..elsewhere };
    assert_eq!(try_one(another.clone(), five.clone()).await, Settled::Limited(Limit::Origin));
    let unknown = NewMessage { origin: None, ..another.clone() };
    assert_eq!(try_one(unknown, SendLimits { per_origin: 0, ..limits() }).await, Settled::Done);
    // What is older than the window does not count any more.
    let created = NOW + Duration::from_secs(600);
    assert_eq!(try_one(NewMessage { created, ..message(alice) }, five).await, Settled::Done);
}

async fn days_cost_has_a_cap(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (bob, carl) = (store.person("bob").await, store.person("carl").await);
    let capped = |message| sends(message, SendLimits { daily_cost: Some(12), ..limits() });
    let first = message(alice);
    let id = first.id;
    assert_eq!(settle(&store, capped(first)).await, Settled::Done);
    assert_eq!(settle(&store, capped(message(bob))).await, Settled::Done);
    assert_eq!(settle(&store, capped(message(bob))).await, Settled::Done, "in the place of the one before");
    assert_eq!(settle(&store, capped(message(carl))).await, Settled::Limited(Limit::Cost));
    assert_eq!(settle(&store, capped(NewMessage { cost: 2, ..message(carl) })).await, Settled::Done);
    // One that was not sent costs what it has cost.
    let attempt = claim(&store, NOW).await.iter().find(|one| one.id == id).unwrap().attempt;
    store.outbox().finish(AttemptEnd { cost: 0, ..end(id, attempt, Attempted::Dead) }).await.unwrap();
    assert_eq!(settle(&store, capped(message(alice))).await, Settled::Done);
    // The next day begins at midnight UTC.
    let created = Timestamp::from_secs(1_036_800);
    assert_eq!(settle(&store, capped(NewMessage { created, ..message(alice) })).await, Settled::Done);
}

async fn limited_round_still_clears_and_says_so(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let rules = crate::domain::throttle::Throttle::default();
    let _ = store.attempts().charge(Some(alice), &[Counter::Password], &rules, NOW).await.unwrap();
    let mut round = sends(message(alice), SendLimits { per_person: 0, ..limits() });
    round.clear = smallvec![Counter::Password];
    assert_eq!(settle(&store, round).await, Settled::Limited(Limit::Person));
    assert!(store.attempts().failures(alice).await.unwrap().is_empty());
    assert_eq!(store.actions().await[1..], ["login.limited"]);
    assert!(store.outbox().list(&OutboxQuery::default()).await.unwrap().is_empty());
}

async fn replayed_round_sends_nothing(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    assert_eq!(settle(&store, uses(alice, None, &["a"])).await, Settled::Done);
    let mut round = sends(message(alice), limits());
    round.once = vec![("a".to_owned(), NOW)];
    assert_eq!(settle(&store, round).await, Settled::Replayed);
    assert!(store.outbox().list(&OutboxQuery::default()).await.unwrap().is_empty());
}

async fn message_is_claimed_once_and_ends(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    assert_eq!(store.outbox().due(PATIENCE).await.unwrap(), Some(NOW));
    assert_eq!(claim(&store, NOW).await.len(), 1);
    assert!(claim(&store, NOW).await.is_empty());
    assert_eq!(store.outbox().due(PATIENCE).await.unwrap(), Some(NOW + PATIENCE));
    store.outbox().finish(end(id, 1, Attempted::Sent)).await.unwrap();
    assert_eq!(state(&store, id).await, (MessageState::Sent, "250 ok".into()));
    assert_eq!(store.outbox().due(PATIENCE).await.unwrap(), None);
    let row = Query::new("SELECT content FROM outbox").fetch_one(&mut store.raw().await).await.unwrap();
    assert_eq!(row.text(0).unwrap(), "", "erased");
}

async fn message_is_tried_again_when_it_is_due(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    claim(&store, NOW).await;
    let later = NOW + Duration::from_secs(30);
    store.outbox().finish(end(id, 1, Attempted::Again(later))).await.unwrap();
    assert!(claim(&store, NOW).await.is_empty());
    let again = claim(&store, later).await;
    assert_eq!((again[0].id, again[0].attempt, again[0].content.code.as_str()), (id, 2, "424242"));
}

async fn message_of_a_node_that_ended_is_dead_and_never_sent_twice(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    assert_eq!(claim(&store, NOW).await.len(), 1);
    assert!(claim(&store, NOW + PATIENCE).await.is_empty());
    let (state, detail) = state(&store, id).await;
    assert!(state == MessageState::Dead && detail.contains("may have been sent"), "{detail}");
    store.outbox().finish(end(id, 1, Attempted::Again(NOW))).await.unwrap();
    assert!(claim(&store, NOW + PATIENCE).await.is_empty());
}

async fn message_that_is_too_old_is_dead(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    assert!(claim(&store, NOW + Duration::from_secs(300)).await.is_empty());
    let (state, detail) = state(&store, id).await;
    assert!(state == MessageState::Dead && detail.contains("too late"), "{detail}");
}

async fn late_end_of_an_attempt_changes_nothing(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    claim(&store, NOW).await;
    store.outbox().finish(end(id, 1, Attempted::Again(NOW))).await.unwrap();
    claim(&store, NOW).await;
    store.outbox().finish(end(id, 1, Attempted::Sent)).await.unwrap();
    assert_eq!(state(&store, id).await.0, MessageState::Sending);
}

async fn messages_are_listed_and_counted(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let (first, second) = (send(&store, message(alice)).await, send(&store, message(bob)).await);
    let list = async |query: OutboxQuery| -> Vec<String> {
        store.outbox().list(&query).await.unwrap().into_iter().map(|one| one.person).collect()
    };
    assert_eq!(list(OutboxQuery::default()).await, ["bob", "alice"]);
    assert_eq!(list(OutboxQuery { before: Some(second), ..OutboxQuery::default() }).await, ["alice"]);
    assert_eq!(list(OutboxQuery { person: Some(bob), limit: 1, ..OutboxQuery::default() }).await, ["bob"]);
    let taken = store.outbox().claim(1, PATIENCE, NOW).await.unwrap();
    assert_eq!(taken[0].id, first, "the oldest first");
    let state = Some(MessageState::Waiting);
    assert_eq!(list(OutboxQuery { state, ..OutboxQuery::default() }).await, ["bob"]);
    let counts = store.outbox().counts().await.unwrap();
    assert_eq!(counts, [(MessageState::Sending, 1), (MessageState::Waiting, 1)]);
}

async fn message_in_another_persons_row_is_not_sent(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let id = send(&store, message(alice)).await;
    store.sql("UPDATE outbox SET channel = 'voice'").await;
    assert!(claim(&store, NOW).await.is_empty());
    assert_eq!(state(&store, id).await.0, MessageState::Dead);
}

async fn limits_hold_for_many_at_once(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let logins = store.logins();
        let round = sends(message(alice), SendLimits { per_origin: 7, ..limits() });
        tasks.spawn(async move { logins.settle(Box::new(round)).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|settled| **settled == Settled::Done).count(), 7);
    assert_eq!(store.outbox().list(&OutboxQuery::default()).await.unwrap().len(), 7);
}

async fn damaged_messages_do_not_hold_the_others_up(kit: Kit) {
    let store = kit.store().await;
    let mut ids = Vec::new();
    for name in ["alice", "bob", "carl", "dave"] {
        let person = store.person(name).await;
        ids.push(send(&store, message(person)).await);
    }
    for (id, change) in [(ids[0], "attempts = -1"), (ids[1], "content = 'x'"), (ids[2], "id = 'x'")] {
        let sql = format!("UPDATE outbox SET {change} WHERE id = '{id}'");
        Query::new(sql).execute(&mut store.raw().await).await.unwrap();
    }
    let claimed = claim(&store, NOW).await;
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[3]]);
    let counts = store.outbox().counts().await.unwrap();
    assert_eq!(counts, [(MessageState::Dead, 3), (MessageState::Sending, 1)]);
    let left = Query::new("SELECT 1 FROM outbox WHERE state = 'dead' AND (content <> '' OR cost <> 0)");
    assert!(left.fetch_all(&mut store.raw().await).await.unwrap().is_empty());
}

async fn newer_message_takes_the_place_of_one_that_waits(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let (first, other) = (send(&store, message(alice)).await, send(&store, message(bob)).await);
    let second = send(&store, message(alice)).await;
    assert_eq!(state(&store, first).await, (MessageState::Dead, "a newer code took its place".into()));
    let row = Query::new("SELECT content, cost, ended FROM outbox WHERE id = $1").bind(first.to_string());
    let row = row.fetch_one(&mut store.raw().await).await.unwrap();
    assert_eq!((row.text(0).unwrap(), row.number(1).unwrap(), row.number(2).unwrap()), ("", 0, NOW.millis()));
    let claimed = claim(&store, NOW).await;
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [other, second]);
    // What is being sent is not touched.
    send(&store, message(alice)).await;
    assert_eq!(state(&store, second).await.0, MessageState::Sending);
}

async fn older_message_is_not_tried_again_after_a_newer_one(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let first = send(&store, message(alice)).await;
    claim(&store, NOW).await;
    let second = send(&store, message(alice)).await;
    store.outbox().finish(end(first, 1, Attempted::Again(NOW))).await.unwrap();
    assert_eq!(state(&store, first).await, (MessageState::Dead, "a newer code took its place".into()));
    assert_eq!(claim(&store, NOW).await[0].id, second);
}

async fn refused_message_leaves_the_one_that_waits(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let first = send(&store, message(alice)).await;
    let none = SendLimits { per_origin: 1, ..limits() };
    assert_eq!(settle(&store, sends(message(alice), none)).await, Settled::Limited(Limit::Origin));
    assert_eq!(claim(&store, NOW).await[0].id, first);
}

async fn messages_that_nobody_took_do_not_count_but_for_the_origin(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let one = || SendLimits { per_person: 1, per_person_day: 1, per_destination: 1, ..limits() };
    ended(&store, message(alice), Attempted::Dead).await;
    let late = send(&store, message(alice)).await;
    assert!(claim(&store, NOW + Duration::from_secs(300)).await.is_empty());
    assert_eq!(state(&store, late).await.0, MessageState::Dead);
    for _ in 0..2 {
        assert_eq!(settle(&store, sends(message(alice), one())).await, Settled::Done);
    }
    let four = SendLimits { per_origin: 4, ..limits() };
    assert_eq!(settle(&store, sends(message(alice), four)).await, Settled::Limited(Limit::Origin));
    // It may have been taken, and costs nothing.
    ended(&store, message(alice), Attempted::Unknown).await;
    assert_eq!(settle(&store, sends(message(alice), one())).await, Settled::Limited(Limit::Person));
    let elsewhere = SendLimits { per_person: 2, per_person_day: 2, ..one() };
    assert_eq!(settle(&store, sends(message(alice), elsewhere)).await, Settled::Limited(Limit::Destination));
}

async fn messages_of_a_day_have_a_limit_too(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let after = |hours: u32| {
        let created = NOW + Duration::from_secs(3600) * hours;
        NewMessage { created, expires: created + PATIENCE, ..message(alice) }
    };
    for hours in [0, 1] {
        ended(&store, after(hours), Attempted::Sent).await;
    }
    let two = || SendLimits { per_person: 1, per_person_day: 2, ..limits() };
    assert_eq!(settle(&store, sends(after(23), two())).await, Settled::Limited(Limit::Person));
    assert_eq!(settle(&store, sends(after(24), two())).await, Settled::Done);
}

async fn code_is_joined_only_while_its_message_is_known_and_it_is_unused(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let joining = |code| {
        let mut end = settlement(alice, None);
        (end.admits, end.audit.outcome) = (false, "challenge");
        Settlement { joins: Some(code), ..end }
    };
    let before = store.audit().verify().await.unwrap().entries;
    let unknown = CodeId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(settle(&store, joining(unknown)).await, Settled::Unsent);
    assert_eq!(store.audit().verify().await.unwrap().entries, before, "nothing is written");
    let known = send(&store, message(alice)).await;
    assert_eq!(settle(&store, joining(known)).await, Settled::Done);
    assert_eq!(settle(&store, uses(alice, None, &[&known.mark()])).await, Settled::Done);
    assert_eq!(settle(&store, joining(known)).await, Settled::Unsent, "it was used");
}

#[tokio::test]
async fn messages_are_counted_without_their_rows() {
    let store = Store::new().await;
    let plan = Query::new(format!("EXPLAIN QUERY PLAN {}", crate::store::records::outbox::NUMBERS));
    let plan = plan.fetch_all(&mut store.raw().await).await.unwrap();
    let steps: Vec<_> = plan.iter().map(|row| row.text(3).unwrap()).collect();
    assert_eq!(steps, ["SCAN outbox USING COVERING INDEX outbox_state"]);
}
