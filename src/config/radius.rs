//! `[radius]`: where it is served, and what requests may take.

use super::section::Section;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// `[radius]`
#[derive(Debug, Clone)]
pub struct Radius {
    /// UDP addresses; port 0 takes any.
    pub listen: Vec<SocketAddr>,
    /// Sockets for each address; 0: one for each core.
    pub sockets: usize,
    /// Requests being decided at the same time; more are dropped.
    pub max_in_flight: usize,
    /// A request not decided by then is dropped.
    pub request_deadline: Duration,
    /// An Access-Reject leaves so long after its request arrived.
    pub reject_delay: Duration,
    /// How long an answer is kept for duplicates (RFC 5080 §2.2.2).
    pub duplicate_window: Duration,
    /// Answers kept at most.
    pub duplicate_entries: usize,
    /// Challenges outstanding at most.
    pub challenge_entries: usize,
    /// How long a stop waits for requests under way.
    pub drain_timeout: Duration,
}

pub(super) fn radius(section: &Section<'_>) -> Option<Radius> {
    let listen = section.texts("listen").map(|texts| {
        let wanted = "an address with a port, such as \"0.0.0.0:1812\" or \"[::]:1812\"";
        if texts.is_empty() {
            section.error(section.place("listen"), "`listen` is empty: nobody could log in", wanted);
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for (text, at) in &texts {
            let Some(address) = section.understand::<SocketAddr>(text, *at, "listen", wanted) else {
                continue;
            };
            if address.port() != 0 && addresses.contains(&address) {
                section.error(*at, format!("`{text}` stands here twice"), "take one of them out");
            }
            addresses.push(address);
        }
        addresses
    });
    let sockets = section.number("sockets", 0..=64);
    let max_in_flight = section.number("max_in_flight", 1..=1_000_000);
    let request_deadline = section.duration("request_deadline", Duration::from_millis(100)..=60 * SECOND);
    let reject_delay = section.duration("reject_delay", Duration::ZERO..=10 * SECOND);
    let duplicate_window = section.duration("duplicate_window", SECOND..=300 * SECOND);
    let duplicate_entries = section.number("duplicate_entries", 256..=16_777_216);
    let challenge_entries = section.number("challenge_entries", 1..=16_777_216);
    let drain_timeout = section.duration("drain_timeout", Duration::ZERO..=300 * SECOND);
    Some(Radius {
        listen: listen?,
        sockets: sockets?,
        max_in_flight: max_in_flight?,
        request_deadline: request_deadline?,
        reject_delay: reject_delay?,
        duplicate_window: duplicate_window?,
        duplicate_entries: duplicate_entries?,
        challenge_entries: challenge_entries?,
        drain_timeout: drain_timeout?,
    })
}
