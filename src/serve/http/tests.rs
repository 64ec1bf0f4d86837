//! Connections that a test hands in itself.

use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

const ASK: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// So long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

type Coming = io::Result<(DuplexStream, SocketAddr)>;

/// What comes is what the test sends.
struct Handed(tokio::sync::Mutex<UnboundedReceiver<Coming>>);

impl Listener for Handed {
    type Stream = DuplexStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> Coming {
        match self.0.lock().await.recv().await {
            Some(coming) => coming,
            None => std::future::pending().await,
        }
    }

    fn share(peer: &SocketAddr) -> Share {
        Share::of(peer.ip())
    }

    fn address(peer: &SocketAddr) -> Option<IpAddr> {
        Some(peer.ip())
    }
}

/// The only proxy.
const PROXY: &str = "10.0.0.1";

struct World {
    service: Arc<Service>,
    coming: UnboundedSender<Coming>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl World {
    fn start(router: Router, limits: Limits) -> Self {
        let (coming, handed) = unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let service = Service::new("the test", router, limits).behind(|peer| peer.to_string() == PROXY);
        let service = Arc::new(service);
        let listener = Handed(tokio::sync::Mutex::new(handed));
        let running = tokio::spawn(Arc::clone(&service).run(listener, |_| Protection::Plain, stopped));
        Self { service, coming, stop, running }
    }

    fn connect(&self, from: &str) -> DuplexStream {
        let (ours, theirs) = duplex(4096);
        self.coming.send(Ok((theirs, SocketAddr::new(from.parse().unwrap(), 1)))).unwrap();
        ours
    }
}

fn saying(what: &'static str) -> Router {
    Router::new().route("/", get(move || async move { what }))
}

/// What comes until the other side has nothing more to say.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    let _ = read.expect("the connection stays open");
    text
}

/// One answer, of which the last words are known.
async fn ask(stream: &mut DuplexStream, end: &str) -> String {
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.ends_with(end) {
        let octet = timeout(PATIENCE, stream.read_u8()).await.expect("no answer").expect("closed");
        text.push(char::from(octet));
    }
    text
}

#[tokio::test]
async fn peer_that_holds_its_share_is_closed_at_once_and_others_are_served() {
    let limits = Limits { per_peer: 2, ..Limits::default() };
    let world = World::start(saying("here"), limits);
    let mut held = [world.connect("192.0.2.1"), world.connect("::ffff:192.0.2.1")];
    for stream in &mut held {
        ask(stream, "here").await;
    }
    assert_eq!(rest(&mut world.connect("192.0.2.1")).await, "");
    ask(&mut world.connect("192.0.2.2"), "here").await;
    // An IPv6 address has neighbours that are the same peer.
    let mut held6 = [world.connect("2001:db8::1"), world.connect("2001:db8::2")];
    for stream in &mut held6 {
        ask(stream, "here").await;
    }
    assert_eq!(rest(&mut world.connect("2001:db8::3")).await, "");
    ask(&mut world.connect("2001:db8:0:1::1"), "here").await;
    // What ends gives its place back, and leaves nothing behind.
    drop((held, held6));
    let _ = world.stop.send(true);
    timeout(PATIENCE, world.running).await.expect("it stops").unwrap();
    assert!(world.service.shares.is_empty());
    assert_eq!(world.service.places.available_permits(), Limits::default().connections);
}

/// Whether what is asked is answered, rather than closed at once.
async fn is_served(stream: &mut DuplexStream) -> bool {
    let _ = stream.write_all(ASK.as_bytes()).await;
    timeout(PATIENCE, stream.read_u8()).await.expect("no answer").is_ok()
}

#[tokio::test]
async fn few_that_take_what_they_can_leave_room_for_whoever_comes() {
    let world = World::start(saying("here"), Limits { connections: 50, per_peer: 1000, ..Limits::default() });
    let mut held = Vec::new();
    for _ in 0..50 {
        for peer in 1..=4 {
            let mut stream = world.connect(&format!("192.0.2.{peer}"));
            if is_served(&mut stream).await {
                held.push(stream);
            }
        }
    }
    assert_eq!(held.len(), 40, "a fifth each");
    for peer in 1..=3 {
        let mut stream = world.connect(&format!("198.51.100.{peer}"));
        assert!(is_served(&mut stream).await);
        held.push(stream);
    }
    // One that is alone has half of all.
    let world = World::start(saying("here"), Limits { connections: 50, per_peer: 1000, ..Limits::default() });
    let mut alone = Vec::new();
    for _ in 0..50 {
        let mut stream = world.connect("192.0.2.1");
        if is_served(&mut stream).await {
            alone.push(stream);
        }
    }
    assert_eq!(alone.len(), 25);
}

/// Also what is asked and never answered; how often, is told.
fn never(asked: &Arc<Semaphore>) -> Router {
    let asked = Arc::clone(asked);
    let never = move || async move {
        asked.add_permits(1);
        std::future::pending::<&str>().await
    };
    saying("here").route("/never", get(never))
}

/// A request that a proxy has passed on, for this address.
async fn pass_on(world: &World, path: &str, address: &str) -> DuplexStream {
    let mut stream = world.connect(PROXY);
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

// R-API-1
#[tokio::test]
async fn who_has_too_much_open_through_a_proxy_is_told_and_others_behind_it_are_served() {
    let asked = Arc::new(Semaphore::new(0));
    let world = World::start(never(&asked), Limits { connections: 40, per_peer: 4, ..Limits::default() });
    let mut open = Vec::new();
    for number in 1..=4 {
        open.push(pass_on(&world, "/never", &format!("2001:db8::{number}")).await);
        timeout(PATIENCE, asked.acquire()).await.expect("it is taken").unwrap().forget();
    }
    for address in ["2001:db8::5", "203.0.113.7, 2001:db8::6"] {
        let refused = rest(&mut pass_on(&world, "/", address).await).await;
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    }
    // The proxy holds more than any other peer may, and whoever else is behind it is served.
    for address in ["2001:db8:0:1::1", "203.0.113.7", "unknown"] {
        let served = rest(&mut pass_on(&world, "/", address).await).await;
        assert!(served.ends_with("here"), "{served}");
    }
}

// R-API-1
#[tokio::test]
async fn few_that_take_what_they_can_through_a_proxy_leave_it_room_for_others() {
    let asked = Arc::new(Semaphore::new(0));
    let world = World::start(never(&asked), Limits { connections: 40, per_peer: 1000, ..Limits::default() });
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        for address in ["203.0.113.1", "203.0.113.2"] {
            let mut stream = pass_on(&world, "/never", address).await;
            tokio::select! {
                taken = asked.acquire() => {
                    taken.unwrap().forget();
                    open.push(stream);
                }
                answer = rest(&mut stream) => {
                    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
                    refused += 1;
                }
            }
        }
    }
    assert!(open.len() >= 10 && open.len() + refused == 40, "{} of 40", open.len());
    let served = rest(&mut pass_on(&world, "/", "203.0.113.3").await).await;
    assert!(served.ends_with("here"), "{served}");
}

#[tokio::test]
async fn connection_beyond_all_places_is_served_when_one_is_free() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let world = World::start(saying("here"), limits);
    let mut first = world.connect("192.0.2.1");
    ask(&mut first, "here").await;
    let mut second = world.connect("192.0.2.2");
    second.write_all(ASK.as_bytes()).await.unwrap();
    assert_eq!(world.service.places.available_permits(), 0);
    assert_eq!(world.service.held().held(), 1, "one waits, and is not counted");
    drop(first);
    let _ = world.stop;
    assert!(timeout(PATIENCE, second.read_u8()).await.expect("no answer").is_ok());
}

#[tokio::test]
async fn silent_slow_and_old_connections_are_closed() {
    let head = Duration::from_millis(50);
    let world = World::start(saying("here"), Limits { head, ..Limits::default() });
    assert_eq!(rest(&mut world.connect("192.0.2.1")).await, "");
    let mut slow = world.connect("192.0.2.1");
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let answer = rest(&mut slow).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut idle = world.connect("192.0.2.1");
    ask(&mut idle, "here").await;
    assert_eq!(rest(&mut idle).await, "");

    let whole = Duration::from_millis(50);
    let world = World::start(saying("here"), Limits { whole, ..Limits::default() });
    let mut busy = world.connect("192.0.2.1");
    let until = Instant::now() + PATIENCE;
    let mut answer = [0; 512];
    while busy.write_all(ASK.as_bytes()).await.is_ok() && busy.read(&mut answer).await.unwrap_or(0) > 0 {
        assert!(Instant::now() < until, "a connection that is never idle must end as well");
    }
}

#[tokio::test]
async fn request_that_takes_too_long_is_told_so() {
    let never = || async { std::future::pending::<&str>().await };
    let router = Router::new().route("/", get(never));
    let request = Duration::from_millis(50);
    let world = World::start(router, Limits { request, ..Limits::default() });
    let mut stream = world.connect("192.0.2.1");
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("took too long.\r\n"), "{answer}");
}

#[tokio::test]
async fn handler_knows_who_asks() {
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let world = World::start(Router::new().route("/", get(who)), Limits::default());
    ask(&mut world.connect("192.0.2.7"), "192.0.2.7:1").await;
}

#[tokio::test]
async fn errors_of_accept_make_it_pause_and_those_of_a_peer_do_not() {
    let world = World::start(saying("here"), Limits::default());
    let begun = Instant::now();
    for _ in 0..1000 {
        world.coming.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
    }
    ask(&mut world.connect("192.0.2.1"), "here").await;
    assert!(begun.elapsed() < SHORTEST_PAUSE * 1000);
    let begun = Instant::now();
    let full = || io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
    for _ in 0..3 {
        world.coming.send(Err(full())).unwrap();
    }
    ask(&mut world.connect("192.0.2.1"), "here").await;
    assert!(begun.elapsed() >= SHORTEST_PAUSE * 7, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn stop_lets_what_was_asked_be_answered_and_closes_the_idle() {
    let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let router = {
        let (asked, answer, count) = (Arc::clone(&asked), Arc::clone(&answer), Arc::clone(&count));
        Router::new().route(
            "/",
            get(move || async move {
                asked.add_permits(1);
                answer.notified().await;
                count.fetch_add(1, Ordering::SeqCst);
                "done"
            }),
        )
    };
    let world = World::start(router, Limits::default());
    let (mut busy, mut idle) = (world.connect("192.0.2.1"), world.connect("192.0.2.2"));
    busy.write_all(ASK.as_bytes()).await.unwrap();
    drop(timeout(PATIENCE, asked.acquire()).await.unwrap());
    let _ = world.stop.send(true);
    assert_eq!(rest(&mut idle).await, "");
    answer.notify_one();
    let said = rest(&mut busy).await.to_lowercase();
    assert!(said.ends_with("done") && said.contains("connection: close"), "{said}");
    timeout(PATIENCE, world.running).await.expect("it stops").unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn answer_without_an_end_outlives_the_others_until_the_service_stops() {
    let short = Duration::from_millis(50);
    let (send, receive) = tokio::sync::mpsc::channel::<io::Result<&'static str>>(4);
    let (hold, held) = tokio::sync::mpsc::channel::<io::Result<&'static str>>(4);
    // Each is asked for once.
    let once = |from| {
        let from = Arc::new(Mutex::new(Some(from)));
        move || from.lock().unwrap().take().unwrap()
    };
    let (endless, ordinary) = (once(receive), once(held));
    let endless = move || async move { streamed("text/plain", endless()) };
    let ordinary = move || async move { Response::new(axum::body::Body::from_stream(Pages(ordinary()))) };
    let router = Router::new().route("/", get(endless)).route("/ordinary", get(ordinary));
    let world = World::start(router, Limits { whole: short, head: short, ..Limits::default() });
    let (mut first, mut second) = (world.connect("192.0.2.1"), world.connect("192.0.2.1"));
    send.send(Ok("one\n")).await.unwrap();
    ask(&mut first, "one\n\r\n").await;
    second.write_all(b"GET /ordinary HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    hold.send(Ok("one\n")).await.unwrap();
    // It began later, and is cut off: by then the other one's time is over as well.
    assert!(rest(&mut second).await.contains("one"));
    send.send(Ok("two\n")).await.unwrap();
    let mut text = String::new();
    while !text.contains("two\n") {
        let octet = timeout(PATIENCE, first.read_u8()).await.expect("nothing comes").expect("closed");
        text.push(char::from(octet));
    }
    let _ = world.stop.send(true);
    rest(&mut first).await;
    timeout(PATIENCE, world.running).await.expect("it stops").unwrap();
}
