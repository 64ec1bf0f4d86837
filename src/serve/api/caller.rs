//! Which application asks: by its key or a token that was signed for it, by its certificate, or by where it asks from.
//!
//! What is shown must be right: a key that does not count is refused, whoever asks. Then the application must show what its
//! `identify` wants, and ask from its `networks`. A token whose time is over shows nothing: some plug-ins send the one of a trigger
//! with the check that follows, where no token is needed.
//!
//! What a browser sends along for any page, its address and its certificate, is not enough for what a page has sent.

use super::State;
use super::failure::Failure;
use crate::config::{Api, ApiClient, Config, Identify};
use crate::engine::applications::Asking;
use crate::serve::http::{Forwarded, Shown, forwarded};
use crate::wire::privacyidea::answer::code;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// Who asks.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) client: Arc<ApiClient>,
    /// Id of the request.
    pub(super) request: String,
    /// Where the person is, as far as it is known.
    pub(super) origin: String,
    /// It is where the application is: so many codes may be sent for people of whom it does not say more.
    pub(super) crowd: Option<u32>,
    pub(super) config: Arc<Config>,
}

impl Caller {
    pub(super) fn asking(&self) -> Asking<'_> {
        let Self { client, request, origin, crowd, config } = self;
        Asking { config, client, request, origin, crowd: *crowd }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From there, with or without a proxy of ours between.
    Address(IpAddr),
    /// From a proxy of ours, which does not say for whom.
    Proxy(IpAddr),
    /// From a proxy of ours, for somebody whose address cannot be read.
    Unreadable(IpAddr),
}

impl Origin {
    /// What a header says counts only if a proxy of ours has written it.
    pub(super) fn of(api: &Api, parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0])).to_canonical();
        if !api.is_proxy(peer) {
            return Origin::Address(peer);
        }
        match forwarded(&parts.headers, |hop| api.is_proxy(hop)) {
            Forwarded::From(address) => Origin::Address(address),
            Forwarded::Nobody => Origin::Proxy(peer),
            Forwarded::Unreadable => Origin::Unreadable(peer),
        }
    }

    /// The address, as far as it is known.
    pub(super) fn address(self) -> IpAddr {
        match self {
            Origin::Address(address) | Origin::Proxy(address) | Origin::Unreadable(address) => address,
        }
    }

    /// The application that is known by its address. No proxy is one: anybody can be behind it.
    fn application(self, api: &Api) -> Option<&Arc<ApiClient>> {
        match self {
            Origin::Address(address) => api.by_network(address),
            Origin::Proxy(_) | Origin::Unreadable(_) => None,
        }
    }

    /// Whether it is one of an application's `networks`.
    fn is_of(self, client: &ApiClient) -> bool {
        match self {
            Origin::Address(address) | Origin::Proxy(address) => client.asks_from(address),
            Origin::Unreadable(_) => client.networks.is_empty(),
        }
    }
}

/// A key or a token, if one is shown. Basic authentication is somebody else's, so the header that nobody else uses comes first.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let names = ["pi-authorization", header::AUTHORIZATION.as_str(), "x-api-key"];
    names.into_iter().filter_map(|name| headers.get(name)?.to_str().ok()).find_map(|value| {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or(("", value.trim()));
        match scheme.to_ascii_lowercase().as_str() {
            "" | "bearer" => Some(rest.trim()).filter(|rest| !rest.is_empty()),
            _ => None,
        }
    })
}

/// Whether a browser has sent it. It says so over TLS with everything (Fetch Metadata Request Headers), and an older one with a
/// POST; programs say neither.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// Says now and then that somebody is refused.
pub(super) fn warn(state: &State, address: IpAddr, what: &'static str) {
    if let Some(left_out) = state.kept.warnings.due(what, address, Instant::now()) {
        tracing::warn!(peer = %address, left_out, "a request of an application is refused: {what}");
    }
}

/// Whether an application that was found may ask: it must show what its `identify` wants, from one of its `networks`. Else why not.
pub(super) fn admit(
    client: &ApiClient,
    (parts, origin): (&Parts, Origin),
    key: bool,
) -> Result<(), &'static str> {
    let certificate = || parts.extensions.get::<Shown>().map(|Shown(fingerprint)| fingerprint);
    let enough = match client.identify {
        Identify::Network => true,
        Identify::Key => key,
        Identify::Certificate => certificate().is_some_and(|shown| client.certificates.contains(shown)),
    };
    match (enough, origin.is_of(client)) {
        (false, _) => Err("it does not show what its `identify` wants"),
        (_, false) => Err("its application may not ask from there"),
        (true, true) => Ok(()),
    }
}

/// Whether a key of this id may be looked up for somebody: one that has counted before always, others as long as the address has
/// not shown too much that does not count.
pub(super) fn may_look_up(state: &State, id: &str, address: IpAddr) -> bool {
    state.kept.proven.has(id) || state.kept.rates.has_room(address, Instant::now())
}

/// The application, if it may ask.
pub(super) async fn caller(state: &State, parts: &Parts) -> Result<Caller, Failure> {
    let config = state.config.load_full();
    let origin = Origin::of(&config.api, parts);
    let client = identify(state, &config, parts, origin).await?;
    if !state.kept.rates.admit(&client.name, client.rate, Instant::now()) {
        warn(state, origin.address(), "it asks more often than its `rate`");
        return Err(Failure::too_often());
    }
    let request = Uuid::now_v7().to_string();
    let crowd = Some(client.codes_per_origin);
    Ok(Caller { client, request, origin: origin.address().to_string(), crowd, config })
}

async fn identify(
    state: &State,
    config: &Config,
    parts: &Parts,
    origin: Origin,
) -> Result<Arc<ApiClient>, Failure> {
    let refuse = |what| {
        if !state.kept.rates.admit_stranger(origin.address(), Instant::now()) {
            return Failure::stranger_too_often();
        }
        warn(state, origin.address(), what);
        let mut failure = Failure::unauthorized(
            "This is for applications that are known here. Show a key (`doorward client add`), a certificate, or ask \
             from the application's address.",
        );
        if shown(&parts.headers).is_none() {
            failure.code = code::NOTHING_SHOWN;
        }
        failure
    };
    let credential = shown(&parts.headers);
    let over = credential.and_then(|credential| state.applications.of_old_token(credential));
    let (client, key) = match credential.filter(|_| over.is_none()) {
        Some(credential) => {
            let found = by_credential(state, config, credential, origin).await?;
            (found.ok_or_else(|| refuse("the key or token that it shows does not count"))?, true)
        }
        None => {
            let certificate = parts.extensions.get::<Shown>();
            let by_certificate =
                certificate.and_then(|Shown(fingerprint)| config.api.by_certificate(fingerprint));
            let known = by_certificate.or_else(|| origin.application(&config.api));
            // It is as if nothing were shown, and makes nobody another application than it says.
            let known = known.filter(|known| over.as_ref().is_none_or(|name| *name == known.name));
            let known = known.ok_or_else(|| match origin {
                Origin::Unreadable(_) => refuse("X-Forwarded-For of its proxy holds no address at its end"),
                _ if over.is_some() => refuse("the token that it shows is over"),
                _ => refuse("it does not show which application it is"),
            });
            let known = Arc::clone(known?);
            if is_of_a_page(&parts.headers) {
                warn(state, origin.address(), "a page in a browser has sent it, and shows no key");
                return Err(Failure::forbidden(
                    "A page in a browser has sent this (Sec-Fetch-Site or Origin), and for that an address or a \
                     certificate is not enough. Send it from a program, or show a key.",
                ));
            }
            (known, false)
        }
    };
    admit(&client, (parts, origin), key).map_err(refuse)?;
    Ok(client)
}

/// The application of a key or token, if it counts.
async fn by_credential(
    state: &State,
    config: &Config,
    credential: &str,
    origin: Origin,
) -> Result<Option<Arc<ApiClient>>, Failure> {
    let found = if credential.matches('.').count() == 2 {
        // Signed by us, so nobody can have one looked up by chance.
        state.applications.by_token(&config.api, credential).await
    } else {
        let id = credential.split_once('.').map_or("", |(id, _)| id);
        if !may_look_up(state, id, origin.address()) {
            return Err(Failure::stranger_too_often());
        }
        state.applications.by_key(&config.api, credential).await
    };
    let found = found.map_err(|error| Failure::of(&error.into(), "-"))?;
    Ok(found.map(|(client, id)| {
        state.kept.proven.note(&id);
        client
    }))
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
        let mut both = HeaderMap::new();
        both.insert("authorization", "Bearer of-the-proxy".parse().unwrap());
        both.insert("pi-authorization", "a.b".parse().unwrap());
        assert_eq!(shown(&both), Some("a.b"), "the one that is meant for us");
    }

    // R-API-1
    #[test]
    fn page_is_told_by_what_browsers_add_and_programs_do_not() {
        let of_a_page = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
            });
            is_of_a_page(&headers.collect())
        };
        for site in ["cross-site", "same-site", "same-origin", "none"] {
            assert!(of_a_page(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(of_a_page(&[("origin", "null")]), "as older ones do");
        assert!(!of_a_page(&[
            ("user-agent", "PAM/1.1.0"),
            ("accept", "*/*"),
            ("referer", "https://a.example")
        ]));
    }
}
