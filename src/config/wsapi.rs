//! `[wsapi]`: being a validation server for YubiKeys.

use super::files::{Files, LONGEST, contents};
use super::report::At;
use super::section::Section;
use super::yubico::api_key;
use crate::base::Timestamp;
use crate::wire::wsapi::ApiKey;
use crate::wire::x509::Facts;
use ipnet::IpNet;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::danger::ClientCertVerifier;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// `[wsapi]`
#[derive(Debug, Clone)]
pub struct Wsapi {
    /// TCP addresses; none: it is not served.
    pub listen: Vec<SocketAddr>,
    /// With it, TLS; without, loopback only.
    pub tls: Option<ServerTls>,
    /// Requests of one client in a second.
    pub rate: u32,
    /// Who may ask, by id.
    pub clients: HashMap<u32, WsapiClient>,
}

/// `[[wsapi.client]]`
#[derive(Debug, Clone)]
pub struct WsapiClient {
    /// The key that we share.
    pub key: ApiKey,
    /// Where it asks from; empty: from anywhere.
    pub networks: Vec<IpNet>,
}

impl WsapiClient {
    /// Whether it asks from there.
    pub fn asks_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Certificate and key, ready to be used, and when the certificate ends, as far as that can be read.
#[derive(Clone)]
pub struct ServerTls(pub Arc<ServerConfig>, pub Option<Timestamp>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tls]")
    }
}

pub(super) fn wsapi(section: &Section<'_>, files: &Files<'_>) -> Option<Wsapi> {
    let tls = tls(section, files);
    let protected = !matches!(tls, Some(None));
    let listen = listen(section, protected, "OTPs");
    let rate = section.number("rate", 1..=100_000);
    let clients = clients(section, files);
    if listen.as_ref().is_some_and(|listen| !listen.is_empty()) && section.tables("client").is_empty() {
        let message = "[wsapi] is served, and nobody may ask: there is no [[wsapi.client]]";
        section.error(section.place("listen"), message, "add one, with `id` and `secret_file`");
    }
    Some(Wsapi { listen: listen?, tls: tls?, rate: rate?, clients: clients? })
}

/// `what` would come there unprotected.
pub(super) fn listen(section: &Section<'_>, protected: bool, what: &str) -> Option<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let wanted = "an address with a port, such as \"127.0.0.1:8443\" or \"[::]:8443\"";
    for (text, at) in section.texts("listen")? {
        let Some(address) = section.understand::<SocketAddr>(&text, at, "listen", wanted) else { continue };
        if address.port() != 0 && addresses.contains(&address) {
            section.error(at, format!("`{text}` stands here twice"), "take one of them out");
        }
        if !protected && !address.ip().is_loopback() {
            let message = format!("{what} would come to {text} unprotected");
            section.error(at, message, "add `certificate_file` and `private_key_file`, or use 127.0.0.1");
        }
        addresses.push(address);
    }
    Some(addresses)
}

/// The outer `None`: it has errors; the inner one: there is none.
pub(super) fn tls(section: &Section<'_>, files: &Files<'_>) -> Option<Option<ServerTls>> {
    tls_for(section, files, None)
}

/// The same, where clients may show certificates.
pub(super) fn tls_for(
    section: &Section<'_>,
    files: &Files<'_>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Option<Option<ServerTls>> {
    let Some(Identity { chain, key, at }) = identity(section, files)? else { return Some(None) };
    let ends = chain.first().and_then(|own| Facts::of(own)).and_then(|facts| facts.not_after);
    match server(chain, key, clients) {
        Ok(config) => Some(Some(ServerTls(Arc::new(config), ends))),
        Err(error) => {
            mismatch(section, at, &error);
            None
        }
    }
}

/// Reports a key that is not the certificate's.
pub(super) fn mismatch(section: &Section<'_>, at: At, error: &rustls::Error) {
    let message = format!("certificate and private key cannot be used together: {error}");
    section.error(at, message, "the key that the certificate was made for");
}

/// A certificate with its chain, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Where the certificate is named.
    pub(super) at: At,
}

/// Reads both; the outer `None`: there are errors; the inner one: there is none.
pub(super) fn identity(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Identity>> {
    let (certificate, at) = section.text("certificate_file")?;
    let key = ["private_key_file", "private_key_credential"].map(|key| section.written(key).map(|_| key));
    let key = match (certificate.is_empty(), key) {
        (true, [None, None]) => return Some(None),
        (false, [Some(key), None] | [None, Some(key)]) => key,
        (true, [given, other]) => {
            let place = section.place(given.or(other).unwrap_or_default());
            section.error(place, "a private key without its certificate", "add `certificate_file`");
            return None;
        }
        (false, _) => {
            let message = "exactly one of `private_key_file` and `private_key_credential` is needed here";
            section.error(at, message, "the key that belongs to `certificate_file`");
            return None;
        }
    };
    let chain = chain(section, files, &certificate, at);
    let (name, key_at) = section.text(key)?;
    let pem = match key {
        "private_key_file" => files.secret_file(section, &name, key_at)?,
        _ => files.credential(section, &name, key_at)?,
    };
    let Ok(private) = PrivateKeyDer::from_pem_slice(pem.expose()) else {
        section.error(
            key_at,
            format!("{name} holds no private key in PEM form"),
            "PKCS #8, PKCS #1 or SEC 1",
        );
        return None;
    };
    Some(Some(Identity { chain: chain?, key: private, at }))
}

/// Certificates in PEM form.
pub(super) fn chain(
    section: &Section<'_>,
    files: &Files<'_>,
    name: &str,
    at: At,
) -> Option<Vec<CertificateDer<'static>>> {
    let path = files.base.join(name);
    let fail = |what: String| {
        section.error(
            at,
            format!("{} {what}", path.display()),
            "certificates in PEM form; of a chain, the server's first",
        );
        None
    };
    match contents(&path, LONGEST) {
        Ok(bytes) => match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(chain) if !chain.is_empty() => Some(chain),
            _ => fail("holds no certificates".to_owned()),
        },
        Err(what) => fail(what),
    }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn clients(root: &Section<'_>, files: &Files<'_>) -> Option<HashMap<u32, WsapiClient>> {
    let mut clients = HashMap::new();
    for (entries, at) in root.tables("client") {
        let section = Section::new("wsapi.client", entries, at, &root.sink);
        let id = section.number::<u32>("id", 1..=i64::from(u32::MAX));
        let owner = id.map_or_else(|| "the client".to_owned(), |id| format!("client {id}"));
        let key = api_key(&section, files, &owner);
        let networks = networks(&section, "networks");
        if let (Some(id), Some(key), Some(networks)) = (id, key, networks)
            && clients.insert(id, WsapiClient { key, networks }).is_some()
        {
            section.error(section.place("id"), format!("two clients have the id {id}"), "ids are unique");
        }
    }
    Some(clients)
}

pub(super) fn networks(section: &Section<'_>, key: &str) -> Option<Vec<IpNet>> {
    let mut networks = Vec::new();
    for (text, at) in section.texts(key)? {
        match text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            Some(IpNet::V6(mapped)) if mapped.addr().to_ipv4_mapped().is_some() => {
                section.error(
                    at,
                    format!("`{text}` is IPv4 in IPv6"),
                    "write it as IPv4, such as \"192.0.2.0/24\"",
                );
            }
            Some(network) if network.trunc() != network => {
                let hint = format!("did you mean `{}`?", network.trunc());
                section.error(at, format!("`{text}` has bits beyond its prefix"), hint);
            }
            Some(network) => networks.push(network),
            None => {
                let hint = "an address or a prefix, such as \"192.0.2.7\" or \"2001:db8::/48\"";
                section.error(at, format!("`{text}` is no network"), hint);
            }
        }
    }
    Some(networks)
}
