//! The audit trail: who changes it with sqlite3 is found out, and it leaves in the forms of others.

use super::*;

/// What somebody asks the admin socket about, and what a stranger calls themselves.
const EVIL: &str = "x\" outcome=\"accept\"] outcome=accept|9|\nCEF:0|Doorward|forged";
const STRANGER: &str = "x\"]outcome=accept|9|forged\\";

#[test]
fn row_that_was_changed_lost_or_moved_by_hand_is_named() {
    let daemon = Daemon::demo(&[]);
    let database = daemon.dir.join("doorward.db");
    for _ in 0..3 {
        assert_eq!(login(&daemon, &daemon.without_app()[0], "wrong"), "Access-Reject");
    }
    done(&daemon.run(&["audit", "verify"]));
    let at = sqlite(
        &database,
        "SELECT strftime('%Y-%m-%dT%H:%M:', at / 1000, 'unixepoch') FROM audit WHERE seq = 2",
    );
    sqlite(&database, "UPDATE audit SET outcome = 'accept' WHERE seq = 2; DELETE FROM audit WHERE seq = 4");
    let output = daemon.run(&["audit", "verify"]);
    let text = said(&output);
    assert!(!output.status.success());
    assert!(text.contains(&format!("BROKEN at entry 2 ({at}")) && text.contains("was changed"), "{text}");
    assert!(text.contains("Entry 4 (") && text.contains("this entry is missing"), "{text}");
    let json = daemon.run(&["--json", "audit", "verify"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["findings"][0]["seq"], &json["findings"][1]["seq"]), (&2.into(), &4.into()));
}

#[test]
fn export_in_each_format_has_a_line_an_entry_and_no_name_forges_another() {
    let daemon = Daemon::demo(&[]);
    assert!(!daemon.run(&["person", "show", EVIL]).status.success());
    radclient(daemon.address, &[("User-Name", STRANGER), ("User-Password", "wrong")]);
    let json = done(&daemon.run(&["audit", "export"]));
    let entries: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as i64), "{seqs:?}");
    let there = entries.iter().filter(|entry| entry["subject"].as_str().unwrap().contains("forged")).count();
    assert_eq!(there, 2);
    for (format, start, evil, stranger) in [
        (
            "cef",
            "CEF:0|Doorward|Doorward|",
            "duser=x\" outcome\\=\"accept\"] outcome\\=accept|9|\u{240a}CEF:0|",
            "duser=x\"]outcome\\=accept|9|forged\\\\ ",
        ),
        (
            "syslog",
            "<8",
            "subject=\"x\\\" outcome=\\\"accept\\\"\\] outcome=accept|9|\u{240a}CEF:0|",
            "subject=\"x\\\"\\]outcome=accept|9|forged\\\\\" ",
        ),
    ] {
        let text = done(&daemon.run(&["audit", "export", "--format", format]));
        let lines: Vec<_> = text.lines().collect();
        // Each export is an entry as well.
        assert!(lines.len() > entries.len(), "{format}");
        assert!(lines.iter().all(|line| line.starts_with(start)), "{text}");
        for evil in [evil, stranger] {
            assert_eq!(lines.iter().filter(|line| line.contains(evil)).count(), 1, "{evil}: {text}");
        }
    }
}

#[test]
fn export_of_a_time_has_its_entries_and_no_others() {
    let daemon = Daemon::demo(&[]);
    let export = |more: &[&str]| done(&daemon.run(&[&["audit", "export"], more].concat()));
    let first: serde_json::Value = serde_json::from_str(export(&[]).lines().next().unwrap()).unwrap();
    let at = first["at"].as_str().unwrap();
    assert_eq!(export(&["--to", at]), "");
    assert_eq!(export(&["--to", "2020-01-01"]), "");
    assert_eq!(export(&["--from", "2999-01-01"]), "");
    let all = export(&["--from", at, "--to", "2999-01-01"]);
    let again: serde_json::Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
    assert_eq!(again, first);
    let refused = daemon.run(&["audit", "export", "--from", "yesterday"]);
    assert!(!refused.status.success() && said(&refused).contains("neither a day"), "{}", said(&refused));
}
