//! A device logs in with its own password: the short way through the machine. There is no second factor and nothing to ask for, so it is
//! for Wi-Fi alone; whether a client takes it is decided before.
//!
//! An attempt does not say which device it is. All are tried, and as many more as make [`MOST`], whoever the person is and whether they
//! may log in or not: the work tells nothing.

use super::{Action, Context, Login, Opening, Reason};
use crate::base::Secret;
use crate::domain::device::MOST;
use crate::domain::factor::{FactorId, Material, Proof};
use crate::domain::throttle::{Counter, Gate};
use crate::wire::mschap::{Exchange, NtHash, Proven};
use std::fmt;

/// The device whose password was right.
#[derive(Clone)]
pub struct Recognised {
    /// Its password's id.
    pub factor: FactorId,
    /// Its name.
    pub name: String,
    /// What the peer is answered.
    pub proven: Proven,
}

/// What a device has shown, and what it came to.
pub(super) struct Trial {
    exchange: Exchange,
    recognised: Option<Recognised>,
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trial([secret])")
    }
}

impl<'a> Login<'a> {
    /// A login by a device's password, of which an exchange of MSCHAPv2 is shown.
    pub fn by_device(context: Context<'a>, username: &'a str, exchange: Exchange) -> Self {
        let device = Some(Box::new(Trial { exchange, recognised: None }));
        Self { device, ..Self::new(context, username, None, Opening::First) }
    }

    /// The device that was recognised. It is no yes: only the settlement is.
    pub fn recognised(&mut self) -> Option<Recognised> {
        self.device.as_mut()?.recognised.take()
    }

    /// The attempt is charged: tries it.
    pub(super) fn try_device(&mut self, gate: Gate) -> Action {
        let throttled = match gate {
            Gate::Open => None,
            Gate::Delayed => Some(Reason::Throttled),
            Gate::Stopped => Some(Reason::HardStopped),
        };
        let (found, any) = self.find_device();
        if let Some(reason) = self.barred().or(throttled) {
            return self.reject(reason);
        }
        let Some(found) = found else {
            return self.reject(if any { Reason::WrongDevicePassword } else { Reason::NoDevicePassword });
        };
        let mut ending = self.ending(Reason::DevicePassword).cleared(Counter::Devices);
        ending.accept = Some(Proof::Standing { factor: found.factor });
        ending.device = Some(found.name.clone());
        if let Some(trial) = &mut self.device {
            trial.recognised = Some(found);
        }
        self.settle(ending)
    }

    /// The device whose password it is, and whether there is any device.
    fn find_device(&self) -> (Option<Recognised>, bool) {
        let Some(trial) = &self.device else { return (None, false) };
        let nobodys = NtHash::kept(Secret::new([0; 16]));
        let factors = self.account.iter().flat_map(|account| &account.factors);
        let (mut found, mut tried) = (None, 0);
        for factor in factors {
            let Material::DevicePassword { hash } = &factor.material else { continue };
            tried += 1;
            if let Some(proven) = trial.exchange.answered_by(hash) {
                found.get_or_insert(Recognised { factor: factor.id, name: factor.label.clone(), proven });
            }
        }
        for _ in tried..MOST {
            // Whatever it says: an exchange that was made with these zeros is nobody's.
            let _ = std::hint::black_box(trial.exchange.answered_by(&nobodys));
        }
        (found, tried > 0)
    }
}
