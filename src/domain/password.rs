//! What a new password or PIN must be, and what a check of one can say.
//!
//! Decided here: normalisation (RFC 8265 §4.2, OpaqueString), length, and what is too easy to guess. There are
//! no composition rules (NIST SP 800-63B-4 §3.1.1.2). All violated rules are told at once, each as a sentence
//! that says what to do. Hashing and keeping are left to `store::directory`.

mod common;
pub mod pin;

use super::person::Username;
use crate::base::Secret;
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Longest password in bytes that is ever hashed: work on input is bounded before any of it is done.
pub const MAX_BYTES: usize = 1024;

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
    /// The username is in it, forwards or backwards.
    #[error("leave your username out of it, forwards and backwards")]
    ContainsUsername,
    /// A word of the institution is in it.
    #[error("leave the word \"{0}\" out of it: everyone here would try it first")]
    ContainsWord(String),
    /// On the blocklist, or made of nothing else.
    #[error("choose something else: it is made of passwords that many people use, which attackers try first")]
    Common,
    /// A few characters over and over.
    #[error("choose something else: it repeats the same few characters")]
    Repeated,
    /// Neighbours on the keyboard, in the alphabet or among the digits.
    #[error("choose something else: it follows the alphabet, the digits or the rows of the keyboard")]
    Sequence,
}

/// What a new password must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRules {
    min: usize,
    max: usize,
    words: Vec<String>,
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
        Self { min, max, words }
    }

    /// The password as it is to be hashed, or every rule that it violates.
    pub fn check(&self, username: &Username, password: &str) -> Result<Secret<String>, Vec<PasswordProblem>> {
        if password.len() > MAX_BYTES {
            return Err(vec![PasswordProblem::TooManyBytes]);
        }
        let Some(password) = normalise(password) else {
            // Also what is empty ends here; it is too short rather than badly spelt.
            let problem = if password.is_empty() { self.too_short() } else { PasswordProblem::Character };
            return Err(vec![problem]);
        };
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
        let lower = Zeroizing::new(password.to_lowercase());
        if contains_name(&lower, username.as_str()) {
            problems.push(PasswordProblem::ContainsUsername);
        }
        let words = self.words.iter().filter(|word| lower.contains(word.as_str()));
        problems.extend(words.cloned().map(PasswordProblem::ContainsWord));
        problems.extend(guessable(&lower));
        if problems.is_empty() { Ok(Secret::new(password.into_owned())) } else { Err(problems) }
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

/// Why it is easy to guess, if it is; the plainest reason only.
fn guessable(lower: &str) -> Option<PasswordProblem> {
    let chars = Zeroizing::new(lower.chars().collect::<Vec<char>>());
    if repeats(&chars) {
        return Some(PasswordProblem::Repeated);
    }
    if common::follows_rows(&chars) {
        return Some(PasswordProblem::Sequence);
    }
    common::made_of_common(lower).then_some(PasswordProblem::Common)
}

/// Whether it is one unit of at most four characters, at least three times.
fn repeats<T: PartialEq>(chars: &[T]) -> bool {
    (1..=4).any(|unit| {
        chars.len() >= unit * 3 && chars.iter().skip(unit).zip(chars).all(|(later, earlier)| later == earlier)
    })
}

#[cfg(test)]
mod tests;
