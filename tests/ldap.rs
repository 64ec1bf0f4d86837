//! People from OpenLDAP: a real slapd, a real daemon, real RADIUS logins.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use support::directory::{follow, login, login_output, on_slapd, person, sync};
use support::slapd::{LdapTools, Setup, Slapd, person_dn, until};
use support::{Daemon, code, value};

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";

fn slapd_with(people: &[(&str, &str)]) -> Slapd {
    let slapd = Slapd::start();
    for (uid, password) in people {
        slapd.add_person(uid, password);
    }
    slapd
}

fn daemon_on(slapd: &Slapd) -> (tempfile::TempDir, Daemon) {
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &on_slapd(slapd, "campus", &slapd.ldaps_uri()));
    (dir, daemon)
}

// R-LDAP-1
#[test]
fn added_person_logs_in_and_a_disabled_renamed_or_deleted_one_is_followed() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    let (_dir, daemon) = daemon_on(&slapd);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-8"), REJECT);
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), REJECT);

    slapd.add_person("bob", "harbour-violet-3");
    until("bob is known", || (login(&daemon, "bob", "harbour-violet-3") == ACCEPT).then_some(()));

    let lock = format!(
        "dn: {}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
        person_dn("bob")
    );
    slapd.ldif(&lock);
    until("bob is switched off", || (person(&daemon, "bob", "status") == "disabled").then_some(()));
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), REJECT);
    slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: pwdAccountLockedTime\n", person_dn("bob")));
    until("bob is switched on", || (login(&daemon, "bob", "harbour-violet-3") == ACCEPT).then_some(()));

    let id = person(&daemon, "ann", "id");
    slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n", person_dn("ann")));
    until("ann is called anna", || (person(&daemon, "anna", "id") == id).then_some(()));
    assert_eq!(login(&daemon, "anna", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);

    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("anna")));
    until("anna is gone", || person(&daemon, "anna", "id").is_null().then_some(()));
    assert_eq!(login(&daemon, "anna", "lantern-quartz-9"), REJECT);
}

// R-RESET-7
#[test]
fn password_changed_here_holds_in_the_directory_at_once() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    let (_dir, daemon) = daemon_on(&slapd);
    let changed = daemon.run_with(&["person", "passwd", "ann"], "copper meadow 41\n");
    assert!(changed.status.success(), "{changed:?}");
    assert!(slapd.ldapwhoami(&person_dn("ann"), "copper meadow 41"));
    assert!(!slapd.ldapwhoami(&person_dn("ann"), "lantern-quartz-9"));
    assert_eq!(login(&daemon, "ann", "copper meadow 41"), ACCEPT);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);

    let as_person = |input: &str| daemon.run_with(&["person", "passwd", "--as-person", "ann"], input);
    let wrong = as_person("no such thing\nvelvet anchor 77\n");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("present password is wrong"), "{wrong:?}");
    assert!(as_person("copper meadow 41\nvelvet anchor 77\n").status.success());
    assert_eq!(login(&daemon, "ann", "velvet anchor 77"), ACCEPT);
    let used = as_person("velvet anchor 77\ncopper meadow 41\n");
    assert!(String::from_utf8_lossy(&used.stderr).contains("not used before"), "{used:?}");
    assert_eq!(login(&daemon, "ann", "velvet anchor 77"), ACCEPT, "a refused change changes nothing");
}

// R-RESET-8
#[test]
fn states_of_a_password_are_told_apart() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    let (_dir, daemon) = daemon_on(&slapd);
    let policy = |lines: &str| {
        slapd.ldif(&format!("dn: cn=default,ou=policies,dc=example,dc=org\nchangetype: modify\n{lines}"));
    };
    let message = |typed: &str| {
        let output = login_output(&daemon, "ann", typed);
        (support::answer(&output).to_owned(), value(&output, "Reply-Message").unwrap_or_default().to_owned())
    };
    let reasons = || {
        let answer = daemon.json(&["audit", "list", "--subject", "ann", "--limit", "1000"]);
        let entries = answer["entries"].as_array().unwrap().clone();
        entries.iter().rev().find(|entry| entry["action"] == "login").unwrap()["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    policy("replace: pwdMustChange\npwdMustChange: TRUE\n");
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n", person_dn("ann")));
    let (answered, text) = message("lantern-quartz-9");
    assert_eq!((answered.as_str(), text.contains("must change")), (REJECT, true), "{text}");
    assert_eq!(reasons(), "password-must-change");
    let changed =
        daemon.run_with(&["person", "passwd", "--as-person", "ann"], "lantern-quartz-9\ncopper meadow 41\n");
    assert!(changed.status.success(), "{changed:?}");
    assert_eq!(login(&daemon, "ann", "copper meadow 41"), ACCEPT);

    policy("replace: pwdMaxFailure\npwdMaxFailure: 3\n");
    for _ in 0..3 {
        assert_eq!(login(&daemon, "ann", "wrong"), REJECT);
    }
    let (answered, text) = message("copper meadow 41");
    assert_eq!((answered.as_str(), text.as_str()), (REJECT, "Login failed."));
    assert_eq!(reasons(), "directory-locked");
    assert!(daemon.run(&["person", "unlock", "ann"]).status.success());
    assert_eq!(login(&daemon, "ann", "copper meadow 41"), ACCEPT, "unlocked in the directory");
}

#[test]
fn groups_roles_and_enrollments_follow_the_entry() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9"), ("bob", "harbour-violet-3")]);
    slapd.ldif(&format!(
        "dn: cn=vpn,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: vpn\nmember: {}\n\n\
         dn: cn=outer,ou=groups,dc=example,dc=org\nchangetype: add\nobjectClass: groupOfNames\ncn: outer\n\
         member: cn=vpn,ou=groups,dc=example,dc=org\n",
        person_dn("ann")
    ));
    let dir = tempfile::tempdir().unwrap();
    let mut settings = on_slapd(&slapd, "campus", &slapd.uri());
    settings += "[[directory.role]]\nrole = \"staff\"\ngroups = [\"vpn\"]\n\
                 [[directory.role]]\nrole = \"student\"\nattribute = \"cn\"\nvalues = [\"BOB EXAMPLE\"]\n";
    let daemon = follow(dir.path(), &settings);
    let output = login_output(&daemon, "ann", "lantern-quartz-9");
    assert_eq!(value(&output, "Filter-Id"), Some("vpn"), "{output}");
    assert_eq!(value(&output, "Class"), Some("0x6f75746572"), "a group in a group: {output}");
    assert_eq!(person(&daemon, "ann", "roles"), serde_json::json!(["staff"]));
    assert_eq!(person(&daemon, "bob", "roles"), serde_json::json!(["student"]));

    slapd.ldif(&format!(
        "dn: cn=vpn,ou=groups,dc=example,dc=org\nchangetype: modify\nreplace: member\nmember: {}\n",
        person_dn("bob")
    ));
    until("bob is in the group", || {
        (person(&daemon, "bob", "groups") == serde_json::json!(["outer", "vpn"])).then_some(())
    });
    assert_eq!(person(&daemon, "ann", "groups"), serde_json::json!([]));
    assert_eq!(person(&daemon, "ann", "roles"), serde_json::json!([]));

    // An enrollment stays with the entry, whatever it is called.
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let enrolled = daemon.run(&["enroll", "totp", "bob", "--seed", seed, "--code", &code(seed, -1)]);
    assert!(enrolled.status.success(), "{enrolled:?}");
    slapd.ldif(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: uid=robert\ndeleteoldrdn: 1\n",
        person_dn("bob")
    ));
    until("bob is called robert", || (!person(&daemon, "robert", "id").is_null()).then_some(()));
    assert_eq!(login(&daemon, "robert", "harbour-violet-3"), "Access-Challenge");
    assert_eq!(login(&daemon, "robert", &format!("harbour-violet-3{}", code(seed, 0))), ACCEPT);
}

#[test]
fn names_and_passwords_with_special_characters_work() {
    let people = [
        ("o'brien", "comma, at the end,"),
        ("x+y=z", "ends in 123456"),
        ("jürgen", "Pässwört (*)\\ \u{1F512}"),
        ("a,b\\c\"d<e>", " space inside "),
        ("#hash*", "\"quoted\" \\00 )(uid=*"),
    ];
    let slapd = slapd_with(&people);
    let (_dir, daemon) = daemon_on(&slapd);
    for (name, password) in people {
        assert_eq!(login(&daemon, name, password), ACCEPT, "{name}");
        assert_eq!(login(&daemon, name, "*"), REJECT, "{name}");
    }
    assert_eq!(login(&daemon, "*", "*"), REJECT);
    assert_eq!(login(&daemon, "ann)(uid=*", "x"), REJECT);
}

#[test]
fn one_bind_and_nothing_else_for_a_login() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    let (_dir, daemon) = daemon_on(&slapd);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    let (searches, binds) = (slapd.count(" SRCH base="), slapd.binds(&person_dn("ann")));
    for _ in 0..10 {
        assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    }
    assert_eq!(slapd.binds(&person_dn("ann")) - binds, 10);
    // The question of the sync whether the server is there may fall into this time.
    assert!(slapd.count(" SRCH base=") - searches <= 4, "{}", slapd.log());
    let people = slapd.log();
    assert!(!people.contains("filter=\"(uid=ann)\""), "nobody is searched for at a login");
}

#[test]
fn every_way_to_the_server_works_and_a_wrong_authority_does_not() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    for server in [slapd.uri(), slapd.ldaps_uri(), slapd.ldapi_uri()] {
        let dir = tempfile::tempdir().unwrap();
        let daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &server));
        assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "{server}");
    }
    let dir = tempfile::tempdir().unwrap();
    let external = on_slapd(&slapd, "campus", &slapd.ldapi_uri())
        .lines()
        .filter(|line| !line.starts_with("bind_dn") && !line.starts_with("secret"))
        .fold("".to_owned(), |text, line| text + line + "\n");
    let daemon = follow(dir.path(), &(external + "bind = \"external\"\n"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "SASL EXTERNAL");
    for server in [slapd.uri(), slapd.ldaps_uri()] {
        let dir = tempfile::tempdir().unwrap();
        let wrong = slapd.wrong_ca().display().to_string();
        let settings = on_slapd(&slapd, "campus", &server).replace(&slapd.ca().display().to_string(), &wrong);
        support::directory::configure(dir.path(), &settings);
        let daemon = Daemon::serve_in(dir.path(), &[]);
        let said = until("the server is refused", || {
            let status = sync(&daemon);
            let error = status["directories"][0]["servers"][0]["error"].as_str()?.to_owned();
            Some(error)
        });
        assert!(said.contains("TLS failed") && said.contains("certificate"), "{said}");
    }
}

#[test]
fn without_syncprov_changes_are_found_by_looking() {
    let slapd = Slapd::with(&Setup { syncprov: false, ..Setup::default() });
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let more = "poll_interval = \"200ms\"\nsweep_interval = \"1s\"\npage_size = 10\n";
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + more));
    assert_eq!(sync(&daemon)["directories"][0]["mode"], "poll");
    for number in 0..25 {
        slapd.add_person(&format!("person{number}"), "harbour-violet-3");
    }
    until("all are known", || (sync(&daemon)["directories"][0]["people"] == 26).then_some(()));
    assert_eq!(login(&daemon, "person24", "harbour-violet-3"), ACCEPT);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("person24")));
    until("one is gone", || (sync(&daemon)["directories"][0]["people"] == 25).then_some(()));
    assert_eq!(login(&daemon, "person24", "harbour-violet-3"), REJECT);
}

#[test]
fn refresh_only_follows_with_a_cookie() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9"), ("bob", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    let more = "sync = \"refresh\"\npoll_interval = \"200ms\"\n";
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + more));
    slapd.add_person("cyd", "velvet anchor 77");
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("bob")));
    until("both are seen", || {
        (login(&daemon, "cyd", "velvet anchor 77") == ACCEPT && person(&daemon, "bob", "id").is_null())
            .then_some(())
    });
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    // The count is told a moment after the people are written.
    until("two are counted", || (sync(&daemon)["directories"][0]["people"] == 2).then_some(()));
}

#[test]
fn sync_that_would_remove_too_many_stops_and_says_so() {
    let people: Vec<String> = (0..12).map(|number| format!("person{number}")).collect();
    let slapd = Slapd::start();
    people.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let dir = tempfile::tempdir().unwrap();
    let settings = on_slapd(&slapd, "campus", &slapd.uri());
    let mut daemon = follow(dir.path(), &settings);
    daemon.stop();
    let narrow = settings + "filter = \"(uid=person1)\"\n";
    support::directory::configure(dir.path(), &narrow);
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let error = until("it is held", || {
        let status = sync(&daemon);
        let one = &status["directories"][0];
        (one["stage"] == "held").then(|| one["error"].as_str().unwrap().to_owned())
    });
    assert!(error.contains("11 of 12 people would be removed"), "{error}");
    assert_eq!(login(&daemon, "person7", "lantern-quartz-9"), ACCEPT, "nobody was removed");
    let once = daemon.run(&["sync", "--once"]);
    assert!(
        !once.status.success() && String::from_utf8_lossy(&once.stdout).contains("would be removed"),
        "{once:?}"
    );
    let once = daemon.run(&["sync", "--once", "--accept-removals"]);
    assert!(once.status.success(), "{once:?}");
    assert!(String::from_utf8_lossy(&once.stdout).contains("1 people; "), "{once:?}");
    assert_eq!(login(&daemon, "person7", "lantern-quartz-9"), REJECT);
}

#[test]
fn person_in_two_directories_is_kept_apart_by_realm_and_else_told_as_a_conflict() {
    let first = slapd_with(&[("ann", "lantern-quartz-9")]);
    let second = slapd_with(&[("ann", "harbour-violet-3"), ("bob", "velvet anchor 77")]);
    let one = on_slapd(&first, "staff", &first.uri()) + "realms = [\"staff.example.org\"]\n";
    let two = on_slapd(&second, "students", &second.uri());
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(
        dir.path(),
        &format!("{one}{two}names = \"qualified\"\nrealms = [\"students.example.org\"]\n"),
    );
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann@staff.example.org", "lantern-quartz-9"), ACCEPT);
    assert_eq!(login(&daemon, "ann@Students.Example.org", "harbour-violet-3"), ACCEPT);
    assert_eq!(login(&daemon, "ann@students.example.org", "lantern-quartz-9"), REJECT);
    drop(daemon);
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &format!("{one}{two}"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "the first directory's");
    assert_eq!(login(&daemon, "bob", "velvet anchor 77"), ACCEPT);
    assert_eq!(sync(&daemon)["directories"][1]["conflicts"], serde_json::json!(["ann"]));
    // The name becomes free, and is theirs.
    first.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("ann")));
    until("the first ann is gone", || (login(&daemon, "ann", "lantern-quartz-9") == REJECT).then_some(()));
    assert!(daemon.run(&["sync", "--once", "--directory", "students"]).status.success());
    assert_eq!(login(&daemon, "ann", "harbour-violet-3"), ACCEPT);
}

fn switch_off(uid: &str) -> String {
    format!(
        "dn: {}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n\n",
        person_dn(uid)
    )
}

fn delete(uid: &str) -> String {
    format!("dn: {}\nchangetype: delete\n\n", person_dn(uid))
}

fn on_numbers(slapd: &Slapd) -> String {
    on_slapd(slapd, "campus", &slapd.uri()) + "username_attribute = \"employeeNumber\"\n"
}

fn number(uid: &str, number: &str) -> String {
    format!(
        "dn: {}\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: {number}\n\n",
        person_dn(uid)
    )
}

fn held(daemon: &Daemon) {
    until("removals are held", || (sync(daemon)["directories"][0]["stage"] == "held").then_some(()));
}

#[test]
fn changed_and_deleted_in_one_breath_is_deleted() {
    let names: Vec<String> = (0..40).map(|number| format!("person{number}")).collect();
    let slapd = Slapd::start();
    names.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let (_dir, daemon) = daemon_on(&slapd);
    let phone =
        |uid: &str| format!("dn: {}\nchangetype: modify\nreplace: mobile\nmobile: 1\n\n", person_dn(uid));
    slapd.ldif(&names[..5].iter().map(|uid| phone(uid) + &delete(uid)).collect::<String>());
    until("five are gone", || (sync(&daemon)["directories"][0]["people"] == 35).then_some(()));
    for uid in &names[..5] {
        assert!(person(&daemon, uid, "id").is_null(), "{uid}");
    }
    let left = daemon.json(&["person", "list"])["people"].as_array().unwrap().len();
    assert_eq!(left, 35);
}

#[test]
fn taking_somebodys_name_shuts_out_and_what_waits_for_a_name_is_not_stale() {
    let slapd = slapd_with(&[("vic", "lantern-quartz-9"), ("mal", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    slapd.ldif(&(number("vic", "vic") + &number("mal", "mal")));
    let mut daemon = follow(dir.path(), &on_numbers(&slapd));
    assert_eq!(login(&daemon, "mal", "harbour-violet-3"), ACCEPT);
    slapd.ldif(&number("mal", "vic"));
    until("mal is shut out", || (login(&daemon, "mal", "harbour-violet-3") == REJECT).then_some(()));
    assert_eq!(login(&daemon, "vic", "lantern-quartz-9"), ACCEPT, "whose name it is");
    assert_eq!(login(&daemon, "vic", "harbour-violet-3"), REJECT);
    assert_eq!(sync(&daemon)["directories"][0]["conflicts"], serde_json::json!(["vic"]));
    // Known after a restart as well, and what the entry says by then counts when the name becomes free.
    daemon.stop();
    slapd.ldif(&switch_off("mal"));
    let daemon = Daemon::serve_in(dir.path(), &[]);
    support::directory::until_following(&daemon);
    assert_eq!(sync(&daemon)["directories"][0]["conflicts"], serde_json::json!(["vic"]));
    slapd.ldif(&delete("vic"));
    until("the name is mal's", || (person(&daemon, "vic", "status") == "disabled").then_some(()));
    assert_eq!(login(&daemon, "vic", "harbour-violet-3"), REJECT, "switched off meanwhile");
}

#[test]
fn name_that_became_somebody_elses_lets_nobody_in_while_the_sync_cannot_tell() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9"), ("bob", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    // Doorward's account has another password from now on: its next connection is refused, binds of people are not.
    slapd.ldif(&format!(
        "dn: {}\nchangetype: modify\nreplace: userPassword\nuserPassword: rotated\n",
        support::slapd::SERVICE.0
    ));
    assert!(!daemon.run(&["sync", "--once"]).status.success());
    let status = sync(&daemon);
    assert!(status["directories"][0]["error"].as_str().unwrap().contains("service account"), "{status}");
    slapd.ldif(&delete("ann"));
    slapd.add_person("ann", "velvet anchor 77");
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), ACCEPT, "the entry is still bob's");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
    assert_eq!(
        support::directory::unanswered(&daemon, "ann", "velvet anchor 77"),
        "no answer",
        "another ann"
    );
}

#[test]
fn switched_off_counts_while_removals_are_held() {
    let names: Vec<String> = (0..12).map(|number| format!("person{number}")).collect();
    let slapd = Slapd::start();
    names.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let (_dir, daemon) = daemon_on(&slapd);
    slapd.ldif(&names[..6].iter().map(|uid| delete(uid)).collect::<String>());
    held(&daemon);
    slapd.ldif(&switch_off("person11"));
    until("one is switched off", || (person(&daemon, "person11", "status") == "disabled").then_some(()));
    slapd.add_person("new", "velvet anchor 77");
    until("one is added", || (login(&daemon, "new", "velvet anchor 77") == ACCEPT).then_some(()));
    assert_ne!(login(&daemon, "person1", "lantern-quartz-9"), ACCEPT, "deleted there: the bind fails");
    assert!(daemon.run(&["sync", "--once", "--accept-removals"]).status.success());
    assert_eq!(sync(&daemon)["directories"][0]["people"], 7);
}

#[test]
fn losing_sight_of_the_groups_takes_nobody_out_of_them() {
    let slapd = slapd_with(&[]);
    let names: Vec<String> = (0..8).map(|number| format!("person{number}")).collect();
    names.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let members: String = names.iter().map(|uid| format!("member: {}\n", person_dn(uid))).collect();
    let vpn = "cn=vpn,ou=groups,dc=example,dc=org";
    slapd.ldif(&format!("dn: {vpn}\nchangetype: add\nobjectClass: groupOfNames\ncn: vpn\n{members}"));
    let corner = "ou=clubs,ou=groups,dc=example,dc=org";
    slapd.ldif(&format!("dn: {corner}\nchangetype: add\nobjectClass: organizationalUnit\nou: clubs\n"));
    let (dir, mut daemon) = daemon_on(&slapd);
    // A group of the same name in a corner is another group.
    slapd.ldif(&format!(
        "dn: cn=outer,{corner}\nchangetype: add\nobjectClass: groupOfNames\ncn: outer\nmember: {}\n",
        person_dn("person1")
    ));
    until("it has a name of its own", || {
        (person(&daemon, "person1", "groups") == serde_json::json!(["clubs/outer", "vpn"])).then_some(())
    });
    // A group that is deleted is gone; groups that cannot be seen any more may be a mistake.
    daemon.stop();
    let blind = on_slapd(&slapd, "campus", &slapd.ldaps_uri()) + "group_filter = \"(cn=outer)\"\n";
    support::directory::configure(dir.path(), &blind);
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until("it is held", || (sync(&daemon)["directories"][0]["stage"] == "held").then_some(()));
    assert_eq!(person(&daemon, "person2", "groups"), serde_json::json!(["vpn"]));
    slapd.ldif(&delete("person7"));
    until("people may leave", || person(&daemon, "person7", "id").is_null().then_some(()));
    assert!(daemon.run(&["sync", "--once", "--accept-removals"]).status.success());
    assert_eq!(person(&daemon, "person2", "groups"), serde_json::json!([]));
}

#[test]
fn who_was_removed_for_good_may_come_back_as_somebody_new() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9"), ("bob", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    let settings = on_slapd(&slapd, "campus", &slapd.uri()) + "keep_departed = \"0s\"\n";
    let mut daemon = follow(dir.path(), &settings);
    let before = person(&daemon, "ann", "id");
    let move_to = |from: &str, to: &str| {
        slapd.ldif(&format!(
            "dn: uid=ann,{from}\nchangetype: modrdn\nnewrdn: uid=ann\ndeleteoldrdn: 0\nnewsuperior: {to}\n"
        ));
    };
    let (people, elsewhere) = ("ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org");
    move_to(people, elsewhere);
    until("ann is out of the base", || person(&daemon, "ann", "id").is_null().then_some(()));
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    support::directory::until_following(&daemon);
    move_to(elsewhere, people);
    until("ann is back", || (login(&daemon, "ann", "lantern-quartz-9") == ACCEPT).then_some(()));
    assert_ne!(person(&daemon, "ann", "id"), before);
}

#[test]
fn certificate_for_another_name_is_refused() {
    let slapd = Slapd::with(&Setup { names: &["ldap.example.org"], ..Setup::default() });
    for server in [slapd.uri(), slapd.ldaps_uri()] {
        let dir = tempfile::tempdir().unwrap();
        support::directory::configure(dir.path(), &on_slapd(&slapd, "campus", &server));
        let daemon = Daemon::serve_in(dir.path(), &[]);
        let said = until("the server is refused", || {
            Some(sync(&daemon)["directories"][0]["servers"][0]["error"].as_str()?.to_owned())
        });
        assert!(said.contains("TLS failed") && said.contains("not valid for name"), "{said}");
    }
}

#[test]
fn name_that_became_somebody_elses_is_nobodys_while_removals_are_held() {
    let names: Vec<String> = (0..12).map(|number| format!("person{number}")).collect();
    let slapd = Slapd::start();
    names.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let (dir, mut daemon) = daemon_on(&slapd);
    slapd.ldif(&names[..6].iter().map(|uid| delete(uid)).collect::<String>());
    held(&daemon);
    slapd.add_person("person1", "velvet anchor 77");
    let nobody = |daemon: &Daemon| {
        let answered = support::directory::unanswered(daemon, "person1", "velvet anchor 77");
        assert_eq!(answered, "no answer", "another person1");
        assert_eq!(login(daemon, "person7", "lantern-quartz-9"), ACCEPT, "the entry is still theirs");
        let changed = daemon.run_with(&["person", "passwd", "person1"], "copper meadow 41\n");
        assert!(!changed.status.success(), "{changed:?}");
        assert!(slapd.ldapwhoami(&person_dn("person1"), "velvet anchor 77"), "another's password");
    };
    nobody(&daemon);
    // A restart forgets neither who was to be removed nor whose the name was.
    daemon.stop();
    slapd.ldif(&switch_off("person11"));
    let daemon = Daemon::serve_in(dir.path(), &[]);
    held(&daemon);
    // What comes along with the removals is not held.
    until("one is switched off", || (person(&daemon, "person11", "status") == "disabled").then_some(()));
    nobody(&daemon);
    assert!(daemon.run(&["sync", "--once", "--accept-removals"]).status.success());
    assert_eq!(login(&daemon, "person1", "velvet anchor 77"), ACCEPT);
    assert_eq!(login(&daemon, "person2", "lantern-quartz-9"), REJECT);
}

#[test]
fn removals_one_by_one_count_together() {
    let names: Vec<String> = (0..8).map(|number| format!("person{number}")).collect();
    let slapd = Slapd::start();
    names.iter().for_each(|uid| slapd.add_person(uid, "lantern-quartz-9"));
    let (_dir, daemon) = daemon_on(&slapd);
    for uid in &names[..3] {
        slapd.ldif(&delete(uid));
        until("one is gone", || person(&daemon, uid, "id").is_null().then_some(()));
    }
    slapd.ldif(&delete(&names[3]));
    held(&daemon);
    assert_eq!(person(&daemon, &names[3], "status"), "active", "nothing was removed");
}

#[test]
fn lock_of_doorward_outlives_changes_of_the_entry() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9")]);
    let (_dir, daemon) = daemon_on(&slapd);
    assert!(daemon.run(&["person", "lock", "ann"]).status.success());
    let phone = format!("dn: {}\nchangetype: modify\nreplace: mobile\nmobile: 1\n", person_dn("ann"));
    slapd.ldif(&phone);
    until("the change is here", || (person(&daemon, "ann", "phone") == "1").then_some(()));
    assert_eq!(person(&daemon, "ann", "status"), "locked");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
    // Nor does the directory's own switch lift it.
    slapd.ldif(&switch_off("ann"));
    until("ann is switched off", || (person(&daemon, "ann", "status") == "disabled").then_some(()));
    slapd.ldif(&format!("dn: {}\nchangetype: modify\ndelete: pwdAccountLockedTime\n", person_dn("ann")));
    until("ann is switched on", || (person(&daemon, "ann", "status") != "disabled").then_some(()));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
    assert!(daemon.run(&["person", "unlock", "ann"]).status.success());
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
}

#[test]
fn who_waits_for_a_name_still_waits_after_a_restart() {
    let slapd = slapd_with(&[("vic", "lantern-quartz-9"), ("mal", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    slapd.ldif(&(number("vic", "vic") + &number("mal", "mal")));
    let mut daemon = follow(dir.path(), &on_numbers(&slapd));
    slapd.ldif(&number("mal", "vic"));
    let waits = serde_json::json!(["vic"]);
    until("mal waits", || (sync(&daemon)["directories"][0]["conflicts"] == waits).then_some(()));
    // What happens to others meanwhile does not make it forgotten.
    slapd.add_person("ann", "velvet anchor 77");
    slapd.ldif(&number("ann", "ann"));
    until("ann is known", || (!person(&daemon, "ann", "id").is_null()).then_some(()));
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    support::directory::until_following(&daemon);
    assert_eq!(sync(&daemon)["directories"][0]["conflicts"], waits);
    slapd.ldif(&delete("vic"));
    until("the name is mal's", || (login(&daemon, "vic", "harbour-violet-3") == ACCEPT).then_some(()));
}

#[test]
fn what_the_entry_says_while_it_waits_counts_when_the_name_comes() {
    let slapd = slapd_with(&[("vic", "lantern-quartz-9"), ("mal", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    slapd.ldif(&(number("vic", "vic") + &number("mal", "mal")));
    let daemon = follow(dir.path(), &on_numbers(&slapd));
    slapd.ldif(&number("mal", "vic"));
    let conflicts = || sync(&daemon)["directories"][0]["conflicts"].clone();
    until("mal waits", || (conflicts() == serde_json::json!(["vic"])).then_some(()));
    slapd.ldif(&switch_off("mal"));
    // One after another: what came before this is known as well.
    slapd.add_person("ann", "velvet anchor 77");
    slapd.ldif(&number("ann", "ann"));
    until("ann is known", || (!person(&daemon, "ann", "id").is_null()).then_some(()));
    slapd.ldif(&delete("vic"));
    until("the name is mal's", || (person(&daemon, "vic", "status") == "disabled").then_some(()));
    assert_eq!(login(&daemon, "vic", "harbour-violet-3"), REJECT);
    until("nobody waits", || (conflicts() == serde_json::json!([])).then_some(()));
}

#[test]
fn who_is_deleted_while_waiting_for_a_name_never_gets_it() {
    let slapd = slapd_with(&[("vic", "lantern-quartz-9"), ("mal", "harbour-violet-3")]);
    let dir = tempfile::tempdir().unwrap();
    slapd.ldif(&(number("vic", "vic") + &number("mal", "vic")));
    let daemon = follow(dir.path(), &on_numbers(&slapd));
    let conflicts = || sync(&daemon)["directories"][0]["conflicts"].clone();
    assert_eq!(conflicts(), serde_json::json!(["vic"]));
    // Which of the two has it depends on their order.
    let (has, waits) = match login(&daemon, "vic", "lantern-quartz-9") == ACCEPT {
        true => ("vic", "mal"),
        false => ("mal", "vic"),
    };
    slapd.ldif(&delete(waits));
    until("nobody waits", || (conflicts() == serde_json::json!([])).then_some(()));
    slapd.ldif(&delete(has));
    until("the name is nobody's", || person(&daemon, "vic", "id").is_null().then_some(()));
    until("nobody is left", || (sync(&daemon)["directories"][0]["people"] == 0).then_some(()));
    assert!(person(&daemon, "vic", "id").is_null());
}

#[test]
fn renamed_container_takes_its_people_with_it() {
    let slapd = Slapd::start();
    let base = "ou=people,dc=example,dc=org";
    let staff = |name: &str| format!("ou={name},{base}");
    slapd.ldif(&format!("dn: {}\nobjectClass: organizationalUnit\nou: staff\n", staff("staff")));
    slapd.ldif(&format!(
        "dn: uid=ann,{}\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: Ann\nuserPassword: lantern-quartz-9\n",
        staff("staff")
    ));
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    let rename = |from: &str, to: &str| {
        slapd.ldif(&format!("dn: {}\nchangetype: modrdn\nnewrdn: ou={to}\ndeleteoldrdn: 1\n", staff(from)));
    };
    rename("staff", "crew");
    let known_in = |daemon: &Daemon, unit: &str| {
        until("her entry's name is known", || {
            person(daemon, "ann", "dn").as_str().unwrap_or_default().contains(unit).then_some(())
        });
        assert_eq!(login(daemon, "ann", "lantern-quartz-9"), ACCEPT);
    };
    known_in(&daemon, "ou=crew");
    // Also if it happens while nobody looks.
    daemon.stop();
    rename("crew", "team");
    let daemon = Daemon::serve_in(dir.path(), &[]);
    support::directory::until_following(&daemon);
    known_in(&daemon, "ou=team");
}

#[test]
fn shut_out_once_is_told_once() {
    let slapd =
        slapd_with(&[("vic", "lantern-quartz-9"), ("mal", "harbour-violet-3"), ("ann", "velvet anchor 77")]);
    let dir = tempfile::tempdir().unwrap();
    slapd.ldif(&(number("vic", "vic") + &number("mal", "mal") + &number("ann", "ann")));
    let daemon = follow(dir.path(), &on_numbers(&slapd));
    slapd.ldif(&number("mal", "vic"));
    until("mal waits", || (sync(&daemon)["directories"][0]["conflicts"][0] == "vic").then_some(()));
    for phone in 1..4 {
        slapd.ldif(&format!(
            "dn: {}\nchangetype: modify\nreplace: mobile\nmobile: {phone}\n",
            person_dn("ann")
        ));
        until("ann has changed", || (person(&daemon, "ann", "phone") == format!("{phone}")).then_some(()));
    }
    let trail = daemon.json(&["audit", "list", "--limit", "1000"]);
    let told = trail["entries"].as_array().unwrap().iter().filter(|entry| entry["detail"] == "name taken");
    assert_eq!(told.count(), 1);
}

#[test]
fn groups_that_people_name_count_as_well() {
    let slapd = slapd_with(&[("ann", "lantern-quartz-9"), ("bob", "harbour-violet-3")]);
    // The overlay memberof writes it into the members' entries.
    slapd.ldif(&format!(
        "dn: cn=vpn,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: vpn\nmember: {}\n",
        person_dn("ann")
    ));
    let dir = tempfile::tempdir().unwrap();
    let settings = on_slapd(&slapd, "campus", &slapd.uri()) + "group_members = \"member-of\"\n";
    let daemon = follow(dir.path(), &settings);
    let output = login_output(&daemon, "ann", "lantern-quartz-9");
    assert_eq!(value(&output, "Filter-Id"), Some("vpn"), "{output}");
    assert_eq!(person(&daemon, "bob", "groups"), serde_json::json!([]));
}
