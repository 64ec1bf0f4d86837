//! The NT hash of a password (RFC 2759 §8.3): MD4 over UTF-16. It has no salt and costs nothing to compute, so that only long random
//! passwords are safe behind it.

use crate::base::Secret;
use md4::{Digest, Md4};
use zeroize::Zeroizing;

/// MD4 of a password. Whoever has it can log in with MSCHAPv2, so it is a secret like the password itself.
#[derive(Debug, Clone)]
pub struct NtHash(Secret<[u8; 16]>);

impl NtHash {
    /// Of a password (`NtPasswordHash`).
    pub fn of(password: &str) -> Self {
        let wide: Zeroizing<Vec<u8>> =
            Zeroizing::new(password.encode_utf16().flat_map(u16::to_le_bytes).collect());
        Self(md4(&wide))
    }

    /// One that was kept.
    pub const fn kept(bytes: Secret<[u8; 16]>) -> Self {
        Self(bytes)
    }

    /// To be sealed and kept, and for nothing else.
    pub fn expose(&self) -> &[u8; 16] {
        self.0.expose()
    }

    /// `HashNtPasswordHash`, §8.4.
    pub(super) fn hashed(&self) -> Secret<[u8; 16]> {
        md4(self.0.expose())
    }
}

fn md4(data: &[u8]) -> Secret<[u8; 16]> {
    Secret::new(Md4::digest(data).into())
}
