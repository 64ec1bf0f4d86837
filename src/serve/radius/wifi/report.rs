//! How a conversation ended, on its way to counters, log and whoever watches.

use super::{Turn, Wifi};
use crate::domain::login::How;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::eap::Ended;
use crate::engine::meters::{EapNote, Front, Outcome, Report, Timing};
use crate::serve::radius::conversations::Open;
use crate::serve::radius::counters::Event;
use crate::serve::radius::job::outcomes;
use crate::wire::eap::Method;
use tokio::time::Instant;

impl Turn<'_> {
    /// Says how a conversation ended; `None`: nobody knows it.
    pub(super) fn report(
        &self,
        open: Option<&Open>,
        (outcome, reason, how): (Outcome, Reason, How),
        why: &str,
    ) {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        let method = open.and_then(|open| open.conversation.method()).map_or("none", Method::name);
        let identity = open.map_or(self.username, |open| &open.identity);
        let resumed = open.is_some_and(|open| open.conversation.is_resumed());
        self.gatekeeper.report(&Report {
            front: Front::Eap,
            purpose: Purpose::Login,
            request: self.request.simple().encode_lower(&mut name),
            client: &self.client.name,
            outcomes: outcomes(self.gatekeeper, self.client),
            username: open.and_then(|open| open.username.as_deref()).unwrap_or(identity),
            station: self.calling_station,
            peer: Some(self.peer),
            how,
            outcome,
            reason,
            timing: Timing { since: open.map_or(self.timing.since, |open| open.since), weight: 1 },
            eap: Some(EapNote { method, identity, resumed, why }),
        });
    }
}

impl Turn<'_> {
    /// Says that a conversation failed, once: at its end, or before if the device was told before.
    pub(super) fn report_failure(&self, open: &mut Open, reason: Reason, why: &Ended) {
        if !std::mem::replace(&mut open.reported, true) {
            let decision = (Outcome::Reject, reason, decided_by(open, reason));
            self.report(Some(open), decision, &why.to_string());
        }
    }
}

impl Wifi {
    /// Counts a conversation that nobody goes on with, and says so now and then: nothing else tells of a device that falls silent.
    pub(super) fn note_left(&self, open: &Open, now: Instant) {
        // Of what it was told inside a tunnel there is a line already.
        if open.reported {
            return;
        }
        self.counters.count(Event::EapLeft);
        if let Some(left_out) = self.warnings.due("eap-left", open.peer, now) {
            let method = open.conversation.method().map_or("none", Method::name);
            let hint = "it may not trust the server's certificate, or large packets are lost on the way";
            tracing::info!(client = open.client, peer = %open.peer, identity = open.identity, method, hint, left_out, "a device left in the midst of EAP");
        }
    }
}

/// By what it was decided; the machine knows it better than the reason.
pub(super) fn decided_by(open: &Open, reason: Reason) -> How {
    match How::of(reason) {
        How::Nothing => open.how,
        how => how,
    }
}
