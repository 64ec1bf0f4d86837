//! TLS towards directories.

use crate::config::Directory;
use crate::store::tls;
use rustls::ClientConfig;
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
    tls::client(&directory.authorities).map(Arc::new).map_err(fail)
}
