//! Where a request comes from, and whether it came over TLS.

use crate::config::Config;
use crate::serve::http::{Forwarded, forwarded};
use axum::http::HeaderMap;
use std::net::IpAddr;

/// What a header says counts only if a proxy of ours has written it.
pub(super) fn origin(config: &Config, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, bool) {
    let tls = config.portal.tls.is_some();
    if !config.portal.is_proxy(peer) {
        return (peer.to_canonical(), tls);
    }
    let address = match forwarded(headers, |hop| config.portal.is_proxy(hop)) {
        Forwarded::From(address) => address,
        Forwarded::Nobody | Forwarded::Unreadable => peer,
    };
    let protocols = headers.get_all("x-forwarded-proto").iter().next_back();
    let last = protocols.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next());
    let last = last.unwrap_or_default().trim();
    // Where the portal is known by an address with https, a proxy that does not say so must not take the cookie's protection away.
    let secure = last.eq_ignore_ascii_case("https") || config.portal.is_https();
    (address.to_canonical(), secure)
}
