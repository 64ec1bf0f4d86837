//! Keyed digests of recovery and temporary codes.

use super::factor::{CodeDigest, FactorId};
use crate::base::Secret;
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

    /// Digest of a code in its canonical form ([`super::passcode::canonical_code`]).
    pub fn digest(&self, factor: FactorId, code: &str) -> CodeDigest {
        // HMAC takes keys of any length, so this cannot fail.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else { return [0; 32] };
        hmac.update(factor.to_string().as_bytes());
        hmac.update(b"\0");
        hmac.update(code.as_bytes());
        hmac.finalize().into_bytes().into()
    }
}
