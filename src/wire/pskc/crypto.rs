//! Opening encrypted values (RFC 6030 §6): AES-CBC after its MAC, or AES Key Wrap.

use super::Unlock;
use crate::base::Secret;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Most rounds of PBKDF2: some seconds.
const MOST_ROUNDS: u32 = 5_000_000;

/// An encrypted value.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// Name of the cipher.
    pub(super) cipher: String,
    /// Initialisation vector and ciphertext.
    pub(super) bytes: Vec<u8>,
    /// MAC over `bytes`.
    pub(super) mac: Option<Vec<u8>>,
}

/// How a key comes from a passphrase.
#[derive(Debug, Clone, Default)]
pub(super) struct Derivation {
    pub(super) method: String,
    pub(super) salt: Vec<u8>,
    pub(super) rounds: Option<u32>,
    pub(super) length: Option<usize>,
    pub(super) prf: Option<String>,
}

/// What the container says about its encryption.
#[derive(Debug, Clone, Default)]
pub(super) struct Protection {
    pub(super) encrypted: bool,
    pub(super) derivation: Option<Derivation>,
    /// Name of the MAC.
    pub(super) mac: Option<String>,
    /// Its key, encrypted; none: the encryption key.
    pub(super) mac_key: Option<Value>,
}

/// The last part of an algorithm's name.
fn short(name: &str) -> &str {
    name.rsplit(['#', '/', ':']).next().unwrap_or_default()
}

/// HMAC under a fixed key.
enum Hash {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl Hash {
    fn of(name: &str, key: &[u8]) -> Option<Self> {
        match short(name) {
            "hmac-sha1" => Hmac::new_from_slice(key).ok().map(Hash::Sha1),
            "hmac-sha256" => Hmac::new_from_slice(key).ok().map(Hash::Sha256),
            _ => None,
        }
    }

    fn digest(&self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Hash::Sha1(mac) => digest(mac.clone(), parts),
            Hash::Sha256(mac) => digest(mac.clone(), parts),
        }
    }
}

fn digest(mut mac: impl Mac, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

/// PBKDF2 (RFC 8018 §5.2).
fn pbkdf2(passphrase: &str, derivation: &Derivation) -> Result<Secret<Vec<u8>>, String> {
    if short(&derivation.method) != "pbkdf2" {
        return Err(format!("its key is derived by `{}`; only PBKDF2 is known", derivation.method));
    }
    let rounds = derivation.rounds.unwrap_or(1000);
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        return Err(format!("its key takes {rounds} rounds to derive; at most {MOST_ROUNDS} are made"));
    }
    let length = derivation.length.unwrap_or(16);
    let prf = derivation.prf.as_deref().unwrap_or("hmac-sha1");
    let hash = Hash::of(prf, passphrase.as_bytes());
    let hash = hash.ok_or_else(|| format!("its key is derived with `{prf}`, which is not known"))?;
    if !matches!(length, 16 | 24 | 32) {
        return Err(format!("its key has {length} bytes, which is no key of AES"));
    }
    let mut key = Zeroizing::new(Vec::with_capacity(64));
    for block in 1_u32.. {
        if key.len() >= length {
            break;
        }
        let mut last = hash.digest(&[&derivation.salt, &block.to_be_bytes()]);
        let mut sum = last.clone();
        for _ in 1..rounds {
            last = hash.digest(&[&last]);
            sum.iter_mut().zip(last.iter()).for_each(|(sum, byte)| *sum ^= byte);
        }
        key.extend_from_slice(&sum);
    }
    key.truncate(length);
    Ok(Secret::new(key.to_vec()))
}

fn blocks<C: BlockCipherDecrypt>(cipher: &C, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let (mut before, rest) = bytes.split_at_checked(16)?;
    for block in rest.chunks_exact(16) {
        let mut opened = aes::cipher::Block::<C>::default();
        opened.copy_from_slice(block);
        cipher.decrypt_block(&mut opened);
        plain.extend(opened.iter().zip(before).map(|(byte, before)| byte ^ before));
        before = block;
    }
    Some(plain)
}

/// AES-CBC as XML Encryption has it: the vector first, the last byte says how many were added (§5.2).
fn decrypt(cipher: &str, key: &[u8], bytes: &[u8]) -> Result<Secret<Vec<u8>>, String> {
    let wrong = || "the key or passphrase is wrong, or the file is damaged".to_owned();
    let bits = match short(cipher) {
        "aes128-cbc" => 16,
        "aes192-cbc" => 24,
        "aes256-cbc" => 32,
        other => return Err(format!("it is encrypted with `{other}`; AES-CBC and AES Key Wrap are known")),
    };
    if bytes.len() < 32 || !bytes.len().is_multiple_of(16) {
        return Err(wrong());
    }
    if key.len() != bits {
        return Err(format!("its key must have {bits} bytes, not {}", key.len()));
    }
    let plain = match bits {
        16 => Aes128::new_from_slice(key).ok().and_then(|aes| blocks(&aes, bytes)),
        24 => Aes192::new_from_slice(key).ok().and_then(|aes| blocks(&aes, bytes)),
        _ => Aes256::new_from_slice(key).ok().and_then(|aes| blocks(&aes, bytes)),
    };
    let mut plain = plain.ok_or_else(wrong)?;
    let added = usize::from(*plain.last().ok_or_else(wrong)?);
    if !(1..=16).contains(&added) {
        return Err(wrong());
    }
    let kept = plain.len() - added; // at least one block of 16
    plain.truncate(kept);
    Ok(Secret::new(plain.to_vec()))
}

/// AES Key Wrap, plain (RFC 3394) or padded (RFC 5649), if that is what it is.
fn unwrap(cipher: &str, key: &[u8], bytes: &[u8]) -> Option<Result<Secret<Vec<u8>>, String>> {
    let (bits, padded) = match short(cipher) {
        "kw-aes128" => (16, false),
        "kw-aes192" => (24, false),
        "kw-aes256" => (32, false),
        "kw-aes-128-pad" => (16, true),
        "kw-aes-192-pad" => (24, true),
        "kw-aes-256-pad" => (32, true),
        _ => return None,
    };
    if key.len() != bits {
        return Some(Err(format!("its key must have {bits} bytes, not {}", key.len())));
    }
    let mut buffer = Zeroizing::new(vec![0; bytes.len()]);
    macro_rules! opened {
        ($cipher:ty) => {
            <$cipher>::new_from_slice(key)
                .ok()
                .and_then(|wrap| Some(wrap.unwrap_key(bytes, &mut buffer).ok()?.to_vec()))
        };
    }
    let plain = match (bits, padded) {
        (16, false) => opened!(aes_kw::KwAes128),
        (24, false) => opened!(aes_kw::KwAes192),
        (_, false) => opened!(aes_kw::KwAes256),
        (16, true) => opened!(aes_kw::KwpAes128),
        (24, true) => opened!(aes_kw::KwpAes192),
        (_, true) => opened!(aes_kw::KwpAes256),
    };
    let wrong = || "the key or passphrase is wrong, or the file is damaged: it does not unwrap".to_owned();
    Some(plain.map(Secret::new).ok_or_else(wrong))
}

/// The keys of an encrypted container; none if it is plain.
#[derive(Debug)]
pub(super) struct Keys(Option<Pair>);

#[derive(Debug)]
struct Pair {
    encryption: Secret<Vec<u8>>,
    mac: Secret<Vec<u8>>,
    mac_name: Option<String>,
}

impl Keys {
    pub(super) fn of(protection: &Protection, unlock: Option<&Unlock>) -> Result<Self, String> {
        if !protection.encrypted {
            // Whoever takes the encryption away, to put seeds of their own there, must not go unnoticed.
            return match unlock {
                None => Ok(Self(None)),
                Some(_) => Err("the file is not encrypted, though a key or passphrase was given; ask who made it, and leave \
                                the key out if that is meant so"
                    .to_owned()),
            };
        }
        let encryption = match (unlock, &protection.derivation) {
            (Some(Unlock::Key(key)), None) => key.clone(),
            (Some(Unlock::Passphrase(passphrase)), Some(how)) => pbkdf2(passphrase.expose(), how)?,
            (_, Some(_)) => return Err("the file is encrypted under a passphrase; give it".to_owned()),
            (_, None) => return Err("the file is encrypted under a key; give it".to_owned()),
        };
        let mac = match &protection.mac_key {
            Some(value) => match unwrap(&value.cipher, encryption.expose(), &value.bytes) {
                Some(unwrapped) => unwrapped?,
                None => decrypt(&value.cipher, encryption.expose(), &value.bytes)?,
            },
            None => encryption.clone(),
        };
        Ok(Self(Some(Pair { encryption, mac, mac_name: protection.mac.clone() })))
    }

    /// Whether secrets that are not encrypted may stand in the container.
    pub(super) const fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// Opens a value if its MAC, or what it has for one, is right.
    pub(super) fn open(&self, value: &Value) -> Result<Secret<Vec<u8>>, String> {
        let Some(keys) = &self.0 else {
            return Err("it is encrypted, but the file does not say how".to_owned());
        };
        if let Some(unwrapped) = unwrap(&value.cipher, keys.encryption.expose(), &value.bytes) {
            return unwrapped;
        }
        let name = keys.mac_name.as_deref().ok_or(
            "the file names no MAC, so that changed bytes would not be noticed; ask for one that does (RFC 6030 §6.1.1)",
        )?;
        let hash = Hash::of(name, keys.mac.expose());
        let hash = hash.ok_or_else(|| format!("its MAC is `{name}`, which is not known"))?;
        let mac = value.mac.as_ref().ok_or("its encrypted secret has no MAC")?;
        if !bool::from(hash.digest(&[&value.bytes]).ct_eq(mac)) {
            return Err("the key or passphrase is wrong, or the file is damaged: the MAC differs".to_owned());
        }
        decrypt(&value.cipher, keys.encryption.expose(), &value.bytes)
    }
}
