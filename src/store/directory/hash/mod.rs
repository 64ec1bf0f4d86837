//! Password hashes as they are kept: which schemes are read, what they may cost, and how one is checked.
//!
//! | read                                              | made | cost accepted at most                          |
//! |---------------------------------------------------|------|------------------------------------------------|
//! | `$argon2id$`, `$argon2i$` (PHC, RFC 9106)         | id   | 256 MiB, 10 passes, 8 lanes                    |
//! | `$2a$`, `$2b$`, `$2y$` (bcrypt)                   | no   | cost 14                                        |
//! | `$5$`, `$6$` (sha-crypt)                          | no   | 1,000,000 rounds                               |
//! | `{SSHA}`, `{SSHA256}`, `{SSHA512}` (RFC 2307 use) | no   |                                                |
//!
//! `{CRYPT}` and `{ARGON2}` in front are accepted. A hash carries its own parameters, so that whoever writes one
//! decides what a check costs: [`PasswordHash::parse`] refuses what is above the caps, and nothing can be
//! checked that did not pass it. What is unsalted or plain is refused.
//!
//! Argon2 hashes are made over the normalised password, see [`as_hashed`]; the others come from systems that
//! hashed what was typed, and are checked over just that.

mod read;

use crate::base::Secret;
use crate::domain::password::{MAX_BYTES, as_hashed};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use sha_crypt::PasswordVerifier;
use sha2::Digest;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;
const MAX_BCRYPT_COST: u32 = 14;
const MIN_ROUNDS: u32 = 1_000;
const MAX_ROUNDS: u32 = 1_000_000;
/// Each round of sha-crypt hashes the whole password; longer ones have no use and would multiply the cost.
const MAX_SHA_CRYPT_BYTES: usize = 256;
/// bcrypt sees no further.
const MAX_BCRYPT_BYTES: usize = 72;
/// Longest text that can be a hash.
const MAX_TEXT: usize = 512;

/// Length of the salt of new hashes.
pub const SALT_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;

/// Why a text is not a hash that can be used. No variant carries any of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No scheme at all.
    #[error("this is not a password hash; a plain password belongs in `password`, where it is hashed")]
    Plain,
    /// A scheme without salt, or a hash whose salt is empty.
    #[error("{0} hashes without a salt are refused: the password must be set anew")]
    Unsalted(&'static str),
    /// A scheme that is not read.
    #[error(
        "this hash scheme is not supported; use argon2id, argon2i, bcrypt ($2a$, $2b$, $2y$), sha-crypt ($5$, $6$), \
         {{SSHA}}, {{SSHA256}} or {{SSHA512}}"
    )]
    Unknown,
    /// The scheme is known, the rest does not follow it.
    #[error("this {0} hash is malformed")]
    Malformed(&'static str),
    /// Its parameters ask for more work than is allowed.
    #[error("this {scheme} hash asks for too much work: {what} may be at most {cap}")]
    TooCostly {
        /// Scheme.
        scheme: &'static str,
        /// Parameter.
        what: &'static str,
        /// Its cap.
        cap: u32,
    },
    /// There was not the memory for it.
    #[error("not enough memory to compute a password hash")]
    Memory,
}

/// What an Argon2id hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// Within the caps and what Argon2 can do.
    pub fn checked(self) -> Result<Self, HashError> {
        self.params(DIGEST_BYTES).map(|_| self)
    }

    fn params(self, digest: usize) -> Result<Params, HashError> {
        let cap = |what, cap| HashError::TooCostly { scheme: "Argon2", what, cap };
        if self.memory_kib > MAX_MEMORY_KIB {
            return Err(cap("memory in KiB", MAX_MEMORY_KIB));
        }
        if self.passes > MAX_PASSES {
            return Err(cap("the number of passes", MAX_PASSES));
        }
        if self.lanes > MAX_LANES {
            return Err(cap("the number of lanes", MAX_LANES));
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(digest))
            .map_err(|_| HashError::Malformed("Argon2"))
    }

    /// Blocks of memory that it needs.
    pub(super) fn blocks(self) -> usize {
        self.params(DIGEST_BYTES).map_or(0, |params| params.block_count())
    }
}

/// Memory of one hashing thread, used again for each hash, and the count of Argon2 computations.
pub(super) struct Memory {
    blocks: Vec<Block>,
    usual: usize,
    computations: Arc<AtomicU64>,
}

impl Memory {
    /// For hashes that usually need `usual` blocks; taken when first needed.
    pub(super) fn new(usual: usize, computations: Arc<AtomicU64>) -> Self {
        Self { blocks: Vec::new(), usual, computations }
    }

    fn argon2(
        &mut self,
        context: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), HashError> {
        self.computations.fetch_add(1, Ordering::Relaxed);
        let count = context.params().block_count();
        if self.blocks.len() < count {
            let more = count - self.blocks.len();
            self.blocks.try_reserve_exact(more).map_err(|_| HashError::Memory)?;
            self.blocks.resize(count, Block::new());
        }
        let done = context.hash_password_into_with_memory(password, salt, out, self.blocks.as_mut_slice());
        if self.blocks.len() > self.usual {
            // An imported hash needed more than ours do: give it back.
            self.blocks.iter_mut().skip(self.usual).for_each(Zeroize::zeroize);
            self.blocks.truncate(self.usual);
            self.blocks.shrink_to_fit();
        }
        done.map_err(|_| HashError::Malformed("Argon2"))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// A hash that was read and found fit to be checked.
#[derive(Clone)]
pub struct PasswordHash(Scheme);

#[derive(Clone)]
enum Scheme {
    Argon2 { algorithm: Algorithm, version: Version, cost: Cost, salt: Vec<u8>, digest: Zeroizing<Vec<u8>> },
    Bcrypt(Zeroizing<String>),
    ShaCrypt(Zeroizing<String>),
    Salted { kind: Sha, salt: Vec<u8>, digest: Zeroizing<Vec<u8>> },
}

#[derive(Clone, Copy)]
enum Sha {
    One,
    Two256,
    Two512,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.scheme())
    }
}

impl PasswordHash {
    /// Reads a hash; refuses what is plain, unsalted, unknown, malformed or too costly.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(HashError::Unknown);
        }
        if let Some((scheme, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
            return match scheme.to_ascii_uppercase().as_str() {
                "CRYPT" | "ARGON2" if rest.starts_with('$') => Self::crypt(rest),
                "SSHA" => read::salted(Sha::One, rest),
                "SSHA256" => read::salted(Sha::Two256, rest),
                "SSHA512" => read::salted(Sha::Two512, rest),
                "SHA" | "SHA256" | "SHA512" => Err(HashError::Unsalted("SHA")),
                "MD5" => Err(HashError::Unsalted("MD5")),
                "CLEARTEXT" | "PLAIN" => Err(HashError::Plain),
                _ => Err(HashError::Unknown),
            };
        }
        if text.starts_with('$') { Self::crypt(text) } else { Err(HashError::Plain) }
    }

    fn crypt(text: &str) -> Result<Self, HashError> {
        let scheme = text.split('$').nth(1).unwrap_or_default();
        match scheme {
            "argon2id" => read::argon2(Algorithm::Argon2id, text),
            "argon2i" => read::argon2(Algorithm::Argon2i, text),
            "2a" | "2b" | "2y" => read::bcrypt(text),
            "5" => read::sha_crypt(text, 43, 16),
            "6" => read::sha_crypt(text, 86, 4),
            _ => Err(HashError::Unknown),
        }
    }

    /// A hash that no password matches but that takes as long to check as a new one.
    pub(super) fn decoy(cost: Cost, salt: [u8; SALT_BYTES], digest: [u8; DIGEST_BYTES]) -> Self {
        Self(Scheme::Argon2 {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            cost,
            salt: salt.to_vec(),
            digest: Zeroizing::new(digest.to_vec()),
        })
    }

    /// Name of the scheme.
    pub const fn scheme(&self) -> &'static str {
        match self.0 {
            Scheme::Argon2 { algorithm: Algorithm::Argon2id, .. } => "argon2id",
            Scheme::Argon2 { .. } => "argon2i",
            Scheme::Bcrypt(_) => "bcrypt",
            Scheme::ShaCrypt(_) => "sha-crypt",
            Scheme::Salted { .. } => "salted SHA",
        }
    }

    /// Whether a hash made now at `current` cost would be better: another scheme, or less memory or work.
    pub fn needs_upgrade(&self, current: Cost) -> bool {
        let Scheme::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, cost, salt, digest } =
            &self.0
        else {
            return true;
        };
        let work = |cost: Cost| u64::from(cost.memory_kib) * u64::from(cost.passes);
        cost.memory_kib < current.memory_kib
            || work(*cost) < work(current)
            || salt.len() < SALT_BYTES
            || digest.len() < DIGEST_BYTES
    }

    /// Whether `password` is the one, compared in constant time. Too long a password is wrong without work.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Memory) -> Result<bool, HashError> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        match &self.0 {
            Scheme::Argon2 { algorithm, version, cost, salt, digest } => {
                let context = Argon2::new(*algorithm, *version, cost.params(digest.len())?);
                let mut found = Zeroizing::new(vec![0; digest.len()]);
                memory.argon2(&context, as_hashed(password).expose(), salt, &mut found)?;
                Ok(found.ct_eq(digest).into())
            }
            // bcrypt ends a password at NUL and repeats it: "a" and "a\0a" would be the same; and what follows
            // 72 bytes is not looked at. Both are refused rather than cut.
            Scheme::Bcrypt(_) if password.len() > MAX_BCRYPT_BYTES || password.contains(&0) => Ok(false),
            Scheme::Bcrypt(text) => {
                bcrypt::verify(password, text).map_err(|_| HashError::Malformed("bcrypt"))
            }
            Scheme::ShaCrypt(_) if password.len() > MAX_SHA_CRYPT_BYTES => Ok(false),
            Scheme::ShaCrypt(text) => {
                Ok(sha_crypt::ShaCrypt::SHA512.verify_password(password, text.as_str()).is_ok())
            }
            Scheme::Salted { kind, salt, digest } => Ok(kind.digest(password, salt).ct_eq(digest).into()),
        }
    }
}

/// A new Argon2id hash in PHC form.
pub(super) fn make(
    cost: Cost,
    password: &[u8],
    salt: [u8; SALT_BYTES],
    memory: &mut Memory,
) -> Result<Secret<String>, HashError> {
    let context = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params(DIGEST_BYTES)?);
    let mut digest = Zeroizing::new([0; DIGEST_BYTES]);
    memory.argon2(&context, as_hashed(password).expose(), &salt, digest.as_mut_slice())?;
    let Cost { memory_kib, passes, lanes } = cost;
    let (salt, digest) = (BASE64_NOPAD.encode(&salt), Zeroizing::new(BASE64_NOPAD.encode(digest.as_slice())));
    Ok(Secret::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${}", *digest)))
}

impl Sha {
    const fn bytes(self) -> usize {
        match self {
            Sha::One => 20,
            Sha::Two256 => 32,
            Sha::Two512 => 64,
        }
    }

    fn digest(self, password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
        fn of<D: Digest>(password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
            Zeroizing::new(D::new().chain_update(password).chain_update(salt).finalize().to_vec())
        }
        match self {
            Sha::One => of::<sha1::Sha1>(password, salt),
            Sha::Two256 => of::<sha2::Sha256>(password, salt),
            Sha::Two512 => of::<sha2::Sha512>(password, salt),
        }
    }
}

#[cfg(test)]
mod tests;
