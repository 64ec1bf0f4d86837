//! A reader over a socket of its own: what it answers, keeps waiting, and counts.

use super::super::batch::{Arrival, Received};
use super::super::in_flight::End;
use super::*;
use crate::config::{self, Config};
use crate::domain::reason::Reason;
use crate::eap::Cost;
use crate::engine::login::Verdict;
use crate::wire::radius::{AttributeType, Request, SharedSecret, verify_response};
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(30);

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

fn with_password(identifier: u8, user: &[u8]) -> Vec<u8> {
    let request = Request::new(Code::ACCESS_REQUEST, identifier, [identifier; 16]);
    let request = request.attribute(AttributeType::USER_NAME, user).password(b"lantern".to_vec().into());
    request.seal(&SharedSecret::new(SECRET.into()).unwrap()).unwrap()
}

/// A reader whose logins are refused at once; but `wait` waits for the semaphore, `panic` panics, and `costly` is done by the reader itself if
/// it may.
struct World {
    counters: Arc<Counters>,
    shell: Arc<Shell>,
    address: SocketAddr,
    bell: Arc<Bell>,
    gate: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    /// Costly ones that the reader has done itself.
    own: Arc<AtomicUsize>,
    /// Names that were announced together.
    announced: Arc<Mutex<Vec<Vec<String>>>>,
    over: oneshot::Receiver<()>,
    client: UdpSocket,
    /// Lets the reader go on after a login of `hold`.
    release: std::sync::mpsc::Sender<()>,
}

impl World {
    async fn new(radius: &str) -> Self {
        let counters = Arc::<Counters>::default();
        let config = Arc::new(ArcSwap::from_pointee(config(radius)));
        let shell = Arc::new(Shell::new(config, Arc::clone(&counters), Arc::default()));
        let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().pop().unwrap();
        let (address, bell) = (socket.local(), Bell::new().unwrap());
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
        let (gates, begins) = (Arc::clone(&gate), Arc::clone(&begun));
        let own = Arc::<AtomicUsize>::default();
        let does = Arc::clone(&own);
        let (release, released) = std::sync::mpsc::channel();
        let announced = Arc::<Mutex<Vec<_>>>::default();
        let hears = Arc::clone(&announced);
        let announce = Box::new(move |names: &[&str]| {
            hears.lock().unwrap().push(names.iter().map(|name| (*name).to_owned()).collect());
        });
        let decide = move |job: Job| {
            begins.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&gates);
            match job.wanted.username.as_str() {
                "hold" => drop(released.recv()),
                "costly" if workers::may_do(Cost::Middle) => drop(does.fetch_add(1, Ordering::SeqCst)),
                _ => {}
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
        let mut reader = Reader::new(Arc::clone(&shell), socket, 1, Arc::clone(&bell), (announce, decide));
        // The kernel may give the socket little room, and then a few batches empty it.
        reader.admission = Admission::new(Instant::now(), 1);
        let (ended, over) = oneshot::channel();
        std::thread::spawn(move || {
            reader.run();
            ended.send(())
        });
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(address).await.unwrap();
        Self { counters, shell, address, bell, gate, begun, own, announced, over, client, release }
    }

    async fn send(&self, datagram: &[u8]) {
        self.client.send(datagram).await.unwrap();
    }

    /// The identifier of the next answer, which must be a refusal.
    async fn answer(&self) -> u8 {
        let mut buffer = [0; 4096];
        let received = tokio::time::timeout(PATIENCE, self.client.recv(&mut buffer)).await;
        let length = received.expect("waited too long").unwrap();
        let secret = SharedSecret::new(SECRET.into()).unwrap();
        let (packet, _) = verify_response(&[buffer[1]; 16], &buffer[..length], &secret).unwrap();
        assert_eq!(packet.code(), Code::ACCESS_REJECT);
        packet.identifier()
    }

    fn counter(&self, name: &str) -> u64 {
        counted(&self.counters, name)
    }
}

fn counted(counters: &Counters, name: &str) -> u64 {
    counters.snapshot().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// Waits for something that another thread does.
async fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited too long");
        tokio::task::yield_now().await;
    }
}

// R-SYS-1
#[tokio::test]
async fn reader_that_takes_no_turns_shows() {
    let world = World::new("").await;
    let asked = world.bell.ask();
    until(|| world.bell.has_seen(asked)).await;
    world.send(&login(1, "hold")).await;
    until(|| world.begun.load(Ordering::SeqCst) == 1).await;
    let asked = world.bell.ask();
    assert!(!world.bell.has_seen(asked), "it is held up");
    world.release.send(()).unwrap();
    until(|| world.bell.has_seen(asked)).await;
}

/// Of those that come together it does the first itself, and what has an answer then does not wait for the next one.
#[tokio::test]
async fn costly_ones_are_done_by_the_reader_a_few_in_each_turn_and_answered_at_once() {
    let world = World::new("").await;
    world.send(&login(1, "hold")).await;
    until(|| world.begun.load(Ordering::SeqCst) == 1).await;
    for identifier in 2..12 {
        world.send(&login(identifier, "costly")).await;
    }
    world.send(&login(12, "hold")).await;
    world.release.send(()).unwrap();
    for identifier in 1..6 {
        assert_eq!(world.answer().await, identifier);
    }
    until(|| world.begun.load(Ordering::SeqCst) == 12).await;
    assert_eq!(world.own.load(Ordering::SeqCst), 4);
    assert!(world.client.try_recv(&mut [0; 4096]).is_err(), "the others leave with the last");
    world.release.send(()).unwrap();
    for identifier in 6..13 {
        assert_eq!(world.answer().await, identifier);
    }
    world.send(&login(13, "costly")).await;
    assert_eq!(world.answer().await, 13);
    assert_eq!(world.own.load(Ordering::SeqCst), 5, "it may again");
}

/// Who comes alone, has no password or no name that could be anybody's, is not.
#[tokio::test]
async fn names_of_those_who_come_together_with_a_password_are_announced() {
    let world = World::new("").await;
    world.send(&with_password(1, b"hold")).await;
    until(|| world.begun.load(Ordering::SeqCst) == 1).await;
    world.send(&with_password(2, b"anna")).await;
    world.send(&login(3, "eap")).await;
    world.send(&with_password(4, b"\xff")).await;
    world.send(&with_password(5, b"bob")).await;
    world.release.send(()).unwrap();
    for identifier in 1..=5 {
        assert_eq!(world.answer().await, identifier);
    }
    assert_eq!(*world.announced.lock().unwrap(), [["anna", "bob"]]);
}

/// A copy that comes before the answer is signed is not answered, and one that comes later gets the same.
#[tokio::test]
async fn answer_is_kept_from_when_it_is_signed_also_after_a_mistake() {
    let config = Arc::new(ArcSwap::from_pointee(config("")));
    let shell = Arc::new(Shell::new(Arc::clone(&config), Arc::default(), Arc::default()));
    let (mut intake, config) = (Intake::new(shell, 1), config.load_full());
    let bytes = login(7, "anna");
    let source = "127.0.0.1:1812".parse().unwrap();
    let received = Received { length: bytes.len(), source, arrival: Arrival::Bound };
    let take = |intake: &mut Intake| {
        let examined = intake.examine(&config, std::iter::once((received, bytes.as_slice()))).pop().unwrap();
        intake.datagram(received, examined, Instant::now())
    };
    let (Job { config: began, client, wanted, .. }, about) = take(&mut intake).unwrap();
    let verdict = Verdict::Reject { message: "no".into(), reason: Reason::WrongPassword };
    let outcome = Ok(super::super::job::Outcome::Login(verdict));
    intake.ended(&about, End::Done(Done { config: began, client, wanted, outcome }), Instant::now());
    assert!(take(&mut intake).is_none() && intake.outbox.len() == 0, "it is being answered");
    intake.recover();
    let answer = intake.outbox.bytes().to_vec();
    let secret = SharedSecret::new(SECRET.into()).unwrap();
    assert!(verify_response(&[7; 16], &answer, &secret).is_some_and(|(_, signed)| signed));
    assert!(take(&mut intake).is_none());
    assert_eq!(intake.outbox.bytes(), answer.repeat(2));
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
    assert_eq!(counted(&world.counters, "late"), 1);
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
    // More than the kernel has room for where it gives all that is asked of it, and for as long as the reader takes between two looks.
    let (begun, mut sent) = (Instant::now(), 1);
    while sent < 20_000 || begun.elapsed() < Duration::from_millis(50) {
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
    assert_eq!(counted(&world.counters, "received"), 1);
    assert!(UdpSocket::bind(world.address).await.is_ok(), "the address is free");
}
