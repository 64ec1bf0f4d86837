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

pub use servers::{ServerState, ValidationServers};
