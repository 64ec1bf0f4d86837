//! Logins and failures by the hour, counted from the audit trail.

use super::reason::Reason;
use super::sent::Purpose;
use crate::base::Timestamp;
use std::time::Duration;

/// Hours that are looked at, the present one included.
pub const HOURS: usize = 24;
const HOUR: Duration = Duration::from_secs(3600);

/// One hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub from: Timestamp,
    /// Who got in.
    pub accepted: u64,
    /// Who did not.
    pub refused: u64,
}

/// The hours, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Each hour; the last is the present one.
    pub hours: Vec<Hour>,
    /// What lies before this moment was not counted: there was too much of it. `None`: all was.
    pub since: Option<Timestamp>,
}

impl Activity {
    /// Nothing counted yet.
    pub fn new(now: Timestamp) -> Self {
        let hour = i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX);
        let mut from = Timestamp::from_millis(now.millis().div_euclid(hour).saturating_mul(hour));
        let mut hours: Vec<Hour> = Vec::with_capacity(HOURS);
        for _ in 0..HOURS {
            hours.push(Hour { from, accepted: 0, refused: 0 });
            from = from - HOUR;
        }
        hours.reverse();
        Self { hours, since: None }
    }

    /// When the first hour began.
    pub fn start(&self) -> Timestamp {
        self.hours.first().map(|hour| hour.from).unwrap_or_default()
    }

    /// Counts an entry of the trail, if it is the end of a login within these hours. Of who signs in at the portal, the
    /// password counts, not the passcode after it: it is one login.
    pub fn count(&mut self, at: Timestamp, (action, outcome, detail): (&str, &str, &str)) {
        let portal = action == Purpose::Portal.as_str();
        if !portal && action != Purpose::Login.as_str() {
            return;
        }
        let second = portal && detail == Reason::PasscodeOnly.as_str();
        let Some(hour) = self.hours.iter_mut().rev().find(|hour| hour.from <= at) else { return };
        match outcome {
            "accept" if !second => hour.accepted += 1,
            "reject" => hour.refused += 1,
            _ => {}
        }
    }

    /// The most of one hour, of either.
    pub fn most(&self) -> u64 {
        self.hours.iter().map(|hour| hour.accepted.max(hour.refused)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_secs(hour * 3600 + minute * 60)
    }

    #[test]
    fn hours_end_with_the_present_one() {
        let activity = Activity::new(at(1000, 17));
        assert_eq!(activity.hours.len(), HOURS);
        assert_eq!((activity.start(), activity.hours[HOURS - 1].from), (at(977, 0), at(1000, 0)));
    }

    #[test]
    fn ends_of_logins_are_counted_where_they_belong() {
        let mut activity = Activity::new(at(1000, 17));
        activity.count(at(1000, 1), ("login", "accept", "password-and-passcode"));
        activity.count(at(1000, 0), ("login", "accept", "passcode-only"));
        activity.count(at(999, 59), ("login", "reject", "wrong-password"));
        activity.count(at(999, 59), ("login", "challenge", "passcode-sent"));
        activity.count(at(999, 30), ("portal", "accept", "password-only"));
        activity.count(at(999, 31), ("portal", "accept", "passcode-only"));
        activity.count(at(999, 32), ("portal", "reject", "wrong-passcode"));
        activity.count(at(999, 33), ("person.lock", "refused", ""));
        activity.count(at(976, 59), ("login", "accept", "password-only"));
        let [.., before, present] = activity.hours.as_slice() else { panic!("there are hours") };
        assert_eq!((present.accepted, present.refused), (2, 0));
        assert_eq!((before.accepted, before.refused), (1, 2));
        assert_eq!(
            activity.hours[..HOURS - 2].iter().map(|hour| hour.accepted + hour.refused).sum::<u64>(),
            0
        );
        assert_eq!(activity.most(), 2);
    }
}
