//! Which application asks: by its key or a token that was signed for it, by its certificate, or by where it asks from.
//!
//! What is shown must be right: a key that does not count is refused, whoever asks. Then the application must show what its
//! `identify` wants, and ask from its `networks`.

use super::State;
use super::failure::Failure;
use crate::config::{Api, ApiClient, Config, Identify};
use crate::engine::applications::Asking;
use crate::serve::http::Shown;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// Who asks.
pub(super) struct Caller {
    pub(super) client: Arc<ApiClient>,
    /// Id of the request.
    pub(super) request: String,
    /// Where the person is, as far as it is known.
    pub(super) origin: String,
    pub(super) config: Arc<Config>,
}

impl Caller {
    pub(super) fn asking(&self) -> Asking<'_> {
        Asking { config: &self.config, client: &self.client, request: &self.request, origin: &self.origin }
    }
}

/// Where a request comes from. What a header says counts only if a proxy of ours has written it.
pub(super) fn address(api: &Api, parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0])).to_canonical();
    if !api.is_proxy(peer) {
        return peer;
    }
    let hops = parts.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops = hops.collect::<Vec<_>>().join(",");
    // The last that is no proxy of ours: what stands before it anybody can have written.
    let mut hops = hops.split(',').rev().filter_map(|hop| hop.trim().parse::<IpAddr>().ok());
    hops.find(|hop| !api.is_proxy(*hop)).unwrap_or(peer).to_canonical()
}

/// A key or a token, if one is shown. Basic authentication is somebody else's.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let names = [header::AUTHORIZATION.as_str(), "pi-authorization", "x-api-key"];
    names.into_iter().filter_map(|name| headers.get(name)?.to_str().ok()).find_map(|value| {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or(("", value.trim()));
        match scheme.to_ascii_lowercase().as_str() {
            "" | "bearer" => Some(rest.trim()).filter(|rest| !rest.is_empty()),
            _ => None,
        }
    })
}

/// Says now and then that somebody is refused.
pub(super) fn warn(state: &State, address: IpAddr, what: &'static str) {
    if let Some(left_out) = state.kept.warnings.due(what, address, Instant::now()) {
        tracing::warn!(peer = %address, left_out, "a request of an application is refused: {what}");
    }
}

/// The application, if it may ask.
pub(super) async fn caller(state: &State, parts: &Parts) -> Result<Caller, Failure> {
    let config = state.config.load_full();
    let address = address(&config.api, parts);
    let client = identify(state, &config, parts, address).await?;
    if !state.kept.rates.admit(&client.name, client.rate, Instant::now()) {
        warn(state, address, "it asks more often than its `rate`");
        return Err(Failure::too_often());
    }
    let request = Uuid::now_v7().to_string();
    Ok(Caller { client, request, origin: address.to_string(), config })
}

async fn identify(
    state: &State,
    config: &Config,
    parts: &Parts,
    address: IpAddr,
) -> Result<Arc<ApiClient>, Failure> {
    let certificate = parts.extensions.get::<Shown>().map(|Shown(fingerprint)| *fingerprint);
    let refuse = |what| {
        if !state.kept.rates.admit_stranger(address, Instant::now()) {
            return Failure::too_often();
        }
        warn(state, address, what);
        Failure::unauthorized(
            "This is for applications that are known here. Show a key (`doorward client add`), a certificate, or ask \
             from the application's address.",
        )
    };
    let found = match shown(&parts.headers) {
        Some(credential) => {
            let found = match credential.matches('.').count() {
                2 => state.applications.by_token(&config.api, credential).await,
                _ => state.applications.by_key(&config.api, credential).await,
            };
            let found = found.map_err(|error| Failure::of(&error.into(), "-"))?;
            let (client, _) = found.ok_or_else(|| refuse("the key or token that it shows does not count"))?;
            Some((client, true))
        }
        None => {
            let by_certificate = certificate.and_then(|fingerprint| config.api.by_certificate(&fingerprint));
            let known = by_certificate.or_else(|| config.api.by_network(address));
            known.map(|client| (Arc::clone(client), false))
        }
    };
    let (client, key) = found.ok_or_else(|| refuse("it does not show which application it is"))?;
    let enough = match client.identify {
        Identify::Network => true,
        Identify::Key => key,
        Identify::Certificate => certificate.is_some_and(|shown| client.certificates.contains(&shown)),
    };
    if !enough {
        return Err(refuse("it does not show what its `identify` wants"));
    }
    if !client.asks_from(address) {
        return Err(refuse("its application may not ask from there"));
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn token_stands_bare_in_either_header_and_basic_is_none() {
        let header = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            shown(&headers).map(str::to_owned)
        };
        assert_eq!(header("authorization", "a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(header("pi-authorization", "a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(header("authorization", "Bearer a.b").as_deref(), Some("a.b"));
        assert_eq!(header("x-api-key", "a.b").as_deref(), Some("a.b"));
        assert_eq!(header("authorization", "Basic QTpC"), None);
        assert_eq!(header("authorization", ""), None);
    }
}
