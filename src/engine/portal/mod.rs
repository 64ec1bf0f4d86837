//! Runs the portal's flows: asks the login machine, the directory and the store what the machines of [`crate::domain::flow`] need to
//! know, and writes what they come to. Every change is audited, and told to the person by mail.
//!
//! A passcode is asked for by rounds of the one login machine, whatever it is for: charged before it is looked at, accepted once,
//! limited and audited as at a login. What it is for is its [`Purpose`], so that a code for one thing is worth nothing for
//! another, and failures at what anybody can try are counted apart.

pub mod activation;
pub mod administration;
mod answers;
pub mod app;
pub mod desk;
pub mod devices;
pub mod factors;
pub mod key;
pub mod mailbox;
pub mod notices;
pub mod passcode;
pub mod password;
pub mod registration;
pub mod reset;
pub mod sign_in;

use super::desk::{Actor, Desk, DeskError};
use super::login::{Gatekeeper, Undecided};
use crate::base::{Clock, Random, Timestamp};
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::login::Account;
use crate::domain::person::{Person, PersonId, Role, Username};
use crate::domain::throttle::CounterList;
use crate::store::mailbox::MailboxProvider;
use crate::store::{Outbox, SecurityData, SessionKey, Sessions, Settled, Settlement, StoreError};
use std::sync::Arc;

/// Where the flows look and write.
pub struct Portal {
    /// The login machine.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Factors, tokens, passwords.
    pub desk: Arc<Desk>,
    /// Contacts, questions, activation.
    pub security: Arc<dyn SecurityData>,
    /// Sessions of browsers.
    pub sessions: Arc<dyn Sessions>,
    /// Messages on their way out.
    pub outbox: Arc<dyn Outbox>,
    /// What was counted for administrators.
    pub recent: administration::Recent,
    /// Mailboxes of alumni.
    pub mailboxes: Arc<MailboxProvider>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids of messages.
    pub random: Arc<dyn Random>,
}

/// One request of a browser.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The settings of all campuses.
    pub all: Arc<Config>,
    /// Those that apply: of the campus whose host was asked for, or of the campus of whoever has shown who they are.
    pub config: Arc<Config>,
    /// Where it comes from.
    pub address: String,
    /// Its id, for log and audit.
    pub request: String,
    /// The session that it comes with, which stays where a person's others end.
    pub session: Option<SessionKey>,
    /// The language that is spoken.
    pub language: String,
}

impl Visit {
    /// The same with the settings of the campus that a person belongs to (R-TOP-5).
    #[must_use]
    pub fn of(&self, person: &Person) -> Self {
        Self { config: self.all.at(self.all.campuses.of(person)), ..self.clone() }
    }
}

/// Why nothing came of it; nothing was changed, or it is not known.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// A part that is needed does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The page is not for this person, or not at this time.
    #[error("the step is not the present one")]
    Stale,
}

impl From<Undecided> for PortalError {
    fn from(error: Undecided) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<StoreError> for PortalError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What the desk refuses is told beside the field where it matters; what is left over was not decided.
impl From<DeskError> for PortalError {
    fn from(error: DeskError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Result of a step.
pub type Result<T> = std::result::Result<T, PortalError>;

/// Something in a form that has to be done differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the field.
    pub field: String,
    /// A message of the catalogue.
    pub message: String,
    /// Its values.
    pub values: Vec<(&'static str, String)>,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: &str) -> Self {
        Self { field: field.into(), message: message.to_owned(), values: Vec::new() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers give numbers and references alike")]
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.push((name, value.to_string()));
        self
    }
}

impl Portal {
    /// The account of a name as typed; `None` if there is none.
    pub async fn account(&self, visit: &Visit, username: &str) -> Result<Option<Arc<Account>>> {
        let Ok(name) = Username::parse(&visit.config.realms.canonical(username)) else { return Ok(None) };
        Ok(self.gatekeeper.people.account(&name).await?)
    }

    /// With the settings that apply to whom this name belongs to; as it is, if it belongs to nobody. The same is asked of the store
    /// whoever it is.
    pub(super) async fn at_home(&self, visit: &Visit, username: &str) -> Result<Visit> {
        if visit.all.branches.is_empty() {
            return Ok(visit.clone());
        }
        let account = self.account(visit, username).await?;
        Ok(account.map_or_else(|| visit.clone(), |account| visit.of(&account.person)))
    }

    /// An entry for something that a person does to their own account.
    pub(super) fn entry(&self, visit: &Visit, action: &'static str, person: &Person) -> AuditEntry {
        self.desk.entry(&actor(visit, person), action, person.username.as_str(), Some(person.id))
    }

    /// Writes an entry, and resets counters with it.
    pub(super) async fn write(&self, audit: AuditEntry, clear: CounterList) -> Result<()> {
        let settlement = Settlement { clear, ..Settlement::of(audit) };
        match self.gatekeeper.logins.settle(Box::new(settlement)).await? {
            Settled::Done => Ok(()),
            other => Err(PortalError::Unavailable(format!("an entry was not written: {other:?}"))),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The person of a flow, as they are now; an error if they changed their name or are gone.
    pub(super) async fn person(&self, visit: &Visit, id: PersonId, username: &str) -> Result<Arc<Person>> {
        let account = self.account(visit, username).await?;
        let same = account.filter(|account| account.person.id == id);
        same.map(|account| Arc::clone(&account.person)).ok_or(PortalError::Stale)
    }
}

/// A person who does something to their own account, for the trail.
pub(super) fn actor(visit: &Visit, person: &Person) -> Actor {
    Actor { name: format!("portal:{}@{}", person.username, visit.address), request: visit.request.clone() }
}

/// Whether registration is required of this person (R-TOP-4).
pub fn must_register(person: &Person) -> bool {
    person.roles.iter().any(|role| matches!(role, Role::Faculty | Role::Staff | Role::Student))
}
