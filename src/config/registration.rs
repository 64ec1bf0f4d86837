//! `[registration]` and `[activation]`: what people register, and how an account begins.

use super::report::At;
use super::section::Section;
use crate::domain::question::{APPROVED, QuestionId};
use crate::domain::words::Words;

/// What becomes of people who have not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforce {
    /// Nothing.
    Off,
    /// They are told.
    Remind,
    /// From this moment on they must.
    From(crate::base::Timestamp),
}

impl Enforce {
    /// From when on people must register, if they must ever.
    pub const fn since(self) -> Option<crate::base::Timestamp> {
        match self {
            Enforce::Off | Enforce::Remind => None,
            Enforce::From(date) => Some(date),
        }
    }
}

/// Whether something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No.
    Off,
    /// It can be left out.
    Optional,
    /// It must be there.
    Required,
}

pub(super) const PRESENCE: [(&str, Presence); 3] =
    [("off", Presence::Off), ("optional", Presence::Optional), ("required", Presence::Required)];

/// What answers to security questions are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionsMode {
    /// None are asked for.
    Off,
    /// They are kept.
    RegisterOnly,
    /// One is asked for at a reset, after the passcode.
    Additional,
}

/// `[registration]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What becomes of people who have not registered.
    pub enforce: Enforce,
    /// Questions that can be chosen.
    pub slots: usize,
    /// Of these, needed the first time.
    pub min_new: usize,
    /// Of these, needed later.
    pub min_existing: usize,
    /// The help-desk verification question.
    pub helpdesk: Presence,
    /// Questions that may be chosen.
    pub questions: Vec<QuestionId>,
    /// What answers are good for.
    pub mode: QuestionsMode,
}

/// When a second passcode is sent at an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondCode {
    /// To a contact that was just entered.
    NewContact,
    /// There, or where the directory says.
    Always,
    /// None is.
    Never,
}

/// `[activation]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// When a second passcode is sent.
    pub second_code: SecondCode,
}

pub(super) fn registration(section: &Section<'_>, words: Option<&Words>) -> Option<Registration> {
    let enforce = enforce(section);
    let slots = section.number("slots", 0..=10);
    let (new, existing) = (section.number("min_new", 0..=10), section.number("min_existing", 0..=10));
    if let (Some(slots), Some(new), Some(existing)) = (slots, new, existing)
        && usize::max(new, existing) > slots
    {
        let place = section.place("min_new");
        section.error(place, "more answers are needed than there are `slots`", "raise `slots`, or lower it");
    }
    let helpdesk = section.choice("helpdesk", &PRESENCE);
    let questions = questions(section, words);
    if let (Some(slots), Some(questions)) = (slots, &questions)
        && questions.len() < slots
    {
        let message = format!("{} questions are approved for {slots} slots", questions.len());
        section.error(section.place("questions"), message, "name more of them");
    }
    let modes = [
        ("off", QuestionsMode::Off),
        ("register-only", QuestionsMode::RegisterOnly),
        ("additional", QuestionsMode::Additional),
    ];
    let mode = section.choice("mode", &modes);
    Some(Registration {
        enforce: enforce?,
        slots: slots?,
        min_new: new?,
        min_existing: existing?,
        helpdesk: helpdesk?,
        questions: questions?,
        mode: mode?,
    })
}

fn enforce(section: &Section<'_>) -> Option<Enforce> {
    let (text, at) = section.text("enforce")?;
    match text.as_str() {
        "off" => Some(Enforce::Off),
        "remind" => Some(Enforce::Remind),
        date => match date.parse::<jiff::civil::Date>().map(|date| date.to_zoned(jiff::tz::TimeZone::UTC)) {
            Ok(Ok(moment)) => {
                Some(Enforce::From(crate::base::Timestamp::from_secs(moment.timestamp().as_second())))
            }
            _ => {
                let hint = "`off`, `remind`, or a date such as \"2027-01-15\"";
                section.error(at, format!("`{text}` is nothing for `enforce`"), hint);
                None
            }
        },
    }
}

fn questions(section: &Section<'_>, words: Option<&Words>) -> Option<Vec<QuestionId>> {
    let written = section.texts("questions")?;
    let built_in = || APPROVED.iter().map(|name| ((*name).to_owned(), At::DEFAULT));
    let named: Vec<_> = if written.is_empty() { built_in().collect() } else { written };
    let mut questions: Vec<QuestionId> = Vec::new();
    for (name, at) in named {
        let has_text = words.is_none_or(|words| {
            words.languages().first().is_some_and(|language| language.has(&format!("question-{name}")))
                || APPROVED.contains(&name.as_str())
        });
        match name.parse() {
            Ok(question) if has_text && !questions.contains(&question) => questions.push(question),
            Ok(_) if has_text => section.error(at, format!("`{name}` stands here twice"), "take one out"),
            _ => {
                let hint =
                    "one that is built in, or lower-case letters and dashes with a text in `portal.words`";
                section.error(at, format!("there is no text for a question `{name}`"), hint);
            }
        }
    }
    Some(questions)
}

pub(super) fn activation(section: &Section<'_>) -> Option<Activation> {
    let second = [
        ("new_contact", SecondCode::NewContact),
        ("always", SecondCode::Always),
        ("never", SecondCode::Never),
    ];
    let second_code = section.choice("second_code", &second);
    Some(Activation { second_code: second_code? })
}
