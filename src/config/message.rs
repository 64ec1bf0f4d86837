//! `[codes]`, `[institution]` and `[message]`: codes that are sent, and what people read of them.

use super::report::At;
use super::section::Section;
use crate::domain::contact::{Country, Email};
use crate::domain::message::SendLimits;
use crate::domain::sent::CodeRules;
use crate::domain::texts::{Field, Institution, MessageTexts, Template, Texts};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// `[codes]`: codes that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// Lengths and times.
    pub rules: CodeRules,
    /// How many may be asked for.
    pub limits: SendLimits,
    /// Where telephone numbers without a country code belong.
    pub country: Country,
}

pub(super) fn codes(section: &Section<'_>) -> Option<Codes> {
    let digits = section.number("digits", 6..=10);
    let lifetime = section.duration("lifetime", 60 * SECOND..=600 * SECOND);
    let tries = section.number("tries", 1..=10);
    let resend_after = section.duration("resend_after", 5 * SECOND..=600 * SECOND);
    let window = section.duration("window", 60 * SECOND..=24 * 3600 * SECOND);
    let per_person = section.number("per_person", 1..=1000);
    let per_person_day = section.number("per_person_day", 1..=10_000);
    let per_destination = section.number("per_destination", 1..=1000);
    let per_origin = section.number("per_origin", 1..=1_000_000);
    let daily_cost: Option<u64> = section.number("daily_cost", 0..=1_000_000_000);
    let country = section.text("country").and_then(|(text, at)| {
        section.understand(&text, at, "country", "two capital letters, such as \"US\"")
    });
    if let (Some(lifetime), Some(resend)) = (lifetime, resend_after)
        && resend > lifetime
    {
        let message = "[codes] `resend_after` must not exceed `lifetime`: nobody could ask again in time";
        section.error(section.place("resend_after"), message, "lower it");
    }
    Some(Codes {
        rules: CodeRules { digits: digits?, lifetime: lifetime?, tries: tries?, resend_after: resend_after? },
        limits: SendLimits {
            window: window?,
            per_person: per_person?,
            per_person_day: per_person_day?,
            per_destination: per_destination?,
            per_origin: per_origin?,
            daily_cost: daily_cost.map(|cost| (cost > 0).then_some(cost))?,
        },
        country: country?,
    })
}

pub(super) fn texts(root: &Section<'_>) -> Option<Texts> {
    both(&root.table("institution"), &root.table("message"))
}

/// The catalogue of these two tables.
pub(super) fn both(institution_table: &Section<'_>, message_table: &Section<'_>) -> Option<Texts> {
    let institution = institution(institution_table);
    let message = message(message_table);
    Some(Texts { institution: institution?, message: message? })
}

fn institution(section: &Section<'_>) -> Option<Institution> {
    let line = |key: &str| {
        let (text, at) = section.text(key)?;
        let text = text.trim().to_owned();
        if text.len() > 200 || text.chars().any(char::is_control) {
            section.error(at, format!("`{key}` must be one line of at most 200 bytes"), "shorten it");
            return None;
        }
        Some((text, at))
    };
    let checked = |key: &str, wanted: &str, fits: fn(&str) -> bool| {
        let (text, at) = line(key)?;
        if !text.is_empty() && !fits(&text) {
            section.error(at, format!("`{text}` is nothing for `{key}`"), format!("wanted: {wanted}"));
            return None;
        }
        Some(text)
    };
    let plain = |key: &str| line(key).map(|(text, _)| text);
    let (name, campus, support_name) = (plain("name"), plain("campus"), plain("support_name"));
    let support_phone = plain("support_phone");
    let support_email = checked("support_email", "an e-mail address", |text| Email::parse(text).is_some());
    let faq = checked("faq", "an address that begins with https://", |text| {
        text.len() > "https://".len() && text.starts_with("https://")
    });
    let origin = checked("origin", "the host alone, such as \"sign.example.org\"", |text| {
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        text.split('.').all(label)
    });
    Some(Institution {
        name: name?,
        campus: campus?,
        support_name: support_name?,
        support_phone: support_phone?,
        support_email: support_email?,
        faq: faq?,
        origin: origin?,
    })
}

/// Longest text of a mail, and of a text message or call: more would be many messages, or minutes.
const MAIL: usize = 20_000;
const SHORT: usize = 500;

fn message(section: &Section<'_>) -> Option<MessageTexts> {
    let code_subject = template(section, "code_subject", 200);
    let code_text = template(section, "code_text", MAIL);
    let code_html = template(section, "code_html", MAIL);
    let support_text = template(section, "support_text", MAIL);
    let support_html = template(section, "support_html", MAIL);
    let (sms, voice) = (template(section, "sms", SHORT), template(section, "voice", SHORT));
    for (key, template) in
        [("code_text", &code_text), ("code_html", &code_html), ("sms", &sms), ("voice", &voice)]
    {
        if let Some((template, at)) = template
            && !template.has(Field::Code)
        {
            section.error(
                *at,
                format!("`{key}` has no `{{code}}`: nobody would learn the code"),
                "add {code}",
            );
        }
    }
    for (key, template) in
        [("code_subject", &code_subject), ("support_text", &support_text), ("support_html", &support_html)]
    {
        if let Some((template, at)) = template
            && template.has(Field::Code)
        {
            let message =
                format!("`{key}` must not have the code: mail servers log subjects, and people quote ends");
            section.error(section.within(*at, "{code}"), message, "leave it out");
        }
    }
    let keys = ["code_subject", "code_text", "code_html", "support_text", "support_html", "sms", "voice"];
    let written = keys.into_iter().filter(|key| section.written(key).is_some()).collect();
    let only = |pair: Option<(Template, At)>| pair.map(|(template, _)| template);
    Some(MessageTexts {
        code_subject: only(code_subject)?,
        code_text: only(code_text)?,
        code_html: only(code_html)?,
        support_text: only(support_text)?,
        support_html: only(support_html)?,
        sms: only(sms)?,
        voice: only(voice)?,
        written,
    })
}

fn template(section: &Section<'_>, key: &str, most: usize) -> Option<(Template, At)> {
    let (text, at) = section.text(key)?;
    if text.len() > most || key == "code_subject" && text.contains('\n') {
        section.error(
            at,
            format!("`{key}` is too long, or more than one line"),
            format!("at most {most} bytes"),
        );
        return None;
    }
    match Template::parse(&text) {
        Ok(template) => Some((template, at)),
        Err(unknown) => {
            let known: Vec<_> = Field::ALL.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            let message = format!("`{key}` has a placeholder that nothing is known about: {}", unknown.0);
            section.error(section.within(at, &unknown.0), message, format!("known: {}", known.join(" ")));
            None
        }
    }
}
