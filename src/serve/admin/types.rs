//! JSON of the calls.

use crate::base::Timestamp;
use crate::domain::contact::OwnContact;
use crate::domain::factor::Factor as DomainFactor;
use crate::domain::passcode::drift;
use crate::domain::person::{Person as DomainPerson, Role};
use crate::domain::token::Format;
use crate::engine::desk::{Overview as DeskOverview, codes_left};
use crate::engine::sync::{Progress, Stage};
use crate::engine::tokens::Imported as DeskImported;
use crate::store::ldap::ServerState;
use crate::store::{AuditCheck, AuditRecord, CounterState, SecurityProfile, TokenStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Names that are lists of texts in JSON.
fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Person {
    id: String,
    username: String,
    name: String,
    /// `faculty`, `staff`, `student`, `alumnus`.
    roles: Vec<String>,
    groups: Vec<String>,
    email: Option<String>,
    phone: Option<String>,
    /// `active`, `new` (not activated yet), `locked`, `disabled`.
    status: String,
    version: i64,
    /// The directory that the person comes from; none for the embedded one.
    directory: Option<String>,
    /// Name of the entry there.
    dn: Option<String>,
    /// End of the account, RFC 3339.
    valid_until: Option<String>,
}

impl From<DomainPerson> for Person {
    fn from(person: DomainPerson) -> Self {
        Self {
            id: person.id.to_string(),
            username: person.username.to_string(),
            name: person.name,
            roles: texts(person.roles.into_iter().map(Role::as_str)),
            groups: person.groups,
            email: person.email,
            phone: person.phone,
            status: person.status.as_str().to_owned(),
            version: person.version,
            valid_until: person.valid_until.map(|end| end.to_string()),
            dn: person.origin.as_ref().map(|origin| origin.dn.clone()),
            directory: person.origin.map(|origin| origin.directory),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    pub(super) people: Vec<Person>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Factor {
    id: String,
    /// `totp`, `hotp`, `yubikey`, `pin`, `recovery`, `temporary`.
    kind: String,
    label: String,
    /// `pending` until a first code has proved it, then `active`.
    state: String,
    /// RFC 3339.
    created: String,
    used: Option<String>,
    /// Steps by which an app's clock was ahead at its last use.
    drift: Option<i64>,
    codes_left: Option<usize>,
    /// Failures in a row.
    failures: u32,
}

impl Factor {
    pub(super) fn new(factor: &DomainFactor, failures: &[CounterState], now: Timestamp) -> Self {
        let id = factor.id.to_string();
        let counter = failures.iter().find(|state| state.counter == id);
        Self {
            kind: factor.kind.to_string(),
            label: factor.label.clone(),
            state: factor.state.as_str().to_owned(),
            created: factor.created.to_string(),
            used: factor.used.map(|used| used.to_string()),
            drift: drift(factor),
            codes_left: codes_left(factor, now),
            failures: counter.map_or(0, |state| state.failures.count),
            id,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactorList {
    pub(super) factors: Vec<Factor>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failures {
    /// `password`, or a factor's id.
    counter: String,
    count: u32,
    /// No attempt is taken before.
    blocked_until: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acceptance {
    version: String,
    at: String,
}

/// A contact that the person has entered; values are masked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Contact {
    /// `mobile`, `phone`, `email`.
    kind: String,
    /// In use.
    proven: Option<String>,
    /// Not in use before it is proven.
    waiting: Option<String>,
}

/// What the person has entered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Security {
    contacts: Vec<Contact>,
    /// How many security questions there are.
    questions: usize,
    /// The question that the help desk may ask.
    helpdesk: Option<String>,
    /// When the registration was complete, RFC 3339.
    registered: Option<String>,
    /// Language of messages.
    language: Option<String>,
}

impl From<SecurityProfile> for Security {
    fn from(profile: SecurityProfile) -> Self {
        let contact = |contact: OwnContact| {
            let masked = |value: Option<String>| value.map(|value| contact.kind.masked(&value));
            Contact {
                kind: contact.kind.as_str().to_owned(),
                proven: masked(contact.proven),
                waiting: masked(contact.waiting),
            }
        };
        Self {
            contacts: profile.contacts.into_iter().map(contact).collect(),
            questions: profile.questions.len(),
            helpdesk: profile.helpdesk.map(|question| question.to_string()),
            registered: profile.registered.map(|at| at.to_string()),
            language: profile.language,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    person: Person,
    factors: Vec<Factor>,
    failures: Vec<Failures>,
    acceptance: Option<Acceptance>,
    security: Security,
}

impl Overview {
    pub(super) fn new(overview: DeskOverview, now: Timestamp) -> Self {
        let DeskOverview { person, factors, failures, acceptance, security } = overview;
        let failure = |state: &CounterState| Failures {
            counter: state.counter.clone(),
            count: state.failures.count,
            blocked_until: state.failures.blocked_until.to_string(),
        };
        Self {
            person: person.into(),
            factors: factors.iter().map(|factor| Factor::new(factor, &failures, now)).collect(),
            failures: failures.iter().map(failure).collect(),
            acceptance: acceptance.map(|(version, at)| Acceptance { version, at: at.to_string() }),
            security: security.into(),
        }
    }
}

// None of the bodies that carry a secret has a `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPerson {
    pub(super) username: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    pub(super) imported: usize,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    pub(super) password: String,
    /// The present password: the change is then made as the person, by the rules that the directory has for people.
    pub(super) present: Option<String>,
}

#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    pub(super) label: Option<String>,
    /// Base32; made here if it is missing.
    pub(super) seed: Option<String>,
    /// HOTP only: the first counter.
    pub(super) counter: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Key {
    pub(super) id: String,
    /// Base32; shown this once.
    pub(super) seed: String,
    /// `otpauth://…`; shown this once.
    pub(super) uri: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    pub(super) id: String,
    /// Shown this once.
    pub(super) codes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPin {
    pub(super) pin: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Id {
    pub(super) id: String,
}

#[derive(Debug, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCode {
    /// An hour if it is missing.
    pub(super) lifetime_seconds: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TemporaryCode {
    pub(super) id: String,
    /// Shown this once.
    pub(super) code: String,
    /// RFC 3339.
    pub(super) expires: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstCode {
    pub(super) code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TwoCodes {
    pub(super) first: String,
    pub(super) second: String,
}

/// A device of the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    id: String,
    /// `yubikey`, `hotp`, `totp`.
    kind: String,
    /// Public id in modhex, or serial number.
    name: String,
    /// Printed on it; may be empty.
    serial: String,
    /// `stock`, `assigned`, `revoked`.
    state: String,
    /// Username of the owner.
    user: Option<String>,
    /// Their factor.
    factor: Option<String>,
    /// RFC 3339.
    created: String,
}

impl From<TokenStatus> for Token {
    fn from(token: TokenStatus) -> Self {
        Self {
            id: token.id,
            kind: token.kind.to_string(),
            name: token.name,
            serial: token.serial,
            state: token.state.to_string(),
            user: token.user,
            factor: token.factor,
            created: token.created.to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenList {
    pub(super) tokens: Vec<Token>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenPage {
    /// Only of this kind.
    pub(super) kind: Option<String>,
    /// Only in this state.
    pub(super) state: Option<String>,
    /// Only of this person.
    pub(super) user: Option<String>,
    /// Only those whose name or serial number contains this.
    pub(super) matching: Option<String>,
    /// Only after this id.
    pub(super) after: Option<String>,
    /// At most so many, up to 1000; 100 if it is missing.
    pub(super) limit: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFile {
    /// `yubikey`: as Yubico's programs write it; `csv`: a table of OATH tokens; `pskc`: a container of them
    /// (RFC 6030).
    #[schema(value_type = String)]
    pub(super) format: Format,
    /// The file.
    pub(super) content: String,
    /// PSKC: the key agreed on with the maker, in hex.
    pub(super) key: Option<String>,
    /// PSKC: the passphrase agreed on.
    pub(super) passphrase: Option<String>,
    /// Only look what would come of it.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Leave bad lines out instead of refusing the file.
    #[serde(default)]
    pub(super) skip_bad: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportedTokens {
    imported: usize,
    dry_run: bool,
    /// Lines that were left out.
    left_out: Vec<super::error::Line>,
}

impl ImportedTokens {
    pub(super) fn new(done: DeskImported, dry_run: bool) -> Self {
        let left_out = done.left_out.into_iter().map(Into::into).collect();
        Self { imported: done.imported, dry_run, left_out }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignToken {
    pub(super) username: String,
    pub(super) label: Option<String>,
    /// Something that the token has just shown, to be sure that it is this one; it is used up.
    pub(super) code: Option<String>,
    /// Also if it was revoked. Its counter goes on.
    #[serde(default)]
    pub(super) revoked: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Touch {
    /// What the key types.
    pub(super) otp: String,
    pub(super) label: Option<String>,
    /// Also if it was revoked. Its counter goes on.
    #[serde(default)]
    pub(super) revoked: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PeopleQuery {
    /// Only usernames that contain this.
    pub(super) matching: Option<String>,
    /// Only usernames after this one.
    pub(super) after: Option<String>,
    /// At most so many, up to 1000; 100 if it is missing.
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TrailQuery {
    /// Only entries after this number.
    pub(super) after: Option<i64>,
    /// At most so many, up to 1000; 100 if it is missing.
    pub(super) limit: Option<u32>,
    /// Only entries about this username or id.
    pub(super) subject: Option<String>,
    /// Newest first.
    pub(super) newest: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Trail {
    #[schema(value_type = Vec<Object>)]
    pub(super) entries: Vec<AuditRecord>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// Entries read.
    entries: u64,
    /// The last link, hex. Written down elsewhere, it shows later that nothing before it was changed.
    head: String,
    /// First entry that is wrong, and how.
    #[schema(value_type = Option<Vec<Object>>)]
    broken: Option<(i64, String)>,
}

impl From<AuditCheck> for Verified {
    fn from(check: AuditCheck) -> Self {
        Self { entries: check.entries, head: check.head, broken: check.broken }
    }
}

/// A server of a directory.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DirectoryServer {
    url: String,
    up: bool,
    /// What it failed with, if it is down.
    error: Option<String>,
}

/// How a directory is followed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Directory {
    directory: String,
    /// `waiting`, `loading`, `following`, `retrying`, `held`, `elsewhere` (another node follows it).
    stage: String,
    /// `persist`, `refresh`, `poll`, `usn`.
    mode: Option<&'static str>,
    people: usize,
    /// Since the daemon started.
    added: u64,
    changed: u64,
    removed: u64,
    loads: u64,
    failures: u64,
    /// Usernames that belong to somebody else, so that the entry was left out.
    conflicts: Vec<String>,
    /// RFC 3339.
    last_change: Option<String>,
    error: Option<String>,
    servers: Vec<DirectoryServer>,
}

impl Directory {
    pub(super) fn new(progress: Progress, servers: Vec<ServerState>) -> Self {
        let server = |ServerState { url, up, error }| DirectoryServer { url, up, error };
        Self {
            stage: stage(progress.stage),
            directory: progress.directory,
            mode: progress.mode,
            people: progress.people,
            added: progress.added,
            changed: progress.changed,
            removed: progress.removed,
            loads: progress.loads,
            failures: progress.failures,
            conflicts: progress.conflicts,
            last_change: progress.last_change.map(|at| at.to_string()),
            error: progress.error,
            servers: servers.into_iter().map(server).collect(),
        }
    }
}

fn stage(stage: Stage) -> String {
    let name = match stage {
        Stage::Waiting => "waiting",
        Stage::Loading => "loading",
        Stage::Following => "following",
        Stage::Retrying => "retrying",
        Stage::Held => "held",
        Stage::Elsewhere => "elsewhere",
    };
    name.to_owned()
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Directories {
    pub(super) directories: Vec<Directory>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SyncOrder {
    /// Only this one; all if it is missing.
    pub(super) directory: Option<String>,
    /// Also if more people would be removed than `max_removals` allows.
    #[serde(default)]
    pub(super) accept_removals: bool,
}

/// How a load goes; counts are of this load.
#[derive(Debug, Serialize)]
pub(super) struct SyncLine {
    directory: String,
    stage: String,
    people: usize,
    read: u64,
    added: u64,
    changed: u64,
    removed: u64,
    conflicts: usize,
    pub(super) error: Option<String>,
    /// The last line of this directory.
    ended: bool,
}

impl SyncLine {
    pub(super) fn new(now: Progress, before: &Progress, ended: bool, refused: bool) -> Self {
        Self {
            stage: stage(now.stage),
            people: now.people,
            read: now.read,
            added: now.added - before.added,
            changed: now.changed - before.changed,
            removed: now.removed - before.removed,
            conflicts: now.conflicts.len(),
            error: now.error.filter(|_| refused),
            directory: now.directory,
            ended,
        }
    }
}

/// How the daemon is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Since when it runs, RFC 3339.
    pub started: String,
    /// Counters of the RADIUS server.
    pub radius: BTreeMap<String, u64>,
    /// RADIUS addresses served.
    pub addresses: Vec<String>,
    /// How Redis is: `up`, or a sentence that says why not; none where it is not used.
    pub redis: Option<String>,
}
