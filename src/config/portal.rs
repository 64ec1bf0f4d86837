//! `[portal]`, `[registration]`, `[activation]`: the self-service pages.

use super::files::Files;
use super::report::At;
use super::section::Section;
use super::wsapi::{ServerTls, tls};
use super::{client, wsapi};
use crate::domain::method::Method;
use crate::domain::question::{APPROVED, QuestionId};
use crate::domain::words::Words;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Largest logo in bytes.
const LOGO: usize = 256 * 1024;

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

/// What becomes of people who have not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforce {
    /// Nothing.
    Off,
    /// They are told.
    Remind,
    /// From this moment on they must.
    From(crate::base::Timestamp),
}

/// Whether something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No.
    Off,
    /// It can be left out.
    Optional,
    /// It must be there.
    Required,
}

const PRESENCE: [(&str, Presence); 3] =
    [("off", Presence::Off), ("optional", Presence::Optional), ("required", Presence::Required)];

/// What answers to security questions are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionsMode {
    /// None are asked for.
    Off,
    /// They are kept.
    RegisterOnly,
    /// One is asked for at a reset, after the passcode.
    Additional,
}

/// `[registration]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What becomes of people who have not registered.
    pub enforce: Enforce,
    /// Questions that can be chosen.
    pub slots: usize,
    /// Of these, needed the first time.
    pub min_new: usize,
    /// Of these, needed later.
    pub min_existing: usize,
    /// The help-desk verification question.
    pub helpdesk: Presence,
    /// Questions that may be chosen.
    pub questions: Vec<QuestionId>,
    /// What answers are good for.
    pub mode: QuestionsMode,
}

/// When a second passcode is sent at an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondCode {
    /// To a contact that was just entered.
    NewContact,
    /// There, or where the directory says.
    Always,
    /// None is.
    Never,
}

/// `[activation]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// When a second passcode is sent.
    pub second_code: SecondCode,
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
    let names = |key| Some(section.texts(key)?.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    let (helpdesk, administrators) = (names("helpdesk_groups"), names("administrator_groups"));
    let domains = names("domains");
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
        domains: domains?.iter().map(|domain| domain.trim_start_matches('.').to_lowercase()).collect(),
        pin: pin?,
    })
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
    let (language, at) = section.text("language")?;
    let mut own = Vec::new();
    for (name, at) in section.texts("words")? {
        let path = files.base.join(&name);
        let tag = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        match std::fs::read_to_string(&path) {
            Ok(text) => own.push((tag, text)),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                section.error(at, message, "a Fluent file, named after its language, such as words/fr.ftl");
            }
        }
    }
    match Words::new(&language, &own) {
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
    match std::fs::read(&path) {
        Ok(bytes) if bytes.len() <= LOGO => Some(Some(Logo { media_type, bytes: bytes.into() })),
        Ok(bytes) => fail(format!("has {} bytes", bytes.len())),
        Err(error) => fail(format!("cannot be read: {error}")),
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

pub(super) fn registration(section: &Section<'_>, words: Option<&Words>) -> Option<Registration> {
    let enforce = enforce(section);
    let slots = section.number("slots", 0..=10);
    let (new, existing) = (section.number("min_new", 0..=10), section.number("min_existing", 0..=10));
    if let (Some(slots), Some(new), Some(existing)) = (slots, new, existing)
        && usize::max(new, existing) > slots
    {
        let place = section.place("min_new");
        section.error(place, "more answers are needed than there are `slots`", "raise `slots`, or lower it");
    }
    let helpdesk = section.choice("helpdesk", &PRESENCE);
    let questions = questions(section, words);
    if let (Some(slots), Some(questions)) = (slots, &questions)
        && questions.len() < slots
    {
        let message = format!("{} questions are approved for {slots} slots", questions.len());
        section.error(section.place("questions"), message, "name more of them");
    }
    let modes = [
        ("off", QuestionsMode::Off),
        ("register-only", QuestionsMode::RegisterOnly),
        ("additional", QuestionsMode::Additional),
    ];
    let mode = section.choice("mode", &modes);
    Some(Registration {
        enforce: enforce?,
        slots: slots?,
        min_new: new?,
        min_existing: existing?,
        helpdesk: helpdesk?,
        questions: questions?,
        mode: mode?,
    })
}

fn enforce(section: &Section<'_>) -> Option<Enforce> {
    let (text, at) = section.text("enforce")?;
    match text.as_str() {
        "off" => Some(Enforce::Off),
        "remind" => Some(Enforce::Remind),
        date => match date.parse::<jiff::civil::Date>().map(|date| date.to_zoned(jiff::tz::TimeZone::UTC)) {
            Ok(Ok(moment)) => {
                Some(Enforce::From(crate::base::Timestamp::from_secs(moment.timestamp().as_second())))
            }
            _ => {
                let hint = "`off`, `remind`, or a date such as \"2027-01-15\"";
                section.error(at, format!("`{text}` is nothing for `enforce`"), hint);
                None
            }
        },
    }
}

fn questions(section: &Section<'_>, words: Option<&Words>) -> Option<Vec<QuestionId>> {
    let written = section.texts("questions")?;
    let built_in = || APPROVED.iter().map(|name| ((*name).to_owned(), At::DEFAULT));
    let named: Vec<_> = if written.is_empty() { built_in().collect() } else { written };
    let mut questions: Vec<QuestionId> = Vec::new();
    for (name, at) in named {
        let has_text = words.is_none_or(|words| {
            words.languages().first().is_some_and(|language| language.has(&format!("question-{name}")))
                || APPROVED.contains(&name.as_str())
        });
        match name.parse() {
            Ok(question) if has_text && !questions.contains(&question) => questions.push(question),
            Ok(_) if has_text => section.error(at, format!("`{name}` stands here twice"), "take one out"),
            _ => {
                let hint =
                    "one that is built in, or lower-case letters and dashes with a text in `portal.words`";
                section.error(at, format!("there is no text for a question `{name}`"), hint);
            }
        }
    }
    Some(questions)
}

pub(super) fn activation(section: &Section<'_>) -> Option<Activation> {
    let second = [
        ("new_contact", SecondCode::NewContact),
        ("always", SecondCode::Always),
        ("never", SecondCode::Never),
    ];
    let second_code = section.choice("second_code", &second);
    Some(Activation { second_code: second_code? })
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
