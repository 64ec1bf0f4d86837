//! Setting up a passcode app, and the PIN that goes with it (R-APP-2 to 6).

use super::{Portal, PortalError, Problem, Result, Visit, actor};
use crate::base::Secret;
use crate::config::Presence;
use crate::domain::factor::{Factor, FactorKind, FactorState, MOST_DEVICES};
use crate::domain::flow::app::Stored;
use crate::domain::flow::{App, Session};
use crate::domain::login::Account;
use crate::domain::message::Notice;
use crate::domain::password::pin::PinProblem;
use crate::domain::person::Person;
use crate::engine::desk::DeskError;
use crate::engine::enroll::{Device, Enrolled, KeyDetails};

/// What the page of a set-up shows.
#[derive(Debug)]
pub enum AppStep {
    /// The device is to be named.
    Name,
    /// The key is shown, and the first passcode asked for.
    Scan(Enrolled),
    /// A PIN is asked for.
    Pin,
    /// All is done; whether there are no recovery codes yet.
    Done(bool),
}

/// What came of the first passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum First {
    /// It was right: the app counts.
    Right,
    /// It was not.
    Wrong,
    /// This factor waits for none.
    NotAsked,
}

/// What somebody is told who has as many devices as one can have, or `None`. The store has the last word.
pub(super) fn full(factors: &[Factor], field: &str) -> Option<Problem> {
    let devices = factors.iter().filter(|factor| factor.kind.is_device()).count();
    (devices >= MOST_DEVICES).then(|| Problem::new(field, "factors-many").with("count", MOST_DEVICES))
}

fn has(factors: &[Factor], kind: FactorKind) -> bool {
    factors.iter().any(|factor| factor.kind == kind && factor.state == FactorState::Active)
}

/// Whether a PIN is to be chosen after an app was proven. Who has one keeps it.
fn wants_pin(visit: &Visit, factors: &[Factor]) -> bool {
    visit.config.portal.pin != Presence::Off && !has(factors, FactorKind::Pin)
}

fn owes(visit: &Visit, factors: &[Factor]) -> bool {
    visit.config.portal.pin == Presence::Required
        && wants_pin(visit, factors)
        && has(factors, FactorKind::Totp)
}

impl Portal {
    /// Whether somebody with a passcode app has yet to choose the PIN that is required.
    pub fn owes_pin(&self, visit: &Visit, account: &Account) -> bool {
        owes(visit, &account.factors)
    }

    /// Where the set-up stands, as the store knows it.
    pub async fn app_step(&self, visit: &Visit, session: &mut Session, person: &Person) -> Result<AppStep> {
        let factors = self.desk.factors.of(person.id).await?;
        let pin = wants_pin(visit, &factors);
        let pending = match session.app {
            Some(App::Scan { factor }) => factors.iter().find(|known| known.id == factor),
            _ => None,
        };
        let state = pending.map(|factor| factor.state);
        session.app = session.app.and_then(|app| app.seen(Stored { state, pin }));
        // Who has left at the PIN comes back to it.
        if session.app.is_none() && owes(visit, &factors) {
            session.app = Some(App::Pin);
        }
        Ok(match session.app {
            None => AppStep::Name,
            Some(App::Scan { .. }) => {
                let limits = &visit.config.factors;
                match pending.and_then(|factor| self.desk.shown_again(person, factor, limits)) {
                    Some(enrolled) => AppStep::Scan(enrolled),
                    None => AppStep::Name,
                }
            }
            Some(App::Pin) => AppStep::Pin,
            Some(App::Done) => AppStep::Done(!has(&factors, FactorKind::Recovery)),
        })
    }

    /// The device was named: there is a key for it now, which counts for nothing yet. One that waits already stays.
    pub async fn begin_app(
        &self,
        visit: &Visit,
        session: &mut Session,
        (person, label): (&Person, &str),
    ) -> Result<Option<Problem>> {
        if !matches!(self.app_step(visit, session, person).await?, AppStep::Name) {
            return Ok(None);
        }
        let full = async || Ok::<_, PortalError>(full(&self.desk.factors.of(person.id).await?, "name"));
        if let Some(problem) = full().await? {
            return Ok(Some(problem));
        }
        let details = KeyDetails { label: Some(label.trim().to_owned()), ..KeyDetails::default() };
        let (actor, limits) = (actor(visit, person), &visit.config.factors);
        let wanted = (Device::App, details);
        match self.desk.enroll_key(&actor, person.username.as_str(), wanted, limits).await {
            Ok(enrolled) => {
                session.app = Some(App::Scan { factor: enrolled.id });
                Ok(None)
            }
            // Others came in between.
            Err(error @ DeskError::Conflict(_)) => full().await?.map(Some).ok_or_else(|| error.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The first passcode was typed, on a page about the factor of this name. Whoever types it sees the key, so there is
    /// nothing to guess, and nothing is charged.
    pub async fn prove_app(
        &self,
        visit: &Visit,
        session: &mut Session,
        (person, named, typed): (&Person, &str, &str),
    ) -> Result<First> {
        let Some(id) = session.app.and_then(|app| app.waits_for(named)) else { return Ok(First::NotAsked) };
        let factors = self.desk.factors.of(person.id).await?;
        let Some(factor) = factors.iter().find(|known| known.id == id) else { return Ok(First::NotAsked) };
        let mut entry = self.entry(visit, "factor.confirm", person);
        entry.detail = format!("{} {id}", factor.kind).into();
        match self.desk.prove(factor, typed, entry, &visit.config.factors).await {
            Ok(()) => {}
            Err(DeskError::WrongCode) => return Ok(First::Wrong),
            Err(DeskError::NotPending) => return Ok(First::NotAsked),
            Err(error) => return Err(error.into()),
        }
        session.app = session.app.map(|app| app.proven(wants_pin(visit, &factors)));
        self.tell(visit, person, Notice::FactorAdded).await;
        Ok(First::Right)
    }

    /// A PIN was chosen, in place of one that there is. What is wrong with it is returned.
    pub async fn set_pin(
        &self,
        visit: &Visit,
        session: &mut Session,
        (person, pin, again): (&Person, &Secret<String>, &Secret<String>),
    ) -> Result<Vec<Problem>> {
        if visit.config.portal.pin == Presence::Off {
            return Err(PortalError::Stale);
        }
        if pin.expose() != again.expose() {
            return Ok(vec![Problem::new("pin_again", "app-pins-differ")]);
        }
        let (actor, limits) = (actor(visit, person), &visit.config.factors);
        match self.desk.enroll_pin(&actor, person.username.as_str(), pin, limits).await {
            Ok(_) => {}
            Err(DeskError::Pin(problems)) => return Ok(problems.iter().map(said).collect()),
            Err(error) => return Err(error.into()),
        }
        session.app = session.app.map(App::pin_done);
        self.tell(visit, person, Notice::Updated).await;
        Ok(Vec::new())
    }

    /// No PIN was chosen, where that is allowed.
    pub fn leave_pin_out(&self, visit: &Visit, session: &mut Session) {
        if visit.config.portal.pin != Presence::Required {
            session.app = session.app.map(App::pin_done);
        }
    }

    /// The set-up ends; a key that was not proven is no more.
    pub async fn end_app(&self, visit: &Visit, session: &mut Session, person: &Person) -> Result<()> {
        if let Some(App::Scan { factor }) = session.app {
            let factors = self.desk.factors.of(person.id).await?;
            let waits = |known: &&Factor| known.id == factor && known.state == FactorState::Pending;
            if let Some(factor) = factors.iter().find(waits) {
                self.end_factor(visit, person, factor).await?;
            }
        }
        session.app = None;
        Ok(())
    }
}

fn said(problem: &PinProblem) -> Problem {
    let named = |message| Problem::new("pin", message);
    match problem {
        PinProblem::TooShort(least) => named("pin-short").with("count", least),
        PinProblem::TooLong(most) => named("pin-long").with("count", most),
        PinProblem::NotDigits => named("pin-digits"),
        PinProblem::Repeated => named("pin-repeated"),
        PinProblem::Sequence => named("pin-sequence"),
        PinProblem::Keypad => named("pin-keypad"),
        PinProblem::Year => named("pin-year"),
        PinProblem::Date => named("pin-date"),
        PinProblem::Mirrored => named("pin-mirrored"),
        PinProblem::Common => named("pin-common"),
    }
}
