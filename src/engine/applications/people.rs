//! People as applications see them: their devices, and new apps for them.

use super::{Applications, Asking, Failed};
use crate::base::Secret;
use crate::config::ApiRight;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState};
use crate::domain::login::{Account, Offer};
use crate::domain::message::Notice;
use crate::domain::person::{Person, Username};
use crate::domain::reason::Reason;
use crate::domain::throttle::{Counter, Gate, Throttle};
use crate::engine::desk::DeskError;
use crate::engine::enroll::{Device, Enrolled, KeyDetails};
use crate::engine::notices::{Told, notices};
use crate::engine::once;
use crate::store::{CounterState, SecurityChange, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// First codes of an app that are looked at: when the last of them is wrong too, it is gone. Whoever sets it up has its key, so
/// there is nothing to guess.
const TRIES: u32 = 5;
const FIRST_CODES: Throttle =
    Throttle { free: TRIES, base: Duration::from_secs(1), max: Duration::from_secs(1), hard_stop: TRIES };

/// What the trail calls it.
const LIST: &str = "factor.list";
const CONFIRM: &str = "factor.confirm";

/// How somebody can give a passcode.
#[derive(Debug, Clone)]
pub enum Ways {
    /// In these ways.
    Offered(Vec<Offer>),
    /// In none.
    Nothing,
    /// They may not log in, or there is nobody of this name.
    Denied,
    /// The application may not see it.
    Unsaid,
}

/// What became of the first code of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Confirmed {
    /// The app counts.
    Done,
    /// It was wrong; another one can be tried.
    Wrong,
    /// It was wrong once too often: the app is gone.
    Over,
    /// There is no such app that waits for a code.
    Nothing,
}

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

/// A device that nobody has: it fits no factor.
pub fn no_device() -> FactorId {
    FactorId::from_uuid(uuid::Uuid::nil())
}

/// The device of a name.
pub fn token_id(serial: &str) -> Option<FactorId> {
    serial.len().checked_sub(32).and_then(|at| serial.get(at..))?.parse().ok()
}

/// A name as it stands in the trail. What cannot be one may have been typed into the wrong field.
fn subject(asking: Asking<'_>, username: &str) -> String {
    let name = Username::parse(&asking.config.realms.canonical(username));
    name.map_or_else(|_| "(invalid)".to_owned(), |name| name.as_str().to_owned())
}

/// Failures of a factor, of all that were counted.
fn count_of(failures: &[CounterState], factor: FactorId) -> u32 {
    let counter = Counter::Factor(factor).key();
    failures.iter().find(|state| state.counter == counter).map_or(0, |state| state.failures.count)
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

    /// Ways in which somebody can give a passcode here. Whoever may not see them is told the same of everybody; that nobody has a
    /// name, or may not log in, is for those who are trusted.
    pub async fn ways(&self, asking: Asking<'_>, username: &str) -> Result<Ways, Failed> {
        if !asking.client.trusted && !asking.client.may(ApiRight::List) {
            return Ok(Ways::Unsaid);
        }
        let account = self.account(asking, username).await?;
        let person = account.as_ref().map(|account| account.person.id);
        let entry = self.desk.entry(&asking.actor(), LIST, &subject(asking, username), person);
        self.desk.audit.append(entry).await.map_err(Failed::from)?;
        let policy = super::check::policy(asking, (None, false));
        let round = super::check::round(asking, &policy, "", Secret::new(Vec::new()));
        Ok(match self.gatekeeper.offers(asking.config, &round, account) {
            Ok(offers) if !offers.is_empty() => Ways::Offered(offers),
            Err(_) if asking.client.trusted => Ways::Denied,
            Ok(_) | Err(_) => Ways::Nothing,
        })
    }

    /// The person of a name, of whom something is asked that goes into the trail as this action; also that there is nobody.
    async fn known(
        &self,
        asking: Asking<'_>,
        action: &'static str,
        username: &str,
    ) -> Result<Person, Failed> {
        let found = self.desk.person(username).await;
        if let Err(DeskError::NoPerson(_)) = found {
            let entry = self.desk.entry(&asking.actor(), action, &subject(asking, username), None);
            let detail = Reason::UnknownPerson.as_str().into();
            let entry = AuditEntry { outcome: "refused", detail, ..entry };
            self.desk.audit.append(entry).await.map_err(Failed::from)?;
        }
        Ok(found?)
    }

    /// Devices of a person, or the one that is named.
    pub async fn tokens(
        &self,
        asking: Asking<'_>,
        username: &str,
        device: Option<FactorId>,
    ) -> Result<(Person, Vec<ListedToken>), Failed> {
        let person = self.known(asking, LIST, username).await?;
        let failures = self.desk.attempts.failures(person.id).await.map_err(Failed::from)?;
        let factors = self.desk.factors.of(person.id).await.map_err(Failed::from)?;
        let shown = |factor: &Factor| {
            factor.kind != FactorKind::Pin && device.is_none_or(|device| device == factor.id)
        };
        let listed = factors.into_iter().filter(shown).map(|factor| {
            let failures = count_of(&failures, factor.id);
            ListedToken { factor, failures }
        });
        let listed = listed.collect();
        let entry = self.desk.entry(&asking.actor(), LIST, person.username.as_str(), Some(person.id));
        self.desk.audit.append(entry).await.map_err(Failed::from)?;
        Ok((person, listed))
    }

    /// A new passcode app for a person, which counts after its first code. Only this application may give that.
    pub async fn enroll(
        &self,
        asking: Asking<'_>,
        username: &str,
        details: KeyDetails,
    ) -> Result<Enrolled, Failed> {
        let person = self.known(asking, "factor.enroll", username).await?;
        let (wanted, name) = ((Device::App, details), person.username.as_str());
        let limits = &asking.config.factors;
        let enrolled = self.desk.enroll_key(&asking.actor(), name, wanted, limits).await?;
        let until = self.clock.now() + asking.config.retention.keep.pending;
        self.gatekeeper.logins.mark(once::of_app(&asking.client.name, enrolled.id, until)).await?;
        Ok(enrolled)
    }

    /// An app that waits for its first code from this application, and its owner, who must be the one that is named, if one is. What
    /// somebody else has begun to set up is nothing to it, and in the trail.
    async fn waiting(
        &self,
        asking: Asking<'_>,
        (device, username): (FactorId, Option<&str>),
    ) -> Result<Option<(Factor, Person)>, Failed> {
        let factor = match self.desk.factors.factor(device).await {
            Ok(factor) => factor,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let owner = self.desk.people.by_id(factor.person).await.map_err(Failed::from)?;
        let named = |owner: &Person| {
            username.is_none_or(|name| asking.config.realms.canonical(name) == owner.username.as_str())
        };
        let waits = factor.kind == FactorKind::Totp && factor.state == FactorState::Pending;
        let Some(owner) = owner.filter(|owner| waits && named(owner)) else { return Ok(None) };
        let (begun, _) = once::of_app(&asking.client.name, device, self.clock.now());
        if self.gatekeeper.logins.is_marked(&begun).await? {
            return Ok(Some((factor, owner)));
        }
        let entry = self.desk.entry(&asking.actor(), CONFIRM, &device.to_string(), Some(owner.id));
        let detail = "begun elsewhere".into();
        self.desk.audit.append(AuditEntry { outcome: "refused", detail, ..entry }).await?;
        Ok(None)
    }

    /// Takes the first code of an app that this application has begun to set up, for this person if one is named. The owner is told of
    /// the app as of any that they set up themselves. A code is charged before it is looked at; failures end with the app, or when it counts.
    pub async fn confirm(
        &self,
        asking: Asking<'_>,
        (device, username): (FactorId, Option<&str>),
        code: &str,
    ) -> Result<Confirmed, Failed> {
        let named = (device, username);
        let Some((_, owner)) = self.waiting(asking, named).await? else { return Ok(Confirmed::Nothing) };
        let (counters, now) = ([Counter::Factor(device)], self.clock.now());
        let gates = self.desk.attempts.charge(Some(owner.id), &counters, &FIRST_CODES, now).await?;
        if gates.iter().any(|gate| *gate != Gate::Open) {
            return Ok(Confirmed::Over);
        }
        // It may have gone with a code that came at the same time, and its failures with it.
        let Some((factor, _)) = self.waiting(asking, named).await? else { return Ok(Confirmed::Nothing) };
        let mut entry = self.desk.entry(&asking.actor(), CONFIRM, &device.to_string(), Some(owner.id));
        entry.detail = factor.kind.to_string().into();
        match self.desk.prove(&factor, code, entry.clone(), &asking.config.factors).await {
            Ok(()) => {}
            Err(DeskError::WrongCode) => {
                (entry.outcome, entry.detail) = ("refused", "wrong code".into());
                self.desk.audit.append(entry).await?;
                return self.wrong_first(asking, &factor).await;
            }
            Err(DeskError::NotPending) => return Ok(Confirmed::Nothing),
            Err(error) => return Err(error.into()),
        }
        self.tell(asking, &owner, Notice::FactorAdded).await;
        Ok(Confirmed::Done)
    }

    /// A first code was wrong. With the last that is looked at, an app that still waits goes.
    async fn wrong_first(&self, asking: Asking<'_>, factor: &Factor) -> Result<Confirmed, Failed> {
        let failures = self.desk.attempts.failures(factor.person).await?;
        if count_of(&failures, factor.id) < TRIES {
            return Ok(Confirmed::Wrong);
        }
        match self.desk.revoke_waiting(&asking.actor(), factor).await {
            Ok(()) => Ok(Confirmed::Over),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells what was written. A notice that cannot be kept must not undo what it tells of.
    async fn tell(&self, asking: Asking<'_>, person: &Person, notice: Notice) {
        let security = &self.desk.security;
        let told = async {
            let language = security.profile(person.id).await?.language;
            let told = Told { notice, language, at: self.clock.now() };
            let notices = notices(&self.gatekeeper, &asking.config.campuses, person, &told, &[]);
            if notices.is_empty() {
                tracing::warn!(username = %person.username, notice = notice.as_str(), "nobody could be told: there is no address and no number");
                return Ok(());
            }
            let entry =
                self.desk.entry(&asking.actor(), "person.notice", person.username.as_str(), Some(person.id));
            let entry = AuditEntry { detail: notice.as_str().into(), ..entry };
            security.update(person.id, SecurityChange::default(), entry, notices).await
        };
        match told.await as crate::store::Result<()> {
            Ok(()) => self.gatekeeper.courier.wake(),
            Err(error) => tracing::error!(username = %person.username, "no notice was sent: {error}"),
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
