//! Resetting a password (R-RESET-1 to 10).

use super::passcode::{Answer, Asking, Chosen};
use super::{Portal, PortalError, Problem, Result, Visit, must_register};
use crate::base::Secret;
use crate::config::{Enforce, QuestionsMode};
use crate::domain::flow::reset::Proved;
use crate::domain::flow::{Reset, Session};
use crate::domain::login::{Account, Offer};
use crate::domain::message::Notice;
use crate::domain::password::PasswordProblem;
use crate::domain::person::{Person, Status};
use crate::domain::question::QuestionId;
use crate::domain::sent::Purpose;
use crate::domain::throttle::{Counter, CounterList, Gate};
use crate::store::StoreError;
use crate::store::directory::ChangeError;
use std::sync::Arc;

impl Portal {
    fn resetting<'a>(&self, visit: &'a Visit) -> Asking<'a> {
        Asking { purpose: Purpose::Reset, methods: &visit.config.portal.reset_methods, reach: None }
    }

    /// A username was entered.
    pub async fn begin_reset(&self, visit: &Visit, session: &mut Session, username: &str) -> Result<()> {
        let visit = self.at_home(visit, username).await?;
        let (offers, enrolled) = self.reset_offers(&visit, username).await?;
        session.reset = Some(Reset::begin(username.trim(), &offers, enrolled));
        Ok(())
    }

    /// Whether this person gets anywhere at a reset.
    pub(super) async fn can_reset_alone(&self, visit: &Visit, username: &str) -> Result<bool> {
        let (offers, enrolled) = self.reset_offers(visit, username).await?;
        Ok(Reset::begin(username.trim(), &offers, enrolled) != Reset::Help)
    }

    /// What a reset can be done with, and whether the person has enrolled a second factor. The same is asked of the store
    /// whoever it is.
    async fn reset_offers(&self, visit: &Visit, username: &str) -> Result<(Vec<Offer>, bool)> {
        let (account, offers) = self.offers(visit, self.resetting(visit), username).await?;
        let nobody = crate::domain::person::PersonId::from_uuid(uuid::Uuid::nil());
        let id = account.as_ref().map_or(nobody, |account| account.person.id);
        let registered = match self.security.profile(id).await {
            Ok(profile) => profile.registered.is_some(),
            Err(StoreError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        let enrolled = account.as_ref().is_some_and(|account| account.enrolled());
        let needed = visit.config.registration.enforce != Enforce::Off
            && account.is_some_and(|account| must_register(&account.person));
        let offers = if needed && !registered { Vec::new() } else { offers.unwrap_or_default() };
        Ok((offers, enrolled))
    }

    /// A way to get the passcode was chosen.
    pub async fn choose_reset(
        &self,
        visit: &Visit,
        session: &mut Session,
        choice: (&str, bool),
    ) -> Result<Chosen> {
        let Some(proving) = session.reset.as_mut().and_then(Reset::proving) else {
            return Ok(Chosen::NotOffered);
        };
        let visit = self.at_home(visit, &proving.username).await?;
        self.choose(&visit, self.resetting(&visit), proving, choice).await
    }

    /// A passcode was typed.
    pub async fn answer_reset(&self, visit: &Visit, session: &mut Session, typed: &str) -> Result<Answer> {
        let Some(proving) = session.reset.as_mut().and_then(Reset::proving) else {
            return Ok(Answer::NotAsked);
        };
        let visit = &self.at_home(visit, &proving.username).await?;
        let answer = self.answer(visit, self.resetting(visit), proving, typed).await?;
        if let Answer::Right(person) = &answer {
            session.sign_out();
            session.activation = None;
            session.home.clone_from(&visit.config.campus);
            let (offers, enrolled) = self.reset_offers(visit, person.username.as_str()).await?;
            let who = Proved { person: person.id, enrolled };
            let when = (self.now(), self.fresh(visit));
            session.reset = session.reset.take().map(|reset| reset.proven(who, &offers, when));
            if let Some(Reset::Password { question, .. }) = &mut session.reset {
                *question = self.question(visit, person).await?;
            }
        }
        Ok(answer)
    }

    /// One of the person's questions, where an answer is asked for beside passcodes (R-REG-7).
    async fn question(&self, visit: &Visit, person: &Person) -> Result<Option<QuestionId>> {
        if visit.config.registration.mode != QuestionsMode::Additional {
            return Ok(None);
        }
        let answers = self.security.answers(person.id).await?.questions;
        // The same all day: else resets are begun until an easy one comes.
        let day = self.now().millis() / (24 * 3600 * 1000);
        let drawn = self.gatekeeper.digester.digest_question(person.id, day);
        let at = usize::from(drawn[0]).checked_rem(answers.len());
        Ok(at.and_then(|at| answers.into_iter().nth(at)).map(|answer| answer.question))
    }

    /// The answer to that question was typed. It is charged on a counter of its own before it is looked at.
    pub async fn answer_question(&self, visit: &Visit, session: &mut Session, typed: &str) -> Result<Answer> {
        let Some(Reset::Password { person, username, question, .. }) = &mut session.reset else {
            return Ok(Answer::NotAsked);
        };
        let Some(asked) = question.clone() else { return Ok(Answer::NotAsked) };
        let person = self.person(visit, *person, username).await?;
        let (now, counters) = (self.now(), [Counter::Questions]);
        let attempts = &self.gatekeeper.attempts;
        let gates = attempts.charge(Some(person.id), &counters, &visit.config.throttle, now).await?;
        if gates != [Gate::Open] {
            return Ok(Answer::Throttled);
        }
        let answers = self.security.answers(person.id).await?.questions;
        let kept = answers.into_iter().find(|answer| answer.question == asked).ok_or(PortalError::Stale)?;
        let form = Secret::new(crate::domain::question::normalise(typed).as_bytes().to_vec());
        let right = self.desk.hashes.verify(Some(kept.hash), form).await;
        let right = right.map_err(|error| PortalError::Unavailable(error.to_string()))?;
        let mut entry = self.entry(visit, "reset.question", &person);
        entry.outcome = if right { "done" } else { "refused" };
        let clear = if right { counters.as_slice().into() } else { CounterList::new() };
        self.write(entry, clear).await?;
        if !right {
            return Ok(Answer::Wrong);
        }
        *question = None;
        Ok(Answer::Right(person))
    }

    /// Sets the new password, if the last passcode is not too old. What is wrong with it is returned.
    pub async fn finish_reset(
        &self,
        visit: &Visit,
        session: &mut Session,
        (new, again): (&Secret<String>, &Secret<String>),
    ) -> Result<Vec<Problem>> {
        let person = self.still_proven(visit, session).await?;
        let problems = self.set_password(visit, &person, ("person.reset", None), (new, again)).await?;
        if problems.is_empty() {
            session.reset = None;
            self.spent(visit, &person, "reset.over").await?;
            self.tell(visit, &person, Notice::PasswordChanged).await;
        }
        Ok(problems)
    }

    /// Whose password is to be set, if what was proven still holds: it is not long ago, and it would be enough now as well.
    async fn still_proven(&self, visit: &Visit, session: &mut Session) -> Result<Arc<Person>> {
        let Some(Reset::Password { person, username, proven, twice, question: None }) = session.reset.clone()
        else {
            return Err(PortalError::Stale);
        };
        let account = self.account(visit, &username).await?;
        let same = |account: &Arc<Account>| {
            let now = &account.person;
            now.id == person && now.status == Status::Active && (twice || !account.enrolled())
        };
        match account.filter(same) {
            Some(account) if proven >= self.fresh(visit) => Ok(Arc::clone(&account.person)),
            _ => {
                session.reset = None;
                Err(PortalError::Stale)
            }
        }
    }

    /// Failures at what anybody can try are forgotten when the password is set, and not before: a passcode that was right must not
    /// make room for more guesses at the next.
    pub(super) async fn spent(&self, visit: &Visit, person: &Person, action: &'static str) -> Result<()> {
        self.write(self.entry(visit, action, person), CounterList::from_slice(&[Counter::Reset])).await
    }

    /// Sets a password by the rules of ours and of the directory; with the present one, as the person.
    pub(super) async fn set_password(
        &self,
        visit: &Visit,
        person: &Person,
        (action, present): (&'static str, Option<&Secret<String>>),
        (new, again): (&Secret<String>, &Secret<String>),
    ) -> Result<Vec<Problem>> {
        if new.expose() != again.expose() {
            return Ok(vec![Problem::new("password_again", "passwords-differ")]);
        }
        let entry = self.entry(visit, action, person);
        match self.desk.directory.change(person, present, new, entry).await {
            Ok(()) => {
                // A lock that the directory has put on after guesses would make the new password useless.
                if let Err(error) = self.desk.directory.unlock(person).await {
                    tracing::warn!(username = %person.username, "a password was changed, but a lock may be left: {error}");
                }
                Ok(Vec::new())
            }
            Err(ChangeError::Refused(problems)) => Ok(problems.iter().map(told).collect()),
            Err(ChangeError::Policy(why)) => {
                Ok(vec![Problem::new("password", "password-refused").with("why", why)])
            }
            Err(ChangeError::WrongOld) => Ok(vec![Problem::new("present", "wrong-present-password")]),
            Err(ChangeError::Undecided(error)) => Err(PortalError::Unavailable(error.to_string())),
        }
    }
}

/// What is wrong with a new password, as it is told.
pub(super) fn told(problem: &PasswordProblem) -> Problem {
    let field = "password";
    match problem {
        PasswordProblem::TooShort(least) => Problem::new(field, "password-short").with("count", least),
        PasswordProblem::TooLong(most) => Problem::new(field, "password-long").with("count", most),
        PasswordProblem::TooManyBytes => Problem::new(field, "password-bytes"),
        PasswordProblem::Character => Problem::new(field, "password-character"),
        PasswordProblem::TooFewClasses(least) => Problem::new(field, "password-classes").with("count", least),
        PasswordProblem::ContainsUsername => Problem::new(field, "password-username"),
        PasswordProblem::ContainsWord(word) => Problem::new(field, "password-word").with("word", word),
        PasswordProblem::Common => Problem::new(field, "password-common"),
        PasswordProblem::Repeated => Problem::new(field, "password-repeated"),
        PasswordProblem::Sequence => Problem::new(field, "password-sequence"),
        PasswordProblem::Blocklisted => Problem::new(field, "password-listed"),
        PasswordProblem::Guessable(advice) => Problem::new(field, &format!("advice-{}", advice.id())),
    }
}
