//! RADIUS over UDP: sockets, duplicates, delays, overload and stop around [`examine`] and the engine.
//!
//! ```text
//!   Server ── one Reader for each socket, several sockets for each address
//!                │
//!   kernel ─▶ batch ─▶ Intake: examine ─▶ duplicates ─▶ Job ─▶ InFlight ─▶ Gatekeeper::decide
//!                        │                                        │
//!   kernel ◀─ batch ◀─ Outbox ◀───── answer ◀─────────────────────┘
//!                        └◀─ Delayed ◀─┘  refusals
//! ```
//!
//! A reader has all that to itself; what is shared are the configuration, counters, warnings, and how many logins are
//! being decided.

mod admission;
mod answer;
mod batch;
mod bell;
mod conversations;
mod counters;
mod delayed;
mod duplicates;
mod examine;
mod in_flight;
mod intake;
mod job;
mod offline;
mod outbox;
mod reader;
mod socket;
mod state;
mod wifi;
mod workers;

pub use counters::{Counters, Event};
pub use examine::{Examined, Wanted, examine, wanted};
pub use offline::Offline;

use crate::base::affinity;
use crate::config::Config;
use crate::engine::login::Gatekeeper;
use crate::engine::meters::Meters;
use crate::engine::warnings::Warnings;
use crate::serve::handed::Handed;
use arc_swap::ArcSwap;
use bell::Bell;
use reader::Reader;
use socket::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use wifi::Wifi;

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (UDP): {source}")]
pub struct BindError {
    /// The address wanted.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// What all readers share.
struct Shell {
    config: Arc<ArcSwap<Config>>,
    counters: Arc<Counters>,
    meters: Arc<Meters>,
    warnings: Warnings,
    /// Logins being decided.
    in_flight: AtomicUsize,
    /// EAP conversations, which may come over another socket with each packet.
    wifi: Arc<Wifi>,
}

impl Shell {
    fn new(config: Arc<ArcSwap<Config>>, counters: Arc<Counters>, meters: Arc<Meters>) -> Self {
        let (warnings, wifi) = (Warnings::default(), Arc::new(Wifi::new(Arc::clone(&counters))));
        Self { config, counters, meters, warnings, in_flight: AtomicUsize::new(0), wifi }
    }

    /// Counts a login in, if there are fewer than `limit`.
    fn enter(&self, limit: usize) -> bool {
        let room = self.in_flight.fetch_add(1, Ordering::Relaxed) < limit;
        if !room {
            self.leave();
        }
        room
    }

    /// Counts a login out.
    fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How much the server is at.
#[derive(Clone)]
pub struct Load(Arc<Shell>);

impl Load {
    /// Logins being decided.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// EAP conversations under way.
    pub fn conversations(&self) -> usize {
        self.0.wifi.conversations()
    }

    /// TLS sessions that can be resumed.
    pub fn sessions(&self) -> usize {
        self.0.wifi.sessions()
    }

    /// Steps of handshakes that wait for a thread.
    pub fn handshakes(&self) -> usize {
        self.0.wifi.handshakes()
    }
}

/// A reader's thread.
struct Thread {
    bell: Arc<Bell>,
    handle: std::thread::JoinHandle<()>,
    /// Closed when it has ended.
    over: oneshot::Receiver<()>,
}

impl Thread {
    /// Begins to read a socket of an address that has so many. `alone`: nobody has said that there should be more.
    fn start(
        shell: &Arc<Shell>,
        gatekeeper: &Arc<Gatekeeper>,
        socket: Socket,
        (sockets, alone): (usize, bool),
    ) -> io::Result<Self> {
        let bell = Bell::new()?;
        let (shell, gatekeeper) = (Arc::clone(shell), Arc::clone(gatekeeper));
        let wifi = Arc::clone(&shell.wifi);
        let people = Arc::clone(&gatekeeper);
        let announce = Box::new(move |names: &[&str]| people.announce(names));
        let decide = move |job| job::decide(Arc::clone(&gatekeeper), Arc::clone(&wifi), job);
        let reader = Reader::new(shell, socket, sockets, Arc::clone(&bell), (announce, decide));
        let runtime = tokio::runtime::Handle::current();
        let (ended, over) = oneshot::channel();
        let work = move || {
            if alone {
                affinity::may_stay();
            }
            // What logins await is there.
            let _inside = runtime.enter();
            reader.run();
            drop(ended);
        };
        let handle = std::thread::Builder::new().name("radius".to_owned()).spawn(work)?;
        Ok(Self { bell, handle, over })
    }
}

/// An address that is served.
struct Listener {
    /// As configured.
    address: SocketAddr,
    /// As bound.
    local: SocketAddr,
    /// The sockets were handed over, and stay open after us.
    handed: bool,
    readers: Vec<Thread>,
}

impl Listener {
    fn close(&self) {
        self.readers.iter().for_each(|reader| reader.bell.close());
    }
}

/// The running server.
pub struct Server {
    shell: Arc<Shell>,
    gatekeeper: Arc<Gatekeeper>,
    listeners: Vec<Listener>,
    /// Of addresses that are no longer served, with requests that may be under way.
    leaving: Vec<Listener>,
    handed: Arc<Handed>,
}

impl Server {
    /// Binds every address of the configuration, or takes its sockets over where they were `handed`, and begins to serve. `config` may be replaced at any time;
    /// call [`Server::reload`] then.
    pub fn start(
        config: Arc<ArcSwap<Config>>,
        gatekeeper: Arc<Gatekeeper>,
        counters: Arc<Counters>,
        handed: Arc<Handed>,
    ) -> Result<Self, BindError> {
        let addresses = config.load().radius.listen.clone();
        let shell = Arc::new(Shell::new(config, counters, Arc::clone(&gatekeeper.meters)));
        let wifi = Arc::downgrade(&shell.wifi);
        tokio::spawn(wifi::sweep(wifi, Arc::clone(&gatekeeper), Arc::clone(&shell.config)));
        let mut server = Self { shell, gatekeeper, listeners: Vec::new(), leaving: Vec::new(), handed };
        for address in addresses {
            server.listen(address)?;
        }
        Ok(server)
    }

    fn listen(&mut self, address: SocketAddr) -> Result<(), BindError> {
        let given = self.handed.udp(address).map_err(|source| BindError { address, source })?;
        let handed = !given.is_empty();
        // All are bound before any is read: from then on the kernel's choice for an Identifier stays.
        let bound = match handed {
            true => given.into_iter().map(Socket::adopt).collect(),
            false => Socket::bind(address, sockets(self.shell.config.load().radius.sockets)),
        };
        let bound: Vec<_> = bound.map_err(|source| BindError { address, source })?;
        Socket::share(&bound);
        let (local, count) = (bound.first().map_or(address, Socket::local), bound.len());
        tracing::info!(address = %local, sockets = count, handed, "RADIUS is served");
        let alone = count == 1 && self.shell.config.load().radius.sockets == 0;
        let mut listener = Listener { address, local, handed, readers: Vec::with_capacity(count) };
        for socket in bound {
            match Thread::start(&self.shell, &self.gatekeeper, socket, (count, alone)) {
                Ok(thread) => listener.readers.push(thread),
                Err(source) => {
                    listener.close();
                    return Err(BindError { address, source });
                }
            }
        }
        self.listeners.push(listener);
        Ok(())
    }

    /// How much it is at, for as long as it runs.
    pub fn load(&self) -> Load {
        Load(Arc::clone(&self.shell))
    }

    /// The addresses that are served, with the ports that were taken for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.local).collect()
    }

    /// Whether each reader takes a turn within this time. From one that does not, nobody gets answers any more.
    pub async fn takes_turns(&self, patience: Duration) -> bool {
        let readers = self.listeners.iter().flat_map(|listener| &listener.readers);
        let asked: Vec<_> = readers.map(|reader| (reader, reader.bell.ask())).collect();
        let until = Instant::now() + patience;
        while !asked.iter().all(|(reader, number)| reader.bell.has_seen(*number)) {
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Takes what changed in the configuration: added and removed addresses; readers see new limits by themselves.
    /// Requests under way finish with the configuration they began with. An address that stays keeps its sockets. One
    /// that cannot be bound is reported; the others hold.
    pub fn reload(&mut self) -> Vec<BindError> {
        let wanted = self.shell.config.load().radius.listen.clone();
        let gone = self.listeners.extract_if(.., |listener| !wanted.contains(&listener.address));
        for listener in gone {
            tracing::info!(address = %listener.local, "RADIUS is no longer served");
            if listener.handed {
                tracing::warn!(
                    address = %listener.local,
                    "the service manager keeps this address open, and nobody answers there; take it out of the socket unit"
                );
            }
            listener.close();
            self.leaving.push(listener);
        }
        self.leaving.retain(|listener| !listener.readers.iter().all(|reader| reader.handle.is_finished()));
        let served: Vec<_> = self.listeners.iter().map(|listener| listener.address).collect();
        let added = wanted.iter().filter(|address| !served.contains(address));
        added.filter_map(|address| self.listen(*address).err()).collect()
    }

    /// Stops reading, lets the requests under way finish for `drain_timeout` at most, and sends the answers
    /// that still wait for their moment. Returns how many requests were cut off.
    pub async fn stop(self) -> usize {
        let deadline = Instant::now() + self.shell.config.load().radius.drain_timeout;
        let all = self.listeners.into_iter().chain(self.leaving);
        let readers: Vec<_> = all.inspect(Listener::close).flat_map(|listener| listener.readers).collect();
        for mut reader in readers {
            if timeout_at(deadline, &mut reader.over).await.is_err() {
                reader.bell.abort();
            }
        }
        self.shell.in_flight.load(Ordering::Relaxed)
    }
}

/// How many sockets an address gets; 0: one for each core but one, which is left to the thread that writes.
fn sockets(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).clamp(1, MANY),
        wanted => wanted,
    }
}

/// So often it is looked whether readers have taken their turns.
const LOOK: Duration = Duration::from_millis(5);

/// More sockets than that are worth nothing: each core beyond is busy with what logins need elsewhere.
const MANY: usize = 16;
