//! What the shared secret does: authenticators (RFC 2865 §3, RFC 3579 §3.2), hidden passwords (RFC 2865 §5.2,
//! RFC 2868 §3.5) and keys (RFC 2548 §2.4.2).
//!
//! MD5 is what the protocol is made of; nothing here is stronger than it. Message-Authenticator (HMAC-MD5) is
//! what holds against forgery (CVE-2024-3596).

use super::attribute::AttributeType;
use super::lanes::{BLOCK, Messages, State};
use super::packet::{HEADER, Packet};
use crate::base::Secret;
use md5::{Digest, Md5};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A shared secret must have at least one octet (RFC 2865 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shared secret must not be empty")]
pub struct EmptySecret;

/// Whether a packet's Message-Authenticator fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum MessageAuthenticator {
    /// It does.
    Valid,
    /// There is none.
    Missing,
    /// It does not: another secret, or not the client's packet.
    Invalid,
}

/// The secret shared with a client, with the states of its HMAC prepared (RFC 2104 §2).
#[derive(Clone)]
pub struct SharedSecret {
    secret: Secret<Vec<u8>>,
    inner: Zeroizing<State>,
    outer: Zeroizing<State>,
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[shared secret]")
    }
}

impl SharedSecret {
    /// Takes the secret; an empty one is refused.
    pub fn new(secret: Secret<Vec<u8>>) -> Result<Self, EmptySecret> {
        if secret.expose().is_empty() {
            return Err(EmptySecret);
        }
        let mut key = Zeroizing::new([0; BLOCK]);
        let digest;
        let short = if secret.expose().len() > BLOCK {
            digest = Zeroizing::new(<[u8; 16]>::from(Md5::digest(secret.expose())));
            digest.as_slice()
        } else {
            secret.expose().as_slice()
        };
        key.iter_mut().zip(short).for_each(|(place, octet)| *place = *octet);
        let state = |mask| {
            let block = Zeroizing::new(key.map(|octet| octet ^ mask));
            Zeroizing::new(State::START.after(std::slice::from_ref(&*block)))
        };
        let (inner, outer) = (state(0x36), state(0x5c));
        Ok(Self { secret, inner, outer })
    }

    /// Length of the secret in octets.
    pub fn length(&self) -> usize {
        self.secret.expose().len()
    }

    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(self.secret.expose());
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// MD5 over header, `authenticator`, attributes and secret: the Response Authenticator of an answer when
    /// `authenticator` is that of its request (RFC 2865 §3).
    pub(super) fn authenticator(&self, packet: &[u8], authenticator: &[u8; 16]) -> [u8; 16] {
        let mut messages = Messages::default();
        let (header, attributes) = parts(packet);
        messages.push(State::START, &[header, authenticator, attributes, self.secret.expose()]);
        messages.digest_one()
    }

    /// Message-Authenticator of a packet: HMAC-MD5 with `authenticator` in the header and the attribute's own
    /// value, which begins at `at`, taken as zero (RFC 3579 §3.2).
    pub(super) fn message_authenticator(
        &self,
        packet: &[u8],
        authenticator: &[u8; 16],
        at: usize,
    ) -> [u8; 16] {
        let mut messages = Messages::default();
        let (header, _) = parts(packet);
        let before = packet.get(HEADER..at).unwrap_or_default();
        let after = packet.get(at.saturating_add(16)..).unwrap_or_default();
        messages.push(*self.inner, &[header, authenticator, before, &[0; 16], after]);
        let inner = messages.digest_one();
        self.add_outer(&mut messages, &inner);
        messages.digest_one()
    }

    /// Adds what the Response Authenticator is the digest of: an answer with the request's in its place.
    pub(super) fn add_response(&self, messages: &mut Messages, packet: &[u8]) {
        messages.push(State::START, &[packet, self.secret.expose()]);
    }

    /// Adds what the first digest of a Message-Authenticator is of: a request, or an answer with the request's authenticator, and its value,
    /// which begins at `at`, as zero.
    pub(super) fn add_inner(&self, messages: &mut Messages, packet: &[u8], at: usize) {
        let after = packet.get(at.saturating_add(16)..).unwrap_or_default();
        messages.push(*self.inner, &[packet.get(..at).unwrap_or_default(), &[0; 16], after]);
    }

    /// Adds what the second is of, the Message-Authenticator itself.
    pub(super) fn add_outer(&self, messages: &mut Messages, inner: &[u8; 16]) {
        messages.push(*self.outer, &[inner]);
    }

    /// Adds what the first octets of a User-Password are hidden with the digest of.
    pub(super) fn add_pad(&self, messages: &mut Messages, authenticator: &[u8; 16]) {
        messages.push(State::START, &[self.secret.expose(), authenticator]);
    }

    /// Hides a User-Password of at most 128 octets (RFC 2865 §5.2); a longer one is cut off.
    pub fn hide_password(&self, password: &[u8], authenticator: &[u8; 16]) -> Vec<u8> {
        let password = password.get(..128).unwrap_or(password);
        let mut hidden = password.to_vec();
        hidden.resize(password.len().next_multiple_of(16).max(16), 0);
        self.encrypt(&mut hidden, &[authenticator]);
        hidden
    }

    /// Reveals a User-Password: the padding of NULs at its end is taken off. `None` if the length is none that
    /// hiding produces.
    pub fn reveal_password(&self, hidden: &[u8], authenticator: &[u8; 16]) -> Option<Secret<Vec<u8>>> {
        self.reveal_with(self.md5(&[authenticator]), hidden)
    }

    /// The same, where the pad of its first octets is known.
    pub(super) fn reveal_with(&self, pad: [u8; 16], hidden: &[u8]) -> Option<Secret<Vec<u8>>> {
        if hidden.is_empty() || !hidden.len().is_multiple_of(16) || hidden.len() > 128 {
            return None;
        }
        let mut password = hidden.to_vec();
        self.decrypt(&mut password, pad);
        let length = password.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        password.truncate(length);
        Some(Secret::new(password))
    }

    /// Encrypts a key or tunnel password with its length octet in front (RFC 2868 §3.5, RFC 2548 §2.4.2):
    /// salt, then ciphertext. The salt's first bit is set here; it must differ within a packet.
    pub fn encrypt_salted(&self, plain: &[u8], authenticator: &[u8; 16], salt: [u8; 2]) -> Option<Vec<u8>> {
        let salt = [salt[0] | 0x80, salt[1]];
        let length = u8::try_from(plain.len()).ok()?;
        let mut text = Vec::with_capacity(plain.len().saturating_add(17));
        text.push(length);
        text.extend_from_slice(plain);
        text.resize(text.len().next_multiple_of(16), 0);
        self.encrypt(&mut text, &[authenticator, &salt]);
        Some([&salt[..], &text].concat())
    }

    /// The reverse of [`SharedSecret::encrypt_salted`].
    pub fn decrypt_salted(&self, value: &[u8], authenticator: &[u8; 16]) -> Option<Secret<Vec<u8>>> {
        let (salt, text) = value.split_at_checked(2)?;
        if text.is_empty() || text.len() % 16 != 0 || salt.first()? & 0x80 == 0 {
            return None;
        }
        let mut plain = text.to_vec();
        self.decrypt(&mut plain, self.md5(&[authenticator, salt]));
        let length = usize::from(*plain.first()?);
        let found = plain.get(1..=length).map(|found| Secret::new(found.to_vec()));
        plain.zeroize();
        found
    }

    /// c(1) = p(1) xor MD5(S + start), c(i) = p(i) xor MD5(S + c(i-1)).
    fn encrypt(&self, text: &mut [u8], start: &[&[u8]]) {
        let mut pad = self.md5(start);
        let mut blocks = text.chunks_exact_mut(16).peekable();
        while let Some(block) = blocks.next() {
            xor(block, &pad);
            if blocks.peek().is_some() {
                pad = self.md5(&[block]);
            }
        }
        pad.zeroize();
    }

    fn decrypt(&self, text: &mut [u8], mut pad: [u8; 16]) {
        let mut blocks = text.chunks_exact_mut(16).peekable();
        while let Some(block) = blocks.next() {
            // The last block makes no further one readable.
            let next = blocks.peek().map(|_| self.md5(&[block]));
            xor(block, &pad);
            pad = next.unwrap_or(pad);
        }
        pad.zeroize();
    }
}

/// What stands before the authenticator of a packet, and its attributes.
fn parts(packet: &[u8]) -> (&[u8], &[u8]) {
    (packet.get(..4).unwrap_or_default(), packet.get(HEADER..).unwrap_or_default())
}

fn xor(block: &mut [u8], pad: &[u8; 16]) {
    for (octet, mask) in block.iter_mut().zip(pad) {
        *octet ^= mask;
    }
}

impl Packet<'_> {
    /// Checks the Message-Authenticator of a request (RFC 3579 §3.2). For an answer see
    /// [`super::verify_response`].
    pub fn message_authenticator(&self, secret: &SharedSecret) -> MessageAuthenticator {
        self.message_authenticator_for(secret, self.authenticator())
    }

    pub(super) fn message_authenticator_for(
        &self,
        secret: &SharedSecret,
        authenticator: &[u8; 16],
    ) -> MessageAuthenticator {
        let Some(at) = self.message_authenticator_place() else { return MessageAuthenticator::Missing };
        let expected = secret.message_authenticator(self.bytes(), authenticator, at);
        self.compare(at, &expected)
    }

    /// Whether the Message-Authenticator at this place is the expected one.
    pub(super) fn compare(&self, at: usize, expected: &[u8; 16]) -> MessageAuthenticator {
        let found = self.bytes().get(at..at + 16).unwrap_or_default();
        let equal = bool::from(expected.as_slice().ct_eq(found));
        if equal { MessageAuthenticator::Valid } else { MessageAuthenticator::Invalid }
    }

    /// The revealed User-Password, if there is one.
    pub fn user_password(&self, secret: &SharedSecret) -> Option<Secret<Vec<u8>>> {
        let hidden = self.first(AttributeType::USER_PASSWORD)?;
        secret.reveal_password(hidden.value, self.authenticator())
    }
}
