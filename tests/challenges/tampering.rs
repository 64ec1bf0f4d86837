//! What somebody gets who can read and write everything in Redis.

use super::world::{LIFETIME, With as _, World, keyring, millis};
use crate::support::redis::Redis;
use doorward::domain::method::Channel;
use doorward::store::challenges::{NewChallenge, Opened};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything of the only person who has something.
fn fields(redis: &Redis) -> (String, BTreeMap<String, String>) {
    let keys: Vec<String> = redis.ask("KEYS *");
    assert_eq!(keys.len(), 1, "{keys:?}");
    let fields = redis.ask(&format!("HGETALL {}", keys[0]));
    (keys[0].clone(), fields)
}

fn set(redis: &Redis, key: &str, field: &str, value: &str) {
    let () = ::redis::cmd("HSET").arg(key).arg(field).arg(value).query(&mut redis.superuser()).unwrap();
}

async fn one(world: &World<Redis>) -> NewChallenge {
    let now = millis(1000);
    let challenge = world.challenge(&world.person(1), now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    challenge
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_redis_names_anybody() {
    let world = World::redis();
    let challenge = one(&world).await;
    let (key, fields) = fields(&world.backend);
    let all = format!("{key} {fields:?}");
    let id = challenge.pending.person.to_string();
    let digest = data_encoding::HEXLOWER.encode(&challenge.code.unwrap().code.digest);
    let state = data_encoding::HEXLOWER.encode(&challenge.state[8..]);
    for secret in [&*id, &state, &id.replace('-', ""), "a11ce", "password", &digest] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(key.starts_with("doorward:p:") && key.len() == "doorward:p:".len() + 16, "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn login_opens_only_under_its_own_state() {
    let world = World::redis();
    let challenge = one(&world).await;
    let (key, before) = fields(&world.backend);
    let (field, value) = before.iter().find(|(field, _)| field.starts_with("s:")).unwrap();
    let mut state = challenge.state;
    state[23] ^= 1;
    let field_of = |state| {
        use sha2::Digest as _;
        format!("s:{}", data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(state)[..16]))
    };
    assert_eq!(*field, field_of(challenge.state));
    let forged = field_of(state);
    set(&world.backend, &key, &forged, value);
    assert_eq!(world.take(&state, true, millis(1000)).await, None);
    // The original is still there.
    assert!(world.take(&challenge.state, true, millis(1000)).await.unwrap().code.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_cannot_be_moved() {
    let world = World::redis();
    let challenge = one(&world).await;
    let (key, before) = fields(&world.backend);
    for (field, value) in &before {
        let (_, rest) = value.split_once(' ').unwrap();
        set(&world.backend, &key, field, &format!("99999999999999 {rest}"));
    }
    let now = millis(1000) + LIFETIME;
    assert_eq!(world.take(&challenge.state, true, now).await, None);
    // A code that is put beside a login that still waits is over nevertheless.
    let later = world.challenge(&challenge.pending.person, now).with(world.code(Channel::Email, "wifi", now));
    assert_eq!(world.open(later.clone(), now).await, Opened::Kept);
    let (_, now_there) = fields(&world.backend);
    let (field, value) = now_there.iter().find(|(field, _)| field.starts_with("s:")).unwrap();
    let code = challenge.code.unwrap().code.id.to_string();
    set(
        &world.backend,
        &key,
        "c:login",
        &format!("99999999999999 3 99999999999999 {}", tail(&before["c:login"])),
    );
    let mut words: Vec<_> = value.split(' ').collect();
    words[3] = &code;
    set(&world.backend, &key, field, &words.join(" "));
    let taken = world.take(&later.state, true, now).await.unwrap();
    assert_eq!((taken.pending, taken.code), (later.pending, None));
}

fn tail(code: &str) -> String {
    code.splitn(4, ' ').nth(3).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_another_person_does_not_open() {
    let world = World::redis();
    let alice = one(&world).await;
    let (_, alices) = fields(&world.backend);
    let () = world.backend.ask("FLUSHALL");
    let now = millis(1000);
    let bob = world.challenge(&world.person(2), now).with(world.code(Channel::Sms, "vpn", now));
    assert_eq!(world.open(bob.clone(), now).await, Opened::Kept);
    let (key, bobs) = fields(&world.backend);
    set(&world.backend, &key, "c:login", &alices["c:login"]);
    let (field, value) = bobs.iter().find(|(field, _)| field.starts_with("s:")).unwrap();
    let mut words: Vec<_> = value.split(' ').collect();
    let id = alice.code.unwrap().code.id.to_string();
    words[3] = &id;
    set(&world.backend, &key, field, &words.join(" "));
    assert_eq!(world.take(&bob.state, true, now).await.unwrap().code, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_our_form_is_not_there() {
    let world = World::redis();
    let now = millis(1000);
    let huge = "9".repeat(400);
    for garbage in [
        "",
        "x",
        "1 2 3",
        "nan 1 - - v1:k1::",
        "9e999 1 login x v1:k1:AA:AA",
        &format!("{huge} {huge} {huge} a b c"),
        "\u{0}\u{1}",
    ] {
        let challenge = one(&world).await;
        let (key, before) = fields(&world.backend);
        for field in before.keys() {
            set(&world.backend, &key, field, garbage);
        }
        set(&world.backend, &key, "s:zz", garbage);
        set(&world.backend, &key, "", garbage);
        assert_eq!(world.take(&challenge.state, true, now).await, None, "{garbage:?}");
        let next = one(&world).await;
        assert!(world.take(&next.state, true, now).await.unwrap().code.is_some(), "{garbage:?}");
        let () = world.backend.ask("FLUSHALL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_opens_nothing() {
    let world = World::redis();
    let challenge = one(&world).await;
    let other =
        doorward::store::seal::Keyring::new(&[("k1".into(), doorward::base::Secret::new(vec![8; 32]))]);
    let settings = super::world::settings(&[world.backend.socket()]);
    let random = std::sync::Arc::new(doorward::base::OsRandom);
    let stranger =
        doorward::store::challenges::RedisChallenges::new(&settings, other.unwrap(), random).unwrap();
    let now = millis(1000) + Duration::from_secs(1);
    let taken = doorward::store::challenges::Challenges::take(&stranger, &challenge.state, true, now).await;
    assert_eq!(taken.unwrap(), None);
    let _ = keyring();
}
