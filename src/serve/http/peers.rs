//! Where connections come from.

use super::shares::Share;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// The process at the other end of a Unix socket, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) struct LocalPeer {
    pub(in crate::serve) uid: u32,
    pub(in crate::serve) gid: u32,
}

/// Where connections come from.
pub(in crate::serve) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who is at its other end.
    type Peer: Clone + Send + Sync + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// Whom it counts for.
    fn share(peer: &Self::Peer) -> Share;

    /// Its address, if it has one.
    fn address(_: &Self::Peer) -> Option<IpAddr> {
        None
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Answers are written whole, so there is nothing to wait for.
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }

    fn share(peer: &SocketAddr) -> Share {
        Share::of(peer.ip())
    }

    fn address(peer: &SocketAddr) -> Option<IpAddr> {
        Some(peer.ip())
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = LocalPeer;

    async fn accept(&self) -> io::Result<(UnixStream, LocalPeer)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let peer = stream.peer_cred()?;
        Ok((stream, LocalPeer { uid: peer.uid(), gid: peer.gid() }))
    }

    fn share(peer: &LocalPeer) -> Share {
        Share::User(peer.uid)
    }
}
