//! People as applications see them: their devices, and new apps for them.

use super::{Applications, Asking, Failed};
use crate::base::Secret;
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState};
use crate::domain::login::{Account, Offer};
use crate::domain::person::{Person, Username};
use crate::domain::reason::Reason;
use crate::engine::desk::DeskError;
use crate::engine::enroll::{Device, Enrolled, KeyDetails};
use crate::store::StoreError;
use std::sync::Arc;

/// Devices that one person can have. Each of them is tried with every passcode.
const MOST: usize = 10;

/// A device.
#[derive(Debug, Clone)]
pub struct ListedToken {
    /// The device.
    pub factor: Factor,
    /// Failures in a row.
    pub failures: u32,
}

/// The name of a device in the protocol: its kind and its id.
pub fn serial(kind: FactorKind, id: FactorId) -> String {
    let id = data_encoding::HEXUPPER.encode(id.as_bytes());
    format!("{}{id}", kind.as_str().to_uppercase())
}

/// The device of a name.
pub fn token_id(serial: &str) -> Option<FactorId> {
    serial.len().checked_sub(32).and_then(|at| serial.get(at..))?.parse().ok()
}

impl Applications {
    /// The name that an application means.
    pub fn username(&self, asking: Asking<'_>, user: &str, realm: Option<&str>) -> String {
        match realm.map(str::trim).filter(|realm| !realm.is_empty()) {
            Some(realm) if !asking.client.realms.contains(&realm.to_lowercase()) => format!("{user}@{realm}"),
            _ => user.to_owned(),
        }
    }

    /// The person of a name with what they have, if there is one.
    pub async fn account(&self, asking: Asking<'_>, username: &str) -> Result<Option<Arc<Account>>, Failed> {
        let Ok(name) = Username::parse(&asking.config.realms.canonical(username)) else { return Ok(None) };
        Ok(self.gatekeeper.people.account(&name).await?)
    }

    /// The username of whoever has a device; `None`: nobody.
    pub async fn owner(&self, device: FactorId) -> Result<Option<String>, Failed> {
        let factor = match self.desk.factors.factor(device).await {
            Ok(factor) => factor,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let person = self.desk.people.by_id(factor.person).await?;
        Ok(person.map(|person| person.username.as_str().to_owned()))
    }

    /// Ways in which somebody can give a passcode here; else why they may not log in.
    pub fn offers(&self, asking: Asking<'_>, account: Option<Arc<Account>>) -> Result<Vec<Offer>, Reason> {
        let typed = Secret::new(Vec::new());
        let round = super::check::round(asking, &asking.client.policy, "", typed);
        self.gatekeeper.offers(asking.config, &round, account)
    }

    /// Devices of a person, or the one that is named.
    pub async fn tokens(
        &self,
        asking: Asking<'_>,
        username: &str,
        device: Option<FactorId>,
    ) -> Result<(Person, Vec<ListedToken>), Failed> {
        let person = self.desk.person(username).await?;
        let failures = self.desk.attempts.failures(person.id).await.map_err(Failed::from)?;
        let factors = self.desk.factors.of(person.id).await.map_err(Failed::from)?;
        let shown = |factor: &Factor| {
            factor.kind != FactorKind::Pin && device.is_none_or(|device| device == factor.id)
        };
        let listed = factors.into_iter().filter(shown).map(|factor| {
            let counter = factor.id.to_string();
            let count = failures
                .iter()
                .find(|state| state.counter == counter)
                .map_or(0, |state| state.failures.count);
            ListedToken { factor, failures: count }
        });
        let listed = listed.collect();
        let entry =
            self.desk.entry(&asking.actor(), "factor.list", person.username.as_str(), Some(person.id));
        self.desk.audit.append(entry).await.map_err(Failed::from)?;
        Ok((person, listed))
    }

    /// A new passcode app for a person, which counts after its first code.
    pub async fn enroll(
        &self,
        asking: Asking<'_>,
        username: &str,
        details: KeyDetails,
    ) -> Result<Enrolled, Failed> {
        let person = self.desk.person(username).await?;
        let factors = self.desk.factors.of(person.id).await.map_err(Failed::from)?;
        let devices = factors.iter().filter(|factor| factor.kind == FactorKind::Totp).count();
        if devices >= MOST {
            return Err(DeskError::Conflict(
                "this person has as many apps as one can have; revoke one first".into(),
            )
            .into());
        }
        let wanted = (Device::App, details);
        let name = person.username.as_str();
        Ok(self.desk.enroll_key(&asking.actor(), name, wanted, &asking.config.factors).await?)
    }

    /// Takes the first code of an app.
    pub async fn confirm(&self, asking: Asking<'_>, device: FactorId, code: &str) -> Result<bool, Failed> {
        let id = device.to_string();
        match self.desk.confirm(&asking.actor(), &id, code, &asking.config.factors).await {
            Ok(factor) => Ok(factor.state == FactorState::Active),
            Err(DeskError::WrongCode) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn serial_leads_back_to_its_device() {
        let id = FactorId::from_uuid(uuid::Uuid::from_u128(0xabcd_ef01));
        for kind in [FactorKind::Totp, FactorKind::Yubikey] {
            let name = serial(kind, id);
            assert!(name.len() <= 40 && name.starts_with(&kind.as_str().to_uppercase()));
            assert_eq!(token_id(&name), Some(id));
        }
        assert!(token_id("TOTP00021198").is_none() && token_id("").is_none() && token_id("ä").is_none());
    }
}
