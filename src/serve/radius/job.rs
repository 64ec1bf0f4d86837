//! One login, from the checked datagram to the verdict.

use super::counters::Event;
use super::examine::Wanted;
use super::wifi::{self, Wifi};
use crate::config::{Client, Config};
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::{Gatekeeper, Round, Undecided, Verdict};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// A login to be decided.
#[derive(Debug)]
pub(super) struct Job {
    /// The configuration it began with.
    pub(super) config: Arc<Config>,
    pub(super) client: Arc<Client>,
    pub(super) wanted: Wanted,
    /// Id of the request, for log and audit.
    pub(super) request: Uuid,
    /// When it arrived.
    pub(super) at: Instant,
}

/// What came of it, with what the answer is made from.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) config: Arc<Config>,
    pub(super) client: Arc<Client>,
    pub(super) wanted: Wanted,
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
    /// Why, if it is a decision.
    pub(super) const fn reason(&self) -> Option<Reason> {
        match self {
            Outcome::Login(verdict) => Some(verdict.reason()),
            Outcome::Eap(wifi::Reply::Success { reason, .. } | wifi::Reply::Failure { reason, .. }) => {
                Some(*reason)
            }
            Outcome::Eap(_) => None,
        }
    }

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
        let outcome = wifi.decide(&gatekeeper, &job, eap, message).await.map(Outcome::Eap);
        let Job { config, client, wanted, .. } = job;
        return Done { config, client, wanted, outcome };
    }
    let Job { config, client, mut wanted, request, at } = job;
    let mut name = [0; uuid::fmt::Simple::LENGTH];
    let round = Round {
        request: request.simple().encode_lower(&mut name),
        front: "radius",
        client: &client.name,
        purpose: Purpose::Login,
        policy: &client.policy,
        username: &wanted.username,
        typed: wanted.typed.take(),
        vouched: None,
        state: wanted.state.as_deref(),
        origin: &wanted.calling_station,
        reach: None,
        language: None,
        join: None,
        device: None,
    };
    let verdict = gatekeeper.decide(&config, round).await;
    if let Ok(verdict) = &verdict {
        log(&wanted, verdict, at);
    }
    Done { config, client, wanted, outcome: verdict.map(Outcome::Login) }
}

fn log(wanted: &Wanted, verdict: &Verdict, since: Instant) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let (outcome, reason) = match verdict {
        Verdict::Accept { reason, .. } => ("accept", reason),
        Verdict::Challenge { reason, .. } => ("challenge", reason),
        Verdict::Reject { reason, .. } => ("reject", reason),
    };
    let Wanted { username, calling_station, .. } = wanted;
    let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(username, calling_station, outcome, reason = reason.as_str(), millis, "login");
}
