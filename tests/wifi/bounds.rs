//! Conversations that lie, repeat themselves, or are too many.

use crate::device::{Nas, Reply, Ttls, Tunnel, response, tls, tls_as};
use crate::support::slapd::until;
use crate::world::World;
use doorward::wire::eap::{Avp, Method, push_avp};
use doorward::wire::radius::Code;
use rustls::{ClientConnection, version};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const METHODS: [Method; 3] = [Method::TTLS, Method::PEAP, Method::TLS];
const MANY: usize = 10_000;

/// A refusal that carries EAP-Failure.
fn refuses(reply: &Reply) -> bool {
    reply.code == Code::ACCESS_REJECT && reply.eap[0] == 4
}

fn impatient() -> World {
    World::with(&[("radius", "reject_delay = \"0s\"")])
}

/// A part with a length.
fn long(flags: u8, total: usize, data: &[u8]) -> Vec<u8> {
    [&[flags], &u32::try_from(total).unwrap().to_be_bytes()[..], data].concat()
}

/// A conversation with the hello, or what would come next inside the tunnel, still to be sent.
fn conversation(world: &World, method: Method, inside: bool) -> (Nas, u8, Vec<u8>) {
    let (certificate, key) = (&world.env["EAP_CLIENT_CERT"], &world.env["EAP_CLIENT_KEY"]);
    let config = tls_as(world, &version::TLS12, (Path::new(certificate), Path::new(key)));
    if inside {
        let mut login = Tunnel::inside(method, Nas::new(world), world, &config).unwrap();
        let user = world.env["LOGIN_USER"].as_bytes();
        let mut plain = Vec::new();
        match method {
            Method::TTLS => push_avp(&mut plain, 0, Avp::EAP_MESSAGE, &response(0, Method::IDENTITY, user)),
            _ => plain = [&[Method::IDENTITY.0], user].concat(),
        }
        let records = login.records_of(&plain);
        let identifier = login.identifier();
        return (login.nas, identifier, records);
    }
    let mut nas = Nas::new(world);
    let start = nas.start(method);
    let name = world.env["EAP_SERVER_NAME"].clone().try_into().unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(config, name).unwrap().write_tls(&mut hello).unwrap();
    (nas, start.identifier(), hello)
}

/// Ways to send a message in parts that do not fit together.
fn lies(message: &[u8]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let (half, rest) = message.split_at(message.len() / 2);
    let all = message.len();
    vec![
        ("no flags", vec![vec![]]),
        ("a start from the device", vec![vec![0x20]]),
        ("a length that is cut off", vec![vec![0x80, 0, 0]]),
        ("an empty part", vec![vec![0x40]]),
        ("more than was told", vec![long(0xc0, half.len(), half), [&[0], rest].concat()]),
        ("less than was told", vec![long(0xc0, all + 1, half), [&[0], rest].concat()]),
        ("another length", vec![long(0xc0, all, half), long(0x80, all - 1, rest)]),
        ("too long", vec![long(0xc0, 70_000, half)]),
        ("no end", vec![long(0xc0, all, half), vec![0]]),
        (
            "a part twice and the rest",
            vec![long(0xc0, all, half), [&[0x40], half].concat(), [&[0], rest].concat()],
        ),
        ("a part twice", vec![long(0xc0, all, half), [&[0], &message[..rest.len()]].concat()]),
        ("the parts the other way round", vec![long(0xc0, all, rest), [&[0], half].concat()]),
        ("no TLS", vec![vec![0, 1, 2, 3, 4, 5, 6, 7]]),
    ]
}

#[test]
fn fragments_that_lie_end_the_conversation() {
    let world = impatient();
    for (method, inside) in METHODS.into_iter().flat_map(|method| [(method, false), (method, true)]) {
        let send = |ways: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
            let (mut nas, identifier, message) = conversation(&world, method, inside);
            let parts = ways(&message);
            let mut reply = nas.exchange(&response(identifier, method, &parts[0]));
            for part in &parts[1..] {
                reply = nas.exchange(&response(reply.identifier(), method, part));
            }
            (nas, reply)
        };
        // Nothing is said inside EAP-TLS.
        if (method, inside) != (Method::TLS, true) {
            let (_, reply) = send(&|message| {
                let (half, rest) = message.split_at(message.len() / 2);
                vec![long(0xc0, message.len(), half), [&[0], rest].concat()]
            });
            assert!(reply.code == Code::ACCESS_CHALLENGE && reply.data().len() > 20, "no lie: {reply:?}");
        }
        for lie in 0..lies(&[0; 9]).len() {
            let (mut nas, mut reply) = send(&|message| lies(message).swap_remove(lie).1);
            // An alert may come first, which is a record of its own type.
            if reply.code == Code::ACCESS_CHALLENGE && reply.data().get(1) == Some(&21) {
                reply = nas.exchange(&response(reply.identifier(), method, &[0]));
            }
            let what = lies(&[0; 9])[lie].0;
            assert!(refuses(&reply), "{method:?} inside: {inside}, {what}: {reply:?}");
        }
    }
    assert_eq!(world.daemon.counter("faulty"), 0);
}

// RFC 5281 §9.1
#[test]
fn another_version_of_the_method_ends_the_conversation() {
    let world = impatient();
    for method in [Method::TTLS, Method::PEAP] {
        let (mut nas, identifier, hello) = conversation(&world, method, false);
        let reply = nas.exchange(&response(identifier, method, &[&[1], &hello[..]].concat()));
        assert!(refuses(&reply), "{method:?}: {reply:?}");
    }
}

// RFC 5080 §2.2.2
#[test]
fn part_that_is_sent_again_is_taken_once() {
    let world = impatient();
    for method in METHODS {
        let (mut nas, identifier, hello) = conversation(&world, method, false);
        let (half, rest) = hello.split_at(hello.len() / 2);
        let part = response(identifier, method, &long(0xc0, hello.len(), half));
        let old = nas.state.clone();
        let acknowledged = nas.exchange(&part);
        nas.state = old;
        assert_eq!(nas.exchange(&part).eap, acknowledged.eap);
        let reply = nas.exchange(&response(acknowledged.identifier(), method, &[&[0], rest].concat()));
        // A handshake record of TLS 1.2.
        assert_eq!(reply.data()[1..4], [22, 3, 3], "the hello of the server: {reply:?}");
    }
}

#[test]
fn endless_fragments_come_to_an_end() {
    let world = impatient();
    let mut nas = Nas::new(&world);
    let mut reply = nas.start(Method::TTLS);
    let mut sent = 0;
    while reply.code == Code::ACCESS_CHALLENGE {
        reply = nas.exchange(&response(reply.identifier(), Method::TTLS, &[&[0x40][..], &[7; 100]].concat()));
        sent += 1;
    }
    assert!(refuses(&reply) && sent <= 64, "{sent}");
}

#[test]
fn octets_are_what_ends_a_message_where_many_rounds_are_allowed() {
    let world = World::with(&[
        ("radius", "reject_delay = \"0s\""),
        ("eap", "max_rounds = 1000"),
        ("eap", "max_size = \"4KiB\""),
    ]);
    let mut nas = Nas::new(&world);
    let mut reply = nas.start(Method::TTLS);
    let (mut sent, mut last) = (0, 0);
    while reply.code == Code::ACCESS_CHALLENGE {
        let part = response(reply.identifier(), Method::TTLS, &[&[0x40][..], &[7; 100]].concat());
        reply = nas.exchange(&part);
        (sent, last) = (sent + part.len(), part.len());
    }
    assert!(refuses(&reply) && sent > 4096 && sent - last <= 4096, "{sent}");
    assert_eq!(world.decided("eap-broken"), 1);
    assert!(world.daemon.log().contains("it takes too many rounds or octets"), "{}", world.daemon.log());
}

#[test]
fn conversation_that_took_too_long_is_over_though_its_device_goes_on() {
    const LIFETIME: Duration = Duration::from_secs(1);
    let world = World::with(&[
        ("radius", "reject_delay = \"0s\""),
        ("eap", "max_rounds = 1000"),
        ("eap", "conversation_lifetime = \"1s\""),
    ]);
    let begin = Instant::now();
    let mut nas = Nas::new(&world);
    let mut reply = nas.start(Method::TTLS);
    until("its time is over", || {
        reply = nas.exchange(&response(reply.identifier(), Method::TTLS, &[0x40, 1]));
        (reply.code != Code::ACCESS_CHALLENGE).then_some(())
    });
    assert!(refuses(&reply) && begin.elapsed() >= LIFETIME, "{reply:?}");
    assert_eq!(world.decided("eap-broken"), 1);
    assert!(!world.daemon.log().contains("too many rounds"), "{}", world.daemon.log());
}

#[test]
fn state_belongs_to_its_round_and_its_client_and_a_repetition_gets_the_same_request() {
    let world = impatient();
    let mut nas = Nas::new(&world);
    let start = nas.start(Method::TTLS);
    let old = nas.state.clone();
    let part = response(start.identifier(), Method::TTLS, &[0x40, 1, 2, 3]);
    let first = nas.exchange(&part);
    let present = nas.state.clone();
    assert_ne!(old, present);
    nas.state.clone_from(&old);
    let again = nas.exchange(&part);
    assert_eq!(
        (again.eap, nas.state.clone()),
        (first.eap.clone(), present.clone()),
        "it was lost on the way"
    );
    // Another response by an old State is silently discarded: the next answer is to something else.
    nas.state.clone_from(&old);
    nas.send(&response(first.identifier(), Method::TTLS, &[0x40, 9]));
    nas.send(&response(start.identifier(), Method::TTLS, &[0x40, 9]));
    let mut elsewhere = Nas::at(&world, "127.0.0.2");
    elsewhere.state.clone_from(&present);
    assert!(refuses(&elsewhere.exchange(&response(first.identifier(), Method::TTLS, &[0x40, 9]))));
    nas.state = Some(vec![7; 32]);
    assert!(refuses(&nas.exchange(&part)), "a State of nobody");
    nas.state = present;
    let next = nas.exchange(&response(first.identifier(), Method::TTLS, &[0x40, 9]));
    assert_eq!(next.code, Code::ACCESS_CHALLENGE, "the conversation itself goes on");
    // By now the first response is two rounds back, and the same holds for it.
    let present = std::mem::replace(&mut nas.state, old);
    nas.send(&part);
    nas.state = present;
    let last = nas.exchange(&response(next.identifier(), Method::TTLS, &[0x40, 9]));
    assert_eq!(last.code, Code::ACCESS_CHALLENGE, "the only answer of two");
    assert_eq!(world.daemon.counter("eap-malformed"), 3);
}

// RFC 4137 §5.4
#[test]
fn response_by_another_method_ends_nothing() {
    let world = impatient();
    let mut nas = Nas::new(&world);
    let start = nas.start(Method::TTLS);
    nas.send(&response(start.identifier(), Method::PEAP, &[0x40, 1]));
    let next = nas.exchange(&response(start.identifier(), Method::TTLS, &[0x40, 1]));
    assert_eq!(next.code, Code::ACCESS_CHALLENGE, "the only answer of two");
    // The method has begun, and no other is wanted any more.
    nas.send(&response(next.identifier(), Method::NAK, &[Method::PEAP.0]));
    let last = nas.exchange(&response(next.identifier(), Method::TTLS, &[0x40, 1]));
    assert_eq!(last.code, Code::ACCESS_CHALLENGE, "the only answer of two");
    assert_eq!((last.eap[4], world.daemon.counter("eap-malformed")), (Method::TTLS.0, 2));
}

#[test]
fn response_to_another_request_is_ignored() {
    let world = impatient();
    let mut nas = Nas::new(&world);
    let start = nas.start(Method::TTLS);
    let state = nas.state.clone();
    nas.send(&response(start.identifier().wrapping_add(9), Method::TTLS, &[0x40, 1]));
    nas.send(&[2, start.identifier(), 0, 99, 21]);
    let reply = nas.exchange(&response(start.identifier(), Method::TTLS, &[0x40, 1]));
    assert_eq!(reply.code, Code::ACCESS_CHALLENGE, "the only answer of three");
    assert_ne!(nas.state, state);
    assert_eq!(world.daemon.counter("eap-malformed"), 2);
}

// RFC 3579 §2.4
#[test]
fn packets_leave_room_for_what_the_link_puts_before_them() {
    let world = impatient();
    let mut hello = Vec::new();
    let name = world.env["EAP_SERVER_NAME"].clone().try_into().unwrap();
    ClientConnection::new(tls(&world, &version::TLS13), name).unwrap().write_tls(&mut hello).unwrap();
    for mtu in [200, 500] {
        let mut nas = Nas::new(&world);
        nas.mtu = Some(mtu);
        let start = nas.start(Method::TTLS);
        let reply = nas.exchange(&response(start.identifier(), Method::TTLS, &[&[0][..], &hello].concat()));
        assert_eq!(u32::try_from(reply.eap.len()).unwrap(), mtu - 4, "the first of several");
    }
}

fn resident(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.daemon.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_half_open_conversations_are_kept_small_and_logins_go_on() {
    let world = impatient();
    let config = tls(&world, &version::TLS13);
    let name = || world.env["EAP_SERVER_NAME"].clone().try_into().unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::clone(&config), name()).unwrap().write_tls(&mut hello).unwrap();
    let mut nas = Nas::new(&world);
    let half_open = |nas: &mut Nas| {
        let start = nas.start(Method::TTLS);
        let reply = nas.exchange(&response(start.identifier(), Method::TTLS, &[&[0][..], &hello].concat()));
        assert_eq!(reply.code, Code::ACCESS_CHALLENGE);
        (reply.identifier(), nas.state.clone())
    };
    let first = half_open(&mut nas);
    let before = resident(&world);
    for _ in 0..MANY {
        half_open(&mut nas);
    }
    let each = (resident(&world) - before) / u64::try_from(MANY).unwrap();
    assert!(each <= 40, "{each} KiB");
    let login = Ttls::handshake(&world, &config).unwrap();
    let accepted = login.password(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
    assert_eq!(accepted.code, Code::ACCESS_ACCEPT);
    nas.state = first.1;
    let reply = nas.exchange(&response(first.0, Method::TTLS, &[0x40, 1]));
    assert_eq!(reply.code, Code::ACCESS_CHALLENGE, "the first is there still");
}

#[test]
fn one_conversation_too_many_ends_the_one_that_was_silent_longest() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "max_conversations = 3")]);
    let mut all: Vec<_> = (0..3)
        .map(|_| {
            let mut nas = Nas::new(&world);
            let start = nas.start(Method::TTLS);
            (nas, start.identifier())
        })
        .collect();
    let goes_on = |(nas, identifier): &mut (Nas, u8)| {
        let reply = nas.exchange(&response(*identifier, Method::TTLS, &[0x40, 1]));
        *identifier = reply.identifier();
        reply.code == Code::ACCESS_CHALLENGE
    };
    assert!(goes_on(&mut all[0]));
    Nas::new(&world).start(Method::TTLS);
    assert_eq!(world.daemon.counter("eap-left"), 1);
    assert!(world.daemon.log().contains("a device left in the midst of EAP"), "{}", world.daemon.log());
    assert!(!goes_on(&mut all[1]), "it was silent longest");
    assert!(goes_on(&mut all[0]) && goes_on(&mut all[2]));
}

#[test]
fn client_that_begins_too_many_ends_its_own_and_not_another_s() {
    let world = World::with(&[("radius", "reject_delay = \"0s\""), ("eap", "max_conversations = 3")]);
    let mut silent = Nas::new(&world);
    let start = silent.start(Method::TTLS);
    for _ in 0..20 {
        Nas::at(&world, "127.0.0.1").start(Method::TTLS);
    }
    let reply = silent.exchange(&response(start.identifier(), Method::TTLS, &[0x40, 1]));
    assert_eq!(reply.code, Code::ACCESS_CHALLENGE, "it is there still");
}
