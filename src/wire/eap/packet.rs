//! The header of EAP packets (RFC 3748 §4), and methods by number.

use std::fmt;

/// Code, identifier and length.
const HEADER: usize = 4;

/// What a packet is (RFC 3748 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// From the authenticator.
    Request,
    /// From the peer.
    Response,
    /// It is over, and the peer is let in.
    Success,
    /// It is over.
    Failure,
}

/// Type of a request or response (RFC 3748 §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(pub u8);

impl Method {
    /// Identity (RFC 3748 §5.1).
    pub const IDENTITY: Method = Method(1);
    /// Legacy Nak (RFC 3748 §5.3.1).
    pub const NAK: Method = Method(3);
    /// Generic Token Card (RFC 3748 §5.6).
    pub const GTC: Method = Method(6);
    /// EAP-TLS (RFC 5216, RFC 9190).
    pub const TLS: Method = Method(13);
    /// EAP-TTLS (RFC 5281, RFC 9427).
    pub const TTLS: Method = Method(21);
    /// PEAP.
    pub const PEAP: Method = Method(25);
    /// EAP-MSCHAPv2.
    pub const MSCHAPV2: Method = Method(26);
    /// Extensions: the result of what happened in a PEAP tunnel.
    pub const TLV: Method = Method(33);

    /// Lower-case name, as in the configuration and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Method::IDENTITY => "identity",
            Method::NAK => "nak",
            Method::GTC => "gtc",
            Method::TLS => "tls",
            Method::TTLS => "ttls",
            Method::PEAP => "peap",
            Method::MSCHAPV2 => "mschapv2",
            Method::TLV => "tlv",
            _ => "unknown",
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "unknown" => write!(f, "Method({})", self.0),
            name => f.write_str(name),
        }
    }
}

/// Why bytes are no EAP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than the header has, or than Length says.
    #[error("fewer octets than Length says")]
    Truncated,
    /// Length says less than the header has.
    #[error("Length is below 4")]
    Length,
    /// A code that there is not.
    #[error("an unknown code")]
    Code,
    /// A request or response without a type.
    #[error("a request or response without a type")]
    NoType,
}

/// A packet that borrows from the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub code: Code,
    /// Matches a response to its request.
    pub identifier: u8,
    /// Of a request or response.
    pub method: Option<Method>,
    /// What follows the type.
    pub data: &'a [u8],
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows may be a password.
        let Self { code, identifier, method, data } = self;
        write!(f, "{code:?} {identifier} {method:?}, {} octets", data.len())
    }
}

impl<'a> Packet<'a> {
    /// Checks a message. Octets beyond Length are padding and ignored (RFC 3748 §4.1).
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let &[code, identifier, high, low, ..] = bytes else { return Err(Malformed::Truncated) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < HEADER {
            return Err(Malformed::Length);
        }
        let body = bytes.get(HEADER..length).ok_or(Malformed::Truncated)?;
        let code = match code {
            1 => Code::Request,
            2 => Code::Response,
            3 => Code::Success,
            4 => Code::Failure,
            _ => return Err(Malformed::Code),
        };
        let (method, data) = match (code, body) {
            (Code::Request | Code::Response, [kind, data @ ..]) => (Some(Method(*kind)), data),
            (Code::Request | Code::Response, []) => return Err(Malformed::NoType),
            (Code::Success | Code::Failure, _) => (None, &[][..]),
        };
        Ok(Self { code, identifier, method, data })
    }
}

/// A request. `data` is at most 65,530 octets; what is longer is cut off, and no caller has that much.
pub fn request(identifier: u8, method: Method, data: &[u8]) -> Vec<u8> {
    let data = data.get(..usize::from(u16::MAX) - HEADER - 1).unwrap_or(data);
    let length = u16::try_from(data.len() + HEADER + 1).unwrap_or(u16::MAX).to_be_bytes();
    [&[1, identifier, length[0], length[1], method.0], data].concat()
}

/// Success, with the identifier of the last request.
pub const fn success(identifier: u8) -> [u8; HEADER] {
    [3, identifier, 0, 4]
}

/// Failure, with the identifier of the last request.
pub const fn failure(identifier: u8) -> [u8; HEADER] {
    [4, identifier, 0, 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_read_as_it_was_made_and_padding_is_ignored() {
        let mut bytes = request(7, Method::GTC, b"Password: ");
        let packet = |bytes: &'static [u8]| Packet::decode(bytes).unwrap();
        bytes.extend_from_slice(b"padding");
        let bytes: &'static [u8] = bytes.leak();
        let expected =
            Packet { code: Code::Request, identifier: 7, method: Some(Method::GTC), data: b"Password: " };
        assert_eq!(packet(bytes), expected);
        assert_eq!(packet(&[3, 9, 0, 4]).code, Code::Success);
        assert_eq!(Packet::decode(&failure(9)).unwrap().code, Code::Failure);
    }

    #[test]
    fn lengths_that_lie_and_unknown_codes_are_malformed() {
        let cases: [(&[u8], Malformed); 7] = [
            (&[], Malformed::Truncated),
            (&[2, 1, 0], Malformed::Truncated),
            (&[2, 1, 0, 3, 1], Malformed::Length),
            (&[2, 1, 0, 9, 1], Malformed::Truncated),
            (&[2, 1, 0xff, 0xff, 1], Malformed::Truncated),
            (&[2, 1, 0, 4], Malformed::NoType),
            (&[9, 1, 0, 4], Malformed::Code),
        ];
        for (bytes, error) in cases {
            assert_eq!(Packet::decode(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_what_a_packet_carries() {
        let bytes = request(1, Method::GTC, b"hunter2");
        let shown = format!("{:?}", Packet::decode(&bytes).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("104"), "{shown}");
    }
}
