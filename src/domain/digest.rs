//! Keyed digests of recovery and temporary codes.

use super::factor::{CodeDigest, FactorId};
use super::person::PersonId;
use super::sent::{CodeId, Purpose};
use crate::base::Secret;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 under a key that only the daemon opens, bound to the factor: a stolen database tells nothing
/// about the codes, short as they are, and a digest copied to another person's factor fits nothing there.
#[derive(Debug, Clone)]
pub struct CodeDigester(Secret<Vec<u8>>);

impl CodeDigester {
    /// Takes the key, 32 bytes.
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length; a made-up digest would fit any code"
    )]
    fn of(&self, parts: &[&str]) -> CodeDigest {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("a key of any length");
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                hmac.update(b"\0");
            }
            hmac.update(part.as_bytes());
        }
        hmac.finalize().into_bytes().into()
    }

    /// Digest of a code in its canonical form ([`super::passcode::canonical_code`]).
    pub fn digest(&self, factor: FactorId, code: &str) -> CodeDigest {
        self.of(&[&factor.to_string(), code])
    }

    /// Digest of a sent code: of another person, in another transaction, or once the person is not reached there any
    /// more, it fits nothing.
    pub fn digest_sent(
        &self,
        id: CodeId,
        person: PersonId,
        (purpose, transaction, to): (Purpose, &str, &str),
        code: &str,
    ) -> CodeDigest {
        let (id, person) = (id.to_string(), person.to_string());
        self.of(&["sent", &id, &person, purpose.as_str(), code, to, transaction])
    }

    /// Digest of a telephone number or e-mail address, to count messages to it without keeping it.
    pub fn digest_destination(&self, destination: &str) -> CodeDigest {
        self.of(&["destination", destination])
    }

    /// Digest of where a request came from, likewise.
    pub fn digest_origin(&self, origin: &str) -> CodeDigest {
        self.of(&["origin", origin])
    }

    /// Digest of a State that was used.
    pub fn digest_state(&self, state: &[u8]) -> CodeDigest {
        self.of(&["state", &HEXLOWER.encode(state)])
    }

    /// Digest of a note about a transaction of an application: what it is about, and of which kind it is.
    pub fn digest_note(&self, kind: &str, client: &str, what: &str) -> CodeDigest {
        self.of(&["note", kind, client, what])
    }

    /// Digest of what a browser's cookie holds, and of what is another one in each page: it proves that a form comes from a page
    /// that this browser was given.
    pub fn digest_form(&self, cookie: &str, nonce: &[u8]) -> CodeDigest {
        self.of(&["form", cookie, &HEXLOWER.encode(nonce)])
    }

    /// Digest of a form as a browser has sent it: the same form, sent once more, has the same.
    pub fn digest_post(&self, cookie: &str, path: &str, body: &str) -> CodeDigest {
        self.of(&["post", cookie, path, body])
    }

    /// What a session is called after that form, which gave it more rights.
    pub fn digest_renewal(&self, post: &CodeDigest) -> CodeDigest {
        self.of(&["renewal", &HEXLOWER.encode(post)])
    }

    /// By what a person's security question of a day is drawn.
    pub fn digest_question(&self, person: PersonId, day: i64) -> CodeDigest {
        self.of(&["question", &person.to_string(), &day.to_string()])
    }

    /// Digest of a YubiKey's password that a validation server has accepted.
    pub fn digest_otp(&self, otp: &str) -> CodeDigest {
        self.of(&["otp", otp])
    }

    /// Digest of a program's request to validate a YubiKey's password.
    pub fn digest_request(&self, client: u32, nonce: &str, otp: &str) -> CodeDigest {
        self.of(&["wsapi", &client.to_string(), nonce, otp])
    }

    /// The key under which something is signed that applications are given; of another kind another one.
    pub fn signing_key(&self, kind: &str) -> Secret<Vec<u8>> {
        Secret::new(self.of(&["signing key", kind]).to_vec())
    }

    /// Names a person where the real id is not to be seen: the first half of a digest.
    pub fn handle(&self, person: PersonId) -> [u8; 8] {
        let digest = self.of(&["handle", &person.to_string()]);
        digest.first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(number: u128) -> FactorId {
        FactorId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn digest_depends_on_key_factor_and_code() {
        let digester = |byte| CodeDigester::new(Secret::new(vec![byte; 32]));
        let digest = digester(1).digest(factor(1), "12345678");
        assert_eq!(digest, digester(1).digest(factor(1), "12345678"));
        assert_ne!(digest, digester(2).digest(factor(1), "12345678"));
        assert_ne!(digest, digester(1).digest(factor(2), "12345678"));
        assert_ne!(digest, digester(1).digest(factor(1), "12345679"));
    }

    #[test]
    fn key_is_not_in_debug() {
        assert_eq!(format!("{:?}", CodeDigester::new(Secret::new(vec![7; 32]))), "CodeDigester([secret])");
    }
}
