//! Many datagrams by one system call, with the address that each was sent to and is answered from.
//!
//! The kernel's message headers point into buffers of their own, so they cannot go from thread to thread: each thread
//! has some, for whichever socket is served there at the moment. The kernel shortens their fields to what it filled in.
//! Sockets of one [`Kind`] always get the same lengths; where something is missing all the same, the headers are made anew.

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg,
};
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

/// Datagrams in one call at most.
pub(super) const BATCH: usize = 32;

/// Octets read of a datagram at most: RFC 2865 §3 allows 4,096, and a little more shows that there were more. Not a
/// multiple of the page, or all buffers would compete for the same lines of the processor's cache.
pub(super) const DATAGRAM_LIMIT: usize = 4096 + 64;

/// Which address and interface a datagram came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// IPv4 address in network byte order, as the kernel gives it.
    V4(u32),
    V6 {
        address: [u8; 16],
        interface: u32,
    },
    /// The one that the socket is bound to.
    Bound,
}

/// What the kernel says with a datagram on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An IPv4 source, and the destination.
    V4Any,
    /// An IPv6 source, and the destination.
    V6Any,
    /// An IPv4 source.
    V4,
    /// An IPv6 source.
    V6,
}

impl Kind {
    /// Room for what it says.
    fn control(self) -> Option<Vec<u8>> {
        match self {
            Kind::V4Any => Some(nix::cmsg_space!(libc::in_pktinfo)),
            Kind::V6Any => Some(nix::cmsg_space!(libc::in6_pktinfo)),
            Kind::V4 | Kind::V6 => None,
        }
    }
}

/// One datagram that came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) length: usize,
    pub(super) source: SocketAddr,
    pub(super) arrival: Arrival,
}

type Headers = MultiHeaders<SockaddrStorage>;

#[derive(Default)]
struct Space {
    received: [Option<Headers>; 4],
    /// From the address that the socket is bound to, from one of IPv4, and of IPv6: whole, and to be cut.
    sent: [[Option<Headers>; 2]; 3],
}

thread_local! {
    static SPACE: RefCell<Space> = RefCell::new(Space::default());
}

/// Buffers for a batch and what was read into them.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    received: Vec<Received>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BATCH * DATAGRAM_LIMIT], received: Vec::with_capacity(BATCH) }
    }

    /// What was read last, with its octets.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Received, &[u8])> {
        let received = self.received.iter().zip(self.buffer.chunks_exact(DATAGRAM_LIMIT));
        received.map(|(received, bytes)| (*received, bytes.get(..received.length).unwrap_or_default()))
    }

    /// How many were read last.
    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    /// Reads what has arrived, as much as there is room for.
    pub(super) fn fill(&mut self, socket: RawFd, kind: Kind) -> io::Result<()> {
        let Self { buffer, received } = self;
        received.clear();
        SPACE.with_borrow_mut(|space| {
            let [v4_any, v6_any, v4, v6] = &mut space.received;
            let place = match kind {
                Kind::V4Any => v4_any,
                Kind::V6Any => v6_any,
                Kind::V4 => v4,
                Kind::V6 => v6,
            };
            let headers = place.get_or_insert_with(|| Headers::preallocate(BATCH, kind.control()));
            if !read(socket, kind, headers, (buffer, received))? {
                *place = None;
            }
            Ok(())
        })
    }
}

/// Reads; whether the kernel had room for everything it says with a datagram.
fn read(
    socket: RawFd,
    kind: Kind,
    headers: &mut Headers,
    (buffer, received): (&mut [u8], &mut Vec<Received>),
) -> io::Result<bool> {
    let mut chunks = buffer.chunks_exact_mut(DATAGRAM_LIMIT);
    let mut slices: [_; BATCH] =
        std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
    let messages = recvmmsg(socket, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let mut complete = true;
    for message in messages {
        let arrival = match kind {
            Kind::V4 | Kind::V6 => Some(Arrival::Bound),
            _ => message.cmsgs().ok().and_then(|mut all| all.find_map(arrival)),
        };
        let source = message.address.as_ref().and_then(socket_address);
        complete &= arrival.is_some() && source.is_some();
        // Each datagram keeps its place, so that it is found in its buffer. Nobody has the unspecified address.
        let source = source.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        received.push(Received { length: message.bytes, source, arrival: arrival.unwrap_or(Arrival::Bound) });
    }
    Ok(complete)
}

#[expect(clippy::needless_pass_by_value, reason = "what an iterator of owned messages calls")]
fn arrival(control: ControlMessageOwned) -> Option<Arrival> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Arrival::V4(info.ipi_spec_dst.s_addr)),
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let address = info.ipi6_addr.s6_addr;
            // Only a link-local answer needs its interface named; others follow the routes.
            let link_local = Ipv6Addr::from(address).is_unicast_link_local();
            let interface = if link_local { info.ipi6_ifindex } else { 0 };
            Some(Arrival::V6 { address, interface })
        }
        _ => None,
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::new(v4.ip(), v4.port()).into());
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into())
}

/// Sends at most [`BATCH`] pieces from one address, each cut into datagrams of this many octets; 0: not cut. `lost` hears of each
/// that could not be sent.
///
/// What cannot be sent at once is lost, as UDP may be; the client asks again and gets the kept answer. One that fails,
/// for its destination cannot be, does not take the others along.
pub(super) fn send(
    socket: RawFd,
    (from, cut): (Arrival, u16),
    pieces: &[&[IoSlice<'_>]],
    to: &[Option<SockaddrStorage>],
    mut lost: impl FnMut(usize, io::Error),
) {
    let (v4, v6);
    let control = match from {
        Arrival::V4(address) => {
            v4 = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: address },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            ControlMessage::Ipv4PacketInfo(&v4)
        }
        Arrival::V6 { address, interface } => {
            let ipi6_addr = libc::in6_addr { s6_addr: address };
            v6 = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: interface };
            ControlMessage::Ipv6PacketInfo(&v6)
        }
        Arrival::Bound => ControlMessage::UdpGsoSegments(&cut),
    };
    let all = [control, ControlMessage::UdpGsoSegments(&cut)];
    SPACE.with_borrow_mut(|space| {
        let [bound, v4, v6] = &mut space.sent;
        // The headers have room for what goes along, and not for more.
        let (places, count) = match from {
            Arrival::Bound => (bound, usize::from(cut > 0)),
            Arrival::V4(_) => (v4, 1 + usize::from(cut > 0)),
            Arrival::V6 { .. } => (v6, 1 + usize::from(cut > 0)),
        };
        let [whole, in_pieces] = places;
        let place = if cut > 0 { in_pieces } else { whole };
        let headers = place.get_or_insert_with(|| Headers::preallocate(BATCH, room(from, cut > 0)));
        let control = all.get(..count).unwrap_or_default();
        let mut done = 0;
        while let (Some(pieces @ [_, ..]), Some(to @ [_, ..])) = (pieces.get(done..), to.get(done..)) {
            let flags = MsgFlags::MSG_DONTWAIT;
            // The kernel stops before the first that fails, and says why when it is the first.
            match sendmmsg(socket, headers, pieces.iter(), to, control, flags) {
                Ok(sent) => done += sent.count().max(1),
                Err(error) => {
                    lost(done, error.into());
                    done += 1;
                }
            }
        }
    });
}

/// Room for what goes with a piece.
fn room(from: Arrival, cut: bool) -> Option<Vec<u8>> {
    match (from, cut) {
        (Arrival::Bound, false) => None,
        (Arrival::Bound, true) => Some(nix::cmsg_space!(u16)),
        (Arrival::V4(_), false) => Some(nix::cmsg_space!(libc::in_pktinfo)),
        (Arrival::V4(_), true) => Some(nix::cmsg_space!(libc::in_pktinfo, u16)),
        (Arrival::V6 { .. }, false) => Some(nix::cmsg_space!(libc::in6_pktinfo)),
        (Arrival::V6 { .. }, true) => Some(nix::cmsg_space!(libc::in6_pktinfo, u16)),
    }
}
