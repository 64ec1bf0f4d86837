//! The examples of RFC 2759 §9.2 and §9.3 and of RFC 3079 §3.5.3, byte by byte. They were compared with what other implementations
//! quote from both, and computed anew with Python's hashlib and OpenSSL's DES.

use super::keys::master;
use super::*;
use data_encoding::HEXUPPER;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    HEXUPPER.decode(hex.replace(' ', "").as_bytes()).unwrap().try_into().unwrap()
}

fn example() -> Exchange {
    Exchange {
        authenticator_challenge: bytes("5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28"),
        peer_challenge: bytes("21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E"),
        name: b"User".to_vec(),
        response: bytes("82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF"),
    }
}

#[test]
fn hashes_are_those_of_the_rfc() {
    let hash = NtHash::of("clientPass");
    assert_eq!(*hash.expose(), bytes("44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE"));
    assert_eq!(*hash.hashed().expose(), bytes("41 C0 0C 58 4B D2 D9 1C 40 17 A2 A1 2F A5 9F 3F"));
    assert_eq!(example().challenge_hash(), bytes("D0 2E 43 86 BC E9 12 26"));
    // §9.3.
    let other = NtHash::of("MyPw");
    assert_eq!(*other.expose(), bytes("FC 15 6A F7 ED CD 6C 0E DD E3 33 7D 42 7F 4E AC"));
    let response = des56::response(&other, &bytes("10 2D B5 DF 08 5D 30 41"));
    assert_eq!(response, bytes("4E 9D 3C 8F 9C FD 38 5D 5B F4 D3 24 67 91 95 6C A4 C3 51 AB 40 9A 3D 61"));
}

#[test]
fn example_of_the_rfc_is_answered_and_proven() {
    let (exchange, hash) = (example(), NtHash::of("clientPass"));
    assert_eq!(exchange.response_of(&hash), exchange.response);
    let proven = exchange.answered_by(&hash).unwrap();
    assert_eq!(proven.authenticator_response, "S=407A5589115FD0D6209F510FE9C04566932CDA56");
    let master = master(&hash.hashed(), &exchange.response);
    assert_eq!(*master.expose(), bytes("FD EC E3 71 7A 8C 83 8C B3 88 E5 27 AE 3C DD 31"));
    assert_eq!(*proven.keys.send.expose(), bytes("8B 7C DC 14 9B 99 3A 1B A1 18 CB 15 3F 56 DC CB"));
    // The RFC does not print this one: computed from its text by another program.
    assert_eq!(*proven.keys.receive.expose(), bytes("D5 F0 E9 52 1E 3E A9 58 96 45 E8 60 51 C8 22 26"));
}

#[test]
fn windows_domain_does_not_count() {
    let mut exchange = example();
    exchange.name = br"CAMPUS\User".to_vec();
    assert!(exchange.answered_by(&NtHash::of("clientPass")).is_some());
    exchange.name = b"user".to_vec();
    assert!(exchange.answered_by(&NtHash::of("clientPass")).is_none(), "its case does");
}

#[test]
fn any_changed_bit_is_refused() {
    let hash = NtHash::of("clientPass");
    for bit in 0..192 {
        let mut exchange = example();
        exchange.response[bit / 8] ^= 1 << (bit % 8);
        assert!(exchange.answered_by(&hash).is_none(), "response, bit {bit}");
    }
    for bit in 0..128 {
        let (mut ours, mut theirs) = (example(), example());
        ours.authenticator_challenge[bit / 8] ^= 1 << (bit % 8);
        theirs.peer_challenge[bit / 8] ^= 1 << (bit % 8);
        assert!(ours.answered_by(&hash).is_none() && theirs.answered_by(&hash).is_none(), "bit {bit}");
    }
    assert!(example().answered_by(&NtHash::of("clientpass")).is_none());
}

#[test]
fn passwords_are_utf_16() {
    // Beyond the first plane a character is a pair: 𝄞 is D834 DD1E.
    let wide = [0x34, 0xd8, 0x1e, 0xdd];
    let hash: [u8; 16] = md4::Md4::digest(wide).into();
    assert_eq!(*NtHash::of("𝄞").expose(), hash);
}

#[test]
fn failure_says_that_it_is_over() {
    let challenge = bytes("00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F");
    let text = failure(&challenge, "Login failed.");
    assert_eq!(text, "E=691 R=0 C=000102030405060708090A0B0C0D0E0F V=3 M=Login failed.");
}

#[test]
fn keys_spread_with_their_parity_left_open() {
    assert_eq!(*des56::spread(&[0xff; 7]), [0xfe; 8]);
    assert_eq!(*des56::spread(&[0x80, 0, 0, 0, 0, 0, 1]), [0x80, 0, 0, 0, 0, 0, 0, 0x02]);
}
