//! Two daemons on one PostgreSQL: what one has used is used for the other, and both go on when the database was gone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::postgres::{Options, Postgres};
use support::{DOORWARD, Daemon, Someone, answer, code, radclient, radclient_by, read};

/// A folder like that of the demonstration.
fn clone(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (file, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            clone(&file, &copy);
        } else if kind.is_file() && !file.to_string_lossy().contains("doorward.db") {
            std::fs::copy(&file, &copy).unwrap();
        }
    }
}

fn db(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(DOORWARD)
        .arg("db")
        .args(arguments)
        .arg("--config")
        .arg(dir.join("doorward.toml"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Two nodes with what the demonstration had in its file.
struct Nodes {
    server: Postgres,
    people: Vec<Someone>,
    first: Daemon,
    second: Daemon,
    _folder: tempfile::TempDir,
}

impl Nodes {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [file, first, second] = ["file", "first", "second"].map(|name| folder.path().join(name));
        std::fs::create_dir(&file).unwrap();
        let mut demo = Daemon::demo_in(&file, &[]);
        let people = demo.people();
        let server = Postgres::start(Options::default());
        server.sql("postgres", "CREATE DATABASE doorward");
        for dir in [&first, &second] {
            clone(&file, dir);
            let config = read(&dir.join("doorward.toml"));
            let url = format!("path = \"doorward.db\"\nurl = \"{}\"", server.url("doorward"));
            std::fs::write(dir.join("doorward.toml"), config.replacen("path = \"doorward.db\"", &url, 1))
                .unwrap();
        }
        let from = file.join("doorward.db");
        let copy = ["copy", "--from", from.to_str().unwrap()];
        let refused = db(&first, &copy);
        assert!(!refused.status.success() && said(&refused).contains("stop Doorward"), "{}", said(&refused));
        demo.stop();
        let refused = db(&file, &copy);
        assert!(!refused.status.success() && said(&refused).contains("store.url"), "{}", said(&refused));
        let copied = db(&first, &copy);
        assert!(copied.status.success(), "{}", said(&copied));
        // Those who play a part at the portal are not in the list for scripts.
        let count = format!("people\t{}\n", people.len() + 3);
        assert!(said(&copied).contains(&count) && said(&copied).contains("verifies"), "{}", said(&copied));
        let migrated = db(&second, &["migrate"]);
        assert!(migrated.status.success() && said(&migrated).contains("already"), "{}", said(&migrated));
        let (first, second) = (Daemon::serve_in(&first, &[]), Daemon::serve_in(&second, &[]));
        Self { server, people, first, second, _folder: folder }
    }

    fn with_app(&self) -> &Someone {
        self.people.iter().find(|person| !person.totp.is_empty()).unwrap()
    }

    fn without_app(&self) -> &Someone {
        self.people.iter().find(|person| person.totp.is_empty()).unwrap()
    }
}

fn login(node: &Daemon, person: &Someone, typed: &str) -> String {
    answer(&radclient(node.address, &[("User-Name", &person.user), ("User-Password", typed)])).to_owned()
}

// Invariant 1
#[test]
fn what_one_node_has_accepted_or_changed_holds_for_the_other_at_once() {
    let nodes = Nodes::start();
    let person = nodes.with_app();
    let typed = format!("{}{}", person.password, code(&person.totp, 0));
    assert_eq!(login(&nodes.first, person, &typed), "Access-Accept");
    assert_eq!(login(&nodes.second, person, &typed), "Access-Reject");
    let typed = format!("{}{}", person.password, code(&person.totp, 1));
    assert_eq!(login(&nodes.second, person, &typed), "Access-Accept");
    assert_eq!(login(&nodes.first, person, &typed), "Access-Reject");
    let other = nodes.without_app();
    assert_eq!(login(&nodes.second, other, &other.password), "Access-Accept");
    assert!(nodes.first.run(&["person", "lock", &other.user]).status.success());
    assert_eq!(login(&nodes.second, other, &other.password), "Access-Reject");
    assert!(nodes.second.run(&["person", "unlock", &other.user]).status.success());
    assert_eq!(login(&nodes.first, other, &other.password), "Access-Accept");
    for node in [&nodes.first, &nodes.second] {
        assert!(node.run(&["audit", "verify"]).status.success());
    }
}

// Invariant 4
#[test]
fn nobody_is_answered_without_the_database_and_everybody_after_it_is_back() {
    let mut nodes = Nodes::start();
    let person = nodes.without_app().clone();
    for end in [Postgres::stop, Postgres::kill] {
        assert_eq!(login(&nodes.first, &person, &person.password), "Access-Accept");
        end(&mut nodes.server);
        for typed in [person.password.as_str(), "wrong"] {
            let attributes = [("User-Name", person.user.as_str()), ("User-Password", typed)];
            let said = radclient_by(Command::new("radclient"), "3", nodes.first.address, &attributes);
            assert_eq!(answer(&said), "no answer", "{said}");
        }
        nodes.server.run();
        let started = Instant::now();
        for node in [&nodes.first, &nodes.second] {
            loop {
                let attributes =
                    [("User-Name", person.user.as_str()), ("User-Password", person.password.as_str())];
                let said = radclient_by(Command::new("radclient"), "1", node.address, &attributes);
                if answer(&said) == "Access-Accept" {
                    break;
                }
                assert!(started.elapsed() < Duration::from_secs(20), "{said}");
            }
        }
    }
    assert!(nodes.first.run(&["audit", "verify"]).status.success());
}
