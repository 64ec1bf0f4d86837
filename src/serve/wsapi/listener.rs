//! Where the service is served: TLS where there is a certificate, plainly on this machine only.

use super::{State, router};
use crate::serve::handed::Handed;
use crate::serve::http::{BindError, Limits, Protection, Running, Service};
use std::net::SocketAddr;
use std::time::Duration;

/// A request is a few hundred octets and is answered at once; so is everything that a program may take.
const LIMITS: Limits = Limits {
    connections: 512,
    per_peer: 64,
    head: Duration::from_secs(10),
    request: Duration::from_secs(60),
    whole: Duration::from_secs(300),
    longest_head: 16 * 1024,
};

/// Serves the addresses of the present configuration, which may be none.
pub async fn start(state: State, handed: &Handed) -> Result<Running, BindError> {
    let service = Service::new("[wsapi]", router(state.clone()), LIMITS);
    let addresses = state.config.load().wsapi.listen.clone();
    service.serve_at(&addresses, handed, move |local, _: &SocketAddr| protection(&state, local)).await
}

fn protection(state: &State, local: SocketAddr) -> Protection {
    Protection::of(state.config.load().wsapi.tls.as_ref(), local, false)
}
