//! Messages that carry codes: what is kept of one until it was delivered, and how many may be sent.

use super::factor::CodeDigest;
use super::method::Channel;
use super::person::PersonId;
use super::sent::{CodeId, Purpose};
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a message says, and to whom. Sealed in the store; rendered with the texts only when it is delivered.
#[derive(Clone, Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Content {
    /// E.164 number or e-mail address.
    pub to: String,
    /// The code.
    pub code: String,
    /// Name of the person, for the greeting; may be empty.
    pub name: String,
    /// Minutes for which the code is good.
    pub minutes: u64,
    /// Username, where it tells of a change.
    #[serde(default)]
    pub username: String,
    /// What it tells, if it carries no code.
    #[serde(default)]
    #[zeroize(skip)]
    pub notice: Option<Notice>,
    /// Its language, as a BCP 47 tag; none: the default.
    #[serde(default)]
    pub language: Option<String>,
    /// Campus whose words it is written in; none: those of all.
    #[serde(default)]
    pub campus: Option<String>,
}

/// What a message without a code tells. None of them carries a password, a code or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// The account was activated.
    Activated,
    /// Contacts or security questions were changed.
    Updated,
    /// The password was changed.
    PasswordChanged,
    /// The password of the mailbox was changed.
    MailboxPasswordChanged,
    /// A second factor was added.
    FactorAdded,
    /// A second factor was taken away.
    FactorRevoked,
    /// A device has a password of its own.
    DeviceAdded,
    /// The password of a device was taken away.
    DeviceRevoked,
    /// The help desk has unlocked the account.
    Unlocked,
    /// The help desk has started a reset.
    ResetStarted,
}

impl Notice {
    /// All of them.
    pub const ALL: [Notice; 10] = [
        Notice::Activated,
        Notice::Updated,
        Notice::PasswordChanged,
        Notice::MailboxPasswordChanged,
        Notice::FactorAdded,
        Notice::FactorRevoked,
        Notice::DeviceAdded,
        Notice::DeviceRevoked,
        Notice::Unlocked,
        Notice::ResetStarted,
    ];

    /// Name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Notice::Activated => "activated",
            Notice::Updated => "updated",
            Notice::PasswordChanged => "password-changed",
            Notice::MailboxPasswordChanged => "mailbox-password-changed",
            Notice::FactorAdded => "factor-added",
            Notice::FactorRevoked => "factor-revoked",
            Notice::DeviceAdded => "device-added",
            Notice::DeviceRevoked => "device-revoked",
            Notice::Unlocked => "unlocked",
            Notice::ResetStarted => "reset-started",
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content([secret])")
    }
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// That of the code it carries.
    pub id: CodeId,
    /// Whose.
    pub person: PersonId,
    /// What the code is for.
    pub purpose: Purpose,
    /// Over what.
    pub channel: Channel,
    /// The destination as it may be shown, such as `xxx-xxx-1234`.
    pub masked: String,
    /// Digest of the destination, to count messages to it.
    pub destination: CodeDigest,
    /// Digest of where the request came from; none: not known.
    pub origin: Option<CodeDigest>,
    /// What it will cost, in hundredths of the currency.
    pub cost: u32,
    /// What it says.
    pub content: Content,
    /// When it was asked for.
    pub created: Timestamp,
    /// After this it is not worth sending.
    pub expires: Timestamp,
}

/// How many messages may be asked for. Those without a code do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendLimits {
    /// Time over which they are counted.
    pub window: Duration,
    /// For one person.
    pub per_person: u32,
    /// For one person in 24 hours.
    pub per_person_day: u32,
    /// To one destination.
    pub per_destination: u32,
    /// From one origin.
    pub per_origin: u32,
    /// Cost of all messages with codes of one day (UTC), in hundredths of the currency; none: no cap.
    pub daily_cost: Option<u64>,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of the person.
    Person,
    /// Of the destination.
    Destination,
    /// Of the origin.
    Origin,
    /// Of the day's cost.
    Cost,
}

impl Limit {
    /// Name for log and audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Limit::Person => "person",
            Limit::Destination => "destination",
            Limit::Origin => "origin",
            Limit::Cost => "daily cost",
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// To be sent when it is due.
    Waiting,
    /// A node is sending it.
    Sending,
    /// A provider has taken it.
    Sent,
    /// It will not be sent; the detail says why.
    Dead,
}

impl MessageState {
    /// All of them.
    pub const ALL: [MessageState; 4] =
        [MessageState::Waiting, MessageState::Sending, MessageState::Sent, MessageState::Dead];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageState::Waiting => "waiting",
            MessageState::Sending => "sending",
            MessageState::Sent => "sent",
            MessageState::Dead => "dead",
        }
    }
}

impl FromStr for MessageState {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [MessageState::Waiting, MessageState::Sending, MessageState::Sent, MessageState::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(())
    }
}
