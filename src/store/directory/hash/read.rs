//! Readers of the hash schemes: text to fields, with the caps held.

use super::{Cost, HashError, MAX_BCRYPT_COST, MAX_ROUNDS, MIN_ROUNDS, PasswordHash, Scheme, Sha};
use argon2::{Algorithm, Version};
use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

/// base64(digest, then salt).
pub(super) fn salted(kind: Sha, text: &str) -> Result<PasswordHash, HashError> {
    let mut digest = BASE64.decode(text.as_bytes()).map_err(|_| HashError::Malformed("salted SHA"))?;
    if digest.len() < kind.bytes() || digest.len() > kind.bytes() + 64 {
        return Err(HashError::Malformed("salted SHA"));
    }
    let salt = digest.split_off(kind.bytes());
    if salt.is_empty() {
        return Err(HashError::Unsalted("SHA"));
    }
    Ok(PasswordHash(Scheme::Salted { kind, salt, digest: Zeroizing::new(digest) }))
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$digest`; without `v` it is version 16.
pub(super) fn argon2(algorithm: Algorithm, text: &str) -> Result<PasswordHash, HashError> {
    const BAD: HashError = HashError::Malformed("Argon2");
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let (version, parameters, salt, digest) = match fields.as_slice() {
        ["v=19", parameters, salt, digest] => (Version::V0x13, parameters, salt, digest),
        ["v=16", parameters, salt, digest] | [parameters, salt, digest] => {
            (Version::V0x10, parameters, salt, digest)
        }
        _ => return Err(BAD),
    };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let [memory, passes, lanes] = parameters.as_slice() else { return Err(BAD) };
    let cost = Cost {
        memory_kib: number(memory, "m=").ok_or(BAD)?,
        passes: number(passes, "t=").ok_or(BAD)?,
        lanes: number(lanes, "p=").ok_or(BAD)?,
    };
    let salt = BASE64_NOPAD.decode(salt.as_bytes()).map_err(|_| BAD)?;
    let digest = Zeroizing::new(BASE64_NOPAD.decode(digest.as_bytes()).map_err(|_| BAD)?);
    if salt.is_empty() {
        return Err(HashError::Unsalted("Argon2"));
    }
    if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&digest.len()) {
        return Err(BAD);
    }
    cost.params(digest.len())?;
    Ok(PasswordHash(Scheme::Argon2 { algorithm, version, cost, salt, digest }))
}

fn number(text: &str, name: &str) -> Option<u32> {
    text.strip_prefix(name).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// `$2b$12$` and 53 characters.
pub(super) fn bcrypt(text: &str) -> Result<PasswordHash, HashError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashError::Malformed("bcrypt"))?;
    match parts.get_cost() {
        ..4 => Err(HashError::Malformed("bcrypt")),
        4..=MAX_BCRYPT_COST => Ok(PasswordHash(Scheme::Bcrypt(Zeroizing::new(text.to_owned())))),
        _ => Err(HashError::TooCostly { scheme: "bcrypt", what: "the cost", cap: MAX_BCRYPT_COST }),
    }
}

/// `$6$salt$digest` or `$6$rounds=5000$salt$digest`; the digest has `length` characters of crypt's base64, the
/// last of them below `last`, so that each hash has one spelling.
pub(super) fn sha_crypt(text: &str, length: usize, last: usize) -> Result<PasswordHash, HashError> {
    const BAD: HashError = HashError::Malformed("sha-crypt");
    const ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let (rounds, salt, digest) = match fields.as_slice() {
        [rounds, salt, digest] => (number(rounds, "rounds=").ok_or(BAD)?, salt, digest),
        [salt, digest] => (5_000, salt, digest),
        _ => return Err(BAD),
    };
    if salt.is_empty() {
        return Err(HashError::Unsalted("sha-crypt"));
    }
    let in_alphabet = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
    let ends = digest.bytes().last().and_then(|byte| ALPHABET.iter().position(|a| *a == byte));
    let well_formed = salt.len() <= 16
        && digest.len() == length
        && in_alphabet(salt)
        && in_alphabet(digest)
        && ends.is_some_and(|value| value < last)
        && rounds >= MIN_ROUNDS;
    if !well_formed {
        return Err(BAD);
    }
    if rounds > MAX_ROUNDS {
        return Err(HashError::TooCostly {
            scheme: "sha-crypt",
            what: "the number of rounds",
            cap: MAX_ROUNDS,
        });
    }
    Ok(PasswordHash(Scheme::ShaCrypt(Zeroizing::new(text.to_owned()))))
}
