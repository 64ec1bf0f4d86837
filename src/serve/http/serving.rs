//! A service at its addresses, from their opening to its stop.

use super::{Protection, Service};
use crate::serve::handed::Handed;
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

/// How many connections a service holds.
#[derive(Clone)]
pub struct Places(Arc<Service>);

impl Places {
    /// Of whom: a section of the configuration.
    pub fn section(&self) -> &'static str {
        let section = self.0.name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        section.unwrap_or("admin")
    }

    /// How many are open.
    pub fn held(&self) -> usize {
        self.0.shares.connections()
    }

    /// How many may be.
    pub fn limit(&self) -> usize {
        self.0.limits.connections
    }
}

impl Service {
    /// How many connections it holds, for as long as it runs.
    pub(in crate::serve) fn held(self: &Arc<Self>) -> Places {
        Places(Arc::clone(self))
    }
}

/// A running service.
pub struct Running {
    service: Arc<Service>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it is served.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many connections it holds; none where it is served nowhere.
    pub fn places(&self) -> Option<Places> {
        (!self.addresses.is_empty()).then(|| self.service.held())
    }

    /// Takes no more connections and lets those that are open finish what they are at.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Service {
    /// Serves TCP addresses, which may be none, by sockets that were handed over or that are opened now. `protect` is told at
    /// which one a peer has come.
    pub(in crate::serve) async fn serve_at(
        self,
        addresses: &[SocketAddr],
        handed: &Handed,
        protect: impl Fn(SocketAddr, &SocketAddr) -> Protection + Clone + Send + 'static,
    ) -> Result<Running, BindError> {
        let (stop, stopped) = watch::channel(false);
        let service = Arc::new(self);
        let mut running =
            Running { service: Arc::clone(&service), addresses: Vec::new(), stop, tasks: JoinSet::new() };
        for address in addresses.iter().copied() {
            let failed = |source| BindError { service: service.name, address, source };
            let listener = match handed.tcp(address) {
                Some(listener) => {
                    listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener))
                }
                None => TcpListener::bind(address).await,
            };
            let listener = listener.map_err(failed)?;
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
