//! What a State leads to while a response is being decided, and after.

use super::*;
use crate::base::Timestamp;
use crate::eap::{InnerMethod, Place, Sessions, Settings};
use crate::wire::eap::{Fragment, Method, Packet, request};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

const NAME: &str = "radius.example.edu";
const LIFETIME: Duration = Duration::from_secs(60);

/// A conversation by TTLS that waits for the first word of its device, with its State and that word.
struct World {
    conversations: Arc<Conversations>,
    state: RoundState,
    hello: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let server = Arc::new(server);
        let settings = Settings {
            ttls: Arc::clone(&server),
            peap: server,
            tls: None,
            names: Vec::new(),
            packet: 1000,
            rounds: 64,
            octets: 65536,
            session_lifetime: Duration::ZERO,
            light_key: true,
            vouching: [0; 32],
            lists_end: None,
        };
        let place = Place {
            sessions: Sessions::new(10),
            client: [1; 32],
            inner: vec![InnerMethod::Pap],
            challenge: [2; 16],
            now: Timestamp::from_secs(1000),
            mtu: None,
        };
        let (conversation, step) = Conversation::start(Arc::new(settings), vec![Method::TTLS], place, 7);
        let Step::Request(start) = step else { panic!("{step:?}") };
        let (conversations, now) = (Arc::<Conversations>::default(), Instant::now());
        let (client, peer) = ("wifi".to_owned(), "127.0.0.1".parse().unwrap());
        let (identity, station) = (String::new(), String::new());
        let new = New { conversation, client, peer, identity, station, now };
        let (held, _) = conversations.begin(new, [1; PLACE], (10, LIFETIME));
        let state = held.unwrap().wait(&start, [2; FRESH]);

        let device = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let device = device.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut device = ClientConnection::new(Arc::new(device), NAME.try_into().unwrap()).unwrap();
        let mut data = Vec::new();
        device.write_tls(&mut data).unwrap();
        let data = Fragment { total: None, more: false, version: 0, data: &data }.encode();
        let identifier = Packet::decode(&start).unwrap().identifier;
        let mut hello = request(identifier, Method::TTLS, &data);
        hello[0] = 2;
        Self { conversations, state, hello }
    }

    fn take(&self, response: &[u8]) -> Found {
        self.conversations.take(&self.state, "wifi", response, (Instant::now(), LIFETIME))
    }

    fn hold(&self) -> Held {
        match self.take(&self.hello) {
            Found::Open(held, false) => held,
            other => panic!("{other:?}"),
        }
    }
}

// The request was over before the thread had done its part.
#[test]
fn what_a_response_has_led_to_waits_for_whoever_brings_it_again() {
    let world = World::new();
    let mut held = world.hold();
    assert!(matches!(world.take(&world.hello), Found::Busy));
    held.receive(&world.hello);
    drop(held);
    let other = [&world.hello[..], b"padding"].concat();
    assert!(matches!(world.take(&other), Found::Stray), "one was taken for this round");
    let Found::Open(mut held, true) = world.take(&world.hello) else { panic!("it was taken before") };
    let Some(Step::Request(request)) = held.open().unwrap().came.take() else { panic!("an answer") };
    let present = held.wait(&request, [3; FRESH]);
    match world.take(&world.hello) {
        Found::Repeated(again, state) => assert_eq!((again, state), (request, present)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(world.take(&other), Found::Stray), "an old State");
}

#[test]
fn what_was_not_asked_for_leaves_the_round_to_what_was() {
    let world = World::new();
    let mut stray = world.hello.clone();
    stray[1] ^= 1;
    let Found::Open(mut held, false) = world.take(&stray) else { panic!("nothing was taken yet") };
    held.receive(&stray);
    assert!(held.open().unwrap().came.is_none());
    drop(held);
    let mut held = world.hold();
    held.receive(&world.hello);
    assert!(held.open().unwrap().came.is_some());
}

#[test]
fn conversation_that_a_mistake_was_made_in_is_over() {
    let world = World::new();
    let held = world.hold();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = held;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(matches!(world.take(&world.hello), Found::Unknown));
    assert_eq!(world.conversations.len(), 0);
}
