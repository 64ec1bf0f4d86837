//! The RADIUS shell through real sockets: replays, duplicates, bad input, overload, reload and stop.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use doorward::wire::radius::{AttributeType, Code, Packet, Request, SharedSecret, verify_response};
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::{Daemon, DatabaseLock, PATIENCE, access_request, code, radclient, read, secret, udp};

/// Waits until a condition holds that the daemon will bring about by itself.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
    }
}

fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 4096];
    socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())
}

// Invariant 1
#[test]
fn thousand_parallel_uses_of_one_code_give_one_accept() {
    // A crowd has light hashes, so that a thousand checks fit into the time.
    let daemon = Daemon::demo(&["--people", "60"]);
    let person = &daemon.people()[7];
    let typed = format!("{}{}", person.password, code(&person.totp, 0));
    let sockets: Vec<_> = (0..4).map(|_| udp("127.0.0.1", Duration::from_secs(3))).collect();
    let mut unanswered = HashMap::new();
    for number in 0_u32..1000 {
        let (socket, identifier) = ((number / 250) as usize, u8::try_from(number % 250).unwrap());
        let mut authenticator = [0; 16];
        authenticator[..4].copy_from_slice(&number.to_be_bytes());
        let packet = access_request(identifier, authenticator, &person.user, &typed);
        unanswered.insert((socket, identifier), (authenticator, packet));
    }
    let (mut accepts, mut rejects) = (0, 0);
    // A busy machine may leave some undecided: like any client, ask again with the same bytes.
    for _ in 0..20 {
        for ((socket, _), (_, packet)) in &unanswered {
            sockets[*socket].send_to(packet, daemon.address).unwrap();
        }
        for (at, socket) in sockets.iter().enumerate() {
            while unanswered.keys().any(|(socket, _)| *socket == at) {
                let Some(answer) = receive(socket) else { break };
                // An answer may come twice when it was asked for again.
                let Some((authenticator, _)) = unanswered.remove(&(at, answer[1])) else { continue };
                let (packet, signed) = verify_response(&authenticator, &answer, &secret()).unwrap();
                assert!(signed, "every answer carries Message-Authenticator");
                match packet.code() {
                    Code::ACCESS_ACCEPT => accepts += 1,
                    Code::ACCESS_REJECT => rejects += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!((accepts, rejects), (1, 999));
}

/// A demonstration whose password checks take long enough to send something meanwhile.
fn slow() -> (tempfile::TempDir, Daemon, Vec<support::Someone>) {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let people = daemon.without_app();
    daemon.stop();
    let path = dir.path().join("doorward.toml");
    // Wrong passwords of strangers are checked at the present cost.
    let text =
        read(&path).replace("memory = \"19MiB\"", "memory = \"200MiB\"").replace("passes = 2", "passes = 6");
    std::fs::write(&path, text).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    (dir, daemon, people)
}

// RFC 5080 §2.2.2, invariant 2
#[test]
fn duplicates_during_a_slow_check_charge_one_attempt_and_get_identical_bytes() {
    let (_dir, daemon, people) = slow();
    let user = &people[0].user;
    // The stored hash is the cheap one; a stranger costs the new one, and is slow.
    let socket = udp("127.0.0.1", PATIENCE);
    let known = access_request(1, [1; 16], user, "wrong");
    let slow = access_request(2, [2; 16], "stranger", "wrong");
    for packet in [&slow, &slow, &slow, &known, &known] {
        socket.send_to(packet, daemon.address).unwrap();
    }
    let mut answers: HashMap<u8, Vec<Vec<u8>>> = HashMap::new();
    for _ in 0..2 {
        let answer = receive(&socket).unwrap();
        answers.entry(answer[1]).or_default().push(answer);
    }
    assert_eq!(answers.len(), 2, "one answer for each request, however often it came");
    for packet in [&slow, &known] {
        socket.send_to(packet, daemon.address).unwrap();
        let again = receive(&socket).unwrap();
        assert_eq!(answers[&again[1]], [again], "the very same bytes");
    }
    assert_eq!(daemon.counter("duplicate-in-flight"), 3);
    assert_eq!(daemon.counter("duplicate-answered"), 2);
    let person = daemon.json(&["person", "show", user]);
    assert_eq!(person["failures"][0]["count"], 1, "{person}");
}

#[test]
fn forged_duplicate_neither_gets_the_answer_nor_disturbs_it() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let socket = udp("127.0.0.1", PATIENCE);
    let request = access_request(1, [1; 16], &person.user, &person.password);
    socket.send_to(&request, daemon.address).unwrap();
    let answer = receive(&socket).unwrap();
    let mut forged = request.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    socket.send_to(&forged, daemon.address).unwrap();
    socket.send_to(&request, daemon.address).unwrap();
    assert_eq!(
        receive(&socket).unwrap(),
        answer,
        "the first answer after the forgery is that of the real copy"
    );
    assert_eq!(daemon.counter("bad-message-authenticator"), 1);
}

// RFC 5997
#[test]
fn status_server_is_answered_and_only_with_message_authenticator() {
    let daemon = Daemon::demo(&[]);
    let socket = udp("127.0.0.1", PATIENCE);
    let request = Request::new(Code::STATUS_SERVER, 9, [9; 16]).seal(&secret()).unwrap();
    let mut bare = request[..20].to_vec();
    bare[3] = 20;
    socket.send_to(&bare, daemon.address).unwrap();
    socket.send_to(&request, daemon.address).unwrap();
    let answer = receive(&socket).unwrap();
    let (packet, signed) = verify_response(&[9; 16], &answer, &secret()).unwrap();
    assert_eq!((packet.code(), signed), (Code::ACCESS_ACCEPT, true));
    assert_eq!(daemon.counter("missing-message-authenticator"), 1);
}

// CVE-2024-3596
#[test]
fn request_without_message_authenticator_and_wrong_secret_get_no_answer() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let socket = udp("127.0.0.1", PATIENCE);
    let unsigned = strip_message_authenticator(&access_request(1, [1; 16], &person.user, &person.password));
    socket.send_to(&unsigned, daemon.address).unwrap();
    let other = SharedSecret::new("another-shared-secret".into()).unwrap();
    let wrong = Request::new(Code::ACCESS_REQUEST, 2, [2; 16])
        .attribute(AttributeType::USER_NAME, person.user.as_bytes())
        .password(person.password.as_str().into())
        .seal(&other)
        .unwrap();
    socket.send_to(&wrong, daemon.address).unwrap();
    // The next thing heard is the answer to a good request sent after both.
    socket.send_to(&access_request(3, [3; 16], &person.user, &person.password), daemon.address).unwrap();
    assert_eq!(receive(&socket).unwrap()[1], 3);
    assert_eq!(daemon.counter("missing-message-authenticator"), 1);
    assert_eq!(daemon.counter("bad-message-authenticator"), 1);
    let log = daemon.log();
    assert!(log.contains("Message-Authenticator does not fit") && log.contains("client=\"vpn\""), "{log}");
}

fn strip_message_authenticator(request: &[u8]) -> Vec<u8> {
    // It is the first attribute: 18 octets after the header.
    let mut bytes = [&request[..20], &request[38..]].concat();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    assert!(Packet::decode(&bytes).is_ok());
    bytes
}

#[test]
fn rubbish_is_counted_and_never_answered() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let good = access_request(1, [1; 16], &person.user, &person.password);
    let socket = udp("127.0.0.1", PATIENCE);
    let mut rubbish: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    let mut oversized = good.clone();
    oversized.resize(5000, 0);
    oversized[2..4].copy_from_slice(&5000_u16.to_be_bytes());
    rubbish.push(oversized);
    rubbish.extend((0..200_u32).map(|seed| (0..seed).map(|at| (seed * 7 + at * 13) as u8).collect()));
    let sent = rubbish.len() as u64;
    for datagram in &rubbish {
        socket.send_to(datagram, daemon.address).unwrap();
    }
    socket.send_to(&good, daemon.address).unwrap();
    let answer = receive(&socket).unwrap();
    assert_eq!(answer[0], 2, "the good one is accepted, and nothing else is heard");
    let dropped = daemon.counter("malformed") + daemon.counter("unexpected-code");
    assert_eq!(dropped + daemon.counter("missing-message-authenticator"), sent);
}

#[test]
fn stranger_s_address_gets_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let person = daemon.without_app()[0].clone();
    daemon.stop();
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, read(&path).replace("\"127.0.0.0/8\", ", "\"127.0.0.1\", ")).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let stranger = udp("127.0.0.99", PATIENCE);
    stranger.send_to(&access_request(1, [1; 16], &person.user, &person.password), daemon.address).unwrap();
    wait_until("the stranger is counted", || daemon.counter("unknown-client") == 1);
    assert_eq!(daemon.counter("answered"), 0);
}

#[test]
fn overload_drops_new_logins_and_still_answers_status_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    daemon.stop();
    let path = dir.path().join("doorward.toml");
    let text = read(&path)
        .replace("[radius]\n", "[radius]\nmax_in_flight = 1\n")
        .replace("memory = \"19MiB\"", "memory = \"200MiB\"")
        .replace("passes = 2", "passes = 6");
    std::fs::write(&path, text).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let socket = udp("127.0.0.1", PATIENCE);
    for identifier in 1..=20 {
        socket
            .send_to(&access_request(identifier, [identifier; 16], "stranger", "x"), daemon.address)
            .unwrap();
    }
    socket
        .send_to(&Request::new(Code::STATUS_SERVER, 99, [9; 16]).seal(&secret()).unwrap(), daemon.address)
        .unwrap();
    assert_eq!(receive(&socket).unwrap()[1], 99, "status comes before the slow login");
    // Which of them is taken is the readers' affair: requests are shared among them by Identifier.
    let finished = receive(&socket).unwrap()[1];
    assert!((1..=20).contains(&finished), "the login that was taken is finished, not {finished}");
    assert_eq!(daemon.counter("shed"), 19);
}

#[test]
fn reload_takes_a_new_client_and_refuses_a_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Daemon::demo_in(dir.path(), &[]);
    let person = first.without_app()[2].clone();
    first.stop();
    let daemon = Daemon::demo_in(dir.path(), &[]);
    let path = dir.path().join("doorward.toml");
    let good = read(&path);
    let login = || {
        let attributes = [
            ("Packet-Src-IP-Address", "127.0.0.77"),
            ("User-Name", person.user.as_str()),
            ("User-Password", &person.password),
        ];
        support::answer(&radclient(daemon.address, &attributes)).to_owned()
    };
    assert_eq!(login(), "Access-Accept");
    let strict =
        "\n[[client]]\nname = \"new\"\nnetworks = [\"127.0.0.77\"]\nsecret_file = \"radius.secret\"\n";
    std::fs::write(&path, good.clone() + strict).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the log tells of the reload", || daemon.log().contains("configuration reloaded"));
    assert_eq!(login(), "Access-Reject", "the new client requires a passcode of everyone");
    std::fs::write(&path, good.clone() + strict + "\n[radiuss]\nx = 1\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the log tells of the refusal", || daemon.log().contains("reload refused"));
    assert!(daemon.log().contains("did you mean `radius`?"));
    assert_eq!(login(), "Access-Reject", "the configuration before it stays");
}

#[test]
fn reload_adds_and_removes_listeners() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::demo_in(dir.path(), &[]);
    let path = dir.path().join("doorward.toml");
    let one = read(&path);
    let two = one.replace("\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"[::1]:0\"");
    let addresses = || daemon.json(&["status"])["addresses"].as_array().unwrap().clone();
    let person = &daemon.without_app()[0];
    for (text, count) in [(&two, 2), (&one, 1)] {
        std::fs::write(&path, text).unwrap();
        daemon.signal(Signal::SIGHUP);
        wait_until("the listeners are there", || addresses().len() == count);
        for address in addresses() {
            let address: std::net::SocketAddr = address.as_str().unwrap().parse().unwrap();
            let socket = udp(&address.ip().to_string(), PATIENCE);
            let request = access_request(1, [count as u8; 16], &person.user, &person.password);
            socket.send_to(&request, address).unwrap();
            assert_eq!(receive(&socket).unwrap()[0], 2, "{address}");
        }
    }
}

#[test]
fn reload_and_stop_lose_no_request_under_way() {
    let (_dir, mut daemon, _) = slow();
    let socket = udp("127.0.0.1", PATIENCE);
    for (identifier, signal) in [(1, Signal::SIGHUP), (2, Signal::SIGTERM)] {
        let request = access_request(identifier, [identifier; 16], "stranger", "x");
        let before = daemon.counter("received");
        socket.send_to(&request, daemon.address).unwrap();
        wait_until("the request has arrived", || daemon.counter("received") > before);
        daemon.signal(signal);
        let answer = receive(&socket).expect("it is answered all the same");
        assert_eq!((answer[0], answer[1]), (3, identifier));
    }
    assert!(daemon.child.wait().unwrap().success());
}

// Invariant 4
#[test]
fn locked_database_means_no_answer_and_logins_go_on_afterwards() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.with_app()[1];
    let lock = DatabaseLock::take(&daemon.dir);
    let socket = udp("127.0.0.1", PATIENCE);
    let typed = format!("{}{}", person.password, code(&person.totp, 0));
    socket.send_to(&access_request(1, [1; 16], &person.user, &typed), daemon.address).unwrap();
    wait_until("the log tells why there is no answer", || daemon.log().contains("could not decide"));
    assert!(daemon.log().contains("locked by another program"), "{}", daemon.log());
    lock.let_go();
    // The same bytes again: the attempt that could not be decided is not remembered as a duplicate.
    socket.send_to(&access_request(1, [1; 16], &person.user, &typed), daemon.address).unwrap();
    let answer = receive(&socket).unwrap();
    assert_eq!(answer[0], 2);
    assert_eq!(daemon.counter("undecided"), 1);
}

#[test]
fn ipv6_and_ipv4_are_served_side_by_side_from_the_address_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let person = daemon.without_app()[0].clone();
    daemon.stop();
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, read(&path).replacen("\"127.0.0.1:0\"", "\"[::]:0\"", 1)).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    for (from, to) in [("127.0.0.1", "127.0.0.9"), ("::1", "::1")] {
        let socket = udp(from, PATIENCE);
        let asked = (to, daemon.address.port());
        socket.send_to(&access_request(1, [7; 16], &person.user, &person.password), asked).unwrap();
        let mut buffer = [0; 4096];
        let (_, answered_from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((buffer[0], answered_from.ip().to_string().as_str()), (2, to));
    }
}

#[test]
fn reject_leaves_a_second_after_its_request_and_an_accept_at_once() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let socket = udp("127.0.0.1", PATIENCE);
    let start = Instant::now();
    socket.send_to(&access_request(1, [1; 16], &person.user, "wrong"), daemon.address).unwrap();
    socket.send_to(&access_request(2, [2; 16], &person.user, &person.password), daemon.address).unwrap();
    assert_eq!(receive(&socket).unwrap()[1], 2, "the accept overtakes the reject");
    assert_eq!(receive(&socket).unwrap()[1], 1);
    assert!(start.elapsed() >= Duration::from_secs(1));
}
