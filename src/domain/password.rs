//! What a password or PIN may be, and what came of checking one.
//!
//! NIST SP 800-63B-4 §3.1.1.2: length counts, composition does not; a password that attackers try first is
//! refused with the reason.

use super::person::Username;
use crate::base::Secret;
use std::fmt;

/// What a check of a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PasswordVerdict {
    /// The candidate at this index is the password.
    Right(usize),
    /// None is.
    Wrong,
    /// The candidate at this index is the password, but it has expired or must be changed.
    Expired(usize),
}

/// Limits of a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Fewest characters.
    pub min_length: usize,
    /// Most characters.
    pub max_length: usize,
}

/// Why a new password is refused; each says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordProblem {
    /// Fewer characters than this.
    TooShort(usize),
    /// More characters than this.
    TooLong(usize),
    /// Characters that cannot be typed everywhere.
    Characters,
    /// The username is in it.
    ContainsUsername,
    /// Among the passwords that are tried first.
    Common,
    /// One character or a plain sequence throughout.
    Monotonous,
}

impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(least) => write!(f, "Use at least {least} characters; a few words in a row are easy to remember."),
            Self::TooLong(most) => write!(f, "Use at most {most} characters."),
            Self::Characters => f.write_str("Leave out control characters and unassigned characters: they cannot be typed everywhere."),
            Self::ContainsUsername => f.write_str("Leave your username out of the password."),
            Self::Common => f.write_str("This password is one of those that attackers try first; choose one that nobody else would think of."),
            Self::Monotonous => f.write_str("Repeated or consecutive characters are guessed at once; mix words that have nothing to do with each other."),
        }
    }
}

/// Core words of the passwords found most often in leaks.
const COMMON: [&str; 40] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "qwerty",
    "qwertz",
    "azerty",
    "letmein",
    "welcome",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "superman",
    "batman",
    "trustno1",
    "sunshine",
    "princess",
    "shadow",
    "master",
    "michael",
    "jennifer",
    "abc123",
    "admin",
    "administrator",
    "login",
    "secret",
    "changeme",
    "default",
    "starwars",
    "whatever",
    "freedom",
    "hello",
    "charlie",
    "donald",
    "university",
    "student",
    "qazwsx",
];

/// A password as it is hashed: RFC 8265 OpaqueString (NFC, spaces mapped). Bytes that are no such text stay as
/// they are: they can be checked, never set.
pub fn normalized(password: &[u8]) -> Secret<Vec<u8>> {
    use precis_profiles::precis_core::profile::PrecisFastInvocation;
    let text = std::str::from_utf8(password).ok().filter(|text| !text.is_ascii());
    let enforced = text.and_then(|text| precis_profiles::OpaqueString::enforce(text).ok());
    Secret::new(enforced.map_or_else(|| password.to_vec(), |text| text.into_owned().into_bytes()))
}

impl Rules {
    /// Everything that is wrong with a new password; empty if it is fine.
    pub fn problems(&self, username: &Username, password: &str) -> Vec<PasswordProblem> {
        use precis_profiles::precis_core::profile::PrecisFastInvocation;
        let mut problems = Vec::new();
        let length = password.chars().count();
        if length < self.min_length {
            problems.push(PasswordProblem::TooShort(self.min_length));
        }
        if length > self.max_length {
            problems.push(PasswordProblem::TooLong(self.max_length));
        }
        if !password.is_empty() && precis_profiles::OpaqueString::enforce(password).is_err() {
            problems.push(PasswordProblem::Characters);
        }
        let lower = password.to_lowercase();
        let name = username.as_str();
        let backwards: String = name.chars().rev().collect();
        if name.chars().count() >= 3 && (lower.contains(name) || lower.contains(&backwards)) {
            problems.push(PasswordProblem::ContainsUsername);
        }
        let core = lower.trim_matches(|c: char| !c.is_alphabetic());
        if COMMON.contains(&core) || COMMON.contains(&lower.as_str()) {
            problems.push(PasswordProblem::Common);
        }
        if monotonous(&lower) {
            problems.push(PasswordProblem::Monotonous);
        }
        problems
    }
}

/// Each character equals the one before it, follows it, or precedes it, all in the same way.
fn monotonous(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let Some(step) = codes.first().zip(codes.get(1)).map(|(a, b)| i64::from(*b) - i64::from(*a)) else {
        return false;
    };
    step.abs() <= 1 && codes.windows(2).all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == step) // windows(2) yields pairs
}

/// Why a new PIN is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinProblem {
    /// Not digits, or not as many as asked for (least, most).
    Form(u8, u8),
    /// One of those tried first.
    Weak,
}

impl fmt::Display for PinProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(least, most) => write!(f, "A PIN has {least} to {most} digits and nothing else."),
            Self::Weak => f.write_str("This PIN is one of those that are tried first (repeated or consecutive digits, a year, a pattern on the keypad); choose another."),
        }
    }
}

/// What is wrong with a new PIN, if anything.
pub fn pin_problem(pin: &str, least: u8, most: u8) -> Option<PinProblem> {
    let digits = pin.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(usize::from(least)..=usize::from(most)).contains(&pin.len()) {
        return Some(PinProblem::Form(least, most));
    }
    let half = pin.len() / 2;
    let doubled = pin.len().is_multiple_of(2) && pin.get(..half) == pin.get(half..);
    let year = pin.len() == 4 && (pin.starts_with("19") || pin.starts_with("20"));
    let pattern =
        ["2580", "0852", "1379", "9731", "147258", "123321", "159753", "1470", "0741"].contains(&pin);
    (monotonous(pin) || doubled || year || pattern).then_some(PinProblem::Weak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(password: &str) -> Vec<PasswordProblem> {
        let rules = Rules { min_length: 8, max_length: 64 };
        rules.problems(&Username::parse("alice").unwrap(), password)
    }

    // R-BEST-1
    #[test]
    fn long_and_unusual_is_enough_whatever_characters_it_has() {
        for fine in [
            "correct horse battery",
            "пароль и слово",
            "4957 0362 81",
            "a,b;c\"d'e\\f",
            "日本語のパスワードです",
        ] {
            assert_eq!(problems(fine), [], "{fine}");
        }
    }

    #[test]
    fn each_problem_is_told_and_several_at_once() {
        assert_eq!(problems("short"), [PasswordProblem::TooShort(8)]);
        assert_eq!(problems(&"ab".repeat(33)), [PasswordProblem::TooLong(64)]);
        assert_eq!(problems("with\u{0}control"), [PasswordProblem::Characters]);
        assert_eq!(problems("my-ALICE-word"), [PasswordProblem::ContainsUsername]);
        assert_eq!(problems("Password123!"), [PasswordProblem::Common]);
        assert_eq!(problems("abcdefghij"), [PasswordProblem::Monotonous]);
        assert_eq!(problems("ecila"), [PasswordProblem::TooShort(8), PasswordProblem::ContainsUsername]);
    }

    #[test]
    fn composed_and_decomposed_spellings_are_the_same_password() {
        assert_eq!(
            normalized("pässword".as_bytes()).expose(),
            normalized("pa\u{308}ssword".as_bytes()).expose()
        );
        assert_eq!(normalized(&[0xff, 0xfe]).expose(), &[0xff, 0xfe]);
    }

    // R-APP-4
    #[test]
    fn weak_pins_are_refused() {
        for weak in ["1111", "1234", "4321", "2580", "1987", "2024", "1212", "123123", "999999"] {
            assert_eq!(pin_problem(weak, 4, 10), Some(PinProblem::Weak), "{weak}");
        }
        for form in ["123", "12a4", "", "12345678901", "１２３４"] {
            assert_eq!(pin_problem(form, 4, 10), Some(PinProblem::Form(4, 10)), "{form}");
        }
        for fine in ["2946", "80357", "4711902837"] {
            assert_eq!(pin_problem(fine, 4, 10), None, "{fine}");
        }
    }
}
