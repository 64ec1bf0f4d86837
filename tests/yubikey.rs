//! YubiKeys and imported tokens through the real daemon. The keys are played by Yubico's own `ykgenerate` (Debian's
//! libyubikey-dev), which makes what a touch types out of key, private id and counters; tokens by Debian's oathtool.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::process::{Command, Output};
use support::{Daemon, Someone, answer, oathtool, radclient, value};

/// The client of the demonstration that asks for a passcode of whoever has one.
const VPN: &str = "127.0.0.1";

/// A key that somebody touches.
#[derive(Debug, Clone)]
struct YubiKey {
    serial: &'static str,
    public_id: &'static str,
    private_id: &'static str,
    aes: &'static str,
}

const FIRST: YubiKey = YubiKey {
    serial: "5012345",
    public_id: "vvccccbcdefg",
    private_id: "8792ebfe26cc",
    aes: "ecde18dbe76fbd0c33330f1c354871db",
};
const SECOND: YubiKey = YubiKey {
    serial: "5012346",
    public_id: "vvccccbcdefh",
    private_id: "0102030405ff",
    aes: "000102030405060708090a0b0c0d0e0f",
};

impl YubiKey {
    /// What it types at these counters.
    fn touch(&self, uses: u16, touches: u8) -> String {
        let counters = [format!("{uses:04x}"), format!("{touches:02x}")];
        let output = Command::new("ykgenerate")
            .args([self.aes, self.private_id, &counters[0], "c0a8", "00", &counters[1]])
            .output()
            .expect("ykgenerate is installed");
        assert!(output.status.success(), "{output:?}");
        let typed = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert_eq!(typed.len(), 32, "{typed}");
        format!("{}{typed}", self.public_id)
    }

    fn line(&self) -> String {
        format!("{},{},{},{},,2026-05-01T10:00:00,\n", self.serial, self.public_id, self.private_id, self.aes)
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A command that must succeed.
fn good(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// A command that must be refused.
fn bad(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn import(daemon: &Daemon, format: &str, content: &str, more: &[&str]) -> Output {
    let file = daemon.dir.join("tokens.txt");
    std::fs::write(&file, content).unwrap();
    let file = file.display().to_string();
    daemon.run(&[&["import", format, &file], more].concat())
}

/// A daemon with both keys in its inventory.
fn with_keys() -> Daemon {
    let daemon = Daemon::demo(&[]);
    let imported = import(&daemon, "yubikey", &(FIRST.line() + &SECOND.line()), &[]);
    assert!(imported.status.success(), "{}", text(&imported));
    daemon
}

fn ask(daemon: &Daemon, someone: &Someone, typed: &str) -> String {
    let attributes = [("Packet-Src-IP-Address", VPN), ("User-Name", &someone.user), ("User-Password", typed)];
    radclient(daemon.address, &attributes)
}

fn reply(daemon: &Daemon, someone: &Someone, typed: &str) -> String {
    answer(&ask(daemon, someone, typed)).to_owned()
}

fn respond(daemon: &Daemon, someone: &Someone, challenge: &str, typed: &str) -> String {
    let state = value(challenge, "State").expect("a challenge carries a State").to_owned();
    radclient(
        daemon.address,
        &[
            ("Packet-Src-IP-Address", VPN),
            ("User-Name", &someone.user),
            ("User-Password", typed),
            ("State", &state),
        ],
    )
}

/// Why the last login of somebody was decided as it was, as the audit trail says.
fn last_reason(daemon: &Daemon, someone: &Someone) -> String {
    let trail = daemon.json(&["audit", "list", "--subject", &someone.user, "--limit", "20"]);
    let entries = trail["entries"].as_array().unwrap();
    let last = entries.iter().rfind(|entry| entry["action"] == "login").expect("there was a login");
    last["detail"].as_str().unwrap().to_owned()
}

// R-YUBI-1, R-YUBI-2
#[test]
fn touch_behind_the_password_or_as_answer_lets_in_once() {
    let daemon = with_keys();
    let alice = &daemon.without_app()[0];
    let password = &alice.password;
    assert_eq!(reply(&daemon, alice, &format!("{password}{}", FIRST.touch(1, 0))), "Access-Reject");
    assert_eq!(last_reason(&daemon, alice), "yubikey-unassigned");
    good(&daemon, &["token", "assign", FIRST.serial, &alice.user, "--label", "blue key"]);

    let first = format!("{password}{}", FIRST.touch(1, 0));
    assert_eq!(reply(&daemon, alice, &first), "Access-Accept");
    assert_eq!(reply(&daemon, alice, &first), "Access-Reject", "a touch works once");
    assert_eq!(last_reason(&daemon, alice), "passcode-replayed");
    assert_eq!(reply(&daemon, alice, &format!("{password},{}", FIRST.touch(1, 2))), "Access-Accept");
    assert_eq!(reply(&daemon, alice, &format!("{password},{}", FIRST.touch(1, 1))), "Access-Reject");
    assert_eq!(last_reason(&daemon, alice), "passcode-replayed", "an older one is refused");

    let challenge = ask(&daemon, alice, password);
    assert_eq!(value(&challenge, "Reply-Message"), Some("Touch your Yubikey Device:"));
    let accepted = respond(&daemon, alice, &challenge, &FIRST.touch(2, 0));
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    let challenge = ask(&daemon, alice, password);
    let shouted = FIRST.touch(2, 1).to_uppercase();
    assert_eq!(answer(&respond(&daemon, alice, &challenge, &shouted)), "Access-Accept", "Caps Lock is on");
    // 0x8000: an old key that Caps Lock made type; it is no part of the counter.
    let challenge = ask(&daemon, alice, password);
    let respond = |typed: &str| answer(&respond(&daemon, alice, &challenge, typed)).to_owned();
    assert_eq!(respond(&FIRST.touch(0x8002, 2)), "Access-Accept");
    let listed = daemon.json(&["factor", "list", &alice.user]);
    assert_eq!(listed["factors"][0]["label"], "blue key");
    assert!(!daemon.log().contains(&FIRST.touch(2, 0)) && !daemon.log().contains(FIRST.aes));
}

// R-YUBI-2
#[test]
fn yubikey_device_is_chosen_from_the_list() {
    let daemon = with_keys();
    let app = &daemon.with_app()[0];
    good(&daemon, &["token", "assign", FIRST.public_id, &app.user]);
    let challenge = ask(&daemon, app, &app.password);
    let prompt = value(&challenge, "Reply-Message").unwrap();
    assert!(prompt.contains("1 = One-Time-Passcode App, 2 = Yubikey Device"), "{prompt}");
    let chosen = respond(&daemon, app, &challenge, "2");
    assert_eq!(value(&chosen, "Reply-Message"), Some("Touch your Yubikey Device:"));
    assert_eq!(answer(&respond(&daemon, app, &chosen, &FIRST.touch(7, 1))), "Access-Accept");
    let word = ask(&daemon, app, &format!("{},yubikey", app.password));
    assert_eq!(value(&word, "Reply-Message"), Some("Touch your Yubikey Device:"));
}

// R-YUBI-1
#[test]
fn each_refusal_has_its_reason_in_the_trail_and_one_text_for_the_person() {
    let daemon = with_keys();
    let people = daemon.without_app();
    let (alice, bob) = (&people[0], &people[1]);
    good(&daemon, &["token", "assign", FIRST.serial, &alice.user]);
    good(&daemon, &["token", "assign", SECOND.serial, &bob.user]);
    let accepted = format!("{}{}", alice.password, FIRST.touch(0x7f00, 0));
    assert_eq!(reply(&daemon, alice, &accepted), "Access-Accept");

    let own = |key: &YubiKey| YubiKey { public_id: FIRST.public_id, serial: FIRST.serial, ..key.clone() };
    let other_id = YubiKey { private_id: "ffffffffffff", ..FIRST };
    let right = FIRST.touch(0x7f01, 0);
    let dvorak = |typed: &str| -> String {
        let place = |letter| "cbdefghijklnrtuv".find(letter).unwrap();
        typed.chars().map(|letter| "jxe.uidchtnbpygk".chars().nth(place(letter)).unwrap()).collect()
    };
    let unknown = YubiKey { public_id: "vvccccbcdefi", ..FIRST };
    for (typed, reason) in [
        (own(&SECOND).touch(0x7f01, 0), "yubikey-checksum"),
        (other_id.touch(0x7f01, 0), "yubikey-private-id"),
        (FIRST.touch(1, 0), "yubikey-counter-wrap"),
        (right[..43].to_owned(), "yubikey-length"),
        (format!("{}a{}", &right[..30], &right[31..]), "yubikey-characters"),
        (dvorak(&right), "yubikey-keyboard-layout"),
        (SECOND.touch(1, 0), "yubikey-of-someone-else"),
        (unknown.touch(1, 0), "yubikey-unknown"),
    ] {
        let challenge = ask(&daemon, alice, &alice.password);
        let refused = respond(&daemon, alice, &challenge, &typed);
        assert_eq!(answer(&refused), "Access-Reject", "{reason}");
        assert_eq!(value(&refused, "Reply-Message"), Some("Login failed."), "{reason}");
        assert_eq!(last_reason(&daemon, alice), reason);
        let behind = format!("{},{typed}", alice.password);
        assert_eq!(reply(&daemon, alice, &behind), "Access-Reject", "{reason}");
        assert_eq!(last_reason(&daemon, alice), reason, "behind the password");
    }
    assert_eq!(reply(&daemon, bob, &format!("{}{}", bob.password, SECOND.touch(1, 0))), "Access-Accept");
}

// R-YUBI-1, R-YUBI-4
#[test]
fn key_of_another_person_is_refused_and_a_revoked_one_comes_back_with_its_counter() {
    let daemon = with_keys();
    let people = daemon.without_app();
    let (alice, bob) = (&people[0], &people[1]);
    let touched = |user: &str, typed: &str, more: &[&str]| {
        daemon.run_with(&[&["enroll", "yubikey", user], more].concat(), &format!("{typed}\n"))
    };
    let enrolled = touched(&alice.user, &FIRST.touch(5, 0), &["--label", "blue key"]);
    assert!(enrolled.status.success(), "{}", text(&enrolled));
    let used = format!("{}{}", alice.password, FIRST.touch(5, 0));
    assert_eq!(reply(&daemon, alice, &used), "Access-Reject", "the touch that bound it is used up");
    let second = touched(&alice.user, &SECOND.touch(1, 0), &[]);
    assert!(second.status.success(), "several keys: {}", text(&second));
    for (key, uses) in [(&FIRST, 6), (&SECOND, 2)] {
        let typed = format!("{}{}", alice.password, key.touch(uses, 0));
        assert_eq!(reply(&daemon, alice, &typed), "Access-Accept");
    }

    let foreign = text(&touched(&bob.user, &FIRST.touch(9, 0), &[]));
    assert!(foreign.contains("belongs to another person") && !foreign.contains(&alice.user), "{foreign}");
    assert!(text(&touched(&bob.user, "cccccc", &[])).contains("has 6 characters"));
    let wrong = YubiKey { aes: SECOND.aes, ..FIRST };
    assert!(text(&touched(&bob.user, &wrong.touch(9, 0), &[])).contains("AES key is another"));
    let strange = YubiKey { public_id: "vvccccbcdefi", ..FIRST };
    assert!(text(&touched(&bob.user, &strange.touch(1, 0), &[])).contains("Nobody here knows this key"));

    good(&daemon, &["token", "revoke", FIRST.public_id]);
    let typed = format!("{}{}", alice.password, FIRST.touch(10, 0));
    assert_eq!(reply(&daemon, alice, &typed), "Access-Reject");
    assert_eq!(last_reason(&daemon, alice), "yubikey-revoked");
    assert_eq!(
        reply(&daemon, alice, &format!("{}{}", alice.password, SECOND.touch(3, 0))),
        "Access-Accept",
        "the other key is still good"
    );
    assert!(bad(&daemon, &["token", "assign", FIRST.serial, &bob.user]).contains("was revoked"));
    let old = text(&touched(&bob.user, &FIRST.touch(6, 0), &["--revoked"]));
    assert!(old.contains("used before"), "{old}");
    good(&daemon, &["token", "assign", FIRST.serial, &bob.user, "--revoked"]);
    assert_eq!(reply(&daemon, bob, &format!("{}{}", bob.password, FIRST.touch(6, 0))), "Access-Reject");
    assert_eq!(last_reason(&daemon, bob), "passcode-replayed", "what alice has typed");
    assert_eq!(reply(&daemon, bob, &format!("{}{}", bob.password, FIRST.touch(11, 0))), "Access-Accept");

    let factors = daemon.json(&["factor", "list", &alice.user]);
    let id = factors["factors"][0]["id"].as_str().unwrap();
    good(&daemon, &["factor", "revoke", id]);
    let revoked = daemon.json(&["token", "list", "--state", "revoked"]);
    assert_eq!(revoked["tokens"][0]["name"], SECOND.public_id, "with the factor the token is marked");
}

#[test]
fn hundred_parallel_uses_of_one_touch_give_one_accept() {
    let daemon = with_keys();
    let alice = daemon.without_app()[0].clone();
    good(&daemon, &["token", "assign", FIRST.serial, &alice.user]);
    let typed = format!("{}{}", alice.password, FIRST.touch(1, 0));
    let address = daemon.address;
    let accepted = std::thread::scope(|scope| {
        let attributes = [("User-Name", alice.user.as_str()), ("User-Password", typed.as_str())];
        let once = move || answer(&radclient(address, &attributes)) == "Access-Accept";
        let tries: Vec<_> = (0..100).map(|_| scope.spawn(once)).collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn bad_lines_are_told_and_nothing_is_imported_unless_they_may_be_left_out() {
    let daemon = Daemon::demo(&[]);
    let content =
        format!("{}5012347,vvccccbcdefz,{},{}\n{}", FIRST.line(), FIRST.private_id, FIRST.aes, SECOND.line());
    let count = || daemon.json(&["token", "list"])["tokens"].as_array().unwrap().len();
    let refused = import(&daemon, "yubikey", &content, &[]);
    assert_eq!((refused.status.code(), count()), (Some(1), 0));
    let said = text(&refused);
    assert!(
        said.contains("nothing was imported") && said.contains("line 2: the public id must be modhex"),
        "{said}"
    );
    assert!(!said.contains(FIRST.aes) && !daemon.log().contains(FIRST.aes));
    let dry = import(&daemon, "yubikey", &content, &["--skip-bad", "--dry-run"]);
    assert!(text(&dry).contains("2 tokens would be imported"), "{}", text(&dry));
    assert_eq!(count(), 0);
    let some = import(&daemon, "yubikey", &content, &["--skip-bad"]);
    assert!(some.status.success() && text(&some).contains("line 2 is left out"), "{}", text(&some));
    assert_eq!(count(), 2);
    let again = text(&import(&daemon, "yubikey", &FIRST.line(), &[]));
    assert!(again.contains("line 1: yubikey vvccccbcdefg is in the inventory already"), "{again}");
}

// R-APP-6
#[test]
fn imported_oath_tokens_work_and_are_found_again_by_resync() {
    let daemon = Daemon::demo(&[]);
    let people = daemon.without_app();
    let (alice, bob) = (&people[0], &people[1]);
    let seed = "3132333435363738393031323334353637383930";
    let content = format!("serial,type,seed,digits,counter\nA1,hotp,{seed},6,0\nA2,totp,{seed},8,\n");
    assert!(import(&daemon, "csv", &content, &[]).status.success());
    let hotp = |counter: u32| oathtool(&["--hotp", "-c", &counter.to_string(), seed]);
    assert!(
        bad(&daemon, &["token", "assign", "A1", &alice.user, "--code", "000000"]).contains("does not belong")
    );
    good(&daemon, &["token", "assign", "A1", &alice.user, "--code", &hotp(0)]);
    assert_eq!(reply(&daemon, alice, &format!("{}{}", alice.password, hotp(0))), "Access-Reject");
    assert_eq!(reply(&daemon, alice, &format!("{}{}", alice.password, hotp(1))), "Access-Accept");
    assert_eq!(reply(&daemon, alice, &format!("{}{}", alice.password, hotp(40))), "Access-Reject");
    let factors = daemon.json(&["factor", "list", &alice.user]);
    let id = factors["factors"][0]["id"].as_str().unwrap();
    good(&daemon, &["factor", "resync", id, &hotp(40), &hotp(41)]);
    assert_eq!(reply(&daemon, alice, &format!("{}{}", alice.password, hotp(42))), "Access-Accept");
    good(&daemon, &["token", "assign", "A2", &bob.user]);
    let totp = oathtool(&["--totp", "-d", "8", seed]);
    assert_eq!(reply(&daemon, bob, &format!("{}{totp}", bob.password)), "Access-Accept");
}

// R-APP-6; RFC 6030, figures 2, 6 and 7. Debian's pskctool reads the same files.
#[test]
fn tokens_in_containers_of_their_makers_are_imported_plain_and_encrypted() {
    let daemon = Daemon::demo(&[]);
    let alice = &daemon.without_app()[0];
    let vector = |name: &str| format!("{}/tests/vectors/pskc/{name}", env!("CARGO_MANIFEST_DIR"));
    let (plain, key, passphrase) =
        (vector("rfc6030-plain.xml"), vector("rfc6030-6.1-key.xml"), vector("rfc6030-6.2-passphrase.xml"));
    let peer = Command::new("pskctool").args(["--info", &plain]).output().expect("pskctool is installed");
    assert!(text(&peer).contains("SerialNo: 987654321"), "{}", text(&peer));
    assert!(bad(&daemon, &["import", "pskc", &key]).contains("encrypted under a key; give it"));
    let file = daemon.dir.join("key");
    std::fs::write(&file, "12345678901234567890123456789013\n").unwrap();
    let file = file.display().to_string();
    assert!(
        bad(&daemon, &["import", "pskc", &key, "--key-file", &file]).contains("key or passphrase is wrong")
    );
    std::fs::write(&file, "12345678901234567890123456789012\n").unwrap();
    good(&daemon, &["import", "pskc", &key, "--key-file", &file]);
    let same = daemon.run_with(&["import", "pskc", &passphrase, "--passphrase"], "qwerty\n");
    assert!(text(&same).contains("hotp 987654321 is in the inventory already"), "{}", text(&same));
    assert!(bad(&daemon, &["import", "pskc", &plain]).contains("is in the inventory already"));
    good(&daemon, &["token", "assign", "987654321", &alice.user]);
    let code = oathtool(&["--hotp", "-d", "8", "-c", "0", "3132333435363738393031323334353637383930"]);
    assert_eq!(reply(&daemon, alice, &format!("{}{code}", alice.password)), "Access-Accept");
    assert!(!daemon.log().contains("qwerty"));
}
