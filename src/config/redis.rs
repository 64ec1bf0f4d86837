//! `[redis]`: where several nodes share what is outstanding.

use super::directory::Endpoint;
use super::directory::connection::{authorities, host_and_port};
use super::files::{self, Files};
use super::report::At;
use super::section::Section;
use crate::base::Secret;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::PathBuf;
use std::time::Duration;

/// `[redis]`
#[derive(Debug, Clone)]
pub struct Redis {
    /// At least one; how they are protected is the same for all.
    pub servers: Vec<RedisServer>,
    /// What they are.
    pub mode: RedisMode,
    /// ACL user; empty: the default one.
    pub user: String,
    /// Its password.
    pub secret: Option<Secret<String>>,
    /// Whether the Sentinels ask for it as well.
    pub sentinel_auth: bool,
    /// Who may vouch for the servers; empty: whom the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// For a call, with all that belongs to it.
    pub timeout: Duration,
    /// What all keys begin with, without the colon.
    pub prefix: String,
}

/// What `urls` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Standalone,
    /// Sentinels that know the master of this name.
    Sentinel(String),
    /// Nodes of a Cluster.
    Cluster,
}

/// One of `urls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// As written.
    pub url: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Whether by TLS.
    pub tls: bool,
}

/// Whether two settings are the same; both passwords are ours.
impl PartialEq for Redis {
    fn eq(&self, other: &Self) -> bool {
        let secret = |redis: &Redis| redis.secret.as_ref().map(|secret| secret.expose().clone());
        self.servers == other.servers
            && self.mode == other.mode
            && self.user == other.user
            && secret(self) == secret(other)
            && self.sentinel_auth == other.sentinel_auth
            && self.authorities == other.authorities
            && self.timeout == other.timeout
            && self.prefix == other.prefix
    }
}

impl Eq for Redis {}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Standalone,
    Sentinel,
    Cluster,
}

/// The outer `None`: it has errors; the inner one: it is not used.
pub(super) fn redis(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Redis>> {
    let urls = section.texts("urls")?;
    let kinds = [("standalone", Kind::Standalone), ("sentinel", Kind::Sentinel), ("cluster", Kind::Cluster)];
    let kind = section.choice("mode", &kinds);
    let servers: Vec<_> = urls.iter().filter_map(|(text, at)| server(section, text, *at, kind)).collect();
    let master = section.text("master");
    let user = section.text("user").map(|(user, _)| user);
    let secret = secret(section, files, user.as_deref().unwrap_or_default());
    let sentinel_auth = section.boolean("sentinel_auth");
    let authorities = authorities(section, files);
    let timeout = section.duration("timeout", Duration::from_millis(50)..=Duration::from_secs(10));
    let prefix = prefix(section);
    if let (Some((_, at)), Some(Kind::Standalone)) = (urls.get(1), kind) {
        let hint = "keep one, or say what they are: mode = \"sentinel\" or mode = \"cluster\"";
        section.error(*at, "with `mode = \"standalone\"` there is one server", hint);
    }
    if servers.iter().any(|server| server.tls) && servers.iter().any(|server| !server.tls) {
        let message = "some of `urls` are reached by TLS, and some are not";
        section.error(section.place("urls"), message, "use rediss:// for all");
    }
    let mode = mode(section, kind?, master?, !urls.is_empty());
    let redis = Redis {
        servers,
        mode: mode?,
        user: user?,
        secret: secret?,
        sentinel_auth: sentinel_auth?,
        authorities: authorities?,
        timeout: timeout?,
        prefix: prefix?,
    };
    // A URL that is wrong has been told of, and the configuration is not used.
    Some((!urls.is_empty()).then_some(redis))
}

fn mode(section: &Section<'_>, kind: Kind, (master, at): (String, At), used: bool) -> Option<RedisMode> {
    match kind {
        Kind::Standalone => Some(RedisMode::Standalone),
        Kind::Cluster => Some(RedisMode::Cluster),
        Kind::Sentinel if master.is_empty() && used => {
            let at = if section.written("master").is_some() { at } else { section.place("mode") };
            section.error(
                at,
                "`master` is missing: Sentinels know several",
                "as in `sentinel monitor NAME …`",
            );
            None
        }
        Kind::Sentinel => Some(RedisMode::Sentinel(master)),
    }
}

fn server(section: &Section<'_>, text: &str, at: At, kind: Option<Kind>) -> Option<RedisServer> {
    if text.contains('@') {
        // What stands there is a password: no error shows the line.
        section.conceal(at);
        let message = "`urls` in [redis] takes no user and no password";
        section.error(at, message, "put them into `user` and `secret_file`");
        return None;
    }
    let Some(server) = parse(text) else {
        let hint = "rediss://HOST[:PORT], or on this machine redis://HOST[:PORT] or unix:/path";
        section.error(at, format!("`{text}` is no address of a Redis server"), hint);
        return None;
    };
    if !server.tls && !server.endpoint.is_local() {
        section.error(at, format!("logins would go to {text} unprotected"), "use rediss:// (TLS)");
    }
    if matches!(server.endpoint, Endpoint::Unix(_)) && kind.is_some_and(|kind| kind != Kind::Standalone) {
        let message = "a Unix socket leads to one server: it fits `mode = \"standalone\"` only";
        section.error(at, message, "use rediss://, or redis:// on this machine");
    }
    Some(server)
}

fn parse(text: &str) -> Option<RedisServer> {
    let url = text.to_owned();
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
        return path.is_absolute().then_some(RedisServer { url, endpoint: Endpoint::Unix(path), tls: false });
    }
    let (scheme, rest) = text.split_once("://")?;
    let tls = match scheme {
        "rediss" => true,
        "redis" => false,
        _ => return None,
    };
    let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest), 6379)?;
    ServerName::try_from(host.to_owned()).ok()?;
    Some(RedisServer { url, endpoint: Endpoint::Tcp(host.to_owned(), port), tls })
}

/// The outer `None`: it has errors; the inner one: there is none.
fn secret(section: &Section<'_>, files: &Files<'_>, user: &str) -> Option<Option<Secret<String>>> {
    let keys = ["secret", "secret_file", "secret_credential"];
    if keys.iter().all(|key| section.written(key).is_none()) {
        if !user.is_empty() {
            let message = format!("the password of the user `{user}` is missing");
            section.error(section.place("user"), message, "add `secret_file`");
            return None;
        }
        return Some(None);
    }
    let (secret, at) = files::secret(section, files, "Redis")?;
    match std::str::from_utf8(secret.expose()) {
        Ok(text) if !text.is_empty() => Some(Some(Secret::new(text.to_owned()))),
        _ => {
            section.error(at, "the password for Redis is empty, or no text in UTF-8", "as in `ACL SETUSER`");
            None
        }
    }
}

fn prefix(section: &Section<'_>) -> Option<String> {
    let (prefix, at) = section.text("prefix")?;
    // No braces: a Cluster would put everything into one slot.
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(fine) {
        let hint = "1 to 64 letters, digits, `-`, `_` and `:`, such as \"doorward\"";
        section.error(at, format!("`{prefix}` cannot begin a key"), hint);
        return None;
    }
    Some(prefix)
}
