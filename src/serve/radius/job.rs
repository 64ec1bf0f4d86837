//! One login, from the checked datagram to the verdict.

use super::counters::Event;
use super::examine::Wanted;
use super::state;
use super::wifi::{self, Wifi};
use crate::base::meter::Outcomes;
use crate::config::{Client, Config};
use crate::engine::login::{Gatekeeper, Round, Undecided, Verdict};
use crate::engine::meters::{Front, Timing};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// A login to be decided.
#[derive(Debug)]
pub(super) struct Job {
    /// The configuration it began with.
    pub(super) config: Arc<Config>,
    pub(super) client: Arc<Client>,
    pub(super) wanted: Box<Wanted>,
    /// Id of the request, for log and audit.
    pub(super) request: Uuid,
    /// Who asks.
    pub(super) peer: IpAddr,
    /// When it arrived, and what it counts for.
    pub(super) timing: Timing,
}

/// What came of it, with what the answer is made from.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) config: Arc<Config>,
    pub(super) client: Arc<Client>,
    pub(super) wanted: Box<Wanted>,
    pub(super) outcome: Result<Outcome, Undecided>,
}

/// What was decided.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A login.
    Login(Verdict),
    /// A round of an EAP conversation.
    Eap(wifi::Reply),
}

impl Outcome {
    /// A refusal, which waits for its moment.
    pub(super) const fn refuses(&self) -> bool {
        matches!(self, Outcome::Login(Verdict::Reject { .. }) | Outcome::Eap(wifi::Reply::Failure { .. }))
    }

    /// Why nothing is answered, if nothing is.
    pub(super) const fn silence(&self) -> Option<Event> {
        match self {
            Outcome::Eap(wifi::Reply::Silence(event)) => Some(*event),
            _ => None,
        }
    }
}

/// Decides.
pub(super) async fn decide(gatekeeper: Arc<Gatekeeper>, wifi: Arc<Wifi>, job: Job) -> Done {
    let eap = job.config.eap.as_ref().filter(|_| !job.client.eap.methods.is_empty());
    if let (Some(eap), Some(message)) = (eap, &job.wanted.eap) {
        let outcome = Box::pin(wifi.decide(&gatekeeper, &job, eap, message)).await.map(Outcome::Eap);
        if outcome.is_err() {
            gatekeeper.meters.undecided(Front::Eap);
        }
        let Job { config, client, wanted, .. } = job;
        return Done { config, client, wanted, outcome };
    }
    let Job { config, client, mut wanted, request, peer, timing } = job;
    let mut name = [0; uuid::fmt::Simple::LENGTH];
    let state = wanted.state.as_deref().map(state::of_text);
    let id = request.simple().encode_lower(&mut name);
    let front = (Front::Radius, timing);
    let round = Round {
        peer: Some(peer),
        outcomes: Some(outcomes(&gatekeeper, &client)),
        typed: wanted.typed.take(),
        state: state.as_deref(),
        origin: &wanted.calling_station,
        ..Round::new(front, id, &client.name, &client.policy, &wanted.username)
    };
    let verdict = gatekeeper.decide(&config, round).await;
    Done { config, client, wanted, outcome: verdict.map(Outcome::Login) }
}

/// A client's counters: looked for once after each reload, and at hand from then on.
pub(super) fn outcomes<'c>(gatekeeper: &Gatekeeper, client: &'c Client) -> &'c Outcomes {
    client.outcomes.get_or_init(|| gatekeeper.meters.client(Front::Radius, &client.name))
}
