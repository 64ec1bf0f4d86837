//! Connections of HTTP/1.1 for all that is served over it: bounded in number, in all and for each peer, and in time; over
//! TLS, plainly or over a Unix socket; stopped in order. What a request means is its router's.
//!
//! ```text
//!   accept ──▶ a place in all? ──▶ a place for this peer? ──▶ TLS ──▶ head ──▶ router ──▶ head … ──▶ closed
//!     │ error   no: it waits in      no: closed at once         └─ Limits::head ─┘  │        │
//!     └ pause   the kernel's queue                                        Limits::request  Limits::whole
//! ```
//!
//! A handler finds the peer as `axum::extract::ConnectInfo`: a `SocketAddr` of TCP, a [`LocalPeer`] of a Unix socket; and among the
//! request's extensions the certificate that it has shown, as [`Shown`].
//!
//! ```ignore
//! let service = Service::new("[portal]", router, Limits { connections: 4096, ..Limits::default() });
//! // Asked anew by every connection, at which of the addresses it came and from where.
//! let protect = move |local: SocketAddr, _: &SocketAddr| Protection::Tls(config.load().portal.tls.clone());
//! let running = service.serve_at(&addresses, protect).await?;
//! ```

mod serving;
#[cfg(test)]
mod tests;

pub use serving::{BindError, Running};

use crate::engine::warnings::Warnings;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// After an error of `accept`; twice as long each time, up to the other one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// At the same time, at all addresses of a service. More wait in the kernel's queue, unanswered.
    pub(super) connections: usize,
    /// Of these, for one peer ([`Share`]). More are closed at once.
    pub(super) per_peer: usize,
    /// TLS, then a request's head, must be complete by then. Also the longest pause between two requests, and what a
    /// connection has for its last answer when the service stops or its time is over.
    pub(super) head: Duration,
    /// A request must be answered by then, its body read included; or it gets 408. Bodies that are streamed back are
    /// bounded by `whole` alone.
    pub(super) request: Duration,
    /// A connection takes no more requests then.
    pub(super) whole: Duration,
    /// Octets of a head, at least 8192.
    pub(super) longest_head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            per_peer: 64,
            head: Duration::from_secs(10),
            request: Duration::from_secs(30),
            whole: Duration::from_secs(300),
            longest_head: 16 * 1024,
        }
    }
}

/// What connections of one peer are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// An IPv4 address, or the first half of an IPv6 address: who has one has all of the other half.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl Share {
    fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Self::Address(address) => write!(f, "{address}"),
            Self::User(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// The process at the other end of a Unix socket, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalPeer {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The certificate that a peer has shown, and that the service's settings have found good: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown(pub(super) [u8; 32]);

impl Shown {
    fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        let first = connection.peer_certificates()?.first()?;
        Some(Self(Sha256::digest(first).into()))
    }
}

/// Where connections come from.
pub(super) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who is at its other end.
    type Peer: Clone + Send + Sync + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// Whom it counts for.
    fn share(peer: &Self::Peer) -> Share;
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

/// How a connection is protected. It is asked for when the connection comes, so that a certificate of a reload serves the next.
pub(super) enum Protection {
    /// Not; for what does not leave the machine.
    Plain,
    /// By TLS.
    Tls(Arc<ServerConfig>),
    /// It should be and cannot: it is closed.
    Refused,
}

/// What is served, at however many addresses.
pub(super) struct Service {
    name: &'static str,
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    held: Mutex<HashMap<Share, usize>>,
    warnings: Warnings,
}

/// A connection's place, given back with its end.
struct Place {
    service: Arc<Service>,
    share: Share,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.service.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.share) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.share);
            }
        }
    }
}

impl Service {
    /// `name` is for the log: a section of the configuration, or what stands for it.
    pub(super) fn new(name: &'static str, router: Router, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        Self { name, router, limits, places, held: Mutex::default(), warnings: Warnings::default() }
    }

    /// Serves a listener until `stopped` becomes true; then takes no more connections and lets those that are open finish.
    pub(super) async fn run<L: Listener>(
        self: Arc<Self>,
        listener: L,
        protect: impl Fn(&L::Peer) -> Protection + Send,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut connections = JoinSet::new();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let accepted = tokio::select! {
                () = over(&mut stopped) => break,
                accepted = self.accept(&listener) => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, place)) => {
                    pause = SHORTEST_PAUSE;
                    let (service, protection) = (Arc::clone(&self), protect(&peer));
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        service.protect(stream, peer, protection, stopped).await;
                        drop(place);
                    });
                }
                Err(Some(error)) if !is_the_peers(&error) => {
                    // Such as too many open files: asked again at once it would say the same, on a whole CPU.
                    self.warn("accept", None, &format!("no connection can be accepted: {error}"));
                    tokio::select! {
                        () = over(&mut stopped) => break,
                        () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    }
                }
                Err(_) => {}
            }
        }
        drop(listener);
        // Each has `head` for its last answer, and the same again for one that comes late.
        let _ =
            timeout(self.limits.head * 2, async { while connections.join_next().await.is_some() {} }).await;
    }

    /// `Err(None)`: the peer has enough.
    async fn accept<L: Listener>(
        self: &Arc<Self>,
        listener: &L,
    ) -> Result<(L::Stream, L::Peer, Place), Option<io::Error>> {
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        let share = L::share(&peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(share).or_default();
        if *count >= self.limits.per_peer {
            drop(held);
            self.warn("share", Some(share), "it holds as many connections as one peer may");
            return Err(None);
        }
        *count += 1;
        drop(held);
        Ok((stream, peer, Place { service: Arc::clone(self), share, _permit: permit }))
    }

    fn warn(&self, kind: &'static str, share: Option<Share>, what: &str) {
        let address = match share {
            Some(Share::Address(address)) => address,
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        if let Some(left_out) = self.warnings.due(kind, address, Instant::now()) {
            let peer = share.map(tracing::field::display);
            tracing::warn!(peer, left_out, "a connection for {} is not served: {what}", self.name);
        }
    }

    async fn protect<S, P>(
        &self,
        stream: S,
        peer: P,
        protection: Protection,
        mut stopped: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        match protection {
            Protection::Refused => {}
            Protection::Plain => self.serve(stream, peer, None, stopped).await,
            Protection::Tls(config) => {
                let shaking = timeout(self.limits.head, TlsAcceptor::from(config).accept(stream));
                let shaken = tokio::select! {
                    shaken = shaking => shaken,
                    () = over(&mut stopped) => return,
                };
                match shaken {
                    Ok(Ok(stream)) => {
                        let shown = Shown::of(stream.get_ref().1);
                        self.serve(stream, peer, shown, stopped).await;
                    }
                    Ok(Err(error)) => tracing::debug!(service = self.name, %error, "no TLS came about"),
                    Err(_) => {}
                }
            }
        }
    }

    /// One connection, from its first request's head to its end.
    async fn serve<S, P>(&self, stream: S, peer: P, shown: Option<Shown>, mut stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let Limits { head, request, whole, longest_head, .. } = self.limits;
        let inner = TowerToHyperService::new(self.router.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(longest_head)
            .serve_connection(TokioIo::new(stream), Introduced { inner, peer, shown, request });
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = sleep(whole) => {}
            () = over(&mut stopped) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(head, connection).await;
    }
}

async fn over(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The connection's fault, and not the listener's, which may go on at once (accept(2)).
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    // The last two: it was gone before its socket could be set up.
    let kinds = [ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected];
    kinds.contains(&error.kind())
}

/// Tells a router who asks, and ends what takes too long.
struct Introduced<P> {
    inner: TowerToHyperService<Router>,
    peer: P,
    shown: Option<Shown>,
    request: Duration,
}

impl<P: Clone + Send + Sync + 'static> hyper::service::Service<Request<Incoming>> for Introduced<P> {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer.clone()));
        if let Some(shown) = self.shown {
            request.extensions_mut().insert(shown);
        }
        let answering = timeout(self.request, self.inner.call(request));
        Box::pin(async move {
            answering.await.unwrap_or_else(|_| {
                let mut late = Response::new("The request took too long.\r\n".into());
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                late.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
                Ok(late)
            })
        })
    }
}

/// A channel as the stream that a body is made of.
pub(super) struct Pages<T>(pub(super) tokio::sync::mpsc::Receiver<Result<T, io::Error>>);

impl<T> futures_core::Stream for Pages<T> {
    type Item = Result<T, io::Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
