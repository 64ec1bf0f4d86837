//! Something else has shown who it is, in place of what is typed: a certificate, or a session that began with a login.

use super::{Account, Action, Login, Reason, Vouched};
use crate::domain::policy::{LoginKind, SecondFactor};

impl Login<'_> {
    /// Nothing is verified here and nothing charged; whether the person may log in, and whether what they have shown then would
    /// still do, is looked at all the same.
    pub(super) fn vouched(&mut self, vouched: Vouched) -> Action {
        let Some(account) = &self.account else { return self.reject(Reason::UnknownPerson) };
        let reason = match vouched {
            Vouched::Certificate => Reason::Certificate,
            Vouched::Session { person, version, reason, factors }
                if (person, version) == (account.person.id, account.person.version)
                    && factors
                        .iter()
                        .flatten()
                        .all(|shown| account.factors.iter().any(|own| own.id == *shown))
                    && self.is_enough(account, reason) =>
            {
                Reason::SessionResumed
            }
            Vouched::Session { .. } => Reason::SessionVoid,
        };
        let reason = self.barred().unwrap_or(reason);
        let ending = self.ending(reason);
        self.settle(ending)
    }

    /// Whether what let a person in before would let them in now: they may be in another group, or have enrolled since.
    fn is_enough(&self, account: &Account, shown: Reason) -> bool {
        let policy = self.policy();
        match (shown, policy.kind) {
            (Reason::Certificate | Reason::DevicePassword, _) => true,
            (Reason::PasswordOnly, LoginKind::PasswordAndPasscode) => {
                policy.second_factor == SecondFactor::IfEnrolled && !account.enrolled()
            }
            (Reason::PasswordOnly | Reason::PasswordAndPasscode, LoginKind::Password)
            | (Reason::PasswordAndPasscode, LoginKind::PasswordAndPasscode)
            | (Reason::PinAndPasscode, LoginKind::PinAndPasscode | LoginKind::Passcode)
            | (Reason::PasscodeOnly, LoginKind::Passcode) => true,
            _ => false,
        }
    }
}
