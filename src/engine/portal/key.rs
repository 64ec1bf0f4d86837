//! Registering a YubiKey by a touch, and verifying that one works (R-YUBI-1 to 4).

use super::app::full;
use super::passcode::{Answer, Asking};
use super::{Portal, PortalError, Problem, Result, Visit, actor};
use crate::domain::factor::{Factor, FactorKind, Material};
use crate::domain::flow::Proving;
use crate::domain::login::Account;
use crate::domain::message::Notice;
use crate::domain::method::Method;
use crate::domain::passcode::Window;
use crate::domain::person::{Person, PersonId};
use crate::domain::sent::Purpose;
use crate::domain::yubikey::KeyOwner;
use crate::engine::desk::{DeskError, TouchProblem};
use crate::engine::tokens::Wanted;
use crate::wire::yubico::Otp;

const KEYS: [Method; 1] = [Method::Factor(FactorKind::Yubikey)];

const ASKING: Asking<'static> = Asking { purpose: Purpose::Portal, methods: &KEYS, reach: None };

/// What came of a touch that was to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verified {
    /// The key of this name works.
    Works(String),
    /// It is none of the person's keys, or was typed before.
    Wrong,
    /// Too many were wrong.
    Throttled,
    /// The person has no key.
    NoKey,
}

impl Portal {
    /// Binds the key that has just been touched to the person; its name, or what is wrong.
    pub async fn register_key(
        &self,
        visit: &Visit,
        person: &Person,
        (name, typed): (&str, &str),
    ) -> Result<std::result::Result<String, Problem>> {
        let full = async || Ok::<_, PortalError>(full(&self.desk.factors.of(person.id).await?, "touch"));
        if let Some(problem) = full().await? {
            return Ok(Err(problem));
        }
        let factors = &visit.config.factors;
        let wanted = Wanted {
            label: Some(name.trim().to_owned()),
            code: Some(typed.trim()),
            revoked: false,
            window: Window { totp_skew: factors.totp_skew, hotp_look_ahead: factors.hotp_look_ahead },
        };
        let actor = actor(visit, person);
        let id = match self.desk.enroll_yubikey(&actor, person.username.as_str(), wanted).await {
            Ok(id) => id,
            Err(error) => {
                if let (DeskError::Conflict(_), Some(problem)) = (&error, full().await?) {
                    return Ok(Err(problem));
                }
                let message = match error {
                    DeskError::Otp(_) => "key-no-password",
                    DeskError::Touch(problem) => said(problem),
                    DeskError::Conflict(_) => self.conflict(typed, person.id).await?,
                    other => return Err(other.into()),
                };
                let mut entry = self.entry(visit, "factor.enroll", person);
                (entry.outcome, entry.detail) = ("refused", message.into());
                self.desk.audit.append(entry).await?;
                return Ok(Err(Problem::new("touch", message)));
            }
        };
        self.tell(visit, person, Notice::FactorAdded).await;
        let factors = self.desk.factors.of(person.id).await?;
        Ok(Ok(factors
            .into_iter()
            .find(|factor| factor.id == id)
            .map(|factor| factor.label)
            .unwrap_or_default()))
    }

    /// Why a key that typed a good password could not be bound.
    async fn conflict(&self, typed: &str, person: PersonId) -> Result<&'static str> {
        let Ok(otp) = Otp::parse(typed.trim()) else { return Ok("key-no-password") };
        Ok(match self.desk.tokens.owner(&otp.public_id).await? {
            KeyOwner::Person(owner) if owner == person => "key-yours-already",
            KeyOwner::Person(_) => "key-of-another",
            KeyOwner::Revoked => "key-was-removed",
            KeyOwner::Nobody | KeyOwner::Unknown => "key-used-before",
        })
    }

    /// Uses up what a key has typed, as a login would, and says which key it was.
    pub async fn verify_key(&self, visit: &Visit, account: &Account, typed: &str) -> Result<Verified> {
        let username = account.person.username.as_str();
        let (_, offers) = self.offers(visit, ASKING, username).await?;
        let Some(mut proving) = Proving::new(username, &offers.unwrap_or_default()) else {
            return Ok(Verified::NoKey);
        };
        Ok(match self.answer(visit, ASKING, &mut proving, typed).await? {
            Answer::Right(_) => Verified::Works(name_of(&account.factors, typed)),
            Answer::Throttled => Verified::Throttled,
            Answer::Wrong | Answer::Renewed | Answer::Limited | Answer::NotAsked => Verified::Wrong,
        })
    }
}

/// The name of the key that typed this.
fn name_of(factors: &[Factor], typed: &str) -> String {
    let otp = Otp::parse(typed.trim()).ok();
    let typed_by = |factor: &&Factor| match &factor.material {
        Material::Yubikey { public_id, .. } => otp.is_some_and(|otp| otp.public_id == *public_id),
        _ => false,
    };
    factors.iter().find(typed_by).map(|factor| factor.label.clone()).unwrap_or_default()
}

const fn said(problem: TouchProblem) -> &'static str {
    match problem {
        TouchProblem::NoPublicId => "key-without-id",
        TouchProblem::Checksum | TouchProblem::PrivateId | TouchProblem::Worn => "key-programmed-anew",
        TouchProblem::Replayed => "key-used-before",
        TouchProblem::NoServer => "key-unknown",
        TouchProblem::Refused | TouchProblem::Another => "key-refused",
    }
}
