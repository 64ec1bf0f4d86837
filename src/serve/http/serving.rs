//! A service at its addresses, from their opening to its stop.

use super::{Protection, Service};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be served for {service}: {source}")]
pub struct BindError {
    /// For whom, as it is called in the log.
    pub service: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// A running service.
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

impl Service {
    /// Serves TCP addresses, which may be none. `protect` is told at which one a peer has come.
    pub(in crate::serve) async fn serve_at(
        self,
        addresses: &[SocketAddr],
        protect: impl Fn(SocketAddr, &SocketAddr) -> Protection + Clone + Send + 'static,
    ) -> Result<Running, BindError> {
        let (stop, stopped) = watch::channel(false);
        let mut running = Running { addresses: Vec::new(), stop, tasks: JoinSet::new() };
        let service = Arc::new(self);
        for address in addresses.iter().copied() {
            let failed = |source| BindError { service: service.name, address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?;
            tracing::info!(address = %local, "{} is served", service.name);
            running.addresses.push(local);
            let protect = protect.clone();
            let protect = move |peer: &SocketAddr| protect(local, peer);
            running.tasks.spawn(Arc::clone(&service).run(listener, protect, stopped.clone()));
        }
        Ok(running)
    }
}
