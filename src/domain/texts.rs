//! The message catalogue: what people read and hear, as templates with placeholders, and the rendering of each kind.
//!
//! `{name}` in a template stands for a value; every other brace is itself. A line whose placeholders are all empty is left
//! out, so that an institution without a support telephone has no line about one.

#[cfg(test)]
mod tests;

use super::message::{Content, Notice};
use super::method::Channel;
use super::words::Language;
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroize;

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The code; in calls as digits with pauses between them.
    Code,
    /// Minutes for which it is good.
    Minutes,
    /// Name of the person.
    Name,
    /// Name of the institution.
    Institution,
    /// Name of the campus.
    Campus,
    /// Who helps.
    SupportName,
    /// Their telephone.
    SupportPhone,
    /// Their e-mail address.
    SupportEmail,
    /// Address of the answers to frequent questions.
    Faq,
    /// Host of the web pages that ask for codes.
    Origin,
}

impl Field {
    /// All, by their names in templates.
    pub const ALL: [(&'static str, Field); 10] = [
        ("code", Field::Code),
        ("minutes", Field::Minutes),
        ("name", Field::Name),
        ("institution", Field::Institution),
        ("campus", Field::Campus),
        ("support_name", Field::SupportName),
        ("support_phone", Field::SupportPhone),
        ("support_email", Field::SupportEmail),
        ("faq", Field::Faq),
        ("origin", Field::Origin),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A text with placeholders, by lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Vec<Part>>);

/// A placeholder that nothing is known about, as it was written, with its braces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known as `{0}`")]
pub struct UnknownField(pub String);

/// The name of a placeholder that a text begins with, if it begins with one: `{`, a word, `}`.
pub fn placeholder(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('{')?;
    let (word, _) = rest.split_once('}')?;
    let fine = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!word.is_empty() && word.chars().all(fine)).then_some(word)
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, UnknownField> {
        text.split('\n').map(line).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a placeholder is in it.
    pub fn has(&self, field: Field) -> bool {
        self.0.iter().flatten().any(|part| *part == Part::Field(field))
    }

    /// With the values of `value` in it.
    fn render(&self, value: &dyn Fn(Field) -> String) -> String {
        let mut lines: Vec<String> = Vec::new();
        for parts in &self.0 {
            let (mut line, mut fields, mut filled) = (String::new(), false, false);
            for part in parts {
                match part {
                    Part::Text(text) => line.push_str(text),
                    Part::Field(field) => {
                        let value = value(*field);
                        fields = true;
                        filled |= !value.is_empty();
                        line.push_str(&value);
                    }
                }
            }
            if !fields || filled {
                lines.push(line);
            }
        }
        lines.join("\n")
    }
}

fn line(text: &str) -> Result<Vec<Part>, UnknownField> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let Some(word) = placeholder(rest) else {
            plain.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            continue;
        };
        let Some((_, field)) = Field::ALL.iter().find(|(name, _)| *name == word) else {
            return Err(UnknownField(format!("{{{word}}}")));
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Field(*field));
        rest = rest.get(word.len() + 2..).unwrap_or_default();
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Who sends, and who helps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Institution {
    /// Its name.
    pub name: String,
    /// Campus; may be empty, like everything that follows.
    pub campus: String,
    /// Who helps.
    pub support_name: String,
    /// Their telephone.
    pub support_phone: String,
    /// Their e-mail address.
    pub support_email: String,
    /// Address of the answers to frequent questions.
    pub faq: String,
    /// Host of the web pages that ask for codes: browsers fill in codes from text messages only there.
    pub origin: String,
}

/// The templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTexts {
    /// Subject of a mail with a code.
    pub code_subject: Template,
    /// The same mail as plain text.
    pub code_text: Template,
    /// The same mail as HTML.
    pub code_html: Template,
    /// End of every mail as plain text.
    pub support_text: Template,
    /// End of every mail as HTML.
    pub support_html: Template,
    /// A text message with a code.
    pub sms: Template,
    /// A call with a code.
    pub voice: Template,
    /// Those that somebody has written. The others are said in the person's language, but for calls, whose voice speaks one only.
    pub written: Vec<&'static str>,
}

/// The catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// `[institution]`
    pub institution: Institution,
    /// `[message]`
    pub message: MessageTexts,
}

/// A message as it is sent. It holds the code, so `Debug` tells the kind only.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub enum Rendered {
    /// An e-mail.
    Mail {
        /// One line.
        subject: String,
        /// Plain text.
        text: String,
        /// The same as HTML.
        html: String,
    },
    /// A text message, or what a call says.
    Text(String),
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rendered::Mail { .. } => "Mail([secret])",
            Rendered::Text(_) => "Text([secret])",
        })
    }
}

impl Texts {
    /// The message that carries a code over a channel.
    pub fn code(&self, language: &Language, channel: Channel, content: &Content) -> Rendered {
        let plain = |field| self.value(field, content);
        let message = &self.message;
        match channel {
            Channel::Email => {
                let html = |field| escape(&self.value(field, content));
                let subject = self.said(language, "code_subject", &message.code_subject);
                let text = self.said(language, "code_text", &message.code_text);
                let page = self.said(language, "code_html", &message.code_html);
                Rendered::Mail {
                    subject: one_line(&subject.render(&plain)),
                    text: format!("{}\n\n-- \n{}\n", text.render(&plain), self.support(language, content)),
                    html: self.page(language, &page.render(&html), content),
                }
            }
            Channel::Sms => {
                let mut text = self.said(language, "sms", &message.sms).render(&plain);
                let origin = &self.institution.origin;
                if !origin.is_empty() {
                    // https://wicg.github.io/sms-one-time-codes/: the last line, and nothing after it.
                    text = format!("{}\n@{origin} #{}", text.trim_end(), content.code);
                }
                Rendered::Text(text)
            }
            Channel::Voice => {
                let spoken = |field| match field {
                    Field::Code => spelled(&content.code),
                    other => self.value(other, content),
                };
                Rendered::Text(message.voice.render(&spoken))
            }
        }
    }

    /// The template of a key: as somebody has written it, else as the language says it.
    fn said<'t>(&self, language: &Language, key: &'static str, usual: &'t Template) -> Cow<'t, Template> {
        let name = format!("message-{}", key.replace('_', "-"));
        if self.message.written.contains(&key) || !language.has(&name) {
            return Cow::Borrowed(usual);
        }
        let fields = Field::ALL.map(|(name, _)| (name.replace('_', "-"), format!("{{{name}}}")));
        let fields = fields.each_ref().map(|(name, field)| (name.as_str(), field.as_str()));
        match Template::parse(&language.say(&name, &fields)) {
            // The code stands where it must stand, and nowhere else, whatever a file of words says.
            Ok(said) if said.has(Field::Code) == usual.has(Field::Code) => Cow::Owned(said),
            _ => Cow::Borrowed(usual),
        }
    }

    /// How a mail ends.
    fn support(&self, language: &Language, content: &Content) -> String {
        let template = self.said(language, "support_text", &self.message.support_text);
        template.render(&|field| self.value(field, content))
    }

    /// A mail as HTML, with its end.
    fn page(&self, language: &Language, body: &str, content: &Content) -> String {
        let template = self.said(language, "support_html", &self.message.support_html);
        let support = template.render(&|field| escape(&self.value(field, content)));
        let tag = language.tag();
        format!("<!DOCTYPE html>\n<html lang=\"{tag}\">\n<body>\n{body}\n<hr>\n{support}\n</body>\n</html>\n")
    }

    /// The mail that tells of a change, or the text message to whoever has no address.
    pub fn notice(
        &self,
        channel: Channel,
        language: &Language,
        notice: Notice,
        content: &Content,
    ) -> Rendered {
        let institution = &self.institution;
        let helper = if institution.support_name.is_empty() {
            language.say("help-desk", &[])
        } else {
            institution.support_name.clone()
        };
        let values = [
            ("institution", institution.name.as_str()),
            ("support-name", helper.as_str()),
            ("username", content.username.as_str()),
            ("name", content.name.as_str()),
        ];
        let say = |name: &str| one_line(&language.say(name, &values));
        let name = notice.as_str();
        if channel != Channel::Email {
            return Rendered::Text(format!("{}: {}", institution.name, say(&format!("notice-{name}"))));
        }
        let greeting = if content.name.is_empty() { String::new() } else { say("notice-greeting") + "\n\n" };
        let text = greeting + &say(&format!("notice-{name}"));
        let paragraphs = text.split("\n\n").map(|part| format!("<p>{}</p>", escape(part)));
        Rendered::Mail {
            subject: say(&format!("notice-{name}-subject")),
            text: format!("{text}\n\n-- \n{}\n", self.support(language, content)),
            html: self.page(language, &paragraphs.collect::<String>(), content),
        }
    }

    fn value(&self, field: Field, content: &Content) -> String {
        let institution = &self.institution;
        one_line(match field {
            Field::Code => &content.code,
            Field::Minutes => return content.minutes.to_string(),
            Field::Name => &content.name,
            Field::Institution => &institution.name,
            Field::Campus => &institution.campus,
            Field::SupportName => &institution.support_name,
            Field::SupportPhone => &institution.support_phone,
            Field::SupportEmail => &institution.support_email,
            Field::Faq => &institution.faq,
            Field::Origin => &institution.origin,
        })
    }
}

/// A name from a directory must not make a line of its own: in a text message it could name another origin.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() || "\u{2028}\u{2029}".contains(c) { ' ' } else { c };
    text.trim().chars().map(plain).collect()
}

/// `1, 2, 3`: a voice makes pauses at the commas.
pub fn spelled(code: &str) -> String {
    let digits: Vec<String> = code.chars().map(String::from).collect();
    digits.join(", ")
}

/// Text in HTML or XML, as content or in an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
