//! How often a client may ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

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
}
