//! Texts of a request with slots, each filled in the way that its place wants.

use crate::domain::texts::placeholder;

/// What a slot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The number, E.164.
    To,
    /// The whole text.
    Text,
    /// The whole text, escaped for XML (TwiML and the like) before it is encoded for its place.
    TextXml,
    /// Id of the message.
    Id,
    /// The code.
    Code,
    /// The code as digits with pauses.
    CodeSpelled,
    /// `sms` or `voice`.
    Channel,
    /// `from`.
    From,
    /// The gateway's secret.
    Secret,
}

const SLOTS: [(&str, Slot); 9] = [
    ("to", Slot::To),
    ("text", Slot::Text),
    ("text_xml", Slot::TextXml),
    ("id", Slot::Id),
    ("code", Slot::Code),
    ("code_spelled", Slot::CodeSpelled),
    ("channel", Slot::Channel),
    ("from", Slot::From),
    ("secret", Slot::Secret),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Slot(Slot),
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

impl Pattern {
    /// Reads a pattern; the error is the slot that nothing is known about, with its braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let taken = match placeholder(rest) {
                Some(word) => {
                    let slot = SLOTS.iter().find(|(name, _)| *name == word).map(|(_, slot)| *slot);
                    let slot = slot.ok_or_else(|| format!("{{{word}}}"))?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Slot(slot));
                    word.len() + 2
                }
                None => {
                    plain.push(next);
                    next.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Ok(Self(pieces))
    }

    /// Names of all slots, for an error that tells them.
    pub(super) fn known() -> String {
        SLOTS.map(|(name, _)| format!("{{{name}}}")).join(" ")
    }

    /// Whether a slot is in it.
    pub fn has(&self, slot: Slot) -> bool {
        self.0.contains(&Piece::Slot(slot))
    }

    /// With the values of `value`, which encodes them.
    pub fn fill(&self, value: impl Fn(Slot) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Slot(slot) => value(*slot),
        };
        self.0.iter().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_braces_are_plain_and_slots_are_filled() {
        let pattern = Pattern::parse("{\"to\":\"{to}\",\"x\":{}}").unwrap();
        assert_eq!(pattern.fill(|_| "+1".to_owned()), "{\"to\":\"+1\",\"x\":{}}");
        assert!(pattern.has(Slot::To) && !pattern.has(Slot::Text));
        assert_eq!(Pattern::parse("{tex}"), Err("{tex}".to_owned()));
    }
}
