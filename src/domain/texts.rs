//! The message catalogue: what people read and hear, as templates with placeholders, and the rendering of each kind.
//!
//! `{name}` in a template stands for a value; every other brace is itself. A line whose placeholders are all empty is left
//! out, so that an institution without a support telephone has no line about one.

use super::message::{Content, Notice};
use super::method::Channel;
use super::words::Language;
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
    pub fn code(&self, channel: Channel, content: &Content) -> Rendered {
        let plain = |field| self.value(field, content);
        let message = &self.message;
        match channel {
            Channel::Email => {
                let html = |field| escape(&self.value(field, content));
                Rendered::Mail {
                    subject: one_line(&message.code_subject.render(&plain)),
                    text: format!(
                        "{}\n\n-- \n{}\n",
                        message.code_text.render(&plain),
                        message.support_text.render(&plain)
                    ),
                    html: format!(
                        "<!DOCTYPE html>\n<html>\n<body>\n{}\n<hr>\n{}\n</body>\n</html>\n",
                        message.code_html.render(&html),
                        message.support_html.render(&html)
                    ),
                }
            }
            Channel::Sms => {
                let mut text = message.sms.render(&plain);
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

    /// The mail that tells of a change.
    pub fn notice(&self, language: &Language, notice: Notice, content: &Content) -> Rendered {
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
        let greeting = if content.name.is_empty() { String::new() } else { say("notice-greeting") + "\n\n" };
        let text = greeting + &say(&format!("notice-{name}"));
        let plain = |field| self.value(field, content);
        let html = |field| escape(&self.value(field, content));
        let paragraphs = text.split("\n\n").map(|part| format!("<p>{}</p>", escape(part)));
        Rendered::Mail {
            subject: say(&format!("notice-{name}-subject")),
            text: format!("{text}\n\n-- \n{}\n", self.message.support_text.render(&plain)),
            html: format!(
                "<!DOCTYPE html>\n<html lang=\"{}\">\n<body>\n{}\n<hr>\n{}\n</body>\n</html>\n",
                language.tag(),
                paragraphs.collect::<String>(),
                self.message.support_html.render(&html)
            ),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn texts(origin: &str) -> Texts {
        Texts {
            institution: Institution {
                name: "Ex & Co".to_owned(),
                support_email: "help@example.org".to_owned(),
                origin: origin.to_owned(),
                ..Institution::default()
            },
            message: MessageTexts {
                code_subject: template("{institution}: passcode"),
                code_text: template("Hello {name},\n\n{code} for {minutes} minutes"),
                code_html: template(
                    "<p style=\"{ color: red }\">Hello {name}</p>\n<b title=\"{name}\">{code}</b>",
                ),
                support_text: template("Tel {support_phone}\nMail {support_email}\nAnswers: {faq}"),
                support_html: template("<a href=\"mailto:{support_email}\">{support_email}</a>"),
                sms: template("{code} from {institution}"),
                voice: template("It is {code}. Again: {code}."),
            },
        }
    }

    fn content(name: &str) -> Content {
        Content {
            to: "+1".to_owned(),
            code: "123456".to_owned(),
            name: name.to_owned(),
            minutes: 5,
            username: String::new(),
            notice: None,
            language: None,
            campus: None,
        }
    }

    #[test]
    fn mail_ends_with_support_and_leaves_out_lines_without_a_value() {
        let Rendered::Mail { subject, text, html } = texts("").code(Channel::Email, &content("")) else {
            panic!("no mail")
        };
        assert_eq!(subject, "Ex & Co: passcode");
        assert_eq!(text, "\n123456 for 5 minutes\n\n-- \nMail help@example.org\n");
        assert!(html.contains("<b title=\"\">123456</b>") && !html.contains("Hello"), "{html}");
    }

    #[test]
    fn html_is_escaped_wherever_a_value_stands() {
        let evil = "<img src=x onerror='y'> & \"z\"\r\nSubject: a";
        let Rendered::Mail { text, html, .. } = texts("").code(Channel::Email, &content(evil)) else {
            panic!("no mail")
        };
        let safe = "&lt;img src=x onerror=&#39;y&#39;&gt; &amp; &quot;z&quot;  Subject: a";
        assert_eq!(html.matches(safe).count(), 2, "{html}");
        assert!(!html.contains("<img") && !text.contains("\nSubject"), "{text}");
    }

    #[test]
    fn text_message_ends_with_the_line_that_binds_the_code_to_the_host() {
        let Rendered::Text(text) = texts("sign.example.org").code(Channel::Sms, &content("A\n@evil #1"))
        else {
            panic!("no text")
        };
        assert_eq!(text, "123456 from Ex & Co\n@sign.example.org #123456");
        assert_eq!(
            texts("").code(Channel::Sms, &content("")),
            Rendered::Text("123456 from Ex & Co".to_owned())
        );
    }

    #[test]
    fn call_spells_the_digits() {
        let wanted = "It is 1, 2, 3, 4, 5, 6. Again: 1, 2, 3, 4, 5, 6.";
        assert_eq!(texts("").code(Channel::Voice, &content("")), Rendered::Text(wanted.to_owned()));
    }

    #[test]
    fn unknown_placeholder_is_named_and_other_braces_are_text() {
        assert_eq!(Template::parse("a {coed} b").unwrap_err().0, "{coed}");
        assert_eq!(Template::parse("a\n{Code}").unwrap_err().0, "{Code}");
        let same = template("{ color: red } {} { {name");
        assert_eq!(same.render(&|_| panic!("no field")), "{ color: red } {} { {name");
    }

    #[test]
    fn nothing_prints_the_code() {
        for channel in Channel::ALL {
            assert!(!format!("{:?}", texts("").code(channel, &content("x"))).contains("123456"));
        }
    }
}
