//! Several sockets for one address, through the real daemon: shared among clients, refused to a second daemon, kept on
//! a reload; and the deadline of a request.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use doorward::wire::radius::{Code, Request};
use nix::sys::signal::Signal;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{DOORWARD, Daemon, DatabaseLock, PATIENCE, Someone, access_request, read, secret, udp};

/// A folder of a demonstration with more in `[radius]`, and someone who logs in there.
fn demo_with(dir: &Path, radius: &str) -> Someone {
    let mut daemon = Daemon::demo_in(dir, &[]);
    let person = daemon.without_app()[0].clone();
    daemon.stop();
    let path = dir.join("doorward.toml");
    std::fs::write(&path, read(&path).replace("[radius]\n", &format!("[radius]\n{radius}\n"))).unwrap();
    person
}

/// UDP sockets of this machine that are bound to an address.
fn sockets_at(address: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!("0100007F:{:04X}", address.port());
    table.lines().filter(|line| line.split_whitespace().nth(1) == Some(&local)).count()
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

// RFC 5080 §2.2.2
#[test]
fn copies_meet_the_table_that_knows_them_and_a_reload_keeps_the_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let person = demo_with(dir.path(), "sockets = 3");
    let daemon = Daemon::serve_in(dir.path(), &[]);
    assert_eq!(sockets_at(daemon.address), 3);
    let clients: Vec<_> = (0..24_u8).map(|number| (number, udp("127.0.0.1", PATIENCE))).collect();
    let login = |number: u8| access_request(7, [number; 16], &person.user, &person.password);
    let answers: Vec<_> = clients
        .iter()
        .map(|(number, socket)| {
            socket.send_to(&login(*number), daemon.address).unwrap();
            receive(socket)
        })
        .collect();
    assert!(answers.iter().all(|answer| answer[0] == 2));
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, read(&path).replace("sockets = 3", "sockets = 1")).unwrap();
    daemon.signal(Signal::SIGHUP);
    let log = daemon.lines.as_ref().unwrap();
    while !log.recv_timeout(PATIENCE).unwrap().contains("configuration reloaded") {}
    assert_eq!(sockets_at(daemon.address), 3);
    for ((number, socket), answer) in clients.iter().zip(&answers) {
        socket.send_to(&login(*number), daemon.address).unwrap();
        assert_eq!(&receive(socket), answer, "the very same bytes");
    }
    assert_eq!(daemon.counter("duplicate-answered"), 24);
}

#[test]
fn second_daemon_on_an_address_is_refused() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    demo_with(first.path(), "sockets = 2");
    let daemon = Daemon::serve_in(first.path(), &[]);
    demo_with(second.path(), "sockets = 2");
    let path = second.path().join("doorward.toml");
    std::fs::write(&path, read(&path).replacen("127.0.0.1:0", &daemon.address.to_string(), 1)).unwrap();
    let output =
        Command::new(DOORWARD).arg("serve").arg("--config").arg(&path).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot listen on") && said.contains("in use"), "{said}");
    assert_eq!(sockets_at(daemon.address), 2, "only the first one's");
}

// Invariant 4
#[test]
fn request_that_takes_too_long_gets_no_answer_and_status_server_does_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let person = demo_with(dir.path(), "request_deadline = \"100ms\"");
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let lock = DatabaseLock::take(dir.path());
    let socket = udp("127.0.0.1", PATIENCE);
    let login = access_request(1, [1; 16], &person.user, &person.password);
    socket.send_to(&login, daemon.address).unwrap();
    let start = Instant::now();
    // Well beyond the deadline. Nothing can be asked of the admin socket meanwhile: it writes who asks.
    while start.elapsed() < Duration::from_millis(400) {
        let status = Request::new(Code::STATUS_SERVER, 9, [9; 16]).seal(&secret()).unwrap();
        socket.send_to(&status, daemon.address).unwrap();
        assert_eq!(receive(&socket)[1], 9);
    }
    lock.let_go();
    assert_eq!(daemon.counter("late"), 1);
    // A retransmission gets another chance, and here all the time that a busy machine may need.
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, read(&path).replace("\"100ms\"", "\"50s\"")).unwrap();
    daemon.signal(Signal::SIGHUP);
    let log = daemon.lines.as_ref().unwrap();
    while !log.recv_timeout(PATIENCE).unwrap().contains("configuration reloaded") {}
    socket.send_to(&login, daemon.address).unwrap();
    assert_eq!(receive(&socket)[0], 2);
}
