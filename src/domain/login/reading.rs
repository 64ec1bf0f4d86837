//! What the person has, and the ways in which the typed string can be read.

use super::answer::Offer;
use super::{Candidates, Context, First, Login, LoginKind, Matched, Opening};
use crate::base::Secret;
use crate::domain::factor::{Factor, FactorId, FactorKind, Material};
use crate::domain::method::Method;
use crate::domain::passcode;
use crate::domain::sent::SentCode;
use crate::domain::throttle::{Counter, CounterList};
use crate::wire::yubico::Otp;
use smallvec::smallvec;
use subtle::ConstantTimeEq;

impl Login<'_> {
    /// What this round is about to try.
    pub(super) fn tries(&self) -> LoginKind {
        match self.opening {
            Opening::First => self.policy().kind,
            _ => LoginKind::Passcode,
        }
    }

    /// The counters that the typed string may be about.
    pub(super) fn counters(&self) -> CounterList {
        if self.device.is_some() {
            return smallvec![Counter::Devices];
        }
        if self.context.purpose.is_open() {
            return smallvec![Counter::Reset];
        }
        let Some(account) = &self.account else { return smallvec![Counter::Password] };
        let mut counters = match self.tries() {
            LoginKind::Password => return smallvec![Counter::Password],
            LoginKind::PasswordAndPasscode => smallvec![Counter::Password],
            LoginKind::Passcode => CounterList::new(),
            LoginKind::PinAndPasscode => self.pin().map(|(id, _)| Counter::Factor(id)).into_iter().collect(),
        };
        let shaped = |factor: &&Factor| !self.splits(factor).is_empty();
        counters.extend(self.sent_code().map(|_| Counter::Sent));
        let usable = account.factors.iter().filter(|factor| self.is_allowed(factor));
        counters.extend(usable.filter(shaped).map(|factor| Counter::Factor(factor.id)));
        counters
    }

    /// Whether passcodes of this factor are accepted here.
    fn is_allowed(&self, factor: &Factor) -> bool {
        let meant = self.context.device.is_none_or(|device| device == factor.id);
        meant && self.policy().methods.contains(&Method::Factor(factor.kind))
    }

    pub(super) fn pin(&self) -> Option<(FactorId, Secret<String>)> {
        self.account.as_ref()?.factors.iter().find_map(|factor| match &factor.material {
            Material::Pin { hash } => Some((factor.id, hash.clone())),
            _ => None,
        })
    }

    /// The PIN's id, if that is what was right.
    pub(super) fn pin_of(&self, first: First) -> Option<FactorId> {
        self.pin().filter(|_| first == First::Pin).map(|(id, _)| id)
    }

    /// Ways to read the typed string as ending in a passcode of `factor`, as far as this round allows them.
    pub(super) fn splits(&self, factor: &Factor) -> Vec<passcode::Split<'_>> {
        let alone = self.tries() == LoginKind::Passcode;
        let text = if alone { self.typed().trim_ascii() } else { self.typed() };
        let mut splits = passcode::splits(text, factor);
        splits.retain(|split| split.prefix.is_empty() == alone);
        splits
    }

    /// The code that was sent with the challenge, and what was typed, if that could be it.
    fn sent_code(&self) -> Option<(&SentCode, &str)> {
        let Opening::Answer { code: Some(code), .. } = &self.opening else { return None };
        let typed = passcode::sent_shape(self.typed())?;
        (typed.len() == usize::from(code.digits) && code.expires > self.context.now).then_some((code, typed))
    }

    /// What the typed string proves of the code that was sent.
    fn sent_match(&self) -> Option<Matched> {
        let (code, typed) = self.sent_code()?;
        let person = self.account.as_ref()?.person.id;
        let Context { digester, client, purpose, .. } = self.context;
        // Where it went must still be theirs, and the channel still allowed here.
        let offers = self.offers();
        let to = offers.iter().find_map(|offer| match offer {
            Offer::Sent(channel, destination) if *channel == code.channel => Some(&destination.to),
            _ => None,
        })?;
        let digest = digester.digest_sent(code.id, person, (purpose, client, to), typed);
        bool::from(digest.ct_eq(&code.digest)).then_some(Matched::Sent(code.id, code.expires))
    }

    /// The sent code, or the first factor, that the end of the typed string matches, with what stands before it.
    pub(super) fn find_match(&self, open: &[Counter]) -> Option<(Vec<u8>, Matched)> {
        let Context { now, window, digester, .. } = self.context;
        let account = self.account.as_ref()?;
        let open = |counter: Counter| {
            open.contains(&if self.context.purpose.is_open() { Counter::Reset } else { counter })
        };
        if open(Counter::Sent)
            && let Some(matched) = self.sent_match()
        {
            return Some((Vec::new(), matched));
        }
        let usable = account
            .factors
            .iter()
            .filter(|factor| self.is_allowed(factor) && open(Counter::Factor(factor.id)));
        usable.flat_map(|factor| self.splits(factor).into_iter().map(move |split| (factor, split))).find_map(
            |(factor, split)| {
                let matched = match &factor.material {
                    Material::Yubikey { key: None, .. } => {
                        Matched::Unproven(factor.id, Otp::parse(split.code).ok()?)
                    }
                    _ => Matched::Factor(passcode::matching(factor, split.code, now, window, digester)?),
                };
                Some((split.prefix.to_vec(), matched))
            },
        )
    }

    /// Whether the person has enrolled a second factor, allowed here or not: a client's list of methods must
    /// not turn someone with a second factor into someone without.
    pub(super) fn enrolled(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.enrolled())
    }

    /// What the person has, or can be sent, and the client allows, in the client's order.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let now = self.context.now;
        let live = |factor: &Factor| match &factor.material {
            Material::Codes(codes) => codes.iter().any(|code| code.expires.is_none_or(|end| end > now)),
            _ => true,
        };
        let Some(account) = &self.account else { return Vec::new() };
        let has = |kind: FactorKind| {
            account.factors.iter().any(|f| f.kind == kind && live(f) && self.is_allowed(f))
        };
        let offer = |method: &Method| match *method {
            Method::Factor(kind) => (kind.is_passcode() && has(kind)).then_some(Offer::Factor(kind)),
            Method::Sent(_) if self.context.device.is_some() => None,
            Method::Sent(channel) => {
                let destination = self.context.reach.destination(&account.person, channel)?;
                Some(Offer::Sent(channel, destination))
            }
        };
        self.policy().methods.iter().filter_map(offer).collect()
    }
}

/// The password or PIN before a passcode: without one separator at its end, or as it stands, in case the
/// password itself ends in one.
pub(super) fn spellings(prefix: &[u8], separators: &[char]) -> Candidates {
    let mut buffer = [0; 4];
    let without = separators.iter().find_map(|separator| {
        prefix.strip_suffix(separator.encode_utf8(&mut buffer).as_bytes()).filter(|rest| !rest.is_empty())
    });
    let spellings = without.into_iter().chain([prefix]);
    spellings.map(|spelling| Secret::new(spelling.to_vec())).collect()
}
