//! What a new PIN must be. A PIN is typed before a passcode and never enough alone, so only what is guessed
//! first is refused.

/// Why a new PIN is refused. `Display` tells the person what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinProblem {
    /// Fewer digits than this.
    #[error("use at least {0} digits")]
    TooShort(usize),
    /// More digits than this.
    #[error("use at most {0} digits")]
    TooLong(usize),
    /// Something other than 0 to 9.
    #[error("use only the digits 0 to 9")]
    NotDigits,
    /// One digit, or one short group of them, over and over.
    #[error("choose another PIN: it repeats the same digits")]
    Repeated,
    /// Up or down, one by one, or two by two.
    #[error("choose another PIN: its digits follow each other")]
    Sequence,
    /// A line on the keypad.
    #[error("choose another PIN: it is a line on the keypad")]
    Keypad,
    /// A year of somebody's birth.
    #[error("choose another PIN: it is a year, which is guessed first")]
    Year,
    /// A day of somebody's birth.
    #[error("choose another PIN: it is a date, which is guessed first")]
    Date,
    /// The same from both ends.
    #[error("choose another PIN: it is the same backwards")]
    Mirrored,
    /// At the top of every list of PINs that were found.
    #[error("choose another PIN: many people use this one")]
    Common,
}

/// Columns, diagonals, corners and squares of a keypad; also looked for backwards.
const LINES: [&str; 16] = [
    "2580",
    "1470",
    "3690",
    "147258369",
    "147258",
    "258369",
    "159357",
    "159753",
    "1379",
    "1397",
    "1793",
    "1254",
    "2365",
    "4587",
    "5698",
    "1590",
];

/// Columns and rows of a keypad; a PIN made of several of them is a line too: 789456, 147852, 321654987.
const ROWS: [&str; 6] = ["123", "456", "789", "147", "258", "369"];

/// From the top of lists of PINs that were found, where no rule has a reason.
const COMMON: [&str; 12] = [
    "1004", "1123", "0007", "0070", "5683", "1000", "1342", "5201314", "520131", "102030", "010203", "142536",
];

/// Between `min` and `max` ASCII digits and not among the first to be guessed; else every rule it violates.
pub fn check(pin: &str, min: u8, max: u8) -> Result<(), Vec<PinProblem>> {
    let (min, max) = (usize::from(min), usize::from(max));
    if pin.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(vec![PinProblem::NotDigits]);
    }
    let mut problems = Vec::new();
    if pin.len() < min {
        problems.push(PinProblem::TooShort(min));
    }
    if pin.len() > max {
        problems.push(PinProblem::TooLong(max));
    }
    problems.extend(weakness(pin.as_bytes()));
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The plainest reason why it is guessed early.
fn weakness(digits: &[u8]) -> Option<PinProblem> {
    if repeats(digits) {
        return Some(PinProblem::Repeated);
    }
    if follows(digits) {
        return Some(PinProblem::Sequence);
    }
    let backwards: Vec<u8> = digits.iter().rev().copied().collect();
    if made_of_rows(digits)
        || LINES.iter().any(|line| line.as_bytes() == digits || line.as_bytes() == backwards.as_slice())
    {
        return Some(PinProblem::Keypad);
    }
    if digits.len() == 4 && is_year(digits) {
        return Some(PinProblem::Year);
    }
    if digits.len() == 8 && is_date(digits) {
        return Some(PinProblem::Date);
    }
    if digits.len() >= 4 && backwards == digits {
        return Some(PinProblem::Mirrored);
    }
    COMMON.iter().any(|pin| pin.as_bytes() == digits).then_some(PinProblem::Common)
}

/// Whether it is made of whole rows or columns, each in one of both directions.
fn made_of_rows(digits: &[u8]) -> bool {
    let row = |three: &[u8]| {
        ROWS.iter()
            .any(|row| row.bytes().eq(three.iter().copied()) || row.bytes().rev().eq(three.iter().copied()))
    };
    digits.len() >= 6 && digits.len().is_multiple_of(3) && digits.chunks(3).all(row)
}

fn is_year(digits: &[u8]) -> bool {
    digits.starts_with(b"19") || digits.starts_with(b"20")
}

/// A day with its year, in any order that is in use: 24121987, 12241987, 19871224. Shorter dates are too many PINs.
fn is_date(digits: &[u8]) -> bool {
    let Some((first, last)) = digits.split_at_checked(4) else { return false };
    is_year(last) && is_day(first) || is_year(first) && is_day(last)
}

/// Day and month, or month and day.
fn is_day(digits: &[u8]) -> bool {
    let number = |pair: &[u8]| pair.iter().fold(0, |number, digit| number * 10 + (digit - b'0'));
    let Some((first, second)) = digits.split_at_checked(2) else { return false };
    let pair =
        |day: &[u8], month: &[u8]| (1..=31).contains(&number(day)) && (1..=12).contains(&number(month));
    pair(first, second) || pair(second, first)
}

/// Whether it is one unit at least twice (1111, 1212, 123123), or runs of two digits and more (1122, 111000).
fn repeats(digits: &[u8]) -> bool {
    let units = (1..=digits.len() / 2).any(|unit| {
        digits.len().is_multiple_of(unit) && digits.iter().skip(unit).zip(digits).all(|(a, b)| a == b)
    });
    let runs = digits.chunk_by(|a, b| a == b).all(|run| run.len() >= 2);
    units || digits.len() >= 4 && runs
}

/// Whether each digit is the one before it plus a constant of at most two, either way, 0 coming after 9.
fn follows(digits: &[u8]) -> bool {
    let step = |a: u8, b: u8| (b + 10 - a) % 10; // both are ASCII digits
    let mut steps = digits.iter().zip(digits.iter().skip(1)).map(|(a, b)| step(*a, *b));
    let Some(first) = steps.next() else { return false };
    matches!(first, 1 | 2 | 8 | 9) && steps.all(|next| next == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_pin_is_accepted() {
        for pin in ["8305", "49207", "730184", "5829401736"] {
            assert_eq!(check(pin, 4, 10), Ok(()), "{pin}");
        }
    }

    #[test]
    fn weak_pins_are_refused_with_the_reason() {
        use PinProblem::*;
        let cases = [
            ("1111", Repeated),
            ("1212", Repeated),
            ("123123", Repeated),
            ("112233", Repeated),
            ("1234", Sequence),
            ("4321", Sequence),
            ("7890", Sequence),
            ("2468", Sequence),
            ("2580", Keypad),
            ("0852", Keypad),
            ("1900", Year),
            ("1987", Year),
            ("2024", Year),
            ("111000", Repeated),
            ("1357", Sequence),
            ("3210", Sequence),
            ("0741", Keypad),
            ("1379", Keypad),
            ("789456", Keypad),
            ("147852", Keypad),
            ("321654987", Keypad),
            ("159753", Keypad),
            ("24121987", Date),
            ("12241987", Date),
            ("20010311", Date),
            ("1221", Mirrored),
            ("73137", Mirrored),
            ("1004", Common),
            ("102030", Common),
        ];
        for (pin, problem) in cases {
            assert_eq!(check(pin, 4, 10), Err(vec![problem]), "{pin}");
        }
    }

    // Of 10,000 PINs of four digits, how many are left: enough that a refused one is no hint.
    #[test]
    fn what_is_refused_is_a_small_part() {
        let refused = (0..10_000).filter(|pin| check(&format!("{pin:04}"), 4, 4).is_err()).count();
        assert!((300..600).contains(&refused), "{refused}");
        for ordinary in ["24122587", "24131987", "00121987", "47128095"] {
            assert_eq!(check(ordinary, 4, 10), Ok(()), "{ordinary}");
        }
    }

    // What lists of PINs in use begin with.
    #[test]
    fn most_frequent_pins_of_four_digits_are_refused() {
        for pin in [
            "1234", "1111", "0000", "1212", "7777", "1004", "2000", "4444", "2222", "6969", "9999", "3333",
            "5555", "6666", "1122", "1313", "8888", "4321", "2001", "1010", "2580", "0852", "1998", "5683",
            "0007",
        ] {
            assert!(check(pin, 4, 10).is_err(), "{pin}");
        }
    }

    #[test]
    fn length_and_digits_are_held_and_all_problems_told() {
        assert_eq!(check("111", 4, 6), Err(vec![PinProblem::TooShort(4), PinProblem::Repeated]));
        assert_eq!(check("8305172", 4, 6), Err(vec![PinProblem::TooLong(6)]));
        assert_eq!(check("", 4, 6), Err(vec![PinProblem::TooShort(4)]));
        for pin in ["83a5", "83 5", "٨٣٠٥", "83\u{0}5"] {
            assert_eq!(check(pin, 4, 6), Err(vec![PinProblem::NotDigits]), "{pin:?}");
        }
    }
}
