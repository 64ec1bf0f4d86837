//! Something else has shown who it is, in place of what is typed: a certificate, or a session that began with a login.

use super::{Action, Login, Reason, Vouched};

impl Login<'_> {
    /// Nothing is verified here and nothing charged; whether the person may log in is looked at all the same.
    pub(super) fn vouched(&mut self, vouched: Vouched) -> Action {
        let Some(account) = &self.account else { return self.reject(Reason::UnknownPerson) };
        let reason = match vouched {
            Vouched::Certificate => Reason::Certificate,
            Vouched::Session { person, version, device }
                if (person, version) == (account.person.id, account.person.version)
                    && device.is_none_or(|device| account.factors.iter().any(|own| own.id == device)) =>
            {
                Reason::SessionResumed
            }
            Vouched::Session { .. } => Reason::SessionVoid,
        };
        let reason = self.barred().unwrap_or(reason);
        let ending = self.ending(reason);
        self.settle(ending)
    }
}
