//! UDP sockets that know which of their addresses a datagram was sent to, and answer from that one.
//!
//! A plain `send_to` from a socket bound to a wildcard address lets the kernel choose the source, and a
//! client with a second route drops the answer. So the destination is read with `IP_PKTINFO` /
//! `IPV6_RECVPKTINFO` and given back when sending. A socket bound to one address has no choice, and need not ask.
//!
//! An address can have several sockets (`SO_REUSEPORT`). The kernel shares the datagrams out by their Identifier: by itself it would do so
//! by addresses and ports, and a NAS that asks from one port would keep one of the readers busy and leave the others idle. A retransmission has
//! the Identifier of the first (RFC 2865 §2.5), so it meets the table that knows it as long as the set stays.

use super::batch::{Inbox, Kind};
use crate::wire::radius::Code;
use nix::libc::{self, sock_filter, sock_fprog};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, SockRef, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// Octets asked for, for what waits to be read and for what waits to be sent: a burst must wait there, not get lost. The kernel takes
/// twice that if `net.core.rmem_max` lets it, and counts some 800 for a request, so that 10,400 can wait. So many do only until
/// `admission.rs` has looked: each waits for all before it.
const ROOM: usize = 4 << 20;
const ROOM_TO_SEND: usize = 1 << 20;

/// Of the kernel's filters: an octet at a place of the packet.
const LOAD_OCTET: u16 = 0x30;

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
    kind: Kind,
    /// The kernel can cut a piece into datagrams.
    cuts: bool,
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

    /// Has the kernel give each datagram for an address to the one of its sockets that the Identifier, modulo their number, counts to.
    pub(super) fn share(all: &[Self]) {
        let [first, _, ..] = all else { return };
        if let Err(error) = share_by_identifier(&first.inner, all.len()) {
            tracing::info!(%error, address = %first.local, "the kernel shares requests out by the port they come from");
        }
    }

    fn bind_one(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if let SocketAddr::V6(v6) = address {
            socket.set_only_v6(*v6.ip() != Ipv6Addr::UNSPECIFIED)?;
        }
        // The kernel caps it silently; a smaller buffer still works.
        socket.set_recv_buffer_size(ROOM)?;
        if shared {
            setsockopt(&socket, sockopt::ReusePort, &true)?;
        }
        let (kind, cuts) = prepare(&socket, address)?;
        socket.bind(&address.into())?;
        let inner = UdpSocket::from(socket);
        let local = inner.local_addr()?;
        Ok(Self { inner, local, kind, cuts })
    }

    /// Takes over one that is bound. How much waits in it is for whoever has opened it to say, who may go beyond
    /// `net.core.rmem_max`.
    pub(super) fn adopt(inner: UdpSocket) -> io::Result<Self> {
        let local = inner.local_addr()?;
        let socket = SockRef::from(&inner);
        // Left behind by a daemon that was killed while it turned some away.
        if let Err(error) = socket.detach_filter()
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let (kind, cuts) = prepare(&socket, local)?;
        Ok(Self { inner, local, kind, cuts })
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

    /// Whether the kernel can cut a piece into datagrams.
    pub(super) fn cuts(&self) -> bool {
        self.cuts
    }

    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }

    /// What has not been read; none where the kernel does not tell, before 4.12.
    pub(super) fn backlog(&self) -> Option<Backlog> {
        let [queued, room, .., dropped] = getsockopt(&self.inner, Memory).ok()?;
        Some(Backlog { queued, room, dropped })
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

/// Sets what holds for all; how the addresses of datagrams are told, and whether the kernel cuts pieces: one before 4.18 would send them
/// as one datagram, and knows the option as little as it heeds what goes with a piece.
fn prepare(socket: &socket2::Socket, address: SocketAddr) -> io::Result<(Kind, bool)> {
    let any = address.ip().is_unspecified();
    let kind = match address {
        SocketAddr::V4(_) if any => Kind::V4Any,
        SocketAddr::V4(_) => Kind::V4,
        SocketAddr::V6(_) if any => Kind::V6Any,
        SocketAddr::V6(_) => Kind::V6,
    };
    match kind {
        Kind::V4Any => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        Kind::V6Any => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        Kind::V4 | Kind::V6 => {}
    }
    socket.set_send_buffer_size(ROOM_TO_SEND)?;
    socket.set_nonblocking(true)?;
    let cuts = setsockopt(socket, sockopt::UdpGsoSegment, &0).is_ok();
    Ok((kind, cuts))
}

/// Gives the program to the set of sockets that this one is of.
fn share_by_identifier(of_the_set: &UdpSocket, sockets: usize) -> io::Result<()> {
    /// The second octet (RFC 2865 §3). A program of a set sees what comes after the header of UDP.
    const IDENTIFIER: u32 = 1;
    const MODULO: u16 = 0x94;
    const RETURN_RESULT: u16 = 0x16;
    let step = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let sockets = u32::try_from(sockets).unwrap_or(1);
    let mut program = [step(LOAD_OCTET, IDENTIFIER), step(MODULO, sockets), step(RETURN_RESULT, 0)];
    let len = u16::try_from(program.len()).unwrap_or_default();
    let program = sock_fprog { len, filter: program.as_mut_ptr() };
    Ok(setsockopt(of_the_set, sockopt::AttachReusePortCbpf, &program)?)
}

/// `SO_MEMINFO`: octets that are queued and have room for reading, six numbers about writing and more, datagrams dropped.
#[derive(Clone, Copy)]
struct Memory;
nix::getsockopt_impl!(Memory, libc::SOL_SOCKET, libc::SO_MEMINFO, [u32; 9], sockopt::GetStruct<[u32; 9]>);

/// The queue in the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Backlog {
    /// Octets that wait, as the kernel counts them: some 800 for a request. What was read is among them for a while, since the kernel
    /// gives that back in one go.
    pub(super) queued: u32,
    /// Octets that there is room for. What comes beyond is dropped.
    pub(super) room: u32,
    /// Datagrams dropped since the socket is there, modulo 2^32.
    pub(super) dropped: u32,
}

/// A filter that takes what is no Status-Server only where the kernel's random number is below.
fn admission(below: u32) -> [SockFilter; 6] {
    /// Where the datagram begins, after the header of UDP.
    const CODE: u32 = 8;
    /// The random number among what the kernel adds to a packet, see bpf(4) and `linux/filter.h`.
    const RANDOM: u32 = 0xffff_f000 + 56;
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

/// The address to name in a log line: IPv4 also where it came in over an IPv6 socket.
pub(super) fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

#[cfg(test)]
mod tests;
