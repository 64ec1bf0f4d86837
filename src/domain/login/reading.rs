//! What the person has, and the ways in which the typed string can be read.

use super::{Context, Login, LoginKind, Opening};
use crate::base::Secret;
use crate::domain::factor::{Factor, FactorId, FactorKind, Material, Proof};
use crate::domain::passcode;
use crate::domain::throttle::Counter;

impl Login<'_> {
    /// What this round is about to try.
    pub(super) fn tries(&self) -> LoginKind {
        match self.opening {
            Opening::First => self.policy().kind,
            _ => LoginKind::Passcode,
        }
    }

    /// The counters that the typed string may be about.
    pub(super) fn counters(&self) -> Vec<Counter> {
        let Some(account) = &self.account else { return vec![Counter::Password] };
        let mut counters = match self.tries() {
            LoginKind::Password => return vec![Counter::Password],
            LoginKind::PasswordAndPasscode => vec![Counter::Password],
            LoginKind::Passcode => Vec::new(),
            LoginKind::PinAndPasscode => self.pin().map(|(id, _)| Counter::Factor(id)).into_iter().collect(),
        };
        let shaped = |factor: &&Factor| !self.splits(factor).is_empty();
        let policy = self.policy();
        let usable = account.factors.iter().filter(|factor| policy.methods.contains(&factor.kind));
        counters.extend(usable.filter(shaped).map(|factor| Counter::Factor(factor.id)));
        counters
    }

    pub(super) fn pin(&self) -> Option<(FactorId, Secret<String>)> {
        self.account.as_ref()?.factors.iter().find_map(|factor| match &factor.material {
            Material::Pin { hash } => Some((factor.id, hash.clone())),
            _ => None,
        })
    }

    /// Ways to read the typed string as ending in a passcode of `factor`, as far as this round allows them.
    pub(super) fn splits(&self, factor: &Factor) -> Vec<passcode::Split<'_>> {
        let alone = self.tries() == LoginKind::Passcode;
        let text = if alone { self.typed.expose().trim_ascii() } else { self.typed.expose() };
        let mut splits = passcode::splits(text, factor);
        splits.retain(|split| split.prefix.is_empty() == alone);
        splits
    }

    /// The first factor that the end of the typed string matches, with what stands before the code.
    pub(super) fn find_match(&self, open: &[Counter]) -> Option<(Vec<u8>, Proof)> {
        let Context { now, window, digester, .. } = self.context;
        let account = self.account.as_ref()?;
        let usable = account.factors.iter().filter(|factor| open.contains(&Counter::Factor(factor.id)));
        usable.flat_map(|factor| self.splits(factor).into_iter().map(move |split| (factor, split))).find_map(
            |(factor, split)| {
                let proof = passcode::matching(factor, split.code, now, window, digester)?;
                Some((split.prefix.to_vec(), proof))
            },
        )
    }

    /// Whether the person has enrolled a second factor, allowed here or not: a client's list of methods must
    /// not turn someone with a second factor into someone without.
    pub(super) fn enrolled(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.factors.iter().any(|f| f.kind.enrolls()))
    }

    /// Kinds of passcode that the person has and the client allows, in the client's order.
    pub(super) fn methods(&self) -> Vec<FactorKind> {
        let now = self.context.now;
        let live = |factor: &Factor| match &factor.material {
            Material::Codes(codes) => codes.iter().any(|code| code.expires.is_none_or(|end| end > now)),
            _ => true,
        };
        let Some(account) = &self.account else { return Vec::new() };
        let has = |kind: &FactorKind| account.factors.iter().any(|f| f.kind == *kind && live(f));
        self.policy().methods.iter().filter(|kind| **kind != FactorKind::Pin && has(kind)).copied().collect()
    }
}

/// The password or PIN before a passcode: without one separator at its end, or as it stands, in case the
/// password itself ends in one.
pub(super) fn spellings(prefix: &[u8], separators: &[char]) -> Vec<Secret<Vec<u8>>> {
    let mut buffer = [0; 4];
    let without = separators.iter().find_map(|separator| {
        prefix.strip_suffix(separator.encode_utf8(&mut buffer).as_bytes()).filter(|rest| !rest.is_empty())
    });
    let spellings = without.into_iter().chain([prefix]);
    spellings.map(|spelling| Secret::new(spelling.to_vec())).collect()
}
