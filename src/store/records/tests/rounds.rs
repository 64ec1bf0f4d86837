//! Steps of login rounds that are committed together do to each other what they would do one after the other.

use super::*;
use crate::domain::person::Status;
use crate::domain::throttle::{Gate, Throttle};
use crate::store::{AuditQuery, Result, Settled, StoreError};
use tokio::task::JoinSet;

claims! {
    charges_clears_and_refunds_of_one_person_count_in_their_order
    of_many_people_at_once_each_gets_what_is_theirs
    lock_that_waits_with_a_login_wins
    passcodes_that_wait_together_are_accepted_in_their_order
    of_many_passcodes_at_once_each_is_accepted_once
}

mod one_batch {
    claims! {
        postgres only
            steps_of_one_batch_count_in_their_order
            strangers_and_people_who_are_shut_out_are_written_too
        ; parallel
    }
    use super::*;

    async fn steps_of_one_batch_count_in_their_order(kit: Kit) {
        let store = kit.store().await;
        let alice = store.person("alice").await;
        let steps = vec![
            Step::Charge(PASSWORD),
            Step::Charge(PASSWORD),
            Step::Charge(PASSWORD),
            Step::Charge(PASSWORD),
            end(alice, PASSWORD, &[]),
            Step::Charge(PASSWORD),
            Step::Charge(PASSWORD),
            end(alice, &[], PASSWORD),
        ];
        let came = together(&store, Some(alice), steps).await;
        let right = ["[Open]", "[Open]", "[Open]", "[Stopped]", "Done", "[Open]", "[Open]", "Done"];
        assert_eq!(came, right.map(str::to_owned));
        assert_eq!(count(&store, alice).await, 1);
    }

    async fn strangers_and_people_who_are_shut_out_are_written_too(kit: Kit) {
        let store = kit.store().await;
        let alice = store.person("alice").await;
        let delete = |text: &'static str| store.sql(text);
        together(&store, None, vec![Step::Charge(PASSWORD), Step::Charge(PASSWORD)]).await;
        assert_eq!(delete("DELETE FROM counters WHERE person = '' AND blocked_until > 0").await, 1);
        let came = together(&store, Some(alice), (0..4).map(|_| Step::Charge(PASSWORD)).collect()).await;
        assert_eq!(came[3], "[Stopped]");
        assert_eq!(delete("DELETE FROM counters WHERE person = '' AND blocked_until > 0").await, 1);
        assert_eq!(count(&store, alice).await, 3);
    }
}

/// In a file, a charge holds at once and is written with the end of the round.
mod in_a_file {
    use super::*;

    const OTHER: &str = "UPDATE counters SET failures = failures WHERE person = 'nobody'";

    async fn charged(store: &Store, person: PersonId, times: usize) {
        for _ in 0..times {
            let gates = store.attempts().charge(Some(person), PASSWORD, &rules(), NOW).await.unwrap();
            assert_eq!(gates, [Gate::Open]);
        }
    }

    async fn settled(store: &Store, person: PersonId, clear: &[Counter]) {
        let mut end = settlement(person, None);
        (end.audit.outcome, end.clear) = ("reject", clear.into());
        assert_eq!(store.logins().settle(Box::new(end)).await.unwrap(), Settled::Done);
    }

    /// As it is in the file.
    async fn written(store: &Store) -> Vec<i64> {
        let rows = Query::new("SELECT failures FROM counters WHERE person <> ''");
        let rows = rows.fetch_all(&mut store.raw().await).await.unwrap();
        rows.iter().map(|row| row.number(0).unwrap()).collect()
    }

    #[tokio::test]
    async fn charge_holds_at_once_and_is_written_before_the_answer() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        charged(&store, alice, 2).await;
        assert_eq!(count(&store, alice).await, 2, "it holds");
        assert_eq!(written(&store).await, [] as [i64; 0], "nothing was answered yet");
        settled(&store, alice, &[]).await;
        assert_eq!(written(&store).await, [2], "also the one that is still under way");
        charged(&store, alice, 1).await;
        let gates = store.attempts().charge(Some(alice), PASSWORD, &rules(), NOW).await.unwrap();
        assert_eq!(gates, [Gate::Stopped]);
        settled(&store, alice, PASSWORD).await;
        assert_eq!(written(&store).await, [] as [i64; 0]);
        charged(&store, alice, 1).await;
    }

    #[tokio::test]
    async fn failures_are_known_again_after_a_kill() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        charged(&store, alice, 3).await;
        settled(&store, alice, &[]).await;
        // Opened once more without a close, as after a kill.
        let again = store.open(ring(&[("k1", 1)])).await.unwrap();
        let gates = again.attempts().charge(Some(alice), PASSWORD, &rules(), NOW).await.unwrap();
        assert_eq!(gates, [Gate::Stopped]);
    }

    #[tokio::test]
    async fn what_was_never_answered_is_written_by_the_close() {
        let mut store = Store::new().await;
        let alice = store.person("alice").await;
        charged(&store, alice, 3).await;
        store.reopen().await;
        assert_eq!(count(&store, alice).await, 3);
    }

    #[tokio::test]
    async fn replayed_and_conflicting_ends_are_written_too() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        let id = store.totp(alice, FactorState::Active).await;
        assert_eq!(
            store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap(),
            Settled::Done
        );
        charged(&store, alice, 1).await;
        let again = store.logins().settle(Box::new(settlement(alice, Some(position(id, 10))))).await.unwrap();
        assert_eq!(again, Settled::Replayed);
        assert_eq!(written(&store).await, [1]);
        store.people().set_status(alice, Status::Locked, entry("person.lock")).await.unwrap();
        charged(&store, alice, 1).await;
        let late = store.logins().settle(Box::new(settlement(alice, None))).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
        assert_eq!(written(&store).await, [2]);
    }

    #[tokio::test]
    async fn unlock_new_password_and_resynchronisation_forget_at_once() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        let id = store.totp(alice, FactorState::Active).await;
        let both = [Counter::Password, Counter::Factor(id)];
        let charge = async || {
            let _ = store.attempts().charge(Some(alice), &both, &rules(), NOW).await.unwrap();
            settled(&store, alice, &[]).await;
        };
        charge().await;
        store.passwords().changed(alice, entry("password.changed")).await.unwrap();
        assert_eq!(count(&store, alice).await, 1);
        assert!(store.factors().advance(id, 7, None, entry("factor.resync")).await.unwrap());
        assert_eq!(count(&store, alice).await, 0);
        charge().await;
        assert_eq!(count(&store, alice).await, 2);
        store.people().set_status(alice, Status::Active, entry("person.unlock")).await.unwrap();
        assert_eq!(count(&store, alice).await, 0);
        assert_eq!(written(&store).await, [] as [i64; 0]);
    }

    #[tokio::test]
    async fn failures_of_a_factor_end_with_it() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        let id = store.totp(alice, FactorState::Active).await;
        let charge = async |counter| {
            let _ = store.attempts().charge(Some(alice), &[counter], &rules(), NOW).await.unwrap();
            settled(&store, alice, &[]).await;
        };
        charge(Counter::Factor(id)).await;
        store.factors().revoke(id, None, entry("factor.revoke")).await.unwrap();
        assert_eq!(count(&store, alice).await, 0, "revoked");
        let pin = |hash: &str| {
            let material = Material::Pin { hash: Secret::new(hash.to_owned()) };
            new_factor(alice, FactorKind::Pin, FactorState::Active, material)
        };
        let first = pin("one");
        let id = first.id;
        store.factors().add(first, Among::Alone, entry("factor.add")).await.unwrap();
        charge(Counter::Factor(id)).await;
        store.factors().add(pin("two"), Among::Alone, entry("factor.add")).await.unwrap();
        assert_eq!(count(&store, alice).await, 0, "replaced");
    }

    #[tokio::test]
    async fn lock_that_waits_with_a_login_wins_over_an_account_that_was_read_meanwhile() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        let id = store.totp(alice, FactorState::Active).await;
        // With something to be cleared, both logins are written by the one who writes the lock.
        charged(&store, alice, 1).await;
        settled(&store, alice, &[]).await;
        let before = store.people().account(&name("alice")).await.unwrap().unwrap();
        // As a reader does that looked at the file just before the commit.
        let (accounts, late) = (Arc::clone(&store.0.accounts), Arc::clone(&before));
        let lock = store.write(move |transaction| {
            Box::pin(async move {
                transaction.change(crate::store::records::accounts::Change::Person(alice));
                let lock = Query::new("UPDATE people SET status = 'locked' WHERE id = $1");
                lock.bind(alice.to_string()).execute(&mut transaction.connection).await?;
                accounts.keep(&late, accounts.ticket());
                Ok(())
            })
        });
        let logins = store.logins();
        let (with, without) = (settlement(alice, Some(position(id, 10))), settlement(alice, None));
        let (locked, with, without) =
            tokio::join!(lock, logins.settle(Box::new(with)), logins.settle(Box::new(without)));
        locked.unwrap();
        assert_eq!(with.unwrap(), Settled::Replayed);
        assert!(matches!(without, Err(StoreError::Conflict(_))), "{without:?}");
    }

    /// Someone comes in by the password alone.
    async fn enters(store: &Store, person: PersonId) -> Result<Settled> {
        let _ = store.attempts().charge(Some(person), PASSWORD, &rules(), NOW).await?;
        store
            .logins()
            .settle(Box::new(Settlement { clear: PASSWORD.into(), ..settlement(person, None) }))
            .await
    }

    async fn accepts(store: &Store) -> usize {
        let entries = store.audit().entries(&AuditQuery::default()).await.unwrap();
        entries.iter().filter(|entry| entry.outcome == "accept").count()
    }

    #[tokio::test]
    async fn accept_that_changes_nothing_is_not_waited_for_and_is_there_when_asked() {
        let mut store = Store::new().await;
        let alice = store.person("alice").await;
        store.people().account(&name("alice")).await.unwrap();
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done);
        assert!(store.0.notes.are_pending());
        assert_eq!(count(&store, alice).await, 0);
        assert_eq!(accepts(&store).await, 1);
        assert!(!store.0.notes.are_pending());
        // Without being asked for.
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done);
        while store.0.notes.are_pending() {
            tokio::task::yield_now().await;
        }
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done);
        store.reopen().await;
        assert_eq!(accepts(&store).await, 3, "closing writes what is left");
        // Who has failed before has something to be cleared.
        store.people().account(&name("alice")).await.unwrap();
        charged(&store, alice, 1).await;
        settled(&store, alice, &[]).await;
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done);
        assert!(!store.0.notes.are_pending());
        assert_eq!(written(&store).await, [] as [i64; 0]);
        assert_eq!(store.broken().await, None);
    }

    #[tokio::test]
    async fn nobody_is_let_in_without_a_trail() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        store.people().account(&name("alice")).await.unwrap();
        let mut other = store.raw().await;
        other.plain("BEGIN EXCLUSIVE").await.unwrap();
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done, "it is not known yet");
        assert_eq!(accepts(&store).await, 0);
        for _ in 0..2 {
            assert!(matches!(enters(&store, alice).await, Err(StoreError::Unavailable(_))));
        }
        other.plain("ROLLBACK").await.unwrap();
        store.people().account(&name("alice")).await.unwrap();
        assert_eq!(enters(&store, alice).await.unwrap(), Settled::Done);
        assert_eq!(accepts(&store).await, 2, "the first was not lost");
        assert_eq!(store.broken().await, None);
    }

    #[tokio::test]
    async fn what_another_program_writes_counts() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        charged(&store, alice, 3).await;
        settled(&store, alice, &[]).await;
        assert_eq!(store.sql("DELETE FROM counters WHERE person <> ''").await, 1);
        charged(&store, alice, 1).await;
        assert_eq!(count(&store, alice).await, 1);
        // Only its commit is seen, whatever was in it.
        store.sql(OTHER).await;
        settled(&store, alice, &[]).await;
        assert_eq!(written(&store).await, [1]);
        charged(&store, alice, 1).await;
        store.sql("UPDATE counters SET failures = 0 WHERE person <> ''").await;
        settled(&store, alice, &[]).await;
        assert_eq!(written(&store).await, [1], "the guess that was under way counts");
    }

    #[tokio::test]
    async fn lost_batch_takes_no_charge_back() {
        let store = Store::new().await;
        let alice = store.person("alice").await;
        charged(&store, alice, 2).await;
        let lost =
            store.write(|_| Box::pin(async { Err::<(), _>(StoreError::Unavailable("on purpose".into())) }));
        assert!(lost.await.is_err());
        settled(&store, alice, &[]).await;
        assert_eq!(count(&store, alice).await, 2);
        assert_eq!(written(&store).await, [2]);
    }
}

fn rules() -> Throttle {
    Throttle { free: 100, hard_stop: 3, ..Throttle::default() }
}

/// A step, so that several can be queued in an order.
enum Step {
    Charge(&'static [Counter]),
    End(Box<Settlement>),
}

/// One thread, so all of these are queued in this order before the writer takes its first: they are one batch.
async fn together(store: &Store, person: Option<PersonId>, steps: Vec<Step>) -> Vec<String> {
    let mut tasks = JoinSet::new();
    for (number, step) in steps.into_iter().enumerate() {
        let (attempts, logins) = (store.attempts(), store.logins());
        tasks.spawn(async move {
            let came = match step {
                Step::Charge(counters) => {
                    format!("{:?}", attempts.charge(person, counters, &rules(), NOW).await.unwrap())
                }
                Step::End(end) => format!("{:?}", logins.settle(end).await.unwrap()),
            };
            (number, came)
        });
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable();
    all.into_iter().map(|(_, came)| came).collect()
}

const PASSWORD: &[Counter] = &[Counter::Password];

fn end(person: PersonId, clear: &[Counter], refund: &[Counter]) -> Step {
    let mut end = settlement(person, None);
    (end.audit.outcome, end.clear, end.refund) = ("reject", clear.into(), refund.into());
    Step::End(Box::new(end))
}

async fn count(store: &Store, person: PersonId) -> u32 {
    store.attempts().failures(person).await.unwrap().iter().map(|one| one.failures.count).sum()
}

async fn charges_clears_and_refunds_of_one_person_count_in_their_order(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let came = together(&store, Some(alice), (0..4).map(|_| Step::Charge(PASSWORD)).collect()).await;
    assert_eq!(came, ["[Open]", "[Open]", "[Open]", "[Stopped]"].map(str::to_owned));
    let ends = vec![end(alice, PASSWORD, &[]), end(alice, &[], PASSWORD)];
    assert_eq!(together(&store, Some(alice), ends).await, ["Done", "Done"].map(str::to_owned));
    assert_eq!(count(&store, alice).await, 0);
    let steps = vec![Step::Charge(PASSWORD), Step::Charge(PASSWORD), end(alice, &[], PASSWORD)];
    let came = together(&store, Some(alice), steps).await;
    assert_eq!(came, ["[Open]", "[Open]", "Done"].map(str::to_owned));
    assert_eq!(count(&store, alice).await, 1);
    // In a later batch it goes on from there.
    let came =
        together(&store, Some(alice), vec![end(alice, &[], PASSWORD), end(alice, &[], PASSWORD)]).await;
    assert_eq!(came, ["Done", "Done"].map(str::to_owned));
    assert_eq!(count(&store, alice).await, 0);
    together(&store, Some(alice), vec![Step::Charge(PASSWORD), end(alice, PASSWORD, &[])]).await;
    assert_eq!(store.sql("DELETE FROM counters WHERE person <> ''").await, 0, "cleared is gone");
}

async fn of_many_people_at_once_each_gets_what_is_theirs(kit: Kit) {
    let store = kit.store().await;
    let people: Vec<_> = (0..200).map(|number| new_person(&format!("person{number}"))).collect();
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    store.people().add(people, entry("person.import")).await.unwrap();
    let locked = ids[150];
    store.people().set_status(locked, Status::Locked, entry("person.lock")).await.unwrap();
    let mut charges = JoinSet::new();
    for (number, id) in ids.iter().copied().enumerate() {
        for _ in 0..number % 3 {
            let attempts = store.attempts();
            charges.spawn(async move { attempts.charge(Some(id), PASSWORD, &rules(), NOW).await.unwrap() });
        }
    }
    assert!(charges.join_all().await.iter().all(|gates| gates[..] == [Gate::Open]));
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(count(&store, *id).await as usize, number % 3);
    }
    let mut ends: JoinSet<(PersonId, Result<Settled>)> = JoinSet::new();
    for id in ids.iter().copied() {
        let logins = store.logins();
        let end = Settlement { clear: PASSWORD.into(), ..settlement(id, None) };
        ends.spawn(async move { (id, logins.settle(Box::new(end)).await) });
    }
    for (id, settled) in ends.join_all().await {
        match settled {
            Ok(Settled::Done) => assert_ne!(id, locked),
            Err(StoreError::Conflict(_)) => assert_eq!(id, locked),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.actions().await.iter().filter(|action| *action == "login").count(), 199);
    assert_eq!(store.broken().await, None);
}

async fn lock_that_waits_with_a_login_wins(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let (people, logins) = (store.people(), store.logins());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { logins.settle(Box::new(settlement(alice, None))).await.is_ok() });
    tasks.spawn(async move { people.set_status(alice, Status::Locked, entry("person.lock")).await.is_err() });
    assert_eq!(tasks.join_all().await, [false, false]);
}

async fn passcodes_that_wait_together_are_accepted_in_their_order(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let id = store.totp(alice, FactorState::Active).await;
    let end = |who, at| Step::End(Box::new(settlement(who, Some(position(id, at)))));
    let refused = Step::End(Box::new(settlement(alice, None)));
    let steps = vec![end(bob, 9), end(alice, 10), end(alice, 10), refused, end(alice, 12), end(alice, 11)];
    let came = together(&store, Some(alice), steps).await;
    assert_eq!(came, ["Replayed", "Done", "Replayed", "Done", "Done", "Replayed"].map(str::to_owned));
    assert_eq!(store.factors().factor(id).await.unwrap().next, 13);
    assert_eq!(account_next(&store).await, 13);
}

async fn account_next(store: &Store) -> u64 {
    store.people().account(&name("alice")).await.unwrap().unwrap().factors[0].next
}

async fn of_many_passcodes_at_once_each_is_accepted_once(kit: Kit) {
    let store = kit.store().await;
    let mut people = Vec::new();
    for number in 0..40 {
        let who = store.person(&format!("person{number}")).await;
        people.push((who, store.totp(who, FactorState::Active).await));
    }
    // One batch, and no two parts of it come out alike.
    let mut ends = JoinSet::new();
    for (number, (who, id)) in people.into_iter().enumerate() {
        for turn in 0..=number % 3 {
            let logins = store.logins();
            ends.spawn(async move {
                (turn, logins.settle(Box::new(settlement(who, Some(position(id, 10))))).await.unwrap())
            });
        }
    }
    for (turn, settled) in ends.join_all().await {
        assert_eq!(settled, if turn == 0 { Settled::Done } else { Settled::Replayed });
    }
}
