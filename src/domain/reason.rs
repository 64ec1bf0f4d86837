//! Why a login was decided as it was: one closed list for log, metric and audit.

use serde::Serialize;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a decision fell. What the person reads is chosen elsewhere, and says less.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// Stable name in logs, metrics and the audit trail.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// Accept: the policy asks for a password only, or nothing is enrolled and the policy allows that.
    PasswordOnly = "password-only",
    /// Accept: password and passcode.
    PasswordAndPasscode = "password-and-passcode",
    /// Accept: passcode alone, the client having checked the password.
    PasscodeOnly = "passcode-only",
    /// Accept: the password of a device, at Wi-Fi.
    DevicePassword = "device-password",
    /// Accept: PIN and passcode.
    PinAndPasscode = "pin-and-passcode",
    /// Accept: a certificate of the person's.
    Certificate = "certificate",
    /// Accept: a TLS session that began with a login was resumed.
    SessionResumed = "session-resumed",
    /// Challenge: the first factor is right, a passcode is wanted.
    PasscodeWanted = "passcode-wanted",
    /// Challenge: a passcode is being sent.
    PasscodeSent = "passcode-sent",
    /// Challenge: a passcode was sent a moment ago; no second one is.
    PasscodeUnderWay = "passcode-under-way",
    /// Reject: no more passcodes may be sent for now.
    SendLimited = "send-limited",
    /// Reject: no such person.
    UnknownPerson = "unknown-person",
    /// Reject: the directory has switched the person off.
    PersonDisabled = "person-disabled",
    /// Reject: the account was not activated yet.
    PersonNew = "person-new",
    /// Reject: the account is active already.
    AlreadyActive = "already-active",
    /// Reject: locked by an administrator or the help desk.
    PersonLocked = "person-locked",
    /// Reject: wrong password.
    WrongPassword = "wrong-password",
    /// Reject: the string ended like a passcode but none matched, and it is not the password either.
    WrongPasswordOrPasscode = "wrong-password-or-passcode",
    /// Reject: the password is right but has expired.
    PasswordExpired = "password-expired",
    /// Reject: the password is right but must be changed before it counts.
    PasswordMustChange = "password-must-change",
    /// Reject: the directory has locked the account after failures.
    DirectoryLocked = "directory-locked",
    /// Reject: the account has ended.
    PersonExpired = "person-expired",
    /// Reject: wrong passcode.
    WrongPasscode = "wrong-passcode",
    /// Reject: it is the password of none of the person's devices.
    WrongDevicePassword = "wrong-device-password",
    /// Reject: the person has no device with a password of its own.
    NoDevicePassword = "no-device-password",
    /// Reject: the device's password was right, but has just been revoked.
    DevicePasswordRevoked = "device-password-revoked",
    /// Reject: wrong PIN.
    WrongPin = "wrong-pin",
    /// Reject: the passcode was right but has been used.
    PasscodeReplayed = "passcode-replayed",
    /// Reject: a YubiKey's password with characters missing, or too many.
    YubikeyLength = "yubikey-length",
    /// Reject: a YubiKey's password with characters that no key types.
    YubikeyCharacters = "yubikey-characters",
    /// Reject: a YubiKey's password, typed while another keyboard layout than QWERTY (or its like) was on.
    YubikeyLayout = "yubikey-keyboard-layout",
    /// Reject: the checksum is wrong: the key was programmed anew, or its AES key here is another.
    YubikeyChecksum = "yubikey-checksum",
    /// Reject: the AES key is right, the private id is not.
    YubikeyPrivateId = "yubikey-private-id",
    /// Reject: the key's counter has come to its end, or has begun anew.
    YubikeyWorn = "yubikey-counter-wrap",
    /// Reject: the YubiKey is someone else's.
    YubikeyForeign = "yubikey-of-someone-else",
    /// Reject: the YubiKey was revoked.
    YubikeyRevoked = "yubikey-revoked",
    /// Reject: the YubiKey is in the inventory, and nobody's.
    YubikeyUnassigned = "yubikey-unassigned",
    /// Reject: nobody here knows this YubiKey.
    YubikeyUnknown = "yubikey-unknown",
    /// Reject: the validation server says that the password is none of the key's.
    YubikeyRefused = "yubikey-refused",
    /// Reject: the YubiKey needs a validation server, and none is configured.
    YubikeyNoServer = "yubikey-no-validation-server",
    /// Reject: the client cannot be asked for a passcode, and none was given.
    PasscodeMissing = "passcode-missing",
    /// Reject: the policy requires a second factor and none is enrolled.
    NotEnrolled = "not-enrolled",
    /// Reject: what is enrolled is not allowed at this client, or the method asked for is not available.
    MethodUnavailable = "method-unavailable",
    /// Reject: too many failures; a further try is possible after a while.
    Throttled = "throttled",
    /// Reject: the hard stop of failures was reached; the help desk unlocks.
    HardStopped = "hard-stopped",
    /// Reject: State unknown, used, expired, or of another client or person.
    StateInvalid = "state-invalid",
    /// Reject: more rounds than the policy allows.
    TooManyRounds = "too-many-rounds",
    /// Reject: the TLS session began with a login before the password or the account was changed.
    SessionVoid = "session-void",
    /// Reject: the certificate is missing, expired, revoked, of another authority, or names nobody.
    CertificateRefused = "certificate-refused",
    /// Reject: no EAP method that both sides want.
    EapMethod = "eap-method",
    /// Reject: the EAP conversation broke off, or is not known here.
    EapBroken = "eap-broken",
    /// Reject: what was shown inside EAP was right, and the device did not go on to the end.
    EapUnfinished = "eap-unfinished",
    /// Reject: no username, or one that cannot exist.
    UsernameInvalid = "username-invalid",
    /// Reject: nothing was typed.
    EmptyPassword = "empty-password",
    /// Reject: no User-Password; another authentication protocol was asked for.
    ProtocolUnsupported = "protocol-unsupported",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
