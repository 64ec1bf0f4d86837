//! Tokens: devices that an organisation owns, imported before anyone has them and kept when they come back. Given to a person,
//! one becomes a factor of theirs.

mod file;
mod personalization;
mod pieces;
mod plan;
mod pskc;
mod sealed;
mod table;
mod yubico;

pub use file::{BadLine, File, Found, Origin};
pub use plan::Plan;
pub use sealed::{Owner, Record};

use super::factor::{FactorId, FactorKind, Material};
use super::person::{PersonId, id};
use crate::base::Timestamp;
use crate::wire::pskc::Unlock;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

id! {
    /// Stable id of a token.
    TokenId
}

/// Where a token is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// Nobody's.
    Stock,
    /// Somebody's.
    Assigned,
    /// Lost, stolen or taken back: nobody's until an administrator says that it is there again.
    Revoked,
}

impl TokenState {
    /// All states.
    pub const ALL: [TokenState; 3] = [TokenState::Stock, TokenState::Assigned, TokenState::Revoked];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenState::Stock => "stock",
            TokenState::Assigned => "assigned",
            TokenState::Revoked => "revoked",
        }
    }
}

impl fmt::Display for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TokenState {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        TokenState::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// How a file of tokens is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YubiKeys, as Yubico's programs write them.
    Yubikey,
    /// OATH tokens in a table.
    Csv,
    /// OATH tokens in a container (RFC 6030).
    Pskc,
    /// What another Doorward exported.
    Sealed,
}

impl Format {
    /// Reads a file of this format; `unlock` opens an encrypted one. Keys may have times before and after which they do not count.
    pub fn read(self, text: &str, unlock: Option<&Unlock>, now: Timestamp) -> File {
        let mut file = match self {
            Format::Yubikey => yubico::read(text),
            Format::Csv => table::read(text),
            Format::Pskc => pskc::read(text, unlock, now),
            Format::Sealed => sealed::read(text, unlock),
        };
        file.tell();
        file
    }
}

/// A token with its secrets.
#[derive(Debug, Clone)]
pub struct Token {
    /// Stable id.
    pub id: TokenId,
    /// `Yubikey`, `Hotp` or `Totp`.
    pub kind: FactorKind,
    /// Names it among those of its kind: a YubiKey's public id in modhex, otherwise the serial number.
    pub name: String,
    /// The number printed on it; may be empty.
    pub serial: String,
    /// Where it is.
    pub state: TokenState,
    /// Whose it is.
    pub person: Option<PersonId>,
    /// Their factor.
    pub factor: Option<FactorId>,
    /// The next position that is acceptable; while it is somebody's, that of the factor counts.
    pub next: u64,
    /// When it was imported.
    pub created: Timestamp,
    /// Secret material.
    pub material: Material,
}

impl Material {
    /// The kind of factor that a token with this material becomes, and its own name if it has one; `None`: no token has it.
    pub fn token(&self) -> Option<(FactorKind, Option<String>)> {
        match self {
            Material::Totp { .. } => Some((FactorKind::Totp, None)),
            Material::Hotp { .. } => Some((FactorKind::Hotp, None)),
            Material::Yubikey { public_id, .. } => Some((FactorKind::Yubikey, Some(public_id.to_string()))),
            Material::Pin { .. } | Material::Codes(_) | Material::DevicePassword { .. } => None,
        }
    }
}
