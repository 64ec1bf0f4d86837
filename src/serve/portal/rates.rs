//! How many forms an address may send: a bucket for each that fills by the minute.

use crate::base::prefix::share;
use crate::serve::http::Bucket;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Addresses that are remembered at most.
const MOST: usize = 65_536;
/// So many of them are forgotten at once.
const FORGOTTEN: usize = MOST / 8;
/// Rates are by the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// Buckets, by address or, of IPv6, by network of 64 bits.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<IpAddr, Bucket>>);

/// Makes room, at least for [`FORGOTTEN`], so that it is not done for each new address. The fullest buckets go: one that is forgotten
/// counts as full, so whoever has used up the share of an address does not get another one by coming from many more.
fn forget(buckets: &mut HashMap<IpAddr, Bucket>, rate: f64, now: Instant) {
    // Who has not sent anything for a minute has a full bucket, as if never seen.
    buckets.retain(|_, bucket| bucket.left(rate, MINUTE, now) < rate);
    let Some(more) = (buckets.len() + FORGOTTEN).checked_sub(MOST).filter(|more| *more > 0) else { return };
    let mut by_left: Vec<_> =
        buckets.iter().map(|(address, bucket)| (bucket.left(rate, MINUTE, now), *address)).collect();
    let cut = by_left.len().saturating_sub(more);
    if cut < by_left.len() {
        by_left.select_nth_unstable_by(cut, |one, other| one.0.total_cmp(&other.0));
    }
    for (_, address) in by_left.drain(cut..) {
        buckets.remove(&address);
    }
}

impl Rates {
    /// Takes one; or says how long to wait for it.
    pub(super) fn take(&self, address: IpAddr, rate: u32, now: Instant) -> Result<(), Duration> {
        let (rate, address) = (f64::from(rate), share(address));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&address) {
            forget(&mut buckets, rate, now);
        }
        buckets.entry(address).or_insert(Bucket::full(rate, now)).take(rate, MINUTE, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn address_has_its_share_and_gets_it_again() {
        let (rates, now) = (Rates::default(), Instant::now());
        let take = |address: &str, at| rates.take(address.parse().unwrap(), 6, at);
        for _ in 0..6 {
            assert_eq!(take("192.0.2.1", now), Ok(()));
        }
        assert_eq!(take("192.0.2.1", now), Err(Duration::from_secs(10)));
        assert_eq!(take("192.0.2.2", now), Ok(()), "another is not hindered");
        assert_eq!(take("192.0.2.1", now + Duration::from_secs(10)), Ok(()));
    }

    #[test]
    fn network_of_64_bits_counts_as_one() {
        let (rates, now) = (Rates::default(), Instant::now());
        for host in 0..6 {
            assert_eq!(rates.take(format!("2001:db8::{host}").parse().unwrap(), 6, now), Ok(()));
        }
        assert!(rates.take("2001:db8::ffff:1".parse().unwrap(), 6, now).is_err());
        assert_eq!(rates.take("2001:db8:0:1::1".parse().unwrap(), 6, now), Ok(()));
        assert_eq!(
            rates.take("::ffff:192.0.2.1".parse().unwrap(), 6, now),
            Ok(()),
            "an IPv4 address by itself"
        );
    }

    #[test]
    fn many_addresses_give_nobody_a_new_share() {
        let (rates, now) = (Rates::default(), Instant::now());
        let used_up: Vec<IpAddr> = (0..100).map(|number| IpAddr::from([192, 0, 2, number])).collect();
        for address in &used_up {
            for _ in 0..6 {
                assert_eq!(rates.take(*address, 6, now), Ok(()));
            }
        }
        for number in 0..u32::try_from(MOST * 2).unwrap() {
            assert_eq!(rates.take(Ipv4Addr::from_bits((10 << 24) + number).into(), 6, now), Ok(()));
        }
        for address in &used_up {
            assert!(rates.take(*address, 6, now).is_err(), "{address}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (rates, now) = (Rates::default(), Instant::now());
        for number in 0..u32::try_from(MOST + 10).unwrap() {
            let _ = rates.take(IpAddr::V4(number.into()), 6, now);
        }
        assert!(rates.0.lock().unwrap().len() <= MOST);
    }
}
