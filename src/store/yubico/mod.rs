//! Servers that validate OTPs of YubiKeys whose AES keys are not here: YubiCloud, or others that speak Yubico's
//! validation protocol 2.0 ([`crate::wire::wsapi`]).
//!
//! All are asked at the same time and with the same nonce, by which servers that synchronise know that it is one question.
//! A yes counts at once; a no when no other server can say yes any more, since the first one that has accepted an OTP
//! makes it a replay for the next. `docs/decisions/0012-yubico-validation.md` says more.

mod servers;
mod tally;
#[cfg(test)]
mod tests;

pub use crate::wire::wsapi::Verdict;
pub use servers::ValidationServers;

use crate::base::Secret;
use async_trait::async_trait;

/// Why there is no verdict: the caller must say neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no validation server has decided: {0}")]
pub struct ValidatorError(String);

/// Somebody who knows whether an OTP is good. Asking uses it up.
#[async_trait]
pub trait OtpValidator: Send + Sync {
    /// Asks about one OTP, in modhex and lower case.
    async fn verify(&self, otp: &Secret<String>) -> Result<Verdict, ValidatorError>;
}
