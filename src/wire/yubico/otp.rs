//! What a touch types: public id and ciphertext.

use super::layout::Layout;
use super::modhex::{self, ModhexError, is_modhex};
use std::fmt;
use std::ops::RangeInclusive;

/// Characters of the encrypted part.
pub const TYPED_CIPHER: usize = 32;
/// Characters that keys are known to type in all; 44 as they are sold.
pub const TYPED: RangeInclusive<usize> = 32..=48;
/// Longest public id, in bytes.
pub const MAX_PUBLIC_ID: usize = 16;

/// Names a key, in clear before each of its passwords: 0 to 16 bytes, 6 as they are sold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId {
    bytes: [u8; MAX_PUBLIC_ID],
    length: usize,
}

impl PublicId {
    /// From bytes; `None` if there are more than 16.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self { bytes: [0; MAX_PUBLIC_ID], length: bytes.len() };
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(id)
    }

    /// From modhex, in either case.
    ///
    /// # Errors
    /// Like [`Otp::parse`].
    pub fn parse(text: &str) -> Result<Self, OtpError> {
        let bytes = modhex::decode(text).map_err(|error| OtpError::of(error, text))?;
        Self::new(&bytes).ok_or(OtpError::Length(text.len()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether the key types none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Characters that a key with this id types.
    pub const fn typed(&self) -> usize {
        2 * self.length + TYPED_CIPHER
    }

    /// Where the password of this key begins that stands at the end of `text`; `None` if none does.
    pub fn at_end(&self, text: &[u8]) -> Option<usize> {
        let at = text.len().checked_sub(self.typed())?;
        let end = text.get(at..)?;
        let named = end.get(..2 * self.length)?.eq_ignore_ascii_case(self.to_string().as_bytes());
        (named && is_modhex(end)).then_some(at)
    }
}

/// In modhex.
impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&modhex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId({self})")
    }
}

/// Why something typed is no password of a YubiKey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OtpError {
    /// So many characters, and not an even number from 32 to 64.
    #[error("it has {0} characters, not the 44 (or 32 to 64) that a YubiKey types")]
    Length(usize),
    /// Letters that another keyboard layout makes of modhex.
    #[error("it was typed with the keyboard layout {0}; switch to QWERTY and touch the key again")]
    Layout(Layout),
    /// Characters that no key types.
    #[error("it has characters that no YubiKey types")]
    Character,
}

impl OtpError {
    fn of(error: ModhexError, text: &str) -> Self {
        match error {
            ModhexError::Odd => OtpError::Length(text.chars().count()),
            ModhexError::Layout(layout) => OtpError::Layout(layout),
            ModhexError::Character => OtpError::Character,
        }
    }
}

/// One password: good once, so `Debug` shows only whose it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Otp {
    /// The key that claims to have made it.
    pub public_id: PublicId,
    /// What it says, encrypted.
    pub(super) cipher: [u8; 16],
}

impl Otp {
    /// Reads what was typed, in either case, white space around it left out.
    ///
    /// # Errors
    /// The first of: strange characters or a strange keyboard layout, a length that cannot be.
    pub fn parse(text: &str) -> Result<Self, OtpError> {
        let text = text.trim();
        let bytes = modhex::decode(text).map_err(|error| OtpError::of(error, text))?;
        let length = || OtpError::Length(text.len());
        let (id, cipher) = bytes.split_last_chunk().ok_or_else(length)?;
        Ok(Self { public_id: PublicId::new(id).ok_or_else(length)?, cipher: *cipher })
    }
}

/// As a key types it, in lower case.
impl fmt::Display for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.public_id, modhex::encode(&self.cipher))
    }
}

impl fmt::Debug for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Otp({}…)", self.public_id)
    }
}

/// How many characters at the end of `text` are modhex.
pub fn ends_with_modhex(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| is_modhex(&[**byte])).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTP: &str = "dteffujehknhfjbrjnlnldnhcujvddbikngjrtgh";

    #[test]
    fn id_and_ciphertext_are_read_whatever_the_case() {
        let otp = Otp::parse(OTP).unwrap();
        assert_eq!(otp.public_id.to_string(), "dteffuje");
        assert_eq!(otp.to_string(), OTP);
        assert_eq!(Otp::parse(&format!(" {}\r\n", OTP.to_uppercase())), Ok(otp));
        assert!(Otp::parse(&OTP[8..]).unwrap().public_id.is_empty());
    }

    #[test]
    fn each_kind_of_bad_text_has_its_own_error() {
        assert_eq!(Otp::parse(""), Err(OtpError::Length(0)));
        assert_eq!(Otp::parse(&OTP[1..]), Err(OtpError::Length(39)));
        assert_eq!(Otp::parse(&OTP[10..]), Err(OtpError::Length(30)));
        assert_eq!(Otp::parse(&"cc".repeat(32)).unwrap().public_id.as_bytes(), [0; 16]);
        assert_eq!(Otp::parse(&"cc".repeat(33)), Err(OtpError::Length(66)));
        assert_eq!(Otp::parse(&OTP.replace('d', "a")), Err(OtpError::Character));
        let dvorak = "eyeugu.hdtbdlh";
        assert_eq!(Otp::parse(dvorak), Err(OtpError::Character));
        assert_eq!(Otp::parse("xe.uidjxe.uidchtnbpygk"), Err(OtpError::Layout(Layout::Dvorak)));
    }

    #[test]
    fn password_is_found_at_the_end_by_its_key_only() {
        let id = PublicId::parse("dteffuje").unwrap();
        assert_eq!(id.at_end(OTP.as_bytes()), Some(0));
        assert_eq!(id.at_end(format!("secret{OTP}").as_bytes()), Some(6));
        assert_eq!(id.at_end(format!("secret{}", OTP.to_uppercase()).as_bytes()), Some(6));
        assert_eq!(id.at_end(format!("{OTP}c").as_bytes()), None);
        assert_eq!(id.at_end(&OTP.as_bytes()[1..]), None);
        assert_eq!(PublicId::parse("dteffujf").unwrap().at_end(OTP.as_bytes()), None);
    }

    #[test]
    fn debug_shows_only_the_public_id() {
        assert_eq!(format!("{:?}", Otp::parse(OTP).unwrap()), "Otp(dteffuje…)");
    }
}
