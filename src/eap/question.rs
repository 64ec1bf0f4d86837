//! What a conversation asks for and is told, and how it ends.

use super::InnerMethod;
use super::sessions::{Claim, Sessions};
use super::tunnel::TunnelError;
use crate::base::{Secret, Timestamp};
use crate::domain::login::Shown;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::wire::mschap::Exchange;
use std::fmt;
use std::sync::Arc;

/// What the login machine has to decide.
#[derive(Clone)]
pub enum Question {
    /// A password, with or without a passcode.
    Password {
        /// Whose, as it stands in the tunnel.
        identity: String,
        /// What was typed.
        password: Secret<Vec<u8>>,
        /// The peer can be asked once more.
        can_ask: bool,
    },
    /// An exchange of MSCHAPv2, which was made with a device's password or with nothing that is known here.
    Exchange {
        /// Whose, as it stands in the tunnel.
        identity: String,
        /// What was said.
        exchange: Exchange,
    },
    /// A certificate that TLS has verified, by the name that says whose it is.
    Certificate(String),
    /// A session that was resumed.
    Session(Claim),
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::Password { .. } => "a password",
            Question::Exchange { .. } => "an exchange of MSCHAPv2",
            Question::Certificate(_) => "a certificate",
            Question::Session(_) => "a session",
        })
    }
}

/// What it decided.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Let in.
    Accepted {
        /// Whom.
        person: Arc<Person>,
        /// Why.
        reason: Reason,
        /// The factors that they showed.
        factors: Shown,
        /// What proves to a peer of MSCHAPv2 that the server knows the password.
        proof: Option<String>,
    },
    /// Ask this.
    Ask(String),
    /// Refused.
    Refused,
}

/// Why a conversation ended without a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The peer wants a method that is not allowed here.
    #[error("the peer wants no method that is allowed here")]
    NoMethod,
    /// What the peer sent does not belong here.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
    /// Fragments or TLS failed.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// More requests or octets than allowed.
    #[error("it takes too many rounds or octets")]
    TooLong,
    /// The certificate says nobody.
    #[error("the certificate has no name of the kinds in eap.certificate_names")]
    Nameless,
    /// The login machine has refused.
    #[error("refused")]
    Refused,
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this request, and wait.
    Request(Vec<u8>),
    /// Decide [`Conversation::question`], and tell [`Conversation::decided`].
    Ask,
    /// It is over, and the peer is let in.
    Success {
        /// The packet.
        eap: [u8; 4],
        /// The keys.
        key: Secret<[u8; 64]>,
    },
    /// It is over.
    Failure {
        /// The packet.
        eap: [u8; 4],
        /// Why.
        why: Ended,
    },
    /// Stay silent.
    Ignore,
}

/// Where and when a conversation is held.
#[derive(Debug, Clone)]
pub struct Place {
    /// Sessions that can be resumed.
    pub sessions: Arc<Sessions>,
    /// Digest of the client, its policy, and whom it trusts: a session is resumed where it began.
    pub client: [u8; 32],
    /// What may stand inside a tunnel, in the order in which it is offered.
    pub inner: Vec<InnerMethod>,
    /// Drawn for this conversation.
    pub challenge: [u8; 16],
    /// The present moment.
    pub now: Timestamp,
    /// Octets of an EAP packet that fit where the peer is, if known.
    pub mtu: Option<usize>,
}
