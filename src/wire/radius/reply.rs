//! Building packets. An answer opens with Message-Authenticator, so that an attacker who can choose what the
//! client sends cannot put a chosen prefix before it (CVE-2024-3596).

use super::attribute::{AttributeType, EncodedAttribute, Encryption};
use super::packet::{Code, HEADER, MAXIMUM, Packet};
use super::secret::{MessageAuthenticator, SharedSecret};
use crate::base::Secret;
use subtle::ConstantTimeEq;

/// The packet would exceed 4096 octets, or an attribute 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet or one of its attributes would be too long")]
pub struct TooLong;

/// Attributes under construction.
#[derive(Debug, Clone, Default)]
struct Body {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Body {
    fn push(&mut self, kind: AttributeType, value: &[u8]) {
        let Ok(length @ 2..) = u8::try_from(value.len().saturating_add(2)) else {
            self.too_long = true;
            return;
        };
        self.bytes.push(kind.0);
        self.bytes.push(length);
        self.bytes.extend_from_slice(value);
    }
}

/// Header, an empty Message-Authenticator and attributes; `None` if that is too long.
fn assemble(
    code: Code,
    identifier: u8,
    authenticator: &[u8; 16],
    parts: &[&[u8]],
) -> Result<Vec<u8>, TooLong> {
    let length = HEADER + 18 + parts.iter().map(|part| part.len()).sum::<usize>();
    let field = u16::try_from(length).ok().filter(|_| length <= MAXIMUM).ok_or(TooLong)?;
    let mut packet = Vec::with_capacity(length);
    packet.extend_from_slice(&[code.0, identifier]);
    packet.extend_from_slice(&field.to_be_bytes());
    packet.extend_from_slice(authenticator);
    packet.extend_from_slice(&[AttributeType::MESSAGE_AUTHENTICATOR.0, 18]);
    packet.extend_from_slice(&[0; 16]);
    for part in parts {
        packet.extend_from_slice(part);
    }
    Ok(packet)
}

fn put(packet: &mut [u8], at: usize, value: &[u8; 16]) {
    if let Some(place) = packet.get_mut(at..at + 16) {
        place.copy_from_slice(value);
    }
}

/// An answer to a request.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply<'r> {
    code: Code,
    identifier: u8,
    authenticator: &'r [u8; 16],
    proxy_state: Vec<u8>,
    body: Body,
    encrypted: Vec<EncodedAttribute>,
}

impl<'r> Reply<'r> {
    /// Begins an answer; Proxy-State is taken over in order (RFC 2865 §5.33).
    pub fn to(request: &Packet<'r>, code: Code) -> Self {
        let mut proxy_state = Body::default();
        for attribute in request.all(AttributeType::PROXY_STATE) {
            proxy_state.push(attribute.kind, attribute.value);
        }
        Self {
            code,
            identifier: request.identifier(),
            authenticator: request.authenticator(),
            proxy_state: proxy_state.bytes,
            body: Body::default(),
            encrypted: Vec::new(),
        }
    }

    /// Leaves Proxy-State out.
    pub fn without_proxy_state(mut self) -> Self {
        self.proxy_state.clear();
        self
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.body.push(kind, value);
        self
    }

    /// Adds a Reply-Message; a long text becomes several, split between characters (RFC 2865 §5.18).
    pub fn message(mut self, text: &str) -> Self {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(253));
            self.body.push(AttributeType::REPLY_MESSAGE, part.as_bytes());
            rest = after;
        }
        self
    }

    /// Adds an attribute from the dictionary; one that is encrypted gets so when the answer is sealed.
    pub fn encoded(mut self, attribute: &EncodedAttribute) -> Self {
        match attribute.encryption {
            Encryption::None => self.body.bytes.extend_from_slice(&attribute.bytes),
            _ => self.encrypted.push(attribute.clone()),
        }
        self
    }

    /// Encrypts, counts and signs. The salt of encrypted attributes derives from the request's authenticator,
    /// which is unpredictable and new for each request, and counts up within the packet.
    pub fn seal(self, secret: &SharedSecret) -> Result<Vec<u8>, TooLong> {
        let Reply { code, identifier, authenticator, proxy_state, mut body, encrypted } = self;
        for (number, attribute) in (0_u8..).zip(&encrypted) {
            let salt = [authenticator[0], authenticator[1].wrapping_add(number)];
            let bytes = attribute.encrypt(secret, authenticator, salt).ok_or(TooLong)?;
            body.bytes.extend_from_slice(&bytes);
        }
        if body.too_long {
            return Err(TooLong);
        }
        let mut packet = assemble(code, identifier, authenticator, &[&body.bytes, &proxy_state])?;
        let message = secret.message_authenticator(&packet, authenticator, HEADER + 2);
        put(&mut packet, HEADER + 2, &message);
        let response = secret.authenticator(&packet, authenticator);
        put(&mut packet, 4, &response);
        Ok(packet)
    }
}

/// A request, for the command line's own test logins and for tests.
#[derive(Debug, Clone)]
#[must_use]
pub struct Request {
    code: Code,
    identifier: u8,
    authenticator: [u8; 16],
    body: Body,
    password: Option<Secret<Vec<u8>>>,
}

impl Request {
    /// Begins a request. `authenticator` must be random and never repeat (RFC 2865 §3).
    pub fn new(code: Code, identifier: u8, authenticator: [u8; 16]) -> Self {
        Self { code, identifier, authenticator, body: Body::default(), password: None }
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.body.push(kind, value);
        self
    }

    /// Adds a User-Password, which is hidden when the request is sealed.
    pub fn password(mut self, password: Secret<Vec<u8>>) -> Self {
        self.password = Some(password);
        self
    }

    /// The Request Authenticator, to verify the answer with.
    pub const fn authenticator(&self) -> &[u8; 16] {
        &self.authenticator
    }

    /// Hides the password and signs.
    pub fn seal(mut self, secret: &SharedSecret) -> Result<Vec<u8>, TooLong> {
        if let Some(password) = self.password.take() {
            if password.expose().len() > 128 {
                return Err(TooLong);
            }
            let hidden = secret.hide_password(password.expose(), &self.authenticator);
            self.body.push(AttributeType::USER_PASSWORD, &hidden);
        }
        if self.body.too_long {
            return Err(TooLong);
        }
        let mut packet = assemble(self.code, self.identifier, &self.authenticator, &[&self.body.bytes])?;
        let message = secret.message_authenticator(&packet, &self.authenticator, HEADER + 2);
        put(&mut packet, HEADER + 2, &message);
        Ok(packet)
    }
}

/// Checks an answer: Response Authenticator, and Message-Authenticator if there is one. Returns the packet and
/// whether it carried a Message-Authenticator; `None` if it is not a valid answer to the request.
pub fn verify_response<'a>(
    request_authenticator: &[u8; 16],
    answer: &'a [u8],
    secret: &SharedSecret,
) -> Option<(Packet<'a>, bool)> {
    let packet = Packet::decode(answer).ok()?;
    let expected = secret.authenticator(packet.bytes(), request_authenticator);
    if !bool::from(expected.ct_eq(packet.authenticator())) {
        return None;
    }
    match packet.message_authenticator_for(secret, request_authenticator) {
        MessageAuthenticator::Valid => Some((packet, true)),
        MessageAuthenticator::Missing => Some((packet, false)),
        MessageAuthenticator::Invalid => None,
    }
}
