//! What one socket's reader does with a datagram, and with a login that has ended: everything but waiting.
//!
//! Whatever needs no decision is settled at once: strangers, malformed packets, forged ones, Status-Server, duplicates.
//! Of logins as many are begun at a time as `max_in_flight` allows; more are dropped, so that
//! those under way finish and Status-Server still answers.

use super::Shell;
use super::answer;
use super::batch::Received;
use super::counters::Event;
use super::delayed::Delayed;
use super::duplicates::{Duplicates, Key, Seen};
use super::examine::{Examined, examine, wanted};
use super::in_flight::{About, End};
use super::job::{Done, Job, Outcome};
use super::outbox::Outbox;
use super::socket::canonical;
use crate::config::{Client, Config};
use crate::engine::login::Undecided;
use crate::engine::meters::{Meters, Sampler, Stage, Timing};
use crate::wire::radius::Packet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::info_span;
use uuid::Uuid;

/// What one socket takes in and gives out.
pub(super) struct Intake {
    shell: Arc<Shell>,
    /// Sockets that share what is kept for an address.
    sockets: usize,
    config: Arc<Config>,
    duplicates: Duplicates,
    pub(super) delayed: Delayed,
    pub(super) outbox: Outbox,
    /// The answer that is being made.
    buffer: Vec<u8>,
    meters: Arc<Meters>,
    sampler: Sampler,
}

impl Intake {
    pub(super) fn new(shell: Arc<Shell>, sockets: usize) -> Self {
        let (config, meters) = (shell.config.load_full(), Arc::clone(&shell.meters));
        let (window, limit) = (config.radius.duplicate_window, config.radius.duplicate_entries);
        Self {
            shell,
            sockets,
            config,
            duplicates: Duplicates::new(window, limit.div_ceil(sockets)),
            delayed: Delayed::default(),
            outbox: Outbox::default(),
            buffer: Vec::new(),
            meters,
            sampler: Sampler::default(),
        }
    }

    /// So many datagrams have arrived together.
    pub(super) const fn arrived(&mut self, together: usize) {
        self.sampler.arrived(together);
    }

    /// Takes a new configuration if there is one.
    pub(super) fn refresh(&mut self) {
        let config = self.shell.config.load();
        if Arc::ptr_eq(&*config, &self.config) {
            return;
        }
        self.config = Arc::clone(&config);
        let radius = &config.radius;
        self.duplicates.set_limits(radius.duplicate_window, self.limit(&config));
    }

    /// This socket's share of the answers kept.
    fn limit(&self, config: &Config) -> usize {
        config.radius.duplicate_entries.div_ceil(self.sockets)
    }

    /// Takes a datagram that arrived at `at`; a login that is to be decided is given back.
    pub(super) fn datagram(&mut self, received: Received, bytes: &[u8], at: Instant) -> Option<(Job, About)> {
        let config = Arc::clone(&self.config);
        let weight = self.sampler.weight();
        let begun = (weight > 0).then(Instant::now);
        match examine(&config, canonical(received.source), bytes) {
            Examined::Drop(event, client) => {
                self.dropped(event, client.map(|client| &**client), received.source, at);
                None
            }
            Examined::Status(client, packet) => {
                self.shell.counters.count(Event::StatusServer);
                if answer::status(client, &packet, &mut self.buffer) {
                    self.outbox.push(&self.buffer, received.source, received.arrival);
                }
                None
            }
            Examined::Login(client, packet) => {
                let key = Key::new(received.source, packet.identifier());
                match self.duplicates.begin(key, packet.authenticator(), at) {
                    Seen::InFlight => self.shell.counters.count(Event::DuplicateInFlight),
                    Seen::Answered(bytes) => {
                        self.shell.counters.count(Event::DuplicateAnswered);
                        self.outbox.push(bytes, received.source, received.arrival);
                    }
                    Seen::New(ticket) => {
                        match self.admit(client, &packet, received.source, Timing { since: at, weight }) {
                            Ok(job) => {
                                if let Some(begun) = begun {
                                    self.meters.stage(Stage::Decode, begun.elapsed(), weight);
                                }
                                let deadline = at + config.radius.request_deadline;
                                let span =
                                    info_span!("request", id = %job.request.simple(), client = %client.name);
                                return Some((job, About { received, ticket, at, deadline, span }));
                            }
                            Err(event) => {
                                self.duplicates.forget(ticket);
                                self.dropped(event, Some(client), received.source, at);
                            }
                        }
                    }
                }
                None
            }
        }
    }

    /// Finds a place for a login and makes a job of it.
    fn admit(
        &self,
        client: &Arc<Client>,
        packet: &Packet<'_>,
        source: SocketAddr,
        timing: Timing,
    ) -> Result<Job, Event> {
        if !self.shell.enter(self.config.radius.max_in_flight) {
            return Err(Event::Shed);
        }
        let wanted = wanted(client, packet).inspect_err(|_| self.shell.leave())?;
        let (config, client) = (Arc::clone(&self.config), Arc::clone(client));
        Ok(Job { config, client, wanted, request: Uuid::now_v7(), peer: canonical(source), timing })
    }

    /// Takes the end of a login: answers, or forgets it so that a retransmission gets another chance.
    pub(super) fn ended(&mut self, about: &About, end: End<Done>, now: Instant) {
        let _inside = about.span.enter();
        self.shell.leave();
        let answered = match end {
            End::Done(Done { client, outcome: Ok(outcome), .. }) if outcome.silence().is_some() => {
                let event = outcome.silence().unwrap_or(Event::Faulty);
                self.dropped(event, Some(&client), about.received.source, now);
                false
            }
            End::Done(Done { config, client, wanted, outcome: Ok(outcome) }) => {
                let made = answer::outcome(&config, &client, &wanted.to, &outcome, &mut self.buffer);
                if made {
                    self.answer(about, &config, &outcome, now);
                } else {
                    self.shell.counters.count(Event::Faulty);
                }
                made
            }
            End::Done(Done { client, outcome: Err(error), .. }) => {
                self.undecided(&error, &client, about.received.source, now);
                false
            }
            End::Late => {
                let client = self.config.clients.lookup(about.received.source.ip());
                self.dropped(Event::Late, client.map(|client| &**client), about.received.source, now);
                false
            }
            End::Broken => {
                self.shell.counters.count(Event::Faulty);
                tracing::error!("no answer: a mistake in the program ended the request");
                false
            }
        };
        if !answered {
            self.duplicates.forget(about.ticket);
        }
    }

    /// Sends the answer in the buffer, a refusal only after its delay.
    fn answer(&mut self, about: &About, config: &Config, outcome: &Outcome, now: Instant) {
        let leaves = if outcome.refuses() { about.at + config.radius.reject_delay } else { now };
        self.duplicates.answered(about.ticket, &self.buffer, leaves.max(now));
        let (to, from) = (about.received.source, about.received.arrival);
        if leaves <= now {
            self.outbox.push(&self.buffer, to, from);
        } else {
            let limit = self.limit(config);
            if !self.delayed.push(leaves, (&self.buffer, to, from), limit) {
                self.shell.counters.count(Event::Shed);
            }
        }
    }

    /// Counts a datagram that gets no answer, and says so now and then.
    fn dropped(&self, event: Event, client: Option<&Client>, source: SocketAddr, now: Instant) {
        self.shell.counters.count(event);
        let (peer, name) = (canonical(source), client.map_or("", |client| client.name.as_str()));
        let (what, hint) = match event {
            Event::UnknownClient => {
                ("no client has this address", "add a [[client]] for it if it should be served")
            }
            Event::Malformed => ("the datagram is not RADIUS", "look at what sends it"),
            Event::UnexpectedCode => {
                ("this port serves Access-Request and Status-Server only", "look at what sends it")
            }
            Event::BadAuthenticator => (
                "Message-Authenticator does not fit",
                "the shared secrets differ, or someone forges requests",
            ),
            Event::MissingAuthenticator => (
                "Message-Authenticator is missing",
                "switch it on at the client; or set require_message_authenticator = false for it if you must",
            ),
            Event::BadPassword => ("User-Password cannot be revealed", "look at what sends it"),
            Event::EapMalformed => {
                ("the EAP packet is malformed, or none that was asked for", "look at the device")
            }
            Event::Shed => {
                ("too many requests at once", "raise radius.max_in_flight if the machine can do more")
            }
            _ => ("request dropped", ""),
        };
        if let Some(left_out) = self.shell.warnings.due(what, peer, now) {
            tracing::warn!(%peer, client = name, hint, left_out, "no answer: {what}");
        }
    }

    /// Says now and then that more logins arrive at an address than can be read.
    pub(super) fn rushed(&self, address: SocketAddr, now: Instant) {
        let what = "more requests arrive than can be read; the kernel drops some of the logins";
        if let Some(left_out) = self.shell.warnings.due(what, canonical(address), now) {
            let hint = "look who sends so many; if they are wanted, add a server";
            tracing::warn!(%address, hint, left_out, "{what}");
        }
    }

    fn undecided(&self, error: &Undecided, client: &Client, peer: SocketAddr, now: Instant) {
        self.shell.counters.count(Event::Undecided);
        if let Some(left_out) = self.shell.warnings.due("undecided", canonical(peer), now) {
            tracing::error!(client = %client.name, %error, left_out, "no answer: could not decide");
        }
    }
}
