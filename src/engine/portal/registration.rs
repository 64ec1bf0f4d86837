//! Security data: contacts and security questions (R-REG-2 to 7, R-ACT-4, R-ACT-5).

use super::passcode::{Answer, Asking, Chosen, Only, destination};
use super::{Portal, PortalError, Problem, Result, Visit};
use crate::base::Secret;
use crate::config::{Presence, QuestionsMode};
use crate::domain::contact::{ContactKind, Email, Phone};
use crate::domain::flow::{Contact, Proving, Session};
use crate::domain::message::Notice;
use crate::domain::method::{Channel, Method};
use crate::domain::person::Person;
use crate::domain::question::{self, AnswerProblem, QuestionId};
use crate::domain::sent::Purpose;
use crate::store::{Answer as Kept, ContactChange, SecurityChange, SecurityProfile};
use zeroize::Zeroizing;

/// Channels that prove a contact.
const CHANNELS: [Method; 3] =
    [Method::Sent(Channel::Email), Method::Sent(Channel::Sms), Method::Sent(Channel::Voice)];

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

impl Portal {
    /// Security data of a person, without answers.
    pub async fn profile(&self, person: &Person) -> Result<SecurityProfile> {
        Ok(self.security.profile(person.id).await?)
    }

    /// Looks at a form and writes it, or says everything that has to be done differently.
    pub async fn register(
        &self,
        visit: &Visit,
        person: &Person,
        form: &SecurityForm,
    ) -> Result<std::result::Result<Written, Vec<Problem>>> {
        let before = self.security.profile(person.id).await?;
        let mut problems = Vec::new();
        let contacts = contacts(visit, form, &before, person, &mut problems);
        let picked = self.questions(visit, person, form, &before, &mut problems).await?;
        let helpdesk = helpdesk(visit, person, form, &before, &mut problems);
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
        let questions = match picked {
            Some(picked) => Some(self.hashed(picked).await?),
            None => None,
        };
        let change = SecurityChange {
            contacts,
            questions,
            helpdesk,
            registered: Some(self.now()),
            language: Some(visit.language.clone()),
        };
        let entry = self.entry(visit, "person.security", person);
        // To the new address as well: who typed somebody else's name there should not go unnoticed.
        let new =
            entered.iter().filter(|(kind, _)| *kind == ContactKind::Email).map(|(_, value)| value.as_str());
        let notices = self.notices(visit, person, Notice::Updated, &new.collect::<Vec<_>>());
        self.security.update(person.id, change, entry, notices).await?;
        self.gatekeeper.courier.wake();
        Ok(Ok(Written { entered }))
    }

    /// The questions as they are to be kept, in normal form; `None`: as they were.
    async fn questions(
        &self,
        visit: &Visit,
        person: &Person,
        form: &SecurityForm,
        before: &SecurityProfile,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Vec<Picked>>> {
        let rules = &visit.config.registration;
        if rules.mode == QuestionsMode::Off || rules.slots == 0 {
            return Ok(None);
        }
        let known = self.security.answers(person.id).await?;
        let mut picked: Vec<Picked> = Vec::new();
        for (slot, (question, answer)) in form.questions.iter().take(rules.slots).enumerate() {
            let field = format!("answer-{}", slot + 1);
            let Some(question) = question.as_ref().filter(|id| rules.questions.contains(id)) else {
                continue;
            };
            if picked.iter().any(|other| other.question == *question) {
                problems.push(Problem::new(format!("question-{}", slot + 1), "problem-duplicate"));
                continue;
            }
            let kept = known.iter().find(|kept| kept.question == *question);
            if answer.expose().trim().is_empty() {
                if let Some(kept) = kept {
                    picked
                        .push(Picked { question: question.clone(), answer: Fresh::Kept(kept.hash.clone()) });
                } else {
                    problems.push(Problem::new(field, "problem-answer-short"));
                }
                continue;
            }
            let form = question::normalise(answer.expose());
            let text = text_of(visit, question);
            let repeated =
                picked.iter().any(|other| matches!(&other.answer, Fresh::New(old) if *old == form));
            match question::check(&form, &text, person.username.as_str()) {
                Err(problem) => problems.push(Problem::new(field, said(problem))),
                Ok(()) if repeated => problems.push(Problem::new(field, "problem-answer-repeated")),
                Ok(()) => picked.push(Picked { question: question.clone(), answer: Fresh::New(form) }),
            }
        }
        let least = if before.registered.is_some() { rules.min_existing } else { rules.min_new };
        if picked.len() < least && problems.iter().all(|problem| !problem.field.starts_with("answer")) {
            problems.push(Problem::new("question-1", "problem-questions").with("count", least));
        }
        Ok(Some(picked))
    }

    async fn hashed(&self, picked: Vec<Picked>) -> Result<Vec<Kept>> {
        let mut answers = Vec::with_capacity(picked.len());
        for Picked { question, answer } in picked {
            let hash = match answer {
                Fresh::Kept(hash) => hash,
                Fresh::New(form) => {
                    let hash = self.desk.hashes.hash(Secret::new(form.as_bytes().to_vec())).await;
                    hash.map_err(|error| PortalError::Unavailable(error.to_string()))?
                }
            };
            answers.push(Kept { question, hash });
        }
        Ok(answers)
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
        let notices = self.notices(visit, person, Notice::Updated, &[]);
        let proven = self.security.prove(person.id, contact, entry, notices).await?;
        self.gatekeeper.courier.wake();
        Ok(proven)
    }
}

/// A question on its way into the store.
struct Picked {
    question: QuestionId,
    answer: Fresh,
}

enum Fresh {
    Kept(Secret<String>),
    New(Zeroizing<String>),
}

fn text_of(visit: &Visit, question: &QuestionId) -> String {
    visit.config.portal.words.choose(Some(&visit.language), "").say(&format!("question-{question}"), &[])
}

const fn said(problem: AnswerProblem) -> &'static str {
    match problem {
        AnswerProblem::TooShort => "problem-answer-short",
        AnswerProblem::TooLong => "problem-answer-long",
        AnswerProblem::Trivial => "problem-answer-trivial",
        AnswerProblem::Question => "problem-answer-question",
        AnswerProblem::Username => "problem-answer-username",
        AnswerProblem::Repeated => "problem-answer-repeated",
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

fn helpdesk(
    visit: &Visit,
    person: &Person,
    form: &SecurityForm,
    before: &SecurityProfile,
    problems: &mut Vec<Problem>,
) -> Option<Option<(QuestionId, Secret<String>)>> {
    let rules = &visit.config.registration;
    if rules.helpdesk == Presence::Off {
        return None;
    }
    let (question, answer) = &form.helpdesk;
    let question = question.as_ref().filter(|id| rules.questions.contains(id));
    let empty = answer.expose().trim().is_empty();
    let Some(question) = question else {
        if rules.helpdesk == Presence::Required {
            problems.push(Problem::new("helpdesk", "problem-helpdesk"));
        }
        return before.helpdesk.as_ref().map(|_| None);
    };
    if empty {
        if before.helpdesk.as_ref() != Some(question) {
            problems.push(Problem::new("helpdesk-answer", "problem-answer-short"));
        }
        return None;
    }
    let form = question::normalise(answer.expose());
    match question::check(&form, &text_of(visit, question), person.username.as_str()) {
        Ok(()) => Some(Some((question.clone(), Secret::new(form.to_string())))),
        Err(problem) => {
            problems.push(Problem::new("helpdesk-answer", said(problem)));
            None
        }
    }
}
