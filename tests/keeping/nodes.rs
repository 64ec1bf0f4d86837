//! The same where the store is PostgreSQL.

use super::*;
use nix::sys::signal::Signal;
use std::fs;
use support::postgres::{Options, Postgres};
use support::slapd::until;

/// Two nodes on an empty database, each with a folder of its own.
struct Nodes {
    server: Postgres,
    first: Daemon,
    second: Daemon,
    _folder: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (file, copy) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => self::copy(&file, &copy),
            kind if kind.is_file() && !file.to_string_lossy().contains("doorward.db") => {
                fs::copy(&file, &copy).unwrap();
            }
            _ => {}
        }
    }
}

impl Nodes {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [file, first, second] = ["file", "first", "second"].map(|name| folder.path().join(name));
        fs::create_dir(&file).unwrap();
        Daemon::demo_in(&file, &[]).stop();
        let server = Postgres::start(Options::default());
        server.sql("postgres", "CREATE DATABASE doorward");
        for dir in [&first, &second] {
            copy(&file, dir);
            let url = format!("path = \"doorward.db\"\nurl = \"{}\"", server.url("doorward"));
            configure(dir, "path = \"doorward.db\"", &url);
        }
        done(&offline(&first, &["db", "copy", "--from", file.join("doorward.db").to_str().unwrap()]));
        let (first, second) = (Daemon::serve_in(&first, &[]), Daemon::serve_in(&second, &[]));
        Self { server, first, second, _folder: folder }
    }
}

/// Reloads a node, and waits until it has.
fn reload(node: &Daemon) {
    node.signal(Signal::SIGHUP);
    let lines = node.lines.as_ref().unwrap();
    while !lines.recv_timeout(support::PATIENCE).unwrap().contains("configuration reloaded") {}
}

#[test]
fn key_that_one_node_lacks_does_not_take_over_and_then_all_follow() {
    let nodes = Nodes::start();
    let new = nodes.first.dir.join("keys/k2.key");
    done(&Command::new(DOORWARD).args(["keys", "new"]).arg(&new).output().unwrap());
    configure(&nodes.first.dir, "\"keys/demo.key\"", "\"keys/k2.key\", \"keys/demo.key\"");
    reload(&nodes.first);
    let refused = nodes.first.run(&["keys", "rotate"]);
    assert!(
        !refused.status.success() && said(&refused).contains("does not have the key `k2`"),
        "{}",
        said(&refused)
    );
    fs::copy(&new, nodes.second.dir.join("keys/k2.key")).unwrap();
    configure(&nodes.second.dir, "\"keys/demo.key\"", "\"keys/demo.key\", \"keys/k2.key\"");
    reload(&nodes.second);
    let text = done(&nodes.first.run(&["keys", "rotate"]));
    assert!(text.contains("Everything is under `k2`") && text.contains("Nothing is under `demo`"), "{text}");
    let person = &read_people(&nodes.first.dir)[0];
    assert_eq!(login(&nodes.second, person, &typed(person, 0)), "Access-Accept");
    assert_eq!(login(&nodes.first, person, &typed(person, 0)), "Access-Reject");
    // What the other node writes is under it as well.
    done(&nodes.second.run(&["enroll", "totp", &person.user]));
    let old = "SELECT count(*) FROM factors WHERE material NOT LIKE 'v1:k2:%'";
    assert_eq!(nodes.server.sql("doorward", old), "0");
}

fn read_people(dir: &Path) -> Vec<Someone> {
    let row = |line: &str| {
        let fields: Vec<_> = line.split(',').map(str::to_owned).collect();
        Someone { user: fields[0].clone(), password: fields[1].clone(), totp: fields[2].clone() }
    };
    read(&dir.join("people.csv")).lines().map(row).filter(|person| !person.totp.is_empty()).collect()
}

#[test]
fn database_that_was_brought_back_is_made_safe_while_no_node_runs() {
    let mut nodes = Nodes::start();
    let refused = offline(&nodes.first.dir, &["backup", "x.db"]);
    assert!(!refused.status.success() && said(&refused).contains("pg_dump"), "{}", said(&refused));
    let person = read_people(&nodes.first.dir)[0].clone();
    let used = typed(&person, 1);
    let old = nodes.server.sql("doorward", "SELECT string_agg(factor || '=' || next, ',') FROM positions");
    assert_eq!(login(&nodes.first, &person, &used), "Access-Accept");
    let refused = offline(&nodes.first.dir, &["db", "restored"]);
    assert!(
        !refused.status.success() && said(&refused).contains("stop all nodes first"),
        "{}",
        said(&refused)
    );
    nodes.first.stop();
    nodes.second.stop();
    // As it was before: the passcode would be good again.
    for pair in old.split(',') {
        let (factor, next) = pair.split_once('=').unwrap();
        nodes
            .server
            .sql("doorward", &format!("UPDATE positions SET next = {next} WHERE factor = '{factor}'"));
    }
    // The sessions of nodes that have just ended may be there for a moment.
    until("the database is free", || {
        let output = offline(&nodes.first.dir, &["db", "restored"]);
        assert!(output.status.success() || said(&output).contains("stop all nodes"), "{}", said(&output));
        output.status.success().then_some(())
    });
    let node = Daemon::serve_in(&nodes.first.dir, &[]);
    assert_eq!(login(&node, &person, &used), "Access-Reject");
    done(&node.run(&["audit", "verify"]));
    assert!(node.json(&["audit", "list"]).to_string().contains("by other means"));
}

#[test]
fn row_that_was_changed_lost_or_moved_in_postgresql_is_named() {
    let nodes = Nodes::start();
    let sql = |sql: &str| nodes.server.sql("doorward", sql);
    sql("UPDATE audit SET actor = 'x' WHERE seq = 2");
    sql("DELETE FROM audit WHERE seq = 4");
    let output = nodes.first.run(&["audit", "verify"]);
    let text = said(&output);
    assert!(!output.status.success() && text.contains("BROKEN at entry 2 ("), "{text}");
    assert!(text.contains("Entry 4 (") && text.contains("this entry is missing"), "{text}");
}
