//! One round of an EAP conversation: from the response in an Access-Request to what is answered.
//!
//! | the request carries | |
//! |---|---|
//! | an identity, whatever State is with it; no State and nothing (RFC 3579 §2.1) | a conversation begins |
//! | the State of a conversation's present round | it goes on |
//! | the State before, with the same response | the same request again (RFC 5080 §2.2.2) |
//! | the State of one that is being decided; an older one, or another response than the one that was taken | silence (RFC 3748 §4.1) |
//! | any other State | a refusal, so that the device begins anew |
//!
//! What the login machine could not decide gets no answer, and stays where it is: the response may come again. So does what was decided
//! when the request that asked for it was over ([`lasting`]).

mod decision;
mod lasting;
mod report;
mod turn;

use super::conversations::{Conversations, Found, New, RoundState};
use super::counters::{Counters, Event};
use super::job::Job;
use super::workers::Workers;
use crate::base::Secret;
use crate::config::{Config, Eap};
use crate::domain::person::Person;
use crate::eap::{Conversation, Place, Sessions};
use crate::engine::login::{Gatekeeper, Undecided};
use crate::engine::warnings::Warnings;
use crate::wire::eap::{Code, Method, Packet, request};
use arc_swap::ArcSwap;
use decision::Ground;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use turn::Turn;

/// Octets that 802.1X puts before an EAP packet, for which Framed-MTU must leave room (RFC 3579 §2.4, RFC 3580 §3.10).
const EAPOL: usize = 4;
/// Octets of an identity or a Calling-Station-Id that are kept for the log: as many as a RADIUS attribute has.
const LONGEST: usize = 253;
/// So often it is looked for conversations that are over, where no new one begins.
const SWEEP: Duration = Duration::from_secs(5);

/// What all readers share.
#[derive(Debug)]
pub(super) struct Wifi {
    conversations: Arc<Conversations>,
    sessions: Arc<Sessions>,
    workers: Workers,
    counters: Arc<Counters>,
    warnings: Warnings,
}

/// What is answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// A request, in an Access-Challenge. Without a State where nothing is kept.
    Request(Vec<u8>, Option<RoundState>),
    /// Success and keys, in an Access-Accept.
    Success { eap: [u8; 4], key: Secret<[u8; 64]>, person: Arc<Person> },
    /// Failure, in an Access-Reject.
    Failure { eap: [u8; 4] },
    /// Nothing.
    Silence(Event),
}

impl Wifi {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self {
            conversations: Arc::default(),
            sessions: Sessions::new(0),
            workers: Workers::default(),
            counters,
            warnings: Warnings::default(),
        }
    }

    /// Conversations under way.
    pub(super) fn conversations(&self) -> usize {
        self.conversations.len()
    }

    /// Sessions that can be resumed.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Steps of handshakes that wait.
    pub(super) fn handshakes(&self) -> usize {
        self.workers.waiting()
    }

    /// Takes an EAP message.
    pub(super) async fn decide(
        &self,
        gatekeeper: &Arc<Gatekeeper>,
        job: &Job,
        eap: &Eap,
        message: &[u8],
    ) -> Result<Reply, Undecided> {
        let ground = Arc::new(Ground::new(Arc::clone(gatekeeper), job));
        let turn = Turn { ground, workers: &self.workers, life: eap.lifetime };
        let identity = Packet::decode(message).is_ok_and(|packet| packet.method == Some(Method::IDENTITY));
        let Some(state) = job.wanted.state.as_ref().filter(|_| !identity) else {
            return self.begin(&turn, job, eap, message).await;
        };
        let (since, client) = (job.timing.since, &job.client.name);
        match self.conversations.take(state, client, message, (since, eap.lifetime)) {
            Found::Open(held, undecided) => turn.go_on(held, message, undecided).await,
            Found::Repeated(request, state) => Ok(Reply::Request(request, Some(state))),
            Found::Busy => Ok(Reply::Silence(Event::DuplicateInFlight)),
            Found::Stray => Ok(Reply::Silence(Event::EapMalformed)),
            Found::Unknown => Ok(turn.ground.unknown(message)),
        }
    }

    /// Begins a conversation with whoever says who they are.
    async fn begin(&self, turn: &Turn<'_>, job: &Job, eap: &Eap, message: &[u8]) -> Result<Reply, Undecided> {
        if message.is_empty() {
            return Ok(Reply::Request(request(0, Method::IDENTITY, &[]), None));
        }
        let Ok(packet) = Packet::decode(message) else { return Ok(Reply::Silence(Event::EapMalformed)) };
        if (packet.code, packet.method) != (Code::Response, Some(Method::IDENTITY)) {
            return Ok(turn.ground.unknown(message));
        }
        self.sessions.set_limit(eap.sessions);
        let client = &job.client;
        let place = Place {
            sessions: Arc::clone(&self.sessions),
            client: scope(client.eap.scope, eap.trust),
            inner: eap.inner_at(&client.eap),
            challenge: turn.fresh(),
            now: turn.ground.gatekeeper.clock.now(),
            mtu: job.wanted.framed_mtu.and_then(|mtu| usize::try_from(mtu).ok()?.checked_sub(EAPOL)),
        };
        let (settings, methods) = (Arc::clone(&eap.settings), eap.methods_at(&client.eap));
        let (conversation, step) = Conversation::start(settings, methods, place, packet.identifier);
        let now = job.timing.since;
        let new = New {
            conversation,
            client: client.name.clone(),
            peer: job.peer,
            identity: cut(&String::from_utf8_lossy(packet.data)),
            station: cut(&job.wanted.calling_station),
            now,
        };
        let (held, left) = self.conversations.begin(new, turn.fresh(), (eap.conversations, eap.lifetime));
        left.iter().for_each(|open| self.note_left(&turn.ground.gatekeeper, &job.config, open, now));
        let Some(mut held) = held else { return Ok(Reply::Silence(Event::Shed)) };
        if let Some(open) = held.open() {
            open.came = Some(step);
        }
        turn.step(held).await
    }
}

/// What must be the same for a session to be resumed: the client with its policy, and whom the server trusts.
fn scope(mut client: [u8; 32], trust: [u8; 32]) -> [u8; 32] {
    client.iter_mut().zip(trust).for_each(|(place, octet)| *place ^= octet);
    client
}

/// As much of it as is kept.
fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned()
}

/// Says of conversations that are over that they are, for as long as somebody serves.
pub(super) async fn sweep(wifi: Weak<Wifi>, gatekeeper: Arc<Gatekeeper>, config: Arc<ArcSwap<Config>>) {
    loop {
        sleep(SWEEP).await;
        let Some(wifi) = wifi.upgrade() else { return };
        let (config, now) = (config.load_full(), Instant::now());
        // Where EAP was switched off, those that were under way are over.
        let lifetime = config.eap.as_ref().map_or(Duration::ZERO, |eap| eap.lifetime);
        for open in wifi.conversations.expire(now, lifetime) {
            wifi.note_left(&gatekeeper, &config, &open, now);
        }
    }
}
