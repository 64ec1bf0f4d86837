//! The password of an alumnus's mailbox at the mail provider (R-ALUM-1).

use super::reset::told;
use super::{Portal, PortalError, Problem, Result, Visit};
use crate::base::Secret;
use crate::domain::mailbox::MailboxAccount;
use crate::domain::message::Notice;
use crate::domain::person::{Person, Role};
use crate::store::mailbox::MailboxError;

/// Whether the page is for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxOf {
    /// With this mailbox.
    Somebody(MailboxAccount),
    /// They are no alumnus.
    NoAlumnus,
    /// No mailbox could be theirs.
    Nobody,
    /// There are no mailboxes here.
    NotHere,
}

/// What came of a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum MailboxSet {
    /// It is set.
    Done,
    /// Something in the form has to be done differently.
    Problems(Vec<Problem>),
    /// It is not set, or nobody knows: this message says it.
    Told(&'static str),
}

impl Portal {
    /// Which mailbox somebody has.
    pub fn mailbox_of(&self, person: &Person) -> MailboxOf {
        if !person.roles.contains(&Role::Alumnus) {
            return MailboxOf::NoAlumnus;
        }
        match self.mailboxes.current().map(|mailboxes| mailboxes.account(person)) {
            None => MailboxOf::NotHere,
            Some(Ok(account)) => MailboxOf::Somebody(account),
            Some(Err(_)) => MailboxOf::Nobody,
        }
    }

    /// Sets its password. What is going to be asked of the provider is in the trail before, and what came of it after.
    pub async fn set_mailbox_password(
        &self,
        visit: &Visit,
        person: &Person,
        (new, again): (&Secret<String>, &Secret<String>),
    ) -> Result<MailboxSet> {
        let (MailboxOf::Somebody(account), Some(mailboxes)) =
            (self.mailbox_of(person), self.mailboxes.current())
        else {
            return Err(PortalError::Stale);
        };
        if new.expose() != again.expose() {
            return Ok(MailboxSet::Problems(vec![Problem::new("password_again", "passwords-differ")]));
        }
        let checked = match self.desk.rules.load().check(person, new.expose()) {
            Ok(checked) => checked,
            Err(problems) => return Ok(MailboxSet::Problems(problems.iter().map(told).collect())),
        };
        let entry = |outcome, detail: &'static str| {
            let mut entry = self.entry(visit, "mailbox.password", person);
            (entry.outcome, entry.detail) = (outcome, detail.into());
            entry
        };
        self.desk.audit.append(entry("begun", "the provider is asked")).await?;
        let set = mailboxes.set_password(&account, checked).await;
        let (outcome, detail) = match &set {
            Ok(()) => ("done", "the password is set"),
            Err(error @ MailboxError::Unknown(_)) => ("unknown", error.code()),
            Err(error) => ("refused", error.code()),
        };
        if let Err(error) = self.desk.audit.append(entry(outcome, detail)).await {
            tracing::error!(username = %person.username, outcome, "what became of a mailbox password is not in the trail: {error}");
        }
        Ok(match set {
            Ok(()) => {
                self.tell(visit, person, Notice::MailboxPasswordChanged).await;
                MailboxSet::Done
            }
            Err(MailboxError::Refused(why)) => {
                MailboxSet::Problems(vec![Problem::new("password", "mailbox-refused").with("why", why)])
            }
            Err(MailboxError::NoMailbox(_)) => MailboxSet::Told("mailbox-missing"),
            Err(MailboxError::Later { .. }) => MailboxSet::Told("mailbox-later"),
            Err(MailboxError::Misconfigured(_) | MailboxError::Unreachable(_)) => {
                MailboxSet::Told("mailbox-failed")
            }
            Err(MailboxError::Unknown(_)) => {
                // It may be set: better a mail too many.
                self.tell(visit, person, Notice::MailboxPasswordChanged).await;
                MailboxSet::Told("mailbox-unknown")
            }
        })
    }
}
