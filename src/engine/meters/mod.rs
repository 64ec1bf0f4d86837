//! What is counted of logins, and how long their stages take: the one source for metrics, `status` and whoever watches.
//!
//! Whoever has a verdict for somebody outside makes a [`Report`] of it ([`Gatekeeper::report`]): it is counted, told to those who
//! watch ([`feed`]), and written into the log, once each. Counting is two additions; durations are measured of all logins, or, where many
//! arrive together, of one in sixteen, which then counts for sixteen ([`timing`]).

pub mod feed;
mod report;
mod timing;

pub use report::{EapNote, Report};
pub use timing::{Lap, Sampler, Timing};

use crate::base::meter::{Counter, Durations, Histogram, Outcomes};
use crate::domain::login::How;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::Verdict;
use crate::store::Attempted;
use crate::wire::wsapi::Status;
use feed::Feed;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! labels {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$each:meta])* $name:ident = $text:literal,)* })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$each])* $name,)* }

        impl $kind {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [$kind] = &[$($kind::$name,)*];

            /// Stable name in log and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $($kind::$name => $text,)* }
            }
        }
    )* };
}

labels! {
    /// Where a login came in.
    Front {
        /// RADIUS without EAP.
        Radius = "radius",
        /// EAP over RADIUS.
        Eap = "eap",
        /// An application over HTTPS.
        Api = "api",
        /// The portal.
        Portal = "portal",
    }
    /// How it ended.
    Outcome {
        /// Let in.
        Accept = "accept",
        /// Asked for more.
        Challenge = "challenge",
        /// Refused.
        Reject = "reject",
    }
    /// What a login is made of.
    Stage {
        /// The packet: client, form, Message-Authenticator, password revealed.
        Decode = "decode",
        /// The login machine itself, with the arithmetic of passcodes.
        Policy = "policy",
        /// A password of the embedded directory, with its wait for a thread.
        Password = "password",
        /// A PIN, and what validation servers and the inventory say of a YubiKey.
        Factor = "factor",
        /// Records and challenges: account, charge, settlement.
        Store = "store",
        /// A password that an outside directory checks.
        Directory = "directory",
    }
    /// What became of an attempt to send a message.
    Sending {
        /// A provider has taken it.
        Sent = "sent",
        /// It is tried again.
        Again = "again",
        /// It is given up.
        Dead = "dead",
    }
}

impl Front {
    /// The same as the audit trail says it: EAP comes in by RADIUS.
    pub const fn door(self) -> &'static str {
        match self {
            Front::Radius | Front::Eap => "radius",
            Front::Api => "api",
            Front::Portal => "portal",
        }
    }
}

impl Outcome {
    /// Of a verdict.
    pub const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accept { .. } => Outcome::Accept,
            Verdict::Challenge { .. } => Outcome::Challenge,
            Verdict::Reject { .. } => Outcome::Reject,
        }
    }
}

impl From<&Attempted> for Sending {
    fn from(attempted: &Attempted) -> Self {
        match attempted {
            Attempted::Sent => Sending::Sent,
            Attempted::Again(_) => Sending::Again,
            Attempted::Dead | Attempted::Unknown => Sending::Dead,
        }
    }
}

/// Purposes of rounds that are no logins, but steps of a flow of the portal.
pub const FLOWS: [Purpose; 3] = [Purpose::Reset, Purpose::Activation, Purpose::Contact];

/// How often logins ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logins {
    /// Where they came in.
    pub front: Front,
    /// By what.
    pub how: How,
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: u64,
}

type Clients = BTreeMap<(Front, String), Arc<Outcomes>>;

/// Everything that is counted of logins.
#[derive(Debug)]
pub struct Meters {
    /// By front, outcome, what, and why.
    logins: Vec<Counter>,
    flows: [Outcomes; FLOWS.len()],
    clients: Mutex<Clients>,
    stages: [Histogram; Stage::ALL.len()],
    whole: [Histogram; Front::ALL.len()],
    undecided: [Counter; Front::ALL.len()],
    messages: [Counter; Sending::ALL.len()],
    validations: [Counter; Status::ALL.len()],
    /// For those who watch.
    pub feed: Arc<Feed>,
}

impl Default for Meters {
    fn default() -> Self {
        let all = Front::ALL.len() * Outcome::ALL.len() * How::ALL.len() * Reason::ALL.len();
        Self {
            logins: (0..all).map(|_| Counter::default()).collect(),
            flows: Default::default(),
            clients: Mutex::default(),
            stages: Default::default(),
            whole: Default::default(),
            undecided: Default::default(),
            messages: Default::default(),
            validations: Default::default(),
            feed: Arc::default(),
        }
    }
}

fn index((front, outcome, how, reason): (Front, Outcome, How, Reason)) -> usize {
    let at = front as usize * Outcome::ALL.len() + outcome as usize;
    (at * How::ALL.len() + how.index()) * Reason::ALL.len() + reason as usize
}

impl Outcomes {
    /// The one of this name.
    pub const fn of(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Accept => &self.accept,
            Outcome::Challenge => &self.challenge,
            Outcome::Reject => &self.reject,
        }
    }
}

impl Meters {
    fn login(&self, front: Front, outcome: Outcome, how: How, reason: Reason) {
        if let Some(counter) = self.logins.get(index((front, outcome, how, reason))) {
            counter.count();
        }
    }

    /// A client's own counters; the same ones for as long as the process lives, whatever a reload changes. There are as many as there were
    /// names in the configuration.
    pub fn client(&self, front: Front, name: &str) -> Arc<Outcomes> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&(front, name.to_owned())) {
            return Arc::clone(known);
        }
        Arc::clone(clients.entry((front, name.to_owned())).or_default())
    }

    /// Nothing was answered, because nothing could be decided.
    pub fn undecided(&self, front: Front) {
        if let Some(counter) = self.undecided.get(front as usize) {
            counter.count();
        }
    }

    /// A message was tried to be sent.
    pub fn message(&self, sending: Sending) {
        if let Some(counter) = self.messages.get(sending as usize) {
            counter.count();
        }
    }

    /// A program that asked whether an OTP is good was answered so.
    pub fn validation(&self, status: Status) {
        let at = Status::ALL.iter().position(|known| *known == status);
        if let Some(counter) = at.and_then(|at| self.validations.get(at)) {
            counter.count();
        }
    }

    /// A stage took so long.
    pub fn stage(&self, stage: Stage, took: std::time::Duration, weight: u64) {
        if let Some(histogram) = self.stages.get(stage as usize) {
            histogram.observe(took, weight);
        }
    }

    /// Logins that there were.
    pub fn logins(&self) -> Vec<Logins> {
        let mut found = Vec::new();
        for &front in Front::ALL {
            for &outcome in Outcome::ALL {
                for how in How::ALL {
                    for &reason in Reason::ALL {
                        let counter = self.logins.get(index((front, outcome, how, reason)));
                        let count = counter.map_or(0, Counter::get);
                        if count > 0 {
                            found.push(Logins { front, how, outcome, reason, count });
                        }
                    }
                }
            }
        }
        found
    }

    /// How logins of each client ended.
    pub fn clients(&self) -> Vec<(Front, String, Arc<Outcomes>)> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.iter().map(|((front, name), outcomes)| (*front, name.clone(), Arc::clone(outcomes))).collect()
    }

    /// How steps of flows ended.
    pub fn flows(&self) -> impl Iterator<Item = (Purpose, &Outcomes)> {
        FLOWS.into_iter().zip(&self.flows)
    }

    /// How long each stage took.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, Durations)> {
        Stage::ALL.iter().copied().zip(self.stages.iter().map(Histogram::read))
    }

    /// How long logins took.
    pub fn durations(&self) -> impl Iterator<Item = (Front, Durations)> {
        Front::ALL.iter().copied().zip(self.whole.iter().map(Histogram::read))
    }

    /// How often nothing could be decided.
    pub fn all_undecided(&self) -> impl Iterator<Item = (Front, u64)> {
        Front::ALL.iter().copied().zip(self.undecided.iter().map(Counter::get))
    }

    /// What programs were answered that asked whether an OTP is good; as far as it has happened.
    pub fn validations(&self) -> impl Iterator<Item = (Status, u64)> {
        let all = Status::ALL.into_iter().zip(self.validations.iter().map(Counter::get));
        all.filter(|(_, count)| *count > 0)
    }

    /// What became of attempts to send messages.
    pub fn messages(&self) -> impl Iterator<Item = (Sending, u64)> {
        Sending::ALL.iter().copied().zip(self.messages.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_login_has_a_counter_of_its_own() {
        let meters = Meters::default();
        let mut seen = std::collections::HashSet::new();
        for &front in Front::ALL {
            for &outcome in Outcome::ALL {
                for how in How::ALL {
                    for &reason in Reason::ALL {
                        assert!(seen.insert(index((front, outcome, how, reason))));
                    }
                }
            }
        }
        assert_eq!(seen.len(), meters.logins.len());
        assert!(seen.iter().all(|at| *at < meters.logins.len()));
    }

    #[test]
    fn what_happened_is_told_as_often_and_nothing_else() {
        let meters = Meters::default();
        meters.login(Front::Api, Outcome::Reject, How::Password, Reason::WrongPassword);
        meters.login(Front::Api, Outcome::Reject, How::Password, Reason::WrongPassword);
        let expected = Logins {
            front: Front::Api,
            how: How::Password,
            outcome: Outcome::Reject,
            reason: Reason::WrongPassword,
            count: 2,
        };
        assert_eq!(meters.logins(), [expected]);
    }

    #[test]
    fn client_keeps_its_counters() {
        let meters = Meters::default();
        meters.client(Front::Radius, "vpn").accept.count();
        assert_eq!(meters.client(Front::Radius, "vpn").accept.get(), 1);
        assert_eq!(meters.client(Front::Api, "vpn").accept.get(), 0);
        assert_eq!(meters.clients().len(), 2);
    }
}
