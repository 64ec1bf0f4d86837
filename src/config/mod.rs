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
mod reply;
mod report;
mod sandbox;
mod section;
mod smtp;
mod store;
mod tree;
mod wsapi;
mod yubico;

pub use api::{Api, ApiClient, ApiRight, Identify};
pub use client::{Client, ClientEap};
pub use daemon::{Admin, AdminRole, AdminRule, Keys, Log, Retention};
pub use directory::{
    Attributes, Directory, DirectoryKind, Endpoint, GroupSettings, LdapServer, Membership, Protection,
    RoleRule, ServiceBind, SyncMode, SyncSettings,
};
pub use eap::{Eap, Revocations};
pub use gateway::{
    Authorization, BodyEncoding, ExecInput, Gateway, GatewayKind, HttpGateway, HttpRequest, Pattern, Program,
    Slot,
};
pub use keys::{Documented, documented, reference};
pub use load::{admin_socket, load};
pub use login::Factors;
pub use mailbox::{GraphSettings, LdapMailboxSettings, MailboxFilter, MailboxKind, MailboxSettings};
pub use message::Codes;
pub use metrics::Metrics;
pub use password::{NewPasswords, Password};
pub use portal::{AcceptableUse, Logo, Portal};
pub use radius::Radius;
pub use redis::{Redis, RedisMode, RedisServer};
pub use registration::{Activation, Enforce, Presence, QuestionsMode, Registration, SecondCode};
pub use reply::ReplyRule;
pub use report::Errors;
pub use sandbox::Sandbox;
pub use smtp::{Mailbox, Smtp, SmtpProtection};
pub use store::{Postgres, Store};
pub use wsapi::{ServerTls, Wsapi, WsapiClient};
pub use yubico::Yubico;

use crate::base::PrefixMap;
use crate::domain::campus::Campuses;
use crate::domain::policy::LoginTexts;
use crate::domain::texts::Texts;
use crate::domain::throttle::Throttle;
use crate::wire::radius::Dictionary;
use std::sync::Arc;

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
