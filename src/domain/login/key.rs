//! YubiKeys in the machine: asking a validation server, and saying in a refusal what was wrong with what a key typed.

use super::{Action, First, Login, LoginKind, Matched, State};
use crate::domain::factor::{Factor, FactorId, Material, Proof};
use crate::domain::person::PersonId;
use crate::domain::reason::Reason;
use crate::domain::throttle::{Counter, CounterList};
use crate::domain::yubikey::{self, End, KeyOwner, Validation};
use crate::wire::yubico::Otp;

/// A password of a key that only its validation server can judge, after everything else was right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    first: First,
    counter: Option<Counter>,
    factor: FactorId,
    otp: Otp,
}

/// A refusal under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    reason: Reason,
    /// Whose the key is changes nothing about the reason.
    fixed: bool,
    /// No passcode was looked at.
    untried: bool,
}

impl Login<'_> {
    /// What the string is that a key of its owner may have typed, and whether nothing else stands in it.
    fn read_as_key(&self) -> (&[u8], bool) {
        let alone = self.tries() == LoginKind::Passcode;
        let typed = self.typed();
        (if alone { typed.trim_ascii() } else { typed }, alone)
    }

    /// Asks the validation server; the attempt is charged, and the password, if one was asked for, right.
    pub(super) fn ask_server(
        &mut self,
        first: First,
        counter: Option<Counter>,
        (factor, otp): (FactorId, Otp),
    ) -> Action {
        self.state = State::AwaitValidation(Asked { first, counter, factor, otp });
        Action::Validate { factor, otp }
    }

    /// What may be given back while nobody says whether the password of a key is good, and to whom: the key's own counter, and that
    /// of the password or PIN, which was right.
    pub fn unvalidated(&self) -> Option<(PersonId, CounterList)> {
        let State::AwaitValidation(Asked { factor, counter, .. }) = &self.state else { return None };
        let person = self.account.as_ref()?.person.id;
        let right = [Some(Counter::Factor(*factor)), *counter].into_iter().flatten();
        Some((person, right.filter(|counter| self.charged.contains(counter)).collect()))
    }

    /// Takes the server's word. Without a position, everything that was accepted since is in the way of this login, and the
    /// password itself is marked as used.
    pub(super) fn validated(&mut self, asked: Asked, validation: Validation) -> Action {
        let position = match validation {
            Validation::Bad(reason) => return self.reject(reason),
            Validation::Good(position) => position,
        };
        let Asked { first, counter, factor, otp } = asked;
        let account = self.account.as_ref();
        let next = account.and_then(|account| account.factors.iter().find(|known| known.id == factor));
        let Some(next) = next.map(|known| known.next) else { return self.reject(Reason::StateInvalid) };
        let proof = Proof::Position { factor, position: position.unwrap_or(next) };
        let mark = position.is_none().then(|| self.context.digester.digest_otp(&otp.to_string()));
        match self.accept(first, Some(Matched::Factor(proof)), counter) {
            Action::Settle(mut ending) => {
                ending.otp = mark;
                Action::Settle(ending)
            }
            other => other,
        }
    }

    /// Refuses with `reason`, or with what was wrong with a YubiKey's password, if there is one. `fixed`: `reason` it is.
    pub(super) fn wrong(&mut self, reason: Reason, fixed: bool) -> Action {
        let flaw = self.flaw().filter(|_| !fixed);
        let refusal =
            Refusal { reason: flaw.unwrap_or(reason), fixed: fixed || flaw.is_some(), untried: false };
        self.refuse(refusal)
    }

    /// Refuses before any passcode was looked at.
    pub(super) fn untried(&mut self, reason: Reason) -> Action {
        self.refuse(Refusal { reason, fixed: true, untried: true })
    }

    /// Whose the key is is asked whether it matters or not, so that the time that it takes tells nothing.
    fn refuse(&mut self, mut refusal: Refusal) -> Action {
        let (text, alone) = self.read_as_key();
        match yubikey::at_end(text, alone) {
            Some(End::Whole(public_id)) => {
                self.state = State::AwaitKeyOwner(refusal);
                return Action::FindKey(public_id);
            }
            Some(End::Damaged(reason)) if !refusal.fixed => refusal.reason = reason,
            _ => {}
        }
        self.refused(refusal)
    }

    /// Knows whose the key is.
    pub(super) fn owner_known(&mut self, mut refusal: Refusal, owner: KeyOwner) -> Action {
        let own = self.account.as_ref().map(|account| account.person.id);
        let reason = match owner {
            KeyOwner::Unknown => Some(Reason::YubikeyUnknown),
            KeyOwner::Nobody => Some(Reason::YubikeyUnassigned),
            KeyOwner::Revoked => Some(Reason::YubikeyRevoked),
            KeyOwner::Person(person) => (Some(person) != own).then_some(Reason::YubikeyForeign),
        };
        if let Some(reason) = reason.filter(|_| !refusal.fixed) {
            refusal.reason = reason;
        }
        self.refused(refusal)
    }

    fn refused(&mut self, refusal: Refusal) -> Action {
        if refusal.untried { self.reject_untried(refusal.reason) } else { self.reject(refusal.reason) }
    }

    /// What is wrong with the password of one of the person's own keys, as far as it was charged.
    fn flaw(&self) -> Option<Reason> {
        let tried = |factor: &&Factor| self.charged.contains(&Counter::Factor(factor.id));
        let factors = self.account.as_ref()?.factors.iter().filter(tried);
        factors.flat_map(|factor| self.splits(factor).into_iter().map(move |split| (factor, split))).find_map(
            |(factor, split)| match &factor.material {
                Material::Yubikey { key: Some(key), .. } => {
                    yubikey::judge(key, factor.next, split.code).err()
                }
                _ => None,
            },
        )
    }
}
