//! How often a client may ask.

use crate::serve::http::Bucket;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many requests a second for each client.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<u32, Bucket>>);

impl Rates {
    /// Whether one more is in order now.
    pub(super) fn admit(&self, client: u32, rate: u32, now: Instant) -> bool {
        let rate = f64::from(rate);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = table.entry(client).or_insert(Bucket::full(rate, now));
        bucket.take(rate, Duration::from_secs(1), now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
