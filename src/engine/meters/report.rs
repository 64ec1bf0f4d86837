//! A verdict on its way out: counted, told, logged.
//!
//! The line in the log is documented (`docs/monitoring.md`), and programs such as fail2ban read it: its fields, their names and their order
//! are not changed without telling. Whatever comes from outside stands in quotation marks, escaped, so that no line can be forged, and
//! no longer than a username may be, so that none is broken where the journal breaks lines that are too long.

use super::feed::Line;
use super::{FLOWS, Front, Meters, Outcome, Timing};
use crate::base::meter::Outcomes;
use crate::domain::login::How;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::{Gatekeeper, Round, Verdict};
use std::net::IpAddr;

/// What there is to say of an EAP conversation.
#[derive(Debug, Clone, Copy)]
pub struct EapNote<'a> {
    /// The method.
    pub method: &'a str,
    /// The identity outside the tunnel.
    pub identity: &'a str,
    /// Whether a TLS session was resumed.
    pub resumed: bool,
    /// What TLS says of it; may be empty.
    pub why: &'a str,
}

/// What was decided of whom.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Where it came in.
    pub front: Front,
    /// What it is for.
    pub purpose: Purpose,
    /// Id of the request.
    pub request: &'a str,
    /// Name of the client.
    pub client: &'a str,
    /// Its counters.
    pub outcomes: &'a Outcomes,
    /// Username as it was received.
    pub username: &'a str,
    /// Where the person is: Calling-Station-Id or address; may be empty.
    pub station: &'a str,
    /// Who asked over RADIUS: the NAS, or a proxy.
    pub peer: Option<IpAddr>,
    /// By what it was decided.
    pub how: How,
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Since when, and what it counts for.
    pub timing: Timing,
    /// Of EAP.
    pub eap: Option<EapNote<'a>>,
}

/// Octets of what comes from outside that are told: as many as a username may have, and a RADIUS attribute.
const LONGEST: usize = 253;

/// As much of it as is told.
pub(super) fn told(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()
}

impl Gatekeeper {
    /// Counts a verdict, tells it to whoever watches, and logs it.
    pub fn report(&self, report: &Report<'_>) {
        self.meters.count(report);
        let logged = tracing::enabled!(tracing::Level::INFO);
        let watched = self.meters.feed.is_watched();
        if !logged && !watched && report.timing.weight == 0 {
            return;
        }
        let took = report.timing.since.elapsed();
        if let Some(histogram) =
            self.meters.whole.get(report.front as usize).filter(|_| report.timing.weight > 0)
        {
            histogram.observe(took, report.timing.weight);
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if watched {
            self.meters.feed.tell(Line::new(report, self.clock.now(), millis));
        }
        if logged {
            report.log(millis);
        }
    }

    /// The same of a round that stands for itself.
    pub(in crate::engine) fn report_round(&self, round: &Round<'_>, verdict: &Verdict, how: How) {
        // Where they are not at hand, finding them costs a lock.
        let found = round.outcomes.is_none().then(|| self.meters.client(round.front, round.client));
        let Some(outcomes) = round.outcomes.or(found.as_deref()) else { return };
        self.report(&Report {
            front: round.front,
            purpose: round.purpose,
            request: round.request,
            client: round.client,
            outcomes,
            username: round.username,
            station: round.origin,
            peer: round.peer,
            how,
            outcome: Outcome::of(verdict),
            reason: verdict.reason(),
            timing: round.timing,
            eap: None,
        });
    }
}

impl Meters {
    fn count(&self, report: &Report<'_>) {
        match FLOWS.iter().position(|purpose| *purpose == report.purpose) {
            Some(flow) => {
                if let Some(outcomes) = self.flows.get(flow) {
                    outcomes.of(report.outcome).count();
                }
            }
            None => {
                self.login(report.front, report.outcome, report.how, report.reason);
                report.outcomes.of(report.outcome).count();
            }
        }
    }
}

impl Report<'_> {
    /// The request's id stands in the span where there is one.
    fn log(&self, millis: u64) {
        let id = (self.peer.is_none()).then_some(self.request);
        let (eap, identity, resumed) = (
            self.eap.map(|eap| eap.method),
            self.eap.map(|eap| told(eap.identity)),
            self.eap.map(|eap| eap.resumed),
        );
        let why = self.eap.map(|eap| eap.why).filter(|why| !why.is_empty());
        tracing::info!(
            outcome = self.outcome.as_str(),
            reason = self.reason.as_str(),
            front = self.front.as_str(),
            purpose = self.purpose.as_str(),
            client = self.client,
            username = told(self.username),
            calling_station = told(self.station),
            peer = self.peer.map(tracing::field::display),
            method = self.how.as_str(),
            millis,
            id,
            eap,
            identity,
            resumed,
            why,
            "login"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_cut_where_no_name_is_longer() {
        assert_eq!(told("alice"), "alice");
        let long = "a".repeat(LONGEST - 1) + "\u{fc}" + &"b".repeat(60_000);
        assert_eq!(told(&long), "a".repeat(LONGEST - 1), "no letter is cut in two");
        assert_eq!(told(&"b".repeat(LONGEST)), "b".repeat(LONGEST));
    }
}
