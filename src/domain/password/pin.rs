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
}

/// Columns and diagonals of a keypad, longest first; also looked for backwards.
const LINES: [&str; 9] = ["2580", "1470", "3690", "147258369", "147258", "258369", "159357", "1379", "1397"];

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
    if LINES.iter().any(|line| line.as_bytes() == digits || line.as_bytes() == backwards.as_slice()) {
        return Some(PinProblem::Keypad);
    }
    (digits.len() == 4 && (digits.starts_with(b"19") || digits.starts_with(b"20")))
        .then_some(PinProblem::Year)
}

/// Whether it is one unit at least twice (1111, 1212, 123123), or every digit twice (1122, 112233).
fn repeats(digits: &[u8]) -> bool {
    let units = (1..=digits.len() / 2).any(|unit| {
        digits.len().is_multiple_of(unit) && digits.iter().skip(unit).zip(digits).all(|(a, b)| a == b)
    });
    let pairs = digits.len() >= 4
        && digits.len().is_multiple_of(2)
        && digits.chunks(2).all(|pair| pair.first() == pair.last());
    units || pairs
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
        ];
        for (pin, problem) in cases {
            assert_eq!(check(pin, 4, 10), Err(vec![problem]), "{pin}");
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
