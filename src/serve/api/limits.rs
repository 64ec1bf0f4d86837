//! How often applications may ask, and those who have not shown that they are one.

use crate::base::prefix::share;
use crate::serve::http::Bucket;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Buckets that are remembered at most.
const MOST: usize = 65_536;
/// Keys that are remembered at most.
const PROVEN: usize = 4096;
/// Requests of a stranger's address in a second.
const STRANGER: u32 = 20;
/// Rates are by the second.
const SECOND: Duration = Duration::from_secs(1);

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Share {
    Client(String),
    Address(IpAddr),
}

impl Share {
    fn of(address: IpAddr) -> Self {
        Share::Address(share(address))
    }
}

/// Ids of keys that have counted. They are looked up whoever else asks from the same address; whether they still count, the store
/// says each time.
#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<HashSet<String>>);

impl Proven {
    /// This one has counted.
    pub(super) fn note(&self, id: &str) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ids.contains(id) {
            if ids.len() >= PROVEN {
                ids.clear();
            }
            ids.insert(id.to_owned());
        }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

/// So many requests a second for each.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<Share, Bucket>>);

impl Rates {
    /// Whether one more request of an application is in order now.
    pub(super) fn admit(&self, client: &str, rate: u32, now: Instant) -> bool {
        self.take(Share::Client(client.to_owned()), rate, now)
    }

    /// Whether one more of somebody unknown is; an IPv6 network of 64 bits counts as one.
    pub(super) fn admit_stranger(&self, address: IpAddr, now: Instant) -> bool {
        self.take(Share::of(address), STRANGER, now)
    }

    /// Whether one more would be, without counting it.
    pub(super) fn has_room(&self, address: IpAddr, now: Instant) -> bool {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = table.get(&Share::of(address));
        bucket.is_none_or(|bucket| bucket.left(f64::from(STRANGER), SECOND, now) >= 1.0)
    }

    fn take(&self, share: Share, rate: u32, now: Instant) -> bool {
        let rate = f64::from(rate);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Applications are as many as the configuration has, and always find room.
        let stranger = matches!(share, Share::Address(_));
        if stranger && table.len() >= MOST && !table.contains_key(&share) {
            // Who has not asked for a second has a full bucket, as if never seen.
            table.retain(|share, bucket| {
                matches!(share, Share::Client(_))
                    || bucket.left(f64::from(STRANGER), SECOND, now) < f64::from(STRANGER)
            });
            if table.len() >= MOST {
                return false;
            }
        }
        table.entry(share).or_insert(Bucket::full(rate, now)).take(rate, SECOND, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn application_has_its_rate_and_no_more_whatever_others_do() {
        let (rates, now) = (Rates::default(), Instant::now());
        assert_eq!((0..10).filter(|_| rates.admit("a", 5, now)).count(), 5);
        assert!(rates.admit("b", 5, now), "another one");
        assert!(!rates.admit("a", 5, now + Duration::from_millis(100)));
        assert!(rates.admit("a", 5, now + Duration::from_millis(300)));
    }

    #[test]
    fn strangers_are_bounded_and_so_is_memory() {
        let (rates, now) = (Rates::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!((0..40).filter(|_| rates.admit_stranger(address("192.0.2.1"), now)).count(), 20);
        assert!(!rates.has_room(address("192.0.2.1"), now) && rates.has_room(address("192.0.2.2"), now));
        assert!(rates.admit_stranger(address("192.0.2.2"), now));
        for number in 0..u32::try_from(MOST + 10).unwrap() {
            let _ = rates.admit_stranger(IpAddr::V4(number.into()), now);
        }
        assert!(rates.0.lock().unwrap().len() <= MOST);
        assert!(
            rates.admit_stranger(address("203.0.113.1"), now + Duration::from_secs(2)),
            "later there is room"
        );
    }
}
