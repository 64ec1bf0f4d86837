//! What the answers of several servers to one question come to.
//!
//! ```text
//!   any yes                                                    good
//!   a no, and a server may have taken it without telling       undecided
//!   replayed, and every other server says no or was not asked  replayed
//!   wrong, likewise                                            wrong
//!   nothing that decides                                       undecided
//! ```
//!
//! Servers are one service and know the same keys, so the no of one that answers is the service's. It is not where another
//! may have said yes and was not heard: then a replay may be of our own question, and who says that it is none may have lost
//! sight of its keys (yubikey-val says BAD_OTP while its key storage is down).

use crate::wire::wsapi::{Status, Undecided, Verdict};
use std::collections::BTreeSet;

/// What came of asking one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has decided.
    Decided(Verdict),
    /// It says something else, or what it says is not to be believed.
    Undecided(Undecided),
    /// It was certainly not asked.
    Unreached(String),
    /// It may have been asked, and did not answer, or not like a validation server.
    Lost(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tally {
    replayed: bool,
    wrong: bool,
    /// Servers that may have used the OTP up without our knowing, by their numbers.
    doubts: BTreeSet<usize>,
    reasons: Vec<String>,
}

impl Tally {
    /// Counts an answer of a server, by its number and name; `true` if it should be asked again, should there be no verdict.
    pub(super) fn add(&mut self, (number, server): (usize, &str), outcome: Outcome) -> bool {
        let (why, doubt, again) = match outcome {
            // The caller has taken it already.
            Outcome::Decided(Verdict::Valid) => return false,
            Outcome::Decided(Verdict::Replayed) => {
                self.replayed = true;
                return false;
            }
            Outcome::Decided(Verdict::Wrong) => {
                self.wrong = true;
                // Had it taken the question when it was asked before, it would say so now.
                self.doubts.remove(&number);
                return false;
            }
            Outcome::Unreached(why) => (why, false, true),
            Outcome::Lost(why) => (why, true, true),
            Outcome::Undecided(undecided) => {
                let (doubt, again) = match undecided {
                    // It failed, before or after it wrote the OTP down.
                    Undecided::Said(Status::BackendError) => (true, true),
                    Undecided::Said(
                        Status::BadSignature
                        | Status::MissingParameter
                        | Status::NoSuchClient
                        | Status::OperationNotAllowed,
                    ) => (false, false),
                    // Seen with our nonce, which nobody else has; or seen by too few.
                    Undecided::Said(_) | Undecided::Unsigned(_) | Undecided::Elsewhere { .. } => {
                        (true, false)
                    }
                };
                (undecided.to_string(), doubt, again)
            }
        };
        if doubt {
            self.doubts.insert(number);
        }
        self.reasons.push(format!("{server}: {why}"));
        again
    }

    /// What it comes to once every server that was asked has answered or was given up, and none said yes.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self {
            _ if !self.doubts.is_empty() => None,
            Self { replayed: true, .. } => Some(Verdict::Replayed),
            Self { wrong: true, .. } => Some(Verdict::Wrong),
            _ => None,
        }
    }

    /// Why there is none.
    pub(super) fn reasons(&self) -> String {
        let reasons = self.reasons.join("; ");
        match self {
            _ if self.reasons.is_empty() => "all rest after failures".to_owned(),
            Self { replayed: true, .. } => {
                format!("one has seen the OTP, perhaps in this very question ({reasons})")
            }
            Self { wrong: true, .. } => {
                format!("one says that it is no OTP, and another may know it ({reasons})")
            }
            _ => reasons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of servers that were asked once each.
    fn verdict(outcomes: &[&Outcome]) -> Option<Verdict> {
        let mut tally = Tally::default();
        for (number, outcome) in outcomes.iter().enumerate() {
            let _ = tally.add((number, "s"), (*outcome).clone());
        }
        tally.verdict()
    }

    const REPLAYED: Outcome = Outcome::Decided(Verdict::Replayed);
    const WRONG: Outcome = Outcome::Decided(Verdict::Wrong);

    fn said(status: Status) -> Outcome {
        Outcome::Undecided(Undecided::Said(status))
    }

    /// What cannot have taken the OTP.
    fn harmless() -> Vec<Outcome> {
        let refuses = [
            Status::BadSignature,
            Status::MissingParameter,
            Status::NoSuchClient,
            Status::OperationNotAllowed,
        ];
        refuses.map(said).into_iter().chain([Outcome::Unreached("down".into())]).collect()
    }

    /// What may have.
    fn doubtful() -> Vec<Outcome> {
        let doubts = [Status::ReplayedRequest, Status::NotEnoughAnswers, Status::BackendError].map(said);
        let elsewhere = Undecided::Elsewhere { status: Status::Ok, what: "nonce" };
        let disbelieved = [Undecided::Unsigned(Status::Ok), Undecided::Unsigned(Status::BadOtp), elsewhere];
        let disbelieved = disbelieved.map(Outcome::Undecided);
        doubts.into_iter().chain(disbelieved).chain([Outcome::Lost("late".into())]).collect()
    }

    /// Each of two and each of three answers, in each order.
    #[test]
    fn refusal_holds_only_if_nobody_else_can_have_accepted() {
        let (harmless, doubtful) = (harmless(), doubtful());
        let nos = [REPLAYED, WRONG];
        let all: Vec<_> = nos.iter().chain(&harmless).chain(&doubtful).collect();
        let threes = all.iter().flat_map(|a| all.iter().flat_map(|b| all.iter().map(|c| [*a, *b, *c])));
        let twos = all.iter().flat_map(|a| all.iter().map(|b| vec![*a, *b]));
        for outcomes in threes.map(|three| three.to_vec()).chain(twos) {
            let has = |wanted: &Outcome| outcomes.contains(&wanted);
            let expected = match () {
                () if doubtful.iter().any(has) => None,
                () if has(&REPLAYED) => Some(Verdict::Replayed),
                () if has(&WRONG) => Some(Verdict::Wrong),
                () => None,
            };
            assert_eq!(verdict(&outcomes), expected, "{outcomes:?}");
        }
        assert_eq!(verdict(&[]), None);
        let lost = Outcome::Lost("late".into());
        assert_eq!(verdict(&[&WRONG, &lost]), None);
        assert_eq!(verdict(&[&WRONG, &Outcome::Unreached("down".into())]), Some(Verdict::Wrong));
    }

    #[test]
    fn server_that_says_at_last_that_it_is_none_has_not_taken_it() {
        let asked = |first: &Outcome, then: Outcome| {
            let mut tally = Tally::default();
            tally.add((0, "a"), first.clone());
            tally.add((1, "b"), WRONG);
            tally.add((0, "a"), then);
            tally.verdict()
        };
        for first in [Outcome::Lost("broke off".into()), said(Status::BackendError)] {
            assert_eq!(asked(&first, WRONG), Some(Verdict::Wrong));
            assert_eq!(asked(&first, REPLAYED), None, "of our own question");
            assert_eq!(asked(&first, Outcome::Unreached("down".into())), None);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again = |outcome| Tally::default().add((0, "s"), outcome);
        assert!(again(Outcome::Unreached(String::new())) && again(Outcome::Lost(String::new())));
        assert!(again(said(Status::BackendError)));
        for status in [Status::NoSuchClient, Status::BadSignature, Status::ReplayedRequest] {
            assert!(!again(said(status)), "{status}");
        }
        assert!(!again(Outcome::Undecided(Undecided::Unsigned(Status::Ok))));
        assert!(!again(REPLAYED) && !again(WRONG));
    }

    #[test]
    fn reasons_name_the_servers() {
        let mut tally = Tally::default();
        assert_eq!(tally.reasons(), "all rest after failures");
        tally.add((0, "a.example.org"), said(Status::NoSuchClient));
        tally.add((1, "b.example.org"), Outcome::Lost("too late".into()));
        assert_eq!(tally.reasons(), "a.example.org: it answers NO_SUCH_CLIENT; b.example.org: too late");
    }
}
