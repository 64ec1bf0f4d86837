//! Configuration: TOML on disk, resolved into the settings that the rest of the program uses.
//!
//! [`load`] reads the main file, `conf.d` and the environment into one tree with positions, walks it section by section
//! against the list of keys, and collects every error before it gives up.

mod api;
mod campus;
mod client;
mod daemon;
mod directory;
mod eap;
mod files;
mod gateway;
mod keys;
mod load;
mod login;
mod mailbox;
mod mask;
mod message;
mod metrics;
mod password;
mod portal;
mod radius;
mod redis;
mod registration;
mod report;
mod sandbox;
mod section;
mod smtp;
mod store;
mod tree;
mod wsapi;
mod yubico;

pub use api::{Api, ApiClient, ApiRight, Identify};
pub use directory::{
    Attributes, Directory, DirectoryKind, Endpoint, GroupSettings, LdapServer, Membership, Protection,
    RoleRule, ServiceBind, SyncMode, SyncSettings,
};
pub use eap::Eap;
pub use gateway::{
    Authorization, BodyEncoding, ExecInput, Gateway, GatewayKind, HttpGateway, HttpRequest, Pattern, Program,
    Slot,
};
pub use keys::{Documented, documented, reference};
pub use load::load;
pub use mailbox::{GraphSettings, LdapMailboxSettings, MailboxFilter, MailboxKind, MailboxSettings};
pub use metrics::Metrics;
pub use portal::{AcceptableUse, Logo, Portal};
pub use redis::{Redis, RedisMode, RedisServer};
pub use registration::{Activation, Enforce, Presence, QuestionsMode, Registration, SecondCode};
pub use report::Errors;
pub use sandbox::Sandbox;
pub use smtp::{Mailbox, Smtp, SmtpProtection};
pub use wsapi::{ServerTls, Wsapi, WsapiClient};
pub use yubico::Yubico;

use crate::base::meter::Outcomes;
use crate::base::{PrefixMap, Secret};
use crate::domain::campus::Campuses;
use crate::domain::contact::Country;
use crate::domain::message::SendLimits;
use crate::domain::policy::{ClientPolicy, LoginTexts};
use crate::domain::sent::CodeRules;
use crate::domain::texts::Texts;
use crate::domain::throttle::Throttle;
use crate::wire::radius::Dictionary;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything, resolved and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[store]`
    pub store: Store,
    /// `[keys]`
    pub keys: Keys,
    /// `[radius]`
    pub radius: Radius,
    /// `[redis]`; `None`: what several nodes would share is kept in this process.
    pub redis: Option<Redis>,
    /// `[[client]]`, by longest prefix.
    pub clients: PrefixMap<Arc<Client>>,
    /// `[[reply]]`, in order; all that match apply.
    pub replies: Vec<ReplyRule>,
    /// Attribute names: the standard ones and `[[attribute]]`.
    pub dictionary: Arc<Dictionary>,
    /// `[eap]`; `None`: there is no EAP.
    pub eap: Option<Eap>,
    /// `[login]`: texts.
    pub texts: LoginTexts,
    /// `[throttle]`
    pub throttle: Throttle,
    /// `[password]`
    pub password: Password,
    /// `[password]`
    pub new_passwords: NewPasswords,
    /// `[totp]`, `[hotp]`, `[pin]`, `[recovery]`, `[temporary]`
    pub factors: Factors,
    /// `[yubico]`; `None`: no validation server is asked.
    pub yubico: Option<Yubico>,
    /// `[wsapi]` and `[[wsapi.client]]`
    pub wsapi: Wsapi,
    /// `[codes]`
    pub codes: Codes,
    /// `[institution]` and `[message]`: the message catalogue.
    pub catalogue: Arc<Texts>,
    /// `[smtp]`; none: no mail is sent.
    pub smtp: Option<Smtp>,
    /// `[[gateway]]`, in the order in which they are tried.
    pub gateways: Vec<Gateway>,
    /// `[mailbox]`; none: alumni have no mailboxes whose passwords are set here.
    pub mailbox: Option<MailboxSettings>,
    /// `[[directory]]`
    pub directories: Vec<Arc<Directory>>,
    /// Realms of the directories.
    pub realms: crate::domain::directory::Realms,
    /// `[portal]`
    pub portal: Portal,
    /// `[api]` and `[[api_client]]`
    pub api: Api,
    /// `[registration]`
    pub registration: Registration,
    /// `[activation]`
    pub activation: Activation,
    /// `[retention]`
    pub retention: Retention,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[sandbox]`
    pub sandbox: Sandbox,
    /// `[[campus]]`: whose people are where.
    pub campuses: Arc<Campuses>,
    /// The campus whose settings these are; none: those that every campus begins with.
    pub campus: Option<String>,
    /// The settings of each campus; each has none of its own.
    pub branches: Vec<Arc<Config>>,
    /// What is allowed but unwise, as sentences.
    pub warnings: Vec<String>,
}

impl Config {
    /// The settings of the campus of this name; those of all, where there is none.
    pub fn at(self: &Arc<Self>, campus: Option<&str>) -> Arc<Self> {
        let named = |branch: &&Arc<Self>| campus.is_some() && branch.campus.as_deref() == campus;
        Arc::clone(self.branches.iter().find(named).unwrap_or(self))
    }
}

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

/// `[keys]`: master keys; all open, and which one seals is kept in the database.
#[derive(Debug, Clone)]
pub struct Keys {
    /// (key id, 32 bytes). The id is the file's name without its ending, 1 to 16 of `[a-z0-9-]`.
    pub master: Vec<(String, Secret<Vec<u8>>)>,
}

/// `[radius]`
#[derive(Debug, Clone)]
pub struct Radius {
    /// UDP addresses; port 0 takes any.
    pub listen: Vec<SocketAddr>,
    /// Sockets for each address; 0: one for each core.
    pub sockets: usize,
    /// Requests being decided at the same time; more are dropped.
    pub max_in_flight: usize,
    /// A request not decided by then is dropped.
    pub request_deadline: Duration,
    /// An Access-Reject leaves so long after its request arrived.
    pub reject_delay: Duration,
    /// How long an answer is kept for duplicates (RFC 5080 §2.2.2).
    pub duplicate_window: Duration,
    /// Answers kept at most.
    pub duplicate_entries: usize,
    /// Challenges outstanding at most.
    pub challenge_entries: usize,
    /// How long a stop waits for requests under way.
    pub drain_timeout: Duration,
}

/// `[[client]]`: a NAS, or a network of them.
#[derive(Debug, Clone)]
pub struct Client {
    /// Short name for logs and audit.
    pub name: String,
    /// Shared secret.
    pub secret: crate::wire::radius::SharedSecret,
    /// Refuse requests without Message-Authenticator (CVE-2024-3596).
    pub require_message_authenticator: bool,
    /// Drop requests that carry Proxy-State but no Message-Authenticator (CVE-2024-3596).
    pub limit_proxy_state: bool,
    /// What it asks of people.
    pub policy: ClientPolicy,
    /// EAP at this client.
    pub eap: ClientEap,
    /// How its logins end, once there was one under these settings.
    pub outcomes: OnceLock<Arc<Outcomes>>,
}

/// EAP at a client.
#[derive(Debug, Clone)]
pub struct ClientEap {
    /// Methods allowed.
    pub methods: Vec<crate::wire::eap::Method>,
    /// Whether passwords of devices are taken.
    pub device_passwords: bool,
    /// The policy where the device cannot be asked back.
    pub unasked: ClientPolicy,
    /// Digest of name and policy: a TLS session is resumed only where they are the same.
    pub scope: [u8; 32],
}

/// `[[reply]]`: attributes that an Access-Accept carries.
#[derive(Debug, Clone)]
pub struct ReplyRule {
    /// Only for members of one of these; empty: for everyone.
    pub groups: Vec<String>,
    /// Only at these clients (by name); empty: at all.
    pub clients: Vec<String>,
    /// Ready to send.
    pub attributes: Vec<crate::wire::radius::EncodedAttribute>,
}

/// `[password]`: the embedded directory's passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// Argon2id memory in KiB.
    pub memory_kib: u32,
    /// Argon2id passes.
    pub passes: u32,
    /// Argon2id lanes.
    pub lanes: u32,
    /// Hashing threads; 0: one per core.
    pub workers: usize,
    /// Checks waiting at most; more are not decided.
    pub queue: usize,
    /// A check not begun by then is not decided.
    pub deadline: Duration,
    /// How long a right password is remembered as a keyed digest in memory; zero: never.
    pub cache: Duration,
    /// Remembered passwords at most.
    pub cache_entries: usize,
}

/// `[password]`: what new passwords must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasswords {
    /// Fewest characters, at least 8.
    pub min_length: usize,
    /// Most characters.
    pub max_length: usize,
    /// So many of four classes of characters; 0: any.
    pub classes: u8,
    /// Estimated strength, 1 to 4; 0: any.
    pub min_strength: u8,
    /// List of passwords that are refused.
    pub blocklist: Option<PathBuf>,
}

/// Factor settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Name of the institution in apps.
    pub issuer: String,
    /// TOTP: hash function of new seeds.
    pub totp_algorithm: crate::domain::factor::Algorithm,
    /// TOTP: digits of new seeds, 6 or 8.
    pub totp_digits: u8,
    /// TOTP: seconds per step of new seeds.
    pub totp_period: u32,
    /// TOTP: steps before and after the present one that are accepted, 0 to 2.
    pub totp_skew: u8,
    /// TOTP: how far a clock may be off that is found again at a resync.
    pub totp_resync_window: Duration,
    /// HOTP: digits of new seeds, 6 or 8.
    pub hotp_digits: u8,
    /// HOTP: counters ahead that are tried at a login, at most 10.
    pub hotp_look_ahead: u8,
    /// HOTP: counters ahead that are searched at a resync.
    pub hotp_resync_window: u32,
    /// PIN: shortest, 4 to 10.
    pub pin_min: u8,
    /// PIN: longest, 4 to 10.
    pub pin_max: u8,
    /// Recovery codes in a set.
    pub recovery_codes: u8,
    /// Digits of a temporary code, 6 to 10.
    pub temporary_digits: u8,
    /// Longest life of a temporary code.
    pub temporary_max_lifetime: Duration,
    /// Passwords of devices that one person may have; 0: nobody has any.
    pub devices_per_person: u8,
}

/// `[codes]`: codes that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// Lengths and times.
    pub rules: CodeRules,
    /// How many may be asked for.
    pub limits: SendLimits,
    /// Where telephone numbers without a country code belong.
    pub country: Country,
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
