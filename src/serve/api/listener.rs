//! Where it is served: TLS where there is a certificate; plainly on this machine, and to the proxies in front.

use super::{State, router};
use crate::serve::handed::Handed;
use crate::serve::http::{BindError, Limits, Protection, Running, Service};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// An application keeps its connections and asks over them all day.
const LIMITS: Limits = Limits {
    connections: 4096,
    per_peer: 1024,
    head: Duration::from_secs(60),
    request: Duration::from_secs(60),
    whole: Duration::from_secs(3600),
    longest_head: 16 * 1024,
};

/// Serves the addresses of the present configuration, which may be none.
pub async fn start(state: State, handed: &Handed) -> Result<Running, BindError> {
    let config = Arc::clone(&state.config);
    let service = Service::new("[api]", router(state.clone()), LIMITS)
        .behind(move |peer| config.load().api.is_proxy(peer));
    let addresses = state.config.load().api.listen.clone();
    service
        .serve_at(&addresses, handed, move |local, peer: &SocketAddr| protection(&state, local, peer))
        .await
}

fn protection(state: &State, local: SocketAddr, peer: &SocketAddr) -> Protection {
    let config = state.config.load();
    Protection::of(config.api.tls.as_ref(), local, config.api.is_proxy(peer.ip()))
}
