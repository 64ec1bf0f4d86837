//! `[eap]`: Wi-Fi and wired networks by 802.1X.

use super::files::{Files, LONGEST, contents};
use super::report::At;
use super::section::Section;
use super::wsapi::{self, Identity};
use super::{Client, ClientEap};
use crate::base::{Clock, PrefixMap, SystemClock, Timestamp};
use crate::eap::{InnerMethod, NameKind, Settings, witnessed};
use crate::wire::eap::Method;
use crate::wire::x509::{Facts, list_validity};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject,
};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion, version,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A certificate that ends within that time is spoken of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// What `inner` and `certificate_names` can say.
const INNER: [(&str, InnerMethod); 3] =
    [("pap", InnerMethod::Pap), ("gtc", InnerMethod::Gtc), ("mschapv2", InnerMethod::Mschapv2)];
const NAMES: [(&str, NameKind); 4] = [
    ("upn", NameKind::Upn),
    ("email", NameKind::Email),
    ("dns", NameKind::Dns),
    ("common", NameKind::Common),
];

/// `[eap]`
#[derive(Debug, Clone)]
pub struct Eap {
    /// What the conversations work with.
    pub settings: Arc<Settings>,
    /// Methods, in the order in which they are offered.
    pub methods: Vec<Method>,
    /// What may stand inside a tunnel, in the order in which it is offered.
    pub inner: Vec<InnerMethod>,
    /// Realms that are taken off identities.
    pub realms: Vec<String>,
    /// Conversations under way at most.
    pub conversations: usize,
    /// How long one may take.
    pub lifetime: Duration,
    /// Sessions that are kept to be resumed.
    pub sessions: usize,
    /// When the last certificate of the server's chain begins.
    pub begins: Option<Timestamp>,
    /// When the first certificate of the server's chain ends.
    pub ends: Option<Timestamp>,
    /// Its number in the chain, from 1.
    pub first_to_end: usize,
    /// Lists of revoked certificates, if there are any.
    pub revocations: Option<Revocations>,
    /// Digest of the server's certificate, and of what may stand in a tunnel or name somebody: a session that began under another is not resumed.
    pub trust: [u8; 32],
}

/// Lists of revoked certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocations {
    /// From when on there should be a newer one of each: three quarters of the time of one are over.
    pub due: Timestamp,
    /// When the first ends, and with it every login by a certificate of its authority.
    pub ends: Timestamp,
}

impl Eap {
    /// What may stand in a tunnel at a client, in the order in which it is offered.
    pub fn inner_at(&self, client: &ClientEap) -> Vec<InnerMethod> {
        let taken = |inner: &InnerMethod| client.device_passwords || *inner != InnerMethod::Mschapv2;
        self.inner.iter().copied().filter(taken).collect()
    }

    /// Methods that a client can be offered, in that order: those that are allowed at both, and have what they need.
    pub fn methods_at(&self, client: &ClientEap) -> Vec<Method> {
        let inner = self.inner_at(client);
        let fits = |method: &Method| client.methods.contains(method) && self.settings.offers(*method, &inner);
        self.methods.iter().copied().filter(fits).collect()
    }

    /// Whether there is EAP-TLS where a client names it.
    fn takes_certificates(&self) -> bool {
        self.settings.tls.is_some() && self.methods.contains(&Method::TLS)
    }

    /// What to do about a client at which nobody can log in by EAP, although methods are allowed there.
    fn passed_over(&self, client: &Client) -> Option<String> {
        let wanted = &client.eap.methods;
        if wanted.is_empty() || !self.methods_at(&client.eap).is_empty() {
            return None;
        }
        let device = match self.inner.contains(&InnerMethod::Mschapv2) {
            true => "`device_passwords = true` there",
            false => "`mschapv2` in `inner` of [eap] with `device_passwords = true` there",
        };
        let lacks = |method: &Method| match *method {
            method if !self.methods.contains(&method) => "to be in `methods` of [eap]".to_owned(),
            Method::TLS => "`client_ca_file` in [eap]".to_owned(),
            Method::PEAP => format!("{device}, or `gtc` in `inner` of [eap]"),
            _ => format!("{device}, or `gtc` or `pap` in `inner` of [eap]"),
        };
        let needs = wanted.iter().map(|method| format!("`{}` needs {}", method.name(), lacks(method)));
        let needs = needs.collect::<Vec<_>>().join("; ");
        let unnamed = self.takes_certificates() && !wanted.contains(&Method::TLS);
        let or = if unnamed { "; or name `tls`, for certificates of devices" } else { "" };
        let name = &client.name;
        Some(format!("client `{name}` can be offered no EAP method: {needs}{or}; or set `eap = []` there"))
    }

    /// What is to be said of the server's certificates, and of the lists of revoked ones.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let which = match self.first_to_end {
            1 => "the certificate".to_owned(),
            number => format!("certificate {number} of `certificate_file`"),
        };
        let begin = self.begins.filter(|begin| *begin > now).map(|begin| {
            format!("[eap] a certificate of `certificate_file` begins later ({begin}); until then no device accepts it")
        });
        let certificate = self.ends.and_then(|end| match end {
            end if end <= now => {
                Some(format!("[eap] {which} has ended ({end}); no device accepts it any more"))
            }
            end if end <= now + SOON => Some(format!("[eap] {which} ends soon ({end}); get a new one")),
            _ => None,
        });
        let lists = self.revocations.and_then(|lists| match lists.ends {
            end if end <= now => Some(format!(
                "[eap] `crl_file` holds a list that has ended ({end}); certificates of its authority are refused: \
                 get a new one, and reload"
            )),
            end if lists.due <= now => Some(format!(
                "[eap] `crl_file` holds a list that ends soon ({end}), and then certificates of its authority are \
                 refused: get a new one, and reload"
            )),
            _ => None,
        });
        begin.into_iter().chain(certificate).chain(lists).collect()
    }
}

/// Warns of clients at which nobody can log in by EAP, although the configuration says so.
pub(super) fn warn_of_clients(clients: &PrefixMap<Arc<Client>>, eap: Option<&Eap>, files: &Files<'_>) {
    let mut said = false;
    for (_, client) in clients.iter() {
        let warning = match eap {
            Some(eap) => eap.passed_over(client),
            None => client.eap.is_named().then(|| {
                let name = &client.name;
                format!("client `{name}` names EAP methods, and there is no EAP: set `certificate_file` and its key in [eap], or take `eap` out there")
            }),
        };
        said |= warning.is_some();
        warning.into_iter().for_each(|warning| files.warn(warning));
    }
    let names = |(_, client): (_, &Arc<Client>)| client.eap.methods.contains(&Method::TLS);
    if !said && eap.is_some_and(Eap::takes_certificates) && !clients.iter().any(names) {
        files.warn(
            "[eap] has a `client_ca_file`, and no client takes certificates: name `tls` in `eap` of a [[client]]"
                .to_owned(),
        );
    }
}

/// The outer `None`: it has errors; the inner one: there is none.
pub(super) fn eap(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Eap>> {
    let identity = wsapi::identity(section, files);
    let methods = methods(section, "methods");
    let inner = section.choices("inner", &INNER);
    let names = section.choices("certificate_names", &NAMES);
    let versions = versions(section);
    let packet = section.number("fragment_size", 100..=3500);
    let realms = section.texts("realms");
    let conversations = section.number("max_conversations", 1..=1_000_000);
    let second = Duration::from_secs(1);
    let lifetime = section.duration("conversation_lifetime", second..=600 * second);
    let rounds = section.number("max_rounds", 5..=1000);
    let octets = section.kib("max_size", 4..=1024);
    let session_lifetime = section.duration("session_lifetime", Duration::ZERO..=168 * 3600 * second);
    let sessions = section.number("max_sessions", 1..=10_000_000);
    let clients = client_verifier(section, files);
    let Some(identity) = identity? else { return clients.map(|_| None) };
    let life = check_certificates(section, files, &identity);
    let (versions, verifier) = (versions?, clients?);
    let (names, inner, session_lifetime) = (names?, inner?, session_lifetime?);
    let realms: Vec<_> = realms?.into_iter().map(|(realm, _)| realm.to_lowercase()).collect();
    // Who was let in by what counts no more, or under a name that means somebody else by now, logs in anew.
    let rules = format!("{inner:?}{names:?}{realms:?}{session_lifetime:?}");
    let trust = trust(&identity, &rules);
    let vouching = verifier.as_ref().map(|clients| clients.vouching).unwrap_or_default();
    let revocations = verifier.as_ref().and_then(|clients| clients.revocations);
    let server = |versions: &[&'static SupportedProtocolVersion], verifier| {
        server(&identity, versions, verifier)
            .inspect_err(|error| wsapi::mismatch(section, identity.at, error))
            .ok()
    };
    let none = WebPkiClientVerifier::no_client_auth;
    let (ttls, peap) = (server(&versions.all, none())?, server(&versions.peap, none())?);
    let tls = match verifier {
        Some(clients) => Some(Arc::new(server(&versions.all, clients.verifier)?)),
        None => None,
    };
    let settings = Settings {
        ttls: Arc::new(ttls),
        peap: Arc::new(peap),
        tls,
        names,
        packet: packet?,
        rounds: rounds?,
        octets: usize::try_from(octets?).ok()? * 1024,
        session_lifetime,
        light_key: is_light(&identity.key),
        vouching,
        lists_end: revocations.map(|lists| lists.ends),
    };
    let eap = Eap {
        settings: Arc::new(settings),
        methods: methods?,
        inner,
        realms,
        conversations: conversations?,
        lifetime: lifetime?,
        sessions: sessions?,
        begins: life.as_ref().and_then(|life| life.begins),
        ends: life.as_ref().and_then(|life| life.ends).map(|(end, _)| end),
        first_to_end: life.and_then(|life| life.ends).map_or(1, |(_, number)| number),
        revocations,
        trust,
    };
    eap.warnings(SystemClock.now()).into_iter().for_each(|warning| files.warn(warning));
    Some(Some(eap))
}

/// A list of methods.
pub(super) fn methods(section: &Section<'_>, key: &str) -> Option<Vec<Method>> {
    let methods = [Method::TTLS, Method::PEAP, Method::TLS].map(|method| (method.name(), method));
    section.choices(key, &methods)
}

struct Versions {
    all: Vec<&'static SupportedProtocolVersion>,
    peap: Vec<&'static SupportedProtocolVersion>,
}

fn versions(section: &Section<'_>) -> Option<Versions> {
    let choices = [("1.2", 0), ("1.3", 1)];
    let known = [&version::TLS12, &version::TLS13];
    let (least, most) = (section.choice("tls_min", &choices)?, section.choice("tls_max", &choices)?);
    let peap = section.choice("peap_tls_max", &choices)?;
    for (key, most) in [("tls_max", most), ("peap_tls_max", peap)] {
        if most < least {
            let message = format!("[eap] `{key}` is below `tls_min`");
            // One of the two may be the default: the caret goes where something is written.
            let written = if section.written(key).is_some() { key } else { "tls_min" };
            section.error(section.place(written), message, "raise it, or lower `tls_min`");
        }
    }
    let range = |most: usize| known.into_iter().take(most + 1).skip(least).collect();
    (least <= most && least <= peap).then(|| Versions { all: range(most), peap: range(peap) })
}

/// Post-quantum key exchange is left out: its ClientHello costs another round over EAP. AES with 128 bits comes first: SHA-256, which
/// belongs to it, takes half the time of SHA-384, and a tunnel carries some hundred octets. A device of a network that wants 192 bits
/// offers nothing else.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    let groups =
        [aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1, aws_lc_rs::kx_group::SECP384R1];
    provider.kx_groups = groups.to_vec();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite().as_str().is_none_or(|name| !name.contains("AES_128")));
    Arc::new(provider)
}

fn server(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.ignore_client_order = true;
    // One is enough, because a resumed session brings another.
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Whether the key signs in some tens of microseconds.
fn is_light(key: &PrivateKeyDer<'_>) -> bool {
    let light = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];
    let key = provider().key_provider.load_private_key(key.clone_key());
    key.is_ok_and(|key| key.choose_scheme(&light).is_some())
}

/// Who vouches for client certificates.
struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Digest of what says so.
    vouching: [u8; 32],
    revocations: Option<Revocations>,
}

/// The outer `None`: it has errors; the inner one: nobody vouches for client certificates.
fn client_verifier(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Clients>> {
    let (authority, at) = section.text("client_ca_file")?;
    let (revoked, crl_at) = section.text("crl_file")?;
    if authority.is_empty() {
        if !revoked.is_empty() {
            let message = "[eap] a `crl_file` without the authority that it belongs to";
            section.error(crl_at, message, "add `client_ca_file`");
            return None;
        }
        return Some(None);
    }
    let chain = wsapi::chain(section, files, &authority, at);
    let lists = if revoked.is_empty() { Some(Vec::new()) } else { crls(section, files, &revoked, crl_at) };
    let (chain, lists) = (chain?, lists?);
    let mut vouching = Sha256::new();
    chain.iter().for_each(|der| vouching.update(der));
    lists.iter().for_each(|der| vouching.update(der));
    let vouching = vouching.finalize().into();
    let validities = || lists.iter().filter_map(|list| list_validity(list));
    let due = validities().map(|(begin, end)| due(begin, end)).min();
    let ends = validities().map(|(_, end)| end).min();
    let revocations = due.zip(ends).map(|(due, ends)| Revocations { due, ends });
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(chain);
    if ignored > 0 {
        let message = format!("{authority} has {ignored} certificates that cannot be read");
        section.error(at, message, "authorities in PEM form");
        return None;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if !lists.is_empty() {
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    match builder.build() {
        Ok(verifier) => Some(Some(Clients { verifier: witnessed(verifier), vouching, revocations })),
        Err(error) => {
            let message = format!("client certificates cannot be verified: {error}");
            section.error(
                crl_at,
                message,
                "lists of revoked certificates of the authorities in `client_ca_file`",
            );
            None
        }
    }
}

/// When three quarters of the time of a list are over: how long that is differs from hours to months.
fn due(begin: Timestamp, end: Timestamp) -> Timestamp {
    let quarter = u64::try_from((end.millis() - begin.millis()) / 4).unwrap_or_default();
    end - Duration::from_millis(quarter)
}

fn crls(
    section: &Section<'_>,
    files: &Files<'_>,
    name: &str,
    at: At,
) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    let path = files.base.join(name);
    let fail = |what: String| {
        section.error(at, format!("{} {what}", path.display()), "lists of revoked certificates in PEM form");
        None
    };
    match contents(&path, LONGEST) {
        Ok(bytes) => {
            match CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
                Ok(lists) if !lists.is_empty() => Some(lists),
                _ => fail("holds no list of revoked certificates".to_owned()),
            }
        }
        Err(what) => fail(what),
    }
}

/// When certificates of a chain are good.
struct Life {
    /// From when on all of them are.
    begins: Option<Timestamp>,
    /// When the first ends, and its number.
    ends: Option<(Timestamp, usize)>,
}

/// Says what devices would stumble over.
fn check_certificates(section: &Section<'_>, files: &Files<'_>, identity: &Identity) -> Option<Life> {
    let at = identity.at;
    let facts: Option<Vec<Facts>> = identity.chain.iter().map(|der| Facts::of(der)).collect();
    let Some(facts) = facts else {
        section.error(at, "a certificate of `certificate_file` cannot be read", "certificates in PEM form");
        return None;
    };
    let broken = facts.windows(2).position(|pair| match pair {
        [below, above] => below.issuer != above.subject,
        _ => false,
    });
    if let Some(below) = broken {
        let (first, second) = (below + 1, below + 2);
        let message = format!("certificate {second} of `certificate_file` did not issue certificate {first}");
        section.error(at, message, "the server's first, then who issued it, and so on");
    } else if !is_signed(&identity.chain, &facts) {
        let message = "the certificates of `certificate_file` belong together by their names, and their signatures do not fit";
        section.error(
            at,
            message,
            "those that came with the server's: who issued it may have a new key under the old name",
        );
    }
    let own = facts.first()?;
    if own.server == Some(false) {
        let message = "the certificate is not meant for servers (extended key usage)";
        section.error(at, message, "one with the usage \"TLS web server authentication\"");
    } else if own.server.is_none() {
        files
            .warn("[eap] the certificate does not say that it is for servers; Windows refuses it".to_owned());
    }
    let begins = facts.iter().filter_map(|facts| facts.not_before).max();
    let ends = facts.iter().zip(1..).filter_map(|(facts, number)| Some((facts.not_after?, number))).min();
    Some(Life { begins, ends })
}

/// Whether the last certificate of a chain, at a time when all have begun, vouches for the first by its key and not by its name alone.
fn is_signed(chain: &[CertificateDer<'_>], facts: &[Facts]) -> bool {
    let [own, between @ .., last] = chain else { return true };
    let begin = facts.iter().filter_map(|facts| facts.not_before).max();
    let begin = begin.and_then(|begin| u64::try_from(begin.millis()).ok()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_millis(begin));
    let algorithms = provider().signature_verification_algorithms.all;
    let verify = || {
        let mut roots = RootCertStore::empty();
        roots.add(last.clone().into_owned())?;
        let own = ParsedCertificate::try_from(own)?;
        verify_server_cert_signed_by_trust_anchor(&own, &roots, between, at, algorithms)
    };
    // Everything else is spoken of by itself, or for devices to judge.
    !matches!(
        verify(),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::BadSignature | CertificateError::UnknownIssuer
        ))
    )
}

fn trust(identity: &Identity, rules: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    identity.chain.iter().for_each(|der: &CertificateDer<'_>| hash.update(der));
    hash.update([0]);
    hash.update(rules);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_curves_are_light_and_nothing_else() {
        let light = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_der();
            is_light(&PrivateKeyDer::try_from(key).unwrap())
        };
        assert!(light(&rcgen::PKCS_ECDSA_P256_SHA256) && light(&rcgen::PKCS_ED25519));
        assert!(!light(&rcgen::PKCS_ECDSA_P384_SHA384) && !light(&rcgen::PKCS_RSA_SHA256));
    }
}
