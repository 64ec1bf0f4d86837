//! The help desk's part of the portal: who may come in, finding a person, looking at them, and verifying a caller. What is then
//! done about them is in [`act`]. Every look and every act is audited under the clerk's name, refused ones too.
//!
//! Who may do what to whom is decided in [`crate::domain::desk`], anew from the clerk's and the person's account at each request.

pub mod act;

use super::{Portal, PortalError, Result, Visit};
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::contact::Destination;
use crate::domain::desk::{Action, Area, Basis, Denied, Staff, Subject, basis, may};
use crate::domain::factor::Factor;
use crate::domain::flow::{Level, Session};
use crate::domain::method::Channel;
use crate::domain::person::{Person, Status};
use crate::domain::question::QuestionId;
use crate::engine::desk::{Actor, DeskError};
use crate::engine::portal::sign_in::Gate;
use crate::store::{CounterState, Page, SecurityProfile};
use std::sync::Arc;

/// People that a search shows at most.
pub const FOUND: u32 = 20;

/// Somebody who works here, at one request.
#[derive(Debug, Clone)]
pub struct Clerk {
    /// The request.
    pub visit: Visit,
    /// Who.
    pub person: Arc<Person>,
    /// What they are.
    pub staff: Staff,
}

/// Whether somebody may come in.
#[derive(Debug)]
#[must_use]
pub enum Door {
    /// Yes.
    Open(Box<Clerk>),
    /// After signing in.
    SignIn,
    /// After a passcode.
    Prove,
    /// After choosing the PIN that is required.
    ChoosePin,
    /// No, whoever they are and whatever the reason.
    Forbidden,
}

/// A person as a clerk sees them.
#[derive(Debug)]
pub struct Case {
    /// The person.
    pub person: Person,
    /// Factors, pending ones too.
    pub factors: Vec<Factor>,
    /// Failure counters that are not at zero.
    pub failures: Vec<CounterState>,
    /// Security data, without answers.
    pub profile: SecurityProfile,
    /// Where a code can be sent.
    pub destinations: Vec<Target>,
    /// Until when the caller is verified, if they are.
    pub verified: Option<Timestamp>,
    /// What the decisions need to know.
    pub subject: Subject,
}

/// Where a code can be sent.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name in forms.
    pub name: String,
    /// Over what.
    pub channel: Channel,
    /// Where to.
    pub destination: Destination,
}

/// Why something that a clerk asked for was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this username.
    NoPerson,
    /// It may not be done.
    Denied(Denied),
    /// What it was about is not there, or not any more.
    Gone,
    /// Neither was the question looked at, nor was a reason stated.
    NoBasis,
    /// No more messages for now.
    Limited,
    /// The person cannot reset a password here before they have registered.
    Unregistered,
}

/// What came of something that a clerk asked for.
pub type Done<T> = std::result::Result<T, Refusal>;

/// What somebody is, by the groups of the configuration.
pub fn staff(visit: &Visit, person: &Person) -> Option<Staff> {
    let portal = &visit.config.portal;
    Staff::of(person, &portal.helpdesk_groups, &portal.administrator_groups)
}

impl Clerk {
    /// As the trail calls them.
    fn actor(&self) -> Actor {
        let name = format!("portal:{}@{}", self.person.username, self.visit.address);
        Actor { name, request: self.visit.request.clone() }
    }
}

impl Portal {
    /// Whether whoever is signed in may see these pages: by their account as it is now, after a passcode of late.
    pub async fn door(&self, visit: &Visit, session: &mut Session, area: Area) -> Result<Door> {
        let Some(who) = session.who.clone() else { return Ok(Door::SignIn) };
        let account = self.account(visit, &who.username).await?;
        let account = account.filter(|account| account.person.id == who.person);
        let now = account.and_then(|account| staff(visit, &account.person));
        if let Some(who) = &mut session.who {
            who.staff = now;
        }
        // Who is no clerk is asked for nothing, and learns nothing.
        let Some(staff) = now.filter(|staff| staff.may_enter(area)) else {
            tracing::warn!(username = who.username, "somebody asked for a page of those who work here");
            return Ok(Door::Forbidden);
        };
        Ok(match self.gate(visit, session, Level::Passcode).await? {
            Gate::Open(account) if self.owes_pin(visit, &account) => Door::ChoosePin,
            Gate::Open(account) => {
                let person = Arc::clone(&account.person);
                Door::Open(Box::new(Clerk { visit: visit.clone(), person, staff }))
            }
            Gate::SignIn => Door::SignIn,
            Gate::Prove => Door::Prove,
            Gate::Help => Door::Forbidden,
        })
    }

    /// An entry for something that a clerk does.
    pub(super) fn staff_entry(&self, clerk: &Clerk, action: &'static str, subject: &str) -> AuditEntry {
        self.desk.entry(&clerk.actor(), action, subject, None)
    }

    fn act_entry(&self, clerk: &Clerk, action: Action, person: &Person) -> AuditEntry {
        self.desk.entry(&clerk.actor(), action.as_str(), person.username.as_str(), Some(person.id))
    }

    /// People whose username is this, or contains it.
    pub async fn find(&self, clerk: &Clerk, text: &str) -> Result<Vec<Person>> {
        let text = text.trim();
        let exact = self.somebody(text).await?;
        let page = Page { matching: Some(text.to_lowercase()), after: None, limit: FOUND };
        let others = self.desk.people.list(&page).await?;
        let mut found: Vec<Person> = exact.into_iter().collect();
        for person in others {
            if found.iter().all(|known| known.id != person.id) {
                found.push(person);
            }
        }
        found.truncate(FOUND as usize);
        self.desk.audit.append(self.staff_entry(clerk, "person.list", text)).await?;
        Ok(found)
    }

    async fn somebody(&self, username: &str) -> Result<Option<Person>> {
        match self.desk.person(username).await {
            Ok(person) => Ok(Some(person)),
            Err(DeskError::NoPerson(_)) => Ok(None),
            Err(error) => Err(PortalError::Unavailable(error.to_string())),
        }
    }

    fn subject(&self, clerk: &Clerk, session: &Session, person: &Person) -> Subject {
        let ended = person.valid_until.is_some_and(|end| end <= self.now());
        Subject {
            own: person.id == clerk.person.id,
            staff: staff(&clerk.visit, person),
            status: if ended { Status::Disabled } else { person.status },
            verified: session.callers.verified(person.id, self.now()).is_some(),
        }
    }

    /// The person, if the clerk may do this to them now; if not, it is written down that they wanted to.
    async fn allowed(
        &self,
        (clerk, session): (&Clerk, &Session),
        username: &str,
        action: Action,
    ) -> Result<Done<Person>> {
        let Some(person) = self.somebody(username).await? else { return Ok(Err(Refusal::NoPerson)) };
        match may(clerk.staff, action, &self.subject(clerk, session, &person)) {
            Ok(()) => Ok(Ok(person)),
            Err(denied) => {
                let mut entry = self.act_entry(clerk, action, &person);
                (entry.outcome, entry.detail) = ("refused", denied.as_str().into());
                self.desk.audit.append(entry).await?;
                Ok(Err(Refusal::Denied(denied)))
            }
        }
    }

    /// Everything that a clerk may see of a person.
    pub async fn case(&self, clerk: &Clerk, session: &Session, username: &str) -> Result<Done<Case>> {
        let person = match self.allowed((clerk, session), username, Action::Look).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        self.desk.audit.append(self.act_entry(clerk, Action::Look, &person)).await?;
        let case = Case {
            factors: self.desk.factors.of(person.id).await?,
            failures: self.desk.attempts.failures(person.id).await?,
            profile: self.security.profile(person.id).await?,
            destinations: self.targets(&person),
            verified: session.callers.verified(person.id, self.now()),
            subject: self.subject(clerk, session, &person),
            person,
        };
        Ok(Ok(case))
    }

    /// The help-desk question with its answer, if there is one; who looks is written down first.
    pub async fn helpdesk_question(
        &self,
        clerk: &Clerk,
        session: &mut Session,
        username: &str,
    ) -> Result<Done<Option<(QuestionId, Secret<String>)>>> {
        let person = match self.allowed((clerk, session), username, Action::Question).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        let entry = self.act_entry(clerk, Action::Question, &person);
        let found = self.security.helpdesk_answer(person.id, entry).await?;
        if found.is_some() {
            session.callers.look(person.id, self.now());
        }
        Ok(Ok(found))
    }

    /// Marks the caller as verified, for this clerk and a while: until when, is returned.
    pub async fn verify(
        &self,
        clerk: &Clerk,
        session: &mut Session,
        username: &str,
        reason: &str,
    ) -> Result<Done<Timestamp>> {
        let person = match self.allowed((clerk, session), username, Action::Verify).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        let looked = session.callers.looked(person.id, self.now());
        let Some(basis) = basis(looked, reason) else { return Ok(Err(Refusal::NoBasis)) };
        let mut entry = self.act_entry(clerk, Action::Verify, &person);
        entry.detail = match basis {
            Basis::Question => "by the question".into(),
            Basis::Reason(reason) => format!("by another reason: {reason}").into(),
        };
        self.desk.audit.append(entry).await?;
        Ok(Ok(session.callers.verify(person.id, self.now())))
    }
}
