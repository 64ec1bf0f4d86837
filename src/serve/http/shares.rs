//! How many connections each peer holds, and how many more it may. A peer gets no more than are left for all others: so a few that
//! take what they can leave room for whoever comes, and one that is alone has half of all. ([Choudhury and Hahne, "Dynamic queue
//! length thresholds", 1998](https://doi.org/10.1109/90.664262) do so with the memory of a switch.)
//!
//! A proxy of ours is many people. Its connections are bounded like that alone; and of the requests that it has passed on, each
//! address that it names gets no more than the proxy may still open connections.

use super::{Forwarded, Service, forwarded};
use crate::base::prefix;
use axum::http::HeaderMap;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether there is a proxy of ours.
pub(super) type IsProxy = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What connections of one peer are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Share {
    /// An IPv4 address, or the first half of an IPv6 address: who has one has all of the other half.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
    /// The same as [`Share::Address`] of whoever asks through a proxy of ours.
    Behind(IpAddr),
}

impl Share {
    pub(super) fn of(address: IpAddr) -> Self {
        Self::Address(prefix::share(address))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(network)) | Self::Behind(IpAddr::V6(network)) => {
                write!(f, "{network}/64")
            }
            Self::Address(address) | Self::Behind(address) => write!(f, "{address}"),
            Self::User(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<Share, usize>>);

/// A place that is held, given back with its end.
pub(super) struct Place {
    shares: Arc<Shares>,
    pub(super) share: Share,
    /// Whether it is one of a proxy of ours.
    pub(super) proxy: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        match held.get_mut(&self.share) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.share);
            }
        }
    }
}

impl Shares {
    fn lock(&self) -> MutexGuard<'_, HashMap<Share, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many it holds.
    fn of(&self, share: Share) -> usize {
        self.lock().get(&share).copied().unwrap_or_default()
    }

    /// How many connections are held by all.
    pub(super) fn connections(&self) -> usize {
        let held = self.lock();
        held.iter().filter(|(share, _)| !matches!(share, Share::Behind(_))).map(|(_, count)| count).sum()
    }

    /// Whether nobody holds anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// One more, if it holds fewer than so many.
    pub(super) fn take(self: &Arc<Self>, share: Share, most: usize) -> Option<Place> {
        let mut held = self.lock();
        let count = held.get(&share).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        held.insert(share, count + 1);
        Some(Place { shares: Arc::clone(self), share, proxy: false })
    }
}

impl Service {
    /// A place for a request that a proxy of ours has passed on; none is needed where it does not say for whom. `Err`: whoever asks has
    /// enough.
    pub(super) fn place_behind(&self, proxy: Share, headers: &HeaderMap) -> Result<Option<Place>, ()> {
        let Forwarded::From(address) = forwarded(headers, |hop| (self.is_proxy)(hop)) else {
            return Ok(None);
        };
        let share = Share::Behind(prefix::share(address));
        let free = self.places.available_permits();
        // One request is always in order: its connection is there.
        let room = free.saturating_sub(self.shares.of(proxy)).max(1);
        match self.shares.take(share, self.limits.per_peer.min(room)) {
            Some(place) => Ok(Some(place)),
            None => {
                self.warn("behind", Some(share), "it has as many requests open, through a proxy, as one may");
                Err(())
            }
        }
    }
}
