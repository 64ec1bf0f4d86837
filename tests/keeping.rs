//! What is kept: keys that change while people log in, backups and what may be used after one, an audit trail that tells who
//! changed it and leaves in the forms of others. Real daemons, sqlite3, PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "keeping/backups.rs"]
mod backups;
#[path = "keeping/keys.rs"]
mod keys;
#[path = "keeping/nodes.rs"]
mod nodes;
#[path = "keeping/trail.rs"]
mod trail;

use std::path::Path;
use std::process::{Command, Output};
use support::{DOORWARD, Daemon, Someone, answer, code, radclient, read};

/// Runs a command that needs no daemon, on a folder's configuration.
fn offline(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(DOORWARD);
    command.args(arguments).arg("--config").arg(dir.join("doorward.toml"));
    command.arg("--socket").arg(dir.join("admin.sock")).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs one that must succeed; what it says.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

/// What sqlite3 says to a question about a file.
fn sqlite(file: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-bail", "-cmd", ".timeout 20000"])
        .arg(file)
        .arg(sql)
        .output()
        .expect("sqlite3 is installed");
    assert!(output.status.success(), "{sql}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn login(daemon: &Daemon, person: &Someone, typed: &str) -> String {
    answer(&radclient(daemon.address, &[("User-Name", &person.user), ("User-Password", typed)])).to_owned()
}

/// With the passcode of this step.
fn typed(person: &Someone, steps: i64) -> String {
    format!("{}{}", person.password, code(&person.totp, steps))
}

/// Changes the configuration of a folder.
fn configure(dir: &Path, from: &str, to: &str) {
    let config = read(&dir.join("doorward.toml"));
    assert!(config.contains(from), "{from}");
    std::fs::write(dir.join("doorward.toml"), config.replacen(from, to, 1)).unwrap();
}
