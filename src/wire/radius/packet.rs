//! Decoding (RFC 2865 §3, §5): every length is checked before anything is believed, nothing is copied.

use super::attribute::{Attribute, AttributeType};
use std::fmt;

/// Smallest packet: the header.
pub(super) const HEADER: usize = 20;
/// Largest packet (RFC 2865 §3).
pub(super) const MAXIMUM: usize = 4096;

/// Packet type (RFC 2865 §4, RFC 2866 §4, RFC 5997 §3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// Access-Request.
    pub const ACCESS_REQUEST: Code = Code(1);
    /// Access-Accept.
    pub const ACCESS_ACCEPT: Code = Code(2);
    /// Access-Reject.
    pub const ACCESS_REJECT: Code = Code(3);
    /// Accounting-Request.
    pub const ACCOUNTING_REQUEST: Code = Code(4);
    /// Accounting-Response.
    pub const ACCOUNTING_RESPONSE: Code = Code(5);
    /// Access-Challenge.
    pub const ACCESS_CHALLENGE: Code = Code(11);
    /// Status-Server.
    pub const STATUS_SERVER: Code = Code(12);
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Code::ACCESS_REQUEST => "Access-Request",
            Code::ACCESS_ACCEPT => "Access-Accept",
            Code::ACCESS_REJECT => "Access-Reject",
            Code::ACCOUNTING_REQUEST => "Accounting-Request",
            Code::ACCOUNTING_RESPONSE => "Accounting-Response",
            Code::ACCESS_CHALLENGE => "Access-Challenge",
            Code::STATUS_SERVER => "Status-Server",
            Code(other) => return write!(f, "Code({other})"),
        };
        f.write_str(name)
    }
}

macro_rules! malformed {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why bytes are not a RADIUS packet. One variant per case, so that each can be counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Malformed { $($(#[$doc])* $name,)* }

        impl Malformed {
            /// All cases.
            pub const ALL: &'static [Malformed] = &[$(Malformed::$name,)*];

            /// Stable name of the case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Malformed::$name => stringify!($name),)* }
            }
        }

        impl fmt::Display for Malformed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Malformed::$name => $text,)* })
            }
        }

        impl std::error::Error for Malformed {}
    };
}

malformed! {
    /// Fewer than 20 octets arrived.
    TooShort = "fewer than 20 octets",
    /// The Length field says less than 20.
    LengthTooSmall = "Length is below 20",
    /// The Length field says more than 4096.
    LengthTooLarge = "Length is above 4096",
    /// Fewer octets arrived than Length says.
    Truncated = "fewer octets than Length says",
    /// One octet is left where an attribute should begin.
    AttributeTruncated = "one octet is left over after the last attribute",
    /// An attribute's length is 0 or 1.
    AttributeTooShort = "an attribute's length is below 2",
    /// An attribute reaches beyond the packet.
    AttributeOverrun = "an attribute reaches beyond the packet",
    /// Message-Authenticator is not 16 octets (RFC 3579 §3.2).
    MessageAuthenticatorLength = "Message-Authenticator is not 16 octets",
    /// More than one Message-Authenticator (RFC 3579 §3.3).
    DuplicateMessageAuthenticator = "more than one Message-Authenticator",
    /// More than one User-Name (RFC 2865 §5.44).
    DuplicateUserName = "more than one User-Name",
    /// More than one User-Password (RFC 2865 §5.44).
    DuplicateUserPassword = "more than one User-Password",
    /// More than one CHAP-Password (RFC 2865 §5.44).
    DuplicateChapPassword = "more than one CHAP-Password",
    /// More than one State (RFC 2865 §5.44).
    DuplicateState = "more than one State",
    /// User-Password and CHAP-Password together (RFC 2865 §4.1).
    PasswordAndChap = "User-Password and CHAP-Password together",
    /// User-Password is not 16 to 128 octets in steps of 16 (RFC 2865 §5.2).
    UserPasswordLength = "User-Password is not 16 to 128 octets in steps of 16",
    /// User-Name without content (RFC 2865 §5.1).
    EmptyUserName = "User-Name is empty",
    /// State without content (RFC 2865 §5.24).
    EmptyState = "State is empty",
}

/// A packet that borrows from the datagram. Every attribute lies within it.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    authenticator: &'a [u8; 16],
    code: Code,
    identifier: u8,
    places: Places,
}

/// Where the attributes stand that may stand at most once, in octets from the packet's beginning; 0: nowhere. They are
/// met anyway when the lengths are checked, and nobody has to look for them again.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    user_name: u16,
    user_password: u16,
    chap_password: u16,
    state: u16,
    message_authenticator: u16,
}

impl<'a> Packet<'a> {
    /// Checks a datagram. Octets beyond Length are padding and ignored (RFC 2865 §3).
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let &[code, identifier, high, low, ..] = datagram else { return Err(Malformed::TooShort) };
        let authenticator = datagram
            .get(4..HEADER)
            .and_then(|octets| <&[u8; 16]>::try_from(octets).ok())
            .ok_or(Malformed::TooShort)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < HEADER {
            return Err(Malformed::LengthTooSmall);
        }
        if length > MAXIMUM {
            return Err(Malformed::LengthTooLarge);
        }
        let bytes = datagram.get(..length).ok_or(Malformed::Truncated)?;
        let places = check_attributes(bytes.get(HEADER..).unwrap_or_default())?;
        Ok(Packet { bytes, authenticator, code: Code(code), identifier, places })
    }

    /// What it is.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Identifier: matches an answer to its request.
    pub const fn identifier(&self) -> u8 {
        self.identifier
    }

    /// Request or Response Authenticator.
    pub const fn authenticator(&self) -> &'a [u8; 16] {
        self.authenticator
    }

    /// The packet without padding: exactly Length octets.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn attribute_bytes(&self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// All attributes in order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.attribute_bytes() }
    }

    /// The first attribute of a type.
    pub fn first(&self, kind: AttributeType) -> Option<Attribute<'a>> {
        let place = match kind {
            AttributeType::USER_NAME => self.places.user_name,
            AttributeType::USER_PASSWORD => self.places.user_password,
            AttributeType::CHAP_PASSWORD => self.places.chap_password,
            AttributeType::STATE => self.places.state,
            AttributeType::MESSAGE_AUTHENTICATOR => self.places.message_authenticator,
            _ => return self.attributes().find(|attribute| attribute.kind == kind),
        };
        let rest = self.bytes.get(usize::from(place)..).filter(|_| place > 0)?;
        Attributes { rest }.next()
    }

    /// Where the value of the Message-Authenticator begins, if there is one.
    pub(super) fn message_authenticator_place(&self) -> Option<usize> {
        let place = usize::from(self.places.message_authenticator);
        (place > 0).then_some(place + 2)
    }

    pub(super) const fn has_password(&self) -> bool {
        self.places.user_password > 0
    }

    /// All attributes of a type, in order.
    pub fn all(&self, kind: AttributeType) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.attributes().filter(move |attribute| attribute.kind == kind)
    }
}

/// Lengths of all attributes, and those that may stand at most once.
fn check_attributes(mut rest: &[u8]) -> Result<Places, Malformed> {
    let mut places = Places::default();
    // A packet has 4,096 octets at most.
    let mut at = HEADER as u16;
    while let [kind, tail @ ..] = rest {
        let [octet, ..] = *tail else { return Err(Malformed::AttributeTruncated) };
        let length = usize::from(octet);
        if length < 2 {
            return Err(Malformed::AttributeTooShort);
        }
        let Some((_, after)) = rest.split_at_checked(length) else {
            return Err(Malformed::AttributeOverrun);
        };
        let value = length - 2;
        let full = value > 0;
        let Places { user_name, user_password, chap_password, state, message_authenticator } = &mut places;
        match AttributeType(*kind) {
            AttributeType::USER_NAME => {
                once(user_name, at, Malformed::DuplicateUserName, full, Malformed::EmptyUserName)?
            }
            AttributeType::STATE => once(state, at, Malformed::DuplicateState, full, Malformed::EmptyState)?,
            AttributeType::USER_PASSWORD => {
                let blocks = full && value.is_multiple_of(16) && value <= 128;
                let bad = Malformed::UserPasswordLength;
                once(user_password, at, Malformed::DuplicateUserPassword, blocks, bad)?;
            }
            AttributeType::CHAP_PASSWORD => {
                let duplicate = Malformed::DuplicateChapPassword;
                once(chap_password, at, duplicate, true, duplicate)?;
            }
            AttributeType::MESSAGE_AUTHENTICATOR => {
                let bad = Malformed::MessageAuthenticatorLength;
                let duplicate = Malformed::DuplicateMessageAuthenticator;
                once(message_authenticator, at, duplicate, value == 16, bad)?;
            }
            _ => {}
        }
        at = at.saturating_add(u16::from(octet));
        rest = after;
    }
    if places.user_password > 0 && places.chap_password > 0 {
        return Err(Malformed::PasswordAndChap);
    }
    Ok(places)
}

/// Notes the place of an attribute that may stand once; `fine` tells whether its value is allowed.
fn once(place: &mut u16, at: u16, duplicate: Malformed, fine: bool, bad: Malformed) -> Result<(), Malformed> {
    if *place > 0 {
        return Err(duplicate);
    }
    *place = at;
    if fine { Ok(()) } else { Err(bad) }
}

/// Attributes of a checked packet, in order.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let [kind, length, ..] = *self.rest else { return None };
        let (attribute, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(Attribute { kind: AttributeType(kind), value: attribute.get(2..)? })
    }
}
