//! Logins of every kind of policy through the real daemon, by radclient and oathtool from Debian.

#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use support::{Daemon, answer, code, radclient, value};

/// Asks as the client that the demonstration's configuration knows by this address.
fn ask(daemon: &Daemon, from: &str, user: &str, typed: &str) -> String {
    radclient(
        daemon.address,
        &[("Packet-Src-IP-Address", from), ("User-Name", user), ("User-Password", typed)],
    )
}

fn reply(daemon: &Daemon, from: &str, user: &str, typed: &str) -> String {
    answer(&ask(daemon, from, user, typed)).to_owned()
}

/// Answers the challenge in `output`.
fn respond(daemon: &Daemon, from: &str, user: &str, output: &str, typed: &str) -> String {
    let state = value(output, "State").expect("a challenge carries a State").to_owned();
    radclient(
        daemon.address,
        &[("Packet-Src-IP-Address", from), ("User-Name", user), ("User-Password", typed), ("State", &state)],
    )
}

// R-RAD-1
#[test]
fn if_enrolled_asks_a_passcode_of_whoever_has_one() {
    let daemon = Daemon::demo(&[]);
    let (vpn, plain) = ("127.0.0.1", &daemon.without_app()[2]);
    assert_eq!(reply(&daemon, vpn, &plain.user, &plain.password), "Access-Accept");
    assert_eq!(reply(&daemon, vpn, &plain.user, "wrong"), "Access-Reject");
    assert_eq!(reply(&daemon, vpn, "nobody", &plain.password), "Access-Reject");

    let app = &daemon.with_app()[0];
    let right = format!("{}{}", app.password, code(&app.totp, 0));
    let accepted = ask(&daemon, vpn, &app.user, &right);
    assert_eq!(answer(&accepted), "Access-Accept");
    // Faculty are employees: the VLAN of the demonstration's reply rule, for radclient to decode.
    assert_eq!(value(&accepted, "Tunnel-Private-Group-Id:0"), Some("120"), "{accepted}");
    assert_eq!(value(&accepted, "Tunnel-Type:0"), Some("VLAN"));
    assert!(value(&accepted, "Message-Authenticator").is_some());
    assert_eq!(reply(&daemon, vpn, &app.user, &right), "Access-Reject", "a code works once");
    let comma = format!("{},{}", app.password, code(&app.totp, 1));
    assert_eq!(reply(&daemon, vpn, &app.user, &comma), "Access-Accept");
    let older = format!("{},{}", app.password, code(&app.totp, 0));
    assert_eq!(reply(&daemon, vpn, &app.user, &older), "Access-Reject", "an older code is refused");
}

// R-RAD-1
#[test]
fn challenge_asks_for_the_passcode_and_works_once() {
    let daemon = Daemon::demo(&[]);
    let (vpn, app) = ("127.0.0.1", &daemon.with_app()[0]);
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    assert_eq!(answer(&challenge), "Access-Challenge");
    // RFC 2869 §5.10: who looks over a shoulder does not see what is typed, where the client heeds it.
    assert_eq!(value(&challenge, "Prompt"), Some("No-Echo"), "{challenge}");
    assert_eq!(
        value(&challenge, "Reply-Message"),
        Some("Enter the passcode from your One-Time-Passcode App:")
    );
    let wrong = respond(&daemon, vpn, &app.user, &challenge, "000000");
    assert_eq!(answer(&wrong), "Access-Reject");
    let used = respond(&daemon, vpn, &app.user, &challenge, &code(&app.totp, 0));
    assert_eq!(answer(&used), "Access-Reject", "a State works once");

    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    let elsewhere = respond(&daemon, "127.0.0.5", &app.user, &challenge, &code(&app.totp, 0));
    assert_eq!(answer(&elsewhere), "Access-Reject", "a State belongs to the client that got it");
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    let other = respond(&daemon, vpn, &daemon.with_app()[1].user, &challenge, &code(&app.totp, 0));
    assert_eq!(answer(&other), "Access-Reject", "and to its person");
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    let right = respond(&daemon, vpn, &app.user, &challenge, &code(&app.totp, 0));
    assert_eq!(answer(&right), "Access-Accept");
}

// R-RAD-1, R-APP-4
#[test]
fn every_other_policy_kind_decides_as_it_says() {
    let daemon = Daemon::demo(&[]);
    let (app, plain) = (&daemon.with_app()[0], &daemon.without_app()[2]);
    let next = |steps| code(&app.totp, steps);

    let only_password = "127.0.0.2";
    assert_eq!(reply(&daemon, only_password, &app.user, &app.password), "Access-Accept");

    let only_passcode = "127.0.0.3";
    assert_eq!(reply(&daemon, only_passcode, &app.user, &app.password), "Access-Reject");
    assert_eq!(reply(&daemon, only_passcode, &app.user, &next(-1)), "Access-Accept");
    assert_eq!(reply(&daemon, only_passcode, &app.user, &next(-1)), "Access-Reject");

    let required = "127.0.0.5";
    let refused = ask(&daemon, required, &plain.user, &plain.password);
    assert_eq!(answer(&refused), "Access-Reject");
    assert!(value(&refused, "Reply-Message").unwrap().contains("Register a passcode method"));

    let no_challenge = "127.0.0.6";
    assert_eq!(reply(&daemon, no_challenge, &app.user, &app.password), "Access-Reject");
    let both = format!("{}{}", app.password, next(0));
    assert_eq!(reply(&daemon, no_challenge, &app.user, &both), "Access-Accept");

    let pin = "127.0.0.4";
    let set = daemon.run_with(&["enroll", "pin", &app.user], "2946\n");
    assert!(set.status.success(), "{set:?}");
    assert_eq!(reply(&daemon, pin, &app.user, &format!("2947{}", next(1))), "Access-Reject");
    let challenge = ask(&daemon, pin, &app.user, "2946");
    assert_eq!(answer(&challenge), "Access-Challenge");
    assert_eq!(answer(&respond(&daemon, pin, &app.user, &challenge, &next(1))), "Access-Accept");
}

// R-RAD-1
#[test]
fn policy_of_a_group_takes_the_place_of_the_clients() {
    let daemon = Daemon::demo(&[]);
    let people = daemon.with_app();
    let student = people.iter().find(|person| person.user == "hana").unwrap();
    let teacher = people.iter().find(|person| person.user == "amara").unwrap();
    let by_group = "127.0.0.8";
    assert_eq!(reply(&daemon, by_group, &student.user, &student.password), "Access-Accept");
    assert_eq!(reply(&daemon, by_group, &teacher.user, &teacher.password), "Access-Challenge");
}

// R-RAD-2
#[test]
fn method_is_chosen_in_the_challenge_and_one_round_clients_are_not_asked_twice() {
    let daemon = Daemon::demo(&[]);
    let (vpn, app) = ("127.0.0.1", &daemon.with_app()[0]);
    let set = daemon.json(&["enroll", "recovery", &app.user]);
    let paper = set["codes"][0].as_str().unwrap();
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    let prompt = "Enter a passcode, or choose a method: 1 = One-Time-Passcode App, 2 = recovery code";
    assert_eq!(value(&challenge, "Reply-Message"), Some(prompt));
    let second = respond(&daemon, vpn, &app.user, &challenge, "2");
    assert_eq!(value(&second, "Reply-Message"), Some("Enter the passcode from your recovery code:"));
    assert_eq!(answer(&respond(&daemon, vpn, &app.user, &second, paper)), "Access-Accept");
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    assert_eq!(answer(&respond(&daemon, vpn, &app.user, &challenge, paper)), "Access-Reject", "used");

    let sms = ask(&daemon, vpn, &app.user, &format!("{},sms", app.password));
    assert_eq!(answer(&sms), "Access-Challenge");
    assert!(value(&sms, "Reply-Message").unwrap().starts_with("That method is not available here."));

    let one_round = "127.0.0.7";
    let challenge = ask(&daemon, one_round, &app.user, &app.password);
    assert_eq!(
        value(&challenge, "Reply-Message"),
        Some("Enter the passcode from your One-Time-Passcode App / recovery code:")
    );
    assert_eq!(answer(&respond(&daemon, one_round, &app.user, &challenge, "1")), "Access-Reject");
}

#[test]
fn hotp_token_is_enrolled_used_in_order_and_found_again() {
    let daemon = Daemon::demo(&[]);
    let (vpn, plain) = ("127.0.0.1", &daemon.without_app()[0]);
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let token = |counter: u32| support::oathtool(&["--hotp", "-b", seed, "-c", &counter.to_string()]);
    let confirmed = daemon.json(&["enroll", "hotp", &plain.user, "--seed", seed, "--code", &token(0)]);
    assert_eq!(confirmed["state"], "active");
    let id = confirmed["id"].as_str().unwrap();
    let login = |counter| reply(&daemon, vpn, &plain.user, &format!("{}{}", plain.password, token(counter)));
    assert_eq!(login(0), "Access-Reject", "the code that confirmed it is used up");
    assert_eq!(login(1), "Access-Accept");
    assert_eq!(login(9), "Access-Accept", "within the look-ahead");
    assert_eq!(login(5), "Access-Reject", "older than the last one");
    assert_eq!(login(200), "Access-Reject", "beyond the look-ahead");
    assert!(!daemon.run(&["factor", "resync", id, &token(200), &token(202)]).status.success());
    assert!(daemon.run(&["factor", "resync", id, &token(200), &token(201)]).status.success());
    assert_eq!(login(201), "Access-Reject");
    assert_eq!(login(202), "Access-Accept");
}

// R-RESET-9
#[test]
fn new_password_and_lock_void_a_challenge_that_waits() {
    let daemon = Daemon::demo(&[]);
    let (vpn, app) = ("127.0.0.1", &daemon.with_app()[0]);
    let passcode = code(&app.totp, 0);
    let challenge = ask(&daemon, vpn, &app.user, &app.password);
    assert_eq!(answer(&challenge), "Access-Challenge");
    let changed = "quite another passphrase";
    let set = daemon.run_with(&["person", "passwd", &app.user], &format!("{changed}\n"));
    assert!(set.status.success(), "{set:?}");
    assert_eq!(answer(&respond(&daemon, vpn, &app.user, &challenge, &passcode)), "Access-Reject");
    let challenge = ask(&daemon, vpn, &app.user, changed);
    assert_eq!(answer(&challenge), "Access-Challenge");
    for order in ["lock", "unlock"] {
        assert!(daemon.run(&["person", order, &app.user]).status.success());
    }
    assert_eq!(answer(&respond(&daemon, vpn, &app.user, &challenge, &passcode)), "Access-Reject");
    // The passcode itself was good all the time.
    let challenge = ask(&daemon, vpn, &app.user, changed);
    assert_eq!(answer(&respond(&daemon, vpn, &app.user, &challenge, &passcode)), "Access-Accept");
}

#[test]
fn help_desk_locks_unlocks_revokes_and_hands_out_a_code() {
    let daemon = Daemon::demo(&[]);
    let (vpn, app) = ("127.0.0.1", &daemon.with_app()[0]);
    let issued = daemon.json(&["code", "issue", &app.user]);
    let typed = format!("{}{}", app.password, issued["code"].as_str().unwrap());
    assert!(daemon.run(&["person", "lock", &app.user]).status.success());
    assert_eq!(reply(&daemon, vpn, &app.user, &typed), "Access-Reject", "locked");
    assert!(daemon.run(&["person", "unlock", &app.user]).status.success());
    assert_eq!(reply(&daemon, vpn, &app.user, &typed), "Access-Accept");
    assert_eq!(reply(&daemon, vpn, &app.user, &typed), "Access-Reject", "good once");
    let factors = daemon.json(&["factor", "list", &app.user]);
    let totp = factors["factors"].as_array().unwrap().iter().find(|f| f["kind"] == "totp").unwrap();
    assert!(daemon.run(&["factor", "revoke", totp["id"].as_str().unwrap()]).status.success());
    let login = reply(&daemon, vpn, &app.user, &format!("{}{}", app.password, code(&app.totp, 0)));
    assert_eq!(login, "Access-Reject", "revoked");
}

#[test]
fn awkward_passwords_log_in_with_and_without_a_passcode() {
    let daemon = Daemon::demo(&[]);
    let (vpn, person) = ("127.0.0.1", &daemon.with_app()[0]);
    let passwords = ["ends in digits 123456", "comma,at,the,end,", "пароль с пробелом", "quote\"back\\slash"];
    for (password, steps) in passwords.into_iter().zip([-1, 0, 1, 1]) {
        let set = daemon.run_with(&["person", "passwd", &person.user], &format!("{password}\n"));
        assert!(set.status.success(), "{set:?}");
        let alone = ask(&daemon, vpn, &person.user, password);
        assert_eq!(answer(&alone), "Access-Challenge", "{password}");
        if password != passwords[3] {
            let both = format!("{password}{}", code(&person.totp, steps));
            assert_eq!(reply(&daemon, vpn, &person.user, &both), "Access-Accept", "{password}");
        }
    }
}
