//! What an input does: logins put together from right and wrong parts, datagrams of its own, repeats, changed ones, and time.

use super::Reader;
use super::model::{Model, Request};
use super::world::{self, CLIENTS, PAPER, PEOPLE, PIN, SECRET, World};
use doorward::base::{Clock, Timestamp};
use doorward::domain::person::Username;
use doorward::serve::radius::Offline;
use doorward::store::{AttemptEnd, Attempted};
use doorward::wire::radius::{
    AttributeType, Code, MessageAuthenticator, Packet, SharedSecret, verify_response,
};
use hmac::{Hmac, KeyInit, Mac};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Steps of an input at most.
const STEPS: usize = 24;

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Who was let in at which client.
    pub accepted: Vec<(usize, usize)>,
    /// How often somebody was asked.
    pub challenged: usize,
    /// How often somebody was refused.
    pub refused: usize,
}

/// An input under way.
struct Play<'w> {
    world: &'w World,
    model: &'w mut Model,
    secret: SharedSecret,
    offline: Offline,
    states: Vec<Vec<u8>>,
    identifier: u8,
    /// The last datagram and where it came from.
    last: (SocketAddr, Vec<u8>),
    /// Answers by source, identifier and authenticator: the same question gets the same again.
    known: HashMap<(SocketAddr, [u8; 17]), Vec<u8>>,
    tally: Tally,
}

/// Plays an input, whose draws depend on `draw`.
pub fn play(world: &World, model: &mut Model, draw: u64, bytes: &[u8]) -> Tally {
    // Nothing of the input before counts any more but what was used up.
    world.clock.advance(Duration::from_secs(86_400 + 17));
    model.forget();
    let offline = Offline::new(Arc::clone(&world.config), Arc::new(world.gatekeeper(draw)));
    let secret = SharedSecret::new(SECRET.into()).unwrap();
    let mut play = Play {
        world,
        model,
        secret,
        offline,
        states: Vec::new(),
        identifier: 0,
        last: (source(0, 1812), Vec::new()),
        known: HashMap::new(),
        tally: Tally::default(),
    };
    let mut reader = Reader(bytes);
    world.runtime.block_on(async {
        for _ in 0..STEPS {
            if reader.is_empty() {
                break;
            }
            play.step(&mut reader).await;
        }
        play.pardon().await;
    });
    play.tally
}

fn source(client: usize, port: u16) -> SocketAddr {
    ([127, 0, 0, u8::try_from(client).unwrap() + 1], port).into()
}

impl Play<'_> {
    async fn step(&mut self, reader: &mut Reader<'_>) {
        match reader.octet() % 8 {
            0..=3 => {
                let (from, datagram) = self.login(reader);
                self.send(from, datagram).await;
            }
            4 => {
                let (client, sign, length) = (reader.below(CLIENTS.len()), reader.octet(), reader.number());
                let mut datagram = reader.take(length.min(4200)).to_vec();
                if sign & 1 == 0 {
                    self.sign(&mut datagram);
                }
                self.send(source(client, 1812), datagram).await;
            }
            5 => {
                let (times, unit) = (u64::from(reader.octet()), [1, 10, 60][reader.below(3)]);
                self.world.clock.advance(Duration::from_secs(times * unit));
            }
            6 => {
                let (from, datagram) = self.last.clone();
                let from = match reader.octet() % 3 {
                    0 => from,
                    1 => SocketAddr::new(from.ip(), 1813),
                    _ => source(reader.below(CLIENTS.len()), 1812),
                };
                self.send(from, datagram).await;
            }
            _ => {
                let (from, mut datagram) = self.last.clone();
                let (at, with, sign) = (reader.number(), reader.octet(), reader.octet());
                let place = at % datagram.len().max(1);
                if let Some(octet) = datagram.get_mut(place) {
                    *octet ^= with;
                }
                if sign & 1 == 0 {
                    self.sign(&mut datagram);
                }
                self.send(from, datagram).await;
            }
        }
    }

    /// A request put together.
    fn login(&mut self, reader: &mut Reader<'_>) -> (SocketAddr, Vec<u8>) {
        let (client, who, flags) = (reader.below(CLIENTS.len()), reader.below(8), reader.octet());
        let name = ["alice", "bob", "carol", "dave", "erin", "frank", "nobody", "ALICE"][who];
        let typed = self.typed(reader, [0, 1, 2, 3, 4, 5, 0, 0][who]);
        self.identifier = self.identifier.wrapping_add(1);
        let authenticator = [self.identifier; 16];
        let mut attributes: Vec<(AttributeType, Vec<u8>)> = vec![(AttributeType::USER_NAME, name.into())];
        if flags & 1 == 0 {
            let hidden = self.secret.hide_password(&typed, &authenticator);
            attributes.push((AttributeType::USER_PASSWORD, hidden));
        }
        let state = match flags & 6 {
            0 => None,
            2 => self.states.last().cloned(),
            _ => self.states.get(reader.below(self.states.len())).cloned(),
        };
        attributes.extend(state.map(|state| (AttributeType::STATE, state)));
        if flags & 8 != 0 {
            attributes.push((AttributeType::PROXY_STATE, b"proxy".to_vec()));
        }
        if flags & 32 != 0 {
            attributes.push((AttributeType(reader.octet()), reader.octets().to_vec()));
        }
        if flags & 128 != 0 {
            attributes
                .extend(reader.octets().chunks(253).map(|part| (AttributeType::EAP_MESSAGE, part.to_vec())));
        }
        let mut datagram = vec![Code::ACCESS_REQUEST.0, self.identifier, 0, 0];
        datagram.extend(authenticator);
        if flags & 16 == 0 {
            datagram.extend([AttributeType::MESSAGE_AUTHENTICATOR.0, 18]);
            datagram.extend([0; 16]);
        }
        for (kind, value) in attributes {
            datagram.extend([kind.0, u8::try_from(value.len().min(253)).unwrap() + 2]);
            datagram.extend(value.iter().take(253));
        }
        self.sign(&mut datagram);
        let port = if flags & 64 == 0 { 1812 } else { 1814 };
        (source(client, port), datagram)
    }

    /// What somebody types, from right and wrong parts.
    fn typed(&mut self, reader: &mut Reader<'_>, person: usize) -> Vec<u8> {
        let (mut typed, now) = (Vec::new(), self.world.clock.now());
        for _ in 0..reader.below(5) {
            let kind = reader.octet() % 10;
            let off = |reader: &mut Reader<'_>| i8::from_ne_bytes([reader.octet()]);
            match kind {
                0 => typed.extend(PEOPLE[person].1.bytes()),
                1 => typed.extend(self.model.code(person, 0, now).bytes()),
                2 => typed.extend(self.model.code(person, off(reader), now).bytes()),
                3 => typed.push(b','),
                4 => typed.extend(reader.octets()),
                5 => typed.extend(self.model.last_sent(person).unwrap_or_default().bytes()),
                6 => typed.extend(PAPER[reader.below(PAPER.len())].bytes()),
                7 => typed.extend(
                    ["sms", "app", "1", "2", "3", "yubikey", "recovery", "email"][reader.below(8)].bytes(),
                ),
                8 => typed.extend(PIN.bytes()),
                _ => {
                    let ahead = off(reader);
                    typed.extend(self.model.touch(ahead).bytes());
                }
            }
        }
        typed.truncate(128);
        typed
    }

    /// Counts the octets, and puts the right Message-Authenticator where one stands.
    fn sign(&self, datagram: &mut [u8]) {
        let Ok(length) = u16::try_from(datagram.len()) else { return };
        if datagram.len() < 20 {
            return;
        }
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        let mut at = 20;
        while let Some([kind, length]) =
            datagram.get(at..at + 2).and_then(|head| <[u8; 2]>::try_from(head).ok())
        {
            if kind == AttributeType::MESSAGE_AUTHENTICATOR.0 && length == 18 && at + 18 <= datagram.len() {
                datagram[at + 2..at + 18].fill(0);
                let mut mac = Hmac::<md5::Md5>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(datagram);
                datagram[at + 2..at + 18].copy_from_slice(&mac.finalize().into_bytes());
                return;
            }
            at += usize::from(length.max(2));
        }
    }

    /// Sends it, and looks at what is answered.
    async fn send(&mut self, from: SocketAddr, datagram: Vec<u8>) {
        let now = self.world.clock.now();
        let answer = self.offline.exchange(from, &datagram).await;
        self.last = (from, datagram.clone());
        let Some(answer) = answer else { return };
        assert!(answer.len() <= 4096, "{}", answer.len());
        let packet = Packet::decode(&datagram).expect("what is answered is a packet");
        let (reply, signed) =
            verify_response(packet.authenticator(), &answer, &self.secret).expect("a reply that is good");
        assert!(signed && reply.identifier() == packet.identifier());
        assert_eq!(
            reply.attributes().next().map(|first| first.kind),
            Some(AttributeType::MESSAGE_AUTHENTICATOR)
        );
        let mut key = [0; 17];
        key[0] = packet.identifier();
        key[1..].copy_from_slice(packet.authenticator());
        if self.known.insert((from, key), answer.clone()).is_some_and(|known| known == answer) {
            return;
        }
        self.proxies(&packet, &reply);
        self.judge(from, &packet, &reply, now);
        if reply.code() == Code::ACCESS_CHALLENGE && reply.first(AttributeType::EAP_MESSAGE).is_none() {
            self.deliver().await;
        }
    }

    /// Proxy-State comes back as it was, or not at all where anybody could have put it there (CVE-2024-3596).
    fn proxies(&self, packet: &Packet<'_>, reply: &Packet<'_>) {
        let sent: Vec<_> = packet.all(AttributeType::PROXY_STATE).map(|found| found.value).collect();
        let back: Vec<_> = reply.all(AttributeType::PROXY_STATE).map(|found| found.value).collect();
        let signed = packet.message_authenticator(&self.secret) == MessageAuthenticator::Valid;
        assert_eq!(back, if signed { sent } else { Vec::new() });
    }

    /// Whether the answer may be.
    fn judge(&mut self, from: SocketAddr, packet: &Packet<'_>, reply: &Packet<'_>, now: Timestamp) {
        if packet.code() == Code::STATUS_SERVER {
            let more = reply.attributes().filter(|found| found.kind != AttributeType::PROXY_STATE).count();
            assert!(reply.code() == Code::ACCESS_ACCEPT && more == 1);
            return;
        }
        let eap = packet.first(AttributeType::EAP_MESSAGE).is_some();
        if eap {
            assert_ne!(reply.code(), Code::ACCESS_ACCEPT, "nobody has shown anything by EAP");
            return;
        }
        let SocketAddr::V4(from) = from else { unreachable!("clients have IPv4") };
        let username =
            packet.first(AttributeType::USER_NAME).map(|found| String::from_utf8_lossy(found.value));
        let username = username.and_then(|name| Username::parse(&name).ok());
        let person = username.and_then(|name| PEOPLE.iter().position(|(known, _)| *known == name.as_str()));
        let typed = packet.user_password(&self.secret);
        let state = packet.first(AttributeType::STATE).map(|found| found.value);
        let request = Request {
            client: usize::from(from.ip().octets()[3]) - 1,
            person,
            typed: typed.as_ref().map(|typed| typed.expose().as_slice()),
            state,
            now,
        };
        let judged = match reply.code() {
            Code::ACCESS_ACCEPT => {
                self.tally.accepted.extend(person.map(|person| (request.client, person)));
                self.model.accepted(&request)
            }
            Code::ACCESS_CHALLENGE => {
                self.tally.challenged += 1;
                let state = reply.first(AttributeType::STATE).expect("a State").value;
                assert!(state.len() >= 16);
                self.states.push(state.to_vec());
                self.model.challenged(&request, state)
            }
            other => {
                self.tally.refused += 1;
                assert_eq!(other, Code::ACCESS_REJECT);
                Ok(())
            }
        };
        if let Err(wrong) = judged {
            panic!("{wrong}");
        }
        if let Some(state) = state {
            self.model.answered(state);
        }
    }

    /// Takes messages out of the outbox, as if they arrived.
    async fn deliver(&mut self) {
        let (outbox, at) = (self.world.records.outbox(), self.world.clock.now());
        for message in outbox.claim(10, Duration::from_secs(60), at).await.unwrap() {
            // In this world a person's name is the username.
            let person =
                PEOPLE.iter().position(|(name, _)| *name == message.content.name).expect("somebody known");
            self.model.sent(person, message.content.code.clone(), message.expires);
            let end = AttemptEnd {
                id: message.id,
                attempt: message.attempt,
                outcome: Attempted::Sent,
                provider: String::new(),
                detail: String::new(),
                cost: 0,
                at,
            };
            outbox.finish(end).await.unwrap();
        }
    }

    /// Counters of failures begin anew, so that no input is refused what another has spoilt.
    async fn pardon(&self) {
        if self.tally.refused == 0 {
            return;
        }
        let (people, now) = (self.world.records.people(), self.world.clock.now());
        for at in 0..PEOPLE.len() - 1 {
            let failures = self.world.records.attempts().failures(world::person(at)).await.unwrap();
            if !failures.is_empty() {
                let active = doorward::domain::person::Status::Active;
                people
                    .set_status(world::person(at), active, world::entry(now, "person.unlock"))
                    .await
                    .unwrap();
            }
        }
    }
}
