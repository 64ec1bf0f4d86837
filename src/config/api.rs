//! `[api]` and `[[api_client]]`: what applications ask for people over HTTPS, and which applications may.

use super::client::policies;
use super::files::{Files, LONGEST, contents};
use super::report::At;
use super::section::Section;
use super::wsapi::{ServerTls, listen, networks, tls_for};
use crate::domain::policy::ClientPolicy;
use crate::wire::privacyidea::Decoding;
use data_encoding::HEXLOWER_PERMISSIVE;
use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Longest name of an application: it stands in signed tokens.
const NAME: usize = 64;

/// `[api]`
#[derive(Debug, Clone)]
pub struct Api {
    /// TCP addresses; none: it is not served.
    pub listen: Vec<SocketAddr>,
    /// With it, TLS; without, this machine and `proxies` only.
    pub tls: Option<ServerTls>,
    /// Proxies in front.
    pub proxies: Vec<IpNet>,
    /// How long a signed token of `/auth` is good.
    pub token_lifetime: Duration,
    /// `[[api_client]]`
    pub clients: Vec<Arc<ApiClient>>,
}

/// How an application shows which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identify {
    /// By where it asks from.
    Network,
    /// By a key that was made for it.
    Key,
    /// By a certificate.
    Certificate,
}

/// What an application may do beside having people's passcodes checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiRight {
    /// Have a passcode asked for of somebody who has typed nothing yet.
    Trigger,
    /// Say that only the passcode is to be checked, though its policy asks for more.
    OtpOnly,
    /// See which passcodes somebody has.
    List,
    /// Set up passcode apps for people.
    Enroll,
}

impl ApiRight {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            ApiRight::Trigger => "trigger",
            ApiRight::OtpOnly => "otponly",
            ApiRight::List => "list",
            ApiRight::Enroll => "enroll",
        }
    }

    /// What an application is told that has it not.
    pub const fn missing(self) -> &'static str {
        match self {
            ApiRight::Trigger => {
                "This application may not have passcodes asked for. Give it the right `trigger` in the configuration."
            }
            ApiRight::OtpOnly => {
                "This application may not say that only the passcode counts. Give it the right `otponly`, or leave it out."
            }
            ApiRight::List => {
                "This application may not see which passcodes people have. Give it the right `list` in the configuration."
            }
            ApiRight::Enroll => {
                "This application may not set up apps for people. Give it the right `enroll` in the configuration."
            }
        }
    }
}

/// `[[api_client]]`
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// Name for log, audit and keys.
    pub name: String,
    /// Where it asks from; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// How it shows which one it is.
    pub identify: Identify,
    /// SHA-256 of its certificates.
    pub certificates: Vec<[u8; 32]>,
    /// What it may do.
    pub rights: Vec<ApiRight>,
    /// What it says about people and where they are is believed, and it is told which names nobody has.
    pub trusted: bool,
    /// Whether what it sends is encoded once or twice.
    pub decoding: Decoding,
    /// Names of realms that mean no realm here; lower case.
    pub realms: Vec<String>,
    /// Requests in a second.
    pub rate: u32,
    /// Codes that may be sent in `codes.window` for people of whom it does not say where they are, by each of its addresses.
    pub codes_per_origin: u32,
    /// What it asks of people.
    pub policy: ClientPolicy,
}

impl ApiClient {
    /// Whether it asks from there.
    pub fn asks_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether it may.
    pub fn may(&self, right: ApiRight) -> bool {
        self.rights.contains(&right)
    }
}

impl Api {
    /// Whether a connection from there is one of a proxy in front.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// The application of this name.
    pub fn client(&self, name: &str) -> Option<&Arc<ApiClient>> {
        self.clients.iter().find(|client| client.name == name)
    }

    /// The application that is known by where it asks from: of all, the one with the longest prefix.
    pub fn by_network(&self, address: IpAddr) -> Option<&Arc<ApiClient>> {
        let address = address.to_canonical();
        let covers = |client: &ApiClient| {
            let lengths = client.networks.iter().filter(|network| network.contains(&address));
            lengths.map(IpNet::prefix_len).max()
        };
        let known = self.clients.iter().filter(|client| client.identify == Identify::Network);
        known
            .filter_map(|client| Some((covers(client)?, client)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, c)| c)
    }

    /// The application with this certificate.
    pub fn by_certificate(&self, fingerprint: &[u8; 32]) -> Option<&Arc<ApiClient>> {
        self.clients.iter().find(|client| client.certificates.contains(fingerprint))
    }
}

/// `taken`: names of RADIUS clients, which must be others: a challenge is bound to a name.
pub(super) fn api(root: &Section<'_>, files: &Files<'_>, taken: &[String]) -> Option<Api> {
    let section = root.table("api");
    let authorities = authorities(&section, files);
    let verifier = authorities.as_ref().and_then(|roots| verifier(&section, roots.as_deref()));
    let tls = verifier.as_ref().and_then(|verifier| tls_for(&section, files, verifier.clone()));
    let proxies = networks(&section, "proxies");
    let protected = !matches!(tls, Some(None)) || proxies.as_ref().is_some_and(|list| !list.is_empty());
    let listen = listen(&section, protected, "passwords and passcodes");
    let token_lifetime = section.duration("token_lifetime", MINUTE..=24 * 60 * MINUTE);
    let certificates = matches!(authorities, Some(Some(_)));
    let clients = clients(root, certificates, taken, proxies.as_deref().unwrap_or_default());
    if listen.as_ref().is_some_and(|listen| !listen.is_empty()) && root.tables("api_client").is_empty() {
        let message = "[api] is served, and nobody may ask: there is no [[api_client]]";
        section.error(
            section.place("listen"),
            message,
            "add one, with `name`, and `networks` or `identify = \"key\"`",
        );
    }
    Some(Api {
        listen: listen?,
        tls: tls?,
        proxies: proxies?,
        token_lifetime: token_lifetime?,
        clients: clients?,
    })
}

/// The outer `None`: it has errors; the inner one: there are none.
fn authorities(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Vec<CertificateDer<'static>>>> {
    let (name, at) = section.text("client_ca_file")?;
    if name.is_empty() {
        return Some(None);
    }
    let path = files.base.join(&name);
    let read = contents(&path, LONGEST).and_then(|bytes| {
        let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| "holds no certificates".to_owned())
    });
    match read {
        Ok(chain) => Some(Some(chain)),
        Err(what) => {
            section.error(at, format!("{} {what}", path.display()), "certificates in PEM form");
            None
        }
    }
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

/// Certificates are asked for and may be left out: not every application has one.
fn verifier(section: &Section<'_>, roots: Option<&[CertificateDer<'static>]>) -> Option<Option<Verifier>> {
    let Some(roots) = roots else { return Some(None) };
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let built =
        WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).allow_unauthenticated();
    match built.build() {
        Ok(verifier) => Some(Some(verifier)),
        Err(error) => {
            let message = format!("these authorities cannot be used: {error}");
            section.error(section.place("client_ca_file"), message, "certificates in PEM form");
            None
        }
    }
}

fn clients(
    root: &Section<'_>,
    authorities: bool,
    taken: &[String],
    proxies: &[IpNet],
) -> Option<Vec<Arc<ApiClient>>> {
    let mut clients: Vec<Arc<ApiClient>> = Vec::new();
    let mut seen = HashMap::new();
    for (entries, at) in root.tables("api_client") {
        let section = Section::new("api_client", entries, at, &root.sink);
        let Some(client) = client(&section, authorities) else { continue };
        let at = section.place("name");
        if clients.iter().any(|other| other.name == client.name) {
            section.error(at, format!("two applications are called `{}`", client.name), "names are unique");
        }
        if taken.contains(&client.name) {
            let message = format!("a [[client]] is called `{}` already", client.name);
            section.error(at, message, "names are unique: a challenge is bound to one");
        }
        if client.identify == Identify::Network {
            addresses(&section, &client.networks, proxies, &mut seen);
        }
        clients.push(Arc::new(client));
    }
    Some(clients)
}

/// Addresses by which an application is known: all that it shows, so each must be of one application alone.
fn addresses(section: &Section<'_>, networks: &[IpNet], proxies: &[IpNet], seen: &mut HashMap<IpNet, At>) {
    let at = section.place("networks");
    for network in networks {
        if network.prefix_len() == 0 {
            let message =
                format!("{network} is everybody, and this application shows nothing but its address");
            section.error(at, message, "name its addresses, or set `identify = \"key\"`");
        }
        if proxies.iter().any(|proxy| proxy.contains(network)) {
            let message = format!("{network} is a proxy of `api.proxies`, and anybody can be behind it");
            section.error(at, message, "name the application's own addresses");
        }
        if let Some(first) = seen.insert(*network, at) {
            let place = section.sink.borrow().place(first);
            let message = format!("{network} belongs to another application already");
            section.error(at, message, format!("see {place}"));
        }
    }
}

fn client(section: &Section<'_>, authorities: bool) -> Option<ApiClient> {
    let name = name(section);
    let networks = networks(section, "networks");
    let ways =
        [("network", Identify::Network), ("key", Identify::Key), ("certificate", Identify::Certificate)];
    let identify = section.choice("identify", &ways);
    let certificates = certificates(section);
    let rights = [ApiRight::Trigger, ApiRight::OtpOnly, ApiRight::List, ApiRight::Enroll];
    let rights = rights.map(|right| (right.as_str(), right));
    let rights = section.choices("rights", &rights);
    let trusted = section.boolean("trusted");
    let ways = [("auto", Decoding::Auto), ("once", Decoding::Once), ("twice", Decoding::Twice)];
    let decoding = section.choice("decoding", &ways);
    let realms = section.texts("realms");
    let rate = section.number("rate", 1..=100_000);
    let codes_per_origin = section.number("codes_per_origin", 1..=1_000_000);
    let policy = policies(section, "api_client.group");
    let client = ApiClient {
        name: name?,
        networks: networks?,
        identify: identify?,
        certificates: certificates?,
        rights: rights?,
        trusted: trusted?,
        decoding: decoding?,
        realms: realms?.into_iter().map(|(realm, _)| realm.to_lowercase()).collect(),
        rate: rate?,
        codes_per_origin: codes_per_origin?,
        policy: policy?,
    };
    contradictions(section, &client, authorities);
    Some(client)
}

fn name(section: &Section<'_>) -> Option<String> {
    let (name, at) = section.text("name")?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME || !name.bytes().all(fine) {
        let hint = "at most 64 letters, digits, points, dashes and underscores";
        section.error(at, format!("`{name}` is no name for an application"), hint);
        return None;
    }
    Some(name)
}

fn certificates(section: &Section<'_>) -> Option<Vec<[u8; 32]>> {
    let mut certificates = Vec::new();
    for (text, at) in section.texts("certificates")? {
        let plain: String = text.chars().filter(|c| *c != ':').collect();
        match HEXLOWER_PERMISSIVE.decode(plain.as_bytes()).map(<[u8; 32]>::try_from) {
            Ok(Ok(fingerprint)) => certificates.push(fingerprint),
            _ => {
                let hint = "openssl x509 -in FILE -noout -fingerprint -sha256";
                section.error(at, format!("`{text}` is no SHA-256 of a certificate"), hint);
            }
        }
    }
    Some(certificates)
}

/// Settings that make no sense together.
fn contradictions(section: &Section<'_>, client: &ApiClient, authorities: bool) {
    match client.identify {
        Identify::Network if client.networks.is_empty() => {
            let message = "this application is known by where it asks from, and `networks` is empty";
            section.error(
                section.place("identify"),
                message,
                "name its addresses, or set `identify = \"key\"`",
            );
        }
        Identify::Network if client.may(ApiRight::Enroll) => {
            let message =
                "who sets up apps for people must have a key or a certificate: an address can be shared";
            section.error(
                section.place("rights"),
                message,
                "set `identify = \"key\"`, or leave `enroll` out",
            );
        }
        Identify::Certificate if client.certificates.is_empty() => {
            let message = "this application is known by its certificate, and `certificates` is empty";
            section.error(section.place("identify"), message, "add the SHA-256 of its certificate");
        }
        Identify::Certificate if !authorities => {
            let message = "certificates are only asked for with `client_ca_file` in [api]";
            section.error(section.place("identify"), message, "set it to the authority of this certificate");
        }
        _ => {}
    }
}
