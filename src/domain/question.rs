//! Security questions (R-REG-3, R-REG-4): which may be chosen, and what an answer must be.
//!
//! An answer is compared in a normal form: letters and digits only, case folded, spaces between words made one. So
//! `St. Mary's` and `st marys` are the same answer. The form is what is hashed.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Name of a question in the catalogue, such as `first-pet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(String);

impl QuestionId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for QuestionId {
    type Err = ();

    /// Lower-case letters, digits and dashes, at most 64.
    fn from_str(text: &str) -> Result<Self, ()> {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=64).contains(&text.len()) && text.bytes().all(fine);
        good.then(|| Self(text.to_owned())).ok_or(())
    }
}

/// Questions that are approved where the configuration names none. Their texts are in the catalogue as `question-NAME`.
pub const APPROVED: [&str; 12] = [
    "first-pet",
    "first-street",
    "first-school",
    "first-job",
    "childhood-friend",
    "childhood-hero",
    "grandmother-name",
    "parents-met",
    "favourite-teacher",
    "first-concert",
    "dream-job",
    "holiday-place",
];

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerProblem {
    /// Nothing, or less than three letters and digits.
    TooShort,
    /// More than 200 characters.
    TooLong,
    /// One character over and over, or `12345`.
    Trivial,
    /// A word of the question itself.
    Question,
    /// The username.
    Username,
    /// The same as another answer.
    Repeated,
}

/// An answer in its normal form.
pub fn normalise(answer: &str) -> Zeroizing<String> {
    let mut form = Zeroizing::new(String::with_capacity(answer.len()));
    let mut gap = false;
    for character in answer.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            if gap && !form.is_empty() {
                form.push(' ');
            }
            gap = false;
            form.push(character);
        } else if character.is_whitespace() {
            gap = true;
        }
    }
    form
}

/// What people type who do not want to answer, in normal form.
const TRIVIAL: [&str; 24] = [
    "none",
    "nothing",
    "no answer",
    "nobody",
    "n a",
    "unknown",
    "i dont know",
    "dont know",
    "test",
    "asdf",
    "asdfgh",
    "qwerty",
    "qwertz",
    "azerty",
    "yes",
    "answer",
    "password",
    "secret",
    "blank",
    "nada",
    "ninguno",
    "ninguna",
    "no se",
    "prueba",
];

/// Whether it is one group of up to four letters again and again: digits twice, letters three times, because pets are called Coco.
fn repeats(chars: &[char]) -> bool {
    let least = if chars.iter().all(char::is_ascii_digit) { 2 } else { 3 };
    (2..=4).any(|size| {
        let head = chars.get(..size).unwrap_or_default();
        chars.len() >= size * least && chars.chunks(size).all(|chunk| chunk == head)
    })
}

/// Looks at one answer, in its normal form, to a question with this text.
pub fn check(form: &str, question: &str, username: &str) -> Result<(), AnswerProblem> {
    let letters = form.chars().filter(|c| *c != ' ').count();
    if letters < 3 {
        return Err(AnswerProblem::TooShort);
    }
    if form.chars().count() > 200 {
        return Err(AnswerProblem::TooLong);
    }
    let mut chars: Vec<char> = form.chars().filter(|c| *c != ' ').collect();
    let steady = |by: u32| chars.windows(2).all(|pair| matches!(pair, [a, b] if *b as u32 == *a as u32 + by));
    if steady(0) || steady(1) || TRIVIAL.contains(&form) || repeats(&chars) {
        return Err(AnswerProblem::Trivial);
    }
    chars.clear();
    if form == &**normalise(username) {
        return Err(AnswerProblem::Username);
    }
    let asked = normalise(question);
    if *asked == form || asked.split(' ').any(|word| word == form) {
        return Err(AnswerProblem::Question);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PET: &str = "What was the name of your first pet?";

    #[test]
    fn answers_are_compared_by_letters_and_digits() {
        for text in ["St. Mary's", " st  marys ", "ST MARYS"] {
            assert_eq!(normalise(text).as_str(), "st marys", "{text}");
        }
        assert_eq!(normalise("Größe 7").as_str(), "größe 7");
    }

    #[test]
    fn trivial_answers_are_refused_with_the_reason() {
        for (answer, problem) in [
            ("", AnswerProblem::TooShort),
            ("a b", AnswerProblem::TooShort),
            ("aaaa", AnswerProblem::Trivial),
            ("12345", AnswerProblem::Trivial),
            ("abcd", AnswerProblem::Trivial),
            ("123123", AnswerProblem::Trivial),
            ("xyxyxy", AnswerProblem::Trivial),
            ("I don't know", AnswerProblem::Trivial),
            ("None.", AnswerProblem::Trivial),
            ("pet", AnswerProblem::Question),
            ("Alice", AnswerProblem::Username),
        ] {
            assert_eq!(check(&normalise(answer), PET, "alice"), Err(problem), "{answer}");
        }
        assert_eq!(check(&normalise("x".repeat(3).as_str()), PET, "alice"), Err(AnswerProblem::Trivial));
        assert_eq!(check(&normalise(&"ab".repeat(101)), PET, "alice"), Err(AnswerProblem::TooLong));
        assert_eq!(check(&normalise("Rex the second"), PET, "alice"), Ok(()));
        assert_eq!(check(&normalise("Coco"), PET, "alice"), Ok(()));
    }

    #[test]
    fn names_of_questions_are_plain() {
        assert!(APPROVED.iter().all(|name| name.parse::<QuestionId>().is_ok()));
        for bad in ["", "First", "a b", "a_b"] {
            assert!(bad.parse::<QuestionId>().is_err(), "{bad}");
        }
    }
}
