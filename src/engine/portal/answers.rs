//! The security answers of a form, beside those that are kept (R-REG-3): each question once, no answer twice, none that is easy to
//! guess. What the help desk may hear is another answer than those that it must not learn (R-REG-4).

use super::registration::SecurityForm;
use super::{Portal, PortalError, Problem, Result, Visit};
use crate::base::Secret;
use crate::config::{Presence, QuestionsMode};
use crate::domain::person::Person;
use crate::domain::question::{self, AnswerProblem, QuestionId};
use crate::store::{Answer, SecurityProfile};
use zeroize::Zeroizing;

/// Questions and answers as they are to be kept.
pub(super) struct Picked {
    /// The security questions; `None`: as they were.
    pub(super) questions: Option<Vec<Slot>>,
    /// The help-desk question; `None`: as it was; the inner `None`: it goes.
    pub(super) helpdesk: Option<Option<(QuestionId, Secret<String>)>>,
}

/// A question on its way into the store.
pub(super) struct Slot {
    /// Name of the field with its answer.
    field: String,
    question: QuestionId,
    answer: Fresh,
}

enum Fresh {
    /// A hash.
    Kept(Secret<String>),
    /// In normal form.
    New(Zeroizing<String>),
}

/// What a form comes to, as far as that can be said without hashing.
pub(super) fn picked(
    visit: &Visit,
    (person, before): (&Person, &SecurityProfile),
    (form, kept): (&SecurityForm, &[Answer]),
    problems: &mut Vec<Problem>,
) -> Picked {
    Picked {
        questions: questions(visit, (person, before), (form, kept), problems),
        helpdesk: helpdesk(visit, (person, before), form, problems),
    }
}

fn questions(
    visit: &Visit,
    (person, before): (&Person, &SecurityProfile),
    (form, kept): (&SecurityForm, &[Answer]),
    problems: &mut Vec<Problem>,
) -> Option<Vec<Slot>> {
    let rules = &visit.config.registration;
    if rules.mode == QuestionsMode::Off || rules.slots == 0 {
        return None;
    }
    let mut picked: Vec<Slot> = Vec::new();
    for (slot, (question, answer)) in form.questions.iter().take(rules.slots).enumerate() {
        let field = format!("answer-{}", slot + 1);
        let Some(question) = question.as_ref().filter(|id| rules.questions.contains(id)) else {
            continue;
        };
        if picked.iter().any(|other| other.question == *question) {
            problems.push(Problem::new(format!("question-{}", slot + 1), "problem-duplicate"));
            continue;
        }
        let known = kept.iter().find(|kept| kept.question == *question);
        let answer = match known {
            Some(known) if answer.expose().trim().is_empty() => Fresh::Kept(known.hash.clone()),
            _ => {
                let form = question::normalise(answer.expose());
                let repeated =
                    picked.iter().any(|other| matches!(&other.answer, Fresh::New(old) if *old == form));
                match question::check(&form, &text_of(visit, question), person.username.as_str()) {
                    Err(problem) => problems.push(Problem::new(&field, said(problem))),
                    Ok(()) if repeated => problems.push(Problem::new(&field, "problem-answer-repeated")),
                    Ok(()) => {}
                }
                Fresh::New(form)
            }
        };
        picked.push(Slot { field, question: question.clone(), answer });
    }
    let least = if before.registered.is_some() { rules.min_existing } else { rules.min_new };
    if picked.len() < least && problems.iter().all(|problem| !problem.field.starts_with("answer")) {
        problems.push(Problem::new("question-1", "problem-questions").with("count", least));
    }
    Some(picked)
}

fn helpdesk(
    visit: &Visit,
    (person, before): (&Person, &SecurityProfile),
    form: &SecurityForm,
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

impl Portal {
    /// Compares new answers with those that stay, of which there are hashes only, and with the one for the help desk.
    pub(super) async fn compare(
        &self,
        visit: &Visit,
        person: &Person,
        (before, picked): (&SecurityProfile, &Picked),
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let slots = picked.questions.as_deref().unwrap_or_default();
        let hashes: Vec<_> = slots
            .iter()
            .filter_map(|slot| match &slot.answer {
                Fresh::Kept(hash) => Some(hash),
                Fresh::New(_) => None,
            })
            .collect();
        let new: Vec<_> = slots
            .iter()
            .filter_map(|slot| match &slot.answer {
                Fresh::New(form) => Some((&slot.field, form)),
                Fresh::Kept(_) => None,
            })
            .collect();
        for (field, form) in &new {
            if self.is_one_of(&hashes, form).await? {
                problems.push(Problem::new(*field, "problem-answer-repeated"));
            }
        }
        let told = |field: &str| Problem::new(field, "problem-answer-told");
        match &picked.helpdesk {
            Some(Some((_, spoken))) => {
                let same = new.iter().any(|(_, form)| form.as_str() == spoken.expose());
                if same || self.is_one_of(&hashes, spoken.expose()).await? {
                    problems.push(told("helpdesk-answer"));
                }
            }
            None if before.helpdesk.is_some() && !new.is_empty() => {
                let entry = self.entry(visit, "person.security.compare", person);
                let kept = self.security.helpdesk_answer(person.id, entry).await?;
                let same = |form: &str| kept.as_ref().is_some_and(|(_, spoken)| spoken.expose() == form);
                problems.extend(new.iter().filter(|(_, form)| same(form)).map(|(field, _)| told(field)));
            }
            _ => {}
        }
        Ok(())
    }

    async fn is_one_of(&self, hashes: &[&Secret<String>], form: &str) -> Result<bool> {
        for hash in hashes {
            let answer = Secret::new(form.as_bytes().to_vec());
            let same = self.desk.hashes.verify(Some((*hash).clone()), answer).await;
            if same.map_err(|error| PortalError::Unavailable(error.to_string()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// With hashes in place of new answers.
    pub(super) async fn hashed(&self, picked: Vec<Slot>) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(picked.len());
        for Slot { question, answer, .. } in picked {
            let hash = match answer {
                Fresh::Kept(hash) => hash,
                Fresh::New(form) => {
                    let hash = self.desk.hashes.hash(Secret::new(form.as_bytes().to_vec())).await;
                    hash.map_err(|error| PortalError::Unavailable(error.to_string()))?
                }
            };
            answers.push(Answer { question, hash });
        }
        Ok(answers)
    }
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
