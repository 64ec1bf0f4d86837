//! The one catalogue of delivery methods (R-TOP-6): kinds of passcode that a person has, and channels over which one
//! is sent.

use super::contact::Destination;
use super::factor::FactorKind;
use super::person::Person;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Over what a code is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A text message.
    Sms,
    /// A call that reads the code out.
    Voice,
    /// An e-mail.
    Email,
}

impl Channel {
    /// All channels.
    pub const ALL: [Channel; 3] = [Channel::Sms, Channel::Voice, Channel::Email];

    /// The lower-case name, as in configuration, database and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Voice => "voice",
            Channel::Email => "email",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Channel::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or(())
    }
}

/// Knows where people can be reached.
pub trait Reach: fmt::Debug + Send + Sync {
    /// Where a code for this person goes over this channel; `None`: they cannot be reached so.
    fn destination(&self, person: &Person, channel: Channel) -> Option<Destination>;
    /// What a message there costs, in hundredths of the currency.
    fn cost(&self, channel: Channel, destination: &Destination) -> u32;
}

/// A way to get a passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The person produces it: app, token, paper, help desk.
    Factor(FactorKind),
    /// It is sent.
    Sent(Channel),
}

impl Method {
    /// The lower-case name, as in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Factor(kind) => kind.as_str(),
            Method::Sent(channel) => channel.as_str(),
        }
    }
}

impl From<FactorKind> for Method {
    fn from(kind: FactorKind) -> Self {
        Method::Factor(kind)
    }
}

impl From<Channel> for Method {
    fn from(channel: Channel) -> Self {
        Method::Sent(channel)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
