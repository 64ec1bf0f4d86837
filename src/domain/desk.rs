//! Who may do what at the help desk of the portal, and what a clerk has found out about a caller.
//!
//! Whoever can send a passcode to somebody, or take a second factor away, can become that person together with whoever reads
//! their mail. So nobody acts on their own account here, and the help desk acts on nobody who works here: neither on an
//! administrator, nor on another clerk, in whose name the trail would then speak. An administrator helps those.
//!
//! ```text
//!   (person) ──look──▶ question shown, or a reason stated ──▶ caller verified for 15 minutes ──▶ unlock, revoke, send, reset
//!        └──lock, at any time: an account that is being stolen cannot wait
//! ```

use super::person::{Person, PersonId, Status};
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long what a clerk has found out about a caller holds.
pub const HOLDS: Duration = Duration::from_secs(15 * 60);
/// People that a clerk's session remembers at most; the oldest are forgotten.
const MOST: usize = 16;
/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 8..=200;

/// What somebody is who works here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Staff {
    /// Of the help desk.
    HelpDesk,
    /// An administrator, who may do what the help desk may as well.
    Administrator,
}

/// Pages for those who work here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// `/desk`
    Desk,
    /// `/administration`
    Administration,
}

impl Staff {
    /// What a member of these groups is.
    pub fn of(person: &Person, help_desk: &[String], administrators: &[String]) -> Option<Self> {
        let member = |groups: &[String]| groups.iter().any(|group| person.groups.contains(group));
        if member(administrators) {
            Some(Staff::Administrator)
        } else {
            member(help_desk).then_some(Staff::HelpDesk)
        }
    }

    /// Whether these pages are for them.
    pub const fn may_enter(self, area: Area) -> bool {
        matches!((self, area), (Staff::Administrator, _) | (Staff::HelpDesk, Area::Desk))
    }
}

/// What can be done about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See status, factors and masked contacts.
    Look,
    /// See the help-desk question and its answer.
    Question,
    /// Mark the caller as verified.
    Verify,
    /// Lock.
    Lock,
    /// Unlock, which clears the failure counters too.
    Unlock,
    /// Take a second factor away.
    Revoke,
    /// Send a one-time code.
    SendCode,
    /// Send a one-time code for a reset.
    StartReset,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 8] = [
        Action::Look,
        Action::Question,
        Action::Verify,
        Action::Lock,
        Action::Unlock,
        Action::Revoke,
        Action::SendCode,
        Action::StartReset,
    ];

    /// Name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Look => "person.show",
            Action::Question => "helpdesk.look",
            Action::Verify => "helpdesk.verify",
            Action::Lock => "person.lock",
            Action::Unlock => "person.unlock",
            Action::Revoke => "factor.revoke",
            Action::SendCode => "code.send",
            Action::StartReset => "helpdesk.reset",
        }
    }

    /// Whether the caller must be verified first.
    pub const fn needs_verified(self) -> bool {
        matches!(self, Action::Unlock | Action::Revoke | Action::SendCode | Action::StartReset)
    }
}

/// A person as the decision needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// It is the clerk's own account.
    pub own: bool,
    /// What they are, if they work here.
    pub staff: Option<Staff>,
    /// Where their account stands.
    pub status: Status,
    /// The caller is verified.
    pub verified: bool,
}

/// Why something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Not by this clerk to this person.
    Forbidden,
    /// The caller is not verified.
    NotVerified,
    /// It makes no sense where the account stands.
    Status,
}

impl Denied {
    /// Name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Denied::Forbidden => "not by this clerk",
            Denied::NotVerified => "the caller is not verified",
            Denied::Status => "not in this state of the account",
        }
    }
}

/// Whether `clerk` may do this now.
pub fn may(clerk: Staff, action: Action, subject: &Subject) -> Result<(), Denied> {
    if subject.own || (subject.staff.is_some() && clerk != Staff::Administrator) {
        return Err(Denied::Forbidden);
    }
    if action.needs_verified() && !subject.verified {
        return Err(Denied::NotVerified);
    }
    let sensible = match action {
        Action::Look | Action::Question | Action::Verify | Action::Revoke => true,
        Action::Lock => matches!(subject.status, Status::Active | Status::New),
        Action::Unlock => subject.status != Status::Disabled,
        // The code would open nothing.
        Action::SendCode | Action::StartReset => subject.status == Status::Active,
    };
    if sensible { Ok(()) } else { Err(Denied::Status) }
}

/// On what a caller was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// The answer to the help-desk question was compared.
    Question,
    /// Something else, as the clerk has put it.
    Reason(String),
}

/// On what a caller is verified: the question that was looked at, or a reason that was stated. `None`: there is neither.
pub fn basis(looked: bool, reason: &str) -> Option<Basis> {
    let words: Vec<&str> = reason.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let reason = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return looked.then_some(Basis::Question);
    }
    let short = reason.chars().count() < *REASON.start();
    (!short).then(|| Basis::Reason(reason.chars().take(*REASON.end()).collect()))
}

/// What a clerk's session remembers of callers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callers {
    /// Whose question was looked at.
    looked: Vec<Mark>,
    /// Who is verified.
    verified: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    person: PersonId,
    until: Timestamp,
}

fn mark(marks: &mut Vec<Mark>, person: PersonId, now: Timestamp) -> Timestamp {
    let until = now + HOLDS;
    marks.retain(|mark| mark.person != person && mark.until > now);
    marks.push(Mark { person, until });
    let surplus = marks.len().saturating_sub(MOST);
    marks.drain(..surplus);
    until
}

fn find(marks: &[Mark], person: PersonId, now: Timestamp) -> Option<Timestamp> {
    marks.iter().find(|mark| mark.person == person && mark.until > now).map(|mark| mark.until)
}

impl Callers {
    /// The question of this person was shown, and there is one.
    pub fn look(&mut self, person: PersonId, now: Timestamp) {
        mark(&mut self.looked, person, now);
    }

    /// Whether it was, not long ago.
    pub fn looked(&self, person: PersonId, now: Timestamp) -> bool {
        find(&self.looked, person, now).is_some()
    }

    /// The caller is this person; until when they count as it is returned.
    pub fn verify(&mut self, person: PersonId, now: Timestamp) -> Timestamp {
        mark(&mut self.verified, person, now)
    }

    /// Until when the caller counts as this person.
    pub fn verified(&self, person: PersonId, now: Timestamp) -> Option<Timestamp> {
        find(&self.verified, person, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::Username;
    use Staff::{Administrator, HelpDesk};
    use Status::{Active, Disabled, Locked, New};

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn person(groups: &[&str]) -> Person {
        Person {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Person::named(PersonId::from_uuid(uuid::Uuid::from_u128(1)), Username::parse("alice").unwrap())
        }
    }

    #[test]
    fn groups_say_who_works_here_and_what_is_open_to_them() {
        let staff =
            |groups: &[&str]| Staff::of(&person(groups), &["desk".to_owned()], &["admins".to_owned()]);
        assert_eq!(staff(&["students", "Desk"]), None, "names of groups are compared as they are");
        assert_eq!(staff(&["desk", "staff"]), Some(HelpDesk));
        assert_eq!(staff(&["admins"]), Some(Administrator));
        assert_eq!(staff(&["desk", "admins"]), Some(Administrator), "the greater counts");
        assert_eq!(Staff::of(&person(&["", "x"]), &[], &[]), None, "without groups nobody works here");
        assert!(HelpDesk.may_enter(Area::Desk) && !HelpDesk.may_enter(Area::Administration));
        assert!(Administrator.may_enter(Area::Desk) && Administrator.may_enter(Area::Administration));
    }

    // R-SOCK-1: what each may do to whom, in which state of the account, before and after the caller is verified.
    #[test]
    fn roles_actions_and_states_make_one_table() {
        // Where it is allowed to a verified caller's account, by status.
        let by_status = |action| match action {
            Action::Look | Action::Question | Action::Verify | Action::Revoke => [true, true, true, true],
            Action::Lock => [true, true, false, false],
            Action::Unlock => [true, true, true, false],
            Action::SendCode | Action::StartReset => [true, false, false, false],
        };
        let verified_first = [Action::Unlock, Action::Revoke, Action::SendCode, Action::StartReset];
        let mut rows = 0;
        for clerk in [HelpDesk, Administrator] {
            for staff in [None, Some(HelpDesk), Some(Administrator)] {
                for own in [false, true] {
                    for (at, status) in [Active, New, Locked, Disabled].into_iter().enumerate() {
                        for verified in [false, true] {
                            for action in Action::ALL {
                                let subject = Subject { own, staff, status, verified };
                                let wanted = if own || (clerk == HelpDesk && staff.is_some()) {
                                    Err(Denied::Forbidden)
                                } else if verified_first.contains(&action) && !verified {
                                    Err(Denied::NotVerified)
                                } else if by_status(action)[at] {
                                    Ok(())
                                } else {
                                    Err(Denied::Status)
                                };
                                assert_eq!(
                                    may(clerk, action, &subject),
                                    wanted,
                                    "{clerk:?} {action:?} {subject:?}"
                                );
                                rows += 1;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(rows, 2 * 3 * 2 * 4 * 2 * 8);
    }

    #[test]
    fn help_desk_takes_over_nobody_who_works_here() {
        for action in Action::ALL {
            for staff in [HelpDesk, Administrator] {
                let subject = Subject { own: false, staff: Some(staff), status: Active, verified: true };
                assert_eq!(may(HelpDesk, action, &subject), Err(Denied::Forbidden), "{action:?} {staff:?}");
                assert_eq!(may(Administrator, action, &subject), Ok(()), "{action:?} {staff:?}");
            }
        }
    }

    #[test]
    fn caller_is_verified_by_the_question_or_a_reason_that_says_something() {
        assert_eq!(basis(false, ""), None);
        assert_eq!(basis(false, "  \n "), None);
        assert_eq!(basis(true, ""), Some(Basis::Question));
        assert_eq!(basis(true, "ok"), None, "a reason that is stated must be one");
        let card = Basis::Reason("identity card at the counter".into());
        assert_eq!(basis(false, " identity\u{0}card\n at the counter "), Some(card));
        assert!(
            matches!(basis(false, &"é".repeat(999)), Some(Basis::Reason(text)) if text.chars().count() == 200)
        );
    }

    #[test]
    fn marks_end_by_themselves_and_are_few() {
        let someone = |number| PersonId::from_uuid(uuid::Uuid::from_u128(number));
        let mut callers = Callers::default();
        callers.look(someone(1), NOW);
        callers.verify(someone(1), NOW);
        assert!(callers.looked(someone(1), NOW) && !callers.looked(someone(2), NOW));
        assert_eq!(callers.verified(someone(1), NOW), Some(NOW + HOLDS));
        assert_eq!(callers.verified(someone(1), NOW + HOLDS), None);
        assert!(!callers.looked(someone(1), NOW + HOLDS));
        for number in 0..40 {
            callers.verify(someone(number), NOW);
        }
        assert_eq!(callers.verified.len(), MOST);
        assert_eq!(callers.verified(someone(1), NOW), None, "the oldest are forgotten");
        assert_eq!(callers.verified(someone(39), NOW), Some(NOW + HOLDS));
        let json = serde_json::to_string(&callers).unwrap();
        assert_eq!(serde_json::from_str::<Callers>(&json).unwrap(), callers);
    }
}
