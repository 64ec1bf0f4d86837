//! All of it without sockets: what comes of a datagram, for tests that make datagrams up.

use super::batch::{Arrival, Received};
use super::in_flight::End;
use super::intake::Intake;
use super::wifi::Wifi;
use super::{Counters, Shell, job};
use crate::config::Config;
use crate::engine::login::Gatekeeper;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// One socket's intake, without the socket.
pub struct Offline {
    intake: Intake,
    gatekeeper: Arc<Gatekeeper>,
    wifi: Arc<Wifi>,
}

impl Offline {
    /// An intake that knows no request yet. Refusals leave at once where `radius.reject_delay` is zero.
    pub fn new(config: Arc<ArcSwap<Config>>, gatekeeper: Arc<Gatekeeper>) -> Self {
        let shell = Shell::new(config, Arc::<Counters>::default(), Arc::clone(&gatekeeper.meters));
        let wifi = Arc::clone(&shell.wifi);
        Self { intake: Intake::new(Arc::new(shell), 1), gatekeeper, wifi }
    }

    /// Takes a datagram that `source` has sent, decides, and gives what is answered; none: silence.
    pub async fn exchange(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let received = Received { length: datagram.len(), source, arrival: Arrival::Bound };
        self.intake.arrived(1);
        let config = self.intake.config();
        for examined in self.intake.examine(&config, std::iter::once((received, datagram))) {
            if let Some((job, about)) = self.intake.datagram(received, examined, Instant::now()) {
                let done = job::decide(Arc::clone(&self.gatekeeper), Arc::clone(&self.wifi), job).await;
                self.intake.ended(&about, End::Done(done), Instant::now());
            }
        }
        self.intake.sign_all();
        self.intake.delayed.due(Instant::now(), &mut self.intake.outbox);
        let answer = self.intake.outbox.bytes().to_vec();
        self.intake.outbox.clear();
        (!answer.is_empty()).then_some(answer)
    }
}
