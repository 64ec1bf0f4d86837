//! One socket's thread: reads, lets logins go on, sends.
//!
//! It waits for its socket and its [`Bell`] itself, and not in the runtime's way, whose threads hand sockets and tasks to each
//! other, so that answers came later. What a login awaits is the runtime's, and rings. A turn takes what can go on, reads one batch, and sends every answer that came of both together. So a lone request is
//! answered without delay, and under load the calls into the kernel are shared. Logins are polled here; what takes long
//! (password hashes, the store) runs elsewhere.

use super::admission::{Admission, SUSPICIOUS};
use super::batch::{BATCH, Inbox};
use super::bell::{Bell, Stage};
use super::counters::Event;
use super::desk::Desk;
use super::in_flight::InFlight;
use super::job::{Done, Job};
use super::socket::Socket;
use super::{Counters, Shell};
use crate::wire::radius::Code;
use nix::poll::PollTimeout;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// It looks around at least so often; nothing depends on that.
const IDLE: Duration = Duration::from_secs(30);

/// The reader of a socket; `decide` makes the future of a login.
pub(super) struct Reader<D, F> {
    socket: Socket,
    inbox: Inbox,
    desk: Desk,
    decide: D,
    in_flight: InFlight<F>,
    bell: Arc<Bell>,
    counters: Arc<Counters>,
    /// Whether there may be something to read.
    readable: bool,
    admission: Admission,
    /// Datagrams that the kernel has dropped, as far as is known.
    dropped: usize,
}

impl<D: Fn(Job) -> F, F: Future<Output = Done>> Reader<D, F> {
    /// A reader that ends after `bell` was closed, with the last of its answers.
    pub(super) fn new(shell: Arc<Shell>, socket: Socket, sockets: usize, bell: Arc<Bell>, decide: D) -> Self {
        Self {
            socket,
            inbox: Inbox::new(),
            counters: Arc::clone(&shell.counters),
            desk: Desk::new(shell, sockets),
            decide,
            in_flight: InFlight::new(Arc::clone(&bell)),
            bell,
            readable: true,
            admission: Admission::new(Instant::now(), SUSPICIOUS),
            dropped: 0,
        }
    }

    /// Serves, until it is closed and done.
    pub(super) fn run(mut self) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(Turn::More) => {}
                Ok(Turn::Over) => return,
                Err(_) => {
                    // What was being taken or answered is lost to its client, which asks again.
                    self.counters.count(Event::Faulty);
                    tracing::error!("a mistake in the program ended the handling of a datagram");
                    self.desk.outbox.clear();
                }
            }
        }
    }

    fn turn(&mut self) -> Turn {
        let stage = self.bell.stage();
        let now = Instant::now();
        self.desk.refresh();
        let advanced = self.in_flight.advance(|about, end| self.desk.ended(&about, end, now));
        self.in_flight.overdue(now, |about, end| self.desk.ended(&about, end, now));
        self.desk.delayed.due(now, &mut self.desk.outbox);
        // However much goes on, what is new has its turn.
        self.readable |= advanced;
        if self.readable && stage == Stage::Open {
            self.readable = self.read();
        }
        if stage == Stage::Open && self.admission.wants(self.readable, now) {
            self.admit(now);
        }
        self.flush();
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
        for (received, bytes) in self.inbox.iter() {
            let Some((job, about)) = self.desk.datagram(received, bytes, now) else { continue };
            if let Some((about, end)) = self.in_flight.begin((self.decide)(job), about) {
                self.desk.ended(&about, end, now);
            }
        }
        self.inbox.len() == BATCH
    }

    /// Has the kernel take as many requests as can be decided.
    fn admit(&mut self, now: Instant) {
        let queue = self.socket.backlog();
        if let Some(queue) = queue {
            self.counters.add(Event::Unread, queue.dropped.saturating_sub(self.dropped));
            self.dropped = queue.dropped;
        }
        let Some(share) = self.admission.adjust(queue) else { return };
        match self.socket.admit(share) {
            Ok(()) if self.admission.is_whole() => {}
            Ok(()) => self.desk.rushed(self.socket.local(), now),
            Err(error) => {
                self.admission.give_up();
                tracing::warn!(%error, "the kernel takes no filter; where too many requests arrive, Status-Server waits with them");
            }
        }
    }

    fn flush(&mut self) {
        self.counters.add(Event::Answered, self.desk.outbox.len());
        self.desk.outbox.flush(&self.socket);
    }

    /// The next deadline or delayed answer, or look at the queue.
    fn next(&self, stage: Stage) -> Option<Instant> {
        let look = self.admission.next().filter(|_| stage == Stage::Open);
        let all = [self.in_flight.next_deadline(), self.desk.delayed.next(), look];
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
mod tests {
    use super::*;
    use crate::config::{self, Config};
    use crate::domain::reason::Reason;
    use crate::engine::login::Verdict;
    use crate::wire::radius::{AttributeType, Request, SharedSecret, verify_response};
    use arc_swap::ArcSwap;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::net::UdpSocket;
    use tokio::sync::Semaphore;
    use tokio::sync::oneshot;

    const SECRET: &str = "a-shared-secret-of-length";

    fn config(radius: &str) -> Config {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let client = format!("[[client]]\nname = \"x\"\nnetworks = [\"127.0.0.1\"]\nsecret = \"{SECRET}\"\n");
        let text = format!("[keys]\nfiles = [\"k1.key\"]\n[radius]\nreject_delay = \"0s\"\n{radius}{client}");
        for (name, text) in [("k1.key", data_encoding::BASE64.encode(&[7; 32])), ("doorward.toml", text)] {
            std::fs::write(dir.path().join(name), text).unwrap();
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(dir.path().join(name), mode).unwrap();
        }
        config::load(&dir.path().join("doorward.toml"), std::iter::empty())
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn login(identifier: u8, user: &str) -> Vec<u8> {
        let request = Request::new(Code::ACCESS_REQUEST, identifier, [identifier; 16]);
        let request = request.attribute(AttributeType::USER_NAME, user.as_bytes());
        request.seal(&SharedSecret::new(SECRET.into()).unwrap()).unwrap()
    }

    /// A reader whose logins are refused at once; but `wait` waits for the semaphore, and `panic` panics.
    struct World {
        counters: Arc<Counters>,
        shell: Arc<Shell>,
        address: SocketAddr,
        bell: Arc<Bell>,
        gate: Arc<Semaphore>,
        begun: Arc<AtomicUsize>,
        over: oneshot::Receiver<()>,
        client: UdpSocket,
        /// Lets the reader go on after a login of `hold`.
        release: std::sync::mpsc::Sender<()>,
    }

    impl World {
        async fn new(radius: &str) -> Self {
            let counters = Arc::<Counters>::default();
            let config = Arc::new(ArcSwap::from_pointee(config(radius)));
            let shell = Arc::new(Shell::new(config, Arc::clone(&counters)));
            let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().pop().unwrap();
            let (address, bell) = (socket.local(), Bell::new().unwrap());
            let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
            let (gates, begins) = (Arc::clone(&gate), Arc::clone(&begun));
            let (release, released) = std::sync::mpsc::channel();
            let decide = move |job: Job| {
                begins.fetch_add(1, Ordering::SeqCst);
                let gate = Arc::clone(&gates);
                if job.wanted.username.as_str() == "hold" {
                    let _ = released.recv();
                }
                async move {
                    let Job { config, client, wanted, .. } = job;
                    match wanted.username.as_str() {
                        "wait" => gate.acquire().await.unwrap().forget(),
                        "panic" => panic!("on purpose"),
                        _ => {}
                    }
                    let verdict = Verdict::Reject { message: "no".into(), reason: Reason::WrongPassword };
                    let outcome = Ok(super::super::job::Outcome::Login(verdict));
                    Done { config, client, wanted, outcome }
                }
            };
            let mut reader = Reader::new(Arc::clone(&shell), socket, 1, Arc::clone(&bell), decide);
            // The kernel may give the socket little room, and then a few batches empty it.
            reader.admission = Admission::new(Instant::now(), 1);
            let (ended, over) = oneshot::channel();
            std::thread::spawn(move || {
                reader.run();
                ended.send(())
            });
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.connect(address).await.unwrap();
            Self { counters, shell, address, bell, gate, begun, over, client, release }
        }

        async fn send(&self, datagram: &[u8]) {
            self.client.send(datagram).await.unwrap();
        }

        /// The identifier of the next answer, which must be a refusal.
        async fn answer(&self) -> u8 {
            let mut buffer = [0; 4096];
            let length = self.client.recv(&mut buffer).await.unwrap();
            let secret = SharedSecret::new(SECRET.into()).unwrap();
            let (packet, _) = verify_response(&[buffer[1]; 16], &buffer[..length], &secret).unwrap();
            assert_eq!(packet.code(), Code::ACCESS_REJECT);
            packet.identifier()
        }

        fn counter(&self, name: &str) -> u64 {
            self.counters.snapshot()[name]
        }
    }

    #[tokio::test]
    async fn panic_of_one_login_costs_the_others_nothing_and_is_not_remembered() {
        let world = World::new("").await;
        for (identifier, user) in [(1, "wait"), (2, "panic"), (3, "x"), (2, "panic"), (4, "x")] {
            world.send(&login(identifier, user)).await;
        }
        assert_eq!((world.answer().await, world.answer().await), (3, 4));
        world.gate.add_permits(1);
        assert_eq!(world.answer().await, 1);
        assert_eq!(world.counter("faulty"), 2, "the copy was tried again");
        assert_eq!(world.begun.load(Ordering::SeqCst), 5);
        assert_eq!(world.shell.in_flight.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn login_that_takes_too_long_is_cut_off_and_may_be_tried_again() {
        let world = World::new("request_deadline = \"100ms\"\n").await;
        let start = Instant::now();
        world.send(&login(1, "wait")).await;
        // The reader ends when nothing is under way any more, and nothing but the deadline ends this one.
        world.send(&login(2, "x")).await;
        assert_eq!(world.answer().await, 2);
        world.bell.close();
        world.over.await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100));
        assert_eq!(world.counters.snapshot()["late"], 1);
        assert_eq!(world.shell.in_flight.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn more_than_a_batch_is_answered_and_what_waits_is_woken_together() {
        let world = World::new("max_in_flight = 150\n").await;
        for identifier in 0..150 {
            world.send(&login(identifier, "wait")).await;
        }
        // One too many, after all the others.
        world.send(&login(200, "x")).await;
        while world.counter("shed") == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((world.counter("shed"), world.begun.load(Ordering::SeqCst)), (1, 150));
        world.gate.add_permits(150);
        let mut answered = Vec::new();
        for _ in 0..150 {
            answered.push(world.answer().await);
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..150).collect::<Vec<_>>());
        world.send(&login(200, "x")).await;
        assert_eq!(world.answer().await, 200, "what was dropped is not remembered");
    }

    #[tokio::test]
    async fn queue_that_is_full_is_noticed_and_what_the_kernel_has_dropped_is_counted() {
        let world = World::new("").await;
        world.send(&login(1, "hold")).await;
        while world.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // More than the kernel has room for, and for as long as the reader takes between two looks.
        let (begun, mut sent) = (Instant::now(), 1);
        while sent < 8000 || begun.elapsed() < Duration::from_millis(50) {
            world.send(&[7; 100]).await;
            sent += 1;
        }
        world.release.send(()).unwrap();
        while world.counter("received") + world.counter("unread") < sent {
            tokio::task::yield_now().await;
        }
        assert!(world.counter("unread") > 0);
        assert_eq!(world.counter("received") + world.counter("unread"), sent);
    }

    #[tokio::test]
    async fn closed_reader_finishes_what_it_has_and_reads_nothing_new() {
        let world = World::new("").await;
        world.send(&login(1, "wait")).await;
        while world.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        world.bell.close();
        world.send(&login(2, "x")).await;
        world.gate.add_permits(1);
        assert_eq!(world.answer().await, 1);
        world.over.await.unwrap();
        assert_eq!(world.counters.snapshot()["received"], 1);
        assert!(UdpSocket::bind(world.address).await.is_ok(), "the address is free");
    }
}
