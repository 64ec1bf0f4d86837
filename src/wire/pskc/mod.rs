//! Portable Symmetric Key Container (RFC 6030): the files in which makers deliver the seeds of tokens.
//!
//! Plain, or encrypted under a key agreed on beforehand or under one derived from a passphrase (PBKDF2): by AES-CBC, each value with
//! its MAC, or by AES Key Wrap (RFC 3394, RFC 5649), which has its own. Not read: certificates. Signatures are told and not verified. A
//! document type is refused, and with it every entity that could grow; depth, numbers and work are bounded.

mod crypto;
mod policy;
mod xml;

pub use policy::Validity;

use crate::base::Secret;

/// What opens an encrypted container.
#[derive(Debug, Clone)]
pub enum Unlock {
    /// The key agreed on with the maker.
    Key(Secret<Vec<u8>>),
    /// The passphrase agreed on.
    Passphrase(Secret<String>),
}

/// A key of the container.
#[derive(Debug, Clone)]
pub struct Package {
    /// Where it begins, from 1.
    pub line: usize,
    /// Serial number of the device, or the id of the key where there is none.
    pub serial: String,
    /// Last part of the algorithm's name: `hotp`, `totp` …
    pub algorithm: String,
    /// Hash function, where one is named.
    pub suite: Option<String>,
    /// Digits of a code.
    pub digits: u8,
    /// First counter.
    pub counter: u64,
    /// Seconds that a code lasts.
    pub period: Option<u32>,
    /// Who made the device.
    pub maker: Option<String>,
    /// Steps by which its clock is said to be off.
    pub drift: i64,
    /// When it may be used.
    pub validity: Validity,
    /// The key.
    pub secret: Secret<Vec<u8>>,
}

/// Something that cannot be read, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// A sentence without full stop; never a secret.
    pub what: String,
}

/// What a container holds.
#[derive(Debug)]
pub struct Contents {
    /// Its keys, each for itself.
    pub keys: Vec<Result<Package, Problem>>,
    /// Where a signature begins. It is not verified.
    pub signature: Option<usize>,
}

/// Reads a container.
///
/// # Errors
/// What is wrong with the container as a whole: no XML, no container, or no way to open it.
pub fn read(text: &str, unlock: Option<&Unlock>) -> Result<Contents, Problem> {
    let container = xml::parse(text)?;
    let keys = crypto::Keys::of(&container.protection, unlock).map_err(|what| Problem { line: 1, what })?;
    let open = |raw: xml::Raw| {
        let line = raw.line;
        package(raw, &keys).map_err(|what| Problem { line, what })
    };
    let signature = container.signature;
    Ok(Contents { keys: container.packages.into_iter().map(open).collect(), signature })
}

fn package(raw: xml::Raw, keys: &crypto::Keys) -> Result<Package, String> {
    if let Some(problem) = raw.problem {
        return Err(problem);
    }
    let validity = raw.policy.judge()?;
    let algorithm = raw.algorithm.rsplit([':', '#', '/']).next().unwrap_or_default().to_ascii_lowercase();
    if raw.encoding.as_deref().is_some_and(|encoding| encoding != "DECIMAL") {
        return Err("its codes are not decimal digits".to_owned());
    }
    let secret = match (raw.plain, raw.encrypted) {
        (Some(plain), None) if keys.are_none() => plain,
        (Some(_), None) => return Err("its secret is not encrypted, though the file's are".to_owned()),
        (None, Some(value)) => keys.open(&value)?,
        (None, None) => return Err("it has no secret".to_owned()),
        (Some(_), Some(_)) => return Err("it has two secrets".to_owned()),
    };
    Ok(Package {
        line: raw.line,
        serial: raw.serial.or(raw.id).unwrap_or_default(),
        algorithm,
        suite: raw.suite,
        digits: raw.digits.unwrap_or(6),
        counter: raw.counter.unwrap_or(0),
        period: raw.period,
        maker: raw.maker,
        drift: raw.drift,
        validity,
        secret,
    })
}

#[cfg(test)]
mod tests;
