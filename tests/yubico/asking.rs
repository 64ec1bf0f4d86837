//! A daemon that asks.

use super::*;
use support::yubiserver::{API_ID, YubiServer, api_key};

/// A key that the server knows and the daemon does not, but for whose it is.
fn asking(ports: &[u16], running: &[u16], key: &str) -> (World, Vec<YubiServer>) {
    let (namespace, other) = (Namespace::new(), tempfile::tempdir().unwrap());
    let servers: Vec<_> =
        running.iter().map(|port| YubiServer::start(&namespace, other.path(), *port, &[&BLUE])).collect();
    let urls: Vec<_> =
        ports.iter().map(|port| format!("\"http://127.0.0.1:{port}/wsapi/2.0/verify\"")).collect();
    let settings = format!(
        "[yubico]\nurls = [{}]\nclient_id = {API_ID}\nsecret_file = \"api.secret\"\ntimeout = \"2s\"\n",
        urls.join(", ")
    );
    let world = World::start_in(namespace, other, &settings, &[("api.secret", key)]);
    world.key(&BLUE, Some("hannelore"), false);
    (world, servers)
}

// R-YUBI-1
#[test]
fn login_asks_the_validation_server_and_each_otp_is_good_once() {
    let (world, servers) = asking(&[8000], &[8000], &api_key());
    let otp = BLUE.touch(1, 1);
    assert_eq!(world.login(&with(&otp)), ACCEPT);
    assert_eq!(servers[0].position(&BLUE), 0x101);
    assert_eq!(world.login(&with(&otp)), REJECT);
    assert_eq!(world.reason(), "passcode-replayed");
    assert_eq!(world.login(&with(&BLUE.touch(1, 3).to_uppercase())), ACCEPT, "Caps Lock is on");
    assert_eq!(world.login(&with(&BLUE.touch(1, 2))), REJECT, "an older one");
    assert_eq!(world.reason(), "passcode-replayed");
    let forged = YubiKey { aes: RED.aes, ..BLUE };
    assert_eq!(world.login(&with(&forged.touch(1, 9))), REJECT);
    assert_eq!(world.reason(), "yubikey-refused");
    // Nobody who does not know the password uses a touch up.
    assert_eq!(world.login(&format!("wrong{}", BLUE.touch(1, 5))), REJECT);
    assert_eq!(servers[0].position(&BLUE), 0x103);
    assert_eq!(world.login(&with(&BLUE.touch(1, 5))), ACCEPT);
}

// R-YUBI-1
#[test]
fn key_that_only_the_server_knows_is_bound_by_a_touch_to_one_person() {
    let (namespace, other) = (Namespace::new(), tempfile::tempdir().unwrap());
    let server = YubiServer::start(&namespace, other.path(), 8000, &[&BLUE]);
    let settings = format!(
        "[yubico]\nurls = [\"{}\"]\nclient_id = {API_ID}\nsecret_file = \"api.secret\"\ntimeout = \"2s\"\n",
        server.url()
    );
    let world = World::start_in(namespace, other, &settings, &[("api.secret", &api_key())]);
    world.add("somebody");
    let bind = |user: &str, otp: &str| {
        let output = world.daemon.run_with(&["enroll", "yubikey", user], &format!("{otp}\n"));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let touch = BLUE.touch(1, 1);
    let (done, why) = bind("hannelore", &RED.touch(1, 1));
    assert!(!done && why.contains("does not accept"), "{why}");
    let (done, why) = bind("hannelore", &touch);
    assert!(done, "{why}");
    assert_eq!(server.position(&BLUE), 0x101);
    assert_eq!(world.login(&with(&touch)), REJECT, "that touch is used up");
    assert_eq!(world.login(&with(&BLUE.touch(1, 2))), ACCEPT);
    let (done, why) = bind("somebody", &BLUE.touch(1, 3));
    assert!(!done && why.contains("belongs to another person") && !why.contains("hannelore"), "{why}");
    assert_eq!(world.login(&with(&BLUE.touch(1, 4))), ACCEPT);
    server.stop();
    let (done, why) = bind("somebody", &RED.touch(1, 2));
    assert!(!done && why.contains("no validation server"), "{why}");
}

/// A server that says OK to the same OTP as often as it is asked, in `world`.
struct Forgetful(std::process::Child, std::path::PathBuf);

impl Forgetful {
    fn start(namespace: &Namespace, dir: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yubico/forgetful.py");
        let said = dir.join("said");
        let mut command = namespace.command("python3");
        let child = command.args([script, "8000", &api_key()]).arg(&said).spawn().unwrap();
        support::slapd::until("the server listens", || {
            let sockets = support::slapd::succeed(namespace.command("ss").args(["-Hltn"]), "");
            sockets.contains(":8000 ").then_some(())
        });
        Self(child, said)
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// R-YUBI-1
#[test]
fn otp_that_its_server_accepts_twice_is_good_once_here() {
    let (namespace, other) = (Namespace::new(), tempfile::tempdir().unwrap());
    let server = Forgetful::start(&namespace, other.path());
    let settings = format!(
        "[yubico]\nurls = [\"http://127.0.0.1:8000/wsapi/2.0/verify\"]\nclient_id = {API_ID}\n\
         secret_file = \"api.secret\"\ntimeout = \"2s\"\n"
    );
    let world = World::start_in(namespace, other, &settings, &[("api.secret", &api_key())]);
    world.add("somebody");
    let bind = |user: &str, otp: &str, more: &[&str]| {
        let arguments = [&["enroll", "yubikey", user], more].concat();
        let output = world.daemon.run_with(&arguments, &format!("{otp}\n"));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (touch, next) = (BLUE.touch(1, 1), BLUE.touch(1, 2));
    let (done, why) = bind("hannelore", &touch, &[]);
    assert!(done, "{why}");
    for typed in [touch.clone(), touch.to_uppercase()] {
        assert_eq!(world.login(&with(&typed)), REJECT, "it has bound the key");
        assert_eq!(world.reason(), "passcode-replayed");
    }
    assert_eq!(world.login(&with(&next)), ACCEPT);
    assert_eq!(world.login(&with(&next)), REJECT);
    // Nor does what was used for a login bind the key to anybody.
    world.good(&["token", "revoke", BLUE.public_id]);
    for used in [&touch, &next] {
        let (done, why) = bind("somebody", used, &["--revoked"]);
        assert!(!done && why.contains("used before"), "{why}");
    }
    let (done, why) = bind("somebody", &BLUE.touch(1, 3), &["--revoked"]);
    assert!(done, "{why}");
    // The server has said OK each time, to questions of their own.
    let said = support::read(&server.1);
    assert!(said.lines().count() >= 7 && said.lines().all(|line| line.starts_with("OK ")), "{said}");
    let nonces: std::collections::BTreeSet<_> = said.lines().map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(nonces.len(), said.lines().count());
}

#[test]
fn answer_that_is_not_signed_with_our_key_is_no_decision() {
    let key = data_encoding::BASE64.encode(b"20-bytes-of-another.");
    let (mut world, servers) = asking(&[8000], &[8000], &key);
    assert_eq!(world.unanswered(&with(&BLUE.touch(1, 1))), NOTHING);
    assert_eq!(servers[0].position(&BLUE), 0x101, "the server said yes");
    assert_eq!(world.unanswered(&with(&BLUE.touch(1, 1))), NOTHING, "neither is its no");
    world.logs("is not signed with the key in [yubico]");
    assert_eq!(world.login(&format!("wrong{}", BLUE.touch(1, 2))), REJECT, "a wrong password is one");
}

#[test]
fn server_that_is_down_is_passed_over_and_comes_back() {
    let (world, servers) = asking(&[8001, 8000], &[8000], &api_key());
    assert_eq!(world.login(&with(&BLUE.touch(1, 1))), ACCEPT);
    assert_eq!(world.login(&with(&BLUE.touch(1, 1))), REJECT, "what is down cannot have taken it");
    assert_eq!(world.reason(), "passcode-replayed");
    drop(servers);
    assert_eq!(world.unanswered(&with(&BLUE.touch(1, 2))), NOTHING, "both are down");
    let second = YubiServer::start(&world.namespace, world.other.path(), 8001, &[&BLUE]);
    // It rests for a moment after it failed; each try is a touch of its own, as a person's would be.
    let mut touches = 3..100;
    support::slapd::until("the other server is asked", || {
        let otp = BLUE.touch(1, touches.next().unwrap());
        let attributes = [("User-Name", "hannelore"), ("User-Password", &with(&otp))];
        let output =
            radclient_by(world.namespace.command("radclient"), "3", world.daemon.address, &attributes);
        assert_ne!(answer(&output), REJECT, "{output}");
        (answer(&output) == ACCEPT).then_some(())
    });
    assert!(second.position(&BLUE) >= 0x103);
}

impl World {
    /// Answers a challenge, with little patience.
    fn respond(&self, state: &str, otp: &str) -> String {
        let attributes = [("User-Name", "hannelore"), ("User-Password", otp), ("State", state)];
        let radclient = self.namespace.command("radclient");
        answer(&radclient_by(radclient, "4", self.daemon.address, &attributes)).to_owned()
    }

    /// Failure counters that are not at zero.
    fn failures(&self) -> Vec<serde_json::Value> {
        self.daemon.json(&["person", "show", "hannelore"])["failures"].as_array().unwrap().clone()
    }
}

#[test]
fn answer_that_could_not_be_decided_is_good_when_it_is_sent_again() {
    let (world, servers) = asking(&[8001, 8000], &[8000], &api_key());
    drop(servers);
    let attributes = [("User-Name", "hannelore"), ("User-Password", PASSWORD)];
    let radclient = world.namespace.command("radclient");
    let challenge = radclient_by(radclient, "4", world.daemon.address, &attributes);
    let state = support::value(&challenge, "State").expect("it is a challenge");
    let otp = BLUE.touch(1, 1);
    for _ in 0..3 {
        assert_eq!(world.respond(state, &otp), NOTHING);
    }
    let undecided = world.entries("hannelore");
    let undecided: Vec<_> = undecided.iter().filter(|entry| entry["outcome"] == "undecided").collect();
    assert_eq!(undecided.len(), 3);
    assert_eq!(undecided[0]["detail"], "yubikey-not-validated");
    assert_eq!(world.failures(), Vec::<serde_json::Value>::new(), "nothing was wrong");
    // A wrong answer is an answer: its State is used up, servers or not.
    let another = radclient_by(
        world.namespace.command("radclient"),
        "4",
        world.daemon.address,
        &[("User-Name", "hannelore"), ("User-Password", PASSWORD)],
    );
    let other = support::value(&another, "State").unwrap();
    assert_eq!(world.respond(other, &RED.touch(1, 1)), REJECT);
    let _server = YubiServer::start(&world.namespace, world.other.path(), 8001, &[&BLUE]);
    support::slapd::until("the other server is asked", || {
        let said = world.respond(state, &otp);
        assert_ne!(said, REJECT, "it was never answered");
        (said == ACCEPT).then_some(())
    });
    for used in [state, other] {
        assert_eq!(world.respond(used, &BLUE.touch(1, 9)), REJECT);
        assert_eq!(world.reason(), "state-invalid");
    }
}

#[test]
fn attempt_is_given_back_only_if_all_but_the_otp_was_right() {
    let (world, servers) = asking(&[8000], &[8000], &api_key());
    drop(servers);
    for touch in 1..4 {
        assert_eq!(world.unanswered(&with(&BLUE.touch(1, touch))), NOTHING);
    }
    assert_eq!(world.failures(), Vec::<serde_json::Value>::new());
    for touch in 4..6 {
        assert_eq!(world.login(&format!("wrong{}", BLUE.touch(1, touch))), REJECT);
    }
    let failures = world.failures();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures.iter().all(|counter| counter["count"] == 2), "{failures:?}");
}

#[test]
fn key_without_any_server_is_refused_with_a_reason() {
    let world = World::start("", &[]);
    world.key(&BLUE, Some("hannelore"), false);
    assert_eq!(world.login(&with(&BLUE.touch(1, 1))), REJECT);
    assert_eq!(world.reason(), "yubikey-no-validation-server");
}

#[test]
fn neither_otps_nor_keys_are_logged_even_at_the_finest_level() {
    let (namespace, other) = (Namespace::new(), tempfile::tempdir().unwrap());
    let server = YubiServer::start(&namespace, other.path(), 8000, &[&BLUE]);
    let settings = format!(
        "[yubico] # at the finest level\nurls = [\"{}\", \"http://127.0.0.1:8001/v\"]\nclient_id = {API_ID}\n\
         secret_file = \"api.secret\"\ntimeout = \"2s\"\n[wsapi]\nlisten = [\"127.0.0.1:8400\"]\n\
         [[wsapi.client]]\nid = 1\nsecret_file = \"one.secret\"\n",
        server.url()
    );
    let key = api_key();
    let files = [("api.secret", key.as_str()), ("one.secret", service::CLIENT)];
    let mut world = World::start_in(namespace, other, &settings, &files);
    world.key(&BLUE, Some("hannelore"), false);
    world.key(&RED, None, true);
    let otps = [BLUE.touch(1, 1), BLUE.touch(1, 2), RED.touch(1, 1), RED.touch(1, 2)];
    assert_eq!(world.login(&with(&otps[0])), ACCEPT);
    assert_eq!(world.login(&with(&otps[0])), REJECT);
    server.stop();
    assert_eq!(world.unanswered(&with(&otps[1])), NOTHING);
    assert_eq!(world.ask(&otps[2]), "OK");
    assert_eq!(world.ask(&otps[2]), "REPLAYED_OTP");
    assert_eq!(world.fetch(&service::query(1, service::OTHER, &otps[3]))["status"], "BAD_SIGNATURE");
    world.daemon.stop();
    let log: Vec<_> = world.daemon.lines.take().unwrap().iter().collect();
    let log = log.join("\n");
    assert!(log.contains("TRACE") && log.contains("an OTP was used"), "it is the whole log");
    for otp in &otps {
        assert!(!log.contains(&otp[12..]), "{otp} is in the log");
    }
    for secret in [key.as_str(), support::yubiserver::API_SECRET, service::CLIENT, RED.aes, PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
