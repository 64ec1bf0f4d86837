//! What one socket's reader does with a datagram, and with a login that has ended: everything but waiting.
//!
//! Whatever needs no decision is settled at once: strangers, malformed packets, forged ones, Status-Server, duplicates.
//! Of logins as many are begun at a time as `max_in_flight` allows; more are dropped, so that
//! those under way finish and Status-Server still answers.

use super::Shell;
use super::answer;
use super::batch::{Arrival, Received};
use super::counters::Event;
use super::delayed::Delayed;
use super::duplicates::{Duplicates, Key, Seen, Ticket};
use super::examine::{Examined, examine_all, wanted};
use super::in_flight::{About, End};
use super::job::{Done, Job};
use super::outbox::Outbox;
use super::socket::{Socket, canonical};
use crate::config::{Client, Config};
use crate::engine::login::Undecided;
use crate::engine::meters::{Meters, Sampler, Stage, Timing};
use crate::wire::radius::{Packet, Pad, Together};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use tracing::info_span;
use uuid::{ContextV7, Uuid};

/// An answer that is to be signed.
struct Unsigned {
    client: Arc<Client>,
    length: usize,
    to: SocketAddr,
    /// The address that was asked.
    from: Arrival,
    /// Which request it answers, and when it may leave; none: it is not kept.
    login: Option<(Ticket, Instant)>,
}

/// What one socket takes in and gives out.
pub(super) struct Intake {
    shell: Arc<Shell>,
    /// Sockets that share what is kept for an address.
    sockets: usize,
    config: Arc<Config>,
    duplicates: Duplicates,
    pub(super) delayed: Delayed,
    pub(super) outbox: Outbox,
    together: Together,
    /// Numbers requests by the time at which they were read.
    numbers: ContextV7,
    read: Duration,
    /// What part each datagram of those that were read last has of the time that examining them took.
    share: Duration,
    /// The answer that is being made.
    buffer: Vec<u8>,
    /// Answers that are to be signed, one after the other.
    drafts: Vec<u8>,
    unsigned: Vec<Unsigned>,
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
            together: Together::default(),
            numbers: ContextV7::new(),
            read: Duration::ZERO,
            share: Duration::ZERO,
            buffer: Vec::new(),
            drafts: Vec::new(),
            unsigned: Vec::new(),
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

    /// The configuration that holds.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// Looks at what was read together.
    pub(super) fn examine<'c, 'b>(
        &mut self,
        config: &'c Config,
        datagrams: impl Iterator<Item = (Received, &'b [u8])>,
    ) -> Vec<Examined<'c, 'b>> {
        let begun = Instant::now();
        self.read = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let datagrams = datagrams.map(|(received, bytes)| (canonical(received.source), bytes));
        let examined = examine_all(config, datagrams, &mut self.together);
        self.share = begun.elapsed() / u32::try_from(examined.len().max(1)).unwrap_or(u32::MAX);
        examined
    }

    /// Takes a datagram that arrived at `at`; a login that is to be decided is given back.
    pub(super) fn datagram(
        &mut self,
        received: Received,
        examined: Examined<'_, '_>,
        at: Instant,
    ) -> Option<(Job, About)> {
        let weight = self.sampler.weight();
        let begun = (weight > 0).then(Instant::now);
        match examined {
            Examined::Drop(event, client) => {
                self.dropped(event, client.map(|client| &**client), received.source, at);
                None
            }
            Examined::Status(client, packet) => {
                self.shell.counters.count(Event::StatusServer);
                if answer::status(client, &packet, &mut self.buffer) {
                    self.sign(client, received, None);
                }
                None
            }
            Examined::Login(client, packet, pad) => {
                let key = Key::new(received.source, packet.identifier());
                match self.duplicates.begin(key, packet.authenticator(), at) {
                    Seen::InFlight => self.shell.counters.count(Event::DuplicateInFlight),
                    Seen::Answered(bytes) => {
                        self.shell.counters.count(Event::DuplicateAnswered);
                        self.outbox.push(bytes, received.source, received.arrival);
                    }
                    Seen::New(ticket) => {
                        match self.admit(
                            client,
                            (&packet, &pad),
                            received.source,
                            Timing { since: at, weight },
                        ) {
                            Ok(job) => {
                                if let Some(begun) = begun {
                                    self.meters.stage(Stage::Decode, begun.elapsed() + self.share, weight);
                                }
                                let deadline = at + self.config.radius.request_deadline;
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
        (packet, pad): (&Packet<'_>, &Pad),
        source: SocketAddr,
        timing: Timing,
    ) -> Result<Job, Event> {
        if !self.shell.enter(self.config.radius.max_in_flight) {
            return Err(Event::Shed);
        }
        // It goes from hand to hand, and each would copy it.
        let wanted = Box::new(wanted(client, packet, pad).inspect_err(|_| self.shell.leave())?);
        let (config, client) = (Arc::clone(&self.config), Arc::clone(client));
        let read = uuid::Timestamp::from_unix(&self.numbers, self.read.as_secs(), self.read.subsec_nanos());
        let (request, peer) = (Uuid::new_v7(read), canonical(source));
        Ok(Job { config, client, wanted, request, peer, timing })
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
                    let delay = if outcome.refuses() { config.radius.reject_delay } else { Duration::ZERO };
                    self.sign(&client, about.received, Some((about.ticket, about.at + delay)));
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

    /// Has the answer in the buffer signed and sent, a login's when its moment has come.
    fn sign(&mut self, client: &Arc<Client>, received: Received, login: Option<(Ticket, Instant)>) {
        let (client, length) = (Arc::clone(client), self.buffer.len());
        self.drafts.extend_from_slice(&self.buffer);
        self.unsigned.push(Unsigned { client, length, to: received.source, from: received.arrival, login });
    }

    /// Signs what was answered, all together, and gives it to those who send it.
    pub(super) fn sign_all(&mut self) {
        if self.unsigned.is_empty() {
            return;
        }
        let (now, limit) = (Instant::now(), self.limit(&self.config));
        let Self { together, drafts, unsigned, duplicates, delayed, outbox, shell, .. } = self;
        let mut rest = drafts.as_mut_slice();
        let mut packets = Vec::with_capacity(unsigned.len());
        for one in unsigned.iter() {
            let (packet, after) = rest.split_at_mut_checked(one.length).unwrap_or_default();
            packets.push((&one.client.secret, packet));
            rest = after;
        }
        together.seal(&mut packets);
        for ((_, bytes), Unsigned { to, from, login, .. }) in packets.into_iter().zip(unsigned.iter()) {
            if let Some((ticket, leaves)) = login {
                duplicates.answered(*ticket, bytes, now.max(*leaves));
            }
            match login {
                Some((_, leaves)) if *leaves > now => {
                    if !delayed.push(*leaves, (bytes, *to, *from), limit) {
                        shell.counters.count(Event::Shed);
                    }
                }
                _ => outbox.push(bytes, *to, *from),
            }
        }
        drafts.clear();
        unsigned.clear();
    }

    /// Signs and sends what was answered.
    pub(super) fn flush(&mut self, socket: &Socket) {
        self.sign_all();
        self.shell.counters.add(Event::Answered, self.outbox.len());
        self.outbox.flush(socket);
    }

    /// After a mistake in the program: what was answered before it is signed and leaves, for a passcode that was used up is not good once more. Whatever
    /// cannot be is lost to its client, which asks again.
    pub(super) fn recover(&mut self) {
        // What is signed already is kept for whoever asks again.
        self.outbox.clear();
        self.together = Together::default();
        if catch_unwind(AssertUnwindSafe(|| self.sign_all())).is_err() {
            self.outbox.clear();
            self.drafts.clear();
            self.together = Together::default();
            for (ticket, _) in self.unsigned.drain(..).filter_map(|one| one.login) {
                self.duplicates.forget(ticket);
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
