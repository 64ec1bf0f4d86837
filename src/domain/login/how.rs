//! By what a round was decided, in words of which there is a fixed number: for log and metrics.

use super::{Ask, Decision, Ending, Login, Opening};
use crate::domain::factor::FactorKind;
use crate::domain::login::Account;
use crate::domain::method::{Channel, Method};
use crate::domain::reason::Reason;

/// What was looked at last, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum How {
    /// Nothing, or nobody can say what was meant.
    #[default]
    Nothing,
    /// A password alone.
    Password,
    /// A passcode, a PIN, or a device's password.
    By(Method),
    /// A certificate.
    Certificate,
    /// A TLS session that was resumed.
    Session,
}

impl How {
    /// All of them.
    pub const ALL: [How; 14] = [
        How::Nothing,
        How::Password,
        How::By(Method::Factor(FactorKind::Totp)),
        How::By(Method::Factor(FactorKind::Hotp)),
        How::By(Method::Factor(FactorKind::Yubikey)),
        How::By(Method::Factor(FactorKind::Pin)),
        How::By(Method::Factor(FactorKind::Recovery)),
        How::By(Method::Factor(FactorKind::Temporary)),
        How::By(Method::Factor(FactorKind::DevicePassword)),
        How::By(Method::Sent(Channel::Sms)),
        How::By(Method::Sent(Channel::Voice)),
        How::By(Method::Sent(Channel::Email)),
        How::Certificate,
        How::Session,
    ];

    /// Its place in [`How::ALL`].
    pub const fn index(self) -> usize {
        match self {
            How::Nothing => 0,
            How::Password => 1,
            How::By(Method::Factor(kind)) => match kind {
                FactorKind::Totp => 2,
                FactorKind::Hotp => 3,
                FactorKind::Yubikey => 4,
                FactorKind::Pin => 5,
                FactorKind::Recovery => 6,
                FactorKind::Temporary => 7,
                FactorKind::DevicePassword => 8,
            },
            How::By(Method::Sent(channel)) => match channel {
                Channel::Sms => 9,
                Channel::Voice => 10,
                Channel::Email => 11,
            },
            How::Certificate => 12,
            How::Session => 13,
        }
    }

    /// Stable name in log and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            How::Nothing => "none",
            How::Password => "password",
            How::By(method) => method.as_str(),
            How::Certificate => "certificate",
            How::Session => "session",
        }
    }

    /// What a reason alone tells.
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::PasswordOnly
            | Reason::WrongPassword
            | Reason::PasswordExpired
            | Reason::PasswordMustChange
            | Reason::DirectoryLocked => How::Password,
            Reason::WrongPin => How::By(Method::Factor(FactorKind::Pin)),
            Reason::DevicePassword
            | Reason::WrongDevicePassword
            | Reason::NoDevicePassword
            | Reason::DevicePasswordRevoked => How::By(Method::Factor(FactorKind::DevicePassword)),
            Reason::YubikeyLength
            | Reason::YubikeyCharacters
            | Reason::YubikeyLayout
            | Reason::YubikeyChecksum
            | Reason::YubikeyPrivateId
            | Reason::YubikeyWorn
            | Reason::YubikeyForeign
            | Reason::YubikeyRevoked
            | Reason::YubikeyUnassigned
            | Reason::YubikeyUnknown
            | Reason::YubikeyRefused
            | Reason::YubikeyNoServer => How::By(Method::Factor(FactorKind::Yubikey)),
            Reason::Certificate | Reason::CertificateRefused => How::Certificate,
            Reason::SessionResumed | Reason::SessionVoid => How::Session,
            _ => How::Nothing,
        }
    }
}

impl Login<'_> {
    /// By what this ending came about.
    pub fn how(&self, ending: &Ending) -> How {
        self.method(ending).map_or_else(|| How::of(ending.decision.reason()), How::By)
    }

    /// The passcode that matched, or that is asked for.
    fn method(&self, ending: &Ending) -> Option<Method> {
        if let Some(proof) = &ending.accept {
            let kind = |account: &Account| {
                account.factors.iter().find(|factor| factor.id == proof.factor()).map(|factor| factor.kind)
            };
            return self.account.as_deref().and_then(kind).map(Method::Factor);
        }
        if ending.otp.is_some() {
            return Some(Method::Factor(FactorKind::Yubikey));
        }
        if let (Some(_), Opening::Answer { code: Some(code), .. }) = (&ending.code, &self.opening) {
            return Some(Method::Sent(code.channel));
        }
        match &ending.decision {
            Decision::Challenge { ask: Ask::Passcode(offer), .. } => Some(offer.method()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place_and_its_name() {
        for (at, how) in How::ALL.into_iter().enumerate() {
            assert_eq!(how.index(), at, "{how:?}");
        }
        let names: std::collections::HashSet<_> = How::ALL.iter().map(|how| how.as_str()).collect();
        assert_eq!(names.len(), How::ALL.len());
    }
}
