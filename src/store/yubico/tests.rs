//! Validation servers that answer as they are told.

use super::ValidationServers;
use crate::base::{OsRandom, Timestamp};
use crate::config::Yubico;
use crate::domain::reason::Reason;
use crate::domain::yubikey::Validation;
use crate::store::{OtpValidator, ValidatorError};
use crate::wire::wsapi::{ApiKey, Reply, Request, Status};
use crate::wire::yubico::Otp;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const OTP: &str = "vvccccfegjhbieclkrntkkibhujuhutilckjttvtjikn";

fn key(byte: u8) -> ApiKey {
    ApiKey::parse(data_encoding::BASE64.encode(&[byte; 20]).as_bytes()).unwrap()
}

/// What a server does with a question.
#[derive(Clone)]
enum Act {
    /// Answers, signed.
    Says(Status),
    /// Answers, signed with another key.
    Forges(Status),
    /// Answers, signed, but about another OTP or nonce.
    Repeats(&'static str, &'static str),
    /// Answers with this body.
    Body(String),
    /// Answers with this HTTP status.
    Http(u16),
    /// Never answers.
    Hangs,
    /// Closes without an answer.
    Closes,
    /// Waits for somebody, then answers.
    Waits(Arc<Notify>, Status),
}

/// A server; what it does is decided by how often it was asked before.
struct Double {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    nonces: Arc<Mutex<Vec<String>>>,
    /// Told after each answer.
    answered: Arc<Notify>,
}

impl Double {
    async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            nonces: Arc::default(),
            answered: Arc::default(),
        };
        let acts = acts.to_vec();
        let (asked, nonces) = (double.asked.clone(), double.nonces.clone());
        let answered = double.answered.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acts, asked, nonces) = (acts.clone(), asked.clone(), nonces.clone());
                let answered = answered.clone();
                tokio::spawn(async move {
                    let (mut stream, request) = read(stream).await;
                    assert!(request.is_signed(&key(1)) && request.missing().is_none());
                    nonces.lock().unwrap().push(request.nonce.clone().unwrap());
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    let act = acts.get(number).or(acts.last()).unwrap();
                    if let Some(answer) = answer(act, &request).await {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                        answered.notify_one();
                    }
                });
            }
        });
        double
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn read(mut stream: TcpStream) -> (TcpStream, Request) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("GET /wsapi/2.0/verify?").unwrap().split(' ').next().unwrap();
    (stream, Request::parse(target).unwrap())
}

async fn answer(act: &Act, request: &Request) -> Option<String> {
    let (otp, nonce) = (request.otp.as_deref(), request.nonce.as_deref());
    let now = Timestamp::from_millis(0);
    let reply = |status| Reply { status, otp, nonce, now, counters: None };
    let body = match act {
        Act::Says(status) => reply(*status).render(Some(&key(1))),
        Act::Forges(status) => reply(*status).render(Some(&key(2))),
        Act::Repeats(otp, nonce) => {
            let reply = Reply { otp: Some(otp), nonce: Some(nonce), ..reply(Status::Ok) };
            reply.render(Some(&key(1)))
        }
        Act::Body(body) => body.clone(),
        Act::Http(status) => return Some(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")),
        Act::Hangs => std::future::pending().await,
        Act::Closes => return None,
        Act::Waits(other, status) => {
            other.notified().await;
            reply(*status).render(Some(&key(1)))
        }
    };
    Some(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn servers(addresses: &[SocketAddr], timeout: Duration) -> ValidationServers {
    let url = |address: &SocketAddr| format!("http://{address}/wsapi/2.0/verify").parse().unwrap();
    let settings = Yubico {
        urls: addresses.iter().map(url).collect(),
        client: 7,
        key: key(1),
        sync: None,
        timeout,
        authorities: Vec::new(),
    };
    ValidationServers::new(Some(&settings), Arc::new(OsRandom)).unwrap()
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

const VALID: Validation = Validation::Good(None);
const REPLAYED: Validation = Validation::Bad(Reason::PasscodeReplayed);
const WRONG: Validation = Validation::Bad(Reason::YubikeyRefused);

async fn ask(servers: &ValidationServers) -> Result<Validation, ValidatorError> {
    let verdict = servers.validate(&Otp::parse(OTP).unwrap()).await;
    if let Err(why) = &verdict {
        assert!(!why.to_string().contains(OTP), "{why}");
    }
    verdict
}

async fn one(acts: &[Act], timeout: Duration) -> (Result<Validation, ValidatorError>, Double) {
    let double = Double::start(acts).await;
    (ask(&servers(&[double.address], timeout)).await, double)
}

/// Where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn verdict_is_what_the_server_says_and_signs() {
    for (status, verdict) in [
        (Status::Ok, VALID),
        (Status::ReplayedOtp, REPLAYED),
        (Status::DelayedOtp, REPLAYED),
        (Status::BadOtp, WRONG),
    ] {
        assert_eq!(one(&[Act::Says(status)], LONG).await.0.unwrap(), verdict, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_to_be_believed_decides_nothing() {
    for act in [
        Act::Forges(Status::Ok),
        Act::Forges(Status::BadOtp),
        Act::Repeats(OTP, "0123456789abcdef0123456789abcdef"),
        Act::Body("status=OK\r\n".to_owned()),
        Act::Body("<html>OK</html>".to_owned()),
        Act::Body(String::new()),
        Act::Body("x".repeat(100_000)),
        Act::Http(204),
        Act::Http(302),
        Act::Http(404),
        Act::Http(500),
        Act::Closes,
    ] {
        let verdict = one(&[act], SHORT).await.0;
        assert!(verdict.is_err(), "{verdict:?}");
    }
    for status in Status::ALL {
        let verdict = one(&[Act::Says(status)], SHORT).await.0;
        let decides = [Status::Ok, Status::ReplayedOtp, Status::DelayedOtp, Status::BadOtp].contains(&status);
        assert_eq!(verdict.is_ok(), decides, "{status}: {verdict:?}");
    }
}

#[tokio::test]
async fn replay_seen_by_the_next_server_does_not_undo_a_yes() {
    // The second has heard of the first one's yes before that arrives here.
    let second = Double::start(&[Act::Says(Status::ReplayedOtp)]).await;
    let first = Double::start(&[Act::Waits(second.answered.clone(), Status::Ok)]).await;
    let servers = servers(&[first.address, second.address], LONG);
    assert_eq!(ask(&servers).await.unwrap(), VALID);
    assert_eq!(*first.nonces.lock().unwrap(), *second.nonces.lock().unwrap(), "one question, one nonce");
}

#[tokio::test]
async fn server_that_lost_its_keys_does_not_undo_a_yes_and_a_no_of_all_is_one() {
    for (other, verdict) in [(Status::Ok, VALID), (Status::BadOtp, WRONG), (Status::ReplayedOtp, REPLAYED)] {
        let second = Double::start(&[Act::Says(Status::BadOtp)]).await;
        let first = Double::start(&[Act::Waits(second.answered.clone(), other)]).await;
        assert_eq!(ask(&servers(&[first.address, second.address], LONG)).await.unwrap(), verdict);
    }
}

#[tokio::test]
async fn first_yes_does_not_wait_for_a_server_that_hangs() {
    let hangs = Double::start(&[Act::Hangs]).await;
    let works = Double::start(&[Act::Says(Status::Ok)]).await;
    let begun = Instant::now();
    assert_eq!(ask(&servers(&[hangs.address, works.address], LONG)).await.unwrap(), VALID);
    assert!(begun.elapsed() < LONG / 2);
}

#[tokio::test]
async fn replay_beside_a_server_that_hangs_is_not_decided() {
    let hangs = Double::start(&[Act::Hangs]).await;
    let works = Double::start(&[Act::Says(Status::ReplayedOtp)]).await;
    let why = ask(&servers(&[hangs.address, works.address], SHORT)).await.unwrap_err();
    assert!(why.to_string().contains("perhaps in this very question"), "{why}");
    // One that is not there cannot have taken it.
    let works = Double::start(&[Act::Says(Status::ReplayedOtp)]).await;
    let servers = servers(&[nobody().await, works.address], LONG);
    assert_eq!(ask(&servers).await.unwrap(), REPLAYED);
}

#[tokio::test]
async fn no_otp_beside_a_server_that_hangs_is_not_decided() {
    let hangs = Double::start(&[Act::Hangs]).await;
    let works = Double::start(&[Act::Says(Status::BadOtp)]).await;
    let why = ask(&servers(&[hangs.address, works.address], SHORT)).await.unwrap_err();
    assert!(why.to_string().contains("another may know it"), "{why}");
    // One that is not there, or does not serve us, cannot say yes: the other one is the service.
    let refuses = Double::start(&[Act::Says(Status::NoSuchClient)]).await;
    for other in [nobody().await, refuses.address] {
        let works = Double::start(&[Act::Says(Status::BadOtp)]).await;
        assert_eq!(ask(&servers(&[other, works.address], LONG)).await.unwrap(), WRONG);
    }
    // Asked once more, it says so itself.
    let (verdict, double) = one(&[Act::Closes, Act::Says(Status::BadOtp)], LONG).await;
    assert_eq!((verdict.unwrap(), double.asked()), (WRONG, 2));
}

#[tokio::test]
async fn deadline_holds_whatever_the_servers_do() {
    let (hangs, slow) = (Double::start(&[Act::Hangs]).await, Double::start(&[Act::Hangs]).await);
    let begun = Instant::now();
    let why = ask(&servers(&[hangs.address, slow.address], SHORT)).await.unwrap_err();
    assert!(why.to_string().contains("did not answer in time"), "{why}");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG);
}

#[tokio::test]
async fn what_passes_is_asked_again_with_the_same_nonce_and_what_does_not_is_not() {
    for first in [Act::Closes, Act::Http(503), Act::Says(Status::BackendError)] {
        let (verdict, double) = one(&[first, Act::Says(Status::Ok)], LONG).await;
        assert_eq!(verdict.unwrap(), VALID);
        let nonces = double.nonces.lock().unwrap();
        assert_eq!(nonces.len(), 2);
        assert_eq!(nonces[0], nonces[1], "another nonce would make a replay of it");
    }
    let refuses = [Status::NoSuchClient, Status::BadSignature, Status::ReplayedRequest];
    for first in refuses.map(Act::Says).into_iter().chain([Act::Forges(Status::Ok)]) {
        let (verdict, double) = one(&[first, Act::Says(Status::Ok)], LONG).await;
        assert!(verdict.is_err(), "{verdict:?}");
        assert_eq!(double.asked(), 1);
    }
}

#[tokio::test]
async fn lost_answer_and_then_a_replay_is_not_decided() {
    let (verdict, double) = one(&[Act::Closes, Act::Says(Status::ReplayedOtp)], LONG).await;
    assert!(verdict.is_err(), "{verdict:?}");
    assert_eq!(double.asked(), 2);
}

#[tokio::test]
async fn server_that_failed_again_and_again_rests() {
    let broken = Double::start(&[Act::Forges(Status::Ok)]).await;
    let servers = servers(&[broken.address], LONG);
    let mut asked = 0;
    while !ask(&servers).await.unwrap_err().to_string().contains("rest after failures") {
        asked += 1;
        assert!(asked < 20, "it never rests");
    }
    assert_eq!((asked >= 3, broken.asked()), (true, asked), "it rests without being asked");
}

#[tokio::test]
async fn statuses_of_a_person_s_making_never_make_a_server_rest() {
    let works = Double::start(&[Act::Says(Status::BackendError)]).await;
    let servers = servers(&[works.address], SHORT);
    for _ in 0..10 {
        assert!(ask(&servers).await.is_err());
    }
    assert_eq!(works.asked(), 10, "an unknown key is a BACKEND_ERROR of some servers");
}

#[tokio::test]
async fn without_servers_no_otp_is_good_and_a_reload_brings_them() {
    let none = ValidationServers::new(None, Arc::new(OsRandom)).unwrap();
    let nobody = Validation::Bad(Reason::YubikeyNoServer);
    assert_eq!(ask(&none).await.unwrap(), nobody);
    let works = Double::start(&[Act::Says(Status::Ok)]).await;
    let settings = Yubico {
        urls: vec![format!("http://{}/wsapi/2.0/verify", works.address).parse().unwrap()],
        client: 7,
        key: key(1),
        sync: None,
        timeout: LONG,
        authorities: Vec::new(),
    };
    none.reload(Some(&settings)).unwrap();
    assert_eq!(ask(&none).await.unwrap(), VALID);
    assert_eq!(format!("{none:?}"), format!("[\"{}\"]", works.address));
    none.reload(None).unwrap();
    assert_eq!(ask(&none).await.unwrap(), nobody);
}

#[tokio::test]
async fn what_became_of_questions_is_counted_for_each_server() {
    let works = Double::start(&[Act::Says(Status::BadOtp)]).await;
    let fails = Double::start(&[Act::Says(Status::NoSuchClient)]).await;
    let servers = servers(&[works.address, fails.address, nobody().await], SHORT);
    let fresh: Vec<_> = servers.state().iter().map(|server| server.up).collect();
    assert_eq!(fresh, [true; 3]);
    assert_eq!(ask(&servers).await.unwrap(), WRONG);
    let [works_now, fails_now, nobody_now] = servers.state().try_into().unwrap();
    assert_eq!(works_now.server, works.address.to_string());
    assert_eq!(works_now.answers, [("decided", 1), ("undecided", 0), ("unreached", 0)]);
    assert_eq!(fails_now.answers, [("decided", 0), ("undecided", 1), ("unreached", 0)]);
    assert_eq!(nobody_now.answers, [("decided", 0), ("undecided", 0), ("unreached", 1)]);
    assert_eq!([works_now.up, fails_now.up, nobody_now.up], [true, true, false]);
}
