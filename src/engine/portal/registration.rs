//! Security data: contacts and security questions (R-REG-2 to 7, R-ACT-4, R-ACT-5).

use super::passcode::{Answer, Asking, Chosen, Only, destination};
use super::{Portal, PortalError, Problem, Result, Visit, answers};
use crate::base::Secret;
use crate::domain::contact::{ContactKind, Email, Phone};
use crate::domain::flow::{Contact, Proving, Session};
use crate::domain::message::Notice;
use crate::domain::method::{Channel, Method};
use crate::domain::person::Person;
use crate::domain::question::QuestionId;
use crate::domain::sent::Purpose;
use crate::store::{ContactChange, SecurityChange, SecurityProfile, StoreError};

/// Channels that prove a contact.
const CHANNELS: [Method; 3] =
    [Method::Sent(Channel::Email), Method::Sent(Channel::Sms), Method::Sent(Channel::Voice)];

/// How often a form is looked at while another tab changes what it rests on.
const LOOKS: usize = 3;

/// What a person has filled in.
#[derive(Debug, Clone)]
pub struct SecurityForm {
    /// Contacts as typed; empty: as it was.
    pub contacts: Vec<(ContactKind, String)>,
    /// Contacts that are to go.
    pub remove: Vec<ContactKind>,
    /// Security questions with their answers; an empty answer to a question that was answered keeps it.
    pub questions: Vec<(Option<QuestionId>, Secret<String>)>,
    /// The help-desk question, likewise.
    pub helpdesk: (Option<QuestionId>, Secret<String>),
}

/// What a form comes to.
#[derive(Debug)]
pub struct Written {
    /// Contacts that wait for their proof now.
    pub entered: Vec<(ContactKind, String)>,
}

/// Why a form was not written.
enum RegisterError {
    /// What it rests on was changed meanwhile.
    Changed,
    Portal(PortalError),
}

impl<E: Into<PortalError>> From<E> for RegisterError {
    fn from(error: E) -> Self {
        Self::Portal(error.into())
    }
}

impl Portal {
    /// Security data of a person, without answers.
    pub async fn profile(&self, person: &Person) -> Result<SecurityProfile> {
        Ok(self.security.profile(person.id).await?)
    }

    /// Looks at a form and writes it, or says everything that has to be done differently. What it rests on may be changed meanwhile
    /// by another tab; then it is looked at once more.
    pub async fn register(
        &self,
        visit: &Visit,
        person: &Person,
        form: &SecurityForm,
    ) -> Result<std::result::Result<Written, Vec<Problem>>> {
        for _ in 0..LOOKS {
            match self.register_once(visit, person, form).await {
                Err(RegisterError::Changed) => {}
                Err(RegisterError::Portal(error)) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
        Err(PortalError::Unavailable("answers are changed again and again".to_owned()))
    }

    async fn register_once(
        &self,
        visit: &Visit,
        person: &Person,
        form: &SecurityForm,
    ) -> std::result::Result<std::result::Result<Written, Vec<Problem>>, RegisterError> {
        let before = self.security.profile(person.id).await?;
        let kept = self.security.answers(person.id).await?;
        let mut problems = Vec::new();
        let contacts = contacts(visit, form, &before, person, &mut problems);
        let answers = answers::picked(visit, (person, &before), (form, &kept.questions), &mut problems);
        if problems.is_empty() {
            self.compare(visit, person, (&before, &answers), &mut problems).await?;
        }
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        let entered: Vec<_> = contacts
            .iter()
            .filter_map(|change| match change {
                ContactChange::Enter(kind, value) => Some((*kind, value.clone())),
                ContactChange::Remove(_) => None,
            })
            .collect();
        let questions = match answers.questions {
            Some(picked) => Some(self.hashed(picked).await?),
            None => None,
        };
        let change = SecurityChange {
            contacts,
            questions,
            helpdesk: answers.helpdesk,
            seen: Some(kept.seen),
            registered: Some(self.now()),
            language: Some(visit.language.clone()),
            session: visit.session,
        };
        let entry = self.entry(visit, "person.security", person);
        // To the new address as well: who typed somebody else's name there should not go unnoticed.
        let new =
            entered.iter().filter(|(kind, _)| *kind == ContactKind::Email).map(|(_, value)| value.as_str());
        let notices = self.notices(visit, person, Notice::Updated, &new.collect::<Vec<_>>()).await?;
        match self.security.update(person.id, change, entry, notices).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Err(RegisterError::Changed),
            Err(error) => return Err(error.into()),
        }
        self.gatekeeper.courier.wake();
        Ok(Ok(Written { entered }))
    }

    /// Begins to confirm a contact that waits for its proof.
    pub async fn begin_contact(
        &self,
        visit: &Visit,
        session: &mut Session,
        (person, kind): (&Person, ContactKind),
    ) -> Result<bool> {
        let profile = self.security.profile(person.id).await?;
        let waiting = profile.contacts.into_iter().find(|contact| contact.kind == kind);
        let Some(value) = waiting.and_then(|contact| contact.waiting) else { return Ok(false) };
        let usual = &*self.gatekeeper.reach;
        let only = Only { kind, value: &value, usual };
        let asking = Asking { purpose: Purpose::Contact, methods: &CHANNELS, reach: Some(&only) };
        let (_, offers) = self.offers(visit, asking, person.username.as_str()).await?;
        let proving = Proving::new(person.username.as_str(), &offers.unwrap_or_default());
        let found = proving.is_some();
        session.contact = proving.map(|proving| Contact { kind, value, proving });
        Ok(found)
    }

    /// A way to confirm it was chosen.
    pub async fn choose_contact(
        &self,
        visit: &Visit,
        session: &mut Session,
        choice: (&str, bool),
    ) -> Result<Chosen> {
        let Some(Contact { kind, value, proving }) = &mut session.contact else {
            return Ok(Chosen::NotOffered);
        };
        let only = Only { kind: *kind, value, usual: &*self.gatekeeper.reach };
        let asking = Asking { purpose: Purpose::Contact, methods: &CHANNELS, reach: Some(&only) };
        self.choose(visit, asking, proving, choice).await
    }

    /// The passcode that went there was typed. If it was right, the contact is proven.
    pub async fn answer_contact(&self, visit: &Visit, session: &mut Session, typed: &str) -> Result<Answer> {
        let Some(Contact { kind, value, proving }) = &mut session.contact else {
            return Ok(Answer::NotAsked);
        };
        let only = Only { kind: *kind, value, usual: &*self.gatekeeper.reach };
        let asking = Asking { purpose: Purpose::Contact, methods: &CHANNELS, reach: Some(&only) };
        let answer = self.answer(visit, asking, proving, typed).await?;
        if let Answer::Right(person) = &answer {
            let proven = self.prove(visit, person, (*kind, value.clone())).await?;
            session.contact = None;
            if !proven {
                // Another contact was entered meanwhile.
                return Ok(Answer::NotAsked);
            }
            // From now on pages ask who has registered a contact for a passcode. This was one.
            if session.who.as_ref().is_some_and(|who| who.proven.is_none()) {
                session.proven(self.now());
            }
        }
        Ok(answer)
    }

    /// Writes that a contact is proven.
    pub(super) async fn prove(
        &self,
        visit: &Visit,
        person: &Person,
        contact: (ContactKind, String),
    ) -> Result<bool> {
        let mut entry = self.entry(visit, "contact.prove", person);
        let masked = destination(contact.0, &contact.1).map(|to| to.masked).unwrap_or_default();
        entry.detail = format!("{} {masked}", contact.0.as_str()).into();
        let notices = self.notices(visit, person, Notice::Updated, &[]).await?;
        let proven = self.security.prove(person.id, contact, visit.session, entry, notices).await?;
        self.gatekeeper.courier.wake();
        Ok(proven)
    }
}

fn contacts(
    visit: &Visit,
    form: &SecurityForm,
    before: &SecurityProfile,
    person: &Person,
    problems: &mut Vec<Problem>,
) -> Vec<ContactChange> {
    let mut changes: Vec<ContactChange> =
        form.remove.iter().map(|kind| ContactChange::Remove(*kind)).collect();
    for (kind, typed) in form.contacts.iter().filter(|(_, typed)| !typed.trim().is_empty()) {
        let field = format!("contact-{}", kind.as_str());
        let value = match kind {
            ContactKind::Mobile | ContactKind::Phone => {
                Phone::parse(typed, visit.config.codes.country).map(|phone| phone.as_str().to_owned())
            }
            ContactKind::Email => Email::parse(typed).map(|email| email.as_str().to_owned()),
        };
        match value {
            None if *kind == ContactKind::Email => problems.push(Problem::new(field, "contact-bad-email")),
            None => problems.push(Problem::new(field, "contact-bad-phone")),
            Some(value) if *kind == ContactKind::Email && is_own(visit, &value) => {
                problems.push(Problem::new(field, "contact-own-domain"));
            }
            Some(value) => changes.push(ContactChange::Enter(*kind, value)),
        }
    }
    let gone = |kind| changes.contains(&ContactChange::Remove(kind));
    let kept = before.contacts.iter().any(|contact| !gone(contact.kind));
    let entered = changes.iter().any(|change| matches!(change, ContactChange::Enter(..)));
    let directory = person.email.is_some() || person.phone.is_some();
    if !kept && !entered && !directory && problems.is_empty() {
        problems.push(Problem::new("contact-mobile", "contact-one-needed"));
    }
    changes
}

fn is_own(visit: &Visit, address: &str) -> bool {
    Email::parse(address).is_some_and(|email| visit.config.portal.is_own(email.domain()))
}
