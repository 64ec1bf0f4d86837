//! RADIUS over UDP: sockets, duplicates, delays, overload and stop around [`examine`] and the engine.
//!
//! One task per listener reads datagrams and settles at once whatever needs no decision: strangers, malformed
//! packets, forged ones, Status-Server, duplicates. A login becomes a task of its own, as many at a time as
//! `max_in_flight` allows; more are dropped, so that those under way finish and Status-Server still answers.

mod answer;
mod counters;
mod duplicates;
mod examine;
mod outgoing;
mod socket;
mod warnings;

pub use counters::{Counters, Event};
pub use examine::{Examined, Wanted, examine, wanted};

use crate::config::{Client, Config};
use crate::engine::login::{Gatekeeper, Round, Undecided, Verdict};
use crate::wire::radius::Packet;
use arc_swap::ArcSwap;
use duplicates::{Duplicates, Key, Seen, Ticket};
use outgoing::{Delayed, Outgoing};
use socket::{DATAGRAM_LIMIT, Received, Socket};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use warnings::Warnings;

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (UDP): {source}")]
pub struct BindError {
    /// The address wanted.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// What all listeners share.
struct Shell {
    config: Arc<ArcSwap<Config>>,
    gatekeeper: Arc<Gatekeeper>,
    counters: Arc<Counters>,
    duplicates: Mutex<Duplicates>,
    warnings: Warnings,
    permits: Arc<Semaphore>,
    capacity: Mutex<usize>,
}

/// The running server.
pub struct Server {
    shell: Arc<Shell>,
    delayed: Delayed,
    delay_task: JoinHandle<()>,
    listeners: Vec<(SocketAddr, Arc<Socket>, JoinHandle<()>)>,
}

/// Requests that arrived in one datagram each, with what is needed to answer.
struct Job {
    shell: Arc<Shell>,
    delayed: Delayed,
    socket: Arc<Socket>,
    received: Received,
    at: Instant,
    config: Arc<Config>,
    client: Arc<Client>,
    bytes: Box<[u8]>,
    ticket: Ticket,
    _permit: OwnedSemaphorePermit,
}

impl Server {
    /// Binds every address of the configuration and begins to serve. `config` may be replaced at any time;
    /// call [`Server::reload`] then.
    pub fn start(
        config: Arc<ArcSwap<Config>>,
        gatekeeper: Arc<Gatekeeper>,
        counters: Arc<Counters>,
    ) -> Result<Self, BindError> {
        let radius = config.load().radius.clone();
        let (delayed, delay_task) = Delayed::start(radius.duplicate_entries);
        let shell = Arc::new(Shell {
            config,
            gatekeeper,
            counters,
            duplicates: Mutex::new(Duplicates::new(radius.duplicate_window, radius.duplicate_entries)),
            warnings: Warnings::default(),
            permits: Arc::new(Semaphore::new(radius.max_in_flight)),
            capacity: Mutex::new(radius.max_in_flight),
        });
        let mut server = Self { shell, delayed, delay_task, listeners: Vec::new() };
        for address in radius.listen {
            server.listen(address)?;
        }
        Ok(server)
    }

    fn listen(&mut self, address: SocketAddr) -> Result<(), BindError> {
        let socket = Socket::bind(address).map_err(|source| BindError { address, source })?;
        let socket = Arc::new(socket);
        tracing::info!(address = %socket.local(), "RADIUS is served");
        let task = tokio::spawn(read(Arc::clone(&self.shell), self.delayed.clone(), Arc::clone(&socket)));
        self.listeners.push((address, socket, task));
        Ok(())
    }

    /// The addresses that are served, with the ports that were taken for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(_, socket, _)| socket.local()).collect()
    }

    /// Takes what changed in the configuration: new limits, added and removed addresses. Requests under way
    /// finish with the configuration they began with. An address that cannot be bound is reported; the others
    /// hold.
    pub fn reload(&mut self) -> Vec<BindError> {
        let radius = self.shell.config.load().radius.clone();
        self.shell.duplicates().set_limits(radius.duplicate_window, radius.duplicate_entries);
        self.shell.resize(radius.max_in_flight);
        self.listeners.retain(|(address, socket, task)| {
            let keep = radius.listen.contains(address);
            if !keep {
                tracing::info!(address = %socket.local(), "RADIUS is no longer served");
                task.abort();
            }
            keep
        });
        let served: Vec<_> = self.listeners.iter().map(|(address, ..)| *address).collect();
        let added = radius.listen.iter().filter(|address| !served.contains(address));
        added.filter_map(|address| self.listen(*address).err()).collect()
    }

    /// Stops reading, lets the requests under way finish for `drain_timeout` at most, and sends the answers
    /// that still wait for their moment. Returns how many requests were cut off.
    pub async fn stop(self) -> usize {
        for (_, _, task) in &self.listeners {
            task.abort();
        }
        let deadline = Instant::now() + self.shell.config.load().radius.drain_timeout;
        let capacity = *self.shell.capacity.lock().unwrap_or_else(PoisonError::into_inner);
        let all = u32::try_from(capacity).unwrap_or(u32::MAX);
        let _ = timeout_at(deadline, self.shell.permits.acquire_many(all)).await;
        let left = capacity.saturating_sub(self.shell.permits.available_permits());
        let Server { delayed, delay_task, .. } = self;
        drop(delayed);
        if left == 0 {
            let _ = timeout_at(deadline, delay_task).await;
        }
        left
    }
}

/// Reads one socket for ever.
async fn read(shell: Arc<Shell>, delayed: Delayed, socket: Arc<Socket>) {
    let mut buffer = vec![0; DATAGRAM_LIMIT];
    loop {
        match socket.receive(&mut buffer).await {
            Ok(received) => {
                let bytes = buffer.get(..received.length).unwrap_or_default();
                shell.datagram(&delayed, &socket, received, bytes);
            }
            // An ICMP error of an earlier answer shows here; it concerns that client only.
            Err(error) => {
                tracing::debug!(%error, "reading a datagram failed");
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Shell {
    fn duplicates(&self) -> MutexGuard<'_, Duplicates> {
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, wanted: usize) {
        let mut capacity = self.capacity.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *capacity {
            self.permits.add_permits(wanted - *capacity);
            *capacity = wanted;
        } else {
            // Permits in use cannot be taken back; the rest of the difference stays until the next reload.
            *capacity -= self.permits.forget_permits(*capacity - wanted);
        }
    }

    fn datagram(self: &Arc<Self>, delayed: &Delayed, socket: &Arc<Socket>, received: Received, bytes: &[u8]) {
        let at = Instant::now();
        self.counters.count(Event::Received);
        let config = self.config.load_full();
        match examine(&config, socket::canonical(received.source), bytes) {
            Examined::Drop(event, client) => self.dropped(event, client.as_deref(), received.source, at),
            Examined::Status(client, packet) => {
                self.counters.count(Event::StatusServer);
                if let Some(bytes) = answer::status(&client, &packet) {
                    self.send(&Outgoing {
                        socket: Arc::clone(socket),
                        bytes,
                        to: received.source,
                        from: received.arrival,
                    });
                }
            }
            Examined::Login(client, packet) => {
                let key = Key {
                    source: received.source,
                    listener: socket.local(),
                    identifier: packet.identifier(),
                };
                let (seen, ticket) = self.duplicates().begin(key, *packet.authenticator(), at);
                match seen {
                    Seen::InFlight => self.counters.count(Event::DuplicateInFlight),
                    Seen::Answered(bytes) => {
                        self.counters.count(Event::DuplicateAnswered);
                        let (to, from) = (received.source, received.arrival);
                        self.send(&Outgoing { socket: Arc::clone(socket), bytes, to, from });
                    }
                    Seen::New => {
                        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                            self.duplicates().forget(ticket);
                            self.dropped(Event::Shed, Some(&client), received.source, at);
                            return;
                        };
                        let job = Job {
                            shell: Arc::clone(self),
                            delayed: delayed.clone(),
                            socket: Arc::clone(socket),
                            received,
                            at,
                            config,
                            client,
                            bytes: packet.bytes().into(),
                            ticket,
                            _permit: permit,
                        };
                        tokio::spawn(job.run());
                    }
                }
            }
        }
    }

    fn send(&self, outgoing: &Outgoing) {
        self.counters.count(Event::Answered);
        outgoing.send();
    }

    /// Counts a datagram that gets no answer, and says so now and then.
    fn dropped(&self, event: Event, client: Option<&Client>, source: SocketAddr, now: Instant) {
        self.counters.count(event);
        let (peer, name) = (socket::canonical(source), client.map_or("", |client| client.name.as_str()));
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
            Event::Shed => {
                ("too many requests at once", "raise radius.max_in_flight if the machine can do more")
            }
            _ => ("request dropped", ""),
        };
        if let Some(left_out) = self.warnings.due(what, peer, now) {
            tracing::warn!(%peer, client = name, hint, left_out, "no answer: {what}");
        }
    }

    fn undecided(&self, error: &Undecided, client: &Client, peer: SocketAddr) {
        self.counters.count(Event::Undecided);
        if let Some(left_out) = self.warnings.due("undecided", socket::canonical(peer), Instant::now()) {
            tracing::error!(client = %client.name, %error, left_out, "no answer: could not decide");
        }
    }
}

impl Job {
    async fn run(self) {
        let request = uuid::Uuid::now_v7().simple().to_string();
        let span = tracing::info_span!("request", id = %request, client = %self.client.name);
        let answered = self.decide(&request).instrument(span).await;
        if !answered {
            self.shell.duplicates().forget(self.ticket);
        }
    }

    /// Decides and answers; `false` if there is no answer.
    async fn decide(&self, request: &str) -> bool {
        // The bytes were checked before they were copied; the packet borrows from the copy.
        let Ok(packet) = Packet::decode(&self.bytes) else { return false };
        let wanted = match wanted(&self.client, &packet) {
            Ok(wanted) => wanted,
            Err(event) => {
                self.shell.dropped(event, Some(&self.client), self.received.source, self.at);
                return false;
            }
        };
        let round = Round {
            request,
            front: "radius",
            client: &self.client.name,
            policy: &self.client.policy,
            username: &wanted.username,
            typed: wanted.typed,
            state: wanted.state.as_deref(),
            origin: &wanted.calling_station,
        };
        let deadline = self.at + self.config.radius.request_deadline;
        let verdict = match timeout_at(deadline, self.shell.gatekeeper.decide(&self.config, round)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => {
                self.shell.undecided(&error, &self.client, self.received.source);
                return false;
            }
            Err(_) => {
                self.shell.dropped(Event::Late, Some(&self.client), self.received.source, self.at);
                return false;
            }
        };
        self.shell.counters.decided(verdict.reason());
        log(&wanted.username, &wanted.calling_station, &verdict, self.at);
        let Some(bytes) = answer::verdict(&self.config, &self.client, &packet, &verdict) else {
            self.shell.counters.count(Event::Faulty);
            return false;
        };
        self.answer(&verdict, bytes);
        true
    }

    /// Sends the answer, a refusal only after its delay.
    fn answer(&self, verdict: &Verdict, bytes: Arc<[u8]>) {
        let leaves = match verdict {
            Verdict::Reject { .. } => self.at + self.config.radius.reject_delay,
            _ => self.at,
        };
        let now = Instant::now();
        self.shell.duplicates().answered(self.ticket, Arc::clone(&bytes), leaves.max(now));
        let (to, from) = (self.received.source, self.received.arrival);
        let outgoing = Outgoing { socket: Arc::clone(&self.socket), bytes, to, from };
        if leaves <= now {
            self.shell.send(&outgoing);
        } else if self.delayed.send_at(leaves, outgoing) {
            self.shell.counters.count(Event::Answered);
        } else {
            self.shell.counters.count(Event::Shed);
        }
    }
}

fn log(username: &str, calling_station: &str, verdict: &Verdict, since: Instant) {
    let (outcome, reason) = match verdict {
        Verdict::Accept { reason, .. } => ("accept", reason),
        Verdict::Challenge { reason, .. } => ("challenge", reason),
        Verdict::Reject { reason, .. } => ("reject", reason),
    };
    let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(username, calling_station, outcome, reason = reason.as_str(), millis, "login");
}
