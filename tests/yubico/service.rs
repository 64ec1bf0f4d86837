//! Our own service, asked by curl.

use super::*;
use doorward::base::{OsRandom, Secret};
use doorward::wire::wsapi::{ApiKey, Question};
use std::collections::HashMap;
use support::slapd::succeed;

/// The key of client 1.
pub(crate) const CLIENT: &str = "Y2xpZW50LTEtb2YtdGhlLXRlc3Q=";
/// Its key is not the one that anybody has for it.
pub(crate) const OTHER: &str = "Y2xpZW50LTItb2YtdGhlLXRlc3Q=";

const SETTINGS: &str = "[wsapi]\nlisten = [\"127.0.0.1:8400\"]\n\
    [[wsapi.client]]\nid = 1\nsecret_file = \"one.secret\"\n\
    [[wsapi.client]]\nid = 2\nsecret_file = \"two.secret\"\nnetworks = [\"192.0.2.0/24\"]\n";

fn serving() -> World {
    World::start(SETTINGS, &[("one.secret", CLIENT), ("two.secret", OTHER)])
}

/// A signed query with a nonce of its own.
pub(crate) fn query(client: u32, key: &str, otp: &str) -> String {
    let key = ApiKey::parse(key.as_bytes()).unwrap();
    Question::new(client, Secret::new(otp.to_owned()), (None, 0), &OsRandom).query(&key).expose().clone()
}

/// What the service answers to a query, as curl sees it.
fn fetch(namespace: &Namespace, query: &str) -> HashMap<String, String> {
    let url = format!("http://127.0.0.1:8400/wsapi/2.0/verify?{query}");
    let body = succeed(namespace.command("curl").args(["-sS", "--max-time", "20", &url]), "");
    let line = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{body}"));
        (name.to_owned(), value.to_owned())
    };
    assert!(body.ends_with("\r\n") && !body.contains("hannelore"), "{body}");
    body.lines().map(line).collect()
}

impl World {
    pub(crate) fn fetch(&self, query: &str) -> HashMap<String, String> {
        fetch(&self.namespace, query)
    }

    pub(crate) fn ask(&self, otp: &str) -> String {
        self.fetch(&query(1, CLIENT, otp))["status"].clone()
    }

    /// How the last request about a key was decided.
    fn verified(&self, key: &YubiKey) -> (String, String) {
        let entries = self.entries(key.public_id);
        let last = entries.iter().rfind(|entry| entry["action"] == "yubikey.verify").unwrap();
        assert_eq!(last["actor"], "wsapi:1");
        (last["outcome"].as_str().unwrap().to_owned(), last["detail"].as_str().unwrap().to_owned())
    }
}

fn decided(outcome: &str, detail: &str) -> (String, String) {
    (outcome.to_owned(), detail.to_owned())
}

#[test]
fn otp_is_good_once_across_radius_and_the_service() {
    let world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    let (first, second) = (BLUE.touch(1, 1), BLUE.touch(1, 2));
    assert_eq!(world.ask(&first), "OK");
    assert_eq!(world.verified(&BLUE), decided("accept", "valid"));
    assert_eq!(world.login(&with(&first)), REJECT);
    assert_eq!(world.reason(), "passcode-replayed");
    assert_eq!(world.login(&with(&second)), ACCEPT);
    assert_eq!(world.ask(&second), "REPLAYED_OTP");
    assert_eq!(world.verified(&BLUE), decided("reject", "passcode-replayed"));
    assert_eq!(world.ask(&BLUE.touch(1, 3).to_uppercase()), "OK", "Caps Lock is on");
}

#[test]
fn key_in_the_inventory_has_its_counter_there_and_keeps_it() {
    let world = serving();
    world.key(&RED, None, true);
    assert_eq!(world.ask(&RED.touch(7, 1)), "OK");
    assert_eq!(world.ask(&RED.touch(7, 1)), "REPLAYED_OTP");
    assert_eq!(world.ask(&RED.touch(7, 0)), "REPLAYED_OTP");
    assert_eq!(world.ask(&RED.touch(7, 2)), "OK");
}

#[test]
fn of_many_requests_with_one_otp_one_gets_ok() {
    let world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    world.key(&RED, None, true);
    for otp in [BLUE.touch(1, 1), RED.touch(1, 1)] {
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let (namespace, otp) = (&world.namespace, &otp);
            let ask = || fetch(namespace, &query(1, CLIENT, otp))["status"].clone();
            let asking: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let count = |wanted: &str| statuses.iter().filter(|status| *status == wanted).count();
        assert_eq!((count("OK"), count("REPLAYED_OTP")), (1, 11), "{statuses:?}");
    }
}

#[test]
fn request_that_is_asked_many_times_at_once_is_answered_with_one_ok_and_is_no_replay() {
    let world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    world.key(&RED, None, true);
    for (key, otp) in [(&BLUE, BLUE.touch(1, 1)), (&RED, RED.touch(1, 1))] {
        let question = query(1, CLIENT, &otp);
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let (namespace, question) = (&world.namespace, &question);
            let ask = || fetch(namespace, question)["status"].clone();
            let asking: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let count = |wanted: &str| statuses.iter().filter(|status| *status == wanted).count();
        assert_eq!((count("OK"), count("REPLAYED_REQUEST")), (1, 11), "{statuses:?}");
        assert_eq!(world.verified(key), decided("reject", "request-repeated"));
        // Another client, another nonce, Caps Lock: none of them is that request.
        assert_eq!(world.ask(&otp), "REPLAYED_OTP");
        assert_eq!(world.verified(key), decided("reject", "passcode-replayed"));
    }
}

#[test]
fn each_flaw_is_a_bad_otp_with_its_reason_in_the_trail() {
    let world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    let reason = |otp: &str, detail: &str| {
        assert_eq!(world.ask(otp), "BAD_OTP", "{detail}");
        let subject = otp.get(..12).filter(|_| otp.len() == 44 && otp.starts_with("vv")).unwrap_or("");
        let entries = world.daemon.json(&["audit", "list", "--limit", "1000"]);
        let entries = entries["entries"].as_array().unwrap();
        let last = entries.iter().rfind(|entry| entry["action"] == "yubikey.verify").unwrap();
        assert_eq!((last["detail"].as_str(), last["subject"].as_str()), (Some(detail), Some(subject)));
    };
    reason(&RED.touch(1, 1), "yubikey-unknown");
    reason(&YubiKey { aes: RED.aes, ..BLUE }.touch(1, 1), "yubikey-checksum");
    reason(&YubiKey { private_id: RED.private_id, ..BLUE }.touch(1, 1), "yubikey-private-id");
    reason(&BLUE.touch(1, 1)[1..], "yubikey-length");
    for letters in ["jxe.uidchtnbpygk", "сивуапршолдткегм", "ψβδεφγηιξκλνρτθω"]
    {
        let typed = |letter: char| "cbdefghijklnrtuv".find(letter).and_then(|at| letters.chars().nth(at));
        let otp: String = BLUE.touch(1, 1).chars().filter_map(typed).collect();
        reason(&otp, "yubikey-keyboard-layout");
    }
    reason("correct horse\r\nstatus=OK", "yubikey-characters");
    world.good(&["person", "lock", "hannelore"]);
    reason(&BLUE.touch(1, 1), "person-disabled");
    world.good(&["person", "unlock", "hannelore"]);
    assert_eq!(world.ask(&BLUE.touch(1, 1)), "OK", "nothing of that used it up");
}

#[test]
fn key_whose_counter_is_at_its_end_leaves_its_reason() {
    let world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    world.key(&RED, None, true);
    for key in [&BLUE, &RED] {
        let last = query(1, CLIENT, &key.touch(0x7fff, 255));
        assert_eq!(world.fetch(&last)["status"], "OK");
        assert_eq!(world.fetch(&last)["status"], "REPLAYED_REQUEST");
        // It goes on with its first one, or stays where it is.
        for otp in [key.touch(1, 0), key.touch(0x7fff, 255)] {
            assert_eq!(world.ask(&otp), "REPLAYED_OTP");
            assert_eq!(world.verified(key), decided("reject", "yubikey-counter-wrap"));
        }
    }
}

#[test]
fn stranger_cannot_hold_all_connections() {
    const HOLD: &str = "import socket, sys\n\
        held = [socket.create_connection(('127.0.0.1', 8400), 5, ('127.0.0.3', 0)) for _ in range(600)]\n\
        print('held', flush=True)\nsys.stdin.read()\n";
    let mut world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    let mut stranger = world.namespace.command("python3");
    let mut stranger = stranger
        .args(["-c", HOLD])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0; 4];
    std::io::Read::read_exact(stranger.stdout.as_mut().unwrap(), &mut word).unwrap();
    let url = format!("http://127.0.0.1:8400/wsapi/2.0/verify?{}", query(1, CLIENT, &BLUE.touch(1, 1)));
    let body = succeed(world.namespace.command("curl").args(["-sS", "--max-time", "5", &url]), "");
    assert!(body.contains("status=OK"), "{body}");
    world.logs("it holds as many connections as one peer may");
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

#[test]
fn service_refuses_what_is_not_signed_or_is_damaged() {
    let mut world = serving();
    world.key(&BLUE, Some("hannelore"), true);
    let otp = BLUE.touch(1, 1);
    let signed = query(1, CLIENT, &otp);
    let unsigned = signed.split("&h=").next().unwrap();
    let status = |query: &str| world.fetch(query)["status"].clone();
    // Who has not shown the key gets nothing that is signed with it, and nothing back that it has sent.
    let stranger = |query: &str| {
        let answer = world.fetch(query);
        let names: std::collections::BTreeSet<_> = answer.keys().map(String::as_str).collect();
        assert_eq!(names, ["status", "t"].into(), "{query}");
        answer["status"].clone()
    };
    for query in [
        unsigned.to_owned(),
        format!("{unsigned}&h="),
        format!("{unsigned}&h=AAAA"),
        query(1, OTHER, &otp),
        format!("{signed}&timestamp=1"),
        signed.replace(&otp, &BLUE.touch(1, 2)),
    ] {
        assert_eq!(stranger(&query), "BAD_SIGNATURE", "{query}");
    }
    for query in [
        String::new(),
        format!("{signed}&id=2"),
        format!("{signed}&otp={otp}"),
        signed.replace("id=1", "id=0"),
        format!("{signed}&x={}", "x".repeat(2000)),
        format!("{signed}&x=%ff"),
    ] {
        assert_eq!(stranger(&query), "MISSING_PARAMETER", "{query}");
    }
    assert_eq!(stranger(&query(3, CLIENT, &otp)), "NO_SUCH_CLIENT");
    assert_eq!(stranger(&query(2, OTHER, &otp)), "OPERATION_NOT_ALLOWED");
    let smuggled = world.fetch(&query(1, CLIENT, "cc\r\nstatus=OK"));
    assert_eq!((smuggled["status"].as_str(), smuggled.get("otp")), ("BAD_OTP", None));
    assert!(smuggled.contains_key("h"));
    assert_eq!(status(&query(1, CLIENT, "")), "MISSING_PARAMETER");
    // Who has no key leaves no trace in the trail, and used nothing up.
    assert!(world.entries(BLUE.public_id).iter().all(|entry| entry["action"] != "yubikey.verify"));
    let answer = world.fetch(&signed);
    assert_eq!((answer["status"].as_str(), answer["otp"].as_str()), ("OK", otp.as_str()));
    assert_eq!(status(&signed), "REPLAYED_REQUEST");
    world.logs("it is not signed with its client's key");
    let elsewhere = world
        .namespace
        .command("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg("http://127.0.0.1:8400/")
        .output();
    assert_eq!(elsewhere.unwrap().stdout, b"404");
}

#[test]
fn counters_are_told_to_whoever_asks_for_them() {
    let world = serving();
    world.key(&BLUE, None, true);
    let nonce = "0123456789abcdef";
    let otp = BLUE.touch(0x102, 3);
    let text = format!("id=1&nonce={nonce}&otp={otp}&timestamp=1");
    // Signed by another implementation.
    let key = data_encoding::HEXLOWER.encode(&data_encoding::BASE64.decode(CLIENT.as_bytes()).unwrap());
    let script = format!("openssl dgst -sha1 -mac HMAC -macopt hexkey:{key} -binary | base64");
    let signature = succeed(std::process::Command::new("sh").args(["-c", &script]), &text);
    let signature = doorward::base::percent_encode(signature.trim());
    let answer = world.fetch(&format!("{text}&h={signature}"));
    let told = ["status", "sessioncounter", "sessionuse", "timestamp", "nonce", "sl"]
        .map(|name| answer[name].as_str());
    assert_eq!(told, ["OK", "258", "3", "768", nonce, "100"]);
}

#[test]
fn reload_takes_clients_away_and_a_fast_client_is_held_back() {
    let mut world = serving();
    world.key(&RED, None, true);
    assert_eq!(world.ask(&RED.touch(1, 1)), "OK");
    let file = world.dir.path().join("doorward.toml");
    let text = support::read(&file).replace("[wsapi]\n", "[wsapi]\nrate = 1\n").replace("id = 2", "id = 3");
    write(&file, &text);
    world.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    world.logs("configuration reloaded");
    assert_eq!(world.fetch(&query(2, OTHER, &RED.touch(1, 2)))["status"], "NO_SUCH_CLIENT");
    let statuses: Vec<_> = (2..6).map(|touch| world.ask(&RED.touch(1, touch))).collect();
    assert!(statuses.contains(&"BACKEND_ERROR".to_owned()), "{statuses:?}");
}
