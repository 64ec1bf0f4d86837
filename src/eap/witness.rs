//! Remembers the certificate of a peer that was refused: rustls keeps none that is, and an error of ours that carried it would send the
//! peer a less telling alert. A certificate is verified where records are taken, on the same thread, so it waits there.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static REFUSED: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// The certificate that was refused on this thread, once.
pub(super) fn refused() -> Option<Vec<u8>> {
    REFUSED.take()
}

/// A verifier that decides as this one does, and whose refusals name the certificate ([`super::TlsFailure::Certificate`]).
pub fn witnessed(verifier: Arc<dyn ClientCertVerifier>) -> Arc<dyn ClientCertVerifier> {
    Arc::new(Witness(verifier))
}

#[derive(Debug)]
struct Witness(Arc<dyn ClientCertVerifier>);

impl Witness {
    fn note<T>(certificate: &CertificateDer<'_>, verified: Result<T, Error>) -> Result<T, Error> {
        REFUSED.set(verified.is_err().then(|| certificate.to_vec()));
        verified
    }
}

impl ClientCertVerifier for Witness {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::note(certificate, self.0.verify_client_cert(certificate, intermediates, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::note(certificate, self.0.verify_tls12_signature(message, certificate, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::note(certificate, self.0.verify_tls13_signature(message, certificate, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}
