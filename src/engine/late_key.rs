//! AES keys that are imported after a validation server has judged their YubiKeys for a while.
//!
//! Servers do not tell us where a key's counter stands, and what it typed before must not be good again. So the first touch that is
//! accepted by other means says where it stands, and from then on the key is judged here.

use crate::domain::audit::AuditEntry;
use crate::domain::yubikey::{Validation, judge};
use crate::store::{Result, Tokens};
use crate::wire::yubico::Otp;

/// What the audit trail calls it.
pub(super) const LOCALISED: &str = "token.localise";

/// What was said of a touch, with its position if the AES key is here by now.
pub(super) async fn localised(
    tokens: &dyn Tokens,
    otp: &Otp,
    said: Validation,
    mut audit: AuditEntry,
) -> Result<Validation> {
    let Validation::Good(None) = said else { return Ok(said) };
    let Some(key) = tokens.waiting(&otp.public_id).await? else { return Ok(said) };
    match judge(&key, 0, &otp.to_string()) {
        Ok(position) => {
            audit.detail = "judged here from now on".into();
            tokens.localise(&otp.public_id, position, audit).await?;
            Ok(Validation::Good(Some(position)))
        }
        // The server knows it better: whoever has the key is not shut out by a file that is wrong.
        Err(reason) => {
            let (key, reason) = (otp.public_id.to_string(), reason.as_str());
            tracing::warn!(
                key,
                reason,
                "an imported AES key is not the one that the validation server has; import the right one"
            );
            Ok(said)
        }
    }
}
