//! Real servers in every arrangement: what is refused, what is lost, and that Doorward finds back by itself.

use super::world::{With as _, World, connect, keyring, millis, settings};
use crate::support::redis::{Redis, Setup, certificates, cluster};
use crate::support::slapd::{free_port, until};
use doorward::base::{OsRandom, Secret};
use doorward::config::{self, RedisMode};
use doorward::domain::method::Channel;
use doorward::store::StoreError;
use doorward::store::challenges::{Opened, RedisChallenges, RedisState};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md");
pub(crate) const PASSWORD: &str = "a-long-random-password";

/// One login from challenge to answer.
async fn login<B>(world: &World<B>, number: usize) -> Result<(), StoreError> {
    let now = millis(1000);
    let code = world.code(Channel::Sms, "vpn", now);
    let challenge = world.challenge(&world.person(number), now).with(code);
    if let Opened::Joined(code) = world.challenges.open(challenge.clone(), now).await? {
        // Kept by a call whose answer was lost; the engine finds no message of it, and opens anew as well.
        world.challenges.void(&challenge.state, code).await?;
        return Err(StoreError::Conflict("there is a code already".into()));
    }
    let taken = world.challenges.take(&challenge.state, true, now).await?.unwrap();
    assert_eq!(
        (taken.pending, taken.code.as_ref()),
        (challenge.pending, challenge.code.as_ref().map(|new| &new.code))
    );
    world.challenges.void(&challenge.state, taken.code.unwrap().id).await
}

/// Logs in until it works.
async fn until_login<B>(world: &World<B>) {
    let begin = Instant::now();
    while let Err(error) = login(world, 1).await {
        assert!(begin.elapsed() < Duration::from_secs(30), "{error}");
    }
}

/// The sentence that a login ends with.
async fn refusal<B>(world: &World<B>) -> String {
    let error = login(world, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    error.to_string()
}

/// Waits for a state with this in its reason.
fn until_down(challenges: &RedisChallenges, reason: &str) {
    until(reason, || match challenges.state() {
        RedisState::Down(why) if why.contains(reason) => Some(()),
        _ => None,
    });
}

fn start(settings: &config::Redis) -> Arc<RedisChallenges> {
    Arc::new(RedisChallenges::new(settings, keyring(), Arc::new(OsRandom)).unwrap())
}

fn authorities(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect()
}

/// The rule that the manual tells for a mode, as a line of `redis.conf`.
pub(crate) fn rule(mode: &str) -> String {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let marker = format!("<!-- rule: {mode} -->");
    let after = text.split(&marker).nth(1).unwrap_or_else(|| panic!("no {marker} in the manual"));
    let line = after.lines().find(|line| line.starts_with("user doorward ")).unwrap();
    format!("{}\n", line.replace("PASSWORD", PASSWORD))
}

fn as_user(mut settings: config::Redis) -> config::Redis {
    settings.user = "doorward".into();
    settings.secret = Some(Secret::new(PASSWORD.into()));
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_is_one_round_trip() {
    let world = World::redis();
    let redis = &world.backend;
    login(&world, 1).await.unwrap();
    // Each of the three scripts was not known the first time.
    assert_eq!((redis.calls("evalsha"), redis.calls("eval")), (3, 3));
    let () = redis.ask("CONFIG RESETSTAT");
    for number in 0..50 {
        login(&world, number).await.unwrap();
    }
    assert_eq!((redis.calls("evalsha"), redis.calls("eval")), (150, 0));
    let others: String = redis.ask("INFO commandstats");
    for line in others.lines().filter(|line| line.starts_with("cmdstat_")) {
        let command = line["cmdstat_".len()..].split(':').next().unwrap();
        // What scripts call, the heartbeat, and this test's own questions.
        let known = [
            "evalsha",
            "hget",
            "hset",
            "hdel",
            "hgetall",
            "pexpire",
            "ping",
            "info",
            "client|setinfo",
            "config|resetstat",
            "select",
        ];
        assert!(known.contains(&command), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_of_the_manual_is_enough_and_needed() {
    let redis = Redis::with(&Setup { extra: rule("standalone"), ..Setup::default() });
    let limited = as_user(settings(&[redis.url()]));
    let world = World::new(redis, connect(&limited));
    login(&world, 1).await.unwrap();
    let commands: Vec<_> =
        rule("standalone").split(" +").skip(1).map(|word| word.trim().to_owned()).collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        let () = world.backend.ask("SCRIPT FLUSH");
        let () = world.backend.ask(&format!("ACL SETUSER doorward -{command}"));
        let shown = refusal(&World::new((), start(&limited))).await;
        assert!(shown.contains("docs/redis.md has the ACL rule"), "{command}: {shown}");
        let () = world.backend.ask(&format!("ACL SETUSER doorward +{command}"));
    }
    login(&World::new((), connect(&limited)), 1).await.unwrap();
    let mut elsewhere = limited.clone();
    elsewhere.prefix = "other".into();
    let shown = refusal(&World::new((), connect(&elsewhere))).await;
    assert!(shown.contains("docs/redis.md has the ACL rule"), "{shown}");
    let mut wrong = limited;
    wrong.secret = Some(Secret::new("wrong".into()));
    let challenges = start(&wrong);
    until_down(&challenges, "takes neither user nor password");
    let shown = refusal(&World::new((), challenges)).await;
    assert!(shown.contains("`secret` in [redis]") && !shown.contains("wrong\""), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_checked_against_the_authority() {
    let (dir, files) = certificates();
    let redis = Redis::with(&Setup { tls: Some(dir.path().to_owned()), ..Setup::default() });
    let mut settings = settings(&[redis.url()]);
    settings.authorities = authorities(&files.ca);
    login(&World::new((), connect(&settings)), 1).await.unwrap();
    settings.authorities = authorities(&files.wrong_ca);
    let challenges = start(&settings);
    until_down(&challenges, "invalid peer certificate");
    assert!(refusal(&World::new((), challenges)).await.contains("certificate"));
    settings.authorities = Vec::new();
    until_down(&start(&settings), "invalid peer certificate");
    // Plain text to the port is no way either.
    let plain = super::world::settings(&[redis.url().replace("rediss", "redis")]);
    let challenges = start(&plain);
    refusal(&World::new((), Arc::clone(&challenges) as _)).await;
    assert_ne!(challenges.state(), RedisState::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_loses_what_was_outstanding_and_nothing_else() {
    let mut redis = Redis::start();
    let challenges = connect(&settings(&[redis.url()]));
    let world = World::new((), Arc::clone(&challenges) as _);
    let now = millis(1000);
    let challenge = world.challenge(&world.person(1), now);
    assert_eq!(world.open(challenge.clone(), now).await, Opened::Kept);
    redis.kill();
    let shown = refusal(&world).await;
    assert!(shown.contains("Redis"), "{shown}");
    redis.start_again();
    until("the connection", || (challenges.state() == RedisState::Up).then_some(()));
    // The scripts are gone too.
    assert_eq!(world.take(&challenge.state, true, now).await, None);
    login(&world, 1).await.unwrap();
}

/// The heartbeat sees that the connection is gone before a login does.
#[tokio::test(flavor = "multi_thread")]
async fn first_login_after_a_restart_works() {
    let mut redis = Redis::start();
    let challenges = connect(&settings(&[redis.url()]));
    let world = World::new((), Arc::clone(&challenges) as _);
    login(&world, 1).await.unwrap();
    redis.kill();
    redis.start_again();
    until("the loss is seen and mended", || {
        let connected: u64 = redis
            .ask::<String>("INFO stats")
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"))?
            .parse()
            .ok()?;
        let named: String = redis.ask("CLIENT LIST");
        (connected > 1 && challenges.state() == RedisState::Up && named.lines().count() > 1).then_some(())
    });
    login(&world, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_hangs_costs_the_timeout_and_no_more() {
    let redis = Redis::start();
    let challenges = connect(&settings(&[redis.url()]));
    let world = World::new((), Arc::clone(&challenges) as _);
    login(&world, 1).await.unwrap();
    redis.pause();
    let shown = refusal(&world).await;
    assert!(shown.contains("no answer within 500 ms"), "{shown}");
    // Many at once are told the same; none is left waiting.
    let logins = (0..200).map(|number| {
        let world = world.clone();
        tokio::spawn(async move { login(&world, number).await })
    });
    for login in logins.collect::<Vec<_>>() {
        assert!(login.await.unwrap().is_err());
    }
    until_down(&challenges, "lost");
    redis.resume();
    until_login(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_takes_no_changes_is_told_with_what_to_do() {
    let world = World::redis();
    login(&world, 1).await.unwrap();
    let () = world.backend.ask("CONFIG SET maxmemory 1");
    let shown = refusal(&world).await;
    assert!(shown.contains("raise its `maxmemory`"), "{shown}");
    let () = world.backend.ask("CONFIG SET maxmemory 0");
    login(&world, 1).await.unwrap();
    let () = world.backend.ask("REPLICAOF 127.0.0.1 1");
    let shown = refusal(&world).await;
    assert!(shown.contains("must name the master"), "{shown}");
    let () = world.backend.ask("REPLICAOF NO ONE");
    login(&world, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_is_used_whole_and_by_the_rule_of_the_manual() {
    let nodes = cluster(None, &rule("cluster"));
    // The others are found.
    let mut settings = as_user(settings(&[nodes[0].url()]));
    settings.mode = RedisMode::Cluster;
    let world = World::new(nodes, connect(&settings));
    for number in 0..30 {
        login(&world, number).await.unwrap();
    }
    for node in &*world.backend {
        assert!(node.calls("evalsha") > 0);
    }
    // One call each, at the right node at once; each node had to learn each script.
    let sum = |command| world.backend.iter().map(|node| node.calls(command)).sum::<u64>();
    assert_eq!((sum("evalsha"), sum("eval")), (90, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_with_tls_is_reached_by_tls_at_all_nodes() {
    let (dir, files) = certificates();
    let nodes = cluster(Some(dir.path()), "");
    let mut settings = settings(&[nodes[0].url()]);
    settings.mode = RedisMode::Cluster;
    settings.authorities = authorities(&files.ca);
    let world = World::new(nodes, connect(&settings));
    for number in 0..30 {
        login(&world, number).await.unwrap();
    }
    assert!(world.backend.iter().all(|node| node.calls("evalsha") > 0));
    settings.authorities = authorities(&files.wrong_ca);
    until_down(&start(&settings), "certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_that_loses_nodes_is_found_again() {
    let mut nodes = cluster(None, "");
    let urls: Vec<_> = nodes.iter().map(Redis::url).collect();
    let mut settings = settings(&urls);
    settings.mode = RedisMode::Cluster;
    let challenges = connect(&settings);
    let world = World::new((), Arc::clone(&challenges) as _);
    let outcomes = async || {
        let mut fine = 0;
        for number in 0..30 {
            match login(&world, number).await {
                Ok(()) => fine += 1,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
            }
        }
        fine
    };
    assert_eq!(outcomes().await, 30);
    nodes[2].kill();
    // People whose place is at another node go on.
    let fine = outcomes().await;
    assert!(fine > 5 && fine < 30, "{fine}");
    nodes[2].start_again();
    let begin = Instant::now();
    while outcomes().await < 30 {
        assert!(begin.elapsed() < Duration::from_secs(40));
    }
    nodes.iter_mut().for_each(Redis::kill);
    refusal(&world).await;
    until_down(&challenges, "Redis");
    nodes.iter_mut().for_each(Redis::start_again);
    let begin = Instant::now();
    while outcomes().await < 30 {
        assert!(begin.elapsed() < Duration::from_secs(40));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slot_that_moved_is_followed() {
    let nodes = cluster(None, &rule("cluster"));
    let mut settings = as_user(settings(&[nodes[0].url()]));
    settings.mode = RedisMode::Cluster;
    let world = World::new((), connect(&settings));
    let now = millis(1000);
    let state = world.challenge(&world.person(1), now).state;
    let key = format!("doorward:p:{}", data_encoding::HEXLOWER.encode(&state[..8]));
    login(&world, 1).await.unwrap();
    let slot: u16 = nodes[0].ask(&format!("CLUSTER KEYSLOT {key}"));
    let holder = nodes.iter().position(|node| node.calls("evalsha") > 0).unwrap();
    let next = &nodes[(holder + 1) % 3];
    let id: String = next.ask("CLUSTER MYID");
    // On its way: the old holder says for each call where to ask.
    let old: String = nodes[holder].ask("CLUSTER MYID");
    let () = next.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {old}"));
    let () = nodes[holder].ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {id}"));
    login(&world, 1).await.unwrap();
    let asked = next.calls("evalsha");
    assert!(asked > 0 && next.calls("asking") > 0);
    for node in [next, &nodes[holder], &nodes[(holder + 2) % 3]] {
        let () = node.ask(&format!("CLUSTER SETSLOT {slot} NODE {id}"));
    }
    login(&world, 1).await.unwrap();
    assert!(next.calls("evalsha") > asked);
}

/// The only node that the configuration names is down; the others are known by then.
#[tokio::test(flavor = "multi_thread")]
async fn cluster_outlives_the_node_that_was_named() {
    let mut nodes = cluster(None, "");
    let mut settings = settings(&[nodes[0].url()]);
    settings.mode = RedisMode::Cluster;
    let challenges = connect(&settings);
    let world = World::new((), Arc::clone(&challenges) as _);
    nodes[0].kill();
    let begin = Instant::now();
    let (mut fine, mut all) = (0, 0);
    // Several heartbeats.
    while begin.elapsed() < Duration::from_secs(4) {
        for number in 0..20 {
            fine += u32::from(login(&world, number).await.is_ok());
            all += 1;
        }
        assert_eq!(challenges.state(), RedisState::Up);
    }
    assert!(fine > all / 3, "{fine} of {all}");
}

/// A master, a replica, and a Sentinel that has seen both.
fn sentinels(extra: &str, sentinel_extra: &str) -> (Redis, Redis, Redis) {
    let extra = format!("repl-diskless-sync-delay 0\n{extra}");
    let master = Redis::with(&Setup { extra: extra.clone(), ..Setup::default() });
    let replica = format!("replicaof 127.0.0.1 {}\n{extra}", master.port);
    let replica = Redis::with(&Setup { extra: replica, ..Setup::default() });
    until("the replica", || {
        replica.ask::<String>("INFO replication").contains("master_link_status:up").then_some(())
    });
    let monitor = format!(
        "sentinel monitor campus 127.0.0.1 {} 1\nsentinel down-after-milliseconds campus 500\n\
         sentinel failover-timeout campus 3000\n{sentinel_extra}",
        master.port
    );
    let sentinel = Redis::with(&Setup { extra: monitor, sentinel: true, ..Setup::default() });
    (master, replica, sentinel)
}

#[tokio::test(flavor = "multi_thread")]
async fn new_master_is_found_after_a_failover() {
    let (mut master, replica, sentinel) = sentinels(&rule("sentinel"), "");
    // The first of the Sentinels is switched off.
    let mut settings = as_user(settings(&[format!("redis://127.0.0.1:{}", free_port()), sentinel.url()]));
    settings.mode = RedisMode::Sentinel("campus".into());
    let challenges = connect(&settings);
    let world = World::new((), Arc::clone(&challenges) as _);
    login(&world, 1).await.unwrap();
    assert!(master.calls("evalsha") > 0);
    master.kill();
    refusal(&world).await;
    until_login(&world).await;
    let own: u64 = replica.calls("evalsha");
    assert!(own > 0 && replica.ask::<String>("INFO replication").contains("role:master"));
    let mut unknown = settings;
    unknown.mode = RedisMode::Sentinel("elsewhere".into());
    until_down(&start(&unknown), "`master` in [redis]");
}

/// The old master lives on as a replica: its connection works, and takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn master_that_becomes_a_replica_is_left() {
    let (master, replica, sentinel) = sentinels("", "");
    let mut settings = settings(&[sentinel.url()]);
    settings.mode = RedisMode::Sentinel("campus".into());
    let world = World::new((), connect(&settings));
    login(&world, 1).await.unwrap();
    let mut asked = redis::Client::open(sentinel.url()).unwrap().get_connection().unwrap();
    // Else it looks every ten seconds.
    let () = redis::cmd("SENTINEL").arg(&["debug", "info-period", "200"]).query(&mut asked).unwrap();
    until("the Sentinel knows the replica", || {
        redis::cmd("SENTINEL").arg("failover").arg("campus").query::<()>(&mut asked).ok()
    });
    until("the failover", || {
        let role = |redis: &Redis| Some(redis.try_ask::<Vec<redis::Value>>("ROLE").ok()?.len());
        // A replica says five things about itself, a master three.
        (role(&master)? == 5 && role(&replica)? == 3).then_some(())
    });
    until_login(&world).await;
    assert!(replica.calls("evalsha") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_nothing_leaves_this_machine() {
    let monitor = "sentinel monitor campus 192.0.2.1 6379 1\n".to_owned();
    let sentinel = Redis::with(&Setup { extra: monitor, sentinel: true, ..Setup::default() });
    let mut settings = settings(&[sentinel.url()]);
    settings.mode = RedisMode::Sentinel("campus".into());
    let challenges = start(&settings);
    until_down(&challenges, "use rediss://");
    refusal(&World::new((), challenges)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_may_ask_for_the_password_too() {
    let requirements =
        format!("user doorward on >{PASSWORD} +sentinel|get-master-addr-by-name\nuser default off\n");
    let (_master, _replica, sentinel) = sentinels(&rule("sentinel"), &requirements);
    let mut settings = as_user(settings(&[sentinel.url()]));
    settings.mode = RedisMode::Sentinel("campus".into());
    until_down(&start(&settings), "takes neither user nor password");
    settings.sentinel_auth = true;
    login(&World::new((), connect(&settings)), 1).await.unwrap();
}
