//! People from Active Directory: a real Samba domain controller in a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::path::Path;
use support::directory::{configure, login_by, person, sync, until_following};
use support::samba::{BASE, SERVICE, Samba, dn};
use support::slapd::{LdapTools, until};
use support::{DOORWARD, Daemon, answer, code, radclient_by, value};

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";

fn settings(samba: &Samba, server: &str) -> String {
    format!(
        "[[directory]]\nname = \"domain\"\nkind = \"active-directory\"\nservers = [\"{server}\"]\nca_file = \"{}\"\n\
         bind_dn = \"{}\"\nsecret = \"{}\"\nbase = \"CN=Users,{BASE}\"\nrealms = [\"example.test\", \"EXAMPLE\"]\n\
         poll_interval = \"200ms\"\n",
        samba.ca().display(),
        SERVICE.0,
        SERVICE.1
    )
}

fn follow(dir: &Path, samba: &Samba, server: &str) -> Daemon {
    configure(dir, &settings(samba, server));
    let daemon = Daemon::serve_by(samba.command(DOORWARD), dir);
    until_following(&daemon);
    daemon
}

fn login(samba: &Samba, daemon: &Daemon, user: &str, typed: &str) -> String {
    login_by(samba.command("radclient"), daemon, user, typed)
}

fn output(samba: &Samba, daemon: &Daemon, user: &str, typed: &str) -> String {
    let attributes = [("User-Name", user), ("User-Password", typed)];
    radclient_by(samba.command("radclient"), "9", daemon.address, &attributes)
}

fn reason(daemon: &Daemon, user: &str) -> String {
    let answer = daemon.json(&["audit", "list", "--subject", user, "--limit", "1000"]);
    let entries = answer["entries"].as_array().unwrap().clone();
    entries.iter().rev().find(|entry| entry["action"] == "login").unwrap()["detail"]
        .as_str()
        .unwrap()
        .to_owned()
}

// R-LDAP-1
#[test]
fn people_of_a_domain_are_followed_and_log_in() {
    let samba = Samba::start();
    samba.add_user("ann", "Lantern-Quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &samba, &samba.uri());
    for name in ["ann", "ANN@example.test", "EXAMPLE\\ann"] {
        assert_eq!(login(&samba, &daemon, name, "Lantern-Quartz-9"), ACCEPT, "{name}");
    }
    assert_eq!(login(&samba, &daemon, "ann", "Lantern-Quartz-8"), REJECT);

    samba.add_user("bob", "Harbour-Violet-3");
    until("bob is known", || (login(&samba, &daemon, "bob", "Harbour-Violet-3") == ACCEPT).then_some(()));
    let id = person(&daemon, "bob", "id");
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let enrolled = daemon.run(&["enroll", "totp", "bob", "--seed", seed, "--code", &code(seed, -1)]);
    assert!(enrolled.status.success(), "{enrolled:?}");
    samba.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: CN=robert\ndeleteoldrdn: 1\n", dn("bob")));
    samba.replace(&dn("robert"), "sAMAccountName", "robert");
    until("bob is called robert", || (person(&daemon, "robert", "id") == id).then_some(()));
    let both = format!("Harbour-Violet-3{}", code(seed, 0));
    assert_eq!(login(&samba, &daemon, "robert", &both), ACCEPT, "the enrollment stayed");

    samba.disable("robert");
    until("robert is switched off", || (person(&daemon, "robert", "status") == "disabled").then_some(()));
    assert_eq!(login(&samba, &daemon, "robert", "Harbour-Violet-3"), REJECT);
    samba.enable("robert");
    until("robert is switched on", || (person(&daemon, "robert", "status") == "active").then_some(()));
    samba.delete("robert");
    until("robert is gone", || person(&daemon, "robert", "id").is_null().then_some(()));
    assert_eq!(login(&samba, &daemon, "robert", "Harbour-Violet-3"), REJECT);

    samba.expire("ann");
    until("ann's account has ended", || (!person(&daemon, "ann", "valid_until").is_null()).then_some(()));
    assert_eq!(login(&samba, &daemon, "ann", "Lantern-Quartz-9"), REJECT);
    assert_eq!(reason(&daemon, "ann"), "person-expired");
}

#[test]
fn renamed_unit_takes_its_people_with_it() {
    let samba = Samba::start();
    samba.add_user("ann", "Lantern-Quartz-9");
    samba.ldif(&format!("dn: OU=Staff,{BASE}\nobjectClass: organizationalUnit\nou: Staff\n"));
    samba.ldif(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: CN=ann\ndeleteoldrdn: 1\nnewsuperior: OU=Staff,{BASE}\n",
        dn("ann")
    ));
    let dir = tempfile::tempdir().unwrap();
    configure(
        dir.path(),
        &settings(&samba, &samba.uri()).replace(&format!("\"CN=Users,{BASE}"), &format!("\"{BASE}")),
    );
    let daemon = Daemon::serve_by(samba.command(DOORWARD), dir.path());
    until_following(&daemon);
    assert_eq!(login(&samba, &daemon, "ann", "Lantern-Quartz-9"), ACCEPT);
    samba.ldif(&format!("dn: OU=Staff,{BASE}\nchangetype: modrdn\nnewrdn: OU=Crew\ndeleteoldrdn: 1\n"));
    until("her entry's name is known", || {
        person(&daemon, "ann", "dn").as_str().unwrap_or_default().contains("OU=Crew").then_some(())
    });
    assert_eq!(login(&samba, &daemon, "ann", "Lantern-Quartz-9"), ACCEPT);
}

// R-RESET-7 R-RESET-8
#[test]
fn passwords_are_changed_and_their_states_told_apart() {
    let samba = Samba::start();
    samba.add_user("ann", "Lantern-Quartz-9");
    samba.add_user("bob", "Harbour-Violet-3");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &samba, &samba.ldap_uri());
    let passwd = |arguments: &[&str], input: &str| {
        daemon.run_with(&[&["person", "passwd"], arguments].concat(), input)
    };
    let said = |output: std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();

    assert!(passwd(&["ann"], "Copper-Meadow-41\n").status.success());
    assert!(samba.bind(&dn("ann"), "Copper-Meadow-41").0 && !samba.bind(&dn("ann"), "Lantern-Quartz-9").0);
    assert_eq!(login(&samba, &daemon, "ann", "Copper-Meadow-41"), ACCEPT);
    assert_eq!(login(&samba, &daemon, "ann", "Lantern-Quartz-9"), REJECT);
    let simple = said(passwd(&["ann"], "copper meadow all lower\n"));
    assert!(simple.contains("letters, digits and other characters"), "{simple}");
    let used = said(passwd(&["--as-person", "ann"], "Copper-Meadow-41\nLantern-Quartz-9\n"));
    assert!(used.contains("not used before"), "{used}");
    let wrong = said(passwd(&["--as-person", "ann"], "no such thing\nVelvet-Anchor-77\n"));
    assert!(wrong.contains("present password is wrong"), "{wrong}");
    assert!(passwd(&["--as-person", "ann"], "Copper-Meadow-41\nVelvet-Anchor-77\n").status.success());
    assert_eq!(login(&samba, &daemon, "ann", "Velvet-Anchor-77"), ACCEPT);

    samba.must_change("ann");
    let answered = output(&samba, &daemon, "ann", "Velvet-Anchor-77");
    assert_eq!(answer(&answered), REJECT);
    assert!(value(&answered, "Reply-Message").unwrap().contains("must change"), "{answered}");
    assert_eq!(reason(&daemon, "ann"), "password-must-change");
    assert!(passwd(&["--as-person", "ann"], "Velvet-Anchor-77\nTimber-Saddle-12\n").status.success());
    assert_eq!(login(&samba, &daemon, "ann", "Timber-Saddle-12"), ACCEPT);

    samba.age_password("bob");
    let answered = output(&samba, &daemon, "bob", "Harbour-Violet-3");
    assert!(value(&answered, "Reply-Message").unwrap().contains("expired"), "{answered}");
    assert_eq!(reason(&daemon, "bob"), "password-expired");
    assert!(passwd(&["bob"], "Harbour-Violet-44\n").status.success());

    samba.lockout_threshold(3);
    samba.lock("bob");
    assert_eq!(login(&samba, &daemon, "bob", "Harbour-Violet-44"), REJECT);
    assert_eq!(reason(&daemon, "bob"), "directory-locked");
    assert!(daemon.run(&["person", "unlock", "bob"]).status.success());
    assert_eq!(login(&samba, &daemon, "bob", "Harbour-Violet-44"), ACCEPT);
}

#[test]
fn groups_in_groups_are_followed_by_the_domain_itself() {
    let mut samba = Samba::start();
    for name in ["ann", "bob"] {
        samba.add_user(name, "Lantern-Quartz-9");
    }
    samba.add_group("vpn", &["ann"]);
    samba.add_group("outer", &["vpn"]);
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &samba, &samba.uri());
    let groups = |name: &str| {
        let groups = person(&daemon, name, "groups");
        let names = groups.as_array().unwrap().iter().map(|group| group.as_str().unwrap().to_owned());
        names.filter(|group| group == "vpn" || group == "outer").collect::<Vec<_>>().join(" ")
    };
    let answered = output(&samba, &daemon, "ann", "Lantern-Quartz-9");
    assert_eq!(value(&answered, "Filter-Id"), Some("vpn"), "{answered}");
    assert_eq!(groups("ann"), "outer vpn");
    samba.add_member("vpn", "bob");
    until("bob is in both", || (groups("bob") == "outer vpn").then_some(()));
    samba.remove_member("vpn", "ann");
    until("ann is in neither", || groups("ann").is_empty().then_some(()));
    samba.delete("outer");
    until("the outer group is gone", || (groups("bob") == "vpn").then_some(()));

    // A name that is used again is somebody new, and a name that is changed is not.
    samba.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: CN=robert\ndeleteoldrdn: 1\n", dn("bob")));
    samba.replace(&dn("robert"), "sAMAccountName", "robert");
    samba.replace(&dn("robert"), "userPrincipalName", "robert@example.test");
    until("bob is called robert", || (!person(&daemon, "robert", "id").is_null()).then_some(()));
    samba.add_user("bob", "Harbour-Violet-3");
    until("another bob is known", || {
        (login(&samba, &daemon, "bob", "Harbour-Violet-3") == ACCEPT).then_some(())
    });
    assert_eq!((groups("robert").as_str(), groups("bob").as_str()), ("vpn", ""));

    // What happens while the daemon is away is there when it comes back, and the domain may go and come as well.
    samba.kill();
    samba.start_again();
    samba.add_user("cyd", "Harbour-Violet-3");
    until("cyd is known", || (login(&samba, &daemon, "cyd", "Harbour-Violet-3") == ACCEPT).then_some(()));
    drop(daemon);
    samba.delete("cyd");
    samba.add_user("dan", "Harbour-Violet-3");
    let daemon = Daemon::serve_by(samba.command(DOORWARD), dir.path());
    until_following(&daemon);
    until("dan is known", || (login(&samba, &daemon, "dan", "Harbour-Violet-3") == ACCEPT).then_some(()));
    assert!(person(&daemon, "cyd", "id").is_null());
    assert_eq!(sync(&daemon)["directories"][0]["mode"], "usn");
}
