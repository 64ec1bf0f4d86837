//! `[[directory]]`: outside directories that people come from.

pub(super) mod connection;
pub(super) mod content;

use super::files::Files;
use super::section::Section;
use crate::base::Secret;
use crate::domain::directory::{Naming, Realms};
use crate::domain::person::Role;
use crate::wire::ldap::{Attribute, Dn, Filter};
pub(super) use connection::authorities;
use connection::{servers, service_bind};
use content::{attributes, dn, filter, groups, naming, roles, sync};
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Which dialect a directory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryKind {
    /// LDAPv3 as in the standards: OpenLDAP, 389-ds and others.
    Ldap,
    /// Active Directory, also Samba's.
    ActiveDirectory,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Host and port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Whether what is sent there stays on this machine.
    pub(in crate::config) fn is_local(&self) -> bool {
        match self {
            Endpoint::Tcp(host, _) => {
                host == "localhost"
                    || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
            Endpoint::Unix(_) => true,
        }
    }
}

/// How the way to a server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// Not at all, or by the machine itself (Unix socket).
    None,
    /// TLS after the StartTLS operation (RFC 4511 §4.14), for this name.
    StartTls(ServerName<'static>),
    /// TLS from the first octet (`ldaps`), for this name.
    Tls(ServerName<'static>),
}

/// One server of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapServer {
    /// As written, for log and status.
    pub url: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How the way to it is protected.
    pub protection: Protection,
}

/// As whom Doorward reads.
#[derive(Debug, Clone)]
pub enum ServiceBind {
    /// By name and password.
    Simple(String, Secret<Vec<u8>>),
    /// As whom the transport says (SASL EXTERNAL).
    External,
}

/// Whether two settings are the same; both passwords are ours.
impl PartialEq for ServiceBind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::External, Self::External) => true,
            (Self::Simple(dn, password), Self::Simple(other_dn, other)) => {
                dn == other_dn && password.expose() == other.expose()
            }
            _ => false,
        }
    }
}

impl Eq for ServiceBind {}

/// How the people in a group are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// Groups name their members; groups in groups are followed.
    Member,
    /// People name their groups.
    MemberOf,
    /// The server follows groups in groups (Active Directory's matching rule).
    InChain,
    /// Not at all.
    None,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// By what the server can do.
    Auto,
    /// Content synchronisation, refreshAndPersist (RFC 4533).
    Persist,
    /// Content synchronisation, refreshOnly, at intervals (RFC 4533).
    Refresh,
    /// By `modifyTimestamp`, at intervals.
    Poll,
}

/// A role that an entry's attribute, or a group, gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The role.
    pub role: Role,
    /// The attribute and the values, compared without case, that give it.
    pub values: Option<(Attribute, Vec<String>)>,
    /// Groups that give it.
    pub groups: Vec<String>,
}

/// Which attribute says what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Stable id.
    pub id: Attribute,
    /// Name to log in with.
    pub username: Attribute,
    /// Name to show.
    pub name: Attribute,
    /// E-mail.
    pub mail: Attribute,
    /// Telephone.
    pub phone: Attribute,
    /// Changes with the password.
    pub changed: Attribute,
    /// Groups of a person.
    pub member_of: Attribute,
    /// Members of a group.
    pub member: Attribute,
    /// Attribute and value, each of which means that the account is switched off.
    pub disabled: Vec<(Attribute, String)>,
}

/// Groups of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// How members are found.
    pub membership: Membership,
    /// Where groups are; only groups below it count.
    pub base: Dn,
    /// What a group is.
    pub filter: Filter,
}

/// How a directory is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// How changes are noticed.
    pub mode: SyncMode,
    /// Between two looks for changes.
    pub poll: Duration,
    /// Between two looks for entries that have gone, where the server does not tell.
    pub sweep: Duration,
    /// Entries in a page of a search.
    pub page: u16,
    /// A sync that would remove more than so many percent of the people stops.
    pub max_removals: u8,
    /// How long someone who left is kept, with factors, in case they return.
    pub keep_departed: Duration,
    /// Who comes after the first load must activate the account.
    pub activation: bool,
}

/// `[[directory]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Short name for log, status and audit.
    pub name: String,
    /// Its dialect.
    pub kind: DirectoryKind,
    /// Servers in the order in which they are tried.
    pub servers: Vec<LdapServer>,
    /// Authorities that may vouch for the servers; empty: those that the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// As whom Doorward reads.
    pub bind: ServiceBind,
    /// Where people are.
    pub base: Dn,
    /// Who is a person.
    pub filter: Filter,
    /// Attribute names.
    pub attributes: Attributes,
    /// Groups.
    pub groups: GroupSettings,
    /// Roles.
    pub roles: Vec<RoleRule>,
    /// What people are called here.
    pub naming: Naming,
    /// How it is followed.
    pub sync: SyncSettings,
    /// Connections that check passwords, to each server.
    pub connections: usize,
    /// Deadline of one operation.
    pub timeout: Duration,
    /// How long a right password is remembered in memory.
    pub cache: Duration,
    /// How long a remembered password counts while no server answers.
    pub outage_cache: Duration,
    /// Changes with every setting that decides who is looked for and what is read of them.
    pub scope: String,
}

/// All directories, and the realms that belong to them.
pub(super) fn directories(root: &Section<'_>, files: &Files<'_>) -> Option<(Vec<Directory>, Realms)> {
    let mut realms = Realms::default();
    let mut directories: Vec<Directory> = Vec::new();
    let mut complete = true;
    for (entries, at) in root.tables("directory") {
        let section = Section::new("directory", entries, at, &root.sink);
        let Some(directory) = directory(&section, files, &mut realms) else {
            complete = false;
            continue;
        };
        if directories.iter().any(|other| other.name == directory.name) {
            let message = format!("two directories are called `{}`", directory.name);
            section.error(section.place("name"), message, "names are unique");
        }
        directories.push(directory);
    }
    complete.then_some((directories, realms))
}

fn directory(section: &Section<'_>, files: &Files<'_>, realms: &mut Realms) -> Option<Directory> {
    let name = section.text("name").and_then(|(name, at)| {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(fine) {
            section.error(
                at,
                format!("`{name}` is no name of a directory"),
                "lower-case letters, digits and dashes",
            );
            return None;
        }
        Some(name)
    });
    let kinds = [("ldap", DirectoryKind::Ldap), ("active-directory", DirectoryKind::ActiveDirectory)];
    let kind = section.choice("kind", &kinds);
    let servers = servers(section);
    let authorities = authorities(section, files);
    let owner = format!("directory `{}`", name.as_deref().unwrap_or_default());
    let bind = service_bind(section, files, &owner);
    let base = dn(section, "base");
    let kind_or_ldap = kind.unwrap_or(DirectoryKind::Ldap);
    let filter = filter(
        section,
        "filter",
        |kind| match kind {
            DirectoryKind::Ldap => "(objectClass=inetOrgPerson)",
            DirectoryKind::ActiveDirectory => "(&(objectCategory=person)(objectClass=user))",
        },
        kind_or_ldap,
    );
    let attributes = attributes(section, kind_or_ldap);
    let groups = groups(section, kind_or_ldap, base.as_ref());
    let roles = roles(section);
    let naming = naming(section, name.as_deref().unwrap_or_default(), realms);
    let sync = sync(section);
    let connections = section.number("connections", 1..=256);
    let timeout = section.duration("timeout", Duration::from_millis(100)..=60 * SECOND);
    let cache = section.duration("cache", Duration::ZERO..=24 * HOUR);
    let outage_cache = section.duration("outage_cache", Duration::ZERO..=168 * HOUR);
    if let (Some(ServiceBind::External), Some(servers)) = (&bind, &servers)
        && servers.iter().any(|server| matches!(server.endpoint, Endpoint::Tcp(..)))
    {
        let message = "`bind = \"external\"` says who the daemon's user is, which only a Unix socket tells";
        section.error(section.place("bind"), message, "ldapi:// servers, or bind = \"simple\"");
    }
    if let (Some(attributes), Some(SyncMode::Persist | SyncMode::Refresh)) =
        (&attributes, sync.as_ref().map(|sync| sync.mode))
        && !["entryUUID", "nsUniqueId"].iter().any(|name| attributes.id.as_str().eq_ignore_ascii_case(name))
    {
        let message = "the content synchronisation sends ids of its own: `id_attribute` must be entryUUID or nsUniqueId";
        section.error(section.place("sync"), message, "or sync = \"poll\"");
    }
    let mut directory = Directory {
        name: name?,
        kind: kind?,
        servers: servers?,
        authorities: authorities?,
        bind: bind?,
        base: base?,
        filter: filter?,
        attributes: attributes?,
        groups: groups?,
        roles: roles?,
        naming: naming?,
        sync: sync?,
        connections: connections?,
        timeout: timeout?,
        cache: cache?,
        outage_cache: outage_cache?,
        scope: String::new(),
    };
    directory.scope = scope(&directory);
    Some(directory)
}

/// A keyed state of a synchronisation is worth nothing once one of these has changed.
fn scope(directory: &Directory) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let Directory { kind, base, filter, attributes, roles, naming, groups, .. } = directory;
    let mut hasher = DefaultHasher::new();
    format!("{kind:?} {base} {filter:?} {attributes:?} {roles:?} {naming:?} {groups:?}").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
