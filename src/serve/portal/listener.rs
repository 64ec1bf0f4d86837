//! Where the portal is served: TLS where there is a certificate; plainly on this machine, and to the proxies in front.

use super::{State, router};
use crate::serve::http::{Limits, Protection, Service};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A campus behind one address is many browsers, each with a few connections.
const LIMITS: Limits = Limits {
    connections: 4096,
    per_peer: 1024,
    head: Duration::from_secs(10),
    request: Duration::from_secs(60),
    whole: Duration::from_secs(600),
    longest_head: 16 * 1024,
};

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be served for [portal]: {source}")]
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
    let service = Arc::new(Service::new("[portal]", router(state.clone()), LIMITS));
    for address in state.config.load().portal.listen.clone() {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        tracing::info!(address = %local, "the portal is served");
        running.addresses.push(local);
        let state = state.clone();
        let protect = move |peer: &SocketAddr| protection(&state, local, peer);
        running.tasks.spawn(Arc::clone(&service).run(listener, protect, stopped.clone()));
    }
    Ok(running)
}

fn protection(state: &State, local: SocketAddr, peer: &SocketAddr) -> Protection {
    let config = state.config.load();
    match &config.portal.tls {
        _ if config.portal.is_proxy(peer.ip()) => Protection::Plain,
        Some(tls) => Protection::Tls(Arc::clone(&tls.0)),
        None if local.ip().is_loopback() => Protection::Plain,
        None => Protection::Refused,
    }
}
