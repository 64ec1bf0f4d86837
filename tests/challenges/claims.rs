//! What holds for every backend; `claims!` makes a test of each claim for each of them.

use super::world::{Backend, With as _, World, millis};
use doorward::domain::method::Channel;
use doorward::store::challenges::{Opened, PER_PERSON};
use std::collections::HashMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

macro_rules! claims {
    ($($claim:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                super::$claim(&super::World::memory()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                super::$claim(&super::World::redis()).await;
            })*
        }
    };
}

claims! {
    state_is_found_once
    what_nobody_opened_is_not_found
    state_is_over_at_its_end
    attempt_gets_the_code_and_is_charged
    what_is_no_attempt_gets_no_code_and_costs_nothing
    second_challenge_at_the_same_client_joins_the_code
    another_client_or_channel_or_a_later_moment_voids_the_code
    who_asks_decides_how_old_a_code_may_be
    code_without_a_try_left_is_not_joined
    code_is_over_at_its_own_end
    void_takes_out_code_and_state
    void_leaves_a_newer_code_and_other_people
    oldest_challenge_goes_first_and_nobody_elses
    same_state_again_replaces_the_first
    repeated_call_is_not_its_own_predecessor
    parallel_takes_find_a_state_once
    parallel_attempts_get_a_code_as_often_as_it_has_tries
    nothing_stays
}

async fn state_is_found_once(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let challenge = world.challenge(&alice, now);
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    let taken = world.take(&challenge.state, true, now).await.unwrap();
    assert_eq!((taken.pending, taken.code), (challenge.pending, None));
    assert_eq!(world.take(&challenge.state, true, now).await, None);
}

async fn what_nobody_opened_is_not_found(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let challenge = world.challenge(&alice, now);
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    let mut other = challenge.state;
    other[23] ^= 1;
    assert_eq!(world.take(&other, false, now).await, None);
    let mut elsewhere = challenge.state;
    elsewhere[0] ^= 1;
    assert_eq!(world.take(&elsewhere, false, now).await, None);
    assert!(world.take(&challenge.state, false, now).await.is_some());
}

async fn state_is_over_at_its_end(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let (first, second) = (world.challenge(&alice, now), world.challenge(&alice, now));
    for challenge in [&first, &second] {
        assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    }
    let end = first.pending.expires;
    assert!(world.take(&first.state, false, end - Duration::from_millis(1)).await.is_some());
    assert_eq!(world.take(&second.state, false, end).await, None);
}

async fn attempt_gets_the_code_and_is_charged(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let code = world.code(Channel::Sms, "vpn", now);
    let mut got = Vec::new();
    for round in 0..4 {
        let challenge = world.challenge(&alice, now).with(code.clone());
        assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept, "{round}");
        if round == 3 {
            // The code was used up by the three before, so that this is a new one.
            assert_eq!(world.take(&challenge.state, true, now).await.unwrap().code, Some(code.code.clone()));
            break;
        }
        got.push(world.take(&challenge.state, true, now).await.unwrap().code);
    }
    assert_eq!(got, vec![Some(code.code.clone()); 3]);
}

async fn what_is_no_attempt_gets_no_code_and_costs_nothing(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let code = world.code(Channel::Sms, "vpn", now);
    for attempt in [false, false, false, false, true, true, true] {
        let challenge = world.challenge(&alice, now).with(code.clone());
        assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
        let taken = world.take(&challenge.state, attempt, now).await.unwrap();
        assert_eq!(taken.code, attempt.then(|| code.code.clone()));
    }
    let next = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(next, now).await, Opened::Kept);
}

async fn second_challenge_at_the_same_client_joins_the_code(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let first = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    let later = now + 29 * SECOND;
    let second = world.challenge(&alice, later).with(world.code(Channel::Sms, "vpn", later));
    assert_eq!(world.open(first.clone(), now).await, Opened::Kept);
    let code = first.code.unwrap().code;
    assert_eq!(world.open(second.clone(), later).await, Opened::Joined(code.id));
    for state in [second.state, first.state] {
        assert_eq!(world.take(&state, true, later).await.unwrap().code, Some(code.clone()));
    }
    // Two tries are gone; it is joined with the last.
    let third = world.challenge(&alice, later).with(world.code(Channel::Sms, "vpn", later));
    assert_eq!(world.open(third.clone(), later).await, Opened::Joined(code.id));
    assert_eq!(world.take(&third.state, true, later).await.unwrap().code, Some(code));
}

async fn another_client_or_channel_or_a_later_moment_voids_the_code(world: &World<impl Backend>) {
    let now = millis(1000);
    let cases =
        [(Channel::Sms, "wifi", now), (Channel::Email, "vpn", now), (Channel::Sms, "vpn", now + 30 * SECOND)];
    for (number, (channel, client, at)) in cases.into_iter().enumerate() {
        let person = world.person(number);
        let first = world.challenge(&person, now).with(world.code(Channel::Sms, "vpn", now));
        let second = world.challenge(&person, at).with(world.code(channel, client, at));
        assert_eq!(world.open(first.clone(), now).await, Opened::Kept);
        assert_eq!(world.open(second.clone(), at).await, Opened::Kept, "{channel} {client} {at}");
        let old = world.take(&first.state, true, at).await.unwrap();
        assert_eq!((old.pending, old.code), (first.pending, None));
        assert_eq!(world.take(&second.state, true, at).await.unwrap().code, second.code.map(|new| new.code));
    }
}

/// A new one is wanted at once; after a wrong answer the one that is there will do, however old.
async fn who_asks_decides_how_old_a_code_may_be(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let ask = |within: Duration, at| {
        let mut code = world.code(Channel::Sms, "vpn", at);
        code.resend_after = within;
        world.challenge(&alice, at).with(code)
    };
    let first = ask(30 * SECOND, now);
    assert_eq!(world.open(first.clone(), now).await, Opened::Kept);
    let later = now + 90 * SECOND;
    let wrong = ask(300 * SECOND, later);
    assert_eq!(world.open(wrong, later).await, Opened::Joined(first.code.unwrap().code.id));
    let again = ask(Duration::ZERO, later);
    assert_eq!(world.open(again.clone(), later).await, Opened::Kept, "at the same moment, too");
    let third = ask(30 * SECOND, later);
    assert_eq!(world.open(third, later).await, Opened::Joined(again.code.unwrap().code.id));
}

async fn code_without_a_try_left_is_not_joined(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let mut code = world.code(Channel::Sms, "vpn", now);
    code.tries = 1;
    let (first, second) = (world.challenge(&alice, now).with(code.clone()), world.challenge(&alice, now));
    let second = second.with(world.code(Channel::Sms, "vpn", now));
    let third = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(first.clone(), now).await, Opened::Kept);
    assert_eq!(world.open(second.clone(), now).await, Opened::Joined(code.code.id));
    assert_eq!(world.take(&first.state, true, now).await.unwrap().code, Some(code.code));
    assert_eq!(world.take(&second.state, true, now).await.unwrap().code, None);
    assert_eq!(world.open(third.clone(), now).await, Opened::Kept);
    assert_eq!(world.take(&third.state, true, now).await.unwrap().code, third.code.map(|new| new.code));
}

async fn code_is_over_at_its_own_end(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let mut code = world.code(Channel::Sms, "vpn", now);
    code.code.expires = now + 10 * SECOND;
    let challenge = world.challenge(&alice, now).with(code.clone());
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    let end = code.code.expires;
    let next = world.challenge(&alice, end).with(world.code(Channel::Sms, "vpn", end));
    assert_eq!(world.take(&challenge.state, true, end).await.unwrap().code, None);
    assert_eq!(world.open(next, end).await, Opened::Kept);
}

async fn void_takes_out_code_and_state(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let first = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    let second = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    let id = first.code.clone().unwrap().code.id;
    assert_eq!(world.open(first.clone(), now).await, Opened::Kept);
    assert_eq!(world.open(second.clone(), now).await, Opened::Joined(id));
    world.void(&first.state, id).await;
    assert_eq!(world.take(&first.state, true, now).await, None);
    assert_eq!(world.take(&second.state, true, now).await.unwrap().code, None);
    // The State may be gone, as after the answer that was right.
    let third = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(third.clone(), now).await, Opened::Kept);
    let code = world.take(&third.state, true, now).await.unwrap().code.unwrap();
    world.void(&third.state, code.id).await;
    let fourth = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(fourth, now).await, Opened::Kept);
}

async fn void_leaves_a_newer_code_and_other_people(world: &World<impl Backend>) {
    let now = millis(1000);
    let (alice, bob) = (world.person(1), world.person(2));
    let old = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    let new = world.challenge(&alice, now).with(world.code(Channel::Sms, "wifi", now));
    let bobs = world.challenge(&bob, now).with(world.code(Channel::Sms, "vpn", now));
    for challenge in [&old, &new, &bobs] {
        assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    }
    world.void(&old.state, old.code.unwrap().code.id).await;
    world.void(&old.state, bobs.code.clone().unwrap().code.id).await;
    for kept in [new, bobs] {
        assert_eq!(world.take(&kept.state, true, now).await.unwrap().code, kept.code.map(|new| new.code));
    }
}

async fn oldest_challenge_goes_first_and_nobody_elses(world: &World<impl Backend>) {
    let now = millis(1000);
    let (alice, bob) = (world.person(1), world.person(2));
    let bobs = world.challenge(&bob, now);
    assert_eq!(world.open(bobs.clone(), now).await, Opened::Kept);
    let mut states = Vec::new();
    for _ in 0..PER_PERSON + 5 {
        let challenge = world.challenge(&alice, now);
        states.push(challenge.state);
        assert_eq!(world.open(challenge, now).await, Opened::Kept);
    }
    for (number, state) in states.iter().enumerate() {
        assert_eq!(world.take(state, false, now).await.is_some(), number >= 5, "{number}");
    }
    assert!(world.take(&bobs.state, false, now).await.is_some());
}

async fn same_state_again_replaces_the_first(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let mut challenge = world.challenge(&alice, now);
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    challenge.pending.client = "wifi".into();
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    assert_eq!(world.take(&challenge.state, false, now).await.unwrap().pending.client, "wifi");
    assert_eq!(world.take(&challenge.state, false, now).await, None);
}

/// A client of a Cluster sends a call again whose answer was lost: the message must go out nevertheless.
async fn repeated_call_is_not_its_own_predecessor(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let challenge = world.challenge(&alice, now).with(world.code(Channel::Sms, "vpn", now));
    for _ in 0..2 {
        assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    }
    assert!(world.take(&challenge.state, true, now).await.unwrap().code.is_some());
}

async fn parallel_takes_find_a_state_once(world: &World<impl Backend>) {
    let (alice, now) = (world.person(1), millis(1000));
    let challenge = world.challenge(&alice, now);
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    let takes = (0..100).map(|_| {
        let (world, state) = (world.clone(), challenge.state);
        tokio::spawn(async move { world.take(&state, true, now).await.is_some() })
    });
    let mut found = 0;
    for take in takes.collect::<Vec<_>>() {
        found += u32::from(take.await.unwrap());
    }
    assert_eq!(found, 1);
}

async fn parallel_attempts_get_a_code_as_often_as_it_has_tries(world: &World<impl Backend>) {
    let now = millis(1000);
    let attempts = (0..100).map(|_| {
        let world = world.clone();
        let challenge = world.challenge(&world.person(1), now).with(world.code(Channel::Sms, "vpn", now));
        tokio::spawn(async move {
            let _ = world.open(challenge.clone(), now).await;
            world.take(&challenge.state, true, now).await?.code
        })
    });
    let mut got: HashMap<_, u32> = HashMap::new();
    for attempt in attempts.collect::<Vec<_>>() {
        if let Some(code) = attempt.await.unwrap() {
            *got.entry(code.id).or_default() += 1;
        }
    }
    assert!(got.values().all(|times| *times <= 3) && got.values().any(|times| *times == 3), "{got:?}");
}

async fn nothing_stays(world: &World<impl Backend>) {
    let now = millis(1000);
    for number in 0..20 {
        let challenge =
            world.challenge(&world.person(number), now).with(world.code(Channel::Sms, "vpn", now));
        assert_eq!(world.open(challenge, now).await, Opened::Kept);
    }
    world.backend.assert_nothing_stays(&*world.challenges, now).await;
}
