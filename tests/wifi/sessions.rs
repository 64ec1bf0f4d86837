//! Sessions: nothing is resumed that did not begin with a whole login, and nothing of somebody who may not log in any more.

use crate::device::{Nas, Ttls, Tunnel, response, tls, tls_with};
use crate::support::portal::{Browser, answered, with};
use crate::support::slapd::until;
use crate::support::{Daemon, DatabaseLock, code};
use crate::world::World;
use doorward::wire::eap::{Method, Packet};
use doorward::wire::radius::{AttributeType, Code};
use rustls::{HandshakeKind, version};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

// CVE-2017-9148
#[test]
fn session_of_a_login_that_was_broken_off_is_not_resumed() {
    let world = World::new();
    for version in VERSIONS {
        let config = tls(&world, version);
        let aborted = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(aborted.tls.handshake_kind(), Some(HandshakeKind::Full));
        drop(aborted);
        let again = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(again.tls.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
        let refused = again.password(&world.env["LOGIN_USER"], "wrong");
        assert_eq!(refused.code, Code::ACCESS_REJECT);
        let third = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(third.tls.handshake_kind(), Some(HandshakeKind::Full), "nor one of a wrong password");
    }
    assert_eq!(world.decided("session-resumed"), 0);
}

#[test]
fn resumed_session_gets_what_its_person_gets_and_ends_with_a_lock() {
    let world = World::new();
    let employee = world.employee();
    for version in VERSIONS {
        let config = tls(&world, version);
        let vlan = |reply: &crate::device::Reply| reply.has(AttributeType(81));
        let full = Ttls::handshake(&world, &config).unwrap().password(&employee.user, &employee.password);
        assert!(full.code == Code::ACCESS_ACCEPT && vlan(&full));
        // In TLS 1.2 the last word is the device's, and what comes then is the end.
        let resume = || match Ttls::handshake(&world, &config) {
            Ok(login) => login.finish(),
            Err(end) => end,
        };
        let resumed = resume();
        assert!(resumed.code == Code::ACCESS_ACCEPT && vlan(&resumed), "{version:?}");
        let run =
            |command: &str| assert!(world.daemon.run(&["person", command, &employee.user]).status.success());
        run("lock");
        assert_eq!(resume().code, Code::ACCESS_REJECT);
        run("unlock");
        assert_eq!(Ttls::handshake(&world, &config).unwrap().tls.handshake_kind(), Some(HandshakeKind::Full));
    }
    assert_eq!((world.decided("session-resumed"), world.decided("person-locked")), (2, 2));
}

#[test]
fn nothing_is_resumed_where_that_is_off() {
    let world = World::with(&[("eap", "session_lifetime = \"0s\"")]);
    for version in VERSIONS {
        let config = tls(&world, version);
        for _ in 0..2 {
            let login = Ttls::handshake(&world, &config).unwrap();
            assert_eq!(login.tls.handshake_kind(), Some(HandshakeKind::Full));
            let accepted = login.password(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
            assert_eq!(accepted.code, Code::ACCESS_ACCEPT);
        }
    }
}

/// The client of the demonstration that asks a passcode of whoever has one.
const VPN: &str = "127.0.0.1";

#[test]
fn policy_of_the_client_holds_inside_the_tunnel() {
    let world = World::new();
    let config = tls(&world, &version::TLS12);
    let person = world.employee();
    let login = |typed: &str| {
        let config = tls(&world, &version::TLS12);
        let login = Ttls::handshake_by(Nas::at(&world, VPN), &world, &config).unwrap();
        login.password(&person.user, typed).code
    };
    assert_eq!(login(&person.password), Code::ACCESS_REJECT, "the device cannot be asked for a passcode");
    assert_eq!(world.decided("passcode-missing"), 1);
    let both = format!("{}{}", person.password, code(&person.totp, 0));
    assert_eq!(login(&both), Code::ACCESS_ACCEPT);
    assert_eq!(login(&both), Code::ACCESS_REJECT, "a passcode works once");
    // A session of Wi-Fi, where the password was enough, is worth nothing here.
    let wifi = Ttls::handshake(&world, &config).unwrap().password(&person.user, &person.password);
    assert_eq!(wifi.code, Code::ACCESS_ACCEPT);
    let here = Ttls::handshake_by(Nas::at(&world, VPN), &world, &config).unwrap();
    assert_eq!(here.tls.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn gtc_asks_for_the_passcode_where_the_client_wants_one() {
    for (method, version) in [(Method::TTLS, &version::TLS13), (Method::PEAP, &version::TLS12)] {
        let world = World::with(&[("eap", "inner = [\"gtc\"]")]);
        let person = world.employee();
        // What is typed each time it is asked; what it was asked, and how it ended.
        let login = |typed: &[&str]| {
            let config = tls(&world, version);
            let mut login = Tunnel::inside(method, Nas::at(&world, VPN), &world, &config).unwrap();
            let mut asked = Vec::new();
            let mut answer = response(0, Method::IDENTITY, person.user.as_bytes());
            for typed in typed {
                let bytes = login.inner(&answer).unwrap();
                let packet = Packet::decode(&bytes).unwrap();
                assert_eq!(packet.method, Some(Method::GTC));
                asked.push(String::from_utf8_lossy(packet.data).into_owned());
                answer = response(packet.identifier, Method::GTC, typed.as_bytes());
            }
            let end = match login.inner(&answer) {
                Err(end) => end,
                Ok(told) if method == Method::PEAP => {
                    login.agrees(&told);
                    login.finish()
                }
                Ok(_) => panic!("it goes on"),
            };
            (asked, end.code)
        };
        let asked = ["Password", "Enter the passcode from your One-Time-Passcode App:"].map(str::to_owned);
        let password = &*person.password;
        assert_eq!(login(&[password, "000000"]), (asked.to_vec(), Code::ACCESS_REJECT), "{method:?}");
        let (now, next) = (code(&person.totp, 0), code(&person.totp, 1));
        assert_eq!(login(&[password, &now]), (asked.to_vec(), Code::ACCESS_ACCEPT), "{method:?}");
        // Both in one string, so there is nothing left to be asked.
        let both = format!("{password}{next}");
        assert_eq!(login(&[&both]), (asked[..1].to_vec(), Code::ACCESS_ACCEPT), "{method:?}");
        assert_eq!(login(&[&both]).1, Code::ACCESS_REJECT, "{method:?}");
        assert_eq!(world.decided("passcode-replayed"), 1, "{method:?}: a passcode works once");
    }
}

// What a device asks its owner is what Doorward asks, as long as no password is stored in it.
#[test]
fn person_who_sits_at_the_device_is_asked_for_the_password_and_then_for_the_passcode() {
    for (eap, phase2) in [("TTLS", "autheap=GTC"), ("PEAP", "auth=GTC")] {
        let world = World::new();
        let person = world.employee();
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.push(format!("identity=\"{}\"", person.user));
        let login = |passcode: &str| {
            let (asked, said) = world.typed_into(VPN, &lines, &[&person.password, passcode]);
            assert_eq!(asked.len(), 2, "{asked:?}\n{}", said.output);
            assert!(asked[0].contains("Password"), "{asked:?}");
            assert!(asked[1].contains("Enter the passcode from your One-Time-Passcode App:"), "{asked:?}");
            said
        };
        let refused = login("000000");
        assert!(!refused.success && !refused.output.contains("MS-MPPE"), "{}", refused.output);
        let accepted = login(&code(&person.totp, 0));
        assert!(accepted.success && accepted.equal_keys() == 1, "{}", accepted.output);
    }
}

/// A login by TTLS at the client that asks for passcodes.
fn at_vpn(world: &World, config: &std::sync::Arc<rustls::ClientConfig>, user: &str, typed: &str) -> Code {
    let login = Ttls::handshake_by(Nas::at(world, VPN), world, config).unwrap();
    assert_eq!(login.tls.handshake_kind(), Some(HandshakeKind::Full));
    login.password(user, typed).code
}

/// Comes back without a password.
fn comes_back(world: &World, config: &std::sync::Arc<rustls::ClientConfig>) -> Code {
    match Ttls::handshake_by(Nas::at(world, VPN), world, config) {
        Ok(login) => login.finish().code,
        Err(end) => end.code,
    }
}

#[test]
fn session_ends_with_the_app_that_it_began_with() {
    let world = World::new();
    let person = world.employee();
    let list = world.daemon.json(&["factor", "list", &person.user]);
    let app = list["factors"].as_array().unwrap().iter().find(|factor| factor["kind"] == "totp").unwrap();
    let config = tls(&world, &version::TLS12);
    let both = format!("{}{}", person.password, code(&person.totp, 0));
    assert_eq!(at_vpn(&world, &config, &person.user, &both), Code::ACCESS_ACCEPT);
    assert_eq!(comes_back(&world, &config), Code::ACCESS_ACCEPT);
    assert!(world.daemon.run(&["factor", "revoke", app["id"].as_str().unwrap()]).status.success());
    assert_eq!(comes_back(&world, &config), Code::ACCESS_REJECT);
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (1, 1));
}

/// The passcode of a text to this number, of which there is but this one.
fn texted(world: &World, number: &str, but: &str) -> String {
    let folder = &world.env["MAIL_DIR"];
    until("a text message", || {
        let files = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let texts = files.filter(|text| text.lines().next() == Some(number));
        let code = |text: String| {
            text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).map(str::to_owned)
        };
        texts.filter_map(code).find(|code| code != but)
    })
}

// R-REG-2
#[test]
fn session_ends_with_the_telephone_that_it_began_with() {
    let world = World::with(&[("eap", "inner = [\"gtc\"]")]);
    let (person, number) = (world.employee(), "+15205550134");
    let mut browser = Browser::new(&world.env["PORTAL_URL"]);
    browser.sign_in(&person.user, &person.password, "/register");
    let page = browser.post("/verify/passcode", &[("passcode", &code(&person.totp, 0))]);
    let fields = answered(&page);
    browser.post("/register", &with(&fields, &[("contact-mobile", number)]));
    browser.post("/register/confirm/mobile/choose", &[("method", "sms")]);
    let first = texted(&world, number, "");
    browser.post("/register/confirm/mobile/passcode", &[("passcode", &first)]).must_say("is confirmed");

    let config = tls(&world, &version::TLS12);
    let mut login = Ttls::handshake_by(Nas::at(&world, VPN), &world, &config).unwrap();
    let mut answer = response(0, Method::IDENTITY, person.user.as_bytes());
    let second = || texted(&world, number, &first);
    let typed: [&dyn Fn() -> String; 3] = [&|| person.password.clone(), &|| "sms".to_owned(), &second];
    for typed in typed {
        let bytes = login.inner(&answer).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        answer = response(packet.identifier, Method::GTC, typed().as_bytes());
    }
    assert_eq!(login.inner(&answer).map(|_| ()).unwrap_err().code, Code::ACCESS_ACCEPT);
    assert_eq!(comes_back(&world, &config), Code::ACCESS_ACCEPT);
    browser.get("/register");
    browser
        .post("/register", &with(&fields, &[("remove-mobile", "1")]))
        .must_say("You have successfully updated your information.");
    assert_eq!(comes_back(&world, &config), Code::ACCESS_REJECT);
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (1, 1));
}

#[test]
fn what_cannot_be_decided_is_not_answered_and_may_be_sent_again() {
    let world = World::new();
    let mut login = Ttls::handshake(&world, &tls(&world, &version::TLS12)).unwrap();
    let wrong = login.password_response(&world.env["LOGIN_USER"], "wrong");
    let lock = DatabaseLock::take(&world.daemon.dir);
    login.nas.send(&wrong);
    crate::world::wait_until(|| world.daemon.log().contains("no answer: could not decide"));
    lock.let_go();
    // Something else in between does not change that.
    let state = login.nas.state.clone();
    login.nas.send(&response(wrong[1].wrapping_add(1), Method::TTLS, &[0]));
    crate::world::wait_until(|| world.daemon.counter("eap-malformed") == 1);
    assert_eq!(login.nas.state, state);
    let reply = login.nas.exchange(&wrong);
    assert_eq!(reply.code, Code::ACCESS_REJECT, "the only answer, and the conversation was there still");
    assert_eq!(world.decided("wrong-password"), 1);
}

#[test]
fn shorter_keys_come_first_and_a_device_may_insist_on_longer_ones() {
    let world = World::new();
    for version in VERSIONS {
        for (wanted, expected) in [("", "AES_128_GCM_SHA256"), ("AES_256", "AES_256_GCM_SHA384")] {
            let config = tls_with(&world, version, |name| name.contains(wanted));
            let login = Ttls::handshake(&world, &config).unwrap();
            let suite = login.tls.negotiated_cipher_suite().unwrap().suite();
            assert!(suite.as_str().unwrap().ends_with(expected), "{suite:?}");
            let end = login.password(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
            assert_eq!(end.code, Code::ACCESS_ACCEPT);
        }
    }
}

// RFC 3579 §2.6.5
#[test]
fn reply_message_of_a_rule_for_all_clients_does_not_go_with_eap() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    // Filter-Id is 11.
    let rule = "[[reply]]\n[reply.attributes]\nReply-Message = \"Welcome\"\nFilter-Id = \"all\"\n";
    std::fs::write(dir.path().join("conf.d/zz-later.toml"), rule).unwrap();
    let world = World::of(Daemon::demo_in(dir.path(), &[]));
    let (user, password) = (&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
    let login = Ttls::handshake(&world, &tls(&world, &version::TLS12)).unwrap();
    let reply = login.password(user, password);
    assert_eq!(reply.code, Code::ACCESS_ACCEPT);
    assert!(reply.has(AttributeType(11)) && !reply.has(AttributeType::REPLY_MESSAGE));
}
