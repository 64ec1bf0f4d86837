//! `[smtp]`: the server that takes mail.

use super::directory::authorities;
use super::files::{self, Files};
use super::section::Section;
use crate::base::Secret;
use crate::domain::contact::Email;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::IpAddr;
use std::time::Duration;

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpProtection {
    /// TLS after STARTTLS; without it nothing is sent.
    StartTls,
    /// TLS from the first octet.
    Tls,
    /// Not at all; this machine only.
    None,
}

/// An address with a name beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name; may be empty.
    pub name: String,
    /// The address.
    pub address: Email,
}

/// `[smtp]`
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is protected.
    pub protection: SmtpProtection,
    /// Authorities that may vouch for it; empty: those that the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Name and password, if it wants them.
    pub account: Option<(String, Secret<Vec<u8>>)>,
    /// Deadline of one message.
    pub timeout: Duration,
    /// Connections at most.
    pub connections: usize,
    /// Sender.
    pub from: Mailbox,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The server, or `None` inside if no mail is to be sent.
pub(super) fn smtp(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Smtp>> {
    let host = section.text("host");
    let port: Option<u16> = section.number("port", 0..=65535);
    let kinds = [
        ("starttls", SmtpProtection::StartTls),
        ("tls", SmtpProtection::Tls),
        ("none", SmtpProtection::None),
    ];
    let protection = section.choice("tls", &kinds);
    let user = section.text("user");
    let authorities = authorities(section, files);
    let timeout = section.duration("timeout", Duration::from_secs(1)..=Duration::from_secs(60));
    let connections = section.number("connections", 1..=64);
    let (host, at) = host?;
    if host.is_empty() {
        return Some(None);
    }
    if ServerName::try_from(host.clone()).is_err() {
        section.error(at, format!("`{host}` is no name of a server"), "a name or an address, without a port");
    }
    let (user, user_at) = user?;
    if protection == Some(SmtpProtection::None) && !is_loopback(&host) {
        let message = format!("codes would go to {host} unprotected");
        section.error(section.place("tls"), message, "tls = \"starttls\" or \"tls\"");
    }
    let given =
        ["secret", "secret_file", "secret_credential"].iter().any(|key| section.written(key).is_some());
    let account = match (user.is_empty(), given) {
        (true, false) => None,
        (true, true) => {
            section.error(
                section.at,
                "[smtp] has a secret but no `user`",
                "add the user, or leave the secret out",
            );
            None
        }
        (false, _) => {
            if user.chars().any(char::is_control) {
                section.error(user_at, "`user` has control characters", "a name as the server knows it");
            }
            let (secret, at) = files::secret(section, files, "[smtp]")?;
            if std::str::from_utf8(secret.expose()).is_err() {
                section.error(at, "the password for the mail server is no UTF-8 text", "");
            }
            Some((user, secret))
        }
    };
    let from = mailbox(section, "from");
    if let Some(None) = from {
        section.error(
            section.place("from"),
            "[smtp] needs a `from`",
            "such as \"Example University <it@example.org>\"",
        );
    }
    let reply_to = mailbox(section, "reply_to");
    let protection = protection?;
    let usual = match protection {
        SmtpProtection::StartTls => 587,
        SmtpProtection::Tls => 465,
        SmtpProtection::None => 25,
    };
    Some(Some(Smtp {
        host,
        port: port.map(|port| if port == 0 { usual } else { port })?,
        protection,
        authorities: authorities?,
        account,
        timeout: timeout?,
        connections: connections?,
        from: from??,
        reply_to: reply_to?,
    }))
}

/// `Name <address>` or the address alone; `None` inside if it is empty.
fn mailbox(section: &Section<'_>, key: &str) -> Option<Option<Mailbox>> {
    let (text, at) = section.text(key)?;
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    match Email::parse(address) {
        Some(address) if !name.chars().any(char::is_control) => {
            Some(Some(Mailbox { name: name.to_owned(), address }))
        }
        _ => {
            section.error(
                at,
                format!("`{text}` is no sender"),
                "such as \"Example University <it@example.org>\"",
            );
            None
        }
    }
}
