//! Two daemons on one records store and one Redis: a login begins at one and ends at the other.

use super::servers::rule;
use crate::support::directory::{configure, login_output, unanswered};
use crate::support::redis::{Redis, Setup};
use crate::support::slapd::until;
use crate::support::{Daemon, answer, code, radclient, value};

const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "a passphrase of her own";

fn node(store: &std::path::Path, redis: &Redis) -> (tempfile::TempDir, Daemon) {
    node_with(store, redis, "")
}

/// The same with more in its configuration.
pub(crate) fn node_with(store: &std::path::Path, redis: &Redis, more: &str) -> (tempfile::TempDir, Daemon) {
    let dir = tempfile::tempdir().unwrap();
    let section = format!(
        "{more}[redis]\nurls = [\"{}\"]\nuser = \"doorward\"\nsecret = \"{}\"\n",
        redis.url(),
        super::servers::PASSWORD
    );
    configure(dir.path(), &section);
    let file = dir.path().join("doorward.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("doorward.db", store.to_str().unwrap())).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    (dir, daemon)
}

pub(crate) fn until_redis(daemon: &Daemon, up: bool) -> String {
    until("the state of Redis", || {
        let state = daemon.json(&["status"])["redis"].as_str()?.to_owned();
        ((state == "up") == up).then_some(state)
    })
}

fn enroll(daemon: &Daemon) {
    let added = daemon.run_with(&["person", "add", "zoe", "--name", "Zoe"], &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{added:?}");
    let enrolled = daemon.run(&["enroll", "totp", "zoe", "--seed", SEED, "--code", &code(SEED, -1)]);
    assert!(enrolled.status.success(), "{enrolled:?}");
}

/// Answers the challenge in `asked`.
fn respond(daemon: &Daemon, asked: &str, typed: &str) -> String {
    let state = value(asked, "State").unwrap();
    let attributes = [("User-Name", "zoe"), ("User-Password", typed), ("State", state)];
    answer(&radclient(daemon.address, &attributes)).to_owned()
}

// R-RESET-9
#[test]
fn new_password_and_lock_at_one_node_void_the_challenge_of_another() {
    let redis = Redis::with(&Setup { extra: rule("standalone"), ..Setup::default() });
    let store = tempfile::tempdir().unwrap();
    let (_one_dir, one) = node(&store.path().join("doorward.db"), &redis);
    let (_other_dir, other) = node(&store.path().join("doorward.db"), &redis);
    enroll(&one);
    for daemon in [&one, &other] {
        until_redis(daemon, true);
    }
    let passcode = code(SEED, 0);
    let asked = login_output(&one, "zoe", PASSWORD);
    assert_eq!(answer(&asked), "Access-Challenge", "{asked}");
    let changed = "another passphrase of hers";
    let set = other.run_with(&["person", "passwd", "zoe"], &format!("{changed}\n"));
    assert!(set.status.success(), "{set:?}");
    assert_eq!(respond(&one, &asked, &passcode), "Access-Reject");
    let asked = login_output(&one, "zoe", changed);
    for order in ["lock", "unlock"] {
        assert!(other.run(&["person", order, "zoe"]).status.success());
    }
    assert_eq!(respond(&one, &asked, &passcode), "Access-Reject");
    let asked = login_output(&one, "zoe", changed);
    assert_eq!(respond(&other, &asked, &passcode), "Access-Accept", "it was good all the time");
}

#[test]
fn login_ends_at_another_node_than_it_began_and_only_once() {
    let mut redis = Redis::with(&Setup { extra: rule("standalone"), ..Setup::default() });
    let store = tempfile::tempdir().unwrap();
    let (_one_dir, one) = node(&store.path().join("doorward.db"), &redis);
    let (_other_dir, other) = node(&store.path().join("doorward.db"), &redis);
    enroll(&one);
    for daemon in [&one, &other] {
        until_redis(daemon, true);
    }

    let asked = login_output(&one, "zoe", PASSWORD);
    assert_eq!(answer(&asked), "Access-Challenge", "{asked}");
    let reply = |daemon: &Daemon, typed: &str| respond(daemon, &asked, typed);
    let passcode = code(SEED, 0);
    assert_eq!(reply(&other, &passcode), "Access-Accept");
    assert_eq!(reply(&one, &passcode), "Access-Reject");

    redis.kill();
    assert!(until_redis(&one, false).contains("Redis"));
    // It cannot ask back, so it says nothing; what needs no challenge goes on.
    assert_eq!(unanswered(&one, "zoe", PASSWORD), "no answer");
    assert_eq!(answer(&login_output(&one, "zoe", &format!("{PASSWORD}{}", code(SEED, 1)))), "Access-Accept");
    redis.start_again();
    until_redis(&one, true);
    assert_eq!(answer(&login_output(&one, "zoe", PASSWORD)), "Access-Challenge");
}
