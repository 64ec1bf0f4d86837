//! Choosing a method in place of a passcode: by number, by name, or by one of the words of R-RAD-2.

use super::{Action, First, Login, Opening, Reason};
use crate::domain::contact::Destination;
use crate::domain::factor::FactorKind;
use crate::domain::method::{Channel, Method};

/// A method asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The number in the list, from 1.
    Number(usize),
    /// A kind of passcode that the person produces.
    Kind(FactorKind),
    /// A code to be sent.
    Send(Channel),
}

/// A method that this person can use at this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// They produce the passcode.
    Factor(FactorKind),
    /// It is sent there.
    Sent(Channel, Destination),
}

impl Offer {
    /// Which method it is.
    pub const fn method(&self) -> Method {
        match self {
            Offer::Factor(kind) => Method::Factor(*kind),
            Offer::Sent(channel, _) => Method::Sent(*channel),
        }
    }
}

/// Words and what they ask for; compared without case.
const WORDS: [(&str, Choice); 12] = [
    ("sms", Choice::Send(Channel::Sms)),
    ("text", Choice::Send(Channel::Sms)),
    ("voice", Choice::Send(Channel::Voice)),
    ("call", Choice::Send(Channel::Voice)),
    ("email", Choice::Send(Channel::Email)),
    ("app", Choice::Kind(FactorKind::Totp)),
    ("totp", Choice::Kind(FactorKind::Totp)),
    ("token", Choice::Kind(FactorKind::Hotp)),
    ("hotp", Choice::Kind(FactorKind::Hotp)),
    ("yubikey", Choice::Kind(FactorKind::Yubikey)),
    ("recovery", Choice::Kind(FactorKind::Recovery)),
    ("helpdesk", Choice::Kind(FactorKind::Temporary)),
];

impl Choice {
    /// Reads a whole answer.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if let [digit @ b'1'..=b'9'] = text.as_bytes() {
            return Some(Choice::Number(usize::from(digit - b'0')));
        }
        WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, choice)| *choice)
    }

    /// What it stands for in a list, if it is there.
    pub(super) fn among(self, offers: &[Offer]) -> Option<&Offer> {
        let named = |method| offers.iter().find(|offer| offer.method() == method);
        match self {
            Choice::Number(number) => offers.get(number.checked_sub(1)?),
            Choice::Kind(kind) => named(Method::Factor(kind)),
            Choice::Send(channel) => named(Method::Sent(channel)),
        }
    }
}

/// A word after a separator at the end of `text`, with what stands before them.
pub(super) fn word_at_end<'t>(text: &'t [u8], separators: &[char]) -> Option<(&'t [u8], Choice)> {
    WORDS.iter().find_map(|(word, choice)| {
        let (rest, tail) = text.split_at_checked(text.len().checked_sub(word.len())?)?;
        let before = separators
            .iter()
            .find_map(|separator| rest.strip_suffix(separator.encode_utf8(&mut [0; 4]).as_bytes()))?;
        tail.eq_ignore_ascii_case(word.as_bytes()).then_some((before, *choice))
    })
}

impl Login<'_> {
    /// The method that the typed string asks for, where this round can still lead to another.
    pub(super) fn choice_typed(&self) -> Option<Choice> {
        let policy = self.policy();
        if policy.one_round || !policy.challenge {
            return None;
        }
        Choice::parse(self.typed())
    }

    /// Answers a choice: by asking for the passcode of that method, or by sending one.
    pub(super) fn choose(&mut self, choice: Choice) -> Action {
        if self.offers().is_empty() {
            return self.reject(Reason::NotEnrolled);
        }
        let first = match &self.opening {
            Opening::Answer { pending, .. } => pending.first,
            _ => First::Client,
        };
        self.challenge(first, Some(choice), None)
    }
}
