//! `[[client]]`: who may ask, and what it asks of people.

use super::files::{self, Files};
use super::report::At;
use super::section::Section;
use super::tree::Value;
use crate::base::PrefixMap;
use crate::base::meter::Outcomes;
use crate::domain::factor::FactorKind;
use crate::domain::method::{Channel, Method};
use crate::domain::policy::{ClientPolicy, LoginKind, LoginPolicy, SecondFactor};
use crate::wire::eap::Method as EapMethod;
use crate::wire::radius::SharedSecret;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Shared secrets shorter than this can be found by trying (RFC 2865 §3 wants at least 16 octets).
const SECRET_LENGTH: usize = 16;

/// Secrets that everybody can read: that of the examples in `conf` and `docs`, and that of the demonstration.
const EXAMPLE: &[u8] = b"a-long-random-text";
const DEMONSTRATION: &[u8] = b"demo-radius-shared-secret";

/// `[[client]]`: a NAS, or a network of them.
#[derive(Debug, Clone)]
pub struct Client {
    /// Short name for logs and audit.
    pub name: String,
    /// Shared secret.
    pub secret: SharedSecret,
    /// Refuse requests without Message-Authenticator (CVE-2024-3596).
    pub require_message_authenticator: bool,
    /// Drop requests that carry Proxy-State but no Message-Authenticator (CVE-2024-3596).
    pub limit_proxy_state: bool,
    /// An Access-Accept has the username of who was let in (RFC 2865 §5.1).
    pub reply_user_name: bool,
    /// What it asks of people.
    pub policy: ClientPolicy,
    /// EAP at this client.
    pub eap: ClientEap,
    /// How its logins end, once there was one under these settings.
    pub outcomes: OnceLock<Arc<Outcomes>>,
}

/// EAP at a client.
#[derive(Debug, Clone)]
pub struct ClientEap {
    /// Methods allowed.
    pub methods: Vec<EapMethod>,
    /// Whether the configuration says which, and not the default.
    pub named: bool,
    /// Whether passwords of devices are taken.
    pub device_passwords: bool,
    /// The policy where the device cannot be asked back.
    pub unasked: ClientPolicy,
    /// Digest of name and policy: a TLS session is resumed only where they are the same.
    pub scope: [u8; 32],
}

impl ClientEap {
    /// Whether the configuration names methods for this client.
    pub const fn is_named(&self) -> bool {
        self.named && !self.methods.is_empty()
    }
}

/// All clients by prefix, and their names.
pub(super) fn clients(
    root: &Section<'_>,
    files: &Files<'_>,
) -> (Option<PrefixMap<Arc<Client>>>, Vec<String>) {
    let mut map = PrefixMap::default();
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, At> = HashMap::new();
    let mut prefixes: HashMap<IpNet, At> = HashMap::new();
    for (entries, at) in root.tables("client") {
        let section = Section::new("client", entries, at, &root.sink);
        if let Some((name, at)) = section.text("name") {
            if let Some(first) = places.insert(name.clone(), at) {
                let place = section.sink.borrow().place(first);
                section.error(at, format!("two clients are called `{name}`"), format!("see {place}"));
            }
            names.push(name);
        }
        let networks = networks(&section, &mut prefixes, files);
        if let Some(client) = client(&section, files, &networks) {
            let client = Arc::new(client);
            for network in networks {
                map.insert(network, Arc::clone(&client));
            }
        }
    }
    (Some(map), names)
}

fn networks(section: &Section<'_>, seen: &mut HashMap<IpNet, At>, files: &Files<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    let texts = section.texts("networks").unwrap_or_default();
    if texts.is_empty() && section.written("networks").is_some() {
        section.error(
            section.place("networks"),
            "`networks` is empty: nobody would be this client",
            "at least one",
        );
    }
    for (text, at) in texts {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(network) = network else {
            let hint = "an address or a prefix, such as \"192.0.2.7\" or \"2001:db8::/48\"";
            section.error(at, format!("`{text}` is no network"), hint);
            continue;
        };
        if network.trunc() != network {
            let hint = format!("did you mean `{}`?", network.trunc());
            section.error(at, format!("`{text}` has bits beyond its prefix"), hint);
        }
        if network.prefix_len() == 0 {
            let name = section.text("name").map_or_else(String::new, |(name, _)| name);
            files.warn(format!("client `{name}` covers every address there is ({text})"));
        }
        if let Some(first) = seen.insert(network.trunc(), at) {
            let place = section.sink.borrow().place(first);
            section.error(at, format!("`{text}` belongs to another client already"), format!("see {place}"));
        }
        networks.push(network);
    }
    networks
}

fn client(section: &Section<'_>, files: &Files<'_>, networks: &[IpNet]) -> Option<Client> {
    let name = section.text("name").map(|(name, _)| name);
    let secret = shared_secret(section, files, name.as_deref().unwrap_or_default(), networks);
    let require_message_authenticator = section.boolean("require_message_authenticator");
    let limit_proxy_state = section.boolean("limit_proxy_state");
    let reply_user_name = section.boolean("reply_user_name");
    let methods = super::eap::methods(section, "eap");
    let devices = section.boolean("device_passwords");
    let policy = policies(section, "client.group");
    let (name, policy) = (name?, policy?);
    Some(Client {
        eap: eap(&name, &policy, (methods?, section.written("eap").is_some()), devices?),
        name,
        secret: secret?,
        require_message_authenticator: require_message_authenticator?,
        limit_proxy_state: limit_proxy_state?,
        reply_user_name: reply_user_name?,
        policy,
        outcomes: OnceLock::new(),
    })
}

/// The policy that stands in a section, with its exceptions by group. `groups` is the documented name of those.
pub(super) fn policies(section: &Section<'_>, groups: &'static str) -> Option<ClientPolicy> {
    let default = policy(section, None);
    let documented = groups;
    let mut groups: Vec<(String, LoginPolicy)> = Vec::new();
    for (entries, at) in section.tables("group") {
        let group = Section::new(documented, entries, at, &section.sink);
        // The name is no policy, so it is never inherited.
        let Some((name, at)) = group.text("name") else { continue };
        let group = group.inheriting();
        if groups.iter().any(|(known, _)| *known == name) {
            group.error(at, format!("group `{name}` stands here twice"), "the second would never be used");
        }
        if let Some(default) = &default
            && let Some(policy) = policy(&group, Some(default))
        {
            groups.push((name, policy));
        }
    }
    Some(ClientPolicy { default: default?, groups })
}

fn eap(
    name: &str,
    policy: &ClientPolicy,
    (methods, named): (Vec<EapMethod>, bool),
    device_passwords: bool,
) -> ClientEap {
    let mut unasked = policy.clone();
    let all = unasked.groups.iter_mut().map(|(_, policy)| policy).chain([&mut unasked.default]);
    all.for_each(|policy| policy.challenge = false);
    // What a policy prints as is all that it is, and nothing of it is secret.
    let scope = Sha256::digest(format!("{name}\0{policy:?}{device_passwords}")).into();
    ClientEap { methods, named, device_passwords, unasked, scope }
}

fn shared_secret(
    section: &Section<'_>,
    files: &Files<'_>,
    name: &str,
    networks: &[IpNet],
) -> Option<SharedSecret> {
    let (secret, at) = files::secret(section, files, &format!("client `{name}`"))?;
    let published = match secret.expose().as_slice() {
        EXAMPLE => true,
        // On this machine it is the demonstration.
        DEMONSTRATION => networks.iter().any(|network| !network.addr().is_loopback()),
        _ => false,
    };
    if published {
        files.warn(format!(
            "the shared secret of client `{name}` is that of an example, which everybody can read: make one of its own, such as with \
             `head -c 24 /dev/urandom | base64`"
        ));
    }
    let Ok(secret) = SharedSecret::new(secret) else {
        section.error(at, "the shared secret is empty", "at least 16 random characters");
        return None;
    };
    if secret.length() < SECRET_LENGTH {
        files.warn(format!(
            "the shared secret of client `{name}` has fewer than {SECRET_LENGTH} characters and can be found by trying"
        ));
    }
    Some(secret)
}

fn policy(section: &Section<'_>, outer: Option<&LoginPolicy>) -> Option<LoginPolicy> {
    let or = |key: &str| outer.filter(|_| section.written(key).is_none());
    let kinds = [
        ("password", LoginKind::Password),
        ("password+passcode", LoginKind::PasswordAndPasscode),
        ("passcode", LoginKind::Passcode),
        ("pin+passcode", LoginKind::PinAndPasscode),
    ];
    let seconds = [("required", SecondFactor::Required), ("if-enrolled", SecondFactor::IfEnrolled)];
    let kind = or("login").map(|o| o.kind).or_else(|| section.choice("login", &kinds));
    let second_factor =
        or("second_factor").map(|o| o.second_factor).or_else(|| section.choice("second_factor", &seconds));
    let challenge = or("challenge").map(|o| o.challenge).or_else(|| section.boolean("challenge"));
    let one_round = or("one_round").map(|o| o.one_round).or_else(|| section.boolean("one_round"));
    let max_rounds = or("max_rounds").map(|o| o.max_rounds).or_else(|| section.number("max_rounds", 1..=10));
    let lifetime = Duration::from_secs(5)..=Duration::from_secs(600);
    let challenge_lifetime = or("challenge_lifetime")
        .map(|o| o.challenge_lifetime)
        .or_else(|| section.duration("challenge_lifetime", lifetime));
    let methods = or("methods").map(|o| o.methods.clone()).or_else(|| methods(section, "methods"));
    let separators = or("separators")
        .map(|o| o.separators.clone())
        .or_else(|| section.text("separators").map(|(text, _)| text.chars().collect()));
    contradictions(section, challenge, one_round, methods.as_deref(), separators.as_deref());
    Some(LoginPolicy {
        kind: kind?,
        second_factor: second_factor?,
        challenge: challenge?,
        one_round: one_round?,
        max_rounds: max_rounds?,
        challenge_lifetime: challenge_lifetime?,
        methods: methods?,
        separators: separators?,
    })
}

/// Settings that make no sense together, or in themselves.
fn contradictions(
    section: &Section<'_>,
    challenge: Option<bool>,
    one_round: Option<bool>,
    methods: Option<&[Method]>,
    separators: Option<&[char]>,
) {
    if one_round == Some(true) && challenge == Some(false) {
        // A group may inherit one of the two: the caret goes where the other is written.
        let key = if section.written("one_round").is_some() { "one_round" } else { "challenge" };
        let message = "`one_round` needs `challenge = true`: there is no round without a challenge";
        section.error(section.place(key), message, "change one of them");
    }
    if section
        .written("methods")
        .is_some_and(|node| matches!(&node.value, Value::List(list) if list.is_empty()))
    {
        let message = "`methods` is empty: nobody could give a passcode";
        section.error(section.place("methods"), message, "at least one kind");
    }
    let methods = methods.unwrap_or_default();
    let twice =
        methods.iter().enumerate().find(|(index, kind)| methods.iter().take(*index).any(|k| k == *kind));
    if let Some((_, kind)) = twice {
        section.error(
            section.place("methods"),
            format!("`{kind}` stands here twice"),
            "take one of them out",
        );
    }
    if separators.unwrap_or_default().iter().any(|c| c.is_alphanumeric()) {
        let message =
            "a letter or digit cannot separate password and passcode: either may begin or end with it";
        section.error(section.place("separators"), message, "such as \",\"");
    }
}

/// A list of passcode methods.
pub(super) fn methods(section: &Section<'_>, key: &str) -> Option<Vec<Method>> {
    let methods = [
        FactorKind::Totp.into(),
        FactorKind::Hotp.into(),
        FactorKind::Yubikey.into(),
        FactorKind::Recovery.into(),
        FactorKind::Temporary.into(),
        Channel::Sms.into(),
        Channel::Voice.into(),
        Channel::Email.into(),
    ]
    .map(|method: Method| (method.as_str(), method));
    section.choices(key, &methods)
}
