//! TLS towards directories: rustls, versions 1.2 and 1.3, the server's name and chain always checked.

use crate::config::Directory;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Why TLS cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("directory `{directory}`: {why}")]
pub struct TlsError {
    directory: String,
    why: String,
}

/// The settings of all connections to a directory.
pub(super) fn client(directory: &Directory) -> Result<Arc<ClientConfig>, TlsError> {
    let fail = |why: String| TlsError { directory: directory.name.clone(), why };
    let mut roots = RootCertStore::empty();
    let system: Vec<CertificateDer<'static>>;
    let authorities = if directory.authorities.is_empty() {
        system = rustls_native_certs::load_native_certs().certs;
        &system
    } else {
        &directory.authorities
    };
    let (_, ignored) = roots.add_parsable_certificates(authorities.iter().cloned());
    if ignored > 0 && !directory.authorities.is_empty() {
        return Err(fail(format!("`ca_file` has {ignored} certificates that cannot be read")));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
