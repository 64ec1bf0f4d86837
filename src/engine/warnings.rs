//! Log lines that a peer can cause at will, at most one of a kind in ten seconds, with a count of the rest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(10);
/// Kinds remembered; beyond that, new ones stay silent until old ones are forgotten.
const LIMIT: usize = 1024;

/// When a line was last written, and how many were left out since, by kind and peer.
type Table = HashMap<(&'static str, IpAddr), (Instant, u64)>;

/// Decides which of many equal log lines are written.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Table>);

impl Warnings {
    /// `Some(n)` if a line about `what` and `peer` is due now, `n` being how many were left out since the last.
    pub fn due(&self, what: &'static str, peer: IpAddr, now: Instant) -> Option<u64> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, left_out)) = table.get_mut(&(what, peer)) {
            if now.duration_since(*last) < EVERY {
                *left_out += 1;
                return None;
            }
            *last = now;
            return Some(std::mem::take(left_out));
        }
        if table.len() >= LIMIT {
            table.retain(|_, (last, _)| now.duration_since(*last) < EVERY);
        }
        if table.len() >= LIMIT {
            return None;
        }
        table.insert((what, peer), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_line_of_a_kind_waits_and_then_tells_how_many_were_left_out() {
        let (warnings, now, peer) = (Warnings::default(), Instant::now(), "127.0.0.1".parse().unwrap());
        assert_eq!(warnings.due("secret", peer, now), Some(0));
        assert_eq!(warnings.due("secret", peer, now), None);
        assert_eq!(warnings.due("other", peer, now), Some(0));
        assert_eq!(warnings.due("secret", peer, now + EVERY), Some(1));
    }
}
