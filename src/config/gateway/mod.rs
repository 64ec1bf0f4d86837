//! `[[gateway]]`: who takes text messages and calls.

mod exec;
mod http;
mod pattern;

pub use exec::{ExecInput, Program};
pub use http::{Authorization, BodyEncoding, HttpGateway, HttpRequest};
pub use pattern::{Pattern, Slot};

use super::files::{self, Files};
use super::section::Section;
use crate::base::Secret;
use crate::domain::method::Channel;
use std::time::Duration;

/// How a gateway is spoken to.
#[derive(Debug, Clone)]
pub enum GatewayKind {
    /// An HTTP request for each message.
    Http(Box<HttpGateway>),
    /// A program that is run for each message.
    Exec(Program),
}

/// `[[gateway]]`
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Short name for log, outbox and audit.
    pub name: String,
    /// What it takes.
    pub channels: Vec<Channel>,
    /// Numbers that begin with one of these; empty: all.
    pub prefixes: Vec<String>,
    /// Of one message, in hundredths of the currency.
    pub cost: u32,
    /// It knows a message by its id and sends it once, however often it gets it.
    pub idempotent: bool,
    /// Deadline of one message.
    pub timeout: Duration,
    /// Messages at the same time.
    pub connections: usize,
    /// How it is spoken to.
    pub kind: GatewayKind,
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Json,
    Twilio,
    Exec,
}

/// All gateways, in order.
pub(super) fn gateways(root: &Section<'_>, files: &Files<'_>) -> Option<Vec<Gateway>> {
    let mut gateways: Vec<Gateway> = Vec::new();
    let mut complete = true;
    for (entries, at) in root.tables("gateway") {
        let section = Section::new("gateway", entries, at, &root.sink);
        let Some(gateway) = gateway(&section, files) else {
            complete = false;
            continue;
        };
        if gateways.iter().any(|other| other.name == gateway.name) || gateway.name == "smtp" {
            let message = format!("another provider is called `{}` already", gateway.name);
            section.error(section.place("name"), message, "names are unique, and `smtp` is the mail server");
        }
        gateways.push(gateway);
    }
    complete.then_some(gateways)
}

fn gateway(section: &Section<'_>, files: &Files<'_>) -> Option<Gateway> {
    let name = name(section);
    let kinds = [("http", Kind::Http), ("json", Kind::Json), ("twilio", Kind::Twilio), ("exec", Kind::Exec)];
    let kind = section.choice("kind", &kinds);
    let mut known = vec![("sms", Channel::Sms), ("voice", Channel::Voice)];
    if matches!(kind, Some(Kind::Exec)) {
        // A program takes mail as well, where there is no mail server to give it to.
        known.push(("email", Channel::Email));
    }
    let channels = section.choices("channels", &known);
    if channels.as_ref().is_some_and(Vec::is_empty) {
        section.error(
            section.place("channels"),
            "`channels` is empty: it would take nothing",
            "\"sms\", \"voice\" or both",
        );
    }
    let prefixes = prefixes(section);
    let cost = section.number("cost", 0..=1_000_000);
    let idempotent = section.boolean("idempotent");
    let timeout = section.duration("timeout", Duration::from_millis(100)..=Duration::from_secs(60));
    let connections = section.number("connections", 1..=256);
    let owner = name.as_deref().unwrap_or_default();
    let kind = match kind? {
        Kind::Http => http::plain(section, files, owner).map(Box::new).map(GatewayKind::Http),
        Kind::Json => http::json(section, files, owner).map(Box::new).map(GatewayKind::Http),
        Kind::Twilio => http::twilio(section, files, owner).map(Box::new).map(GatewayKind::Http),
        Kind::Exec => exec::program(section, files).map(GatewayKind::Exec),
    };
    Some(Gateway {
        name: name?,
        channels: channels?,
        prefixes: prefixes?,
        cost: cost?,
        idempotent: idempotent?,
        timeout: timeout?,
        connections: connections?,
        kind: kind?,
    })
}

fn name(section: &Section<'_>) -> Option<String> {
    let (name, at) = section.text("name")?;
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(fine) {
        let message = format!("`{name}` is no name of a gateway");
        section.error(at, message, "lower-case letters, digits and dashes");
        return None;
    }
    Some(name)
}

fn prefixes(section: &Section<'_>) -> Option<Vec<String>> {
    let mut prefixes = Vec::new();
    for (text, at) in section.texts("prefixes")? {
        let digits = text.strip_prefix('+').unwrap_or_default();
        if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            section.error(
                at,
                format!("`{text}` is no beginning of a number"),
                "such as \"+49\" or \"+1520\"",
            );
        }
        prefixes.push(text);
    }
    Some(prefixes)
}

/// The gateway's secret; it may only be left out where `needed` is false.
fn secret(
    section: &Section<'_>,
    files: &Files<'_>,
    owner: &str,
    needed: bool,
) -> Option<Option<Secret<String>>> {
    let given =
        ["secret", "secret_file", "secret_credential"].iter().any(|key| section.written(key).is_some());
    if !given && !needed {
        return Some(None);
    }
    let (secret, at) = files::secret(section, files, &format!("gateway `{owner}`"))?;
    // It becomes part of a header.
    match std::str::from_utf8(secret.expose()) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
            Some(Some(Secret::new(text.to_owned())))
        }
        _ => {
            section.error(at, "the secret of the gateway is not one line of ASCII characters", "");
            None
        }
    }
}
