//! Conversations with a device of our own: rustls on both sides, no sockets.

use super::*;
use crate::base::Timestamp;
use crate::domain::person::{Person, PersonId, Username};
use crate::domain::reason::Reason;
use crate::wire::eap::{Avp, Fragment, Packet, push_avp, request};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};
use std::io::Write;

const NAME: &str = "radius.example.edu";

struct World {
    now: Timestamp,
    settings: Arc<Settings>,
    sessions: Arc<Sessions>,
    roots: RootCertStore,
}

impl World {
    fn new(packet: usize) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        // With more than one, another would still be there when one was refused.
        server.send_tls13_tickets = 1;
        let server = Arc::new(server);
        let settings = Settings {
            ttls: Arc::clone(&server),
            peap: server,
            tls: None,
            names: vec![NameKind::Common],
            packet,
            rounds: 64,
            octets: 65536,
            session_lifetime: Duration::from_secs(60),
            light_key: true,
            vouching: [0; 32],
            lists_end: None,
        };
        let now = Timestamp::from_secs(1000);
        Self { now, settings: Arc::new(settings), sessions: Sessions::new(10), roots }
    }

    fn device(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        Arc::new(config.with_root_certificates(self.roots.clone()).with_no_client_auth())
    }

    /// Asks for a certificate from now on; who is given one of `ann` that ends in 2090.
    fn with_certificates(&mut self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        self.with_certificates_by(version, [Arc::clone(&provider), provider])
    }

    /// The same with other cryptography of the server and of the device.
    fn with_certificates_by(
        &mut self,
        version: &'static SupportedProtocolVersion,
        [provider, devices]: [Arc<CryptoProvider>; 2],
    ) -> Arc<ClientConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().der().clone();
        let issuer = rcgen::Issuer::new(params, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "ann");
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        let own = params.signed_by(&key, &issuer).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let settings = Arc::make_mut(&mut self.settings);
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_cert_resolver(Arc::clone(&settings.ttls.cert_resolver));
        settings.tls = Some(Arc::new(tls));
        settings.session_lifetime = Duration::from_secs(200 * 365 * 86400);
        let config = ClientConfig::builder_with_provider(devices).with_protocol_versions(&[version]).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_root_certificates(self.roots.clone());
        Arc::new(config.with_client_auth_cert(vec![own], key).unwrap())
    }

    fn start(&self, methods: &[Method]) -> (Conversation, Step) {
        self.start_with(methods, &[InnerMethod::Pap, InnerMethod::Gtc])
    }

    fn start_with(&self, methods: &[Method], inner: &[InnerMethod]) -> (Conversation, Step) {
        let place = Place {
            sessions: Arc::clone(&self.sessions),
            client: [1; 32],
            inner: inner.to_vec(),
            challenge: [2; 16],
            now: self.now,
            mtu: None,
        };
        Conversation::start(Arc::clone(&self.settings), methods.to_vec(), place, 7)
    }
}

fn person() -> Arc<Person> {
    Arc::new(Person {
        version: 3,
        ..Person::named(PersonId::from_uuid(uuid::Uuid::nil()), Username::parse("ann").unwrap())
    })
}

fn respond(to: &Packet<'_>, method: Method, data: &[u8]) -> Vec<u8> {
    let mut bytes = request(to.identifier, method, data);
    bytes[0] = 2;
    bytes
}

/// What a run came to.
struct Run {
    end: Step,
    device: ClientConnection,
    questions: Vec<String>,
    /// What it was expected to cost to take each response.
    costs: Vec<Cost>,
    /// Sessions that there were when it was decided.
    early: usize,
    /// The longest packet that the server sent.
    longest: usize,
}

/// A whole TTLS login with a password; `yes` is what the login machine says. The device sends parts of `part` octets.
fn ttls(world: &World, config: &Arc<ClientConfig>, part: usize, yes: bool) -> Run {
    login(world, Method::TTLS, config, (part, yes))
}

/// The same by TTLS or TLS.
fn login(world: &World, method: Method, config: &Arc<ClientConfig>, (part, yes): (usize, bool)) -> Run {
    let mut device = ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    let (mut conversation, mut step) = world.start(&[method]);
    let (mut heard, mut queue, mut told) = (Vec::new(), std::collections::VecDeque::new(), false);
    let (mut questions, mut longest, mut early) = (Vec::new(), 0, 0);
    let mut costs = Vec::new();
    let mut receive = |conversation: &mut Conversation, response: Vec<u8>| {
        costs.push(conversation.cost(&response));
        conversation.receive(&response)
    };
    loop {
        let bytes = match step {
            Step::Request(bytes) => bytes,
            Step::Ask => {
                questions.push(format!("{:?}", conversation.question().unwrap()));
                let accepted = Answer::Accepted {
                    person: person(),
                    reason: Reason::PasswordOnly,
                    factors: Default::default(),
                    proof: None,
                };
                step = conversation.decided(if yes { accepted } else { Answer::Refused });
                early = world.sessions.len();
                continue;
            }
            end => return Run { end, device, questions, costs, early, longest },
        };
        longest = longest.max(bytes.len());
        let packet = Packet::decode(&bytes).unwrap();
        if packet.data != [0x20] {
            let fragment = Fragment::decode(packet.data).unwrap();
            heard.extend_from_slice(fragment.data);
            if fragment.more {
                step = receive(&mut conversation, respond(&packet, method, &[0]));
                continue;
            }
        }
        if queue.is_empty() {
            let mut rest = heard.as_slice();
            while !rest.is_empty() {
                device.read_tls(&mut rest).unwrap();
                device.process_new_packets().unwrap();
            }
            heard.clear();
            let resumed = device.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            if !device.is_handshaking() && !told && !resumed && method == Method::TTLS {
                told = true;
                let mut avps = Vec::new();
                push_avp(&mut avps, 0, Avp::USER_NAME, b"ann");
                push_avp(&mut avps, 0, Avp::USER_PASSWORD, b"hunter2\0\0\0");
                device.writer().write_all(&avps).unwrap();
            }
            let mut records = Vec::new();
            while device.wants_write() {
                device.write_tls(&mut records).unwrap();
            }
            let parts: Vec<_> = records.chunks(part).collect();
            for (at, data) in parts.iter().enumerate() {
                let total = (at == 0 && parts.len() > 1).then(|| u32::try_from(records.len()).unwrap());
                let more = at + 1 < parts.len();
                queue.push_back(Fragment { total, more, version: 0, data }.encode());
            }
        }
        let next = queue.pop_front().unwrap_or_else(|| vec![0]);
        step = receive(&mut conversation, respond(&packet, method, &next));
    }
}

#[test]
fn both_sides_have_the_same_key_whatever_the_version_and_the_size_of_fragments() {
    for packet in [100, 300, 3000] {
        let world = World::new(packet);
        for version in [&version::TLS12, &version::TLS13] {
            let run = ttls(&world, &world.device(version), packet / 2, true);
            let Step::Success { eap, key } = run.end else { panic!("{:?}", run.end) };
            assert_eq!(eap[0], 3);
            assert_eq!(run.questions, ["a password"]);
            assert!(run.longest <= packet, "{} of {packet}", run.longest);
            let material = if version.version == rustls::ProtocolVersion::TLSv1_3 {
                run.device.export_keying_material([0; 128], b"EXPORTER_EAP_TLS_Key_Material", Some(&[21]))
            } else {
                run.device.export_keying_material([0; 128], b"ttls keying material", None)
            };
            assert_eq!(key.expose()[..], material.unwrap()[..64]);
        }
    }
}

#[test]
fn only_what_may_be_arithmetic_of_public_keys_is_expected_to_cost_much() {
    use Cost::{Heavy, Light, Middle};
    let costs = |light_key: bool, version, method| {
        let mut world = World::new(1200);
        let mut config = world.device(version);
        if method == Method::TLS {
            config = world.with_certificates(version);
        }
        Arc::make_mut(&mut world.settings).light_key = light_key;
        let costs = || {
            let run = login(&world, method, &config, (1000, true));
            assert!(matches!(run.end, Step::Success { .. }), "{:?}", run.end);
            run.costs
        };
        // What a session brings is not known before the hello was read.
        [costs(), costs()]
    };
    for (light_key, hello) in [(true, Middle), (false, Heavy)] {
        for method in [Method::TTLS, Method::TLS] {
            let (hello, key_exchange) = if method == Method::TLS { (Heavy, Heavy) } else { (hello, Middle) };
            let [full, resumed] = costs(light_key, &version::TLS12, method);
            assert_eq!(full[..2], [hello, key_exchange]);
            assert!(full[2..].iter().all(|cost| *cost == Light), "{full:?}");
            assert_eq!(resumed, [hello, Light]);
            let finished = if method == Method::TLS { Heavy } else { Light };
            let [full, resumed] = costs(light_key, &version::TLS13, method);
            assert_eq!(full[..2], [hello, finished]);
            assert!(full[2..].iter().all(|cost| *cost == Light), "{full:?}");
            assert_eq!(resumed, [hello, Light, Light]);
        }
    }
    // A part is only kept.
    let mut world = World::new(1200);
    Arc::make_mut(&mut world.settings).light_key = false;
    let run = ttls(&world, &world.device(&version::TLS13), 60, true);
    let heavy = run.costs.iter().position(|cost| *cost == Heavy);
    assert!(heavy > Some(1), "{:?}", run.costs);
    assert_eq!(run.costs.iter().filter(|cost| **cost != Light).count(), 1, "{:?}", run.costs);
    // Whoever asks for the next part of ours, or for another method, brings nothing.
    let world = World::new(100);
    let run = ttls(&world, &world.device(&version::TLS12), 1000, true);
    assert_eq!(run.costs.iter().filter(|cost| **cost != Light).count(), 2, "{:?}", run.costs);
    let (conversation, step) = world.start(&[Method::PEAP, Method::TTLS]);
    let Step::Request(bytes) = step else { panic!("{step:?}") };
    let wish = respond(&Packet::decode(&bytes).unwrap(), Method::NAK, &[4, 21]);
    assert_eq!(conversation.cost(&wish), Light);
}

// RFC 8446 §4.1.4
#[test]
fn second_hello_is_expected_to_cost_as_much_as_the_first() {
    let mut world = World::new(1200);
    let only = |group| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups = group;
        Arc::new(provider)
    };
    use rustls::crypto::aws_lc_rs::kx_group::{SECP256R1, SECP384R1};
    let server = only(vec![SECP384R1]);
    let devices = only(vec![SECP256R1, SECP384R1]);
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&server)).with_safe_default_protocol_versions();
    let resolver = Arc::clone(&world.settings.ttls.cert_resolver);
    let config = config.unwrap().with_no_client_auth().with_cert_resolver(resolver);
    let settings = Arc::make_mut(&mut world.settings);
    (settings.ttls, settings.light_key) = (Arc::new(config), false);
    let device = ClientConfig::builder_with_provider(Arc::clone(&devices));
    let device = device.with_protocol_versions(&[&version::TLS13]).unwrap();
    let device = device.with_root_certificates(world.roots.clone()).with_no_client_auth();
    let run = ttls(&world, &Arc::new(device), 1000, true);
    assert!(matches!(run.end, Step::Success { .. }), "{:?}", run.end);
    assert_eq!(run.costs[..2], [Cost::Heavy; 2]);
    // With a light key, too, the certificate of a device is what it is; it comes with the third message then.
    let config = world.with_certificates_by(&version::TLS13, [server, devices]);
    Arc::make_mut(&mut world.settings).light_key = true;
    let run = login(&world, Method::TLS, &config, (1000, true));
    assert!(matches!(run.end, Step::Success { .. }), "{:?}", run.end);
    assert_eq!(run.costs[..3], [Cost::Heavy; 3]);
}

// CVE-2017-9148
#[test]
fn session_can_be_resumed_only_after_the_answer_was_yes() {
    for version in [&version::TLS12, &version::TLS13] {
        let world = World::new(1200);
        let config = world.device(version);
        for (yes, question) in [(false, "a password"), (false, "a password"), (true, "a password")] {
            let run = ttls(&world, &config, 1000, yes);
            assert_eq!(run.questions, [question]);
            assert_eq!((matches!(run.end, Step::Success { .. }), world.sessions.is_empty()), (yes, !yes));
        }
        let again = ttls(&world, &config, 1000, true);
        assert_eq!(again.questions, ["a session"]);
        assert!(matches!(again.end, Step::Success { .. }));
        let refused = ttls(&world, &config, 1000, false);
        assert_eq!(refused.questions, ["a session"]);
        assert!(matches!(refused.end, Step::Failure { why: Ended::Refused, .. }));
        assert_eq!(
            ttls(&world, &config, 1000, true).questions,
            ["a password"],
            "it is worth nothing any more"
        );
    }
}

#[test]
fn methods_are_offered_once_and_another_identifier_is_ignored() {
    let world = World::new(1200);
    let (mut conversation, step) = world.start(&[Method::PEAP, Method::TTLS]);
    let Step::Request(bytes) = step else { panic!("{step:?}") };
    let first = Packet::decode(&bytes).unwrap();
    assert_eq!(first.method, Some(Method::PEAP));
    let stray = Packet { identifier: first.identifier.wrapping_add(1), ..first };
    assert!(matches!(conversation.receive(&respond(&stray, Method::NAK, &[21])), Step::Ignore));
    assert!(matches!(conversation.receive(&[1, 2]), Step::Ignore));
    let Step::Request(bytes) = conversation.receive(&respond(&first, Method::NAK, &[4, 21])) else {
        panic!()
    };
    let second = Packet::decode(&bytes).unwrap();
    assert_eq!((second.method, second.data), (Some(Method::TTLS), &[0x20][..]));
    let end = conversation.receive(&respond(&second, Method::NAK, &[25]));
    assert!(matches!(end, Step::Failure { why: Ended::NoMethod, .. }), "{end:?}");
    assert!(
        matches!(conversation.receive(&respond(&second, Method::NAK, &[21])), Step::Ignore),
        "it is over"
    );
}

#[test]
fn session_is_kept_when_the_last_of_ours_has_arrived_and_not_before() {
    let world = World::new(1200);
    let run = ttls(&world, &world.device(&version::TLS13), 1000, true);
    assert!(matches!(run.end, Step::Success { .. }));
    assert_eq!((run.early, world.sessions.len()), (0, 1), "its ticket was on its way");
}

#[test]
fn method_that_lacks_what_it_needs_is_not_offered() {
    let world = World::new(1200);
    let offered = |methods: &[Method], inner: &[InnerMethod]| match world.start_with(methods, inner).1 {
        Step::Request(bytes) => Packet::decode(&bytes).unwrap().method,
        Step::Failure { why: Ended::NoMethod, .. } => None,
        step => panic!("{step:?}"),
    };
    let (pap, gtc) = ([InnerMethod::Pap], [InnerMethod::Gtc]);
    assert_eq!(offered(&[Method::TLS, Method::TTLS], &pap), Some(Method::TTLS), "there is no authority");
    assert_eq!(offered(&[Method::TLS], &pap), None);
    assert_eq!(offered(&[Method::PEAP, Method::TTLS], &pap), Some(Method::TTLS), "PEAP knows EAP alone");
    assert_eq!(offered(&[Method::PEAP, Method::TTLS], &gtc), Some(Method::PEAP));
    assert_eq!(offered(&[Method::PEAP, Method::TTLS], &[]), None);
}

#[test]
fn session_of_a_certificate_ends_with_the_list_that_says_it_is_not_revoked() {
    let mut world = World::new(1200);
    let config = world.with_certificates(&version::TLS12);
    Arc::make_mut(&mut world.settings).lists_end = Timestamp::parse("2080-01-01T00:00:00Z");
    let mut questions = |at: &str| {
        world.now = Timestamp::parse(at).unwrap();
        login(&world, Method::TLS, &config, (1000, true)).questions
    };
    assert_eq!(questions("2026-01-01T00:00:00Z"), ["a certificate"]);
    assert_eq!(questions("2079-12-31T23:59:59Z"), ["a session"]);
    assert_eq!(questions("2080-01-01T00:00:00Z"), ["a certificate"]);
}

#[test]
fn who_vouches_for_certificates_matters_to_sessions_of_certificates_alone() {
    let mut world = World::new(1200);
    let (plain, certified) = (world.device(&version::TLS13), world.with_certificates(&version::TLS13));
    let mut logins = |vouching| {
        Arc::make_mut(&mut world.settings).vouching = [vouching; 32];
        let [plain, certified] = [(Method::TTLS, &plain), (Method::TLS, &certified)]
            .map(|(method, config)| login(&world, method, config, (1000, true)).questions);
        [plain, certified].concat()
    };
    assert_eq!(logins(1), ["a password", "a certificate"]);
    assert_eq!(logins(1), ["a session", "a session"]);
    assert_eq!(logins(2), ["a session", "a certificate"]);
}

#[test]
fn session_of_a_certificate_ends_with_it() {
    for version in [&version::TLS12, &version::TLS13] {
        let mut world = World::new(1200);
        let config = world.with_certificates(version);
        let mut questions = |at: &str| {
            world.now = Timestamp::parse(at).unwrap();
            let run = login(&world, Method::TLS, &config, (1000, true));
            assert!(matches!(run.end, Step::Success { .. }), "{:?}", run.end);
            run.questions
        };
        assert_eq!(questions("2026-01-01T00:00:00Z"), ["a certificate"]);
        assert_eq!(questions("2089-12-31T23:59:59Z"), ["a session"]);
        assert_eq!(questions("2090-01-01T00:00:01Z"), ["a certificate"], "it would not open any more");
    }
}

// In TLS 1.2 its name stands in the clear.
#[test]
fn session_is_not_ended_by_somebody_who_only_knows_its_name() {
    let world = World::new(1200);
    let config = world.device(&version::TLS12);
    assert!(matches!(ttls(&world, &config, 1000, true).end, Step::Success { .. }));
    let mut device = ClientConnection::new(Arc::clone(&config), NAME.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    device.write_tls(&mut hello).unwrap();
    let (mut conversation, step) = world.start(&[Method::TTLS]);
    let Step::Request(bytes) = step else { panic!("{step:?}") };
    let hello = Fragment { total: None, more: false, version: 0, data: &hello }.encode();
    let start = Packet::decode(&bytes).unwrap();
    let Step::Request(bytes) = conversation.receive(&respond(&start, Method::TTLS, &hello)) else { panic!() };
    let answer = Packet::decode(&bytes).unwrap();
    // The listener has no key for what comes next.
    let mut step = conversation.receive(&respond(&answer, Method::TTLS, &[0, 22, 3, 3, 0, 4, 1, 2, 3, 4]));
    while let Step::Request(bytes) = step {
        step = conversation.receive(&respond(&Packet::decode(&bytes).unwrap(), Method::TTLS, &[0]));
    }
    assert!(matches!(step, Step::Failure { .. }), "{step:?}");
    assert_eq!(ttls(&world, &config, 1000, true).questions, ["a session"]);
}

/// Who listens has seen the ticket of a device that went away, and knows nothing of what belongs to it.
#[test]
fn ticket_is_not_used_up_by_a_hello_that_names_it_but_by_the_login() {
    let world = World::new(1200);
    let config = world.device(&version::TLS13);
    assert!(matches!(ttls(&world, &config, 1000, true).end, Step::Success { .. }));
    let mut device = ClientConnection::new(Arc::clone(&config), NAME.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    device.write_tls(&mut hello).unwrap();
    let answer = |hello: &[u8]| {
        let (mut conversation, step) = world.start(&[Method::TTLS]);
        let Step::Request(bytes) = step else { panic!("{step:?}") };
        let start = Packet::decode(&bytes).unwrap();
        let hello = Fragment { total: None, more: false, version: 0, data: hello }.encode();
        let step = conversation.receive(&respond(&start, Method::TTLS, &hello));
        let Step::Request(bytes) = step else { panic!("{step:?}") };
        // The type of the first record, and how many sessions are left.
        let records = Packet::decode(&bytes).unwrap();
        (Fragment::decode(records.data).unwrap().data[0], world.sessions.len())
    };
    // The end of the binder.
    let mut forged = hello.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(answer(&forged), (21, 1), "an alert");
    assert_eq!(answer(&hello), (22, 1), "a handshake, and the device goes away");
    let config = world.device(&version::TLS13);
    assert_eq!(ttls(&world, &config, 1000, true).questions.len(), 1);
    assert_eq!(ttls(&world, &config, 1000, true).questions, ["a session"]);
    assert_eq!(world.sessions.len(), 2, "the used one has gone");
}
