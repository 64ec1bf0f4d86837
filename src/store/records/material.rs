//! Secret material of factors and tokens, as it is sealed: JSON under the master key, bound to its row.

use super::super::seal::{Keyring, Place};
use super::{Records, damaged};
use crate::base::Secret;
use crate::domain::factor::{Algorithm, FactorKind, Material};
use crate::store::{Result, StoreError};
use crate::wire::mschap::NtHash;
use crate::wire::yubico::{Key, PublicId};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Fields by name; each kind has its own.
#[derive(Default, Serialize, Deserialize)]
struct Sealed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_id: Option<String>,
    /// The key is not used before a touch has said where its counter stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    waits: bool,
}

impl Sealed {
    fn key(&self) -> Result<Option<Key>> {
        Ok(match (&self.aes, &self.private_id) {
            (Some(aes), Some(private_id)) => {
                Some(Key { aes: bytes(aes, "a key")?, private_id: bytes(private_id, "a private id")? })
            }
            _ => None,
        })
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.hash.zeroize();
        self.aes.zeroize();
        self.private_id.zeroize();
    }
}

/// The place of a factor.
pub(super) fn of_factor<'a>(id: &'a str, person: &'a str, kind: FactorKind) -> Place<'a> {
    Place { table: "factors", row: id, person, kind: kind.as_str() }
}

/// The place of a token.
pub(super) fn of_token(id: &str, kind: FactorKind) -> Place<'_> {
    Place { table: "tokens", row: id, person: "", kind: kind.as_str() }
}

pub(super) fn seal(records: &Records, place: Place<'_>, material: &Material) -> Result<String> {
    let kinds: &[FactorKind] = match material {
        Material::Totp { .. } => &[FactorKind::Totp],
        Material::Hotp { .. } => &[FactorKind::Hotp],
        Material::Yubikey { .. } => &[FactorKind::Yubikey],
        Material::Pin { .. } => &[FactorKind::Pin],
        Material::DevicePassword { .. } => &[FactorKind::DevicePassword],
        Material::Codes(_) => &[FactorKind::Recovery, FactorKind::Temporary],
    };
    if !kinds.iter().any(|kind| place.kind == kind.as_str()) {
        // It could never be opened again, and every login of the person would fail on it.
        return Err(StoreError::Conflict(format!("this is no material for a factor of kind {}", place.kind)));
    }
    let mut sealed = Sealed::default();
    match material {
        Material::Totp { seed, algorithm, digits, period } => {
            sealed.seed = Some(BASE32_NOPAD.encode(seed.expose()));
            (sealed.algorithm, sealed.digits, sealed.period) =
                (Some(*algorithm), Some(*digits), Some(*period));
        }
        Material::Hotp { seed, digits } => {
            sealed.seed = Some(BASE32_NOPAD.encode(seed.expose()));
            sealed.digits = Some(*digits);
        }
        Material::Yubikey { public_id, key } => {
            sealed.public_id = Some(public_id.to_string());
            if let Some(Key { aes, private_id }) = key {
                sealed.aes = Some(HEXLOWER.encode(aes.expose()));
                sealed.private_id = Some(HEXLOWER.encode(private_id.expose()));
            }
        }
        Material::Pin { hash } => sealed.hash = Some(hash.expose().clone()),
        Material::DevicePassword { hash } => sealed.hash = Some(HEXLOWER.encode(hash.expose())),
        Material::Codes(_) => {}
    }
    written(records, place, &sealed)
}

fn written(records: &Records, place: Place<'_>, sealed: &Sealed) -> Result<String> {
    let mut json = serde_json::to_vec(sealed).map_err(|_| damaged("material"))?;
    let text = records.seal(place, &json);
    json.zeroize();
    text
}

/// A YubiKey without a key, whose key waits.
pub(super) fn seal_waiting(
    records: &Records,
    place: Place<'_>,
    public_id: PublicId,
    Key { aes, private_id }: &Key,
) -> Result<String> {
    let mut sealed = Sealed::default();
    sealed.public_id = Some(public_id.to_string());
    sealed.aes = Some(HEXLOWER.encode(aes.expose()));
    sealed.private_id = Some(HEXLOWER.encode(private_id.expose()));
    sealed.waits = true;
    written(records, place, &sealed)
}

/// The key that waits, if one does.
pub(super) fn open_waiting(records: &Records, place: Place<'_>, text: &str) -> Result<Option<Key>> {
    let sealed = read(&records.0.keyring, place, text)?;
    if sealed.waits { sealed.key() } else { Ok(None) }
}

fn read(keyring: &Keyring, place: Place<'_>, text: &str) -> Result<Sealed> {
    let json = keyring.open(place, text)?;
    serde_json::from_slice(json.expose()).map_err(|_| damaged("material"))
}

pub(super) fn open(keyring: &Keyring, place: Place<'_>, kind: FactorKind, text: &str) -> Result<Material> {
    let sealed = read(keyring, place, text)?;
    let seed = || {
        let text = sealed.seed.as_deref().ok_or_else(|| damaged("seed"))?;
        BASE32_NOPAD.decode(text.as_bytes()).map(Secret::new).map_err(|_| damaged("seed"))
    };
    let digits = sealed.digits.ok_or_else(|| damaged("digits"));
    Ok(match kind {
        FactorKind::Totp => Material::Totp {
            seed: seed()?,
            algorithm: sealed.algorithm.ok_or_else(|| damaged("algorithm"))?,
            digits: digits?,
            period: sealed.period.ok_or_else(|| damaged("period"))?,
        },
        FactorKind::Hotp => Material::Hotp { seed: seed()?, digits: digits? },
        FactorKind::Yubikey => Material::Yubikey {
            public_id: sealed
                .public_id
                .as_deref()
                .and_then(|id| PublicId::parse(id).ok())
                .ok_or_else(|| damaged("a public id"))?,
            key: if sealed.waits { None } else { sealed.key()? },
        },
        FactorKind::Pin => {
            Material::Pin { hash: Secret::new(sealed.hash.clone().ok_or_else(|| damaged("hash"))?) }
        }
        FactorKind::DevicePassword => Material::DevicePassword {
            hash: NtHash::kept(bytes(sealed.hash.as_deref().unwrap_or_default(), "hash")?),
        },
        FactorKind::Recovery | FactorKind::Temporary => Material::Codes(Vec::new()),
    })
}

fn bytes<const N: usize>(hex: &str, what: &str) -> Result<Secret<[u8; N]>>
where
    [u8; N]: Zeroize,
{
    let mut bytes = [0; N];
    let fits = HEXLOWER.decode_len(hex.len()) == Ok(N);
    if !fits || HEXLOWER.decode_mut(hex.as_bytes(), &mut bytes).is_err() {
        return Err(damaged(what));
    }
    Ok(Secret::new(bytes))
}
