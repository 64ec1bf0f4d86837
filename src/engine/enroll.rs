//! Enrolling factors. A time- or counter-based one counts only after a first code has proved that the device has the
//! key; that code is used up with it.

use super::desk::{Actor, Desk, DeskError, Result};
use crate::base::rng::decimal_code;
use crate::base::{Secret, Timestamp, percent_encode};
use crate::config::Factors as Limits;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{
    Algorithm, Factor, FactorId, FactorKind, FactorState, Material, OneTimeCode, Proof,
};
use crate::domain::passcode::{Window, canonical_code, hotp_resync, matching, totp_resync};
use crate::domain::password::pin;
use crate::domain::person::Person;
use crate::store::{Among, NewFactor, StoreError};
use data_encoding::BASE32_NOPAD;
use std::time::Duration;

/// No token gets as far: one code a second for 30,000 years. Larger ones are typing errors.
pub(super) const MOST_COUNTED: u64 = 1_000_000_000_000;

/// A key that was enrolled, to be shown once.
#[derive(Debug)]
pub struct Enrolled {
    /// Its id.
    pub id: FactorId,
    /// The key in base32.
    pub seed: Secret<String>,
    /// `otpauth://` URI for the QR code.
    pub uri: Secret<String>,
}

/// What an app or token may say of itself.
#[derive(Debug, Clone, Default)]
pub struct KeyDetails {
    /// Name that the person knows it by.
    pub label: Option<String>,
    /// Key in base32, if the device has one already.
    pub seed: Option<Secret<String>>,
    /// HOTP: the first counter.
    pub counter: u64,
}

/// What produces codes from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A passcode app, by time.
    App,
    /// A token, by counter.
    Token,
}

/// A temporary code, to be read out once.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: FactorId,
    /// The code.
    pub code: Secret<String>,
    /// When it ends.
    pub expires: Timestamp,
}

/// Crockford's base 32: no letter that is taken for a digit.
const PAPER: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Desk {
    fn seed(&self, given: Option<&Secret<String>>, length: usize) -> Result<Secret<Vec<u8>>> {
        let Some(given) = given else {
            let mut seed = vec![0; length];
            self.random.fill(&mut seed);
            return Ok(Secret::new(seed));
        };
        let text: String =
            given.expose().chars().filter(|c| !c.is_whitespace() && *c != '=' && *c != '-').collect();
        let seed = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| DeskError::Seed)?;
        if !(16..=128).contains(&seed.len()) {
            return Err(DeskError::Seed);
        }
        Ok(Secret::new(seed))
    }

    pub(super) async fn add(
        &self,
        actor: &Actor,
        person: &Person,
        kind: FactorKind,
        draft: Draft,
    ) -> Result<FactorId> {
        let id = draft.id.unwrap_or_else(|| FactorId::from_uuid(self.new_uuid()));
        let mut entry = self.entry(actor, draft.action, person.username.as_str(), Some(person.id));
        entry.detail = format!("{kind} {id}").into();
        let label = draft.label.filter(|label| !label.trim().is_empty()).unwrap_or_else(|| kind.to_string());
        let factor = NewFactor {
            id,
            person: person.id,
            kind,
            label: label.chars().filter(|c| !c.is_control()).take(64).collect(),
            state: if matches!(kind, FactorKind::Totp | FactorKind::Hotp) {
                FactorState::Pending
            } else {
                FactorState::Active
            },
            created: self.clock.now(),
            material: draft.material,
            next: draft.next,
        };
        self.factors.add(factor, draft.among, entry).await?;
        Ok(id)
    }

    /// Enrolls a device that has a key; pending until [`Desk::confirm`].
    pub async fn enroll_key(
        &self,
        actor: &Actor,
        username: &str,
        (device, details): (Device, KeyDetails),
        limits: &Limits,
    ) -> Result<Enrolled> {
        let person = self.person(username).await?;
        if details.counter > MOST_COUNTED {
            return Err(DeskError::Counter);
        }
        let length = match (device, limits.totp_algorithm) {
            (Device::App, Algorithm::Sha512) => 64,
            (Device::App, Algorithm::Sha256) => 32,
            _ => 20, // as long as the hash function's output (RFC 6238 §3, RFC 4226 §4)
        };
        let seed = self.seed(details.seed.as_ref(), length)?;
        let base32 = Secret::new(BASE32_NOPAD.encode(seed.expose()));
        let (kind, material, next, parameters) = match device {
            Device::App => {
                let (algorithm, digits, period) =
                    (limits.totp_algorithm, limits.totp_digits, limits.totp_period);
                let parameters = totp_parameters(algorithm, digits, period);
                (FactorKind::Totp, Material::Totp { seed, algorithm, digits, period }, 0, parameters)
            }
            Device::Token => {
                let (digits, counter) = (limits.hotp_digits, details.counter);
                let parameters = format!("algorithm=SHA1&digits={digits}&counter={counter}");
                (FactorKind::Hotp, Material::Hotp { seed, digits }, counter, parameters)
            }
        };
        let uri = uri(kind.as_str(), &limits.issuer, &person, &base32, &parameters);
        let draft = Draft { label: details.label, next, ..Draft::new("factor.enroll", material) };
        let id = self.add(actor, &person, kind, draft).await?;
        Ok(Enrolled { id, seed: base32, uri })
    }

    /// The key of a factor that waits for its first code, to be shown once more.
    pub fn shown_again(&self, person: &Person, factor: &Factor, limits: &Limits) -> Option<Enrolled> {
        let (FactorState::Pending, Material::Totp { seed, algorithm, digits, period }) =
            (factor.state, &factor.material)
        else {
            return None;
        };
        let base32 = Secret::new(BASE32_NOPAD.encode(seed.expose()));
        let parameters = totp_parameters(*algorithm, *digits, *period);
        let uri = uri(factor.kind.as_str(), &limits.issuer, person, &base32, &parameters);
        Some(Enrolled { id: factor.id, seed: base32, uri })
    }

    /// Takes the first code of a pending factor, which counts from then on.
    pub async fn confirm(&self, actor: &Actor, id: &str, code: &str, limits: &Limits) -> Result<Factor> {
        let factor = self.factor(id).await?;
        let mut entry = self.entry(actor, "factor.confirm", id, Some(factor.person));
        entry.detail = factor.kind.to_string().into();
        self.prove(&factor, code, entry, limits).await?;
        self.factor(id).await
    }

    /// The same with an entry for the trail.
    pub async fn prove(&self, factor: &Factor, code: &str, entry: AuditEntry, limits: &Limits) -> Result<()> {
        if factor.state != FactorState::Pending {
            return Err(DeskError::NotPending);
        }
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let window = Window { totp_skew: limits.totp_skew, hotp_look_ahead: limits.hotp_look_ahead };
        let proof = matching(factor, &code, self.clock.now(), window, &self.digester);
        let Some(Proof::Position { position, .. }) = proof else { return Err(DeskError::WrongCode) };
        match self.factors.confirm(factor.id, position, entry).await? {
            true => Ok(()),
            false => Err(DeskError::NotPending),
        }
    }

    /// A new set of recovery codes, in place of an older one. This is the only time they can be read.
    pub async fn enroll_recovery(
        &self,
        actor: &Actor,
        username: &str,
        limits: &Limits,
    ) -> Result<(FactorId, Vec<Secret<String>>)> {
        let person = self.person(username).await?;
        let id = FactorId::from_uuid(self.new_uuid());
        let codes: Vec<_> = (0..limits.recovery_codes).map(|_| self.paper_code()).collect();
        let digest = |code: &Secret<String>| OneTimeCode {
            digest: self.digester.digest(id, &canonical_code(code.expose())),
            expires: None,
        };
        let mut draft = Draft::new("factor.enroll", Material::Codes(codes.iter().map(digest).collect()));
        (draft.id, draft.among) = (Some(id), Among::Alone);
        self.add(actor, &person, FactorKind::Recovery, draft).await?;
        Ok((id, codes))
    }

    /// Ten characters of 5 bits each, in two groups.
    fn paper_code(&self) -> Secret<String> {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        let letters = bytes.iter().map(|byte| char::from(PAPER[usize::from(byte % 32)])); // in range by modulo
        let mut code: String = letters.collect();
        code.insert(5, '-');
        Secret::new(code)
    }

    /// Sets the PIN, in place of an older one.
    pub async fn enroll_pin(
        &self,
        actor: &Actor,
        username: &str,
        chosen: &Secret<String>,
        limits: &Limits,
    ) -> Result<FactorId> {
        let person = self.person(username).await?;
        pin::check(chosen.expose(), limits.pin_min, limits.pin_max).map_err(DeskError::Pin)?;
        let hash = self.hashes.hash(Secret::new(chosen.expose().clone().into_bytes())).await?;
        let mut draft = Draft::new("factor.enroll", Material::Pin { hash });
        draft.among = Among::Alone;
        self.add(actor, &person, FactorKind::Pin, draft).await
    }

    /// A temporary code, good once, for someone whose device is lost. The older one ends.
    pub async fn issue_code(
        &self,
        actor: &Actor,
        username: &str,
        lifetime: Option<Duration>,
        limits: &Limits,
    ) -> Result<Issued> {
        let person = self.person(username).await?;
        let most = limits.temporary_max_lifetime;
        let lifetime = lifetime.unwrap_or(Duration::from_secs(3600).min(most));
        if lifetime > most || lifetime < Duration::from_secs(60) {
            return Err(DeskError::Lifetime(most.as_secs() / 3600));
        }
        let id = FactorId::from_uuid(self.new_uuid());
        let code = Secret::new(decimal_code(&*self.random, usize::from(limits.temporary_digits)));
        let expires = self.clock.now() + lifetime;
        let digest = self.digester.digest(id, &canonical_code(code.expose()));
        let material = Material::Codes(vec![OneTimeCode { digest, expires: Some(expires) }]);
        let mut draft = Draft::new("code.issue", material);
        (draft.id, draft.among) = (Some(id), Among::Alone);
        self.add(actor, &person, FactorKind::Temporary, draft).await?;
        Ok(Issued { id, code, expires })
    }

    /// Finds a token again whose counter has run ahead (RFC 4226 §7.4) or whose clock is off (RFC 6238 §6), by two codes in a row.
    pub async fn resync(
        &self,
        actor: &Actor,
        id: &str,
        (first, second): (&str, &str),
        limits: &Limits,
    ) -> Result<Factor> {
        let factor = self.factor(id).await?;
        let (first, second, now) = (first.trim(), second.trim(), self.clock.now());
        let found = match factor.kind {
            FactorKind::Hotp => hotp_resync(&factor, first, second, limits.hotp_resync_window),
            FactorKind::Totp => totp_resync(&factor, (first, second), now, limits.totp_resync_window),
            _ => return Err(DeskError::NoCodes),
        };
        let position = found.ok_or(DeskError::NoResync)?;
        // Both codes are used up with it. When that was says how far a clock is off.
        let next = position.saturating_add(2);
        let used = (factor.kind == FactorKind::Totp).then_some(now);
        let entry = self.entry(actor, "factor.resync", id, Some(factor.person));
        if !self.factors.advance(factor.id, next, used, entry).await? {
            return Err(DeskError::NoResync);
        }
        self.factor(id).await
    }

    /// Gives a factor another name.
    pub async fn rename(&self, actor: &Actor, id: &str, label: &str) -> Result<Factor> {
        let factor = self.factor(id).await?;
        let label = label.trim();
        if !(1..=64).contains(&label.chars().count()) || label.chars().any(char::is_control) {
            return Err(DeskError::Label);
        }
        let mut entry = self.entry(actor, "factor.rename", id, Some(factor.person));
        entry.detail = format!("{} {} is {label}", factor.kind, factor.label).into();
        match self.factors.rename(factor.id, label.to_owned(), entry).await {
            Err(StoreError::Conflict(_)) => return Err(DeskError::DeviceNamed(label.to_owned())),
            renamed => renamed?,
        }
        self.factor(id).await
    }
}

/// A factor on its way into the store.
pub(super) struct Draft {
    action: &'static str,
    material: Material,
    pub(super) label: Option<String>,
    id: Option<FactorId>,
    next: u64,
    pub(super) among: Among,
}

impl Draft {
    pub(super) fn new(action: &'static str, material: Material) -> Self {
        Self { action, material, label: None, id: None, next: 0, among: Among::Others }
    }
}

fn totp_parameters(algorithm: Algorithm, digits: u8, period: u32) -> String {
    format!("algorithm={}&digits={digits}&period={period}", algorithm.as_str().to_uppercase())
}

/// `otpauth://TYPE/ISSUER:USER?secret=…&issuer=…`, the form that apps read from a QR code.
fn uri(
    kind: &str,
    issuer: &str,
    person: &Person,
    base32: &Secret<String>,
    parameters: &str,
) -> Secret<String> {
    let issuer = percent_encode(issuer);
    let user = percent_encode(person.username.as_str());
    Secret::new(format!(
        "otpauth://{kind}/{issuer}:{user}?secret={}&issuer={issuer}&{parameters}",
        base32.expose()
    ))
}
