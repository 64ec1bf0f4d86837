//! What a new password or PIN must be, and what a check of one can say.
//!
//! Decided here: normalisation (RFC 8265 §4.2, OpaqueString), length, classes of characters where they are asked for (NIST
//! SP 800-63B-4 §3.1.1.2 says not to), and what is too easy to guess. All violated rules are told at once, each as a
//! sentence that says what to do. Hashing and keeping are left to `store::directory`.

pub mod blocklist;
mod common;
pub mod pin;
mod requirement;
mod strength;

pub use blocklist::Blocklist;
pub use requirement::Requirement;
pub use strength::{Advice, Strength};

use super::person::{Person, Username};
use crate::base::Secret;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longest password in bytes that is ever hashed: work on input is bounded before any of it is done.
pub const MAX_BYTES: usize = 1024;

/// No rules allow fewer characters.
pub const SHORTEST: usize = 8;

/// Shorter names and words than this are too often part of something else to be refused inside a password.
const SHORTEST_PART: usize = 3;

/// What a check of a password says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PasswordVerdict {
    /// The candidate at this index is right.
    Right(usize),
    /// None is right.
    Wrong,
    /// The candidate at this index is right, but the password has expired.
    Expired(usize),
    /// The candidate at this index is right, but the password must be changed before it counts.
    MustChange(usize),
    /// The directory has locked the account after failures; whether a candidate is right is not said.
    Locked,
    /// The directory lets nobody in under this account.
    Disabled,
}

/// Why a new password is refused. `Display` tells the person what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Fewer characters than this.
    #[error("use at least {0} characters")]
    TooShort(usize),
    /// More characters than this.
    #[error("use at most {0} characters")]
    TooLong(usize),
    /// More bytes than can be hashed.
    #[error("use a shorter password: this one takes more than {MAX_BYTES} bytes")]
    TooManyBytes,
    /// A character that RFC 8265 does not allow; what Unicode assigned after the tables were made is one.
    #[error(
        "use only letters, digits, punctuation, common symbols and spaces: one of the characters is not possible"
    )]
    Character,
    /// Characters of fewer of the four classes than this.
    #[error("use at least {0} of these: capital letters, small letters, digits, other characters")]
    TooFewClasses(u8),
    /// The username is in it, forwards or backwards.
    #[error("leave your username out of it, forwards and backwards")]
    ContainsUsername,
    /// A word of the institution is in it.
    #[error("leave the word \"{0}\" out of it: everyone here would try it first")]
    ContainsWord(String),
    /// Made of nothing but common passwords.
    #[error("choose something else: it is made of passwords that many people use, which attackers try first")]
    Common,
    /// A few characters over and over.
    #[error("choose something else: it repeats the same few characters")]
    Repeated,
    /// Neighbours on the keyboard, in the alphabet or among the digits.
    #[error("choose something else: it follows the alphabet, the digits or the rows of the keyboard")]
    Sequence,
    /// In the list of the configuration.
    #[error("choose something else: it is in a list of passwords that attackers try first")]
    Blocklisted,
    /// Weaker than the rules want.
    #[error("choose something that is harder to guess: {0}")]
    Guessable(Advice),
}

/// Whose password it is to be.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Must not be in it.
    pub username: &'a Username,
    /// Name to show, which makes a password that consists of it weak; empty: not known.
    pub name: &'a str,
}

impl<'a> From<&'a Username> for Owner<'a> {
    fn from(username: &'a Username) -> Self {
        Self { username, name: "" }
    }
}

impl<'a> From<&'a Person> for Owner<'a> {
    fn from(person: &'a Person) -> Self {
        Self { username: &person.username, name: &person.name }
    }
}

/// What a new password must keep to.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    min: usize,
    max: usize,
    classes: u8,
    min_strength: u8,
    words: Vec<String>,
    blocklist: Option<Arc<Blocklist>>,
}

impl PasswordRules {
    /// Between `min` and `max` characters, without any of the institution's `words` (its names; those of fewer
    /// than three characters are not looked for).
    pub fn new<W: AsRef<str>>(min: usize, max: usize, words: impl IntoIterator<Item = W>) -> Self {
        let words = words
            .into_iter()
            .map(|word| word.as_ref().trim().to_lowercase())
            .filter(|word| word.chars().count() >= SHORTEST_PART)
            .collect();
        Self { min, max, classes: 0, min_strength: 0, words, blocklist: None }
    }

    /// With characters of so many of four classes: capital letters, small letters, digits, all others; 0: of any.
    pub const fn with_classes(mut self, least: u8) -> Self {
        self.classes = least;
        self
    }

    /// With an estimated strength, 1 to 4; 0: of any.
    pub const fn with_min_strength(mut self, least: u8) -> Self {
        self.min_strength = least;
        self
    }

    /// With a list of passwords that are refused.
    pub fn with_blocklist(mut self, list: Option<Arc<Blocklist>>) -> Self {
        self.blocklist = list;
        self
    }

    /// What to tell people before they choose, in the order in which it matters to them.
    pub fn requirements(&self) -> Vec<Requirement> {
        let mut list = vec![Requirement::MinLength { characters: self.min.max(1) }];
        list.push(Requirement::MaxLength { characters: self.max });
        if self.classes > 0 {
            list.push(Requirement::Classes { least: self.classes });
        }
        list.push(Requirement::NoUsername);
        if !self.words.is_empty() {
            list.push(Requirement::NoWords { words: self.words.clone() });
        }
        list.extend([Requirement::NoPattern, Requirement::Uncommon]);
        if self.min_strength > 0 {
            list.push(Requirement::Strength { least: self.min_strength });
        }
        list.push(Requirement::Characters);
        list
    }

    /// Each requirement, and whether `password` meets it. All are met if and only if [`Self::check`] accepts it. What is
    /// empty, or longer than is ever looked at, meets none.
    pub fn review<'a>(&self, owner: impl Into<Owner<'a>>, password: &str) -> Vec<(Requirement, bool)> {
        let mut problems = Vec::new();
        let looked_at = !password.is_empty() && password.len() <= MAX_BYTES;
        if looked_at {
            let normal = normalise(password);
            problems.extend(normal.is_none().then_some(PasswordProblem::Character));
            let normal = Zeroizing::new(normal.map_or_else(|| password.to_owned(), Cow::into_owned));
            problems.extend(self.problems(owner.into(), &normal));
        }
        let met = |requirement: &Requirement| {
            looked_at && !problems.iter().any(|problem| problem.violates(requirement))
        };
        let judged = |requirement| {
            let met = met(&requirement);
            (requirement, met)
        };
        self.requirements().into_iter().map(judged).collect()
    }

    /// How strong it is against somebody who knows its owner and the institution.
    pub fn strength<'a>(&self, owner: impl Into<Owner<'a>>, password: &str) -> Strength {
        let owner = owner.into();
        let username = owner.username.as_str();
        let known = [username, username.split('@').next().unwrap_or(username)];
        let names = owner.name.split(|c: char| !c.is_alphanumeric());
        Strength::estimate(
            password,
            known.into_iter().chain(names).chain(self.words.iter().map(String::as_str)),
        )
    }

    /// The password as it is to be hashed, or every rule that it violates; of the ways in which it is easy to guess
    /// the plainest only.
    pub fn check<'a>(
        &self,
        owner: impl Into<Owner<'a>>,
        password: &str,
    ) -> Result<Secret<String>, Vec<PasswordProblem>> {
        if password.len() > MAX_BYTES {
            return Err(vec![PasswordProblem::TooManyBytes]);
        }
        let Some(password) = normalise(password) else {
            // Also what is empty ends here; it is too short rather than badly spelt.
            let problem = if password.is_empty() { self.too_short() } else { PasswordProblem::Character };
            return Err(vec![problem]);
        };
        let mut problems = self.problems(owner.into(), &password);
        let mut told = false;
        problems.retain(|problem| !problem.is_guess() || !std::mem::replace(&mut told, true));
        if problems.is_empty() { Ok(Secret::new(password.into_owned())) } else { Err(problems) }
    }

    /// All that is wrong with a password in its normal form, the plainest first.
    fn problems(&self, owner: Owner<'_>, password: &str) -> Vec<PasswordProblem> {
        let mut problems = Vec::new();
        let length = password.chars().count();
        if length < self.min {
            problems.push(self.too_short());
        }
        if length > self.max {
            problems.push(PasswordProblem::TooLong(self.max));
        }
        if password.len() > MAX_BYTES {
            problems.push(PasswordProblem::TooManyBytes);
        }
        if classes(password) < self.classes {
            problems.push(PasswordProblem::TooFewClasses(self.classes));
        }
        let lower = Zeroizing::new(password.to_lowercase());
        if contains_name(&lower, owner.username.as_str()) {
            problems.push(PasswordProblem::ContainsUsername);
        }
        let words = self.words.iter().filter(|word| lower.contains(word.as_str()));
        problems.extend(words.cloned().map(PasswordProblem::ContainsWord));
        problems.extend(pattern(&lower));
        if self.blocklist.as_ref().is_some_and(|list| list.lists(password, &lower)) {
            problems.push(PasswordProblem::Blocklisted);
        }
        if common::made_of_common(&lower) {
            problems.push(PasswordProblem::Common);
        }
        if self.min_strength > 0 {
            let Strength { score, advice } = self.strength(owner, password);
            let weak = score < self.min_strength;
            problems.extend(weak.then(|| PasswordProblem::Guessable(advice.unwrap_or(Advice::MoreWords))));
        }
        problems
    }

    fn too_short(&self) -> PasswordProblem {
        PasswordProblem::TooShort(self.min.max(1))
    }
}

/// OpaqueString (RFC 8265 §4.2.2): spaces of other scripts become U+0020, then NFC. `None` if it is empty or has
/// a character that is not allowed. Printable ASCII is its own normal form and needs no tables.
fn normalise(text: &str) -> Option<Cow<'_, str>> {
    if !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(Cow::Borrowed(text));
    }
    OpaqueString::enforce(text).ok()
}

/// The bytes that our own hashes are made over: normalised where that is possible, else as they came (not
/// UTF-8, or with control characters: such a password cannot be set here, but an imported one can be checked).
pub fn as_hashed(typed: &[u8]) -> Secret<Vec<u8>> {
    let normal = std::str::from_utf8(typed).ok().and_then(normalise);
    Secret::new(normal.map_or_else(|| typed.to_vec(), |text| text.into_owned().into_bytes()))
}

/// Whether the name, or its part before the `@`, is in `lower`, forwards or backwards.
fn contains_name(lower: &str, name: &str) -> bool {
    let local = name.split('@').next().unwrap_or(name);
    [name, local].into_iter().any(|name| {
        let reversed: String = name.chars().rev().collect();
        if name.chars().count() < SHORTEST_PART {
            return lower == name;
        }
        lower.contains(name) || lower.contains(&reversed)
    })
}

/// How many of the four classes its characters are of. Letters without case count as small ones.
fn classes(password: &str) -> u8 {
    let of = |c: char| match c {
        _ if c.is_uppercase() => 1,
        _ if c.is_alphabetic() => 2,
        _ if c.is_numeric() => 4,
        _ => 8_u8,
    };
    let seen = password.chars().fold(0, |seen, c| seen | of(c));
    u8::try_from(seen.count_ones()).unwrap_or(4)
}

/// The pattern that it follows, if it does.
fn pattern(lower: &str) -> Option<PasswordProblem> {
    let chars = Zeroizing::new(lower.chars().collect::<Vec<char>>());
    if repeats(&chars) {
        return Some(PasswordProblem::Repeated);
    }
    common::follows_rows(&chars).then_some(PasswordProblem::Sequence)
}

/// Whether it is one unit of at most four characters, at least three times.
fn repeats<T: PartialEq>(chars: &[T]) -> bool {
    (1..=4).any(|unit| {
        chars.len() >= unit * 3 && chars.iter().skip(unit).zip(chars).all(|(later, earlier)| later == earlier)
    })
}

#[cfg(test)]
mod tests;
