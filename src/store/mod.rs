//! What is kept, behind small traits. The records store (SQLite, or PostgreSQL for several nodes) is the authority for
//! people, factors, failure counters, the audit trail, messages and acceptances; challenges live in process or in Redis.
//!
//! `Err` always means "could not decide": the caller must not say yes, and RADIUS does not answer.
//! Every method that changes something takes the [`AuditEntry`] that belongs to it and writes both in one
//! transaction; when it returns `Ok`, the change survives `kill -9`.

pub mod blocklist;
mod breaker;
pub mod challenges;
mod client_keys;
pub mod delivery;
pub mod directory;
mod http;
pub mod ldap;
pub mod mailbox;
pub mod records;
pub mod seal;
mod security;
mod stock;
mod tls;
mod tokens;
pub mod yubico;

use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::directory::{Change, EntryId, Known};
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState, Material, Proof};
pub use crate::domain::login::Account;
use crate::domain::message::{Content, Limit, MessageState, NewMessage, SendLimits};
use crate::domain::method::Channel;
use crate::domain::person::{Person, PersonId, Role, Status, Username};
pub use crate::domain::retention::Retention;
use crate::domain::sent::CodeId;
use crate::domain::throttle::{Counter, Failures, Gate, Throttle};
use async_trait::async_trait;
pub use client_keys::{ClientKey, ClientKeyStatus, ClientKeys};
pub use security::{
    Answer, ContactChange, Coverage, KeptSession, SecurityChange, SecurityData, SecurityProfile, SessionKey,
    Sessions,
};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
pub use stock::{Given, Import, LateKey, Replacement, Stock, Whole};
pub use tokens::{Assignment, NewToken, OtpValidator, TokenQuery, TokenStatus, Tokens, ValidatorError};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, corrupt, unreachable, or too slow: try again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The name or value is taken, or the thing has changed in between.
    #[error("{0}")]
    Conflict(String),
    /// No such person or factor.
    #[error("{0}")]
    NotFound(String),
    /// A sealed value does not open: wrong or missing key, or a row that was tampered with.
    #[error("a sealed value does not open: {0}")]
    Sealed(String),
}

/// Result of a store call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A person to be added.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The id they will have.
    pub id: PersonId,
    /// Unique name.
    pub username: Username,
    /// Name to show.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Groups.
    pub groups: Vec<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Password hash in PHC or crypt form; none: no password login.
    pub password: Option<Secret<String>>,
    /// The account is to be activated before it can log in.
    pub new: bool,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only usernames that contain this.
    pub matching: Option<String>,
    /// Only usernames after this one.
    pub after: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// People of the embedded directory.
#[async_trait]
pub trait People: Send + Sync {
    /// The person and their active factors; `None` if unknown.
    async fn account(&self, username: &Username) -> Result<Option<Arc<Account>>>;
    /// The person alone.
    async fn person(&self, username: &Username) -> Result<Option<Person>>;
    /// The person of this id, as long as they are here.
    async fn by_id(&self, person: PersonId) -> Result<Option<Person>>;
    /// Sorted by username.
    async fn list(&self, page: &Page) -> Result<Vec<Person>>;
    /// Adds all or none; `Conflict` names the first username that is taken.
    async fn add(&self, people: Vec<NewPerson>, audit: AuditEntry) -> Result<()>;
    /// Locks, unlocks, disables, activates; raises `version`. `Status::Active` ends a lock, or makes a new account active: a new
    /// one that was locked is new again. `Status::New` has the account activated (again). Both also clear all counters; all
    /// but `Active` end the person's sessions. Who is switched off in an outside directory stays so.
    async fn set_status(&self, person: PersonId, status: Status, audit: AuditEntry) -> Result<()>;
}

/// Password hashes of the embedded directory.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// PHC or crypt string; `None` if there is no such person or no password.
    async fn hash(&self, person: PersonId) -> Result<Option<Secret<String>>>;
    /// Sets a new hash and raises `version`; clears the password counter and ends the person's sessions.
    async fn set(&self, person: PersonId, hash: Secret<String>, audit: AuditEntry) -> Result<()>;
    /// A password was changed elsewhere, in an outside directory: raises `version`, clears the password counter and ends the
    /// person's sessions.
    async fn changed(&self, person: PersonId, audit: AuditEntry) -> Result<()>;
    /// Replaces `old` by `new`, a better hash of the same password; nothing happens if `old` is gone.
    async fn upgrade(&self, person: PersonId, old: Secret<String>, new: Secret<String>) -> Result<()>;
}

/// Where the synchronisation of a directory stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPlace {
    /// Of the settings that it belongs to; with others it is worth nothing.
    pub scope: String,
    /// As the source of the changes understands it.
    pub state: String,
    /// When it was written.
    pub synced: Timestamp,
}

/// Changes of one directory that are written together.
#[derive(Debug, Clone)]
pub struct IdentityBatch {
    /// Name of the directory.
    pub directory: String,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// One for each change: who it is about, or the id that a new person gets.
    pub ids: Vec<PersonId>,
    /// Where the synchronisation stands once they are written.
    pub place: Option<SyncPlace>,
    /// Part of a first load: one audit entry for all instead of one for each.
    pub bulk: bool,
    /// Whoever comes for the first time has an account that is to be activated before it can log in. Whether others are new
    /// stays as it is.
    pub new: bool,
    /// When.
    pub at: Timestamp,
}

/// A person that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Their entry.
    pub entry: EntryId,
    /// Their id here.
    pub person: PersonId,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// People who were written.
    pub written: Vec<Written>,
    /// Entries whose username belongs to somebody else; they were left out.
    pub conflicts: Vec<(EntryId, Username)>,
}

/// People that come from outside directories.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Whether this node is the one that follows the directory; it becomes it if nobody is. Where several nodes share
    /// the store, only the one that leads may [`Self::apply`]: on another, or after a lost connection, that is a
    /// `Conflict`, and everything in memory must be read again after `lead` says yes again.
    async fn lead(&self, directory: &str) -> Result<bool>;
    /// Everyone who ever came from a directory and was not purged.
    async fn known(&self, directory: &str) -> Result<Vec<Known>>;
    /// Where its synchronisation stands.
    async fn place(&self, directory: &str) -> Result<Option<SyncPlace>>;
    /// Writes a batch and its place, or nothing.
    async fn apply(&self, batch: IdentityBatch) -> Result<Applied>;
    /// Removes for good who left before this moment; how many.
    async fn purge(&self, directory: &str, before: Timestamp, audit: AuditEntry) -> Result<u64>;
}

/// A factor to be added.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// The id it will have.
    pub id: FactorId,
    /// Whose.
    pub person: PersonId,
    /// What it is.
    pub kind: FactorKind,
    /// Name the person knows it by.
    pub label: String,
    /// Pending until proven, or active at once.
    pub state: FactorState,
    /// When.
    pub created: Timestamp,
    /// Secret material.
    pub material: Material,
    /// HOTP: first counter; else 0.
    pub next: u64,
}

/// Factors.
#[async_trait]
pub trait Factors: Send + Sync {
    /// All of a person, pending ones too, oldest first.
    async fn of(&self, person: PersonId) -> Result<Vec<Factor>>;
    /// One, or `NotFound`.
    async fn factor(&self, id: FactorId) -> Result<Factor>;
    /// Adds one. `replace`: other factors of the same kind (PIN, recovery) end in the same transaction.
    async fn add(&self, factor: NewFactor, replace: bool, audit: AuditEntry) -> Result<()>;
    /// Makes a pending factor active, the code at `position` being used up with it: `false` if it was not
    /// pending any more or the position has passed.
    async fn confirm(&self, id: FactorId, position: u64, audit: AuditEntry) -> Result<bool>;
    /// Ends one for good; its seed is erased. `NotFound` if it was already gone.
    async fn revoke(&self, id: FactorId, audit: AuditEntry) -> Result<()>;
    /// Moves a counter forward to `next`; `false` if it is there or past it. Clears the factor's failures. `used`: when a code was
    /// taken with it, if that says something about a clock.
    async fn advance(
        &self,
        id: FactorId,
        next: u64,
        used: Option<Timestamp>,
        audit: AuditEntry,
    ) -> Result<bool>;
    /// Gives one another name.
    async fn rename(&self, id: FactorId, label: String, audit: AuditEntry) -> Result<()>;
}

/// One failure counter as listed.
#[derive(Debug, Clone)]
pub struct CounterState {
    /// `password` or a factor's id.
    pub counter: String,
    /// Failures in a row.
    pub failures: Failures,
}

/// Failure counters. A charge is durable before the attempt is verified.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Charges one attempt on each counter, atomically, by `rules`; one gate per counter in the same order.
    /// `None` is the stranger: the same work is done and every gate is open.
    async fn charge(
        &self,
        person: Option<PersonId>,
        counters: &[Counter],
        rules: &Throttle,
        now: Timestamp,
    ) -> Result<Vec<Gate>>;
    /// Counters that are not at zero.
    async fn failures(&self, person: PersonId) -> Result<Vec<CounterState>>;
}

/// The end of a login round, written in one transaction.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Whose, if known.
    pub person: Option<PersonId>,
    /// What must be accepted first; if it cannot be (used meanwhile), the rest does not happen except `replayed`.
    pub accept: Option<Proof>,
    /// What may be used once, with when it is over anyway: it is used up together with `accept`, or, where that was
    /// done before, the settlement is `Replayed`. States and sent codes; names begin with what they are.
    pub once: Vec<(String, Timestamp)>,
    /// The code that the challenge joined: it holds only if its message was asked for and the code is not used up.
    pub joins: Option<CodeId>,
    /// A message to be sent, if the limits allow it.
    pub message: Option<(Box<NewMessage>, SendLimits)>,
    /// Counters to reset: what was verified right.
    pub clear: Vec<Counter>,
    /// Counters to lower by one: charged, but then not tried.
    pub refund: Vec<Counter>,
    /// When.
    pub at: Timestamp,
    /// Audit entry of the decision.
    pub audit: AuditEntry,
    /// Audit entry to write instead when `accept` or `once` fails.
    pub replayed: Option<AuditEntry>,
    /// Audit entry to write instead when `message` is over a limit; counters are cleared and refunded all the same.
    pub limited: Option<AuditEntry>,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// Written; the proof, if any, was accepted by this call and no other.
    Done,
    /// The proof had been used, or is not there any more; or its owner may not log in any more.
    Replayed,
    /// A limit does not allow the message; none was written.
    Limited(Limit),
    /// No message carries the code that was joined, or it was used; nothing was written.
    Unsent,
}

/// Ends of login rounds.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Accepts the proof and writes everything that belongs to it, or nothing.
    /// An accept without a proof whose person was locked meanwhile is a `Conflict`, and nothing is written.
    async fn settle(&self, settlement: Settlement) -> Result<Settled>;
    /// Uses up a mark that belongs to no round, by one statement; `false` if it was used before. Nobody is changed by it, so there
    /// is no entry.
    async fn mark(&self, once: (String, Timestamp)) -> Result<bool>;
    /// Whether a mark is used; after a settlement that was `Replayed` this tells by what.
    async fn is_marked(&self, name: &str) -> Result<bool>;
}

/// A message that a node is to send now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: CodeId,
    /// Over what.
    pub channel: Channel,
    /// What it says, and to whom.
    pub content: Content,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// After this it is not worth sending.
    pub expires: Timestamp,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// A provider has taken it.
    Sent,
    /// Nobody has taken it for certain: once more at this moment.
    Again(Timestamp),
    /// No further attempt, and nobody has taken it: it was refused, or is too old.
    Dead,
    /// No further attempt: it may have been taken without our knowing.
    Unknown,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// The message.
    pub id: CodeId,
    /// Which attempt; one that is not the present one any more changes nothing.
    pub attempt: u32,
    /// What became of it.
    pub outcome: Attempted,
    /// Provider that was asked last; may be empty.
    pub provider: String,
    /// What it said, or what went wrong, in one line. Never the code.
    pub detail: String,
    /// What it cost, in hundredths of the currency.
    pub cost: u32,
    /// When.
    pub at: Timestamp,
}

/// A message as administrators see it: without the code, the destination masked.
#[derive(Debug, Clone, Serialize)]
pub struct MessageStatus {
    /// Its id.
    pub id: String,
    /// Whose: the username, or the id of a person who is gone.
    pub person: String,
    /// What its code is for.
    pub purpose: String,
    /// Over what.
    pub channel: String,
    /// Where to, masked.
    pub destination: String,
    /// Where it stands.
    pub state: MessageState,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it is or was due.
    pub due: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// Provider asked last.
    pub provider: String,
    /// What it said, or what went wrong.
    pub detail: String,
    /// What it cost, in hundredths of the currency.
    pub cost: u32,
}

/// What to list of the outbox.
#[derive(Debug, Clone, Default)]
pub struct OutboxQuery {
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only of this person.
    pub person: Option<PersonId>,
    /// Only older ones than this id, which the newest first listing ended with.
    pub before: Option<CodeId>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// Messages on their way out. They come in with a [`Settlement`]; those without a code with what they tell of ([`SecurityData`]).
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes messages that are due, oldest first, at most `most`; nobody else takes them. One that a node took and did
    /// not finish within `patience` may have been sent: it becomes a dead letter, never a second message.
    /// One that is too old becomes a dead letter as well.
    async fn claim(&self, most: u32, patience: Duration, now: Timestamp) -> Result<Vec<Claimed>>;
    /// Writes how an attempt ended; what the message says is erased unless it is tried again.
    async fn finish(&self, end: AttemptEnd) -> Result<()>;
    /// When the next one is due, or a claim runs out.
    async fn due(&self, patience: Duration) -> Result<Option<Timestamp>>;
    /// Newest first.
    async fn list(&self, query: &OutboxQuery) -> Result<Vec<MessageStatus>>;
    /// How many are in each state.
    async fn counts(&self) -> Result<Vec<(MessageState, u64)>>;
}

/// What a clean-up removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Audit entries.
    pub audit: u64,
    /// Messages.
    pub messages: u64,
    /// Marks of what was used once and is over anyway.
    pub marks: u64,
    /// Codes and factors that have ended.
    pub factors: u64,
    /// Sessions of the portal.
    pub sessions: u64,
}

/// Removes what is over, so that nothing grows without bound, and does what logins should not wait for.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// One step of bounded size; call it again while it removes something.
    async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<Cleaned>;
    /// Brings what the trail is searched by one step nearer to its end; whether there was something to do. Searches find
    /// everything anyway, but what is missing here takes them longer.
    async fn index(&self) -> Result<bool>;
}

/// An audit entry as it stands in the chain.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord {
    /// Place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: Cow<'static, str>,
    /// To whom.
    pub person: Option<String>,
    /// The name as given.
    pub subject: String,
    /// How it ended.
    pub outcome: Cow<'static, str>,
    /// Why.
    pub detail: Cow<'static, str>,
    /// Request id.
    pub request: String,
    /// HMAC-SHA-256 over this entry and the link before it, hex.
    pub link: String,
}

/// What to list of the trail.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only entries after this number.
    pub after: i64,
    /// Only entries before this number.
    pub before: Option<i64>,
    /// At most so many; 0 means 100.
    pub limit: u32,
    /// Only entries about this username or subject.
    pub subject: Option<String>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
}

/// Result of a check of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Entries read.
    pub entries: u64,
    /// The last link, hex; empty for an empty trail.
    pub head: String,
    /// The first entry whose link is wrong or missing, with what is wrong.
    pub broken: Option<(i64, String)>,
}

/// The audit trail: append-only, hash-chained.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds one.
    async fn append(&self, entry: AuditEntry) -> Result<()>;
    /// A part of it.
    async fn entries(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>>;
    /// Recomputes every link.
    async fn verify(&self) -> Result<AuditCheck>;
}

/// Acceptances of the acceptable-use policy (R-TOP-3).
#[async_trait]
pub trait Acceptances: Send + Sync {
    /// Records that a person accepted `version`.
    async fn record(&self, person: PersonId, version: &str, at: Timestamp, audit: AuditEntry) -> Result<()>;
    /// The latest version accepted, and when.
    async fn latest(&self, person: PersonId) -> Result<Option<(String, Timestamp)>>;
}
