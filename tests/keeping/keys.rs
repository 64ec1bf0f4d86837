//! A new master key takes over while people log in, and the daemon is killed in the midst of it.

use super::*;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::slapd::until;

fn reload(daemon: &Daemon) {
    let told = |daemon: &Daemon| daemon.log().matches("configuration reloaded").count();
    let before = told(daemon);
    daemon.signal(Signal::SIGHUP);
    until("the configuration is reloaded", || (told(daemon) > before).then_some(()));
}

fn state(daemon: &Daemon, id: &str) -> String {
    let answer = daemon.json(&["keys", "list"]);
    let keys = answer["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] == id);
    key.map_or_else(|| "none".to_owned(), |key| key["state"].as_str().unwrap().to_owned())
}

/// Values under a key, as the file has them.
fn under(dir: &Path, id: &str) -> usize {
    let start = format!("v1:{id}:%");
    let count =
        |column: &str, table: &str| format!("(SELECT count(*) FROM {table} WHERE {column} LIKE '{start}')");
    let all =
        [("material", "factors"), ("sealed", "secrets"), ("secret", "client_keys"), ("answers", "questions")];
    let all = all.map(|(column, table)| count(column, table)).join(" + ");
    sqlite(&dir.join("doorward.db"), &format!("SELECT {all}")).parse().unwrap()
}

#[test]
fn new_key_is_for_its_owner_alone_and_takes_the_place_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k2.key");
    let made = || Command::new(DOORWARD).args(["keys", "new"]).arg(&file).output().unwrap();
    let text = done(&made());
    let key = read(&file);
    assert!(text.contains("k2") && !text.contains(key.trim()), "the key itself is not shown: {text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(key.trim().len(), 44);
    let again = made();
    assert!(!again.status.success() && said(&again).contains("exists"), "{}", said(&again));
    assert_eq!(read(&file), key);
    let bad = Command::new(DOORWARD).args(["keys", "new"]).arg(dir.path().join("My Key")).output().unwrap();
    assert!(!bad.status.success() && said(&bad).contains("lower-case letters"), "{}", said(&bad));
}

#[test]
fn key_takes_over_while_people_log_in_and_a_kill_in_the_midst_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &["--people", "3000"]);
    let people: Vec<_> = daemon.with_app().into_iter().rev().take(8).collect();
    done(&daemon.run(&["keys", "new", dir.path().join("keys/k2.key").to_str().unwrap()]));
    configure(dir.path(), "\"keys/demo.key\"", "\"keys/k2.key\", \"keys/demo.key\"");
    reload(&daemon);
    assert_eq!((state(&daemon, "k2"), state(&daemon, "demo")), ("next".to_owned(), "seals".to_owned()));
    let before = under(dir.path(), "demo");
    assert!(before > 3000, "{before}");

    let mut rotation = Command::new(DOORWARD)
        .arg("--socket")
        .arg(dir.path().join("admin.sock"))
        .args(["--json", "keys", "rotate"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(rotation.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"sealing\"")), "it says how far it is");
    daemon.kill();
    rotation.wait().unwrap();
    // Wherever that was: every value is under one of the two, and opens.
    assert_eq!(under(dir.path(), "k2") + under(dir.path(), "demo"), before);
    assert!(under(dir.path(), "k2") > 0);

    // It goes on by itself, while people log in; what was accepted before is not accepted again.
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let logins = {
        let (stop, address, people) = (Arc::clone(&stop), daemon.address, people.clone());
        std::thread::spawn(move || {
            let plain = Someone { totp: String::new(), ..people[0].clone() };
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let attributes =
                    [("User-Name", plain.user.as_str()), ("User-Password", plain.password.as_str())];
                answers.push(answer(&radclient(address, &attributes)).to_owned());
            }
            answers
        })
    };
    for person in &people {
        assert_eq!(login(&daemon, person, &typed(person, 0)), "Access-Accept");
        assert_eq!(login(&daemon, person, &typed(person, 0)), "Access-Reject");
    }
    until("all is under the new key", || (state(&daemon, "demo") == "free").then_some(()));
    stop.store(true, Ordering::Relaxed);
    let answers = logins.join().unwrap();
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer == "Access-Challenge"), "{answers:?}");
    assert_eq!((under(dir.path(), "demo"), state(&daemon, "k2")), (0, "seals".to_owned()));
    let text = done(&daemon.run(&["keys", "rotate"]));
    assert!(
        text.contains("Everything is under `k2` already") && text.contains("Nothing is under `demo`"),
        "{text}"
    );

    // The old file can go.
    configure(dir.path(), "\"keys/k2.key\", \"keys/demo.key\"", "\"keys/k2.key\"");
    let mut daemon = daemon;
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    assert_eq!(login(&daemon, &people[0], &typed(&people[0], 1)), "Access-Accept");
    let trail = daemon.json(&["audit", "list", "--subject", "k2"]).to_string();
    assert!(trail.contains("k2 seals in the place of demo") && trail.contains("were sealed anew"), "{trail}");
    done(&daemon.run(&["audit", "verify"]));
}

#[test]
fn reload_without_a_key_that_is_needed_keeps_the_old_ones() {
    let daemon = Daemon::demo(&[]);
    done(&daemon.run(&["keys", "new", daemon.dir.join("keys/k2.key").to_str().unwrap()]));
    configure(&daemon.dir, "\"keys/demo.key\"", "\"keys/k2.key\"");
    reload(&daemon);
    assert!(daemon.log().contains("the old [keys] stay"), "{}", daemon.log());
    let person = &daemon.with_app()[0];
    assert_eq!(login(&daemon, person, &typed(person, 1)), "Access-Accept");
    assert_eq!(state(&daemon, "demo"), "seals");
}
