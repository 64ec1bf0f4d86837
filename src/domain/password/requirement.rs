//! What a new password must keep to, as a list that can be shown before anything is typed and ticked off while it is.
//!
//! The texts here are English; a page in another language makes its own from the ids and their numbers.

use super::PasswordProblem;
use serde::Serialize;
use std::fmt;

/// One requirement. As JSON it is an object with the `id` and the numbers beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
pub enum Requirement {
    /// At least so many characters.
    MinLength {
        /// Characters, not bytes.
        characters: usize,
    },
    /// At most so many characters.
    MaxLength {
        /// Characters, not bytes.
        characters: usize,
    },
    /// Nothing but characters that RFC 8265 allows.
    Characters,
    /// Characters of several of the four classes: capital letters, small letters, digits, all others.
    Classes {
        /// How many of the four.
        least: u8,
    },
    /// Neither the username nor its part before the `@`, in any direction.
    NoUsername,
    /// None of the institution's words.
    NoWords {
        /// In lower case.
        words: Vec<String>,
    },
    /// No few characters over and over, no alphabet, no row of the keyboard.
    NoPattern,
    /// None of the passwords that attackers try first.
    Uncommon,
    /// An estimated strength.
    Strength {
        /// 1 to 4, as in [`super::Strength`].
        least: u8,
    },
}

impl Requirement {
    /// Stable name, for catalogues of texts and for pages.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::MinLength { .. } => "min-length",
            Self::MaxLength { .. } => "max-length",
            Self::Characters => "characters",
            Self::Classes { .. } => "classes",
            Self::NoUsername => "no-username",
            Self::NoWords { .. } => "no-words",
            Self::NoPattern => "no-pattern",
            Self::Uncommon => "uncommon",
            Self::Strength { .. } => "strength",
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinLength { characters } => write!(f, "at least {characters} characters"),
            Self::MaxLength { characters } => write!(f, "at most {characters} characters"),
            Self::Characters => f.write_str("only letters, digits, punctuation, common symbols and spaces"),
            Self::Classes { least } => {
                write!(f, "at least {least} of: capital letters, small letters, digits, other characters")
            }
            Self::NoUsername => f.write_str("without your username, forwards and backwards"),
            Self::NoWords { words } => {
                f.write_str("without ")?;
                for (at, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::NoPattern => {
                f.write_str("no few characters over and over, no alphabet, no rows of the keyboard")
            }
            Self::Uncommon => f.write_str("none of the passwords that attackers try first"),
            Self::Strength { least } => write!(f, "an estimated strength of at least {least} of 4"),
        }
    }
}

impl PasswordProblem {
    /// Whether this is what is wrong where `requirement` is not met.
    pub const fn violates(&self, requirement: &Requirement) -> bool {
        match self {
            Self::TooShort(_) => matches!(requirement, Requirement::MinLength { .. }),
            Self::TooLong(_) | Self::TooManyBytes => matches!(requirement, Requirement::MaxLength { .. }),
            Self::Character => matches!(requirement, Requirement::Characters),
            Self::TooFewClasses(_) => matches!(requirement, Requirement::Classes { .. }),
            Self::ContainsUsername => matches!(requirement, Requirement::NoUsername),
            Self::ContainsWord(_) => matches!(requirement, Requirement::NoWords { .. }),
            Self::Repeated | Self::Sequence => matches!(requirement, Requirement::NoPattern),
            Self::Common | Self::Blocklisted => matches!(requirement, Requirement::Uncommon),
            Self::Guessable(_) => matches!(requirement, Requirement::Strength { .. }),
        }
    }

    /// Whether it says that the password is easy to guess, in one way or another.
    pub(super) const fn is_guess(&self) -> bool {
        matches!(
            self,
            Self::Repeated | Self::Sequence | Self::Common | Self::Blocklisted | Self::Guessable(_)
        )
    }
}
