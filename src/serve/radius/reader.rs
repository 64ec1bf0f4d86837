//! One socket's thread: reads, lets logins go on, sends.
//!
//! It waits for its socket and its [`Bell`] itself, and not in the runtime's way, whose threads hand sockets and tasks to each
//! other, so that answers came later. What a login awaits is the runtime's, and rings. A turn takes what can go on, reads one batch, and sends the answers that came of both together (before that only what is
//! there when it has done a handshake itself). So a lone request is
//! answered without delay, and under load the calls into the kernel are shared. Logins are polled here; what takes long
//! (password hashes, the store, most TLS handshakes: [`workers`]) runs elsewhere.

use super::admission::{Admission, SUSPICIOUS};
use super::batch::{BATCH, Inbox};
use super::bell::{Bell, Stage};
use super::counters::Event;
use super::examine::Examined;
use super::in_flight::InFlight;
use super::intake::Intake;
use super::job::{Done, Job};
use super::socket::Socket;
use super::{Counters, Shell, workers};
use crate::base::affinity;
use crate::wire::radius::Code;
use nix::poll::PollTimeout;
use smallvec::SmallVec;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// It looks around at least so often; nothing depends on that.
const IDLE: Duration = Duration::from_secs(30);

/// After so many in one batch more are likely to come at once. It gives way and looks so often before it sleeps: to be woken costs whoever
/// sends a good deal more, and where both are on one core, the kernel moves neither to another unless both can run.
const SEVERAL: usize = 4;
const LOOKS: u32 = 5;

/// Hears the names of those who are about to log in, if there are several.
pub(super) type Announce = Box<dyn Fn(&[&str]) + Send>;

/// The reader of a socket; `decide` makes the future of a login.
pub(super) struct Reader<D, F> {
    socket: Socket,
    inbox: Inbox,
    intake: Intake,
    announce: Announce,
    decide: D,
    in_flight: InFlight<F>,
    bell: Arc<Bell>,
    counters: Arc<Counters>,
    /// Whether there may be something to read.
    readable: bool,
    /// So often it looks again before it sleeps.
    looks: u32,
    admission: Admission,
    /// Datagrams that the kernel has dropped, as far as is known.
    dropped: u32,
}

impl<D: Fn(Job) -> F, F: Future<Output = Done>> Reader<D, F> {
    /// A reader that ends after `bell` was closed, with the last of its answers.
    pub(super) fn new(
        shell: Arc<Shell>,
        socket: Socket,
        sockets: usize,
        bell: Arc<Bell>,
        (announce, decide): (Announce, D),
    ) -> Self {
        // One that was handed over may have been full before.
        let dropped = socket.backlog().map_or(0, |queue| queue.dropped);
        Self {
            socket,
            inbox: Inbox::new(),
            counters: Arc::clone(&shell.counters),
            intake: Intake::new(shell, sockets),
            announce,
            decide,
            in_flight: InFlight::new(Arc::clone(&bell)),
            bell,
            readable: true,
            looks: 0,
            admission: Admission::new(Instant::now(), SUSPICIOUS),
            dropped,
        }
    }

    /// Serves, until it is closed and done.
    pub(super) fn run(mut self) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(Turn::More) => {}
                Ok(Turn::Over) => return,
                Err(_) => {
                    self.counters.count(Event::Faulty);
                    tracing::error!("a mistake in the program ended the handling of a datagram");
                    self.intake.recover();
                }
            }
        }
    }

    fn turn(&mut self) -> Turn {
        affinity::follow();
        workers::begin_turn();
        let stage = self.bell.stage();
        let now = Instant::now();
        self.intake.refresh();
        let advanced = self.in_flight.advance(|about, end| self.intake.ended(&about, end, now));
        self.in_flight.overdue(now, |about, end| self.intake.ended(&about, end, now));
        self.intake.delayed.due(now, &mut self.intake.outbox);
        // However much goes on, what is new has its turn.
        self.readable |= advanced;
        if self.readable && stage == Stage::Open {
            self.readable = self.read();
        }
        if stage == Stage::Open && self.admission.wants(self.readable, now) {
            self.admit(now);
        }
        if stage != Stage::Open && !self.admission.is_whole() {
            // Where the socket stays open, what arrives from now on is for whoever is started next.
            self.admission.give_up();
            let _ = self.socket.admit(1.0);
        }
        self.intake.flush(&self.socket);
        if advanced {
            return Turn::More;
        }
        let next = self.next(stage);
        match stage {
            Stage::Aborted => return Turn::Over,
            Stage::Closing if next.is_none() => return Turn::Over,
            Stage::Closing => {
                self.bell.wait(None, patience(next), stage);
            }
            Stage::Open if self.readable => {}
            Stage::Open if self.looks > 0 => {
                self.looks -= 1;
                self.readable = true;
                std::thread::yield_now();
            }
            Stage::Open => self.readable = self.bell.wait(Some(self.socket.as_fd()), patience(next), stage),
        }
        Turn::More
    }

    /// Reads one batch and takes what is in it; whether there may be more.
    fn read(&mut self) -> bool {
        if let Err(error) = self.socket.receive(&mut self.inbox) {
            // An ICMP error of an earlier answer shows here; it concerns that client only.
            let more = error.kind() != ErrorKind::WouldBlock;
            if more {
                tracing::debug!(%error, "reading datagrams failed");
            }
            return more;
        }
        let now = Instant::now();
        self.counters.add(Event::Received, self.inbox.len());
        let status =
            self.inbox.iter().filter(|(_, bytes)| bytes.first() == Some(&Code::STATUS_SERVER.0)).count();
        self.admission.read(self.inbox.len(), self.inbox.len() - status);
        self.intake.arrived(self.inbox.len());
        self.looks = if self.inbox.len() >= SEVERAL { LOOKS } else { 0 };
        let config = self.intake.config();
        let examined = self.intake.examine(&config, self.inbox.iter());
        let names: SmallVec<[&str; BATCH]> = examined.iter().filter_map(Examined::username).collect();
        if names.len() > 1 {
            (self.announce)(&names);
        }
        for ((received, _), examined) in self.inbox.iter().zip(examined) {
            let Some((job, about)) = self.intake.datagram(received, examined, now) else { continue };
            let own = workers::own();
            if let Some((about, end)) = self.in_flight.begin(|| (self.decide)(job), about) {
                self.intake.ended(&about, end, now);
            }
            if workers::own() < own {
                // That took a while: who has an answer already shall not wait for the next one.
                self.intake.flush(&self.socket);
            }
        }
        self.inbox.len() == BATCH
    }

    /// Has the kernel take as many requests as can be decided.
    fn admit(&mut self, now: Instant) {
        let queue = self.socket.backlog();
        if let Some(queue) = queue {
            self.counters.add(Event::Unread, queue.dropped.wrapping_sub(self.dropped) as usize);
            self.dropped = queue.dropped;
        }
        let Some(share) = self.admission.adjust(queue) else { return };
        match self.socket.admit(share) {
            Ok(()) if self.admission.is_whole() => {}
            Ok(()) => self.intake.rushed(self.socket.local(), now),
            Err(error) => {
                self.admission.give_up();
                tracing::warn!(%error, "the kernel takes no filter; where too many requests arrive, Status-Server waits with them");
            }
        }
    }

    /// The next deadline or delayed answer, or look at the queue.
    fn next(&self, stage: Stage) -> Option<Instant> {
        let look = self.admission.next().filter(|_| stage == Stage::Open);
        let all = [self.in_flight.next_deadline(), self.intake.delayed.next(), look];
        all.into_iter().flatten().min()
    }
}

/// How long to wait for that moment, and not a millisecond less.
fn patience(next: Option<Instant>) -> PollTimeout {
    let left = next.map_or(IDLE, |next| next.saturating_duration_since(Instant::now()).min(IDLE));
    let millis = left.as_nanos().div_ceil(1_000_000);
    u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
}

/// How a turn left the reader.
enum Turn {
    /// There may be more to do.
    More,
    /// It has served its time.
    Over,
}

#[cfg(test)]
mod tests;
