//! The stream under a connection that begins in clear and goes on with TLS.
//!
//! lettre reads ahead, and takes what it has read before TLS for what the server says in it: somebody in between could
//! put answers there. This stream gives one octet at a time until TLS begins, so that nothing is read beyond the line
//! that is waited for. What somebody adds to it is then read by TLS, and ends the connection.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// First octet of a TLS handshake; commands begin with letters.
const HANDSHAKE: u8 = 0x16;

/// See the module.
#[derive(Debug)]
pub(super) struct ClearThenTls {
    tcp: TcpStream,
    tls: bool,
}

impl ClearThenTls {
    pub(super) async fn connect(server: (&str, u16)) -> io::Result<Self> {
        Ok(Self { tcp: TcpStream::connect(server).await?, tls: false })
    }
}

impl AsyncTokioStream for ClearThenTls {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for ClearThenTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.tls || buf.remaining() == 0 {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let mut octet = [0];
        let mut one = ReadBuf::new(&mut octet);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClearThenTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tls |= buf.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
