//! `kind = "ldap"` and `"active-directory"`: mailboxes whose passwords are in a directory of their own.

use super::super::directory::connection::{servers, service_bind};
use super::super::directory::content::dn;
use super::super::files::Files;
use super::super::section::Section;
use super::super::{DirectoryKind, Endpoint, LdapServer, ServiceBind};
use crate::domain::mailbox::MailboxAccount;
use crate::wire::ldap::{Dn, Filter, escape_filter};

/// A filter with a place for the address of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxFilter(String);

impl MailboxFilter {
    fn parse(text: &str) -> Option<Self> {
        let filter = Self(text.to_owned());
        let places = text.contains(ACCOUNT) || text.contains(USERNAME);
        (places && filter.fill("a@example.org", "a").is_some()).then_some(filter)
    }

    fn fill(&self, address: &str, username: &str) -> Option<Filter> {
        // What is filled in has no braces left, so that neither is looked for in the other.
        let text = self.0.replace(ACCOUNT, &escape_filter(address));
        Filter::parse(&text.replace(USERNAME, &escape_filter(username)))
    }

    /// The filter that finds a mailbox; `None` is not met by what was read from a configuration.
    pub fn of(&self, account: &MailboxAccount) -> Option<Filter> {
        self.fill(account.address(), account.username().as_str())
    }
}

const ACCOUNT: &str = "{account}";
const USERNAME: &str = "{username}";

/// What is needed to ask a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapMailboxSettings {
    /// Its dialect: how a password is set.
    pub dialect: DirectoryKind,
    /// Servers in the order in which they are tried.
    pub servers: Vec<LdapServer>,
    /// As whom Doorward sets passwords.
    pub bind: ServiceBind,
    /// Where mailboxes are.
    pub base: Dn,
    /// How one is found.
    pub filter: MailboxFilter,
}

pub(super) fn ldap(
    section: &Section<'_>,
    files: &Files<'_>,
    dialect: DirectoryKind,
) -> Option<LdapMailboxSettings> {
    let servers = servers(section);
    let bind = service_bind(section, files, "[mailbox]");
    let base = dn(section, "base");
    let filter = filter(section, dialect);
    if let (Some(ServiceBind::External), Some(servers)) = (&bind, &servers)
        && servers.iter().any(|server| matches!(server.endpoint, Endpoint::Tcp(..)))
    {
        let message = "`bind = \"external\"` says who the daemon's user is, which only a Unix socket tells";
        section.error(section.place("bind"), message, "ldapi:// servers, or bind = \"simple\"");
    }
    Some(LdapMailboxSettings { dialect, servers: servers?, bind: bind?, base: base?, filter: filter? })
}

fn filter(section: &Section<'_>, dialect: DirectoryKind) -> Option<MailboxFilter> {
    let (text, at) = section.text("filter")?;
    let text = match (text.is_empty(), dialect) {
        (false, _) => text.as_str(),
        (true, DirectoryKind::Ldap) => "(mail={account})",
        (true, DirectoryKind::ActiveDirectory) => "(&(objectCategory=person)(userPrincipalName={account}))",
    };
    let filter = MailboxFilter::parse(text);
    if filter.is_none() {
        let hint = "such as \"(mail={account})\" or \"(uid={username})\"";
        section.error(at, format!("`{text}` is no filter that finds one mailbox"), hint);
    }
    filter
}
