//! A daemon that follows outside directories.

use super::slapd::{SERVICE, Slapd, until};
use super::{Daemon, answer, radclient_by};
use std::path::Path;
use std::process::Command;

/// Settings of a `[[directory]]` on this slapd; more lines may follow.
pub(crate) fn on_slapd(slapd: &Slapd, name: &str, server: &str) -> String {
    format!(
        "[[directory]]\nname = \"{name}\"\nservers = [\"{server}\"]\nca_file = \"{}\"\nbind_dn = \"{}\"\n\
         secret = \"{}\"\nbase = \"ou=people,dc=example,dc=org\"\ngroup_base = \"ou=groups,dc=example,dc=org\"\n\
         timeout = \"1s\"\n",
        slapd.ca().display(),
        SERVICE.0,
        SERVICE.1
    )
}

/// A folder with a configuration: one client on loopback that wants a passcode of whoever has enrolled one.
pub(crate) fn configure(dir: &Path, directories: &str) {
    std::fs::write(dir.join("k1.key"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.join("k1.key"), mode).unwrap();
    let text = format!(
        "[store]\npath = \"doorward.db\"\n[keys]\nfiles = [\"k1.key\"]\n\
         [radius]\nlisten = [\"127.0.0.1:0\"]\nreject_delay = \"0s\"\nrequest_deadline = \"8s\"\n\
         [password]\nmemory = \"64KiB\"\npasses = 1\n[throttle]\nfree = 90\nhard_stop = 100\n\
         [admin]\nsocket = \"admin.sock\"\n[log]\nfilter = \"doorward=debug\"\n\
         [[client]]\nname = \"nas\"\nnetworks = [\"127.0.0.1\"]\nsecret = \"demo-radius-shared-secret\"\n\
         second_factor = \"if-enrolled\"\n\
         [[reply]]\ngroups = [\"vpn\"]\n[reply.attributes]\nFilter-Id = \"vpn\"\n\
         [[reply]]\ngroups = [\"outer\"]\n[reply.attributes]\nClass = \"outer\"\n{directories}"
    );
    std::fs::write(dir.join("doorward.toml"), text).unwrap();
    std::fs::set_permissions(dir.join("doorward.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
}

/// A daemon on these directories that has loaded them.
pub(crate) fn follow(dir: &Path, directories: &str) -> Daemon {
    configure(dir, directories);
    let daemon = Daemon::serve_in(dir, &[]);
    until_following(&daemon);
    daemon
}

/// How the directories stand.
pub(crate) fn sync(daemon: &Daemon) -> serde_json::Value {
    let output = daemon.run(&["--json", "sync", "status"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Waits until every directory is loaded and followed.
pub(crate) fn until_following(daemon: &Daemon) {
    until("the directories are followed", || {
        let status = sync(daemon);
        let all = status["directories"].as_array()?;
        all.iter().all(|one| one["stage"] == "following").then_some(())
    });
}

/// What RADIUS answers to a name and a typed string.
pub(crate) fn login(daemon: &Daemon, user: &str, typed: &str) -> String {
    login_by(Command::new("radclient"), daemon, user, typed)
}

/// The same by a command that may run in another network namespace.
pub(crate) fn login_by(radclient: Command, daemon: &Daemon, user: &str, typed: &str) -> String {
    let output =
        radclient_by(radclient, "9", daemon.address, &[("User-Name", user), ("User-Password", typed)]);
    answer(&output).to_owned()
}

/// The same where no answer is expected, which a test does not wait for as long.
pub(crate) fn unanswered(daemon: &Daemon, user: &str, typed: &str) -> String {
    let attributes = [("User-Name", user), ("User-Password", typed)];
    answer(&radclient_by(Command::new("radclient"), "3", daemon.address, &attributes)).to_owned()
}

/// The whole answer.
pub(crate) fn login_output(daemon: &Daemon, user: &str, typed: &str) -> String {
    let attributes = [("User-Name", user), ("User-Password", typed)];
    radclient_by(Command::new("radclient"), "9", daemon.address, &attributes)
}

/// Field of a person as the daemon knows them; null if they are unknown.
pub(crate) fn person(daemon: &Daemon, user: &str, field: &str) -> serde_json::Value {
    let output = daemon.run(&["--json", "person", "show", user]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    shown["person"][field].clone()
}
