//! What the RADIUS shell counts, by name. Names are stable: `status` and later metrics show them.

use crate::domain::reason::Reason;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Things that happen to a datagram, short of a decision.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            const NAMES: &'static [&'static str] = &[$($text,)*];
        }
    };
}

events! {
    /// A datagram came in.
    Received = "received",
    /// An answer went out, repeats included.
    Answered = "answered",
    /// Not RADIUS.
    Malformed = "malformed",
    /// From an address that is no client.
    UnknownClient = "unknown-client",
    /// A code that this port does not serve.
    UnexpectedCode = "unexpected-code",
    /// A Message-Authenticator that does not fit: wrong secret, or forged.
    BadAuthenticator = "bad-message-authenticator",
    /// None, where the client must send one.
    MissingAuthenticator = "missing-message-authenticator",
    /// A User-Password that cannot be revealed.
    BadPassword = "undecipherable-password",
    /// A copy of a request being decided.
    DuplicateInFlight = "duplicate-in-flight",
    /// A copy of an answered request.
    DuplicateAnswered = "duplicate-answered",
    /// An EAP packet that is malformed, or does not belong to the last request.
    EapMalformed = "eap-malformed",
    /// Dropped by the kernel: more arrived than could be read. Known where it lasts.
    Unread = "unread",
    /// Dropped: as many requests as allowed are being decided.
    Shed = "shed",
    /// Dropped: store or directory could not decide.
    Undecided = "undecided",
    /// Dropped: not decided in time.
    Late = "late",
    /// Dropped: an answer that would not fit a packet, or another fault of ours.
    Faulty = "faulty",
    /// Status-Server.
    StatusServer = "status-server",
}

/// The counters.
#[derive(Debug)]
pub struct Counters {
    events: Vec<AtomicU64>,
    reasons: Vec<AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { events: zeros(Event::NAMES.len()), reasons: zeros(Reason::ALL.len()) }
    }
}

impl Counters {
    /// Counts an event.
    pub fn count(&self, event: Event) {
        if let Some(counter) = self.events.get(event as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an event so many times.
    pub fn add(&self, event: Event, times: usize) {
        if let Some(counter) = self.events.get(event as usize).filter(|_| times > 0) {
            counter.fetch_add(times as u64, Ordering::Relaxed);
        }
    }

    /// Counts a decision by its reason.
    pub fn decided(&self, reason: Reason) {
        if let Some(counter) = self.reasons.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All counters by name; decisions as `decision.REASON`, only those that happened.
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let events = Event::NAMES.iter().map(|name| (*name).to_owned()).zip(self.events.iter().map(read));
        let names = Reason::ALL.iter().map(|reason| format!("decision.{}", reason.as_str()));
        let reasons = names.zip(self.reasons.iter().map(read)).filter(|(_, count)| *count > 0);
        events.chain(reasons).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_appear_under_their_names() {
        let counters = Counters::default();
        counters.count(Event::StatusServer);
        counters.decided(Reason::WrongPassword);
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.get("status-server"), Some(&1));
        assert_eq!(snapshot.get("decision.wrong-password"), Some(&1));
        assert_eq!(snapshot.get("malformed"), Some(&0));
        assert_eq!(snapshot.get("decision.password-only"), None);
    }
}
