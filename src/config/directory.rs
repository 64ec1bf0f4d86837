//! `[[directory]]`: outside directories that people come from.

use super::client;
use super::files::Files;
use super::report::At;
use super::section::Section;
use crate::base::{Secret, percent_decode};
use crate::domain::directory::{Naming, Realms};
use crate::domain::person::Role;
use crate::wire::ldap::{Attribute, Dn, Filter};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::net::IpAddr;
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
}

/// `[[directory]]`
#[derive(Debug, Clone)]
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
    let bind = service_bind(section, files, name.as_deref().unwrap_or_default());
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
    let Directory { kind, base, filter, attributes, roles, naming, .. } = directory;
    let mut hasher = DefaultHasher::new();
    format!("{kind:?} {base} {filter:?} {attributes:?} {roles:?} {naming:?}").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn servers(section: &Section<'_>) -> Option<Vec<LdapServer>> {
    let start_tls = section.boolean("start_tls");
    let texts = section.texts("servers")?;
    if texts.is_empty() {
        section.error(
            section.place("servers"),
            "`servers` is empty",
            "such as [\"ldaps://ldap.example.org\"]",
        );
    }
    let mut servers = Vec::new();
    for (text, at) in texts {
        match server(&text, start_tls?) {
            Some(server) => {
                let local = match &server.endpoint {
                    Endpoint::Tcp(host, _) => {
                        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
                    }
                    Endpoint::Unix(_) => true,
                };
                if server.protection == Protection::None && !local {
                    let message = format!("passwords would go to {text} unprotected");
                    section.error(at, message, "set start_tls = true, or use ldaps://");
                }
                servers.push(server);
            }
            None => {
                let hint = "ldaps://HOST[:PORT], ldap://HOST[:PORT] or ldapi://%2Fpath%2Fto%2Fsocket";
                section.error(at, format!("`{text}` is no address of an LDAP server"), hint);
            }
        }
    }
    (!servers.is_empty()).then_some(servers)
}

fn server(text: &str, start_tls: bool) -> Option<LdapServer> {
    let (scheme, rest) = text.split_once("://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let url = text.to_owned();
    if scheme == "ldapi" {
        let path = PathBuf::from(percent_decode(rest)?);
        return path.is_absolute().then_some(LdapServer {
            url,
            endpoint: Endpoint::Unix(path),
            protection: Protection::None,
        });
    }
    let usual = match scheme {
        "ldap" => 389,
        "ldaps" => 636,
        _ => return None,
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').map_or(Some(usual), |port| port.parse().ok())?)
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (rest, usual),
        },
    };
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let protection = match (scheme, start_tls) {
        ("ldaps", _) => Protection::Tls(name),
        (_, true) => Protection::StartTls(name),
        (_, false) => Protection::None,
    };
    Some(LdapServer { url, endpoint: Endpoint::Tcp(host.to_owned(), port), protection })
}

fn authorities(section: &Section<'_>, files: &Files<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let (name, at) = section.text("ca_file")?;
    if name.is_empty() {
        return Some(Vec::new());
    }
    let path = files.base.join(&name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            section.error(at, message, "a file with certificates in PEM form");
            return None;
        }
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Some(certificates),
        _ => {
            let message = format!("{} holds no certificates in PEM form", path.display());
            section.error(at, message, "it begins with -----BEGIN CERTIFICATE-----");
            None
        }
    }
}

fn service_bind(section: &Section<'_>, files: &Files<'_>, name: &str) -> Option<ServiceBind> {
    let kinds = [("simple", false), ("external", true)];
    if section.choice("bind", &kinds)? {
        return Some(ServiceBind::External);
    }
    let (dn, at) = section.text("bind_dn")?;
    if dn.is_empty() {
        let message = "`bind_dn` is missing: Doorward never binds anonymously";
        section.error(at, message, "the service account, such as \"cn=doorward,dc=example,dc=org\"");
        return None;
    }
    let owner = format!("directory `{name}`");
    let (secret, at) = client::secret(section, files, &owner)?;
    if secret.expose().is_empty() {
        section.error(at, "the password of the service account is empty", "that would be an anonymous bind");
        return None;
    }
    Some(ServiceBind::Simple(dn, secret))
}

fn dn(section: &Section<'_>, key: &str) -> Option<Dn> {
    let (text, at) = section.text(key)?;
    match Dn::parse(&text) {
        Ok(dn) if !text.trim().is_empty() => Some(dn),
        Ok(_) => {
            section.error(at, format!("`{key}` is empty"), "such as \"ou=people,dc=example,dc=org\"");
            None
        }
        Err(error) => {
            section.error(at, format!("`{text}` is no name of an entry"), error.to_string());
            None
        }
    }
}

fn filter(
    section: &Section<'_>,
    key: &str,
    usual: impl Fn(DirectoryKind) -> &'static str,
    kind: DirectoryKind,
) -> Option<Filter> {
    let (text, at) = section.text(key)?;
    let text = if text.is_empty() { usual(kind) } else { &text };
    let filter = Filter::parse(text);
    if filter.is_none() {
        section.error(at, format!("`{text}` is no search filter"), "such as \"(objectClass=person)\"");
    }
    filter
}

fn attribute(section: &Section<'_>, key: &str, usual: &str) -> Option<Attribute> {
    let (text, at) = section.text(key)?;
    let text = if text.is_empty() { usual } else { text.as_str() };
    let attribute = Attribute::parse(text);
    if attribute.is_none() {
        section.error(at, format!("`{text}` is no name of an attribute"), "letters, digits and dashes");
    }
    attribute
}

fn attributes(section: &Section<'_>, kind: DirectoryKind) -> Option<Attributes> {
    let usual = |ldap: &'static str, ad: &'static str| match kind {
        DirectoryKind::Ldap => ldap,
        DirectoryKind::ActiveDirectory => ad,
    };
    let id = attribute(section, "id_attribute", usual("entryUUID", "objectGUID"));
    let username = attribute(section, "username_attribute", usual("uid", "sAMAccountName"));
    let name = attribute(section, "name_attribute", usual("cn", "displayName"));
    let mail = attribute(section, "mail_attribute", "mail");
    let phone = attribute(section, "phone_attribute", usual("mobile", "mobile"));
    let changed = attribute(section, "changed_attribute", usual("pwdChangedTime", "pwdLastSet"));
    let member_of = attribute(section, "member_of_attribute", "memberOf");
    let member = attribute(section, "member_attribute", "member");
    let mut disabled = Vec::new();
    for (text, at) in section.texts("disabled")? {
        let pair =
            text.split_once('=').and_then(|(name, value)| Some((Attribute::parse(name.trim())?, value)));
        match pair {
            Some((attribute, value)) => disabled.push((attribute, value.trim().to_owned())),
            None => section.error(at, format!("`{text}` is no condition"), "such as \"nsAccountLock=TRUE\""),
        }
    }
    Some(Attributes {
        id: id?,
        username: username?,
        name: name?,
        mail: mail?,
        phone: phone?,
        changed: changed?,
        member_of: member_of?,
        member: member?,
        disabled,
    })
}

fn groups(section: &Section<'_>, kind: DirectoryKind, people: Option<&Dn>) -> Option<GroupSettings> {
    let usual = match kind {
        DirectoryKind::Ldap => Membership::Member,
        DirectoryKind::ActiveDirectory => Membership::InChain,
    };
    let modes = [
        ("auto", usual),
        ("member", Membership::Member),
        ("member-of", Membership::MemberOf),
        ("in-chain", Membership::InChain),
        ("none", Membership::None),
    ];
    let membership = section.choice("group_members", &modes);
    let filter = filter(
        section,
        "group_filter",
        |kind| match kind {
            DirectoryKind::Ldap => "(objectClass=groupOfNames)",
            DirectoryKind::ActiveDirectory => "(objectClass=group)",
        },
        kind,
    );
    let (text, _) = section.text("group_base")?;
    let base = if text.is_empty() { people.cloned() } else { dn(section, "group_base") };
    let place = section.place("group_members");
    match (membership, kind) {
        (Some(Membership::InChain), DirectoryKind::Ldap) => {
            section.error(place, "`in-chain` is a matching rule of Active Directory", "member or member-of");
        }
        // There a change of a group shows in the group alone, and not at all when a member is renamed.
        (Some(Membership::Member | Membership::MemberOf), DirectoryKind::ActiveDirectory) => {
            section.error(
                place,
                "Active Directory finds the people in a group by `in-chain`",
                "in-chain or none",
            );
        }
        _ => {}
    }
    let membership = match membership? {
        // Without a place of their own, groups would be looked for among people: most have none there.
        Membership::Member if text.is_empty() && section.written("group_members").is_none() => {
            Membership::None
        }
        other => other,
    };
    Some(GroupSettings { membership, base: base?, filter: filter? })
}

fn roles(section: &Section<'_>) -> Option<Vec<RoleRule>> {
    let choices = Role::ALL.map(|role| (role.as_str(), role));
    let rule = |(entries, at): (_, At)| {
        let rule = Section::new("directory.role", entries, at, &section.sink);
        let role = rule.choice("role", &choices);
        let (name, name_at) = rule.text("attribute")?;
        let values: Vec<String> = rule.texts("values")?.into_iter().map(|(value, _)| value).collect();
        let groups: Vec<String> = rule.texts("groups")?.into_iter().map(|(group, _)| group).collect();
        let values = match (name.is_empty(), Attribute::parse(&name)) {
            (true, _) => None,
            (false, Some(attribute)) => Some((attribute, values)),
            (false, None) => {
                rule.error(
                    name_at,
                    format!("`{name}` is no name of an attribute"),
                    "letters, digits and dashes",
                );
                return None;
            }
        };
        if values.is_none() && groups.is_empty() {
            rule.error(
                at,
                "a role comes from an `attribute` with `values`, or from `groups`",
                "add one of them",
            );
        }
        Some(RoleRule { role: role?, values, groups })
    };
    section.tables("role").into_iter().map(rule).collect()
}

fn naming(section: &Section<'_>, name: &str, realms: &mut Realms) -> Option<Naming> {
    let texts = section.texts("realms")?;
    let qualified = section.choice("names", &[("plain", false), ("qualified", true)])?;
    let naming = match (qualified, texts.first()) {
        (false, _) => Naming::Plain,
        (true, Some((realm, _))) => Naming::Qualified(realm.to_lowercase()),
        (true, None) => {
            let message = "`names = \"qualified\"` needs a realm to put behind the names";
            section.error(section.place("names"), message, "realms = [\"students.example.org\"]");
            return None;
        }
    };
    for (realm, at) in texts {
        if realm.is_empty() || realm.contains(['@', '\\']) {
            section.error(at, format!("`{realm}` is no realm"), "such as \"example.org\" or \"EXAMPLE\"");
        } else if !realms.add(&realm, name, &naming) {
            section.error(
                at,
                format!("the realm `{realm}` belongs to another directory already"),
                "one of them",
            );
        }
    }
    Some(naming)
}

fn sync(section: &Section<'_>) -> Option<SyncSettings> {
    let modes = [
        ("auto", SyncMode::Auto),
        ("persist", SyncMode::Persist),
        ("refresh", SyncMode::Refresh),
        ("poll", SyncMode::Poll),
    ];
    let mode = section.choice("sync", &modes);
    let poll = section.duration("poll_interval", Duration::from_millis(200)..=24 * HOUR);
    let sweep = section.duration("sweep_interval", SECOND..=168 * HOUR);
    let page = section.number("page_size", 10..=10_000);
    let max_removals = section.number("max_removals", 0..=100);
    let keep_departed = section.duration("keep_departed", Duration::ZERO..=24 * 3660 * HOUR);
    Some(SyncSettings {
        mode: mode?,
        poll: poll?,
        sweep: sweep?,
        page: page?,
        max_removals: max_removals?,
        keep_departed: keep_departed?,
    })
}
