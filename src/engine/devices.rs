//! Passwords of devices: making one, and logging in with it to Wi-Fi.

use super::desk::{Actor, Desk, DeskError, Result};
use super::enroll::Draft;
use super::login::{Gatekeeper, Round, Undecided, Verdict};
use super::meters::Lap;
use crate::base::Secret;
use crate::config::{Config, Factors as Limits};
use crate::domain::device;
use crate::domain::factor::{FactorId, FactorKind, Material};
use crate::domain::login::Login;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::store::Among;
use crate::wire::mschap::{Exchange, NtHash, Proven};
use std::sync::Arc;

/// A device's password that was made, to be shown once.
#[derive(Debug)]
pub struct DeviceEnrolled {
    /// Its id.
    pub id: FactorId,
    /// The device's name.
    pub label: String,
    /// The password.
    pub password: Secret<String>,
}

/// What to answer a device.
pub enum DeviceVerdict {
    /// Let in.
    Accept {
        /// Whom.
        person: Arc<Person>,
        /// Its password's id.
        factor: FactorId,
        /// Name of the device.
        device: String,
        /// What the exchange is answered, with its keys.
        proven: Proven,
    },
    /// Refuse.
    Reject {
        /// What to show.
        message: String,
        /// Why.
        reason: Reason,
    },
}

impl Desk {
    /// Makes a password for one device. This is the only time it can be read; what is kept is its NT hash, sealed.
    pub async fn enroll_device_password(
        &self,
        actor: &Actor,
        username: &str,
        label: &str,
        limits: &Limits,
    ) -> Result<DeviceEnrolled> {
        if limits.devices_per_person == 0 {
            return Err(DeskError::DevicesOff);
        }
        let label = label.trim();
        if !(1..=64).contains(&label.chars().count()) || label.chars().any(char::is_control) {
            return Err(DeskError::Label);
        }
        let person = self.person(username).await?;
        let most = limits.devices_per_person;
        self.room_for_device(&person, label, most).await?;
        let password = device::password(&*self.random);
        let material = Material::DevicePassword { hash: NtHash::of(password.expose()) };
        let mut draft = Draft::new("factor.enroll", material);
        (draft.label, draft.among) = (Some(label.to_owned()), Among::Distinct(most));
        let id = match self.add(actor, &person, FactorKind::DevicePassword, draft).await {
            Err(DeskError::Conflict(why)) => {
                // Another one came in between: says which of the two it was.
                self.room_for_device(&person, label, most).await?;
                return Err(DeskError::Conflict(why));
            }
            other => other?,
        };
        Ok(DeviceEnrolled { id, label: label.to_owned(), password })
    }

    /// A form that is sent twice makes one password, and nobody wonders later which device is which. The store has the last word.
    async fn room_for_device(&self, person: &Person, label: &str, most: u8) -> Result<()> {
        let factors = self.factors.of(person.id).await?;
        let there = || factors.iter().filter(|factor| factor.kind == FactorKind::DevicePassword);
        if there().any(|factor| factor.label.to_lowercase() == label.to_lowercase()) {
            return Err(DeskError::DeviceNamed(label.to_owned()));
        }
        if there().count() >= usize::from(most) {
            return Err(DeskError::ManyDevices(most));
        }
        Ok(())
    }
}

impl Gatekeeper {
    /// Decides a login by a device's password, which is good for Wi-Fi alone: whether `round.client` takes it, the caller has
    /// asked its policy. Nothing is typed into the round, and no State is answered.
    ///
    /// It is one round of the login machine: charged before it is verified, on a counter of the person's devices together;
    /// refused for whoever may not log in; written down with the device's name before it is answered. What `Err` means is as in
    /// [`Gatekeeper::decide`]: nothing is answered.
    pub async fn device_login(
        &self,
        config: &Config,
        round: Round<'_>,
        exchange: Exchange,
    ) -> std::result::Result<DeviceVerdict, Undecided> {
        let mut lap = Lap::start(&self.meters, round.timing);
        let context = self.context(config, &round, self.clock.now());
        let mut login = Login::by_device(context, round.username, exchange);
        let action = login.start();
        lap.machine();
        let (verdict, _) = self.drive(config, &round, (&mut login, action), lap).await?;
        Ok(match (verdict, login.recognised()) {
            (Verdict::Accept { person, .. }, Some(found)) => DeviceVerdict::Accept {
                person,
                factor: found.factor,
                device: found.name,
                proven: found.proven,
            },
            (Verdict::Reject { message, reason }, _) => DeviceVerdict::Reject { message, reason },
            // The machine lets nobody in without a device, and asks for nothing here.
            (Verdict::Accept { .. } | Verdict::Challenge { .. }, _) => {
                DeviceVerdict::Reject { message: config.texts.failed.clone(), reason: Reason::StateInvalid }
            }
        })
    }
}
