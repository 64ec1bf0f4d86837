//! Changing a password that is known.

use super::passcode::{Asking, policy, round};
use super::{Portal, PortalError, Problem, Result, Visit};
use crate::base::Secret;
use crate::domain::flow::Session;
use crate::domain::message::Notice;
use crate::domain::person::Person;
use crate::domain::policy::LoginKind;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::Verdict;
use std::time::Duration;

impl Portal {
    /// Changes the password of who is signed in. All their sessions end with it, so this one must get a new name. What is wrong
    /// is returned.
    pub async fn change_password(
        &self,
        visit: &Visit,
        session: &mut Session,
        (person, present, new, again): (&Person, &Secret<String>, &Secret<String>, &Secret<String>),
    ) -> Result<Vec<Problem>> {
        if new.expose() != again.expose() {
            return Ok(vec![Problem::new("password_again", "passwords-differ")]);
        }
        if let Some(problem) = self.check_present(visit, person, present).await? {
            return Ok(vec![problem]);
        }
        let how = ("person.password", Some(present));
        let problems = self.set_password(visit, person, how, (new, again)).await?;
        if !problems.is_empty() {
            return Ok(problems);
        }
        if let Some(who) = &mut session.who {
            // Their sessions were ended at a moment that is over; this one goes on from here.
            (who.at, who.must_change) = (self.now() + Duration::from_millis(1), false);
        }
        self.tell(visit, person, Notice::PasswordChanged).await;
        Ok(Vec::new())
    }

    /// Whether the present password is right, by a round of the login machine: charged before it is looked at, and audited.
    async fn check_present(
        &self,
        visit: &Visit,
        person: &Person,
        present: &Secret<String>,
    ) -> Result<Option<Problem>> {
        let policy = policy(visit, LoginKind::Password, &[]);
        let asking = Asking { purpose: Purpose::Portal, methods: &[], reach: None };
        let mut round = round(visit, asking, &policy, person.username.as_str());
        round.client = "password-change";
        round.typed = Some(Secret::new(present.expose().as_bytes().to_vec()));
        Ok(match self.gatekeeper.decide(&visit.config, round).await? {
            Verdict::Accept { person: found, .. } if found.id == person.id => None,
            // Right, and this is how it is mended.
            Verdict::Reject { reason: Reason::PasswordExpired | Reason::PasswordMustChange, .. } => None,
            Verdict::Accept { .. } => return Err(PortalError::Stale),
            Verdict::Reject { reason: Reason::Throttled | Reason::HardStopped, .. } => {
                Some(Problem::new("present", "throttled"))
            }
            Verdict::Reject { .. } | Verdict::Challenge { .. } => {
                Some(Problem::new("present", "wrong-present-password"))
            }
        })
    }
}
