//! TLS towards others: rustls, versions 1.2 and 1.3, the peer's name and chain always checked.

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Settings with these authorities; without any, with those that the system trusts. The error is what is wrong.
pub(super) fn client(authorities: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = if authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)
    } else {
        roots.add_parsable_certificates(authorities.iter().cloned())
    };
    if ignored > 0 && !authorities.is_empty() {
        return Err(format!("`ca_file` has {ignored} certificates that cannot be read"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
