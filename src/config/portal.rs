//! `[portal]`: the self-service pages.

use super::files::{Files, LONGEST, contents};
use super::registration::{PRESENCE, Presence};
use super::report::At;
use super::section::Section;
use super::wsapi::{ServerTls, tls};
use super::{client, wsapi};
use crate::domain::method::Method;
use crate::domain::words::Words;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Largest logo in bytes.
const LOGO: u64 = 256 * 1024;

/// `[portal]`
#[derive(Debug, Clone)]
pub struct Portal {
    /// TCP addresses; none: it is not served.
    pub listen: Vec<SocketAddr>,
    /// With it, TLS; without, this machine and `proxies` only.
    pub tls: Option<ServerTls>,
    /// Proxies in front.
    pub proxies: Vec<IpNet>,
    /// `https://HOST[:PORT]`; empty: not known.
    pub origin: String,
    /// A session ends when nothing was done for so long.
    pub idle: Duration,
    /// A session ends then.
    pub lifetime: Duration,
    /// How long a passcode is good for changes.
    pub fresh: Duration,
    /// Forms that one address may send in a minute.
    pub rate: u32,
    /// What people read.
    pub words: Arc<Words>,
    /// Policies to agree to: address and version.
    pub acceptable_use: Option<AcceptableUse>,
    /// Image for the top of each page.
    pub logo: Option<Logo>,
    /// Colour of buttons and links, `#rrggbb`.
    pub accent: String,
    /// Passcodes of who signs in.
    pub login_methods: Vec<Method>,
    /// Passcodes at a reset.
    pub reset_methods: Vec<Method>,
    /// Groups whose members are the help desk.
    pub helpdesk_groups: Vec<String>,
    /// Groups whose members are administrators.
    pub administrator_groups: Vec<String>,
    /// Domains of the university, lower case.
    pub domains: Vec<String>,
    /// The PIN at the set-up of a passcode app.
    pub pin: Presence,
}

/// Acceptable-use policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptableUse {
    /// Where they are.
    pub url: String,
    /// Their version.
    pub version: String,
}

/// The image at the top of each page.
#[derive(Debug, Clone)]
pub struct Logo {
    /// Its media type.
    pub media_type: &'static str,
    /// The image.
    pub bytes: Arc<[u8]>,
}

pub(super) fn portal(section: &Section<'_>, files: &Files<'_>) -> Option<Portal> {
    let tls = tls(section, files);
    let proxies = wsapi::networks(section, "proxies");
    let protected = !matches!(tls, Some(None)) || proxies.as_ref().is_some_and(|list| !list.is_empty());
    let listen = wsapi::listen(section, protected, "passwords");
    let origin = origin(section);
    let idle = section.duration("idle", 2 * MINUTE..=2 * HOUR);
    let lifetime = section.duration("lifetime", 5 * MINUTE..=24 * HOUR);
    let fresh = section.duration("fresh", MINUTE..=HOUR);
    let rate = section.number("rate", 5..=10_000);
    let words = words(section, files);
    let (url, version) = (section.text("acceptable_use_url"), section.text("acceptable_use_version"));
    let logo = logo(section, files);
    let accent = accent(section);
    let methods = |key| client::methods(section, key);
    let (login_methods, reset_methods) = (methods("login_methods"), methods("reset_methods"));
    let names = |key| names(section, key);
    let (helpdesk, administrators) = (names("helpdesk_groups"), names("administrator_groups"));
    let domains = domains(section);
    let pin = section.choice("pin", &PRESENCE);
    let (url, _) = url?;
    let acceptable_use = (!url.is_empty()).then_some(AcceptableUse { url, version: version?.0 });
    Some(Portal {
        listen: listen?,
        tls: tls?,
        proxies: proxies?,
        origin: origin?,
        idle: idle?,
        lifetime: lifetime?,
        fresh: fresh?,
        rate: rate?,
        words: words?,
        acceptable_use,
        logo: logo?,
        accent: accent?,
        login_methods: login_methods?,
        reset_methods: reset_methods?,
        helpdesk_groups: helpdesk?,
        administrator_groups: administrators?,
        domains: domains?,
        pin: pin?,
    })
}

/// What is written in `[campus.portal]`, and the rest as it is for `all`.
pub(super) fn at_campus(
    own: &Section<'_>,
    section: &Section<'_>,
    files: &Files<'_>,
    all: &Portal,
) -> Option<Portal> {
    let mut portal = all.clone();
    // Forms are taken from the host that a browser came by, which is one of the campus.
    portal.origin = String::new();
    if own.written("language").is_some() || own.written("words").is_some() {
        let language = own.text("language").or_else(|| section.text("language"));
        let mut texts = word_files(section, files)?;
        if own.written("words").is_some() {
            texts.extend(word_files(own, files)?);
        }
        portal.words = catalogue(own, language?, &texts)?;
    }
    let given = |key: &str, known: fn(&AcceptableUse) -> String| {
        let own = own.text(key).map(|(text, _)| text);
        own.or_else(|| all.acceptable_use.as_ref().map(known))
    };
    let url = given("acceptable_use_url", |policy| policy.url.clone()).unwrap_or_default();
    let version = given("acceptable_use_version", |policy| policy.version.clone())
        .or_else(|| Some(section.text("acceptable_use_version")?.0));
    portal.acceptable_use = (!url.is_empty()).then_some(AcceptableUse { url, version: version? });
    if own.written("logo").is_some() {
        portal.logo = logo(own, files)?;
    }
    if own.written("accent").is_some() {
        portal.accent = accent(own)?;
    }
    let methods = |key, all: Vec<Method>| {
        if own.written(key).is_some() { client::methods(own, key) } else { Some(all) }
    };
    let (login, reset) =
        (methods("login_methods", portal.login_methods), methods("reset_methods", portal.reset_methods));
    (portal.login_methods, portal.reset_methods) = (login?, reset?);
    if own.written("domains").is_some() {
        portal.domains = domains(own)?;
    }
    if own.written("pin").is_some() {
        portal.pin = own.choice("pin", &PRESENCE)?;
    }
    Some(portal)
}

fn names(section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    Some(section.texts(key)?.into_iter().map(|(name, _)| name).collect())
}

fn domains(section: &Section<'_>) -> Option<Vec<String>> {
    let lower = |domain: &String| domain.trim_start_matches('.').to_lowercase();
    Some(names(section, "domains")?.iter().map(lower).collect())
}

fn origin(section: &Section<'_>) -> Option<String> {
    let (text, at) = section.text("origin")?;
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if text.is_empty() || (!host.is_empty() && host.chars().all(fine)) {
        return Some(text.to_lowercase());
    }
    let hint = "scheme and host, such as \"https://login.example.edu\", without a path";
    section.error(at, format!("`{text}` is no origin"), hint);
    None
}

fn words(section: &Section<'_>, files: &Files<'_>) -> Option<Arc<Words>> {
    let language = section.text("language")?;
    let own = word_files(section, files)?;
    catalogue(section, language, &own)
}

/// Languages and texts of the files that `words` names.
fn word_files(section: &Section<'_>, files: &Files<'_>) -> Option<Vec<(String, String)>> {
    let mut own = Vec::new();
    for (name, at) in section.texts("words")? {
        let path = files.base.join(&name);
        let tag = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let read = contents(&path, LONGEST);
        match read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())) {
            Ok(text) => own.push((tag, text)),
            Err(what) => {
                let message = format!("{} {what}", path.display());
                section.error(at, message, "a Fluent file, named after its language, such as words/fr.ftl");
            }
        }
    }
    Some(own)
}

fn catalogue(
    section: &Section<'_>,
    (language, at): (String, At),
    own: &[(String, String)],
) -> Option<Arc<Words>> {
    match Words::new(&language, own) {
        Ok(words) => Some(Arc::new(words)),
        Err(error) => {
            let at = if own.is_empty() { at } else { section.place("words") };
            section.error(at, error.to_string(), "`doorward words` prints the messages that are built in");
            None
        }
    }
}

/// The outer `None`: it cannot be used; the inner one: there is none.
fn logo(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Logo>> {
    let (name, at) = section.text("logo")?;
    if name.is_empty() {
        return Some(None);
    }
    let path = files.base.join(&name);
    let fail = |what: String| {
        section.error(at, format!("{} {what}", path.display()), "an image, SVG or PNG, of at most 256 KiB");
        None
    };
    let media_type = match path.extension().and_then(|end| end.to_str()) {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => return fail("is neither .svg nor .png".to_owned()),
    };
    match contents(&path, LOGO) {
        Ok(bytes) => Some(Some(Logo { media_type, bytes: bytes.into() })),
        Err(what) => fail(what),
    }
}

fn accent(section: &Section<'_>) -> Option<String> {
    let (text, at) = section.text("accent")?;
    let fine = |hex: &str| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.strip_prefix('#').is_some_and(fine) {
        return Some(text.to_lowercase());
    }
    section.error(at, format!("`{text}` is no colour"), "six hexadecimal digits, such as \"#0b5cad\"");
    None
}

impl Portal {
    /// Whether a connection from there is one of a proxy in front.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Whether browsers come over TLS, whatever a proxy says.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// Whether an e-mail address of this domain is one of the university.
    pub fn is_own(&self, domain: &str) -> bool {
        let domain = domain.to_lowercase();
        self.domains.iter().any(|own| {
            domain == *own || domain.strip_suffix(own.as_str()).is_some_and(|before| before.ends_with('.'))
        })
    }
}
