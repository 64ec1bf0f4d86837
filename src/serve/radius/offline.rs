//! All of it without sockets: what comes of a datagram, for tests that make datagrams up.

use super::batch::{Arrival, Received};
use super::desk::Desk;
use super::in_flight::End;
use super::wifi::Wifi;
use super::{Counters, Shell, job};
use crate::config::Config;
use crate::engine::login::Gatekeeper;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// One socket's desk, without the socket.
pub struct Offline {
    desk: Desk,
    gatekeeper: Arc<Gatekeeper>,
    wifi: Arc<Wifi>,
}

impl Offline {
    /// A desk that knows no request yet. Refusals leave at once where `radius.reject_delay` is zero.
    pub fn new(config: Arc<ArcSwap<Config>>, gatekeeper: Arc<Gatekeeper>) -> Self {
        let shell = Shell::new(config, Arc::<Counters>::default(), Arc::clone(&gatekeeper.meters));
        let wifi = Arc::clone(&shell.wifi);
        Self { desk: Desk::new(Arc::new(shell), 1), gatekeeper, wifi }
    }

    /// Takes a datagram that `source` has sent, decides, and gives what is answered; none: silence.
    pub async fn exchange(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let received = Received { length: datagram.len(), source, arrival: Arrival::Bound };
        self.desk.arrived(1);
        if let Some((job, about)) = self.desk.datagram(received, datagram, Instant::now()) {
            let done = job::decide(Arc::clone(&self.gatekeeper), Arc::clone(&self.wifi), job).await;
            self.desk.ended(&about, End::Done(done), Instant::now());
        }
        self.desk.delayed.due(Instant::now(), &mut self.desk.outbox);
        let answer = self.desk.outbox.bytes().to_vec();
        self.desk.outbox.clear();
        (!answer.is_empty()).then_some(answer)
    }
}
