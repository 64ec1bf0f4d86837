//! A UDP socket that knows which of its addresses a datagram was sent to, and answers from that one.
//!
//! A plain `send_to` from a socket bound to a wildcard address lets the kernel choose the source, and a
//! client with a second route drops the answer. So the destination is read with `IP_PKTINFO` /
//! `IPV6_RECVPKTINFO` and given back when sending.

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Largest datagram read: RFC 2865 §3 allows 4,096 octets; one more shows that there were more.
pub(super) const DATAGRAM_LIMIT: usize = 4097;

/// Bytes of kernel buffer asked for in each direction: a burst must wait there, not get lost.
const KERNEL_BUFFER: usize = 4 << 20;

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
}

/// Which address and interface a datagram came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Arrival {
    /// IPv4 address in network byte order, as the kernel gives it.
    V4(u32),
    V6 {
        address: [u8; 16],
        interface: u32,
    },
    Unknown,
}

/// One datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) length: usize,
    pub(super) source: SocketAddr,
    pub(super) arrival: Arrival,
}

impl Socket {
    /// Binds `address`. A wildcard IPv6 address takes IPv4 too.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if let SocketAddr::V6(v6) = address {
            socket.set_only_v6(*v6.ip() != Ipv6Addr::UNSPECIFIED)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        // The kernel caps these silently; a smaller buffer still works.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let inner = UdpSocket::from_std(socket.into())?;
        let local = inner.local_addr()?;
        Ok(Self { inner, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for one datagram.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.inner.async_io(Interest::READABLE, || self.try_receive(buffer)).await
    }

    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(self.inner.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let source = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
        let arrival = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(Arrival::V4(info.ipi_spec_dst.s_addr)),
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = info.ipi6_addr.s6_addr;
                // Only a link-local answer needs its interface named; others follow the routes.
                let link_local = Ipv6Addr::from(address).is_unicast_link_local();
                let interface = if link_local { info.ipi6_ifindex } else { 0 };
                Some(Arrival::V6 { address, interface })
            }
            _ => None,
        });
        Ok(Received { length: message.bytes, source, arrival: arrival.unwrap_or(Arrival::Unknown) })
    }

    /// Sends one datagram from the address that was asked. What cannot be sent at once is lost, as UDP may be;
    /// the client asks again and gets the kept answer.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr, from: Arrival) -> io::Result<()> {
        let v4;
        let v6;
        let control = match from {
            Arrival::V4(address) => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: address },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                Some(ControlMessage::Ipv4PacketInfo(&v4))
            }
            Arrival::V6 { address, interface } => {
                v6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address },
                    ipi6_ifindex: interface,
                };
                Some(ControlMessage::Ipv6PacketInfo(&v6))
            }
            Arrival::Unknown => None,
        };
        let to = SockaddrStorage::from(to);
        let slices = [IoSlice::new(bytes)];
        let control = control.as_slice();
        sendmsg(self.inner.as_raw_fd(), &slices, control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
        Ok(())
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::new(v4.ip(), v4.port()).into());
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into())
}

/// The address to name in a log line: IPv4 also where it came in over an IPv6 socket.
pub(super) fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reply must come from the address that was asked, which a wildcard socket would not do by itself for
    /// 127.0.0.2.
    async fn answers_from_the_address_asked(bind: &str, ask: &str, peer: &str) {
        let server = Socket::bind(bind.parse().unwrap()).unwrap();
        let client = UdpSocket::bind(peer).await.unwrap();
        let asked = SocketAddr::new(ask.parse().unwrap(), server.local().port());
        client.send_to(b"ping", asked).await.unwrap();
        let mut buffer = [0; DATAGRAM_LIMIT];
        let received = server.receive(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..received.length], b"ping");
        server.send(b"pong", received.source, received.arrival).unwrap();
        let (_, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, asked);
    }

    #[tokio::test]
    async fn ipv4_wildcard_answers_from_the_address_asked() {
        answers_from_the_address_asked("0.0.0.0:0", "127.0.0.2", "127.0.0.1:0").await;
    }

    #[tokio::test]
    async fn dual_stack_wildcard_answers_ipv4_from_the_address_asked() {
        answers_from_the_address_asked("[::]:0", "127.0.0.3", "127.0.0.1:0").await;
    }

    #[tokio::test]
    async fn ipv6_wildcard_answers_from_the_address_asked() {
        answers_from_the_address_asked("[::]:0", "::1", "[::1]:0").await;
    }
}
