//! Marks of what programs and validation servers may use once, and who leaves them where no login does.

use crate::base::{Clock, Timestamp};
use crate::domain::digest::CodeDigester;
use crate::domain::factor::{CodeDigest, FactorId};
use crate::domain::reason::Reason;
use crate::domain::yubikey::Validation;
use crate::store::{Logins, OtpValidator, ValidatorError};
use crate::wire::yubico::Otp;
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use std::sync::Arc;
use std::time::Duration;

/// A YubiKey's password that a validation server took is not taken again here within this time, should the server have lost its
/// memory of it, or never have had one.
const OTP_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// A program asks several nodes at once, or once more when an answer was lost; what comes later is a replay like any other.
const REQUEST_KEPT: Duration = Duration::from_secs(3600);

/// That a password was used which a validation server judges.
pub(super) fn of_otp(digest: &CodeDigest, at: Timestamp) -> (String, Timestamp) {
    (format!("otp:{}", HEXLOWER.encode(digest)), at + OTP_KEPT)
}

/// That an application has begun to set this app up: it alone may give its first code, until then.
pub(super) fn of_app(client: &str, app: FactorId, until: Timestamp) -> (String, Timestamp) {
    (format!("app:{client}:{app}"), until)
}

/// That a program's request was answered with a yes.
pub(super) fn of_request(digest: &CodeDigest, at: Timestamp) -> (String, Timestamp) {
    (format!("wsapi:{}", HEXLOWER.encode(digest)), at + REQUEST_KEPT)
}

/// Validation servers whose yes is good once: what they accept without telling a position, which nothing here would remember, is
/// marked before it counts. For what is no login, such as binding a key by a touch; a login marks it as it ends.
pub struct OnceHere {
    /// Who is asked.
    pub servers: Arc<dyn OtpValidator>,
    /// Where marks are kept.
    pub logins: Arc<dyn Logins>,
    /// Digests of passwords.
    pub digester: CodeDigester,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl OtpValidator for OnceHere {
    async fn validate(&self, otp: &Otp) -> Result<Validation, ValidatorError> {
        let said = self.servers.validate(otp).await?;
        if said != Validation::Good(None) {
            return Ok(said);
        }
        let mark = of_otp(&self.digester.digest_otp(&otp.to_string()), self.clock.now());
        let fresh = self.logins.mark(mark).await.map_err(|error| ValidatorError(error.to_string()))?;
        Ok(if fresh { said } else { Validation::Bad(Reason::PasscodeReplayed) })
    }
}
