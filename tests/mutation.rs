//! "Datagram in → decision", without a socket: a short, repeatable mutation test (whatever is done to a datagram,
//! nothing panics, and nothing that was changed passes for what the client sent), and what a client may leave out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use doorward::base::{Random, SeededRandom};
use doorward::config::{self, Config};
use doorward::serve::radius::{Examined, examine, wanted};
use doorward::wire::radius::{AttributeType, Code, Request, SharedSecret};

fn config() -> Config {
    let dir = tempfile::tempdir().unwrap();
    let key = data_encoding::BASE64.encode(&[7; 32]);
    for (name, text) in [
        ("k1.key", key.as_str()),
        (
            "doorward.toml",
            "[keys]\nfiles = [\"k1.key\"]\n[[client]]\nname = \"strict\"\nnetworks = [\"127.0.0.1\"]\n\
             secret = \"a-shared-secret-of-length\"\n[[client]]\nname = \"lax\"\nnetworks = [\"127.0.0.2\"]\n\
             secret = \"a-shared-secret-of-length\"\nrequire_message_authenticator = false\n",
        ),
    ] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    config::load(&dir.path().join("doorward.toml"), std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
}

fn seeds() -> Vec<Vec<u8>> {
    let secret = SharedSecret::new("a-shared-secret-of-length".into()).unwrap();
    let login = |more: &[(AttributeType, &[u8])]| {
        let mut request = Request::new(Code::ACCESS_REQUEST, 1, [3; 16])
            .attribute(AttributeType::USER_NAME, b"alice")
            .password("password123456".into());
        for (kind, value) in more {
            request = request.attribute(*kind, value);
        }
        request.seal(&secret).unwrap()
    };
    vec![
        login(&[]),
        login(&[(AttributeType::STATE, &[9; 16]), (AttributeType::PROXY_STATE, b"proxy")]),
        login(&[(AttributeType::VENDOR_SPECIFIC, &[0, 0, 0, 9, 1, 3, 65])]),
        login(&[(AttributeType::EAP_MESSAGE, &[2, 1, 0, 5, 1])]),
        Request::new(Code::STATUS_SERVER, 2, [4; 16]).seal(&secret).unwrap(),
    ]
}

/// One to four changes of the kinds that break parsers: bits, octets, lengths, cuts, repeats, splices.
fn mutate(random: &SeededRandom, seeds: &[Vec<u8>]) -> Vec<u8> {
    let pick = |below: usize| {
        let number = u32::from_be_bytes(random.array());
        number as usize % below.max(1)
    };
    let mut bytes = seeds[pick(seeds.len())].clone();
    for _ in 0..=pick(4) {
        let at = pick(bytes.len());
        match pick(8) {
            _ if bytes.is_empty() => bytes.push(pick(256) as u8),
            0 => bytes[at] ^= 1 << pick(8),
            1 => bytes[at] = [0, 1, 2, 3, 16, 18, 127, 128, 253, 254, 255][pick(11)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, pick(256) as u8),
            4 => {
                bytes.remove(at);
            }
            5 => {
                let end = (at + pick(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let other = &seeds[pick(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[pick(other.len())..]);
            }
            _ => {
                // A consistent length lets the change through to the attributes.
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
                if bytes.len() >= 4 {
                    bytes[2..4].copy_from_slice(&length);
                }
            }
        }
    }
    bytes
}

#[test]
fn changed_datagram_never_panics_and_never_passes_as_the_clients() {
    let (config, seeds, random) = (config(), seeds(), SeededRandom::new(20_261_124));
    let (mut logins, mut lax, mut dropped) = (0_u32, 0_u32, 0_u32);
    for _ in 0..300_000 {
        let bytes = mutate(&random, &seeds);
        match examine(&config, "127.0.0.1".parse().unwrap(), &bytes) {
            Examined::Drop(..) => dropped += 1,
            Examined::Status(_, packet) | Examined::Login(_, packet, _) => {
                logins += 1;
                let unchanged = seeds.iter().any(|seed| seed.as_slice() == packet.bytes());
                assert!(unchanged, "a changed packet passed: {:02x?}", packet.bytes());
            }
        }
        if let Examined::Login(client, packet, pad) = examine(&config, "127.0.0.2".parse().unwrap(), &bytes) {
            lax += 1;
            let _ = wanted(client, &packet, &pad);
            for attribute in packet.attributes() {
                let _ = doorward::wire::radius::vendor_attributes(attribute.value);
            }
        }
    }
    // The test is worth something only if all ways were taken.
    assert!(logins > 1000 && lax > 1000 && dropped > 100_000, "{logins} {lax} {dropped}");
}

/// A request without its Message-Authenticator, which stands first.
fn unsigned(more: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let secret = SharedSecret::new("a-shared-secret-of-length".into()).unwrap();
    let mut request = Request::new(Code::ACCESS_REQUEST, 1, [3; 16])
        .attribute(AttributeType::USER_NAME, b"alice")
        .password("password123456".into());
    for (kind, value) in more {
        request = request.attribute(*kind, value);
    }
    let sealed = request.seal(&secret).unwrap();
    let mut bytes = [&sealed[..20], &sealed[38..]].concat();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    bytes
}

// CVE-2024-3596, RFC 3579 §3.1
#[test]
fn client_that_may_leave_message_authenticator_out_may_not_beside_proxy_state_or_eap() {
    let config = config();
    let ask = |from: &str, bytes: &[u8]| match examine(&config, from.parse().unwrap(), bytes) {
        Examined::Drop(event, _) => format!("{event:?}"),
        Examined::Status(..) => "status".to_owned(),
        Examined::Login(..) => "login".to_owned(),
    };
    let (strict, lax) = ("127.0.0.1", "127.0.0.2");
    assert_eq!(ask(strict, &unsigned(&[])), "MissingAuthenticator");
    assert_eq!(ask(lax, &unsigned(&[])), "login");
    assert_eq!(ask(lax, &unsigned(&[(AttributeType::PROXY_STATE, b"x")])), "MissingAuthenticator");
    assert_eq!(ask(lax, &unsigned(&[(AttributeType::EAP_MESSAGE, b"x")])), "MissingAuthenticator");
    assert_eq!(ask("127.0.0.3", &unsigned(&[])), "UnknownClient");
}
