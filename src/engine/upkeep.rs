//! Removes what is over, now and then: the trail beyond its retention, messages, marks, factors that nobody confirmed, sessions. More often,
//! what was added to the trail is made quick to search. Every node may do both; a step that finds nothing costs a few looks into
//! indexes.

use crate::base::Clock;
use crate::config::Config;
use crate::domain::retention::Retention;
use crate::store::{Cleaned, Upkeep};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// Steps in a row at most, so that logins are never behind a long clean-up.
const STEPS: usize = 1000;

/// Between two looks whether the trail has grown enough to be indexed: so short that most of what came meanwhile is still in memory.
const INDEX: Duration = Duration::from_secs(10);

/// The task that cleans up.
pub struct Keeper {
    /// What is cleaned.
    pub store: Arc<dyn Upkeep>,
    /// For how long things are kept; read anew each time.
    pub config: Arc<ArcSwap<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Keeper {
    /// Does both at once, and then at intervals, for ever.
    pub async fn run(self) {
        let cleans = async {
            loop {
                let settings = self.config.load().retention.clone();
                clean(&*self.store, &settings.keep, &*self.clock).await;
                tokio::time::sleep(settings.interval).await;
            }
        };
        let indexes = async {
            loop {
                index(&*self.store).await;
                tokio::time::sleep(INDEX).await;
            }
        };
        tokio::join!(cleans, indexes);
    }
}

async fn index(store: &dyn Upkeep) {
    for _ in 0..STEPS {
        match store.index().await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the index of the audit trail has to wait");
                return;
            }
        }
    }
}

async fn clean(store: &dyn Upkeep, keep: &Retention, clock: &dyn Clock) {
    for _ in 0..STEPS {
        match store.clean(keep, clock.now()).await {
            Ok(cleaned) if cleaned == Cleaned::default() => return,
            Ok(Cleaned { audit, messages, marks, factors, sessions }) => {
                tracing::debug!(audit, messages, marks, factors, sessions, "cleaned up");
                // Logins that wait go first.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "cleaning up has to wait");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ManualClock, Timestamp};
    use crate::store::{Result, StoreError};
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Has so many steps to do; then fails if it is told to.
    struct Full {
        left: AtomicUsize,
        calls: AtomicUsize,
        fails: bool,
    }

    impl Full {
        fn step(&self) -> Result<bool> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let step = |left: usize| left.checked_sub(1);
            match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
                Ok(_) => Ok(true),
                Err(_) if self.fails => Err(StoreError::Unavailable("down".into())),
                Err(_) => Ok(false),
            }
        }
    }

    #[async_trait]
    impl Upkeep for Full {
        async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<Cleaned> {
            assert_eq!((keep.audit, now), (None, Timestamp::from_secs(7)));
            Ok(Cleaned { marks: self.step()?.into(), ..Cleaned::default() })
        }

        async fn index(&self) -> Result<bool> {
            self.step()
        }
    }

    /// How often each is called.
    async fn calls(left: usize, fails: bool) -> [usize; 2] {
        let full = || Full { left: left.into(), calls: 0.into(), fails };
        let day = Duration::from_secs(86_400);
        let keep = Retention { audit: None, messages: day, pending: day };
        let (cleaned, indexed) = (full(), full());
        clean(&cleaned, &keep, &ManualClock::at(Timestamp::from_secs(7))).await;
        index(&indexed).await;
        [cleaned, indexed].map(|full| full.calls.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn goes_on_while_there_is_something_to_do_and_no_longer() {
        assert_eq!(calls(3, false).await, [4, 4]);
        assert_eq!(calls(usize::MAX, false).await, [STEPS, STEPS]);
    }

    #[tokio::test]
    async fn store_that_is_down_is_left_alone_until_the_next_time() {
        assert_eq!(calls(3, true).await, [4, 4]);
    }
}
