//! Codes that are sent: what is kept of one while it waits for its answer.

use super::factor::CodeDigest;
use super::method::Channel;
use super::person::id;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

id! {
    /// Id of a sent code, and of the message that carries it.
    CodeId
}

impl CodeId {
    /// Name of the mark that the code was used.
    pub fn mark(self) -> String {
        format!("code:{self}")
    }
}

/// What a code is for: one that was sent for something else is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A login at a client.
    Login,
    /// The second step of who signs in at the portal.
    Portal,
    /// A forgotten or expired password.
    Reset,
    /// The activation of an account.
    Activation,
    /// The proof of a contact that a person has entered.
    Contact,
    /// It is a temporary code that the help desk sends, and counts wherever those do.
    HelpDesk,
    /// Nothing: the message carries no code, it tells that something was changed.
    Notice,
}

impl Purpose {
    /// What a round of the login machine is for.
    pub const ROUNDS: [Self; 6] =
        [Self::Login, Self::Portal, Self::Reset, Self::Activation, Self::Contact, Self::HelpDesk];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Login => "login",
            Purpose::Portal => "portal",
            Purpose::Reset => "reset",
            Purpose::Activation => "activation",
            Purpose::Contact => "contact",
            Purpose::HelpDesk => "helpdesk",
            Purpose::Notice => "notice",
        }
    }

    /// Whether anybody who knows a username can try. Failures then have a counter of their own, so that they stand in the
    /// way of no login.
    pub const fn is_open(self) -> bool {
        matches!(self, Purpose::Reset | Purpose::Activation)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sent code as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCode {
    /// Its id.
    pub id: CodeId,
    /// Keyed digest, bound to id, person, purpose and transaction
    /// ([`super::digest::CodeDigester::digest_sent`]).
    pub digest: CodeDigest,
    /// Over what it was sent.
    pub channel: Channel,
    /// How many digits it has.
    pub digits: u8,
    /// When it ends.
    pub expires: Timestamp,
}

/// Lengths of codes and how long and often they may be tried (R-CODE-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRules {
    /// Digits, 6 to 10.
    pub digits: u8,
    /// How long one lives, at most 10 minutes.
    pub lifetime: std::time::Duration,
    /// Answers that are compared with one code.
    pub tries: u8,
    /// Who asks again at the same client within this time gets no second message: the code that is under way counts.
    pub resend_after: std::time::Duration,
}
