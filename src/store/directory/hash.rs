//! Password hashes: Argon2id of our own, and those that come with people from elsewhere.
//!
//! | form | scheme | limit |
//! |---|---|---|
//! | `$argon2id$…`, `$argon2i$…` | Argon2 (RFC 9106) | 256 MiB, 10 passes, 8 lanes |
//! | `$6$…`, `$5$…` | sha512-crypt, sha256-crypt | 1,000,000 rounds |
//! | `$2a$…`, `$2b$…`, `$2y$…` | bcrypt | cost 14; passwords over 72 bytes never match |
//! | `{SSHA}…`, `{SSHA256}…`, `{SSHA512}…` | salted SHA of LDAP servers | |
//!
//! `{CRYPT}` may stand before the crypt forms. The parameters lie in the hash itself, so whoever writes a hash decides
//! what verifying it costs: beyond the limits it is refused when it comes in, and never computed.

use crate::base::Secret;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::{BASE64, BASE64_NOPAD};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Longest password that is hashed, in bytes.
pub const LONGEST: usize = 1024;

const MEMORY_LIMIT_KIB: u32 = 256 * 1024;
const PASSES_LIMIT: u32 = 10;
const LANES_LIMIT: u32 = 8;
const ROUNDS_LIMIT: u32 = 1_000_000;
const BCRYPT_COST_LIMIT: u32 = 14;

/// Why a text is no hash that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No known scheme.
    #[error(
        "this is no password hash in a known form; known are $argon2id$, $6$, $5$, $2b$, {{SSHA}}, {{SSHA256}} and {{SSHA512}}"
    )]
    Unknown,
    /// A scheme without salt, or plain text.
    #[error(
        "this hash has no salt and is as good as the password itself; give a salted hash, or the password to be hashed here"
    )]
    Unsalted,
    /// The right scheme, but damaged.
    #[error("this hash is damaged: {0}")]
    Damaged(&'static str),
    /// It would cost too much to verify.
    #[error("verifying this hash would cost too much: {0}")]
    TooCostly(&'static str),
}

/// A hash, understood.
#[derive(Debug, Clone)]
pub struct PasswordHash {
    scheme: Scheme,
    text: Secret<String>,
}

#[derive(Debug, Clone)]
enum Scheme {
    Argon2 { algorithm: Algorithm, params: Params, salt: Vec<u8>, digest: Vec<u8> },
    ShaCrypt,
    Bcrypt,
    Salted { kind: Sha, digest: Vec<u8>, salt: Vec<u8> },
}

#[derive(Debug, Clone, Copy)]
enum Sha {
    One,
    Two256,
    Two512,
}

impl PasswordHash {
    /// Reads a hash and checks what it costs.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let plain = text.trim();
        let bare = strip_ignoring_case(plain, "{CRYPT}").unwrap_or(plain);
        let scheme = if let Some(rest) = bare.strip_prefix("$argon2id$") {
            argon2(Algorithm::Argon2id, rest)?
        } else if let Some(rest) = bare.strip_prefix("$argon2i$") {
            argon2(Algorithm::Argon2i, rest)?
        } else if let Some(rest) = bare.strip_prefix("$6$").or_else(|| bare.strip_prefix("$5$")) {
            sha_crypt(rest)?
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| bare.starts_with(prefix)) {
            bcrypt(bare)?
        } else if let Some(rest) = strip_ignoring_case(bare, "{SSHA}") {
            salted(Sha::One, 20, rest)?
        } else if let Some(rest) = strip_ignoring_case(bare, "{SSHA256}") {
            salted(Sha::Two256, 32, rest)?
        } else if let Some(rest) = strip_ignoring_case(bare, "{SSHA512}") {
            salted(Sha::Two512, 64, rest)?
        } else if ["{SHA", "{MD5}", "{CLEARTEXT}", "{PLAIN}"]
            .iter()
            .any(|p| strip_ignoring_case(bare, p).is_some())
        {
            return Err(HashError::Unsalted);
        } else {
            return Err(HashError::Unknown);
        };
        Ok(Self { scheme, text: Secret::new(bare.to_owned()) })
    }

    /// The text, to be stored.
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// Whether it is weaker or other than what `params` would give.
    pub fn needs_upgrade(&self, params: &Params) -> bool {
        match &self.scheme {
            Scheme::Argon2 { algorithm: Algorithm::Argon2id, params: own, .. } => {
                own.m_cost() < params.m_cost() || own.t_cost() < params.t_cost()
            }
            _ => true,
        }
    }

    /// Whether the password belongs to it. `memory` is reused between calls.
    pub fn matches(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        match &self.scheme {
            Scheme::Argon2 { algorithm, params, salt, digest } => {
                let mut out = vec![0; digest.len()];
                compute(*algorithm, params, password, salt, &mut out, memory) && bool::from(out.ct_eq(digest))
            }
            Scheme::ShaCrypt => {
                use sha_crypt::PasswordVerifier;
                let verifier = sha_crypt::ShaCrypt::default();
                PasswordVerifier::<str>::verify_password(&verifier, password, self.text.expose()).is_ok()
            }
            Scheme::Bcrypt => bcrypt::non_truncating_verify(password, self.text.expose()).unwrap_or(false),
            Scheme::Salted { kind, digest, salt } => {
                let computed = match kind {
                    Sha::One => Sha1::new().chain_update(password).chain_update(salt).finalize().to_vec(),
                    Sha::Two256 => {
                        Sha256::new().chain_update(password).chain_update(salt).finalize().to_vec()
                    }
                    Sha::Two512 => {
                        Sha512::new().chain_update(password).chain_update(salt).finalize().to_vec()
                    }
                };
                bool::from(computed.ct_eq(digest))
            }
        }
    }
}

/// Argon2 into `out`; `false` if the numbers do not fit together.
fn compute(
    algorithm: Algorithm,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    memory: &mut Vec<Block>,
) -> bool {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    let argon = Argon2::new(algorithm, Version::V0x13, params.clone());
    argon.hash_password_into_with_memory(password, salt, out, memory).is_ok()
}

/// A new Argon2id hash as a PHC string.
pub fn argon2id(
    params: &Params,
    password: &[u8],
    salt: [u8; 16],
    memory: &mut Vec<Block>,
) -> Option<Secret<String>> {
    if password.len() > LONGEST {
        return None;
    }
    let mut digest = [0; 32];
    compute(Algorithm::Argon2id, params, password, &salt, &mut digest, memory).then(|| {
        Secret::new(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            params.m_cost(),
            params.t_cost(),
            params.p_cost(),
            BASE64_NOPAD.encode(&salt),
            BASE64_NOPAD.encode(&digest)
        ))
    })
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// `v=19$m=19456,t=2,p=1$SALT$DIGEST`
fn argon2(algorithm: Algorithm, rest: &str) -> Result<Scheme, HashError> {
    let damaged = HashError::Damaged;
    let mut fields = rest.split('$');
    let version = fields.next().unwrap_or_default();
    if version != "v=19" {
        return Err(damaged("only version 19 of Argon2 is known"));
    }
    let (mut memory, mut passes, mut lanes) = (None, None, None);
    for pair in fields.next().unwrap_or_default().split(',') {
        let (name, value) = pair.split_once('=').ok_or(damaged("parameters of Argon2"))?;
        let value: u32 = value.parse().map_err(|_| damaged("a parameter of Argon2"))?;
        match name {
            "m" => memory = Some(value),
            "t" => passes = Some(value),
            "p" => lanes = Some(value),
            _ => return Err(damaged("an unknown parameter of Argon2")),
        }
    }
    let (Some(memory), Some(passes), Some(lanes)) = (memory, passes, lanes) else {
        return Err(damaged("a parameter of Argon2 is missing"));
    };
    if memory > MEMORY_LIMIT_KIB || passes > PASSES_LIMIT || lanes > LANES_LIMIT {
        return Err(HashError::TooCostly("at most 256 MiB, 10 passes and 8 lanes of Argon2"));
    }
    let mut bytes = |what| {
        let text = fields.next().ok_or(damaged(what))?;
        BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).map_err(|_| damaged(what))
    };
    let (salt, digest) = (bytes("salt of Argon2")?, bytes("digest of Argon2")?);
    if !(8..=64).contains(&salt.len()) || !(16..=128).contains(&digest.len()) || fields.next().is_some() {
        return Err(damaged("lengths in Argon2"));
    }
    let params = Params::new(memory, passes, lanes, Some(digest.len()))
        .map_err(|_| damaged("parameters of Argon2"))?;
    Ok(Scheme::Argon2 { algorithm, params, salt, digest })
}

fn sha_crypt(rest: &str) -> Result<Scheme, HashError> {
    let rest = match rest.strip_prefix("rounds=") {
        None => rest,
        Some(rounds) => {
            let (rounds, rest) = rounds.split_once('$').ok_or(HashError::Damaged("rounds of sha-crypt"))?;
            let rounds: u32 = rounds.parse().map_err(|_| HashError::Damaged("rounds of sha-crypt"))?;
            if rounds > ROUNDS_LIMIT {
                return Err(HashError::TooCostly("at most 1,000,000 rounds of sha-crypt"));
            }
            rest
        }
    };
    match rest.split_once('$') {
        Some((salt, digest)) if !salt.is_empty() && [43, 86].contains(&digest.len()) => Ok(Scheme::ShaCrypt),
        _ => Err(HashError::Damaged("salt or digest of sha-crypt")),
    }
}

fn bcrypt(text: &str) -> Result<Scheme, HashError> {
    let cost = text.get(4..6).and_then(|cost| cost.parse::<u32>().ok());
    match cost {
        Some(cost) if cost > BCRYPT_COST_LIMIT => Err(HashError::TooCostly("bcrypt up to cost 14")),
        Some(4..) if text.len() == 60 => Ok(Scheme::Bcrypt),
        _ => Err(HashError::Damaged("bcrypt hashes have 60 characters")),
    }
}

fn salted(kind: Sha, length: usize, rest: &str) -> Result<Scheme, HashError> {
    let bytes = BASE64.decode(rest.as_bytes()).map_err(|_| HashError::Damaged("base64"))?;
    match bytes.split_at_checked(length) {
        Some((_, [])) => Err(HashError::Unsalted),
        Some((digest, salt)) if salt.len() <= 64 => {
            Ok(Scheme::Salted { kind, digest: digest.to_vec(), salt: salt.to_vec() })
        }
        _ => Err(HashError::Damaged("length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(hash: &str, password: &str) -> bool {
        PasswordHash::parse(hash).unwrap().matches(password.as_bytes(), &mut Vec::new())
    }

    /// Made with slappasswd, `openssl passwd -5/-6`, Python's bcrypt and argon2-cffi.
    #[test]
    fn hashes_from_elsewhere_match_their_password_and_no_other() {
        for hash in include_str!("../../../tests/vectors/password-hashes.txt").lines() {
            if hash.starts_with('#') || hash.is_empty() {
                continue;
            }
            assert!(matches(hash, "correct,horse 42"), "{hash}");
            assert!(!matches(hash, "correct,horse 43"), "{hash}");
            assert!(
                matches(&format!("{{CRYPT}}{hash}"), "correct,horse 42") || hash.starts_with('{'),
                "{hash}"
            );
        }
    }

    #[test]
    fn own_hash_matches_and_needs_no_upgrade_until_the_parameters_rise() {
        let (params, mut memory) = (Params::new(64, 1, 1, None).unwrap(), Vec::new());
        let text = argon2id(&params, "пароль".as_bytes(), [7; 16], &mut memory).unwrap();
        let hash = PasswordHash::parse(text.expose()).unwrap();
        assert!(hash.matches("пароль".as_bytes(), &mut memory));
        assert!(!hash.needs_upgrade(&params));
        assert!(hash.needs_upgrade(&Params::new(65, 1, 1, None).unwrap()));
        assert!(
            PasswordHash::parse("{SSHA}W+q2dx7iMkwRctFL5Lz7/XGQDvJzYWx0c2FsdA==")
                .unwrap()
                .needs_upgrade(&params)
        );
    }

    #[test]
    fn costly_unsalted_and_damaged_hashes_are_refused_when_they_come_in() {
        let error = |text: &str| PasswordHash::parse(text).unwrap_err();
        let salt = "c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
        for costly in [
            format!("$argon2id$v=19$m=4194304,t=2,p=1${salt}"),
            format!("$argon2id$v=19$m=1024,t=1000,p=1${salt}"),
            format!("$6$rounds=999999999$salt${}", "a".repeat(86)),
            format!("$2b$31${}", "a".repeat(53)),
        ] {
            assert!(matches!(error(&costly), HashError::TooCostly(_)), "{costly}");
        }
        assert_eq!(error("{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="), HashError::Unsalted);
        assert_eq!(error("{SSHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="), HashError::Unsalted);
        assert_eq!(error("hunter2"), HashError::Unknown);
        assert!(matches!(error("$argon2id$v=19$m=64$x$y"), HashError::Damaged(_)));
        assert!(matches!(error("$2b$10$short"), HashError::Damaged(_)));
    }

    #[test]
    fn password_beyond_the_limit_matches_nothing() {
        assert!(!matches("{SSHA}W+q2dx7iMkwRctFL5Lz7/XGQDvJzYWx0c2FsdA==", &"a".repeat(LONGEST + 1)));
    }
}
