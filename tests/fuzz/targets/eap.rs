//! EAP: its packets (`wire::eap`), conversations with a device that sends anything, and what a device sends through a tunnel that it
//! has built properly (`eap`).

use super::Reader;
use doorward::base::Timestamp;
use doorward::domain::person::{Person, PersonId, Username};
use doorward::domain::reason::Reason;
use doorward::eap::{Answer, Conversation, InnerMethod, NameKind, Place, Question, Sessions, Settings, Step};
use doorward::wire::eap::mschapv2::FromPeer;
use doorward::wire::eap::{Avp, Avps, Fragment, Method, Packet, push_avp, request};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, version};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const NAME: &str = "radius.example.edu";
/// Steps of one conversation.
const STEPS: usize = 60;

/// The first octet says what is tried with the others.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    match reader.octet() % 3 {
        0 => packets(reader.0),
        1 => conversation(&mut reader),
        _ => tunnels(&mut reader),
    }
}

fn packets(bytes: &[u8]) {
    if let Ok(packet) = Packet::decode(bytes) {
        assert!(packet.data.len() < bytes.len());
        if let Some(method) = packet.method {
            let mut again = request(packet.identifier, method, packet.data);
            again[0] = bytes[0];
            assert!(bytes.starts_with(&again));
        }
    }
    if let Ok(fragment) = Fragment::decode(bytes) {
        assert!(Fragment::decode(&fragment.encode()).is_ok_and(|again| again == fragment));
    }
    let mut made = Vec::new();
    for avp in Avps::new(bytes) {
        let Ok(avp) = avp else { break };
        assert!(avp.value.len() + 8 <= bytes.len());
        push_avp(&mut made, avp.vendor, avp.code, avp.value);
    }
    assert!(Avps::new(&made).all(|avp| avp.is_ok()));
    if let Some(FromPeer::Response { name, .. }) = FromPeer::decode(bytes) {
        assert_eq!(name.len() + 54, bytes.len());
    }
}

/// What is the same for all: a certificate costs more than a conversation.
struct Ground {
    server: Arc<ServerConfig>,
    roots: RootCertStore,
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server =
            server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Ground { server: Arc::new(server), roots }
    })
}

fn settings(packet: usize) -> Arc<Settings> {
    let server = Arc::clone(&ground().server);
    Arc::new(Settings {
        ttls: Arc::clone(&server),
        peap: Arc::clone(&server),
        tls: Some(server),
        names: vec![NameKind::Common],
        packet,
        rounds: 40,
        octets: 65536,
        session_lifetime: Duration::from_secs(600),
        light_key: true,
        vouching: [0; 32],
        lists_end: None,
    })
}

fn place(sessions: &Arc<Sessions>, inner: u8) -> Place {
    let all = [InnerMethod::Pap, InnerMethod::Gtc, InnerMethod::Mschapv2];
    let inner = all
        .into_iter()
        .enumerate()
        .filter(|(at, _)| inner & 1 << at == 0)
        .map(|(_, method)| method)
        .collect();
    let sessions = Arc::clone(sessions);
    Place { sessions, client: [1; 32], inner, challenge: [2; 16], now: Timestamp::from_secs(1000), mtu: None }
}

fn person() -> Arc<Person> {
    Arc::new(Person {
        version: 3,
        ..Person::named(PersonId::from_uuid(uuid::Uuid::nil()), Username::parse("ann").unwrap())
    })
}

/// Anything, in packets that fit the last request or do not. Nobody has shown anything: there is no question, and no success.
fn conversation(reader: &mut Reader<'_>) {
    let (sessions, mtu, inner) = (Sessions::new(4), 100 + 8 * usize::from(reader.octet()), reader.octet());
    let methods = [Method::TTLS, Method::PEAP, Method::TLS];
    let first = reader.below(3);
    let methods = methods.iter().cycle().skip(first).take(3).copied().collect();
    let (mut conversation, mut step) =
        Conversation::start(settings(mtu), methods, place(&sessions, inner), reader.octet());
    for _ in 0..STEPS {
        let (identifier, method) = match &step {
            Step::Request(bytes) => {
                assert!(bytes.len() <= mtu.max(100), "{}", bytes.len());
                let asked = Packet::decode(bytes).unwrap();
                (asked.identifier, asked.method.unwrap())
            }
            Step::Ignore => (0, Method::TTLS),
            Step::Failure { .. } => break,
            Step::Ask | Step::Success { .. } => panic!("nobody has shown anything: {step:?}"),
        };
        if reader.is_empty() {
            break;
        }
        let response = match reader.octet() % 4 {
            0 => reader.octets().to_vec(),
            1 => respond(identifier, Method(reader.octet()), reader.octets()),
            2 => respond(identifier, method, reader.octets()),
            _ => {
                let length = reader.number() % 1500;
                respond(identifier, method, &[&[0], reader.take(length)].concat())
            }
        };
        let _ = conversation.cost(&response);
        step = conversation.receive(&response);
    }
}

fn respond(identifier: u8, method: Method, data: &[u8]) -> Vec<u8> {
    let mut bytes = request(identifier, method, data);
    bytes[0] = 2;
    bytes
}

/// A device that builds tunnels, twice, so that it may resume, and sends anything through them.
fn tunnels(reader: &mut Reader<'_>) {
    let sessions = Sessions::new(4);
    let version = [&version::TLS12, &version::TLS13][reader.below(2)];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = Arc::new(config.with_root_certificates(ground().roots.clone()).with_no_client_auth());
    let mut accepted = false;
    for _ in 0..2 {
        accepted |= tunnel(reader, &sessions, &config, accepted);
        if reader.is_empty() {
            break;
        }
    }
}

/// Whether the answer was yes. `before`: it has been, and there may be a session.
fn tunnel(
    reader: &mut Reader<'_>,
    sessions: &Arc<Sessions>,
    config: &Arc<ClientConfig>,
    before: bool,
) -> bool {
    let method = [Method::TTLS, Method::PEAP][reader.below(2)];
    let (mtu, part, inner) =
        (200 + 8 * usize::from(reader.octet()), 200 + 8 * usize::from(reader.octet()), reader.octet());
    let mut device = ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    let (mut conversation, mut step) =
        Conversation::start(settings(mtu), vec![method], place(sessions, inner), 7);
    let (mut heard, mut queue) = (Vec::new(), std::collections::VecDeque::new());
    let mut accepted = false;
    for _ in 0..STEPS {
        let bytes = match step {
            Step::Request(bytes) => bytes,
            Step::Ask => {
                let question = conversation.question().expect("a question");
                assert!(
                    before || !matches!(question, Question::Session(_)),
                    "no answer was yes of which there could be one"
                );
                let exchange = matches!(question, Question::Exchange { .. });
                let answer = answer(reader.octet(), exchange);
                accepted = matches!(answer, Answer::Accepted { .. });
                step = conversation.decided(answer);
                continue;
            }
            Step::Success { key, .. } => {
                assert!(accepted, "only the answer opens the door");
                assert!(key.expose().iter().any(|octet| *octet != 0));
                return true;
            }
            Step::Failure { .. } | Step::Ignore => return accepted,
        };
        assert!(bytes.len() <= mtu, "{}", bytes.len());
        let asked = Packet::decode(&bytes).unwrap();
        if asked.data.first().is_some_and(|flags| flags & 0x20 == 0) {
            let fragment = Fragment::decode(asked.data).unwrap();
            heard.extend_from_slice(fragment.data);
            if fragment.more {
                step = conversation.receive(&respond(asked.identifier, method, &[0]));
                continue;
            }
        }
        if queue.is_empty() && !next(&mut device, &mut heard, &mut queue, (reader, part, method)) {
            return accepted;
        }
        let data = queue.pop_front().unwrap_or_else(|| vec![0]);
        step = conversation.receive(&respond(asked.identifier, method, &data));
    }
    accepted
}

fn answer(how: u8, exchange: bool) -> Answer {
    let proof = exchange.then(|| "S=0123456789ABCDEF0123456789ABCDEF01234567".to_owned());
    match how % 3 {
        0 => Answer::Accepted {
            person: person(),
            reason: Reason::PasswordOnly,
            factors: Default::default(),
            proof,
        },
        1 => Answer::Ask("Enter a passcode:".to_owned()),
        _ => Answer::Refused,
    }
}

/// The device takes what it has heard, and says the next thing; `false` if it hears what is no TLS.
fn next(
    device: &mut ClientConnection,
    heard: &mut Vec<u8>,
    queue: &mut std::collections::VecDeque<Vec<u8>>,
    (reader, part, method): (&mut Reader<'_>, usize, Method),
) -> bool {
    let mut rest = heard.as_slice();
    while !rest.is_empty() {
        if device.read_tls(&mut rest).is_err() || device.process_new_packets().is_err() {
            return false;
        }
    }
    heard.clear();
    let mut plain = Vec::new();
    let _ = device.reader().read_to_end(&mut plain);
    if !device.is_handshaking() && !reader.is_empty() {
        let said = inside(reader, method, &plain);
        device.writer().write_all(&said).unwrap();
    }
    let mut records = Vec::new();
    while device.wants_write() {
        device.write_tls(&mut records).unwrap();
    }
    let parts: Vec<_> = records.chunks(part).collect();
    for (at, data) in parts.iter().enumerate() {
        let total = (at == 0 && parts.len() > 1).then(|| u32::try_from(records.len()).unwrap());
        queue.push_back(Fragment { total, more: at + 1 < parts.len(), version: 0, data }.encode());
    }
    true
}

/// What is said inside: proper words with improper contents, or anything.
fn inside(reader: &mut Reader<'_>, method: Method, asked: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let ttls = method == Method::TTLS;
    // In PEAP the head of a packet is left out, in TTLS it stands in an AVP.
    let eap = |kind: u8, data: &[u8]| {
        let identifier = if ttls { asked.get(9).copied() } else { None }.unwrap_or_default();
        let whole = respond(identifier, Method(kind), data);
        let mut avp = Vec::new();
        push_avp(&mut avp, 0, Avp::EAP_MESSAGE, &whole);
        if ttls { avp } else { whole[4..].to_vec() }
    };
    match reader.octet() % 8 {
        0 => said.extend_from_slice(reader.octets()),
        1 => {
            push_avp(&mut said, 0, Avp::USER_NAME, b"ann");
            push_avp(&mut said, 0, Avp::USER_PASSWORD, reader.octets());
        }
        2 => push_avp(&mut said, u32::from(reader.octet()), u32::from(reader.octet()), reader.octets()),
        3 => said = eap(1, b"ann"),
        4 => said = eap(6, reader.octets()),
        5 => {
            let mut data = vec![2, reader.octet(), 0, 57, 49];
            data.extend([1; 16].into_iter().chain([0; 8]).chain([2; 24]).chain([0]));
            data.extend_from_slice(b"ann");
            said = eap(26, &data);
        }
        6 => {
            push_avp(&mut said, 0, Avp::USER_NAME, b"ann");
            push_avp(&mut said, Avp::MICROSOFT, Avp::MS_CHAP_CHALLENGE, &[reader.octet(); 16]);
            push_avp(&mut said, Avp::MICROSOFT, Avp::MS_CHAP2_RESPONSE, &[7; 50]);
        }
        _ => said = eap(reader.octet(), reader.octets()),
    }
    said
}

/// Logins that end well, and beginnings.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut response = vec![0, 2, 9, 0, 62, 26, 2, 9, 0, 57, 49];
    response.extend([1; 48].into_iter().chain([0]));
    response.extend(b"ann");
    vec![
        // Packets.
        b"\x00\x02\x01\x00\x08\x01ann".to_vec(),
        b"\x00\xc0\x00\x00\x00\x07abcd".to_vec(),
        b"\x00\x00\x00\x00\x01\x40\x00\x00\x0bann\x00\x00\x00\x00\x02\x40\x00\x00\x0ahi".to_vec(),
        b"\x00\x00\x00\x00\x0b\xc0\x00\x00\x1c\x00\x00\x01\x37abcdefghijklmnop".to_vec(),
        response,
        // A refusal of the method, and no TLS.
        b"\x01\x20\x00\x00\x07\x01\x03\x02\x19\x0d\x02\x06\x00\x16\x03\x01\x00\x02".to_vec(),
        // TLS 1.3, TTLS, PAP, let in, and the same with its session.
        b"\x02\x01\x00\x80\x80\x00\x01\x07hunter2\x00\x00\x80\x80\x00\x00".to_vec(),
        b"\x02\x00\x00\x80\x80\x00\x01\x07hunter2\x00\x00\x80\x80\x00\x00".to_vec(),
        // Asked for a passcode, refused.
        b"\x02\x01\x00\x80\x80\x00\x01\x07hunter2\x01\x01\x06123456\x02".to_vec(),
        // PEAP with GTC; in small fragments.
        b"\x02\x00\x01\x80\x80\x00\x03\x04\x07hunter2\x00".to_vec(),
        b"\x02\x01\x01\x00\x00\x00\x03\x04\x07hunter2\x00".to_vec(),
        // MSCHAPv2, by attributes and as EAP.
        b"\x02\x01\x00\x80\x80\x00\x06\x02\x00".to_vec(),
        b"\x02\x01\x00\x80\x80\x03\x03\x05\x07\x00\x07\x1a\x01\x03".to_vec(),
    ]
}
