//! `doorward reload`: it waits, says what is wrong, and what served before goes on.

use crate::support::{DOORWARD, Daemon};
use serde_json::{Value, json};
use std::process::{Command, Output};

/// As somebody types it who has the configuration, whatever is wrong with that, and not the socket's path.
fn reload(daemon: &Daemon, more: &[&str]) -> Output {
    let mut command = Command::new(DOORWARD);
    command.env_remove("DOORWARD_SOCKET").arg("--config").arg(daemon.dir.join("doorward.toml"));
    command.arg("reload").args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// R-SYS-1
#[test]
fn reload_ends_when_the_new_configuration_serves_and_says_what_is_wrong_where_it_does_not() {
    let daemon = Daemon::demo(&[]);
    let file = daemon.dir.join("conf.d/later.toml");
    std::fs::create_dir(daemon.dir.join("conf.d")).unwrap();
    let applications = || {
        let answer = daemon.json(&["client", "list"]);
        let names = answer["clients"].as_array().unwrap().iter();
        names.map(|client| client["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    std::fs::write(&file, "[[api_client]]\nname = \"wrong\"\n[codes]\nper_persn = 3\nlifetime = \"9y\"\n")
        .unwrap();
    let refused = reload(&daemon, &[]);
    let said = text(&refused.stderr);
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(1), ""), "{said}");
    assert!(said.starts_with("doorward: The configuration has errors; the old one stays.\n"), "{said}");
    for part in ["did you mean `per_person`?", "later.toml:4:1", "4 | per_persn = 3", "^^^", "`9y`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let body: Value = serde_json::from_slice(&reload(&daemon, &["--json"]).stderr).unwrap();
    assert_eq!(body["error"]["code"], "configuration-refused");
    assert_eq!(body["error"]["problems"].as_array().unwrap().len(), 2, "{body}");
    assert!(!applications().contains(&"wrong".to_owned()));

    std::fs::write(&file, "[[api_client]]\nname = \"fresh\"\n").unwrap();
    let taken = reload(&daemon, &[]);
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    assert_eq!(text(&taken.stdout), "The new configuration serves.\n");
    assert!(applications().contains(&"fresh".to_owned()), "at once");

    std::fs::write(&file, "[radius]\nchallenge_entries = 1234\n").unwrap();
    let taken = reload(&daemon, &[]);
    let said = text(&taken.stdout);
    assert!(taken.status.success() && said.contains("warning: radius.challenge_entries changed"), "{said}");

    // What is in order is taken over.
    std::fs::write(&file, "[[api_client]]\nname = \"half\"\n[password]\nblocklist = \"no.list\"\n").unwrap();
    let half = reload(&daemon, &[]);
    let said = text(&half.stderr);
    assert_eq!(half.status.code(), Some(1), "{said}");
    assert!(said.contains("serves, but for a part of it.\nthe old rules for new passwords stay: "), "{said}");
    assert!(applications().contains(&"half".to_owned()));

    let trail = daemon.run(&["--json", "audit", "list", "--limit", "100"]).stdout;
    let trail: Value = serde_json::from_slice(&trail).unwrap();
    let entries = trail["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "reload");
    let ended: Vec<_> = entries.map(|entry| (entry["outcome"].clone(), entry["detail"].clone())).collect();
    let refused = (json!("failed"), json!("configuration-refused"));
    let (done, part) = ((json!("done"), json!("")), (json!("failed"), json!("configuration-in-part")));
    assert_eq!(ended, [refused.clone(), refused, done.clone(), done, part]);
}

// R-SYS-1
#[test]
fn daemon_is_found_by_a_configuration_that_is_no_toml() {
    let daemon = Daemon::demo(&[]);
    std::fs::create_dir(daemon.dir.join("conf.d")).unwrap();
    std::fs::write(daemon.dir.join("conf.d/later.toml"), "[codes\nper_person = \n").unwrap();
    let refused = reload(&daemon, &[]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("this is not TOML"), "{said}");
}

// R-SYS-1
#[test]
fn store_that_cannot_be_written_keeps_no_configuration_out() {
    let daemon = Daemon::demo(&[]);
    std::fs::create_dir(daemon.dir.join("conf.d")).unwrap();
    std::fs::write(daemon.dir.join("conf.d/later.toml"), "[[api_client]]\nname = \"fresh\"\n").unwrap();
    let lock = crate::support::DatabaseLock::take(&daemon.dir);
    let reloaded = reload(&daemon, &[]);
    lock.let_go();
    let said = text(&reloaded.stderr);
    // The keys could not be looked through, which is said.
    assert!(
        reloaded.status.success() || said.contains("but for a part of it.\nthe old [keys] stay"),
        "{said}"
    );
    assert!(daemon.json(&["client", "list"]).to_string().contains("fresh"));
}
