//! What comes of a check: a refusal, the passcode that is still to be asked for, or an accept.

use super::{Action, Choice, Ending, First, Login, Matched, Opening, Reading, Reason};
use crate::domain::password::PasswordVerdict;
use crate::domain::policy::{LoginKind, SecondFactor};
use crate::domain::throttle::Counter;

impl Login<'_> {
    pub(super) fn password_checked(&mut self, reading: Reading, verdict: PasswordVerdict) -> Action {
        if let Some(reason) = reading.refuse {
            return self.untried(reason);
        }
        match verdict {
            PasswordVerdict::Wrong if reading.code_shaped && reading.proof.is_none() => {
                self.wrong(Reason::WrongPasswordOrPasscode, false)
            }
            PasswordVerdict::Wrong => self.wrong(Reason::WrongPassword, reading.proof.is_some()),
            PasswordVerdict::Locked => self.reject_untried(Reason::DirectoryLocked),
            PasswordVerdict::Disabled => self.reject_untried(Reason::PersonDisabled),
            PasswordVerdict::Expired(_) => {
                let ending = self.ending(Reason::PasswordExpired).cleared(Counter::Password);
                self.settle(ending.says(&self.context.texts.password_expired))
            }
            PasswordVerdict::MustChange(_) => {
                let ending = self.ending(Reason::PasswordMustChange).cleared(Counter::Password);
                self.settle(ending.says(&self.context.texts.password_must_change))
            }
            PasswordVerdict::Right(spelling) => {
                let word = reading.word.filter(|_| spelling == 0);
                self.first_right(First::Password, reading.proof, word)
            }
        }
    }

    pub(super) fn pin_checked(&mut self, reading: Reading, right: bool) -> Action {
        match (reading.refuse, right) {
            (Some(reason), _) => self.wrong(reason, true),
            (None, false) => self.wrong(Reason::WrongPin, reading.proof.is_some()),
            (None, true) => self.first_right(First::Pin, reading.proof, None),
        }
    }

    /// The first factor is right: accept with the proof, ask for a passcode, or do without one.
    fn first_right(&mut self, first: First, proof: Option<Matched>, word: Option<Choice>) -> Action {
        let counter = match first {
            First::Pin => self.pin().map(|(id, _)| Counter::Factor(id)),
            _ => Some(Counter::Password),
        };
        if let Some(proof) = proof {
            return self.accept(first, Some(proof), counter);
        }
        let policy = self.policy();
        let wants = match policy.kind {
            LoginKind::Password => false,
            LoginKind::PasswordAndPasscode => {
                policy.second_factor == SecondFactor::Required || self.enrolled()
            }
            LoginKind::Passcode | LoginKind::PinAndPasscode => true,
        };
        if !wants {
            return self.accept(first, None, counter);
        }
        if self.offers().is_empty() {
            let reason = if self.enrolled() { Reason::MethodUnavailable } else { Reason::NotEnrolled };
            let text = match reason {
                Reason::NotEnrolled => &self.context.texts.not_enrolled,
                _ => &self.context.texts.method_unavailable,
            };
            let ending = counter.into_iter().fold(self.ending(reason), Ending::cleared);
            return self.settle(ending.says(text));
        }
        if !policy.challenge {
            let reason = if word.is_some() { Reason::MethodUnavailable } else { Reason::PasscodeMissing };
            let ending = counter.into_iter().fold(self.ending(reason), Ending::cleared);
            return self.settle(ending);
        }
        self.challenge(first, word, counter)
    }

    /// Accepts; a proof is taken by the settlement, once.
    pub(super) fn accept(
        &mut self,
        first: First,
        proof: Option<Matched>,
        counter: Option<Counter>,
    ) -> Action {
        if let Some(Matched::Unproven(factor, otp)) = proof {
            return self.ask_server(first, counter, (factor, otp));
        }
        let reason = match (first, &proof) {
            (First::Password, None) => Reason::PasswordOnly,
            (First::Password, Some(_)) => Reason::PasswordAndPasscode,
            (First::Pin, _) => Reason::PinAndPasscode,
            (First::Client, _) => Reason::PasscodeOnly,
        };
        let mut ending = self.ending(reason);
        ending.pin = self.pin_of(first);
        match proof {
            Some(Matched::Factor(proof)) => ending.accept = Some(proof),
            Some(Matched::Sent(id, expires)) => ending.code = Some((id, expires)),
            Some(Matched::Unproven(..)) | None => {}
        }
        ending = counter.into_iter().fold(ending, Ending::cleared);
        // A flow that anybody can begin clears its counter at its own end, not with each passcode.
        if let Some(proof) = proof.filter(|_| !self.context.purpose.is_open()) {
            ending = ending.cleared(proof.counter());
        }
        self.settle(ending)
    }

    pub(super) fn passcode_read(&mut self, reading: Reading) -> Action {
        let first = match &self.opening {
            Opening::Answer { pending, .. } => pending.first,
            _ => First::Client,
        };
        match (reading.refuse, reading.proof) {
            (Some(reason), _) => self.wrong(reason, true),
            (None, Some(proof)) => self.accept(first, Some(proof), None),
            (None, None) if self.offers().is_empty() => self.reject(Reason::NotEnrolled),
            (None, None) => self.wrong(Reason::WrongPasscode, false),
        }
    }
}
