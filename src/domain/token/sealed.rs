//! Tokens as one installation hands them to another: what `doorward export` writes.

use super::file::{BadLine, Described, File, Origin, seed};
use super::pieces::{key, public_id};
use super::{Token, TokenState};
use crate::base::{Secret, Timestamp};
use crate::domain::factor::{Algorithm, FactorKind, Material};
use crate::wire::pskc::Unlock;
use crate::wire::sealed_lines::{self, Problem};
use crate::wire::yubico::Key;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// A token, as JSON in its line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    kind: FactorKind,
    name: String,
    serial: String,
    state: TokenState,
    /// The next position that is acceptable.
    next: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_id: Option<String>,
    /// The AES key waits for a touch that says where its counter stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    waits: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.aes.zeroize();
        self.private_id.zeroize();
    }
}

/// Whose a token is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// Username.
    pub user: Option<&'a str>,
    /// Name that they know it by.
    pub label: Option<&'a str>,
    /// When it last let them in.
    pub used: Option<Timestamp>,
}

impl Record {
    /// What is to be known elsewhere of a token.
    pub fn of(token: &Token, waiting: Option<&Key>, owner: Owner<'_>) -> Self {
        let mut record = Self {
            kind: token.kind,
            name: token.name.clone(),
            serial: token.serial.clone(),
            state: token.state,
            next: token.next,
            user: owner.user.map(str::to_owned),
            label: owner.label.map(str::to_owned),
            used: owner.used,
            seed: None,
            algorithm: None,
            digits: None,
            period: None,
            aes: None,
            private_id: None,
            waits: waiting.is_some(),
        };
        match &token.material {
            Material::Totp { seed, algorithm, digits, period } => {
                record.seed = Some(BASE32_NOPAD.encode(seed.expose()));
                (record.algorithm, record.digits, record.period) =
                    (Some(*algorithm), Some(*digits), Some(*period));
            }
            Material::Hotp { seed, digits } => {
                record.seed = Some(BASE32_NOPAD.encode(seed.expose()));
                record.digits = Some(*digits);
            }
            Material::Yubikey { key, .. } => {
                if let Some(Key { aes, private_id }) = key.as_ref().or(waiting) {
                    record.aes = Some(HEXLOWER.encode(aes.expose()));
                    record.private_id = Some(HEXLOWER.encode(private_id.expose()));
                }
            }
            Material::Pin { .. } | Material::Codes(_) | Material::DevicePassword { .. } => {}
        }
        record
    }

    /// The line's content.
    pub fn bytes(&self) -> Secret<Vec<u8>> {
        Secret::new(serde_json::to_vec(self).unwrap_or_default())
    }

    fn seed(&self) -> Result<(Secret<Vec<u8>>, u8), String> {
        let text = Zeroizing::new(self.seed.clone().unwrap_or_default());
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| "its seed is damaged")?;
        let digits = self.digits.filter(|digits| (6..=8).contains(digits)).ok_or("its digits are missing")?;
        Ok((seed(bytes)?, digits))
    }

    fn key(&self) -> Result<Option<Key>, String> {
        match (&self.private_id, &self.aes) {
            (Some(private_id), Some(aes)) => key(private_id, aes).map(Some),
            _ => Ok(None),
        }
    }

    fn described(&self) -> Result<Described, String> {
        let mut waiting = None;
        let material = match self.kind {
            FactorKind::Hotp => {
                let (seed, digits) = self.seed()?;
                Material::Hotp { seed, digits }
            }
            FactorKind::Totp => {
                let (seed, digits) = self.seed()?;
                let algorithm = self.algorithm.ok_or("its algorithm is missing")?;
                let period = self.period.filter(|period| *period > 0).ok_or("its period is missing")?;
                Material::Totp { seed, algorithm, digits, period }
            }
            FactorKind::Yubikey => {
                let mut key = self.key()?;
                if self.waits {
                    waiting = key.take();
                }
                Material::Yubikey { public_id: public_id(&self.name)?, key }
            }
            FactorKind::Pin | FactorKind::Recovery | FactorKind::Temporary | FactorKind::DevicePassword => {
                return Err("this is no kind of token".to_owned());
            }
        };
        let origin = Origin {
            user: self.user.clone(),
            label: self.label.clone(),
            used: self.used,
            revoked: self.state == TokenState::Revoked,
            waiting,
        };
        let described = Described::from((self.serial.clone(), material, self.next));
        Ok(Described { name: Some(self.name.clone()), origin: Some(origin), ..described })
    }
}

/// Reads a file.
pub(crate) fn read(text: &str, unlock: Option<&Unlock>) -> File {
    let mut file = File::default();
    let Some(Unlock::Passphrase(passphrase)) = unlock else {
        file.reject(1, "the file is sealed under a passphrase; give it");
        return file;
    };
    let records = match sealed_lines::read(text, passphrase) {
        Ok(records) => records,
        Err(Problem { line, what }) => {
            file.bad.push(BadLine { line, problem: what.to_owned() });
            return file;
        }
    };
    for (at, record) in records.iter().enumerate() {
        let record: Result<Record, _> = serde_json::from_slice(record.expose());
        let described = record.map_err(|_| "this is no token that is known here".to_owned());
        file.take(at + 2, described.and_then(|record| record.described()));
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::{Found, TokenId};
    use crate::wire::sealed_lines::Lines;

    fn token(name: &str, material: Material) -> Token {
        Token {
            id: TokenId::from_uuid(uuid::Uuid::nil()),
            kind: material.token().unwrap().0,
            name: name.into(),
            serial: "77".into(),
            state: TokenState::Revoked,
            person: None,
            factor: None,
            next: 7,
            created: Timestamp::default(),
            material,
        }
    }

    fn back(records: &[Record]) -> Vec<Found> {
        let passphrase = Secret::new("correct horse".to_owned());
        let mut lines = Lines::begin(&passphrase, [1; 16]).unwrap();
        let mut text = lines.head().to_owned();
        for record in records {
            text = text + "\n" + &lines.line(record.bytes().expose());
        }
        text = text + "\n" + &lines.end();
        assert!(read(&text, None).bad[0].problem.contains("passphrase; give it"));
        let file = read(&text, Some(&Unlock::Passphrase(passphrase)));
        assert_eq!(file.bad, []);
        file.found
    }

    #[test]
    fn every_kind_comes_back_as_it_was() {
        let seed = || Secret::new(vec![9; 20]);
        let hotp = token("A1", Material::Hotp { seed: seed(), digits: 8 });
        let totp = Material::Totp { seed: seed(), algorithm: Algorithm::Sha512, digits: 6, period: 60 };
        let key = Key { aes: Secret::new([3; 16]), private_id: Secret::new([4; 6]) };
        let id = public_id("vvccccbcdefg").unwrap();
        let local = Material::Yubikey { public_id: id, key: Some(key.clone()) };
        let waits = Material::Yubikey { public_id: public_id("vvccccbcdefh").unwrap(), key: None };
        let owner = Owner { user: Some("alice"), label: Some("blue"), used: Some(Timestamp::from_secs(5)) };
        let found = back(&[
            Record::of(&hotp, None, owner),
            Record::of(&token("A1", totp), None, Owner::default()),
            Record::of(&token("vvccccbcdefg", local), None, Owner::default()),
            Record::of(&token("vvccccbcdefh", waits), Some(&key), Owner::default()),
        ]);
        let Material::Hotp { seed, digits: 8 } = &found[0].material else { panic!() };
        assert_eq!((seed.expose().as_slice(), found[0].next, found[0].line), (&[9; 20][..], 7, 2));
        let origin = found[0].origin.as_ref().unwrap();
        assert_eq!((origin.user.as_deref(), origin.label.as_deref()), (Some("alice"), Some("blue")));
        assert!(origin.used == Some(Timestamp::from_secs(5)) && origin.revoked);
        let totp = &found[1].material;
        assert!(matches!(totp, Material::Totp { algorithm: Algorithm::Sha512, digits: 6, period: 60, .. }));
        let Material::Yubikey { key: Some(opened), .. } = &found[2].material else { panic!() };
        assert_eq!(opened.aes.expose(), key.aes.expose());
        assert!(matches!(found[3].material, Material::Yubikey { key: None, .. }));
        let waiting = found[3].origin.as_ref().unwrap().waiting.as_ref().unwrap();
        assert_eq!(waiting.private_id.expose(), key.private_id.expose());
        assert_eq!((found[0].name.as_str(), found[3].name.as_str()), ("A1", "vvccccbcdefh"));
    }
}
