//! Second factors: what a person has enrolled, and the secret material behind it.

use super::person::{PersonId, id};
use crate::base::{Secret, Timestamp};
use crate::wire::mschap::NtHash;
use crate::wire::yubico::{Key, PublicId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

id! {
    /// Stable id of a factor.
    FactorId
}

/// The kinds of factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorKind {
    /// Time-based codes from an app (RFC 6238).
    Totp,
    /// Counter-based codes from a token (RFC 4226).
    Hotp,
    /// Passwords of a YubiKey, a touch each.
    Yubikey,
    /// A PIN typed before a passcode; never enough alone.
    Pin,
    /// A set of codes on paper, each good once.
    Recovery,
    /// A code that the help desk hands out, good for a short time.
    Temporary,
    /// A password of one device, for Wi-Fi: what it logs in with in place of the person's password. No second factor.
    #[serde(rename = "device-password")]
    DevicePassword,
}

/// Apps, tokens and keys that one person can have together: each of them is tried with every passcode.
pub const MOST_DEVICES: usize = 10;

impl FactorKind {
    /// All kinds.
    pub const ALL: [FactorKind; 7] = [
        FactorKind::Totp,
        FactorKind::Hotp,
        FactorKind::Yubikey,
        FactorKind::Pin,
        FactorKind::Recovery,
        FactorKind::Temporary,
        FactorKind::DevicePassword,
    ];

    /// The lower-case name, as in configuration, database and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            FactorKind::Totp => "totp",
            FactorKind::Hotp => "hotp",
            FactorKind::Yubikey => "yubikey",
            FactorKind::Pin => "pin",
            FactorKind::Recovery => "recovery",
            FactorKind::Temporary => "temporary",
            FactorKind::DevicePassword => "device-password",
        }
    }

    /// Whether it gives passcodes. A PIN stands before one, and a device's password in place of the person's.
    pub const fn is_passcode(self) -> bool {
        !matches!(self, FactorKind::Pin | FactorKind::DevicePassword)
    }

    /// Whether it is something that the person carries and that shows or types passcodes.
    pub const fn is_device(self) -> bool {
        matches!(self, FactorKind::Totp | FactorKind::Hotp | FactorKind::Yubikey)
    }

    /// Whether having one makes a person "enrolled" for `second_factor = "if-enrolled"`. A PIN is no factor of
    /// its own, and a temporary code ends by itself.
    pub const fn enrolls(self) -> bool {
        matches!(self, FactorKind::Totp | FactorKind::Hotp | FactorKind::Yubikey | FactorKind::Recovery)
    }
}

impl fmt::Display for FactorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FactorKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        FactorKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// Hash function of a one-time password (RFC 6238 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA-1, which every app knows.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }
}

impl FromStr for Algorithm {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(())
    }
}

/// Digest of a recovery or temporary code: HMAC-SHA-256 under a key of its own, see `store::seal`.
pub type CodeDigest = [u8; 32];

/// The secret material of a factor, opened.
#[derive(Debug, Clone)]
pub enum Material {
    /// RFC 6238.
    Totp {
        /// Shared seed.
        seed: Secret<Vec<u8>>,
        /// Hash function.
        algorithm: Algorithm,
        /// 6 or 8.
        digits: u8,
        /// Seconds a step lasts.
        period: u32,
    },
    /// RFC 4226.
    Hotp {
        /// Shared seed.
        seed: Secret<Vec<u8>>,
        /// 6 or 8.
        digits: u8,
    },
    /// A YubiKey.
    Yubikey {
        /// Stands before each of its passwords; never empty.
        public_id: PublicId,
        /// What it shares with us; `None`: only a validation server knows it.
        key: Option<Key>,
    },
    /// Argon2id hash (PHC string) of the PIN.
    Pin {
        /// PHC string.
        hash: Secret<String>,
    },
    /// What MSCHAPv2 needs to know of a device's password.
    DevicePassword {
        /// Its NT hash.
        hash: NtHash,
    },
    /// Codes that are left. A recovery code has no end; a temporary one has.
    Codes(Vec<OneTimeCode>),
}

/// One recovery or temporary code that can still be used.
#[derive(Debug, Clone)]
pub struct OneTimeCode {
    /// Keyed digest of the code.
    pub digest: CodeDigest,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

/// Whether a factor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorState {
    /// Waits for a first code that proves it; counts for nothing.
    Pending,
    /// Counts.
    Active,
}

impl FactorState {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            FactorState::Pending => "pending",
            FactorState::Active => "active",
        }
    }
}

/// A factor of a person.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Stable id.
    pub id: FactorId,
    /// Whose it is.
    pub person: PersonId,
    /// What it is.
    pub kind: FactorKind,
    /// Name the person knows it by ("phone").
    pub label: String,
    /// Whether it counts.
    pub state: FactorState,
    /// When it was enrolled.
    pub created: Timestamp,
    /// When it last let someone in.
    pub used: Option<Timestamp>,
    /// The next value that is acceptable: TOTP, the step after the last accepted one; HOTP, the counter; YubiKey, the
    /// position ([`crate::wire::yubico::Token::position`]) after the last accepted one.
    /// An older one is a replay.
    pub next: u64,
    /// Secret material.
    pub material: Material,
}

/// What matched, to be accepted by one atomic statement in the store. None of these is a yes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A TOTP step, an HOTP counter or a YubiKey's position: accepted if `factor.next <= position`, which becomes `position + 1`.
    Position {
        /// The factor that produced the code.
        factor: FactorId,
        /// Step, counter or position of the code.
        position: u64,
    },
    /// A recovery or temporary code: accepted if it is unused and not expired.
    Code {
        /// The factor it belongs to.
        factor: FactorId,
        /// Its digest.
        digest: CodeDigest,
    },
    /// A device's password, which is good as long as it was not revoked: accepted if the factor is still there.
    Standing {
        /// The factor.
        factor: FactorId,
    },
}

impl Proof {
    /// The factor concerned.
    pub const fn factor(&self) -> FactorId {
        match self {
            Proof::Position { factor, .. } | Proof::Code { factor, .. } | Proof::Standing { factor } => {
                *factor
            }
        }
    }
}
