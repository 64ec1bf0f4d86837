//! A TLS connection in fragments (RFC 5216 §2.1.5): puts the peer's together, and cuts up ours.

use super::engine::{Progress, TlsEngine, TlsFailure, implicit_challenge, master_session_key};
use crate::base::Secret;
use crate::wire::eap::{Fragment, FragmentError, Method};

/// The longest message that is put together.
const LONGEST: usize = 64 * 1024;
/// Octets of an EAP packet that are no TLS: header, type, flags, length.
const OVERHEAD: usize = 10;

/// Why a conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// The peer's fragment is malformed.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// It does not go with those before it.
    #[error("a fragment does not go with those before it: {0}")]
    Order(&'static str),
    /// TLS failed; an alert may be waiting to be sent.
    #[error("TLS: {0}")]
    Tls(#[from] TlsFailure),
}

/// What a response brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Heard {
    /// A part: acknowledge it.
    Part,
    /// The peer wants the next part of ours.
    Next,
    /// A whole message, which TLS has taken.
    Message,
    /// The peer has all of ours, and has nothing to say.
    Acknowledged,
}

/// The connection.
pub(super) struct Tunnel {
    pub(super) method: Method,
    engine: Box<dyn TlsEngine>,
    fragment: usize,
    incoming: Vec<u8>,
    expected: Option<usize>,
    outgoing: Vec<u8>,
    sent: usize,
}

impl Tunnel {
    /// `packet`: octets of an EAP packet at most.
    pub(super) fn new(method: Method, engine: Box<dyn TlsEngine>, packet: usize) -> Self {
        let fragment = packet.saturating_sub(OVERHEAD).max(1);
        let (incoming, outgoing) = (Vec::new(), Vec::new());
        Self { method, engine, fragment, incoming, expected: None, outgoing, sent: 0 }
    }

    /// Takes what stands behind the type of a response.
    pub(super) fn receive(&mut self, data: &[u8]) -> Result<Heard, TunnelError> {
        let fragment = Fragment::decode(data)?;
        if self.method != Method::TLS && fragment.version != 0 {
            return Err(TunnelError::Order("another version than 0"));
        }
        if fragment.is_acknowledgement() {
            return match (self.is_sending(), self.incoming.is_empty()) {
                (true, _) => Ok(Heard::Next),
                (false, true) => Ok(Heard::Acknowledged),
                (false, false) => Err(TunnelError::Order("an end is missing")),
            };
        }
        if self.is_sending() {
            return Err(TunnelError::Order("it comes between parts of ours"));
        }
        self.collect(&fragment)?;
        if fragment.more {
            return Ok(Heard::Part);
        }
        let whole = std::mem::take(&mut self.incoming);
        if self.expected.take().is_some_and(|expected| expected != whole.len()) {
            return Err(TunnelError::Order("all together have another length than was told"));
        }
        self.engine.receive(&whole)?;
        Ok(Heard::Message)
    }

    fn collect(&mut self, fragment: &Fragment<'_>) -> Result<(), TunnelError> {
        if let Some(total) = fragment.total {
            let total = usize::try_from(total).unwrap_or(usize::MAX);
            if total > LONGEST {
                return Err(TunnelError::Order("the whole message is too long"));
            }
            // Some peers tell the length with each part.
            let first = self.incoming.is_empty();
            if !first && self.expected != Some(total) {
                return Err(TunnelError::Order("the length has changed"));
            }
            self.expected = Some(total);
        }
        if self.incoming.len() + fragment.data.len() > self.expected.unwrap_or(LONGEST) {
            return Err(TunnelError::Order("they are longer than was told"));
        }
        // Not twice as much as there is, which many could make use of.
        self.incoming.reserve_exact(fragment.data.len());
        self.incoming.extend_from_slice(fragment.data);
        Ok(())
    }

    fn is_sending(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    /// Takes over what TLS wants to send; whether there is something.
    pub(super) fn flush(&mut self) -> bool {
        self.outgoing = self.engine.send();
        self.sent = 0;
        self.is_sending()
    }

    /// The next part for a request; nothing but flags if there is none.
    pub(super) fn part(&mut self) -> Vec<u8> {
        let rest = self.outgoing.get(self.sent..).unwrap_or_default();
        let (data, after) = rest.split_at(rest.len().min(self.fragment));
        let first_of_several = self.sent == 0 && !after.is_empty();
        let total = first_of_several.then(|| u32::try_from(self.outgoing.len()).ok()).flatten();
        let bytes = Fragment { total, more: !after.is_empty(), version: 0, data }.encode();
        self.sent += data.len();
        if !self.is_sending() {
            (self.outgoing, self.sent) = (Vec::new(), 0);
        }
        bytes
    }

    pub(super) fn progress(&self) -> Progress {
        self.engine.progress()
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.engine.is_tls13()
    }

    pub(super) fn read(&mut self) -> Secret<Vec<u8>> {
        self.engine.read()
    }

    pub(super) fn write(&mut self, plain: &[u8]) -> Result<(), TunnelError> {
        Ok(self.engine.write(plain)?)
    }

    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.engine.peer_certificate()
    }

    pub(super) fn challenge(&self) -> Result<[u8; 17], TunnelError> {
        Ok(implicit_challenge(&*self.engine)?)
    }

    pub(super) fn key(&self) -> Result<Secret<[u8; 64]>, TunnelError> {
        Ok(master_session_key(&*self.engine, self.method)?)
    }
}
