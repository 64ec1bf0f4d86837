//! What the answers of several servers to one question come to.
//!
//! ```text
//!   any yes                                           good
//!   replayed, and every other server has said no
//!     or was not reached                              replayed
//!   replayed, and a server may have taken it          undecided: our own question may be what was replayed
//!   wrong, and nothing but that                       wrong
//!   nothing that decides                              undecided
//! ```

use crate::wire::wsapi::{Status, Undecided, Verdict};

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
    /// A server may have used the OTP up without our knowing.
    doubt: bool,
    reasons: Vec<String>,
}

impl Tally {
    /// Counts an answer; `true` if the server should be asked again, should there be no verdict.
    pub(super) fn add(&mut self, server: &str, outcome: Outcome) -> bool {
        let (why, doubt, again) = match outcome {
            // The caller has taken it already.
            Outcome::Decided(Verdict::Valid) => return false,
            Outcome::Decided(Verdict::Replayed) => {
                self.replayed = true;
                return false;
            }
            Outcome::Decided(Verdict::Wrong) => {
                self.wrong = true;
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
        self.doubt |= doubt;
        self.reasons.push(format!("{server}: {why}"));
        again
    }

    /// What it comes to once every server that was asked has answered or was given up, and none said yes.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self {
            Self { replayed: true, doubt: true, .. } => None,
            Self { replayed: true, .. } => Some(Verdict::Replayed),
            Self { wrong: true, .. } => Some(Verdict::Wrong),
            _ => None,
        }
    }

    /// Why there is none.
    pub(super) fn reasons(&self) -> String {
        match (self.reasons.is_empty(), self.replayed) {
            (true, _) => "all rest after failures".to_owned(),
            (false, true) => {
                format!("one has seen the OTP, perhaps in this very question ({})", self.reasons.join("; "))
            }
            (false, false) => self.reasons.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcomes: &[Outcome]) -> Option<Verdict> {
        let mut tally = Tally::default();
        for outcome in outcomes {
            let _ = tally.add("s", outcome.clone());
        }
        tally.verdict()
    }

    const REPLAYED: Outcome = Outcome::Decided(Verdict::Replayed);
    const WRONG: Outcome = Outcome::Decided(Verdict::Wrong);

    fn said(status: Status) -> Outcome {
        Outcome::Undecided(Undecided::Said(status))
    }

    #[test]
    fn refusal_holds_only_if_nobody_else_can_have_accepted() {
        let (down, lost) = (Outcome::Unreached("down".into()), Outcome::Lost("late".into()));
        assert_eq!(verdict(&[REPLAYED]), Some(Verdict::Replayed));
        assert_eq!(verdict(&[REPLAYED, WRONG, down.clone()]), Some(Verdict::Replayed));
        assert_eq!(verdict(&[REPLAYED, said(Status::NoSuchClient)]), Some(Verdict::Replayed));
        assert_eq!(verdict(&[lost.clone(), REPLAYED]), None);
        for doubt in [Status::ReplayedRequest, Status::NotEnoughAnswers, Status::BackendError] {
            assert_eq!(verdict(&[REPLAYED, said(doubt)]), None, "{doubt}");
        }
        let forged = Outcome::Undecided(Undecided::Unsigned(Status::Ok));
        assert_eq!(verdict(&[forged.clone(), REPLAYED]), None);
        assert_eq!(verdict(&[WRONG, lost.clone()]), Some(Verdict::Wrong));
        assert_eq!(verdict(&[down, lost, forged, said(Status::BackendError)]), None);
        assert_eq!(verdict(&[]), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again = |outcome| Tally::default().add("s", outcome);
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
        tally.add("a.example.org", said(Status::NoSuchClient));
        tally.add("b.example.org", Outcome::Lost("too late".into()));
        assert_eq!(tally.reasons(), "a.example.org: it answers NO_SUCH_CLIENT; b.example.org: too late");
    }
}
