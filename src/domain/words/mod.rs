//! The words of the portal and of notices, in several languages: Fluent files, `en.ftl` being the one that every other is held against.
//!
//! A language is one file here, or one that the configuration names; a file of the configuration may also replace single
//! messages of a language that is here. What a language lacks is said in English.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::fmt;
use unic_langid::LanguageIdentifier;

/// The languages that are built in: tag and messages. The first is complete by definition.
pub const BUILT_IN: [(&str, &str); 2] = [("en", include_str!("en.ftl")), ("es", include_str!("es.ftl"))];

/// Why messages cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// The tag of a language is none.
    #[error("`{0}` is no tag of a language; write one such as `fr` or `pt-BR`")]
    Tag(String),
    /// A file is no Fluent file.
    #[error("the messages of `{0}` cannot be read: {1}")]
    Syntax(String, String),
    /// A file has a message that nothing asks for, probably misspelt.
    #[error("the messages of `{0}` have `{1}`, which nothing asks for; `doorward words` lists what there is")]
    Unknown(String, String),
}

/// The catalogue.
#[derive(Debug)]
pub struct Words(Vec<Language>);

/// One language.
pub struct Language {
    tag: String,
    bundle: FluentBundle<FluentResource>,
    fallback: Option<Box<Language>>,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({})", self.tag)
    }
}

fn resource(tag: &str, text: &str) -> Result<FluentResource, WordsError> {
    FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        WordsError::Syntax(tag.to_owned(), first)
    })
}

/// Names of the messages of a Fluent file.
pub fn names(text: &str) -> Vec<&str> {
    let letter = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    text.lines().filter(letter).filter_map(|line| line.split_once('=').map(|(name, _)| name.trim())).collect()
}

impl Language {
    fn new(tag: &str, texts: &[&str]) -> Result<Self, WordsError> {
        let id: LanguageIdentifier = tag.parse().map_err(|_| WordsError::Tag(tag.to_owned()))?;
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Marks of direction around each value would end up in mails and in what tests compare.
        bundle.set_use_isolating(false);
        for text in texts {
            bundle.add_resource_overriding(resource(tag, text)?);
        }
        Ok(Self { tag: tag.to_owned(), bundle, fallback: None })
    }

    /// Its BCP 47 tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// A message with values in it. One that is in no language is shown by its name.
    pub fn say(&self, name: &str, values: &[(&str, &str)]) -> String {
        let Some(pattern) = self.bundle.get_message(name).and_then(|message| message.value()) else {
            return match &self.fallback {
                Some(fallback) => fallback.say(name, values),
                None => name.to_owned(),
            };
        };
        let mut arguments = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            // Whole numbers choose plural forms.
            match value.parse::<u32>() {
                Ok(number) if value.len() < 6 => arguments.set(*name, number),
                _ => arguments.set(*name, *value),
            }
        }
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned()
    }

    /// Whether the message is here, in this language itself.
    pub fn has(&self, name: &str) -> bool {
        self.bundle.has_message(name)
    }
}

impl Words {
    /// The built-in languages, with `own`: tags and messages that come before theirs. `default` comes first.
    pub fn new(default: &str, own: &[(String, String)]) -> Result<Self, WordsError> {
        let known = BUILT_IN.first().map(|(_, text)| names(text)).unwrap_or_default();
        let mut tags: Vec<&str> = vec![default];
        tags.extend(BUILT_IN.iter().map(|(tag, _)| *tag));
        tags.extend(own.iter().map(|(tag, _)| tag.as_str()));
        let mut languages: Vec<Language> = Vec::new();
        for tag in tags {
            if languages.iter().any(|known| known.tag == tag) {
                continue;
            }
            let built_in = BUILT_IN.iter().filter(|(known, _)| *known == tag).map(|(_, text)| *text);
            let own = own.iter().filter(|(known, _)| known == tag).map(|(_, text)| text.as_str());
            // Security questions have names of their own (`registration.questions`).
            let asked = |name: &&str| known.contains(name) || name.starts_with("question-");
            if let Some(unknown) = own.clone().flat_map(names).find(|name| !asked(name)) {
                return Err(WordsError::Unknown(tag.to_owned(), unknown.to_owned()));
            }
            let texts: Vec<&str> = built_in.chain(own).collect();
            if texts.is_empty() {
                return Err(WordsError::Tag(tag.to_owned()));
            }
            let mut language = Language::new(tag, &texts)?;
            if let Some((english, text)) = BUILT_IN.first().filter(|(english, _)| *english != tag) {
                language.fallback = Some(Box::new(Language::new(english, &[text])?));
            }
            languages.push(language);
        }
        Ok(Self(languages))
    }

    /// All languages, the default first.
    pub fn languages(&self) -> &[Language] {
        &self.0
    }

    /// The language with this tag.
    pub fn find(&self, tag: &str) -> Option<&Language> {
        self.0.iter().find(|language| language.tag.eq_ignore_ascii_case(tag))
    }

    /// The language that was chosen, or the first that the browser asks for (RFC 9110 §12.5.4; what it likes best comes first
    /// in practice), or the default.
    #[expect(clippy::expect_used, reason = "a catalogue without any language is never made")]
    pub fn choose(&self, chosen: Option<&str>, accept: &str) -> &Language {
        let wanted = accept.split(',').filter_map(|part| part.split(';').next()).map(str::trim);
        let short = |tag: &str| tag.split('-').next().map(str::to_owned).unwrap_or_default();
        let find = |tag: &str| self.find(tag).or_else(|| self.find(&short(tag)));
        let found = chosen.and_then(|tag| self.find(tag)).or_else(|| wanted.into_iter().find_map(find));
        found.or_else(|| self.0.first()).expect("there is English")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_language_says_everything_with_the_same_values() {
        let values = |text: &str, name: &str| -> BTreeSet<String> {
            let start = text.find(&format!("\n{name} =")).unwrap_or_else(|| panic!("{name} is missing"));
            let rest = &text[start + 1..];
            let end = rest.find("\n\n").into_iter().chain(next_message(rest)).min().unwrap_or(rest.len());
            let message = &rest[..end];
            let after = message.split('$').skip(1);
            after
                .map(|part| part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
                .collect()
        };
        let (_, english) = BUILT_IN[0];
        let all: BTreeSet<_> = names(english).into_iter().collect();
        assert_eq!(all.len(), names(english).len(), "a message is there twice");
        for (tag, text) in &BUILT_IN[1..] {
            let theirs: BTreeSet<_> = names(text).into_iter().collect();
            let missing: Vec<_> = all.difference(&theirs).collect();
            let strange: Vec<_> = theirs.difference(&all).collect();
            assert!(missing.is_empty(), "`{tag}` lacks {missing:?}");
            assert!(strange.is_empty(), "`{tag}` has {strange:?}, which English lacks");
            for name in &all {
                assert_eq!(values(text, name), values(english, name), "{name} in {tag}");
            }
        }
    }

    fn next_message(rest: &str) -> Option<usize> {
        rest.match_indices('\n')
            .map(|(at, _)| at)
            .find(|at| rest[at + 1..].starts_with(|c: char| c.is_ascii_lowercase() || c == '#'))
    }

    #[test]
    fn files_are_free_of_errors() {
        for (tag, text) in BUILT_IN {
            assert!(Language::new(tag, &[text]).is_ok(), "{tag}");
        }
    }

    #[test]
    fn browser_and_choice_decide_on_the_language() {
        let words = Words::new("en", &[]).unwrap();
        let tag = |chosen, accept| words.choose(chosen, accept).tag().to_owned();
        assert_eq!(tag(None, "es-MX,es;q=0.9,en;q=0.8"), "es");
        assert_eq!(tag(None, "fr, en;q=0.5"), "en");
        assert_eq!(tag(Some("en"), "es"), "en");
        assert_eq!(tag(Some("xx"), "es"), "es");
        assert_eq!(tag(None, ""), "en");
        let spanish = Words::new("es", &[]).unwrap();
        assert_eq!(spanish.choose(None, "fr").tag(), "es");
    }

    #[test]
    fn own_messages_replace_ours_and_misspelt_ones_are_named() {
        let own = |text: &str| Words::new("en", &[("en".to_owned(), text.to_owned())]);
        let words = own("toolkit-title = Login helper\n").unwrap();
        assert_eq!(words.choose(None, "").say("toolkit-title", &[]), "Login helper");
        let words = own("question-first-ship = Your first ship?\n").unwrap();
        assert_eq!(words.choose(None, "").say("question-first-ship", &[]), "Your first ship?");
        let unknown = own("toolkit-titel = x\n").unwrap_err();
        assert_eq!(unknown, WordsError::Unknown("en".into(), "toolkit-titel".into()));
        assert!(matches!(own("toolkit-title = { $x\n"), Err(WordsError::Syntax(..))));
        assert!(matches!(Words::new("klingon!", &[]), Err(WordsError::Tag(_))));
    }

    #[test]
    fn what_a_new_language_lacks_is_said_in_english() {
        let words = Words::new("en", &[("fr".to_owned(), "toolkit-title = Outils\n".to_owned())]).unwrap();
        let french = words.find("fr").unwrap();
        assert_eq!(french.say("toolkit-title", &[]), "Outils");
        assert_eq!(french.say("sign-out", &[]), words.find("en").unwrap().say("sign-out", &[]));
    }
}
