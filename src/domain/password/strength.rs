//! How hard a password is to guess, by the estimate of zxcvbn, and what would make it harder.
//!
//! An estimate helps while somebody chooses; it is no proof. What zxcvbn copies of the password is not wiped from
//! memory.

use serde::Serialize;
use zeroize::Zeroizing;
use zxcvbn::Score;
use zxcvbn::feedback::{Feedback, Suggestion, Warning};

/// Characters that are looked at; more only make a password stronger.
const LOOKED_AT: usize = 100;

/// Signs that zxcvbn reads as letters, in every combination of what they may stand for.
const STAND_INS: &str = "4@8({[<3691!|70$5+%2";

/// So many different ones are read that way: with all of them a password of 100 characters takes seconds, with so many
/// a tenth of one at most.
const READ_AS_LETTERS: usize = 6;

/// What is not read that way becomes this, which stands for nothing.
const PLAIN_SIGN: char = '^';

/// Words that are known of the owner at most; a name has fewer.
const MOST_HINTS: usize = 24;

/// How strong a password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Strength {
    /// 0: found by a thousand guesses, 1: by 10⁶, 2: by 10⁸, 3: by 10¹⁰, 4: by more.
    pub score: u8,
    /// What would make it stronger; none from score 3.
    pub advice: Option<Advice>,
}

/// What makes a password easy to guess and what to do about it. `Display` is an English sentence without a full stop;
/// as JSON it is the [`Advice::id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Nothing in particular.
    #[error("add another word or two; uncommon words are better")]
    MoreWords,
    /// Nothing was typed.
    #[error("use a few words that do not belong together; signs, digits and capital letters are not needed")]
    FewWords,
    /// Among the passwords that are used most.
    #[error("many people use this password; use a few words that do not belong together")]
    Common,
    /// A common password dressed up.
    #[error("it is much like a password that many people use; add words that are not in it")]
    LikeCommon,
    /// One word.
    #[error("one word is easy to guess; add some that do not belong to it")]
    OneWord,
    /// Given names or family names.
    #[error("names are easy to guess; add words that are no names")]
    Names,
    /// A path on the keyboard.
    #[error("neighbours on the keyboard are easy to guess; use words")]
    Keyboard,
    /// Repetition.
    #[error("repetitions add little; add other words")]
    Repetition,
    /// `abc`, `6543`.
    #[error("sequences such as abc or 6543 are easy to guess; use words")]
    Sequence,
    /// A year.
    #[error("years are easy to guess, above all those that have to do with you; use words")]
    Year,
    /// A date.
    #[error("dates are easy to guess, above all those that have to do with you; use words")]
    Date,
    /// Capitals where everybody has them.
    #[error("capital letters add little; add another word or two")]
    Capitals,
    /// A word backwards.
    #[error("words backwards are hardly harder to guess; add another word or two")]
    Backwards,
    /// `@` for `a`.
    #[error("signs and digits in place of letters add little; add another word or two")]
    StandIns,
}

impl Advice {
    /// All of them, for catalogues of texts.
    pub const ALL: [Self; 14] = [
        Self::MoreWords,
        Self::FewWords,
        Self::Common,
        Self::LikeCommon,
        Self::OneWord,
        Self::Names,
        Self::Keyboard,
        Self::Repetition,
        Self::Sequence,
        Self::Year,
        Self::Date,
        Self::Capitals,
        Self::Backwards,
        Self::StandIns,
    ];

    /// Stable name, for catalogues of texts and for pages.
    pub const fn id(self) -> &'static str {
        match self {
            Self::MoreWords => "more-words",
            Self::FewWords => "few-words",
            Self::Common => "common",
            Self::LikeCommon => "like-common",
            Self::OneWord => "one-word",
            Self::Names => "names",
            Self::Keyboard => "keyboard",
            Self::Repetition => "repetition",
            Self::Sequence => "sequence",
            Self::Year => "year",
            Self::Date => "date",
            Self::Capitals => "capitals",
            Self::Backwards => "backwards",
            Self::StandIns => "stand-ins",
        }
    }
}

impl Strength {
    /// Estimates how many guesses `password` holds out against somebody who knows `hints`, words about its owner.
    pub fn estimate<'a>(password: &str, hints: impl IntoIterator<Item = &'a str>) -> Self {
        let hints: Vec<&str> =
            hints.into_iter().filter(|hint| hint.chars().count() > 1).take(MOST_HINTS).collect();
        let estimate = zxcvbn::zxcvbn(&bounded(password), &hints);
        let score = match estimate.score() {
            Score::Zero => 0,
            Score::One => 1,
            Score::Two => 2,
            Score::Three => 3,
            _ => 4,
        };
        let advice = (score < 3).then(|| estimate.feedback().map_or(Advice::MoreWords, advice));
        Self { score, advice }
    }
}

/// What zxcvbn gets to see, so that its work is bounded.
fn bounded(password: &str) -> Zeroizing<String> {
    let mut read: Vec<char> = Vec::with_capacity(READ_AS_LETTERS);
    let mut sign = |c: char| {
        if !STAND_INS.contains(c) || read.contains(&c) {
            return c;
        }
        if read.len() == READ_AS_LETTERS {
            return PLAIN_SIGN;
        }
        read.push(c);
        c
    };
    // One allocation, so that no copy is left behind where it grew.
    let mut text = Zeroizing::new(String::with_capacity(LOOKED_AT * 4));
    password.chars().take(LOOKED_AT).for_each(|c| text.push(sign(c)));
    text
}

/// The one sentence that helps most.
fn advice(feedback: &Feedback) -> Advice {
    let suggested = || feedback.suggestions().iter().copied().find_map(of_suggestion);
    feedback.warning().map(of_warning).or_else(suggested).unwrap_or(Advice::MoreWords)
}

const fn of_warning(warning: Warning) -> Advice {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            Advice::Keyboard
        }
        Warning::RepeatsLikeAaaAreEasyToGuess | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            Advice::Repetition
        }
        Warning::ThisIsATop10Password | Warning::ThisIsATop100Password | Warning::ThisIsACommonPassword => {
            Advice::Common
        }
        Warning::ThisIsSimilarToACommonlyUsedPassword => Advice::LikeCommon,
        Warning::SequencesLikeAbcAreEasyToGuess => Advice::Sequence,
        Warning::RecentYearsAreEasyToGuess => Advice::Year,
        Warning::AWordByItselfIsEasyToGuess => Advice::OneWord,
        Warning::DatesAreOftenEasyToGuess => Advice::Date,
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
        | Warning::CommonNamesAndSurnamesAreEasyToGuess => Advice::Names,
    }
}

/// `None` for what is always suggested.
const fn of_suggestion(suggestion: Suggestion) -> Option<Advice> {
    Some(match suggestion {
        Suggestion::AddAnotherWordOrTwo => return None,
        Suggestion::UseAFewWordsAvoidCommonPhrases | Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters => {
            Advice::FewWords
        }
        Suggestion::CapitalizationDoesntHelpVeryMuch
        | Suggestion::AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase => Advice::Capitals,
        Suggestion::ReversedWordsArentMuchHarderToGuess => Advice::Backwards,
        Suggestion::PredictableSubstitutionsDontHelpVeryMuch => Advice::StandIns,
        Suggestion::UseALongerKeyboardPatternWithMoreTurns => Advice::Keyboard,
        Suggestion::AvoidRepeatedWordsAndCharacters => Advice::Repetition,
        Suggestion::AvoidSequences => Advice::Sequence,
        Suggestion::AvoidRecentYears | Suggestion::AvoidYearsThatAreAssociatedWithYou => Advice::Year,
        Suggestion::AvoidDatesAndYearsThatAreAssociatedWithYou => Advice::Date,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(password: &str) -> Strength {
        Strength::estimate(password, ["jdoe", "Jane", "Northfield"])
    }

    #[test]
    fn weak_passwords_get_advice_and_strong_ones_none() {
        let cases = [
            ("", 0, Some(Advice::FewWords)),
            ("password", 0, Some(Advice::Common)),
            ("p4ssw0rd", 0, Some(Advice::LikeCommon)),
            ("qwertyuiop", 0, Some(Advice::Common)),
            ("abcabcabc", 0, Some(Advice::Repetition)),
            ("horse battery", 3, None),
            ("lantern umbrella harbour", 4, None),
        ];
        for (password, score, advice) in cases {
            assert_eq!(strength(password), Strength { score, advice }, "{password}");
        }
    }

    #[test]
    fn what_is_known_of_the_owner_is_easy_to_guess() {
        let stranger = Strength::estimate("zanzoobel-xiff", ["somebody"]);
        let owner = Strength::estimate("zanzoobel-xiff", ["Zanzoobel", "zanzoobel-xiff"]);
        assert_eq!((stranger.score, owner.score), (4, 0));
    }

    #[test]
    fn ids_are_those_of_the_json() {
        for advice in Advice::ALL {
            assert_eq!(serde_json::to_value(advice).unwrap(), advice.id());
            assert!(advice.to_string().starts_with(char::is_lowercase), "{advice}");
        }
        let json = serde_json::to_value(strength("password")).unwrap();
        assert_eq!(json, serde_json::json!({"score": 0, "advice": "common"}));
    }

    #[test]
    fn only_the_beginning_of_a_long_password_is_looked_at() {
        assert_eq!(bounded(&"x".repeat(1024)).chars().count(), LOOKED_AT);
        assert_eq!(bounded(&"\u{1f41d}".repeat(256)).capacity(), LOOKED_AT * 4);
    }

    // Every sign would double what zxcvbn has to try, and more.
    #[test]
    fn signs_beyond_a_few_are_not_read_as_letters() {
        assert_eq!(bounded("p@$$w0rd").as_str(), "p@$$w0rd");
        assert_eq!(bounded(&format!("a{STAND_INS}4@7")).as_str(), "a4@8({[^^^^^^^^^^^^^^4@^");
    }
}
