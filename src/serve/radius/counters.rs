//! What the RADIUS shell counts of datagrams, by name. Names are stable: `status` and metrics show them. Decisions are counted where
//! they fall, in [`crate::engine::meters`].

use crate::base::meter::Counter;

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
    /// An EAP conversation that its device left, or for which there was no room any more.
    EapLeft = "eap-left",
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
pub struct Counters(Vec<Counter>);

impl Default for Counters {
    fn default() -> Self {
        Self(Event::NAMES.iter().map(|_| Counter::default()).collect())
    }
}

impl Counters {
    /// Counts an event.
    pub fn count(&self, event: Event) {
        self.add(event, 1);
    }

    /// Counts an event so many times.
    pub fn add(&self, event: Event, times: usize) {
        if let Some(counter) = self.0.get(event as usize).filter(|_| times > 0) {
            counter.add(times as u64);
        }
    }

    /// All counters by name.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        Event::NAMES.iter().copied().zip(self.0.iter().map(Counter::get)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_appear_under_their_names() {
        let counters = Counters::default();
        counters.count(Event::StatusServer);
        counters.add(Event::Unread, 3);
        let counted: Vec<_> = counters.snapshot().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("unread", 3), ("status-server", 1)]);
    }
}
