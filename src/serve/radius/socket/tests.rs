//! Sockets over loopback: which of them gets what, which address answers, and what is dropped.

use super::super::batch::{BATCH, DATAGRAM_LIMIT};
use super::super::outbox::Outbox;
use super::*;

fn bind(address: &str) -> Socket {
    Socket::bind(address.parse().unwrap(), 1).unwrap().pop().unwrap()
}

/// Loopback delivers before the sender goes on.
fn receive(socket: &Socket, inbox: &mut Inbox) {
    socket.receive(inbox).unwrap();
}

/// The reply must come from the address that was asked, which a wildcard socket would not do by itself for
/// 127.0.0.2.
fn answers_from_the_address_asked(bound: &str, ask: &str, peer: &str) {
    let server = bind(bound);
    let client = UdpSocket::bind(peer).unwrap();
    let asked = SocketAddr::new(ask.parse().unwrap(), server.local().port());
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::default());
    // Twice: what the kernel said the first time leaves room for the second.
    for _ in 0..2 {
        client.send_to(b"ping", asked).unwrap();
        receive(&server, &mut inbox);
        let (received, bytes) = inbox.iter().next().unwrap();
        assert_eq!(bytes, b"ping");
        outbox.push(b"pong", received.source, received.arrival);
        outbox.flush(&server);
        let mut buffer = [0; DATAGRAM_LIMIT];
        let (_, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(from, asked);
    }
}

#[test]
fn wildcards_answer_from_the_address_asked() {
    answers_from_the_address_asked("0.0.0.0:0", "127.0.0.2", "127.0.0.1:0");
    answers_from_the_address_asked("[::]:0", "127.0.0.3", "127.0.0.1:0");
    answers_from_the_address_asked("[::]:0", "::1", "[::1]:0");
}

#[test]
fn single_addresses_answer_from_themselves_on_one_thread_with_each_other() {
    for _ in 0..2 {
        answers_from_the_address_asked("127.0.0.4:0", "127.0.0.4", "127.0.0.1:0");
        answers_from_the_address_asked("[::1]:0", "::1", "[::1]:0");
    }
}

#[test]
fn more_than_a_batch_is_read_whole_and_in_order() {
    let server = bind("127.0.0.1:0");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let all: Vec<Vec<u8>> = (0..BATCH + 8).map(|number| vec![number as u8; number]).collect();
    for datagram in &all {
        client.send_to(datagram, server.local()).unwrap();
    }
    let (mut inbox, mut found) = (Inbox::new(), Vec::new());
    while found.len() < all.len() {
        receive(&server, &mut inbox);
        found.extend(inbox.iter().map(|(_, bytes)| bytes.to_vec()));
    }
    assert_eq!(found, all);
}

#[test]
fn socket_told_to_admit_a_share_takes_that_share_and_every_status_server() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let (server, mut inbox) = (bind(address), Inbox::new());
        let family = if server.local().is_ipv4() { "127.0.0.1" } else { "::1" };
        let client = UdpSocket::bind((family, 0)).unwrap();
        let to = SocketAddr::new(family.parse().unwrap(), server.local().port());
        let mut arrived = |code: u8| {
            for _ in 0..400 {
                client.send_to(&[code, 7], to).unwrap();
            }
            let mut count = 0;
            while server.receive(&mut inbox).is_ok() {
                assert!(inbox.iter().all(|(_, bytes)| bytes == [code, 7]));
                count += inbox.len();
            }
            count
        };
        server.admit(0.5).unwrap();
        // By chance it is outside once in 10^23 times.
        for code in [1, 4, 13, 255] {
            assert!((100..300).contains(&arrived(code)), "{address}");
        }
        assert_eq!(arrived(12), 400, "Status-Server");
        server.admit(0.0).unwrap();
        assert_eq!((arrived(1), arrived(12)), (0, 400));
        server.admit(1.0).unwrap();
        assert_eq!(arrived(1), 400);
    }
}

#[test]
fn backlog_is_that_of_the_socket_and_tells_what_was_dropped() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (server, other) = (bind(address), bind(address));
        let backlog = |socket: &Socket| socket.backlog().unwrap();
        let client = UdpSocket::bind((server.local().ip(), 0)).unwrap();
        assert_eq!(backlog(&server).queued, 0);
        let mut sent = 0;
        while backlog(&server).dropped == 0 {
            client.send_to(&[1; 1000], server.local()).unwrap();
            sent += 1;
            assert!(sent < 100_000);
        }
        assert!(backlog(&server).queued > backlog(&server).room / 10 * 9);
        assert_eq!((backlog(&other).queued, backlog(&other).dropped), (0, 0));
        let (mut inbox, mut read) = (Inbox::new(), 0);
        while server.receive(&mut inbox).is_ok() {
            read += inbox.len();
        }
        assert_eq!((read, backlog(&server).queued), (sent - 1, 0));
    }
}

/// One port, as of a gateway that asks from one, keeps all of them busy; and what is sent again comes to the socket that it came to.
#[test]
fn sockets_of_an_address_share_what_one_port_sends_and_a_retransmission_comes_to_the_same() {
    let sockets = Socket::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    Socket::share(&sockets);
    let to = sockets[0].local();
    assert!(sockets.iter().all(|socket| socket.local() == to));
    let (client, elsewhere) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    for identifier in 0..60_u8 {
        for client in [&client, &client, &elsewhere] {
            client.send_to(&[1, identifier, 0, 20], to).unwrap();
        }
    }
    client.send_to(&[1], to).unwrap();
    let mut inbox = Inbox::new();
    for (at, socket) in sockets.iter().enumerate() {
        let (mut here, mut short) = (0, 0);
        while inbox.fill(socket.inner.as_raw_fd(), socket.kind).is_ok() {
            for (_, bytes) in inbox.iter() {
                let Some(identifier) = bytes.get(1) else {
                    short += 1;
                    continue;
                };
                assert_eq!(usize::from(*identifier) % 3, at);
                here += 1;
            }
        }
        assert_eq!((here, short), (60, usize::from(at == 0)), "socket {at}");
    }
}

#[test]
fn address_that_is_served_is_refused_however_many_sockets_it_has() {
    for (ours, theirs) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let first = Socket::bind("127.0.0.1:0".parse().unwrap(), ours).unwrap();
        let second = Socket::bind(first[0].local(), theirs);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse, "{ours} and {theirs}");
    }
}
