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
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length; a made-up digest would fit any code"
    )]
    pub fn digest(&self, factor: FactorId, code: &str) -> CodeDigest {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("a key of any length");
        hmac.update(factor.to_string().as_bytes());
        hmac.update(b"\0");
        hmac.update(code.as_bytes());
        hmac.finalize().into_bytes().into()
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
