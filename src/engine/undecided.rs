//! What is put right when a round could not be decided, so that who asks again is not refused for it.
//!
//! A State comes back: what it admits is admitted once by its mark in the records store, and every try at it is charged
//! before it is looked at. Charges stay, save where nobody could say whether a YubiKey's password is good: by then everything
//! else was right, and nobody finds such a password by trying. To give others back would make guesses free
//! (`docs/decisions/0010-speed.md`, `0012-yubico-validation.md`).

use super::login::{Gatekeeper, Round};
use crate::domain::audit::AuditEntry;
use crate::domain::login::Login;
use crate::store::Settlement;
use crate::store::challenges::NewChallenge;

/// What the trail says of a round whose validation servers did not answer.
const DETAIL: &str = "yubikey-not-validated";

impl Gatekeeper {
    /// Keeps a challenge again that was taken out for an answer. On failure it is gone, as after any answer.
    pub(super) async fn put_back(&self, taken: NewChallenge) {
        if let Err(error) = self.challenges.open(taken, self.clock.now()).await {
            tracing::debug!(%error, "a State could not be kept for another try");
        }
    }

    /// Gives back what this round was charged, as far as that is safe. On failure it stays charged.
    pub(super) async fn give_back(&self, login: &Login<'_>, round: &Round<'_>) {
        let Some((person, refund)) = login.unvalidated() else { return };
        let at = self.clock.now();
        let audit = AuditEntry {
            at,
            actor: format!("{}:{}", round.front.door(), round.client),
            action: round.purpose.as_str(),
            person: Some(person),
            subject: login.subject(),
            outcome: "undecided",
            detail: DETAIL.into(),
            request: round.request.to_owned(),
        };
        let settlement = Settlement { refund, ..Settlement::of(audit) };
        if let Err(error) = self.logins.settle(Box::new(settlement)).await {
            tracing::debug!(%error, "an attempt that was not decided stays charged");
        }
    }
}
