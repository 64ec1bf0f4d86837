//! `[store]`: the file, or PostgreSQL and how to reach it safely.

use super::directory;
use super::files::{self, Files};
use super::report::At;
use super::section::Section;
use crate::base::Secret;
use rustls::pki_types::CertificateDer;
use sqlx::postgres::PgConnectOptions;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// What the address may say behind `?`. The library knows other names for some of these, which would be looked at by it alone.
const IN_URL: [&str; 6] = ["sslmode", "host", "port", "options", "sslcert", "sslkey"];
/// Keys that mean something only with a URL.
const WITH_URL: [&str; 4] = ["ca_file", "secret", "secret_file", "secret_credential"];

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// SQLite file; its folder is made if missing.
    pub path: PathBuf,
    /// PostgreSQL, in place of the file.
    pub postgres: Option<Postgres>,
    /// How long PostgreSQL may take to connect or to answer.
    pub timeout: Duration,
    /// How long a call waits for a lock of another process.
    pub busy_timeout: Duration,
    /// Connections that read at the same time.
    pub readers: u32,
}

/// `store.url` and what belongs to it.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// `postgres://USER@HOST:PORT/DATABASE`, without a password.
    pub url: String,
    /// The user's password; none where the server trusts the socket or the address.
    pub password: Option<Secret<String>>,
    /// TLS, with the certificate and its name checked; else as `sslmode` in the URL says.
    pub verified: bool,
    /// Who may vouch for the server; none: those whom the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl PartialEq for Postgres {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
            && self.verified == other.verified
            && self.authorities == other.authorities
            && self.password.as_ref().map(Secret::expose) == other.password.as_ref().map(Secret::expose)
    }
}

impl Eq for Postgres {}

pub(super) fn store(section: &Section<'_>, files: &Files<'_>) -> Option<Store> {
    let path = section.path("path", files.base);
    let busy_timeout = section.duration("busy_timeout", Duration::ZERO..=60 * SECOND);
    let timeout = section.duration("timeout", SECOND / 10..=60 * SECOND);
    let readers = section.number("readers", 1..=64);
    let postgres = postgres(section, files);
    Some(Store {
        path: path?,
        postgres: postgres?,
        timeout: timeout?,
        busy_timeout: busy_timeout?,
        readers: readers?,
    })
}

/// `Some(None)`: there is no URL, so it is the file.
fn postgres(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Postgres>> {
    let (url, at) = section.text("url")?;
    if url.is_empty() {
        if let Some(key) =
            WITH_URL.into_iter().find(|key| section.written(key).is_some_and(|_| !is_empty(section, key)))
        {
            section.error(section.place(key), format!("`{key}` belongs to PostgreSQL"), "give its `url` too");
            return None;
        }
        return Some(None);
    }
    let password = password(section, files);
    let authorities = directory::authorities(section, files);
    let verified = address(section, &url, at);
    Some(Some(Postgres { url, password: password?, verified: verified?, authorities: authorities? }))
}

fn is_empty(section: &Section<'_>, key: &str) -> bool {
    section.text(key).is_some_and(|(text, _)| text.is_empty())
}

fn password(section: &Section<'_>, files: &Files<'_>) -> Option<Option<Secret<String>>> {
    let keys = ["secret", "secret_file", "secret_credential"];
    if !keys.iter().any(|key| section.written(key).is_some()) {
        return Some(None);
    }
    let (secret, at) = files::secret(section, files, "the database")?;
    match String::from_utf8(secret.expose().clone()) {
        Ok(text) if !text.is_empty() => Some(Some(Secret::new(text))),
        _ => {
            section.error(at, "the password of the database is empty, or no text", "as given to CREATE ROLE");
            None
        }
    }
}

/// Whether the server must be verified.
fn address(section: &Section<'_>, url: &str, at: At) -> Option<bool> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let hint = "such as postgres://doorward@db.example.org/doorward";
    let Some(rest) = rest else {
        section.error(at, "`url` is no address of PostgreSQL", hint);
        return None;
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The last `@`, because a password may hold some.
    let user = address.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || query.split('&').any(|pair| pair.starts_with("password=")) {
        section.sink.borrow_mut().secret(at);
        section.error(
            at,
            "a password does not belong into `url`",
            "put it into `secret_file`, and the user alone here",
        );
        return None;
    }
    let keys = query.split('&').filter(|pair| !pair.is_empty());
    let keys: Vec<_> = keys.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key)).collect();
    let twice = |at: usize, key: &&str| keys.iter().take(at).any(|other| other == key);
    if let Some((_, key)) = keys.iter().enumerate().find(|(at, key)| !IN_URL.contains(key) || twice(*at, key))
    {
        // Whatever it is, perhaps it is a password.
        section.sink.borrow_mut().secret(at);
        let message = format!("`url` says `{key}` behind `?`, which is unknown there, or said twice");
        section.error(at, message, format!("known: {}", IN_URL.join(", ")));
        return None;
    }
    // What the library says may repeat parts of the URL; there is no password in it.
    let options: PgConnectOptions = match url.parse() {
        Ok(options) => options,
        Err(error) => {
            section.error(at, format!("`url` is not understood: {error}"), hint);
            return None;
        }
    };
    if user.is_empty() || options.get_database().is_none_or(str::is_empty) {
        section.error(at, "`url` must name the user and the database", hint);
        return None;
    }
    let host = options.get_host();
    let local = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let mode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="));
    if !local && mode.is_some_and(|mode| mode != "verify-full") {
        let message =
            "the connection to another machine is always protected, and the server's certificate checked";
        section.error(at, message, "leave out `sslmode`; `ca_file` says who may vouch for the server");
        return None;
    }
    Some(!local || mode == Some("verify-full"))
}
