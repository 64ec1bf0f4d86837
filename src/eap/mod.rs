//! The server side of EAP: TLS, TTLS and PEAP with what is inside their tunnels, as machines over buffers.
//!
//! [`Conversation`] takes an EAP response and says what to do ([`Step`]): send a request, decide a [`Question`], or end. It verifies
//! no password: what a tunnel brings is a question to the login machine, and only its answer opens the door. TLS is rustls
//! behind [`TlsEngine`]. Sessions can be resumed only after the person was let in ([`sessions`]).
//!
//! ```text
//!   Start ──Nak──▶ another method
//!     │
//!     ▼
//!   Handshake ──full──▶ Inner: TTLS, PEAP ──question──▶ AwaitDecision ──▶ Closing ──▶ Success
//!     │        └──────▶ certificate (TLS) ───question──────▲
//!     └──resumed──▶ session ────────────────question───────┘          anything wrong ──▶ Failure
//! ```

mod conversation;
mod engine;
mod inner;
mod peap;
mod question;
pub mod sessions;
#[cfg(test)]
mod tests;
mod ttls;
mod tunnel;
mod witness;

pub use conversation::Conversation;
pub use engine::{Handshake, Progress, TlsEngine, TlsFailure};
pub use question::{Answer, Ended, Place, Question, Step};
pub use sessions::{Claim, Sessions};
pub use tunnel::TunnelError;
pub use witness::witnessed;

use crate::base::Timestamp;
use crate::wire::eap::Method;
use rustls::ServerConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What may stand inside a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerMethod {
    /// A User-Password in TTLS.
    Pap,
    /// EAP-GTC.
    Gtc,
    /// MSCHAPv2, by attributes in TTLS or as EAP. It knows no password but those of devices.
    Mschapv2,
}

/// Which names of a client certificate say whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The user principal name.
    Upn,
    /// A mail address.
    Email,
    /// A host name.
    Dns,
    /// The common name of the subject.
    Common,
}

/// What it costs to take a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Some microseconds: hashes and ciphers.
    Light,
    /// Some tens of microseconds: a key exchange, and a signature by P-256 or Ed25519. A peer that wants P-384 for the exchange makes it take longer.
    Middle,
    /// Anything up to milliseconds: a signature by RSA or a larger curve, or a certificate of the peer.
    Heavy,
}

/// What is the same for all conversations.
#[derive(Clone)]
pub struct Settings {
    /// TLS of TTLS.
    pub ttls: Arc<ServerConfig>,
    /// TLS of PEAP.
    pub peap: Arc<ServerConfig>,
    /// TLS of EAP-TLS, which asks for a certificate; none: no authority is configured.
    pub tls: Option<Arc<ServerConfig>>,
    /// Names of client certificates, the first kind that one has counts.
    pub names: Vec<NameKind>,
    /// Octets of an EAP packet at most.
    pub packet: usize,
    /// Requests in a conversation at most.
    pub rounds: u32,
    /// Octets from the peer in a conversation at most.
    pub octets: usize,
    /// How long a session can be resumed after its login; zero: not at all.
    pub session_lifetime: Duration,
    /// The key of the server's certificate signs in some tens of microseconds ([`Cost::Middle`]).
    pub light_key: bool,
    /// Digest of who vouches for certificates of peers: a session of EAP-TLS that began under another is not resumed.
    pub vouching: [u8; 32],
    /// From then on the lists of revoked certificates vouch for nobody; none: there are no lists.
    pub lists_end: Option<Timestamp>,
}

impl Settings {
    /// Whether a method can be offered where this may stand in a tunnel: EAP-TLS wants an authority, and PEAP knows EAP alone.
    pub fn offers(&self, method: Method, inner: &[InnerMethod]) -> bool {
        let inside = match method {
            Method::TTLS => !inner.is_empty(),
            Method::PEAP => inner.iter().any(|inner| *inner != InnerMethod::Pap),
            _ => true,
        };
        inside && self.tls_of(method).is_some()
    }

    /// TLS of a method.
    fn tls_of(&self, method: Method) -> Option<Arc<ServerConfig>> {
        match method {
            Method::TTLS => Some(Arc::clone(&self.ttls)),
            Method::PEAP => Some(Arc::clone(&self.peap)),
            Method::TLS => self.tls.clone(),
            _ => None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[eap]")
    }
}
