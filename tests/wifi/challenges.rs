//! MSCHAPv2 inside a tunnel, by somebody who answers another challenge than the one that was asked.

use crate::device::{Nas, Reply, Ttls, Tunnel, response, tls};
use crate::methods::device_password;
use crate::world::World;
use doorward::wire::eap::{Avp, Avps, Method, Packet, push_avp};
use doorward::wire::mschap::{Exchange, NtHash};
use doorward::wire::radius::Code;
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];
const PEER: [u8; 16] = [7; 16];

fn answer(user: &str, password: &str, challenge: [u8; 16]) -> (Exchange, NtHash) {
    let hash = NtHash::of(password);
    let mut exchange = Exchange {
        authenticator_challenge: challenge,
        peer_challenge: PEER,
        name: user.as_bytes().to_vec(),
        response: [0; 24],
    };
    exchange.response = exchange.response_of(&hash);
    (exchange, hash)
}

/// A login by attributes, to the tunnel's challenge or with one bit of it changed; how it ended.
pub(crate) fn by_attributes(world: &World, config: &Arc<ClientConfig>, password: &str, bit: u8) -> Reply {
    let user = &world.env["LOGIN_USER"];
    let mut login = Ttls::handshake(world, config).unwrap();
    let mut challenge = login.tls.export_keying_material([0; 17], b"ttls challenge", None).unwrap();
    challenge[0] ^= bit;
    let (challenge, identifier) = challenge.split_first_chunk::<16>().unwrap();
    let (exchange, hash) = answer(user, password, *challenge);
    let value = [identifier, &[0][..], &PEER, &[0; 8], &exchange.response].concat();
    let mut avps = Vec::new();
    push_avp(&mut avps, 0, Avp::USER_NAME, user.as_bytes());
    push_avp(&mut avps, Avp::MICROSOFT, Avp::MS_CHAP_CHALLENGE, challenge);
    push_avp(&mut avps, Avp::MICROSOFT, Avp::MS_CHAP2_RESPONSE, &value);
    match login.through(&avps) {
        Err(end) => end,
        Ok(plain) => {
            let proof = Avps::new(&plain).next().unwrap().unwrap();
            assert_eq!((proof.vendor, proof.code), (Avp::MICROSOFT, Avp::MS_CHAP2_SUCCESS));
            let expected = exchange.answered_by(&hash).unwrap().authenticator_response;
            assert_eq!(proof.value[1..], *expected.as_bytes(), "the server knows the password, too");
            login.finish()
        }
    }
}

#[test]
fn response_by_attributes_must_be_to_the_challenge_of_its_tunnel() {
    let world = World::with(&[("radius", "reject_delay = \"0s\"")]);
    let password = device_password(&world, "laptop");
    for version in VERSIONS {
        let config = tls(&world, version);
        assert_eq!(by_attributes(&world, &config, &password, 1).code, Code::ACCESS_REJECT);
        assert_eq!(by_attributes(&world, &config, &password, 0).code, Code::ACCESS_ACCEPT);
    }
    // What answers another one is not even looked at.
    assert_eq!((world.decided("eap-broken"), world.decided("device-password")), (2, 2));
    assert_eq!(world.decided("wrong-device-password"), 0);
}

#[test]
fn response_by_eap_must_be_to_the_challenge_that_was_sent_and_comes_once() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "inner = [\"mschapv2\"]")]);
    let password = device_password(&world, "laptop");
    let user = &world.env["LOGIN_USER"];
    for (method, bit) in [(Method::TTLS, 1), (Method::TTLS, 0), (Method::PEAP, 1), (Method::PEAP, 0)] {
        let mut login =
            Tunnel::inside(method, Nas::new(&world), &world, &tls(&world, &version::TLS12)).unwrap();
        let asked = login.inner(&response(0, Method::IDENTITY, user.as_bytes())).unwrap();
        let asked = Packet::decode(&asked).unwrap();
        let [1, identifier, _, _, 16, challenge @ ..] = asked.data else { panic!("a challenge") };
        let mut challenge = *challenge.first_chunk::<16>().unwrap();
        challenge[15] ^= bit;
        let (exchange, _) = answer(user, &password, challenge);
        let length = u8::try_from(54 + user.len()).unwrap();
        let head = [2, *identifier, 0, length, 49];
        let data = [&head[..], &PEER, &[0; 8], &exchange.response, &[0], user.as_bytes()].concat();
        let told = login.inner(&response(asked.identifier, Method::MSCHAPV2, &data)).unwrap();
        let told = Packet::decode(&told).unwrap();
        let end = if bit == 0 {
            assert_eq!(told.data[0], 3, "success");
            // Once more is not what was asked for.
            login.inner(&response(told.identifier, Method::MSCHAPV2, &data)).unwrap_err()
        } else {
            assert_eq!(told.data[0], 4, "failure");
            assert!(String::from_utf8_lossy(told.data).contains("E=691 R=0"));
            match login.inner(&response(told.identifier, Method::MSCHAPV2, &[4])) {
                Err(end) => end,
                // PEAP says it inside once more.
                Ok(result) => {
                    assert!(method == Method::PEAP && result.ends_with(&[0x80, 3, 0, 2, 0, 2]), "{result:?}");
                    login.finish()
                }
            }
        };
        assert_eq!(end.code, Code::ACCESS_REJECT);
    }
    assert_eq!((world.decided("wrong-device-password"), world.decided("eap-unfinished")), (2, 2));
}

// Whoever guesses by EAP inside a tunnel knows then, and need not go on.
#[test]
fn refusal_inside_the_tunnel_is_reported_though_the_device_never_asks_for_its_end() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "inner = [\"mschapv2\"]")]);
    device_password(&world, "laptop");
    let user = &world.env["LOGIN_USER"];
    let logged =
        || u64::try_from(world.daemon.log().matches("reason=\"wrong-device-password\"").count()).unwrap();
    for (version, so_far) in VERSIONS.into_iter().zip(1_u64..) {
        let mut login = Ttls::handshake(&world, &tls(&world, version)).unwrap();
        let asked = login.inner(&response(0, Method::IDENTITY, user.as_bytes())).unwrap();
        let asked = Packet::decode(&asked).unwrap();
        let [1, identifier, ..] = asked.data else { panic!("a challenge") };
        let length = u8::try_from(54 + user.len()).unwrap();
        let head = [2, *identifier, 0, length, 49];
        let data = [&head[..], &[9; 49], user.as_bytes()].concat();
        let told = login.inner(&response(asked.identifier, Method::MSCHAPV2, &data)).unwrap();
        assert_eq!(Packet::decode(&told).unwrap().data[0], 4, "failure");
        assert_eq!((world.decided("wrong-device-password"), logged()), (so_far, so_far));
        // And once only, if it does ask.
        let told = Packet::decode(&told).unwrap();
        let end = login.inner(&response(told.identifier, Method::MSCHAPV2, &[4])).unwrap_err();
        assert_eq!(end.code, Code::ACCESS_REJECT);
        assert_eq!((world.decided("wrong-device-password"), logged()), (so_far, so_far));
    }
}
