//! RADIUS packets as anybody may send them: `wire::radius`, and what `serve::radius::examine` makes of them.

use super::{Reader, files};
use doorward::base::Secret;
use doorward::serve::radius::{Examined, examine, wanted};
use doorward::wire::radius::{
    AttributeType, Code, Dictionary, EncodedAttribute, Encryption, Packet, Reply, ReplyTo, Request,
    SharedSecret, vendor_attributes, verify_response,
};
use std::cell::OnceCell;

const SECRET: &str = "a-shared-secret-of-length";

fn secret() -> SharedSecret {
    SharedSecret::new(SECRET.into()).unwrap()
}

thread_local! {
    static CONFIG: OnceCell<doorward::config::Config> = const { OnceCell::new() };
}

/// The first octet says what is tried with the others.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    match reader.octet() % 4 {
        0 => examined(reader.0),
        1 => answered(reader.0),
        2 => replied(&mut reader),
        _ => encoded(&mut reader),
    }
}

/// A request at a client that signs, and at one that does not.
fn examined(datagram: &[u8]) {
    CONFIG.with(|config| {
        let config = config.get_or_init(|| super::world::configuration().1);
        let read = Packet::decode(datagram);
        for source in ["127.0.0.1", "127.0.0.8", "192.0.2.1"] {
            match examine(config, source.parse().unwrap(), datagram) {
                Examined::Drop(event, client) => {
                    assert!(client.is_some() || source == "192.0.2.1", "{event:?}");
                }
                Examined::Status(_, packet) => {
                    assert!(
                        packet.code() == Code::STATUS_SERVER
                            && packet.first(AttributeType::MESSAGE_AUTHENTICATOR).is_some()
                    );
                }
                Examined::Login(client, packet, pad) => {
                    assert!(packet.code() == Code::ACCESS_REQUEST && read.is_ok());
                    let signed = packet.first(AttributeType::MESSAGE_AUTHENTICATOR).is_some();
                    assert!(signed || !client.require_message_authenticator);
                    assert!(signed || packet.first(AttributeType::EAP_MESSAGE).is_none(), "RFC 3579 §3.1");
                    if let Ok(wanted) = wanted(client, &packet, &pad) {
                        assert!(wanted.typed.is_none_or(|typed| typed.expose().len() <= 128));
                    }
                }
            }
        }
    });
    let Ok(packet) = read_again(datagram) else { return };
    let length: usize = packet.attributes().map(|attribute| attribute.value.len() + 2).sum();
    assert_eq!(length + 20, packet.bytes().len(), "attributes fill the packet");
    for kind in (0..=255).map(AttributeType) {
        assert_eq!(
            packet.first(kind).map(|found| found.value),
            packet.all(kind).next().map(|found| found.value)
        );
    }
    for attribute in packet.attributes() {
        for (_, _, value) in vendor_attributes(attribute.value) {
            assert!(value.len() + 6 <= attribute.value.len());
        }
        let _ = secret().decrypt_salted(attribute.value, packet.authenticator());
    }
    let _ = (packet.eap_message(), packet.framed_mtu(), packet.user_password(&secret()));
    // Whatever was asked, an answer fits and is good.
    for code in [Code::ACCESS_ACCEPT, Code::ACCESS_REJECT, Code::ACCESS_CHALLENGE] {
        let reply = Reply::to(&packet, code).message("no").attribute(AttributeType::STATE, &[7; 24]);
        let Ok(sealed) = reply.seal(&secret()) else { continue };
        assert!(sealed.len() <= 4096);
        let (answer, signed) = verify_response(packet.authenticator(), &sealed, &secret()).unwrap();
        assert!(signed && answer.identifier() == packet.identifier() && answer.code() == code);
        let states = |packet: &Packet<'_>| -> Vec<Vec<u8>> {
            packet.all(AttributeType::PROXY_STATE).map(|found| found.value.to_vec()).collect()
        };
        assert_eq!(states(&packet), states(&answer));
    }
}

/// Only the octets that Length counts matter.
fn read_again(datagram: &[u8]) -> Result<Packet<'_>, ()> {
    let packet = Packet::decode(datagram).map_err(drop)?;
    let again = Packet::decode(packet.bytes()).unwrap();
    assert!(again.attributes().map(|found| found.value).eq(packet.attributes().map(|found| found.value)));
    Ok(again)
}

/// An answer, as a proxy or a forger may send one.
fn answered(answer: &[u8]) {
    let authenticator = [3; 16];
    if let Some((packet, _)) = verify_response(&authenticator, answer, &secret()) {
        assert!(answer.starts_with(packet.bytes()));
    }
}

/// A request of ours, with anything in it.
fn replied(reader: &mut Reader<'_>) {
    let mut request = Request::new(Code::ACCESS_REQUEST, reader.octet(), [reader.octet(); 16]);
    let password = reader.octets();
    request = request.password(Secret::new(password.to_vec()));
    let mut values = Vec::new();
    while !reader.is_empty() && values.len() < 40 {
        let (kind, value) = (reader.octet(), reader.octets());
        request = request.attribute(AttributeType(kind), value);
        values.push((kind, value));
    }
    let Ok(sealed) = request.seal(&secret()) else { return };
    assert!(sealed.len() <= 4096);
    let Ok(packet) = Packet::decode(&sealed) else { return };
    let revealed = packet.user_password(&secret()).map(|password| password.expose().clone());
    // Zeros at the end are padding (RFC 2865 §5.2).
    let kept = password.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    assert_eq!(revealed.as_deref(), Some(&password[..kept]));
    let mut read: Vec<_> = packet.attributes().skip(1).map(|found| (found.kind.0, found.value)).collect();
    assert_eq!(read.pop().map(|(kind, _)| kind), Some(AttributeType::USER_PASSWORD.0));
    assert_eq!(read, values);
}

/// Reply attributes of a configuration, sealed for a request.
fn encoded(reader: &mut Reader<'_>) {
    let request = Request::new(Code::ACCESS_REQUEST, 1, [reader.octet(); 16]).seal(&secret()).unwrap();
    let packet = Packet::decode(&request).unwrap();
    let to = ReplyTo::from(&packet);
    let mut reply = Reply::within(Vec::new(), &to, Code::ACCESS_ACCEPT);
    let (mut hidden, dictionary) = (Vec::new(), Dictionary::standard());
    while !reader.is_empty() {
        match reader.octet() % 4 {
            0 => {
                let (vendor, kind, value) = (reader.number() as u32, reader.octet(), reader.octets());
                let Some(attribute) = EncodedAttribute::plain(vendor, kind, value) else { continue };
                reply = reply.encoded(&attribute);
            }
            1 => {
                let encryption = [Encryption::TunnelPassword, Encryption::Mppe][reader.below(2)];
                let (kind, tag, value) = (reader.octet(), reader.octet() % 32, reader.octets().to_vec());
                hidden.push(Some((
                    matches!(encryption, Encryption::TunnelPassword).then_some(tag),
                    value.clone(),
                )));
                reply = reply.encoded(&EncodedAttribute { bytes: value, encryption, vendor: 311, kind, tag });
            }
            2 => {
                let (name, text) = (reader.octets(), reader.octets());
                let (name, text) = (String::from_utf8_lossy(name), String::from_utf8_lossy(text));
                if let Ok(attribute) = dictionary.encode(&name, &text) {
                    hidden.extend((attribute.encryption != Encryption::None).then_some(None));
                    reply = reply.encoded(&attribute);
                }
            }
            _ => {
                let (text, eap) = (reader.octets(), reader.octets());
                reply = reply.message(&String::from_utf8_lossy(text)).eap_message(eap);
            }
        }
    }
    let Ok(sealed) = reply.seal(&secret()) else { return };
    assert!(sealed.len() <= 4096);
    // Who configures attributes twice that may stand there once has said so.
    let Ok(read) = Packet::decode(&sealed) else { return };
    let (_, signed) = verify_response(packet.authenticator(), &sealed, &secret()).unwrap();
    assert!(signed);
    // What is encrypted stands last.
    let all: Vec<_> = read.attributes().collect();
    for (attribute, known) in all.iter().rev().zip(hidden.iter().rev()) {
        let Some((tag, value)) = known else { continue };
        let [(311, _, inner)] = vendor_attributes(attribute.value)[..] else { panic!("one of a vendor") };
        let inner = match tag {
            Some(tag) => inner.strip_prefix(&[*tag]).unwrap(),
            None => inner,
        };
        let opened = secret().decrypt_salted(inner, packet.authenticator()).unwrap();
        assert_eq!(opened.expose(), value);
    }
}

/// The vectors of the RFCs, and what is malformed in each way.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in files("vectors", &["hex"]) {
        let hex: String =
            String::from_utf8(file).unwrap().lines().filter(|line| !line.starts_with('#')).collect();
        let hex: String = hex.chars().filter(char::is_ascii_hexdigit).collect();
        let Ok(bytes) = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else { continue };
        seeds.push([&[0], bytes.as_slice()].concat());
        seeds.push([&[1], bytes.as_slice()].concat());
    }
    let login = Request::new(Code::ACCESS_REQUEST, 1, [3; 16])
        .attribute(AttributeType::USER_NAME, b"alice")
        .password("password123456".into())
        .attribute(AttributeType::STATE, &[9; 24])
        .attribute(AttributeType::PROXY_STATE, b"proxy")
        .attribute(AttributeType::VENDOR_SPECIFIC, &[0, 0, 0, 9, 1, 3, 65])
        .attribute(AttributeType::EAP_MESSAGE, &[2, 1, 0, 5, 1]);
    let login = login.seal(&secret()).unwrap();
    seeds.push([&[0], login.as_slice()].concat());
    let packet = Packet::decode(&login).unwrap();
    let accept = Reply::to(&packet, Code::ACCESS_ACCEPT).message("welcome").seal(&secret()).unwrap();
    seeds.push([&[1], accept.as_slice()].concat());
    seeds.push(b"\x02\x01\x03\x08password\x01\x05alice\x18\x04\x01\x02\x03\x04!\x02ab".to_vec());
    seeds.push(b"\x03\x07\x00\x01\x37\x0c\x03abc\x01\x01\x45\x02\x14a-password-of-tunnels\x02\x05Class\x03abc\x03\x02hi\x04\x01\x02\x00\x04".to_vec());
    seeds
}
