//! Modhex: hexadecimal in letters that stand in the same place on most keyboards. `c` is 0 and `v` is 15.

use super::layout::Layout;

/// The digits in order.
pub(super) const ALPHABET: &[u8; 16] = b"cbdefghijklnrtuv";

/// Why a text is no modhex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModhexError {
    /// Half a byte is missing.
    #[error("it has an odd number of characters")]
    Odd,
    /// Every letter is one that another keyboard layout makes of modhex.
    #[error("it was typed with the keyboard layout {0}; switch to QWERTY and touch the key again")]
    Layout(Layout),
    /// Something else.
    #[error("it has characters that no key types")]
    Character,
}

/// Bytes as modhex, in lower case.
pub fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| ALPHABET.get(usize::from(nibble)).map_or('c', |byte| char::from(*byte));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Value of a digit. The case says nothing: with Caps Lock on, a key types capitals.
fn value(digit: u8) -> Option<u8> {
    let at = ALPHABET.iter().position(|other| *other == digit.to_ascii_lowercase())?;
    u8::try_from(at).ok()
}

/// Whether all bytes are digits of modhex.
pub fn is_modhex(text: &[u8]) -> bool {
    text.iter().all(|byte| value(*byte).is_some())
}

/// The bytes that a text in modhex stands for, in either case.
///
/// # Errors
/// Says what is wrong with the text, and under which keyboard layout it would make sense.
pub fn decode(text: &str) -> Result<Vec<u8>, ModhexError> {
    if !is_modhex(text.as_bytes()) {
        return Err(Layout::of(text).map_or(ModhexError::Character, ModhexError::Layout));
    }
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().ok_or(ModhexError::Odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Yubico, "Modhex": 69b6481c8baba2b60e8f22179b58cd56 and its letters are also in the manual of `ykparse`.
    #[test]
    fn published_example_is_read_and_written() {
        let bytes = data_encoding::HEXLOWER.decode(b"69b6481c8baba2b60e8f22179b58cd56").unwrap();
        assert_eq!(encode(&bytes), "hknhfjbrjnlnldnhcujvddbikngjrtgh");
        assert_eq!(decode("hknhfjbrjnlnldnhcujvddbikngjrtgh"), Ok(bytes));
        assert_eq!(encode(b"test"), "ifhgieif");
        assert_eq!(decode("ifhgieif"), Ok(b"test".to_vec()));
    }

    #[test]
    fn every_byte_survives_in_either_case() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Ok(all.clone()));
        assert_eq!(decode(&encode(&all).to_uppercase()), Ok(all));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert_eq!(decode("ccc"), Err(ModhexError::Odd));
        assert_eq!(decode("cca0"), Err(ModhexError::Character));
        assert_eq!(decode("cc é"), Err(ModhexError::Character));
        assert_eq!(decode("jxe.uidchtnbpygk"), Err(ModhexError::Layout(Layout::Dvorak)));
        assert_eq!(decode(""), Ok(Vec::new()));
    }
}
