//! Logins whose end is far from their decision: the request is over by then, or the device goes away.

use crate::device::{Nas, Ttls, response, tls};
use crate::methods::device_password;
use crate::support::{DatabaseLock, code};
use crate::world::{World, wait_until};
use doorward::wire::eap::{Method, Packet};
use doorward::wire::mschap::{Exchange, NtHash};
use doorward::wire::radius::Code;
use rustls::version;

/// The client of the demonstration that asks a passcode of whoever has one.
const VPN: &str = "127.0.0.1";

/// What the trail says of somebody's logins, the oldest first: outcome, detail, request, and whether it is somebody's.
fn logins(world: &World, user: &str) -> Vec<(String, String, String, bool)> {
    let trail = world.daemon.json(&["audit", "list", "--subject", user, "--limit", "1000"]);
    let all = trail["entries"].as_array().unwrap();
    let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let mut logins: Vec<_> = all.iter().filter(|entry| entry["action"] == "login").collect();
    logins.sort_by_key(|entry| entry["seq"].as_i64());
    let told = |entry: &serde_json::Value| {
        (text(entry, "outcome"), text(entry, "detail"), text(entry, "request"), !entry["person"].is_null())
    };
    logins.into_iter().map(told).collect()
}

// RFC 5080 §2.2.2: what the machine was asked is not asked again, which would find its State used.
#[test]
fn decision_that_outlives_its_request_is_the_answer_to_the_next() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "inner = [\"gtc\"]")]);
    let person = world.employee();
    let mut login = Ttls::handshake_by(Nas::at(&world, VPN), &world, &tls(&world, &version::TLS12)).unwrap();
    let asked = login.inner(&response(0, Method::IDENTITY, person.user.as_bytes())).unwrap();
    let identifier = Packet::decode(&asked).unwrap().identifier;
    let asked = login.inner(&response(identifier, Method::GTC, person.password.as_bytes())).unwrap();
    let identifier = Packet::decode(&asked).unwrap().identifier;
    let passcode = code(&person.totp, 0);
    let bytes = login.inner_response(&response(identifier, Method::GTC, passcode.as_bytes()));

    world.configure(&[("radius", "request_deadline = \"100ms\"")]);
    let lock = DatabaseLock::take(&world.daemon.dir);
    login.nas.send(&bytes);
    wait_until(|| world.daemon.log().contains("no answer: request dropped"));
    lock.let_go();
    let end = login.nas.insist(&bytes);
    assert_eq!(end.code, Code::ACCESS_ACCEPT);
    assert!(world.daemon.counter("late") > 0);
    let decided: Vec<_> =
        logins(&world, &person.user).into_iter().map(|(outcome, detail, ..)| (outcome, detail)).collect();
    let expected = [("challenge", "passcode-wanted"), ("accept", "password-and-passcode")];
    assert_eq!(
        decided,
        expected.map(|(outcome, detail)| (outcome.to_owned(), detail.to_owned())),
        "once each"
    );
}

/// A device that was let in by EAP-MSCHAPv2 inside the tunnel, and told so.
fn let_in(world: &World, password: &str) -> (Ttls, u8) {
    let user = &world.env["LOGIN_USER"];
    let mut login = Ttls::handshake(world, &tls(world, &version::TLS12)).unwrap();
    let asked = login.inner(&response(0, Method::IDENTITY, user.as_bytes())).unwrap();
    let asked = Packet::decode(&asked).unwrap();
    let [1, identifier, _, _, 16, challenge @ ..] = asked.data else { panic!("a challenge") };
    let mut exchange = Exchange {
        authenticator_challenge: *challenge.first_chunk::<16>().unwrap(),
        peer_challenge: [7; 16],
        name: user.as_bytes().to_vec(),
        response: [0; 24],
    };
    exchange.response = exchange.response_of(&NtHash::of(password));
    let length = u8::try_from(54 + user.len()).unwrap();
    let head = [2, *identifier, 0, length, 49];
    let data = [&head[..], &[7; 16], &[0; 8], &exchange.response, &[0], user.as_bytes()].concat();
    let told = login.inner(&response(asked.identifier, Method::MSCHAPV2, &data)).unwrap();
    let told = Packet::decode(&told).unwrap();
    assert_eq!(told.data[0], 3, "success");
    (login, told.identifier)
}

/// The trail of one login that was let in inside, and nowhere else.
fn is_unfinished(world: &World) {
    let user = &world.env["LOGIN_USER"];
    // Each look into the trail is in it, too.
    wait_until(|| world.decided("eap-unfinished") == 1);
    wait_until(|| logins(world, user).len() == 2);
    let all = logins(world, user);
    let [(accept, device, first, _), (reject, why, second, somebody)] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!((accept.as_str(), device.as_str()), ("accept", "device-password laptop"));
    assert_eq!((reject.as_str(), why.as_str(), *somebody), ("reject", "eap-unfinished", true));
    assert_eq!(first, second, "they belong together");
    assert_eq!((world.decided("eap-unfinished"), world.decided("device-password")), (1, 0));
    let log = world.daemon.log();
    let line = log.lines().find(|line| line.contains("reason=\"eap-unfinished\"")).unwrap();
    assert!(line.contains(&format!("username=\"{user}\"")), "{line}");
    assert!(line.contains("method=\"device-password\""), "{line}");
}

#[test]
fn device_that_was_let_in_inside_the_tunnel_and_falls_silent_is_in_the_trail() {
    let inner = ("eap", "inner = [\"mschapv2\"]");
    let world = World::with(&[inner, ("eap", "conversation_lifetime = \"1s\"")]);
    let password = device_password(&world, "laptop");
    // No other conversation begins, which would look for those that are over.
    drop(let_in(&world, &password));
    is_unfinished(&world);
    assert_eq!(world.daemon.counter("eap-left"), 1);
    assert!(!world.daemon.log().contains("a device left in the midst of EAP"), "it trusts the server");
}

#[test]
fn device_that_does_not_agree_inside_the_tunnel_is_in_the_trail_and_resumes_nothing() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "inner = [\"mschapv2\"]")]);
    let password = device_password(&world, "laptop");
    let (mut login, identifier) = let_in(&world, &password);
    let end = login.inner(&response(identifier, Method::MSCHAPV2, &[4])).unwrap_err();
    assert_eq!(end.code, Code::ACCESS_REJECT);
    is_unfinished(&world);
    assert_eq!(world.daemon.counter("eap-left"), 0);
}

#[test]
fn session_ends_with_the_pin_it_began_with() {
    const PIN_CLIENT: &str = "127.0.0.4";
    let world = World::with(&[("eap", "tls_max = \"1.2\"")]);
    let person = world.employee();
    let set = |pin: &str| {
        let done = world.daemon.run_with(&["enroll", "pin", &person.user], &format!("{pin}\n"));
        assert!(done.status.success(), "{done:?}");
    };
    set("2946");
    let config = tls(&world, &version::TLS12);
    let at = || Ttls::handshake_by(Nas::at(&world, PIN_CLIENT), &world, &config);
    let both = format!("2946{}", code(&person.totp, 0));
    assert_eq!(at().unwrap().password(&person.user, &both).code, Code::ACCESS_ACCEPT);
    let comes_back = || match at() {
        Ok(login) => login.finish().code,
        Err(end) => end.code,
    };
    assert_eq!(comes_back(), Code::ACCESS_ACCEPT);
    set("8305");
    assert_eq!(comes_back(), Code::ACCESS_REJECT);
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (1, 1));
}
