//! TLS as a machine over buffers: records in, records out. [`TlsEngine`] is all that the methods know of it.

use super::witness;
use crate::base::Secret;
use crate::wire::eap::Method;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;
use zeroize::Zeroize;

/// Octets of key material that every method exports: the master session key is the first half.
const KEY_MATERIAL: usize = 128;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A hello is awaited, or may be: the first, or another one (RFC 8446 §4.1.4).
    Hello,
    /// The handshake is not over.
    Underway(Handshake),
    /// It is.
    Over(Handshake),
}

/// What a handshake rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing of before.
    Full,
    /// A session of before.
    Resumed,
}

/// Why a handshake or a record failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The peer's certificate is missing, or not to be believed.
    #[error("certificate of the peer: {why}")]
    Certificate {
        /// Why.
        why: String,
        /// The certificate in DER, if one was shown. Anybody could have made it.
        shown: Option<Vec<u8>>,
    },
    /// The peer has refused: it trusts another authority, or wants another name.
    #[error("the peer refused: {0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Protocol(String),
}

impl From<rustls::Error> for TlsFailure {
    fn from(error: rustls::Error) -> Self {
        let text = error.to_string();
        match error {
            rustls::Error::InvalidCertificate(_) => {
                TlsFailure::Certificate { why: text, shown: witness::refused() }
            }
            rustls::Error::NoCertificatesPresented => TlsFailure::Certificate { why: text, shown: None },
            rustls::Error::AlertReceived(_) => TlsFailure::Refused(text),
            _ => TlsFailure::Protocol(text),
        }
    }
}

/// One side of a TLS connection without sockets.
pub trait TlsEngine: Send {
    /// Takes records from the peer.
    fn receive(&mut self, records: &[u8]) -> Result<(), TlsFailure>;
    /// Records for the peer, alerts too.
    fn send(&mut self) -> Vec<u8>;
    /// How far it is.
    fn progress(&self) -> Progress;
    /// Whether it is TLS 1.3, where keys are derived by other labels and tickets follow the handshake.
    fn is_tls13(&self) -> bool;
    /// What the peer has sent through the tunnel since the last call.
    fn read(&mut self) -> Secret<Vec<u8>>;
    /// Puts something into the tunnel; [`TlsEngine::send`] gives its records.
    fn write(&mut self, plain: &[u8]) -> Result<(), TlsFailure>;
    /// Key material by label and context.
    fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) -> Result<(), TlsFailure>;
    /// The peer's certificate in DER, if it has shown one.
    fn peer_certificate(&self) -> Option<&[u8]>;
}

/// The master session key of a method (RFC 5216 §2.3, RFC 5281 §8, RFC 9190 §2.3, RFC 9427 §2.1).
pub(super) fn master_session_key(
    engine: &dyn TlsEngine,
    method: Method,
) -> Result<Secret<[u8; 64]>, TlsFailure> {
    let mut material = [0; KEY_MATERIAL];
    if engine.is_tls13() {
        engine.export(b"EXPORTER_EAP_TLS_Key_Material", Some(&[method.0]), &mut material)?;
    } else {
        let label: &[u8] =
            if method == Method::TTLS { b"ttls keying material" } else { b"client EAP encryption" };
        engine.export(label, None, &mut material)?;
    }
    let mut key = [0; 64];
    for (place, octet) in key.iter_mut().zip(&material) {
        *place = *octet;
    }
    material.zeroize();
    let secret = Secret::new(key);
    key.zeroize();
    Ok(secret)
}

/// The challenge of MSCHAPv2 in TTLS, with its identifier, which both sides know (RFC 5281 §11.1).
pub(super) fn implicit_challenge(engine: &dyn TlsEngine) -> Result<[u8; 17], TlsFailure> {
    let mut challenge = [0; 17];
    engine.export(b"ttls challenge", None, &mut challenge)?;
    Ok(challenge)
}

/// rustls on the server's side.
pub(super) struct Rustls {
    connection: ServerConnection,
    plain: Vec<u8>,
}

impl Rustls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, TlsFailure> {
        Ok(Self { connection: ServerConnection::new(config)?, plain: Vec::new() })
    }

    fn take_plain(&mut self, length: usize) -> Result<(), TlsFailure> {
        if length == 0 {
            return Ok(());
        }
        // Moved by hand, so that no copy is left behind where a vector grows.
        let mut all = Vec::with_capacity(self.plain.len() + length);
        all.extend_from_slice(&self.plain);
        self.plain.zeroize();
        let start = all.len();
        all.resize(start + length, 0);
        let place = all.get_mut(start..).unwrap_or_default();
        let read = self.connection.reader().read_exact(place);
        self.plain = all;
        read.map_err(|error| TlsFailure::Protocol(error.to_string()))
    }
}

impl Drop for Rustls {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}

impl TlsEngine for Rustls {
    fn receive(&mut self, mut records: &[u8]) -> Result<(), TlsFailure> {
        while !records.is_empty() {
            let before = records.len();
            self.connection
                .read_tls(&mut records)
                .map_err(|error| TlsFailure::Protocol(error.to_string()))?;
            let state = self.connection.process_new_packets()?;
            self.take_plain(state.plaintext_bytes_to_read())?;
            if records.len() == before {
                return Err(TlsFailure::Protocol("data after the end of the connection".to_owned()));
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() {
            // Writing into memory does not fail.
            if self.connection.write_tls(&mut records).is_err() {
                break;
            }
        }
        records
    }

    fn progress(&self) -> Progress {
        let over = !self.connection.is_handshaking();
        match self.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) if over => Progress::Over(Handshake::Resumed),
            _ if over => Progress::Over(Handshake::Full),
            Some(HandshakeKind::Resumed) => Progress::Underway(Handshake::Resumed),
            Some(HandshakeKind::Full) => Progress::Underway(Handshake::Full),
            Some(HandshakeKind::FullWithHelloRetryRequest) | None => Progress::Hello,
        }
    }

    fn is_tls13(&self) -> bool {
        self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    fn read(&mut self) -> Secret<Vec<u8>> {
        Secret::new(std::mem::take(&mut self.plain))
    }

    fn write(&mut self, plain: &[u8]) -> Result<(), TlsFailure> {
        let written = self.connection.writer().write_all(plain);
        written.map_err(|error| TlsFailure::Protocol(error.to_string()))
    }

    fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) -> Result<(), TlsFailure> {
        self.connection.export_keying_material(out, label, context)?;
        Ok(())
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        self.connection.peer_certificates()?.first().map(|certificate| certificate.as_ref())
    }
}
