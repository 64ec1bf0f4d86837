//! HTTP towards others: no redirects, no proxies, no retries of the client's own.

use super::tls;
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use std::error::Error;
use std::time::Duration;

/// A client whose connections are made within `connect`, whose requests take `whole` at most, and which keeps `idle`
/// connections to each host. The error is what is wrong.
pub(super) fn client(
    authorities: &[CertificateDer<'static>],
    (connect, whole): (Duration, Duration),
    idle: usize,
) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls::client(authorities)?)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .timeout(whole)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(Duration::from_secs(20))
        .build()
        .map_err(|error| error.to_string())
}

/// An error with all its causes, and without the address, which may have a code in it.
pub(super) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    why
}
