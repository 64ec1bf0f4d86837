//! UDP sockets that know which of their addresses a datagram was sent to, and answer from that one.
//!
//! A plain `send_to` from a socket bound to a wildcard address lets the kernel choose the source, and a
//! client with a second route drops the answer. So the destination is read with `IP_PKTINFO` /
//! `IPV6_RECVPKTINFO` and given back when sending. A socket bound to one address has no choice, and need not ask.
//!
//! An address can have several sockets (`SO_REUSEPORT`). The kernel shares the datagrams out by addresses and ports, so
//! that all from one port of a client come to the same socket as long as the set stays: retransmissions
//! meet the table that knows them.

use super::batch::{self, Arrival, Inbox, Kind};
use crate::wire::radius::Code;
use nix::sys::socket::{SockaddrStorage, getsockopt, setsockopt, sockopt};
use nix::sys::stat::fstat;
use socket2::{Domain, Protocol, SockFilter, SockRef, Type};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The kernel tells its list of sockets in parts, and leaves one out now and then (once in some 5,000 times) while others come
/// and go: so often it is read before the socket is taken to be missing.
const LOOKS: u32 = 3;

/// Bytes of kernel buffer asked for in each direction: a burst must wait there, not get lost. The kernel takes twice that if
/// `net.core.rmem_max` lets it, and counts some 800 for a request, so that 2,600 can wait: a few hundredths of a second, and no
/// answer comes much too late.
const KERNEL_BUFFER: usize = 1 << 20;

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
    kind: Kind,
}

impl Socket {
    /// Binds `address`, by so many sockets. A wildcard IPv6 address takes IPv4 too.
    ///
    /// The first is bound alone, so that an address which another program serves, or another Doorward, is refused;
    /// only then it lets the others in. With port 0 it picks the port for all.
    pub(super) fn bind(address: SocketAddr, sockets: usize) -> io::Result<Vec<Self>> {
        let first = Self::bind_one(address, false)?;
        let local = first.local;
        let mut all = vec![first];
        if sockets > 1 {
            for first in &all {
                setsockopt(&first.inner, sockopt::ReusePort, &true)?;
            }
            for _ in 1..sockets {
                all.push(Self::bind_one(local, true)?);
            }
        }
        Ok(all)
    }

    fn bind_one(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        let any = address.ip().is_unspecified();
        let kind = match address {
            SocketAddr::V4(_) if any => Kind::V4Any,
            SocketAddr::V4(_) => Kind::V4,
            SocketAddr::V6(_) if any => Kind::V6Any,
            SocketAddr::V6(_) => Kind::V6,
        };
        if let SocketAddr::V6(v6) = address {
            socket.set_only_v6(*v6.ip() != Ipv6Addr::UNSPECIFIED)?;
        }
        match kind {
            Kind::V4Any => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            Kind::V6Any => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            Kind::V4 | Kind::V6 => {}
        }
        // The kernel caps these silently; a smaller buffer still works.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_nonblocking(true)?;
        if shared {
            setsockopt(&socket, sockopt::ReusePort, &true)?;
        }
        socket.bind(&address.into())?;
        let inner = UdpSocket::from(socket);
        let local = inner.local_addr()?;
        Ok(Self { inner, local, kind })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Reads what has arrived; `WouldBlock` if there is nothing.
    pub(super) fn receive(&self, inbox: &mut Inbox) -> io::Result<()> {
        inbox.fill(self.inner.as_raw_fd(), self.kind)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// What has not been read; none where the kernel does not tell.
    pub(super) fn backlog(&self) -> Option<Backlog> {
        looked_for(|| self.look())
    }

    fn look(&self) -> Option<Backlog> {
        let table = match self.local {
            SocketAddr::V4(_) => "/proc/self/net/udp",
            SocketAddr::V6(_) => "/proc/self/net/udp6",
        };
        let table = std::fs::read_to_string(table).ok()?;
        let inode = fstat(&self.inner).ok()?.st_ino.to_string();
        let room = getsockopt(&self.inner, sockopt::RcvBuf).ok()?;
        let (queued, dropped) = table.lines().find_map(|line| queued(line, &inode))?;
        let fullness = f64::from(queued) / f64::from(u32::try_from(room).ok()?.max(1));
        Some(Backlog { fullness, dropped, room })
    }

    /// From now on the kernel takes all Status-Server, and this share of everything else at random, of 1.
    pub(super) fn admit(&self, share: f64) -> io::Result<()> {
        let socket = SockRef::from(&self.inner);
        if share >= 1.0 {
            return socket.detach_filter();
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is cut to the range"
        )]
        let below = (share * f64::from(u32::MAX)) as u32;
        socket.attach_filter(&admission(below))
    }
}

/// What is found in one of a few looks.
fn looked_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    (0..LOOKS).find_map(|_| look())
}

/// The queue in the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Backlog {
    /// How much of the buffer is full, of 1.
    pub(super) fullness: f64,
    /// Datagrams dropped since the socket is there.
    pub(super) dropped: usize,
    /// Octets of the buffer, as the kernel counts them.
    pub(super) room: usize,
}

/// Octets that wait in the socket with this inode, and datagrams dropped, if this is its line of `/proc/net/udp`.
fn queued(line: &str, inode: &str) -> Option<(u32, usize)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, _, _, _, queues, _, _, _, _, this, _, _, dropped, ..] = fields.as_slice() else { return None };
    let (_, received) = queues.split_once(':').filter(|_| *this == inode)?;
    Some((u32::from_str_radix(received, 16).ok()?, dropped.parse().ok()?))
}

/// A filter that takes what is no Status-Server only where the kernel's random number is below.
fn admission(below: u32) -> [SockFilter; 6] {
    /// Where the datagram begins, after the header of UDP.
    const CODE: u32 = 8;
    /// The random number among what the kernel adds to a packet, see bpf(4) and `linux/filter.h`.
    const RANDOM: u32 = 0xffff_f000 + 56;
    const LOAD_OCTET: u16 = 0x30;
    const LOAD_WORD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = SockFilter::new;
    [
        step(LOAD_OCTET, 0, 0, CODE),
        step(IF_EQUAL, 2, 0, Code::STATUS_SERVER.0.into()),
        step(LOAD_WORD, 0, 0, RANDOM),
        step(IF_AT_LEAST, 1, 0, below),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ]
}

/// Answers that leave together.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`, and the address that it leaves from.
    ends: Vec<(usize, Arrival)>,
    to: Vec<Option<SockaddrStorage>>,
}

impl Outbox {
    /// Adds a datagram to `to` from the address that was asked.
    pub(super) fn push(&mut self, bytes: &[u8], to: SocketAddr, from: Arrival) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push((self.bytes.len(), from));
        self.to.push(Some(to.into()));
    }

    /// What waits, one after the other.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.to.clear();
    }

    /// Sends all, in their order.
    pub(super) fn flush(&mut self, socket: &Socket) {
        let (mut first, mut begin) = (0, 0);
        while let Some((_, from)) = self.ends.get(first) {
            let rest = self.ends.get(first..).unwrap_or_default();
            // One call names one source address; nearly always it is the same for all.
            let run = rest.iter().take(batch::BATCH).take_while(|(_, other)| other == from).count();
            let mut ends = rest.iter();
            let slices: [_; batch::BATCH] = std::array::from_fn(|_| {
                let end = ends.next().map_or(begin, |(end, _)| *end);
                let bytes = self.bytes.get(begin..end).unwrap_or_default();
                begin = end;
                [IoSlice::new(bytes)]
            });
            let to = self.to.get(first..first + run).unwrap_or_default();
            let slices = slices.get(..run).unwrap_or_default();
            batch::send(socket.inner.as_raw_fd(), *from, slices, to, |at, error| {
                let to = to.get(at).copied().flatten().map(|to| to.to_string()).unwrap_or_default();
                tracing::debug!(to, %error, "an answer could not be sent");
            });
            first += run;
            begin = self.ends.get(first - 1).map_or(begin, |(end, _)| *end);
        }
        self.clear();
    }
}

/// The address to name in a log line: IPv4 also where it came in over an IPv6 socket.
pub(super) fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::super::batch::{BATCH, DATAGRAM_LIMIT};
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
    fn datagram_that_cannot_be_sent_does_not_take_the_others_along() {
        let server = bind("0.0.0.0:0");
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (to, nowhere) = (client.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap());
        let mut outbox = Outbox::default();
        let count = 2 * BATCH as u8 + 3;
        for number in 0..count {
            // Some in between from another address, so that there are several calls.
            let from = if number % 16 == 5 {
                Arrival::V4(u32::from_ne_bytes([127, 0, 0, 2]))
            } else {
                Arrival::Bound
            };
            outbox.push(&[number, 7], if number % 10 == 0 { nowhere } else { to }, from);
        }
        outbox.flush(&server);
        assert_eq!(outbox.len(), 0);
        let mut buffer = [0; DATAGRAM_LIMIT];
        for number in (0..count).filter(|number| number % 10 != 0) {
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], [number, 7]);
            assert_eq!(from.ip().to_string(), if number % 16 == 5 { "127.0.0.2" } else { "127.0.0.1" });
        }
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
            // The list may miss it while sockets of other tests come and go.
            let backlog = |socket: &Socket| (0..1000).find_map(|_| socket.backlog()).unwrap();
            let client = UdpSocket::bind((server.local().ip(), 0)).unwrap();
            assert_eq!(backlog(&server).fullness, 0.0);
            let mut sent = 0;
            while backlog(&server).dropped == 0 {
                client.send_to(&[1; 1000], server.local()).unwrap();
                sent += 1;
                assert!(sent < 100_000);
            }
            assert!(backlog(&server).fullness > 0.9);
            assert_eq!((backlog(&other).fullness, backlog(&other).dropped), (0.0, 0));
            let (mut inbox, mut read) = (Inbox::new(), 0);
            while server.receive(&mut inbox).is_ok() {
                read += inbox.len();
            }
            assert_eq!((read, backlog(&server).fullness), (sent - 1, 0.0));
        }
    }

    #[test]
    fn line_that_is_missed_twice_is_found() {
        let mut looks = 0;
        let mut look = |found_at| {
            looks += 1;
            (looks == found_at).then_some(looks)
        };
        assert_eq!(looked_for(|| look(3)), Some(3));
        assert_eq!(looked_for(|| look(7)), None);
        assert_eq!(looks, 6);
    }

    #[test]
    fn sockets_of_an_address_share_its_datagrams_and_one_port_stays_with_one() {
        let sockets = Socket::bind("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        let to = sockets[0].local();
        assert!(sockets.iter().all(|socket| socket.local() == to));
        let mut clients = Vec::new();
        for number in 0..64_u8 {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..3 {
                client.send_to(&[number], to).unwrap();
            }
            clients.push(client);
        }
        let (mut inbox, mut total) = (Inbox::new(), 0);
        let mut owner = std::collections::HashMap::new();
        for (at, socket) in sockets.iter().enumerate() {
            let mut here = 0;
            while inbox.fill(socket.inner.as_raw_fd(), socket.kind).is_ok() {
                for (_, bytes) in inbox.iter() {
                    assert_eq!(*owner.entry(bytes[0]).or_insert(at), at, "one port, one socket");
                    here += 1;
                }
            }
            assert!(here > 0, "socket {at} got nothing");
            total += here;
        }
        assert_eq!(total, 192);
    }

    #[test]
    fn address_that_is_served_is_refused_however_many_sockets_it_has() {
        for (ours, theirs) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let first = Socket::bind("127.0.0.1:0".parse().unwrap(), ours).unwrap();
            let second = Socket::bind(first[0].local(), theirs);
            assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse, "{ours} and {theirs}");
        }
    }
}
