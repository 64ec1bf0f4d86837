//! The codec against the examples of the RFCs, one file per malformed case, random input, and another implementation.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use doorward::wire::radius::{
    AttributeType, Code, Dictionary, Malformed, MessageAuthenticator, Packet, Reply, Request, SharedSecret,
    verify_response,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Octets of a file; lines that begin with `#` say where they are from.
fn hex(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

fn vector(name: &str) -> Vec<u8> {
    hex(&vectors().join(format!("{name}.hex")))
}

/// The shared secret of the examples in RFC 2865 and RFC 5997.
fn secret() -> SharedSecret {
    SharedSecret::new("xyzzy5461".into()).unwrap()
}

// RFC 2865 §7.1, §7.3
#[test]
fn passwords_of_rfc_2865_are_revealed_and_hidden_to_the_same_octets() {
    for (name, password) in [
        ("rfc2865-7.1-request", "arctangent"),
        ("rfc2865-7.3-request", "challenge"),
        ("rfc2865-7.3-answer", "99101462"),
    ] {
        let bytes = vector(name);
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!(packet.user_password(&secret()).unwrap().expose(), password.as_bytes(), "{name}");
        let hidden = secret().hide_password(password.as_bytes(), packet.authenticator());
        assert_eq!(packet.first(AttributeType::USER_PASSWORD).unwrap().value, hidden, "{name}");
    }
}

// RFC 2865 §7, RFC 5997 §6
#[test]
fn answers_of_the_rfcs_are_verified_and_no_other() {
    for (request, answer, code) in [
        ("rfc2865-7.1-request", "rfc2865-7.1-accept", Code::ACCESS_ACCEPT),
        ("rfc2865-7.2-request", "rfc2865-7.2-accept", Code::ACCESS_ACCEPT),
        ("rfc2865-7.3-request", "rfc2865-7.3-challenge", Code::ACCESS_CHALLENGE),
        ("rfc2865-7.3-answer", "rfc2865-7.3-reject", Code::ACCESS_REJECT),
        ("rfc5997-6.1-request", "rfc5997-6.1-accept", Code::ACCESS_ACCEPT),
        ("rfc5997-6.2-request", "rfc5997-6.2-response", Code::ACCOUNTING_RESPONSE),
    ] {
        let (request, mut bytes) = (vector(request), vector(answer));
        let request = Packet::decode(&request).unwrap();
        let (packet, signed) = verify_response(request.authenticator(), &bytes, &secret()).unwrap();
        assert_eq!((packet.code(), packet.identifier(), signed), (code, request.identifier(), false));
        bytes[4] ^= 1;
        assert!(verify_response(request.authenticator(), &bytes, &secret()).is_none(), "{answer}");
    }
}

// RFC 5997 §6
#[test]
fn status_server_of_rfc_5997_is_valid_and_made_to_the_same_octets() {
    for name in ["rfc5997-6.1-request", "rfc5997-6.2-request"] {
        let bytes = vector(name);
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!(packet.code(), Code::STATUS_SERVER);
        assert_eq!(packet.message_authenticator(&secret()), MessageAuthenticator::Valid);
        let other = SharedSecret::new("another".into()).unwrap();
        assert_eq!(packet.message_authenticator(&other), MessageAuthenticator::Invalid);
        let made = Request::new(packet.code(), packet.identifier(), *packet.authenticator()).seal(&secret());
        assert_eq!(made.unwrap(), bytes);
    }
}

// RFC 2865 §7.3
#[test]
fn attributes_of_the_challenge_are_read() {
    let bytes = vector("rfc2865-7.3-challenge");
    let packet = Packet::decode(&bytes).unwrap();
    let text = packet.first(AttributeType::REPLY_MESSAGE).unwrap().value;
    assert_eq!(text, b"Challenge 32769430.  Enter response at prompt.");
    assert_eq!(packet.first(AttributeType::STATE).unwrap().value, b"32769430");
}

// RFC 2868 §3.5, RFC 2548 §2.4.2
#[test]
fn tunnel_passwords_and_mppe_keys_are_encrypted_to_the_same_octets() {
    let authenticator: [u8; 16] = std::array::from_fn(|at| at as u8);
    let key: Vec<u8> = (100..132).collect();
    for (name, plain) in [
        ("rfc2868-3.5-tunnel-password", &b"tunnel-password-of-some-length"[..]),
        ("rfc2548-2.4.2-mppe-key", &key),
    ] {
        let bytes = vector(name);
        assert_eq!(secret().encrypt_salted(plain, &authenticator, [0x0a, 0x55]).unwrap(), bytes, "{name}");
        assert_eq!(secret().decrypt_salted(&bytes, &authenticator).unwrap().expose(), plain, "{name}");
    }
}

// RFC 2868 §3.5
#[test]
fn encrypted_attributes_of_a_reply_have_the_length_octet_and_different_salts() {
    let request = Request::new(Code::ACCESS_REQUEST, 5, [9; 16]).seal(&secret()).unwrap();
    let request = Packet::decode(&request).unwrap();
    let dictionary = Dictionary::standard();
    let password = dictionary.encode("Tunnel-Password:3", "of the tunnel").unwrap();
    let key = dictionary.encode("MS-MPPE-Send-Key", "0x000102030405060708090a0b0c0d0e0f").unwrap();
    let reply = Reply::to(&request, Code::ACCESS_ACCEPT).encoded(&password).encoded(&key);
    let bytes = reply.seal(&secret()).unwrap();
    let (packet, _) = verify_response(request.authenticator(), &bytes, &secret()).unwrap();
    let tunnel = packet.first(AttributeType::TUNNEL_PASSWORD).unwrap().value;
    assert_eq!(tunnel[0], 3, "the tag");
    let plain = secret().decrypt_salted(&tunnel[1..], request.authenticator()).unwrap();
    assert_eq!(plain.expose(), b"of the tunnel");
    let vendor = packet.first(AttributeType::VENDOR_SPECIFIC).unwrap().value;
    let [(311, 16, mppe)] = doorward::wire::radius::vendor_attributes(vendor)[..] else {
        panic!("{vendor:?}")
    };
    let plain = secret().decrypt_salted(mppe, request.authenticator()).unwrap();
    assert_eq!(plain.expose(), &(0..16).collect::<Vec<u8>>());
    assert_ne!(tunnel[1..3], mppe[..2], "salts differ within a packet");
}

#[test]
fn every_malformed_case_has_a_file_that_is_refused_as_such() {
    let mut seen = HashSet::new();
    for entry in std::fs::read_dir(vectors().join("malformed")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# Malformed::").unwrap();
        let refused = Packet::decode(&hex(&path)).expect_err(expected);
        assert_eq!(refused.as_str(), expected, "{}", path.display());
        seen.insert(refused);
    }
    let missing: Vec<_> = Malformed::ALL.iter().filter(|case| !seen.contains(case)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn padding_after_the_packet_is_ignored() {
    let mut bytes = vector("rfc2865-7.1-request");
    let length = bytes.len();
    bytes.extend([0xff; 30]);
    assert_eq!(Packet::decode(&bytes).unwrap().bytes().len(), length);
}

// CVE-2024-3596
#[test]
fn reply_begins_with_message_authenticator_and_keeps_proxy_state_in_order() {
    let request = Request::new(Code::ACCESS_REQUEST, 5, [9; 16])
        .attribute(AttributeType::PROXY_STATE, b"first")
        .attribute(AttributeType::USER_NAME, b"nemo")
        .attribute(AttributeType::PROXY_STATE, b"second")
        .seal(&secret())
        .unwrap();
    let request = Packet::decode(&request).unwrap();
    let reply = Reply::to(&request, Code::ACCESS_REJECT).message("no");
    let bytes = reply.clone().seal(&secret()).unwrap();
    assert_eq!(bytes[20], AttributeType::MESSAGE_AUTHENTICATOR.0);
    let (packet, signed) = verify_response(request.authenticator(), &bytes, &secret()).unwrap();
    assert!(signed);
    let states: Vec<_> = packet.all(AttributeType::PROXY_STATE).map(|state| state.value).collect();
    assert_eq!(states, [&b"first"[..], b"second"]);
    let without = reply.without_proxy_state().seal(&secret()).unwrap();
    assert!(Packet::decode(&without).unwrap().first(AttributeType::PROXY_STATE).is_none());
}

#[test]
fn reply_that_would_be_too_long_is_an_error_and_long_texts_are_split_between_characters() {
    let request = Request::new(Code::ACCESS_REQUEST, 5, [9; 16]).seal(&secret()).unwrap();
    let request = Packet::decode(&request).unwrap();
    let text = "é".repeat(400);
    let bytes = Reply::to(&request, Code::ACCESS_REJECT).message(&text).seal(&secret()).unwrap();
    let packet = Packet::decode(&bytes).unwrap();
    let parts: Vec<_> = packet.all(AttributeType::REPLY_MESSAGE).map(|part| part.value).collect();
    assert!(parts.iter().all(|part| std::str::from_utf8(part).is_ok()));
    assert_eq!(parts.concat(), text.as_bytes());
    let mut reply = Reply::to(&request, Code::ACCESS_ACCEPT);
    for _ in 0..17 {
        reply = reply.attribute(AttributeType::CLASS, &[0; 253]);
    }
    assert!(reply.seal(&secret()).is_err());
    assert!(
        Reply::to(&request, Code::ACCESS_ACCEPT)
            .attribute(AttributeType::CLASS, &[0; 254])
            .seal(&secret())
            .is_err()
    );
}

/// The `radius` crate reads what we send, and we read what it sends.
#[test]
fn independent_implementation_agrees() {
    use radius::core::code::Code as OtherCode;
    use radius::core::packet::Packet as Other;
    use radius::core::rfc2865;
    let bytes = Request::new(Code::ACCESS_REQUEST, 5, [9; 16])
        .attribute(AttributeType::USER_NAME, b"nemo")
        .password("a password of more than sixteen octets".into())
        .seal(&secret())
        .unwrap();
    let other = Other::decode(&bytes, b"xyzzy5461").unwrap();
    assert_eq!(rfc2865::lookup_user_name(&other).unwrap().unwrap(), "nemo");
    let password = rfc2865::lookup_user_password(&other).unwrap().unwrap();
    assert_eq!(password, b"a password of more than sixteen octets");

    let mut theirs = Other::new(OtherCode::AccessRequest, b"xyzzy5461");
    rfc2865::add_user_name(&mut theirs, "nemo");
    rfc2865::add_user_password(&mut theirs, b"short").unwrap();
    let bytes = theirs.encode().unwrap();
    let packet = Packet::decode(&bytes).unwrap();
    assert_eq!(packet.user_password(&secret()).unwrap().expose(), b"short");
    assert_eq!(packet.message_authenticator(&secret()), MessageAuthenticator::Missing);
}

proptest! {
    #[test]
    fn request_decodes_to_what_was_encoded(
        identifier: u8,
        authenticator: [u8; 16],
        name in proptest::collection::vec(any::<u8>(), 1..=253),
        password in proptest::collection::vec(1_u8.., 0..=128),
        classes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..=253), 0..8),
    ) {
        let mut request = Request::new(Code::ACCESS_REQUEST, identifier, authenticator)
            .attribute(AttributeType::USER_NAME, &name)
            .password(password.clone().into());
        for class in &classes {
            request = request.attribute(AttributeType::CLASS, class);
        }
        let bytes = request.seal(&secret()).unwrap();
        let packet = Packet::decode(&bytes).unwrap();
        prop_assert_eq!(packet.bytes(), bytes.as_slice());
        prop_assert_eq!((packet.identifier(), packet.authenticator()), (identifier, &authenticator));
        prop_assert_eq!(packet.first(AttributeType::USER_NAME).unwrap().value, name.as_slice());
        let revealed = packet.user_password(&secret()).unwrap();
        prop_assert_eq!(revealed.expose(), &password);
        let read: Vec<_> = packet.all(AttributeType::CLASS).map(|class| class.value.to_vec()).collect();
        prop_assert_eq!(read, classes);
        prop_assert_eq!(packet.message_authenticator(&secret()), MessageAuthenticator::Valid);
        let rebuilt: Vec<u8> = packet.attributes().flat_map(|a| [&[a.kind.0, a.value.len() as u8 + 2][..], a.value].concat()).collect();
        prop_assert_eq!(&bytes[20..], rebuilt.as_slice());
    }

    #[test]
    fn random_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(packet) = Packet::decode(&bytes) {
            let _ = (packet.message_authenticator(&secret()), packet.user_password(&secret()).is_some());
            for attribute in packet.attributes() {
                let _ = doorward::wire::radius::vendor_attributes(attribute.value);
                let _ = secret().decrypt_salted(attribute.value, packet.authenticator());
            }
        }
    }

    #[test]
    fn flipped_bit_anywhere_is_noticed(at in 0_usize..600, bit in 0_u8..8) {
        let mut bytes = Request::new(Code::ACCESS_REQUEST, 5, [9; 16])
            .attribute(AttributeType::USER_NAME, b"nemo")
            .password("password123456".into())
            .seal(&secret())
            .unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        match Packet::decode(&bytes) {
            Err(_) => {}
            Ok(packet) => prop_assert_ne!(packet.message_authenticator(&secret()), MessageAuthenticator::Valid),
        }
    }

    #[test]
    fn passwords_of_every_length_are_revealed(length in 0_usize..=128, authenticator: [u8; 16]) {
        let password = vec![b'x'; length];
        let hidden = secret().hide_password(&password, &authenticator);
        prop_assert_eq!(hidden.len(), length.next_multiple_of(16).max(16));
        let revealed = secret().reveal_password(&hidden, &authenticator).unwrap();
        prop_assert_eq!(revealed.expose(), &password);
    }

    #[test]
    fn sealed_reply_is_verified(message in ".{0,300}", state: [u8; 16], authenticator: [u8; 16]) {
        let request = Request::new(Code::ACCESS_REQUEST, 5, authenticator).seal(&secret()).unwrap();
        let request = Packet::decode(&request).unwrap();
        let reply = Reply::to(&request, Code::ACCESS_CHALLENGE).message(&message).attribute(AttributeType::STATE, &state);
        let bytes = reply.seal(&secret()).unwrap();
        let (packet, signed) = verify_response(&authenticator, &bytes, &secret()).unwrap();
        prop_assert!(signed);
        prop_assert_eq!(packet.first(AttributeType::STATE).unwrap().value, state.as_slice());
    }
}
