//! How often a client may ask, and which requests were answered with a yes before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Requests that are remembered; an OTP is good once whether its request is remembered or not.
const REMEMBERED: usize = 16_384;

/// So many requests a second for each client, and as many at once after a pause.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<u32, (f64, Instant)>>);

impl Rates {
    /// Whether one more is in order now.
    pub(super) fn admit(&self, client: u32, rate: u32, now: Instant) -> bool {
        let rate = f64::from(rate);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = table.entry(client).or_insert((rate, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * rate).min(rate);
        *since = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Client, nonce and OTP.
type Known = (u32, String, String);

#[derive(Debug, Default)]
struct Accepted {
    known: HashSet<Known>,
    order: VecDeque<Known>,
}

/// Requests that were answered with a yes: one that comes again is told so, and not that its OTP is old.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Accepted>);

impl Recent {
    pub(super) fn has(&self, client: u32, nonce: &str, otp: &str) -> bool {
        let accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.known.contains(&(client, nonce.to_owned(), otp.to_owned()))
    }

    pub(super) fn add(&self, client: u32, nonce: &str, otp: &str) {
        let mut accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = (client, nonce.to_owned(), otp.to_owned());
        if accepted.known.insert(one.clone()) {
            accepted.order.push_back(one);
        }
        if accepted.order.len() > REMEMBERED
            && let Some(oldest) = accepted.order.pop_front()
        {
            accepted.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn client_has_its_rate_and_no_more_whatever_others_do() {
        let (rates, now) = (Rates::default(), Instant::now());
        assert_eq!((0..10).filter(|_| rates.admit(1, 5, now)).count(), 5);
        assert!(rates.admit(2, 5, now), "another one");
        assert!(!rates.admit(1, 5, now + Duration::from_millis(100)));
        assert!(rates.admit(1, 5, now + Duration::from_millis(300)));
        let later = now + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| rates.admit(1, 5, later)).count(), 5, "a pause saves nothing up");
    }

    #[test]
    fn request_is_known_by_all_its_parts_until_many_others_came() {
        let recent = Recent::default();
        recent.add(1, "nonce", "otp");
        assert!(recent.has(1, "nonce", "otp"));
        assert!(
            !recent.has(2, "nonce", "otp") && !recent.has(1, "other", "otp") && !recent.has(1, "nonce", "x")
        );
        for number in 0..REMEMBERED {
            recent.add(1, "nonce", &number.to_string());
        }
        assert!(!recent.has(1, "nonce", "otp") && recent.has(1, "nonce", "0"));
    }
}
