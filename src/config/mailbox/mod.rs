//! `[mailbox]`: where the mailboxes of alumni are, and as whom Doorward sets their passwords.

mod graph;
mod ldap;

use super::DirectoryKind;
use super::directory::authorities;
use super::files::Files;
use super::report::At;
use super::section::Section;
use crate::domain::mailbox::{AccountTemplate, TemplateError};
pub use graph::GraphSettings;
pub use ldap::{LdapMailboxSettings, MailboxFilter};
use rustls::pki_types::CertificateDer;
use std::time::Duration;

/// `[mailbox]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxSettings {
    /// How a person's mailbox is called.
    pub account: AccountTemplate,
    /// For one change of a password, with all that belongs to it.
    pub timeout: Duration,
    /// Who may vouch for the provider; empty: whom the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Who keeps the mailboxes.
    pub provider: MailboxKind,
}

/// `mailbox.kind`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxKind {
    /// Microsoft Graph.
    Graph(GraphSettings),
    /// An LDAP directory beside those that people come from.
    Ldap(LdapMailboxSettings),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Graph,
    Ldap(DirectoryKind),
}

/// The outer `None`: it has errors; the inner one: there are no such mailboxes.
pub(super) fn mailbox(section: &Section<'_>, files: &Files<'_>) -> Option<Option<MailboxSettings>> {
    let kinds = [
        ("none", None),
        ("graph", Some(Kind::Graph)),
        ("ldap", Some(Kind::Ldap(DirectoryKind::Ldap))),
        ("active-directory", Some(Kind::Ldap(DirectoryKind::ActiveDirectory))),
    ];
    let kind = section.choice("kind", &kinds);
    let timeout = section.duration("timeout", Duration::from_secs(2)..=Duration::from_secs(60));
    let authorities = authorities(section, files);
    let domains = domains(section);
    if let Some(None) = kind {
        return Some(None);
    }
    let account = account(section, domains.as_deref().unwrap_or_default());
    let provider = match kind?? {
        Kind::Graph => graph::graph(section, files).map(MailboxKind::Graph),
        Kind::Ldap(dialect) => ldap::ldap(section, files, dialect).map(MailboxKind::Ldap),
    };
    domains?;
    let (account, timeout, authorities) = (account?, timeout?, authorities?);
    Some(Some(MailboxSettings { account, timeout, authorities, provider: provider? }))
}

fn domains(section: &Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("domains")?;
    let fine = |(text, at): &(String, At)| {
        let is_one = crate::domain::contact::Email::parse(&format!("a@{text}")).is_some();
        if !is_one {
            section.error(*at, format!("`{text}` is no domain"), "such as \"alumni.example.org\"");
        }
        is_one
    };
    // All of them are looked at.
    let good = texts.iter().filter(|text| fine(text)).count();
    (good == texts.len()).then(|| texts.into_iter().map(|(text, _)| text).collect())
}

fn account(section: &Section<'_>, domains: &[String]) -> Option<AccountTemplate> {
    let (text, at) = section.text("account")?;
    let wanted = "such as \"{username}@alumni.example.org\", or \"{email}\" with `domains`";
    if text.trim().is_empty() {
        let message = "`account` is missing in [mailbox]: whose mailbox is whose?";
        section.error(section.place("account"), message, wanted);
        return None;
    }
    match AccountTemplate::parse(&text, domains) {
        Ok(template) => Some(template),
        Err(error) => {
            let (at, hint) = match &error {
                TemplateError::Unknown(word) => (section.within(at, word), wanted),
                TemplateError::NoDomain => (at, "add `domains`: mailboxes elsewhere are never touched"),
                TemplateError::SameForAll | TemplateError::NoAddress => (at, wanted),
            };
            section.error(at, format!("`account` in [mailbox] cannot be used: {error}"), hint);
            None
        }
    }
}
