//! The inventory of tokens through the real daemon: files come in, are replaced, go out and come in elsewhere. Containers are signed and
//! read by Debian's pskctool, codes come from oathtool, touches from ykgenerate.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use support::yubiserver::YubiKey;
use support::{Daemon, Someone, answer, code, oathtool, radclient};

const SEED: &str = "3132333435363738393031323334353637383930";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const BLUE: YubiKey = YubiKey {
    public_id: "vvccccbcdefg",
    private_id: "8792ebfe26cc",
    aes: "ecde18dbe76fbd0c33330f1c354871db",
};
const PASSPHRASE: &str = "a long passphrase\n";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn good(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn bad(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// A file for an import, and its arguments.
fn file(daemon: &Daemon, name: &str, content: &str) -> String {
    let file = daemon.dir.join(name);
    std::fs::write(&file, content).unwrap();
    file.display().to_string()
}

fn reply(daemon: &Daemon, someone: &Someone, typed: &str) -> String {
    let typed = format!("{}{typed}", someone.password);
    let attributes = [("User-Name", someone.user.as_str()), ("User-Password", typed.as_str())];
    answer(&radclient(daemon.address, &attributes)).to_owned()
}

fn hotp(counter: u32) -> String {
    oathtool(&["--hotp", "-c", &counter.to_string(), SEED])
}

fn tokens(daemon: &Daemon) -> Vec<(String, String)> {
    let listed = daemon.json(&["token", "list"]);
    let field = |token: &serde_json::Value, name: &str| token[name].as_str().unwrap().to_owned();
    listed["tokens"].as_array().unwrap().iter().map(|one| (field(one, "name"), field(one, "state"))).collect()
}

fn details(daemon: &Daemon, action: &str) -> Vec<String> {
    let trail = daemon.json(&["audit", "list", "--limit", "1000"]);
    let entries = trail["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    entries.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect()
}

// R-APP-6, R-YUBI-1
#[test]
fn tokens_that_nobody_has_are_replaced_and_removed_and_others_are_not() {
    let daemon = Daemon::demo(&[]);
    let alice = &daemon.without_app()[0];
    let line = |serial: &str, seed: &str, counter: u32| format!("{serial},hotp,{seed},{counter}\n");
    let head = "serial,type,seed,counter\n";
    let first = format!("{head}{}{}", line("A1", SEED, 5), line("A2", SEED, 0));
    good(&daemon, &["import", "csv", &file(&daemon, "first", &first)]);
    let other = SEED.replace("31", "41");
    let second = file(&daemon, "second", &format!("{head}{}", line("A1", SEED, 0)));
    assert!(bad(&daemon, &["import", "csv", &second]).contains("hotp A1 is in the inventory already"));
    let said = good(&daemon, &["import", "csv", &second, "--replace", "--dry-run"]);
    assert!(said.contains("A1 would be replaced\n1 tokens would be imported; nothing was changed"), "{said}");
    assert!(good(&daemon, &["import", "csv", &second, "--replace"]).contains("A1 is replaced"));
    // The same secret: what came before its counter stays refused.
    good(&daemon, &["token", "assign", "A1", &alice.user]);
    assert_eq!(reply(&daemon, alice, &hotp(4)), "Access-Reject");
    assert_eq!(reply(&daemon, alice, &hotp(5)), "Access-Accept");
    let refused = bad(&daemon, &["import", "csv", &second, "--replace"]);
    assert!(
        refused.contains("A1 is somebody's") && refused.contains("doorward token revoke A1"),
        "{refused}"
    );
    let refused = bad(&daemon, &["token", "remove", "A2", "A1"]);
    assert!(refused.contains("nothing was removed: A1 is somebody's"), "{refused}");
    assert_eq!(tokens(&daemon).len(), 2);
    good(&daemon, &["token", "revoke", "A1"]);
    let third = file(&daemon, "third", &format!("{head}{}", line("A1", &other, 0)));
    good(&daemon, &["import", "csv", &third, "--replace"]);
    let listed = tokens(&daemon);
    assert!(
        listed.contains(&("A1".into(), "revoked".into())),
        "what is lost is not found by a file: {listed:?}"
    );
    good(&daemon, &["token", "assign", "A1", &alice.user, "--revoked"]);
    assert_eq!(reply(&daemon, alice, &hotp(6)), "Access-Reject", "the old secret is gone");
    assert_eq!(reply(&daemon, alice, &oathtool(&["--hotp", "-c", "0", &other])), "Access-Accept");
    assert!(good(&daemon, &["token", "remove", "A2"]).contains("1 tokens are removed for good"));
    assert!(bad(&daemon, &["token", "remove", "A2"]).contains("There is no token `A2`"));
    let imports = details(&daemon, "token.import");
    assert!(imports.contains(&"0 added, 1 replaced, 0 keys, 0 lines left out: A1".to_owned()), "{imports:?}");
    assert!(imports.contains(&"would be: 0 added, 1 replaced, 0 keys, 0 lines left out".to_owned()));
    assert!(details(&daemon, "token.remove").contains(&"A2".to_owned()));
}

#[test]
fn equal_serial_numbers_of_two_makers_are_told_apart_by_a_prefix() {
    let daemon = Daemon::demo(&[]);
    let plain = std::fs::read_to_string(vector("rfc6030-plain.xml")).unwrap();
    let package = &plain[plain.find("<KeyPackage>").unwrap()..plain.find("</KeyContainer>").unwrap()];
    let other = package.replace("<Manufacturer>Manufacturer", "<Manufacturer>Other");
    let both = file(&daemon, "both", &plain.replace("</KeyContainer>", &format!("{other}</KeyContainer>")));
    let refused = bad(&daemon, &["import", "pskc", &both]);
    assert!(refused.contains("another maker's token in line") && refused.contains("--prefix"), "{refused}");
    let one = vector("rfc6030-plain.xml");
    good(&daemon, &["import", "pskc", &one]);
    let again = bad(&daemon, &["import", "pskc", &one]);
    assert!(again.contains("give this one another name with --prefix"), "{again}");
    good(&daemon, &["import", "pskc", &one, "--prefix", "other-"]);
    let names: Vec<_> = tokens(&daemon).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["987654321", "other-987654321"]);
    assert!(bad(&daemon, &["token", "revoke", "no-such"]).contains("There is no token"));
}

fn vector(name: &str) -> String {
    format!("{}/tests/vectors/pskc/{name}", env!("CARGO_MANIFEST_DIR"))
}

// R-APP-6; RFC 6030, section 5.
#[test]
fn container_that_is_signed_expires_or_forbids_is_said_to() {
    let daemon = Daemon::demo(&[]);
    let plain = std::fs::read_to_string(vector("rfc6030-plain.xml")).unwrap();
    let with = |policy: &str| plain.replace("</Key>", &format!("<Policy>{policy}</Policy></Key>"));
    let refused =
        |name: &str, policy: &str| bad(&daemon, &["import", "pskc", &file(&daemon, name, &with(policy))]);
    let said = refused("expired", "<ExpiryDate>2020-05-31T00:00:00Z</ExpiryDate>");
    assert!(said.contains("it may not be used since 2020-05-31"), "{said}");
    let said = refused("early", "<StartDate>2999-01-01T00:00:00Z</StartDate>");
    assert!(said.contains("may not be used before 2999-01-01; import it then"), "{said}");
    assert!(refused("usage", "<KeyUsage>CR</KeyUsage>").contains("does not let it make one-time passwords"));
    assert!(tokens(&daemon).is_empty());

    let path = |name: &str| daemon.dir.join(name).display().to_string();
    let (key, certificate) = (path("key.pem"), path("crt.pem"));
    let openssl = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=maker",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])
        .output()
        .expect("openssl is installed");
    assert!(openssl.status.success(), "{openssl:?}");
    let ends =
        file(&daemon, "ends", &with("<ExpiryDate>2999-05-31T00:00:00Z</ExpiryDate><KeyUsage>OTP</KeyUsage>"));
    let signed = Command::new("pskctool")
        .args(["--sign", "--sign-key", &key, "--sign-crt", &certificate, &ends])
        .output()
        .expect("pskctool is installed");
    let signed = String::from_utf8(signed.stdout).unwrap();
    let signed = &signed[signed.find("<?xml").unwrap()..];
    assert!(signed.contains("SignatureValue"), "{signed}");
    let said = good(&daemon, &["import", "pskc", &file(&daemon, "signed", signed)]);
    assert!(said.contains("it may be used until 2999-05-31, which is not watched here"), "{said}");
    assert!(said.contains("the file is signed; that is not verified here"), "{said}");
    assert_eq!(tokens(&daemon).len(), 1);
}

// R-APP-6, R-YUBI-1
#[test]
fn exported_inventory_works_in_another_installation_and_used_passcodes_stay_refused() {
    let old = Daemon::demo(&[]);
    let people = old.without_app();
    let (alice, bob) = (&people[0], &people[1]);
    let oath = format!("serial,type,seed\nA1,hotp,{SEED}\nA2,totp,{SEED}\nA3,hotp,{SEED}\nA4,hotp,{SEED}\n");
    good(&old, &["import", "csv", &file(&old, "oath", &oath)]);
    let key = format!("5012345,{},{},{}\n", BLUE.public_id, BLUE.private_id, BLUE.aes);
    good(&old, &["import", "yubikey", &file(&old, "keys.csv", &key)]);
    good(&old, &["token", "assign", "A1", &alice.user, "--label", "grey token"]);
    good(&old, &["token", "assign", "5012345", &alice.user]);
    good(&old, &["token", "assign", "A2", &bob.user]);
    assert!(old.run_with(&["person", "add", "quintus"], "a passphrase of his own\n").status.success());
    good(&old, &["token", "assign", "A4", "quintus"]);
    good(&old, &["token", "revoke", "A3"]);
    let (counted, touched) = (hotp(3), BLUE.touch(9, 2));
    for used in [&counted, &touched] {
        assert_eq!(reply(&old, alice, used), "Access-Accept");
    }
    let timed = code(BASE32, 0);
    assert_eq!(reply(&old, bob, &timed), "Access-Accept");

    let moved = old.dir.join("moved");
    let export = |passphrase: &str| old.run_with(&["export", &moved.display().to_string()], passphrase);
    assert!(text(&export("too short\n")).contains("at least 12 characters"));
    assert!(!moved.exists());
    let done = export(PASSPHRASE);
    assert!(text(&done).contains("5 tokens are in"), "{}", text(&done));
    assert_eq!(std::fs::metadata(&moved).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = std::fs::read_to_string(&moved).unwrap();
    assert!(!sealed.contains("grey") && !sealed.contains(BLUE.aes) && !sealed.contains(BASE32));
    assert!(text(&export(PASSPHRASE)).contains("cannot be made"), "an old file is not overwritten");
    assert_eq!(details(&old, "token.export").len(), 2, "the refused one too");

    let new = Daemon::demo(&[]);
    // The demonstration has the same people everywhere, with other passwords.
    let others = new.without_app();
    let same = |someone: &Someone| others.iter().find(|other| other.user == someone.user).unwrap().clone();
    let (alice, bob) = (&same(alice), &same(bob));
    let moved = moved.display().to_string();
    let import = |passphrase: &str| new.run_with(&["import", "sealed", &moved], passphrase);
    assert!(
        text(&import("another passphrase\n")).contains("the passphrase is wrong, or the file was changed")
    );
    let said = import(PASSPHRASE);
    assert!(said.status.success() && text(&said).contains("5 tokens are imported"), "{}", text(&said));
    assert!(
        text(&said).contains("it was quintus's, whom nobody knows here; it is nobody's now"),
        "{}",
        text(&said)
    );
    assert!(tokens(&new).contains(&("A4".into(), "stock".into())));
    assert!(tokens(&new).contains(&("A3".into(), "revoked".into())));
    for used in [&counted, &touched, &BLUE.touch(9, 1)] {
        assert_eq!(reply(&new, alice, used), "Access-Reject", "it was used there");
    }
    for fresh in [&hotp(4), &BLUE.touch(9, 3)] {
        assert_eq!(reply(&new, alice, fresh), "Access-Accept");
    }
    let factors = new.json(&["factor", "list", &alice.user]);
    assert!(factors["factors"].as_array().unwrap().iter().any(|factor| factor["label"] == "grey token"));
    assert_eq!(reply(&new, bob, &timed), "Access-Reject", "it was used there");
    assert_eq!(reply(&new, bob, &code(BASE32, 1)), "Access-Accept");
}

// R-SOCK-1
#[test]
fn imports_take_turns_and_the_second_is_told() {
    let daemon = Daemon::demo(&[]);
    let body = format!("{{\"format\":\"csv\",\"content\":\"serial,type,seed\\nA1,hotp,{SEED}\\n\"}}");
    let mut first = UnixStream::connect(daemon.dir.join("admin.sock")).unwrap();
    let head = format!(
        "POST /v1/tokens/import HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    first.write_all(head.as_bytes()).unwrap();
    let mut said = BufReader::new(first.try_clone().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("100 Continue"), "the daemon waits for the file: {line}");
    let other = file(&daemon, "other", &format!("serial,type,seed\nA2,hotp,{SEED}\n"));
    let refused = bad(&daemon, &["import", "csv", &other]);
    assert!(refused.contains("Another import is under way. Wait until it has ended"), "{refused}");
    let people = file(&daemon, "people.csv", "username\nsomebody\n");
    assert!(bad(&daemon, &["person", "import", &people]).contains("Another import is under way"));
    first.write_all(body.as_bytes()).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("200 OK") && rest.contains("\"imported\":1"), "{rest}");
    good(&daemon, &["import", "csv", &other]);
}

// R-APP-6
#[test]
fn token_whose_clock_is_off_logs_in_after_two_codes_in_a_row() {
    let daemon = Daemon::demo(&[]);
    let alice = &daemon.without_app()[0];
    let one = file(&daemon, "one", &format!("serial,type,seed\nA1,totp,{SEED}\n"));
    good(&daemon, &["import", "csv", &one]);
    good(&daemon, &["token", "assign", "A1", &alice.user]);
    let late = |step: i64| code(BASE32, step - 120);
    assert_eq!(reply(&daemon, alice, &late(0)), "Access-Reject", "an hour behind");
    let factors = daemon.json(&["factor", "list", &alice.user]);
    let id = factors["factors"][0]["id"].as_str().unwrap();
    let far = [code(BASE32, -3000), code(BASE32, -2999)];
    let refused = bad(&daemon, &["factor", "resync", id, &far[0], &far[1]]);
    assert!(refused.contains("not two consecutive, unused codes"), "beyond a day: {refused}");
    let pair = [late(-2), late(-1)];
    good(&daemon, &["factor", "resync", id, &pair[0], &pair[1]]);
    assert!(bad(&daemon, &["factor", "resync", id, &pair[0], &pair[1]]).contains("unused codes"));
    for used in &pair {
        assert_eq!(reply(&daemon, alice, used), "Access-Reject", "both are used up");
    }
    let drift = daemon.json(&["factor", "list", &alice.user])["factors"][0]["drift"].as_i64().unwrap();
    assert!((-122..=-120).contains(&drift), "{drift}");
    assert_eq!(reply(&daemon, alice, &late(0)), "Access-Accept");
    assert_eq!(reply(&daemon, alice, &code(BASE32, 0)), "Access-Reject", "not what a right clock shows");
}

// R-YUBI-4
#[test]
fn factor_gets_another_name() {
    let daemon = Daemon::demo(&[]);
    let user = &daemon.with_app()[0].user;
    let label = || daemon.json(&["factor", "list", user])["factors"][0].clone();
    let id = label()["id"].as_str().unwrap().to_owned();
    let before = label()["label"].as_str().unwrap().to_owned();
    assert!(good(&daemon, &["factor", "rename", &id, " old phone "]).contains("It is called old phone."));
    assert_eq!(label()["label"], "old phone");
    for none in ["", "  ", &"x".repeat(65), "a\nb"] {
        assert!(bad(&daemon, &["factor", "rename", &id, none]).contains("1 to 64 characters"), "{none}");
    }
    let missing = "00000000-0000-7000-8000-000000000000";
    assert!(bad(&daemon, &["factor", "rename", missing, "x"]).contains("There is no factor"));
    assert!(details(&daemon, "factor.rename").contains(&format!("totp {before} is old phone")));
}

// R-APP-6
#[test]
fn yubikey_with_oath_hotp_logs_in_as_its_log_says_it() {
    let daemon = Daemon::demo(&[]);
    let alice = &daemon.without_app()[0];
    let log = file(&daemon, "configuration_log.csv", &format!("5012345,,16,{SEED},,2013-07-09T13:10:00,\n"));
    let said = good(&daemon, &["import", "yubikey", &log]);
    assert!(said.contains("line 1: the line does not say how many digits"), "{said}");
    good(&daemon, &["token", "assign", "5012345", &alice.user]);
    assert_eq!(reply(&daemon, alice, &hotp(15)), "Access-Reject", "before its moving factor");
    assert_eq!(reply(&daemon, alice, &hotp(16)), "Access-Accept");
}
