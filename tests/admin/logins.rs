//! What a clerk is told of the trail: how somebody's logins ended, and nothing else.

use crate::support::{Daemon, code, radclient};
use serde_json::Value;

// R-SOCK-1, R-AUDIT-1
#[test]
fn clerk_sees_why_the_logins_of_a_person_were_refused_and_nothing_else_of_the_trail() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let people = daemon.with_app();
    let (person, other) = (&people[0], &people[1]);
    daemon.stop();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let role = format!("[[admin.role]]\nrole = \"helpdesk\"\nusers = [\"{}\"]\n", nix::unistd::getuid());
    std::fs::write(dir.path().join("conf.d/role.toml"), role).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let login = |user: &str, typed: &str| {
        radclient(daemon.address, &[("User-Name", user), ("User-Password", typed)]);
    };
    login(&person.user.to_uppercase(), "wrong");
    login(&person.user, &format!("{}{}", person.password, code(&person.totp, 0)));
    login(&other.user, "wrong");
    assert!(daemon.run(&["person", "lock", &person.user]).status.success());
    login(&person.user, &person.password);

    let answer = daemon.json(&["person", "logins", &person.user]);
    let logins = answer["logins"].as_array().unwrap();
    let field = |login: &Value, name: &str| login[name].as_str().unwrap().to_owned();
    let ended: Vec<_> =
        logins.iter().map(|login| (field(login, "outcome"), field(login, "reason"))).collect();
    let pair = |outcome: &str, reason: &str| (outcome.to_owned(), reason.to_owned());
    assert_eq!(
        ended[ended.len() - 3..],
        [
            pair("reject", "wrong-password"),
            pair("accept", "password-and-passcode"),
            pair("reject", "person-locked")
        ],
        "{answer:#}"
    );
    assert!(
        logins.iter().all(|login| login["purpose"] == "login" && field(login, "door").starts_with("radius:"))
    );
    assert_eq!(logins[0].as_object().unwrap().len(), 5, "neither links nor ids: {answer:#}");
    let last = daemon.json(&["person", "logins", &person.user, "--limit", "1"]);
    assert_eq!(last["logins"].as_array().unwrap().len(), 1);
    assert_eq!(last["logins"][0]["reason"], "person-locked");
    let refused = daemon.run(&["audit", "list", "--subject", &person.user]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not allow this"), "{refused:?}");
    assert!(!daemon.run(&["person", "logins", "nobody"]).status.success());

    // Whoever looks is in the trail.
    std::fs::remove_file(dir.path().join("conf.d/role.toml")).unwrap();
    assert!(daemon.run(&["reload"]).status.success());
    let trail = daemon.json(&["audit", "list", "--subject", &person.user])["entries"].clone();
    let looked = trail.as_array().unwrap().iter().filter(|entry| entry["action"] == "person.logins");
    assert_eq!(looked.count(), 2, "{trail:#}");
}
