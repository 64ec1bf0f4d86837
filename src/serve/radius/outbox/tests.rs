//! Answers over loopback: that each arrives by itself, and that those which can go together do.

use super::super::batch::DATAGRAM_LIMIT;
use super::*;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::UdpSocket;

const OTHER: Arrival = Arrival::V4(u32::from_ne_bytes([127, 0, 0, 2]));

fn bind(address: &str) -> Socket {
    Socket::bind(address.parse().unwrap(), 1).unwrap().pop().unwrap()
}

fn client(address: &str) -> (UdpSocket, SocketAddr) {
    let client = UdpSocket::bind(address).unwrap();
    client.set_nonblocking(true).unwrap();
    let address = client.local_addr().unwrap();
    (client, address)
}

/// What has arrived: loopback delivers before the sender goes on.
fn arrived(client: &UdpSocket) -> Vec<(Vec<u8>, String)> {
    let mut buffer = [0; 4 * DATAGRAM_LIMIT];
    let next = || client.recv_from(&mut buffer).ok().map(|(length, from)| (buffer[..length].to_vec(), from));
    std::iter::from_fn(next).map(|(bytes, from)| (bytes, from.ip().to_string())).collect()
}

/// Answers of many lengths, among them some that are too long for a piece, from two addresses to two ports.
fn each_arrives_by_itself(bound: &str, near: &str, addresses: [(Arrival, &str); 2]) -> Outbox {
    let (server, mut outbox) = (bind(bound), Outbox::default());
    let clients = [client(near), client(near)];
    let count = 3 * BATCH + 7;
    let mut expected = [Vec::new(), Vec::new()];
    for number in 0..count {
        let (from, said) = addresses[usize::from(number % 7 == 3)];
        let to = usize::from(number % 3 == 0);
        let length = [20, 20, 20, 38, LONGEST, LONGEST + 1, 4096][number % 11 % 7];
        let bytes = vec![number as u8; length];
        outbox.push(&bytes, clients[to].1, from);
        expected[to].push((bytes, said.to_owned()));
    }
    assert_eq!(outbox.len(), count);
    outbox.flush(&server);
    assert_eq!((outbox.len(), outbox.bytes().len()), (0, 0));
    for ((client, _), mut expected) in clients.into_iter().zip(expected) {
        let mut arrived = arrived(&client);
        arrived.sort();
        expected.sort();
        assert_eq!(arrived, expected);
    }
    outbox
}

#[test]
fn each_answer_arrives_by_itself_from_the_address_asked() {
    let v4 = [(Arrival::Bound, "127.0.0.1"), (OTHER, "127.0.0.2")];
    let v6 = Arrival::V6 { address: std::net::Ipv6Addr::LOCALHOST.octets(), interface: 0 };
    for outbox in [
        each_arrives_by_itself("0.0.0.0:0", "127.0.0.1:0", v4),
        each_arrives_by_itself("[::]:0", "[::1]:0", [(Arrival::Bound, "::1"), (v6, "::1")]),
    ] {
        assert!(!outbox.uncut);
    }
}

/// A socket that asks for it is given what came in one piece as one.
#[test]
fn answers_of_one_length_for_one_port_go_in_one_piece() {
    let (server, mut outbox) = (bind("127.0.0.1:0"), Outbox::default());
    let (client, to) = client("127.0.0.1:0");
    setsockopt(&client, sockopt::UdpGroSegment, &true).unwrap();
    for number in 0..BATCH {
        outbox.push(&[number as u8; 38], to, Arrival::Bound);
        outbox.push(&[number as u8; 20], to, Arrival::Bound);
    }
    outbox.flush(&server);
    let lengths: Vec<_> = arrived(&client).iter().map(|(bytes, _)| bytes.len()).collect();
    assert_eq!(lengths, [20 * BATCH, 38 * BATCH]);
}

/// There the kernel refuses pieces of which a part is longer than a frame, as on a way that does not take them.
#[test]
fn what_cannot_go_in_one_piece_goes_one_by_one() {
    let narrow = std::thread::spawn(|| {
        // This thread alone moves there.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let set = std::process::Command::new("ip").args(["link", "set", "lo", "mtu", "576", "up"]).status();
        assert!(set.unwrap().success());
        let (server, mut outbox) = (bind("127.0.0.1:0"), Outbox::default());
        let (client, to) = client("127.0.0.1:0");
        for number in 0..8 {
            outbox.push(&[number; 1000], to, Arrival::Bound);
        }
        outbox.flush(&server);
        arrived(&client).iter().map(|(bytes, _)| (bytes[0], bytes.len())).collect::<Vec<_>>()
    });
    let arrived = narrow.join().unwrap();
    assert_eq!(arrived, (0..8).map(|number| (number, 1000)).collect::<Vec<_>>());
}

#[test]
fn answer_that_cannot_be_sent_does_not_take_the_others_along() {
    let (server, mut outbox) = (bind("0.0.0.0:0"), Outbox::default());
    let ((client, to), nowhere) = (client("127.0.0.1:0"), "127.0.0.1:0".parse().unwrap());
    let count = 2 * BATCH as u8 + 3;
    let mut expected = Vec::new();
    for number in 0..count {
        let (from, said) =
            if number % 16 == 5 { (OTHER, "127.0.0.2") } else { (Arrival::Bound, "127.0.0.1") };
        let lost = number % 10 == 0;
        outbox.push(&[number, 7], if lost { nowhere } else { to }, from);
        if !lost {
            expected.push((vec![number, 7], said.to_owned()));
        }
    }
    outbox.flush(&server);
    let mut arrived = arrived(&client);
    arrived.sort();
    assert_eq!(arrived, expected);
}
