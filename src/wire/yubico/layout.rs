//! What other keyboard layouts make of a key's characters.
//!
//! A YubiKey is a keyboard: it sends the places of keys, not letters. The 16 letters of modhex stand in the same places on the
//! QWERTY, QWERTZ and AZERTY layouts of Latin alphabets, which is why they were chosen. Where the host has another layout, each
//! letter becomes another one, and nothing of it is lost: the layout can be told by the letters.

use super::modhex::ALPHABET;
use std::fmt;

/// A layout that changes the letters of modhex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Dvorak, as ANSI X3.207 has it.
    Dvorak,
    /// Colemak.
    Colemak,
    /// Bépo, of France.
    Bepo,
    /// Turkish Q: its `i` has no dot.
    TurkishQ,
    /// Russian and its relatives (ЙЦУКЕН).
    Cyrillic,
    /// Greek.
    Greek,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 6] =
        [Layout::Dvorak, Layout::Colemak, Layout::Bepo, Layout::TurkishQ, Layout::Cyrillic, Layout::Greek];

    /// What stands where `cbdefghijklnrtuv` stands, in lower case.
    const fn alphabet(self) -> &'static str {
        match self {
            Layout::Dvorak => "jxe.uidchtnbpygk",
            Layout::Colemak => "cbsftdhuneikpglv",
            Layout::Bepo => "xkipe,cdtsr'oèv.",
            Layout::TurkishQ => "cbdefghıjklnrtuv",
            Layout::Cyrillic => "сивуапршолдткегм",
            Layout::Greek => "ψβδεφγηιξκλνρτθω",
        }
    }

    /// Name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layout::Dvorak => "dvorak",
            Layout::Colemak => "colemak",
            Layout::Bepo => "bepo",
            Layout::TurkishQ => "turkish-q",
            Layout::Cyrillic => "cyrillic",
            Layout::Greek => "greek",
        }
    }

    /// What was typed in modhex, if `text` holds only letters that this layout makes of it.
    pub fn undo(self, text: &str) -> Option<String> {
        let undo = |letter: char| {
            let mut lower = letter.to_lowercase();
            let letter = lower.next().filter(|_| lower.next().is_none())?;
            let at = self.alphabet().chars().position(|other| other == letter)?;
            ALPHABET.get(at).map(|byte| char::from(*byte))
        };
        text.chars().map(undo).collect()
    }

    /// The layout under which a text that is no modhex could have been typed by a key.
    pub fn of(text: &str) -> Option<Self> {
        let foreign = !super::is_modhex(text.as_bytes());
        Layout::ALL.into_iter().find(|layout| foreign && layout.undo(text).is_some())
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTP: &str = "vvccccbdefghijklnrtuvcbdefghijklnrtuvbunicnt";

    fn typed_on(layout: Layout, text: &str) -> String {
        let letters: Vec<char> = layout.alphabet().chars().collect();
        let place = |byte: u8| ALPHABET.iter().position(|other| *other == byte).unwrap();
        text.bytes().map(|byte| letters[place(byte)]).collect()
    }

    #[test]
    fn each_layout_has_sixteen_different_letters() {
        for layout in Layout::ALL {
            let letters: std::collections::HashSet<_> = layout.alphabet().chars().collect();
            assert_eq!((letters.len(), layout.alphabet().chars().count()), (16, 16), "{layout}");
        }
    }

    #[test]
    fn damage_is_recognised_and_undone_in_either_case() {
        for layout in Layout::ALL {
            let damaged = typed_on(layout, OTP);
            assert_eq!(Layout::of(&damaged), Some(layout), "{damaged}");
            assert_eq!(layout.undo(&damaged).as_deref(), Some(OTP));
        }
        let shouted = typed_on(Layout::Greek, OTP).to_uppercase();
        assert_eq!(Layout::of(&shouted), Some(Layout::Greek));
    }

    #[test]
    fn modhex_and_what_no_layout_makes_are_no_damage() {
        assert_eq!(Layout::of(OTP), None);
        assert_eq!(Layout::of(&OTP.to_uppercase()), None);
        assert_eq!(Layout::of("0123456789abcdef"), None);
        assert_eq!(Layout::of(""), None);
    }
}
