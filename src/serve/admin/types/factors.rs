//! JSON about factors and codes.

use crate::base::Timestamp;
use crate::domain::factor::Factor as DomainFactor;
use crate::domain::passcode::drift;
use crate::engine::desk::codes_left;
use crate::store::CounterState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Factor {
    id: String,
    /// `totp`, `hotp`, `yubikey`, `pin`, `recovery`, `temporary`, `device-password`.
    kind: String,
    label: String,
    /// `pending` until a first code has proved it, then `active`.
    state: String,
    /// RFC 3339.
    created: String,
    used: Option<String>,
    /// Steps by which an app's or token's clock was ahead at its last use.
    drift: Option<i64>,
    codes_left: Option<usize>,
    /// Failures in a row.
    failures: u32,
}

impl Factor {
    pub(in crate::serve::admin) fn new(
        factor: &DomainFactor,
        failures: &[CounterState],
        now: Timestamp,
    ) -> Self {
        let id = factor.id.to_string();
        let counter = failures.iter().find(|state| state.counter == id);
        Self {
            kind: factor.kind.to_string(),
            label: factor.label.clone(),
            state: factor.state.as_str().to_owned(),
            created: factor.created.to_string(),
            used: factor.used.map(|used| used.to_string()),
            drift: drift(factor),
            codes_left: codes_left(factor, now),
            failures: counter.map_or(0, |state| state.failures.count),
            id,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct FactorList {
    pub(in crate::serve::admin) factors: Vec<Factor>,
}

// None of the bodies that carry a secret has a `Debug`.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewKey {
    pub(in crate::serve::admin) label: Option<String>,
    /// Base32; made here if it is missing.
    pub(in crate::serve::admin) seed: Option<String>,
    /// HOTP only: the first counter.
    #[schema(maximum = 1_000_000_000_000u64)]
    pub(in crate::serve::admin) counter: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::serve::admin) struct Key {
    pub(in crate::serve::admin) id: String,
    /// Base32; shown this once.
    pub(in crate::serve::admin) seed: String,
    /// `otpauth://…`; shown this once.
    pub(in crate::serve::admin) uri: String,
}

#[derive(Serialize, ToSchema)]
pub(in crate::serve::admin) struct RecoveryCodes {
    pub(in crate::serve::admin) id: String,
    /// Shown this once.
    pub(in crate::serve::admin) codes: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::serve::admin) struct DevicePassword {
    pub(in crate::serve::admin) id: String,
    pub(in crate::serve::admin) label: String,
    /// Shown this once.
    pub(in crate::serve::admin) password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewPin {
    pub(in crate::serve::admin) pin: String,
}

#[derive(Debug, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewCode {
    /// An hour if it is missing.
    pub(in crate::serve::admin) lifetime_seconds: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::serve::admin) struct TemporaryCode {
    pub(in crate::serve::admin) id: String,
    /// Shown this once.
    pub(in crate::serve::admin) code: String,
    /// RFC 3339.
    pub(in crate::serve::admin) expires: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct FirstCode {
    pub(in crate::serve::admin) code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct TwoCodes {
    pub(in crate::serve::admin) first: String,
    pub(in crate::serve::admin) second: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewLabel {
    /// 1 to 64 characters.
    pub(in crate::serve::admin) label: String,
}
