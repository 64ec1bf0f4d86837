//! Building packets. An answer opens with Message-Authenticator, so that an attacker who can choose what the
//! client sends cannot put a chosen prefix before it (CVE-2024-3596).

use super::attribute::{AttributeType, EncodedAttribute, Encryption};
use super::packet::{Code, HEADER, MAXIMUM, Packet};
use super::secret::{MessageAuthenticator, SharedSecret};
use super::together::Together;
use crate::base::Secret;
use std::borrow::Cow;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The packet would exceed 4096 octets, or an attribute 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet or one of its attributes would be too long")]
pub struct TooLong;

/// A packet under construction: header, Message-Authenticator still empty, attributes.
#[derive(Debug, Clone)]
struct Draft {
    bytes: Vec<u8>,
    too_long: bool,
}

/// Where the value of the Message-Authenticator stands in a packet of ours.
pub(super) const MESSAGE_AUTHENTICATOR: usize = HEADER + 2;

impl Draft {
    /// Begins in `bytes`, whose room is used again.
    fn begin(mut bytes: Vec<u8>, code: Code, identifier: u8, authenticator: &[u8; 16]) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&[code.0, identifier, 0, 0]);
        bytes.extend_from_slice(authenticator);
        bytes.extend_from_slice(&[AttributeType::MESSAGE_AUTHENTICATOR.0, 18]);
        bytes.extend_from_slice(&[0; 16]);
        Self { bytes, too_long: false }
    }

    fn push(&mut self, kind: AttributeType, value: &[u8]) {
        let Ok(length @ 2..) = u8::try_from(value.len().saturating_add(2)) else {
            self.too_long = true;
            return;
        };
        self.bytes.extend_from_slice(&[kind.0, length]);
        self.bytes.extend_from_slice(value);
    }

    /// Counts.
    fn end(self) -> Result<Vec<u8>, TooLong> {
        let Self { bytes: mut packet, too_long } = self;
        let length = u16::try_from(packet.len()).ok().filter(|length| usize::from(*length) <= MAXIMUM);
        let length = length.filter(|_| !too_long).ok_or(TooLong)?;
        put(&mut packet, 2, &length.to_be_bytes());
        Ok(packet)
    }
}

pub(super) fn put(packet: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// What an answer takes over from its request, so that the request need not be kept until then.
#[derive(Debug, Clone)]
pub struct ReplyTo {
    identifier: u8,
    authenticator: [u8; 16],
    /// Proxy-State, whole attributes in their order.
    proxy_state: Vec<u8>,
    signed: bool,
}

impl ReplyTo {
    /// Whether the request carries a Message-Authenticator.
    pub const fn is_signed(&self) -> bool {
        self.signed
    }
}

impl From<&Packet<'_>> for ReplyTo {
    fn from(request: &Packet<'_>) -> Self {
        let mut proxy_state = Vec::new();
        for attribute in request.all(AttributeType::PROXY_STATE) {
            // It was one octet on the wire.
            let length = attribute.value.len().wrapping_add(2) as u8;
            proxy_state.extend_from_slice(&[attribute.kind.0, length]);
            proxy_state.extend_from_slice(attribute.value);
        }
        Self {
            identifier: request.identifier(),
            authenticator: *request.authenticator(),
            proxy_state,
            signed: request.first(AttributeType::MESSAGE_AUTHENTICATOR).is_some(),
        }
    }
}

/// An answer to a request.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply<'r> {
    draft: Draft,
    authenticator: [u8; 16],
    proxy_state: Cow<'r, [u8]>,
    encrypted: Vec<EncodedAttribute>,
}

impl<'r> Reply<'r> {
    /// Begins an answer; Proxy-State is taken over in order (RFC 2865 §5.33).
    pub fn to(request: &Packet<'r>, code: Code) -> Self {
        let ReplyTo { identifier, authenticator, proxy_state, .. } = request.into();
        let draft = Draft::begin(Vec::new(), code, identifier, &authenticator);
        Self { draft, authenticator, proxy_state: proxy_state.into(), encrypted: Vec::new() }
    }

    /// The same in a buffer whose room is used again.
    pub fn within(buffer: Vec<u8>, to: &'r ReplyTo, code: Code) -> Self {
        let ReplyTo { identifier, authenticator, proxy_state, .. } = to;
        let draft = Draft::begin(buffer, code, *identifier, authenticator);
        let proxy_state = proxy_state.as_slice().into();
        Self { draft, authenticator: *authenticator, proxy_state, encrypted: Vec::new() }
    }

    /// Leaves Proxy-State out.
    pub fn without_proxy_state(mut self) -> Self {
        self.proxy_state = Cow::Borrowed(&[]);
        self
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.draft.push(kind, value);
        self
    }

    /// Adds a Reply-Message; a long text becomes several, split between characters (RFC 2865 §5.18).
    pub fn message(mut self, text: &str) -> Self {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(253));
            self.draft.push(AttributeType::REPLY_MESSAGE, part.as_bytes());
            rest = after;
        }
        self
    }

    /// Adds an attribute from the dictionary; one that is encrypted gets so when the answer is sealed.
    pub fn encoded(mut self, attribute: &EncodedAttribute) -> Self {
        match attribute.encryption {
            Encryption::None => self.draft.bytes.extend_from_slice(&attribute.bytes),
            _ => self.encrypted.push(attribute.clone()),
        }
        self
    }

    /// Adds one that is encrypted, of which no copy is left in the clear.
    pub(super) fn hidden(mut self, attribute: EncodedAttribute) -> Self {
        self.encrypted.push(attribute);
        self
    }

    /// Encrypts, counts and signs.
    pub fn seal(self, secret: &SharedSecret) -> Result<Vec<u8>, TooLong> {
        let mut packet = self.draft(secret)?;
        Together::default().seal(&mut [(secret, &mut packet)]);
        Ok(packet)
    }

    /// Encrypts and counts: what is left is for [`Together::seal`]. The salt of encrypted attributes derives from the request's authenticator,
    /// which is unpredictable and new for each request, and counts up within the packet.
    pub fn draft(self, secret: &SharedSecret) -> Result<Vec<u8>, TooLong> {
        let Reply { mut draft, authenticator, proxy_state, mut encrypted } = self;
        // More than fit a packet may have been configured, and then it is too long.
        for (number, attribute) in (0..=u8::MAX).cycle().zip(&mut encrypted) {
            let salt = [authenticator[0], authenticator[1].wrapping_add(number)];
            let bytes = attribute.encrypt(secret, &authenticator, salt).ok_or(TooLong)?;
            draft.bytes.extend_from_slice(&bytes);
            attribute.bytes.zeroize();
        }
        draft.bytes.extend_from_slice(&proxy_state);
        draft.end()
    }
}

/// A request, for the command line's own test logins and for tests.
#[derive(Debug, Clone)]
#[must_use]
pub struct Request {
    draft: Draft,
    authenticator: [u8; 16],
    password: Option<Secret<Vec<u8>>>,
}

impl Request {
    /// Begins a request. `authenticator` must be random and never repeat (RFC 2865 §3).
    pub fn new(code: Code, identifier: u8, authenticator: [u8; 16]) -> Self {
        let draft = Draft::begin(Vec::new(), code, identifier, &authenticator);
        Self { draft, authenticator, password: None }
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.draft.push(kind, value);
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
            self.draft.push(AttributeType::USER_PASSWORD, &hidden);
        }
        let mut packet = self.draft.end()?;
        let message = secret.message_authenticator(&packet, &self.authenticator, MESSAGE_AUTHENTICATOR);
        put(&mut packet, MESSAGE_AUTHENTICATOR, &message);
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
