//! When something is measured, and what it counts for. Looking at the clock costs some 25 ns: a login whose stages are measured looks
//! ten times, which is more than a login may cost where there are 80,000 in a second.

use super::{Meters, Stage};
use std::time::Duration;
use tokio::time::Instant;

/// So many arriving together are all measured.
const FEW: usize = 4;
/// Of more, one in so many.
const ONE_IN: u64 = 16;

/// Chooses what is measured of all that one thread takes.
#[derive(Debug, Default)]
pub struct Sampler {
    crowded: bool,
    serial: u64,
}

impl Sampler {
    /// So many have arrived together.
    pub const fn arrived(&mut self, together: usize) {
        self.crowded = together > FEW;
    }

    /// What the next one counts for; 0: it is not measured.
    pub const fn weight(&mut self) -> u64 {
        if !self.crowded {
            return 1;
        }
        self.serial = self.serial.wrapping_add(1);
        if self.serial.is_multiple_of(ONE_IN) { ONE_IN } else { 0 }
    }
}

/// When a login began, and what it counts for.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// When it arrived.
    pub since: Instant,
    /// For how many it counts; 0: it is not measured.
    pub weight: u64,
}

impl Timing {
    /// It begins now, and counts for itself.
    pub fn start() -> Self {
        Self { since: Instant::now(), weight: 1 }
    }
}

/// Goes from one stage to the next.
#[derive(Debug)]
pub struct Lap<'m> {
    meters: &'m Meters,
    weight: u64,
    /// When the last stage ended; none: nothing is measured.
    last: Option<Instant>,
    /// In the machine so far.
    policy: Duration,
}

impl<'m> Lap<'m> {
    /// Begins now.
    pub fn start(meters: &'m Meters, timing: Timing) -> Self {
        let last = (timing.weight > 0).then(Instant::now);
        Self { meters, weight: timing.weight, last, policy: Duration::ZERO }
    }

    fn split(&mut self) -> Option<Duration> {
        let last = self.last.as_mut()?;
        let now = Instant::now();
        Some(now.duration_since(std::mem::replace(last, now)))
    }

    /// A stage has ended.
    pub fn stage(&mut self, stage: Stage) {
        if let Some(took) = self.split() {
            self.meters.stage(stage, took, self.weight);
        }
    }

    /// The machine has said what is next.
    pub fn machine(&mut self) {
        if let Some(took) = self.split() {
            self.policy += took;
        }
    }
}

/// The machine's time is one stage, however often it was asked.
impl Drop for Lap<'_> {
    fn drop(&mut self) {
        if self.last.is_some() {
            self.meters.stage(Stage::Policy, self.policy, self.weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_measured_and_of_many_one_in_sixteen_for_sixteen() {
        let mut sampler = Sampler::default();
        sampler.arrived(FEW);
        assert_eq!((0..100).map(|_| sampler.weight()).sum::<u64>(), 100);
        sampler.arrived(FEW + 1);
        let weights: Vec<_> = (0..160).map(|_| sampler.weight()).collect();
        assert_eq!(
            (weights.iter().filter(|weight| **weight > 0).count(), weights.iter().sum::<u64>()),
            (10, 160)
        );
    }

    #[test]
    fn login_that_is_not_measured_leaves_nothing() {
        let meters = Meters::default();
        let mut lap = Lap::start(&meters, Timing { since: Instant::now(), weight: 0 });
        lap.machine();
        lap.stage(Stage::Store);
        drop(lap);
        assert!(meters.stages().all(|(_, durations)| durations.count == 0));
        let mut lap = Lap::start(&meters, Timing { since: Instant::now(), weight: 16 });
        lap.machine();
        lap.stage(Stage::Store);
        drop(lap);
        let counted = meters.stages().filter(|(_, durations)| durations.count == 16).map(|(stage, _)| stage);
        assert_eq!(counted.collect::<Vec<_>>(), [Stage::Policy, Stage::Store]);
    }
}
