//! Activating a new account (R-ACT-1 to 8).

use super::passcode::{Answer, Asking, Chosen, Only};
use super::registration::SecurityForm;
use super::{Portal, PortalError, Problem, Result, Visit};
use crate::base::Secret;
use crate::config::SecondCode;
use crate::domain::contact::ContactKind;
use crate::domain::flow::activation::Second;
use crate::domain::flow::{Activation, Proving, Session};
use crate::domain::login::Offer;
use crate::domain::message::Notice;
use crate::domain::method::{Channel, Method};
use crate::domain::person::{Person, Status};
use crate::domain::sent::Purpose;
use std::sync::Arc;

/// Ways to reach somebody who has nothing but what the directory says.
const CHANNELS: [Method; 3] =
    [Method::Sent(Channel::Email), Method::Sent(Channel::Voice), Method::Sent(Channel::Sms)];

const ASKING: Asking<'static> = Asking { purpose: Purpose::Activation, methods: &CHANNELS, reach: None };

/// What the last page of an activation holds.
#[derive(Debug)]
pub struct FirstPassword {
    /// The second passcode, if one was asked for.
    pub passcode: String,
    /// The new password.
    pub password: Secret<String>,
    /// Once more.
    pub again: Secret<String>,
    /// Whether the acceptable-use policies were agreed to.
    pub agreed: bool,
}

impl Portal {
    /// A username was entered.
    pub async fn begin_activation(&self, visit: &Visit, session: &mut Session, username: &str) -> Result<()> {
        let (_, offers) = self.offers(visit, ASKING, username).await?;
        session.activation = Some(Activation::begin(username.trim(), &offers.unwrap_or_default()));
        Ok(())
    }

    /// A way to get the first passcode was chosen.
    pub async fn choose_activation(
        &self,
        visit: &Visit,
        session: &mut Session,
        choice: (&str, bool),
    ) -> Result<Chosen> {
        let Some(proving) = session.activation.as_mut().and_then(Activation::proving) else {
            return Ok(Chosen::NotOffered);
        };
        self.choose(visit, ASKING, proving, choice).await
    }

    /// The first passcode was typed.
    pub async fn answer_activation(
        &self,
        visit: &Visit,
        session: &mut Session,
        typed: &str,
    ) -> Result<Answer> {
        let Some(proving) = session.activation.as_mut().and_then(Activation::proving) else {
            return Ok(Answer::NotAsked);
        };
        let answer = self.answer(visit, ASKING, proving, typed).await?;
        if let Answer::Right(person) = &answer {
            session.sign_out();
            session.reset = None;
            session.home = visit.all.campuses.of(person).map(str::to_owned);
            session.activation = session.activation.take().map(|flow| flow.proven(person.id, self.now()));
        }
        Ok(answer)
    }

    /// Whose activation it is, while the first passcode is not too old.
    pub async fn activating(&self, visit: &Visit, session: &Session) -> Result<Arc<Person>> {
        let (Some(Activation::Form { person, username, proven })
        | Some(Activation::Password { person, username, proven, .. })) = &session.activation
        else {
            return Err(PortalError::Stale);
        };
        // Filling in a long form takes its time.
        if *proven + visit.config.portal.fresh * 3 < self.now() {
            return Err(PortalError::Stale);
        }
        let person = self.person(visit, *person, username).await?;
        // Another browser may have been quicker: from then on this is no way to set a password.
        if person.status == Status::New { Ok(person) } else { Err(PortalError::Stale) }
    }

    /// The form with contacts and questions was sent.
    pub async fn save_activation(
        &self,
        visit: &Visit,
        session: &mut Session,
        form: &SecurityForm,
    ) -> Result<Vec<Problem>> {
        let person = self.activating(visit, session).await?;
        let entered = match self.register(visit, &person, form).await? {
            Err(problems) => return Ok(problems),
            Ok(written) => written.entered,
        };
        let mut contacts = entered;
        for contact in self.security.profile(person.id).await?.contacts {
            match contact.waiting {
                Some(value) if contacts.iter().all(|(kind, _)| *kind != contact.kind) => {
                    contacts.push((contact.kind, value));
                }
                _ => {}
            }
        }
        let second = match (visit.config.activation.second_code, contacts.is_empty()) {
            (SecondCode::Never, _) | (SecondCode::NewContact, true) => Second::Done,
            (SecondCode::Always, true) => match self.usual(visit, &person).await? {
                Some(proving) => Second::Enter { contacts, contact: None, proving },
                None => Second::Done,
            },
            (SecondCode::NewContact | SecondCode::Always, false) => Second::Choose(contacts),
        };
        session.activation = session.activation.take().map(|flow| flow.saved(second));
        Ok(Vec::new())
    }

    async fn usual(&self, visit: &Visit, person: &Person) -> Result<Option<Proving>> {
        let (_, offers) = self.offers(visit, ASKING, person.username.as_str()).await?;
        Ok(Proving::new(person.username.as_str(), &offers.unwrap_or_default()))
    }

    /// Where the second passcode can go: each new contact over each channel, as `KIND-CHANNEL` and what it is called.
    pub async fn second_choices(
        &self,
        visit: &Visit,
        person: &Person,
        contacts: &[(ContactKind, String)],
    ) -> Result<Vec<(String, Offer)>> {
        let mut choices = Vec::new();
        if contacts.is_empty() {
            let (_, offers) = self.offers(visit, ASKING, person.username.as_str()).await?;
            let named = |offer: Offer| (offer.method().to_string(), offer);
            return Ok(offers.unwrap_or_default().into_iter().map(named).collect());
        }
        for (kind, value) in contacts {
            let only = Only { kind: *kind, value, usual: &*self.gatekeeper.reach };
            let asking = Asking { reach: Some(&only), ..ASKING };
            let (_, offers) = self.offers(visit, asking, person.username.as_str()).await?;
            let named = |offer: Offer| (format!("{}-{}", kind.as_str(), offer.method()), offer);
            choices.extend(offers.unwrap_or_default().into_iter().map(named));
        }
        Ok(choices)
    }

    /// Sends the second passcode there: `KIND-CHANNEL`, or a channel alone to where the directory says.
    pub async fn choose_second(
        &self,
        visit: &Visit,
        session: &mut Session,
        (name, again): (&str, bool),
    ) -> Result<Chosen> {
        let person = self.activating(visit, session).await?;
        let Some(Activation::Password { second, .. }) = &mut session.activation else {
            return Ok(Chosen::NotOffered);
        };
        let contacts = match second {
            Second::Choose(contacts) | Second::Enter { contacts, .. } => contacts.clone(),
            Second::Done => return Ok(Chosen::NotOffered),
        };
        let (kind, channel) = name.split_once('-').unwrap_or(("", name));
        let contact = contacts.iter().find(|(known, _)| known.as_str() == kind).cloned();
        let only =
            contact.as_ref().map(|(kind, value)| Only { kind: *kind, value, usual: &*self.gatekeeper.reach });
        if only.is_none() && !contacts.is_empty() {
            return Ok(Chosen::NotOffered);
        }
        let asking = Asking { reach: only.as_ref().map(|only| only as _), ..ASKING };
        let (_, offers) = self.offers(visit, asking, person.username.as_str()).await?;
        let Some(mut proving) = Proving::new(person.username.as_str(), &offers.unwrap_or_default()) else {
            return Ok(Chosen::NotOffered);
        };
        let chosen = self.choose(visit, asking, &mut proving, (channel, again)).await?;
        if chosen == Chosen::Asked {
            *second = Second::Enter { contacts, contact, proving };
        }
        Ok(chosen)
    }

    /// The last page was sent: the second passcode, the password, and the account is active.
    pub async fn finish_activation(
        &self,
        visit: &Visit,
        session: &mut Session,
        last: &FirstPassword,
    ) -> Result<Vec<Problem>> {
        let person = self.activating(visit, session).await?;
        let mut problems = Vec::new();
        if visit.config.portal.acceptable_use.is_some() && !last.agreed {
            problems.push(Problem::new("agree", "activation-agree-missing"));
        }
        if last.password.expose() != last.again.expose() {
            problems.push(Problem::new("password_again", "passwords-differ"));
        }
        if !problems.is_empty() {
            return Ok(problems);
        }
        if let Some(problem) = self.second_passcode(visit, session, &person, &last.passcode).await? {
            return Ok(vec![problem]);
        }
        let set = self
            .set_password(visit, &person, ("person.activate.password", None), (&last.password, &last.again))
            .await?;
        if !set.is_empty() {
            return Ok(set);
        }
        // The password counts for nothing before this.
        let accepted = visit.config.portal.acceptable_use.as_ref().map(|policy| policy.version.clone());
        let entry = self.entry(visit, "person.activate", &person);
        let notices = self.notices(visit, &person, Notice::Activated, &[]).await?;
        if !self.security.activate(person.id, accepted, entry, notices).await? {
            return Err(PortalError::Stale);
        }
        self.gatekeeper.courier.wake();
        self.spent(visit, &person, "activation.over").await?;
        session.activation = None;
        Ok(Vec::new())
    }

    async fn second_passcode(
        &self,
        visit: &Visit,
        session: &mut Session,
        person: &Person,
        typed: &str,
    ) -> Result<Option<Problem>> {
        let Some(Activation::Password { second, .. }) = &mut session.activation else {
            return Err(PortalError::Stale);
        };
        let (contact, proving) = match second {
            Second::Done => return Ok(None),
            Second::Choose(_) => return Ok(Some(Problem::new("delivery", "activation-delivery"))),
            Second::Enter { contact, proving, .. } => (contact, proving),
        };
        let only =
            contact.as_ref().map(|(kind, value)| Only { kind: *kind, value, usual: &*self.gatekeeper.reach });
        let asking = Asking { reach: only.as_ref().map(|only| only as _), ..ASKING };
        let answer = self.answer(visit, asking, proving, typed).await?;
        let problem = match answer {
            Answer::Right(_) => {
                if let Some(contact) = contact.clone() {
                    self.prove(visit, person, contact).await?;
                }
                *second = Second::Done;
                None
            }
            Answer::Throttled => Some(Problem::new("passcode", "throttled")),
            Answer::Limited => Some(Problem::new("passcode", "wrong-passcode-limited")),
            Answer::Renewed => Some(Problem::new("passcode", "wrong-passcode-renewed")),
            Answer::Wrong | Answer::NotAsked => Some(Problem::new("passcode", "wrong-passcode")),
        };
        Ok(problem)
    }
}
