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
//! let running = service.serve_at(&addresses, &handed, protect).await?;
//! ```

mod bucket;
mod forwarded;
mod peers;
mod serving;
mod shares;
mod streams;
#[cfg(test)]
mod tests;

pub(super) use bucket::Bucket;
pub(super) use forwarded::{Forwarded, forwarded};
pub(super) use peers::{Listener, LocalPeer};
pub use serving::{BindError, Places, Running};
use shares::{IsProxy, Place, Share, Shares};
pub(super) use streams::{Endless, Pages, streamed};

use crate::config::ServerTls;
use crate::engine::warnings::Warnings;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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
    /// Of these, for one peer at most ([`Share`]), and never more than are free. More are closed at once.
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

/// The certificate that a peer has shown, and that the service's settings have found good: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown(pub(super) [u8; 32]);

impl Shown {
    fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        let first = connection.peer_certificates()?.first()?;
        Some(Self(Sha256::digest(first).into()))
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

impl Protection {
    /// TLS where there is a certificate; plainly to proxies in front, and on this machine; elsewhere not at all. A reload may have taken
    /// the certificate away together with the address, which is served until a restart.
    pub(super) fn of(tls: Option<&ServerTls>, local: SocketAddr, from_proxy: bool) -> Self {
        match tls {
            _ if from_proxy => Protection::Plain,
            Some(tls) => Protection::Tls(Arc::clone(&tls.0)),
            None if local.ip().is_loopback() => Protection::Plain,
            None => Protection::Refused,
        }
    }
}

/// What is served, at however many addresses.
pub(super) struct Service {
    name: &'static str,
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    shares: Arc<Shares>,
    is_proxy: IsProxy,
    warnings: Warnings,
}

impl Service {
    /// `name` is for the log: a section of the configuration, or what stands for it.
    pub(super) fn new(name: &'static str, router: Router, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        let (shares, is_proxy) = (Arc::default(), Arc::new(|_| false));
        Self { name, router, limits, places, shares, is_proxy, warnings: Warnings::default() }
    }

    /// Proxies of ours may be in front: their connections are those of many, who are told apart by what the proxies say of them.
    pub(super) fn behind(self, is_proxy: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { is_proxy: Arc::new(is_proxy), ..self }
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
                Ok((stream, peer, (permit, place))) => {
                    pause = SHORTEST_PAUSE;
                    let (service, protection) = (Arc::clone(&self), protect(&peer));
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        service.protect(stream, (peer, place), protection, stopped).await;
                        drop(permit);
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
    ) -> Result<(L::Stream, L::Peer, (OwnedSemaphorePermit, Place)), Option<io::Error>> {
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.warn(
                    "places",
                    None,
                    "as many are open as may be; the next waits until one of them ends",
                );
                Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let (stream, peer) = listener.accept().await?;
        let share = L::share(&peer);
        let proxy = L::address(&peer).is_some_and(|address| (self.is_proxy)(address));
        let most = if proxy { self.limits.connections } else { self.limits.per_peer };
        // With this one, which is taken already.
        let free = self.places.available_permits() + 1;
        let Some(mut place) = self.shares.take(share, most.min(free)) else {
            self.warn("share", Some(share), "it holds as many connections as one peer may");
            return Err(None);
        };
        place.proxy = proxy;
        Ok((stream, peer, (permit, place)))
    }

    fn warn(&self, kind: &'static str, share: Option<Share>, what: &str) {
        let address = match share {
            Some(Share::Address(address) | Share::Behind(address)) => address,
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        if let Some(left_out) = self.warnings.due(kind, address, Instant::now()) {
            let peer = share.map(tracing::field::display);
            tracing::warn!(peer, left_out, "a connection for {} is not served: {what}", self.name);
        }
    }

    async fn protect<S, P>(
        self: &Arc<Self>,
        stream: S,
        peer: (P, Place),
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
    async fn serve<S, P>(
        self: &Arc<Self>,
        stream: S,
        (peer, place): (P, Place),
        shown: Option<Shown>,
        mut stopped: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let Limits { head, request, whole, longest_head, .. } = self.limits;
        let inner = TowerToHyperService::new(self.router.clone());
        let endless = Arc::<AtomicBool>::default();
        let proxy = place.proxy.then(|| (Arc::clone(self), place.share));
        let introduced = Introduced { inner, peer, shown, request, endless: Arc::clone(&endless), proxy };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(longest_head)
            .serve_connection(TokioIo::new(stream), introduced);
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = sleep(whole) => {}
            () = over(&mut stopped) => {}
        }
        if endless.load(Ordering::Relaxed) {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = over(&mut stopped) => {}
            }
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

/// What is said on a connection that ends with it.
fn closing(status: StatusCode, text: &'static str) -> Response<axum::body::Body> {
    let mut answer = Response::new(text.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    answer
}

/// Tells a router who asks, and ends what takes too long.
struct Introduced<P> {
    inner: TowerToHyperService<Router>,
    peer: P,
    shown: Option<Shown>,
    request: Duration,
    /// Set by an answer that is [`Endless`].
    endless: Arc<AtomicBool>,
    /// Where the peer is a proxy of ours.
    proxy: Option<(Arc<Service>, Share)>,
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
        let place = match &self.proxy {
            Some((service, proxy)) => service.place_behind(*proxy, request.headers()),
            None => Ok(None),
        };
        let Ok(place) = place else {
            let many = "Too many requests of this address are open. Ask again in a moment.\r\n";
            return Box::pin(async { Ok(closing(StatusCode::TOO_MANY_REQUESTS, many)) });
        };
        let answering = timeout(self.request, self.inner.call(request));
        let endless = Arc::clone(&self.endless);
        Box::pin(async move {
            let answered = answering.await;
            drop(place);
            let late = |_| Ok(closing(StatusCode::REQUEST_TIMEOUT, "The request took too long.\r\n"));
            let answered = answered.unwrap_or_else(late);
            if let Ok(answer) = &answered
                && answer.extensions().get::<Endless>().is_some()
            {
                endless.store(true, Ordering::Relaxed);
            }
            answered
        })
    }
}
