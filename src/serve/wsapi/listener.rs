//! Sockets and connections: TLS where there is a certificate, bounded in number and time, stopped in order.

use super::{State, router};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Connections at the same time.
const CONNECTIONS: usize = 256;
/// TLS, or a request's head, must be complete by then; also the longest pause between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// A connection ends by then, whatever it does.
const WHOLE: Duration = Duration::from_secs(300);
/// Most of a head that is read.
const LONGEST: usize = 16 * 1024;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be served for [wsapi]: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// The running service.
pub struct Running {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it is served.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no more connections and lets those that are open finish what they are at.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Serves the addresses of the present configuration, which may be none.
pub async fn start(state: State) -> Result<Running, BindError> {
    let (stop, stopped) = watch::channel(false);
    let mut running = Running { addresses: Vec::new(), stop, tasks: JoinSet::new() };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    for address in state.config.load().wsapi.listen.clone() {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        tracing::info!(address = %local, "YubiKeys are validated for others");
        running.addresses.push(local);
        running.tasks.spawn(accept(listener, local, state.clone(), Arc::clone(&places), stopped.clone()));
    }
    Ok(running)
}

async fn accept(
    listener: TcpListener,
    local: SocketAddr,
    state: State,
    places: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let router = router(state.clone());
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stopped.changed() => break,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection for [wsapi] failed");
                tokio::task::yield_now().await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let tls = state.config.load().wsapi.tls.clone();
        let (router, stopped) = (router.clone().layer(axum::Extension(ConnectInfo(peer))), stopped.clone());
        connections.spawn(async move {
            match tls {
                Some(tls) => {
                    let shaking = TlsAcceptor::from(tls.0).accept(stream);
                    match tokio::time::timeout(HEAD, shaking).await {
                        Ok(Ok(stream)) => serve(stream, router, stopped).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
                        Err(_) => {}
                    }
                }
                None => plain(stream, local, router, stopped).await,
            }
            drop(place);
        });
    }
    let _ = tokio::time::timeout(HEAD, async { while connections.join_next().await.is_some() {} }).await;
}

/// A reload may have taken the certificate away together with the address, which is served until a restart.
async fn plain(stream: TcpStream, local: SocketAddr, router: Router, stopped: watch::Receiver<bool>) {
    if local.ip().is_loopback() {
        serve(stream, router, stopped).await;
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = tokio::time::sleep(WHOLE) => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
