//! People from 389-ds: a real ns-slapd, a real daemon, real RADIUS logins.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use support::directory::{follow, login, login_output, person, sync};
use support::ds389::Ds389;
use support::slapd::{BASE, LdapTools, SERVICE, person_dn, until};
use support::{Daemon, answer, value};

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const POLL: &str = "sync = \"poll\"\npoll_interval = \"200ms\"\nsweep_interval = \"1s\"\n";

fn daemon_on(server: &Ds389, uri: &str, sync: &str) -> (tempfile::TempDir, Daemon) {
    let settings = format!(
        "[[directory]]\nname = \"campus\"\nservers = [\"{uri}\"]\nca_file = \"{}\"\nbind_dn = \"{}\"\nsecret = \"{}\"\n\
         base = \"ou=people,{BASE}\"\ngroup_base = \"ou=groups,{BASE}\"\ntimeout = \"2s\"\n\
         id_attribute = \"nsUniqueId\"\n{sync}",
        server.ca().display(),
        SERVICE.0,
        SERVICE.1
    );
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &settings);
    (dir, daemon)
}

/// Why the last login of somebody ended as it did.
fn reason(daemon: &Daemon, user: &str) -> String {
    let answer = daemon.json(&["audit", "list", "--subject", user, "--limit", "1000"]);
    let entries = answer["entries"].as_array().unwrap().clone();
    let last = entries.iter().rev().find(|entry| entry["action"] == "login").unwrap();
    last["detail"].as_str().unwrap().to_owned()
}

// R-LDAP-1
#[test]
fn people_and_groups_of_389_ds_are_followed_and_log_in() {
    let server = Ds389::start();
    server.add_person("ann", "lantern-quartz-9");
    server.add_person("bob", "harbour-violet-3");
    let (_dir, daemon) = daemon_on(&server, &server.ldaps_uri(), POLL);
    assert_eq!(sync(&daemon)["directories"][0]["mode"], "poll");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-8"), REJECT);
    assert_eq!(login(&daemon, "cyd", "velvet anchor 77"), REJECT);
    server.add_person("cyd", "velvet anchor 77");
    until("cyd is known", || (login(&daemon, "cyd", "velvet anchor 77") == ACCEPT).then_some(()));

    // The tools of 389-ds write it in small letters, its documentation shows capitals.
    for value in ["true", "TRUE"] {
        server.replace(&person_dn("bob"), "nsAccountLock", value);
        until("bob is switched off", || (person(&daemon, "bob", "status") == "disabled").then_some(()));
        assert_eq!(login(&daemon, "bob", "harbour-violet-3"), REJECT);
        server.ldif(&format!("dn: {}\nchangetype: modify\ndelete: nsAccountLock\n", person_dn("bob")));
        until("bob is switched on", || (login(&daemon, "bob", "harbour-violet-3") == ACCEPT).then_some(()));
    }

    let vpn = format!("cn=vpn,ou=groups,{BASE}");
    server.ldif(&format!(
        "dn: {vpn}\nobjectClass: groupOfNames\ncn: vpn\nmember: {}\nmember: {}\n",
        person_dn("ann"),
        person_dn("cyd")
    ));
    until("ann is in the group", || (person(&daemon, "ann", "groups")[0] == "vpn").then_some(()));
    let output = login_output(&daemon, "ann", "lantern-quartz-9");
    assert_eq!(value(&output, "Filter-Id"), Some("vpn"), "{output}");
    server.ldif(&format!("dn: {vpn}\nchangetype: modify\ndelete: member\nmember: {}\n", person_dn("cyd")));
    until("cyd has left it", || person(&daemon, "cyd", "groups")[0].is_null().then_some(()));
    assert_eq!(person(&daemon, "ann", "groups")[0], "vpn");

    let id = person(&daemon, "ann", "id");
    server
        .ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n", person_dn("ann")));
    until("ann is called anna", || (person(&daemon, "anna", "id") == id).then_some(()));
    assert_eq!(login(&daemon, "anna", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
    server.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("anna")));
    until("anna is gone", || person(&daemon, "anna", "id").is_null().then_some(()));
    assert_eq!(login(&daemon, "anna", "lantern-quartz-9"), REJECT);
}

// R-RESET-7 R-RESET-8
#[test]
fn passwords_of_389_ds_are_changed_and_their_states_told_apart() {
    let server = Ds389::start();
    server.add_person("ann", "lantern-quartz-9");
    let (_dir, daemon) = daemon_on(&server, &server.uri(), POLL);
    let passwd = |arguments: &[&str], input: &str| {
        daemon.run_with(&[&["person", "passwd"], arguments, &["ann"]].concat(), input)
    };
    let said = |output: std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let message = |typed: &str| {
        let output = login_output(&daemon, "ann", typed);
        assert_eq!(answer(&output), REJECT, "{output}");
        value(&output, "Reply-Message").unwrap_or_default().to_owned()
    };

    let changed = passwd(&[], "copper meadow 41\n");
    assert!(changed.status.success(), "{changed:?}");
    assert!(server.ldapwhoami(&person_dn("ann"), "copper meadow 41"));
    assert!(!server.ldapwhoami(&person_dn("ann"), "lantern-quartz-9"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
    let wrong = said(passwd(&["--as-person"], "no such thing\nvelvet anchor 77\n"));
    assert!(wrong.contains("present password is wrong"), "{wrong}");
    server.policy("passwordHistory", "on");
    assert!(passwd(&["--as-person"], "copper meadow 41\nvelvet anchor 77\n").status.success());
    for (arguments, input) in
        [(&[][..], "copper meadow 41\n"), (&["--as-person"], "velvet anchor 77\ncopper meadow 41\n")]
    {
        let used = said(passwd(arguments, input));
        assert!(used.contains("not used before"), "{used}");
    }
    server.policy("passwordCheckSyntax", "on");
    server.policy("passwordMinLength", "30");
    // It does not tell too short from too simple.
    let short = said(passwd(&[], "Granite 52 harvest\n"));
    assert!(short.contains("harder to guess"), "{short}");
    server.policy("passwordCheckSyntax", "off");
    assert_eq!(login(&daemon, "ann", "velvet anchor 77"), ACCEPT, "a refused change changes nothing");

    // Whatever somebody else sets must be changed.
    server.policy("passwordMustChange", "on");
    assert!(passwd(&[], "Granite 52 harvest\n").status.success());
    let text = message("Granite 52 harvest");
    assert!(text.contains("must change"), "{text}");
    assert_eq!(reason(&daemon, "ann"), "password-must-change");
    let changed = passwd(&["--as-person"], "Granite 52 harvest\nmarble orchard 8\n");
    assert!(changed.status.success(), "{changed:?}");
    assert_eq!(login(&daemon, "ann", "marble orchard 8"), ACCEPT);
    server.policy("passwordMustChange", "off");

    server.policy("passwordLockout", "on");
    for _ in 0..3 {
        message("wrong");
    }
    assert_eq!(message("marble orchard 8"), "Login failed.");
    assert_eq!(reason(&daemon, "ann"), "directory-locked");
    let unlocked = daemon.run(&["person", "unlock", "ann"]);
    assert!(unlocked.status.success(), "{unlocked:?}");
    assert_eq!(login(&daemon, "ann", "marble orchard 8"), ACCEPT, "unlocked in the directory");

    server.policy("passwordExp", "on");
    server.replace(&person_dn("ann"), "passwordExpirationTime", "20200101000000Z");
    let text = message("marble orchard 8");
    assert!(text.contains("expired"), "{text}");
    assert_eq!(reason(&daemon, "ann"), "password-expired");
    assert_eq!(message("wrong"), "Login failed.");
    let changed = passwd(&["--as-person"], "marble orchard 8\nwinter saddle 19\n");
    assert!(changed.status.success(), "{changed:?}");
    assert_eq!(login(&daemon, "ann", "winter saddle 19"), ACCEPT);
}

#[test]
fn changes_of_389_ds_arrive_as_they_happen_where_its_plugin_sends_them() {
    let server = Ds389::with_content_synchronization();
    for uid in ["ann", "bob", "cyd"] {
        server.add_person(uid, "lantern-quartz-9");
    }
    let (dir, mut daemon) = daemon_on(&server, &server.ldaps_uri(), "sync = \"persist\"\n");
    assert_eq!(sync(&daemon)["directories"][0]["mode"], "persist");
    server.replace(&person_dn("bob"), "nsAccountLock", "true");
    until("bob is switched off", || (person(&daemon, "bob", "status") == "disabled").then_some(()));
    let id = person(&daemon, "ann", "id");
    let rename = "changetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n";
    server.ldif(&format!("dn: {}\n{rename}", person_dn("ann")));
    until("ann is called anna", || (person(&daemon, "anna", "id") == id).then_some(()));
    server.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("cyd")));
    until("cyd is gone", || person(&daemon, "cyd", "id").is_null().then_some(()));

    // What happened while nobody listened is told afterwards, and nothing else.
    daemon.stop();
    server.add_person("dan", "velvet anchor 77");
    server.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("bob")));
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until("dan is known", || (login(&daemon, "dan", "velvet anchor 77") == ACCEPT).then_some(()));
    until("bob is gone", || person(&daemon, "bob", "id").is_null().then_some(()));
    assert_eq!(person(&daemon, "anna", "id"), id);
    assert_eq!(sync(&daemon)["directories"][0]["people"], 2);
}
