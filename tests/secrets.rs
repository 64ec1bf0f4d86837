//! No secret is ever logged (invariant 5): a whole run at trace level is searched for every secret that it used.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use support::{Daemon, answer, code, radclient, read};

/// Whether `text` holds `secret` as a word of its own: a code of six digits may stand inside a longer number.
fn holds(text: &str, secret: &str) -> bool {
    text.match_indices(secret).any(|(at, _)| {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !word(text[..at].chars().next_back()) && !word(text[at + secret.len()..].chars().next())
    })
}

fn whole_run(daemon: &Daemon) -> Vec<String> {
    let mut secrets = vec!["demo-radius-shared-secret".to_owned(), read(&daemon.dir.join("keys/demo.key"))];
    let (app, plain) = (&daemon.with_app()[0], &daemon.without_app()[0]);
    let ask = |from: &str, user: &str, typed: &str| {
        radclient(
            daemon.address,
            &[("Packet-Src-IP-Address", from), ("User-Name", user), ("User-Password", typed)],
        )
    };
    // Good and bad logins of every kind.
    let codes = [code(&app.totp, -1), code(&app.totp, 0), code(&app.totp, 1)];
    assert_eq!(
        answer(&ask("127.0.0.1", &app.user, &format!("{}{}", app.password, codes[0]))),
        "Access-Accept"
    );
    let challenge = ask("127.0.0.1", &app.user, &app.password);
    let state = support::value(&challenge, "State").unwrap().to_owned();
    let answered = radclient(
        daemon.address,
        &[("User-Name", &app.user), ("User-Password", &codes[1]), ("State", &state)],
    );
    assert_eq!(answer(&answered), "Access-Accept");
    secrets.push(state.trim_start_matches("0x").to_owned());
    for wrong in ["never-logged-wrong-password", "never-logged-wrong-password,913572"] {
        ask("127.0.0.1", &plain.user, wrong);
        ask("127.0.0.1", "nobody-at-all", wrong);
        secrets.push(wrong.to_owned());
    }
    assert_eq!(answer(&ask("127.0.0.3", &app.user, &codes[2])), "Access-Accept");
    secrets.extend(codes);
    for person in daemon.people() {
        secrets.push(person.password);
        secrets.push(person.totp.clone());
        let seed = data_encoding::BASE32_NOPAD.decode(person.totp.as_bytes()).unwrap();
        secrets.push(data_encoding::HEXLOWER.encode(&seed));
    }
    // Every enrollment and change, also refused ones.
    for (arguments, input) in [
        (vec!["enroll", "pin", &plain.user], "8305\n"),
        (vec!["enroll", "pin", &plain.user], "123456789012\n"),
        (vec!["person", "passwd", &plain.user], "a-new-password-for-the-log-test\n"),
        (vec!["person", "passwd", &plain.user], "shrt9x\n"),
        (vec!["person", "add", "newcomer"], "first-password-of-a-newcomer\n"),
    ] {
        daemon.run_with(&arguments, input);
        secrets.push(input.trim().to_owned());
    }
    let totp = daemon.json(&["enroll", "totp", &plain.user]);
    let hotp = daemon.json(&["enroll", "hotp", &plain.user]);
    for enrolled in [&totp, &hotp] {
        secrets.push(enrolled["seed"].as_str().unwrap().to_owned());
    }
    daemon.run(&["factor", "confirm", totp["id"].as_str().unwrap(), "628190"]);
    secrets.push("628190".to_owned());
    let paper = daemon.json(&["enroll", "recovery", &plain.user]);
    let paper = paper["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    secrets.extend(paper);
    secrets.push(daemon.json(&["code", "issue", &plain.user])["code"].as_str().unwrap().to_owned());
    daemon.run(&["audit", "list"]);
    daemon.run(&["audit", "export"]);
    secrets.retain(|secret| !secret.trim().is_empty());
    secrets
}

// Invariant 5
#[test]
fn log_at_trace_level_and_audit_trail_hold_no_secret_of_a_whole_run() {
    let mut daemon = Daemon::demo(&["--log", "trace"]);
    let secrets = whole_run(&daemon);
    let trail = daemon.run(&["audit", "export"]).stdout;
    let trail = String::from_utf8(trail).unwrap();
    daemon.stop();
    let log = daemon.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is at trace level");
    for secret in secrets {
        assert!(!holds(&log, secret.trim()), "the log holds `{secret}`");
        assert!(!holds(&trail, secret.trim()), "the audit trail holds `{secret}`");
    }
}

// R-AUDIT-1
#[test]
fn audit_line_of_a_login_carries_the_id_of_its_log_lines() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let attributes = [("User-Name", person.user.as_str()), ("User-Password", "wrong")];
    assert_eq!(answer(&radclient(daemon.address, &attributes)), "Access-Reject");
    let trail = daemon.json(&["audit", "list", "--subject", &person.user]);
    let entry = trail["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "login").unwrap();
    assert_eq!(
        (entry["outcome"].as_str(), entry["detail"].as_str()),
        (Some("reject"), Some("wrong-password"))
    );
    let id = entry["request"].as_str().unwrap();
    let line = daemon.log().lines().find(|line| line.contains(id)).map(str::to_owned).unwrap();
    assert!(line.contains("wrong-password"), "{line}");
}

// R-AUDIT-1
#[test]
fn json_log_has_one_object_a_line_with_the_id_of_the_audit_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Daemon::demo_in(dir.path(), &[]);
    let person = first.without_app()[0].clone();
    first.stop();
    let mut daemon = Daemon::serve_in(
        dir.path(),
        &[("DOORWARD__LOG__FORMAT", "json"), ("DOORWARD__LOG__FILTER", "trace")],
    );
    let attributes = [("User-Name", person.user.as_str()), ("User-Password", &person.password)];
    assert_eq!(answer(&radclient(daemon.address, &attributes)), "Access-Accept");
    let trail = daemon.json(&["audit", "list", "--subject", &person.user]);
    let id = trail["entries"][0]["request"].clone();
    daemon.stop();
    let lines: Vec<String> = daemon.lines.take().unwrap().iter().collect();
    let objects: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let login = objects.iter().find(|object| object["message"] == "login").unwrap();
    assert_eq!((&login["span"]["id"], &login["outcome"]), (&id, &"accept".into()), "{login}");
    assert!(lines.iter().all(|line| !holds(line, &person.password)));
}

// Invariant 5
#[test]
fn database_file_holds_no_seed_code_pin_or_password() {
    let mut daemon = Daemon::demo(&[]);
    let secrets = whole_run(&daemon);
    daemon.stop();
    let mut bytes = Vec::new();
    for name in ["doorward.db", "doorward.db-wal"] {
        bytes.extend(std::fs::read(daemon.dir.join(name)).unwrap_or_default());
    }
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        // Six digits may well be part of a time stamp or an id.
        assert!(!found || secret.len() < 8, "the database holds `{secret}`");
    }
}
