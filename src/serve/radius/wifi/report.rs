//! How a conversation ended, on its way to counters, log, trail, and whoever watches.

use super::Wifi;
use super::decision::Ground;
use crate::base::meter::Outcomes;
use crate::config::Config;
use crate::domain::login::How;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::eap::Ended;
use crate::engine::login::Gatekeeper;
use crate::engine::meters::{EapNote, Front, Outcome, Report, Timing};
use crate::engine::refused::Refusal;
use crate::serve::radius::conversations::{Decided, Open};
use crate::serve::radius::counters::Event;
use crate::serve::radius::job::outcomes;
use crate::wire::eap::Method;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::{Instrument, info_span};
use uuid::Uuid;

/// What is said of one that nobody goes on with.
const LEFT: &str = "the device said no more, or others needed the room";

impl Ground {
    /// Says how a conversation ended.
    pub(super) fn report(&self, open: &Open, decision: (Outcome, Reason), why: &str) {
        let outcomes = outcomes(&self.gatekeeper, &self.client);
        say(&self.gatekeeper, (open, outcomes, self.request), decision, why);
    }

    /// Says of one that nobody knows that it was refused.
    pub(super) fn report_nobody(&self, (outcome, reason, how): (Outcome, Reason, How)) {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        self.gatekeeper.report(&Report {
            front: Front::Eap,
            purpose: Purpose::Login,
            request: self.request.simple().encode_lower(&mut name),
            client: &self.client.name,
            outcomes: outcomes(&self.gatekeeper, &self.client),
            username: &self.username,
            station: &self.station,
            peer: Some(self.peer),
            how,
            outcome,
            reason,
            timing: Timing { since: self.timing.since, weight: 1 },
            eap: Some(EapNote { method: "none", identity: &self.username, resumed: false, why: "" }),
        });
    }

    /// Says that a conversation failed, once: at its end, or before if the device was told before.
    pub(super) fn report_failure(&self, open: &mut Open, reason: Reason, why: &Ended) {
        if !std::mem::replace(&mut open.reported, true) {
            self.report(open, (Outcome::Reject, reason), &why.to_string());
        }
    }
}

/// The line of a conversation, as of this request.
fn say(
    gatekeeper: &Gatekeeper,
    (open, outcomes, request): (&Open, &Outcomes, Uuid),
    (outcome, reason): (Outcome, Reason),
    why: &str,
) {
    let mut name = [0; uuid::fmt::Simple::LENGTH];
    gatekeeper.report(&Report {
        front: Front::Eap,
        purpose: Purpose::Login,
        request: request.simple().encode_lower(&mut name),
        client: &open.client,
        outcomes,
        username: open.username.as_deref().unwrap_or(&open.identity),
        station: &open.station,
        peer: Some(open.peer),
        how: decided_by(open, reason),
        outcome,
        reason,
        timing: Timing { since: open.since, weight: 1 },
        eap: Some(EapNote {
            method: open.conversation.method().map_or("none", Method::name),
            identity: &open.identity,
            resumed: open.conversation.is_resumed(),
            why,
        }),
    });
}

impl Wifi {
    /// Counts a conversation that nobody goes on with, and says so now and then: nothing else tells of a device that falls silent. Of one
    /// that was let in inside a tunnel the trail says it, which knows of the accept alone.
    pub(super) fn note_left(
        &self,
        gatekeeper: &Arc<Gatekeeper>,
        config: &Arc<Config>,
        open: &Open,
        now: Instant,
    ) {
        // Of what it was told inside a tunnel there is a line already.
        if open.reported {
            return;
        }
        self.counters.count(Event::EapLeft);
        let (reason, person, request) = match &open.decided {
            Some(Decided::Accepted { person, request, .. }) => {
                (Reason::EapUnfinished, Some(person), *request)
            }
            // It has reached nobody; the trail has it.
            Some(Decided::Refused(reason, request)) => (*reason, None, *request),
            None => return self.note_silence(open, now),
        };
        // What is looked at here is another request's.
        let span = info_span!(parent: None, "request", id = %request.simple(), client = %open.client);
        let outcomes = gatekeeper.meters.client(Front::Radius, &open.client);
        span.in_scope(|| say(gatekeeper, (open, &outcomes, request), (Outcome::Reject, reason), LEFT));
        let person = person.filter(|_| !open.noted);
        if let (Some(person), Ok(runtime)) = (person, Handle::try_current()) {
            let (gatekeeper, config) = (Arc::clone(gatekeeper), Arc::clone(config));
            let noting =
                note_unfinished((gatekeeper, config), open.client.clone(), Arc::clone(person), request);
            runtime.spawn(noting.instrument(span));
        }
    }

    fn note_silence(&self, open: &Open, now: Instant) {
        if let Some(left_out) = self.warnings.due("eap-left", open.peer, now) {
            let method = open.conversation.method().map_or("none", Method::name);
            let hint = "it may not trust the server's certificate, or large packets are lost on the way";
            tracing::info!(client = open.client, peer = %open.peer, identity = open.identity, method, hint, left_out, "a device left in the midst of EAP");
        }
    }
}

/// Writes down that somebody who was let in inside a tunnel did not come to the end, as of the request of the accept.
async fn note_unfinished(
    (gatekeeper, config): (Arc<Gatekeeper>, Arc<Config>),
    client: String,
    person: Arc<Person>,
    request: Uuid,
) {
    let refusal = Refusal {
        request,
        front: Front::Eap,
        client: &client,
        username: person.username.as_str(),
        person: Some(person.id),
        reason: Reason::EapUnfinished,
        claims: None,
    };
    if let Err(error) = gatekeeper.refused(&config, refusal).await {
        tracing::error!(%error, "the audit trail does not say that a login was not finished");
    }
}

/// By what it was decided; the machine knows it better than the reason.
fn decided_by(open: &Open, reason: Reason) -> How {
    match How::of(reason) {
        How::Nothing => open.how,
        how => how,
    }
}
