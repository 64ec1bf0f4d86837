//! The daemon itself: `[keys]`, `[retention]`, `[admin]`, `[log]`.

use super::files::Files;
use super::report::At;
use super::section::Section;
use crate::base::Secret;
use nix::unistd::{Group, User};
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `[keys]`: master keys; all open, and which one seals is kept in the database.
#[derive(Debug, Clone)]
pub struct Keys {
    /// (key id, 32 bytes). The id is the file's name without its ending, 1 to 16 of `[a-z0-9-]`.
    pub master: Vec<(String, Secret<Vec<u8>>)>,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// Unix socket.
    pub socket: PathBuf,
    /// File mode of the socket.
    pub mode: u32,
    /// Who may do what, in order; the first that matches the peer decides. The daemon's own uid and root are
    /// administrators unless said otherwise.
    pub roles: Vec<AdminRule>,
}

/// What a peer of the admin socket may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminRole {
    /// Everything.
    Administrator,
    /// Look up people and factors, lock and unlock, revoke, issue temporary codes.
    Helpdesk,
    /// Read people, factors, status and the audit trail.
    Auditor,
}

/// `[[admin.role]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRule {
    /// The role given.
    pub role: AdminRole,
    /// To these users.
    pub uids: Vec<u32>,
    /// To members of these groups (primary group of the peer, or supplementary by the system's group database).
    pub gids: Vec<u32>,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How long what is over is kept.
    pub keep: crate::domain::retention::Retention,
    /// Between two clean-ups.
    pub interval: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// JSON lines instead of text.
    pub json: bool,
    /// Filter in tracing's syntax, such as `info` or `doorward=debug`.
    pub filter: String,
}

pub(super) fn keys(section: &Section<'_>, files: &Files<'_>) -> Option<Keys> {
    let mut master = Vec::new();
    let mut add = |name: &str, at: At, bytes: Option<Secret<Vec<u8>>>| {
        let file = name.rsplit('/').next().unwrap_or(name);
        let id = file.split('.').next().unwrap_or_default();
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 16 || !id.bytes().all(fine) {
            section.error(
                at,
                format!("`{id}` is no key id"),
                "a file name of 1 to 16 lower-case letters, digits and dashes",
            );
        }
        if master.iter().any(|(known, _)| known == id) {
            section.error(at, format!("two keys have the id `{id}`"), "ids come from the names of the files");
        }
        let Some(bytes) = bytes else { return };
        let text = bytes.expose().trim_ascii();
        let decoded =
            data_encoding::HEXLOWER_PERMISSIVE.decode(text).or_else(|_| data_encoding::BASE64.decode(text));
        match decoded {
            Ok(key) if key.len() == 32 => master.push((id.to_owned(), Secret::new(key))),
            _ => section.error(
                at,
                format!("{name} does not hold 32 bytes as base64 or hex"),
                "`doorward keys new FILE` makes one",
            ),
        }
    };
    let (names, credentials) = (section.texts("files"), section.texts("credentials"));
    let names_any = names.as_ref().is_none_or(|names| !names.is_empty());
    let credentials_any = credentials.as_ref().is_none_or(|names| !names.is_empty());
    for (name, at) in names.unwrap_or_default() {
        add(&name, at, files.secret_file(section, &name, at));
    }
    for (name, at) in credentials.unwrap_or_default() {
        add(&name, at, files.credential(section, &name, at));
    }
    // Where a key was named, what is wrong with it has been said.
    if !names_any && !credentials_any {
        let message =
            "a master key is needed: [keys] files = [\"keys/k1.key\"], made with `doorward keys new FILE`";
        section.error(section.at, message, "");
    }
    (!master.is_empty()).then_some(Keys { master })
}

pub(super) fn retention(section: &Section<'_>) -> Option<Retention> {
    let year = 8784 * HOUR;
    let audit = section.duration("audit", Duration::ZERO..=100 * year);
    let messages = section.duration("messages", SECOND..=year);
    let pending = section.duration("pending", 60 * SECOND..=year);
    let interval = section.duration("interval", SECOND..=24 * HOUR);
    let keep = crate::domain::retention::Retention {
        audit: audit.map(|audit| (!audit.is_zero()).then_some(audit))?,
        messages: messages?,
        pending: pending?,
    };
    Some(Retention { keep, interval: interval? })
}

pub(super) fn admin(section: &Section<'_>, files: &Files<'_>) -> Option<Admin> {
    let socket = section.path("socket", files.base);
    let mode = section.text("mode").and_then(|(text, at)| {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            section.error(at, format!("`{text}` is no file mode"), "octal, such as \"0660\"");
        }
        mode
    });
    let roles = section.tables("role").into_iter().filter_map(|(entries, at)| {
        let rule = Section::new("admin.role", entries, at, &section.sink);
        let roles = [
            ("administrator", AdminRole::Administrator),
            ("helpdesk", AdminRole::Helpdesk),
            ("auditor", AdminRole::Auditor),
        ];
        let role = rule.choice("role", &roles);
        let find = |key: &str, lookup: fn(&str) -> Option<u32>| {
            let id = |(name, at): &(String, At)| {
                let id = name.parse().ok().or_else(|| lookup(name));
                if id.is_none() {
                    rule.error(*at, format!("this machine knows no `{name}`"), "a name or a number");
                }
                id
            };
            rule.texts(key).map(|names| names.iter().filter_map(id).collect::<Vec<u32>>())
        };
        let uids = find("users", |name| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()));
        let gids =
            find("groups", |name| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw()));
        Some(AdminRule { role: role?, uids: uids?, gids: gids? })
    });
    let roles = roles.collect();
    Some(Admin { socket: socket?, mode: mode?, roles })
}

pub(super) fn log(section: &Section<'_>) -> Option<Log> {
    let json = section.choice("format", &[("text", false), ("json", true)]);
    let (filter, at) = section.text("filter")?;
    if let Err(error) = filter.parse::<tracing_subscriber::filter::Targets>() {
        // EnvFilter knows more than Targets; only what neither understands is wrong.
        if tracing_subscriber::EnvFilter::try_new(&filter).is_err() {
            section.error(
                at,
                format!("`{filter}` is no log filter: {error}"),
                "such as \"info\" or \"doorward=debug\"",
            );
        }
    }
    Some(Log { json: json?, filter })
}
